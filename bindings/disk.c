/* disk.c - see disk.h. */
#include "bindings/disk.h"

#include "bindings/awake.h"
#include "bindings/backstop.h"
#include "bindings/modules.h"

#include "engine/clock.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stddef.h>

static const char *const files[] = {
    "events.tsv", "journal.jsonl", "manifest.json", "recover.json", "sources", "resolved.plan",
    NULL};
// less than the half second after which a silent loop is a stop: it may have been silent before
static const int64_t hung_ns = 400 * MP_NS_PER_MS;

static _Atomic(const char *) waits;
// the loop thread's own
static int64_t since_ns, awake_since_ns;
static const char *hung_file; // the last that took so long

const char *mp_disk_waits(void)
{
    return atomic_load(&waits);
}

bool mp_disk_hung(void)
{
    return hung_file != NULL;
}

void mp_disk_forget(void)
{
    hung_file = NULL;
}

/* For how long this thread has run, or waited for a processor: that is not the disk's. */
static int64_t awake_ns(void)
{
    mp_awake_begin();
    struct mp_awake awake = mp_awake();
    return awake.ran_ns + awake.delayed_ns;
}

/* core.disk(name of a file of the run): it is about to be written; core.disk(): it was */
static int disk(lua_State *L)
{
    const char *before = atomic_load(&waits);
    int64_t now_ns = mp_clock_ns();
    if (before != NULL && now_ns - since_ns > hung_ns &&
        now_ns - since_ns - (awake_ns() - awake_since_ns) > hung_ns)
        hung_file = before;
    since_ns = now_ns;
    if (!lua_isnoneornil(L, 1))
        awake_since_ns = awake_ns();
    atomic_store(&waits,
                 lua_isnoneornil(L, 1) ? NULL : files[luaL_checkoption(L, 1, NULL, files)]);
    return 0;
}

/* core.hung_file() -> path | nil: a file of this run that the disk took long for */
static int get_hung_file(lua_State *L)
{
    if (hung_file == NULL)
        lua_pushnil(L);
    else
        lua_pushfstring(L, "%s/%s", mp_backstop_folder(), hung_file);
    return 1;
}

void mp_open_disk(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"disk", disk}, {"hung_file", get_hung_file}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
