/* session_core.h - inside a session; private to session*.c. */
#ifndef MP_SESSION_CORE_H
#define MP_SESSION_CORE_H

#include "engine/guard.h"
#include "engine/session.h"

#include <stdatomic.h>

enum { SESSION_HEARD = 4096 }; // bytes read at once

/* What was read while a frame was being written that is not told yet: it may be its answer. */
struct session_heard {
    struct mp_alarm alarm; // when to see again whether it is told
    uint8_t bytes[SESSION_HEARD];
    size_t length; // 0: nothing waits
    int64_t arrival_ns;
};

/* The box of event codes that several sessions may give theirs to. Loop thread, but the share.
 */
struct session_box {
    struct mp_code_share share;
    struct mp_port *port;
    struct mp_guard guard;
    unsigned users; // the last one closes it
};

struct mp_session {
    struct mp_alarm heartbeat; // first: tells the dispatcher that the loop is alive
    struct mp_alarm step;      // in virtual time: of the dispatcher
    struct mp_next next;       // of its steps
    struct mp_time time;       // what it asks for the time
    struct session_heard heard;
    struct mp_world *world;
    struct mp_session_events events;
    enum mp_session_state state;
    struct mp_serial serial;
    struct mp_port *port;
    struct mp_port *trigger;    // the second port; NULL: none
    struct mp_code_box codes;   // for event codes, the dispatcher's while it lives; port NULL:
                                // none
    struct mp_alarm code_alarm; // of the box, while there is no dispatcher
    struct session_box *box;    // whose port it is
    enum mp_trigger_line lines[MP_PORTS];
    uint8_t rest[MP_FRAME_MAX];
    size_t rest_length;
    // one each a connection: they may still be closing when the next one opens
    struct session_watch *port_watch, *trigger_watch;
    unsigned connection; // counted when the port is closed
    bool trigger_lost;
    uv_async_t async;
    struct mp_guard guard;
    // of mp_session_ahead: the session whose port is read for triggers, and who reads this
    // one's
    struct mp_session *lender, *lent_to;
    uint64_t begun;                    // starts of its plan that the owner was told of
    struct session_watch *input_watch; // in virtual time: of the lender's wire
    bool guarded;                      // a guard was started for this arm
    bool halted;                       // stopped, and nobody has taken note yet
    struct mp_stop_watch *watch;
    // while it watches a line of another session's port: which, and who else does; and who
    // watches a line of this one's
    struct mp_session *line_from, *line_next, *line_users;
    // read by mp_session_stop_async and _peek; cleared before the dispatcher is freed
    struct mp_dispatcher *_Atomic dispatcher;
    _Atomic int stopping; // calls of these two in progress
    bool reporting;       // inside report(): the dispatcher must not be freed under it
};

/* The dispatcher while it is armed, else NULL. Any thread. */
static inline struct mp_dispatcher *session_dispatcher(const struct mp_session *s)
{
    return atomic_load(&s->dispatcher);
}

/* length bytes; from may be NULL if there are none. */
static inline void session_copy(uint8_t *to, const void *from, size_t length)
{
    const uint8_t *bytes = from;
    for (size_t i = 0; i < length; i++)
        to[i] = bytes[i];
}

/* session_watch.c: ports of the world, and what comes on them. */
/* As mp_port_open; in virtual time there are wires, and nothing real, in real time no wires. */
enum mp_status session_open_port(struct mp_session *s, struct mp_port **port, const char *path,
                                 const struct mp_serial *serial, struct mp_error *err);
/* Call heard when something has come on port, or it is lost; events: UV_READABLE, or
 * UV_DISCONNECT: only when it is lost. */
enum mp_status session_watch(struct mp_session *s, struct session_watch **out,
                             struct mp_port *port, int events,
                             void (*heard)(struct mp_session *s, int status),
                             struct mp_error *err);
void session_unwatch(struct session_watch **watch); // also NULL

/* session_virtual.c: a dispatcher without a thread. */
enum mp_status session_arm_virtual(struct mp_session *s, struct mp_dispatcher **out,
                                   struct mp_dispatch_config *config, enum mp_stop_line line,
                                   struct mp_error *err);
/* The alarm by which it steps. */
void session_step(struct mp_alarm *alarm);
/* Something was asked of the dispatcher: it steps at once. Nothing in real time. */
void session_kick(struct mp_session *s);

/* session_arm.c: it watches no line of another's port any more. */
void session_unwatch_line(struct mp_session *s);

/* session_codes.c: the alarm of the box. */
void session_code_due(struct mp_alarm *alarm);
/* The dispatcher is no more: what it left in the box comes at its time. */
void session_codes_go_on(struct mp_session *s);
/* The box is at 0, and closed; nothing if there is none. */
void session_drop_codes(struct mp_session *s);

/* session_ahead.c: the lender reads its port itself again. */
void session_give_back(struct mp_session *s);
/* Tell the owner of the triggers that came while the plan was started at most that often: of
 * all, or of as many as a turn of the loop has time for. False: there may be more. */
bool session_tell_triggers(struct mp_session *s, struct mp_dispatcher *d, uint64_t most_started,
                           bool all);
/* Tell the owner of those that were only counted. */
void session_tell_untold(struct mp_session *s, struct mp_dispatcher *d);
/* It is being closed, or its port is lost, while other sessions read it, or watch a line of
 * it: they stop. */
void session_call_in(struct mp_session *lender);

/* Give the outcomes that are there to the owner; ends the dispatcher after its last. */
void session_report(struct mp_session *s);
/* The loop is alive: every 50 ms while it is armed. */
void session_heartbeat(struct mp_alarm *alarm);
/* session_read.c: what the device says. */
/* Something has come on the device's port, or it is lost. */
void session_read(struct mp_session *s, int status);
/* The alarm of what was heard before its question was told. */
void session_hear(struct mp_alarm *alarm);
/* Up to when the loop can say what had come, less what it missed of late: nobody's silence. */
int64_t session_heard_ns(const struct mp_session *s);
/* Read what has come: what was confirmed up to now is then counted. */
void session_drain(struct mp_session *s);
/* The device's port is gone: stop, close it, and tell the owner. */
void session_lose_port(struct mp_session *s, const struct mp_error *why);

#endif
