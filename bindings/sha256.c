/* sha256.c - SHA-256 for Lua, by Nettle, which is loaded in a fraction of OpenSSL's time. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <lauxlib.h>
#include <nettle/sha2.h>

#define SHA256 "moonpulse.sha256"

static void push_digits(lua_State *L, struct sha256_ctx *context)
{
    static const char digit[] = "0123456789abcdef";
    uint8_t bytes[SHA256_DIGEST_SIZE];
    char digits[2 * SHA256_DIGEST_SIZE];
    sha256_digest(context, sizeof bytes, bytes); // which makes it empty again
    for (size_t i = 0; i < sizeof bytes; i++) {
        digits[2 * i] = digit[bytes[i] >> 4];
        digits[2 * i + 1] = digit[bytes[i] & 15];
    }
    lua_pushlstring(L, digits, sizeof digits);
}

/* core.sha256_of(text) -> 64 hexadecimal digits */
static int sha256_of(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, length, (const uint8_t *)text);
    push_digits(L, &context);
    return 1;
}

/* core.sha256() -> a sum of nothing */
static int sha256_new(lua_State *L)
{
    struct sha256_ctx *context = lua_newuserdatauv(L, sizeof *context, 0);
    sha256_init(context);
    luaL_setmetatable(L, SHA256);
    return 1;
}

/* sum:add(text) */
static int sha256_add(lua_State *L)
{
    struct sha256_ctx *context = luaL_checkudata(L, 1, SHA256);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    sha256_update(context, length, (const uint8_t *)text);
    return 0;
}

/* sum:digits() -> 64 hexadecimal digits of all that was added; more may follow */
static int sha256_digits(lua_State *L)
{
    struct sha256_ctx context = *(struct sha256_ctx *)luaL_checkudata(L, 1, SHA256);
    push_digits(L, &context);
    return 1;
}

void mp_open_sha256(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sha256", sha256_new}, {"sha256_of", sha256_of}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", sha256_add}, {"digits", sha256_digits}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, SHA256, methods, none);
    lua_pop(L, 1);
}
