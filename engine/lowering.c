#include "engine/lowering.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Marks that may lie between two pulses before a setting would have to wait for them. */
enum { MARKS_AHEAD = 64 };

static const uint32_t no_frame = UINT32_MAX;

struct pulse_info {
    uint32_t frame;
    int64_t least_ns;  // since the pulse before
    int64_t lasts_ns;  // until the next pulse
    int64_t locked_ns; // until settings are taken again
};

struct change {
    uint32_t from, to;
    uint32_t frame; // no_frame: nothing to send
    int64_t lead_ns;
};

struct mp_lowering {
    struct mp_schedule *schedule;
    struct mp_serial serial;
    int64_t latency_ns;
    uint32_t actions;
    struct pulse_info *pulses; // by action
    struct mp_frame *frames;
    uint32_t frame_count;
    struct change *changes; // sorted by (from, to)
    uint32_t change_count;
    bool checked;
    _Atomic bool busy;
    struct mp_event events[MP_EVENTS]; // drawn from the schedule, not looked at yet
    uint32_t event_next, event_end;
    // the stream: drawn up to the next pulse, so that its setting can go out before the marks
    struct mp_send queue[MARKS_AHEAD + 2];
    uint32_t queue_next, queue_end;
    bool have_previous;
    struct mp_send previous; // the last pulse put into the queue
    // the check
    struct mp_send check_frame, check_pulse;
    bool check_have_frame, check_have_pulse;
    bool checking;   // a check is under way
    int64_t sent_ns; // when the last frame or mark given out leaves
};

enum mp_status mp_lowering_create(struct mp_lowering **out, struct mp_schedule *take_schedule,
                                  const struct mp_serial *serial, int64_t latency_ns,
                                  struct mp_error *err)
{
    const uint32_t actions = mp_schedule_action_count(take_schedule);
    struct mp_lowering *l = calloc(1, sizeof *l);
    if (l == NULL || actions > MP_ACTIONS_MAX) {
        free(l);
        mp_schedule_destroy(take_schedule);
        if (actions > MP_ACTIONS_MAX)
            return mp_fail(err, MP_ERANGE,
                           "the plan asks for %u different pulses, more than %d: use fewer "
                           "different intensities",
                           (unsigned)actions, MP_ACTIONS_MAX);
        return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
    }
    l->schedule = take_schedule;
    l->serial = *serial;
    l->latency_ns = latency_ns;
    l->actions = actions;
    l->pulses = calloc((size_t)actions + 1, sizeof *l->pulses);
    if (l->pulses == NULL) {
        mp_lowering_destroy(l);
        return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
    }
    for (uint32_t i = 0; i < actions; i++)
        l->pulses[i].frame = no_frame;
    mp_lowering_rewind(l);
    *out = l;
    return MP_OK;
}

void mp_lowering_destroy(struct mp_lowering *lowering)
{
    if (lowering == NULL)
        return;
    mp_schedule_destroy(lowering->schedule);
    free(lowering->pulses);
    free(lowering->frames);
    free(lowering->changes);
    free(lowering);
}

bool mp_lowering_busy(const struct mp_lowering *lowering)
{
    return atomic_load(&lowering->busy);
}

void mp_lowering_set_busy(struct mp_lowering *lowering, bool busy)
{
    atomic_store(&lowering->busy, busy);
}

static enum mp_status check_idle(const struct mp_lowering *l, struct mp_error *err)
{
    if (!mp_lowering_busy(l))
        return MP_OK;
    return mp_fail(err, MP_ESTATE, "the plan is being played: stop it before changing it");
}

/* Equal bytes share a frame. */
static enum mp_status add_frame(struct mp_lowering *l, const void *bytes, size_t length,
                                uint32_t *index, struct mp_error *err)
{
    if (length == 0 || length > MP_FRAME_MAX)
        return mp_fail(err, MP_ERANGE, "a frame has 1 to %d bytes, not %zu", MP_FRAME_MAX,
                       length);
    for (uint32_t i = 0; i < l->frame_count; i++)
        if (l->frames[i].length == length && memcmp(l->frames[i].bytes, bytes, length) == 0) {
            *index = i;
            return MP_OK;
        }
    struct mp_frame *grown = realloc(l->frames, (l->frame_count + 1) * sizeof *grown);
    if (grown == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
    l->frames = grown;
    struct mp_frame *frame = &grown[l->frame_count];
    frame->length = (uint32_t)length;
    frame->wire_ns = mp_serial_wire_ns(&l->serial, length);
    memcpy(frame->bytes, bytes, length);
    *index = l->frame_count++;
    return MP_OK;
}

enum mp_status mp_lowering_pulse(struct mp_lowering *l, uint32_t action, const void *bytes,
                                 size_t length, int64_t least_ns, struct mp_error *err)
{
    enum mp_status status = check_idle(l, err);
    if (status != MP_OK)
        return status;
    if (action >= l->actions)
        return mp_fail(err, MP_EINVAL, "there is no action %u", (unsigned)action);
    if (least_ns < 0)
        return mp_fail(err, MP_EINVAL, "a shortest interval cannot be negative");
    l->checked = false;
    l->pulses[action].least_ns = least_ns;
    l->pulses[action].lasts_ns = least_ns;
    l->pulses[action].locked_ns = 0;
    return add_frame(l, bytes, length, &l->pulses[action].frame, err);
}

enum mp_status mp_lowering_lasts(struct mp_lowering *l, uint32_t action, int64_t lasts_ns,
                                 int64_t locked_ns, struct mp_error *err)
{
    enum mp_status status = check_idle(l, err);
    if (status != MP_OK)
        return status;
    if (action >= l->actions || lasts_ns < 0 || locked_ns < 0)
        return mp_fail(err, MP_EINVAL, "there is no action %u that lasts so long",
                       (unsigned)action);
    l->checked = false;
    l->pulses[action].lasts_ns = lasts_ns;
    l->pulses[action].locked_ns = locked_ns;
    return MP_OK;
}

enum mp_status mp_lowering_changes(struct mp_lowering *l,
                                   void (*visit)(void *context, uint32_t from, uint32_t to),
                                   void *context, struct mp_error *err)
{
    enum mp_status status = check_idle(l, err);
    if (status != MP_OK)
        return status;
    uint8_t *seen = calloc(((size_t)l->actions * l->actions + 7) / 8 + 1, 1);
    if (seen == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory to look for changes of intensity");
    struct mp_event event;
    bool have = false;
    uint32_t from = 0;
    mp_schedule_rewind(l->schedule);
    while (l->actions > 1 && mp_schedule_next(l->schedule, &event)) {
        if (event.kind != MP_EVENT_PULSE)
            continue;
        size_t bit = (size_t)from * l->actions + event.action;
        if (have && from != event.action && (seen[bit / 8] & (1U << (bit % 8))) == 0) {
            seen[bit / 8] = (uint8_t)(seen[bit / 8] | (1U << (bit % 8)));
            visit(context, from, event.action);
        }
        have = true;
        from = event.action;
    }
    free(seen);
    mp_lowering_rewind(l);
    return MP_OK;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return (left->to > right->to) - (left->to < right->to);
}

enum mp_status mp_lowering_change(struct mp_lowering *l, uint32_t from, uint32_t to,
                                  const void *bytes, size_t length, int64_t lead_ns,
                                  struct mp_error *err)
{
    struct change change = {.from = from, .to = to, .frame = no_frame, .lead_ns = lead_ns};
    enum mp_status status = check_idle(l, err);
    if (status != MP_OK)
        return status;
    if (from >= l->actions || to >= l->actions || lead_ns < 0)
        return mp_fail(err, MP_EINVAL, "a change needs two actions and a lead of 0 or more");
    if (length > 0) {
        status = add_frame(l, bytes, length, &change.frame, err);
        if (status != MP_OK)
            return status;
    }
    struct change *grown = realloc(l->changes, (l->change_count + 1) * sizeof *grown);
    if (grown == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
    l->changes = grown;
    l->changes[l->change_count++] = change;
    qsort(l->changes, l->change_count, sizeof *l->changes, compare_changes);
    l->checked = false;
    return MP_OK;
}

static const struct change *find_change(const struct mp_lowering *l, uint32_t from, uint32_t to)
{
    const struct change key = {.from = from, .to = to};
    if (l->change_count == 0)
        return NULL;
    return bsearch(&key, l->changes, l->change_count, sizeof key, compare_changes);
}

void mp_lowering_rewind(struct mp_lowering *l)
{
    mp_schedule_rewind(l->schedule);
    l->event_next = l->event_end = 0;
    l->have_previous = false;
    l->queue_next = l->queue_end = 0;
    l->check_have_frame = l->check_have_pulse = l->checking = false;
    l->sent_ns = INT64_MIN;
}

static struct mp_send lower_mark(const struct mp_event *event)
{
    return (struct mp_send){.kind = MP_SEND_MARK,
                            .half = event->half,
                            .frame = no_frame,
                            .source = event->source,
                            .number = event->number,
                            .send_ns = mp_event_ns(event),
                            .floor_ns = event->floor_ns};
}

static struct mp_send lower_pulse(const struct mp_lowering *l, const struct mp_event *event)
{
    const struct pulse_info *info = &l->pulses[event->action];
    int64_t wire = info->frame == no_frame ? 0 : l->frames[info->frame].wire_ns;
    struct mp_send send = {.kind = MP_SEND_PULSE,
                           .half = event->half,
                           .frame = info->frame,
                           .action = event->action,
                           .source = event->source,
                           .number = event->number,
                           .floor_ns = event->floor_ns,
                           .least_ns = info->least_ns};
    send.send_ns = mp_event_ns(event) - wire - l->latency_ns;
    if (l->have_previous && l->pulses[l->previous.action].lasts_ns > send.least_ns)
        send.least_ns = l->pulses[l->previous.action].lasts_ns;
    return send;
}

/*
 * The setting that must go out before pulse: right behind the pulse before it, or once the
 * train that that one started has ended and the device takes settings again.
 */
static bool lower_change(const struct mp_lowering *l, const struct mp_send *pulse,
                         struct mp_send *set)
{
    if (!l->have_previous || l->previous.action == pulse->action)
        return false;
    const struct change *change = find_change(l, l->previous.action, pulse->action);
    if (change == NULL || change->frame == no_frame)
        return false;
    *set = *pulse;
    set->kind = MP_SEND_SET;
    set->frame = change->frame;
    set->send_ns = l->previous.send_ns + l->frames[l->previous.frame].wire_ns +
                   l->pulses[l->previous.action].locked_ns;
    if (set->send_ns < l->sent_ns) // more marks than the queue holds went ahead
        set->send_ns = l->sent_ns;
    set->latest_ns = pulse->send_ns - change->lead_ns - l->frames[change->frame].wire_ns;
    return true;
}

static bool next_event(struct mp_lowering *l, struct mp_event *event)
{
    if (l->event_next == l->event_end) {
        l->event_next = 0;
        l->event_end = mp_schedule_next_many(l->schedule, l->events, MP_EVENTS);
        if (l->event_end == 0)
            return false;
    }
    *event = l->events[l->event_next++];
    return true;
}

/* Draw events up to the next pulse and put what they become into the queue, in time order. */
static bool refill(struct mp_lowering *l)
{
    struct mp_send *queue = l->queue;
    struct mp_event event;
    struct mp_send set;
    uint32_t end = 1; // the first place is for a setting
    bool found = false;
    l->queue_next = 1;
    while (end <= MARKS_AHEAD + 1 && !found && next_event(l, &event)) {
        found = event.kind == MP_EVENT_PULSE;
        queue[end++] = found ? lower_pulse(l, &event) : lower_mark(&event);
    }
    l->queue_end = end;
    // a pulse not seen yet may belong to the last of these marks and leave before its onset
    const int64_t lead_ns = end > MARKS_AHEAD + 1 && !found ? mp_lowering_lead_ns(l) : 0;
    for (uint32_t i = 1; lead_ns > 0 && i < end; i++) {
        queue[i].send_ns -= lead_ns;
        if (queue[i].send_ns < l->sent_ns)
            queue[i].send_ns = l->sent_ns;
    }
    if (found) {
        const struct mp_send *pulse = &queue[end - 1];
        // the frame of a pulse leaves before its onset: a mark at the onset goes with it
        for (uint32_t i = 1; i < end - 1; i++)
            if (queue[i].send_ns > pulse->send_ns)
                queue[i].send_ns = pulse->send_ns;
        if (lower_change(l, pulse, &set)) {
            uint32_t place = 0; // marks that lie before the setting go before it
            for (; place + 1 < end - 1 && queue[place + 1].send_ns < set.send_ns; place++)
                queue[place] = queue[place + 1];
            queue[place] = set;
            l->queue_next = 0;
        }
        l->previous = *pulse;
        l->have_previous = true;
    }
    return l->queue_next < l->queue_end;
}

bool mp_lowering_next(struct mp_lowering *l, struct mp_send *send)
{
    if (l->queue_next == l->queue_end && !refill(l))
        return false;
    *send = l->queue[l->queue_next++];
    l->sent_ns = send->send_ns;
    return true;
}

const struct mp_frame *mp_lowering_frame(const struct mp_lowering *l, uint32_t index)
{
    return &l->frames[index];
}

uint32_t mp_lowering_frame_count(const struct mp_lowering *l)
{
    return l->frame_count;
}

struct mp_schedule *mp_lowering_schedule(const struct mp_lowering *l)
{
    return l->schedule;
}

bool mp_lowering_checked(const struct mp_lowering *l)
{
    return l->checked;
}

int64_t mp_lowering_lead_ns(const struct mp_lowering *l)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < l->frame_count; i++)
        if (l->frames[i].wire_ns > longest)
            longest = l->frames[i].wire_ns;
    return longest + l->latency_ns;
}

/* ---- the check ---- */

static int64_t onset_ns(const struct mp_send *send)
{
    return send->floor_ns + (send->half ? 1 : 0);
}

static bool violates(struct mp_lowering *l, struct mp_violation *v, enum mp_violation_kind kind,
                     const struct mp_send *pulse, int64_t least_ns)
{
    const struct mp_send *before = &l->check_pulse;
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

static bool check_send(struct mp_lowering *l, const struct mp_send *send,
                       struct mp_violation *v)
{
    if (send->kind == MP_SEND_MARK)
        return false;
    const struct mp_send *pulse = &l->check_pulse;
    if (send->kind == MP_SEND_SET) {
        // what has to fit between the two pulses: both frames and the lead
        const struct mp_send *next = &l->queue[l->queue_end - 1];
        int64_t late = send->send_ns - send->latest_ns;
        int64_t planned = onset_ns(next) - onset_ns(pulse);
        return late > 0 && violates(l, v, MP_VIOLATION_LEAD, next, planned + late);
    }
    if (l->check_have_pulse) {
        int64_t interval = onset_ns(send) - onset_ns(pulse);
        if (interval < send->least_ns)
            return violates(l, v, MP_VIOLATION_INTERVAL, send, send->least_ns);
        const struct change *change = find_change(l, pulse->action, send->action);
        if (change != NULL && change->frame == no_frame && interval < change->lead_ns)
            return violates(l, v, MP_VIOLATION_LEAD, send, change->lead_ns);
    }
    if (l->check_have_frame) {
        const struct mp_send *before = &l->check_frame;
        int64_t wire = l->frames[before->frame].wire_ns;
        int64_t overlap = before->send_ns + wire - send->send_ns;
        if (overlap > 0 && before->kind == MP_SEND_PULSE)
            return violates(l, v, MP_VIOLATION_WIRE, send,
                            onset_ns(send) - onset_ns(before) + overlap);
    }
    return false;
}

bool mp_lowering_check(struct mp_lowering *l, uint64_t budget, struct mp_violation *violation)
{
    struct mp_send send;
    *violation = (struct mp_violation){.kind = MP_VIOLATION_NONE};
    for (uint32_t i = 0; i < l->actions; i++)
        if (l->pulses[i].frame == no_frame)
            return false; // not checked: nobody said how to fire this one
    if (!l->checking)
        mp_lowering_rewind(l);
    l->checking = true;
    for (uint64_t i = 0; i < budget; i++) {
        if (!mp_lowering_next(l, &send)) {
            mp_lowering_rewind(l);
            l->checked = true;
            return false;
        }
        if (check_send(l, &send, violation)) {
            mp_lowering_rewind(l);
            return false;
        }
        if (send.kind == MP_SEND_MARK)
            continue;
        l->check_frame = send;
        l->check_have_frame = true;
        if (send.kind == MP_SEND_PULSE) {
            l->check_pulse = send;
            l->check_have_pulse = true;
        }
    }
    return true;
}
