/*
 * Lines that fire, on a port that has some: each edge is in the shim's log, with its time.
 * test_serial_rig calls this with /dev/ttyMP0 ready to be opened.
 */
#include "tests/rig/trigger_lines.h"

#include "engine/guard.h"
#include "engine/session.h"
#include "tests/engine/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

enum { EDGES = 64 };
static struct {
    int64_t at_ns[EDGES];
    char text[EDGES * 8]; // "RTS 1,RTS 0,"
    size_t count;
} edges;

static void read_edges(void)
{
    memset(&edges, 0, sizeof edges);
    FILE *log = fopen(getenv("MODEM_LOG"), "re");
    long long at;
    char line[8];
    int level;
    while (log != NULL && edges.count < EDGES &&
           fscanf(log, "%lld %7s %d", &at, line, &level) == 3) {
        size_t used = strlen(edges.text);
        (void)snprintf(edges.text + used, sizeof edges.text - used, "%s %d,", line, level);
        edges.at_ns[edges.count++] = at;
    }
    if (log != NULL)
        (void)fclose(log);
}

static void forget_edges(void)
{
    CHECK_INT(truncate(getenv("MODEM_LOG"), 0), 0);
}

static bool edges_become(const char *text)
{
    int64_t until = mp_clock_ns() + patience_ns;
    do {
        read_edges();
        if (strcmp(edges.text, text) == 0)
            return true;
        (void)poll(NULL, 0, 1);
    } while (mp_clock_ns() < until);
    (void)fprintf(stderr, "the edges are \"%s\"\n", edges.text);
    return false;
}

static struct mp_port *open_line(const char *path, enum mp_trigger_line line)
{
    struct mp_error err = {0};
    struct mp_port *port = NULL;
    must(mp_port_open(&port, path, &no_wire, &err), &err);
    must(mp_port_check_line(port, line, &no_wire, &err), &err);
    return port;
}

static struct mp_lowering *pulses(uint64_t count, enum mp_trigger_line line, int64_t width_ns)
{
    const struct mp_fire fire = {.line = line, .width_ns = width_ns};
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    struct mp_violation v;
    must(mp_lowering_create(&l,
                            schedule_of(repeat(mso(50), count, MP_EVERY, seconds(1, 50)), 1),
                            &no_wire, 0, &err),
         &err);
    must(mp_lowering_fire(l, 0, &fire, 0, &err), &err);
    CHECK(!mp_lowering_check(l, 1000, &v));
    CHECK(mp_lowering_checked(l));
    return l;
}

static void start(struct mp_port *port, enum mp_trigger_line line, struct mp_lowering *l)
{
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.port = port;
    config.lines[MP_PORT_DEVICE] = line;
    rig.count = 0;
    rig_start(&config);
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
}

static bool await_outcome(enum mp_outcome_kind kind)
{
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_tally(kind) == 0 && mp_clock_ns() < until)
        rig_drain();
    return rig_tally(kind) > 0;
}

/* Every pulse is up for at least its width, and down before the next. */
static void a_line_pulses(const char *path, enum mp_trigger_line line)
{
    static const int64_t width_ns = 5 * MP_NS_PER_MS;
    const char *name = mp_trigger_line_name(line);
    char expected[64];
    struct mp_port *port = open_line(path, line);
    struct mp_lowering *l = pulses(3, line, width_ns);
    forget_edges();
    start(port, line, l);
    CHECK(await_outcome(MP_OUT_FINISHED));
    mp_dispatcher_join(rig.d, MP_STOP_FINISHED);
    rig_drain();
    CHECK(rig_last()->safe_sent);
    (void)snprintf(expected, sizeof expected, "%s 1,%s 0,%s 1,%s 0,%s 1,%s 0,", name, name,
                   name, name, name, name);
    CHECK(edges_become(expected));
    for (size_t i = 0; i + 1 < edges.count; i += 2)
        CHECK(edges.at_ns[i + 1] - edges.at_ns[i] >= width_ns);
    mp_dispatcher_destroy(rig.d);
    mp_lowering_destroy(l);
    mp_port_close(port);
    CHECK(edges_become(expected)); // closing moves nothing
}

static void a_stop_drops_the_line_at_once(const char *path)
{
    struct mp_port *port = open_line(path, MP_TRIGGER_RTS);
    struct mp_lowering *l = pulses(1, MP_TRIGGER_RTS, mp_width_max_ns);
    forget_edges();
    start(port, MP_TRIGGER_RTS, l);
    CHECK(await_outcome(MP_OUT_SENT));
    CHECK(edges_become("RTS 1,"));
    mp_dispatcher_stop(rig.d, MP_STOP_SIGNAL);
    mp_dispatcher_join(rig.d, MP_STOP_SIGNAL);
    rig_drain();
    CHECK(edges_become("RTS 1,RTS 0,"));
    CHECK(edges.at_ns[1] - edges.at_ns[0] < mp_width_max_ns);
    CHECK_INT(rig_last()->stop, MP_STOP_SIGNAL);
    CHECK(rig_last()->safe_sent && edges.at_ns[1] <= rig_last()->returned_ns);
    mp_dispatcher_destroy(rig.d);
    mp_lowering_destroy(l);
    mp_port_close(port);
}

/* The line is up when its process is killed: the guard lets it down. */
static void the_guard_drops_the_line(const char *path, enum mp_trigger_line line)
{
    const char *name = mp_trigger_line_name(line);
    char up[16], down[32];
    (void)snprintf(up, sizeof up, "%s 1,", name);
    (void)snprintf(down, sizeof down, "%s 1,%s 0,", name, name);
    (void)fflush(NULL);
    mp_port_close(open_line(path, line)); // so that only the pulse's edges are still to come
    int near = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    forget_edges();
    pid_t ward = fork();
    if (ward == 0) {
        struct mp_port *port = open_line(path, line);
        struct mp_guard guard;
        const struct mp_guarded guarded = {
            .fd = mp_port_fd(port), .lines = true, .safe = NULL, .safe_length = 0};
        if (mp_guard_start(&guard, &guarded, 1, NULL) != MP_OK ||
            mp_port_set_line(port, line, true, NULL) != MP_OK)
            _exit(1);
        for (;;)
            (void)pause();
    }
    CHECK(edges_become(up));
    CHECK_INT(kill(ward, SIGKILL), 0);
    CHECK_INT(waitpid(ward, NULL, 0), ward);
    CHECK(edges_become(down));
    // a real port forgets TIOCEXCL when its last user dies; here the far side is one, too
    CHECK_INT(ioctl(near, TIOCNXCL), 0);
    (void)close(near);
    // the guard may still hold it; nobody else gets the port before it is done
    struct mp_port *port = NULL;
    int64_t until = mp_clock_ns() + patience_ns;
    while (mp_port_open(&port, path, &no_wire, NULL) != MP_OK && mp_clock_ns() < until)
        (void)poll(NULL, 0, 1);
    CHECK(port != NULL);
    mp_port_close(port);
}

/* Both lines are up when the system opens a port; they go down once, and no line ever rises. */
static void choosing_a_trigger_raises_nothing(const char *path)
{
    static const enum mp_trigger_line lines[] = {MP_TRIGGER_RTS, MP_TRIGGER_DTR,
                                                 MP_TRIGGER_BREAK};
    struct mp_serial flow = no_wire;
    struct mp_error err = {0};
    struct mp_port *port = open_line(path, MP_TRIGGER_RTS);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(mp_port_set_lines(port, true, true, NULL), MP_OK); // as after an open
        forget_edges();
        CHECK_INT(mp_port_check_line(port, lines[i], &no_wire, NULL), MP_OK);
        read_edges();
        CHECK(strstr(edges.text, " 1,") == NULL);
        CHECK(strstr(edges.text, "RTS 0,") != NULL && strstr(edges.text, "DTR 0,") != NULL);
    }
    flow.flow = MP_FLOW_RTSCTS;
    CHECK_INT(mp_port_check_line(port, MP_TRIGGER_RTS, &flow, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "flow control");
    mp_port_close(port);
}

static void quiet_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context;
    (void)bytes;
    (void)length;
    (void)arrival_ns;
}
static struct mp_outcome last_outcome;
static void keep_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    last_outcome = *outcome;
}
static void quiet_loss(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    (void)port;
    (void)why;
}

/* A session with a second port: opened, armed, fired, closed; at the end every line is down. */
static void a_session_fires_on_a_second_port(const char *device, const char *second)
{
    static const struct mp_session_events events = {
        .bytes = quiet_bytes, .outcome = keep_outcome, .gone = quiet_loss};
    const struct mp_arming arming = {
        .safe = safe_frame, .safe_length = 3, .tolerance_ns = forever_ns, .guard = true};
    uv_loop_t loop;
    struct mp_world world;
    struct mp_session *s = NULL;
    struct mp_error err = {0};
    const struct mp_fire fire = {
        .port = MP_PORT_TRIGGER, .line = MP_TRIGGER_DTR, .width_ns = mp_width_max_ns};
    struct mp_lowering *l = NULL;
    struct mp_violation v;
    must(mp_lowering_create(&l, schedule_of(mso(50), 1), &no_wire, 0, &err), &err);
    must(mp_lowering_fire(l, 0, &fire, 0, &err), &err);
    CHECK(!mp_lowering_check(l, 10, &v));
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&s, &world, &events, &err), &err);
    must(mp_session_open(s, device, &no_wire, &err), &err);
    forget_edges();
    must(mp_session_trigger(s, second, &no_wire, MP_TRIGGER_DTR, NULL, 0, &err), &err);
    read_edges();
    CHECK(strstr(edges.text, " 1,") == NULL); // opening raised nothing
    forget_edges();
    must(mp_session_arm(s, &arming, &err), &err);
    must(mp_session_play(s, l, mp_clock_ns() + 20 * MP_NS_PER_MS, &err), &err);
    CHECK(edges_become("DTR 1,"));
    mp_session_close(s); // in the middle of the pulse
    CHECK(edges_become("DTR 1,DTR 0,"));
    CHECK_INT(last_outcome.kind, MP_OUT_STOPPED);
    CHECK(last_outcome.safe_sent);
    mp_session_destroy(s);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_lowering_destroy(l);
}

int test_trigger_lines(const char *device)
{
    struct mp_error err = {0};
    must(mp_pty_open(&rig.pty, NULL, &err), &err); // a second port, with the shim's lines
    choosing_a_trigger_raises_nothing(device);
    for (int line = MP_TRIGGER_RTS; line <= MP_TRIGGER_BREAK; line++) {
        a_line_pulses(device, (enum mp_trigger_line)line);
        the_guard_drops_the_line(device, (enum mp_trigger_line)line);
    }
    a_stop_drops_the_line_at_once(device);
    a_session_fires_on_a_second_port(device, mp_pty_path(rig.pty));
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    (void)printf("trigger lines: %d passed, %d failed\n", check_passed, check_failed);
    return check_failed;
}
