/* outcome.c - see outcome.h. */
#include "bindings/outcome.h"

#include <lauxlib.h>

static const char *const outcome_names[] = {
    [MP_OUT_SENT] = "sent",     [MP_OUT_SKIPPED] = "skipped",   [MP_OUT_MARK] = "mark",
    [MP_OUT_ONEOFF] = "oneoff", [MP_OUT_FINISHED] = "finished", [MP_OUT_STOPPED] = "stopped",
    [MP_OUT_CODE] = "code",     [MP_OUT_UNTAKEN] = "not_taken", [MP_OUT_BEGUN] = "begun",
};

_Static_assert(sizeof outcome_names / sizeof outcome_names[0] == MP_OUT_BEGUN + 1, "names");

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

/* What a frame of the plan, or a mark, tells into the table on top. */
static void set_send(lua_State *L, const struct mp_outcome *out,
                     const struct mp_schedule *schedule)
{
    const struct mp_send *send = &out->send;
    lua_pushstring(L, mp_send_kind_name(send->kind));
    lua_setfield(L, -2, "send");
    set_integer(L, "number", (lua_Integer)send->number);
    set_integer(L, "planned_ns", send->floor_ns + (send->half ? 1 : 0));
    set_integer(L, "due_ns", send->send_ns);
    set_integer(L, "entered_ns", out->entered_ns - out->start_ns);
    set_integer(L, "returned_ns", out->returned_ns - out->start_ns);
    if (out->kind != MP_OUT_MARK) {
        set_integer(L, "action", (lua_Integer)send->action + 1);
        set_integer(L, "frame", (lua_Integer)send->frame + 1);
        lua_pushboolean(L, out->in_part);
        lua_setfield(L, -2, "in_part");
    } else if (schedule != NULL) {
        lua_pushstring(L, mp_schedule_mark(schedule, send->source));
        lua_setfield(L, -2, "text");
    }
}

/* Of an event code: whose it is, when it was to be there and when it was handed to its box. */
static void set_code(lua_State *L, const struct mp_outcome *out)
{
    const struct mp_send *send = &out->send;
    set_integer(L, "code", out->code);
    set_integer(L, "number", (lua_Integer)send->number);
    set_integer(L, "planned_ns", send->floor_ns + (send->half ? 1 : 0));
    set_integer(L, "due_ns", out->woken_ns - out->start_ns);
    set_integer(L, "entered_ns", out->entered_ns - out->start_ns);
    set_integer(L, "there_ns", out->returned_ns - out->start_ns);
    lua_pushstring(L, send->kind != MP_SEND_MARK ? "pulse"
                      : send->number > 0         ? "mark"
                                                 : "script");
    lua_setfield(L, -2, "of");
    lua_pushboolean(L, out->unrecorded);
    lua_setfield(L, -2, "unrecorded");
    set_integer(L, "lost", out->lost);
}

void mp_push_outcome(lua_State *L, const struct mp_outcome *out,
                     const struct mp_schedule *schedule)
{
    lua_createtable(L, 0, 10);
    lua_pushstring(L, out == NULL ? "overdue" : outcome_names[out->kind]);
    lua_setfield(L, -2, "what");
    if (out == NULL)
        return;
    lua_pushstring(L, mp_stop_name(out->stop));
    lua_setfield(L, -2, "stop");
    if (out->kind == MP_OUT_STOPPED) {
        set_integer(L, "at_ns", out->entered_ns);
        set_integer(L, "safes", out->safes);
        if (out->cut_ns != 0)
            set_integer(L, "cut_ns", out->cut_ns);
        lua_pushboolean(L, out->safe_sent);
        lua_setfield(L, -2, "safe_sent");
    } else if (out->kind == MP_OUT_BEGUN) {
        set_integer(L, "number", (lua_Integer)out->send.number);
        set_integer(L, "start_ns", out->start_ns);
        set_integer(L, "trigger_ns", out->woken_ns);
    } else if (out->kind == MP_OUT_CODE) {
        set_code(L, out);
    } else if (out->kind != MP_OUT_FINISHED && out->kind != MP_OUT_ONEOFF) {
        set_send(L, out, schedule);
    }
}
