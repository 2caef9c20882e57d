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

struct found {
    int64_t worst_ns, gaps, looked_ns;
    // time in gaps that lies more than so long before their end: a deadline there is later than
    // that
    int64_t beyond_100us_ns, beyond_1ms_ns;
};

static int64_t beyond(int64_t gap_ns, int64_t limit_ns)
{
    return gap_ns > limit_ns ? gap_ns - limit_ns : 0;
}

static void look(int64_t until_ns, struct found *found)
{
    const int64_t first = mp_clock_ns();
    int64_t last = first;
    while (last < until_ns) {
        int64_t now = mp_clock_ns(), gap = now - last;
        last = now;
        if (gap > found->worst_ns)
            found->worst_ns = gap;
        if (gap <= GAP_US * MP_NS_PER_US)
            continue;
        found->gaps++;
        found->beyond_100us_ns += beyond(gap, GAP_US * MP_NS_PER_US);
        found->beyond_1ms_ns += beyond(gap, MP_NS_PER_MS);
    }
    found->looked_ns += last - first;
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
        struct found found = {0};
        if (!CPU_ISSET(cpu, &cpus))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        bench_must_sys(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
        for (int64_t left = total_ns; left > 0; left -= 800 * MP_NS_PER_MS) {
            int64_t turn = left < 800 * MP_NS_PER_MS ? left : 800 * MP_NS_PER_MS;
            look(mp_clock_ns() + turn, &found);
            const struct timespec pause = {.tv_nsec = 200 * MP_NS_PER_MS};
            (void)nanosleep(&pause, NULL);
        }
        printf("%s{\"cpu\":%zu,\"worst_ns\":%" PRId64 ",\"over_100us\":%" PRId64
               ",\"looked_ns\":%" PRId64 ",\"beyond_100us_ns\":%" PRId64
               ",\"beyond_1ms_ns\":%" PRId64 "}",
               comma, cpu, found.worst_ns, found.gaps, found.looked_ns, found.beyond_100us_ns,
               found.beyond_1ms_ns);
        comma = ",";
    }
    printf("]}\n");
    return 0;
}
