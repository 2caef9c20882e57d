/*
 * decode_fuzz.c - libFuzzer over a driver's decode and judge: whatever bytes come in, in
 * whatever pieces, they raise nothing, end, and give replies that the driver's table of replies
 * knows.
 *
 * FUZZ_DRIVER: the driver's name or path; FUZZ_SCRIPTS: the folder of the Lua library.
 * An input is a byte that chooses the dialect, then pieces: a length byte and so many bytes.
 */
#include "bindings/modules.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); // libFuzzer's own

enum { COUNTERS = 1 << 14, LONGEST_PIECE = 64, MENDED_SIZE = 64, MEND_EVERY = 32 };

/* The decoders are Lua, which the compiler cannot instrument: their lines are counted here. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static lua_State *state;

static void on_line(lua_State *L, lua_Debug *where)
{
    if (lua_getinfo(L, "S", where) == 0)
        return;
    // the name of a chunk is one string for all its functions: its address is enough
    uint64_t hash = ((uint64_t)(uintptr_t)where->source + (uint64_t)where->currentline) *
                    0x9E3779B97F4A7C15U;
    counters[(hash >> 40) % COUNTERS]++;
}

static void give_up(const char *what, const char *buffer, size_t length)
{
    (void)fprintf(stderr, "decode: %s\nbuffer: ", what);
    for (size_t i = 0; i < length; i++)
        (void)fprintf(stderr, "%02x", (unsigned)(uint8_t)buffer[i]);
    (void)fputc('\n', stderr);
    abort();
}

/*
 * Returns decode, judge, replies as { name = { field = true } }, dialects, expected, and
 * sound(bytes, version): how many replies in bytes are no errors.
 */
static const char setup[] =
    "local name = ...\n"
    "local devices = require 'moonpulse.driver.find'\n"
    "local driver = devices.configure(assert(devices.find(name)), {})\n"
    "local replies = {}\n"
    "for reply, items in pairs(driver.replies) do\n"
    "  replies[reply] = { name = true, bytes = true, text = true, of = true }\n"
    "  for _, item in ipairs(items) do replies[reply][item:match('^[%w_]+')] = true end\n"
    "end\n"
    "local names = driver.limits(nil).channel_names\n"
    "local expected = { mso = 30, exact_mso = 30, intensity = 30, reference = 'MSO',\n"
    "  channel = names and names[1] or '' }\n"
    "return driver.decode, driver.judge, replies,\n"
    "  { '', '5.0', '7.2', '8.0', '9.0', '10.1' }, expected, function(bytes, version)\n"
    "    local count, dialect = 0, { version = version ~= '' and version or nil }\n"
    "    for _ = 1, #bytes do\n"
    "      local ok, reply, used = pcall(driver.decode, bytes, dialect)\n"
    "      if not ok or used == 0 then break end\n"
    "      if reply and reply.name ~= 'error' then count = count + 1 end\n"
    "      bytes = bytes:sub(used + 1)\n"
    "    end\n"
    "    return count\n"
    "  end\n";

enum { DECODE = 1, JUDGE, REPLIES, VERSIONS, EXPECTED, SOUND, DIALECT };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *driver = getenv("FUZZ_DRIVER"), *scripts = getenv("FUZZ_SCRIPTS");
    (void)argc;
    (void)argv;
    lua_State *L = state = luaL_newstate();
    if (L == NULL || driver == NULL || scripts == NULL) {
        (void)fputs("FUZZ_DRIVER and FUZZ_SCRIPTS must be set: see make fuzz\n", stderr);
        exit(2);
    }
    luaL_openlibs(L);
    luaL_requiref(L, "moonpulse.core", luaopen_moonpulse_core, 0);
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", scripts, scripts);
    lua_getfield(L, -2, "path");
    lua_concat(L, 2);
    lua_setfield(L, -2, "path");
    lua_settop(L, 0);
    if (luaL_loadstring(L, setup) != LUA_OK)
        give_up(lua_tostring(L, -1), "", 0);
    lua_pushstring(L, driver);
    if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return 0;
}

/* A reply is on top: its name and fields are known, and judge has an opinion without raising.
 */
static void check_reply(lua_State *L, const char *buffer, size_t length)
{
    int reply = lua_gettop(L);
    if (lua_type(L, reply) != LUA_TTABLE)
        give_up("a reply is no table", buffer, length);
    if (lua_getfield(L, reply, "name") != LUA_TSTRING)
        give_up("a reply has no name", buffer, length);
    if (lua_getfield(L, REPLIES, lua_tostring(L, -1)) != LUA_TTABLE) // reply, name, fields
        give_up("a reply has a name that replies does not list", buffer, length);
    for (lua_pushnil(L); lua_next(L, reply) != 0; lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        if (lua_gettable(L, reply + 2) == LUA_TNIL)
            give_up("a reply has a field that replies does not list", buffer, length);
        lua_pop(L, 1);
    }
    lua_settop(L, reply);
    lua_pushvalue(L, JUDGE);
    lua_pushvalue(L, reply);
    lua_pushvalue(L, EXPECTED);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        give_up(lua_tostring(L, -1), buffer, length);
    lua_settop(L, reply);
}

/* The buffer is on top, alone; what decode leaves of it takes its place. */
static void decode_all(lua_State *L)
{
    int at = lua_gettop(L);
    for (;;) {
        size_t length;
        const char *buffer = lua_tolstring(L, at, &length);
        if (length == 0)
            return;
        lua_pushvalue(L, DECODE);
        lua_pushvalue(L, at);
        lua_pushvalue(L, DIALECT);
        if (lua_pcall(L, 2, 2, 0) != LUA_OK) // buffer, reply, used
            give_up(lua_tostring(L, -1), buffer, length);
        if (!lua_isinteger(L, -1))
            give_up("used is no whole number", buffer, length);
        lua_Integer used = lua_tointeger(L, -1);
        lua_pop(L, 1);
        if (used < 0 || (size_t)used > length)
            give_up("used lies outside the buffer", buffer, length);
        if (used == 0 && !lua_isnil(L, -1))
            give_up("a reply took no byte", buffer, length);
        if (!lua_isnil(L, -1))
            check_reply(L, buffer, length);
        lua_settop(L, at);
        if (used == 0)
            return;
        lua_pushlstring(L, buffer + used, length - (size_t)used);
        lua_replace(L, at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *L = state;
    lua_settop(L, SOUND);
    lua_newtable(L); // the dialect of this connection
    if (size > 0 && lua_geti(L, VERSIONS, data[0] % 6 + 1) == LUA_TSTRING &&
        lua_rawlen(L, -1) > 0)
        lua_setfield(L, DIALECT, "version");
    lua_settop(L, DIALECT);
    lua_pushliteral(L, "");
    for (size_t at = 1; at < size;) {
        size_t length = data[at] % LONGEST_PIECE;
        at++;
        if (length > size - at)
            length = size - at;
        lua_pushlstring(L, (const char *)data + at, length);
        lua_concat(L, 2); // what is left of the pieces before, and this one
        decode_all(L);
        at += length;
    }
    return 0;
}

/* How many sound replies an input holds, whatever its pieces. */
static lua_Integer sound_replies(lua_State *L, const uint8_t *data, size_t size)
{
    char bytes[MENDED_SIZE];
    size_t count = 0;
    for (size_t at = 1; at < size;) {
        size_t length = data[at] % LONGEST_PIECE;
        at++;
        for (; length > 0 && at < size; length--)
            bytes[count++] = (char)data[at++];
    }
    lua_settop(L, SOUND);
    lua_pushvalue(L, SOUND);
    lua_pushlstring(L, bytes, count);
    lua_geti(L, VERSIONS, data[0] % 6 + 1);
    lua_Integer found = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_tointeger(L, -1) : 0;
    lua_settop(L, SOUND);
    return found;
}

/*
 * Chance does not get past a check byte. Now and then one byte is set to the value with which
 * the most replies are sound: what a device could say, with a right check byte behind odd data.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % MEND_EVERY != 0 || size < 3 || size > MENDED_SIZE)
        return size;
    lua_State *L = state;
    lua_sethook(L, NULL, 0, 0);
    // a check byte stands at the end, or before an end byte
    size_t place = size - 1 - seed / MEND_EVERY % 2;
    uint8_t best = data[place];
    lua_Integer most = sound_replies(L, data, size);
    for (int value = 0; value < 256; value++) {
        data[place] = (uint8_t)value;
        lua_Integer found = sound_replies(L, data, size);
        if (found > most) {
            most = found;
            best = (uint8_t)value;
        }
    }
    data[place] = best;
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return size;
}
