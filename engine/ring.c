#include "engine/ring.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST_PAGE = 4096 };

enum mp_status mp_ring_init(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                            struct mp_error *err)
{
    if (capacity == 0 || (capacity & (capacity - 1)) != 0)
        return mp_fail(err, MP_EINVAL, "a ring's capacity is a power of two, not %llu",
                       (unsigned long long)capacity);
    if (capacity > SIZE_MAX / item_size)
        return mp_fail(err, MP_ENOMEM, "a ring of %llu items does not fit memory",
                       (unsigned long long)capacity);
    // written once here, so that the dispatcher never takes a page fault on it; one byte of
    // each page, as a compiler makes calloc of malloc and memset, which leaves fresh pages
    // alone
    unsigned char *items = calloc(capacity, item_size);
    if (items == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a ring");
    for (size_t end = item_size * capacity; end > 0;
         end -= end < SMALLEST_PAGE ? end : SMALLEST_PAGE)
        *(volatile unsigned char *)(items + end - 1) = 0;
    *(volatile unsigned char *)items = 0;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->item_size = item_size;
    ring->mask = capacity - 1;
    ring->items = items;
    return MP_OK;
}

void mp_ring_fini(struct mp_ring *ring)
{
    free(ring->items);
    ring->items = NULL;
}

void mp_ring_warm(struct mp_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (uint64_t next = head; next < head + 2; next++) {
        const unsigned char *slot = ring->items + (next & ring->mask) * ring->item_size;
        for (size_t i = 0; i < ring->item_size; i += 64)
            __builtin_prefetch(slot + i, 1);
    }
}

bool mp_ring_pop(struct mp_ring *ring, void *item)
{
    const void *first = mp_ring_first(ring);
    if (first == NULL)
        return false;
    memcpy(item, first, ring->item_size);
    mp_ring_drop(ring);
    return true;
}
