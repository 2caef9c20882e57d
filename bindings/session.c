/* session.c - a device on the loop, with Lua functions for what it reports. */
#include "bindings/armed.h"
#include "bindings/backstop.h"
#include "bindings/flight.h"
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "bindings/serial.h"
#include "bindings/tasks.h"

#include "engine/session.h"

#include <math.h>
#include <string.h>

#define SESSION "moonpulse.session"

enum { ON_BYTES, ON_OUTCOME, ON_GONE, CALLBACKS };
static const char *const callback_names[] = {"on_bytes", "on_outcome", "on_gone"};
static const char *const outcome_names[] = {"sent",     "skipped", "mark",     "oneoff",
                                            "finished", "stopped", "not_taken"};
static const char *const late_names[] = {"abort", "skip", NULL};
static const char *const line_names[] = {"none", "cts", "dsr", NULL};
static const char *const send_names[] = {"pulse", "set", "mark", "ask"};

struct session_box {
    struct mp_session *session;
    struct mp_host *host;
    int callback[CALLBACKS];            // registry references
    int self;                           // registry reference while armed
    const struct mp_schedule *schedule; // of the plan in play, kept alive by the user value
};

static struct session_box *check_session(lua_State *L, int arg)
{
    struct session_box *box = luaL_checkudata(L, arg, SESSION);
    if (box->session == NULL)
        luaL_error(L, "attempt to use a closed session");
    return box;
}

/* An armed session stays alive, whatever Lua forgets: from arm until its last outcome. */
static void hold(lua_State *L, int arg, struct session_box *box)
{
    lua_pushvalue(L, arg);
    box->self = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void let_go(struct session_box *box)
{
    luaL_unref(box->host->L, LUA_REGISTRYINDEX, box->self);
    box->self = LUA_NOREF;
}

/*
 * A callback that raised leaves nobody in charge: what is armed stops. Lua may close and
 * collect the box in its callback; the session lives until the loop has closed its handles.
 */
static void call(struct session_box *box, int which, lua_CFunction tell, void *event)
{
    struct mp_session *session = box->session;
    if (box->callback[which] == LUA_NOREF) // closed inside an earlier callback
        return;
    if (!mp_host_enter(box->host, tell, event))
        mp_session_stop(session, MP_STOP_ERROR);
}

struct arrival {
    const struct session_box *box;
    const uint8_t *bytes;
    size_t length;
    int64_t at_ns;
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->box->callback[ON_BYTES]);
    lua_pushlstring(L, (const char *)arrival->bytes, arrival->length);
    lua_pushinteger(L, arrival->at_ns);
    lua_call(L, 2, 0);
    return 0;
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    struct arrival arrival = {
        .box = context, .bytes = bytes, .length = length, .at_ns = arrival_ns};
    call(context, ON_BYTES, tell_bytes, &arrival);
}

struct report {
    const struct session_box *box;
    const struct mp_outcome *outcome;
};

/*
 * on_outcome(what, kind, number, onset_ns, due_ns, entered_ns, returned_ns, action, frame,
 * stop, safe_sent, text, safes): times in nanoseconds from the plan's start (of "stopped": on
 * the monotonic clock), action and frame from 1, text of a mark.
 */
static int tell_outcome(lua_State *L)
{
    const struct report *report = lua_touserdata(L, 1);
    const struct session_box *box = report->box;
    const struct mp_outcome *out = report->outcome;
    const struct mp_send *send = &out->send;
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->callback[ON_OUTCOME]);
    lua_pushstring(L, outcome_names[out->kind]);
    lua_pushstring(L, send_names[send->kind]);
    lua_pushinteger(L, (lua_Integer)send->number);
    lua_pushinteger(L, send->floor_ns + (send->half ? 1 : 0));
    lua_pushinteger(L, send->send_ns);
    const int64_t from_ns = out->kind == MP_OUT_STOPPED ? 0 : out->start_ns;
    lua_pushinteger(L, out->entered_ns - from_ns);
    lua_pushinteger(L, out->returned_ns - from_ns);
    lua_pushinteger(L, (lua_Integer)send->action + 1);
    lua_pushinteger(L, (lua_Integer)send->frame + 1);
    lua_pushstring(L, mp_stop_name(out->stop));
    lua_pushboolean(L, out->safe_sent);
    if (out->kind == MP_OUT_MARK && box->schedule != NULL)
        lua_pushstring(L, mp_schedule_mark(box->schedule, send->source));
    else
        lua_pushnil(L);
    lua_pushinteger(L, out->safes);
    lua_call(L, 13, 0);
    return 0;
}

static void on_outcome(void *context, const struct mp_outcome *out)
{
    struct session_box *box = context;
    struct report report = {.box = box, .outcome = out};
    lua_State *L = box->host->L;
    int self = LUA_NOREF;
    if (out->kind == MP_OUT_STOPPED) {
        mp_backstop_stopped(out->stop);
        if (box->session != NULL)
            mp_armed_remove(box->session);
        if (!out->safe_sent)
            mp_backstop_unsafe();
        self = box->self; // ours to let go of, whatever the callback does
        box->self = LUA_NOREF;
    }
    call(box, ON_OUTCOME, tell_outcome, &report);
    luaL_unref(L, LUA_REGISTRYINDEX, self); // last: Lua may collect the box from here on
}

struct loss {
    const struct session_box *box;
    uint8_t port;
    const struct mp_error *why;
};

/* on_gone(message, "device" | "trigger"): which port is lost */
static int tell_loss(lua_State *L)
{
    const struct loss *loss = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, loss->box->callback[ON_GONE]);
    lua_pushstring(L, loss->why->text);
    lua_pushstring(L, loss->port == MP_PORT_TRIGGER ? "trigger" : "device");
    lua_call(L, 2, 0);
    return 0;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    struct loss loss = {.box = context, .port = port, .why = why};
    call(context, ON_GONE, tell_loss, &loss);
}

/* core.session{on_bytes=, on_outcome=, on_gone=} */
static int session_new(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    struct session_box *box = lua_newuserdatauv(L, sizeof *box, 2); // lowering in play, flight
    *box = (struct session_box){.host = mp_host_of(L), .self = LUA_NOREF};
    for (int i = 0; i < CALLBACKS; i++)
        box->callback[i] = LUA_NOREF;
    luaL_setmetatable(L, SESSION);
    for (int i = 0; i < CALLBACKS; i++) {
        if (lua_getfield(L, 1, callback_names[i]) != LUA_TFUNCTION)
            return luaL_error(L, "core.session: %s must be a function", callback_names[i]);
        box->callback[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone, .context = box};
    if (mp_session_create(&box->session, &box->host->loop, &events, &err) != MP_OK)
        return mp_raise(L, &err);
    return 1;
}

static int done(lua_State *L, enum mp_status status, const struct mp_error *err)
{
    if (status != MP_OK)
        return mp_push_failure(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* session:open(path, serial) -> true | nil, message, code */
static int session_open(lua_State *L)
{
    struct mp_error err = {0};
    struct session_box *box = check_session(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct mp_serial serial = mp_check_serial(L, 3);
    return done(L, mp_session_open(box->session, path, &serial, &err), &err);
}

/* The value of a field of the table at 2, left on the stack for as long as its pointer is used.
 */
static const char *bytes_field(lua_State *L, const char *key, size_t *length)
{
    lua_getfield(L, 2, key);
    if (lua_isnil(L, -1)) {
        *length = 0;
        return NULL;
    }
    return luaL_checklstring(L, -1, length);
}

/*
 * session:trigger{line=, path=, serial=, rest=} -> true | nil, message, code: fire over a line,
 * or over the port path (with its serial settings); rest is what leaves a trigger box at rest
 */
static int session_trigger(lua_State *L)
{
    struct mp_error err = {0};
    struct session_box *box = check_session(L, 1);
    struct mp_serial serial = {0};
    size_t rest_length;
    luaL_checktype(L, 2, LUA_TTABLE);
    enum mp_trigger_line line = mp_opt_line(L, 2);
    const char *rest = bytes_field(L, "rest", &rest_length);
    lua_getfield(L, 2, "path");
    const char *path = luaL_optstring(L, -1, NULL);
    if (path != NULL) {
        lua_getfield(L, 2, "serial");
        serial = mp_check_serial(L, lua_gettop(L));
    }
    return done(L,
                mp_session_trigger(box->session, path, &serial, line, rest, rest_length, &err),
                &err);
}

/* session:write(bytes) -> true | nil, message, code */
static int session_write(lua_State *L)
{
    struct mp_error err = {0};
    struct session_box *box = check_session(L, 1);
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    return done(L, mp_session_write(box->session, bytes, length, &err), &err);
}

static int64_t seconds_field(lua_State *L, const char *key)
{
    lua_getfield(L, 2, key);
    int64_t ns = lua_isnil(L, -1) ? 0 : llround(mp_check_number(L, -1, 0, 86400) * 1e9);
    lua_pop(L, 1);
    return ns;
}

static int option_field(lua_State *L, const char *key, const char *const names[])
{
    lua_getfield(L, 2, key);
    int index = luaL_checkoption(L, -1, names[0], names);
    lua_pop(L, 1);
    return index;
}

/* Before it is armed, as this may raise: what an armed session needs of us. False: too many. */
static bool reserve(lua_State *L, struct session_box *box)
{
    if (mp_session_state(box->session) != MP_CONNECTED || box->self != LUA_NOREF)
        return true; // arming will be refused
    hold(L, 1, box);
    if (mp_armed_add(box->session))
        return true;
    let_go(box);
    return false;
}

/*
 * session:arm{safe=, safe_line=, tolerance=, late="abort"|"skip", keepalive=,
 * keepalive_period=, stuck=, unconfirmed=, settings=, guard=, line="none"|"cts"|"dsr", flight=}
 * -> true | nil, message, code. Times in seconds.
 */
static int session_arm(lua_State *L)
{
    struct mp_error err = {0};
    struct session_box *box = check_session(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct mp_arming arming = {
        .tolerance_ns = seconds_field(L, "tolerance"),
        .late = (enum mp_late)option_field(L, "late", late_names),
        .keepalive_ns = seconds_field(L, "keepalive_period"),
        .stuck_ns = seconds_field(L, "stuck"),
        .unconfirmed_ns = seconds_field(L, "unconfirmed"),
        .line = (enum mp_stop_line)option_field(L, "line", line_names),
    };
    arming.safe = bytes_field(L, "safe", &arming.safe_length);
    arming.keepalive = bytes_field(L, "keepalive", &arming.keepalive_length);
    lua_getfield(L, 2, "guard");
    arming.guard = lua_toboolean(L, -1);
    lua_getfield(L, 2, "settings");
    arming.settings = lua_toboolean(L, -1);
    lua_getfield(L, 2, "safe_line");
    arming.safe_line = lua_toboolean(L, -1);
    lua_getfield(L, 2, "flight");
    if (!lua_isnil(L, -1))
        arming.flight = mp_check_flight(L, -1);
    int flight_at = lua_gettop(L);
    if (!reserve(L, box))
        return luaL_error(L, "too many devices are armed at once");
    enum mp_status status = mp_session_arm(box->session, &arming, &err);
    if (status != MP_OK) {
        if (mp_session_state(box->session) == MP_CONNECTED) {
            mp_armed_remove(box->session);
            let_go(box);
        }
        return done(L, status, &err);
    }
    lua_pushvalue(L, flight_at);
    lua_setiuservalue(L, 1, 2); // the dispatcher borrows it
    return done(L, status, &err);
}

/* session:play(lowering, start_ns) -> true | nil, message, code; the lowering has passed the
 * gate */
static int session_play(lua_State *L)
{
    struct mp_error err = {0};
    struct session_box *box = check_session(L, 1);
    struct mp_lowering *lowering = mp_check_lowering(L, 2);
    lua_Integer start_ns = mp_check_integer(L, 3, 0, INT64_MAX / 4); // sums never overflow
    if (!mp_lowering_cleared(L, 2))
        return luaL_error(
            L, "the plan was not checked against the safety limits: nothing is sent");
    const struct mp_schedule *before = box->schedule;
    box->schedule = mp_lowering_schedule(lowering); // before the first outcome can come
    enum mp_status status = mp_session_play(box->session, lowering, start_ns, &err);
    if (status != MP_OK) {
        box->schedule = before;
        return mp_push_failure(L, &err);
    }
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 1, 1); // the dispatcher borrows it
    return done(L, status, &err);
}

/* session:confirmed(total): so many pulses since arming need no confirmation any more */
static int session_confirmed(lua_State *L)
{
    struct session_box *box = check_session(L, 1);
    mp_session_confirmed(box->session, (uint64_t)mp_check_integer(L, 2, 0, LUA_MAXINTEGER));
    return 0;
}

/* session:believed(total): so many settings since arming are confirmed; -1: it is at another */
static int session_believed(lua_State *L)
{
    struct session_box *box = check_session(L, 1);
    mp_session_believed(box->session, mp_check_integer(L, 2, -1, LUA_MAXINTEGER));
    return 0;
}

/* session:stop([reason]): the device is safe when this returns */
static int session_stop(lua_State *L)
{
    struct session_box *box = check_session(L, 1);
    const char *name = luaL_optstring(L, 2, "requested");
    int reason = MP_STOP_FINISHED;
    while (reason < MP_STOP_COUNT && strcmp(mp_stop_name((enum mp_stop)reason), name) != 0)
        reason++;
    luaL_argcheck(L, reason < MP_STOP_COUNT, 2, "there is no such reason to stop");
    mp_session_stop(box->session, (enum mp_stop)reason);
    return 0;
}

/* session:acknowledge(): after a stop, questions to the device may be written again */
static int session_acknowledge(lua_State *L)
{
    mp_session_acknowledge(check_session(L, 1)->session);
    return 0;
}

static int session_state(lua_State *L)
{
    struct session_box *box = luaL_checkudata(L, 1, SESSION);
    enum mp_session_state state =
        box->session == NULL ? MP_CLOSED : mp_session_state(box->session);
    lua_pushstring(L, mp_session_state_name(state));
    return 1;
}

/* session:realtime() -> text, {fifo=, spin=, locked=, dma=}; nothing unless armed */
static int session_realtime(lua_State *L)
{
    const struct mp_realtime *realtime = mp_session_realtime(check_session(L, 1)->session);
    char text[256];
    if (realtime == NULL)
        return 0;
    mp_realtime_describe(realtime, text, sizeof text);
    lua_pushstring(L, text);
    const struct {
        const char *key;
        bool value;
    } facts[] = {{"fifo", realtime->fifo},
                 {"spin", realtime->spin},
                 {"locked", realtime->locked},
                 {"dma", realtime->dma}};
    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        lua_pushboolean(L, facts[i].value);
        lua_setfield(L, -2, facts[i].key);
    }
    return 2;
}

/* session:backend() -> "serial"|"pty", path; nothing when closed */
static int session_backend(lua_State *L)
{
    const struct mp_port *port = mp_session_port(check_session(L, 1)->session);
    if (port == NULL)
        return 0;
    lua_pushstring(L, mp_port_kind(port) == MP_PORT_PTY ? "pty" : "serial");
    lua_pushstring(L, mp_port_path(port));
    return 2;
}

/* session:lines() -> cts, dsr | nil, message, code: whether the lines that come in are high */
static int session_lines(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_port *port = mp_session_port(check_session(L, 1)->session);
    bool cts = false, dsr = false;
    if (port == NULL)
        (void)mp_fail(&err, MP_ESTATE, "the port is closed");
    if (port == NULL || mp_port_get_lines(port, &cts, &dsr, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushboolean(L, cts);
    lua_pushboolean(L, dsr);
    return 2;
}

/* session:close(); also __gc and __close */
static int session_close(lua_State *L)
{
    struct session_box *box = luaL_checkudata(L, 1, SESSION);
    struct mp_session *session = box->session;
    if (session == NULL)
        return 0;
    mp_session_close(session);
    mp_armed_remove(session);
    box->session = NULL;
    mp_session_destroy(session);
    for (int i = 0; i < CALLBACKS; i++) {
        luaL_unref(L, LUA_REGISTRYINDEX, box->callback[i]);
        box->callback[i] = LUA_NOREF;
    }
    let_go(box);
    return 0;
}

void mp_open_session(lua_State *L)
{
    static const luaL_Reg functions[] = {{"session", session_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"open", session_open},
                                       {"write", session_write},
                                       {"arm", session_arm},
                                       {"play", session_play},
                                       {"stop", session_stop},
                                       {"confirmed", session_confirmed},
                                       {"state", session_state},
                                       {"acknowledge", session_acknowledge},
                                       {"close", session_close},
                                       {"realtime", session_realtime},
                                       {"backend", session_backend},
                                       {"trigger", session_trigger},
                                       {"lines", session_lines},
                                       {"believed", session_believed},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", session_close}, {"__close", session_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, SESSION, methods, metamethods);
    lua_pop(L, 1);
}
