/*
 * fifo.c - bench fifo: a bare loop with the dispatcher's rights, which only sleeps: SCHED_FIFO,
 * memory locked, cpu_dma_latency at 0, clock_nanosleep to each absolute deadline.
 *
 * What it misses, the host has taken: the reference for shares and high percentiles, since it
 * counts every deadline and cyclictest does not.
 */
#include "tests/bench/bench.h"
#include "tests/bench/deadlines.h"

#include "engine/realtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now(void *unused)
{
    (void)unused;
    return mp_clock_ns();
}

static void sleep_until(void *unused, int64_t due_ns)
{
    (void)unused;
    const struct timespec at = mp_clock_timespec(due_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        continue;
}

int bench_fifo_loop(int argc, char **argv)
{
    static const struct sleeper clock = {now, sleep_until, NULL};
    struct deadlines d = {
        .period_ns = bench_number(argc, argv, "period-us", 1000) * MP_NS_PER_US,
        .count = (size_t)bench_number(argc, argv, "pulses", 1000),
    };
    struct mp_realtime realtime = {0};
    d.error_ns = calloc(d.count, sizeof *d.error_ns);
    bench_must_sys(d.error_ns != NULL, "memory for the errors");
    mp_realtime_prepare(&realtime);
    mp_realtime_enter(&realtime);
    d.start_ns = mp_clock_ns() + 50 * MP_NS_PER_MS;
    deadlines_sleep(&d, &clock);
    printf("{\"method\":\"FIFO loop\",\"void\":\"\",\"fifo\":%s,\"locked\":%s,\"dma\":%s",
           realtime.fifo ? "true" : "false", realtime.locked ? "true" : "false",
           realtime.dma ? "true" : "false");
    mp_realtime_release(&realtime);
    bench_print_list("errors_ns", d.error_ns, d.count);
    printf("}\n");
    free(d.error_ns);
    return 0;
}
