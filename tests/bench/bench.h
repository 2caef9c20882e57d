/*
 * bench.h - what the benchmark's small programs share.
 *
 * One program, build/bench/bench, with a command for each measurement. A command prints
 * one JSON object on one line: raw figures, no verdict. scripts/moonpulse/bench/ shuffles
 * the blocks, takes the quantiles and judges.
 */
#ifndef MP_BENCH_H
#define MP_BENCH_H

#include "engine/clock.h"
#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int bench_onset(int argc, char **argv);
int bench_uvtimer(int argc, char **argv);
int bench_fifo_loop(int argc, char **argv);
int bench_load(int argc, char **argv);
int bench_stall(int argc, char **argv);
int bench_write(int argc, char **argv);
int bench_stops(int argc, char **argv);
int bench_start(int argc, char **argv);
int bench_stream(int argc, char **argv);
int bench_log(int argc, char **argv);
int bench_memory(int argc, char **argv);
int bench_react(int argc, char **argv);
int bench_flight(int argc, char **argv);

/* The value of --name in argv, or fallback. Ends the program where it is no number. */
int64_t bench_number(int argc, char **argv, const char *name, int64_t fallback);
const char *bench_text(int argc, char **argv, const char *name, const char *fallback);

/* End the program with a message where something failed that must not. */
void bench_must(enum mp_status status, const struct mp_error *err);
void bench_must_sys(bool ok, const char *what);

/* "name":[1,2,3] on standard output, with a comma in front. */
void bench_print_list(const char *name, const int64_t *values, size_t count);

/* Zeroed memory that a forked child shares; never freed. */
void *bench_shared(size_t bytes);

/* SCHED_FIFO for the calling thread where it is allowed. */
bool bench_fifo(int priority);

#endif
