/* threshold.c - simulated muscles, and the threshold from MEP amplitudes, for Lua. */
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "engine/muscle.h"
#include "engine/threshold_filter.h"

#define MUSCLE "moonpulse.muscle"
#define BANK "moonpulse.filter_bank"
#define FILTER "moonpulse.threshold_filter"

struct muscle_box {
    struct mp_muscle muscle;
    struct mp_chance chance;
};

struct bank_box {
    struct mp_filter_bank *bank;
};

struct filter_box {
    struct mp_filter *filter;
};

static const double most_sd = 3.0;
static const int some_parts = 32; // take a hundredth of a second or two

/* A field of the options at 2, of at most most; 0 where it is not there. */
static double option(lua_State *L, const char *key, double least, double most)
{
    if (lua_isnoneornil(L, 2))
        return 0.0;
    lua_getfield(L, 2, key);
    double value = 0.0;
    if (!lua_isnil(L, -1))
        value = mp_check_number(L, -1, least, most);
    lua_pop(L, 1);
    return value;
}

/* core.muscle(seed, {shift=, range=, noise=, spread=}?) -> somebody of the population */
static int muscle_new(lua_State *L)
{
    const lua_Integer seed = luaL_checkinteger(L, 1);
    const struct mp_population population = {
        .shift = option(L, "shift", -most_sd, most_sd),
        .range = option(L, "range", -most_sd, most_sd),
        .noise = option(L, "noise", -most_sd, most_sd),
        .spread = option(L, "spread", -0.5, 1.0),
    };
    struct muscle_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->chance = (struct mp_chance){.seed = (uint64_t)seed};
    mp_muscle_draw(&box->muscle, &population, &box->chance);
    luaL_setmetatable(L, MUSCLE);
    return 1;
}

/* muscle:respond(intensity) -> volts */
static int muscle_respond(lua_State *L)
{
    struct muscle_box *box = luaL_checkudata(L, 1, MUSCLE);
    const double intensity = mp_check_number(L, 2, 0.0, 130.0);
    lua_pushnumber(L, mp_muscle_respond(&box->muscle, intensity, &box->chance));
    return 1;
}

/* muscle:probability(intensity) -> 0 to 1 */
static int muscle_probability(lua_State *L)
{
    const struct muscle_box *box = luaL_checkudata(L, 1, MUSCLE);
    lua_pushnumber(L, mp_muscle_probability(&box->muscle, mp_check_number(L, 2, 0.0, 130.0)));
    return 1;
}

/* muscle:intensity_of(share) -> %MSO */
static int muscle_intensity_of(lua_State *L)
{
    const struct muscle_box *box = luaL_checkudata(L, 1, MUSCLE);
    lua_pushnumber(L, mp_muscle_intensity_of(&box->muscle, mp_check_number(L, 2, 0.0, 1.0)));
    return 1;
}

/* Push the bank of this state, made when it is first asked for. */
static struct mp_filter_bank *push_bank(lua_State *L)
{
    if (lua_getfield(L, LUA_REGISTRYINDEX, BANK " made") == LUA_TUSERDATA)
        return ((struct bank_box *)lua_touserdata(L, -1))->bank;
    lua_pop(L, 1);
    struct bank_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->bank = NULL;
    luaL_setmetatable(L, BANK);
    struct mp_error err = {0};
    if (mp_filter_bank_create(&box->bank, &err) != MP_OK)
        (void)mp_raise(L, &err);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, BANK " made");
    return box->bank;
}

static int bank_close(lua_State *L)
{
    struct bank_box *box = luaL_checkudata(L, 1, BANK);
    mp_filter_bank_destroy(box->bank);
    box->bank = NULL;
    return 0;
}

static struct mp_filter *check_filter(lua_State *L)
{
    const struct filter_box *box = luaL_checkudata(L, 1, FILTER);
    luaL_argcheck(L, box->filter != NULL, 1, "a closed filter");
    return box->filter;
}

/* core.threshold_filter_ready() -> whether the bank is whole: makes some of it */
static int filter_ready(lua_State *L)
{
    lua_pushboolean(L, mp_filter_bank_fill(push_bank(L), some_parts));
    return 1;
}

/* core.threshold_filter() -> it knows nothing but the population */
static int filter_new(lua_State *L)
{
    struct filter_box *box = lua_newuserdatauv(L, sizeof *box, 1); // 1: the bank
    box->filter = NULL;
    luaL_setmetatable(L, FILTER);
    struct mp_filter_bank *bank = push_bank(L);
    while (!mp_filter_bank_fill(bank, some_parts)) {
    }
    lua_setiuservalue(L, -2, 1);
    struct mp_error err = {0};
    if (mp_filter_create(&box->filter, bank, &err) != MP_OK)
        return mp_raise(L, &err);
    return 1;
}

static int filter_close(lua_State *L)
{
    struct filter_box *box = luaL_checkudata(L, 1, FILTER);
    mp_filter_destroy(box->filter);
    box->filter = NULL;
    return 0;
}

/* filter:update(intensity, volts): raises for what is no intensity, or no MEP */
static int filter_update(lua_State *L)
{
    struct mp_filter *filter = check_filter(L);
    const int intensity = (int)mp_check_integer(L, 2, 0, 130);
    struct mp_error err = {0};
    if (mp_filter_update(filter, intensity, mp_check_number(L, 3, 0.0, 1.0), &err) != MP_OK)
        return mp_raise(L, &err);
    return 0;
}

/* filter:estimate() -> mean, median, low, high in %MSO */
static int filter_estimate(lua_State *L)
{
    struct mp_threshold_estimate found;
    mp_filter_estimate(check_filter(L), &found);
    lua_pushnumber(L, found.mean);
    lua_pushnumber(L, found.median);
    lua_pushnumber(L, found.low);
    lua_pushnumber(L, found.high);
    return 4;
}

/* core.exact_exp(x) */
static int exact_exp(lua_State *L)
{
    lua_pushnumber(L, mp_exact_exp(luaL_checknumber(L, 1)));
    return 1;
}

/* core.exact_log(x) */
static int exact_log(lua_State *L)
{
    lua_pushnumber(L, mp_exact_log(luaL_checknumber(L, 1)));
    return 1;
}

/* core.exact_normal(x) -> the integral of the normal distribution up to x */
static int exact_normal(lua_State *L)
{
    lua_pushnumber(L, mp_exact_normal(luaL_checknumber(L, 1)));
    return 1;
}

void mp_open_threshold(lua_State *L)
{
    static const luaL_Reg functions[] = {{"muscle", muscle_new},
                                         {"threshold_filter", filter_new},
                                         {"threshold_filter_ready", filter_ready},
                                         {"exact_exp", exact_exp},
                                         {"exact_log", exact_log},
                                         {"exact_normal", exact_normal},
                                         {NULL, NULL}};
    static const luaL_Reg muscle_methods[] = {{"respond", muscle_respond},
                                              {"probability", muscle_probability},
                                              {"intensity_of", muscle_intensity_of},
                                              {NULL, NULL}};
    static const luaL_Reg filter_methods[] = {{"update", filter_update},
                                              {"estimate", filter_estimate},
                                              {"close", filter_close},
                                              {NULL, NULL}};
    static const luaL_Reg filter_meta[] = {
        {"__gc", filter_close}, {"__close", filter_close}, {NULL, NULL}};
    static const luaL_Reg bank_meta[] = {{"__gc", bank_close}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, MUSCLE, muscle_methods, none);
    mp_new_class(L, FILTER, filter_methods, filter_meta);
    mp_new_class(L, BANK, none, bank_meta);
    lua_pop(L, 3);
}
