#include "engine/latency.h"

#include "engine/clock.h"
#include "engine/wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { STACK_BYTES = 256 * 1024 };
static const int64_t period_least_ns = 400 * MP_NS_PER_US;
static const int64_t period_most_ns = 10 * MP_NS_PER_S;
static const int64_t lead_ns = 20 * MP_NS_PER_MS; // the thread is waiting by then

struct mp_latency {
    struct mp_latency_config config;
    struct mp_realtime realtime;
    pthread_t thread;
    bool joined;
    struct mp_wake wake;
    sem_t ready; // the thread has entered its priority
    _Atomic int stop;
    _Atomic bool ended;
    _Atomic uint64_t done;
    _Atomic int64_t worst_ns;
    int64_t samples[];
};

int64_t mp_latency_edge(size_t bucket)
{
    static const int64_t steps[] = {1, 2, 5};
    if (bucket == 0)
        return 0;
    int64_t edge = 100;
    for (size_t decade = (bucket - 1) / 3; decade > 0; decade--)
        edge *= 10;
    return edge * steps[(bucket - 1) % 3];
}

size_t mp_latency_bucket(int64_t late_ns)
{
    size_t bucket = MP_LATENCY_BUCKETS - 1;
    while (bucket > 0 && late_ns < mp_latency_edge(bucket))
        bucket--;
    return bucket;
}

static int compare(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The smallest sample with at least per_mille / 1000 of all at or below it. */
static int64_t percentile(const int64_t *sorted, size_t count, size_t per_mille)
{
    return sorted[(count * per_mille + 999) / 1000 - 1];
}

void mp_latency_summarise(int64_t *samples, size_t count, struct mp_latency_result *result)
{
    *result = (struct mp_latency_result){.count = count};
    if (count == 0)
        return;
    qsort(samples, count, sizeof *samples, compare);
    for (size_t i = 0; i < count; i++)
        result->buckets[mp_latency_bucket(samples[i])]++;
    result->min_ns = samples[0];
    result->p50_ns = percentile(samples, count, 500);
    result->p95_ns = percentile(samples, count, 950);
    result->p99_ns = percentile(samples, count, 990);
    result->p999_ns = percentile(samples, count, 999);
    result->max_ns = samples[count - 1];
}

static void *latency_main(void *argument)
{
    struct mp_latency *test = argument;
    mp_realtime_enter(&test->realtime);
    (void)sem_post(&test->ready);
    const int64_t start_ns = mp_clock_ns() + lead_ns;
    uint64_t done = 0;
    int64_t worst_ns = 0;
    while (done < test->config.count && atomic_load(&test->stop) == 0) {
        const int64_t due_ns = start_ns + (int64_t)done * test->config.period_ns;
        if (!mp_wait_until(&test->wake, &test->stop, due_ns, test->realtime.spin))
            continue;
        const int64_t late_ns = mp_clock_ns() - due_ns;
        test->samples[done++] = late_ns;
        if (late_ns > worst_ns)
            worst_ns = late_ns;
        atomic_store_explicit(&test->worst_ns, worst_ns, memory_order_relaxed);
        atomic_store_explicit(&test->done, done, memory_order_release);
    }
    atomic_store(&test->ended, true);
    return NULL;
}

/* Like the dispatcher's thread: its own small stack, signals left to the loop thread. */
static int start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(thread, &attr, body, argument);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    return failed;
}

enum mp_status mp_latency_start(struct mp_latency **out, const struct mp_latency_config *config,
                                struct mp_error *err)
{
    if (config->count < 1 || config->count > MP_LATENCY_SAMPLES_MAX)
        return mp_fail(err, MP_ERANGE, "a latency test has 1 to %d wakes, not %" PRIu64,
                       MP_LATENCY_SAMPLES_MAX, config->count);
    if (config->period_ns < period_least_ns || config->period_ns > period_most_ns)
        return mp_fail(err, MP_ERANGE,
                       "a latency test wakes every 0.4 ms to 10 s, not every %" PRId64 " us",
                       config->period_ns / MP_NS_PER_US);
    const size_t samples_size = (size_t)config->count * sizeof(int64_t);
    struct mp_latency *test = malloc(sizeof *test + samples_size);
    if (test == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for %" PRIu64 " wakes", config->count);
    memset(test, 0, sizeof *test);
    memset(test->samples, 0xFF, samples_size); // touch every page now, not while measuring
    test->config = *config;
    (void)mp_wake_init(&test->wake, false, NULL); // cannot fail without input
    (void)sem_init(&test->ready, 0, 0);
    mp_realtime_prepare(&test->realtime);
    int failed = start_thread(&test->thread, latency_main, test);
    if (failed != 0) {
        test->joined = true;
        mp_realtime_release(&test->realtime);
        mp_latency_destroy(test);
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the thread of the latency test");
    }
    while (sem_wait(&test->ready) != 0)
        continue; // interrupted by a signal
    *out = test;
    return MP_OK;
}

bool mp_latency_progress(const struct mp_latency *test, uint64_t *done, int64_t *worst_ns)
{
    const bool ended = atomic_load(&test->ended);
    *done = atomic_load_explicit(&test->done, memory_order_acquire);
    *worst_ns = atomic_load_explicit(&test->worst_ns, memory_order_relaxed);
    return !ended;
}

void mp_latency_stop(struct mp_latency *test)
{
    atomic_store(&test->stop, 1);
    mp_wake_post(&test->wake);
}

static void join(struct mp_latency *test)
{
    if (test->joined)
        return;
    (void)pthread_join(test->thread, NULL);
    test->joined = true;
    mp_realtime_release(&test->realtime);
}

void mp_latency_finish(struct mp_latency *test, struct mp_latency_result *result)
{
    join(test);
    mp_latency_summarise(test->samples, (size_t)atomic_load(&test->done), result);
}

uint64_t mp_latency_later(const struct mp_latency *test, int64_t limit_ns)
{
    uint64_t later = 0;
    if (test->joined)
        for (uint64_t i = 0, count = atomic_load(&test->done); i < count; i++)
            later += test->samples[i] > limit_ns;
    return later;
}

const struct mp_realtime *mp_latency_realtime(const struct mp_latency *test)
{
    return &test->realtime;
}

void mp_latency_destroy(struct mp_latency *test)
{
    if (test == NULL)
        return;
    mp_latency_stop(test);
    join(test);
    mp_wake_fini(&test->wake);
    (void)sem_destroy(&test->ready);
    free(test);
}

struct probe {
    struct mp_realtime realtime;
    int64_t slack_ns;
};

static void *probe_main(void *argument)
{
    struct probe *probe = argument;
    mp_realtime_enter(&probe->realtime);
    probe->slack_ns = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
    return NULL;
}

enum mp_status mp_latency_probe(struct mp_realtime *granted, int64_t *slack_ns,
                                struct mp_error *err)
{
    struct probe probe = {.slack_ns = -1};
    pthread_t thread;
    mp_realtime_prepare(&probe.realtime);
    int failed = start_thread(&thread, probe_main, &probe);
    if (failed == 0)
        (void)pthread_join(thread, NULL);
    const struct mp_realtime found = probe.realtime;
    mp_realtime_release(&probe.realtime);
    if (failed != 0)
        return mp_fail_sys(err, MP_EIO, failed, "cannot start a thread");
    *granted = found;
    granted->dma_fd = -1; // released: the grants are what was found, nothing is held
    *slack_ns = probe.slack_ns;
    return MP_OK;
}
