/* rest.c - silence: of one length, or drawn by a law that is written as a plan file has it. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/plan.h"

#include <stdlib.h>
#include <string.h>

/* The next word of *at as a string on the stack; NULL: there is none, and nothing is pushed. */
static const char *next_word(lua_State *L, const char **at)
{
    *at += strspn(*at, " ");
    const size_t length = strcspn(*at, " ");
    if (length == 0)
        return NULL;
    const char *word = lua_pushlstring(L, *at, length);
    *at += length;
    return word;
}

static struct mp_ratio next_seconds(lua_State *L, const char **at)
{
    if (next_word(L, at) == NULL)
        luaL_error(L,
                   "a law is: normal MEAN SD, or weighted SECONDS WEIGHT SECONDS WEIGHT ...");
    struct mp_ratio ns = mp_check_seconds(L, -1);
    lua_pop(L, 1);
    return ns;
}

/* Their memory is the stack's. */
static void read_choices(lua_State *L, const char *at, struct mp_law *law)
{
    struct mp_choice *choices = lua_newuserdatauv(L, MP_LAW_MAX_CHOICES * sizeof *choices, 0);
    law->kind = MP_LAW_WEIGHTED;
    law->choices = choices;
    for (;;) {
        at += strspn(at, " ");
        if (*at == '\0')
            return;
        if (law->count == MP_LAW_MAX_CHOICES)
            luaL_error(L, "more than %d lengths to choose from", (int)MP_LAW_MAX_CHOICES);
        struct mp_choice *choice = &choices[law->count++];
        choice->ns = next_seconds(L, &at);
        const char *word = next_word(L, &at);
        if (word == NULL || strspn(word, "0123456789") != strlen(word) || strlen(word) > 18)
            luaL_error(L, "a weight is a whole number from 1 up");
        choice->weight = strtoull(word, NULL, 10);
        lua_pop(L, 1);
    }
}

static void read_law(lua_State *L, int arg, struct mp_law *law)
{
    const char *at = luaL_checkstring(L, arg);
    const char *kind = next_word(L, &at); // stays on the stack
    if (kind != NULL && strcmp(kind, "weighted") == 0) {
        read_choices(L, at, law);
        return;
    }
    luaL_argcheck(L, kind != NULL && strcmp(kind, "normal") == 0, arg,
                  "a law is normal or weighted");
    law->kind = MP_LAW_NORMAL;
    law->mean_ns = next_seconds(L, &at);
    law->sd_ns = next_seconds(L, &at);
    luaL_argcheck(L, at[strspn(at, " ")] == '\0', arg, "a law is: normal MEAN SD");
}

int mp_new_rest(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_law law = {0};
    struct mp_ratio min = mp_check_seconds(L, 1);
    struct mp_ratio max = lua_isnoneornil(L, 2) ? min : mp_check_seconds(L, 2);
    const bool drawn = !lua_isnoneornil(L, 3);
    if (drawn)
        read_law(L, 3, &law);
    struct mp_plan **box = mp_new_plan_box(L);
    return mp_plan_rest_drawn(box, min, max, drawn ? &law : NULL, &err) == MP_OK
               ? 1
               : mp_raise(L, &err);
}

/* " 6/1", at the end of the text on top; false: it does not fit. */
static bool add_seconds(lua_State *L, struct mp_ratio ns)
{
    struct mp_error err = {0};
    struct mp_ratio seconds;
    if (mp_ratio_scale(&seconds, ns, 1, 1000000000, &err) != MP_OK)
        return false;
    lua_pushfstring(L, " %I/%I", (lua_Integer)seconds.num, (lua_Integer)seconds.den);
    lua_concat(L, 2);
    return true;
}

void mp_push_law(lua_State *L, const struct mp_law *law)
{
    const int top = lua_gettop(L);
    bool fits = law != NULL;
    if (fits && law->kind == MP_LAW_NORMAL) {
        lua_pushstring(L, "normal");
        fits = add_seconds(L, law->mean_ns) && add_seconds(L, law->sd_ns);
    } else if (fits) {
        lua_pushstring(L, "weighted");
        for (size_t i = 0; i < law->count && fits; i++) {
            fits = add_seconds(L, law->choices[i].ns);
            lua_pushfstring(L, " %I", (lua_Integer)law->choices[i].weight);
            lua_concat(L, 2);
        }
    }
    if (!fits) {
        lua_settop(L, top);
        if (law == NULL)
            lua_pushnil(L);
        else
            lua_pushboolean(L, false);
    }
}
