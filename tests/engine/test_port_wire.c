/* A port with both ends in this process, and a whole session on it in virtual time. */
#include "engine/port_wire.h"

#include "engine/clock.h"
#include "engine/session.h"
#include "tests/check.h"
#include "tests/engine/rig.h"

static uv_loop_t loop;
static struct mp_world world;
static struct mp_wire *wire;
static const struct mp_serial slow_wire = {
    .baud = 10000, .bits = 8, .stop_bits = 1}; // 1 ms a byte
static const int64_t begin_ns = 1000 * MP_NS_PER_S;

static struct {
    uint8_t bytes[4096];
    size_t length;
    int arrivals, lines;
    int64_t began_ns[64], ended_ns[64];
    bool high;
    enum mp_trigger_line line;
    int64_t moved_ns;
} far_end;

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    (void)context;
    memcpy(far_end.bytes + far_end.length, bytes, length);
    far_end.length += length;
    far_end.began_ns[far_end.arrivals] = began_ns - begin_ns;
    far_end.ended_ns[far_end.arrivals++] = mp_world_now(&world) - begin_ns;
}

static void on_line(void *context, enum mp_trigger_line line, bool high, int64_t at_ns)
{
    (void)context;
    far_end.lines++;
    far_end.line = line;
    far_end.high = high;
    far_end.moved_ns = at_ns;
}

static void begin(void)
{
    static const struct mp_wire_far far = {.bytes = on_bytes, .line = on_line};
    struct mp_error err = {0};
    memset(&far_end, 0, sizeof far_end);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    mp_world_go_virtual(&world, begin_ns, 0);
    must(mp_wire_create(&wire, &world, &far, &err), &err);
}

static void end(void)
{
    mp_wire_destroy(wire);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
}

static void turn_all(void)
{
    while (mp_world_turn(&world))
        continue;
}

static struct mp_port *open_near(void)
{
    struct mp_port *port = NULL;
    struct mp_error err = {0};
    must(mp_port_open(&port, mp_wire_path(wire), &slow_wire, &err), &err);
    CHECK_INT(mp_port_kind(port), MP_PORT_WIRE);
    CHECK_INT(mp_port_fd(port), -1);
    return port;
}

static void bytes_take_their_time(void)
{
    struct mp_error err = {0};
    size_t written = 0;
    begin();
    struct mp_port *port = open_near();
    must(mp_port_write(port, "abc", 3, &written, &err), &err);
    CHECK_INT(written, 3);
    must(mp_port_write(port, "de", 2, &written, &err), &err);
    CHECK_INT(mp_port_queued(port), 5);
    CHECK_INT(far_end.length, 0);
    while (far_end.arrivals < 1)
        CHECK(mp_world_turn(&world));
    CHECK_INT(mp_port_queued(port), 2);
    turn_all();
    CHECK_INT(far_end.arrivals, 2);
    CHECK_INT(far_end.began_ns[0], 0);
    CHECK_INT(far_end.ended_ns[0], 3 * MP_NS_PER_MS);
    CHECK_INT(far_end.began_ns[1], 3 * MP_NS_PER_MS); // the second is behind the first
    CHECK_INT(far_end.ended_ns[1], 5 * MP_NS_PER_MS);
    CHECK(memcmp(far_end.bytes, "abcde", 5) == 0);
    mp_port_close(port);
    end();
}

static void a_full_buffer_takes_no_more(void)
{
    static const uint8_t many[5000];
    struct mp_error err = {0};
    size_t written = 0;
    begin();
    struct mp_port *port = open_near();
    must(mp_port_write(port, many, sizeof many, &written, &err), &err);
    CHECK_INT(written, 4096);
    must(mp_port_write(port, many, 1, &written, &err), &err);
    CHECK_INT(written, 0);
    mp_port_close(port);
    end();
}

static void a_write_is_cut_short_or_held_up_once(void)
{
    struct mp_error err = {0};
    size_t written = 0;
    begin();
    struct mp_port *port = open_near();
    mp_wire_make_trouble(wire, &(struct mp_wire_trouble){.is_short = true, .takes = 2});
    must(mp_port_write(port, "abc", 3, &written, &err), &err);
    CHECK_INT(written, 2);
    must(mp_port_write(port, "def", 3, &written, &err), &err);
    CHECK_INT(written, 3);
    mp_wire_make_trouble(wire, &(struct mp_wire_trouble){.is_short = true, .takes = 0});
    must(mp_port_write(port, "ghi", 3, &written, &err), &err);
    CHECK_INT(written, 0);
    turn_all();
    CHECK_INT(far_end.length, 5);
    CHECK(memcmp(far_end.bytes, "abdef", 5) == 0);
    int64_t now = mp_world_now(&world);
    mp_wire_make_trouble(wire, &(struct mp_wire_trouble){.stall_ns = MP_NS_PER_S});
    must(mp_port_write(port, "X", 1, &written, &err), &err);
    CHECK_INT(written, 1);
    CHECK_INT(mp_world_now(&world), now + MP_NS_PER_S);
    turn_all();
    CHECK_INT(far_end.length, 6);
    CHECK_INT(far_end.began_ns[2], now - begin_ns); // it left before the write was held up
    mp_port_close(port);
    end();
}

static void what_has_not_begun_is_discarded(void)
{
    struct mp_error err = {0};
    size_t written = 0;
    begin();
    struct mp_port *port = open_near();
    for (int i = 0; i < 3; i++)
        must(mp_port_write(port, "abc", 3, &written, &err), &err);
    mp_port_discard(port);
    must(mp_port_write(port, "X", 1, &written, &err), &err);
    turn_all();
    CHECK_INT(far_end.length, 4);
    CHECK(memcmp(far_end.bytes, "abcX", 4) == 0);
    CHECK_INT(far_end.ended_ns[1], 4 * MP_NS_PER_MS);
    mp_port_close(port);
    end();
}

static void lines_move_at_once(void)
{
    struct mp_error err = {0};
    bool cts = false, dsr = false;
    begin();
    struct mp_port *port = open_near();
    must(mp_port_check_line(port, MP_TRIGGER_RTS, &slow_wire, &err), &err);
    CHECK_INT(far_end.lines, 0); // it was down
    must(mp_port_set_line(port, MP_TRIGGER_RTS, true, &err), &err);
    turn_all();
    CHECK_INT(far_end.lines, 1);
    CHECK_INT(far_end.line, MP_TRIGGER_RTS);
    CHECK(far_end.high);
    CHECK_INT(far_end.moved_ns, begin_ns);
    must(mp_port_get_lines(port, &cts, &dsr, &err), &err);
    CHECK(!cts && !dsr);
    mp_wire_set_inputs(wire, (struct mp_wire_inputs){.cts = true});
    must(mp_port_get_lines(port, &cts, &dsr, &err), &err);
    CHECK(cts && !dsr);
    mp_port_close(port);
    end();
}

static void is_nobody_elses_and_goes_with_its_far_end(void)
{
    struct mp_error err = {0};
    struct mp_port *port, *other = NULL;
    char path[32];
    size_t count = 0;
    begin();
    (void)snprintf(path, sizeof path, "%s", mp_wire_path(wire));
    port = open_near();
    CHECK_INT(mp_port_open(&other, path, &slow_wire, &err), MP_EBUSY);
    must(mp_wire_write(wire, "last", 4, &count, &err), &err);
    mp_wire_destroy(wire);
    wire = NULL;
    CHECK_INT(mp_port_write(port, "x", 1, &count, &err), MP_EGONE);
    char read[8];
    CHECK_INT(mp_port_read(port, read, sizeof read, &count, &err), MP_OK);
    CHECK_INT(count, 4);
    CHECK_INT(mp_port_read(port, read, sizeof read, &count, &err), MP_EGONE);
    mp_port_close(port);
    err = (struct mp_error){0};
    CHECK_INT(mp_port_open(&other, path, &slow_wire, &err), MP_EGONE);
    CHECK_HAS(err.text, path);
    end();
}

/* ---- a session on it ---- */

static struct {
    struct mp_session *session;
    int sent, finished, stopped, gone;
    int64_t sent_ns[64];
    enum mp_stop reason;
    bool safe;
    char bytes[16];
    size_t length;
    int64_t arrival_ns;
} near;

static void near_outcome(void *context, const struct mp_outcome *out)
{
    (void)context;
    if (out->kind == MP_OUT_SENT)
        near.sent_ns[near.sent++] = out->returned_ns - begin_ns;
    near.finished += out->kind == MP_OUT_FINISHED;
    if (out->kind != MP_OUT_STOPPED)
        return;
    near.stopped++;
    near.reason = out->stop;
    near.safe = out->safe_sent;
}

static void near_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context;
    memcpy(near.bytes + near.length, bytes, length);
    near.length += length;
    near.arrival_ns = arrival_ns - begin_ns;
}

static void near_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context, (void)port;
    CHECK_HAS(why->text, "gone");
    near.gone++;
}

static void begin_armed(void)
{
    static const struct mp_session_events events = {
        .bytes = near_bytes, .outcome = near_outcome, .gone = near_gone};
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = 3,
                                     .tolerance_ns = MP_NS_PER_MS,
                                     .stuck_ns = MP_NS_PER_S / 2,
                                     .guard = true};
    struct mp_error err = {0};
    memset(&near, 0, sizeof near);
    begin();
    must(mp_session_create(&near.session, &world, &events, &err), &err);
    must(mp_session_open(near.session, mp_wire_path(wire), &slow_wire, &err), &err);
    must(mp_session_arm(near.session, &arming, &err), &err);
}

static void end_session(void)
{
    mp_session_destroy(near.session);
    end();
}

static struct mp_lowering *ten_pulses(void)
{
    return lower(repeat(mso(50), 10, MP_EVERY, seconds(1, 1)),
                 (struct rig_lowering){.serial = &slow_wire, .lead_ns = -1});
}

static void plays_a_plan_to_the_nanosecond(void)
{
    struct mp_error err = {0};
    struct mp_lowering *l = ten_pulses();
    begin_armed();
    must(mp_session_play(near.session, l, begin_ns + MP_NS_PER_S, &err), &err);
    while (near.finished == 0 && mp_world_turn(&world))
        continue;
    CHECK_INT(near.sent, 10);
    for (int i = 0; i < 10; i++)
        CHECK_INT(near.sent_ns[i],
                  (i + 1) * MP_NS_PER_S - 2 * MP_NS_PER_MS); // its wire time before
    CHECK_INT(mp_session_state(near.session), MP_ARMED);
    CHECK(mp_clock_ns() != 0);
    mp_session_stop(near.session, MP_STOP_FINISHED);
    CHECK_INT(near.stopped, 1);
    CHECK(near.safe);
    turn_all();
    CHECK_INT(far_end.length, 2 * 10 + 3);
    CHECK(memcmp(far_end.bytes + 20, safe_frame, 3) == 0);
    for (int i = 0; i < 10; i++)
        CHECK_INT(far_end.ended_ns[i], (i + 1) * MP_NS_PER_S);
    end_session();
    mp_lowering_destroy(l);
}

enum how { STOPPED, LATCHED, PULLED };

static void stops_between_two_pulses(enum how how)
{
    struct mp_error err = {0};
    bool pulled = how == PULLED, safe = true;
    struct mp_lowering *l = ten_pulses();
    begin_armed();
    must(mp_session_play(near.session, l, begin_ns + MP_NS_PER_S, &err), &err);
    while (near.sent < 3 && mp_world_turn(&world))
        continue;
    CHECK_INT(mp_session_peek(near.session, &safe), MP_STOP_NONE);
    CHECK(!safe);
    if (pulled) {
        mp_wire_destroy(wire);
        wire = NULL;
    } else {
        (how == LATCHED ? mp_session_latch : mp_session_stop)(near.session, MP_STOP_KEY);
    }
    turn_all();
    CHECK_INT(near.sent, 3);
    CHECK_INT(near.stopped, 1);
    CHECK_INT(near.gone, pulled ? 1 : 0);
    CHECK_INT(near.reason, pulled ? MP_STOP_GONE : MP_STOP_KEY);
    CHECK_INT(near.safe, !pulled);
    CHECK_INT(mp_session_state(near.session), pulled ? MP_CLOSED : MP_CONNECTED);
    end_session();
    mp_lowering_destroy(l);
}

static void hears_the_last_words_and_then_the_end(void)
{
    struct mp_error err = {0};
    size_t written = 0;
    begin_armed();
    must(mp_wire_write(wire, "bye", 3, &written, &err), &err);
    mp_wire_destroy(wire);
    wire = NULL;
    turn_all();
    CHECK_INT(near.length, 3);
    CHECK_INT(near.gone, 1);
    CHECK_INT(mp_session_state(near.session), MP_CLOSED);
    end_session();
}

static void hears_what_the_device_says(void)
{
    struct mp_error err = {0};
    size_t written = 0;
    begin_armed();
    must(mp_wire_write(wire, "hello", 5, &written, &err), &err);
    turn_all();
    CHECK_INT(near.length, 5);
    CHECK_INT(near.arrival_ns, 0);
    CHECK(memcmp(near.bytes, "hello", 5) == 0);
    end_session();
}

/* An adapter could be a real one's: virtual time opens wires and nothing else. */
static void opens_nothing_real(void)
{
    static const struct mp_session_events events = {
        .bytes = near_bytes, .outcome = near_outcome, .gone = near_gone};
    struct mp_error err = {0};
    struct mp_session *session = NULL;
    begin();
    must(mp_session_create(&session, &world, &events, &err), &err);
    CHECK_INT(mp_session_open(session, "/dev/ptmx", &slow_wire, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "virtual time");
    mp_world_go_real(&world);
    err = (struct mp_error){0};
    CHECK_INT(mp_session_open(session, mp_wire_path(wire), &slow_wire, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "virtual time");
    mp_session_destroy(session);
    end();
}

int main(void)
{
    bytes_take_their_time();
    a_full_buffer_takes_no_more();
    a_write_is_cut_short_or_held_up_once();
    what_has_not_begun_is_discarded();
    lines_move_at_once();
    is_nobody_elses_and_goes_with_its_far_end();
    plays_a_plan_to_the_nanosecond();
    stops_between_two_pulses(STOPPED);
    stops_between_two_pulses(LATCHED);
    stops_between_two_pulses(PULLED);
    hears_what_the_device_says();
    hears_the_last_words_and_then_the_end();
    opens_nothing_real();
    return CHECK_DONE("test_port_wire");
}
