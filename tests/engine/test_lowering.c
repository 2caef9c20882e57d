/* What goes on the wire and when: send times, settings, marks, and the frames they share. */
#include "engine/lowering.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

/* 10 bits a byte at a million bits a second: 10 us a byte. */
static const struct mp_serial fast = {.baud = 1000000, .bits = 8, .stop_bits = 1};
static const int64_t byte_ns = 10000;

static struct mp_lowering *lowering_of(struct mp_plan *take_plan, int64_t latency_ns)
{
    struct mp_error err = {0};
    struct mp_lowering *made = NULL;
    must(mp_lowering_create(&made, schedule_of(take_plan, 0), &fast, latency_ns, &err), &err);
    return made;
}

/* A frame of length bytes, all of them value, fires action. */
static void fire_with(struct mp_lowering *l, uint32_t action, int value, size_t length)
{
    unsigned char bytes[MP_FRAME_MAX];
    struct mp_error err = {0};
    memset(bytes, value, sizeof bytes);
    must(mp_lowering_pulse(l, action, bytes, length, 0, &err), &err);
}

static void change_with(struct mp_lowering *l, uint32_t from, uint32_t to, size_t length,
                        int64_t lead_ns)
{
    unsigned char bytes[MP_FRAME_MAX];
    struct mp_error err = {0};
    memset(bytes, (int)(128 + 16 * from + to), sizeof bytes);
    must(mp_lowering_change(l, from, to, bytes, length, lead_ns, &err), &err);
}

static struct mp_plan *after_us(struct mp_plan *plan, int64_t us, struct mp_plan *next)
{
    return then(then(plan, rest(ratio(us * 1000, 1))), next);
}

static void knows_wire_times(void)
{
    static const struct {
        struct mp_serial serial;
        size_t length;
        int64_t wire_ns;
    } rows[] = {
        {{.baud = 38400, .bits = 8, .stop_bits = 1}, 3, 781250},
        {{.baud = 9600, .bits = 8, .stop_bits = 1}, 1, 1041667}, // rounded up
        {{.baud = 115200, .bits = 8, .stop_bits = 1, .parity = MP_PARITY_EVEN}, 14, 1336806},
        {{.baud = 9600, .bits = 7, .stop_bits = 2, .parity = MP_PARITY_ODD}, 256, 293333334},
        {{.baud = 0, .bits = 8, .stop_bits = 1}, 100, 0}, // a pseudo-terminal has none
    };
    const unsigned char bytes[MP_FRAME_MAX] = {1};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_lowering *l = NULL;
        struct mp_send send;
        CHECK_INT(mp_lowering_create(&l, schedule_of(mso(50), 0), &rows[i].serial, 1000, NULL),
                  MP_OK);
        CHECK_INT(mp_lowering_pulse(l, 0, bytes, rows[i].length, 0, NULL), MP_OK);
        CHECK_INT(mp_lowering_frame(l, 0)->wire_ns, rows[i].wire_ns);
        CHECK_INT(mp_lowering_frame(l, 0)->length, rows[i].length);
        CHECK_INT(mp_lowering_lead_ns(l), rows[i].wire_ns + 1000);
        CHECK(mp_lowering_next(l, &send));
        CHECK_INT(send.send_ns, -rows[i].wire_ns - 1000);
        CHECK(!mp_lowering_next(l, &send));
        mp_lowering_destroy(l);
    }
}

/* onset - wire time - latency, from the onset rounded once; the same again after a rewind. */
static void sends_ahead_of_the_onset(void)
{
    const int64_t latency_ns = 250000;
    struct mp_plan *pulse = mso(50);
    mp_plan_describe(pulse, "here.lua:3", "");
    struct mp_lowering *l =
        lowering_of(repeat(pulse, 100, MP_TRAIN, seconds(1, 30)), latency_ns);
    fire_with(l, 0, 1, 3);
    for (int round = 0; round < 2; round++) {
        struct mp_send send;
        for (int64_t k = 0; k < 100; k++) {
            CHECK(mp_lowering_next(l, &send));
            CHECK_INT(send.kind, MP_SEND_PULSE);
            CHECK_INT(send.number, k + 1);
            CHECK_INT(send.send_ns,
                      round_half_up((wide)k * 100000000, 3) - 3 * byte_ns - latency_ns);
            CHECK_INT(send.floor_ns, (int64_t)((wide)k * 100000000 / 3));
            CHECK_INT(send.half, k % 3 == 2);
            CHECK_INT(mp_lowering_frame(l, send.frame)->length, 3);
            CHECK_STR(mp_schedule_origin(mp_lowering_schedule(l), send.source), "here.lua:3");
        }
        CHECK(!mp_lowering_next(l, &send));
        CHECK(!mp_lowering_next(l, &send));
        mp_lowering_rewind(l);
    }
    mp_lowering_destroy(l);
}

/* When the pulse before has come, and ahead of the marks; none where nothing changes. */
static void places_settings(void)
{
    struct mp_plan *plan = after_us(mso(50), 4000, mark("between"));
    plan = after_us(plan, 6000, then(mark("at"), mso(60)));
    plan = after_us(after_us(plan, 10000, mso(60)), 10000, mso(50));
    struct mp_lowering *l = lowering_of(then(plan, mark("behind")), 7000);
    fire_with(l, 0, 1, 2);
    fire_with(l, 1, 2, 3);
    change_with(l, 0, 1, 5, 1000000);
    change_with(l, 1, 0, 6, 2000000);
    static const struct {
        enum mp_send_kind kind;
        uint64_t number;
        uint32_t action;
        int64_t send_us, onset_us; // onset only of pulses and marks
        int64_t latest_us;         // only of settings
    } rows[] = {
        {MP_SEND_PULSE, 1, 0, -27, 0, 0},
        {MP_SEND_SET, 2, 1, 0, 0, 10000 - 37 - 50 - 1000},
        {MP_SEND_MARK, 1, 0, 4000, 4000, 0},
        {MP_SEND_MARK, 2, 0, 10000 - 37, 10000, 0}, // goes with the pulse of its onset
        {MP_SEND_PULSE, 2, 1, 10000 - 37, 10000, 0},
        {MP_SEND_PULSE, 3, 1, 20000 - 37, 20000, 0},
        {MP_SEND_SET, 4, 0, 20000, 0, 30000 - 27 - 60 - 2000},
        {MP_SEND_PULSE, 4, 0, 30000 - 27, 30000, 0},
        {MP_SEND_MARK, 3, 0, 30000, 30000, 0},
    };
    struct mp_send send;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(mp_lowering_next(l, &send));
        CHECK_INT(send.kind, rows[i].kind);
        CHECK_INT(send.number, rows[i].number);
        CHECK_INT(send.send_ns, rows[i].send_us * 1000);
        if (send.kind == MP_SEND_SET)
            CHECK_INT(send.latest_ns, rows[i].latest_us * 1000);
        else
            CHECK_INT(send.floor_ns, rows[i].onset_us * 1000);
        if (send.kind != MP_SEND_MARK)
            CHECK_INT(send.action, rows[i].action);
    }
    CHECK(!mp_lowering_next(l, &send));
    mp_lowering_destroy(l);
}

/*
 * A question right behind the pulse before a setting, and the setting when its answer was there
 * and the longest pulse since the last question is over. Marks keep their places.
 */
static void asks_before_settings(void)
{
    struct mp_error err = {0};
    struct mp_plan *plan = after_us(mso(50), 20000, then(mark("early"), mso(50)));
    plan = after_us(plan, 1000, mark("between"));
    plan = after_us(after_us(plan, 29000, mso(60)), 20000, mso(50));
    struct mp_lowering *l = lowering_of(plan, 7000);
    fire_with(l, 0, 1, 2);
    fire_with(l, 1, 2, 3);
    must(mp_lowering_lasts(l, 0, 4000000, 4000000, &err), &err);
    must(mp_lowering_lasts(l, 1, 2000000, 2000000, &err), &err);
    change_with(l, 0, 1, 5, 1000000);
    change_with(l, 1, 0, 6, 2000000);
    must(mp_lowering_ask(l, "?!", 2, 5000000, &err), &err);
    static const struct {
        enum mp_send_kind kind;
        int64_t send_us, behind_us;
    } rows[] = {
        {MP_SEND_PULSE, -27, 0},        {MP_SEND_MARK, 20000 - 27, 0},
        {MP_SEND_PULSE, 20000 - 27, 0}, {MP_SEND_ASK, 20000, 0},
        {MP_SEND_MARK, 21000, 0},       {MP_SEND_SET, 20000 + 20 + 5000 + 4000, 4000},
        {MP_SEND_PULSE, 50000 - 37, 0}, {MP_SEND_ASK, 50000, 0},
        {MP_SEND_SET, 57020, 2000},     {MP_SEND_PULSE, 70000 - 27, 0},
    };
    struct mp_send send;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            CHECK(mp_lowering_next(l, &send));
            CHECK_INT(send.kind, rows[i].kind);
            CHECK_INT(send.send_ns, rows[i].send_us * 1000);
            CHECK_INT(send.behind_ns, rows[i].behind_us * 1000);
            if (send.kind == MP_SEND_ASK)
                CHECK_INT(mp_lowering_frame(l, send.frame)->bytes[0], '?');
        }
        CHECK(!mp_lowering_next(l, &send));
        mp_lowering_rewind(l);
    }
    CHECK_INT(mp_lowering_ask(l, "?", 0, 0, &err), MP_ERANGE);
    CHECK_INT(mp_lowering_ask(l, "?", 1, -1, &err), MP_EINVAL);
    mp_lowering_destroy(l);
}

/* A device that is busy with an action is told nothing until it is done; marks go on meanwhile.
 */
static void keeps_settings_from_a_busy_device(void)
{
    struct mp_plan *plan = after_us(mso(50), 4000, mark("while"));
    plan = after_us(after_us(plan, 4000, mark("behind")), 4000, mso(60));
    struct mp_lowering *l = lowering_of(plan, 7000);
    struct mp_violation violation;
    fire_with(l, 0, 1, 2);
    fire_with(l, 1, 2, 3);
    CHECK_INT(mp_lowering_lasts(l, 0, 6000000, 6000000, NULL), MP_OK);
    change_with(l, 0, 1, 5, 5000000);
    static const struct {
        enum mp_send_kind kind;
        int64_t send_us;
    } rows[] = {
        {MP_SEND_PULSE, -27}, {MP_SEND_MARK, 4000},        {MP_SEND_SET, 6000},
        {MP_SEND_MARK, 8000}, {MP_SEND_PULSE, 12000 - 37},
    };
    struct mp_send send;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(mp_lowering_next(l, &send));
        CHECK_INT(send.kind, rows[i].kind);
        CHECK_INT(send.send_ns, rows[i].send_us * 1000);
    }
    CHECK(!mp_lowering_next(l, &send));
    while (mp_lowering_check(l, 100, &violation))
        ;
    CHECK_INT(violation.kind, MP_VIOLATION_NONE);
    // from onset to onset 12 ms: less a latency of 7 us, frames of 50 and 30 us and a lead of
    // 5 ms, 6.913 ms are left
    CHECK_INT(mp_lowering_lasts(l, 0, 6000000, 6913000, NULL), MP_OK);
    while (mp_lowering_check(l, 100, &violation))
        ;
    CHECK_INT(violation.kind, MP_VIOLATION_NONE);
    CHECK_INT(mp_lowering_lasts(l, 0, 6000000, 6913001, NULL), MP_OK);
    while (mp_lowering_check(l, 100, &violation))
        ;
    CHECK_INT(violation.kind, MP_VIOLATION_LEAD);
    mp_lowering_destroy(l);
}

/*
 * A device may be told faster than it fires: no setting leaves before the pulse before it has
 * come, whatever fires it and however late that is.
 */
static void tells_nothing_before_the_pulse(void)
{
    static const int64_t latencies[] = {0, 150000, 8400000, 100000000};
    for (size_t k = 0; k < sizeof latencies / sizeof latencies[0]; k++) {
        struct mp_plan *plan = after_us(mso(50), 500000, mso(60));
        struct mp_lowering *l = lowering_of(after_us(plan, 500000, mso(50)), latencies[k]);
        fire_with(l, 0, 1, 3);
        fire_with(l, 1, 2, 3);
        change_with(l, 0, 1, 5, 1000);
        change_with(l, 1, 0, 5, 1000);
        struct mp_send send;
        int64_t onset_ns = 0;
        int settings = 0;
        while (mp_lowering_next(l, &send)) {
            if (send.kind == MP_SEND_PULSE)
                onset_ns = send.floor_ns;
            settings += send.kind == MP_SEND_SET;
            CHECK(send.kind != MP_SEND_SET || send.send_ns >= onset_ns);
        }
        CHECK_INT(settings, 2);
        mp_lowering_destroy(l);
    }
}

/*
 * However many marks lie between two pulses, all come, in time order. Up to 64 do not hold
 * the setting up; behind more of them it comes later, but still before its pulse.
 */
static void keeps_the_order_with_many_marks(void)
{
    static const int counts[] = {1, 62, 63, 64, 65, 66, 127, 128, 129, 300};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct mp_plan *marks = then(rest(ratio(1000000, 1)), mark("m"));
        struct mp_plan *plan =
            then(mso(50), repeat(marks, (uint64_t)counts[c], MP_GAP, ratio(0, 1)));
        struct mp_lowering *l = lowering_of(then(plan, mso(60)), 5000);
        fire_with(l, 0, 1, 1);
        fire_with(l, 1, 2, 1);
        change_with(l, 0, 1, 4, 1000);
        struct mp_send send;
        int64_t before = INT64_MIN, backwards = 0, wrong_marks = 0;
        uint64_t marked = 0, pulses = 0, set_after_marks = UINT64_MAX;
        while (mp_lowering_next(l, &send)) {
            backwards += send.send_ns < before;
            before = send.send_ns;
            if (send.kind == MP_SEND_SET)
                set_after_marks = marked;
            pulses += send.kind == MP_SEND_PULSE;
            if (send.kind == MP_SEND_MARK)
                wrong_marks +=
                    send.number != ++marked || send.floor_ns != (int64_t)marked * 1000000;
        }
        CHECK_INT(pulses, 2);
        CHECK_INT(marked, counts[c]);
        CHECK_INT(wrong_marks, 0);
        CHECK_INT(backwards, 0);
        CHECK(set_after_marks <= marked);
        if (counts[c] <= 64)
            CHECK_INT(set_after_marks, 0);
        mp_lowering_destroy(l);
    }
}

static void shares_equal_frames(void)
{
    struct mp_plan *plan = then(then(mso(1), mso(2)), then(mso(3), mso(4)));
    struct mp_lowering *l = lowering_of(plan, 0);
    fire_with(l, 0, 7, 4);
    fire_with(l, 1, 7, 4); // the same bytes
    fire_with(l, 2, 7, 3); // the same beginning
    fire_with(l, 3, 8, 3); // the same length
    CHECK_INT(mp_lowering_frame_count(l), 3);
    change_with(l, 0, 1, 2, 0);
    CHECK_INT(mp_lowering_frame_count(l), 4);
    struct mp_send send;
    uint32_t frame[4];
    for (size_t i = 0; i < 4; i++) {
        do
            CHECK(mp_lowering_next(l, &send));
        while (send.kind == MP_SEND_SET);
        frame[i] = send.frame;
    }
    CHECK(frame[0] == frame[1] && frame[1] != frame[2] && frame[2] != frame[3]);
    CHECK_INT(mp_lowering_frame(l, frame[0])->length, 4);
    CHECK_INT(mp_lowering_frame(l, frame[2])->length, 3);
    CHECK_INT(mp_lowering_frame(l, frame[3])->bytes[2], 8);
    mp_lowering_destroy(l);
}

struct pairs {
    int seen[4][4];
    int calls;
};

static void note_pair(void *context, uint32_t from, uint32_t to)
{
    struct pairs *pairs = context;
    pairs->calls++;
    if (from < 4 && to < 4)
        pairs->seen[from][to]++;
}

static void reports_each_change_once(void)
{
    static const int32_t order[] = {1, 2, 1, 2, 2, 3, 1, 3, 3, 1, 2, 4};
    struct mp_plan *plan = mso(order[0]);
    int expected[4][4] = {{0}}, distinct = 0;
    for (size_t i = 1; i < sizeof order / sizeof order[0]; i++) {
        plan = then(then(plan, mark("no change")), mso(order[i])); // actions count from 0
        if (order[i] != order[i - 1])
            expected[order[i - 1] - 1][order[i] - 1] = 1;
    }
    struct mp_lowering *l = lowering_of(plan, 0);
    for (uint32_t i = 0; i < 4; i++)
        fire_with(l, i, (int)i, 1);
    struct mp_send send;
    for (int i = 0; i < 3; i++) // from the middle of the stream, too
        CHECK(mp_lowering_next(l, &send));
    struct pairs pairs = {.calls = 0};
    CHECK_INT(mp_lowering_changes(l, note_pair, &pairs, NULL), MP_OK);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            CHECK_INT(pairs.seen[i][j], expected[i][j]);
            distinct += expected[i][j];
        }
    CHECK_INT(pairs.calls, distinct);
    CHECK(mp_lowering_next(l, &send));
    CHECK_INT(send.number, 1); // back at the first frame
    mp_lowering_destroy(l);

    l = lowering_of(repeat(mso(9), 5, MP_GAP, ratio(1, 1)), 0);
    CHECK_INT(mp_lowering_changes(l, note_pair, &pairs, NULL), MP_OK);
    CHECK_INT(pairs.calls, distinct); // one action never changes
    mp_lowering_destroy(l);
}

static void refuses_nonsense(void)
{
    struct mp_lowering *l = lowering_of(then(mso(1), mso(2)), 0);
    const unsigned char bytes[MP_FRAME_MAX + 1] = {0};
    CHECK_INT(mp_lowering_pulse(l, 2, bytes, 1, 0, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_pulse(l, 0, bytes, 0, 0, NULL), MP_ERANGE);
    CHECK_INT(mp_lowering_pulse(l, 0, bytes, MP_FRAME_MAX + 1, 0, NULL), MP_ERANGE);
    CHECK_INT(mp_lowering_pulse(l, 0, bytes, 1, -1, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_pulse(l, 0, bytes, MP_FRAME_MAX, 0, NULL), MP_OK);
    CHECK_INT(mp_lowering_change(l, 0, 2, bytes, 1, 0, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_change(l, 2, 0, bytes, 1, 0, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_change(l, 0, 1, bytes, 1, -1, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_change(l, 0, 1, bytes, MP_FRAME_MAX + 1, 0, NULL), MP_ERANGE);
    CHECK_INT(mp_lowering_change(l, 0, 1, NULL, 0, 5, NULL), MP_OK);
    mp_lowering_destroy(l);
    mp_lowering_destroy(NULL);

    // the most actions, and one more: then the schedule goes, too
    struct mp_plan *plan = mso(0);
    for (int32_t i = 1; i < MP_ACTIONS_MAX; i++)
        plan = then(plan, pulse_of(i, MP_MSO));
    mp_lowering_destroy(lowering_of(mp_plan_ref(plan), 0));
    struct mp_error err = {0};
    plan = then(plan, pulse_of(MP_ACTIONS_MAX, MP_MSO));
    CHECK_INT(mp_lowering_create(&l, schedule_of(plan, 0), &fast, 0, &err), MP_ERANGE);
    CHECK_HAS(err.text, "4096");
}

/* A driver that is not done, or does it twice. */
static void is_drawn_before_it_is_complete(void)
{
    struct mp_lowering *l = lowering_of(after_us(mso(50), 1000, mso(60)), 0);
    struct mp_send send;
    change_with(l, 0, 1, 2, 0);
    CHECK(mp_lowering_next(l, &send) && send.kind == MP_SEND_PULSE);
    CHECK(mp_lowering_next(l, &send) && send.kind == MP_SEND_PULSE); // no setting yet
    CHECK(!mp_lowering_next(l, &send));
    fire_with(l, 0, 1, 1);
    fire_with(l, 1, 2, 1);
    change_with(l, 1, 0, 4, 0);
    change_with(l, 0, 1, 3, 0); // instead of the first one
    mp_lowering_rewind(l);
    CHECK(mp_lowering_next(l, &send) && mp_lowering_next(l, &send));
    CHECK_INT(send.kind, MP_SEND_SET);
    CHECK_INT(mp_lowering_frame(l, send.frame)->length, 3);
    mp_lowering_destroy(l);
}

/* What is drawn in the middle of a check is not left out of it. */
static void checks_every_pulse(void)
{
    struct mp_lowering *l = lowering_of(then(repeat(mso(50), 10, MP_EVERY, seconds(1, 1)),
                                             repeat(mso(60), 5, MP_EVERY, seconds(1, 1000))),
                                        0);
    const unsigned char byte = 1;
    struct mp_violation v;
    struct mp_send send;
    CHECK_INT(mp_lowering_pulse(l, 0, &byte, 1, 0, NULL), MP_OK);
    CHECK_INT(mp_lowering_pulse(l, 1, &byte, 1, 500000000, NULL), MP_OK);
    CHECK(mp_lowering_check(l, 5, &v));
    for (int i = 0; i < 9; i++)
        CHECK(mp_lowering_next(l, &send));
    CHECK(!mp_lowering_check(l, 100, &v));
    CHECK_INT(v.kind, MP_VIOLATION_INTERVAL);
    CHECK(!mp_lowering_checked(l));
    mp_lowering_destroy(l);
}

/* Of several devices that play a plan: a pulse keeps its number, a change is between its own.
 */
static void leaves_what_another_device_gives(void)
{
    static const int32_t order[] = {1, 3, 2, 3, 1, 3}; // 3 is the other's, action 1
    static const uint64_t own[] = {1, 3, 5};
    struct mp_plan *plan = mso(order[0]);
    for (size_t i = 1; i < sizeof order / sizeof order[0]; i++)
        plan = after_us(then(plan, mark("its")), 1000, mso(order[i]));
    struct mp_lowering *l = lowering_of(plan, 0);
    struct mp_violation violation;
    struct pairs pairs = {.calls = 0};
    CHECK_INT(mp_lowering_leave(l, 1, NULL), MP_OK);
    CHECK_INT(mp_lowering_leave(l, 3, NULL), MP_EINVAL);
    CHECK_INT(mp_lowering_without_marks(l, NULL), MP_OK);
    fire_with(l, 0, 7, 1);
    fire_with(l, 2, 8, 1);
    CHECK_INT(mp_lowering_changes(l, note_pair, &pairs, NULL), MP_OK);
    CHECK_INT(pairs.calls, 2);
    CHECK_INT(pairs.seen[0][2], 1);
    CHECK_INT(pairs.seen[2][0], 1);
    CHECK(!mp_lowering_check(l, 100, &violation));
    CHECK(mp_lowering_checked(l)); // though nobody said how the other's is fired
    struct mp_send send;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        CHECK(mp_lowering_next(l, &send));
        CHECK_INT(send.kind, MP_SEND_PULSE);
        CHECK_INT(send.number, own[i]);
        CHECK_INT(send.floor_ns, (int64_t)(own[i] - 1) * 1000000);
    }
    CHECK(!mp_lowering_next(l, &send));
    CHECK_INT(mp_lowering_leave(l, 0, NULL), MP_OK);
    CHECK(!mp_lowering_checked(l)); // it is another stream now
    mp_lowering_destroy(l);
}

int main(void)
{
    knows_wire_times();
    sends_ahead_of_the_onset();
    places_settings();
    asks_before_settings();
    keeps_settings_from_a_busy_device();
    tells_nothing_before_the_pulse();
    keeps_the_order_with_many_marks();
    shares_equal_frames();
    reports_each_change_once();
    leaves_what_another_device_gives();
    refuses_nonsense();
    is_drawn_before_it_is_complete();
    checks_every_pulse();
    return CHECK_DONE("test_lowering");
}
