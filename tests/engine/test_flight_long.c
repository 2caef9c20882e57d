/*
 * test_flight_long.c - hours of a run with keep-alives leave the flight record its room; one
 * that is really full stops the run, and nothing leaves that has no record. On a clock turned
 * by hand.
 */
#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

static const char alive[] = "KA";
static const int64_t alive_ns = 500 * MP_NS_PER_MS;

/* What has happened while the dispatcher waited: outcomes are counted, not kept. */
static struct {
    int64_t now_ns;
    size_t pulses, marks, oneoffs;
    enum mp_stop stop;
} scene;

static int64_t now(void *context)
{
    (void)context;
    return scene.now_ns;
}

static void take_outcomes(void)
{
    struct mp_outcome out;
    while (mp_dispatcher_outcome(rig.d, &out)) {
        scene.pulses += out.kind == MP_OUT_SENT && out.send.kind == MP_SEND_PULSE;
        scene.marks += out.kind == MP_OUT_MARK;
        scene.oneoffs += out.kind == MP_OUT_ONEOFF;
        if (out.kind == MP_OUT_FINISHED)
            mp_dispatcher_stop(rig.d, MP_STOP_FINISHED);
        if (out.kind == MP_OUT_STOPPED)
            scene.stop = out.stop;
    }
}

static bool wait_until(int64_t deadline_ns)
{
    if (scene.now_ns < deadline_ns)
        scene.now_ns = deadline_ns;
    mp_dispatcher_heartbeat(rig.d);
    take_outcomes();
    if (rig.length < WIRE_MAX / 2) // all of it is looked at in the end
        (void)rig_read(0);
    return true;
}

/* What a file holds of a kind; the last record's detail. */
static size_t recorded(const char *path, enum mp_flight_kind kind, enum mp_stop *stop)
{
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    struct mp_error err = {0};
    uint64_t torn = 0;
    size_t found = 0;
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, &torn)) {
        found += record.kind == kind && record.send_kind == MP_SEND_PULSE;
        if (record.kind == MP_FLIGHT_STOPPED)
            *stop = (enum mp_stop)record.detail;
    }
    CHECK_INT(torn, 0);
    mp_flight_reader_close(reader);
    return found;
}

/* How many of these two bytes are on the wire, which holds frames of two bytes only. */
static size_t on_wire(char first)
{
    size_t found = 0;
    while (rig_read(20))
        continue;
    for (size_t i = 0; i + 1 < rig.length; i += 2)
        found += rig.wire[i] == (unsigned char)first;
    return found;
}

/* Play a plan with keep-alives into a record of that capacity; how much room was left. */
static uint64_t play(struct mp_plan *take_plan, uint64_t capacity, const char *path)
{
    static const struct rig_clock clock = {{now, NULL}, wait_until};
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    memset(&scene, 0, sizeof scene);
    rig_ports();
    must(mp_flight_create(&flight, path, capacity, &err), &err);
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    config.time = &clock.time;
    config.arming.flight = flight;
    config.arming.stuck_ns = 500 * MP_NS_PER_MS;
    config.arming.keepalive = alive;
    config.arming.keepalive_length = 2;
    config.arming.keepalive_ns = alive_ns;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    scene.now_ns = MP_NS_PER_S;
    struct mp_lowering *l = lower(take_plan, (struct rig_lowering){.serial = &fast_wire});
    CHECK(mp_flight_start(flight, 2 * MP_NS_PER_S, 0));
    rig_play(l, 2 * MP_NS_PER_S);
    rig_run_here(&clock);
    take_outcomes();
    uint64_t room = mp_flight_room(flight);
    must(mp_flight_close(flight, &err), &err);
    mp_lowering_destroy(l);
    return room;
}

/* A run as of a Magstim: a pulse every 20 s, a keep-alive every 0.5 s, room as for its plan. */
static void lasts(int pulses, int64_t seconds_long)
{
    const char *path = scratch_path("flight");
    enum mp_stop stop = MP_STOP_NONE;
    uint64_t own = 2 * (uint64_t)pulses + 1; // its pulses, their confirmations, the end
    uint64_t room = play(repeat(mso(50), (uint64_t)pulses, MP_EVERY, seconds(20, 1)),
                         own + MP_FLIGHT_SPARE, path);
    CHECK_INT(scene.stop, MP_STOP_FINISHED);
    CHECK_INT(scene.pulses, pulses);
    CHECK(scene.now_ns >= seconds_long * MP_NS_PER_S);
    // all but a few of the keep-alives that there is time for
    CHECK((int64_t)scene.oneoffs > 2 * seconds_long - 2 * pulses);
    CHECK_INT(recorded(path, MP_FLIGHT_SENT, &stop), pulses);
    CHECK_INT(stop, MP_STOP_FINISHED);
    // what a script's questions may take is all there still: keep-alives took one record in all
    CHECK(room >= MP_FLIGHT_SPARE - 8);
    rig_close();
    (void)unlink(path);
}

/* Without room the run ends as full: before the pulse, never behind it. */
static void is_full(uint64_t capacity)
{
    const char *path = scratch_path("flight");
    enum mp_stop stop = MP_STOP_NONE;
    (void)play(repeat(mso(50), 40, MP_EVERY, seconds(1, 1)), capacity, path);
    CHECK_INT(scene.stop, MP_STOP_FULL);
    size_t sent = recorded(path, MP_FLIGHT_SENT, &stop);
    CHECK_INT(stop, MP_STOP_FULL); // the record itself says why it ends
    CHECK(sent > 0 && sent < 40);
    CHECK_INT(scene.pulses, sent);
    CHECK_INT(on_wire('P'), sent);
    CHECK_INT(on_wire('K'), scene.oneoffs);
    CHECK(rig.length >= 3 && memcmp(rig.wire + rig.length - 3, safe_frame, 3) == 0);
    rig_close();
    (void)unlink(path);
}

int main(void)
{
    lasts(109, INT64_C(36) * 60);
    lasts(721, INT64_C(4) * 3600);
    for (uint64_t capacity = 8; capacity < 30; capacity++)
        is_full(capacity);
    return CHECK_DONE("test_flight_long");
}
