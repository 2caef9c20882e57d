#include "engine/feed_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAITING_MOST = 16 }; // who has connected and was not taken yet

static enum mp_status address_of(const char *path, struct sockaddr_un *address,
                                 struct mp_error *err)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length == 0 || length >= sizeof address->sun_path)
        return mp_fail(err, MP_EINVAL,
                       "%s: the path of a socket has 1 to %zu bytes, and this one has %zu",
                       path, sizeof address->sun_path - 1, length);
    memcpy(address->sun_path, path, length + 1);
    return MP_OK;
}

int mp_feed_socket_join(const char *path, struct mp_error *err)
{
    struct sockaddr_un address;
    if (address_of(path, &address, err) != MP_OK)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)mp_fail_sys(err, MP_EIO, errno, "cannot make a socket");
        return -1;
    }
    const struct timeval patience = {.tv_sec = 2}; // where too many wait already to be taken in
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (errno == EAGAIN) {
        (void)mp_fail(err, MP_EBUSY,
                      "%s: who listens there takes nobody in, its script is busy: SIGTERM to "
                      "its process stops it",
                      path);
        (void)close(fd);
        return -1;
    }
    bool nobody = errno == ECONNREFUSED || errno == ENOENT;
    (void)mp_fail_sys(err, nobody ? MP_EGONE : MP_EIO, errno, "%s", path);
    (void)close(fd);
    return -1;
}

/* A socket's file at which nobody listens goes. False: something stays there. */
static bool clear_dead(const char *path)
{
    struct stat before, now;
    struct mp_error err = {0};
    if (lstat(path, &before) != 0 || !S_ISSOCK(before.st_mode))
        return false;
    int fd = mp_feed_socket_join(path, &err);
    if (fd >= 0)
        (void)close(fd);
    return fd < 0 && err.sys == ECONNREFUSED && lstat(path, &now) == 0 &&
           now.st_ino == before.st_ino && now.st_dev == before.st_dev && unlink(path) == 0;
}

static enum mp_status is_taken(const char *path, int why, struct mp_error *err)
{
    struct stat there;
    if (why != EEXIST)
        return mp_fail_sys(err, MP_EIO, why, "cannot make the socket %s", path);
    bool live = lstat(path, &there) == 0 && S_ISSOCK(there.st_mode);
    return mp_fail(err, MP_EBUSY, "%s is there already, and %s", path,
                   live ? "somebody listens at it: another run?" : "it is no socket");
}

/* Under another name first: whoever finds the file finds somebody who listens. */
static enum mp_status listen_at(struct mp_feed_socket *s, const char *first,
                                const struct sockaddr_un *address, struct mp_error *err)
{
    const char *path = s->path;
    struct stat made;
    if (fchmod(s->fd, 0600) != 0 || // the file gets the mode of the socket
        bind(s->fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make the socket %s", path);
    enum mp_status status = MP_OK;
    if (listen(s->fd, WAITING_MOST) != 0 || chmod(first, 0600) != 0 ||
        lstat(first, &made) != 0) {
        status = mp_fail_sys(err, MP_EIO, errno, "cannot make the socket %s", path);
    } else {
        int why = link(first, path) == 0 ? 0 : errno;
        if (why == EEXIST && clear_dead(path))
            why = link(first, path) == 0 ? 0 : errno;
        status = why == 0 ? MP_OK : is_taken(path, why, err);
    }
    (void)unlink(first);
    if (status == MP_OK) {
        s->device = made.st_dev;
        s->file = made.st_ino;
    }
    return status;
}

enum mp_status mp_feed_socket_open(struct mp_feed_socket *s, const char *path,
                                   struct mp_error *err)
{
    struct sockaddr_un address;
    char first[sizeof address.sun_path + 16];
    *s = (struct mp_feed_socket){.fd = -1};
    (void)snprintf(first, sizeof first, "%s.%ld", path, (long)getpid());
    enum mp_status status = address_of(first, &address, err);
    if (status != MP_OK)
        return status;
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    status = s->fd < 0 ? mp_fail_sys(err, MP_EIO, errno, "cannot make a socket")
                       : listen_at(s, first, &address, err);
    if (status != MP_OK && s->fd >= 0)
        (void)close(s->fd);
    s->fd = status == MP_OK ? s->fd : -1;
    return status;
}

void mp_feed_socket_close(struct mp_feed_socket *s)
{
    struct stat there;
    if (s->fd < 0)
        return;
    if (lstat(s->path, &there) == 0 && there.st_dev == s->device && there.st_ino == s->file)
        (void)unlink(s->path);
    (void)close(s->fd);
    s->fd = -1;
}

bool mp_feed_socket_peer(int fd, pid_t *process)
{
    struct ucred who;
    socklen_t length = sizeof who;
    *process = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0)
        return false;
    *process = who.pid;
    return who.uid == geteuid();
}
