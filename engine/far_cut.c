#include "engine/far_cut.h"

#include <math.h>
#include <stddef.h>

enum { LOG_NUMBERS = 64 }; // bytes of a line of the log without its text

static void on_alarm(struct mp_alarm *alarm)
{
    struct mp_far_cut *cut =
        (struct mp_far_cut *)(void *)((char *)alarm - offsetof(struct mp_far_cut, alarm));
    size_t written;
    cut->first++;
    if (cut->first != cut->end)
        mp_world_set(cut->world, alarm, cut->due_ns[cut->first % MP_CUT_PENDING]);
    // last: the near end hears of it at once
    mp_wire_say(cut->wire, cut->reply, cut->steady.reply.length, &written);
}

void mp_far_cut_init(struct mp_far_cut *cut, struct mp_world *world, struct mp_wire *wire)
{
    memset(cut, 0, offsetof(struct mp_far_cut, log)); // the log is the last, and begun later
    cut->alarm.ring = on_alarm;
    cut->alarm.who = MP_WHO_OUTSIDE;
    cut->world = world;
    cut->wire = wire;
}

static void keep(struct mp_tail *tail, char *to)
{
    (void)mp_put_bytes(to, tail->bytes, tail->length);
    tail->bytes = to;
}

enum mp_status mp_far_cut_begin(struct mp_far_cut *cut, const struct mp_far_steady *steady,
                                struct mp_error *err)
{
    if (cut->first != cut->end)
        return mp_fail(err, MP_EBUSY, "a reply is still on its way");
    if (mp_world_is_hindered(cut->world))
        return mp_fail(err, MP_ESTATE, "whoever hears may be late");
    if (steady->frame.length > MP_CUT_BYTES || steady->reply.length > MP_CUT_BYTES ||
        steady->log.length > MP_CUT_TEXT)
        return mp_fail(err, MP_ERANGE, "a frame, its reply or its line is too long");
    cut->steady = *steady;
    keep(&cut->steady.frame, cut->frame);
    keep(&cut->steady.reply, cut->reply);
    keep(&cut->steady.log, cut->tail);
    cut->decay_ns = 0;
    cut->decay = 1.0;
    cut->given = 0;
    cut->on = true;
    return MP_OK;
}

/* The stimulator's part: false, and nothing is changed, if it would do something else. */
static bool fire(struct mp_far_cut *cut, int64_t now_ns)
{
    struct mp_stimulator *s = &cut->steady.stimulator;
    const int64_t passed_ns = now_ns - s->at_ns;
    if (now_ns < s->ready_ns || passed_ns <= 0)
        return false;
    if (passed_ns != cut->decay_ns) { // regular pulses share one exponential
        cut->decay_ns = passed_ns;
        cut->decay = exp((double)passed_ns * s->per_ns);
    }
    double celsius = s->ambient_c + (s->celsius - s->ambient_c) * cut->decay;
    celsius = celsius + s->rise_c;
    if (!(celsius >= s->low_c && celsius < s->high_c))
        return false;
    s->celsius = celsius;
    s->at_ns = now_ns;
    s->ready_ns = now_ns + s->recharge_ns;
    return true;
}

/* The line of moonpulse.simulation.witness: the time, and what was given. */
static void write_log(struct mp_far_cut *cut, int64_t at_ns)
{
    const struct mp_tail *tail = &cut->steady.log;
    char *at = mp_text_room(&cut->log, LOG_NUMBERS + tail->length);
    at = mp_put_seconds(at, (uint64_t)at_ns);
    mp_text_end(&cut->log, mp_put_bytes(at, tail->bytes, tail->length));
}

bool mp_far_cut_frame(struct mp_far_cut *cut, const void *bytes, size_t length,
                      int64_t began_ns)
{
    struct mp_far_steady *steady = &cut->steady;
    if (!cut->on)
        return false;
    const int64_t from_ns = began_ns > steady->free_ns ? began_ns : steady->free_ns;
    const int64_t now_ns = from_ns + steady->wire_ns;
    if (length != steady->frame.length || memcmp(bytes, steady->frame.bytes, length) != 0 ||
        cut->end - cut->first >= MP_CUT_PENDING || !fire(cut, now_ns - steady->on_ns)) {
        cut->on = false;
        return false;
    }
    steady->free_ns = cut->last_ns = now_ns;
    cut->given++;
    write_log(cut, now_ns);
    const int64_t due_ns = now_ns + steady->stimulator.reply_ns;
    cut->due_ns[cut->end++ % MP_CUT_PENDING] = due_ns;
    if (cut->end - cut->first == 1)
        mp_world_set(cut->world, &cut->alarm, due_ns);
    return true;
}

void mp_far_cut_end(struct mp_far_cut *cut)
{
    cut->on = false;
}

void mp_far_cut_close(struct mp_far_cut *cut)
{
    cut->on = false;
    cut->first = cut->end;
    mp_world_cancel(cut->world, &cut->alarm);
}
