#include "engine/steady.h"

#include "engine/events.h"

#include <math.h>

enum { LOG_NUMBERS = 64 }; // bytes of a line of the log without its text

#define TEXT(literal)                                                                          \
    {                                                                                          \
        .bytes = (literal), .length = sizeof(literal) - 1                                      \
    }

static int64_t onset_ns(const struct mp_send *send)
{
    return send->floor_ns + (send->half ? 1 : 0);
}

static void write_row(struct mp_steady *steady, const struct mp_pending *pulse)
{
    const int64_t sent_ns = pulse->at_ns + steady->latency_ns - steady->start_ns;
    const struct mp_event_row row = {
        .event = TEXT("pulse"),
        .index = ++steady->index,
        .pulse = pulse->send.number,
        .planned_ns = onset_ns(&pulse->send),
        .sent_ns = sent_ns,
        .confirmed_ns = pulse->at_ns + steady->stimulator.reply_ns - steady->start_ns,
        .late_ns = 0, // nothing is late in virtual time
        .action = steady->tails[pulse->send.action],
        .status = TEXT("delivered"),
        .reply = steady->reply,
        .timed_by = TEXT("host"),
        .proof = steady->proof,
    };
    char *at = mp_text_room(steady->text, mp_event_room(&row));
    mp_text_end(steady->text, mp_event_put(at, &row));
    steady->written++;
    steady->written_ns = sent_ns;
}

/* The line of moonpulse.simulators.witness: the time on the stimulator's clock, and what it
 * gave. */
static void write_log(struct mp_steady *steady, int64_t at_ns)
{
    const struct mp_tail *tail = &steady->log_tail;
    char *at = mp_text_room(steady->log, LOG_NUMBERS + tail->length);
    at = mp_put_seconds(at, (uint64_t)at_ns);
    at = mp_put_bytes(at, tail->bytes, tail->length);
    mp_text_end(steady->log, at);
}

/* The replies that came until now_ns complete their rows. */
static void deliver(struct mp_steady *steady, int64_t now_ns)
{
    while (steady->first != steady->end) {
        const struct mp_pending *oldest = &steady->pending[steady->first % MP_PENDING_MAX];
        if (oldest->at_ns + steady->stimulator.reply_ns > now_ns)
            return;
        write_row(steady, oldest);
        steady->first++;
    }
}

/* The stimulator's part: false, and nothing is changed, if it would do something else. */
static bool fire(struct mp_stimulator *s, double *decay, int64_t *decay_ns, int64_t now_ns)
{
    const int64_t passed_ns = now_ns - s->at_ns;
    if (now_ns < s->ready_ns || passed_ns <= 0)
        return false;
    if (passed_ns != *decay_ns) { // regular pulses share one exponential
        *decay_ns = passed_ns;
        *decay = exp((double)passed_ns * s->per_ns);
    }
    double celsius = s->ambient_c + (s->celsius - s->ambient_c) * *decay;
    celsius = celsius + s->rise_c;
    if (!(celsius >= s->low_c && celsius < s->high_c))
        return false;
    s->celsius = celsius;
    s->at_ns = now_ns;
    s->ready_ns = now_ns + s->recharge_ns;
    return true;
}

static bool is_usual(const struct mp_steady *steady, const struct mp_send *send, int64_t at_ns)
{
    return send->kind == MP_SEND_PULSE && send->frame == steady->frame &&
           steady->tails[send->action].bytes != NULL && onset_ns(send) >= 0 &&
           at_ns + steady->latency_ns >= steady->start_ns &&
           steady->end - steady->first < MP_PENDING_MAX;
}

bool mp_steady_play(struct mp_steady *steady, struct mp_send *send, uint64_t budget)
{
    const int64_t wire_ns = mp_lowering_frame(steady->lowering, steady->frame)->wire_ns;
    double decay = 1.0;
    int64_t decay_ns = 0;
    steady->sent = steady->written = 0;
    steady->first = steady->end = 0;
    while (steady->sent < budget) {
        const int64_t now_ns = steady->start_ns + send->send_ns;
        const int64_t at_ns = now_ns + wire_ns;
        deliver(steady, now_ns);
        if (!is_usual(steady, send, at_ns) ||
            !fire(&steady->stimulator, &decay, &decay_ns, at_ns))
            return true;
        write_log(steady, at_ns);
        steady->pending[steady->end++ % MP_PENDING_MAX] =
            (struct mp_pending){.send = *send, .at_ns = at_ns};
        steady->sent++;
        if (!mp_lowering_next(steady->lowering, send))
            return false;
    }
    return true;
}
