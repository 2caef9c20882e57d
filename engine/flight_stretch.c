#include "engine/flight_stretch.h"

#include "engine/lowering.h"

static bool is_near(int64_t ns)
{
    return ns > -MP_STRETCH_TIME && ns < MP_STRETCH_TIME;
}

/* Times that no run has would overflow in sums. */
static bool is_sound(const struct mp_flight_record *record)
{
    return is_near(record->planned_ns) && is_near(record->due_ns) &&
           is_near(record->woken_ns) && is_near(record->sent_ns) &&
           is_near(record->returned_ns);
}

/* A pulse whose write has ended well. */
static bool is_sent(const struct mp_flight_record *record)
{
    return record->kind == MP_FLIGHT_SENT && record->send_kind == MP_SEND_PULSE &&
           record->returned_ns > 0 && record->number > 0;
}

static bool is_given(const struct mp_flight_record *record)
{
    return record->kind == MP_FLIGHT_CONFIRM && record->detail == MP_FLIGHT_SAID_GIVEN;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Does the record belong to it? Then it is counted. */
static bool take(struct mp_flight_stretch *stretch, const struct mp_flight_record *record)
{
    if (!is_sound(record))
        return false;
    if (is_sent(record)) {
        if (record->number != stretch->number + stretch->pulses ||
            record->action != stretch->action || record->frame != stretch->frame)
            return false;
        stretch->pulses++;
        stretch->sent_ns = record->sent_ns;
    } else {
        if (!is_given(record) || stretch->confirmed == stretch->pulses ||
            record->number != stretch->number + stretch->confirmed)
            return false;
        stretch->confirmed++;
    }
    stretch->woken_ns = later(stretch->woken_ns, later(record->woken_ns, record->sent_ns));
    stretch->returned_ns = later(stretch->returned_ns, record->returned_ns);
    return true;
}

bool mp_flight_stretch_at(const struct mp_flight_reader *reader, uint64_t first,
                          struct mp_flight_stretch *stretch)
{
    struct mp_flight_record record;
    uint64_t play;
    if (!mp_flight_is_placed(reader) || !mp_flight_at(reader, first, &record, &play) ||
        play == 0 || !is_sent(&record))
        return false;
    struct mp_flight_stretch found = {.first = first,
                                      .play = play,
                                      .action = record.action,
                                      .frame = record.frame,
                                      .number = record.number,
                                      .woken_ns = INT64_MIN,
                                      .returned_ns = INT64_MIN};
    uint64_t place = first;
    while (mp_flight_at(reader, place, &record, &play) && play == found.play &&
           (place - first < MP_STRETCH_MOST || found.confirmed < found.pulses) &&
           take(&found, &record))
        place++;
    found.last = place - 1;
    *stretch = found;
    return place - first >= MP_STRETCH_LEAST;
}

bool mp_flight_stretch(struct mp_flight_reader *reader, struct mp_flight_stretch *stretch)
{
    if (!mp_flight_stretch_at(reader, mp_flight_place_of(reader) + 1, stretch))
        return false;
    mp_flight_pass(reader, stretch->last, stretch->play);
    return true;
}

/* A write that stalled past the tolerance began before the stall or after it: then its end
 * holds. */
static int64_t left_ns(const struct mp_stretch_rows *rows,
                       const struct mp_flight_record *record)
{
    const struct mp_stretch_facts *facts = &rows->facts;
    bool stalled =
        facts->tolerates && record->returned_ns - record->due_ns > facts->tolerance_ns;
    return stalled ? record->returned_ns : record->sent_ns;
}

/* All three count from the run's start; the first is the row's onset. */
struct times {
    int64_t sent_ns, planned_ns, due_ns;
};

static struct times times_of(const struct mp_stretch_rows *rows,
                             const struct mp_flight_record *record)
{
    const struct mp_stretch_facts *facts = &rows->facts;
    return (struct times){left_ns(rows, record) + facts->delay_ns - facts->run_ns,
                          facts->begin_ns - facts->run_ns + record->planned_ns,
                          record->due_ns - facts->run_ns};
}

/* When the last frame was due at the latest: rows with a sooner onset are in their place. */
static int64_t due_at_last(const struct mp_stretch_rows *rows)
{
    struct mp_flight_record record;
    uint64_t play;
    int64_t latest = INT64_MIN;
    for (uint64_t place = rows->stretch.first; place <= rows->stretch.last; place++)
        if (mp_flight_at(rows->reader, place, &record, &play) && is_sent(&record))
            latest = later(latest, times_of(rows, &record).due_ns);
    return latest;
}

/*
 * From the last pulse back: the first that is confirmed, is due to be written, and that no
 * later one comes before; and whether all before it are in order. A row that waits stands at
 * its planned onset, if that is sooner.
 */
static bool find_rows(struct mp_stretch_rows *rows)
{
    const struct mp_flight_stretch *stretch = &rows->stretch;
    const int64_t until_ns = due_at_last(rows);
    struct mp_flight_record record;
    uint64_t play, at = stretch->pulses;
    int64_t soonest = INT64_MAX;
    for (uint64_t place = stretch->last; place >= stretch->first; place--) {
        if (!mp_flight_at(rows->reader, place, &record, &play) || !is_sent(&record))
            continue;
        const struct times times = times_of(rows, &record);
        bool ordered = times.sent_ns <= soonest;
        if (rows->count == 0 && ordered && at <= stretch->confirmed && times.sent_ns < until_ns)
            rows->count = at;
        if (rows->count > 0 && !ordered)
            return false;
        if (rows->count == 0) {
            rows->rest = place;
            soonest = times.planned_ns <= soonest ? times.planned_ns - 1 : soonest;
        }
        soonest = times.sent_ns < soonest ? times.sent_ns : soonest;
        rows->first_ns = times.sent_ns;
        at--;
    }
    return rows->count > 0;
}

bool mp_stretch_begin(struct mp_stretch_rows *rows, const struct mp_flight_reader *reader,
                      const struct mp_flight_stretch *stretch,
                      const struct mp_stretch_facts *facts)
{
    *rows = (struct mp_stretch_rows){.reader = reader,
                                     .stretch = *stretch,
                                     .facts = *facts,
                                     .sent = stretch->first,
                                     .said = stretch->first,
                                     .heard_ns = INT64_MIN,
                                     .rest = stretch->last + 1};
    struct mp_flight_record record;
    uint64_t play, confirmed = 0;
    if (!find_rows(rows))
        return false;
    for (uint64_t place = stretch->first; confirmed < rows->count; place++)
        if (mp_flight_at(reader, place, &record, &play) && is_given(&record)) {
            rows->heard_ns = later(rows->heard_ns, record.woken_ns - facts->run_ns);
            confirmed++;
        }
    return true;
}

/* The next record from *place on that is a pulse, or a confirmation; *place is after it. */
static void find(const struct mp_stretch_rows *rows, uint64_t *place, bool sent,
                 struct mp_flight_record *record)
{
    uint64_t play;
    while (!mp_flight_at(rows->reader, (*place)++, record, &play) || is_sent(record) != sent)
        continue;
}

bool mp_stretch_next(struct mp_stretch_rows *rows, struct mp_event_row *row, uint32_t *value)
{
    struct mp_flight_record record;
    if (rows->done == rows->count)
        return false;
    find(rows, &rows->sent, true, &record);
    const struct times times = times_of(rows, &record);
    row->planned_ns = times.planned_ns;
    row->sent_ns = times.sent_ns;
    row->late_ns = left_ns(rows, &record) - record.due_ns;
    find(rows, &rows->said, false, &record);
    row->confirmed_ns = record.woken_ns - rows->facts.run_ns;
    *value = record.action;
    rows->done++;
    return true;
}
