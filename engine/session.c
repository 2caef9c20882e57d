#include "engine/session.h"

#include "engine/clock.h"
#include "engine/guard.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { HEARTBEAT_MS = 50 };

struct mp_session {
    uv_loop_t *loop;
    struct mp_session_events events;
    enum mp_session_state state;
    struct mp_serial serial;
    struct mp_port *port;
    struct mp_port *trigger; // the second port; NULL: none
    enum mp_trigger_line lines[MP_PORTS];
    uint8_t rest[MP_FRAME_MAX];
    size_t rest_length;
    // one each a connection: they may still be closing when the next one opens
    uv_poll_t *poll, *trigger_poll;
    bool trigger_lost;
    uv_async_t async;
    uv_timer_t heartbeat; // tells the dispatcher that the loop is alive
    int open_handles;
    struct mp_guard guard;
    bool guarded; // a guard was started for this arm
    bool halted;  // stopped, and nobody has taken note yet
    struct mp_stop_watch *watch;
    // read by mp_session_stop_async; cleared before the dispatcher is freed
    struct mp_dispatcher *_Atomic dispatcher;
    _Atomic int stopping; // calls of mp_session_stop_async in progress
    bool reporting;       // inside report(): the dispatcher must not be freed under it
};

const char *mp_session_state_name(enum mp_session_state state)
{
    static const char *const names[] = {"closed", "connected", "armed", "running"};
    return names[state];
}

static void copy_bytes(uint8_t *to, const void *from, size_t length)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < length; i++)
        to[i] = bytes[i];
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void free_session(uv_handle_t *handle)
{
    struct mp_session *s = handle->data;
    if (--s->open_handles == 0)
        free(s);
}

static struct mp_dispatcher *dispatcher_of(const struct mp_session *s)
{
    return atomic_load(&s->dispatcher);
}

/* The dispatcher first: only when its safe frame is out may the guard go. */
static void join_all(struct mp_session *s, struct mp_dispatcher *d, enum mp_stop reason)
{
    mp_dispatcher_join(d, reason);
    s->halted = true;
    if (mp_dispatcher_safe_sent(d))
        mp_guard_dismiss(&s->guard);
    else
        mp_guard_alarm(&s->guard);
    mp_stop_watch_end(s->watch);
    s->watch = NULL;
    (void)uv_timer_stop(&s->heartbeat);
}

/* Join the dispatcher, which has stopped or is told to, and forget it. */
static void end_dispatcher(struct mp_session *s, enum mp_stop reason)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d == NULL)
        return;
    join_all(s, d, reason);
    if (s->state != MP_CLOSED) // the port may have been lost meanwhile
        s->state = MP_CONNECTED;
}

/* Have the loop watch a port. */
static enum mp_status watch(struct mp_session *s, uv_poll_t **out, const struct mp_port *port,
                            int events, uv_poll_cb callback, struct mp_error *err)
{
    uv_poll_t *poll = malloc(sizeof *poll);
    int failed = poll == NULL ? UV_ENOMEM : uv_poll_init(s->loop, poll, mp_port_fd(port));
    bool joined = failed == 0;
    if (joined) {
        poll->data = s;
        failed = uv_poll_start(poll, events, callback);
    }
    if (failed == 0) {
        *out = poll;
        return MP_OK;
    }
    if (joined)
        uv_close((uv_handle_t *)poll, free_handle);
    else
        free(poll);
    return mp_fail(err, MP_EIO, "cannot watch %s: %s", mp_port_path(port), uv_strerror(failed));
}

static void unwatch(uv_poll_t **poll)
{
    if (*poll != NULL)
        uv_close((uv_handle_t *)*poll, free_handle);
    *poll = NULL;
}

static void drop_trigger(struct mp_session *s)
{
    unwatch(&s->trigger_poll);
    mp_port_close(s->trigger);
    s->trigger = NULL;
    s->trigger_lost = false;
    s->lines[MP_PORT_DEVICE] = s->lines[MP_PORT_TRIGGER] = MP_TRIGGER_NONE;
    s->rest_length = 0;
}

static void drop_port(struct mp_session *s)
{
    unwatch(&s->poll);
    mp_port_close(s->port);
    s->port = NULL;
    drop_trigger(s);
    s->halted = false;
    s->state = MP_CLOSED;
}

/* Give the outcomes that are there to the owner; ends the dispatcher after its last. */
static void report(struct mp_session *s)
{
    struct mp_outcome outcome;
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d == NULL || s->reporting)
        return;
    s->reporting = true;
    bool over = false;
    while (!over && mp_dispatcher_outcome(d, &outcome)) {
        over = outcome.kind == MP_OUT_STOPPED;
        if (over)
            end_dispatcher(s, outcome.stop);
        else if (outcome.kind == MP_OUT_FINISHED && s->state == MP_RUNNING)
            s->state = MP_ARMED;
        if (s->events.outcome != NULL)
            s->events.outcome(s->events.context, &outcome);
    }
    s->reporting = false;
    if (over) {
        atomic_store(&s->dispatcher, NULL);
        // who saw it before that is done with it in a moment
        while (atomic_load(&s->stopping) != 0)
            continue;
        mp_dispatcher_destroy(d);
    }
}

static void on_async(uv_async_t *async)
{
    report(async->data);
}

static void wake_loop(void *context)
{
    struct mp_session *s = context;
    (void)uv_async_send(&s->async); // fails only for a handle that is closing
}

static void tell_gone(struct mp_session *s, uint8_t port, const struct mp_error *why)
{
    if (s->events.gone != NULL)
        s->events.gone(s->events.context, port, why);
}

static void lose_port(struct mp_session *s, const struct mp_error *why)
{
    mp_session_stop(s, MP_STOP_GONE);
    drop_port(s);
    tell_gone(s, MP_PORT_DEVICE, why);
}

/* A hang-up or an error is all that is waited for: the bytes of a trigger box are nobody's. */
static void on_trigger_lost(uv_poll_t *poll, int status, int events)
{
    struct mp_session *s = poll->data;
    struct mp_error err = {0};
    (void)status, (void)events;
    (void)mp_fail(&err, MP_EGONE, "\"%s\" is gone (unplugged?)", mp_port_path(s->trigger));
    unwatch(&s->trigger_poll); // the port stays open: the dispatcher may be writing to it
    s->trigger_lost = true;
    mp_session_stop(s, MP_STOP_GONE);
    tell_gone(s, MP_PORT_TRIGGER, &err);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct mp_session *s = poll->data;
    uint8_t buffer[4096];
    (void)events;
    for (;;) {
        struct mp_error err = {0};
        size_t got = 0;
        enum mp_status read = mp_port_read(s->port, buffer, sizeof buffer, &got, &err);
        int64_t arrival_ns = mp_clock_ns();
        if (read == MP_OK && got == 0 && status < 0)
            read =
                mp_fail(&err, MP_EGONE, "%s: %s", mp_port_path(s->port), uv_strerror(status));
        if (read != MP_OK) {
            lose_port(s, &err);
            return;
        }
        report(s);           // what these bytes may answer is known before they are
        if (s->poll != poll) // the owner has closed the port
            return;
        if (got > 0 && s->events.bytes != NULL)
            s->events.bytes(s->events.context, buffer, got, arrival_ns);
        if (got < sizeof buffer || s->poll != poll) // the owner may have closed the port
            return;
    }
}

/* Read what has come: what was confirmed up to now is then counted. */
static void drain(struct mp_session *s)
{
    struct pollfd input = {.events = POLLIN};
    int64_t now = mp_clock_ns();
    if (s->poll == NULL)
        return;
    input.fd = mp_port_fd(s->port);
    if (poll(&input, 1, 0) > 0)
        on_readable(s->poll, 0, UV_READABLE);
    struct mp_dispatcher *d = dispatcher_of(s); // the owner may have stopped it meanwhile
    if (d != NULL)
        mp_dispatcher_drained(d, now);
}

static void on_heartbeat(uv_timer_t *timer)
{
    struct mp_session *s = timer->data;
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d == NULL)
        return;
    mp_dispatcher_heartbeat(d);
    if (s->guarded && !mp_guard_alive(&s->guard))
        mp_dispatcher_stop(d, MP_STOP_GUARD);
    drain(s);
}

enum mp_status mp_session_create(struct mp_session **out, uv_loop_t *loop,
                                 const struct mp_session_events *events, struct mp_error *err)
{
    struct mp_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a session");
    s->loop = loop;
    s->events = *events;
    atomic_init(&s->dispatcher, NULL);
    int failed = uv_async_init(loop, &s->async, on_async);
    if (failed != 0) {
        free(s);
        return mp_fail(err, MP_EIO, "cannot join the event loop: %s", uv_strerror(failed));
    }
    (void)uv_timer_init(loop, &s->heartbeat); // cannot fail
    s->async.data = s->heartbeat.data = s;
    s->open_handles = 2;
    s->guard.pipe = -1;
    // an idle session does not keep the loop running
    uv_unref((uv_handle_t *)&s->async);
    uv_unref((uv_handle_t *)&s->heartbeat);
    *out = s;
    return MP_OK;
}

void mp_session_destroy(struct mp_session *session)
{
    if (session == NULL)
        return;
    mp_session_close(session);
    session->events = (struct mp_session_events){0}; // one may be on its way back here
    uv_close((uv_handle_t *)&session->async, free_session);
    uv_close((uv_handle_t *)&session->heartbeat, free_session);
}

enum mp_status mp_session_open(struct mp_session *s, const char *path,
                               const struct mp_serial *serial, struct mp_error *err)
{
    if (s->state != MP_CLOSED)
        return mp_fail(err, MP_ESTATE, "the session is %s: close it first",
                       mp_session_state_name(s->state));
    struct mp_port *port = NULL;
    enum mp_status status = mp_port_open(&port, path, serial, err);
    if (status != MP_OK)
        return status;
    status = watch(s, &s->poll, port, UV_READABLE, on_readable, err);
    if (status != MP_OK) {
        mp_port_close(port);
        return status;
    }
    s->port = port;
    s->serial = *serial;
    s->state = MP_CONNECTED;
    return MP_OK;
}

enum mp_status mp_session_trigger(struct mp_session *s, const char *path,
                                  const struct mp_serial *serial, enum mp_trigger_line line,
                                  const void *rest, size_t rest_length, struct mp_error *err)
{
    if (s->state != MP_CONNECTED || dispatcher_of(s) != NULL || s->trigger != NULL)
        return mp_fail(err, MP_ESTATE,
                       "a trigger is chosen once, between connecting and arming");
    if (rest_length > MP_FRAME_MAX || (path == NULL && line == MP_TRIGGER_NONE))
        return mp_fail(err, MP_EINVAL, "a trigger needs a line, or a port of its own");
    struct mp_port *port = NULL;
    enum mp_status status = path == NULL ? MP_OK : mp_port_open(&port, path, serial, err);
    if (status == MP_OK && line != MP_TRIGGER_NONE)
        status = mp_port_check_line(port == NULL ? s->port : port, line,
                                    port == NULL ? &s->serial : serial, err);
    if (status == MP_OK && port != NULL)
        status = watch(s, &s->trigger_poll, port, UV_DISCONNECT, on_trigger_lost, err);
    if (status != MP_OK) {
        mp_port_close(port);
        return status;
    }
    s->trigger = port;
    s->lines[port == NULL ? MP_PORT_DEVICE : MP_PORT_TRIGGER] = line;
    copy_bytes(s->rest, rest, rest_length);
    s->rest_length = rest_length;
    return MP_OK;
}

enum mp_status mp_session_write(struct mp_session *s, const void *bytes, size_t length,
                                struct mp_error *err)
{
    if (s->state == MP_CLOSED)
        return mp_fail(err, MP_ESTATE, "the port is closed: connect first");
    if (s->state != MP_CONNECTED)
        return mp_dispatcher_send(dispatcher_of(s), bytes, length, err);
    if (s->halted)
        return mp_fail(err, MP_ESTATE, "stopped: nothing more is sent until a new arm");
    size_t written = 0;
    enum mp_status status = mp_port_write(s->port, bytes, length, &written, err);
    if (status == MP_OK && written < length)
        return mp_fail(err, MP_EIO,
                       "%s took %zu of %zu bytes: is the device switched on and listening?",
                       mp_port_path(s->port), written, length);
    return status;
}

static enum mp_status check_arming(const struct mp_session *s, const struct mp_arming *arming,
                                   struct mp_error *err)
{
    if (s->state != MP_CONNECTED || dispatcher_of(s) != NULL)
        return mp_fail(err, MP_ESTATE, "only a connected session can be armed, this one is %s",
                       mp_session_state_name(s->state));
    if (s->trigger_lost)
        return mp_fail(err, MP_EGONE, "the trigger's port %s is lost: plug it in, start anew",
                       mp_port_path(s->trigger));
    if ((arming->safe_length == 0 && !arming->safe_line) || arming->safe_length > MP_FRAME_MAX)
        return mp_fail(err, MP_EINVAL, "arming needs the bytes that make the device safe");
    if (arming->keepalive != NULL && arming->keepalive_length > MP_FRAME_MAX)
        return mp_fail(err, MP_EINVAL, "a keep-alive has at most %d bytes", MP_FRAME_MAX);
    return MP_OK;
}

static enum mp_status start_guard(struct mp_session *s, const struct mp_arming *arming,
                                  struct mp_error *err)
{
    struct mp_guarded ports[MP_GUARD_PORTS] = {
        {.fd = mp_port_fd(s->port),
         .lines = arming->safe_line || s->lines[MP_PORT_DEVICE] != MP_TRIGGER_NONE,
         .safe = arming->safe,
         .safe_length = arming->safe_length}};
    size_t count = 1;
    if (s->trigger != NULL)
        ports[count++] =
            (struct mp_guarded){.fd = mp_port_fd(s->trigger),
                                .lines = s->lines[MP_PORT_TRIGGER] != MP_TRIGGER_NONE,
                                .safe = s->rest,
                                .safe_length = s->rest_length};
    return mp_guard_start(&s->guard, ports, count, err);
}

enum mp_status mp_session_arm(struct mp_session *s, const struct mp_arming *arming,
                              struct mp_error *err)
{
    enum mp_status status = check_arming(s, arming, err);
    if (status != MP_OK)
        return status;
    struct mp_dispatch_config config = {
        .port = s->port,
        .serial = s->serial,
        .trigger = s->trigger,
        .lines = {s->lines[MP_PORT_DEVICE], s->lines[MP_PORT_TRIGGER]},
        .rest_length = s->rest_length,
        .safe_length = arming->safe_length,
        .safe_line = arming->safe_line,
        .tolerance_ns = arming->tolerance_ns,
        .late = arming->late,
        .keepalive_ns = arming->keepalive_ns,
        .stuck_ns = arming->stuck_ns,
        .unconfirmed_ns = arming->unconfirmed_ns,
        .settings = arming->settings,
        .flight = arming->flight,
        .wake = wake_loop,
        .context = s,
    };
    copy_bytes(config.rest, s->rest, s->rest_length);
    copy_bytes(config.safe, arming->safe, arming->safe_length);
    if (arming->keepalive != NULL) {
        copy_bytes(config.keepalive, arming->keepalive, arming->keepalive_length);
        config.keepalive_length = arming->keepalive_length;
    }
    if (arming->guard) // before there is a second thread, and before memory is locked
        status = start_guard(s, arming, err);
    struct mp_dispatcher *d = NULL;
    if (status == MP_OK)
        status = mp_dispatcher_create(&d, &config, err);
    if (status == MP_OK && arming->line != MP_LINE_NONE)
        status = mp_stop_watch_start(&s->watch, s->port, arming->line, d, err);
    if (status != MP_OK) {
        mp_dispatcher_destroy(d);
        mp_guard_dismiss(&s->guard);
        return status;
    }
    atomic_store(&s->dispatcher, d);
    (void)uv_timer_start(&s->heartbeat, on_heartbeat, 0, HEARTBEAT_MS);
    s->guarded = arming->guard;
    s->halted = false;
    s->state = MP_ARMED;
    return MP_OK;
}

void mp_session_confirmed(struct mp_session *s, uint64_t total)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d != NULL)
        mp_dispatcher_confirmed(d, total);
}

void mp_session_believed(struct mp_session *s, int64_t total)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d != NULL)
        mp_dispatcher_believed(d, total);
}

void mp_session_acknowledge(struct mp_session *s)
{
    s->halted = false;
}

enum mp_status mp_session_play(struct mp_session *s, struct mp_lowering *lowering,
                               int64_t start_ns, struct mp_error *err)
{
    if (s->state != MP_ARMED)
        return mp_fail(err, MP_ESTATE, "only an armed session can run a plan, this one is %s",
                       mp_session_state_name(s->state));
    s->state = MP_RUNNING; // before the first outcome can come
    enum mp_status status = mp_dispatcher_play(dispatcher_of(s), lowering, start_ns, err);
    if (status != MP_OK)
        s->state = MP_ARMED;
    return status;
}

void mp_session_stop(struct mp_session *s, enum mp_stop reason)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d == NULL)
        return;
    join_all(s, d, reason);
    report(s); // nested in a report: the outer one goes on with what has come
}

void mp_session_stop_async(struct mp_session *s, enum mp_stop reason)
{
    (void)atomic_fetch_add(&s->stopping, 1);
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d != NULL)
        mp_dispatcher_stop(d, reason);
    (void)atomic_fetch_sub(&s->stopping, 1);
}

void mp_session_stop_at_exit(struct mp_session *s)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    if (d != NULL)
        join_all(s, d, MP_STOP_REQUESTED);
}

void mp_session_close(struct mp_session *s)
{
    mp_session_stop(s, MP_STOP_REQUESTED);
    if (s->state != MP_CLOSED)
        drop_port(s);
}

enum mp_session_state mp_session_state(const struct mp_session *s)
{
    return s->state;
}

const struct mp_realtime *mp_session_realtime(const struct mp_session *s)
{
    struct mp_dispatcher *d = dispatcher_of(s);
    return d == NULL ? NULL : mp_dispatcher_realtime(d);
}

struct mp_port *mp_session_port(const struct mp_session *s)
{
    return s->port;
}
