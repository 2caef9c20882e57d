/* A virtual world that is disturbed: late wakes and stalls from a seed, held-up turns. */
#include "engine/world.h"

#include "engine/clock.h"
#include "tests/check.h"

enum { WAKES = 2000 };

static const int64_t begin_ns = 1000 * MP_NS_PER_S, most_ns = 160 * MP_NS_PER_US;

static uv_loop_t loop;
static struct mp_world world;
static int64_t rang_ns; // from begin_ns

static void note(struct mp_alarm *alarm)
{
    (void)alarm;
    rang_ns = mp_world_now(&world) - begin_ns;
}

static void begin(void)
{
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    mp_world_go_virtual(&world, begin_ns, 0);
}

static void end(void)
{
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
}

/* When an alarm of who, due at due_ns from the beginning, rings. */
static int64_t rings(enum mp_world_who who, int64_t due_ns)
{
    struct mp_alarm alarm = {.ring = note, .who = who};
    mp_world_set(&world, &alarm, begin_ns + due_ns);
    while (alarm.is_set) // now and then a turn only hears what has come from outside
        CHECK(mp_world_turn(&world));
    return rang_ns;
}

static void nothing_is_late_by_itself(void)
{
    begin();
    CHECK_INT(rings(MP_WHO_SENDER, 5), 5);
    CHECK_INT(rings(MP_WHO_LOOP, 7), 7);
    end();
}

/* Only the sending thread; never early, never beyond the most, mostly by a sixteenth. */
static void wakes_are_late_as_the_seed_says(void)
{
    static int64_t late[2][WAKES];
    int few = 0;
    for (int round = 0; round < 2; round++) {
        begin();
        mp_world_be_late(&world, 42, most_ns);
        for (int i = 0; i < WAKES; i++)
            late[round][i] =
                rings(MP_WHO_SENDER, (i + 1) * MP_NS_PER_MS) - (i + 1) * MP_NS_PER_MS;
        CHECK_INT(rings(MP_WHO_LOOP, 5 * MP_NS_PER_S), 5 * MP_NS_PER_S);
        CHECK_INT(rings(MP_WHO_OUTSIDE, 6 * MP_NS_PER_S), 6 * MP_NS_PER_S);
        end();
    }
    for (int i = 0; i < WAKES; i++) {
        CHECK_INT(late[0][i], late[1][i]);
        CHECK(late[0][i] >= 0 && late[0][i] <= most_ns);
        few += late[0][i] > most_ns / 16 ? 1 : 0;
    }
    CHECK(few > WAKES / 40 && few < WAKES / 10);
}

static void who_is_stalled_rings_at_its_end(void)
{
    begin();
    CHECK(mp_world_stall(&world, 1U << MP_WHO_SENDER, begin_ns + 100, begin_ns + 200));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_SENDER, begin_ns + 150, begin_ns + 300));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 100, begin_ns + 250));
    CHECK_INT(rings(MP_WHO_SENDER, 99), 99);
    CHECK_INT(rings(MP_WHO_OUTSIDE, 110), 110);
    CHECK_INT(rings(MP_WHO_LOOP, 120), 250);
    end();
    begin(); // the stalls went with the time before
    CHECK(mp_world_stall(&world, 1U << MP_WHO_SENDER, begin_ns + 100, begin_ns + 200));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_SENDER, begin_ns + 150, begin_ns + 300));
    CHECK_INT(rings(MP_WHO_SENDER, 100), 300);
    CHECK_INT(rings(MP_WHO_SENDER, 300), 300);
    end();
}

static void so_many_stalls_and_no_more(void)
{
    begin();
    for (int i = 0; i < MP_WORLD_STALLS; i++)
        CHECK(mp_world_stall(&world, 1, begin_ns, begin_ns + 1));
    CHECK(!mp_world_stall(&world, 1, begin_ns, begin_ns + 1));
    end();
}

/* Time passes within a turn: what is due meanwhile rings late, in its order. */
static void what_is_due_while_a_turn_is_held_up_is_late(void)
{
    begin();
    struct mp_alarm alarm = {.ring = note};
    mp_world_set(&world, &alarm, begin_ns + 10);
    mp_world_pass(&world, 50);
    CHECK(mp_world_turn(&world));
    CHECK_INT(rang_ns, 50);
    mp_world_pass(&world, -1);
    CHECK_INT(mp_world_now(&world), begin_ns + 50);
    mp_world_go_real(&world);
    int64_t now = mp_world_now(&world);
    mp_world_pass(&world, MP_NS_PER_S);
    CHECK(mp_world_now(&world) - now < MP_NS_PER_S);
    end();
}

/* What the loop's stalls take of a stretch of time, however they overlap; others' do not count.
 */
static void a_stalled_loop_misses_what_its_stalls_take(void)
{
    static const struct {
        int64_t since_ns, now, stalled_ns;
    } rows[] = {{0, 100, 0},    {0, 150, 50},     {120, 150, 30}, {0, 400, 150},
                {240, 400, 10}, {260, 1000, 100}, {0, 1000, 250}, {350, 300, 0}};
    begin();
    CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 150, begin_ns + 250));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 100, begin_ns + 200));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_SENDER, begin_ns + 300, begin_ns + 400));
    CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP | 1U << MP_WHO_SENDER, begin_ns + 500,
                         begin_ns + 600));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(mp_world_stalled(&world, begin_ns + rows[i].since_ns, begin_ns + rows[i].now),
                  rows[i].stalled_ns);
    end();
}

/* Of several no more than a second counts, or the longest, overlapping ones being one. */
static void many_short_stalls_forgive_no_more_than_a_second(void)
{
    const int64_t ms = MP_NS_PER_MS, end_ns = begin_ns + 100 * MP_NS_PER_S;
    begin();
    for (int i = 0; i < 10; i++)
        CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 500 * i * ms,
                             begin_ns + (500 * i + 300) * ms));
    CHECK_INT(mp_world_stalled(&world, begin_ns, begin_ns + 1500 * ms), 900 * ms);
    CHECK_INT(mp_world_stalled(&world, begin_ns, end_ns), 1000 * ms);
    CHECK(
        mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 6000 * ms, begin_ns + 7500 * ms));
    CHECK(
        mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 7000 * ms, begin_ns + 8000 * ms));
    CHECK_INT(mp_world_stalled(&world, begin_ns, end_ns), 2000 * ms);
    end();
}

static struct mp_alarm *rang[2];
static int rang_count;

static void note_whose(struct mp_alarm *alarm)
{
    rang[rang_count++] = alarm;
}

/* Both wait for the stall's end: what tells of bytes that came goes before what judges. */
static void what_came_in_a_stall_is_heard_before_others_ring(void)
{
    struct mp_alarm judges = {.ring = note_whose}, tells = {.ring = note_whose, .hears = true};
    begin();
    rang_count = 0;
    CHECK(mp_world_stall(&world, 1U << MP_WHO_LOOP, begin_ns + 100, begin_ns + 200));
    mp_world_set(&world, &judges, begin_ns + 110);
    mp_world_set(&world, &tells, begin_ns + 190);
    while (rang_count < 2)
        CHECK(mp_world_turn(&world));
    CHECK(rang[0] == &tells && rang[1] == &judges);
    rang_count = 0; // without a stall it is by time, and then by order
    mp_world_set(&world, &judges, begin_ns + 300);
    mp_world_set(&world, &tells, begin_ns + 300);
    while (rang_count < 2)
        CHECK(mp_world_turn(&world));
    CHECK(rang[0] == &judges && rang[1] == &tells);
    end();
}

int main(void)
{
    a_stalled_loop_misses_what_its_stalls_take();
    many_short_stalls_forgive_no_more_than_a_second();
    what_came_in_a_stall_is_heard_before_others_ring();
    nothing_is_late_by_itself();
    wakes_are_late_as_the_seed_says();
    who_is_stalled_rings_at_its_end();
    so_many_stalls_and_no_more();
    what_is_due_while_a_turn_is_held_up_is_late();
    return CHECK_DONE("test_world_late");
}
