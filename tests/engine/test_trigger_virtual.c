/*
 * Pulses of two parts on a clock that stalls and stops anywhere (world.h): whatever happens,
 * every rise is followed by its fall and by nothing else on that wire, no two pulses overlap,
 * and a stop leaves the box at rest and the device safe.
 */
#include "tests/engine/world.h"

enum { PULSES = 25 };
static const int64_t interval_ns = 15 * MP_NS_PER_MS;
static const int64_t lead_ns = 300 * MP_NS_PER_MS;

static int box_side = -1; // the far side of the second port
static struct {
    uint64_t runs, pulses, skipped, stopped_high, finished, oneoffs;
} tally;

static struct mp_lowering *pulses_of(uint8_t port, int64_t width_ns)
{
    const struct mp_fire fire = {.port = port,
                                 .bytes = "\1",
                                 .length = 1,
                                 .after = "\0",
                                 .after_length = 1,
                                 .width_ns = width_ns};
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    struct mp_violation v;
    struct mp_plan *plan = repeat(mso(50), PULSES, MP_EVERY, ratio(interval_ns, 1));
    must(mp_lowering_create(&l, schedule_of(plan, 1), &fast_wire, 0, &err), &err);
    must(mp_lowering_fire(l, 0, &fire, 0, &err), &err);
    CHECK(!mp_lowering_check(l, 1000, &v));
    CHECK(mp_lowering_checked(l));
    return l;
}

static void begin_world(uint64_t seed)
{
    memset(&world, 0, sizeof world);
    world.seed = world.chance.state = seed;
    world.now_ns = INT64_C(1) << 40;
    world.plan_ns = world.now_ns + lead_ns;
    world.stuck_from_ns = INT64_MAX;
    world.stop_ns =
        world.now_ns + chance_below(&world.chance, 2 * lead_ns + PULSES * interval_ns);
    if (chance_one_in(&world.chance, 2))
        world.stop_look = 1 + (uint64_t)chance_below(&world.chance, 20 * PULSES);
    world.oneoffs = chance_below(&world.chance, 6);
    if (chance_one_in(&world.chance, 2)) {
        world.stalls = 1 + chance_below(&world.chance, 4);
        world.stall_one_in = 1 + chance_below(&world.chance, 12 * PULSES);
    }
}

static void connect_port(struct mp_port **port, int *far, const char *name)
{
    struct mp_error err = {0};
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(port, ends[0], name, &err), &err);
    *far = ends[1];
}

/* Rises on a wire whose one-off frames are 'k' and a digit; false where the order is wrong. */
static bool count_rises(const unsigned char *wire, size_t length, size_t *rises)
{
    bool high = false;
    for (size_t i = 0; i < length; i++) {
        if (wire[i] == 'k' && !high) {
            tally.oneoffs++;
            i++;
        } else if (wire[i] == 1 && !high) {
            high = true;
            (*rises)++;
        } else if (wire[i] == 0 && high) {
            high = false;
        } else {
            return false;
        }
    }
    return !high;
}

/* The stamps of the pulses: between two the width, and half of the rest at least. */
static void check_stamps(int64_t width_ns)
{
    const struct mp_outcome *before = NULL;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        if (out->kind != MP_OUT_SENT)
            continue;
        if (before != NULL)
            CHECK(out->entered_ns >= before->returned_ns + width_ns + mp_rest_ns / 2);
        before = out;
    }
    const struct mp_outcome *last = rig_last();
    if (before != NULL && last->entered_ns < before->returned_ns + width_ns)
        tally.stopped_high++;
    if (rig_tally(MP_OUT_FINISHED) > 0)
        CHECK(before == NULL || last->entered_ns >= before->returned_ns + width_ns);
}

static void check_wires(uint8_t port)
{
    unsigned char box[256];
    ssize_t got = recv(box_side, box, sizeof box, MSG_DONTWAIT);
    size_t rises = 0, none = 0, in_box = got > 0 ? (size_t)got : 0;
    bool second = port == MP_PORT_TRIGGER;
    CHECK(in_box >= 1 && box[in_box - 1] == 'R'); // at rest, last of all
    CHECK(rig.length >= 3 && memcmp(rig.wire + rig.length - 3, safe_frame, 3) == 0);
    CHECK(count_rises(rig.wire, rig.length - 3, second ? &none : &rises));
    CHECK(count_rises(box, in_box - 1, second ? &rises : &none));
    CHECK_INT(none, 0);
    CHECK_INT(rises, rig_tally(MP_OUT_SENT));
    CHECK(rig_last()->safe_sent);
    tally.pulses += rises;
}

static void one_run(uint64_t seed)
{
    static const struct rig_clock clock = {{look, NULL}, wait_for_it};
    static const int64_t tolerances[] = {MP_NS_PER_MS, 7 * MP_NS_PER_MS, 100 * MP_NS_PER_MS};
    struct mp_error err = {0};
    struct mp_port *trigger = NULL;
    int failed = check_failed;
    begin_world(seed);
    uint8_t port = chance_one_in(&world.chance, 2) ? MP_PORT_TRIGGER : MP_PORT_DEVICE;
    int64_t width_ns = MP_NS_PER_MS + chance_below(&world.chance, 12 * MP_NS_PER_MS);
    struct mp_lowering *l = pulses_of(port, width_ns);
    connect_port(&rig.port, &far_side, "device");
    connect_port(&trigger, &box_side, "box");
    rig.length = rig.count = 0;
    struct mp_dispatch_config config =
        rig_config(chance_one_in(&world.chance, 2) ? MP_LATE_ABORT : MP_LATE_SKIP,
                   tolerances[chance_below(&world.chance, 3)]);
    config.serial = fast_wire;
    config.time = &clock.time;
    config.trigger = trigger;
    config.rest[0] = 'R';
    config.rest_length = 1;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    rig_play(l, world.plan_ns);
    rig_run_here(&clock);
    rig_drain();
    read_wire();
    check_wires(port);
    check_stamps(width_ns);
    tally.runs++;
    tally.skipped += rig_tally(MP_OUT_SKIPPED);
    tally.finished += rig_tally(MP_OUT_FINISHED);
    rig_close();
    mp_port_close(trigger);
    (void)close(far_side);
    (void)close(box_side);
    mp_lowering_destroy(l);
    if (check_failed != failed)
        (void)fprintf(stderr, "MP_SEED=%" PRIu64 " repeats this (port %d, width %" PRId64 ")\n",
                      seed, (int)port, width_ns);
}

int main(void)
{
    bool only;
    uint64_t seed = chance_seed(1, &only);
    uint64_t runs = only ? 1 : is_quick() || CHECKED_BUILD ? 300 : is_long() ? 50000 : 3000;
    for (uint64_t i = 0; i < runs && check_failed < 20; i++)
        one_run(seed + i);
    printf("%" PRIu64 " runs, %" PRIu64 " pulses, %" PRIu64 " skipped, %" PRIu64
           " stops in the middle of a pulse, %" PRIu64 " finished, %" PRIu64
           " one-off frames\n",
           tally.runs, tally.pulses, tally.skipped, tally.stopped_high, tally.finished,
           tally.oneoffs);
    if (!only) // else this has tried nothing
        CHECK(tally.skipped > 0 && tally.stopped_high > 0 && tally.finished > 0 &&
              tally.oneoffs > 0);
    return CHECK_DONE("test_trigger_virtual");
}
