/*
 * A foot switch on CTS or DSR. A pseudo-terminal has no such lines: first that is refused;
 * then this program starts itself again with tests/rig/modem_shim.c preloaded, which gives it
 * lines that a file raises.
 */
#include "engine/session.h"

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <fcntl.h>

#define INPUT "MODEM_INPUT"

static uv_loop_t loop;
static struct mp_world world;
static struct mp_session *session;
static struct {
    int stops, sent, gone;
    struct mp_outcome last;
} seen;

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context, (void)bytes, (void)length, (void)arrival_ns;
}

static void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    seen.sent += outcome->kind == MP_OUT_SENT;
    seen.stops += outcome->kind == MP_OUT_STOPPED;
    seen.last = *outcome;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context, (void)port, (void)why;
    seen.gone++;
}

static void begin(void)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    struct mp_error err = {0};
    memset(&seen, 0, sizeof seen);
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
    session = NULL;
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    CHECK_INT(seen.gone, 0);
}

static enum mp_status arm(enum mp_stop_line line, bool guard, struct mp_error *err)
{
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = 3,
                                     .line = line,
                                     .tolerance_ns = forever_ns,
                                     // a busy machine's stalls leave pulses out: no stop
                                     .late = MP_LATE_SKIP,
                                     .guard = guard};
    return mp_session_arm(session, &arming, err);
}

/* Run the loop for a while, or until the session has stopped. */
static void run_for(int64_t ns)
{
    for (int64_t until = mp_clock_ns() + ns; seen.stops == 0 && mp_clock_ns() < until;) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)poll(NULL, 0, 1);
    }
}

static void a_port_without_lines_is_refused(void)
{
    begin();
    for (int guard = 0; guard < 2; guard++) {
        struct mp_error err = {0};
        CHECK_INT(arm(MP_LINE_CTS, guard == 1, &err), MP_EUNSUPPORTED);
        CHECK_HAS(err.text, "no modem lines");
        CHECK_INT(mp_session_state(session), MP_CONNECTED);
    }
    CHECK_INT(arm(MP_LINE_NONE, false, NULL), MP_OK); // the refusal broke nothing
    mp_session_stop(session, MP_STOP_REQUESTED);
    end();
    mp_stop_watch_end(NULL);
}

/* ---- with lines ---- */

static void set_lines(const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s.new", getenv(INPUT));
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK_INT(rename(path, getenv(INPUT)), 0); // never half written
}

static void a_pressed_switch_keeps_it_disarmed(void)
{
    static const struct {
        enum mp_stop_line line;
        const char *high, *name;
    } lines[] = {{MP_LINE_CTS, "C", "CTS"}, {MP_LINE_DSR, "D", "DSR"}};
    for (size_t i = 0; i < 2; i++) {
        struct mp_error err = {0};
        begin();
        set_lines(lines[i].high);
        CHECK_INT(arm(lines[i].line, i == 0, &err), MP_ESTATE);
        CHECK_HAS(err.text, lines[i].name);
        CHECK_HAS(err.text, "release the switch");
        CHECK_INT(mp_session_state(session), MP_CONNECTED);
        CHECK_INT(seen.sent, 0);
        set_lines("");
        CHECK_INT(arm(lines[i].line, false, NULL), MP_OK);
        end();
    }
}

/* Raised in the middle of a plan: nothing more leaves but the safe frame. */
static void a_raised_line_stops(enum mp_stop_line line, const char *other, const char *high)
{
    struct mp_lowering *l =
        lower(ladder(200, seconds(1, 100)), (struct rig_lowering){.lead_ns = -1});
    set_lines("");
    begin();
    CHECK_INT(arm(line, line == MP_LINE_DSR, NULL), MP_OK);
    CHECK_INT(mp_session_play(session, l, mp_clock_ns(), NULL), MP_OK);
    set_lines(other); // not the one that is watched
    run_for(MP_NS_PER_S / 10);
    CHECK_INT(seen.stops, 0);
    int before = seen.sent;
    CHECK(before > 0);
    set_lines(high);
    run_for(patience_ns);
    CHECK_INT(seen.stops, 1);
    CHECK_INT(seen.last.stop, *high == 'E' ? MP_STOP_GONE : MP_STOP_LINE);
    CHECK(seen.last.safe_sent);
    CHECK(seen.sent < 200);
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    size_t length = 2 * (size_t)seen.sent + 3;
    rig_read_all(length);
    CHECK_INT(rig.length, length);
    CHECK(rig.length == length && memcmp(rig.wire + length - 3, safe_frame, 3) == 0);
    CHECK_INT(arm(line, false, NULL), *high == 'E' ? MP_EGONE : MP_ESTATE); // still pressed
    set_lines("");
    CHECK_INT(arm(line, false, NULL), MP_OK);
    end();
    mp_lowering_destroy(l);
}

/* The switch is at the port of a session that is not armed: the one that is armed, whose own
 * port has no lines, is stopped by it, and by the loss of that port. */
static void a_line_of_another_port_stops(bool is_lost)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    struct mp_arming arming = {.safe = safe_frame,
                               .safe_length = 3,
                               .line = MP_LINE_CTS,
                               .tolerance_ns = forever_ns,
                               .late = MP_LATE_SKIP};
    struct mp_session *other = NULL;
    struct mp_pty *pty = NULL;
    struct mp_error err = {0};
    set_lines("");
    begin();
    must(mp_pty_open(&pty, NULL, &err), &err);
    must(mp_session_create(&other, &world, &events, &err), &err);
    must(mp_session_open(other, mp_pty_path(pty), &no_wire, &err), &err);
    CHECK_INT(setenv("MODEM_PORT", mp_pty_path(pty), 1), 0);
    CHECK_INT(mp_session_arm(session, &arming, &err), MP_EUNSUPPORTED);
    arming.line_from = other;
    must(mp_session_arm(session, &arming, &err), &err);
    run_for(MP_NS_PER_S / 50);
    CHECK_INT(seen.stops, 0);
    if (is_lost)
        mp_session_close(other);
    else
        set_lines("C");
    run_for(patience_ns);
    CHECK_INT(seen.stops, 1);
    CHECK_INT(seen.last.stop, is_lost ? MP_STOP_GONE : MP_STOP_LINE);
    CHECK(seen.last.safe_sent);
    set_lines("");
    CHECK_INT(mp_session_arm(session, &arming, NULL), is_lost ? MP_EGONE : MP_OK);
    mp_session_destroy(other); // also while it is watched
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    end();
    mp_pty_close(pty);
    CHECK_INT(unsetenv("MODEM_PORT"), 0);
}

static void with_lines(void)
{
    a_line_of_another_port_stops(false);
    a_line_of_another_port_stops(true);
    a_pressed_switch_keeps_it_disarmed();
    a_raised_line_stops(MP_LINE_CTS, "D", "C");
    a_raised_line_stops(MP_LINE_DSR, "C", "DC");
    a_raised_line_stops(MP_LINE_CTS, "D", "E"); // cannot be read any more
}

/* Start this program again with the shim, which `make test-programs` builds beside it. */
static void again_with_lines(void)
{
    char self[512], shim[600];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(length > 0);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return;
    (void)snprintf(shim, sizeof shim, "%.*s/rig/modem_shim.so", (int)(slash - self), self);
    if (access(shim, R_OK) != 0) {
        CHECK_NEVER("modem_shim.so is there: make test-programs");
        return;
    }
    CHECK_INT(setenv(INPUT, scratch_path("lines"), 1), 0);
    CHECK_INT(setenv("LD_PRELOAD", shim, 1), 0);
    CHECK_INT(setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1), 0);
    if (check_failed > 0)
        exit(CHECK_DONE("test_stop_line"));
    (void)fflush(NULL);
    (void)execl(self, self, (char *)NULL);
    CHECK_NEVER("the program could be started again");
}

int main(void)
{
    if (getenv(INPUT) == NULL) {
        a_port_without_lines_is_refused();
        again_with_lines();
    } else {
        with_lines();
        (void)unlink(getenv(INPUT));
    }
    return CHECK_DONE("test_stop_line");
}
