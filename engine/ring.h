/*
 * ring.h - a single-producer single-consumer queue of fixed-size items.
 *
 * One thread pushes, one other thread pops; neither ever waits. Shared state is two
 * atomic counters: head (written by the producer, release) and tail (written by the
 * consumer, release); each side reads the other's with acquire. Full is a status, not
 * a wait: the producer decides what a full ring means.
 */
#ifndef MP_RING_H
#define MP_RING_H

#include "engine/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mp_ring {
    _Alignas(64) _Atomic uint64_t head; // items ever pushed
    _Alignas(64) _Atomic uint64_t tail; // items ever popped
    _Alignas(64) size_t item_size;
    uint64_t mask;
    unsigned char *items;
};

/* Room for capacity items (a power of two) of a byte or more each, its pages there from the
 * start: whoever sends never takes a page fault on them. Allocates; call before the threads
 * start. */
enum mp_status mp_ring_init(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                            struct mp_error *err);
/* The same where no thread uses it, in virtual time: a page comes when it is written. To make
 * all of them took longer than a short plan. */
enum mp_status mp_ring_init_stepped(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                                    struct mp_error *err);
/* Free its items; call after the threads ended. */
void mp_ring_fini(struct mp_ring *ring);

/* Producer only: how many more items fit at least. */
static inline uint64_t mp_ring_room(const struct mp_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return ring->mask + 1 - (head - tail);
}

/* Producer only. False when full. An item that lies in mp_ring_slot is not copied. */
static inline bool mp_ring_push(struct mp_ring *ring, const void *item)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (mp_ring_room(ring) == 0)
        return false;
    unsigned char *slot = ring->items + (head & ring->mask) * ring->item_size;
    if (item != slot)
        memcpy(slot, item, ring->item_size);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

/* Producer only: where the next item can be written before it is pushed; it holds an old one.
 * Not while the ring is full. */
static inline void *mp_ring_slot(const struct mp_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    return ring->items + (head & ring->mask) * ring->item_size;
}

/* Producer only: bring the slots of the next two pushes into the cache. */
void mp_ring_warm(struct mp_ring *ring);
/* Consumer only. False when empty. */
bool mp_ring_pop(struct mp_ring *ring, void *item);
/* Consumer only: the oldest item where it lies, valid until it is dropped; NULL when empty. */
static inline const void *mp_ring_first(const struct mp_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    return head == tail ? NULL : ring->items + (tail & ring->mask) * ring->item_size;
}

/* Consumer only: the oldest item is done with. Not when empty. */
static inline void mp_ring_drop(struct mp_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

#endif
