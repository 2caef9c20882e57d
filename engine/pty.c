#include "engine/pty.h"

#include "engine/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

struct mp_pty {
    int far;       // the master, ours to read and write
    int near;      // held so that a client that leaves causes no hang-up
    char path[64]; // of the near side
    char *link;    // NULL: none made
    int64_t empty_ns;
};

static enum mp_status open_pair(struct mp_pty *pty, struct mp_error *err)
{
    pty->far = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pty->far < 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make a pseudo-terminal");
    if (grantpt(pty->far) != 0 || unlockpt(pty->far) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot unlock the pseudo-terminal");
    int sys = ptsname_r(pty->far, pty->path, sizeof pty->path);
    if (sys != 0)
        return mp_fail_sys(err, MP_EIO, sys, "the pseudo-terminal has no name");
    pty->near = open(pty->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios raw;
    if (pty->near < 0 || tcgetattr(pty->near, &raw) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot open \"%s\"", pty->path);
    cfmakeraw(&raw);
    if (tcsetattr(pty->near, TCSANOW, &raw) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make \"%s\" raw", pty->path);
    return MP_OK;
}

static bool is_dangling_link(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISLNK(found.st_mode) && stat(path, &found) != 0 &&
           errno == ENOENT;
}

static enum mp_status make_link(struct mp_pty *pty, const char *link, struct mp_error *err)
{
    char *name = strdup(link);
    if (name == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory making the link \"%s\"", link);
    if (is_dangling_link(link))
        (void)unlink(link); // if this fails, symlink() says so
    if (symlink(pty->path, link) == 0) {
        pty->link = name;
        return MP_OK;
    }
    int sys = errno;
    free(name);
    if (sys == EEXIST)
        return mp_fail(err, MP_EBUSY,
                       "\"%s\" exists already: remove it, or choose another name for the port",
                       link);
    return mp_fail_sys(err, MP_EIO, sys, "cannot make the link \"%s\"", link);
}

/* Somebody may have replaced the link: then it is not ours to remove. */
static void remove_link(struct mp_pty *pty)
{
    char target[sizeof pty->path];
    ssize_t n = readlink(pty->link, target, sizeof target);
    if (n >= 0 && (size_t)n == strlen(pty->path) && memcmp(target, pty->path, (size_t)n) == 0)
        (void)unlink(pty->link);
    free(pty->link);
}

enum mp_status mp_pty_open(struct mp_pty **pty, const char *link, struct mp_error *err)
{
    struct mp_pty *made = malloc(sizeof *made);
    if (made == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory making a pseudo-terminal");
    *made = (struct mp_pty){.far = -1, .near = -1, .empty_ns = mp_clock_ns()};
    enum mp_status status = open_pair(made, err);
    if (status == MP_OK && link != NULL)
        status = make_link(made, link, err);
    if (status != MP_OK) {
        mp_pty_close(made);
        return status;
    }
    *pty = made;
    return MP_OK;
}

void mp_pty_close(struct mp_pty *pty)
{
    if (pty == NULL)
        return;
    if (pty->link != NULL) // before the close: until then the name of the near side is ours
        remove_link(pty);
    if (pty->near >= 0)
        (void)close(pty->near);
    if (pty->far >= 0)
        (void)close(pty->far);
    free(pty);
}

int mp_pty_fd(const struct mp_pty *pty)
{
    return pty->far;
}

const char *mp_pty_path(const struct mp_pty *pty)
{
    return pty->path;
}

static bool nothing_yet(int sys)
{
    return sys == EAGAIN || sys == EINTR;
}

enum mp_status mp_pty_read(struct mp_pty *pty, void *buffer, size_t capacity, size_t *got,
                           int64_t *arrival_ns, struct mp_error *err)
{
    int64_t begun_ns = mp_clock_ns();
    ssize_t n = read(pty->far, buffer, capacity);
    int64_t now_ns = mp_clock_ns();
    if (n < 0 && !nothing_yet(errno))
        return mp_fail_sys(err, MP_EIO, errno, "reading the far side of \"%s\" failed",
                           pty->path);
    if (n == 0 || (n < 0 && errno == EAGAIN))
        pty->empty_ns = begun_ns;
    *got = n < 0 ? 0 : (size_t)n;
    *arrival_ns = now_ns;
    return MP_OK;
}

int64_t mp_pty_empty_ns(const struct mp_pty *pty)
{
    return pty->empty_ns;
}

enum mp_status mp_pty_write(struct mp_pty *pty, const void *bytes, size_t len, size_t *written,
                            struct mp_error *err)
{
    ssize_t n = write(pty->far, bytes, len);
    if (n < 0 && !nothing_yet(errno))
        return mp_fail_sys(err, MP_EIO, errno, "writing to the far side of \"%s\" failed",
                           pty->path);
    *written = n < 0 ? 0 : (size_t)n;
    return MP_OK;
}
