/* lowering.c - a driver's bytes for the actions of a plan. */
#include "engine/lowering.h"

#include "engine/lowering_core.h"

#include <stdlib.h>
#include <string.h>

const char *mp_send_kind_name(enum mp_send_kind kind)
{
    static const char *const names[] = {[MP_SEND_PULSE] = "pulse",
                                        [MP_SEND_SET] = "set",
                                        [MP_SEND_MARK] = "mark",
                                        [MP_SEND_ASK] = "ask"};
    _Static_assert(sizeof names / sizeof names[0] == MP_SEND_KINDS, "a kind has no name");
    size_t index = (size_t)kind;
    return index < MP_SEND_KINDS ? names[index] : "unknown";
}

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
    l->serial[MP_PORT_DEVICE] = l->serial[MP_PORT_TRIGGER] = *serial;
    l->latency_ns = latency_ns;
    l->actions = actions;
    l->outputs = 1;
    l->ask = no_frame;
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

/* Equal frames are one. */
static enum mp_status keep_frame(struct mp_lowering *l, const struct mp_frame *frame,
                                 uint32_t *index, struct mp_error *err)
{
    for (uint32_t i = 0; i < l->frame_count; i++)
        if (memcmp(&l->frames[i], frame, sizeof *frame) == 0) {
            *index = i;
            return MP_OK;
        }
    struct mp_frame *grown = realloc(l->frames, (l->frame_count + 1) * sizeof *grown);
    if (grown == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
    l->frames = grown;
    grown[l->frame_count] = *frame;
    *index = l->frame_count++;
    return MP_OK;
}

static enum mp_status check_fire(const struct mp_fire *fire, struct mp_error *err)
{
    bool by_line = fire->line != MP_TRIGGER_NONE;
    size_t longest = fire->length > fire->after_length ? fire->length : fire->after_length;
    if (fire->port >= MP_PORTS)
        return mp_fail(err, MP_EINVAL, "there is no port %d to fire on", (int)fire->port);
    if (by_line && longest > 0)
        return mp_fail(err, MP_EINVAL, "a pulse on a line has no bytes");
    if (!by_line && (fire->length == 0 || longest > MP_FRAME_MAX))
        return mp_fail(err, MP_ERANGE, "a frame has 1 to %d bytes, not %zu", MP_FRAME_MAX,
                       longest);
    if (fire->width_ns < 0 || fire->width_ns > mp_width_max_ns ||
        (by_line && fire->width_ns == 0))
        return mp_fail(err, MP_ERANGE, "a trigger pulse is above 0 and at most 10 s wide");
    if (fire->delay_ns < 0 || fire->delay_ns > mp_width_max_ns)
        return mp_fail(err, MP_ERANGE, "a pulse comes 0 to 10 s after its command");
    return MP_OK;
}

static enum mp_status add_frame(struct mp_lowering *l, const struct mp_fire *fire,
                                uint32_t *index, struct mp_error *err)
{
    enum mp_status status = check_fire(fire, err);
    if (status != MP_OK)
        return status;
    struct mp_frame frame;
    memset(&frame, 0, sizeof frame); // frames are compared as a whole
    frame.port = fire->port;
    frame.line = fire->line;
    frame.width_ns = fire->width_ns;
    frame.delay_ns = fire->delay_ns;
    if (fire->line == MP_TRIGGER_NONE) {
        const struct mp_serial *serial = &l->serial[fire->port];
        frame.length = (uint32_t)fire->length;
        frame.after_length = (uint32_t)fire->after_length;
        memcpy(frame.bytes, fire->bytes, fire->length);
        if (fire->after_length > 0)
            memcpy(frame.after, fire->after, fire->after_length);
        frame.wire_ns = mp_serial_wire_ns(serial, fire->length);
        if (fire->after_length == 0)
            frame.width_ns = 0;
        else if (frame.width_ns < frame.wire_ns)
            frame.width_ns = frame.wire_ns;
        frame.takes_ns = frame.wire_ns;
        if (fire->after_length > 0)
            frame.takes_ns =
                frame.width_ns + mp_rest_ns + mp_serial_wire_ns(serial, fire->after_length);
    } else {
        frame.takes_ns = frame.width_ns + mp_rest_ns;
    }
    return keep_frame(l, &frame, index, err);
}

enum mp_status mp_lowering_fire(struct mp_lowering *l, uint32_t action,
                                const struct mp_fire *fire, int64_t least_ns,
                                struct mp_error *err)
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
    return add_frame(l, fire, &l->pulses[action].frame, err);
}

enum mp_status mp_lowering_pulse(struct mp_lowering *l, uint32_t action, const void *bytes,
                                 size_t length, int64_t least_ns, struct mp_error *err)
{
    const struct mp_fire fire = {.bytes = bytes, .length = length};
    return mp_lowering_fire(l, action, &fire, least_ns, err);
}

void mp_lowering_trigger_serial(struct mp_lowering *l, const struct mp_serial *serial)
{
    l->serial[MP_PORT_TRIGGER] = *serial;
}

bool mp_lowering_uses_trigger(const struct mp_lowering *l)
{
    for (uint32_t i = 0; i < l->frame_count; i++)
        if (l->frames[i].port == MP_PORT_TRIGGER)
            return true;
    return false;
}

bool mp_lowering_uses_line(const struct mp_lowering *l, uint8_t port, enum mp_trigger_line line)
{
    for (uint32_t i = 0; i < l->frame_count; i++)
        if (l->frames[i].port == port && l->frames[i].line == line)
            return true;
    return false;
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
    struct outputs_set set;
    lowering_unset(&set);
    mp_schedule_rewind(l->schedule);
    while (l->actions > 1 && mp_schedule_next(l->schedule, &event)) {
        if (event.kind != MP_EVENT_PULSE || l->pulses[event.action].left)
            continue;
        uint32_t from = lowering_follow(l, &set, event.action);
        if (from == mp_no_action || from == event.action)
            continue;
        size_t bit = (size_t)from * l->actions + event.action;
        if ((seen[bit / 8] & (1U << (bit % 8))) == 0) {
            seen[bit / 8] = (uint8_t)(seen[bit / 8] | (1U << (bit % 8)));
            visit(context, from, event.action);
        }
    }
    free(seen);
    mp_lowering_rewind(l);
    return MP_OK;
}

int lowering_compare_changes(const void *a, const void *b)
{
    const struct change *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return (left->to > right->to) - (left->to < right->to);
}

/* In its place; one that is known already is replaced. */
static enum mp_status keep_change(struct mp_lowering *l, const struct change *change,
                                  struct mp_error *err)
{
    uint32_t place = 0;
    while (place < l->change_count && lowering_compare_changes(&l->changes[place], change) < 0)
        place++;
    struct change *at = l->changes + place;
    if (place == l->change_count || lowering_compare_changes(at, change) != 0) {
        struct change *grown = realloc(l->changes, (l->change_count + 1) * sizeof *grown);
        if (grown == NULL)
            return mp_fail(err, MP_ENOMEM, "out of memory for the frames of a run");
        l->changes = grown;
        at = grown + place;
        memmove(at + 1, at, (l->change_count++ - place) * sizeof *at);
    }
    *at = *change;
    return MP_OK;
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
        const struct mp_fire set = {.bytes = bytes, .length = length};
        status = add_frame(l, &set, &change.frame, err);
        if (status != MP_OK)
            return status;
    }
    l->checked = false;
    return keep_change(l, &change, err);
}

enum mp_status mp_lowering_ask(struct mp_lowering *l, const void *bytes, size_t length,
                               int64_t allow_ns, struct mp_error *err)
{
    const struct mp_fire ask = {.bytes = bytes, .length = length};
    enum mp_status status = check_idle(l, err);
    if (status != MP_OK)
        return status;
    if (allow_ns < 0)
        return mp_fail(err, MP_EINVAL, "an answer cannot take less than no time");
    l->checked = false;
    l->allow_ns = allow_ns;
    status = add_frame(l, &ask, &l->ask, err);
    mp_lowering_rewind(l); // what was drawn without it is void
    return status;
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
        if (l->frames[i].wire_ns + l->frames[i].delay_ns > longest)
            longest = l->frames[i].wire_ns + l->frames[i].delay_ns;
    return longest + l->latency_ns;
}
