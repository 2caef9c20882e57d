#include "engine/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

int mp_spare_of(int listener)
{
    return fcntl(listener, F_DUPFD_CLOEXEC, 0);
}

static int next_of(int listener)
{
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int mp_spare_accept(int listener, int *spare)
{
    int fd = next_of(listener);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || *spare < 0)
        return fd;
    (void)close(*spare); // else who cannot be taken keeps the loop busy for ever
    fd = next_of(listener);
    if (fd >= 0)
        (void)close(fd);
    *spare = mp_spare_of(listener);
    return -1;
}
