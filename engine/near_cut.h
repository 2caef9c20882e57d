/*
 * near_cut.h - a short cut at the near end of a wire, in virtual time: what the loop does with
 * an outcome and a reply if both are as the last ones were.
 *
 * Once a pulse was sent and confirmed the long way it is known what the bytes of that reply
 * mean for that action (a driver's judge is a function of the two). From then on such a pulse
 * is counted, and its row of events.tsv written, here, until something differs: another
 * outcome, other bytes, a reply that is late. What differs is the caller's: he first takes over
 * what was done here (the counts since the last time, and the pulses that wait for their reply,
 * as if he had been told of each), and all is as if every pulse had gone the long way.
 *
 *     mp_near_cut_begin(cut, &known, &err);
 *     if (!mp_near_cut_outcome(cut, outcome, now))      // not one of these
 *         ...take over; then as ever
 *     taken = mp_near_cut_bytes(cut, bytes, length, now);
 *     if (taken < length)
 *         ...take over; then the rest as ever
 *
 * Nothing here allocates. For the loop thread.
 */
#ifndef MP_NEAR_CUT_H
#define MP_NEAR_CUT_H

#include "engine/dispatcher.h"
#include "engine/events.h"
#include "engine/world.h"

enum { MP_NEAR_BYTES = 256, MP_NEAR_TEXT = 1024, MP_NEAR_PENDING = 64 };

/* What is known; the bytes are copied. */
struct mp_near_known {
    uint32_t frame, action;
    struct mp_tail reply;                 // up to MP_NEAR_BYTES
    struct mp_tail columns, words, proof; // of the row: action, reply, setting_proof
    struct mp_tail condition;             // and trial_type
    uint64_t trial, block;                // of the pulse whose number is first; 0: none
    uint64_t first, last; // up to last they have this condition and block; numbers of rows
    uint64_t per;         // so many pulses a trial; 0: all are of one
    int64_t origin_ns;    // rows count from there (monotonic)
    int64_t delay_ns;     // from the write of a frame to its pulse: the wire, the latency
    int64_t slow_ns;      // a pulse that waits longer while another leaves is in doubt
    int64_t patience_ns;  // so long a reply is waited for
    uint64_t extra;       // added to a pulse's number in its plan
    uint64_t index;       // of the last row
    uint64_t confirmed;   // pulses since arming
};

/* A pulse whose reply is still to come, or came while others waited: whose that was nobody
 * knows before all have theirs. */
struct mp_near_pending {
    struct mp_outcome out;
    int64_t told_ns;
    int64_t confirmed_ns; // 0: it waits
};

struct mp_near_cut {
    struct mp_alarm alarm; // of the oldest that waits
    struct mp_world *world;
    void (*overdue)(void *context); // a reply has not come; the caller takes over
    void *context;
    bool on;
    struct mp_near_known known; // its bytes are these
    char reply[MP_NEAR_BYTES], texts[4][MP_NEAR_TEXT];
    struct mp_event_row row; // of a pulse: what all have in common, and the last one's numbers
    struct mp_tail rest;     // its last columns, ready
    size_t fixed;            // so much of it is the same in every trial
    uint64_t changes;        // the pulse that begins the next trial; UINT64_MAX: none
    size_t room;             // bytes that it takes at most
    char columns[MP_EVENT_NUMBERS + 5 * MP_NEAR_TEXT];
    int64_t contact_ns; // when something was sent or heard last
    // since it was asked last; the caller sets written back
    uint64_t written;
    // of the last of these
    uint64_t number;              // in its plan
    int64_t returned_ns, told_ns; // when its write had ended; when that was told
    int64_t onset_ns;             // of its row
    struct mp_near_pending pending[MP_NEAR_PENDING];
    uint32_t first, waits, end; // places in pending, modulo MP_NEAR_PENDING: of the oldest, of
                                // the oldest that waits, after the last
    struct mp_text text;        // its file is the caller's, open as long as this is on
};

/* In world; nothing is cut yet. */
void mp_near_cut_init(struct mp_near_cut *cut, struct mp_world *world,
                      void (*overdue)(void *context), void *context);
/* From now on; nothing waits for a reply. MP_ESTATE in a world that is hindered, MP_ERANGE if
 * the bytes are too many. */
enum mp_status mp_near_cut_begin(struct mp_near_cut *cut, const struct mp_near_known *known,
                                 struct mp_error *err);
/* Told at now_ns. False: it is the caller's, who takes over. */
bool mp_near_cut_outcome(struct mp_near_cut *cut, const struct mp_outcome *out, int64_t now_ns);
/* What came at now_ns: so many of them are confirmations that it knows, and has counted. If
 * some are left the caller takes over. */
size_t mp_near_cut_bytes(struct mp_near_cut *cut, const uint8_t *bytes, size_t length,
                         int64_t now_ns);
/* The oldest that has no row, no longer here; NULL: none. Valid until the next call. */
const struct mp_near_pending *mp_near_cut_pending(struct mp_near_cut *cut);
/* It is going: its alarm is off. */
void mp_near_cut_close(struct mp_near_cut *cut);

#endif
