/* The latency test's arithmetic is exact; its thread ends when it is told to. */
#include "engine/latency.h"

#include "engine/clock.h"
#include "engine/wait.h"

#include "tests/check.h"

static void edges_are_one_two_five(void)
{
    static const int64_t edges[MP_LATENCY_BUCKETS] = {
        0,        100,      200,      500,       1000,      2000,      5000,      10000,
        20000,    50000,    100000,   200000,    500000,    1000000,   2000000,   5000000,
        10000000, 20000000, 50000000, 100000000, 200000000, 500000000, 1000000000};
    for (size_t i = 0; i < MP_LATENCY_BUCKETS; i++) {
        CHECK_INT(mp_latency_edge(i), edges[i]);
        CHECK_INT(mp_latency_bucket(edges[i]), i);
        if (i > 0)
            CHECK_INT(mp_latency_bucket(edges[i] - 1), i - 1);
    }
    CHECK_INT(mp_latency_bucket(-5), 0);
    CHECK_INT(mp_latency_bucket(INT64_MAX), MP_LATENCY_BUCKETS - 1);
}

/* 1000 samples, 1 us to 1000 us, in an order that is not theirs. */
static void percentiles_are_measured_values(void)
{
    enum { COUNT = 1000 };
    int64_t samples[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        samples[i] = (int64_t)((i * 617) % COUNT + 1) * MP_NS_PER_US; // 617 and 1000: coprime
    struct mp_latency_result result;
    mp_latency_summarise(samples, COUNT, &result);
    CHECK_INT(result.count, COUNT);
    CHECK_INT(result.min_ns, 1 * MP_NS_PER_US);
    CHECK_INT(result.p50_ns, 500 * MP_NS_PER_US);
    CHECK_INT(result.p95_ns, 950 * MP_NS_PER_US);
    CHECK_INT(result.p99_ns, 990 * MP_NS_PER_US);
    CHECK_INT(result.p999_ns, 999 * MP_NS_PER_US);
    CHECK_INT(result.max_ns, 1000 * MP_NS_PER_US);
    // from 1 us: 1, 2-4, 5-9, 10-19, 20-49, 50-99, 100-199, 200-499, 500-999, 1000
    static const uint64_t expected[] = {1, 3, 5, 10, 30, 50, 100, 300, 500, 1};
    uint64_t sum = 0;
    for (size_t i = 0; i < MP_LATENCY_BUCKETS; i++) {
        const size_t from = i - mp_latency_bucket(MP_NS_PER_US);
        CHECK_INT(result.buckets[i], from < 10 ? expected[from] : 0);
        sum += result.buckets[i];
    }
    CHECK_INT(sum, COUNT);
}

static void few_samples_have_percentiles_too(void)
{
    struct mp_latency_result result;
    mp_latency_summarise(NULL, 0, &result);
    CHECK_INT(result.count, 0);
    CHECK_INT(result.max_ns, 0);
    int64_t one[] = {700};
    mp_latency_summarise(one, 1, &result);
    CHECK_INT(result.p50_ns, 700);
    CHECK_INT(result.p999_ns, 700);
    CHECK_INT(result.min_ns, 700);
    int64_t three[] = {30, 10, 20};
    mp_latency_summarise(three, 3, &result);
    CHECK_INT(result.p50_ns, 20);
    CHECK_INT(result.p95_ns, 30);
    // 100 samples: the 99th is p99, the last is p99.9
    int64_t hundred[100];
    for (int i = 0; i < 100; i++)
        hundred[i] = 100 - i;
    mp_latency_summarise(hundred, 100, &result);
    CHECK_INT(result.p99_ns, 99);
    CHECK_INT(result.p999_ns, 100);
}

static void refuses_what_it_cannot_hold(void)
{
    static const struct mp_latency_config refused[] = {
        {.count = 0, .period_ns = MP_NS_PER_MS},
        {.count = MP_LATENCY_SAMPLES_MAX + UINT64_C(1), .period_ns = MP_NS_PER_MS},
        {.count = UINT64_MAX, .period_ns = MP_NS_PER_MS},
        {.count = 10, .period_ns = 0},
        {.count = 10, .period_ns = -1},
        {.count = 10, .period_ns = 399999},
        {.count = 10, .period_ns = 10 * MP_NS_PER_S + 1},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct mp_latency *test = NULL;
        struct mp_error err = {0};
        CHECK_INT(mp_latency_start(&test, &refused[i], &err), MP_ERANGE);
        CHECK(test == NULL);
        CHECK_HAS(err.text, "latency test");
    }
}

static void counts_every_wake(void)
{
    struct mp_latency *test = NULL;
    struct mp_latency_result result;
    const struct mp_latency_config config = {.count = 50, .period_ns = MP_NS_PER_MS};
    const int64_t begun_ns = mp_clock_ns();
    CHECK_INT(mp_latency_start(&test, &config, NULL), MP_OK);
    CHECK_INT(mp_latency_later(test, 0), 0); // nothing before it has been summed up
    mp_latency_finish(test, &result);
    CHECK(mp_clock_ns() - begun_ns >= 49 * MP_NS_PER_MS); // never early
    CHECK_INT(result.count, 50);
    CHECK(result.min_ns >= 0);
    CHECK(result.min_ns <= result.p50_ns && result.p50_ns <= result.p95_ns);
    CHECK(result.p95_ns <= result.p99_ns && result.p999_ns <= result.max_ns);
    uint64_t sum = 0, done = 0;
    for (size_t i = 0; i < MP_LATENCY_BUCKETS; i++)
        sum += result.buckets[i];
    CHECK_INT(sum, 50);
    int64_t worst_ns = -1;
    CHECK(!mp_latency_progress(test, &done, &worst_ns));
    CHECK_INT(done, 50);
    CHECK_INT(worst_ns, result.max_ns);
    CHECK_INT(mp_latency_later(test, -1), 50);
    CHECK_INT(mp_latency_later(test, result.max_ns), 0);
    CHECK(mp_latency_later(test, result.max_ns - 1) >= 1);
    const struct mp_realtime *realtime = mp_latency_realtime(test);
    CHECK(!realtime->spin || realtime->fifo);
    CHECK(!realtime->locked && !realtime->dma); // given back
    mp_latency_destroy(test);
}

static void stops_when_told(void)
{
    struct mp_latency *test = NULL;
    struct mp_latency_result result;
    const struct mp_latency_config hours = {.count = 10000, .period_ns = 10 * MP_NS_PER_S};
    CHECK_INT(mp_latency_start(&test, &hours, NULL), MP_OK);
    uint64_t done = 0;
    int64_t worst_ns = 0;
    CHECK(mp_latency_progress(test, &done, &worst_ns));
    mp_latency_stop(test);
    mp_latency_finish(test, &result); // would take a day
    CHECK(result.count <= 1);
    mp_latency_destroy(test);
    CHECK_INT(mp_latency_start(&test, &hours, NULL), MP_OK);
    mp_latency_destroy(test); // without a stop
    mp_latency_destroy(NULL);
}

static void a_wait_ends_for_its_reasons(void)
{
    struct mp_wake wake;
    _Atomic int stop = 0;
    CHECK_INT(mp_wake_init(&wake, false, NULL), MP_OK);
    for (int spin = 0; spin <= 1; spin++) {
        int64_t now_ns = mp_clock_ns();
        CHECK(mp_wait_until(&wake, &stop, now_ns - 1, spin != 0)); // past
        CHECK(mp_wait_until(&wake, &stop, now_ns + 2 * MP_NS_PER_MS, spin != 0));
        CHECK(mp_clock_ns() >= now_ns + 2 * MP_NS_PER_MS);
        mp_wake_post(&wake);
        CHECK(!mp_wait_until(&wake, &stop, mp_clock_ns() + 3600 * MP_NS_PER_S, spin != 0));
    }
    // a stop ends the spinning, long before the deadline it would have spun to
    atomic_store(&stop, 1);
    int spun_out = 0;
    for (int i = 0; i < 20; i++)
        spun_out += mp_wait_until(&wake, &stop, mp_clock_ns() + 190 * MP_NS_PER_US, true);
    CHECK(spun_out < 20);
    mp_wake_fini(&wake);
}

static void the_probe_gives_back_what_it_took(void)
{
    struct mp_realtime granted = {.dma_fd = 7};
    int64_t slack_ns = -2;
    CHECK_INT(mp_latency_probe(&granted, &slack_ns, NULL), MP_OK);
    CHECK_INT(granted.dma_fd, -1);
    CHECK(slack_ns >= -1 && slack_ns != 50000); // 50 us is the default that it must replace
    CHECK(!granted.spin || granted.fifo);
}

int main(void)
{
    edges_are_one_two_five();
    percentiles_are_measured_values();
    few_samples_have_percentiles_too();
    refuses_what_it_cannot_hold();
    counts_every_wake();
    stops_when_told();
    a_wait_ends_for_its_reasons();
    the_probe_gives_back_what_it_took();
    return CHECK_DONE("test_latency");
}
