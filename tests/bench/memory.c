/*
 * memory.c - bench memory: what a protocol of N pulses takes while it flows, for a small N and
 * a large one in the same process.
 */
#include "tests/bench/bench.h"
#include "tests/engine/plans.h"

#include <inttypes.h>
#include <string.h>

static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && kib < 0 && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (status != NULL)
        (void)fclose(status);
    return kib;
}

static void walk(uint64_t pulses, long *kib, size_t *bytes)
{
    struct mp_plan *burst = repeat(mso(50), 5, MP_TRAIN, seconds(1, 50));
    struct mp_plan *train = repeat(burst, 10, MP_TRAIN, seconds(1, 5));
    struct mp_schedule *schedule =
        schedule_of(repeat(train, pulses / 50, MP_EVERY, seconds(10, 1)), 0);
    struct mp_event event;
    uint64_t count = 0;
    while (mp_schedule_next(schedule, &event))
        count++;
    bench_must_sys(count == pulses, "the schedule has another count of pulses");
    *kib = resident_kib();
    *bytes = mp_schedule_bytes(schedule);
    mp_schedule_destroy(schedule);
}

int bench_memory(int argc, char **argv)
{
    static const uint64_t few = 1000;
    uint64_t many = (uint64_t)bench_number(argc, argv, "pulses", 10000000);
    long few_kib, many_kib;
    size_t few_bytes, many_bytes;
    walk(few, &few_kib,
         &few_bytes); // reading /proc takes its own memory: once before it counts
    walk(few, &few_kib, &few_bytes);
    walk(many, &many_kib, &many_bytes);
    printf("{\"few\":%" PRIu64 ",\"few_kib\":%ld,\"few_bytes\":%zu", few, few_kib, few_bytes);
    printf(",\"many\":%" PRIu64 ",\"many_kib\":%ld,\"many_bytes\":%zu}\n", many, many_kib,
           many_bytes);
    return 0;
}
