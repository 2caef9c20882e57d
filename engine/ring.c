#include "engine/ring.h"

#include <string.h>
#include <sys/mman.h>

static enum mp_status init(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                           int populate, struct mp_error *err)
{
    if (capacity == 0 || (capacity & (capacity - 1)) != 0)
        return mp_fail(err, MP_EINVAL, "a ring's capacity is a power of two, not %llu",
                       (unsigned long long)capacity);
    if (capacity > SIZE_MAX / item_size)
        return mp_fail(err, MP_ENOMEM, "a ring of %llu items does not fit memory",
                       (unsigned long long)capacity);
    // pages of its own: memory that was used before would be shared with a guard, and each page
    // of it then copied as it is written, which takes milliseconds for all
    const size_t bytes = item_size * capacity;
    void *items = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);
    if (items == MAP_FAILED)
        return mp_fail(err, MP_ENOMEM, "out of memory for a ring");
    (void)madvise(items, bytes, MADV_DONTFORK); // nor with the guard of another session
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->item_size = item_size;
    ring->mask = capacity - 1;
    ring->items = items;
    return MP_OK;
}

enum mp_status mp_ring_init(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                            struct mp_error *err)
{
    return init(ring, item_size, capacity, MAP_POPULATE, err);
}

enum mp_status mp_ring_init_stepped(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                                    struct mp_error *err)
{
    return init(ring, item_size, capacity, 0, err);
}

void mp_ring_fini(struct mp_ring *ring)
{
    if (ring->items != NULL)
        (void)munmap(ring->items, ring->item_size * (ring->mask + 1));
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
