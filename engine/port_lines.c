/*
 * The backend for triggers that are edges of a port's lines: "lines:/dev/ttyUSB1". A thread
 * looks at CTS, DSR, RI and CD of that port, and each edge is a byte (line_edges.h) that a
 * reader gets as if it had come over a wire. Bytes that come to the port itself are not read.
 *
 * The thread sleeps between two looks: at an adapter a look is a message and takes its time,
 * and other users of the bus need theirs. What it writes goes through a pipe; only its end of
 * that, the port within and the flag are its.
 */
#include "engine/port_backend.h"

#include "engine/clock.h"
#include "engine/line_edges.h"
#include "engine/realtime.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char prefix[] = "lines:";
static const int64_t between_ns = 200000;
// an adapter that does not answer holds a look for seconds: who closes waits no longer than
// this
enum { CLOSE_MS = 50 };

enum { LINES = 4 };
static const enum mp_input_line lines[LINES] = {MP_INPUT_CTS, MP_INPUT_DSR, MP_INPUT_RI,
                                                MP_INPUT_CD};
static const int bits_of[LINES] = {TIOCM_CTS, TIOCM_DSR, TIOCM_RI, TIOCM_CD};

struct mp_lines {
    struct mp_port *port; // whose lines they are
    struct mp_line_told told[LINES];
    int write_end;
    _Atomic bool ending;
    _Atomic bool left; // by the thread or by who closed, whichever came first: the other frees
    pthread_t thread;
};

bool mp_lines_is_path(const char *path)
{
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* What the system has counted; false: it does not count. Of RI it counts one edge of two, so
 * that one goes by its level. */
static bool read_counts(const struct mp_port *port, uint32_t counts[LINES])
{
    struct serial_icounter_struct all;
    if (port->fd < 0 || ioctl(port->fd, TIOCGICOUNT, &all) != 0)
        return false;
    counts[0] = (uint32_t)all.cts;
    counts[1] = (uint32_t)all.dsr;
    counts[3] = (uint32_t)all.dcd;
    return true;
}

/* 0, or why the lines cannot be read: an errno. */
static int look(struct mp_lines *w, uint8_t *bytes, size_t *count)
{
    uint32_t counts[LINES] = {0};
    int bits = 0;
    const bool counted = read_counts(w->port, counts); // before the level: line_edges.h
    const int failed = w->port->ops->bits(w->port, &bits);
    *count = 0;
    for (size_t i = 0; i < LINES && failed == 0; i++)
        *count += mp_line_look(&w->told[i], lines[i],
                               counted && lines[i] != MP_INPUT_RI ? &counts[i] : NULL,
                               (bits & bits_of[i]) != 0, bytes + *count);
    return failed;
}

static void free_lines(struct mp_lines *w)
{
    mp_port_close(w->port);
    free(w);
}

/* A reader that takes nothing for a whole pipe's length loses what comes then, as at a port. */
static void *watch_main(void *argument)
{
    struct mp_lines *w = argument;
    uint8_t bytes[LINES * (MP_LINE_EDGES_MOST + 1)];
    size_t count = 0;
    mp_realtime_enter_below();
    while (!atomic_load(&w->ending) && look(w, bytes, &count) == 0) {
        if (count > 0)
            (void)!write(w->write_end, bytes, count);
        struct timespec at = mp_clock_timespec(mp_clock_ns() + between_ns);
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    (void)close(w->write_end); // a reader finds the port lost
    if (atomic_exchange(&w->left, true))
        free_lines(w);
    return NULL;
}

static enum mp_status start(struct mp_port *port, struct mp_error *err)
{
    int ends[2];
    uint8_t bytes[LINES * (MP_LINE_EDGES_MOST + 1)];
    size_t count = 0;
    struct mp_lines *w = port->lines;
    bool cts = false, dsr = false;
    enum mp_status status = mp_port_get_lines(w->port, &cts, &dsr, err);
    if (status == MP_OK && look(w, bytes, &count) != 0)
        status = mp_fail(err, MP_EIO, "the lines of \"%s\" cannot be read", w->port->path);
    if (status == MP_OK && pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        status = mp_fail_sys(err, MP_EIO, errno, "no pipe for \"%s\"", port->path);
    if (status != MP_OK)
        return status;
    w->write_end = ends[1];
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    const int failed = pthread_create(&w->thread, NULL, watch_main, w);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the thread of \"%s\"",
                           port->path);
    }
    port->fd = ends[0];
    return MP_OK;
}

/* Has the thread closed its end of the pipe, or does it within CLOSE_MS? */
static bool ends_soon(int read_end)
{
    const int64_t until_ns = mp_clock_ns() + CLOSE_MS * MP_NS_PER_MS;
    uint8_t unread[256];
    ssize_t n = 0;
    do {
        struct pollfd end = {.fd = read_end, .events = POLLIN};
        (void)poll(&end, 1, 1);
        n = read(read_end, unread, sizeof unread);
    } while (n != 0 && mp_clock_ns() < until_ns);
    return n == 0;
}

/* Ends the watch, and the port within as well; where a look takes its time, the thread does
 * that when it has looked. */
static void end_watch(struct mp_lines *w, int read_end)
{
    atomic_store(&w->ending, true);
    const bool ended = ends_soon(read_end);
    const pthread_t thread = w->thread;
    (void)close(read_end);
    if (ended)
        (void)pthread_join(thread, NULL);
    else
        (void)pthread_detach(thread);
    if (atomic_exchange(&w->left, true))
        free_lines(w);
}

static void lines_close(struct mp_port *port)
{
    if (port->fd >= 0)
        end_watch(port->lines, port->fd);
    else
        free_lines(port->lines);
    port->fd = -1;
    port->lines = NULL;
}

static enum mp_status lines_write(struct mp_port *port, const void *bytes, size_t len,
                                  size_t *written, struct mp_error *err)
{
    (void)bytes;
    (void)len;
    *written = 0;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is where triggers come in, and no device",
                   port->path);
}

static enum mp_status lines_read(struct mp_port *port, void *buffer, size_t capacity,
                                 size_t *got, struct mp_error *err)
{
    ssize_t n = read(port->fd, buffer, capacity);
    *got = n < 0 ? 0 : (size_t)n;
    if (n == 0)
        return mp_port_io_failure(port, "reading", ENXIO, err);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return mp_port_io_failure(port, "reading", errno, err);
    return MP_OK;
}

static enum mp_status lines_set(struct mp_port *port, bool rts, bool dtr, struct mp_error *err)
{
    return mp_port_set_lines(port->lines->port, rts, dtr, err);
}

static int lines_discard(struct mp_port *port)
{
    (void)port; // an edge is as new as the look that saw it
    return 0;
}

static int lines_bits(struct mp_port *port, int *bits)
{
    return port->lines->port->ops->bits(port->lines->port, bits);
}

static int lines_move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    return port->lines->port->ops->move(port->lines->port, line, high);
}

static const struct mp_port_ops lines_ops = {
    .kind = MP_PORT_SERIAL,
    .close = lines_close,
    .write = lines_write,
    .read = lines_read,
    .set_lines = lines_set,
    .discard = lines_discard,
    .queued = mp_port_tty_queue_unknown,
    .bits = lines_bits,
    .move = lines_move,
    .wait_room = mp_port_tty_wait_room,
};

enum mp_status mp_lines_open(struct mp_port *port, const char *path,
                             const struct mp_serial *serial, struct mp_error *err)
{
    const char *inner = path + strlen(prefix);
    port->ops = &lines_ops;
    port->lines = calloc(1, sizeof *port->lines);
    if (port->lines == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory opening \"%s\"", path);
    enum mp_status status =
        mp_lines_is_path(inner) || mp_datagram_is_path(inner) || mp_lsl_port_is_path(inner)
            ? mp_fail(err, MP_EINVAL, "\"%s\": the path of a port is needed behind %s", path,
                      prefix)
            : mp_port_open(&port->lines->port, inner, serial, err);
    if (status == MP_OK)
        status = start(port, err);
    if (status != MP_OK)
        lines_close(port);
    return status;
}
