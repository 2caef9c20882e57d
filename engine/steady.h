/*
 * steady.h - the part of a run in virtual time in which nothing new happens.
 *
 * In virtual time a simulated stimulator gets every frame and answers it. If it says itself
 * (the simulator's method steady) what each further pulse will do, pulses are played here, and
 * their rows of events.tsv and of twin.tsv written, until one comes that differs: another
 * frame, a mark, a capacitor not charged yet, a temperature to report, a number that the row
 * cannot hold. The first pulse that differs is returned to the caller; simulator, driver and
 * record are then exactly as if they had handled every pulse: the same operations on the same
 * doubles.
 *
 * Nothing here allocates or fails but for the file. For the loop thread.
 */
#ifndef MP_STEADY_H
#define MP_STEADY_H

#include "engine/lowering.h"
#include "engine/text.h"

/* A stimulator while it does the same at every pulse. Times on its own clock, in ns. */
struct mp_stimulator {
    int64_t reply_ns;    // from the whole command to its reply
    int64_t ready_ns;    // before this it is not charged
    int64_t recharge_ns; // from a pulse until it is charged again
    // the coil: towards ambient_c by exp(per_ns * time), up by rise_c with each pulse;
    // something is to report if it leaves [low_c, high_c)
    double ambient_c, celsius, per_ns, rise_c, low_c, high_c;
    int64_t at_ns; // when it had celsius
};

/* A pulse whose reply is still to come: its row is not written yet. */
struct mp_pending {
    struct mp_send send;
    int64_t at_ns; // when the device had the command
};

enum { MP_PENDING_MAX = 64 };

struct mp_steady {
    struct mp_lowering *lowering;
    struct mp_text *text;
    struct mp_text *log;     // the stimulator's own: a line for each pulse that it gives
    struct mp_tail log_tail; // of such a line, after its time, with its end
    int64_t start_ns;        // of the plan, on the twin's clock
    int64_t latency_ns;      // from a command to its pulse
    // what the row of an action says (channel and intensity, tabs between)
    const struct mp_tail *tails; // by action; bytes NULL: not an action for here
    struct mp_tail reply;        // in words
    struct mp_tail proof;        // how the device confirms its settings, the last column
    uint32_t frame;              // the only one that is played here
    struct mp_stimulator stimulator;
    uint64_t index;      // of the last row written
    uint64_t sent;       // pulses played
    uint64_t written;    // of them confirmed, with a row
    int64_t written_ns;  // onset of the last of these rows
    uint32_t first, end; // places in pending, modulo MP_PENDING_MAX
    struct mp_pending pending[MP_PENDING_MAX];
};

/*
 * Play send, which was drawn from the lowering last, and what follows, up to budget pulses.
 * True: *send is the first that was not played. False: the plan is over.
 */
bool mp_steady_play(struct mp_steady *steady, struct mp_send *send, uint64_t budget);

#endif
