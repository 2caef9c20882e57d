/*
 * The backend for pseudo-terminals: plain termios, no modem lines, no wire.
 *
 * Baud rate, parity and the like mean nothing without a wire: the kernel ignores
 * them here, so they are not set. TIOCEXCL is left alone as well: it lasts as long
 * as anybody has the near side open, and the far side always does, so a client
 * that was killed would lock everybody out. The flock dies with its holder.
 */
#include "engine/port_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

static enum mp_status make_raw(int fd, const char *path, struct mp_error *err)
{
    struct termios raw;
    if (tcgetattr(fd, &raw) == 0) {
        cfmakeraw(&raw);
        raw.c_cc[VMIN] = 1; // with 0, "nothing there" and "hung up" would both read 0 bytes
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(fd, TCSANOW, &raw) == 0 && tcflush(fd, TCIFLUSH) == 0)
            return MP_OK;
    }
    return mp_fail_sys(err, MP_EIO, errno, "cannot set up \"%s\"", path);
}

static enum mp_status termios_open(struct mp_port *port, const struct mp_port_target *target,
                                   const struct mp_serial *serial, struct mp_error *err)
{
    (void)serial;
    port->fd = open(target->real, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (port->fd < 0)
        return mp_port_open_failure(target, errno == EIO ? ENXIO : errno, err);
    enum mp_status status = mp_port_lock(port->fd, target, err);
    return status == MP_OK ? make_raw(port->fd, target->path, err) : status;
}

static void termios_close(struct mp_port *port)
{
    if (port->fd < 0)
        return;
    // a forked guard shares the lock: closing on purpose frees the port for all of them
    (void)flock(port->fd, LOCK_UN);
    (void)close(port->fd);
    port->fd = -1;
}

static bool nothing_yet(int sys)
{
    return sys == EAGAIN || sys == EINTR;
}

static enum mp_status termios_write(struct mp_port *port, const void *bytes, size_t len,
                                    size_t *written, struct mp_error *err)
{
    ssize_t n = write(port->fd, bytes, len);
    if (n < 0 && !nothing_yet(errno))
        return mp_port_io_failure(port, "writing", errno, err);
    *written = n < 0 ? 0 : (size_t)n;
    return MP_OK;
}

static enum mp_status termios_read(struct mp_port *port, void *buffer, size_t capacity,
                                   size_t *got, struct mp_error *err)
{
    ssize_t n = read(port->fd, buffer, capacity);
    if (n == 0)
        return mp_port_io_failure(port, "reading", ENXIO, err);
    if (n < 0 && !nothing_yet(errno))
        return mp_port_io_failure(port, "reading", errno, err);
    *got = n < 0 ? 0 : (size_t)n;
    return MP_OK;
}

static enum mp_status termios_set_lines(struct mp_port *port, bool rts, bool dtr,
                                        struct mp_error *err)
{
    (void)rts;
    (void)dtr;
    return mp_fail(err, MP_EUNSUPPORTED,
                   "\"%s\" is a pseudo-terminal and has no RTS or DTR line: use a real port",
                   port->path);
}

const struct mp_port_ops mp_port_termios_ops = {
    .kind = MP_PORT_PTY,
    .open = termios_open,
    .close = termios_close,
    .write = termios_write,
    .read = termios_read,
    .set_lines = termios_set_lines,
    .discard = mp_port_tty_discard,
    .queued = mp_port_tty_queue_unknown,
    .bits = mp_port_tty_bits,
    .move = mp_port_tty_move,
    .wait_room = mp_port_tty_wait_room,
};
