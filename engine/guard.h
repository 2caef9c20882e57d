/*
 * guard.h - a small process that makes the device safe if this one dies.
 *
 * It is forked when a port is armed, shares the open port (and the trigger's, if there is
 * one) and waits on a pipe. The box of event codes has one of its own, armed or not. When the
 * pipe closes without a word (this process was killed: SIGKILL, out of memory, a crash) it
 * drops the lines, writes the safe frame, waits until the bytes are out and ends. It allocates
 * nothing, ignores the signals of the terminal, and lives in a session of its own.
 *
 * Because it shares the open file, the port's lock outlives us until it is done: no other
 * program can come in between.
 */
#ifndef MP_GUARD_H
#define MP_GUARD_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { MP_GUARD_PORTS = 2 };

struct mp_guard {
    pid_t pid; // 0: none
    int pipe;  // our end; closing it without a word is the alarm
};

/* One port that it looks after. */
struct mp_guarded {
    int fd;
    bool lines;       // RTS, DTR and BREAK are dropped, before anything is written
    bool pins;        // it is a parallel port, whose data pins get 0
    const void *safe; // at most 256 bytes; copied
    size_t safe_length;
};

/*
 * Fork the guard of count ports, 1 to MP_GUARD_PORTS. Each has bytes that make it safe, or
 * lines, or pins, or (but the first) none of these. Loop thread.
 */
enum mp_status mp_guard_start(struct mp_guard *guard, const struct mp_guarded *ports,
                              size_t count, struct mp_error *err);

/* Does it live, and is it not stopped (SIGSTOP)? False also when none runs. */
bool mp_guard_alive(struct mp_guard *guard);

/* The device may not be safe: let the guard send the safe frame, and wait for it. A guard that
 * was stopped goes on first; one that does not end within 1.3 s is killed, and given 0.2 s
 * more. */
void mp_guard_alarm(struct mp_guard *guard);

/* The device is safe: tell the guard to end quietly, and wait for it, as above. Nothing if none
 * runs. */
void mp_guard_dismiss(struct mp_guard *guard);

/* Have waits(true) called before such a wait and waits(false) after it, by whoever waits: who
 * watches over the loop thread knows by that why it does not turn. Set once, before a guard is
 * started, or NULL. */
void mp_guard_on_wait(void (*waits)(bool));

#endif
