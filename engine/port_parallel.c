/*
 * The backend for a parallel port (ppdev, /dev/parport0): the last byte that is written stands
 * at its eight data pins. No wire, no lines, nothing comes in.
 *
 * Of ppdev, from memory of its source (drivers/char/ppdev.c; not tried on hardware): PPCLAIM
 * waits without a bound where another program has claimed the port, so PPEXCL comes before it:
 * then the kernel refuses at once if any other driver or program is registered for the port,
 * and refuses others until it is closed. PPWDATA is one outb on an on-board or PCI port, under
 * a mutex that all users of ppdev share; on a USB adapter it is a message to it, which takes
 * milliseconds: those are not for this.
 */
#include "engine/port_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void parallel_close(struct mp_port *port)
{
    if (port->fd < 0)
        return;
    (void)ioctl(port->fd, PPRELEASE); // a forked guard shares the file
    (void)close(port->fd);
    port->fd = -1;
}

static enum mp_status parallel_write(struct mp_port *port, const void *bytes, size_t len,
                                     size_t *written, struct mp_error *err)
{
    const unsigned char *last = (const unsigned char *)bytes + len - 1;
    *written = 0;
    if (ioctl(port->fd, PPWDATA, last) == 0)
        *written = len;
    else if (errno != EAGAIN && errno != EINTR)
        return mp_port_io_failure(port, "setting its pins", errno, err);
    return MP_OK;
}

static enum mp_status parallel_read(struct mp_port *port, void *buffer, size_t capacity,
                                    size_t *got, struct mp_error *err)
{
    (void)buffer;
    (void)capacity;
    *got = 0;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is a parallel port, which is only written to",
                   port->path);
}

static enum mp_status parallel_set_lines(struct mp_port *port, bool rts, bool dtr,
                                         struct mp_error *err)
{
    (void)rts;
    (void)dtr;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is a parallel port, without RTS or DTR",
                   port->path);
}

static int parallel_discard(struct mp_port *port)
{
    (void)port;
    return 0;
}

static int parallel_queued(const struct mp_port *port)
{
    (void)port;
    return 0; // what was written stands at the pins
}

static int parallel_bits(struct mp_port *port, int *bits)
{
    (void)port;
    (void)bits;
    return ENOTTY;
}

static int parallel_move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    (void)port;
    (void)line;
    (void)high;
    return ENOTTY;
}

static void parallel_wait_room(struct mp_port *port, int ms)
{
    (void)port;
    (void)ms;
}

static const struct mp_port_ops parallel_ops = {
    .kind = MP_PORT_SERIAL,
    .close = parallel_close,
    .write = parallel_write,
    .read = parallel_read,
    .set_lines = parallel_set_lines,
    .discard = parallel_discard,
    .queued = parallel_queued,
    .bits = parallel_bits,
    .move = parallel_move,
    .wait_room = parallel_wait_room,
};

static enum mp_status open_failure(const char *path, int sys, struct mp_error *err)
{
    if (sys == ENOENT || sys == ENOTDIR || sys == ELOOP || sys == ENXIO || sys == ENODEV)
        return mp_fail_sys(err, MP_EGONE, sys,
                           "no parallel port \"%s\": is there one, and is the module ppdev "
                           "loaded (sudo modprobe ppdev)?",
                           path);
    if (sys == EACCES || sys == EPERM)
        return mp_fail_sys(err, MP_EIO, sys,
                           "may not open \"%s\": it belongs to the group lp on most systems "
                           "(join it: sudo usermod -aG lp $USER, then log in again)",
                           path);
    return mp_fail_sys(err, MP_EIO, sys, "cannot open \"%s\"", path);
}

static enum mp_status claim(int fd, const char *path, struct mp_error *err)
{
    int out = 0; // data pins are outputs
    if (ioctl(fd, PPEXCL) == 0 && ioctl(fd, PPCLAIM) == 0 && ioctl(fd, PPDATADIR, &out) == 0)
        return MP_OK;
    if (errno == EBUSY || errno == EAGAIN || errno == ENXIO)
        return mp_fail_sys(err, MP_EBUSY, errno,
                           "\"%s\" is in use by another program, or by the printer driver: "
                           "close that (sudo rmmod lp), or choose another port",
                           path);
    if (errno == ENOTTY || errno == EINVAL)
        return mp_fail_sys(err, MP_EUNSUPPORTED, errno, "\"%s\" is no parallel port of ppdev",
                           path);
    return mp_fail_sys(err, MP_EIO, errno, "cannot claim \"%s\"", path);
}

enum mp_status mp_port_open_parallel(struct mp_port **port, const char *path,
                                     struct mp_error *err)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    enum mp_status status = fd < 0 ? open_failure(path, errno, err) : claim(fd, path, err);
    struct mp_port *made = status == MP_OK ? malloc(sizeof *made) : NULL;
    char *name = status == MP_OK ? strdup(path) : NULL;
    if (status == MP_OK && (made == NULL || name == NULL))
        status = mp_fail(err, MP_ENOMEM, "out of memory opening \"%s\"", path);
    if (status != MP_OK) {
        if (fd >= 0)
            (void)close(fd);
        free(name);
        free(made);
        return status;
    }
    *made = (struct mp_port){.ops = &parallel_ops, .fd = fd, .path = name};
    *port = made;
    return MP_OK;
}
