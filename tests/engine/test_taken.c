/*
 * test_taken.c - what a port takes of a frame and what is told of it; and what is a
 * dispatcher's own from its beginning to its end. Stepped by hand, on a port that takes what
 * the test lets it take.
 */
#include "engine/flight.h"
#include "engine/port_backend.h"
#include "tests/engine/box_rig.h"

enum { ALL = 1000, MOVES = 8 };
static const int64_t start_ns = 10 * MP_NS_PER_S;
// two bytes take 20 ms
static const struct mp_serial slow_wire = {.baud = 1000, .bits = 8, .stop_bits = 1};

static struct {
    struct mp_port port;
    int writes;     // so far
    int odd_one;    // the write of which the port takes only
    size_t takes;   // so many bytes
    bool fails;     // or it fails
    int queued;     // bytes, whenever it is asked
    char bytes[64]; // that left
    size_t length;
    struct {
        bool high;
        int64_t at_ns;
    } moves[MOVES]; // of the line
    int moved;
} far;
static int64_t now_ns;

static enum mp_status take(struct mp_port *port, const void *bytes, size_t len, size_t *written,
                           struct mp_error *err)
{
    (void)port;
    bool odd = ++far.writes == far.odd_one;
    *written = odd && far.takes < len ? far.takes : len;
    if (odd && far.fails)
        return mp_fail(err, MP_EIO, "gone");
    for (size_t i = 0; i < *written && far.length < sizeof far.bytes; i++)
        far.bytes[far.length++] = ((const char *)bytes)[i];
    return MP_OK;
}

static int queued(const struct mp_port *port)
{
    (void)port;
    return far.queued;
}

static int discard(struct mp_port *port)
{
    (void)port;
    far.queued = 0;
    return 0;
}

static void wait_room(struct mp_port *port, int ms)
{
    (void)port;
    now_ns += ms * MP_NS_PER_MS;
}

static int move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    (void)port;
    CHECK_INT(line, MP_TRIGGER_RTS);
    CHECK(far.moved < MOVES);
    far.moves[far.moved].high = high;
    far.moves[far.moved++].at_ns = now_ns;
    return 0;
}

static const struct mp_port_ops ops = {
    .write = take, .queued = queued, .move = move, .discard = discard, .wait_room = wait_room};

static int64_t now(void *context)
{
    (void)context;
    return now_ns;
}

static struct mp_dispatch_config begin_with(enum mp_late late)
{
    static const struct mp_time time = {now, NULL};
    now_ns = MP_NS_PER_S;
    memset(&far, 0, sizeof far);
    far.takes = ALL;
    far.port = (struct mp_port){.ops = &ops, .fd = -1};
    rig.port = &far.port;
    rig.count = 0;
    struct mp_dispatch_config config = rig_config(late, MP_NS_PER_MS);
    config.time = &time;
    return config;
}

static void start(const struct mp_dispatch_config *config)
{
    struct mp_error err = {0};
    must(mp_dispatcher_create_stepped(&rig.d, config, &err), &err);
}

/* Step until then or until it is stopped, late_ns after each moment that it asked for. */
static void run(int64_t until_ns, int64_t late_ns)
{
    struct mp_next next = {0};
    while (mp_dispatcher_step(rig.d, &next) && next.at_ns <= until_ns) {
        now_ns = next.at_ns + late_ns > now_ns ? next.at_ns + late_ns : now_ns;
        next.came = true;
    }
    rig_drain();
}

static void end(struct mp_lowering *l)
{
    mp_dispatcher_destroy(rig.d);
    rig.d = NULL;
    mp_lowering_destroy(l);
}

/* Nothing of it, a part of it, or the port failed: told as that, and nothing is sent behind it.
 */
static void of_a_frame_that_is_not_taken_it_is_told(size_t takes, bool fails)
{
    struct mp_lowering *l =
        lower(ladder(5, seconds(1, 1)), (struct rig_lowering){.lead_ns = -1});
    struct mp_dispatch_config config = begin_with(MP_LATE_ABORT);
    far.odd_one = 3;
    far.takes = takes;
    far.fails = fails;
    start(&config);
    rig_play(l, start_ns);
    run(start_ns + 10 * MP_NS_PER_S, 0);
    CHECK_INT(rig.count, 4);
    for (int i = 0; i < 2; i++)
        CHECK_INT(rig.outcomes[i].kind, MP_OUT_SENT);
    CHECK_INT(rig.outcomes[2].kind, MP_OUT_UNTAKEN);
    CHECK_INT(rig.outcomes[2].send.number, 3);
    CHECK_INT(rig.outcomes[2].in_part, takes > 0);
    CHECK_INT(rig.outcomes[2].safe_sent, false);
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(rig_last()->stop, fails ? MP_STOP_GONE : MP_STOP_BLOCKED);
    CHECK(memcmp(far.bytes, "P\1P\2", 4) == 0);
    end(l);
}

/* Of what was sent, marked or left out: neither that a part left nor that it made anything
 * safe. */
static void nothing_else_left_in_part(void)
{
    struct mp_lowering *l = lower(then(mark("first"), ladder(5, seconds(1, 1))),
                                  (struct rig_lowering){.lead_ns = -1});
    struct mp_dispatch_config config = begin_with(MP_LATE_SKIP);
    start(&config);
    rig_play(l, start_ns);
    run(start_ns + 3 * MP_NS_PER_S / 2, 0);
    run(start_ns + 10 * MP_NS_PER_S, 10 * MP_NS_PER_MS); // too late, each
    CHECK_INT(rig_tally(MP_OUT_MARK), 1);
    CHECK_INT(rig_tally(MP_OUT_SENT), 2);
    CHECK_INT(rig_tally(MP_OUT_SKIPPED), 3);
    for (size_t i = 0; i < rig.count; i++) {
        CHECK(!rig.outcomes[i].in_part);
        CHECK(!rig.outcomes[i].safe_sent);
    }
    end(l);
}

/* A line rises when the pulse is due and falls its width later, once each. */
static void a_line_moves_for_each_pulse(void)
{
    const struct mp_fire fire = {.line = MP_TRIGGER_RTS, .width_ns = 5 * MP_NS_PER_MS};
    struct mp_lowering *l =
        checked(lowering_of(repeat(mso(50), 3, MP_EVERY, seconds(1, 1)), &fire, &no_wire));
    struct mp_dispatch_config config = begin_with(MP_LATE_ABORT);
    config.lines[MP_PORT_DEVICE] = MP_TRIGGER_RTS;
    start(&config);
    rig_play(l, start_ns);
    run(start_ns + 10 * MP_NS_PER_S, 0);
    CHECK_INT(rig_tally(MP_OUT_SENT), 3);
    CHECK_INT(rig_tally(MP_OUT_FINISHED), 1);
    CHECK_INT(far.moved, 6);
    CHECK_INT(far.writes, 0);
    for (int i = 0; i < far.moved; i++) {
        CHECK_INT(far.moves[i].high, i % 2 == 0);
        CHECK_INT(far.moves[i].at_ns, start_ns + i / 2 * MP_NS_PER_S + i % 2 * fire.width_ns);
    }
    end(l);
}

/* What a port still has of a frame 5 ms after its wire should be free of it holds up the plan.
 */
static void the_next_pulse_waits_for_the_wire(int period_ms, int left, bool whole)
{
    struct mp_lowering *l = lower(repeat(mso(50), 3, MP_EVERY, seconds(period_ms, 1000)),
                                  (struct rig_lowering){.serial = &slow_wire, .lead_ns = -1});
    struct mp_dispatch_config config = begin_with(MP_LATE_ABORT);
    config.serial = slow_wire;
    far.queued = left;
    start(&config);
    rig_play(l, start_ns);
    run(start_ns + 10 * MP_NS_PER_S, 0);
    CHECK_INT(rig_tally(MP_OUT_SENT), whole ? 3 : 1);
    CHECK_INT(rig_last()->kind, whole ? MP_OUT_FINISHED : MP_OUT_STOPPED);
    CHECK_INT(rig_last()->stop, whole ? MP_STOP_NONE : MP_STOP_BLOCKED);
    end(l);
}

/* The bytes of an arming may change once it is armed; and whoever is armed ends safe. */
static void its_bytes_are_its_own(void)
{
    char safe[] = "XYZ", alive[] = "kk";
    struct mp_dispatch_config config = begin_with(MP_LATE_ABORT);
    config.arming.safe = safe;
    config.arming.keepalive = alive;
    config.arming.keepalive_length = 2;
    config.arming.keepalive_ns = MP_NS_PER_S;
    start(&config);
    memset(safe, '!', 3);
    memset(alive, '!', 2);
    run(now_ns + 5 * MP_NS_PER_S / 2, 0);
    CHECK_INT(far.length, 4);
    end(NULL);
    CHECK_INT(far.length, 7);
    CHECK(memcmp(far.bytes, "kkkkXYZ", 7) == 0);
}

/* A flight record is in use from arming to the end, with a thread and without: none closes it.
 */
static void its_record_is_busy(bool threaded)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/mp_taken_%d.bin", (int)getpid());
    struct mp_dispatch_config config = begin_with(MP_LATE_ABORT);
    must(mp_flight_create(&flight, path, 16, &err), &err);
    config.arming.flight = flight;
    CHECK(!mp_flight_busy(flight));
    if (threaded) {
        config.time = NULL;
        must(mp_dispatcher_create(&rig.d, &config, &err), &err);
    } else {
        start(&config);
    }
    CHECK(mp_flight_busy(flight));
    mp_dispatcher_join(rig.d, MP_STOP_FINISHED);
    CHECK(!mp_flight_busy(flight));
    end(NULL);
    must(mp_flight_close(flight, &err), &err);
    CHECK_INT(unlink(path), 0);
}

int main(void)
{
    (void)alarm(60);
    of_a_frame_that_is_not_taken_it_is_told(0, false);
    of_a_frame_that_is_not_taken_it_is_told(1, false);
    of_a_frame_that_is_not_taken_it_is_told(0, true);
    nothing_else_left_in_part();
    a_line_moves_for_each_pulse();
    the_next_pulse_waits_for_the_wire(22, 1, true);
    the_next_pulse_waits_for_the_wire(30, 1, false);
    the_next_pulse_waits_for_the_wire(30, 0, true);
    its_bytes_are_its_own();
    its_record_is_busy(false);
    its_record_is_busy(true);
    return CHECK_DONE("test_taken");
}
