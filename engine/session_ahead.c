/* session_ahead.c - a plan that waits for triggers: whose port is read by whom. */
#include "engine/session_core.h"

/* In virtual time there is no thread that polls: whoever is armed steps. */
static void on_input(struct mp_session *s, int status)
{
    (void)status;
    session_kick(s);
}

static enum mp_status lend(struct mp_session *s, struct mp_session *from, struct mp_error *err)
{
    enum mp_status status = MP_OK;
    session_unwatch(&from->port_watch);
    if (s->world->is_virtual)
        status = session_watch(s, &s->input_watch, from->port, UV_READABLE, on_input, err);
    s->lender = from;
    from->lent_to = s;
    return status;
}

void session_give_back(struct mp_session *s)
{
    struct mp_session *from = s->lender;
    struct mp_error err = {0};
    if (from == NULL)
        return;
    s->lender = from->lent_to = NULL;
    session_unwatch(&s->input_watch);
    if (from->state == MP_CONNECTED && session_watch(from, &from->port_watch, from->port,
                                                     UV_READABLE, session_read, &err) != MP_OK)
        session_lose_port(from, &err);
}

enum mp_status mp_session_ahead(struct mp_session *s, struct mp_lowering *lowering,
                                const struct mp_ahead_rule *rule, struct mp_session *from,
                                uint64_t play, struct mp_error *err)
{
    if (s->state != MP_ARMED)
        return mp_fail(err, MP_ESTATE, "only an armed session can run a plan, this one is %s",
                       mp_session_state_name(s->state));
    if (from == s || from->state != MP_CONNECTED || from->lent_to != NULL)
        return mp_fail(err, MP_ESTATE, "the port of the triggers is %s",
                       from->lent_to != NULL ? "in use for another plan"
                                             : mp_session_state_name(from->state));
    enum mp_status status = lend(s, from, err);
    s->state = MP_RUNNING; // before the first outcome can come
    s->begun = 0;
    if (status == MP_OK)
        status =
            mp_dispatcher_ahead(session_dispatcher(s), lowering, rule, from->port, play, err);
    if (status != MP_OK) {
        s->state = MP_ARMED;
        session_give_back(s);
    }
    session_kick(s);
    return status;
}

void mp_session_enough(struct mp_session *s)
{
    struct mp_dispatcher *d = session_dispatcher(s);
    if (d != NULL)
        mp_dispatcher_enough(d);
    session_kick(s);
}

enum { TOLD_AT_ONCE = 4096, TOLD_A_TURN = 8 };

/* Those that are next, as many as there is room for; false: there are none now. */
static bool gather(struct mp_dispatcher *d, uint64_t most_started, uint8_t *bytes,
                   uint8_t *heard, int64_t *at_ns, struct mp_session_triggers *told)
{
    struct mp_triggers piece;
    *told = (struct mp_session_triggers){.bytes = bytes, .heard = heard, .at_ns = at_ns};
    while (told->count + MP_TRIGGERS_MOST <= TOLD_AT_ONCE &&
           mp_dispatcher_triggers(d, most_started, &piece))
        for (size_t i = 0; i < piece.count; i++) {
            bytes[told->count] = piece.bytes[i];
            heard[told->count] = piece.heard[i];
            at_ns[told->count++] = piece.at_ns;
            told->matched += piece.heard[i] != MP_HEARD_OTHER;
        }
    return told->count > 0;
}

bool session_tell_triggers(struct mp_session *s, struct mp_dispatcher *d, uint64_t most_started,
                           bool all)
{
    uint8_t bytes[TOLD_AT_ONCE], heard[TOLD_AT_ONCE];
    int64_t at_ns[TOLD_AT_ONCE];
    struct mp_session_triggers told;
    for (int i = 0; s->events.triggers != NULL && (all || i < TOLD_A_TURN); i++) {
        if (!gather(d, most_started, bytes, heard, at_ns, &told))
            return true;
        s->events.triggers(s->events.context, &told);
    }
    return s->events.triggers == NULL;
}

void session_tell_untold(struct mp_session *s, struct mp_dispatcher *d)
{
    struct mp_untold untold;
    if (s->events.untold != NULL && mp_dispatcher_untold(d, &untold))
        s->events.untold(s->events.context, &untold);
}

void session_call_in(struct mp_session *lender)
{
    if (lender->lent_to != NULL)
        mp_session_stop(lender->lent_to, MP_STOP_GONE);
    while (lender->line_users != NULL) // stopped, it is none any more
        mp_session_stop(lender->line_users, MP_STOP_GONE);
}
