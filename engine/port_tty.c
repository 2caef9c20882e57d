/* port_tty.c - what the system does for every port that is a file: buffers and modem lines. */
#include "engine/port_backend.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

int mp_port_tty_discard(struct mp_port *port)
{
    int bytes = port->ops->queued(port); // before: some of them may leave meanwhile
    (void)tcflush(port->fd, TCOFLUSH);
    return bytes;
}

int mp_port_tty_queued(const struct mp_port *port)
{
    int bytes = 0;
    return ioctl(port->fd, TIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

int mp_port_tty_queue_unknown(const struct mp_port *port)
{
    (void)port;
    return -1;
}

int mp_port_tty_bits(struct mp_port *port, int *bits)
{
    return ioctl(port->fd, TIOCMGET, bits) == 0 ? 0 : errno;
}

int mp_port_tty_move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    const int bit = line == MP_TRIGGER_RTS ? TIOCM_RTS : TIOCM_DTR;
    int failed;
    if (line == MP_TRIGGER_BREAK)
        failed = ioctl(port->fd, high ? TIOCSBRK : TIOCCBRK);
    else
        failed = ioctl(port->fd, high ? TIOCMBIS : TIOCMBIC, &bit);
    return failed == 0 ? 0 : errno;
}

void mp_port_tty_wait_room(struct mp_port *port, int ms)
{
    struct pollfd room = {.fd = port->fd, .events = POLLOUT};
    (void)poll(&room, 1, ms);
}
