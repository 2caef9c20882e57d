/* The dispatcher through a real pseudo-terminal: what is on the wire, in which order, and last.
 */
#include "tests/engine/rig.h"

#include <stdlib.h>
#include <time.h>

/* What the wire must hold for the outcomes that were reported: their frames, in order. */
static size_t expected_wire(const struct mp_lowering *l, unsigned char *wire)
{
    size_t length = 0;
    for (size_t i = 0; i < rig.count; i++) {
        if (rig.outcomes[i].kind != MP_OUT_SENT)
            continue;
        const struct mp_frame *frame = mp_lowering_frame(l, rig.outcomes[i].send.frame);
        memcpy(wire + length, frame->bytes, frame->length);
        length += frame->length;
    }
    return length;
}

static void wire_is_outcomes_and_safe(const struct mp_lowering *l)
{
    static unsigned char expected[WIRE_MAX];
    size_t length = expected_wire(l, expected);
    memcpy(expected + length, safe_frame, strlen(safe_frame));
    CHECK(rig_last()->safe_sent);
    rig_wire_is(expected, length + strlen(safe_frame));
}

static void numbers_rise_by_one(enum mp_outcome_kind first, enum mp_outcome_kind second)
{
    uint64_t number = 0;
    for (size_t i = 0; i < rig.count; i++)
        if (rig.outcomes[i].kind == first || rig.outcomes[i].kind == second)
            CHECK_INT(rig.outcomes[i].send.number, ++number);
}

static void sends_everything_in_order_once(void)
{
    enum { PULSES = 250 };
    struct mp_lowering *l =
        lower(ladder(PULSES, ratio(500 * 1000, 1)), (struct rig_lowering){.lead_ns = -1});
    unsigned char expected[2 * PULSES + 3];
    for (int i = 0; i < PULSES; i++) {
        expected[2 * i] = 'P';
        expected[2 * i + 1] = (unsigned char)(i % 100 + 1);
    }
    memcpy(expected + sizeof expected - 3, safe_frame, 3);
    rig_open(MP_LATE_ABORT, forever_ns);
    rig_play(l, mp_clock_ns() + 5 * MP_NS_PER_MS);
    CHECK(rig_await(MP_OUT_FINISHED));
    CHECK_INT(rig_tally(MP_OUT_SENT), PULSES);
    numbers_rise_by_one(MP_OUT_SENT, MP_OUT_SENT);
    for (size_t i = 0; i < PULSES; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        CHECK_INT(out->kind, MP_OUT_SENT);
        CHECK(out->entered_ns >= out->start_ns + out->send.send_ns); // never early
        CHECK(out->returned_ns >= out->entered_ns);
        CHECK(i == 0 || out->entered_ns >= rig.outcomes[i - 1].returned_ns);
    }
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    CHECK(rig_last()->safe_sent);
    rig_wire_is(expected, sizeof expected);
    rig_close();
    mp_lowering_destroy(l);
}

static void sends_settings_and_marks(void)
{
    struct mp_plan *plan = then(then(mso(50), rest(seconds(1, 2))), mark("here"));
    plan = then(then(plan, rest(seconds(1, 2))), mso(60));
    struct mp_lowering *l = lower(plan, (struct rig_lowering){.lead_ns = 1000});
    rig_open(MP_LATE_ABORT, forever_ns);
    rig_play(l, mp_clock_ns());
    CHECK(rig_await(MP_OUT_FINISHED));
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    static const enum mp_outcome_kind kinds[] = {MP_OUT_SENT, MP_OUT_SENT,     MP_OUT_MARK,
                                                 MP_OUT_SENT, MP_OUT_FINISHED, MP_OUT_STOPPED};
    CHECK_INT(rig.count, 6);
    for (size_t i = 0; i < 6 && i < rig.count; i++)
        CHECK_INT(rig.outcomes[i].kind, kinds[i]);
    CHECK_INT(rig.outcomes[1].send.kind, MP_SEND_SET);
    rig_wire_is((const unsigned char *)"P2S<P<XYZ", 9); // '2' is 50, '<' is 60
    rig_close();
    mp_lowering_destroy(l);
}

static void plays_one_plan_at_a_time_and_another_after(void)
{
    struct mp_lowering *l =
        lower(ladder(3, ratio(MP_NS_PER_MS, 1)), (struct rig_lowering){.lead_ns = -1});
    struct mp_lowering *raw = lower(ladder(3, seconds(1, 1)),
                                    (struct rig_lowering){.lead_ns = -1, .unchecked = true});
    struct mp_error err = {0};
    rig_open(MP_LATE_ABORT, forever_ns);
    CHECK_INT(mp_dispatcher_play(rig.d, raw, mp_clock_ns(), &err), MP_ESTATE);
    CHECK_HAS(err.text, "not checked");
    rig_play(l, mp_clock_ns() + MP_NS_PER_S / 2);
    err = (struct mp_error){0};
    CHECK_INT(mp_dispatcher_play(rig.d, l, mp_clock_ns(), &err), MP_ESTATE);
    CHECK_HAS(err.text, "another plan");
    CHECK(rig_await(MP_OUT_FINISHED));
    rig.count = 0;
    mp_lowering_rewind(l);
    rig_play(l, mp_clock_ns());
    CHECK(rig_await(MP_OUT_FINISHED));
    CHECK_INT(rig_tally(MP_OUT_SENT), 3);
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    err = (struct mp_error){0};
    CHECK_INT(mp_dispatcher_play(rig.d, l, mp_clock_ns(), &err), MP_ESTATE);
    CHECK_HAS(err.text, "arm again");
    err = (struct mp_error){0};
    CHECK_INT(mp_dispatcher_send(rig.d, "k", 1, &err), MP_ESTATE);
    CHECK_HAS(err.text, "stopped on request");
    rig_wire_is((const unsigned char *)"P\1P\2P\3P\1P\2P\3XYZ", 15);
    rig_close();
    mp_lowering_destroy(raw);
    mp_lowering_destroy(l);
}

static void refuses_arming_without_a_safe_frame(void)
{
    rig_ports();
    for (int i = 0; i < 2; i++) {
        struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, 0);
        config.arming.safe_length = i == 0 ? 0 : MP_FRAME_MAX + 1;
        struct mp_dispatcher *const untouched = (struct mp_dispatcher *)&rig;
        struct mp_dispatcher *d = untouched;
        struct mp_error err = {0};
        CHECK_INT(mp_dispatcher_create(&d, &config, &err), MP_EINVAL);
        CHECK_HAS(err.text, "safe");
        CHECK(d == untouched);
    }
    rig_close();
}

/* Wherever the stop falls, the wire ends with what was reported and one safe frame. */
static void a_stop_at_any_moment_is_clean(void)
{
    struct mp_lowering *l =
        lower(ladder(400, ratio(200 * 1000, 1)), (struct rig_lowering){.lead_ns = -1});
    size_t stopped_inside = 0;
    for (int round = 0; round < 25; round++) {
        mp_lowering_rewind(l);
        rig_open(MP_LATE_ABORT, forever_ns);
        rig_play(l, mp_clock_ns());
        struct timespec moment = {.tv_nsec = rand() % 40000000};
        (void)nanosleep(&moment, NULL);
        mp_dispatcher_stop(rig.d, MP_STOP_REQUESTED);
        int64_t stop_ns = mp_clock_ns();
        rig_end(MP_STOP_ERROR, MP_STOP_REQUESTED);
        size_t after = 0, sent = rig_tally(MP_OUT_SENT);
        for (size_t i = 0; i < rig.count; i++)
            after +=
                rig.outcomes[i].kind == MP_OUT_SENT && rig.outcomes[i].entered_ns > stop_ns;
        CHECK(after <= 1); // the one whose write had begun
        numbers_rise_by_one(MP_OUT_SENT, MP_OUT_SENT);
        wire_is_outcomes_and_safe(l);
        stopped_inside += sent > 0 && sent < 400;
        rig_close();
    }
    CHECK(stopped_inside > 0); // else this has tried nothing
    mp_lowering_destroy(l);
}

static void a_late_pulse_aborts(void)
{
    struct mp_lowering *l =
        lower(ladder(100, seconds(1, 10)), (struct rig_lowering){.lead_ns = -1});
    rig_open(MP_LATE_ABORT, MP_NS_PER_MS);
    rig_play(l, mp_clock_ns() - MP_NS_PER_S / 20);
    CHECK(rig_await(MP_OUT_STOPPED));
    rig_end(MP_STOP_REQUESTED, MP_STOP_LATE);
    CHECK_INT(rig_tally(MP_OUT_SENT), 0);
    CHECK_INT(rig_tally(MP_OUT_SKIPPED), 1);
    CHECK_INT(rig.outcomes[0].stop, MP_STOP_LATE);
    wire_is_outcomes_and_safe(l);
    rig_close();
    mp_lowering_destroy(l);
}

static void a_late_pulse_is_skipped_and_never_made_up_for(void)
{
    enum { PULSES = 100, MISSED = 90 };
    const int64_t tolerance_ns = 40 * MP_NS_PER_MS, period_ns = MP_NS_PER_S / 10;
    struct mp_lowering *l =
        lower(ladder(PULSES, seconds(1, 10)), (struct rig_lowering){.lead_ns = -1});
    rig_open(MP_LATE_SKIP, tolerance_ns);
    rig_play(l, mp_clock_ns() - MISSED * period_ns);
    CHECK(rig_await(MP_OUT_FINISHED));
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    size_t sent = rig_tally(MP_OUT_SENT), skipped = rig_tally(MP_OUT_SKIPPED);
    CHECK_INT(sent + skipped, PULSES);
    CHECK(skipped >= MISSED);
    CHECK(sent > 0);
    numbers_rise_by_one(MP_OUT_SENT, MP_OUT_SKIPPED);
    const struct mp_outcome *before = NULL;
    for (size_t i = 0; i < PULSES; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        int64_t late_ns = out->entered_ns - out->start_ns - out->send.send_ns;
        CHECK_INT(out->kind == MP_OUT_SKIPPED, late_ns > tolerance_ns);
        CHECK_INT(out->stop, out->kind == MP_OUT_SKIPPED ? MP_STOP_LATE : MP_STOP_NONE);
        if (out->kind == MP_OUT_SENT) {
            CHECK(before == NULL ||
                  out->entered_ns - before->entered_ns >= period_ns - tolerance_ns);
            before = out;
        }
    }
    wire_is_outcomes_and_safe(l);
    rig_close();
    mp_lowering_destroy(l);
}

/* The next pulse would have the wrong intensity: skipping it alone would not help. */
static void a_late_setting_aborts_even_where_late_is_skipped(void)
{
    struct mp_plan *plan = then(then(mso(50), rest(seconds(1, 1))), mso(60));
    struct mp_lowering *l = lower(plan, (struct rig_lowering){.lead_ns = 1000});
    rig_open(MP_LATE_SKIP, forever_ns);
    rig_play(l, mp_clock_ns() - 2 * MP_NS_PER_S);
    CHECK(rig_await(MP_OUT_STOPPED));
    rig_end(MP_STOP_REQUESTED, MP_STOP_LATE);
    CHECK_INT(rig_tally(MP_OUT_SENT), 1);
    CHECK_INT(rig.outcomes[1].kind, MP_OUT_SKIPPED);
    CHECK_INT(rig.outcomes[1].send.kind, MP_SEND_SET);
    rig_wire_is((const unsigned char *)"P2XYZ", 5);
    rig_close();
    mp_lowering_destroy(l);
}

/* How many bytes of safe frames the wire ends with. */
static size_t safe_tail(void)
{
    const size_t safe = strlen(safe_frame);
    size_t tail = 0;
    while (rig.length >= tail + safe &&
           memcmp(rig.wire + rig.length - tail - safe, safe_frame, safe) == 0)
        tail += safe;
    return tail;
}

/* Nobody reads: the dispatcher gives up instead of waiting, and leaves no half-frame behind. */
static void a_blocked_port_stops(void)
{
    enum { FRAME = 200 };
    static unsigned char expected[WIRE_MAX];
    struct mp_lowering *l = lower(ladder(3000, ratio(20000, 1)),
                                  (struct rig_lowering){.lead_ns = -1, .length = FRAME});
    rig_open(MP_LATE_ABORT, forever_ns);
    rig_play(l, mp_clock_ns());
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_last()->kind != MP_OUT_STOPPED && mp_clock_ns() < until)
        rig_drain(); // but not the wire
    rig_end(MP_STOP_REQUESTED, MP_STOP_BLOCKED);
    size_t sent = rig_tally(MP_OUT_SENT), length = expected_wire(l, expected);
    CHECK(sent > 0 && sent < 3000);
    CHECK(rig_last()->safe_sent); // what was stuck in the port made room for it
    // of what was handed over the beginning has arrived, then nothing but the safe frame
    rig_read_all(0);
    size_t tail = safe_tail(), kept = rig.length - tail;
    CHECK(tail >= strlen(safe_frame));
    CHECK(kept < length + FRAME);
    CHECK(memcmp(rig.wire, expected, kept < length ? kept : length) == 0);
    rig_close();
    mp_lowering_destroy(l);
}

static void a_full_port_takes_nothing_and_is_told(void)
{
    static const unsigned char filler[4096];
    struct mp_lowering *l = lower(mso(1), (struct rig_lowering){.lead_ns = -1});
    rig_open(MP_LATE_ABORT, forever_ns);
    size_t filled = 0;
    for (int quiet = 0; quiet < 20;) { // the kernel makes room for a while after it was full
        size_t n = 0;
        CHECK_INT(mp_port_write(rig.port, filler, sizeof filler, &n, NULL), MP_OK);
        filled += n;
        quiet = n == 0 ? quiet + 1 : 0;
        (void)poll(NULL, 0, n == 0 ? 1 : 0);
    }
    rig_play(l, mp_clock_ns());
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_last()->kind != MP_OUT_STOPPED && mp_clock_ns() < until)
        rig_drain();
    rig_end(MP_STOP_REQUESTED, MP_STOP_BLOCKED);
    CHECK_INT(rig_tally(MP_OUT_SENT), 0);
    rig_read_all(0);
    size_t tail = safe_tail();
    CHECK_INT(rig_last()->safe_sent, tail > 0);
    CHECK(memchr(rig.wire, 'P', rig.length) == NULL);
    CHECK(rig.length - tail <= filled);
    rig_close();
    mp_lowering_destroy(l);
}

/* Dense pulses leave no gap for a one-off frame; the long one after them does. */
static void one_off_frames_wait_for_a_gap(void)
{
    enum { DENSE = 500 };
    struct mp_plan *plan = repeat(mso(50), DENSE, MP_TRAIN, ratio(MP_NS_PER_MS, 1));
    plan = then(then(plan, rest(seconds(3600, 1))), mso(50));
    struct mp_lowering *l =
        lower(plan, (struct rig_lowering){.lead_ns = -1, .serial = &fast_wire});
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.serial = fast_wire;
    rig_start(&config);
    rig_play(l, mp_clock_ns());
    size_t accepted = 0, refused = 0;
    unsigned char which[40];
    for (char i = 0; i < 40; i++) {
        const char bytes[] = {'k', i};
        struct mp_error err = {0};
        enum mp_status status = mp_dispatcher_send(rig.d, bytes, sizeof bytes, &err);
        if (status == MP_OK) // the thread may take one meanwhile, which makes room for one
            which[accepted++] = (unsigned char)i;
        refused += status == MP_EBUSY;
    }
    CHECK_INT(accepted + refused, 40);
    CHECK(refused > 0); // there is room for 16, and one is held
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_tally(MP_OUT_ONEOFF) < accepted && mp_clock_ns() < until) {
        rig_drain();
        (void)rig_read(1);
    }
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    CHECK_INT(rig.count, DENSE + accepted + 1);
    unsigned char expected[2 * DENSE + 2 * 40 + 3];
    for (size_t i = 0; i < DENSE + accepted; i++) {
        CHECK_INT(rig.outcomes[i].kind, i < DENSE ? MP_OUT_SENT : MP_OUT_ONEOFF);
        expected[2 * i] = i < DENSE ? 'P' : 'k';
        expected[2 * i + 1] = i < DENSE ? 50 : which[i - DENSE];
    }
    memcpy(expected + 2 * (DENSE + accepted), safe_frame, 3);
    rig_wire_is(expected, 2 * (DENSE + accepted) + 3);
    rig_close();
    mp_lowering_destroy(l);
}

static void one_off_frames_have_a_length(void)
{
    static const uint8_t bytes[MP_FRAME_MAX + 1] = {'k'};
    struct mp_error err = {0};
    rig_open(MP_LATE_ABORT, forever_ns);
    CHECK_INT(mp_dispatcher_send(rig.d, bytes, 0, &err), MP_ERANGE);
    err = (struct mp_error){0};
    CHECK_INT(mp_dispatcher_send(rig.d, bytes, MP_FRAME_MAX + 1, &err), MP_ERANGE);
    CHECK_HAS(err.text, "1 to 256 bytes, not 257");
    CHECK_INT(mp_dispatcher_send(rig.d, bytes, MP_FRAME_MAX, NULL), MP_OK);
    CHECK(rig_await(MP_OUT_ONEOFF)); // no plan: at once
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    rig_read_all(MP_FRAME_MAX + 3);
    CHECK_INT(rig.length, MP_FRAME_MAX + 3);
    rig_close();
}

/* No record, no pulse. */
static void a_full_ring_of_outcomes_stops(void)
{
    enum { PULSES = 12000 };
    struct mp_plan *plan = repeat(mso(50), PULSES, MP_TRAIN, ratio(1000, 1));
    struct mp_lowering *l = lower(plan, (struct rig_lowering){.lead_ns = -1});
    rig_open(MP_LATE_ABORT, forever_ns);
    rig_play(l, mp_clock_ns());
    int64_t until = mp_clock_ns() + patience_ns;
    // read the wire, but no outcome
    while ((rig.length < 3 || memcmp(rig.wire + rig.length - 3, safe_frame, 3) != 0) &&
           mp_clock_ns() < until)
        (void)rig_read(1);
    rig_end(MP_STOP_REQUESTED, MP_STOP_RECORD);
    CHECK(rig_tally(MP_OUT_SENT) > 8000);
    CHECK(rig_tally(MP_OUT_SENT) < PULSES);
    wire_is_outcomes_and_safe(l);
    rig_close();
    mp_lowering_destroy(l);
}

int main(void)
{
    srand(20051122);
    sends_everything_in_order_once();
    sends_settings_and_marks();
    plays_one_plan_at_a_time_and_another_after();
    refuses_arming_without_a_safe_frame();
    a_stop_at_any_moment_is_clean();
    a_late_pulse_aborts();
    a_late_pulse_is_skipped_and_never_made_up_for();
    a_late_setting_aborts_even_where_late_is_skipped();
    a_blocked_port_stops();
    a_full_port_takes_nothing_and_is_told();
    one_off_frames_wait_for_a_gap();
    one_off_frames_have_a_length();
    a_full_ring_of_outcomes_stops();
    return CHECK_DONE("test_dispatcher");
}
