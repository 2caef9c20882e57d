#include "engine/port.h"

#include "engine/clock.h"
#include "engine/lsl_in.h"
#include "engine/port_backend.h"
#include "engine/port_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static enum mp_status check_serial(const struct mp_serial *serial, struct mp_error *err)
{
    // baud 0 means "hang up" to the system: it would drop the line instead of opening it
    if (serial->baud == 0 || serial->baud > INT32_MAX)
        return mp_fail(err, MP_EINVAL, "%u baud is outside 1 to %d", (unsigned)serial->baud,
                       INT32_MAX);
    if (serial->bits != 7 && serial->bits != 8)
        return mp_fail(err, MP_EINVAL, "%d data bits: 7 or 8 expected", serial->bits);
    if (serial->stop_bits != 1 && serial->stop_bits != 2)
        return mp_fail(err, MP_EINVAL, "%d stop bits: 1 or 2 expected", serial->stop_bits);
    if (serial->parity != MP_PARITY_NONE && serial->parity != MP_PARITY_ODD &&
        serial->parity != MP_PARITY_EVEN)
        return mp_fail(err, MP_EINVAL, "parity %d: none, odd or even expected",
                       (int)serial->parity);
    if (serial->flow != MP_FLOW_NONE && serial->flow != MP_FLOW_RTSCTS)
        return mp_fail(err, MP_EINVAL, "flow control %d: none or rtscts expected",
                       (int)serial->flow);
    return MP_OK;
}

/* On success the caller frees target->real. */
static enum mp_status resolve(struct mp_port_target *target, const char *path,
                              struct mp_error *err)
{
    *target = (struct mp_port_target){.path = path, .real = realpath(path, NULL)};
    if (target->real == NULL && errno == EACCES)
        return mp_fail_sys(err, MP_EIO, errno, "cannot reach \"%s\"", path);
    if (target->real == NULL || stat(target->real, &target->device) != 0) {
        int sys = errno;
        free(target->real);
        return mp_port_open_failure(target, sys, err);
    }
    if (!S_ISCHR(target->device.st_mode)) {
        free(target->real);
        return mp_port_open_failure(target, ENOTTY, err);
    }
    return MP_OK;
}

/*
 * A pseudo-terminal that /sys/class/tty knows by name is one that libserialport can
 * open: only a test rig makes such a thing, and it wants the libserialport backend.
 */
static const struct mp_port_ops *choose_backend(const struct mp_port_target *target)
{
    const char *slash = strrchr(target->real, '/');
    char entry[300];
    int n = snprintf(entry, sizeof entry, "/sys/class/tty/%s", slash + 1);
    struct stat ignored;
    bool listed = n > 0 && (size_t)n < sizeof entry && lstat(entry, &ignored) == 0;
    return mp_port_is_pts(&target->device) && !listed ? &mp_port_termios_ops
                                                      : &mp_port_serial_ops;
}

static enum mp_status open_file(struct mp_port *port, const struct mp_port_target *target,
                                const struct mp_serial *serial, struct mp_error *err)
{
    port->ops = choose_backend(target);
    enum mp_status status = port->ops->open(port, target, serial, err);
    if (status != MP_OK)
        port->ops->close(port);
    return status;
}

enum mp_status mp_port_open(struct mp_port **port, const char *path,
                            const struct mp_serial *serial, struct mp_error *err)
{
    enum mp_status status = check_serial(serial, err);
    struct mp_port_target target = {.path = path};
    bool wire = mp_wire_is_path(path), datagram = mp_datagram_is_path(path);
    bool lines = mp_lines_is_path(path), lsl = mp_lsl_port_is_path(path);
    if (status == MP_OK && !wire && !datagram && !lines && !lsl)
        status = resolve(&target, path, err);
    if (status != MP_OK)
        return status;

    struct mp_port *made = malloc(sizeof *made);
    char *name = strdup(path);
    if (made == NULL || name == NULL) {
        status = mp_fail(err, MP_ENOMEM, "out of memory opening \"%s\"", path);
        goto fail;
    }
    *made = (struct mp_port){.fd = -1, .path = name};
    status = wire       ? mp_wire_open(made, path, serial, err)
             : datagram ? mp_datagram_open(made, path, err)
             : lines    ? mp_lines_open(made, path, serial, err)
             : lsl      ? mp_lsl_port_open(made, path, err)
                        : open_file(made, &target, serial, err);
    if (status != MP_OK)
        goto fail;
    free(target.real);
    *port = made;
    return MP_OK;

fail:
    free(name);
    free(made);
    free(target.real);
    return status;
}

void mp_port_close(struct mp_port *port)
{
    if (port == NULL)
        return;
    port->ops->close(port);
    free(port->path);
    free(port);
}

int mp_port_fd(const struct mp_port *port)
{
    return port->fd;
}

enum mp_port_kind mp_port_kind(const struct mp_port *port)
{
    return port->ops->kind;
}

const char *mp_port_path(const struct mp_port *port)
{
    return port->path;
}

bool mp_port_stream(const struct mp_port *port, struct mp_lsl_in_state *state)
{
    if (port->lsl != NULL)
        mp_lsl_in_look(port->lsl, state);
    return port->lsl != NULL;
}

// one call hands over no more than this, so that every count fits libserialport's int
static const size_t largest_transfer = (size_t)1 << 20;

static size_t clamp(size_t len)
{
    return len < largest_transfer ? len : largest_transfer;
}

enum mp_status mp_port_write(struct mp_port *port, const void *bytes, size_t len,
                             size_t *written, struct mp_error *err)
{
    if (len == 0) {
        *written = 0;
        return MP_OK;
    }
    return port->ops->write(port, bytes, clamp(len), written, err);
}

enum mp_status mp_port_read(struct mp_port *port, void *buffer, size_t capacity, size_t *got,
                            struct mp_error *err)
{
    if (capacity == 0) { // a read of no bytes would look like a hang-up
        *got = 0;
        return MP_OK;
    }
    return port->ops->read(port, buffer, clamp(capacity), got, err);
}

enum mp_status mp_port_set_lines(struct mp_port *port, bool rts, bool dtr, struct mp_error *err)
{
    return port->ops->set_lines(port, rts, dtr, err);
}

int mp_port_discard(struct mp_port *port)
{
    return port->ops->discard(port);
}

int mp_port_queued(const struct mp_port *port)
{
    return port->ops->queued(port);
}

void mp_port_wait_room(struct mp_port *port, int ms)
{
    port->ops->wait_room(port, ms);
}

static enum mp_status read_lines(struct mp_port *port, int *lines, struct mp_error *err)
{
    int failed = port->ops->bits(port, lines);
    if (failed == ENOTTY || failed == EINVAL)
        return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" has no modem lines to watch", port->path);
    if (failed != 0)
        return mp_port_io_failure(port, "reading its lines", failed, err);
    return MP_OK;
}

enum mp_status mp_port_get_lines(struct mp_port *port, bool *cts, bool *dsr,
                                 struct mp_error *err)
{
    int lines = 0;
    enum mp_status status = read_lines(port, &lines, err);
    if (status != MP_OK)
        return status;
    *cts = (lines & TIOCM_CTS) != 0;
    *dsr = (lines & TIOCM_DSR) != 0;
    return MP_OK;
}

enum mp_status mp_port_get_input(struct mp_port *port, enum mp_input_line line, bool *high,
                                 struct mp_error *err)
{
    static const int bits[] = {[MP_INPUT_CTS] = TIOCM_CTS,
                               [MP_INPUT_DSR] = TIOCM_DSR,
                               [MP_INPUT_RI] = TIOCM_RI,
                               [MP_INPUT_CD] = TIOCM_CD};
    int lines = 0;
    enum mp_status status = read_lines(port, &lines, err);
    *high = status == MP_OK && (lines & bits[line]) != 0;
    return status;
}

const char *mp_trigger_line_name(enum mp_trigger_line line)
{
    static const char *const names[] = {"", "RTS", "DTR", "BREAK"};
    return names[line];
}

static enum mp_status line_failure(const struct mp_port *port, enum mp_trigger_line line,
                                   int sys, struct mp_error *err)
{
    if (sys == ENOTTY || sys == EINVAL || sys == EOPNOTSUPP)
        return mp_fail(err, MP_EUNSUPPORTED,
                       "\"%s\" has no %s line%s: fire over a real serial port that has one",
                       port->path, mp_trigger_line_name(line),
                       port->ops->kind == MP_PORT_PTY ? " (it is a pseudo-terminal)" : "");
    return mp_port_io_failure(port, "setting a trigger line", sys, err);
}

enum mp_status mp_port_set_line(struct mp_port *port, enum mp_trigger_line line, bool high,
                                struct mp_error *err)
{
    int failed = port->ops->move(port, line, high);
    return failed == 0 ? MP_OK : line_failure(port, line, failed, err);
}

enum mp_status mp_port_check_line(struct mp_port *port, enum mp_trigger_line line,
                                  const struct mp_serial *serial, struct mp_error *err)
{
    if (line == MP_TRIGGER_RTS && serial->flow == MP_FLOW_RTSCTS)
        return mp_fail(err, MP_EUNSUPPORTED,
                       "RTS of \"%s\" belongs to its flow control: fire over DTR, or over "
                       "another port",
                       port->path);
    // whichever of the others are there
    (void)mp_port_set_line(port, MP_TRIGGER_DTR, false, NULL);
    if (serial->flow == MP_FLOW_NONE)
        (void)mp_port_set_line(port, MP_TRIGGER_RTS, false, NULL);
    enum mp_status status = mp_port_set_line(port, line, false, err);
    if (status != MP_OK)
        return status;
    int lines = 0, failed = port->ops->bits(port, &lines);
    if (failed != 0)
        return line_failure(port, line, failed, err);
    int bit = line == MP_TRIGGER_RTS ? TIOCM_RTS : line == MP_TRIGGER_DTR ? TIOCM_DTR : 0;
    if ((lines & bit) != 0)
        return mp_fail(err, MP_EIO,
                       "\"%s\" keeps %s high: a stimulator on that line could fire, so the "
                       "port is not used",
                       port->path, mp_trigger_line_name(line));
    return MP_OK;
}

enum mp_status mp_port_io_failure(const struct mp_port *port, const char *verb, int sys,
                                  struct mp_error *err)
{
    if (sys == ENXIO || sys == EIO || sys == ENODEV || sys == EBADF)
        return mp_fail_sys(err, MP_EGONE, sys, "\"%s\" is gone (unplugged?), %s failed",
                           port->path, verb);
    return mp_fail_sys(err, MP_EIO, sys, "\"%s\": %s failed", port->path, verb);
}

int64_t mp_serial_wire_ns(const struct mp_serial *serial, size_t len)
{
    if (serial->baud == 0)
        return 0;
    uint64_t parity_bits = serial->parity == MP_PARITY_NONE ? 0 : 1;
    uint64_t byte_bits = 1 + (uint64_t)serial->bits + parity_bits + serial->stop_bits;
    uint64_t bits;
    if (__builtin_mul_overflow((uint64_t)len, byte_bits, &bits))
        return INT64_MAX;
    uint64_t seconds = bits / serial->baud;
    uint64_t rest = bits % serial->baud; // below 2^32, so rest times 1e9 fits
    if (seconds >= INT64_MAX / MP_NS_PER_S)
        return INT64_MAX;
    uint64_t rest_ns = (rest * MP_NS_PER_S + serial->baud - 1) / serial->baud;
    return (int64_t)seconds * MP_NS_PER_S + (int64_t)rest_ns;
}
