/* plan.c - plans as Lua values: userdata that hold one reference to an engine plan. */
#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/plan.h"

#include <math.h>
#include <string.h>

const char *const mp_reference_names[] = {"MSO", "RMT", "AMT", NULL};
static const char *const spacing_names[] = {"every", "gap", "train", NULL};
static const char *const kind_names[] = {"pulse",  "rest",     "mark",   "sequence",
                                         "repeat", "parallel", "channel"};

struct mp_plan *mp_check_plan(lua_State *L, int arg)
{
    struct mp_plan **box = luaL_checkudata(L, arg, MP_PLAN);
    return *box;
}

struct mp_plan **mp_new_plan_box(lua_State *L)
{
    struct mp_plan **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, MP_PLAN);
    return box;
}

static int finish(lua_State *L, enum mp_status status, const struct mp_error *err)
{
    return status == MP_OK ? 1 : mp_raise(L, err);
}

/* (percent, reference [, program]) -> plan; program: a number for what the device times */
static int plan_pulse(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 1, LUA_TNUMBER);
    lua_Number percent = lua_tonumber(L, 1);
    int reference = luaL_checkoption(L, 2, NULL, mp_reference_names);
    if (!(percent >= 0 && percent <= 1000)) {
        mp_fail(&err, MP_ERANGE, "intensity %g %%%s is no percentage from 0 up", percent,
                mp_reference_names[reference]);
        return mp_raise(L, &err);
    }
    lua_Integer program = lua_isnoneornil(L, 3) ? 0 : mp_check_integer(L, 3, 0, UINT32_MAX);
    struct mp_pulse pulse = {.intensity_mpct = (int32_t)lround(percent * 1000),
                             .reference = (enum mp_reference)reference,
                             .program = (uint32_t)program};
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_pulse(box, &pulse, &err), &err);
}

static int plan_mark(lua_State *L)
{
    struct mp_error err = {0};
    const char *text = luaL_checkstring(L, 1);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_mark(box, text, &err), &err);
}

/* (plan, plan) -> plan; also the .. operator */
static int plan_then(lua_State *L)
{
    struct mp_error err = {0};
    for (int arg = 1; arg <= 2; arg++)
        if (luaL_testudata(L, arg, MP_PLAN) == NULL)
            return luaL_error(
                L, "plan expected on both sides of .., got %s%s", luaL_typename(L, arg),
                lua_type(L, arg) == LUA_TNUMBER   ? ": silence is mp.rest(seconds)"
                : lua_type(L, arg) == LUA_TSTRING ? ": a mark is mp.mark \"text\""
                : lua_type(L, arg) == LUA_TNIL    ? ": is the name written as it was given?"
                                                  : "");
    struct mp_plan *first = mp_check_plan(L, 1);
    struct mp_plan *second = mp_check_plan(L, 2);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_then(box, first, second, &err), &err);
}

/* ({plan, ...}) -> plan: one after the other, without a plan for each step on the way */
static int plan_sequence_of(lua_State *L)
{
    struct mp_error err = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 1);
    luaL_argcheck(L, count >= 1, 1, "one plan at least expected");
    struct mp_plan **box = mp_new_plan_box(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, 1, i);
        struct mp_plan *next = mp_check_plan(L, -1), *longer = NULL;
        if (*box == NULL)
            longer = mp_plan_ref(next);
        else if (mp_plan_then(&longer, *box, next, &err) != MP_OK)
            return mp_raise(L, &err);
        mp_plan_unref(*box);
        *box = longer;
        lua_pop(L, 1);
    }
    return 1;
}

static uint64_t check_count(lua_State *L, int arg)
{
    int whole = 0;
    lua_Integer count = lua_tointegerx(L, arg, &whole);
    if (lua_type(L, arg) != LUA_TNUMBER || !whole || count < 1)
        luaL_error(L, "a plan is repeated a whole number of times from 1 up, not %s",
                   lua_isstring(L, arg) ? lua_tostring(L, arg) : luaL_typename(L, arg));
    return (uint64_t)count;
}

/* plan * n or n * plan: n times back to back */
static int plan_multiply(lua_State *L)
{
    struct mp_error err = {0};
    int plan_at = luaL_testudata(L, 1, MP_PLAN) != NULL ? 1 : 2;
    struct mp_plan *child = mp_check_plan(L, plan_at);
    uint64_t count = check_count(L, 3 - plan_at);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_repeat(box, child, count, MP_GAP, mp_ratio_whole(0), &err), &err);
}

/* the operators that plans do not have */
static int plan_operator(lua_State *L)
{
    return luaL_error(L, "plans are put together with .. and *: a .. b is a, then b; a * 3 is "
                         "three times a; mp.together { left = a, right = b } is side by side");
}

/* (plan, count, "every"|"gap"|"train", seconds) -> plan */
static int plan_repeat(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_plan *child = mp_check_plan(L, 1);
    uint64_t count = check_count(L, 2);
    int spacing = luaL_checkoption(L, 3, NULL, spacing_names);
    struct mp_ratio period = mp_check_seconds(L, 4);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_repeat(box, child, count, (enum mp_spacing)spacing, period, &err),
                  &err);
}

/* (plan, count, hz) -> plan: a train of count at hz */
static int plan_train(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_plan *child = mp_check_plan(L, 1);
    uint64_t count = check_count(L, 2);
    struct mp_ratio hz = mp_check_ratio(L, 3);
    if (hz.num <= 0)
        return luaL_error(L, "hz = %s is not above 0", luaL_tolstring(L, 3, NULL));
    struct mp_ratio period;
    if (mp_ratio_scale(&period, (struct mp_ratio){hz.den, hz.num}, 1000000000, 1, &err) !=
        MP_OK)
        return mp_raise(L, &err);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_repeat(box, child, count, MP_TRAIN, period, &err), &err);
}

/* ({plan, ...}) -> plan */
static int plan_parallel(lua_State *L)
{
    enum { MOST = 64 };
    struct mp_error err = {0};
    struct mp_plan *children[MOST];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 1);
    luaL_argcheck(L, count >= 1 && count <= MOST, 1, "1 to 64 plans expected");
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, 1, i);
        children[i - 1] = mp_check_plan(L, -1); // the table keeps it alive
        lua_pop(L, 1);
    }
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_parallel(box, children, (size_t)count, &err), &err);
}

/* (plan, name) -> plan */
static int plan_channel(lua_State *L)
{
    struct mp_error err = {0};
    struct mp_plan *child = mp_check_plan(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct mp_plan **box = mp_new_plan_box(L);
    return finish(L, mp_plan_channel(box, child, name, &err), &err);
}

/* (plan, origin, label) -> plan: for the function that has just made it */
static int plan_describe(lua_State *L)
{
    mp_plan_describe(mp_check_plan(L, 1), luaL_optstring(L, 2, ""), luaL_optstring(L, 3, ""));
    lua_settop(L, 1);
    return 1;
}

/* (plan, other) -> plan: for the function that has just made it in the place of the other one
 */
static int plan_like(lua_State *L)
{
    mp_plan_like(mp_check_plan(L, 1), mp_check_plan(L, 2));
    lua_settop(L, 1);
    return 1;
}

static int is_plan(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, MP_PLAN) != NULL);
    return 1;
}

/* (number|text) -> numerator, denominator: what an author's rate or time is taken as */
static int exact(lua_State *L)
{
    struct mp_ratio ratio = mp_check_ratio(L, 1);
    lua_pushinteger(L, ratio.num);
    lua_pushinteger(L, ratio.den);
    return 2;
}

static int call_framed(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/*
 * (function) -> the same one, called through C: "return mp.burst { ... }" is a tail call, which
 * takes the author's line off the stack; an error can name the caller of a C function.
 */
static int framed(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushcclosure(L, call_framed, 1);
    return 1;
}

static void set_seconds(lua_State *L, const char *key, struct mp_ratio ns)
{
    lua_pushnumber(L, mp_ratio_double(ns) / 1e9);
    lua_setfield(L, -2, key);
}

/* An exact time as text that mp_check_seconds reads back: "1/50". */
static void set_exact(lua_State *L, const char *key, struct mp_ratio ns)
{
    struct mp_error err = {0};
    struct mp_ratio seconds;
    if (mp_ratio_scale(&seconds, ns, 1, 1000000000, &err) != MP_OK)
        return; // nil: the caller leaves such a plan alone
    lua_pushfstring(L, "%I/%I", (lua_Integer)seconds.num, (lua_Integer)seconds.den);
    lua_setfield(L, -2, key);
}

/* From onset to onset of the repetitions. */
static void set_every(lua_State *L, const struct mp_plan *plan, const struct mp_plan_view *view)
{
    struct mp_error err = {0};
    struct mp_ratio every = view->period_ns;
    if (view->spacing == MP_GAP &&
        mp_ratio_add(&every, mp_plan_totals(mp_plan_child(plan, 0))->span, view->period_ns,
                     &err) != MP_OK)
        return;
    set_exact(L, "exact_every", every);
}

/*
 * plan:totals() -> {pulses=, marks=, leaves=, first=, last=, span=, span_max=, whole=, depth=,
 * random=, unnamed=, coded=}. leaves: pulses, marks and rests, as a number, for there may be
 * more than 2^63.
 */
static int plan_totals(lua_State *L)
{
    const struct mp_totals *totals = mp_plan_totals(mp_check_plan(L, 1));
    lua_createtable(L, 0, 13);
    lua_pushinteger(L, (lua_Integer)totals->pulses);
    lua_setfield(L, -2, "pulses");
    lua_pushinteger(L, (lua_Integer)totals->marks);
    lua_setfield(L, -2, "marks");
    lua_pushnumber(L, (lua_Number)totals->work.leaves);
    lua_setfield(L, -2, "leaves");
    set_seconds(L, "first", totals->first);
    set_seconds(L, "last", totals->last);
    set_seconds(L, "span", totals->span);
    set_seconds(L, "span_max", totals->span_max);
    set_seconds(L, "whole", totals->whole);
    set_exact(L, "exact_span", totals->span);
    lua_pushinteger(L, totals->depth);
    lua_setfield(L, -2, "depth");
    lua_pushboolean(L, totals->random);
    lua_setfield(L, -2, "random");
    lua_pushboolean(L, totals->unnamed);
    lua_setfield(L, -2, "unnamed");
    lua_pushboolean(L, totals->coded);
    lua_setfield(L, -2, "coded");
    return 1;
}

/* plan:view() -> what this one node is, for outlines */
static int plan_view(lua_State *L)
{
    const struct mp_plan *plan = mp_check_plan(L, 1);
    struct mp_plan_view view = mp_plan_view(plan);
    lua_createtable(L, 0, 12);
    lua_pushstring(L, kind_names[mp_plan_kind(plan)]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, mp_plan_label(plan));
    lua_setfield(L, -2, "label");
    lua_pushstring(L, mp_plan_origin(plan));
    lua_setfield(L, -2, "origin");
    lua_pushstring(L, mp_plan_condition(plan));
    lua_setfield(L, -2, "condition");
    mp_push_roles(L, plan);
    lua_setfield(L, -2, "roles");
    lua_pushinteger(L, mp_plan_code(plan));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, view.text);
    lua_setfield(L, -2, "text");
    lua_pushinteger(L, (lua_Integer)view.children);
    lua_setfield(L, -2, "children");
    if (mp_plan_kind(plan) == MP_PLAN_PULSE) {
        lua_pushnumber(L, view.pulse.intensity_mpct / 1000.0);
        lua_setfield(L, -2, "intensity");
        lua_pushstring(L, mp_reference_names[view.pulse.reference]);
        lua_setfield(L, -2, "reference");
        lua_pushinteger(L, view.pulse.program);
        lua_setfield(L, -2, "program");
    } else if (mp_plan_kind(plan) == MP_PLAN_REST) {
        set_seconds(L, "min", view.min_ns);
        set_seconds(L, "max", view.max_ns);
        set_exact(L, "exact", view.min_ns);
        set_exact(L, "exact_max", view.max_ns);
        mp_push_law(L, view.law);
        lua_setfield(L, -2, "law");
    } else if (mp_plan_kind(plan) == MP_PLAN_REPEAT) {
        lua_pushinteger(L, (lua_Integer)view.count);
        lua_setfield(L, -2, "count");
        lua_pushstring(L, spacing_names[view.spacing]);
        lua_setfield(L, -2, "spacing");
        set_seconds(L, "period", view.period_ns);
        set_exact(L, "exact_period", view.period_ns);
        set_every(L, plan, &view);
        lua_pushnumber(L,
                       1e9 * (lua_Number)view.period_ns.den / (lua_Number)view.period_ns.num);
        lua_setfield(L, -2, "hz");
    }
    return 1;
}

/* plan:child(i) -> plan, from 1 */
static int plan_child(lua_State *L)
{
    const struct mp_plan *plan = mp_check_plan(L, 1);
    lua_Integer index = luaL_checkinteger(L, 2);
    struct mp_plan *child = index < 1 ? NULL : mp_plan_child(plan, (size_t)index - 1);
    if (child == NULL)
        return luaL_argerror(L, 2, "there is no such part");
    struct mp_plan **box = mp_new_plan_box(L);
    *box = mp_plan_ref(child);
    return 1;
}

/* plan:parts() -> of each child: id() (false: no pulse), its whole nanoseconds, what is left */
static int plan_parts(lua_State *L)
{
    const struct mp_plan *plan = mp_check_plan(L, 1);
    for (int list = 0; list < 3; list++)
        lua_newtable(L);
    for (lua_Integer i = 0; i < (lua_Integer)mp_plan_view(plan).children; i++) {
        const struct mp_plan *child = mp_plan_child(plan, (size_t)i);
        struct mp_ratio span = mp_plan_totals(child)->span;
        if (mp_plan_totals(child)->pulses > 0)
            lua_pushinteger(L, (lua_Integer)(intptr_t)child);
        else
            lua_pushboolean(L, false);
        lua_rawseti(L, -4, i + 1);
        lua_pushinteger(L, (lua_Integer)(span.num / span.den));
        lua_rawseti(L, -3, i + 1);
        lua_pushnumber(L, (lua_Number)(span.num % span.den) / (lua_Number)span.den);
        lua_rawseti(L, -2, i + 1);
    }
    return 3;
}

/* plan:id() -> a number that is this node's while it lives: shared parts have the same */
static int plan_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)(intptr_t)mp_check_plan(L, 1));
    return 1;
}

static int plan_gc(lua_State *L)
{
    struct mp_plan **box = luaL_checkudata(L, 1, MP_PLAN);
    mp_plan_unref(*box);
    *box = NULL;
    return 0;
}

static int plan_tostring(lua_State *L)
{
    const struct mp_totals *totals = mp_plan_totals(mp_check_plan(L, 1));
    lua_pushfstring(L, "plan of %I pulses, %f s", (lua_Integer)totals->pulses,
                    mp_ratio_double(totals->span) / 1e9);
    return 1;
}

void mp_open_plan(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pulse", plan_pulse},
                                         {"rest", mp_new_rest},
                                         {"mark", plan_mark},
                                         {"sequence", plan_then},
                                         {"sequence_of", plan_sequence_of},
                                         {"repeat_plan", plan_repeat},
                                         {"train", plan_train},
                                         {"parallel", plan_parallel},
                                         {"channel", plan_channel},
                                         {"describe", plan_describe},
                                         {"like", plan_like},
                                         {"tagged", mp_plan_is_tagged},
                                         {"coded", mp_plan_is_coded},
                                         {"exact", exact},
                                         {"is_plan", is_plan},
                                         {"framed", framed},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"totals", plan_totals}, {"view", plan_view},
                                       {"child", plan_child},   {"parts", plan_parts},
                                       {"id", plan_id},         {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", plan_gc},
                                           {"__concat", plan_then},
                                           {"__mul", plan_multiply},
                                           {"__tostring", plan_tostring},
                                           {"__add", plan_operator},
                                           {"__sub", plan_operator},
                                           {"__div", plan_operator},
                                           {"__idiv", plan_operator},
                                           {"__mod", plan_operator},
                                           {"__pow", plan_operator},
                                           {"__unm", plan_operator},
                                           {"__band", plan_operator},
                                           {"__bor", plan_operator},
                                           {"__call", plan_operator},
                                           {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, MP_PLAN, methods, metamethods);
    lua_setfield(L, -2, "plan_methods"); // the library adds :times and :at
}
