/* session.c - a device on the loop, with Lua functions for what it reports. */
#include "bindings/armed.h"
#include "bindings/arming.h"
#include "bindings/backstop.h"
#include "bindings/codes.h"
#include "bindings/modules.h"
#include "bindings/near_cut.h"
#include "bindings/outcome.h"
#include "bindings/owned.h"
#include "bindings/playing.h"
#include "bindings/raise.h"
#include "bindings/serial.h"
#include "bindings/session_facts.h"
#include "bindings/triggers.h"

#include "engine/session.h"

#include <stdlib.h>
#include <string.h>

#define SESSION "moonpulse.session"

enum { ON_BYTES, ON_OUTCOME, ON_GONE, ON_TRIGGERS, ON_UNTOLD, CALLBACKS };
static const char *const callback_names[] = {"on_bytes", "on_outcome", "on_gone", "on_triggers",
                                             "on_untold"};
struct device {
    struct mp_owned owned;
    struct mp_session *session;         // never NULL for Lua
    int callback[CALLBACKS];            // registry references
    int self;                           // registry reference of the userdata while armed
    const struct mp_schedule *schedule; // of the plan in play, kept alive by the user value
    struct mp_near_cut *near;           // its short cut, its own; NULL: never asked for
};

static struct device *check_device(lua_State *L, int arg)
{
    struct device *device = mp_owned_at(L, arg, SESSION);
    if (device == NULL)
        luaL_error(L, "attempt to use a closed session");
    return device;
}

/* Asked for after the other arguments: to look at those may run a script, which may close it.
 */
static struct mp_session *check_session(lua_State *L)
{
    return check_device(L, 1)->session;
}

/* An armed session stays open, whatever Lua forgets: from arm until its last outcome. */
static void hold(lua_State *L, int arg, struct device *device)
{
    lua_pushvalue(L, arg);
    device->self = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void let_go(struct device *device)
{
    luaL_unref(device->owned.host->L, LUA_REGISTRYINDEX, device->self);
    device->self = LUA_NOREF;
}

/*
 * A callback that raised leaves nobody in charge: what is armed stops. Lua may close and
 * free the device in its callback; the session lives until the loop has closed its handles.
 */
static void call(const struct device *device, int which, lua_CFunction tell, void *event)
{
    struct mp_session *session = device->session;
    if (device->callback[which] == LUA_NOREF) // it is being closed
        return;
    if (!mp_host_enter(device->owned.host, tell, event))
        mp_session_stop(session, MP_STOP_ERROR);
}

struct arrival {
    const struct device *device;
    const uint8_t *bytes;
    size_t length;
    int64_t at_ns;
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->device->callback[ON_BYTES]);
    lua_pushlstring(L, (const char *)arrival->bytes, arrival->length);
    lua_pushinteger(L, arrival->at_ns);
    lua_call(L, 2, 0);
    return 0;
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    const struct device *device = context;
    size_t known = 0;
    if (device->near != NULL)
        known = mp_near_cut_bytes(device->near, bytes, length, arrival_ns);
    if (known > 0)
        mp_session_confirmed(device->session, device->near->known.confirmed);
    if (known == length)
        return;
    struct arrival arrival = {.device = device,
                              .bytes = bytes + known,
                              .length = length - known,
                              .at_ns = arrival_ns};
    call(device, ON_BYTES, tell_bytes, &arrival);
}

struct report {
    const struct device *device;
    const struct mp_outcome *outcome;
};

/* on_outcome(outcome): as outcome.h has it */
static int tell_outcome(lua_State *L)
{
    const struct report *report = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, report->device->callback[ON_OUTCOME]);
    mp_push_outcome(L, report->outcome, report->device->schedule);
    lua_call(L, 1, 0);
    return 0;
}

/* A reply that the short cut waited for has not come. */
static void on_overdue(void *context)
{
    struct report report = {.device = context};
    call(context, ON_OUTCOME, tell_outcome, &report);
}

static void on_outcome(void *context, const struct mp_outcome *out)
{
    struct device *device = context;
    struct report report = {.device = device, .outcome = out};
    if (device->near != NULL &&
        mp_near_cut_outcome(device->near, out, mp_world_now(&device->owned.host->world)))
        return;
    lua_State *L = device->owned.host->L;
    int self = LUA_NOREF;
    if (out->kind == MP_OUT_STOPPED) {
        mp_backstop_stopped(out->stop);
        mp_armed_remove(device->session);
        if (!out->safe_sent)
            mp_backstop_unsafe();
        self = device->self; // ours to let go of, whatever the callback does
        device->self = LUA_NOREF;
    }
    call(device, ON_OUTCOME, tell_outcome, &report);
    luaL_unref(L, LUA_REGISTRYINDEX, self); // last: Lua may collect and close it from here on
}

struct loss {
    const struct device *device;
    uint8_t port;
    const struct mp_error *why;
};

/* on_gone(message, "device" | "trigger"): which port is lost */
static int tell_loss(lua_State *L)
{
    const struct loss *loss = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, loss->device->callback[ON_GONE]);
    lua_pushstring(L, loss->why->text);
    lua_pushstring(L, loss->port == MP_PORT_TRIGGER ? "trigger" : "device");
    lua_call(L, 2, 0);
    return 0;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    struct loss loss = {.device = context, .port = port, .why = why};
    call(context, ON_GONE, tell_loss, &loss);
}

struct heard {
    const struct device *device;
    const void *what;
    int (*push)(lua_State *L, const void *what);
};

static int tell_heard(lua_State *L)
{
    const struct heard *heard = lua_touserdata(L, 1);
    int which = heard->push == mp_push_untold ? ON_UNTOLD : ON_TRIGGERS;
    lua_rawgeti(L, LUA_REGISTRYINDEX, heard->device->callback[which]);
    lua_call(L, heard->push(L, heard->what), 0);
    return 0;
}

/* on_triggers(bytes, heard, times, matched): as triggers.h has it */
static void on_triggers(void *context, const struct mp_session_triggers *triggers)
{
    struct heard heard = {.device = context, .what = triggers, .push = mp_push_triggers};
    call(context, ON_TRIGGERS, tell_heard, &heard);
}

/* on_untold(sums, from_ns, until_ns): as triggers.h has it */
static void on_untold(void *context, const struct mp_untold *untold)
{
    struct heard heard = {.device = context, .what = untold, .push = mp_push_untold};
    call(context, ON_UNTOLD, tell_heard, &heard);
}

static void close_device(struct mp_owned *owned)
{
    struct device *device = (struct device *)owned;
    for (int i = 0; i < CALLBACKS; i++)
        device->callback[i] = LUA_NOREF; // its last outcomes are for nobody
    device->self = LUA_NOREF;
    if (device->session != NULL) {
        mp_session_close(device->session);
        mp_armed_remove(device->session);
    }
    mp_session_destroy(device->session);
    if (device->near != NULL)
        mp_near_cut_close(device->near);
    free(device->near);
    free(device);
}

/* core.session{on_bytes=, on_outcome=, on_gone=, on_triggers=, on_untold=}; the last two may be
 * nil */
static int session_new(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    // user values: lowering in play, flight, what the short cut writes to
    struct device *device = mp_own(L, SESSION, sizeof *device, 3, close_device);
    device->self = LUA_NOREF;
    for (int i = 0; i < CALLBACKS; i++)
        device->callback[i] = LUA_NOREF;
    for (int i = 0; i < CALLBACKS; i++) {
        int type = lua_getfield(L, 1, callback_names[i]);
        if (i >= ON_TRIGGERS && type == LUA_TNIL) {
            lua_pop(L, 1);
            continue; // who plays nothing by triggers
        }
        if (type != LUA_TFUNCTION)
            return luaL_error(L, "core.session: %s must be a function", callback_names[i]);
        device->callback[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    const struct mp_session_events events = {
        .bytes = on_bytes,
        .outcome = on_outcome,
        .gone = on_gone,
        .context = device,
        .triggers = device->callback[ON_TRIGGERS] == LUA_NOREF ? NULL : on_triggers,
        .untold = device->callback[ON_UNTOLD] == LUA_NOREF ? NULL : on_untold};
    if (mp_session_create(&device->session, &device->owned.host->world, &events, &err) != MP_OK)
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
    const char *path = luaL_checkstring(L, 2);
    struct mp_serial serial = mp_check_serial(L, 3);
    return done(L, mp_session_open(check_session(L), path, &serial, &err), &err);
}

/*
 * session:trigger{line=, path=, serial=, rest=} -> true | nil, message, code: fire over a line,
 * or over the port path (with its serial settings); rest is what leaves a trigger box at rest
 */
static int session_trigger(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_serial serial = {0};
    size_t rest_length;
    luaL_checktype(L, 2, LUA_TTABLE);
    enum mp_trigger_line line = mp_opt_line(L, 2);
    const char *rest = mp_bytes_field(L, 2, "rest", &rest_length);
    lua_getfield(L, 2, "path");
    const char *path = luaL_optstring(L, -1, NULL);
    if (path != NULL) {
        lua_getfield(L, 2, "serial");
        serial = mp_check_serial(L, lua_gettop(L));
    }
    return done(
        L, mp_session_trigger(check_session(L), path, &serial, line, rest, rest_length, &err),
        &err);
}

/* session:write(bytes) -> true | nil, message, code */
static int session_write(lua_State *L)
{
    struct mp_error err = {0};
    size_t length;
    const char *bytes = luaL_checklstring(L, 2, &length);
    return done(L, mp_session_write(check_session(L), bytes, length, &err), &err);
}

/* Before it is armed, as this may raise: what an armed session needs of us. False: too many. */
static bool reserve(lua_State *L, struct device *device)
{
    if (mp_session_state(device->session) != MP_CONNECTED || device->self != LUA_NOREF)
        return true; // arming will be refused
    hold(L, 1, device);
    mp_backstop_armed();
    if (mp_armed_add(device->session))
        return true;
    let_go(device);
    return false;
}

/* session:arm(options as in arming.h) -> true | nil, message, code */
static int session_arm(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_arming arming = mp_check_arming(L, 2);
    struct device *device = check_device(L, 1);
    int flight_at = lua_gettop(L);
    if (!reserve(L, device))
        return luaL_error(L, "too many devices are armed at once");
    enum mp_status status = mp_session_arm(device->session, &arming, &err);
    if (status != MP_OK) {
        if (mp_session_state(device->session) == MP_CONNECTED) {
            mp_armed_remove(device->session);
            let_go(device);
        }
        return done(L, status, &err);
    }
    lua_pushvalue(L, flight_at);
    lua_setiuservalue(L, 1, 2); // the dispatcher borrows it
    struct mp_signal untold = mp_signal_pending();
    if (untold.number != 0) // it found nothing to stop, and nobody was told yet
        mp_session_latch(device->session, untold.reason);
    return done(L, status, &err);
}

struct mp_session *mp_check_session(lua_State *L, int arg)
{
    return check_device(L, arg)->session;
}

const struct mp_schedule *mp_plays(lua_State *L, const struct mp_schedule *schedule)
{
    struct device *device = check_device(L, 1);
    const struct mp_schedule *before = device->schedule;
    device->schedule = schedule;
    return before;
}

/* session:confirmed(total): so many pulses since arming need no confirmation any more */
static int session_confirmed(lua_State *L)
{
    struct mp_session *session = check_session(L);
    mp_session_confirmed(session, (uint64_t)mp_check_integer(L, 2, 0, LUA_MAXINTEGER));
    return 0;
}

/* session:believed(total): so many settings since arming are confirmed; -1: it is at another */
static int session_believed(lua_State *L)
{
    struct mp_session *session = check_session(L);
    mp_session_believed(session, mp_check_integer(L, 2, -1, LUA_MAXINTEGER));
    return 0;
}

/* session:stop([reason[, latch]]): the device is safe when this returns; latch is true: only
 * the latch is set, as a signal's handler, a foot switch or the guard's end sets it */
static int session_stop(lua_State *L)
{
    struct mp_session *session = check_session(L);
    enum mp_stop reason = mp_stop_find(luaL_optstring(L, 2, "requested"));
    luaL_argcheck(L, reason != MP_STOP_COUNT && reason != MP_STOP_NONE, 2,
                  "there is no such reason to stop");
    (lua_toboolean(L, 3) ? mp_session_latch : mp_session_stop)(session, reason);
    return 0;
}

/* session:acknowledge(): after a stop, questions to the device may be written again */
static int session_acknowledge(lua_State *L)
{
    mp_session_acknowledge(check_session(L));
    return 0;
}

static int session_state(lua_State *L)
{
    const struct device *device = mp_owned_at(L, 1, SESSION);
    enum mp_session_state state =
        device == NULL ? MP_CLOSED : mp_session_state(device->session);
    lua_pushstring(L, mp_session_state_name(state));
    return 1;
}

/* session:realtime() -> text, {fifo=, spin=, locked=, dma=}; nothing unless armed */
static int session_realtime(lua_State *L)
{
    const struct device *device = check_device(L, 1);
    const struct mp_realtime *realtime = mp_session_realtime(device->session);
    const struct mp_world *world = &device->owned.host->world;
    char text[256];
    if (realtime == NULL)
        return 0;
    mp_realtime_describe(realtime, text, sizeof text);
    if (world->is_virtual && world->pace > 0)
        lua_pushfstring(L, "virtual time at %f times real time: nothing is sent to a port",
                        (lua_Number)world->pace);
    else if (world->is_virtual)
        lua_pushliteral(L, "virtual time: nothing waits, nothing is sent to a port");
    else
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

struct mp_near_cut *mp_check_near_cut(lua_State *L, int arg)
{
    struct device *device = check_device(L, arg);
    struct mp_world *world = &device->owned.host->world;
    if (!world->is_virtual)
        luaL_error(L, "a short cut is for virtual time");
    if (device->near == NULL) {
        device->near = malloc(sizeof *device->near);
        if (device->near == NULL)
            luaL_error(L, "out of memory for a short cut");
        mp_near_cut_init(device->near, world, on_overdue, device);
    }
    return device->near;
}

const struct mp_schedule *mp_check_schedule(lua_State *L, int arg)
{
    return check_device(L, arg)->schedule;
}

/* session:close(); also __gc and __close */
static int session_close(lua_State *L)
{
    struct device *device = mp_owned_at(L, 1, SESSION);
    if (device != NULL && device->session != NULL)
        mp_session_close(
            device->session); // its last outcome comes: a callback may close it, too
    device = mp_owned_at(L, 1, SESSION);
    if (device == NULL)
        return 0;
    for (int i = 0; i < CALLBACKS; i++)
        luaL_unref(L, LUA_REGISTRYINDEX, device->callback[i]);
    let_go(device);
    mp_owned_close(L, 1, SESSION);
    return 0;
}

void mp_open_session(lua_State *L)
{
    static const luaL_Reg functions[] = {{"session", session_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"open", session_open},
                                       {"write", session_write},
                                       {"arm", session_arm},
                                       {"play", mp_session_plays_once},
                                       {"ahead", mp_session_plays_ahead},
                                       {"enough", mp_session_plays_enough},
                                       {"stop", session_stop},
                                       {"confirmed", session_confirmed},
                                       {"state", session_state},
                                       {"acknowledge", session_acknowledge},
                                       {"close", session_close},
                                       {"realtime", session_realtime},
                                       {"backend", mp_session_backend},
                                       {"trigger", session_trigger},
                                       {"codes", mp_session_takes_codes},
                                       {"codes_of", mp_session_takes_codes_of},
                                       {"code", mp_session_gives_code},
                                       {"lines", mp_session_lines},
                                       {"stream", mp_session_stream},
                                       {"believed", session_believed},
                                       {"near", mp_near_begin},
                                       {"near_over", mp_near_over},
                                       {"near_pending", mp_near_pending_pulse},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", session_close}, {"__close", session_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, SESSION, methods, metamethods);
    lua_pop(L, 1);
}
