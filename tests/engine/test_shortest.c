/*
 * Pulses at the device's shortest interval, in virtual time: whatever is late, none reaches the
 * device too early, and some microseconds of jitter end no run.
 */
#include "tests/engine/world.h"

#include <inttypes.h>

enum { PULSES = 12 };
static const int64_t least_ns = 20 * MP_NS_PER_MS, lead_ns = 200 * MP_NS_PER_MS;
static const int64_t usual_write_ns = 100 * MP_NS_PER_US; // a longer write has stalled

static struct {
    uint64_t runs, complete, sent, held, close, late, stalled_writes;
} tally;

/* Two kinds of pulses by turns, exactly as far apart as the device asks. */
static struct mp_lowering *at_the_limit(size_t first_length, size_t second_length)
{
    struct mp_plan *pair = then(then(mso(40), rest(ratio(least_ns, 1))), mso(50));
    struct mp_plan *plan = repeat(pair, PULSES / 2, MP_EVERY, ratio(2 * least_ns, 1));
    struct mp_lowering *l = lower(
        plan, (struct rig_lowering){.serial = &fast_wire, .lead_ns = -1, .unchecked = true});
    const size_t lengths[] = {first_length, second_length};
    struct mp_error err = {0};
    struct mp_violation violation;
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t bytes[MP_FRAME_MAX] = {'P', (uint8_t)(i + 1)};
        must(mp_lowering_pulse(l, i, bytes, lengths[i], least_ns, &err), &err);
    }
    while (mp_lowering_check(l, 1000, &violation))
        continue;
    CHECK_INT(violation.kind, MP_VIOLATION_NONE);
    CHECK(mp_lowering_checked(l));
    return l;
}

static void begin_world(uint64_t seed, int64_t stalls)
{
    memset(&world, 0, sizeof world);
    world.seed = world.chance.state = seed;
    world.now_ns = INT64_C(1) << 40;
    world.plan_ns = world.now_ns + lead_ns;
    world.stuck_from_ns = INT64_MAX;
    world.stop_ns = world.plan_ns + (PULSES + 5) * least_ns;
    world.stalls = stalls;
    world.stall_one_in = 1 + chance_below(&world.chance, 8 * PULSES);
}

static void play(struct mp_lowering *l, enum mp_late late, int64_t tolerance_ns)
{
    static const struct rig_clock clock = {{look, NULL}, wait_for_it};
    struct mp_error err = {0};
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&rig.port, ends[0], "wire", &err), &err);
    far_side = ends[1];
    rig.length = rig.count = 0;
    struct mp_dispatch_config config = rig_config(late, tolerance_ns);
    config.serial = fast_wire;
    config.time = &clock.time;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    mp_lowering_rewind(l);
    rig_play(l, world.plan_ns);
    rig_run_here(&clock);
    rig_drain();
    rig_close();
    (void)close(far_side);
}

/* By the stamps: when the device has the whole of each, and how long after the one before. */
static void check_distances(const struct mp_lowering *l, int64_t tolerance_ns)
{
    int64_t had_ns = 0;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        tally.close += out->kind == MP_OUT_SKIPPED && out->stop == MP_STOP_CLOSE;
        tally.late += out->kind == MP_OUT_SKIPPED && out->stop == MP_STOP_LATE;
        if (out->kind != MP_OUT_SENT)
            continue;
        int64_t wire_ns = mp_lowering_frame(l, out->send.frame)->wire_ns;
        int64_t due_ns = out->start_ns + out->send.send_ns;
        CHECK(out->entered_ns >= due_ns);
        CHECK(out->entered_ns - due_ns <= tolerance_ns);
        if (had_ns != 0) {
            CHECK(out->entered_ns + wire_ns - had_ns >= least_ns);
            tally.held += had_ns + least_ns - wire_ns > due_ns;
        }
        bool stalled = out->returned_ns - out->entered_ns > usual_write_ns;
        had_ns = (stalled ? out->returned_ns - usual_write_ns : out->entered_ns) + wire_ns;
        tally.stalled_writes += stalled;
        tally.sent++;
    }
}

static void one_run(struct mp_lowering *l, uint64_t seed, int64_t stalls, enum mp_late late,
                    int64_t tolerance_ns)
{
    int failed = check_failed;
    begin_world(seed, stalls);
    play(l, late, tolerance_ns);
    check_distances(l, tolerance_ns);
    tally.runs++;
    tally.complete += rig_tally(MP_OUT_SENT) == PULSES;
    if (check_failed != failed)
        (void)fprintf(stderr, "MP_SEED=%" PRIu64 " repeats this (stalls %d, tolerance %d us)\n",
                      seed, (int)stalls, (int)(tolerance_ns / MP_NS_PER_US));
}

static void report(const char *what)
{
    printf("%s: %" PRIu64 " runs, %" PRIu64 " complete, %" PRIu64 " pulses, %" PRIu64
           " held back, %" PRIu64 " too close, %" PRIu64 " late, %" PRIu64 " stalled writes\n",
           what, tally.runs, tally.complete, tally.sent, tally.held, tally.close, tally.late,
           tally.stalled_writes);
}

/* Each wake is up to 50 us late: the next pulse waits for that, and the run goes on. */
static void jitter_ends_no_run(uint64_t seed, uint64_t runs)
{
    struct mp_lowering *l = at_the_limit(3, 3);
    memset(&tally, 0, sizeof tally);
    for (uint64_t i = 0; i < runs && check_failed < 20; i++)
        one_run(l, seed + i, 0, MP_LATE_ABORT, MP_NS_PER_MS);
    report("jitter");
    CHECK_INT(tally.complete, tally.runs);
    CHECK(tally.held > 0);
    mp_lowering_destroy(l);
}

/* A frame with more bytes begins earlier, and arrives when it should: it is not held back. */
static void counts_from_arrival_to_arrival(uint64_t seed, uint64_t runs)
{
    const int64_t longer_ns = mp_serial_wire_ns(&fast_wire, 200);
    struct mp_lowering *l = at_the_limit(2, 202);
    memset(&tally, 0, sizeof tally);
    for (uint64_t i = 0; i < runs && check_failed < 20; i++) {
        one_run(l, seed + i, 0, MP_LATE_ABORT, MP_NS_PER_MS);
        const struct mp_outcome *second = &rig.outcomes[1];
        CHECK_INT(second->send.number, 2);
        CHECK(second->entered_ns - rig.outcomes[0].entered_ns <
              least_ns - longer_ns + 200 * MP_NS_PER_US);
    }
    report("lengths");
    CHECK_INT(tally.complete, tally.runs);
    mp_lowering_destroy(l);
}

/* Stalls of milliseconds and seconds, before the look, behind it and inside the write. */
static void no_stall_brings_two_too_close(uint64_t seed, uint64_t runs)
{
    static const int64_t tolerances[] = {100 * MP_NS_PER_US, MP_NS_PER_MS, 30 * MP_NS_PER_MS,
                                         3 * MP_NS_PER_S};
    struct mp_lowering *even = at_the_limit(3, 3), *uneven = at_the_limit(2, 202);
    memset(&tally, 0, sizeof tally);
    for (uint64_t i = 0; i < runs && check_failed < 20; i++)
        one_run(i % 3 == 0 ? uneven : even, seed + i, 1 + (int64_t)(i % 4),
                i % 2 == 0 ? MP_LATE_SKIP : MP_LATE_ABORT, tolerances[i / 2 % 4]);
    report("stalls");
    if (runs > 1)
        CHECK(tally.held > 0 && tally.close > 0 && tally.late > 0 && tally.stalled_writes > 0);
    mp_lowering_destroy(even);
    mp_lowering_destroy(uneven);
}

enum { ON_TWO = 2 * PULSES };
static const int64_t beside_ns = 3 * MP_NS_PER_MS; // from one output to the other

/* Two outputs by turns, beside_ns apart, each at its own shortest interval. */
static struct mp_lowering *on_two_outputs(void)
{
    struct mp_plan *pair = then(then(mso(40), rest(ratio(beside_ns, 1))), mso(50));
    struct mp_lowering *l =
        lower(repeat(pair, PULSES, MP_EVERY, ratio(least_ns, 1)),
              (struct rig_lowering){.serial = &fast_wire, .lead_ns = -1, .unchecked = true});
    struct mp_error err = {0};
    struct mp_violation violation;
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t bytes[] = {'P', (uint8_t)(i + 1)};
        must(mp_lowering_pulse(l, i, bytes, sizeof bytes, least_ns, &err), &err);
        must(mp_lowering_output(l, i, 3 * i, beside_ns, false, &err), &err);
    }
    while (mp_lowering_check(l, 1000, &violation))
        continue;
    CHECK_INT(violation.kind, MP_VIOLATION_NONE);
    return l;
}

/* The naive model: every two pulses that were sent, by their stamps. */
static void check_pairs(const struct mp_lowering *l)
{
    for (size_t second = 0; second < rig.count; second++)
        for (size_t first = 0; first < second; first++) {
            const struct mp_outcome *a = &rig.outcomes[first], *b = &rig.outcomes[second];
            if (a->kind != MP_OUT_SENT || b->kind != MP_OUT_SENT)
                continue;
            bool stalled = a->returned_ns - a->entered_ns > usual_write_ns;
            int64_t left_ns = stalled ? a->returned_ns - usual_write_ns : a->entered_ns;
            int64_t apart_ns = b->entered_ns - left_ns +
                               mp_lowering_frame(l, b->send.frame)->wire_ns -
                               mp_lowering_frame(l, a->send.frame)->wire_ns;
            CHECK(apart_ns >= (a->send.output == b->send.output ? least_ns : beside_ns));
            tally.held += b->entered_ns > b->start_ns + b->send.send_ns + 10 * MP_NS_PER_US;
        }
}

static void each_output_has_its_own(uint64_t seed, uint64_t runs)
{
    struct mp_lowering *l = on_two_outputs();
    memset(&tally, 0, sizeof tally);
    for (uint64_t i = 0; i < runs && check_failed < 20; i++) {
        begin_world(seed + i, (int64_t)(i % 4));
        world.stop_ns = world.plan_ns + (PULSES + 5) * least_ns;
        play(l, MP_LATE_SKIP, i % 2 == 0 ? MP_NS_PER_MS : 30 * MP_NS_PER_MS);
        check_pairs(l);
        size_t sent = rig_tally(MP_OUT_SENT);
        tally.runs++;
        tally.complete += sent == ON_TWO;
        if (i % 4 == 0) // jitter ends none
            CHECK_INT(sent, ON_TWO);
    }
    report("outputs");
    CHECK(tally.complete > 0 && tally.held > 0);
    mp_lowering_destroy(l);
}

int main(void)
{
    bool only;
    uint64_t seed = chance_seed(1, &only);
    uint64_t runs = only ? 1 : is_quick() ? 200 : CHECKED_BUILD ? 500 : 3000;
    jitter_ends_no_run(seed, runs);
    counts_from_arrival_to_arrival(seed, runs);
    no_stall_brings_two_too_close(seed, only ? 24 : runs);
    each_output_has_its_own(seed, runs);
    return CHECK_DONE("test_shortest");
}
