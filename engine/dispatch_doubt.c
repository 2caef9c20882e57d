/* dispatch_doubt.c - what the device has not confirmed, as far as the loop has read the port.
 */
#include "engine/dispatcher_core.h"

/*
 * Is a pulse unconfirmed for too long, as far as the loop has read the port? A device that does
 * not read lets commands pile up, and would obey them together. A loop that is itself behind
 * is no reason: its silence is the heartbeat's.
 */
bool dispatch_unanswered(const struct mp_dispatcher *d)
{
    if (d->config.unconfirmed_ns == 0)
        return false;
    // the time first: what was confirmed before it is then seen as well
    int64_t drained_ns = atomic_load_explicit(&d->drained_ns, memory_order_acquire);
    uint64_t oldest = atomic_load_explicit(&d->confirmed, memory_order_acquire);
    if (oldest >= d->pulses)
        return false;
    if (d->pulses - oldest > STAMPS)
        oldest = d->pulses - STAMPS;
    return drained_ns - d->stamps_ns[oldest % STAMPS] > d->config.unconfirmed_ns;
}

/*
 * The count of settings is this thread's own, so a setting that has just left is unconfirmed
 * here before the loop has even heard of it.
 */
bool dispatch_unsettled(const struct mp_dispatcher *d)
{
    return d->config.settings &&
           atomic_load_explicit(&d->believed, memory_order_acquire) < d->settings;
}

void dispatch_look_settled(struct mp_dispatcher *d)
{
    if (dispatch_unsettled(d))
        d->settled_ns = 0;
    else if (d->settled_ns == 0)
        d->settled_ns = dispatch_now(d);
}
