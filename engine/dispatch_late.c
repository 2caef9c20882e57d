#include "engine/dispatch_late.h"

#include "engine/clock.h"

// an adapter hands on what it was given within this time
static const int64_t drain_ns = 5 * MP_NS_PER_MS;
// a line that has hardly fallen cannot be seen to rise: half of mp_rest_ns
static const int64_t low_ns = INT64_C(500000);

int64_t dispatch_taken_ns(const struct dispatch_past *past, const struct dispatch_frame *frame)
{
    int64_t earliest_ns = INT64_MIN;
    for (uint32_t i = 0; i < past->outputs; i++) {
        const struct dispatch_last *last = &past->last[i];
        if (!last->sent)
            continue;
        int64_t taken_ns =
            last->had_ns + (i == frame->send->output ? frame->send->least_ns : last->across_ns);
        if (taken_ns > earliest_ns)
            earliest_ns = taken_ns;
    }
    return earliest_ns == INT64_MIN ? earliest_ns : earliest_ns - frame->wire_ns;
}

int64_t dispatch_pulse_ns(const struct dispatch_rules *rules, const struct dispatch_past *past,
                          const struct dispatch_frame *frame)
{
    int64_t due_ns = frame->start_ns + frame->send->send_ns, taken_ns = INT64_MIN;
    if (past->latest.sent && !rules->any_distance)
        taken_ns = dispatch_taken_ns(past, frame);
    if (past->second_ns != 0 && past->second_ns + low_ns > taken_ns)
        taken_ns = past->second_ns + low_ns;
    bool held = taken_ns > due_ns && taken_ns - due_ns <= rules->tolerance_ns;
    return held ? taken_ns : due_ns;
}

/*
 * Pulses are as far apart as planned less the tolerance, but never under half of what was
 * planned, however generous it is: else a stall would be followed by pulses back to back.
 */
static bool closer_than_planned(int64_t tolerance_ns, const struct dispatch_last *last,
                                const struct mp_send *send, int64_t now)
{
    // the first pulse of a plan has only what the device asks after the plan before it
    const int64_t planned = last->planned ? send->send_ns - last->planned_ns : 0;
    int64_t by_plan = planned - (tolerance_ns < planned / 2 ? tolerance_ns : planned / 2);
    return last->sent && now - last->sent_ns < by_plan;
}

/* What the device asks holds to the nanosecond. */
bool dispatch_too_close(const struct dispatch_rules *rules, const struct dispatch_past *past,
                        const struct dispatch_frame *frame, int64_t now)
{
    const struct mp_send *send = frame->send;
    if (!past->latest.sent || rules->any_distance)
        return false;
    return closer_than_planned(rules->tolerance_ns, &past->latest, send, now) ||
           closer_than_planned(rules->tolerance_ns, &past->last[send->output], send, now) ||
           now < dispatch_taken_ns(past, frame);
}

enum mp_stop dispatch_refuse(const struct dispatch_rules *rules,
                             const struct dispatch_past *past,
                             const struct dispatch_frame *frame, int64_t now)
{
    const struct mp_send *send = frame->send;
    if (send->kind == MP_SEND_MARK)
        return MP_STOP_NONE;
    bool waits = send->kind == MP_SEND_PULSE || send->behind_ns > 0;
    if (waits && frame->unsettled)
        return MP_STOP_SETTING;
    if (send->kind != MP_SEND_PULSE)
        return now > frame->start_ns + send->latest_ns ? MP_STOP_LATE : MP_STOP_NONE;
    // a one-off frame that was stalled before its write may still be on the wire
    int64_t leaves_ns = frame->by_wire && now < past->wire_free_ns ? past->wire_free_ns : now;
    if (leaves_ns - (frame->start_ns + send->send_ns) > rules->tolerance_ns)
        return MP_STOP_LATE;
    if (past->second_ns != 0 && now - past->second_ns < low_ns)
        return MP_STOP_CLOSE;
    // by the actual stamps: a stall between the look and the write shows only afterwards
    return dispatch_too_close(rules, past, frame, now) ? MP_STOP_CLOSE : MP_STOP_NONE;
}

bool dispatch_unanswered(const struct dispatch_rules *rules, const struct dispatch_past *past,
                         uint64_t confirmed, int64_t drained_ns)
{
    if (rules->unconfirmed_ns == 0 || confirmed >= past->pulses)
        return false;
    if (past->pulses - confirmed > STAMPS)
        confirmed = past->pulses - STAMPS;
    return drained_ns - past->stamps_ns[confirmed % STAMPS] > rules->unconfirmed_ns;
}

bool dispatch_backed_up(const struct dispatch_past *past, uint8_t port, int64_t now)
{
    int64_t end_ns = past->wire_end_ns[port];
    if (end_ns == 0) // the plan has sent nothing there
        return false;
    if (port == MP_PORT_DEVICE && end_ns < past->wire_free_ns)
        end_ns = past->wire_free_ns;
    return now > end_ns + drain_ns;
}
