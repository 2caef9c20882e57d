/*
 * latency.h - how late this host wakes a timing thread: the test behind `moonpulse doctor`.
 *
 * A thread of its own, prepared like the dispatcher's and waiting like it, wakes at
 * start + i * period and notes how long after that it runs. Every planned wake counts: one
 * that comes after the next were due makes those late too, as it would make pulses.
 * The loop goes on meanwhile; nothing is written to any port.
 */
#ifndef MP_LATENCY_H
#define MP_LATENCY_H

#include "engine/error.h"
#include "engine/realtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LATENCY_BUCKETS = 23, MP_LATENCY_SAMPLES_MAX = 1 << 20 };

struct mp_latency_config {
    uint64_t count;    // wakes, 1 to MP_LATENCY_SAMPLES_MAX
    int64_t period_ns; // 400 us (twice the spin) to 10 s
};

/* Percentiles are nearest rank: each is a latency that was measured. */
struct mp_latency_result {
    uint64_t count;
    int64_t min_ns, p50_ns, p95_ns, p99_ns, p999_ns, max_ns; // 0 when count is 0
    uint64_t buckets[MP_LATENCY_BUCKETS];
};

/*
 * The lower edge of a bucket: 0, then 1, 2, 5 in each decade from 100 ns on. The last
 * bucket starts at 1 s and is open.
 */
int64_t mp_latency_edge(size_t bucket);
/* The bucket that a latency falls in; its lower edge belongs to it. */
size_t mp_latency_bucket(int64_t late_ns);
/* Sort the samples in place and sum them up. */
void mp_latency_summarise(int64_t *samples, size_t count, struct mp_latency_result *result);

struct mp_latency;

/* Start the test's thread. MP_ERANGE, MP_ENOMEM, or MP_EIO when no thread can be had. */
enum mp_status mp_latency_start(struct mp_latency **out, const struct mp_latency_config *config,
                                struct mp_error *err);
/* How far it is; any time. False once it has ended. */
bool mp_latency_progress(const struct mp_latency *test, uint64_t *done, int64_t *worst_ns);
/* End it early; the wakes so far count. At once, from any thread. */
void mp_latency_stop(struct mp_latency *test);
/* Wait for the end, sum up. May be called again. Sorting 2^20 wakes takes about 0.1 s. */
void mp_latency_finish(struct mp_latency *test, struct mp_latency_result *result);
/* How many wakes were later than limit_ns; 0 before mp_latency_finish. */
uint64_t mp_latency_later(const struct mp_latency *test, int64_t limit_ns);
/* What the host granted to the test's thread. */
const struct mp_realtime *mp_latency_realtime(const struct mp_latency *test);
/* Stop, join and free. NULL is accepted. */
void mp_latency_destroy(struct mp_latency *test);

/*
 * What a timing thread gets from this host, found out by asking for it on a scratch
 * thread: the grants, and the timer slack read back (-1: the kernel does not say).
 */
enum mp_status mp_latency_probe(struct mp_realtime *granted, int64_t *slack_ns,
                                struct mp_error *err);

#endif
