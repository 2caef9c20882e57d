/* plan_names.c - what a plan is called in the record: its condition, roles and event code. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/plan.h"

#include <string.h>

/* In the order of enum mp_role. */
static const char *const role_names[] = {"trial", "block", "trials"};
enum { ROLES = sizeof role_names / sizeof role_names[0] };

/* "trial block" -> flags; words that are none are an error. */
static unsigned check_roles(lua_State *L, int arg)
{
    const char *at = luaL_optstring(L, arg, "");
    unsigned roles = 0;
    while (*at != '\0') {
        size_t length = strcspn(at, " ");
        int i = 0;
        while (i < ROLES &&
               (strlen(role_names[i]) != length || memcmp(role_names[i], at, length) != 0))
            i++;
        luaL_argcheck(L, i < ROLES, arg, "a role is trial, block or trials");
        roles |= 1U << i;
        at += length + (at[length] == ' ' ? 1 : 0);
    }
    return roles;
}

void mp_push_roles(lua_State *L, const struct mp_plan *plan)
{
    const unsigned roles = mp_plan_roles(plan);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (int i = 0; i < ROLES; i++)
        if ((roles & 1U << i) != 0) {
            luaL_addstring(&buffer, luaL_bufflen(&buffer) > 0 ? " " : "");
            luaL_addstring(&buffer, role_names[i]);
        }
    luaL_pushresult(&buffer);
}

/* (plan, condition or nil [, roles]) -> the same plan with these: "trial", "block trials" */
int mp_plan_is_tagged(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_plan *plan = mp_check_plan(L, 1);
    const char *condition = luaL_optstring(L, 2, NULL);
    unsigned roles = check_roles(L, 3);
    struct mp_plan **box = mp_new_plan_box(L);
    return mp_plan_tagged(box, plan, condition, roles, &err) == MP_OK ? 1 : mp_raise(L, &err);
}

/* (plan, code) -> the same plan with this event code, of each of its pulses */
int mp_plan_is_coded(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_plan *plan = mp_check_plan(L, 1);
    int64_t code = luaL_checkinteger(L, 2);
    struct mp_plan **box = mp_new_plan_box(L);
    return mp_plan_coded(box, plan, code, &err) == MP_OK ? 1 : mp_raise(L, &err);
}
