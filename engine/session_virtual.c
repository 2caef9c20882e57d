/*
 * session_virtual.c - a session in virtual time: its dispatcher has no thread and is stepped by
 * an alarm, at the instants at which the thread would have been awake. No guard, no stop line:
 * there is nothing real to be made safe.
 */
#include "engine/session_core.h"

#include <stddef.h>

static int64_t world_now(void *context)
{
    return mp_world_now(context);
}

static void no_wake(void *context)
{
    (void)context; // who steps looks at the outcomes himself
}

enum mp_status session_arm_virtual(struct mp_session *s, struct mp_dispatcher **out,
                                   struct mp_dispatch_config *config, enum mp_stop_line line,
                                   struct mp_error *err)
{
    if (line != MP_LINE_NONE)
        return mp_fail(err, MP_EUNSUPPORTED,
                       "a stop line is watched in real time only: leave out --speed");
    s->time = (struct mp_time){.now = world_now, .context = s->world};
    s->next = (struct mp_next){0};
    config->time = &s->time;
    config->arming.stuck_ns = 0; // nobody could beat meanwhile
    config->wake = no_wake;
    return mp_dispatcher_create_stepped(out, config, err);
}

void session_step(struct mp_alarm *alarm)
{
    struct mp_session *s =
        (struct mp_session *)(void *)((char *)alarm - offsetof(struct mp_session, step));
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d == NULL)
        return;
    int64_t now = mp_world_now(s->world);
    if (s->heard.length ==
        0) // what has come was told at its instant, unless the loop is stalled
        mp_dispatcher_drained(d, session_heard_ns(s));
    s->next.came = now >= s->next.at_ns;
    s->step.idle = s->state != MP_RUNNING;
    if (mp_dispatcher_step(d, &s->next) && s->next.at_ns < INT64_MAX)
        mp_world_set(s->world, &s->step, s->next.at_ns);
    session_report(s);
}

void session_kick(struct mp_session *s)
{
    if (!s->world->is_virtual || session_dispatcher(s) == NULL)
        return;
    mp_world_cancel(s->world, &s->step); // it may have been an idle one
    s->step.idle = false;
    mp_world_set(s->world, &s->step, mp_world_now(s->world));
}
