/*
 * lsl.c - a stream of markers over LSL, for Lua: it is found and asked for its time in
 * datagrams, and gives samples over TCP.
 *
 * Everything happens on the loop, nothing waits. Samples lie in one ring (engine/feed_log.h),
 * which every receiver goes through at its own pace: who falls behind it loses the oldest.
 */
#include "bindings/lsl.h"

#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/spare.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CLIENTS = 32, ROOM = 4 << 20, OFTEN = 32 << 10, MOST_ANSWERS = 16 };

/* ---- datagrams ---- */

static void answer_shortinfo(const struct mp_lsl_outlet *outlet,
                             const struct mp_lsl_datagram *got,
                             const struct mp_lsl_request *request)
{
    const struct mp_lsl_info *info = &outlet->info;
    char bytes[sizeof info->short_xml + 80];
    if (!mp_lsl_query_matches(request->query, request->query_length, info->facts, MP_LSL_FACTS))
        return;
    int length = snprintf(bytes, sizeof bytes, "%.*s\r\n%s", (int)request->id_length,
                          request->id, info->short_xml);
    mp_lsl_net_answer(&outlet->net, got, request->port, bytes, (size_t)length);
}

/* When it came and when this goes, in seconds of the clock that samples are timed by. */
static void answer_timedata(const struct mp_lsl_outlet *outlet,
                            const struct mp_lsl_datagram *got,
                            const struct mp_lsl_request *request)
{
    char bytes[160];
    int64_t now_ns = mp_clock_ns();
    int length =
        snprintf(bytes, sizeof bytes, " %.*s %" PRId64 ".%09" PRId64 " %" PRId64 ".%09" PRId64,
                 (int)request->id_length, request->id, got->at_ns / MP_NS_PER_S,
                 got->at_ns % MP_NS_PER_S, now_ns / MP_NS_PER_S, now_ns % MP_NS_PER_S);
    mp_lsl_net_answer(&outlet->net, got, 0, bytes, (size_t)length);
}

/* Some of them a turn: a storm of them holds nothing up. */
static void on_datagram(uv_poll_t *poll_of, int status, int events)
{
    const struct mp_lsl_outlet *outlet = poll_of->data;
    bool service = poll_of == &outlet->service;
    struct mp_lsl_datagram got;
    (void)events;
    for (int i = 0; i < MOST_ANSWERS && status >= 0; i++) {
        int fd = service ? outlet->net.service : outlet->net.queries;
        if (!mp_lsl_net_receive(&outlet->net, fd, &got))
            return;
        struct mp_lsl_request request = mp_lsl_datagram_read(got.bytes, got.length);
        if (request.asks == MP_LSL_SHORTINFO)
            answer_shortinfo(outlet, &got, &request);
        else if (request.asks == MP_LSL_TIMEDATA && service)
            answer_timedata(outlet, &got, &request);
    }
}

/* ---- who connects ---- */

/* Who has connected and has not asked for anything yet, the longest. */
static struct mp_lsl_client *idle_of(const struct mp_lsl_outlet *outlet)
{
    struct mp_lsl_client *idle = NULL;
    for (struct mp_lsl_client *each = outlet->first; each != NULL; each = each->next)
        idle = each->state == MP_LSL_ASKING ? each : idle;
    return idle;
}

static void on_connection(uv_poll_t *poll_of, int status, int events)
{
    struct mp_lsl_outlet *outlet = poll_of->data;
    (void)events;
    int fd = status < 0 ? -1 : mp_spare_accept(outlet->net.data, &outlet->spare);
    if (fd < 0)
        return;
    struct mp_lsl_client *idle = outlet->clients < MOST_CLIENTS ? NULL : idle_of(outlet);
    if (idle != NULL)
        mp_lsl_client_drop(idle);
    if (outlet->clients < MOST_CLIENTS) {
        mp_lsl_client_new(outlet, fd);
        return;
    }
    outlet->refused++;
    (void)close(fd);
}

/* ---- the outlet ---- */

static void send_to_all(struct mp_lsl_outlet *outlet)
{
    for (struct mp_lsl_client *each = outlet->first, *next; each != NULL; each = next) {
        next = each->next;
        mp_lsl_client_send(each);
    }
    outlet->sent = outlet->log.end;
}

static void before_wait(uv_prepare_t *prepare)
{
    struct mp_lsl_outlet *outlet = prepare->data;
    if (outlet->sent != outlet->log.end)
        send_to_all(outlet);
}

static void free_outlet(uv_handle_t *handle)
{
    struct mp_lsl_outlet *outlet = handle->data;
    if (--outlet->handles == 0)
        free(outlet);
}

static void close_outlet(struct mp_owned *owned)
{
    struct mp_lsl_outlet *outlet = (struct mp_lsl_outlet *)owned;
    while (outlet->first != NULL)
        mp_lsl_client_drop(outlet->first);
    mp_feed_log_close(&outlet->log);
    if (outlet->spare >= 0)
        (void)close(outlet->spare);
    // the loop may have taken none of them, or some: those have their data
    uv_poll_t *const polls[] = {&outlet->data, &outlet->service, &outlet->queries};
    for (int i = 0; i < 3; i++)
        if (polls[i]->data != NULL)
            (void)uv_poll_stop(polls[i]);
    mp_lsl_net_close(&outlet->net);
    if (outlet->handles == 0) {
        free(outlet);
        return;
    }
    for (int i = 0; i < 3; i++)
        if (polls[i]->data != NULL)
            uv_close((uv_handle_t *)polls[i], free_outlet);
    if (outlet->prepare.data != NULL)
        uv_close((uv_handle_t *)&outlet->prepare, free_outlet);
}

static struct mp_lsl_outlet *check_outlet(lua_State *L)
{
    struct mp_lsl_outlet *outlet = mp_owned_at(L, 1, MP_LSL);
    if (outlet == NULL)
        luaL_error(L, "the stream is closed");
    return outlet;
}

/*
 * core.lsl(all) -> outlet | nil, message, code. Its ports are there from now on; it is found,
 * and gives samples, from outlet:serve on. all: also to other computers, else only to programs
 * on this one. "busy": the port at which streams are looked for is somebody's alone.
 */
static int outlet_new(lua_State *L)
{
    bool all = lua_toboolean(L, 1);
    struct mp_error err = {0};
    struct mp_lsl_outlet *outlet = mp_own(L, MP_LSL, sizeof *outlet, 0, close_outlet);
    outlet->net.data = outlet->net.service = outlet->net.queries = outlet->spare = -1;
    if (!mp_feed_log_open(&outlet->log, ROOM))
        return luaL_error(L, "not enough memory");
    if (mp_lsl_net_open(&outlet->net, all, &err) != MP_OK) {
        mp_owned_close(L, -1, MP_LSL);
        return mp_push_failure(L, &err);
    }
    outlet->spare = mp_spare_of(outlet->net.data);
    return 1;
}

static int watch_all(struct mp_lsl_outlet *outlet)
{
    uv_loop_t *loop = &outlet->owned.host->loop;
    uv_poll_t *const polls[] = {&outlet->data, &outlet->service, &outlet->queries};
    const int fds[] = {outlet->net.data, outlet->net.service, outlet->net.queries};
    for (int i = 0; i < 3; i++) {
        int failed = uv_poll_init(loop, polls[i], fds[i]);
        if (failed != 0)
            return failed;
        outlet->handles++;
        polls[i]->data = outlet;
        (void)uv_poll_start(polls[i], UV_READABLE, i == 0 ? on_connection : on_datagram);
        uv_unref((uv_handle_t *)polls[i]);
    }
    (void)uv_prepare_init(loop, &outlet->prepare);
    outlet->handles++;
    outlet->prepare.data = outlet;
    (void)uv_prepare_start(&outlet->prepare, before_wait);
    uv_unref((uv_handle_t *)&outlet->prepare);
    return 0;
}

/*
 * outlet:serve(name, run, version) -> uid | nil, message, code. From now on it is there: name
 * of the stream, 1 to 64 bytes; name of the run, and the program's version. Once.
 */
static int outlet_serve(lua_State *L)
{
    struct mp_lsl_outlet *outlet = check_outlet(L);
    const char *name = luaL_checkstring(L, 2), *run = luaL_checkstring(L, 3);
    const char *version = luaL_checkstring(L, 4);
    struct mp_error err = {0};
    luaL_argcheck(L, outlet->handles == 0, 1, "it serves already");
    if (mp_lsl_info_make(&outlet->info, name, run, version, outlet->net.data_port,
                         outlet->net.service_port, &err) != MP_OK)
        return mp_push_failure(L, &err);
    mp_lsl_net_drain(outlet->net.service); // who asked before has given up
    mp_lsl_net_drain(outlet->net.queries);
    if (watch_all(outlet) != 0) {
        (void)mp_fail(&err, MP_EIO, "the loop takes no more sockets");
        return mp_push_failure(L, &err);
    }
    lua_pushstring(L, outlet->info.uid);
    return 1;
}

/* outlet:push(time_ns, text) -> true; false: it is longer than 1024 bytes. A sample of that
 * time (monotonic), to everybody who receives now. What of the text is a newline becomes a
 * space. */
static int outlet_push(lua_State *L)
{
    struct mp_lsl_outlet *outlet = check_outlet(L);
    lua_Integer time_ns = luaL_checkinteger(L, 2);
    size_t length;
    const char *text = luaL_checklstring(L, 3, &length);
    char line[16 + MP_LSL_TEXT + 1];
    if (length > MP_LSL_TEXT) {
        lua_pushboolean(L, 0);
        return 1;
    }
    (void)snprintf(line, sizeof line, "%016" PRIx64, (uint64_t)time_ns);
    for (size_t i = 0; i < length; i++)
        line[16 + i] = text[i];
    for (char *at = line + 16; (at = memchr(at, '\n', (size_t)(line + 16 + length - at)));)
        *at = ' ';
    (void)mp_feed_log_add(&outlet->log, line, 16 + length);
    outlet->samples++;
    if (outlet->log.end - outlet->sent >= OFTEN) // a script that is busy turns no loop
        send_to_all(outlet);
    lua_pushboolean(L, 1);
    return 1;
}

/* Samples that receivers who are there have not got. */
static uint64_t behind(const struct mp_lsl_outlet *outlet)
{
    uint64_t count = 0;
    for (const struct mp_lsl_client *each = outlet->first; each != NULL; each = each->next)
        count += mp_lsl_client_behind(each);
    return count;
}

static bool all_given(const struct mp_lsl_outlet *outlet)
{
    for (const struct mp_lsl_client *each = outlet->first; each != NULL; each = each->next)
        if (each->from < each->to)
            return false;
    return behind(outlet) == 0;
}

/* outlet:counts() -> receivers, most, samples, lost, refused: who receives now, and at most at
 * once so far; samples; of these, how many did not get to one who received, over all receivers,
 * as they were not taken in time or its connection broke; who was not taken in, as 32 were
 * connected.
 */
static int outlet_counts(lua_State *L)
{
    const struct mp_lsl_outlet *outlet = check_outlet(L);
    lua_pushinteger(L, outlet->receivers);
    lua_pushinteger(L, outlet->most);
    lua_pushinteger(L, (lua_Integer)outlet->samples);
    lua_pushinteger(L, (lua_Integer)outlet->lost);
    lua_pushinteger(L, (lua_Integer)outlet->refused);
    return 5;
}

/*
 * outlet:finish(patience, most): let receivers have the rest, in seconds: so long while none
 * takes anything, so long in all; what is not taken then counts as lost. The loop stands still
 * meanwhile: when the run is over.
 */
static int outlet_finish(lua_State *L)
{
    struct mp_lsl_outlet *outlet = check_outlet(L);
    const int64_t patience_ns = (int64_t)(mp_check_number(L, 2, 0, 60) * 1e9);
    const int64_t end_ns = mp_clock_ns() + (int64_t)(mp_check_number(L, 3, 0, 60) * 1e9);
    uint64_t had = UINT64_MAX;
    for (int64_t since_ns = mp_clock_ns(); !all_given(outlet);) {
        send_to_all(outlet);
        int64_t now_ns = mp_clock_ns();
        uint64_t has = behind(outlet);
        since_ns = has != had ? now_ns : since_ns;
        had = has;
        if (now_ns - since_ns >= patience_ns || now_ns >= end_ns)
            break;
        (void)poll(NULL, 0, 1);
    }
    outlet->lost += behind(outlet);
    return 0;
}

/* outlet:close(); also __gc and __close */
static int outlet_close(lua_State *L)
{
    if (mp_owned_at(L, 1, MP_LSL) != NULL)
        mp_owned_close(L, 1, MP_LSL);
    return 0;
}

void mp_open_lsl(lua_State *L)
{
    static const luaL_Reg functions[] = {{"lsl", outlet_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"serve", outlet_serve},   {"push", outlet_push},
                                       {"counts", outlet_counts}, {"finish", outlet_finish},
                                       {"close", outlet_close},   {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", outlet_close}, {"__close", outlet_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, MP_LSL, methods, metamethods);
    lua_pop(L, 1);
}
