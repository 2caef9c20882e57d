#include "engine/near_cut.h"

#include <stddef.h>

#define TEXT(literal)                                                                          \
    {                                                                                          \
        .bytes = (literal), .length = sizeof(literal) - 1                                      \
    }

/* Of those that wait. */
static struct mp_near_pending *oldest(struct mp_near_cut *cut)
{
    return &cut->pending[cut->waits % MP_NEAR_PENDING];
}

static void on_alarm(struct mp_alarm *alarm)
{
    struct mp_near_cut *cut =
        (struct mp_near_cut *)(void *)((char *)alarm - offsetof(struct mp_near_cut, alarm));
    if (cut->waits == cut->end)
        return;
    int64_t due_ns = oldest(cut)->told_ns + cut->known.patience_ns;
    if (due_ns > mp_world_now(cut->world)) {
        mp_world_set(cut->world, alarm, due_ns);
        return;
    }
    cut->on = false;
    cut->overdue(cut->context);
}

void mp_near_cut_init(struct mp_near_cut *cut, struct mp_world *world,
                      void (*overdue)(void *context), void *context)
{
    memset(cut, 0, offsetof(struct mp_near_cut, text)); // the text is the last, and begun later
    cut->alarm.ring = on_alarm;
    cut->world = world;
    cut->overdue = overdue;
    cut->context = context;
}

static bool keep(struct mp_tail *tail, char *to, size_t most)
{
    if (tail->length > most)
        return false;
    (void)mp_put_bytes(to, tail->bytes, tail->length);
    tail->bytes = to;
    return true;
}

/* The last columns of a row, with the trial that it has. */
static void put_columns(struct mp_near_cut *cut)
{
    char last[MP_EVENT_NUMBERS];
    const char *end = mp_event_put_rest(cut->columns, &cut->row);
    cut->rest = (struct mp_tail){cut->columns, (size_t)(end - cut->columns)};
    cut->fixed = cut->rest.length - (size_t)(mp_event_put_last(last, &cut->row) - last);
}

/* The row is of the trial of its pulse. */
static void turn_to_trial(struct mp_near_cut *cut)
{
    for (; cut->row.pulse >= cut->changes; cut->changes += cut->known.per)
        cut->row.trial++;
    const char *end = mp_event_put_last(cut->columns + cut->fixed, &cut->row);
    cut->rest.length = (size_t)(end - cut->columns);
}

enum mp_status mp_near_cut_begin(struct mp_near_cut *cut, const struct mp_near_known *known,
                                 struct mp_error *err)
{
    struct mp_near_known *own = &cut->known;
    if (mp_world_is_hindered(cut->world))
        return mp_fail(err, MP_ESTATE, "whoever hears may be late");
    *own = *known;
    if (own->reply.length == 0 || !keep(&own->reply, cut->reply, MP_NEAR_BYTES) ||
        !keep(&own->columns, cut->texts[0], MP_NEAR_TEXT) ||
        !keep(&own->words, cut->texts[1], MP_NEAR_TEXT) ||
        !keep(&own->proof, cut->texts[2], MP_NEAR_TEXT) ||
        !keep(&own->condition, cut->texts[3], MP_NEAR_TEXT))
        return mp_fail(err, MP_ERANGE, "a reply or a text of its row is too long");
    cut->row = (struct mp_event_row){
        .event = TEXT("pulse"),
        .late_ns = 0,
        .action = own->columns,
        .status = TEXT("delivered"),
        .reply = own->words,
        .timed_by = TEXT("host"),
        .proof = own->proof,
        .condition = own->condition,
        .trial = own->trial,
        .block = own->block,
    };
    cut->room = mp_event_room(&cut->row);
    cut->changes = own->per == 0 ? UINT64_MAX : own->first + own->per;
    put_columns(cut);
    cut->written = 0;
    cut->contact_ns = 0;
    cut->first = cut->waits = cut->end;
    cut->on = true;
    return MP_OK;
}

static int64_t planned_ns(const struct mp_outcome *out)
{
    return out->send.floor_ns + (out->send.half ? 1 : 0);
}

/* Sent as it was planned, in time, and no pulse before it has been waiting for too long. */
static bool is_usual(struct mp_near_cut *cut, const struct mp_outcome *out, int64_t now_ns)
{
    const struct mp_near_known *known = &cut->known;
    const struct mp_send *send = &out->send;
    if (out->kind != MP_OUT_SENT || send->kind != MP_SEND_PULSE ||
        send->frame != known->frame || send->action != known->action ||
        out->stop != MP_STOP_NONE || out->returned_ns != out->entered_ns ||
        out->entered_ns != out->start_ns + send->send_ns ||
        out->start_ns + planned_ns(out) < known->origin_ns ||
        send->number + known->extra > known->last)
        return false;
    if (cut->first == cut->end)
        return true;
    const struct mp_near_pending *newest = &cut->pending[(cut->end - 1) % MP_NEAR_PENDING];
    return cut->end - cut->first < MP_NEAR_PENDING &&
           newest->told_ns >= now_ns - known->slow_ns;
}

bool mp_near_cut_outcome(struct mp_near_cut *cut, const struct mp_outcome *out, int64_t now_ns)
{
    if (!cut->on || out->kind == MP_OUT_ONEOFF) // of these nobody wants to know
        return cut->on;
    if (!is_usual(cut, out, now_ns)) {
        cut->on = false;
        return false;
    }
    cut->pending[cut->end++ % MP_NEAR_PENDING] =
        (struct mp_near_pending){.out = *out, .told_ns = now_ns};
    cut->contact_ns = out->returned_ns;
    if (!cut->alarm.is_set)
        mp_world_set(cut->world, &cut->alarm, now_ns + cut->known.patience_ns);
    return true;
}

/* The row of a pulse that is confirmed. */
static void put_row(struct mp_near_cut *cut, const struct mp_near_pending *pulse)
{
    const struct mp_near_known *known = &cut->known;
    const struct mp_outcome *out = &pulse->out;
    struct mp_event_row *row = &cut->row;
    row->index = ++cut->known.index;
    row->pulse = out->send.number + known->extra;
    if (row->pulse >= cut->changes)
        turn_to_trial(cut);
    row->planned_ns = out->start_ns - known->origin_ns + planned_ns(out);
    row->sent_ns = out->entered_ns + known->delay_ns - known->origin_ns;
    row->confirmed_ns = pulse->confirmed_ns - known->origin_ns;
    char *at = mp_text_room(&cut->text, cut->room);
    mp_text_end(&cut->text, mp_event_put_with(at, row, &cut->rest));
    cut->written++;
    cut->onset_ns = row->sent_ns;
    cut->number = out->send.number;
    cut->returned_ns = out->returned_ns;
    cut->told_ns = pulse->told_ns;
}

/* The oldest pulse that waits is confirmed, or one after it: rows are written once none waits.
 * False: its row would not be the next, or one is missing. */
static bool confirm(struct mp_near_cut *cut, int64_t now_ns)
{
    const struct mp_near_known *known = &cut->known;
    struct mp_near_pending *pulse = oldest(cut);
    const int64_t sent_ns = pulse->out.entered_ns + known->delay_ns;
    if (cut->waits == cut->end || sent_ns > now_ns || sent_ns < known->origin_ns ||
        now_ns - pulse->told_ns > known->slow_ns)
        return false;
    pulse->confirmed_ns = now_ns;
    cut->known.confirmed++;
    cut->contact_ns = now_ns;
    if (++cut->waits != cut->end)
        return true;
    while (cut->first != cut->end)
        put_row(cut, &cut->pending[cut->first++ % MP_NEAR_PENDING]);
    return true;
}

size_t mp_near_cut_bytes(struct mp_near_cut *cut, const uint8_t *bytes, size_t length,
                         int64_t now_ns)
{
    const struct mp_tail *reply = &cut->known.reply;
    size_t taken = 0;
    while (cut->on && taken < length) {
        bool known = length - taken >= reply->length &&
                     memcmp(bytes + taken, reply->bytes, reply->length) == 0;
        if (!known || !confirm(cut, now_ns))
            cut->on = false;
        else
            taken += reply->length;
    }
    return taken;
}

const struct mp_near_pending *mp_near_cut_pending(struct mp_near_cut *cut)
{
    if (cut->first == cut->end)
        return NULL;
    cut->waits += cut->waits == cut->first ? 1 : 0;
    return &cut->pending[cut->first++ % MP_NEAR_PENDING];
}

void mp_near_cut_close(struct mp_near_cut *cut)
{
    cut->on = false;
    cut->first = cut->waits = cut->end;
    mp_world_cancel(cut->world, &cut->alarm);
}
