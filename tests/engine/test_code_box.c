/*
 * The box of event codes by itself, on a clock that the test turns: between two codes of a
 * script it stands at 0, whatever kept the 0 from coming in time.
 */
#include "engine/code_box.h"
#include "engine/port_backend.h"
#include "tests/check.h"

#include <string.h>

#define MS MP_NS_PER_MS
#define MOST 32

static int64_t now_ns;

/* What the amplifier sees, and what was told of the codes. */
static struct {
    uint8_t bytes[MOST];
    int64_t at_ns[MOST];
    size_t count;
    bool full; // it takes no byte
    uint8_t told[MOST];
    enum mp_code_lost lost[MOST];
    size_t told_count;
} seen;

static int64_t look(void *unused)
{
    (void)unused;
    return now_ns;
}

static enum mp_status take(struct mp_port *port, const void *bytes, size_t length,
                           size_t *written, struct mp_error *err)
{
    (void)port, (void)err;
    CHECK_INT(length, 1);
    CHECK(seen.count < MOST);
    *written = seen.full ? 0 : 1;
    if (!seen.full) {
        seen.bytes[seen.count] = *(const uint8_t *)bytes;
        seen.at_ns[seen.count++] = now_ns;
    }
    return MP_OK;
}

static int move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    (void)port, (void)line;
    CHECK(seen.count < MOST);
    seen.bytes[seen.count] = high ? 1 : 0;
    seen.at_ns[seen.count++] = now_ns;
    return 0;
}

static int empty(const struct mp_port *port)
{
    (void)port;
    return 0;
}

static void hear(void *unused, const struct mp_code *code, enum mp_code_lost lost,
                 int64_t entered_ns)
{
    (void)unused, (void)entered_ns;
    CHECK(seen.told_count < MOST);
    seen.told[seen.told_count] = code->value;
    seen.lost[seen.told_count++] = lost;
}

static const struct mp_port_ops ops = {
    .kind = MP_PORT_SERIAL, .write = take, .queued = empty, .move = move};
static struct mp_port port = {.ops = &ops, .fd = -1};
static const struct mp_time on_our_clock = {.now = look};
static const struct mp_code_hears hears = {.told = hear};
static struct mp_code_box box;

static void begin(void)
{
    now_ns = MP_NS_PER_S;
    memset(&seen, 0, sizeof seen);
    box = (struct mp_code_box){
        .port = &port, .wire_ns = MS / 10, .width_ns = 5 * MS, .time = &on_our_clock};
}

static void give(uint8_t value)
{
    const struct mp_code code = mp_code_of_script(&box, value, now_ns);
    mp_code_box_add(&box, &code, &hears);
}

/* All that is due until then; a box that always has something due at one instant is stuck. */
static void turn_to(int64_t until_ns)
{
    int turns = 0;
    while (mp_code_box_next(&box) <= until_ns && turns++ < 100) {
        if (mp_code_box_next(&box) > now_ns)
            now_ns = mp_code_box_next(&box);
        mp_code_box_now(&box, &hears);
    }
    CHECK(turns < 100);
    now_ns = until_ns;
}

static void check_bytes(const uint8_t *bytes, size_t count)
{
    CHECK_INT(seen.count, count);
    CHECK(memcmp(seen.bytes, bytes, count) == 0);
}

/* The box had the code twice, and an amplifier saw it twice. */
static void check_twice(uint8_t code)
{
    const uint8_t expected[] = {code, 0, code, 0};
    check_bytes(expected, sizeof expected);
    CHECK(seen.at_ns[2] - seen.at_ns[1] >= MS);
}

static void check_told(size_t number, uint8_t code, enum mp_code_lost lost)
{
    CHECK(number < seen.told_count);
    CHECK_INT(seen.told[number], code);
    CHECK_INT(seen.lost[number], lost);
}

/* The box stands at a code, and is no longer waited for with its 0. */
static void begin_owing(uint8_t code)
{
    begin();
    give(code);
    turn_to(now_ns + MS);
    seen.full = true;
    turn_to(now_ns + 250 * MS);
    CHECK(box.owed);
}

static void an_owed_zero_comes_before_a_code_of_a_script(void)
{
    begin_owing(7);
    seen.full = false;
    give(7); // before the 0 is tried by itself
    turn_to(now_ns + 50 * MS);
    check_twice(7);
    CHECK_INT(seen.told_count, 2);
    check_told(1, 7, MP_CODE_WRITTEN);
}

static void where_the_owed_zero_is_not_taken_the_code_is_lost(void)
{
    begin_owing(7);
    give(8);
    give(9);
    turn_to(now_ns + 2 * MS);
    CHECK_INT(seen.told_count, 3);
    check_told(1, 8, MP_CODE_BOX_FULL);
    check_told(2, 9, MP_CODE_BOX_FULL);
    seen.full = false;
    turn_to(now_ns + 101 * MS);
    CHECK_INT(seen.count, 2);
    CHECK_INT(seen.bytes[1], 0);
}

/* Whoever writes the codes is held up behind the first until the time of both is over. */
static void held_up_between_two_of_a_script_the_zero_comes(void)
{
    begin();
    give(9);
    give(9);
    mp_code_box_now(&box, &hears);
    CHECK_INT(seen.count, 1);
    now_ns += 50 * MS;
    turn_to(now_ns + 50 * MS);
    check_twice(9);
}

static struct mp_code_share both = {.taken = ATOMIC_FLAG_INIT};
static struct mp_code_box other;

/* Two devices have one box. */
static void begin_both(void)
{
    begin();
    both.given = 0;
    both.free_ns = both.seen_ns = 0;
    both.stands = false;
    both.bytes = (struct mp_code_bytes){.count = 0};
    box.share = &both;
    other = box;
}

static void give_by(struct mp_code_box *giver, uint8_t value, bool patient, int64_t at_ns)
{
    struct mp_code code = mp_code_of_script(giver, value, at_ns);
    code.due_ns = at_ns;
    code.patient = patient;
    mp_code_box_add(giver, &code, &hears);
}

/* All that is due of both until then, in the order of time. */
static void turn_both_to(int64_t until_ns)
{
    for (int turns = 0; turns < 100; turns++) {
        struct mp_code_box *first =
            mp_code_box_next(&other) < mp_code_box_next(&box) ? &other : &box;
        const int64_t next_ns = mp_code_box_next(first);
        if (next_ns > until_ns)
            break;
        now_ns = next_ns > now_ns ? next_ns : now_ns;
        mp_code_box_now(first, &hears);
    }
    CHECK(mp_code_box_next(&box) > until_ns && mp_code_box_next(&other) > until_ns);
    now_ns = until_ns;
}

/* A code that came to the box since is not cut: its 0 is of who gave it. */
static void the_zero_is_of_who_gave_the_last_code(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&box, 7, false, start_ns);
    give_by(&other, 8, false, start_ns + 2 * MS);
    turn_both_to(start_ns + 20 * MS);
    const uint8_t expected[] = {7, 8, 0};
    check_bytes(expected, sizeof expected);
    CHECK_INT(seen.at_ns[2], start_ns + 2 * MS + MS / 10 + 5 * MS);
}

static void a_code_of_a_script_waits_for_the_zero_of_another(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&box, 7, false, start_ns);
    give_by(&other, 8, true, start_ns + MS);
    turn_both_to(start_ns + 20 * MS);
    const uint8_t expected[] = {7, 0, 8, 0};
    check_bytes(expected, sizeof expected);
    CHECK(seen.at_ns[2] - seen.at_ns[1] >= MS);
}

/* The same one as another device's, which stands: told apart by a 0 that comes once. */
static void the_same_code_of_two_plans_is_told_apart(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&box, 7, false, start_ns);
    give_by(&other, 7, false, start_ns + 2 * MS);
    turn_both_to(start_ns + 50 * MS);
    const uint8_t expected[] = {7, 0, 7, 0};
    check_bytes(expected, sizeof expected);
    CHECK(seen.at_ns[2] - seen.at_ns[1] >= MS);
}

static void give_of_plan(uint8_t value)
{
    give_by(&box, value, false, now_ns - box.wire_ns);
}

/* A code of a plan comes at its time all the same. */
static void a_code_of_a_plan_waits_for_no_owed_zero(void)
{
    begin_owing(7);
    seen.full = false;
    give_of_plan(8);
    turn_to(now_ns);
    CHECK_INT(seen.count, 2);
    CHECK_INT(seen.bytes[1], 8);
}

/* The same one as stands would be seen by nobody: it is told apart by a 0, or is lost. */
static void the_same_code_of_a_plan_is_told_apart(void)
{
    begin_owing(7);
    seen.full = false;
    give_of_plan(7);
    turn_to(now_ns + 50 * MS);
    check_twice(7);
    check_told(1, 7, MP_CODE_WRITTEN);

    begin(); // and where a script's stands
    give(9);
    turn_to(now_ns + MS);
    give_of_plan(9);
    turn_to(now_ns + 50 * MS);
    check_twice(9);
    CHECK(seen.at_ns[2] < MP_NS_PER_S + 3 * MS);
}

static void the_same_code_of_a_plan_is_lost_without_the_zero(void)
{
    begin_owing(7);
    give_of_plan(7);
    turn_to(now_ns + MS);
    CHECK_INT(seen.told_count, 2);
    check_told(1, 7, MP_CODE_BOX_FULL);
    CHECK_INT(seen.count, 1);
    give_of_plan(8); // another one is tried all the same
    turn_to(now_ns + MS);
    check_told(2, 8, MP_CODE_BOX_FULL);
    seen.full = false;
    turn_to(now_ns + 200 * MS);
    CHECK_INT(seen.count, 2);
    CHECK_INT(seen.bytes[1], 0);
}

/* On a line another code looks the same. */
static void another_code_of_a_plan_is_told_apart_on_a_line(void)
{
    begin();
    box.line = MP_TRIGGER_DTR;
    give(9);
    turn_to(now_ns + MS);
    give_of_plan(8);
    turn_to(now_ns + 50 * MS);
    const uint8_t expected[] = {1, 0, 1, 0};
    check_bytes(expected, sizeof expected);
    CHECK(seen.at_ns[2] - seen.at_ns[1] >= MS);
}

/* While another thread writes nothing is written, and nothing is lost. */
static void who_finds_it_taken_comes_again(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    CHECK(!atomic_flag_test_and_set(&both.taken));
    give_by(&box, 7, false, start_ns);
    mp_code_box_now(&box, &hears);
    CHECK_INT(seen.count, 0);
    CHECK(mp_code_box_next(&box) > now_ns && mp_code_box_next(&box) < now_ns + MS);
    atomic_flag_clear(&both.taken);
    turn_both_to(start_ns + MS);
    CHECK_INT(seen.count, 1);
    CHECK(!atomic_flag_test_and_set(&both.taken));
    mp_code_box_rest(&box, &hears); // a stop, just then: its 0 is still to come
    CHECK_INT(seen.count, 1);
    CHECK(box.stands && mp_code_box_next(&box) <= now_ns);
    atomic_flag_clear(&both.taken);
    turn_both_to(start_ns + 2 * MS);
    CHECK_INT(seen.count, 2);
    CHECK_INT(seen.bytes[1], 0);
}

/* Codes of a script that find it taken, and one that comes meanwhile: in the script's order. */
static void found_taken_a_script_keeps_its_order(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    CHECK(!atomic_flag_test_and_set(&both.taken));
    for (uint8_t value = 5; value <= 7; value++)
        give_by(&box, value, true, start_ns);
    mp_code_box_now(&box, &hears);
    atomic_flag_clear(&both.taken);
    give_by(&box, 8, true, start_ns);
    turn_both_to(start_ns + 50 * MS);
    const uint8_t expected[] = {5, 0, 6, 0, 7, 0, 8, 0};
    check_bytes(expected, sizeof expected);
}

/* Another's device owes its 0, or has gone with it: a script's code that nobody would tell from
 * that one comes behind a 0, or is lost. */
static void the_owed_zero_of_another_comes_before_a_code_of_a_script(bool is_full)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&other, 7, false, start_ns);
    turn_both_to(start_ns + 2 * MS);
    seen.full = true;
    turn_both_to(start_ns + 60 * MS);
    CHECK(other.owed && both.stands);
    seen.full = is_full;
    give_by(&box, 7, true, now_ns);
    turn_both_to(start_ns + 100 * MS);
    CHECK_INT(seen.told_count, 2);
    check_told(1, 7, is_full ? MP_CODE_BOX_FULL : MP_CODE_WRITTEN);
    seen.full = false;
    turn_both_to(start_ns + 500 * MS);
    const uint8_t expected[] = {7, 0, 7, 0};
    check_bytes(expected, is_full ? 2 : 4);
    CHECK(is_full || seen.at_ns[2] - seen.at_ns[1] >= MS);
}

/* Another's device is stopped while its code stands: the 0 that comes early is what counts. */
static void behind_an_early_zero_a_code_of_a_script_does_not_wait(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&other, 7, false, start_ns);
    turn_both_to(start_ns + MS);
    mp_code_box_rest(&other, &hears);
    give_by(&box, 8, true, now_ns);
    turn_both_to(start_ns + 20 * MS);
    const uint8_t expected[] = {7, 0, 8, 0};
    check_bytes(expected, sizeof expected);
    CHECK(seen.at_ns[2] - seen.at_ns[1] >= MS && seen.at_ns[2] - seen.at_ns[1] < 2 * MS);
}

/* The rows of seen are these codes, each told as written, and none shorter than least_ns. */
static void check_rows(const uint8_t *codes, size_t count, int64_t least_ns)
{
    check_bytes(codes, count);
    for (size_t i = 0; i + 1 < seen.count; i++)
        CHECK(seen.at_ns[i + 1] - seen.at_ns[i] >= (seen.bytes[i] == 0 ? MS : least_ns));
    for (size_t i = 0; i < seen.told_count; i++)
        CHECK_INT(seen.lost[i], MP_CODE_WRITTEN);
}

/* The host was held up until all of these were due: each is seen, in their order, and the last
 * comes no later than half a width for each before it. */
static void codes_of_a_plan_that_are_late_together_are_all_seen(void)
{
    begin();
    const int64_t start_ns = now_ns;
    for (int i = 0; i < 4; i++)
        give_by(&box, (uint8_t)(100 + i), false, start_ns + i * 7 * MS);
    now_ns = start_ns + 30 * MS;
    turn_to(start_ns + 100 * MS);
    const uint8_t expected[] = {100, 101, 102, 103, 0};
    CHECK_INT(seen.told_count, 4);
    check_rows(expected, sizeof expected, MS / 10 + 5 * MS / 2);
    CHECK(seen.at_ns[3] <= start_ns + 30 * MS + 3 * (MS / 10 + 5 * MS / 2));
}

/* The second is the same as the first: behind a 0, and the third behind it. */
static void the_same_codes_late_together_are_told_apart_in_their_order(void)
{
    begin();
    const int64_t start_ns = now_ns;
    give_by(&box, 7, false, start_ns);
    give_by(&box, 7, false, start_ns + 7 * MS);
    now_ns = start_ns + 10 * MS;
    turn_to(start_ns + 13 * MS); // the 0 between them stands
    give_by(&box, 8, false, now_ns);
    turn_to(start_ns + 100 * MS);
    const uint8_t expected[] = {7, 0, 7, 8, 0};
    CHECK_INT(seen.told_count, 3);
    check_rows(expected, sizeof expected, MS / 10 + MS);
}

/* The first came late, the same one on time: right behind the first one's 0. */
static void a_short_zero_between_the_same_codes_is_no_zero(void)
{
    begin();
    const int64_t start_ns = now_ns;
    give_by(&box, 7, false, start_ns);
    now_ns = start_ns + MS;
    give_by(&box, 7, false, start_ns + 6 * MS + MS / 5);
    turn_to(start_ns + 100 * MS);
    const uint8_t expected[] = {7, 0, 7, 0};
    check_rows(expected, sizeof expected, 5 * MS);
}

static void late_together_at_one_box_of_two_devices_both_are_seen(void)
{
    begin_both();
    const int64_t start_ns = now_ns;
    give_by(&box, 22, false, start_ns);
    give_by(&other, 102, false, start_ns + 8 * MS);
    give_by(&other, 23, false, start_ns + 16 * MS);
    now_ns = start_ns + 20 * MS;
    turn_both_to(start_ns + 100 * MS);
    const uint8_t expected[] = {22, 102, 23, 0};
    CHECK_INT(seen.told_count, 3);
    check_rows(expected, sizeof expected, MS / 10 + 5 * MS / 2);
}

static void codes_of_a_plan_on_time_are_not_moved(void)
{
    begin();
    const int64_t start_ns = now_ns, apart_ns = 6 * MS + MS / 5;
    for (int i = 0; i < 4; i++)
        give_by(&box, 7, false, start_ns + i * apart_ns);
    turn_to(start_ns + 100 * MS);
    CHECK_INT(seen.count, 8);
    for (int i = 0; i < 4; i++)
        CHECK_INT(seen.at_ns[2 * i], start_ns + i * apart_ns);
}

int main(void)
{
    codes_of_a_plan_that_are_late_together_are_all_seen();
    the_same_codes_late_together_are_told_apart_in_their_order();
    a_short_zero_between_the_same_codes_is_no_zero();
    late_together_at_one_box_of_two_devices_both_are_seen();
    codes_of_a_plan_on_time_are_not_moved();
    behind_an_early_zero_a_code_of_a_script_does_not_wait();
    found_taken_a_script_keeps_its_order();
    the_owed_zero_of_another_comes_before_a_code_of_a_script(false);
    the_owed_zero_of_another_comes_before_a_code_of_a_script(true);
    the_zero_is_of_who_gave_the_last_code();
    a_code_of_a_script_waits_for_the_zero_of_another();
    the_same_code_of_two_plans_is_told_apart();
    who_finds_it_taken_comes_again();
    an_owed_zero_comes_before_a_code_of_a_script();
    where_the_owed_zero_is_not_taken_the_code_is_lost();
    held_up_between_two_of_a_script_the_zero_comes();
    a_code_of_a_plan_waits_for_no_owed_zero();
    the_same_code_of_a_plan_is_told_apart();
    the_same_code_of_a_plan_is_lost_without_the_zero();
    another_code_of_a_plan_is_told_apart_on_a_line();
    return CHECK_DONE("test_code_box");
}
