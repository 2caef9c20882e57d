/* feed_reader.c - one reader of a feed: what it is given, and what it asks. */
#include "bindings/feed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST_AT_ONCE = 256 << 10 }; // bytes a turn: the loop has other work

/* ---- to it ---- */

/* How many bytes it took; -1: it is gone. */
static ssize_t give(const struct mp_feed_reader *reader, const char *bytes, size_t length)
{
    ssize_t took = send(reader->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (took < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return took;
}

/* Lines of its own, between two lines of the log. */
static ssize_t give_own(struct mp_feed_reader *reader)
{
    ssize_t took = give(reader, reader->own, reader->own_length);
    if (took > 0) {
        reader->own_length -= (size_t)took;
        memmove(reader->own, reader->own + took, reader->own_length);
    }
    return took;
}

static ssize_t give_log(struct mp_feed_reader *reader)
{
    const char *bytes;
    size_t length = mp_feed_log_at(&reader->feed->log, reader->at, &bytes);
    if (reader->own_length > 0) { // they wait for the end of this line
        const char *newline = memchr(bytes, '\n', length);
        length = newline == NULL ? length : (size_t)(newline - bytes) + 1;
    }
    ssize_t took = give(reader, bytes, length);
    if (took > 0) {
        reader->at += (uint64_t)took;
        reader->amid = bytes[took - 1] != '\n';
    }
    return took;
}

void mp_feed_send(struct mp_feed_reader *reader)
{
    ssize_t took = 1;
    for (size_t given = 0; took > 0 && given < MOST_AT_ONCE; given += (size_t)took) {
        if (reader->own_length > 0 && !reader->amid)
            took = give_own(reader);
        else if (!reader->leaves && reader->at < reader->feed->log.end)
            took = give_log(reader);
        else
            break;
        if (took < 0) {
            mp_feed_drop(reader);
            return;
        }
    }
    bool rest =
        reader->own_length > 0 || (!reader->leaves && reader->at < reader->feed->log.end);
    if (reader->leaves && !rest)
        mp_feed_drop(reader);
    else
        mp_feed_watch(reader, rest);
}

/* ---- from it ---- */

struct asking {
    struct mp_feed_reader *reader;
    const char *line; // NULL: it has come
    size_t length;
    bool fits;
};

static int ask(lua_State *L)
{
    struct asking *asking = lua_touserdata(L, 1);
    struct mp_feed_reader *reader = asking->reader;
    lua_rawgeti(L, LUA_REGISTRYINDEX, reader->feed->on_event);
    lua_pushinteger(L, (lua_Integer)reader->id);
    lua_pushinteger(L, (lua_Integer)reader->process);
    if (asking->line == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, asking->line, asking->length);
    lua_call(L, 3, 2);
    if (reader->gone) // what was told meanwhile was too much for it
        return 0;
    size_t length = 0;
    const char *text = lua_tolstring(L, -2, &length);
    if (lua_toboolean(L, -1))
        reader->leaves = reader->deaf = true;
    if (text == NULL)
        return 0;
    asking->fits = length + 1 <= sizeof reader->own - reader->own_length;
    if (asking->fits) {
        memcpy(reader->own + reader->own_length, text, length);
        reader->own[reader->own_length + length] = '\n';
        reader->own_length += length + 1;
    }
    return 0;
}

bool mp_feed_ask(struct mp_feed_reader *reader, const char *line, size_t length)
{
    struct asking asking = {.reader = reader, .line = line, .length = length, .fits = true};
    if (!mp_host_enter(reader->feed->owned.host, ask, &asking) && !reader->gone)
        reader->leaves = reader->deaf = true;
    if (reader->gone)
        return false;
    if (asking.fits)
        return true;
    reader->feed->dropped++; // it asks, and does not read the answers
    mp_feed_drop(reader);
    return false;
}

/* It says nothing more. Who has closed both ways is gone. */
static bool heard_all(struct mp_feed_reader *reader)
{
    struct pollfd look = {.fd = reader->fd};
    reader->deaf = true;
    if (poll(&look, 1, 0) <= 0 || (look.revents & (POLLHUP | POLLERR)) == 0)
        return true;
    mp_feed_drop(reader);
    return false;
}

bool mp_feed_hear(struct mp_feed_reader *reader)
{
    char *next = reader->asks + reader->got;
    size_t room = sizeof reader->asks - reader->got;
    ssize_t here = recv(reader->fd, next, room, MSG_PEEK | MSG_DONTWAIT);
    if (here < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (here <= 0)
        return heard_all(reader);
    const char *newline = memchr(next, '\n', (size_t)here);
    size_t taken = newline == NULL ? (size_t)here : (size_t)(newline - next) + 1;
    (void)recv(reader->fd, next, taken, MSG_DONTWAIT); // the rest is another turn's
    reader->got += taken;
    if (newline == NULL && reader->got < sizeof reader->asks)
        return true;
    size_t length = reader->got - (newline == NULL ? 0 : 1); // a whole buffer is too long
    reader->got = 0;
    return mp_feed_ask(reader, reader->asks, length);
}
