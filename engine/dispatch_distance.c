/*
 * dispatch_distance.c - when the next frame leaves, and what is remembered of those that did:
 * the rules themselves are in dispatch_late.c.
 */
#include "engine/dispatcher_core.h"

static struct dispatch_frame as_frame(const struct mp_dispatcher *d, const struct mp_send *send)
{
    struct dispatch_frame next = {
        .send = send, .start_ns = d->start_ns, .unsettled = dispatch_unsettled(d)};
    if (send->kind != MP_SEND_MARK) {
        const struct mp_frame *frame = mp_lowering_frame(d->lowering, send->frame);
        next.wire_ns = frame->wire_ns;
        next.by_wire = dispatch_by_wire(frame);
    }
    return next;
}

struct dispatch_frame dispatch_next(const struct mp_dispatcher *d)
{
    return as_frame(d, d->next);
}

void dispatch_warm(struct mp_dispatcher *d, const struct mp_send *send)
{
    volatile uint8_t sink = 0;
    if (send->kind != MP_SEND_MARK) {
        const struct mp_frame *frame = mp_lowering_frame(d->lowering, send->frame);
        for (size_t i = 0; i < frame->length; i += 64)
            sink = frame->bytes[i];
    }
    (void)sink;
    const struct dispatch_frame next = as_frame(d, send);
    (void)dispatch_refuse(&d->rules, &d->past, &next, dispatch_now(d));
    mp_ring_warm(&d->outcomes);
    if (d->config.arming.flight != NULL)
        mp_flight_warm(d->config.arming.flight);
}

/* A setting after a question: the loop's word that it was answered ends the wait. */
static int64_t set_due_ns(const struct mp_dispatcher *d)
{
    const struct mp_send *set = d->next;
    int64_t due_ns = d->start_ns + set->send_ns;
    int64_t free_ns =
        d->settled_ns == 0 ? d->start_ns + set->latest_ns : d->settled_ns + set->behind_ns;
    return due_ns > free_ns ? due_ns : free_ns;
}

int64_t dispatch_due_ns(const struct mp_dispatcher *d, const struct dispatch_frame *next)
{
    const struct mp_send *send = next->send;
    if (send->kind == MP_SEND_PULSE)
        return dispatch_pulse_ns(&d->rules, &d->past, next);
    if (send->kind == MP_SEND_SET && send->behind_ns > 0 && d->config.arming.settings)
        return set_due_ns(d);
    return d->start_ns + send->send_ns;
}

void dispatch_plan_begins(struct mp_dispatcher *d)
{
    d->past.latest.planned = false;
    for (uint32_t i = 0; i < MP_OUTPUTS_MAX; i++)
        d->past.last[i].planned = false;
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
    was_sent(&d->past.latest, out, had_ns);
    was_sent(&d->past.last[output], out, had_ns);
    if (output >= d->past.outputs)
        d->past.outputs = (uint32_t)output + 1;
    d->past.stamps_ns[d->past.pulses++ % STAMPS] = out->returned_ns;
}

static void came_by(struct dispatch_last *last, int64_t send_ns)
{
    last->planned = true;
    last->planned_ns = send_ns;
}

void dispatch_came_by(struct mp_dispatcher *d)
{
    came_by(&d->past.latest, d->next->send_ns);
    came_by(&d->past.last[d->next->output], d->next->send_ns);
}
