/*
 * backstop_core.h - what the two halves of the backstop share: backstop.c, on the loop thread
 * and for Lua, and backstop_watch.c, the thread. See backstop.h; nobody else includes this.
 */
#ifndef MP_BACKSTOP_CORE_H
#define MP_BACKSTOP_CORE_H

#include "bindings/backstop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Nothing to end; a run without a script of its own, or after it; a script; what is left is
 * ours: the record, its report; the Lua state; the process is being ended by the backstop.
 */
enum phase {
    PHASE_NONE,
    PHASE_RUN,
    PHASE_SCRIPT,
    PHASE_CLOSING,
    PHASE_CLOSED,
    PHASE_LAST,
    PHASE_ENDING
};
/* Beside the phase in the same word, so that none outlives what it was meant for. */
enum { PHASE_BITS = 0xff, INTERRUPTING = 0x100, ASKING = 0x200 };

/* A stop: the number of its run, and its reason in the low bits. */
enum { REASON_BITS = 8, REASON_MASK = 0xff };
/* What the device said when it was asked whether it is disarmed. */
enum answer { NOT_ASKED, SAYS_DISARMED, DOES_NOT_SAY };
/* By its looks of so long, or longer, tests/rig/hasty_shim.c knows the thread: both change. */
enum { BACKSTOP_LOOK_MS = 50, BACKSTOP_TEXT = 512 };

/* One a process. Written by: */
extern struct backstop {
    _Atomic unsigned state;   // both threads, by compare-exchange: a phase, and marks
    _Atomic unsigned run;     // the loop thread: counts the runs of the process
    _Atomic unsigned stopped; // anybody, a signal handler too, once a run: the run ends
    _Atomic unsigned left;    // the same, for a stop after which a script may go on
    _Atomic unsigned caught;  // a signal handler: how many
    _Atomic uint64_t turns;   // from here on the loop thread
    _Atomic bool waiting;     // for a guard, which is bounded by itself
    _Atomic bool is_virtual;  // time is: no dispatcher's thread looks after the script
    _Atomic bool goes_on;     // then a script that does not yield is interrupted, no more
    _Atomic bool armed;       // the loop thread: something was, in this run
    _Atomic bool unsafe;
    _Atomic int answer; // enum answer
    _Atomic bool have_folder;
    char folder[BACKSTOP_TEXT]; // of the run; before have_folder, once a run
    void (*_Atomic tidy_up)(void);
    int last_status;       // before PHASE_LAST begins
    pthread_t loop_thread; // before the thread starts
} backstop;

/* The phase in the word of states. */
static inline enum phase phase_of(unsigned word)
{
    return (enum phase)(word & PHASE_BITS);
}

/* What the loop thread's time went to since it turned last. */
struct spent {
    int64_t silent_ns;          // of the clock
    int64_t ran_ns, delayed_ns; // computing, waiting for a processor: the rest it slept
    bool known;                 // false: how long it waited for a processor is not
};

/* Why the process is ended, and in which line of whose file; script: one goes on. For end. */
void backstop_why(char *text, size_t size, enum mp_stop reason, bool script,
                  const struct spent *spent);
/* Signal handler on the loop thread: where it is, if the thread has asked. ours: how the
 * sources of the library begin. */
void backstop_tell_where(const char *ours);
/* A stop of run number, the first one of it: one of an earlier run is none of this one's. */
void backstop_stop_of_run(unsigned number, enum mp_stop reason);
/* The thread. */
void *backstop_watch(void *unused);

#endif
