/*
 * session_codes.c - the box that event codes go to. While a dispatcher lives the box is its; in
 * between, while nothing is armed, a script's codes are given from here, by an alarm.
 */
#include "engine/session_core.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

static int64_t world_now(void *context)
{
    return mp_world_now(context);
}

static void told(void *context, const struct mp_code *code, enum mp_code_lost lost,
                 int64_t entered_ns)
{
    struct mp_session *s = context;
    struct mp_outcome out = mp_code_outcome(&s->codes, code, lost, entered_ns);
    out.unrecorded = true;
    if (s->events.outcome != NULL)
        s->events.outcome(s->events.context, &out);
}

static struct mp_code_hears hears(struct mp_session *s)
{
    return (struct mp_code_hears){.told = told, .context = s};
}

/* Whoever is told may close the session, or arm it: then it is another's. */
static bool is_ours(const struct mp_session *s)
{
    return s->codes.port != NULL && session_dispatcher(s) == NULL;
}

/* All that is due now, and when to come back. */
static void turn(struct mp_session *s)
{
    const struct mp_code_hears hear = hears(s);
    int64_t next_ns = INT64_MAX;
    while (is_ours(s)) {
        next_ns = mp_code_box_next(&s->codes);
        if (next_ns > mp_world_now(s->world))
            break;
        mp_code_box_now(&s->codes, &hear);
    }
    if (is_ours(s) && next_ns < INT64_MAX)
        mp_world_set(s->world, &s->code_alarm, next_ns);
}

void session_codes_go_on(struct mp_session *s)
{
    if (is_ours(s) && mp_code_box_next(&s->codes) < INT64_MAX)
        mp_world_set(s->world, &s->code_alarm, mp_code_box_next(&s->codes));
}

void session_code_due(struct mp_alarm *alarm)
{
    turn(
        (struct mp_session *)(void *)((char *)alarm - offsetof(struct mp_session, code_alarm)));
}

static enum mp_status open_box(struct mp_session *s, struct mp_port **port,
                               const struct mp_code_settings *box, struct mp_error *err)
{
    size_t written = 0;
    enum mp_status status = box->parallel
                                ? mp_port_open_parallel(port, box->path, err)
                                : session_open_port(s, port, box->path, &box->serial, err);
    if (status == MP_OK && box->line != MP_TRIGGER_NONE)
        return mp_port_check_line(*port, box->line, &box->serial, err);
    if (status == MP_OK)
        status = mp_port_write(*port, "", 1, &written, err);
    if (status == MP_OK && written == 0)
        status = mp_fail(err, MP_EIO,
                         "%s takes no bytes: is the box switched on and listening?", box->path);
    return status;
}

/* From its opening on, armed or not: a code must not stand there for ever. */
static enum mp_status guard_box(struct mp_session *s, struct session_box *shared,
                                const struct mp_code_settings *box, struct mp_error *err)
{
    const bool bytes = !box->parallel && box->line == MP_TRIGGER_NONE;
    const struct mp_guarded guarded = {.fd = mp_port_fd(shared->port),
                                       .lines = box->line != MP_TRIGGER_NONE,
                                       .pins = box->parallel,
                                       .safe = "", // its 0
                                       .safe_length = bytes ? 1 : 0};
    if (s->world->is_virtual || guarded.fd < 0)
        return MP_OK;
    return mp_guard_start(&shared->guard, &guarded, 1, err);
}

/* Give the session's codes to it. */
static void join(struct mp_session *s, struct session_box *shared, struct mp_code_box settings)
{
    shared->users++;
    s->box = shared;
    s->time = (struct mp_time){.now = world_now, .context = s->world};
    s->codes = settings;
    s->codes.port = shared->port;
    s->codes.share = &shared->share;
    s->codes.time = s->world->is_virtual ? &s->time : NULL;
}

static enum mp_status may_join(const struct mp_session *s, struct mp_error *err)
{
    if (s->state != MP_CONNECTED || session_dispatcher(s) != NULL || s->codes.port != NULL)
        return mp_fail(err, MP_ESTATE,
                       "a box for codes is chosen once, between connecting and arming");
    return MP_OK;
}

enum mp_status mp_session_codes(struct mp_session *s, const struct mp_code_settings *box,
                                struct mp_error *err)
{
    enum mp_status status = may_join(s, err);
    if (status != MP_OK)
        return status;
    struct session_box *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a box of event codes");
    shared->guard.pipe = -1;
    atomic_flag_clear(&shared->share.taken);
    status = open_box(s, &shared->port, box, err);
    if (status == MP_OK)
        status = guard_box(s, shared, box, err);
    if (status != MP_OK) {
        mp_port_close(shared->port);
        free(shared);
        return status;
    }
    const bool bytes = !box->parallel && box->line == MP_TRIGGER_NONE;
    join(s, shared,
         (struct mp_code_box){.line = box->line,
                              .wire_ns = bytes ? mp_serial_wire_ns(&box->serial, 1) : 0,
                              .width_ns = box->width_ns});
    return MP_OK;
}

enum mp_status mp_session_codes_of(struct mp_session *s, const struct mp_session *other,
                                   struct mp_error *err)
{
    enum mp_status status = may_join(s, err);
    if (status == MP_OK && other->box == NULL)
        status = mp_fail(err, MP_ESTATE, "the other session has no box for codes");
    if (status == MP_OK)
        join(s, other->box,
             (struct mp_code_box){.line = other->codes.line,
                                  .wire_ns = other->codes.wire_ns,
                                  .width_ns = other->codes.width_ns});
    return status;
}

enum mp_status mp_session_code(struct mp_session *s, uint8_t value, int64_t at_ns, bool stopped,
                               struct mp_error *err)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (s->state == MP_CLOSED)
        return mp_fail(err, MP_EGONE,
                       "the device's port is lost or closed, and the box was closed with it");
    if (s->codes.port == NULL || value == 0)
        return mp_fail(err, MP_ESTATE, "there is no box for event codes, or no code");
    const struct mp_code code = mp_code_of_script(&s->codes, value, at_ns);
    if (stopped) {
        told(s, &code, MP_CODE_STOPPED, at_ns);
        return MP_OK;
    }
    if (d == NULL) {
        const struct mp_code_hears hear = hears(s);
        mp_code_box_add(&s->codes, &code, &hear);
        turn(s);
        return MP_OK;
    }
    enum mp_status status = mp_dispatcher_code(d, value, at_ns, err);
    if (status == MP_OK)
        session_kick(s);
    else // nobody else tells it
        told(s, &code, status == MP_EBUSY ? MP_CODE_CROWDED : MP_CODE_STOPPED, at_ns);
    return MP_OK;
}

/* Whoever goes leaves no code at the box: a dispatcher that is at it just now is waited for. */
static void rest_for_good(struct mp_session *s)
{
    enum { TRIES = 40 };
    const struct timespec a_moment = {.tv_nsec = 50 * MP_NS_PER_US};
    const struct mp_code_hears hear = hears(s);
    mp_code_box_rest(&s->codes, &hear);
    for (int i = 0; i < TRIES && s->codes.stands && s->box->users > 1; i++) {
        (void)nanosleep(&a_moment, NULL);
        mp_code_box_rest(&s->codes, &hear);
    }
}

void session_drop_codes(struct mp_session *s)
{
    struct mp_port *port = s->codes.port;
    if (port == NULL)
        return;
    mp_world_cancel(s->world, &s->code_alarm);
    rest_for_good(s);
    if (s->codes.port != port) // whoever was told has closed it
        return;
    struct session_box *shared = s->box;
    s->codes = (struct mp_code_box){.port = NULL};
    s->box = NULL;
    if (--shared->users > 0)
        return;
    if (shared->share.stands) // the guard has the patience that a loop has not
        mp_guard_alarm(&shared->guard);
    else
        mp_guard_dismiss(&shared->guard);
    mp_port_close(shared->port);
    free(shared);
}
