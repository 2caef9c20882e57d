/*
 * flight_stretch.h - the long stretches of a flight record in which nothing happens but that
 * pulses are sent and confirmed, in their order: what of a million pulses nearly all is.
 *
 * A stretch is found by the reader (mp_flight_stretch) and told as one; the rows of its pulses
 * are computed here as record/replay.lua does for each record. What is otherwise in any way (a
 * pulse that was left out, a confirmation that is missing, a record that is torn) ends the
 * stretch, and so do pulses of another action. The file may be from anywhere: times beyond any
 * run's are in no stretch.
 *
 *     if (mp_flight_stretch(reader, &stretch))
 *         if (mp_stretch_begin(&rows, reader, &stretch, &facts))
 *             while (mp_stretch_next(&rows, &row, &value))
 *                 ...
 *
 * Nothing here allocates. Any thread; a reader for one at a time.
 */
#ifndef MP_FLIGHT_STRETCH_H
#define MP_FLIGHT_STRETCH_H

#include "engine/events.h"
#include "engine/flight.h"

enum {
    MP_STRETCH_LEAST = 32,   // records: fewer are no stretch
    MP_STRETCH_MOST = 65536, // from here on it ends where no pulse waits for its confirmation
};

/* Times are shorter than this, so that sums of eight have room. */
#define MP_STRETCH_TIME (INT64_C(1) << 59)

struct mp_flight_stretch {
    uint64_t first, last;    // places of its records in the file, from 1
    uint64_t play;           // their plan
    uint32_t action, frame;  // of each of its pulses
    uint64_t number, pulses; // of the first one; how many were sent
    uint64_t confirmed;      // so many of them, the first ones
    int64_t sent_ns;         // of the last one
    int64_t woken_ns;        // the latest of all woken_ns and sent_ns
    int64_t returned_ns;     // the latest
};

/* The stretch that begins with the next record, which mp_flight_next does not give then; false:
 * none does. */
bool mp_flight_stretch(struct mp_flight_reader *reader, struct mp_flight_stretch *stretch);
/* The same of the one that begins at a place; the reader stays where it is. */
bool mp_flight_stretch_at(const struct mp_flight_reader *reader, uint64_t first,
                          struct mp_flight_stretch *stretch);

/* What the rows of its plan are computed with; times on the monotonic clock, below
 * MP_STRETCH_TIME. */
struct mp_stretch_facts {
    int64_t run_ns;   // rows count from there
    int64_t begin_ns; // the plan's start
    int64_t delay_ns; // from the write of a frame to its pulse: the wire, the latency
    bool tolerates;   // a write that ends more than tolerance_ns late has left at its end
    int64_t tolerance_ns;
};

struct mp_stretch_rows {
    const struct mp_flight_reader *reader;
    struct mp_flight_stretch stretch;
    struct mp_stretch_facts facts;
    uint64_t count;      // rows that are to be had: no row of what follows comes before these
    uint64_t done;       // of them
    uint64_t sent, said; // places after those of the last pulse and of the last confirmation
    int64_t first_ns;    // onset of the first of them, from the run's start
    int64_t heard_ns;    // when the last of them was confirmed at the latest, likewise
    uint64_t rest;       // the place of the first pulse that has none; after the last: all have
};

/*
 * The rows of a stretch that can be written: those of its first pulses, up to one that is not
 * confirmed in it, or that what follows might come before. False: none, or its onsets are not
 * in order. The reader must live on.
 */
bool mp_stretch_begin(struct mp_stretch_rows *rows, const struct mp_flight_reader *reader,
                      const struct mp_flight_stretch *stretch,
                      const struct mp_stretch_facts *facts);
/* The times of the next row go into row, the value that its confirmation bears into *value.
 * False: that was the last one. */
bool mp_stretch_next(struct mp_stretch_rows *rows, struct mp_event_row *row, uint32_t *value);

#endif
