/*
 * parport_shim.c - a parallel port of ppdev where there is none. LD_PRELOAD only: a path that
 * leads to /dev/null is the port.
 *
 * It is written from what the kernel's header and documentation say of ppdev, not from a port.
 * Each value of the data pins is appended to the file named by $PARPORT_LOG as "NANOSECONDS
 * VALUE" (CLOCK_MONOTONIC), and "claim" and "release" likewise. $PARPORT_HOLDER: another driver
 * has the port, so that it cannot be claimed exclusively. While the file named by $PARPORT_GONE
 * exists the port is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static void note(const char *what)
{
    const char *path = getenv("PARPORT_LOG");
    if (path == NULL)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    char text[64];
    int len = snprintf(text, sizeof text, "%lld %s\n",
                       (long long)now.tv_sec * 1000000000 + now.tv_nsec, what);
    int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log >= 0) {
        (void)!write(log, text, (size_t)len);
        (void)close(log);
    }
}

static bool is_port(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3);
}

static int fail(int with)
{
    errno = with;
    return -1;
}

static int set_pins(const unsigned char *value)
{
    const char *gone = getenv("PARPORT_GONE");
    char text[8];
    if (gone != NULL && access(gone, F_OK) == 0)
        return fail(ENODEV);
    (void)snprintf(text, sizeof text, "%d", *value);
    note(text);
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    static bool exclusive, claimed;
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (!is_port(fd))
        return (int)syscall(SYS_ioctl, fd, request, argument);
    switch (request) {
    case PPEXCL:
        exclusive = true;
        return 0;
    case PPCLAIM:
        if (getenv("PARPORT_HOLDER") != NULL) {
            if (!exclusive) // as the kernel waits for the other one
                (void)pause();
            return fail(ENXIO);
        }
        claimed = true;
        note("claim");
        return 0;
    case PPDATADIR:
        return claimed && *(const int *)argument == 0 ? 0 : fail(EINVAL);
    case PPWDATA:
        return claimed ? set_pins(argument) : fail(EINVAL);
    case PPRELEASE:
        claimed = false;
        note("release");
        return 0;
    default:
        return fail(ENOTTY);
    }
}
