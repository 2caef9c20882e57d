/*
 * test_arming.c - an arming that is refused half-way leaves no guard process, nothing on the
 * wire but the safe frame, and a session that can be armed. A guard ends with its arming.
 */
#include "engine/session.h"

#include "tests/engine/rig.h"

#include <errno.h>
#include <sys/wait.h>

static uv_loop_t loop;
static struct mp_world world;
static struct mp_session *session;
static size_t stopped;

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context;
    (void)bytes;
    (void)length;
    (void)arrival_ns;
}

static void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    stopped += outcome->kind == MP_OUT_STOPPED;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    (void)port;
    CHECK_NEVER(why->text);
}

static void begin(void)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    struct mp_error err = {0};
    stopped = 0;
    rig.length = 0;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&session, &world, &events, &err), &err);
    must(mp_session_open(session, mp_pty_path(rig.pty), &no_wire, &err), &err);
}

static void end(void)
{
    mp_session_destroy(session);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_pty_close(rig.pty);
}

static enum mp_status arm(enum mp_stop_line line, struct mp_error *err)
{
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = strlen(safe_frame),
                                     .tolerance_ns = forever_ns,
                                     .late = MP_LATE_ABORT,
                                     .line = line,
                                     .guard = true};
    return mp_session_arm(session, &arming, err);
}

/* Does a process that we have started run? */
static bool has_a_child(void)
{
    return waitpid(-1, NULL, WNOHANG) == 0;
}

/* Every process that we have started ends by itself: on a busy computer it may be told and not
 * have had a turn yet, and whoever dismisses it does not wait for that for ever. */
static void no_child_stays(void)
{
    pid_t ended = 0;
    for (int64_t until_ns = mp_clock_ns() + 60 * MP_NS_PER_S; ended != -1;) {
        ended = waitpid(-1, NULL, WNOHANG);
        if (ended == 0 && mp_clock_ns() > until_ns)
            break;
        (void)poll(NULL, 0, ended == 0 ? 1 : 0);
    }
    CHECK(ended == -1 && errno == ECHILD);
}

static void wire_is(const char *expected)
{
    rig_wire_is((const unsigned char *)expected, strlen(expected));
}

/* A pseudo-terminal has no CTS: that is seen once the guard is there. */
static void refused_leaves_nothing(void)
{
    struct mp_error err = {0};
    begin();
    CHECK(arm(MP_LINE_CTS, &err) != MP_OK);
    no_child_stays();
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    wire_is("XYZ");
    must(arm(MP_LINE_NONE, &err), &err);
    CHECK_INT(mp_session_state(session), MP_ARMED);
    end();
    no_child_stays();
}

static void ends_with_its_guard(void)
{
    struct mp_error err = {0};
    begin();
    for (int i = 0; i < 2; i++) {
        int64_t until_ns = mp_clock_ns() + patience_ns;
        must(arm(MP_LINE_NONE, &err), &err);
        CHECK(has_a_child());
        mp_session_stop(session, MP_STOP_FINISHED);
        while (mp_session_state(session) != MP_CONNECTED && mp_clock_ns() < until_ns) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
            (void)poll(NULL, 0, 1);
        }
        no_child_stays();
    }
    wire_is("XYZXYZ"); // the dispatcher's of each arming, and none of a guard
    CHECK_INT(stopped, 2);
    end();
}

int main(void)
{
    refused_leaves_nothing();
    ends_with_its_guard();
    return CHECK_DONE("test_arming");
}
