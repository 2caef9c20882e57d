/* bench.c - the driver: picks the measurement, and helps all of them. */
#include "tests/bench/bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *bench_text(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    return fallback;
}

int64_t bench_number(int argc, char **argv, const char *name, int64_t fallback)
{
    const char *text = bench_text(argc, argv, name, NULL);
    if (text == NULL)
        return fallback;
    char *end;
    int64_t value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || value < 0) {
        (void)fprintf(stderr, "bench: --%s %s is no whole number from 0 up\n", name, text);
        exit(2);
    }
    return value;
}

void bench_must(enum mp_status status, const struct mp_error *err)
{
    if (status == MP_OK)
        return;
    (void)fprintf(stderr, "bench: %s\n", err->text);
    exit(1);
}

void bench_must_sys(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

void bench_print_list(const char *name, const int64_t *values, size_t count)
{
    printf(",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        printf(i == 0 ? "%" PRId64 : ",%" PRId64, values[i]);
    printf("]");
}

void *bench_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bench_must_sys(memory != MAP_FAILED, "mmap");
    memset(memory, 0, bytes);
    return memory;
}

bool bench_fifo(int priority)
{
    const struct sched_param param = {.sched_priority = priority};
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"onset", bench_onset},    {"uvtimer", bench_uvtimer}, {"load", bench_load},
        {"fifo", bench_fifo_loop}, {"stall", bench_stall},     {"write", bench_write},
        {"stops", bench_stops},    {"start", bench_start},     {"stream", bench_stream},
        {"log", bench_log},        {"memory", bench_memory},   {"flight", bench_flight},
        {"react", bench_react},
    };
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    (void)fprintf(stderr, "bench: run it through `moonpulse bench` or `make bench`; commands:");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        (void)fprintf(stderr, " %s", commands[i].name);
    (void)fprintf(stderr, "\n");
    return 2;
}
