/* session_read.c - what the device says, told after what it answers. */
#include "engine/clock.h"
#include "engine/session_core.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>

/*
 * On a busy computer the dispatcher's thread is often held up at the end of its write: that
 * wakes who reads the other end, and the answer may be here before what was sent is told. A
 * moment is waited for at once; then the answer waits, however long it takes, and the loop goes
 * on.
 */
static const int64_t moment_ns = 2 * MP_NS_PER_MS;

static bool is_told(const struct mp_session *s)
{
    const struct mp_dispatcher *d = session_dispatcher(s);
    // in virtual time the dispatcher steps only when this returns
    return d == NULL || mp_dispatcher_told(d, s->world->is_virtual ? 0 : moment_ns);
}

/* What was sent is told before what was heard. False: there is no connection any more. */
static bool tell(struct mp_session *s, const void *bytes, size_t length, int64_t arrival_ns)
{
    const unsigned connection = s->connection; // the owner may close the port meanwhile
    session_report(s);
    if (s->connection != connection)
        return false;
    if (length > 0 && s->events.bytes != NULL)
        s->events.bytes(s->events.context, bytes, length, arrival_ns);
    return s->connection == connection;
}

/* What waits is told if it may be. False: it still waits, or there is no connection any more.
 */
static bool tell_waiting(struct mp_session *s)
{
    struct session_heard *heard = &s->heard;
    uint8_t bytes[SESSION_HEARD];
    const size_t length = heard->length;
    if (length == 0)
        return true;
    if (!is_told(s)) {
        mp_world_set(s->world, &heard->alarm, mp_world_now(s->world) + moment_ns);
        mp_world_keep(s->world, heard->arrival_ns);
        return false;
    }
    memcpy(bytes, heard->bytes, length);
    heard->length = 0;
    mp_world_cancel(s->world, &heard->alarm);
    mp_world_kept(s->world);
    return tell(s, bytes, length, heard->arrival_ns);
}

void session_hear(struct mp_alarm *alarm)
{
    struct mp_session *s =
        (struct mp_session *)(void *)((char *)alarm - offsetof(struct mp_session, heard.alarm));
    (void)tell_waiting(s);
}

void session_read(struct mp_session *s, int status)
{
    struct session_heard *heard = &s->heard;
    uint8_t buffer[SESSION_HEARD];
    size_t got = sizeof buffer;
    if (!tell_waiting(s))
        return;
    while (got == sizeof buffer) {
        struct mp_error err;
        mp_error_clear(&err); // not all of it each time
        enum mp_status read = mp_port_read(s->port, buffer, sizeof buffer, &got, &err);
        int64_t arrival_ns = mp_world_now(s->world);
        if (read == MP_OK && got == 0 && status < 0)
            read =
                mp_fail(&err, MP_EGONE, "%s: %s", mp_port_path(s->port), uv_strerror(status));
        if (read != MP_OK) {
            session_lose_port(s, &err);
            return;
        }
        if (got > 0 && !is_told(s)) {
            memcpy(heard->bytes, buffer, got);
            heard->length = got;
            heard->arrival_ns = arrival_ns;
            (void)tell_waiting(s);
            return;
        }
        if (!tell(s, buffer, got, arrival_ns))
            return;
    }
}

// of an absence that is longer ago nobody is still judged
static const int64_t absence_ns = MP_NS_PER_S;

int64_t session_heard_ns(const struct mp_session *s)
{
    const int64_t now = mp_world_now(s->world);
    return now - mp_world_missed(s->world, now - absence_ns);
}

void session_drain(struct mp_session *s)
{
    struct pollfd input = {.events = POLLIN};
    const int64_t heard_ns = session_heard_ns(s);
    if (s->port == NULL)
        return;
    input.fd = mp_port_fd(s->port);
    if (s->heard.length > 0 || poll(&input, 1, 0) > 0)
        session_read(s, 0);
    struct mp_dispatcher *d = session_dispatcher(s); // the owner may have stopped it meanwhile
    if (d != NULL && s->heard.length == 0)
        mp_dispatcher_drained(d, heard_ns);
}
