#include "bindings/owned.h"

#include <lauxlib.h>

#include <stdlib.h>

void *mp_own(lua_State *L, const char *class, size_t size, int user_values,
             void (*close)(struct mp_owned *owned))
{
    struct mp_host *host = mp_check_host(L);
    struct mp_owned **box = lua_newuserdatauv(L, sizeof *box, user_values);
    *box = NULL;
    luaL_setmetatable(L, class);
    struct mp_owned *owned = calloc(1, size);
    if (owned == NULL) {
        luaL_error(L, "not enough memory");
        return NULL; // never reached: luaL_error does not return
    }
    *owned = (struct mp_owned){
        .host = host, .next = host->owned, .previous = &host->owned, .close = close};
    if (owned->next != NULL)
        owned->next->previous = &owned->next;
    host->owned = owned;
    *box = owned;
    return owned;
}

void *mp_owned_at(lua_State *L, int arg, const char *class)
{
    struct mp_owned **box = luaL_checkudata(L, arg, class);
    return mp_host_of(L) == NULL ? NULL : *box; // a host that ended has closed it
}

static void let_go(struct mp_owned *owned)
{
    *owned->previous = owned->next;
    if (owned->next != NULL)
        owned->next->previous = owned->previous;
    owned->next = NULL;
    owned->previous = NULL;
    owned->close(owned);
}

void mp_owned_close(lua_State *L, int arg, const char *class)
{
    struct mp_owned **box = luaL_checkudata(L, arg, class);
    struct mp_owned *owned = mp_owned_at(L, arg, class);
    *box = NULL;
    if (owned != NULL)
        let_go(owned);
}

void mp_owned_close_all(struct mp_host *host)
{
    while (host->owned != NULL)
        let_go(host->owned);
}
