/*
 * pty.h - the far side of a pseudo-terminal, where a simulator sits.
 *
 * The near side is opened by path, through port.h, like any serial port. The far
 * side keeps the near side open itself, so that a client may come and go without
 * the far side seeing a hang-up; closing the far side is what "unplugged" looks
 * like to the client. Loop thread only.
 */
#ifndef MP_PTY_H
#define MP_PTY_H

#include "engine/error.h"

#include <stddef.h>
#include <stdint.h>

struct mp_pty;

/*
 * Make a raw pseudo-terminal pair. link (may be NULL) is a symlink to create to
 * the near side; a dangling symlink there is replaced, anything else is refused
 * with MP_EBUSY. *pty is untouched on failure.
 */
enum mp_status mp_pty_open(struct mp_pty **pty, const char *link, struct mp_error *err);

/* Close both sides, remove the symlink (if it is still ours) and free. NULL is accepted. */
void mp_pty_close(struct mp_pty *pty);

/* To poll: it is readable when something has arrived. */
int mp_pty_fd(const struct mp_pty *pty);
/* The near side's path (/dev/pts/N); owned by the pty. */
const char *mp_pty_path(const struct mp_pty *pty);

/*
 * Take what has arrived; *arrival_ns is the monotonic time at which read()
 * returned it. MP_OK with *got == 0 when nothing is waiting: this was a look, see
 * mp_pty_empty_ns().
 */
enum mp_status mp_pty_read(struct mp_pty *pty, void *buffer, size_t capacity, size_t *got,
                           int64_t *arrival_ns, struct mp_error *err);

/*
 * When the last look began that found nothing, monotonic; at first when the pty was made. What
 * is read later was not written before: however long we were kept from reading it (no
 * processor, a stop, a page, the kernel's own thread that passes it on), it came between this
 * and *arrival_ns. The kernel passes on what is under way before it says that there is nothing.
 */
int64_t mp_pty_empty_ns(const struct mp_pty *pty);

/* Send without waiting; a full buffer gives MP_OK with *written < len. */
enum mp_status mp_pty_write(struct mp_pty *pty, const void *bytes, size_t len, size_t *written,
                            struct mp_error *err);

#endif
