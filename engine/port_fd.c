/*
 * The backend for a stream socket that the caller made: one end of a socketpair, whose
 * other end counts and stamps what leaves. No path, no wire, no modem lines, no lock.
 */
#include "engine/port_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fd_close(struct mp_port *port)
{
    (void)close(port->fd);
    port->fd = -1;
}

static bool nothing_yet(int sys)
{
    return sys == EAGAIN || sys == EINTR;
}

/* A far side that closed is a device that is gone. */
static enum mp_status fd_failure(const struct mp_port *port, const char *verb, int sys,
                                 struct mp_error *err)
{
    bool closed = sys == EPIPE || sys == ECONNRESET;
    return mp_port_io_failure(port, verb, closed ? ENXIO : sys, err);
}

static enum mp_status fd_write(struct mp_port *port, const void *bytes, size_t len,
                               size_t *written, struct mp_error *err)
{
    ssize_t n = send(port->fd, bytes, len, MSG_NOSIGNAL); // write() would raise SIGPIPE
    if (n < 0 && !nothing_yet(errno))
        return fd_failure(port, "writing", errno, err);
    *written = n < 0 ? 0 : (size_t)n;
    return MP_OK;
}

static enum mp_status fd_read(struct mp_port *port, void *buffer, size_t capacity, size_t *got,
                              struct mp_error *err)
{
    ssize_t n = recv(port->fd, buffer, capacity, 0);
    if (n == 0)
        return mp_port_io_failure(port, "reading", ENXIO, err);
    if (n < 0 && !nothing_yet(errno))
        return fd_failure(port, "reading", errno, err);
    *got = n < 0 ? 0 : (size_t)n;
    return MP_OK;
}

/* What a socket was given is the far end's. */
static int fd_discard(struct mp_port *port)
{
    (void)port;
    return 0;
}

static enum mp_status fd_set_lines(struct mp_port *port, bool rts, bool dtr,
                                   struct mp_error *err)
{
    (void)rts;
    (void)dtr;
    return mp_fail(err, MP_EUNSUPPORTED,
                   "\"%s\" is a socket and has no RTS or DTR line: use a real port",
                   port->path);
}

static const struct mp_port_ops fd_ops = {
    .kind = MP_PORT_PTY,
    .close = fd_close,
    .write = fd_write,
    .read = fd_read,
    .set_lines = fd_set_lines,
    .discard = fd_discard,
    .queued = mp_port_tty_queue_unknown,
    .bits = mp_port_tty_bits,
    .move = mp_port_tty_move,
    .wait_room = mp_port_tty_wait_room,
};

static enum mp_status set_up(int fd, const char *name, struct mp_error *err)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return mp_fail(err, MP_EUNSUPPORTED,
                       "\"%s\" is not a stream socket: open devices by their path", name);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot set up \"%s\"", name);
    return MP_OK;
}

enum mp_status mp_port_adopt(struct mp_port **port, int take_fd, const char *name,
                             struct mp_error *err)
{
    enum mp_status status = set_up(take_fd, name, err);
    struct mp_port *made = malloc(sizeof *made);
    char *path = strdup(name);
    if (status == MP_OK && (made == NULL || path == NULL))
        status = mp_fail(err, MP_ENOMEM, "out of memory for \"%s\"", name);
    if (status != MP_OK) {
        (void)close(take_fd);
        free(path);
        free(made);
        return status;
    }
    *made = (struct mp_port){.ops = &fd_ops, .fd = take_fd, .path = path};
    *port = made;
    return MP_OK;
}
