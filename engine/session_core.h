/* session_core.h - inside a session; private to session.c and session_arm.c. */
#ifndef MP_SESSION_CORE_H
#define MP_SESSION_CORE_H

#include "engine/guard.h"
#include "engine/session.h"

#include <stdatomic.h>

struct mp_session {
    struct mp_alarm heartbeat; // first: tells the dispatcher that the loop is alive
    struct mp_world *world;
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
    struct mp_guard guard;
    bool guarded; // a guard was started for this arm
    bool halted;  // stopped, and nobody has taken note yet
    struct mp_stop_watch *watch;
    // read by mp_session_stop_async and _peek; cleared before the dispatcher is freed
    struct mp_dispatcher *_Atomic dispatcher;
    _Atomic int stopping; // calls of these two in progress
    bool reporting;       // inside report(): the dispatcher must not be freed under it
};

static inline struct mp_dispatcher *session_dispatcher(const struct mp_session *s)
{
    return atomic_load(&s->dispatcher);
}

static inline void session_copy(uint8_t *to, const void *from, size_t length)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < length; i++)
        to[i] = bytes[i];
}

/* The loop is alive: every 50 ms while it is armed. */
void session_heartbeat(struct mp_alarm *alarm);
/* Read what has come: what was confirmed up to now is then counted. */
void session_drain(struct mp_session *s);

#endif
