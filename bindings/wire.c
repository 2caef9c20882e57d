/* wire.c - the far end of a wire (engine/port_wire.h), for simulators in virtual time: what
 * core.pty is on a real clock, with lines. */
#include "bindings/far_cut.h"
#include "bindings/modules.h"
#include "bindings/owned.h"
#include "bindings/raise.h"

#include "engine/port_wire.h"

#include <stdlib.h>

#define WIRE "moonpulse.wire"

struct far_end {
    struct mp_owned owned;
    struct mp_wire *wire;
    int on_bytes, on_line;  // registry references
    struct mp_far_cut *cut; // its own; NULL: never asked for
};

struct arrival {
    int callback;
    const char *bytes;
    size_t length;
    int64_t at_ns;
};

static int tell_bytes(lua_State *L)
{
    const struct arrival *arrival = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, arrival->callback);
    lua_pushlstring(L, arrival->bytes, arrival->length);
    lua_pushinteger(L, arrival->at_ns);
    lua_call(L, 2, 0);
    return 0;
}

static bool takes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    const struct far_end *far = context;
    return far->cut != NULL && mp_far_cut_frame(far->cut, bytes, length, began_ns);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    const struct far_end *far = context;
    struct arrival arrival = {.callback = far->on_bytes,
                              .bytes = (const char *)bytes,
                              .length = length,
                              .at_ns = began_ns};
    (void)mp_host_enter(far->owned.host, tell_bytes, &arrival);
}

struct move {
    int callback;
    enum mp_trigger_line line;
    bool high;
    int64_t at_ns;
};

static int tell_line(lua_State *L)
{
    static const char *const names[] = {"none", "rts", "dtr", "break"};
    const struct move *move = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, move->callback);
    lua_pushstring(L, names[move->line]);
    lua_pushboolean(L, move->high);
    lua_pushinteger(L, move->at_ns);
    lua_call(L, 3, 0);
    return 0;
}

static void on_line(void *context, enum mp_trigger_line line, bool high, int64_t at_ns)
{
    const struct far_end *far = context;
    struct move move = {.callback = far->on_line, .line = line, .high = high, .at_ns = at_ns};
    if (far->on_line != LUA_NOREF)
        (void)mp_host_enter(far->owned.host, tell_line, &move);
}

static void close_far_end(struct mp_owned *owned)
{
    struct far_end *far = (struct far_end *)owned;
    if (far->cut != NULL)
        mp_far_cut_close(far->cut);
    mp_wire_destroy(far->wire);
    free(far->cut);
    free(far);
}

/*
 * core.wire(nil, on_bytes(bytes, began_ns)[, on_line(line, high, at_ns)]) -> wire: bytes are
 * told when the last of them has come, with the instant at which the first began to; in virtual
 * time
 */
static int wire_new(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 3);
    if (!lua_isnil(L, 3))
        luaL_checktype(L, 3, LUA_TFUNCTION);
    struct far_end *made = mp_own(L, WIRE, sizeof *made, 1, close_far_end);
    made->on_bytes = made->on_line = LUA_NOREF;
    const struct mp_wire_far far = {
        .takes = takes, .bytes = on_bytes, .line = on_line, .context = made};
    if (!made->owned.host->world.is_virtual)
        return luaL_error(L,
                          "core.wire is for virtual time: core.pty makes a port in real time");
    if (mp_wire_create(&made->wire, &made->owned.host->world, &far, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_pushvalue(L, 2);
    made->on_bytes = luaL_ref(L, LUA_REGISTRYINDEX);
    if (!lua_isnil(L, 3)) {
        lua_pushvalue(L, 3);
        made->on_line = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return 1;
}

static struct far_end *check_far_end(lua_State *L, int arg)
{
    struct far_end *far = mp_owned_at(L, arg, WIRE);
    if (far == NULL || far->wire == NULL)
        luaL_error(L, "attempt to use a closed wire");
    return far;
}

static struct mp_wire *check_wire(lua_State *L)
{
    return check_far_end(L, 1)->wire;
}

struct mp_far_cut *mp_check_far_cut(lua_State *L, int arg)
{
    struct far_end *far = check_far_end(L, arg);
    if (far->cut == NULL) {
        far->cut = malloc(sizeof *far->cut);
        if (far->cut == NULL)
            luaL_error(L, "out of memory for a short cut");
        mp_far_cut_init(far->cut, &far->owned.host->world, far->wire);
    }
    return far->cut;
}

/* wire:write(bytes) -> true | nil, message, code, written */
static int wire_write(lua_State *L)
{
    struct mp_error err = {0};
    size_t length, written = 0;
    const char *bytes = luaL_checklstring(L, 2, &length);
    enum mp_status status = mp_wire_write(check_wire(L), bytes, length, &written, &err);
    return mp_push_written(L, status, written, length, &err);
}

/* wire:inputs(cts, dsr, ri, cd): the lines that come in at the near end are high, or low */
static int wire_inputs(lua_State *L)
{
    const struct mp_wire_inputs high = {.cts = lua_toboolean(L, 2),
                                        .dsr = lua_toboolean(L, 3),
                                        .ri = lua_toboolean(L, 4),
                                        .cd = lua_toboolean(L, 5)};
    mp_wire_set_inputs(check_wire(L), high);
    return 0;
}

/*
 * wire:trouble(takes, stall_ns): the near end's next write takes so many bytes at most (nil:
 * all) and returns stall_ns later than they began to leave
 */
static int wire_trouble(lua_State *L)
{
    struct mp_wire_trouble trouble = {.is_short = !lua_isnoneornil(L, 2)};
    if (trouble.is_short)
        trouble.takes = (size_t)mp_check_integer(L, 2, 0, 4096);
    trouble.stall_ns = lua_isnoneornil(L, 3) ? 0 : mp_check_integer(L, 3, 0, INT64_MAX / 4);
    mp_wire_make_trouble(check_wire(L), &trouble);
    return 0;
}

/* wire:path() -> "wire:N", for session:open */
static int wire_path(lua_State *L)
{
    lua_pushstring(L, mp_wire_path(check_wire(L)));
    return 1;
}

/* wire:close(); also __gc and __close */
static int wire_close(lua_State *L)
{
    const struct far_end *far = mp_owned_at(L, 1, WIRE);
    if (far == NULL)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, far->on_bytes);
    luaL_unref(L, LUA_REGISTRYINDEX, far->on_line);
    mp_owned_close(L, 1, WIRE);
    return 0;
}

void mp_open_wire(lua_State *L)
{
    static const luaL_Reg functions[] = {{"wire", wire_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"write", wire_write},     {"inputs", wire_inputs},
                                       {"trouble", wire_trouble}, {"path", wire_path},
                                       {"steady", mp_far_begin},  {"passed", mp_far_passed},
                                       {"close", wire_close},     {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", wire_close}, {"__close", wire_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, WIRE, methods, metamethods);
    lua_pop(L, 1);
}
