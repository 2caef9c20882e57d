/*
 * outlet.h - standard output and error that nobody takes, and the last words all the same.
 *
 * A terminal held by Ctrl-S or a full pipe must not hold up the end of a run: what nobody takes
 * for 0.4 s is let go of, to /dev/null. The old descriptor is kept: the last words are tried
 * there, without waiting, and a terminal that is held by Ctrl-S is let go on for them. If it
 * takes nothing, they go to /dev/tty.
 *
 * Shared: the descriptors, under a lock that nobody holds while waiting; muted is atomic. The
 * loop thread and the backstop's thread; never a signal handler, never the dispatcher.
 */
#ifndef MP_OUTLET_H
#define MP_OUTLET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* passed_ns since the last look. A write of loop that waits ends with EINTR. Backstop's thread.
 */
void mp_outlet_look(int64_t passed_ns, pthread_t loop);
/* Writes that wait are about to be broken off: then output is lost. Backstop's thread. */
void mp_outlet_break(void);
/* Was output let go of, or a write of it broken off, because nobody took it? Any thread. */
bool mp_outlet_muted(void);
/* A run begins: what was let go of is given back, to be tried again. Loop thread. */
void mp_outlet_begin(void);
/* Write what fits of text where standard error goes, or went before it was let go of. */
void mp_outlet_say(const char *text);
/* The same, if standard error was let go of; else nothing. Loop thread. */
void mp_outlet_repeat(const char *text);

#endif
