/* system.c - the clock, the host and its ports. */
#include "bindings/modules.h"
#include "bindings/raise.h"
#include "bindings/serial.h"
#include "bindings/tasks.h"

#include "engine/clock.h"
#include "engine/large_block.h"
#include "engine/port.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* core.clock_ns() -> nanoseconds of the world that tasks live in: the monotonic clock, or
 * virtual time */
static int clock_ns(lua_State *L)
{
    const struct mp_host *host = mp_host_of(L);
    lua_pushinteger(L, host == NULL ? mp_clock_ns() : mp_world_now(&host->world));
    return 1;
}

/* core.real_ns() -> nanoseconds of the monotonic clock, whatever the world: how long work takes
 */
static int real_ns(lua_State *L)
{
    lua_pushinteger(L, mp_clock_ns());
    return 1;
}

static int wall_ns(lua_State *L)
{
    lua_pushinteger(L, mp_clock_wall_ns());
    return 1;
}

/* core.random_seed() -> a whole number from 1 to 2^31 - 1, from the system's entropy */
static int random_seed(lua_State *L)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        return luaL_error(L, "the system gives no random numbers");
    lua_pushinteger(L, (lua_Integer)(value % 0x7FFFFFFFU) + 1);
    return 1;
}

/* core.draw(seed, position, range) -> 0 .. range: the draw that random rests use */
static int draw(lua_State *L)
{
    lua_Integer seed = luaL_checkinteger(L, 1);
    lua_Integer position = luaL_checkinteger(L, 2);
    lua_Integer range = mp_check_integer(L, 3, 0, LUA_MAXINTEGER);
    lua_pushinteger(
        L, (lua_Integer)mp_schedule_draw((uint64_t)seed, (uint64_t)position, (uint64_t)range));
    return 1;
}

/*
 * core.prioritise() -> true if this process now runs at a real-time priority, below the
 * dispatcher's: for simulators, whose arrival stamps are as good as their turn on the
 * processor.
 */
static int prioritise(lua_State *L)
{
    const struct sched_param param = {.sched_priority = 10};
    lua_pushboolean(L, sched_setscheduler(0, SCHED_FIFO, &param) == 0);
    return 1;
}

static int limit_to(int what, rlim_t most)
{
    struct rlimit limit;
    if (getrlimit(what, &limit) != 0)
        return -1;
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    return setrlimit(what, &limit);
}

/* What this process has taken of what RLIMIT_DATA counts. */
static rlim_t data_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/*
 * core.confine{seconds=, megabytes=, file_megabytes=}: from now on this process may compute no
 * longer (SIGXCPU ends it), take no more memory, write no longer file (SIGXFSZ): for a script
 * of somebody else that is only looked at. The kernel keeps to it, whatever runs.
 */
static int confine(lua_State *L)
{
    static const char *const keys[] = {"seconds", "megabytes", "file_megabytes"};
    static const int limits[] = {RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE};
    luaL_checktype(L, 1, LUA_TTABLE);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        lua_getfield(L, 1, keys[i]);
        rlim_t most = (rlim_t)mp_check_integer(L, -1, 1, 1 << 20);
        if (limits[i] != RLIMIT_CPU)
            most <<= 20;
        if (limits[i] == RLIMIT_DATA)
            most += data_bytes();
        if (limit_to(limits[i], most) != 0)
            return luaL_error(L, "the system sets no limit to %s", keys[i]);
        lua_pop(L, 1);
    }
    return 0;
}

/* core.wire_ns(serial, bytes) -> how long so many bytes are on the wire, in nanoseconds */
static int wire_ns(lua_State *L)
{
    struct mp_serial serial = mp_check_serial(L, 1);
    lua_Integer bytes = mp_check_integer(L, 2, 0, 1 << 20);
    lua_pushinteger(L, mp_serial_wire_ns(&serial, (size_t)bytes));
    return 1;
}

/*
 * core.home() -> the home folder of whoever runs this program, under sudo of who called it |
 * nothing if the system knows none
 */
static int home(lua_State *L)
{
    const char *caller = geteuid() == 0 ? getenv("SUDO_UID") : NULL, *named = getenv("HOME");
    char *end = NULL;
    unsigned long uid = caller != NULL ? strtoul(caller, &end, 10) : 0;
    bool by_sudo = caller != NULL && end != caller && *end == '\0' && uid > 0;
    if (!by_sudo && named != NULL && named[0] == '/') {
        lua_pushstring(L, named);
        return 1;
    }
    const struct passwd *entry = getpwuid(by_sudo ? (uid_t)uid : geteuid());
    if (entry == NULL || entry->pw_dir == NULL)
        return 0;
    lua_pushstring(L, entry->pw_dir);
    return 1;
}

/* core.terminal_width() -> columns of standard output; nothing if it is no terminal */
static int terminal_width(lua_State *L)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/*
 * core.screen(text) -> true when the terminal that is standard output took it, or part of it:
 * what it has no room for is dropped, as the next one comes soon. Never waits.
 */
static int screen(lua_State *L)
{
    static int own = -1; // in a mode of our own: the terminal's other users keep theirs
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (own < 0)
        own = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (own < 0 && poll(&room, 1, 0) <= 0) // not ours to open (sudo): it may wait for a moment
        length = 0;
    lua_pushboolean(L, write(own < 0 ? STDOUT_FILENO : own, text, length) > 0);
    return 1;
}

/* core.executable() -> the path of the running program */
static int executable(lua_State *L)
{
    char path[4096];
    size_t size = sizeof path;
    if (uv_exepath(path, &size) != 0)
        return luaL_error(L, "the system does not say where this program is");
    lua_pushlstring(L, path, size);
    return 1;
}

/* core.large_pages(): nothing in this process is to be on time from now on; its memory may come
 * in large pages */
static int large_pages(lua_State *L)
{
    (void)L;
    mp_large_heap();
    return 0;
}

/* core.host() -> {kernel=, machine=, cpus= (that it may use), pid=} */
static int host(lua_State *L)
{
    uv_utsname_t names;
    if (uv_os_uname(&names) != 0)
        return luaL_error(L, "the system does not say what it is");
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    lua_createtable(L, 0, 4);
    lua_pushfstring(L, "%s %s", names.sysname, names.release);
    lua_setfield(L, -2, "kernel");
    lua_pushstring(L, names.machine);
    lua_setfield(L, -2, "machine");
    lua_pushinteger(L, count);
    lua_setfield(L, -2, "cpus");
    lua_pushinteger(L, getpid());
    lua_setfield(L, -2, "pid");
    return 1;
}

/* Ports are copied in C first: pushing to Lua from the engine's frame could longjmp it. */
enum { PORTS_MAX = 256, PORT_TEXT = 128 };
struct ports {
    size_t count;
    struct {
        char path[PORT_TEXT], description[PORT_TEXT], manufacturer[PORT_TEXT],
            usb_serial[PORT_TEXT];
        int vendor, product;
    } port[PORTS_MAX];
};

static void copy(char *to, const char *from)
{
    (void)snprintf(to, PORT_TEXT, "%s", from == NULL ? "" : from);
}

static void gather(void *context, const struct mp_port_info *info)
{
    struct ports *ports = context;
    if (ports->count == PORTS_MAX)
        return;
    size_t i = ports->count++;
    copy(ports->port[i].path, info->path);
    copy(ports->port[i].description, info->description);
    copy(ports->port[i].manufacturer, info->manufacturer);
    copy(ports->port[i].usb_serial, info->usb_serial);
    ports->port[i].vendor = info->usb_vendor;
    ports->port[i].product = info->usb_product;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    if (text[0] == '\0')
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

/* core.ports() -> {{path=, description=, manufacturer=, usb_serial=, usb_id=}, ...} */
static int ports(lua_State *L)
{
    struct mp_error err = {0};
    struct ports *found = lua_newuserdatauv(L, sizeof *found, 0);
    found->count = 0;
    if (mp_port_list(gather, found, &err) != MP_OK)
        return mp_push_failure(L, &err);
    lua_createtable(L, (int)found->count, 0);
    for (size_t i = 0; i < found->count; i++) {
        lua_createtable(L, 0, 5);
        set_text(L, "path", found->port[i].path);
        set_text(L, "description", found->port[i].description);
        set_text(L, "manufacturer", found->port[i].manufacturer);
        set_text(L, "usb_serial", found->port[i].usb_serial);
        if (found->port[i].vendor >= 0) {
            char id[16];
            (void)snprintf(id, sizeof id, "%04x:%04x",
                           (unsigned)found->port[i].vendor & 0xFFFFU,
                           (unsigned)found->port[i].product & 0xFFFFU);
            set_text(L, "usb_id", id);
        }
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

void mp_open_system(lua_State *L)
{
    static const luaL_Reg functions[] = {{"clock_ns", clock_ns},
                                         {"real_ns", real_ns},
                                         {"wall_ns", wall_ns},
                                         {"random_seed", random_seed},
                                         {"draw", draw},
                                         {"host", host},
                                         {"prioritise", prioritise},
                                         {"confine", confine},
                                         {"wire_ns", wire_ns},
                                         {"home", home},
                                         {"terminal_width", terminal_width},
                                         {"screen", screen},
                                         {"executable", executable},
                                         {"large_pages", large_pages},
                                         {"ports", ports},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
