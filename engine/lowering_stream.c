/* lowering_stream.c - the frames of a plan in time order, and the check before they are sent.
 */
#include "engine/lowering.h"

#include "engine/lowering_core.h"

#include <stdlib.h>

static const struct change *find_change(const struct mp_lowering *l, uint32_t from, uint32_t to)
{
    const struct change key = {.from = from, .to = to};
    if (l->change_count == 0)
        return NULL;
    return bsearch(&key, l->changes, l->change_count, sizeof key, lowering_compare_changes);
}

void mp_lowering_rewind(struct mp_lowering *l)
{
    mp_schedule_rewind(l->schedule);
    l->event_next = l->event_end = 0;
    l->have_previous = false;
    lowering_unset(&l->set);
    for (uint32_t i = 0; i < l->outputs; i++)
        l->have_last[i] = l->check_have_last[i] = false;
    l->queue_next = l->queue_end = 0;
    l->check_have_pulse = l->checking = false;
    l->sent_ns = INT64_MIN;
    l->unproven_ns = 0;
}

static void lower_mark(const struct mp_event *event, struct mp_send *send)
{
    *send = (struct mp_send){.kind = MP_SEND_MARK,
                             .half = event->half,
                             .frame = no_frame,
                             .source = event->source,
                             .number = event->number,
                             .send_ns = mp_event_ns(event),
                             .floor_ns = event->floor_ns};
}

static void lower_pulse(struct mp_lowering *l, const struct mp_event *event,
                        struct mp_send *send)
{
    const struct pulse_info *info = &l->pulses[event->action];
    const struct mp_frame *frame = info->frame == no_frame ? NULL : &l->frames[info->frame];
    int64_t before_ns = frame == NULL ? 0 : frame->wire_ns + frame->delay_ns;
    int64_t least_ns = info->least_ns;
    const struct lowered *last = &l->last[info->output];
    if (l->have_last[info->output] && l->pulses[last->action].lasts_ns > least_ns)
        least_ns = l->pulses[last->action].lasts_ns;
    *send = (struct mp_send){.kind = MP_SEND_PULSE,
                             .half = event->half,
                             .frame = info->frame,
                             .output = info->output,
                             .action = event->action,
                             .from = lowering_follow(l, &l->set, event->action),
                             .source = event->source,
                             .number = event->number,
                             .send_ns = mp_event_ns(event) - before_ns - l->latency_ns,
                             .latest_ns = 0,
                             .behind_ns = 0,
                             .floor_ns = event->floor_ns,
                             .least_ns = least_ns,
                             .across_ns = info->across_ns};
}

/*
 * How long after a pulse's frame began a setting may leave: once (1) all of it that goes over
 * the setting's own port is out, and (2) the pulse has been given: a device may be told faster
 * than it fires.
 */
static int64_t clear_ns(const struct mp_lowering *l, const struct mp_frame *frame)
{
    int64_t fired_ns = frame->wire_ns + l->latency_ns + frame->delay_ns;
    int64_t free_ns = frame->port == MP_PORT_DEVICE ? frame->takes_ns : 0;
    return fired_ns > free_ns ? fired_ns : free_ns;
}

/*
 * When a setting may leave: right after the pulse before it, or once the train that that one
 * started has ended and the device takes settings again: whichever output plays.
 */
static int64_t set_ns(const struct mp_lowering *l)
{
    int64_t at_ns = l->previous.send_ns;
    for (uint32_t i = 0; i < l->outputs; i++) {
        const struct lowered *last = &l->last[i];
        if (!l->have_last[i] || last->frame == no_frame)
            continue;
        int64_t free_ns = last->send_ns + clear_ns(l, &l->frames[last->frame]) +
                          l->pulses[last->action].locked_ns;
        if (free_ns > at_ns)
            at_ns = free_ns;
    }
    return at_ns;
}

/*
 * A question right after the pulse before, and the setting after its answer: by then all
 * pulses are on the device, and as long after it as they last they are over, however late they
 * were.
 */
static void lower_ask(const struct mp_lowering *l, struct mp_send *ask, struct mp_send *set)
{
    const struct mp_frame *frame = &l->frames[l->ask];
    const struct lowered *last = &l->previous;
    *ask = *set;
    ask->kind = MP_SEND_ASK;
    ask->frame = l->ask;
    ask->send_ns = last->send_ns + clear_ns(l, &l->frames[last->frame]);
    if (ask->send_ns < l->sent_ns)
        ask->send_ns = l->sent_ns;
    set->behind_ns = l->unproven_ns > 0 ? l->unproven_ns : 1;
    int64_t answered_ns = ask->send_ns + frame->wire_ns + l->allow_ns;
    if (set->send_ns < answered_ns + set->behind_ns)
        set->send_ns = answered_ns + set->behind_ns;
    ask->latest_ns = set->latest_ns - set->behind_ns - frame->wire_ns;
}

/* The setting that must go out before pulse. */
static bool lower_change(const struct mp_lowering *l, const struct mp_send *pulse,
                         struct mp_send *set)
{
    if (!l->have_previous || pulse->from == mp_no_action || pulse->from == pulse->action ||
        l->previous.frame == no_frame) // drawn before all actions have their bytes
        return false;
    const struct change *change = find_change(l, pulse->from, pulse->action);
    if (change == NULL || change->frame == no_frame)
        return false;
    *set = *pulse;
    set->kind = MP_SEND_SET;
    set->frame = change->frame;
    set->send_ns = set_ns(l);
    if (set->send_ns < l->sent_ns) // more marks than the queue holds went ahead
        set->send_ns = l->sent_ns;
    set->latest_ns = pulse->send_ns - change->lead_ns - l->frames[change->frame].wire_ns;
    return true;
}

/* It lies there until the next; NULL: there is none. */
static const struct mp_event *next_event(struct mp_lowering *l)
{
    if (l->event_next == l->event_end) {
        l->event_next = 0;
        l->event_end = mp_schedule_next_many(l->schedule, l->events, MP_EVENTS);
        if (l->event_end == 0)
            return NULL;
    }
    return &l->events[l->event_next++];
}

/* Is it another device's? Of several, each gives its own pulses, and one tells the marks. */
static bool is_others(const struct mp_lowering *l, const struct mp_event *event)
{
    return event->kind == MP_EVENT_PULSE ? l->pulses[event->action].left : l->markless;
}

/* Put send in front of the queue, after the marks that lie before it. */
static void put_ahead(struct mp_lowering *l, const struct mp_send *send)
{
    struct mp_send *queue = l->queue;
    uint32_t place = --l->queue_next;
    while (place + 2 < l->queue_end && queue[place + 1].send_ns < send->send_ns) {
        queue[place] = queue[place + 1];
        place++;
    }
    queue[place] = *send;
}

/* Draw events up to the next pulse and put what they become into the queue, in time order. */
static bool refill(struct mp_lowering *l)
{
    struct mp_send *queue = l->queue;
    const struct mp_event *event;
    struct mp_send set, ask;
    uint32_t end = PUT_AHEAD;
    const uint32_t full = MARKS_AHEAD + 1 + PUT_AHEAD;
    bool found = false;
    l->queue_next = PUT_AHEAD;
    while (end < full && !found && (event = next_event(l)) != NULL) {
        if (is_others(l, event))
            continue;
        found = event->kind == MP_EVENT_PULSE;
        if (found)
            lower_pulse(l, event, &queue[end++]);
        else
            lower_mark(event, &queue[end++]);
    }
    l->queue_end = end;
    // The queue is full of marks; the pulse after them may have to be sent before the last
    // mark's onset, so move these marks ahead by the largest lead.
    const int64_t lead_ns = end == full && !found ? mp_lowering_lead_ns(l) : 0;
    for (uint32_t i = PUT_AHEAD; lead_ns > 0 && i < end; i++) {
        queue[i].send_ns -= lead_ns;
        if (queue[i].send_ns < l->sent_ns)
            queue[i].send_ns = l->sent_ns;
    }
    if (found) {
        const struct mp_send *pulse = &queue[end - 1];
        // the frame of a pulse leaves before its onset: a mark at the onset goes with it
        for (uint32_t i = PUT_AHEAD; i < end - 1; i++)
            if (queue[i].send_ns > pulse->send_ns)
                queue[i].send_ns = pulse->send_ns;
        if (lower_change(l, pulse, &set)) {
            if (l->ask != no_frame)
                lower_ask(l, &ask, &set);
            put_ahead(l, &set);
            if (l->ask != no_frame) {
                put_ahead(l, &ask);
                l->unproven_ns = 0;
            }
        }
        int64_t lasts_ns = l->pulses[pulse->action].locked_ns;
        if (l->unproven_ns < lasts_ns)
            l->unproven_ns = lasts_ns;
        const struct lowered now = {
            .frame = pulse->frame, .action = pulse->action, .send_ns = pulse->send_ns};
        l->previous = now; // twice from the registers: what was just stored is slow to read
        l->last[pulse->output] = now;
        l->have_previous = l->have_last[pulse->output] = true;
    }
    return l->queue_next < l->queue_end;
}

static const struct mp_send *next_send(struct mp_lowering *l)
{
    if (l->queue_next == l->queue_end && !refill(l))
        return NULL;
    const struct mp_send *send = &l->queue[l->queue_next++];
    l->sent_ns = send->send_ns;
    return send;
}

const struct mp_send *mp_lowering_draw(struct mp_lowering *l)
{
    l->checking = false; // what is drawn here a check under way would never see
    return next_send(l);
}

bool mp_lowering_next(struct mp_lowering *l, struct mp_send *send)
{
    const struct mp_send *drawn = mp_lowering_draw(l);
    if (drawn != NULL)
        *send = *drawn;
    return drawn != NULL;
}

/* ---- the check ---- */

static int64_t onset_ns(const struct mp_send *send)
{
    return send->floor_ns + (send->half ? 1 : 0);
}

static bool violates(struct mp_violation *v, enum mp_violation_kind kind,
                     const struct mp_send *before, const struct mp_send *pulse,
                     int64_t least_ns)
{
    const struct mp_event first = {.floor_ns = before->floor_ns};
    const struct mp_event second = {.floor_ns = pulse->floor_ns};
    *v = (struct mp_violation){
        .kind = kind,
        .first = before->number,
        .second = pulse->number,
        .first_source = before->source,
        .second_source = pulse->source,
        .first_us = mp_event_us(&first),
        .second_us = mp_event_us(&second),
        .interval_ns = onset_ns(pulse) - onset_ns(before),
        .least_ns = least_ns,
    };
    return true;
}

/* One pulse's frame begins when all of the one before is over, on whichever port. */
static bool check_overlap(struct mp_lowering *l, const struct mp_send *send,
                          struct mp_violation *v)
{
    const struct mp_send *before = &l->check_pulse;
    const struct mp_frame *frame = &l->frames[before->frame];
    int64_t overlap = before->send_ns + frame->takes_ns - send->send_ns;
    enum mp_violation_kind kind = frame->width_ns > 0 ? MP_VIOLATION_WIDTH : MP_VIOLATION_WIRE;
    return overlap > 0 &&
           violates(v, kind, before, send, onset_ns(send) - onset_ns(before) + overlap);
}

/* What the device counts its intervals from: a pulse with a delay was asked for sooner. */
static int64_t asked_ns(const struct mp_lowering *l, const struct mp_send *send)
{
    return onset_ns(send) - l->frames[send->frame].delay_ns;
}

/* How soon after the last pulse of each output the device takes this one. */
static bool check_intervals(struct mp_lowering *l, const struct mp_send *send,
                            struct mp_violation *v)
{
    bool tight = false;
    for (uint32_t i = 0; i < l->outputs; i++) {
        if (!l->check_have_last[i])
            continue;
        const struct mp_send *before = &l->check_last[i];
        bool own = i == send->output;
        int64_t planned = onset_ns(send) - onset_ns(before);
        int64_t interval = asked_ns(l, send) - asked_ns(l, before);
        int64_t needed = own ? send->least_ns : before->across_ns;
        int64_t least_ns = needed + planned - interval;
        if (planned < least_ns)
            return violates(v, own ? MP_VIOLATION_INTERVAL : MP_VIOLATION_ACROSS, before, send,
                            least_ns);
        if (tight || needed == 0 || planned - least_ns >= mp_room_ns)
            continue;
        tight = true;
        if (l->tight++ == 0)
            (void)violates(&l->tightest, MP_VIOLATION_NONE, before, send, least_ns);
    }
    return false;
}

static bool check_send(struct mp_lowering *l, const struct mp_send *send,
                       struct mp_violation *v)
{
    if (send->kind == MP_SEND_MARK || send->kind == MP_SEND_ASK) // its setting is looked at
        return false;
    const struct mp_send *pulse = &l->check_pulse;
    if (send->kind == MP_SEND_SET) {
        // what has to fit between the two pulses: both frames and the lead
        const struct mp_send *next = &l->queue[l->queue_end - 1];
        int64_t late = send->send_ns - send->latest_ns;
        int64_t planned = onset_ns(next) - onset_ns(pulse);
        return late > 0 && violates(v, MP_VIOLATION_LEAD, pulse, next, planned + late);
    }
    if (l->check_have_pulse) {
        if (check_intervals(l, send, v))
            return true;
        int64_t interval = asked_ns(l, send) - asked_ns(l, pulse);
        int64_t later = onset_ns(send) - onset_ns(pulse) - interval;
        const struct change *change = find_change(l, send->from, send->action);
        if (change != NULL && change->frame == no_frame && interval < change->lead_ns)
            return violates(v, MP_VIOLATION_LEAD, pulse, send, change->lead_ns + later);
    }
    return l->check_have_pulse && check_overlap(l, send, v);
}

bool mp_lowering_check(struct mp_lowering *l, uint64_t budget, struct mp_violation *violation)
{
    *violation = (struct mp_violation){.kind = MP_VIOLATION_NONE};
    for (uint32_t i = 0; i < l->actions; i++)
        if (l->pulses[i].frame == no_frame && !l->pulses[i].left)
            return false; // not checked: nobody said how to fire this one
    if (!l->checking) {
        mp_lowering_rewind(l);
        l->tight = 0;
    }
    l->checking = true;
    for (uint64_t i = 0; i < budget; i++) {
        const struct mp_send *send = next_send(l);
        if (send == NULL) {
            mp_lowering_rewind(l);
            l->checked = true;
            return false;
        }
        if (check_send(l, send, violation)) {
            mp_lowering_rewind(l);
            return false;
        }
        if (send->kind == MP_SEND_PULSE) {
            l->check_pulse = l->check_last[send->output] = *send;
            l->check_have_pulse = l->check_have_last[send->output] = true;
        }
    }
    return true;
}

uint64_t mp_lowering_tight(const struct mp_lowering *l, struct mp_violation *first)
{
    if (l->tight > 0)
        *first = l->tightest;
    return l->tight;
}
