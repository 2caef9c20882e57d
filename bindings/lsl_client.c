/* lsl_client.c - who has connected to a stream of LSL: what it asks, and what it is given. */
#include "bindings/lsl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 256 << 10 }; // bytes a turn: the loop has other work
enum { KEPT = 128 << 10 };         // that the kernel keeps for who takes none: beside the ring
enum { DIGITS = 16 };              // of a sample's time in the log
enum { LINE_ROOM = DIGITS + MP_LSL_TEXT };

_Static_assert((int)MP_LSL_GIVES > (int)MP_LSL_HEAD_ROOM + (int)MP_LSL_SAMPLE_ROOM &&
                   (int)MP_LSL_GIVES > (int)sizeof((struct mp_lsl_info *)0)->full_xml,
               "whatever is made ready has room");

static void free_client(uv_handle_t *handle)
{
    struct mp_lsl_client *client = handle->data;
    free(client);
}

void mp_lsl_client_drop(struct mp_lsl_client *client)
{
    *client->previous = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    client->outlet->clients--;
    if (client->state == MP_LSL_RECEIVING)
        client->outlet->receivers--;
    (void)uv_poll_stop(&client->poll);
    (void)close(client->fd);
    uv_close((uv_handle_t *)&client->poll, free_client);
}

/* ---- to it ---- */

uint64_t mp_lsl_client_behind(const struct mp_lsl_client *client)
{
    if (client->state != MP_LSL_RECEIVING)
        return 0;
    uint64_t count = client->outlet->samples - client->line;
    for (int i = client->made; i > 0 && client->ends[i - 1] > client->from; i--)
        count++;
    return count;
}

/* Its connection broke: what it has not got is lost to it. */
static void drop_broken(struct mp_lsl_client *client)
{
    client->outlet->lost += mp_lsl_client_behind(client);
    mp_lsl_client_drop(client);
}

/* The line of the log that is next for it, without its newline. */
static size_t next_line(struct mp_lsl_client *client, char line[LINE_ROOM])
{
    const struct mp_feed_log *log = &client->outlet->log;
    size_t length = 0;
    for (const char *newline = NULL, *bytes; newline == NULL && client->at < log->end;) {
        size_t here = mp_feed_log_at(log, client->at, &bytes);
        newline = memchr(bytes, '\n', here);
        size_t part = newline == NULL ? here : (size_t)(newline - bytes);
        size_t fits = part < LINE_ROOM - length ? part : LINE_ROOM - length;
        memcpy(line + length, bytes, fits);
        length += fits;
        client->at += part + (newline == NULL ? 0 : 1);
    }
    client->line++;
    return length;
}

static int64_t time_of(const char digits[DIGITS])
{
    uint64_t value = 0;
    for (int i = 0; i < DIGITS; i++)
        value =
            value << 4 | (uint64_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return (int64_t)value;
}

/* Make samples ready as far as there is room. */
static void fill(struct mp_lsl_client *client)
{
    const struct mp_feed_log *log = &client->outlet->log;
    if (client->from == client->to) {
        client->from = client->to = 0;
        client->made = 0;
    }
    if (client->state != MP_LSL_RECEIVING)
        return;
    if (client->at < log->first) { // it has fallen behind all that is kept
        client->outlet->lost += log->gone - client->line;
        client->line = log->gone;
        client->at = log->first;
    }
    char line[LINE_ROOM];
    while (client->at < log->end && client->made < MP_LSL_MADE &&
           sizeof client->ready - client->to >= MP_LSL_SAMPLE_ROOM) {
        size_t length = next_line(client, line);
        client->to += mp_lsl_put_sample(client->ready + client->to, client->form, time_of(line),
                                        line + DIGITS, length - DIGITS);
        client->ends[client->made++] = (uint16_t)client->to;
    }
}

/* Look for what it says, unless it is deaf, and for room. */
static void watch(struct mp_lsl_client *client, bool writable);

void mp_lsl_client_send(struct mp_lsl_client *client)
{
    ssize_t took = 1;
    for (size_t given = 0; took > 0 && given < MOST_AT_ONCE; given += (size_t)took) {
        fill(client);
        if (client->from == client->to)
            break;
        took = send(client->fd, client->ready + client->from, client->to - client->from,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
        if (took < 0 && (errno == EAGAIN || errno == EINTR))
            took = 0;
        if (took < 0) {
            drop_broken(client);
            return;
        }
        client->from += (size_t)took;
    }
    bool more = client->state == MP_LSL_RECEIVING && client->at < client->outlet->log.end;
    if (client->state == MP_LSL_LEAVING && client->from == client->to)
        mp_lsl_client_drop(client);
    else
        watch(client, client->from < client->to || more);
}

/* ---- from it ---- */

static void ready(struct mp_lsl_client *client, const char *bytes, size_t length)
{
    memcpy(client->ready, bytes, length);
    client->to = length;
    client->state = MP_LSL_LEAVING;
}

static void ready_status(struct mp_lsl_client *client, const char *status)
{
    client->to = (size_t)snprintf(client->ready, sizeof client->ready, "LSL/%d %s\r\n\r\n",
                                  MP_LSL_VERSION, status);
    client->state = MP_LSL_LEAVING;
}

/* It wants samples: from now on. */
static void begin_feed(struct mp_lsl_client *client, const struct mp_lsl_request *request)
{
    struct mp_lsl_outlet *outlet = client->outlet;
    const char *uid = outlet->info.uid;
    if (request->version / 100 > MP_LSL_VERSION / 100) {
        ready_status(client, "505 Version not supported");
        return;
    } else if (request->uid_length > 0 && (request->uid_length != strlen(uid) ||
                                           memcmp(request->uid, uid, strlen(uid)) != 0)) {
        ready_status(client, "404 Not found");
        return;
    }
    client->form =
        (struct mp_lsl_form){.data = request->data, .big_endian = request->big_endian};
    client->to = mp_lsl_put_head(client->ready, &outlet->info, client->form,
                                 request->version >= MP_LSL_VERSION);
    client->state = request->no_samples ? MP_LSL_LEAVING : MP_LSL_RECEIVING;
    client->at = outlet->log.end;
    client->line = outlet->samples;
    if (client->state != MP_LSL_RECEIVING)
        return;
    outlet->receivers++;
    if (outlet->receivers > outlet->most)
        outlet->most = outlet->receivers;
}

/* False: it was dropped. */
static bool answer(struct mp_lsl_client *client)
{
    const struct mp_lsl_info *info = &client->outlet->info;
    struct mp_lsl_request request = mp_lsl_request_read(client->asked, client->got);
    switch (request.asks) {
    case MP_LSL_MORE:
        return true;
    case MP_LSL_FULLINFO:
        ready(client, info->full_xml, info->full_length);
        return true;
    case MP_LSL_FEED:
        begin_feed(client, &request);
        return true;
    case MP_LSL_SHORTINFO:
        if (mp_lsl_query_matches(request.query, request.query_length, info->facts,
                                 MP_LSL_FACTS)) {
            ready(client, info->short_xml, info->short_length);
            return true;
        }
        break;
    case MP_LSL_NONE:
    case MP_LSL_TIMEDATA:
        break;
    }
    mp_lsl_client_drop(client);
    return false;
}

/* It says nothing more. Who gets samples would not close its side: it is gone, and so is who
 * never asked. False: it was dropped. */
static bool heard_all(struct mp_lsl_client *client)
{
    client->deaf = true;
    if (client->state == MP_LSL_LEAVING)
        return true;
    mp_lsl_client_drop(client);
    return false;
}

/* Take what it says; once it has asked, that is nothing of interest. False: it was dropped. */
static bool hear(struct mp_lsl_client *client)
{
    char rest[512];
    bool asks = client->state == MP_LSL_ASKING;
    ssize_t here = recv(client->fd, asks ? client->asked + client->got : rest,
                        asks ? sizeof client->asked - client->got : sizeof rest, MSG_DONTWAIT);
    if (here < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (here < 0) {
        drop_broken(client);
        return false;
    }
    if (here == 0)
        return heard_all(client);
    if (!asks)
        return true;
    client->got += (size_t)here;
    return answer(client);
}

static void on_ready(uv_poll_t *poll_of, int status, int events)
{
    struct mp_lsl_client *client = poll_of->data;
    if (status < 0)
        drop_broken(client);
    else if ((events & UV_READABLE) == 0 || hear(client))
        mp_lsl_client_send(client);
}

static void watch(struct mp_lsl_client *client, bool writable)
{
    int events = (client->deaf ? 0 : UV_READABLE) | (writable ? UV_WRITABLE : 0);
    if (events == client->events)
        return;
    client->events = events;
    if (events == 0)
        (void)uv_poll_stop(&client->poll);
    else
        (void)uv_poll_start(&client->poll, events, on_ready);
}

void mp_lsl_client_new(struct mp_lsl_outlet *outlet, int fd)
{
    const int on = 1, kept = KEPT;
    struct mp_lsl_client *client = calloc(1, sizeof *client);
    if (client == NULL || uv_poll_init(&outlet->owned.host->loop, &client->poll, fd) != 0) {
        free(client);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kept, sizeof kept);
    uv_unref((uv_handle_t *)&client->poll);
    client->poll.data = client;
    client->outlet = outlet;
    client->fd = fd;
    client->next = outlet->first;
    client->previous = &outlet->first;
    if (client->next != NULL)
        client->next->previous = &client->next;
    outlet->first = client;
    outlet->clients++;
    watch(client, false);
}
