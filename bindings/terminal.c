/* terminal.c - the modes of the terminal that is standard input, set back at every end. */
#include "bindings/terminal.h"

#include "bindings/backstop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios kept;
static _Atomic bool is_kept; // restored on the backstop's thread, too

bool mp_terminal_keep(void)
{
    static bool registered;
    if (is_kept || tcgetattr(STDIN_FILENO, &kept) != 0)
        return false;
    if (!registered)
        registered = atexit(mp_terminal_restore) == 0;
    mp_backstop_at_end(mp_terminal_restore);
    is_kept = true;
    return true;
}

bool mp_terminal_keys(void)
{
    if (!mp_terminal_keep())
        return false;
    struct termios keys = kept;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0)
        return true;
    mp_terminal_restore();
    return false;
}

void mp_terminal_restore(void)
{
    if (atomic_exchange(&is_kept, false))
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &kept);
}

void mp_terminal_forget(void)
{
    pid_t owner =
        isatty(STDIN_FILENO) ? tcgetpgrp(STDIN_FILENO) : 0; // -1: it controls no job of ours
    if (owner == -1 || owner == getpgrp())
        (void)tcflush(STDIN_FILENO, TCIFLUSH);
}

ssize_t mp_terminal_read(char *bytes, size_t room)
{
    static int own = -1;
    char name[64];
    if (own < 0 && ttyname_r(STDIN_FILENO, name, sizeof name) == 0)
        own = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0)
        return read(own, bytes, room);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 0) != 0)
        return read(STDIN_FILENO, bytes, room);
    errno = EAGAIN;
    return -1;
}
