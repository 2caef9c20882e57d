/*
 * stall.c - bench stall: what the host takes away from everybody: on each processor in turn a
 * loop at the highest allowed priority looks for gaps in its own time. It rests a fifth of
 * each second, or the kernel's limit on SCHED_FIFO would be the gap it finds.
 */
#include "tests/bench/bench.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

enum { GAP_US = 100 };

static void look(int64_t until_ns, int64_t *worst_ns, int64_t *gaps)
{
    int64_t last = mp_clock_ns();
    while (last < until_ns) {
        int64_t now = mp_clock_ns();
        if (now - last > *worst_ns)
            *worst_ns = now - last;
        if (now - last > GAP_US * MP_NS_PER_US)
            (*gaps)++;
        last = now;
    }
}

int bench_stall(int argc, char **argv)
{
    int64_t total_ns = bench_number(argc, argv, "ms", 1000) * MP_NS_PER_MS;
    cpu_set_t cpus, one;
    bench_must_sys(sched_getaffinity(0, sizeof cpus, &cpus) == 0, "sched_getaffinity");
    bool fifo = bench_fifo(90);
    printf("{\"fifo\":%s,\"ms_each\":%" PRId64 ",\"cpus\":[", fifo ? "true" : "false",
           total_ns / MP_NS_PER_MS);
    const char *comma = "";
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int64_t worst_ns = 0, gaps = 0;
        if (!CPU_ISSET(cpu, &cpus))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        bench_must_sys(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
        for (int64_t left = total_ns; left > 0; left -= 800 * MP_NS_PER_MS) {
            int64_t turn = left < 800 * MP_NS_PER_MS ? left : 800 * MP_NS_PER_MS;
            look(mp_clock_ns() + turn, &worst_ns, &gaps);
            const struct timespec pause = {.tv_nsec = 200 * MP_NS_PER_MS};
            (void)nanosleep(&pause, NULL);
        }
        printf("%s{\"cpu\":%zu,\"worst_ns\":%" PRId64 ",\"over_100us\":%" PRId64 "}", comma,
               cpu, worst_ns, gaps);
        comma = ",";
    }
    printf("]}\n");
    return 0;
}
