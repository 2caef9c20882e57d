/*
 * code_box.h - the box that event codes go to: what stands at it, what waits for it.
 *
 * A code is written at its time and stands for a width, then 0 is written. The box is a port of
 * its own: a byte on it is what stands at its outputs (a serial box, or the data pins of a
 * parallel port), or, with a line, that line is high for any code but 0.
 *
 * Whoever holds it calls from one thread: the session's while it is connected, the
 * dispatcher's while one lives. Nothing here waits, locks or allocates.
 *
 * Codes of a plan come at their times, whatever stands at the box then: their distance was
 * looked at before. Behind a hold-up of the host several are due at once: the next one then
 * waits until what stands has stood for half its width (1 to 5 ms; 1 ms if that came on time,
 * or is a script's), so that none is told as written that no amplifier saw. Where the same one
 * stands (a script's, or one whose 0 the box did not take) nobody would see it: 0 comes first,
 * and the code after it, late; without the 0 it is lost. A code that a script gives in between
 * (patient) waits until the box has stood at 0, so that it is told apart from the one before.
 *
 * Several devices of a run have one box (mp_code_share): each one's thread gives the codes of
 * its own pulses, and the 0 behind one is of who gave it, unless another code has come since,
 * or another's cannot come before it: who wants to give that one then writes the 0.
 */
#ifndef MP_CODE_BOX_H
#define MP_CODE_BOX_H

#include "engine/clock.h"
#include "engine/lowering.h"

#include <stdatomic.h>

/* Codes that are on their way at once: of a plan, and, a power of two, of a script, which has
 * places of its own, so that it crowds out no plan's. */
enum { MP_CODES_OF_PLAN = 16, MP_CODES_OF_SCRIPT = 16 };
enum { MP_CODES_WAIT = MP_CODES_OF_PLAN + MP_CODES_OF_SCRIPT };

/* Why an event code did not get to its box. The numbers are the flight record's. */
enum mp_code_lost {
    MP_CODE_WRITTEN,
    MP_CODE_BOX_FULL, // the box takes no bytes: it hangs, or is switched off
    MP_CODE_BOX_GONE, // its port is lost
    MP_CODE_CROWDED,  // too many were on their way at once
    MP_CODE_STOPPED,  // the stop came before it
    MP_CODE_LOST_COUNT
};

/* An event code whose time comes. */
struct mp_code {
    uint8_t value;
    bool patient;
    int64_t due_ns, start_ns; // monotonic: when it is to begin to leave; of its plan
    int64_t ready_ns;         // the box's own: not before this
    struct mp_send send;      // of its pulse or mark; number 0: of no plan
};

enum { MP_CODE_BYTES_KEPT = 64 }; // a power of two; more than a box gets while one may take

/* The bytes that a box was given. */
struct mp_code_bytes {
    int64_t at_ns[MP_CODE_BYTES_KEPT]; // when it took the last ones, by number
    uint64_t count;
};

/* What is common where several threads give codes to one box, each by a struct mp_code_box of
 * its own. Who writes has it for that long; another who comes meanwhile comes again a little
 * later, and waits for nothing. All else is of whoever has it. */
struct mp_code_share {
    atomic_flag taken;
    uint64_t given;  // codes: who gave the last one owes the 0
    int64_t free_ns; // the box has stood at 0 for long enough from then on
    bool stands;     // it stands at a code, or did not take its 0
    uint8_t value;   // which
    int64_t seen_ns; // it has stood for long enough from then on
    struct mp_code_bytes bytes;
};

struct mp_code_box {
    struct mp_port *port;        // owned by whoever opened it
    struct mp_code_share *share; // owned likewise; NULL: nobody else gives codes to it
    enum mp_trigger_line line;   // MP_TRIGGER_NONE: bytes
    int64_t wire_ns;             // that one byte takes on its wire; 0 of a line
    int64_t width_ns;            // a code stands so long
    const struct mp_time *time;  // NULL: the monotonic clock
    // its own
    struct mp_code waits[MP_CODES_WAIT]; // by ready_ns
    uint32_t count;
    bool stands;    // a code stands at the box until zero_ns
    uint8_t value;  // which, or which one's 0 is owed
    bool of_script; // it is a patient one
    bool gone;      // its port is
    bool owed;      // it did not take its 0 and is no longer waited for: tried again at zero_ns
    int64_t seen_ns; // what stands has stood for long enough from then on
    uint8_t tries;   // to write the 0
    int64_t zero_ns;
    int64_t free_ns; // it has stood at 0 for long enough from then on
    uint64_t given;  // the number of its last code in the share
    struct mp_code_bytes bytes;
};

/* The code of a mark that is of no plan, at at_ns (monotonic). */
static inline struct mp_code mp_code_of_script(const struct mp_code_box *box, uint8_t value,
                                               int64_t at_ns)
{
    return (struct mp_code){.value = value,
                            .patient = true,
                            .due_ns = at_ns - box->wire_ns,
                            .send = {.kind = MP_SEND_MARK, .floor_ns = at_ns}};
}

struct mp_code_hears {
    /* A code is about to be written; told follows. NULL: nobody wants to know. */
    void (*begins)(void *context, const struct mp_code *code, int64_t entered_ns);
    /* Called for each code: lost, or, with MP_CODE_WRITTEN, written at entered_ns. */
    void (*told)(void *context, const struct mp_code *code, enum mp_code_lost lost,
                 int64_t entered_ns);
    void *context;
};

/* A code waits for its time; one that has no room is told as lost. */
void mp_code_box_add(struct mp_code_box *box, const struct mp_code *code,
                     const struct mp_code_hears *hears);
/* When is something to be written next? INT64_MAX: nothing is. */
int64_t mp_code_box_next(const struct mp_code_box *box);
/* Write one of what is due: a code, or a 0. */
void mp_code_box_now(struct mp_code_box *box, const struct mp_code_hears *hears);
/* Those of a plan that wait are told as stopped. What a script gave, and what stands, stays. */
void mp_code_box_leave(struct mp_code_box *box, const struct mp_code_hears *hears);
/* Those that wait are told as stopped, and the box gets its 0; one that does not take it yet
 * has it coming (mp_code_box_next). */
void mp_code_box_rest(struct mp_code_box *box, const struct mp_code_hears *hears);

/* Is a code of a plan still to come? That of a script keeps no plan from its end. */
bool mp_code_box_comes(const struct mp_code_box *box);
/* Or does one still stand? */
static inline bool mp_code_box_waits(const struct mp_code_box *box)
{
    return mp_code_box_comes(box) || (box->stands && !box->of_script);
}

#endif
