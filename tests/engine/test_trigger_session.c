/* A session with a trigger box: which lines there are, and what becomes of a box that is lost.
 */
#include "engine/session.h"

#include "tests/engine/box_rig.h"

static void no_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context;
    (void)bytes;
    (void)length;
    (void)arrival_ns;
}
static void no_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    (void)outcome;
}
static void no_loss(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    (void)port;
    (void)why;
}

static void a_pseudo_terminal_has_no_line_to_fire_on(void)
{
    static const struct mp_session_events events = {
        .bytes = no_bytes, .outcome = no_outcome, .gone = no_loss};
    uv_loop_t loop;
    struct mp_world world;
    struct mp_session *s = NULL;
    struct mp_error err = {0};
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    must(mp_pty_open(&box, NULL, &err), &err);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&s, &world, &events, &err), &err);
    CHECK_INT(mp_session_trigger(s, NULL, NULL, MP_TRIGGER_RTS, NULL, 0, NULL), MP_ESTATE);
    must(mp_session_open(s, mp_pty_path(rig.pty), &no_wire, &err), &err);
    for (int line = MP_TRIGGER_RTS; line <= MP_TRIGGER_BREAK; line++)
        for (int second = 0; second < 2; second++) {
            const char *path = second ? mp_pty_path(box) : NULL;
            err = (struct mp_error){0};
            CHECK_INT(mp_session_trigger(s, path, &no_wire, (enum mp_trigger_line)line, NULL, 0,
                                         &err),
                      MP_EUNSUPPORTED);
            CHECK_HAS(err.text, "it is a pseudo-terminal");
            CHECK_HAS(err.text, mp_trigger_line_name((enum mp_trigger_line)line));
        }
    CHECK_INT(mp_session_trigger(s, NULL, NULL, MP_TRIGGER_NONE, NULL, 0, NULL), MP_EINVAL);
    // the port of a refused trigger is free again, and a trigger is chosen once
    CHECK_INT(mp_session_trigger(s, mp_pty_path(box), &no_wire, MP_TRIGGER_NONE, "\0", 1, NULL),
              MP_OK);
    CHECK_INT(mp_session_trigger(s, mp_pty_path(box), &no_wire, MP_TRIGGER_NONE, "\0", 1, NULL),
              MP_ESTATE);
    mp_session_close(s);
    must(mp_port_open(&trigger, mp_pty_path(box), &no_wire, &err), &err); // closed with it
    mp_session_destroy(s);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    close_box();
    mp_pty_close(rig.pty);
    rig.pty = NULL;
}

static struct {
    enum mp_stop stop;
    int stops, losses;
    uint8_t port;
    char why[320];
    bool destroys; // the session inside the callback
} seen;
static struct mp_session *session;

static void saw_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    if (outcome->kind != MP_OUT_STOPPED)
        return;
    seen.stops++;
    seen.stop = outcome->stop;
    if (seen.destroys)
        mp_session_destroy(session);
}

static void saw_loss(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    seen.losses++;
    seen.port = port;
    (void)snprintf(seen.why, sizeof seen.why, "%s", why->text);
}

static void wait_on(uv_loop_t *loop, const int *count)
{
    for (int64_t until = mp_clock_ns() + patience_ns; *count == 0 && mp_clock_ns() < until;)
        if (uv_run(loop, UV_RUN_NOWAIT) != 0)
            (void)usleep(1000);
}

/* Nothing is due for an hour: no write could notice that the box is unplugged. */
static void a_lost_box_stops_a_rest(bool armed, bool destroys)
{
    static const struct mp_session_events events = {
        .bytes = no_bytes, .outcome = saw_outcome, .gone = saw_loss};
    const struct mp_arming arming = {
        .safe = safe_frame, .safe_length = 3, .tolerance_ns = MP_NS_PER_S};
    uv_loop_t loop;
    struct mp_world world;
    struct mp_error err = {0};
    memset(&seen, 0, sizeof seen);
    seen.destroys = destroys;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    must(mp_pty_open(&box, NULL, &err), &err);
    rig.length = 0;
    char path[64];
    (void)snprintf(path, sizeof path, "%s", mp_pty_path(box));
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&session, &world, &events, &err), &err);
    must(mp_session_open(session, mp_pty_path(rig.pty), &no_wire, &err), &err);
    must(mp_session_trigger(session, path, &no_wire, MP_TRIGGER_NONE, "R", 1, &err), &err);
    const struct mp_fire fire = two_part(MP_PORT_TRIGGER);
    struct mp_lowering *l = checked(lowering_of(mso(50), &fire, &no_wire));
    if (armed) {
        must(mp_session_arm(session, &arming, &err), &err);
        must(mp_session_play(session, l, mp_clock_ns() + forever_ns, &err), &err);
    }
    size_t written = 0;
    must(mp_pty_write(box, "?", 1, &written, &err), &err); // what a box says is no loss
    for (int i = 0; i < 3; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(seen.losses, 0);
    mp_pty_close(box);
    box = NULL;
    wait_on(&loop, destroys ? &seen.stops : &seen.losses);
    CHECK_INT(seen.stops, armed);
    CHECK_INT(seen.losses, !destroys);
    if (armed) {
        CHECK_INT(seen.stop, MP_STOP_GONE);
        rig_wire_is((const unsigned char *)safe_frame, 3);
    }
    if (!destroys) {
        CHECK_INT(seen.port, MP_PORT_TRIGGER);
        CHECK_HAS(seen.why, path);
        CHECK_INT(mp_session_state(session), MP_CONNECTED);
        mp_session_acknowledge(session);
        must(mp_session_write(session, "?", 1, &err), &err); // the device is still to be asked
        CHECK_INT(mp_session_arm(session, &arming, &err), MP_EGONE);
        CHECK_HAS(err.text, path);
        mp_session_destroy(session);
    }
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_lowering_destroy(l);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
}

int main(void)
{
    a_pseudo_terminal_has_no_line_to_fire_on();
    a_lost_box_stops_a_rest(false, false);
    a_lost_box_stops_a_rest(true, false);
    a_lost_box_stops_a_rest(true, true);
    return CHECK_DONE("test_trigger_session");
}
