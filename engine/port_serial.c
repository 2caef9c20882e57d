/*
 * The backend for real serial ports: libserialport, and the few things it leaves out.
 *
 * The modem lines are set by ioctl and not by sp_set_rts/sp_set_dtr: those write all
 * line settings again at each call and refuse while RTS/CTS flow control is on.
 */
#include "engine/port_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static enum mp_status cannot_do(const struct mp_port *port, const struct mp_serial *serial,
                                struct mp_error *err)
{
    return mp_fail(
        err, MP_EUNSUPPORTED,
        "\"%s\" cannot do %u baud, %d bits, %s parity, %d stop bits, %s flow control",
        port->path, (unsigned)serial->baud, serial->bits,
        serial->parity == MP_PARITY_NONE  ? "no"
        : serial->parity == MP_PARITY_ODD ? "odd"
                                          : "even",
        serial->stop_bits, serial->flow == MP_FLOW_NONE ? "no" : "RTS/CTS");
}

static enum sp_return set_frame(struct sp_port *sp, const struct mp_serial *serial)
{
    static const enum sp_parity parities[] = {[MP_PARITY_NONE] = SP_PARITY_NONE,
                                              [MP_PARITY_ODD] = SP_PARITY_ODD,
                                              [MP_PARITY_EVEN] = SP_PARITY_EVEN};
    struct sp_port_config *config;
    enum sp_return result = sp_new_config(&config);
    if (result != SP_OK)
        return result;
    (void)sp_set_config_baudrate(config, (int)serial->baud);
    (void)sp_set_config_bits(config, serial->bits);
    (void)sp_set_config_parity(config, parities[serial->parity]);
    (void)sp_set_config_stopbits(config, serial->stop_bits);
    (void)sp_set_config_xon_xoff(config, SP_XONXOFF_DISABLED);
    result = sp_set_config(sp, config);
    sp_free_config(config);
    return result;
}

/* Drivers may take the nearest rate they can make, or none; a receiver stands about 3 %. */
static bool has_baud(struct sp_port *sp, uint32_t wanted)
{
    struct sp_port_config *config;
    int actual = -1;
    if (sp_new_config(&config) != SP_OK)
        return false;
    bool known = sp_get_config(sp, config) == SP_OK &&
                 sp_get_config_baudrate(config, &actual) == SP_OK && actual > 0;
    sp_free_config(config);
    return known && llabs((long long)actual - wanted) * 100 <= (long long)wanted * 3;
}

/* Set what libserialport does not, then look whether the driver took all of it. */
static enum mp_status set_rest(struct mp_port *port, const struct mp_serial *serial,
                               struct mp_error *err)
{
    const tcflag_t frame = CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS;
    struct termios set, seen;
    if (tcgetattr(port->fd, &set) != 0)
        return mp_port_io_failure(port, "reading the line settings", errno, err);
    set.c_cflag &= ~(tcflag_t)(HUPCL | frame); // HUPCL would move the lines at close
    set.c_cflag |= serial->bits == 7 ? CS7 : CS8;
    if (serial->parity != MP_PARITY_NONE)
        set.c_cflag |= serial->parity == MP_PARITY_ODD ? PARENB | PARODD : PARENB;
    if (serial->stop_bits == 2)
        set.c_cflag |= CSTOPB;
    if (serial->flow == MP_FLOW_RTSCTS)
        set.c_cflag |= CRTSCTS;
    set.c_cc[VMIN] = 1;
    set.c_cc[VTIME] = 0;
    if (tcsetattr(port->fd, TCSANOW, &set) != 0 || tcgetattr(port->fd, &seen) != 0)
        return mp_port_io_failure(port, "setting the line up", errno, err);
    // tcsetattr succeeds as soon as one setting was taken
    if ((seen.c_cflag & frame) != (set.c_cflag & frame) || !has_baud(port->sp, serial->baud))
        return cannot_do(port, serial, err);
    return MP_OK;
}

static enum mp_status serial_set_lines(struct mp_port *port, bool rts, bool dtr,
                                       struct mp_error *err)
{
    int high = (rts ? TIOCM_RTS : 0) | (dtr ? TIOCM_DTR : 0);
    int low = (TIOCM_RTS | TIOCM_DTR) & ~high;
    if ((low != 0 && ioctl(port->fd, TIOCMBIC, &low) != 0) ||
        (high != 0 && ioctl(port->fd, TIOCMBIS, &high) != 0))
        return mp_port_io_failure(port, "setting RTS and DTR", errno, err);
    return MP_OK;
}

static enum mp_status drop_lines(struct mp_port *port, struct mp_error *err)
{
    enum mp_status status = serial_set_lines(port, false, false, err);
    if (status != MP_OK)
        return status;
    int lines;
    if (ioctl(port->fd, TIOCMGET, &lines) != 0)
        return mp_port_io_failure(port, "reading RTS and DTR", errno, err);
    if ((lines & (TIOCM_RTS | TIOCM_DTR)) != 0)
        return mp_fail(
            err, MP_EIO,
            "\"%s\" keeps %s high: a stimulator on that line could fire, so the port "
            "is not used",
            port->path, lines & TIOCM_RTS ? "RTS" : "DTR");
    return MP_OK;
}

static enum mp_status open_device(struct mp_port *port, const struct mp_port_target *target,
                                  struct mp_error *err)
{
    // the dispatcher writes through libserialport: no printing there, whatever is in the
    // environment
    sp_set_debug_handler(NULL);
    enum sp_return found = sp_get_port_by_name(target->real, &port->sp);
    if (found == SP_ERR_MEM)
        return mp_fail(err, MP_ENOMEM, "out of memory opening \"%s\"", target->path);
    if (found != SP_OK)
        return mp_port_open_failure(target, ENOTTY, err);
    enum mp_status status = mp_port_check_free(target, err);
    if (status != MP_OK)
        return status;
    if (sp_open(port->sp, SP_MODE_READ_WRITE) != SP_OK)
        return mp_port_open_failure(target, sp_last_error_code(), err);
    if (sp_get_port_handle(port->sp, &port->fd) != SP_OK) {
        (void)sp_close(port->sp);
        return mp_fail(err, MP_EIO, "\"%s\" has no file descriptor", target->path);
    }
    (void)fcntl(port->fd, F_SETFD, FD_CLOEXEC); // whatever the library does: no child's
    return MP_OK;
}

static enum mp_status serial_open(struct mp_port *port, const struct mp_port_target *target,
                                  const struct mp_serial *serial, struct mp_error *err)
{
    enum mp_status status = open_device(port, target, err);
    if (status == MP_OK)
        status = mp_port_lock(port->fd, target, err);
    if (status == MP_OK) // the system raised both lines: down with them before anything else
        status = drop_lines(port, err);
    if (status != MP_OK)
        return status;
    int flags = fcntl(port->fd, F_GETFL);
    if (ioctl(port->fd, TIOCEXCL) != 0 || fcntl(port->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        flags < 0 || fcntl(port->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return mp_port_io_failure(port, "setting it up", errno, err);
    if (set_frame(port->sp, serial) != SP_OK)
        return cannot_do(port, serial, err);
    status = set_rest(port, serial, err);
    if (status == MP_OK) // leaving baud 0 raises the lines again
        status = drop_lines(port, err);
    if (status == MP_OK && sp_flush(port->sp, SP_BUF_INPUT) != SP_OK)
        status = mp_port_io_failure(port, "flushing", sp_last_error_code(), err);
    return status;
}

static void serial_close(struct mp_port *port)
{
    if (port->fd >= 0) {
        // a forked guard shares both: closing on purpose frees the port for all of them
        (void)ioctl(port->fd, TIOCNXCL);
        (void)flock(port->fd, LOCK_UN);
        (void)sp_close(port->sp);
        port->fd = -1;
    }
    sp_free_port(port->sp);
    port->sp = NULL;
}

static enum mp_status serial_write(struct mp_port *port, const void *bytes, size_t len,
                                   size_t *written, struct mp_error *err)
{
    int n = (int)sp_nonblocking_write(port->sp, bytes, len);
    if (n < 0) {
        int sys = sp_last_error_code();
        if (sys != EAGAIN && sys != EINTR)
            return mp_port_io_failure(port, "writing", sys, err);
        n = 0;
    }
    *written = (size_t)n;
    return MP_OK;
}

/* libserialport returns 0 both for "nothing there" and for "hung up". */
static bool hung_up(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static enum mp_status serial_read(struct mp_port *port, void *buffer, size_t capacity,
                                  size_t *got, struct mp_error *err)
{
    int n = (int)sp_nonblocking_read(port->sp, buffer, capacity);
    if (n < 0) {
        int sys = sp_last_error_code();
        if (sys != EAGAIN && sys != EINTR)
            return mp_port_io_failure(port, "reading", sys, err);
        n = 0;
    }
    if (n == 0 && hung_up(port->fd))
        return mp_port_io_failure(port, "reading", ENXIO, err);
    *got = (size_t)n;
    return MP_OK;
}

const struct mp_port_ops mp_port_serial_ops = {
    .kind = MP_PORT_SERIAL,
    .open = serial_open,
    .close = serial_close,
    .write = serial_write,
    .read = serial_read,
    .set_lines = serial_set_lines,
    .discard = mp_port_tty_discard,
    .queued = mp_port_tty_queued,
    .bits = mp_port_tty_bits,
    .move = mp_port_tty_move,
    .wait_room = mp_port_tty_wait_room,
};
