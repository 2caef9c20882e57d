/*
 * far_cut.h - a short cut at the far end of a wire, in virtual time.
 *
 * If a simulator says itself (its method steady) what each further frame will do, frames are
 * answered here, and its log is written, until one comes that differs: other bytes, a capacitor
 * that is not charged yet, a temperature to report. That one is the caller's; simulator and log
 * are then exactly as if every frame had gone the long way: the same operations on the same
 * doubles, at the same instants.
 *
 *     struct mp_far_cut *cut;                        // zeros, and alarm.ring by
 * mp_far_cut_init if (mp_far_cut_begin(cut, &steady, &err) == MP_OK) taken =
 * mp_far_cut_frame(cut, bytes, length, began_ns);   // false: the long way mp_far_cut_end(cut);
 * // replies on their way still come
 *
 * Nothing here allocates. For the loop thread.
 */
#ifndef MP_FAR_CUT_H
#define MP_FAR_CUT_H

#include "engine/port_wire.h"
#include "engine/text.h"

enum { MP_CUT_BYTES = 256, MP_CUT_TEXT = 1024, MP_CUT_PENDING = 64 };

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

/* What every frame is, and brings about; the bytes are copied. */
struct mp_far_steady {
    struct mp_tail frame, reply; // up to MP_CUT_BYTES
    struct mp_tail log;          // a line of the simulator's log after its time; MP_CUT_TEXT
    struct mp_stimulator stimulator;
    int64_t wire_ns; // that a frame takes
    int64_t free_ns; // the wire is, from then on (world)
    int64_t on_ns;   // where the simulator's clock begins (world)
};

struct mp_far_cut {
    struct mp_alarm alarm; // of the first reply that is on its way
    struct mp_world *world;
    struct mp_wire *wire; // borrowed
    bool on;
    struct mp_far_steady steady; // its bytes are these
    char frame[MP_CUT_BYTES], reply[MP_CUT_BYTES], tail[MP_CUT_TEXT];
    double decay;
    int64_t decay_ns;
    uint64_t given;  // pulses since it was asked last; the caller sets it back
    int64_t last_ns; // when the last of them was given (world)
    int64_t due_ns[MP_CUT_PENDING];
    uint32_t first, end; // places in due_ns, modulo MP_CUT_PENDING
    struct mp_text log;  // its file is the caller's, open as long as this is on
};

/* Of wire, in world; nothing is cut yet. */
void mp_far_cut_init(struct mp_far_cut *cut, struct mp_world *world, struct mp_wire *wire);
/* From now on; MP_EBUSY while replies of before are on their way, MP_ESTATE in a world that is
 * hindered, MP_ERANGE if the bytes are too many. */
enum mp_status mp_far_cut_begin(struct mp_far_cut *cut, const struct mp_far_steady *steady,
                                struct mp_error *err);
/* A frame has come, whose first bit left at began_ns. False: it goes the long way, and so does
 * all that follows. */
bool mp_far_cut_frame(struct mp_far_cut *cut, const void *bytes, size_t length,
                      int64_t began_ns);
/* Frames go the long way from here on. */
void mp_far_cut_end(struct mp_far_cut *cut);
/* It is going: no reply comes any more, and its alarm is off. */
void mp_far_cut_close(struct mp_far_cut *cut);

#endif
