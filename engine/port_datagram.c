/*
 * The backend for triggers and samples from other programs: datagrams on this computer,
 * "udp:127.0.0.1:5005" or "unix:/run/user/1000/triggers". Each datagram is one trigger, and its
 * first byte says which; what follows in it is not looked at, so that none is longer than a
 * reader's buffer. An empty one says nothing, and a storm of them holds no reader up. Behind
 * "samples:" the whole of each datagram counts, a read gives one, and one that is longer than
 * the reader's buffer fails. Only in: writing fails. No lines, no wire.
 */
#include "engine/port_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char udp[] = "udp:", unix_path[] = "unix:", samples[] = "samples:";

enum { MOST_EMPTY = 64 }; // that a read passes over: more wait for the next one

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Behind "samples:", if that is there. */
static const char *address_of(const char *path)
{
    return begins_with(path, samples) ? path + strlen(samples) : path;
}

bool mp_datagram_is_path(const char *path)
{
    path = address_of(path);
    return begins_with(path, udp) || begins_with(path, unix_path);
}

static void datagram_close(struct mp_port *port)
{
    (void)close(port->fd);
    port->fd = -1;
    const char *address = address_of(port->path);
    if (begins_with(address, unix_path))
        (void)unlink(address + strlen(unix_path));
}

static enum mp_status datagram_write(struct mp_port *port, const void *bytes, size_t len,
                                     size_t *written, struct mp_error *err)
{
    (void)bytes;
    (void)len;
    *written = 0;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is where triggers come in, and no device",
                   port->path);
}

static enum mp_status read_samples(struct mp_port *port, void *buffer, size_t capacity,
                                   size_t *got, struct mp_error *err)
{
    *got = 0;
    ssize_t n = recv(port->fd, buffer, capacity, MSG_TRUNC); // its length, also where it is cut
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return MP_OK;
    if (n < 0)
        return mp_port_io_failure(port, "reading", errno, err);
    if ((size_t)n > capacity)
        return mp_fail(err, MP_EIO, "\"%s\": a datagram of %zd bytes: at most %zu",
                       address_of(port->path), n, capacity);
    *got = (size_t)n;
    return MP_OK;
}

static enum mp_status datagram_read(struct mp_port *port, void *buffer, size_t capacity,
                                    size_t *got, struct mp_error *err)
{
    uint8_t *bytes = buffer;
    int empty = 0;
    if (begins_with(port->path, samples))
        return read_samples(port, buffer, capacity, got, err);
    for (*got = 0; *got < capacity && empty < MOST_EMPTY;) {
        ssize_t n = recv(port->fd, bytes + *got, 1, 0); // the rest of it is gone with that
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return MP_OK;
        if (n < 0)
            return mp_port_io_failure(port, "reading", errno, err);
        *got += (size_t)n;
        empty += n == 0 ? 1 : 0;
    }
    return MP_OK;
}

static enum mp_status datagram_set_lines(struct mp_port *port, bool rts, bool dtr,
                                         struct mp_error *err)
{
    (void)rts;
    (void)dtr;
    return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" has no RTS or DTR line", port->path);
}

static int datagram_discard(struct mp_port *port)
{
    (void)port;
    return 0;
}

static const struct mp_port_ops datagram_ops = {
    .kind = MP_PORT_PTY,
    .close = datagram_close,
    .write = datagram_write,
    .read = datagram_read,
    .set_lines = datagram_set_lines,
    .discard = datagram_discard,
    .queued = mp_port_tty_queue_unknown,
    .bits = mp_port_tty_bits,
    .move = mp_port_tty_move,
    .wait_room = mp_port_tty_wait_room,
};

/* 127.x.x.x:port; anybody on a network could send to another address. */
static bool parse_udp(const char *text, struct sockaddr_in *address)
{
    char host[16];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host)
        return false;
    (void)memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    char *end = NULL;
    long number = strtol(colon + 1, &end, 10);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    return end != colon + 1 && *end == 0 && number >= 1 && number <= 65535 &&
           inet_pton(AF_INET, host, &address->sin_addr) == 1 &&
           ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

static enum mp_status bind_udp(int fd, const char *path, struct mp_error *err)
{
    struct sockaddr_in address;
    if (!parse_udp(path + strlen(udp), &address))
        return mp_fail(err, MP_EINVAL,
                       "\"%s\": an address of this computer and a port are needed, like "
                       "udp:127.0.0.1:5005",
                       path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return mp_fail_sys(err, errno == EADDRINUSE ? MP_EBUSY : MP_EIO, errno,
                           "cannot listen on \"%s\"", path);
    return MP_OK;
}

static enum mp_status bind_unix(int fd, const char *path, struct mp_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = path + strlen(unix_path);
    const size_t length = strlen(name);
    if (name[0] != '/' || length >= sizeof address.sun_path)
        return mp_fail(err, MP_EINVAL, "\"%s\": a path from / of at most %zu bytes is needed",
                       path, sizeof address.sun_path - 1);
    (void)memcpy(address.sun_path, name, length);
    (void)fchmod(fd, S_IRUSR | S_IWUSR); // before it has a name: who may send is its owner
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return mp_fail_sys(
            err, errno == EADDRINUSE ? MP_EBUSY : MP_EIO, errno, "cannot listen on \"%s\"%s",
            path, errno == EADDRINUSE ? " (remove the file if nobody listens there)" : "");
    return MP_OK;
}

enum mp_status mp_datagram_open(struct mp_port *port, const char *path, struct mp_error *err)
{
    path = address_of(path);
    const bool is_udp = begins_with(path, udp);
    int fd = socket(is_udp ? AF_INET : AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot listen on \"%s\"", path);
    enum mp_status status = is_udp ? bind_udp(fd, path, err) : bind_unix(fd, path, err);
    if (status != MP_OK) {
        (void)close(fd);
        return status;
    }
    port->ops = &datagram_ops;
    port->fd = fd;
    return MP_OK;
}
