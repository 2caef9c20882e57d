/*
 * stop.h - why a run stops: one table of reasons, and the latch that keeps the first of them.
 *
 * A new reason is a line of the enum and a row of the table in stop.c; Lua reads the same rows
 * as core.stops, and docs/stopping.md is compared with them by a test. Nothing here allocates
 * or blocks: any thread, also a signal handler.
 */
#ifndef MP_STOP_H
#define MP_STOP_H

#include "engine/wake.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Why it stopped; the first reason wins and stays. The flight record holds these numbers. */
enum mp_stop {
    MP_STOP_NONE,
    MP_STOP_FINISHED,   // disarmed after a completed plan
    MP_STOP_REQUESTED,  // by the script
    MP_STOP_SIGNAL,     // Ctrl-C, SIGTERM, SIGHUP
    MP_STOP_ERROR,      // a script error
    MP_STOP_DEVICE,     // a wrong or missing reply
    MP_STOP_GONE,       // the port is lost
    MP_STOP_BLOCKED,    // the port does not take bytes
    MP_STOP_LATE,       // a frame would have left too late
    MP_STOP_CLOSE,      // pulses would have come closer than planned, or than the device can
    MP_STOP_RECORD,     // nobody drains the outcomes
    MP_STOP_STUCK,      // the loop was not heard of: a script that does not yield
    MP_STOP_KEY,        // q or space on the live screen
    MP_STOP_LINE,       // a modem line: foot switch
    MP_STOP_GUARD,      // the guard process is gone, or was stopped
    MP_STOP_SILENT,     // the device stopped confirming pulses
    MP_STOP_SETTING,    // a pulse was due, and the device had not confirmed its settings
    MP_STOP_FULL,       // the flight record is full
    MP_STOP_TORN,       // the flight record was cut by another program, or its disk is gone
    MP_STOP_PROGRAM,    // another program asked for it: moonpulse ctl
    MP_STOP_REFRACTORY, // a pulse from outside came too soon after the one before
    MP_STOP_PEER,       // another device of the same run stopped
    MP_STOP_COUNT       // how many reasons there are
};

/* Whose doing it is. */
enum mp_blame {
    MP_BLAME_NOBODY,
    MP_BLAME_OPERATOR,
    MP_BLAME_SCRIPT,
    MP_BLAME_DEVICE, // or its cable
    MP_BLAME_HOST,   // this computer
    MP_BLAME_COUNT
};
/* "nobody", "operator", "script", "device", "host". Never NULL. */
const char *mp_blame_name(enum mp_blame blame);

/* Exit statuses of the program. */
enum mp_exit {
    MP_EXIT_OK = 0,
    MP_EXIT_USAGE = 2, // bad usage, or a script's error
    MP_EXIT_LIMIT = 3, // a limit refused the run
    MP_EXIT_FAULT = 4, // a device fault, or it is not confirmed safe
    MP_EXIT_STOPPED = 5
};

/* A row of the table. Texts are part of a sentence, without a full stop. */
struct mp_stop_reason {
    const char *name;  // in one word, for records and scripts: "signal", "late" ...
    const char *words; // for people: "stopped by a signal" ...
    enum mp_blame blame;
    enum mp_exit status;         // of the program, if the device was left safe
    bool asked_for;              // by the script, which may arm anew and go on
    const char *remedy;          // what to do about it; NULL: nothing
    const char *scripted_words;  // the same if somebody wrote a script: it may be that;
    const char *scripted_remedy; // NULL: no difference
};
/* The row of reason. Never NULL: of a number that is none, as in a damaged record, a row named
 * "unknown". */
const struct mp_stop_reason *mp_stop_reason(enum mp_stop reason);

const char *mp_stop_name(enum mp_stop reason);  // of its row
const char *mp_stop_words(enum mp_stop reason); // of its row

/* The reason of that name; MP_STOP_COUNT: there is none. */
enum mp_stop mp_stop_find(const char *name);

/* The first reason wins and stays until the latch is made anew. */
struct mp_latch {
    _Atomic int reason;   // enum mp_stop
    struct mp_wake *wake; // borrowed; posted at every stop, also one that comes too late
};

/* No stop has come. */
void mp_latch_init(struct mp_latch *latch, struct mp_wake *wake);
/* Stop. */
void mp_latch_stop(struct mp_latch *latch, enum mp_stop reason);
/* Why; MP_STOP_NONE while no stop has come. */
static inline enum mp_stop mp_latch_reason(const struct mp_latch *latch)
{
    return (enum mp_stop)atomic_load_explicit(&latch->reason, memory_order_acquire);
}

#endif
