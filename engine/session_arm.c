/* session_arm.c - arming and playing: the guard, the dispatcher, the heartbeat. */
#include "engine/clock.h"
#include "engine/session_core.h"

static const int64_t heartbeat_ns = 50 * MP_NS_PER_MS;

static void wake_loop(void *context)
{
    struct mp_session *s = context;
    (void)uv_async_send(&s->async); // fails only for a handle that is closing
}

void session_heartbeat(struct mp_alarm *alarm)
{
    struct mp_session *s = (struct mp_session *)alarm;
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d == NULL)
        return;
    mp_world_set(s->world, &s->heartbeat, mp_world_now(s->world) + heartbeat_ns);
    mp_dispatcher_heartbeat(d);
    if (s->guarded && !mp_guard_alive(&s->guard))
        mp_dispatcher_stop(d, MP_STOP_GUARD);
    session_drain(s);
}

static enum mp_status check_arming(const struct mp_session *s, const struct mp_arming *arming,
                                   struct mp_error *err)
{
    if (s->state != MP_CONNECTED || session_dispatcher(s) != NULL)
        return mp_fail(err, MP_ESTATE, "only a connected session can be armed, this one is %s",
                       mp_session_state_name(s->state));
    if (s->trigger_lost)
        return mp_fail(err, MP_EGONE, "the trigger's port %s is lost: plug it in, start anew",
                       mp_port_path(s->trigger));
    return mp_arming_check(arming, err);
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

void session_unwatch_line(struct mp_session *s)
{
    if (s->line_from == NULL)
        return;
    struct mp_session **at = &s->line_from->line_users;
    while (*at != s)
        at = &(*at)->line_next;
    *at = s->line_next;
    s->line_from = s->line_next = NULL;
}

/* The foot switch may be at another device's port, which is open as long as it is watched. */
static enum mp_status watch_line(struct mp_session *s, const struct mp_arming *arming,
                                 struct mp_dispatcher *d, struct mp_error *err)
{
    struct mp_session *from = arming->line_from == NULL ? s : arming->line_from;
    if (from->port == NULL)
        return mp_fail(err, MP_EGONE, "the port of the stop line is lost: plug it in");
    enum mp_status status = mp_stop_watch_start(&s->watch, from->port, arming->line, d, err);
    if (status == MP_OK && from != s) {
        s->line_from = from;
        s->line_next = from->line_users;
        from->line_users = s;
    }
    return status;
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
        .codes = s->codes.port == NULL ? NULL : &s->codes,
        .arming = *arming,
        .wake = wake_loop,
        .context = s,
    };
    session_copy(config.rest, s->rest, s->rest_length);
    struct mp_dispatcher *d = NULL;
    bool guarded = arming->guard && !s->world->is_virtual;
    if (guarded) // before there is a dispatcher, and before memory is locked; the child
                 // calls only what is safe after a fork, whatever threads there are
        status = start_guard(s, arming, err);
    if (s->world->is_virtual)
        status = session_arm_virtual(s, &d, &config, arming->line, err);
    else if (status == MP_OK)
        status = mp_dispatcher_create(&d, &config, err);
    if (status == MP_OK && arming->line != MP_LINE_NONE)
        status = watch_line(s, arming, d, err);
    if (status != MP_OK) {
        mp_dispatcher_destroy(d);
        mp_guard_dismiss(&s->guard);
        return status;
    }
    mp_world_cancel(s->world, &s->code_alarm); // what stands at the box is the dispatcher's
    atomic_store(&s->dispatcher, d);
    if (s->world->is_virtual)
        session_kick(s);
    else
        mp_world_set(s->world, &s->heartbeat, mp_world_now(s->world));
    s->guarded = guarded;
    s->halted = false;
    s->state = MP_ARMED;
    return MP_OK;
}

enum mp_status mp_session_play(struct mp_session *s, struct mp_lowering *lowering,
                               int64_t start_ns, struct mp_error *err)
{
    if (s->state != MP_ARMED)
        return mp_fail(err, MP_ESTATE, "only an armed session can run a plan, this one is %s",
                       mp_session_state_name(s->state));
    s->state = MP_RUNNING; // before the first outcome can come
    enum mp_status status = mp_dispatcher_play(session_dispatcher(s), lowering, start_ns, err);
    if (status != MP_OK)
        s->state = MP_ARMED;
    session_kick(s);
    return status;
}
