/* dispatch_doubt.c - what the device has not confirmed, as far as the loop has read the port.
 */
#include "engine/dispatcher_core.h"

/*
 * The count of settings is this thread's own, so a setting that has just left is unconfirmed
 * here before the loop has even heard of it.
 */
bool dispatch_unsettled(const struct mp_dispatcher *d)
{
    return d->config.arming.settings &&
           atomic_load_explicit(&d->believed, memory_order_acquire) < d->settings;
}

void dispatch_look_settled(struct mp_dispatcher *d)
{
    if (dispatch_unsettled(d))
        d->settled_ns = 0;
    else if (d->settled_ns == 0)
        d->settled_ns = dispatch_now(d);
}
