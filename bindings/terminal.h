/*
 * terminal.h - the modes of the terminal that is standard input: whoever changes them keeps
 * them before, and they are set back at every end of the process, also at one that the backstop
 * makes.
 *
 * Kept and restored on the loop thread; restored on the backstop's thread, too.
 */
#ifndef MP_TERMINAL_H
#define MP_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Keep the modes as they are, to be restored. False: standard input is no terminal, or its
 * modes are kept already. */
bool mp_terminal_keep(void);
/* Keep them, and from now on it gives single keys without echo; Ctrl-C stays a signal. False:
 * as above, or it could not be set. */
bool mp_terminal_keys(void);
/* Set them back, where they are kept. */
void mp_terminal_restore(void);
/*
 * What was typed at it and nobody has read is let go, so that no shell gets it. Nothing where
 * standard input is no terminal, or the terminal is another job's: then it was typed for that.
 */
void mp_terminal_forget(void);
/*
 * read() from standard input, which never waits: EAGAIN. A command of the script (os.execute)
 * reads the same terminal, and libuv makes it a blocking one for that: what the command is
 * about to take must not be waited for. So a terminal is read through an opening of its own.
 */
ssize_t mp_terminal_read(char *bytes, size_t room);

#endif
