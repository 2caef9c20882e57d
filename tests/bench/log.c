/*
 * log.c - bench log: what storing one record costs the dispatcher, against one reading of the
 * clock. Each sample is two readings with the push, or nothing, in between.
 */
#include "engine/dispatcher.h"
#include "engine/flight.h"
#include "engine/ring.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, RING_ITEMS = 8192 };

struct store {
    struct mp_ring ring;
    struct mp_flight *flight;
    _Atomic bool stop;
    uint64_t popped; // the consumer's
    uint64_t refused;
};

static const struct timespec short_pause = {.tv_nsec = 50 * MP_NS_PER_US};

static void *consume(void *argument)
{
    struct store *store = argument;
    struct mp_outcome outcome;
    bool stop = false;
    while (!stop) {
        stop = atomic_load(&store->stop); // once more after the last push
        while (mp_ring_pop(&store->ring, &outcome))
            store->popped++;
        (void)nanosleep(&short_pause, NULL);
    }
    return NULL;
}

static bool push_nothing(struct store *store, uint64_t number)
{
    (void)store;
    (void)number;
    return true;
}

static bool push_outcome(struct store *store, uint64_t number)
{
    const struct mp_outcome outcome = {.kind = MP_OUT_SENT, .send = {.number = number}};
    return mp_ring_push(&store->ring, &outcome);
}

static bool push_flight(struct store *store, uint64_t number)
{
    const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT, .number = number};
    return mp_flight_push(store->flight, &record);
}

/* Pushes come in small batches with a pause, so that the other side keeps up. */
static void measure(struct store *store, bool (*push)(struct store *, uint64_t), int64_t *took,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t before = mp_clock_ns();
        bool ok = push(store, i);
        took[i] = mp_clock_ns() - before;
        if (!ok)
            store->refused++;
        if (i % BATCH == BATCH - 1)
            (void)nanosleep(&short_pause, NULL);
    }
}

int bench_log(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*push)(struct store *, uint64_t);
    } rows[] = {
        {"clock_ns", push_nothing}, {"ring_ns", push_outcome}, {"flight_ns", push_flight}};
    size_t count = (size_t)bench_number(argc, argv, "pulses", 20000);
    const char *path = bench_text(argc, argv, "flight", "bench-flight.bin");
    struct mp_error err = {0};
    struct store store = {0};
    pthread_t consumer;
    bench_must(mp_ring_init(&store.ring, sizeof(struct mp_outcome), RING_ITEMS, &err), &err);
    bench_must(mp_flight_create(&store.flight, path, count, &err), &err);
    mp_flight_touch(store.flight);
    bench_must_sys(pthread_create(&consumer, NULL, consume, &store) == 0, "consumer");
    int64_t *took = calloc(count, sizeof *took);
    bench_must_sys(took != NULL, "memory");
    printf("{\"outcome_bytes\":%zu,\"flight_bytes\":%zu", sizeof(struct mp_outcome),
           sizeof(struct mp_flight_record));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        measure(&store, rows[i].push, took, count);
        bench_print_list(rows[i].name, took, count);
    }
    atomic_store(&store.stop, true);
    (void)pthread_join(consumer, NULL);
    printf(",\"refused\":%llu,\"popped\":%llu,\"pushed\":%zu}\n",
           (unsigned long long)store.refused, (unsigned long long)store.popped, count);
    mp_flight_close(store.flight, NULL);
    (void)unlink(path);
    mp_ring_fini(&store.ring);
    free(took);
    return 0;
}
