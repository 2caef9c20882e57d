/*
 * dispatch_told.c - what the loop is told of triggers: each one while it keeps up, and those
 * that come faster as counts, so that no storm costs it more than it has time for.
 */
#include "engine/dispatcher_core.h"

enum { FOR_STARTS = 1024 }; // the last places of the ring: no start goes untold

static void count(struct dispatch_untold *untold, const struct mp_triggers *piece)
{
    // acquire: who took the sum before has read its from_ns
    if (!atomic_load_explicit(&untold->any, memory_order_acquire))
        atomic_store_explicit(&untold->from_ns, piece->at_ns, memory_order_relaxed);
    atomic_store_explicit(&untold->until_ns, piece->at_ns, memory_order_relaxed);
    for (size_t i = 0; i < piece->count; i++)
        (void)atomic_fetch_add_explicit(&untold->counts[piece->heard[i]][piece->bytes[i]], 1,
                                        memory_order_release);
    atomic_store_explicit(&untold->any, true, memory_order_release);
}

void dispatch_tell_triggers(struct mp_dispatcher *d, struct mp_triggers *piece)
{
    if (piece->count == 0)
        return;
    const bool starts = piece->heard[0] == MP_HEARD_STARTS;
    if (!(starts || mp_ring_room(&d->triggers) > FOR_STARTS) ||
        !mp_ring_push(&d->triggers, piece))
        count(&d->untold, piece);
    piece->count = 0;
}

bool mp_dispatcher_triggers(struct mp_dispatcher *d, uint64_t most_started,
                            struct mp_triggers *triggers)
{
    const struct mp_triggers *first = mp_ring_first(&d->triggers);
    if (first == NULL || first->started > most_started)
        return false;
    return mp_ring_pop(&d->triggers, triggers);
}

bool mp_dispatcher_untold(struct mp_dispatcher *d, struct mp_untold *out)
{
    struct dispatch_untold *untold = &d->untold;
    if (!atomic_load_explicit(&untold->any, memory_order_acquire))
        return false;
    // a count that comes while they are taken is in this sum or in the next: so when the first
    // of them came is read before that may be another, and when the last one did behind them
    out->all = 0;
    out->from_ns = atomic_load_explicit(&untold->from_ns, memory_order_relaxed);
    (void)atomic_exchange_explicit(&untold->any, false, memory_order_acq_rel);
    for (size_t heard = 0; heard < MP_HEARD_COUNT; heard++)
        for (size_t byte = 0; byte < 256; byte++) {
            out->counts[heard][byte] =
                atomic_exchange_explicit(&untold->counts[heard][byte], 0, memory_order_acquire);
            out->all += out->counts[heard][byte];
        }
    out->until_ns = atomic_load_explicit(&untold->until_ns, memory_order_relaxed);
    return out->all > 0;
}
