#include "bindings/serial.h"

#include "bindings/modules.h"
#include "bindings/raise.h"

#include <string.h>

/* What a field may be: a whole number, or one of names. */
struct rule {
    const char *key;
    lua_Integer low, high;
    const char *const *names; // ends with NULL; in the order of the engine's enum
};

static const char *const parities[] = {"none", "odd", "even", NULL};
static const char *const flows[] = {"none", "rtscts", NULL};

enum { BAUD, BITS, PARITY, STOP_BITS, FLOW, FIELDS };
static const struct rule rules[FIELDS] = {
    [BAUD] = {.key = "baud", .low = 50, .high = 20000000},
    [BITS] = {.key = "bits", .low = 7, .high = 8},
    [PARITY] = {.key = "parity", .names = parities},
    [STOP_BITS] = {.key = "stop_bits", .low = 1, .high = 2},
    [FLOW] = {.key = "flow", .names = flows},
};

static int refuse(lua_State *L, int arg, const struct rule *rule)
{
    luaL_Buffer text;
    if (rule->names == NULL)
        return luaL_argerror(L, arg,
                             lua_pushfstring(L, "%s must be a whole number from %I to %I",
                                             rule->key, rule->low, rule->high));
    luaL_buffinit(L, &text);
    luaL_addstring(&text, rule->key);
    luaL_addstring(&text, " must be one of ");
    for (int i = 0; rule->names[i] != NULL; i++) {
        luaL_addstring(&text, i > 0 ? ", " : "");
        luaL_addstring(&text, rule->names[i]);
    }
    luaL_pushresult(&text);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

/* The field of the table at arg that rule speaks of; a name as its place. */
static lua_Integer field(lua_State *L, int arg, const struct rule *rule)
{
    int found = 0;
    lua_Integer value = 0;
    lua_getfield(L, arg, rule->key);
    if (rule->names == NULL) {
        value = lua_tointegerx(L, -1, &found);
        found = found && lua_type(L, -1) == LUA_TNUMBER && value >= rule->low &&
                value <= rule->high;
    }
    for (int i = 0; rule->names != NULL && rule->names[i] != NULL && !found; i++) {
        found =
            lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), rule->names[i]) == 0;
        value = i;
    }
    lua_pop(L, 1);
    return found ? value : refuse(L, arg, rule);
}

struct mp_serial mp_check_serial(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    return (struct mp_serial){
        .baud = (uint32_t)field(L, arg, &rules[BAUD]),
        .bits = (uint8_t)field(L, arg, &rules[BITS]),
        .stop_bits = (uint8_t)field(L, arg, &rules[STOP_BITS]),
        .parity = (enum mp_parity)field(L, arg, &rules[PARITY]),
        .flow = (enum mp_flow)field(L, arg, &rules[FLOW]),
    };
}

const char *const mp_line_names[] = {"none", "rts", "dtr", "break", NULL};

enum mp_trigger_line mp_opt_line(lua_State *L, int arg)
{
    lua_getfield(L, arg, "line");
    int line = lua_isnil(L, -1) ? 0 : luaL_checkoption(L, -1, NULL, mp_line_names);
    lua_pop(L, 1);
    return (enum mp_trigger_line)line;
}

/* core.serial_fields: of each field of line settings { name, low =, high = } or { name, names =
 * {} } */
void mp_open_serial(lua_State *L)
{
    lua_createtable(L, FIELDS, 0);
    for (int i = 0; i < FIELDS; i++) {
        const struct rule *rule = &rules[i];
        lua_createtable(L, 1, 2);
        lua_pushstring(L, rule->key);
        lua_seti(L, -2, 1);
        if (rule->names == NULL) {
            lua_pushinteger(L, rule->low);
            lua_setfield(L, -2, "low");
            lua_pushinteger(L, rule->high);
            lua_setfield(L, -2, "high");
        } else {
            lua_newtable(L);
            for (int k = 0; rule->names[k] != NULL; k++) {
                lua_pushstring(L, rule->names[k]);
                lua_seti(L, -2, k + 1);
            }
            lua_setfield(L, -2, "names");
        }
        lua_seti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "serial_fields");
}
