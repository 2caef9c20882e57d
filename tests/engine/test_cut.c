/* What a stop throws away with what a port still holds: no pulse is told as sent that was. */
#include "engine/flight.h"
#include "engine/port_wire.h"
#include "engine/world.h"
#include "tests/engine/rig.h"

enum { FRAME = 200, FRAMES_MORE = 700 };
static char flight_path[64]; // two suites may run this at once

static struct mp_lowering *pulses(int count, struct mp_ratio period, size_t length)
{
    return lower(ladder(count, period), (struct rig_lowering){.lead_ns = -1, .length = length});
}

/* How many frames that were sent are not in doubt. */
static size_t surely_sent(int64_t cut_ns, size_t length)
{
    const int64_t wire_ns = mp_serial_wire_ns(&no_wire, length);
    size_t sure = 0;
    for (size_t i = 0; i < rig.count; i++)
        sure += rig.outcomes[i].kind == MP_OUT_SENT &&
                (cut_ns == 0 || rig.outcomes[i].entered_ns + wire_ns < cut_ns);
    return sure;
}

static size_t arrived(size_t length)
{
    size_t whole = 0;
    while ((whole + 1) * length <= rig.length && rig.wire[whole * length] == 'P')
        whole++;
    return whole;
}

/* The flight record has what the outcome has: who recovers a run knows as much. */
static void flight_says(int64_t cut_ns, bool unseen)
{
    struct mp_error err = {0};
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    uint64_t torn;
    int stops = 0, arms = 0;
    must(mp_flight_open(&reader, flight_path, &err), &err);
    while (mp_flight_next(reader, &record, &torn)) {
        if (record.kind == MP_FLIGHT_STOPPED && ++stops > 0)
            CHECK_INT(record.planned_ns, cut_ns);
        if (record.kind == MP_FLIGHT_ALIVE && ++arms > 0)
            CHECK_INT(record.detail, unseen ? 1 : 0);
    }
    CHECK_INT(stops, 1);
    CHECK_INT(arms, 1);
    mp_flight_reader_close(reader);
    CHECK_INT(unlink(flight_path), 0);
}

/* Play count frames to a far end that does not read, then stop. What may be lost begins where?
 */
static int64_t stop_unread(int count, size_t length, enum mp_stop stop)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_lowering *l = pulses(count, ratio(100000, 1), length);
    must(mp_flight_create(&flight, flight_path, 4096, &err), &err);
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.arming.flight = flight;
    rig_start(&config);
    rig_play(l, mp_clock_ns());
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_last()->kind != MP_OUT_FINISHED && mp_clock_ns() < until)
        rig_drain(); // but not the wire
    if (stop == MP_STOP_GONE) {
        mp_pty_close(rig.pty);
        rig.pty = NULL;
    }
    rig_end(stop, stop);
    int64_t cut_ns = rig_last()->cut_ns;
    if (rig.pty != NULL)
        rig_read_all(0);
    CHECK_INT(rig_tally(MP_OUT_SENT), count);
    must(mp_flight_close(flight, &err), &err);
    mp_lowering_destroy(l);
    flight_says(cut_ns, true);
    CHECK(arrived(length) >= surely_sent(cut_ns, length));
    return cut_ns;
}

static void what_a_pseudo_terminal_may_have_lost_is_in_doubt(void)
{
    static const enum mp_stop stops[] = {MP_STOP_DEVICE, MP_STOP_SILENT, MP_STOP_SETTING,
                                         MP_STOP_BLOCKED};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        int64_t cut_ns = stop_unread(30, FRAME, stops[i]);
        CHECK(arrived(FRAME) < 30); // a far end holds 4,095 bytes: the rest was thrown away
        CHECK_INT(surely_sent(cut_ns, FRAME), 0);
        rig_close();
    }
}

/* More frames than are remembered one by one: all of them, and none that is newer. */
static void many_frames_are_in_doubt_from_the_first_on(void)
{
    int64_t cut_ns = stop_unread(FRAMES_MORE, 20, MP_STOP_DEVICE);
    CHECK(arrived(20) < FRAMES_MORE);
    CHECK_INT(surely_sent(cut_ns, 20), 0);
    rig_close();
}

static void a_stop_that_throws_nothing_away_leaves_no_doubt(void)
{
    static const enum mp_stop stops[] = {MP_STOP_SIGNAL, MP_STOP_FINISHED, MP_STOP_LATE};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        CHECK_INT(stop_unread(30, FRAME, stops[i]), 0);
        CHECK_INT(arrived(FRAME), 30);
        rig_close();
    }
}

static void what_a_lost_port_held_is_in_doubt(void)
{
    CHECK_INT(surely_sent(stop_unread(30, FRAME, MP_STOP_GONE), FRAME), 0);
    rig_close();
}

/* ---- a port that says what it holds: exactly what was lost ---- */

static uv_loop_t loop;
static struct mp_world world;

static int64_t world_now(void *context)
{
    return mp_world_now(context);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    (void)context, (void)began_ns;
    memcpy(rig.wire + rig.length, bytes, length);
    rig.length += length;
}

static void on_line(void *context, enum mp_trigger_line line, bool high, int64_t at_ns)
{
    (void)context, (void)line, (void)high, (void)at_ns;
}

static bool rang;
static void ring(struct mp_alarm *alarm)
{
    (void)alarm;
    rang = true;
}

/* Frames come faster than the wire takes them, which their lowering was not told. */
static void what_a_wire_held_is_told_to_the_pulse(void)
{
    static const struct mp_serial slow = {.baud = 10000, .bits = 8, .stop_bits = 1};
    static const struct mp_wire_far far = {.bytes = on_bytes, .line = on_line};
    struct mp_error err = {0};
    struct mp_wire *wire = NULL;
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    mp_world_go_virtual(&world, MP_NS_PER_S, 0);
    must(mp_wire_create(&wire, &world, &far, &err), &err);
    rig.length = rig.count = 0;
    must(mp_port_open(&rig.port, mp_wire_path(wire), &slow, &err), &err);
    struct mp_lowering *l = pulses(50, ratio(1000000, 1), 4); // 1 ms apart; 4 ms on the wire
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    const struct mp_time time = {world_now, &world};
    config.time = &time;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    rig_play(l, mp_world_now(&world));
    struct mp_next next = {0};
    struct mp_alarm alarm = {.ring = ring};
    while (mp_dispatcher_step(rig.d, &next)) {
        rig_drain();
        if (rig_tally(MP_OUT_SENT) == 20)
            mp_dispatcher_stop(rig.d, MP_STOP_DEVICE);
        rang = false;
        mp_world_set(&world, &alarm, next.at_ns);
        while (!rang && mp_world_turn(&world))
            continue;
        next.came = true;
    }
    while (mp_world_turn(&world))
        continue;
    rig_drain();
    CHECK_INT(rig_last()->stop, MP_STOP_DEVICE);
    size_t sent = rig_tally(MP_OUT_SENT), sure = surely_sent(rig_last()->cut_ns, 4);
    CHECK(sure > 0 && sure < sent);
    CHECK_INT(arrived(4), sure);
    mp_dispatcher_destroy(rig.d);
    mp_port_close(rig.port);
    rig.d = NULL;
    rig.port = NULL;
    mp_lowering_destroy(l);
    mp_wire_destroy(wire);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
}

int main(void)
{
    (void)snprintf(flight_path, sizeof flight_path, "/tmp/moonpulse-cut-%d.bin", (int)getpid());
    what_a_pseudo_terminal_may_have_lost_is_in_doubt();
    many_frames_are_in_doubt_from_the_first_on();
    a_stop_that_throws_nothing_away_leaves_no_doubt();
    what_a_lost_port_held_is_in_doubt();
    what_a_wire_held_is_told_to_the_pulse();
    return CHECK_DONE("test_cut");
}
