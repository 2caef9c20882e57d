/* dispatch_distance.c - how soon after the pulse before one may leave. */
#include "engine/dispatcher_core.h"

int64_t dispatch_device_ns(const struct mp_dispatcher *d)
{
    return d->had_ns + d->next.least_ns - dispatch_next_frame(d)->wire_ns;
}

int64_t dispatch_due_ns(const struct mp_dispatcher *d)
{
    int64_t due_ns = d->start_ns + d->next.send_ns;
    if (d->next.kind != MP_SEND_PULSE || !d->have_sent || d->config.any_distance)
        return due_ns;
    int64_t device_ns = dispatch_device_ns(d);
    bool held = device_ns > due_ns && device_ns - due_ns <= d->config.tolerance_ns;
    return held ? device_ns : due_ns;
}

/*
 * Pulses are as far apart as planned
 * less the tolerance, but never under half of what was planned, however generous it is: else a
 * stall would be followed by pulses back to back. What the device asks holds to the nanosecond.
 */
bool dispatch_too_close(const struct mp_dispatcher *d, int64_t now)
{
    const int64_t tolerance = d->config.tolerance_ns;
    if (!d->have_sent || d->config.any_distance)
        return false;
    // the first pulse of a plan has only what the device asks behind the plan before it
    const int64_t planned = d->have_planned ? d->next.send_ns - d->planned_ns : 0;
    int64_t by_plan = planned - (tolerance < planned / 2 ? tolerance : planned / 2);
    return now - d->sent_ns < by_plan || now < dispatch_device_ns(d);
}
