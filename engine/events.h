/*
 * events.h - the one writer of a row of events.tsv, the record of a run.
 *
 * Whoever writes the record (a run in real time, one in virtual time, its steady stretches,
 * moonpulse recover) fills a struct mp_event_row and has it put here: the columns, their order
 * and how a value looks stand in events.c alone. docs/record.md says what they mean.
 *
 *     char line[MP_EVENT_NUMBERS + ...];             // mp_event_room(&row) bytes
 *     char *end = mp_event_put(line, &row);          // with its line end
 *
 * Numbers look the same in every locale. Nothing here allocates. Any thread.
 */
#ifndef MP_EVENTS_H
#define MP_EVENTS_H

#include "engine/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first line, with its line end. */
extern const char mp_event_header[];

/* A time that is not known: "n/a". */
#define MP_EVENT_NONE INT64_MIN

/*
 * Times are nanoseconds from the run's start, and may lie before it. Texts are borrowed and
 * without tabs, line ends and other control characters (mp_event_clean); NULL and
 * empty ones: "n/a".
 */
struct mp_event_row {
    struct mp_tail event; // "pulse", "mark" ...
    uint64_t index;       // of the row, from 1
    uint64_t pulse;       // its number, from 1; 0: not a pulse
    int64_t planned_ns;
    int64_t sent_ns; // when the stimulator had it; what was not sent has its planned onset,
                     // and without that the device's word for one
    int64_t confirmed_ns;
    int64_t late_ns;
    struct mp_tail action; // four columns, of mp_event_put_action
    struct mp_tail status, reply, timed_by, proof;
    struct mp_tail condition; // of a pulse; NULL: the same as event
    uint64_t trial, block;    // from 1; 0: none
};

enum { MP_EVENT_NUMBERS = 320 }; // bytes that a row takes at most without its texts

/* How many bytes row takes at most. */
static inline size_t mp_event_room(const struct mp_event_row *row)
{
    return MP_EVENT_NUMBERS + 2 * row->event.length + row->condition.length +
           row->action.length + row->status.length + row->reply.length + row->timed_by.length +
           row->proof.length;
}

/* Put row, with its line end, where mp_event_room(row) bytes are; returns its end. */
char *mp_event_put(char *at, const struct mp_event_row *row);

/*
 * For rows that differ in their first columns only, up to onset_confirmed_us: the columns from
 * lateness_us on, with the line end, are put once, and then each row with them. Room and result
 * as for mp_event_put.
 */
char *mp_event_put_rest(char *at, const struct mp_event_row *row);
char *mp_event_put_with(char *at, const struct mp_event_row *row, const struct mp_tail *rest);
/* The last of these columns, trial and block, with the line end: they may be put anew. */
char *mp_event_put_last(char *at, const struct mp_event_row *row);

/* What an action tells of a pulse: the columns from channel to intensity_ref. */
struct mp_event_action {
    struct mp_tail channel; // borrowed, clean
    double mso;             // %MSO, as the device is told
    double intensity;       // %, of what reference says
    struct mp_tail reference;
};

enum { MP_EVENT_ACTION = 64 }; // bytes that it takes at most without its texts

/* Put action where MP_EVENT_ACTION bytes and its texts have room; returns its end. */
char *mp_event_put_action(char *at, const struct mp_event_action *action);

/* Can text be a cell: without control characters, and without a quote at its beginning, which
 * programs that read tables take for the beginning of a quoted one, or = + - @, which a
 * spreadsheet takes for that of a formula? */
bool mp_event_is_clean(const char *text, size_t length);
/* Put text where 4 * length bytes have room, each of these as \xHH; returns its end. */
char *mp_event_clean(char *at, const char *text, size_t length);

#endif
