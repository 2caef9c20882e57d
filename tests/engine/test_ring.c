/* A ring loses, doubles, reorders and tears nothing, and says when it is full. */
#include "engine/ring.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static uint64_t stress_items(void)
{
    const uint64_t million = 1000 * 1000;
    return is_long() ? 100 * million : is_quick() || CHECKED_BUILD ? 2 * million : 10 * million;
}

static void refuses_odd_capacities(void)
{
    static const uint64_t refused[] = {0, 3, 5, 6, 7, 12, UINT64_MAX, (UINT64_C(1) << 63) + 1};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct mp_ring ring;
        struct mp_error err = {0};
        CHECK_INT(mp_ring_init(&ring, 8, refused[i], &err), MP_EINVAL);
        CHECK_INT(err.status, MP_EINVAL);
        CHECK(err.text[0] != '\0');
    }
}

/* A size beyond the address space must not wrap around to a small one. */
static void refuses_more_than_memory(void)
{
    struct mp_ring ring;
    struct mp_error err = {0};
    enum mp_status status = mp_ring_init(&ring, 4, UINT64_C(1) << 63, &err);
    CHECK(status != MP_OK);
    if (status == MP_OK)
        mp_ring_fini(&ring);
}

static void holds_one_item(void)
{
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, 1, 1, NULL), MP_OK);
    unsigned char in = 7, out = 0;
    CHECK(!mp_ring_pop(&ring, &out));
    CHECK(mp_ring_push(&ring, &in));
    CHECK(!mp_ring_push(&ring, &in));
    CHECK(mp_ring_pop(&ring, &out));
    CHECK_INT(out, 7);
    CHECK(!mp_ring_pop(&ring, &out));
    mp_ring_fini(&ring);
}

/* Every fill level at every position of the ring, several times around. */
static void keeps_order_at_every_edge(void)
{
    enum { CAPACITY = 4 };
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, sizeof(uint64_t), CAPACITY, NULL), MP_OK);
    uint64_t pushed = 0, popped = 0, out = 0;
    for (uint64_t round = 0; round < 40; round++) {
        const uint64_t fill = round % (CAPACITY + 1);
        for (uint64_t i = 0; i < fill; i++, pushed++) {
            CHECK_INT(mp_ring_room(&ring), CAPACITY - i);
            CHECK(mp_ring_push(&ring, &pushed));
        }
        CHECK_INT(mp_ring_room(&ring), CAPACITY - fill);
        if (fill == CAPACITY) {
            const uint64_t stranger = UINT64_MAX;
            CHECK(!mp_ring_push(&ring, &stranger));
            CHECK_INT(mp_ring_room(&ring), 0);
        }
        for (uint64_t i = 0; i < fill; i++, popped++) {
            CHECK(mp_ring_pop(&ring, &out));
            CHECK_INT(out, popped);
        }
        out = 4711;
        CHECK(!mp_ring_pop(&ring, &out));
        CHECK_INT(out, 4711); // an empty ring leaves the caller's item alone
    }
    CHECK_INT(mp_ring_room(&ring), CAPACITY);
    mp_ring_fini(&ring);
}

/* Full, then one out and one in: the ring turns over without ever being empty. */
static void turns_over_while_full(void)
{
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, 3, 4, NULL), MP_OK); // an item of an awkward size
    unsigned char item[3], out[3];
    for (unsigned i = 0; i < 4; i++) {
        memset(item, (int)i, sizeof item);
        CHECK(mp_ring_push(&ring, item));
    }
    for (unsigned i = 4; i < 300; i++) {
        memset(item, (int)(i & 255U), sizeof item);
        CHECK(!mp_ring_push(&ring, item));
        CHECK(mp_ring_pop(&ring, out));
        CHECK_INT(out[0], (i - 4) & 255U);
        CHECK(out[0] == out[1] && out[1] == out[2]);
        CHECK(mp_ring_push(&ring, item));
    }
    mp_ring_fini(&ring);
}

/* Written in its place, read in its place: the same items in the same order. */
static void takes_items_where_they_lie(void)
{
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, sizeof(uint64_t), 4, NULL), MP_OK);
    CHECK(mp_ring_first(&ring) == NULL);
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t *slot = mp_ring_slot(&ring);
        *slot = i;
        CHECK(mp_ring_first(&ring) == NULL); // not before it is pushed
        CHECK(mp_ring_push(&ring, slot));
        const uint64_t copied = i + 1000;
        CHECK(mp_ring_push(&ring, &copied)); // beside the other way
        CHECK(mp_ring_slot(&ring) != slot);
        const uint64_t *first = mp_ring_first(&ring);
        CHECK(first == slot && *first == i);
        CHECK_INT(mp_ring_room(&ring), 2); // it is there until it is dropped
        mp_ring_drop(&ring);
        uint64_t out = 0;
        CHECK(mp_ring_pop(&ring, &out));
        CHECK_INT(out, copied);
    }
    mp_ring_fini(&ring);
}

static long page_faults(void)
{
    struct rusage usage;
    CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* Its memory is there before the first push, and not page by page at deadlines. */
static void is_there_before_it_is_used(void)
{
    enum { ITEM = 144, ITEMS = 65536, PAGES = ITEM * ITEMS / 4096 };
    static const unsigned char item[ITEM] = {1};
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, ITEM, ITEMS, NULL), MP_OK);
    const long before = page_faults();
    for (int i = 0; i < ITEMS; i++)
        CHECK(mp_ring_push(&ring, item));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)before; // the sanitizer's own memory of these pages is not there yet
#else
    CHECK(page_faults() - before < PAGES / 4);
#endif
    mp_ring_fini(&ring);
}

static void can_be_ended_twice(void)
{
    struct mp_ring ring;
    CHECK_INT(mp_ring_init(&ring, 8, 8, NULL), MP_OK);
    mp_ring_fini(&ring);
    mp_ring_fini(&ring);
    CHECK(ring.items == NULL);
}

/* Four words that only fit together when they were written by one push. */
struct quad {
    uint64_t number, inverse, scaled, sum;
};

static struct quad quad_of(uint64_t number)
{
    struct quad quad = {number, ~number, number * UINT64_C(0x9E3779B97F4A7C15), 0};
    quad.sum = quad.number + quad.inverse + quad.scaled;
    return quad;
}

static void *produce(void *argument)
{
    struct mp_ring *ring = argument;
    const uint64_t items = stress_items();
    for (uint64_t i = 0; i < items; i++) {
        const struct quad item = quad_of(i);
        while (!mp_ring_push(ring, &item))
            (void)sched_yield();
    }
    return NULL;
}

static void survives_two_threads(void)
{
    struct mp_ring ring;
    pthread_t producer;
    CHECK_INT(mp_ring_init(&ring, sizeof(struct quad), 64, NULL), MP_OK);
    CHECK_INT(pthread_create(&producer, NULL, produce, &ring), 0);
    const uint64_t items = stress_items();
    uint64_t wrong_order = 0, torn = 0, expected = 0;
    while (expected < items) {
        struct quad item;
        if (!mp_ring_pop(&ring, &item)) {
            (void)sched_yield();
            continue;
        }
        const struct quad whole = quad_of(item.number);
        torn += memcmp(&item, &whole, sizeof item) != 0;
        wrong_order += item.number != expected;
        expected++;
    }
    CHECK_INT(pthread_join(producer, NULL), 0);
    CHECK_INT(torn, 0);
    CHECK_INT(wrong_order, 0); // a lost or doubled item shifts all that follow
    struct quad left;
    CHECK(!mp_ring_pop(&ring, &left));
    CHECK_INT(mp_ring_room(&ring), 64);
    mp_ring_fini(&ring);
}

int main(void)
{
    refuses_odd_capacities();
    refuses_more_than_memory();
    holds_one_item();
    keeps_order_at_every_edge();
    turns_over_while_full();
    takes_items_where_they_lie();
    is_there_before_it_is_used();
    can_be_ended_twice();
    survives_two_threads();
    return CHECK_DONE("test_ring");
}
