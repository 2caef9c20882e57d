/* session.c - the ports of a session, what comes from them, and its stops. */
#include "engine/session_core.h"

#include "engine/clock.h"

#include <stdlib.h>

const char *mp_session_state_name(enum mp_session_state state)
{
    static const char *const names[] = {"closed", "connected", "armed", "running"};
    return names[state];
}

static void free_session(uv_handle_t *handle)
{
    free(handle->data);
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
    session_unwatch_line(s);
    mp_world_cancel(s->world, &s->heartbeat);
    mp_world_cancel(s->world, &s->step);
}

/* Join the dispatcher, which has stopped or is told to, and forget it. */
static void end_dispatcher(struct mp_session *s, enum mp_stop reason)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d == NULL)
        return;
    join_all(s, d, reason);
    if (s->state != MP_CLOSED) // the port may have been lost meanwhile
        s->state = MP_CONNECTED;
}

static void drop_trigger(struct mp_session *s)
{
    session_unwatch(&s->trigger_watch);
    mp_port_close(s->trigger);
    s->trigger = NULL;
    s->trigger_lost = false;
    s->lines[MP_PORT_DEVICE] = s->lines[MP_PORT_TRIGGER] = MP_TRIGGER_NONE;
    s->rest_length = 0;
}

static void drop_port(struct mp_session *s)
{
    session_unwatch(&s->port_watch);
    mp_world_cancel(s->world, &s->heard.alarm);
    if (s->heard.length > 0)
        mp_world_kept(s->world);
    s->heard.length = 0;
    mp_port_close(s->port);
    s->port = NULL;
    s->connection++;
    drop_trigger(s);
    session_drop_codes(s);
    s->halted = false;
    s->state = MP_CLOSED;
}

/* Give the outcomes that are there to the owner; ends the dispatcher after its last. */
void session_report(struct mp_session *s)
{
    const struct mp_outcome *outcome;
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d == NULL || s->reporting)
        return;
    s->reporting = true;
    bool over = false;
    while (!over && (outcome = mp_dispatcher_first(d)) != NULL) {
        over = outcome->kind == MP_OUT_STOPPED;
        if (over || outcome->kind == MP_OUT_FINISHED) { // all that came before this
            (void)session_tell_triggers(s, d, UINT64_MAX, true);
            session_tell_untold(s, d);
        }
        if (outcome->kind == MP_OUT_BEGUN) { // those before the one that starts it
            (void)session_tell_triggers(s, d, s->begun, true);
            s->begun = outcome->send.number;
        }
        if (over || outcome->kind == MP_OUT_FINISHED)
            session_give_back(s);
        if (over)
            end_dispatcher(s, outcome->stop);
        else if (outcome->kind == MP_OUT_FINISHED && s->state == MP_RUNNING)
            s->state = MP_ARMED;
        if (s->events.outcome != NULL)
            s->events.outcome(s->events.context, outcome);
        mp_dispatcher_drop(d); // nobody else has: this is not nested
    }
    if (!over && s->lender != NULL) {
        // a start is told before its trigger; the rest of a storm in the loop's next turn
        if (!session_tell_triggers(s, d, s->begun, s->world->is_virtual))
            (void)uv_async_send(&s->async);
        session_tell_untold(s, d);
    }
    s->reporting = false;
    if (over) {
        atomic_store(&s->dispatcher, NULL);
        // who saw it before that is done with it in a moment
        while (atomic_load(&s->stopping) != 0)
            continue;
        mp_dispatcher_destroy(d);
        session_codes_go_on(s);
    }
}

static void on_async(uv_async_t *async)
{
    session_report(async->data);
}

static void tell_gone(struct mp_session *s, uint8_t port, const struct mp_error *why)
{
    if (s->events.gone != NULL)
        s->events.gone(s->events.context, port, why);
}

void session_lose_port(struct mp_session *s, const struct mp_error *why)
{
    session_call_in(s);
    mp_session_stop(s, MP_STOP_GONE);
    drop_port(s);
    tell_gone(s, MP_PORT_DEVICE, why);
}

/* A hang-up or an error is all that is waited for: the bytes of a trigger box are nobody's. */
static void on_trigger_lost(struct mp_session *s, int status)
{
    struct mp_error err = {0};
    (void)status;
    (void)mp_fail(&err, MP_EGONE, "\"%s\" is gone (unplugged?)", mp_port_path(s->trigger));
    // the port stays open: the dispatcher may be writing to it
    session_unwatch(&s->trigger_watch);
    s->trigger_lost = true;
    mp_session_stop(s, MP_STOP_GONE);
    tell_gone(s, MP_PORT_TRIGGER, &err);
}

enum mp_status mp_session_create(struct mp_session **out, struct mp_world *world,
                                 const struct mp_session_events *events, struct mp_error *err)
{
    struct mp_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a session");
    s->world = world;
    s->heartbeat = (struct mp_alarm){.ring = session_heartbeat, .idle = true};
    s->step = (struct mp_alarm){.ring = session_step, .who = MP_WHO_SENDER};
    s->heard.alarm = (struct mp_alarm){.ring = session_hear};
    s->code_alarm = (struct mp_alarm){.ring = session_code_due};
    s->events = *events;
    atomic_init(&s->dispatcher, NULL);
    int failed = uv_async_init(world->loop, &s->async, on_async);
    if (failed != 0) {
        free(s);
        return mp_fail(err, MP_EIO, "cannot join the event loop: %s", uv_strerror(failed));
    }
    s->async.data = s;
    s->guard.pipe = -1;
    uv_unref((uv_handle_t *)&s->async); // an idle session does not keep the loop running
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
}

enum mp_status mp_session_open(struct mp_session *s, const char *path,
                               const struct mp_serial *serial, struct mp_error *err)
{
    if (s->state != MP_CLOSED)
        return mp_fail(err, MP_ESTATE, "the session is %s: close it first",
                       mp_session_state_name(s->state));
    struct mp_port *port = NULL;
    enum mp_status status = session_open_port(s, &port, path, serial, err);
    if (status != MP_OK)
        return status;
    status = session_watch(s, &s->port_watch, port, UV_READABLE, session_read, err);
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
    if (s->state != MP_CONNECTED || session_dispatcher(s) != NULL || s->trigger != NULL)
        return mp_fail(err, MP_ESTATE,
                       "a trigger is chosen once, between connecting and arming");
    if (rest_length > MP_FRAME_MAX || (path == NULL && line == MP_TRIGGER_NONE))
        return mp_fail(err, MP_EINVAL, "a trigger needs a line, or a port of its own");
    struct mp_port *port = NULL;
    enum mp_status status =
        path == NULL ? MP_OK : session_open_port(s, &port, path, serial, err);
    if (status == MP_OK && line != MP_TRIGGER_NONE)
        status = mp_port_check_line(port == NULL ? s->port : port, line,
                                    port == NULL ? &s->serial : serial, err);
    if (status == MP_OK && port != NULL)
        status = session_watch(s, &s->trigger_watch, port, UV_DISCONNECT, on_trigger_lost, err);
    if (status != MP_OK) {
        mp_port_close(port);
        return status;
    }
    s->trigger = port;
    s->lines[port == NULL ? MP_PORT_DEVICE : MP_PORT_TRIGGER] = line;
    session_copy(s->rest, rest, rest_length);
    s->rest_length = rest_length;
    return MP_OK;
}

enum mp_status mp_session_write(struct mp_session *s, const void *bytes, size_t length,
                                struct mp_error *err)
{
    if (s->state == MP_CLOSED)
        return mp_fail(err, MP_ESTATE, "the port is closed: connect first");
    if (s->state != MP_CONNECTED) {
        session_kick(s);
        return mp_dispatcher_send(session_dispatcher(s), bytes, length, err);
    }
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

void mp_session_confirmed(struct mp_session *s, uint64_t total)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d != NULL)
        mp_dispatcher_confirmed(d, total);
}

void mp_session_believed(struct mp_session *s, int64_t total)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d != NULL && mp_dispatcher_believed(d, total))
        session_kick(s);
}

void mp_session_acknowledge(struct mp_session *s)
{
    s->halted = false;
}

void mp_session_stop(struct mp_session *s, enum mp_stop reason)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d == NULL)
        return;
    join_all(s, d, reason);
    session_report(s); // nested in a report: the outer one goes on with what has come
}

void mp_session_stop_async(struct mp_session *s, enum mp_stop reason)
{
    (void)atomic_fetch_add(&s->stopping, 1);
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d != NULL)
        mp_dispatcher_stop(d, reason);
    (void)atomic_fetch_sub(&s->stopping, 1);
}

void mp_session_latch(struct mp_session *s, enum mp_stop reason)
{
    mp_session_stop_async(s, reason);
    session_kick(s); // a thread would wake by itself
}

enum mp_stop mp_session_peek(struct mp_session *s, bool *safe)
{
    (void)atomic_fetch_add(&s->stopping, 1); // it is not freed meanwhile
    struct mp_dispatcher *d = session_dispatcher(s);
    enum mp_stop reason = d == NULL ? MP_STOP_NONE : mp_dispatcher_reason(d);
    *safe = d == NULL || mp_dispatcher_safe_sent(d);
    (void)atomic_fetch_sub(&s->stopping, 1);
    return reason;
}

void mp_session_stop_at_exit(struct mp_session *s)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d != NULL)
        join_all(s, d, MP_STOP_REQUESTED);
}

void mp_session_close(struct mp_session *s)
{
    session_call_in(s);
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
    struct mp_dispatcher *d = session_dispatcher(s);
    return d == NULL ? NULL : mp_dispatcher_realtime(d);
}

struct mp_port *mp_session_port(const struct mp_session *s)
{
    return s->port;
}
