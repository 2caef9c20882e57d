/*
 * test_safe.c - the safe frame after a stop: how often, whole or not, and what was thrown away
 * before it. The port is made up: it takes so many bytes of each write as the test says.
 */
#include "engine/port_backend.h"
#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

enum { WRITES_MAX = 64, ALL = 1000, GONE = -1 };

/* What the port takes of each write; and what has come of it. */
static struct {
    int takes[WRITES_MAX]; // bytes; ALL; GONE: an error. Behind the last: ALL
    size_t count;          // of takes
    enum mp_stop stop;     // comes in the first write, before its bytes
    int queued;            // what the system says of bytes that it still holds
    size_t writes, discards, waits;
    char wire[256];
    size_t length;
    int64_t now_ns, last_ns; // a stop comes then; 0: none
} scene;

static enum mp_status take_some(struct mp_port *port, const void *bytes, size_t len,
                                size_t *written, struct mp_error *err)
{
    (void)port;
    int takes = scene.writes < scene.count ? scene.takes[scene.writes] : ALL;
    if (scene.writes++ == 0 && scene.stop != MP_STOP_NONE)
        mp_dispatcher_stop(rig.d, scene.stop);
    if (takes == GONE)
        return mp_fail(err, MP_EGONE, "pulled out");
    *written = (size_t)takes < len ? (size_t)takes : len;
    memcpy(scene.wire + scene.length, bytes, *written);
    scene.length += *written;
    return MP_OK;
}

static int discard(struct mp_port *port)
{
    (void)port;
    scene.discards++;
    return 0; // the port held nothing
}

static int queued(const struct mp_port *port)
{
    (void)port;
    return scene.queued;
}

static void wait_room(struct mp_port *port, int ms)
{
    (void)port;
    CHECK_INT(ms, 1);
    scene.waits++;
}

static const struct mp_port_ops ops = {
    .write = take_some, .discard = discard, .queued = queued, .wait_room = wait_room};

static int64_t now(void *context)
{
    (void)context;
    return scene.now_ns;
}

static bool wait_until(int64_t deadline_ns)
{
    if (scene.now_ns < deadline_ns)
        scene.now_ns = deadline_ns;
    if (scene.last_ns != 0 && scene.now_ns > scene.last_ns)
        mp_dispatcher_stop(rig.d, MP_STOP_REQUESTED);
    return true;
}

/* What the flight record says of the end: was the safe frame sent? */
static bool recorded_as_safe(const char *path)
{
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    struct mp_error err = {0};
    size_t ends = 0;
    uint32_t safe = 0;
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, NULL))
        if (record.kind == MP_FLIGHT_STOPPED) {
            ends++;
            safe = record.action;
        }
    mp_flight_reader_close(reader);
    (void)unlink(path);
    CHECK_INT(ends, 1);
    CHECK(safe <= 1);
    return safe == 1;
}

/* Pulses a second apart, or none but a stop for that reason; the safe frame is so long. The
 * last outcome.
 */
static struct mp_outcome run(uint64_t pulses, enum mp_stop reason, size_t safe_length)
{
    static const struct rig_clock clock = {{now, NULL}, wait_until};
    struct mp_port port = {.ops = &ops, .fd = -1};
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    struct mp_flight *flight = NULL;
    const char *path = scratch_path("safe");
    must(mp_flight_create(&flight, path, 16, &err), &err);
    CHECK(mp_flight_start(flight, 0, 0));
    rig.port = &port;
    rig.count = 0;
    scene.now_ns = MP_NS_PER_S;
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    config.time = &clock.time;
    config.arming.flight = flight;
    config.arming.safe_length = safe_length;
    config.arming.safe_line = safe_length == 0;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    if (pulses > 0) {
        l = lower(repeat(mso(50), pulses, MP_EVERY, seconds(1, 1)), (struct rig_lowering){0});
        rig_play(l, 2 * MP_NS_PER_S);
    } else {
        mp_dispatcher_stop(rig.d, reason);
    }
    rig_run_here(&clock);
    rig_drain();
    struct mp_outcome last = *rig_last();
    CHECK_INT(last.kind, MP_OUT_STOPPED);
    CHECK_INT(mp_dispatcher_safe_sent(rig.d), last.safe_sent); // whether the guard may go
    mp_dispatcher_destroy(rig.d);
    mp_lowering_destroy(l);
    must(mp_flight_close(flight, &err), &err);
    CHECK_INT(recorded_as_safe(path), last.safe_sent);
    rig.d = NULL;
    rig.port = NULL;
    return last;
}

static void begin(enum mp_stop stop, size_t count, const int *takes)
{
    memset(&scene, 0, sizeof scene);
    scene.stop = stop;
    scene.count = count;
    if (count > 0)
        memcpy(scene.takes, takes, count * sizeof takes[0]);
}

static void wire_is(const char *expected)
{
    scene.wire[scene.length] = 0;
    CHECK_STR(scene.wire, expected);
}

/* What the system still holds would fire behind us where the port or the device is at fault. */
static void throws_away_by_reason(void)
{
    for (enum mp_stop reason = MP_STOP_NONE + 1; reason < MP_STOP_COUNT; reason++) {
        bool discards = reason == MP_STOP_BLOCKED || reason == MP_STOP_DEVICE ||
                        reason == MP_STOP_SILENT || reason == MP_STOP_SETTING;
        begin(MP_STOP_NONE, 0, NULL);
        struct mp_outcome last = run(0, reason, 3);
        CHECK_INT(last.stop, reason);
        CHECK(last.safe_sent);
        CHECK_INT(last.safes, discards ? 2 : 1);
        CHECK_INT(scene.discards, discards ? 1 : 0);
        wire_is(discards ? "XYZXYZ" : "XYZ");
    }
}

/* The device takes what comes behind a part of a frame for the rest of it. */
static void is_sent_twice_behind_a_cut_frame(void)
{
    static const struct {
        int takes;
        size_t safes;
        const char *wire;
    } rows[] = {
        {0, 1, "XYZ"}, {1, 2, "PXYZXYZ"}, {ALL, 1, "P2XYZ"}, // 'P' and 50
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(MP_STOP_REQUESTED, 1, &rows[i].takes);
        struct mp_outcome last = run(1, MP_STOP_NONE, 3);
        CHECK_INT(last.stop, MP_STOP_REQUESTED);
        CHECK_INT(last.safes, rows[i].safes);
        CHECK(last.safe_sent);
        wire_is(rows[i].wire);
    }
    begin(MP_STOP_NONE, 1, (const int[]){1}); // and the port is blocked
    CHECK_INT(run(1, MP_STOP_NONE, 3).stop, MP_STOP_BLOCKED);
    wire_is("PXYZXYZ");
}

/* A pulse that the system still holds is not on its way to the device: no other follows it. */
static void comes_where_the_port_is_backed_up(void)
{
    begin(MP_STOP_NONE, 0, NULL);
    scene.queued = 2;
    scene.last_ns = 10 * MP_NS_PER_S; // else it would wait for another plan
    CHECK_INT(run(2, MP_STOP_NONE, 3).stop, MP_STOP_BLOCKED);
    CHECK_INT(rig_tally(MP_OUT_SENT), 1);
    CHECK_INT(scene.discards, 1);
    wire_is("P2XYZXYZ");
    begin(MP_STOP_NONE, 0, NULL);
    scene.last_ns = 10 * MP_NS_PER_S;
    CHECK_INT(run(2, MP_STOP_NONE, 3).stop, MP_STOP_REQUESTED);
    CHECK_INT(rig_tally(MP_OUT_SENT), 2);
    wire_is("P2P2XYZ");
}

static void goes_out_in_parts(void)
{
    begin(MP_STOP_NONE, 4, (const int[]){1, 0, 1, 1});
    struct mp_outcome last = run(0, MP_STOP_REQUESTED, 3);
    CHECK(last.safe_sent);
    CHECK_INT(last.safes, 1);
    CHECK_INT(scene.writes, 4);
    CHECK_INT(scene.waits, 3); // for room, behind each but the last
    wire_is("XYZ");
}

static void is_not_said_to_be_sent_where_it_was_not(void)
{
    int nothing[WRITES_MAX] = {0};
    begin(MP_STOP_NONE, WRITES_MAX, nothing);
    struct mp_outcome last = run(0, MP_STOP_REQUESTED, 3);
    CHECK(!last.safe_sent);
    CHECK_INT(last.safes, 0);
    CHECK_INT(scene.writes, 20); // of a millisecond each
    begin(MP_STOP_NONE, 2, (const int[]){2, GONE});
    last = run(0, MP_STOP_REQUESTED, 3);
    CHECK(!last.safe_sent);
    CHECK_INT(last.safes, 0);
    CHECK_INT(scene.writes, 2);                       // a port that is gone takes nothing more
    begin(MP_STOP_NONE, 2, (const int[]){ALL, GONE}); // the first of two is not both
    last = run(0, MP_STOP_DEVICE, 3);
    CHECK(!last.safe_sent);
    CHECK_INT(last.safes, 1);
}

static void has_any_length(void)
{
    for (size_t length = 0; length <= 3; length++) {
        char expected[4] = {0};
        memcpy(expected, "XYZ", length);
        begin(MP_STOP_NONE, 0, NULL);
        struct mp_outcome last = run(0, MP_STOP_REQUESTED, length);
        CHECK(last.safe_sent);
        CHECK_INT(last.safes, length > 0 ? 1 : 0); // none is not one of no bytes
        CHECK_INT(scene.writes, length > 0 ? 1 : 0);
        wire_is(expected);
    }
}

int main(void)
{
    throws_away_by_reason();
    is_sent_twice_behind_a_cut_frame();
    comes_where_the_port_is_backed_up();
    goes_out_in_parts();
    is_not_said_to_be_sent_where_it_was_not();
    has_any_length();
    return CHECK_DONE("test_safe");
}
