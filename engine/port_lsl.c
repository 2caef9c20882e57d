/*
 * The backend for triggers that are samples of a stream of LSL: "lsl:NAME" (lsl_source.h). Who
 * finds and receives it is a thread (lsl_in.h); what it writes into a pipe is read here as if
 * it had come over a wire: a byte a sample, and behind "samples:" a line. Only in: writing
 * fails. No lines, no wire.
 */
#include "engine/port_backend.h"

#include "engine/lsl_in.h"
#include "engine/lsl_source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char samples[] = "samples:";

/* Behind "samples:", if that is there. */
static const char *stream_of(const char *path)
{
    const size_t length = strlen(samples);
    return strncmp(path, samples, length) == 0 ? path + length : path;
}

bool mp_lsl_port_is_path(const char *path)
{
    return mp_lsl_is_path(stream_of(path));
}

static void lsl_close(struct mp_port *port)
{
    mp_lsl_in_close(port->lsl); // first: it may be writing
    if (port->fd >= 0)
        (void)close(port->fd);
    port->fd = -1;
    port->lsl = NULL;
}

static enum mp_status lsl_write(struct mp_port *port, const void *bytes, size_t len,
                                size_t *written, struct mp_error *err)
{
    (void)bytes;
    (void)len;
    *written = 0;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is where triggers come in, and no device",
                   port->path);
}

static enum mp_status lsl_read(struct mp_port *port, void *buffer, size_t capacity, size_t *got,
                               struct mp_error *err)
{
    const ssize_t n = read(port->fd, buffer, capacity);
    *got = n < 0 ? 0 : (size_t)n;
    if (n == 0)
        return mp_fail(err, MP_EGONE, "\"%s\": streams of LSL can be looked for no more",
                       port->path);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return mp_port_io_failure(port, "reading", errno, err);
    return MP_OK;
}

static enum mp_status lsl_set_lines(struct mp_port *port, bool rts, bool dtr,
                                    struct mp_error *err)
{
    (void)rts;
    (void)dtr;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" has no RTS or DTR line", port->path);
}

static int lsl_discard(struct mp_port *port)
{
    (void)port;
    return 0;
}

static const struct mp_port_ops lsl_ops = {
    .kind = MP_PORT_PTY,
    .close = lsl_close,
    .write = lsl_write,
    .read = lsl_read,
    .set_lines = lsl_set_lines,
    .discard = lsl_discard,
    .queued = mp_port_tty_queue_unknown,
    .bits = mp_port_tty_bits,
    .move = mp_port_tty_move,
    .wait_room = mp_port_tty_wait_room,
};

enum mp_status mp_lsl_port_open(struct mp_port *port, const char *path, struct mp_error *err)
{
    port->ops = &lsl_ops;
    const char *stream = stream_of(path);
    return mp_lsl_in_open(&port->lsl, stream, stream != path, &port->fd, err);
}
