/* terminal.c - the modes of the terminal that is standard input, set back at every end. */
#include "bindings/terminal.h"

#include "bindings/backstop.h"

#include <stdatomic.h>
#include <stdlib.h>
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

const struct termios *mp_terminal_kept(void)
{
    return &kept;
}

void mp_terminal_restore(void)
{
    if (atomic_exchange(&is_kept, false))
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &kept);
}
