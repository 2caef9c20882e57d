/*
 * dispatch_distance.c - how soon after the pulses before one may leave: after the last one of
 * its own output, and after those of the others.
 */
#include "engine/dispatcher_core.h"

int64_t dispatch_device_ns(const struct mp_dispatcher *d)
{
    int64_t earliest_ns = INT64_MIN;
    for (uint32_t i = 0; i < d->outputs; i++) {
        const struct dispatch_last *last = &d->last[i];
        if (!last->sent)
            continue;
        int64_t taken_ns =
            last->had_ns + (i == d->next.output ? d->next.least_ns : last->across_ns);
        if (taken_ns > earliest_ns)
            earliest_ns = taken_ns;
    }
    return earliest_ns == INT64_MIN ? earliest_ns
                                    : earliest_ns - dispatch_next_frame(d)->wire_ns;
}

/* A setting behind a question: the loop's word that it was answered ends the wait. */
static int64_t set_due_ns(const struct mp_dispatcher *d)
{
    const struct mp_send *set = &d->next;
    int64_t due_ns = d->start_ns + set->send_ns;
    int64_t free_ns =
        d->settled_ns == 0 ? d->start_ns + set->latest_ns : d->settled_ns + set->behind_ns;
    return due_ns > free_ns ? due_ns : free_ns;
}

int64_t dispatch_due_ns(const struct mp_dispatcher *d)
{
    int64_t due_ns = d->start_ns + d->next.send_ns;
    if (d->next.kind == MP_SEND_SET && d->next.behind_ns > 0 && d->config.settings)
        return set_due_ns(d);
    if (d->next.kind != MP_SEND_PULSE || !d->latest.sent || d->config.any_distance)
        return due_ns;
    int64_t device_ns = dispatch_device_ns(d);
    bool held = device_ns > due_ns && device_ns - due_ns <= d->config.tolerance_ns;
    return held ? device_ns : due_ns;
}

/*
 * Pulses are as far apart as planned less the tolerance, but never under half of what was
 * planned, however generous it is: else a stall would be followed by pulses back to back.
 */
static bool closer_than_planned(const struct mp_dispatcher *d, const struct dispatch_last *last,
                                int64_t now)
{
    const int64_t tolerance = d->config.tolerance_ns;
    // the first pulse of a plan has only what the device asks behind the plan before it
    const int64_t planned = last->planned ? d->next.send_ns - last->planned_ns : 0;
    int64_t by_plan = planned - (tolerance < planned / 2 ? tolerance : planned / 2);
    return last->sent && now - last->sent_ns < by_plan;
}

/* What the device asks holds to the nanosecond. */
bool dispatch_too_close(const struct mp_dispatcher *d, int64_t now)
{
    if (!d->latest.sent || d->config.any_distance)
        return false;
    return closer_than_planned(d, &d->latest, now) ||
           closer_than_planned(d, &d->last[d->next.output], now) || now < dispatch_device_ns(d);
}

void dispatch_plan_begins(struct mp_dispatcher *d)
{
    d->latest.planned = false;
    for (uint32_t i = 0; i < MP_OUTPUTS_MAX; i++)
        d->last[i].planned = false;
}

static void was_sent(struct dispatch_last *last, const struct mp_outcome *out, int64_t had_ns)
{
    last->sent = true;
    last->sent_ns = out->returned_ns;
    last->had_ns = had_ns;
    last->across_ns = out->send.across_ns;
}

void dispatch_was_sent(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    const struct mp_frame *frame = dispatch_next_frame(d);
    int64_t had_ns = dispatch_left_ns(d, frame, out) + frame->wire_ns;
    uint8_t output = out->send.output;
    was_sent(&d->latest, out, had_ns);
    was_sent(&d->last[output], out, had_ns);
    if (output >= d->outputs)
        d->outputs = (uint32_t)output + 1;
}

static void came_by(struct dispatch_last *last, int64_t send_ns)
{
    last->planned = true;
    last->planned_ns = send_ns;
}

void dispatch_came_by(struct mp_dispatcher *d)
{
    came_by(&d->latest, d->next.send_ns);
    came_by(&d->last[d->next.output], d->next.send_ns);
}
