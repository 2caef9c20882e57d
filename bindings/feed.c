/*
 * feed.c - what a run tells other programs as it goes, and what they ask of it: for Lua.
 *
 * Everything happens on the loop, nothing waits: a reader gets what its socket takes, the rest
 * when there is room again. All read from one ring (engine/feed_log.h): who falls behind it is
 * dropped. What a reader asks is taken a line a turn of the loop, whatever it sends.
 */
#include "bindings/feed.h"

#include "bindings/modules.h"
#include "bindings/raise.h"

#include "engine/clock.h"
#include "engine/spare.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_READERS = 32, ROOM = 4 << 20, OFTEN = 32 << 10 };

static const char other_user[] =
    "{\"event\":\"refused\",\"why\":\"the run is another user's\"}\n";

static void close_feed(struct mp_owned *owned);

/* ---- readers ---- */

static void free_reader(uv_handle_t *handle)
{
    struct mp_feed_reader *reader = handle->data;
    free(reader);
}

void mp_feed_drop(struct mp_feed_reader *reader)
{
    *reader->previous = reader->next;
    if (reader->next != NULL)
        reader->next->previous = reader->previous;
    reader->feed->readers--;
    reader->gone = true;
    (void)uv_poll_stop(&reader->poll);
    (void)close(reader->fd);
    uv_close((uv_handle_t *)&reader->poll, free_reader);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct mp_feed_reader *reader = poll->data;
    if (status < 0)
        mp_feed_drop(reader);
    else if ((events & UV_READABLE) == 0 || mp_feed_hear(reader))
        mp_feed_send(reader);
}

void mp_feed_watch(struct mp_feed_reader *reader, bool writable)
{
    int events = (reader->deaf ? 0 : UV_READABLE) | (writable ? UV_WRITABLE : 0);
    if (events == reader->events)
        return;
    reader->events = events;
    if (events == 0)
        (void)uv_poll_stop(&reader->poll);
    else
        (void)uv_poll_start(&reader->poll, events, on_ready);
}

/* Who closed their side for good without a word: only a look tells. */
static void sweep(struct feed *feed)
{
    for (struct mp_feed_reader *reader = feed->first, *next; reader != NULL; reader = next) {
        struct pollfd look = {.fd = reader->fd};
        next = reader->next;
        if (poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0)
            mp_feed_drop(reader);
    }
}

static void turn_away(struct feed *feed, int fd, const char *line, size_t length)
{
    feed->refused++;
    (void)send(fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static void take_in(struct feed *feed, int fd, pid_t process)
{
    struct mp_feed_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || uv_poll_init(&feed->owned.host->loop, &reader->poll, fd) != 0) {
        free(reader);
        (void)close(fd);
        return;
    }
    uv_unref((uv_handle_t *)&reader->poll);
    reader->poll.data = reader;
    reader->feed = feed;
    reader->fd = fd;
    reader->id = ++feed->came;
    reader->process = process;
    reader->at = feed->log.first;
    reader->next = feed->first;
    reader->previous = &feed->first;
    if (reader->next != NULL)
        reader->next->previous = &reader->next;
    feed->first = reader;
    feed->readers++;
    if (mp_feed_ask(reader, NULL, 0)) {
        mp_feed_watch(reader, false);
        mp_feed_send(reader);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct feed *feed = poll->data;
    pid_t process;
    (void)events;
    int fd = status < 0 ? -1 : mp_spare_accept(feed->socket.fd, &feed->spare);
    if (fd < 0)
        return;
    if (feed->readers == MOST_READERS)
        sweep(feed);
    if (!mp_feed_socket_peer(fd, &process))
        turn_away(feed, fd, other_user, sizeof other_user - 1);
    else if (feed->readers == MOST_READERS)
        turn_away(feed, fd, feed->full, feed->full_length);
    else
        take_in(feed, fd, process);
}

/* ---- the feed ---- */

static void send_to_all(struct feed *feed)
{
    for (struct mp_feed_reader *reader = feed->first, *next; reader != NULL; reader = next) {
        next = reader->next;
        mp_feed_send(reader);
    }
    feed->sent = feed->log.end;
}

static void before_wait(uv_prepare_t *prepare)
{
    struct feed *feed = prepare->data;
    if (feed->sent != feed->log.end)
        send_to_all(feed);
}

static void free_listener(uv_handle_t *handle)
{
    struct feed *feed = handle->data;
    if (--feed->handles == 0)
        free(feed);
}

static void close_feed(struct mp_owned *owned)
{
    struct feed *feed = (struct feed *)owned;
    while (feed->first != NULL)
        mp_feed_drop(feed->first);
    mp_feed_log_close(&feed->log);
    if (feed->spare >= 0)
        (void)close(feed->spare);
    if (feed->handles == 0) {
        mp_feed_socket_close(&feed->socket);
        free(feed);
        return;
    }
    (void)uv_poll_stop(&feed->listener);
    mp_feed_socket_close(&feed->socket);
    uv_close((uv_handle_t *)&feed->listener, free_listener);
    uv_close((uv_handle_t *)&feed->prepare, free_listener);
}

static struct feed *check_feed(lua_State *L)
{
    struct feed *feed = mp_owned_at(L, 1, MP_FEED);
    if (feed == NULL)
        luaL_error(L, "the feed is closed");
    return feed;
}

static void watch_listener(struct feed *feed)
{
    uv_loop_t *loop = &feed->owned.host->loop;
    if (uv_poll_init(loop, &feed->listener, feed->socket.fd) != 0)
        return;
    (void)uv_prepare_init(loop, &feed->prepare);
    feed->handles = 2;
    feed->listener.data = feed->prepare.data = feed;
    (void)uv_poll_start(&feed->listener, UV_READABLE, on_connection);
    (void)uv_prepare_start(&feed->prepare, before_wait);
    uv_unref((uv_handle_t *)&feed->listener);
    uv_unref((uv_handle_t *)&feed->prepare);
}

/*
 * core.feed(path) -> feed | nil, message, code. From now on other programs can connect; they
 * are taken in from feed:serve on. "busy": something is there that somebody listens at, or that
 * is no socket.
 */
static int feed_new(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct mp_error err = {0};
    struct feed *feed = mp_own(L, MP_FEED, sizeof *feed, 1, close_feed);
    feed->on_event = LUA_NOREF;
    feed->socket.fd = feed->spare = -1;
    if (!mp_feed_log_open(&feed->log, ROOM))
        return luaL_error(L, "not enough memory");
    if (mp_feed_socket_open(&feed->socket, path, &err) != MP_OK) {
        mp_owned_close(L, -1, MP_FEED);
        return mp_push_failure(L, &err);
    }
    feed->spare = mp_spare_of(feed->socket.fd);
    return 1;
}

/*
 * feed:serve(on_event(id, process, line | nil) -> text | nil, leave; full): take in who comes.
 * With line nil a program has connected, and what is returned is its first line; else it has
 * asked something, and that is the answer, a line without its newline; with leave it is let go
 * of then. Must not raise. full: the only line, without its newline, of who finds 32 readers
 * there.
 */
static int feed_serve(lua_State *L)
{
    struct feed *feed = check_feed(L);
    size_t length;
    luaL_checktype(L, 2, LUA_TFUNCTION);
    const char *full = luaL_checklstring(L, 3, &length);
    luaL_argcheck(L, length < sizeof feed->full, 3, "it is too long");
    memcpy(feed->full, full, length);
    feed->full[length] = '\n';
    feed->full_length = length + 1;
    lua_settop(L, 2);
    if (feed->handles == 0)
        watch_listener(feed);
    luaL_unref(L, LUA_REGISTRYINDEX, feed->on_event);
    feed->on_event = LUA_NOREF;
    feed->on_event = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* feed:tell(line) -> true; false: it is too long. All readers get it, in the order in which
 * lines are told. */
static int feed_tell(lua_State *L)
{
    struct feed *feed = check_feed(L);
    size_t length;
    const char *line = luaL_checklstring(L, 2, &length);
    bool told = mp_feed_log_add(&feed->log, line, length);
    for (struct mp_feed_reader *reader = feed->first, *next; reader != NULL; reader = next) {
        next = reader->next;
        if (reader->at >= feed->log.first)
            continue;
        feed->dropped++;
        mp_feed_drop(reader);
    }
    if (feed->log.end - feed->sent >=
        OFTEN) // a run in virtual time turns its loop now and then
        send_to_all(feed);
    lua_pushboolean(L, told);
    return 1;
}

/* feed:counts() -> readers, came, dropped, refused, first: so many are there, came, were too
 * slow, and were turned away; the number of the oldest line that a new one gets, from 1 */
static int feed_counts(lua_State *L)
{
    const struct feed *feed = check_feed(L);
    lua_pushinteger(L, feed->readers);
    lua_pushinteger(L, (lua_Integer)feed->came);
    lua_pushinteger(L, (lua_Integer)feed->dropped);
    lua_pushinteger(L, (lua_Integer)feed->refused);
    lua_pushinteger(L, (lua_Integer)feed->log.gone + 1);
    return 5;
}

/* How many have not got all of it. */
static unsigned behind(const struct feed *feed)
{
    unsigned count = 0;
    for (const struct mp_feed_reader *reader = feed->first; reader != NULL;
         reader = reader->next)
        if (!reader->leaves && (reader->at < feed->log.end || reader->own_length > 0))
            count++;
    return count;
}

static uint64_t read_by_all(const struct feed *feed)
{
    uint64_t sum = feed->came;
    for (const struct mp_feed_reader *reader = feed->first; reader != NULL;
         reader = reader->next)
        sum += reader->at;
    return sum;
}

/*
 * feed:finish(patience, most): let readers have the rest, in seconds: so long while none takes
 * anything, so long in all; who has not taken it then counts as dropped. The loop stands still
 * meanwhile: when the run is over.
 */
static int feed_finish(lua_State *L)
{
    struct feed *feed = check_feed(L);
    const int64_t patience_ns = (int64_t)(mp_check_number(L, 2, 0, 60) * 1e9);
    const int64_t end_ns = mp_clock_ns() + (int64_t)(mp_check_number(L, 3, 0, 60) * 1e9);
    uint64_t had = 0;
    for (int64_t since_ns = mp_clock_ns(); behind(feed) > 0; send_to_all(feed)) {
        int64_t now_ns = mp_clock_ns();
        uint64_t has = read_by_all(feed);
        if (has != had)
            since_ns = now_ns;
        had = has;
        if (now_ns - since_ns >= patience_ns || now_ns >= end_ns)
            break;
        (void)poll(NULL, 0, 1);
    }
    feed->dropped += behind(feed);
    return 0;
}

/* feed:close(); also __gc and __close */
static int feed_close(lua_State *L)
{
    const struct feed *feed = mp_owned_at(L, 1, MP_FEED);
    if (feed == NULL)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, feed->on_event);
    mp_owned_close(L, 1, MP_FEED);
    return 0;
}

void mp_open_feed(lua_State *L)
{
    static const luaL_Reg functions[] = {{"feed", feed_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"serve", feed_serve},   {"tell", feed_tell},
                                       {"counts", feed_counts}, {"finish", feed_finish},
                                       {"close", feed_close},   {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", feed_close}, {"__close", feed_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, MP_FEED, methods, metamethods);
    lua_pop(L, 1);
}
