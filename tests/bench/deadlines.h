/*
 * deadlines.h - how the loops of the benchmark count: one error for each deadline of the plan.
 *
 * A loop that was held up for 12 ms has missed 12 deadlines of 1 ms, not one. So a deadline
 * that passed meanwhile is not skipped: it is the next one, it is not waited for, and it is
 * as late as it is by then. The dispatcher, which leaves late pulses out, reports each of
 * them with its onset error and so counts in the same way (tests/engine/test_deadlines.c).
 */
#ifndef MP_BENCH_DEADLINES_H
#define MP_BENCH_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadlines {
    int64_t start_ns, period_ns;
    size_t next, count;
    int64_t *error_ns; // count of them, the caller's
};

static inline int64_t deadlines_due(const struct deadlines *d)
{
    return d->start_ns + (int64_t)d->next * d->period_ns;
}

/* The loop runs at now_ns, for the next deadline. True while there are more. */
static inline bool deadlines_met(struct deadlines *d, int64_t now_ns)
{
    d->error_ns[d->next] = now_ns - deadlines_due(d);
    return ++d->next < d->count;
}

/* The clock that a loop sleeps by; the tests have one that is made up. */
struct sleeper {
    int64_t (*now)(void *context);
    void (*sleep_until)(void *context, int64_t due_ns); // returns at once where it has passed
    void *context;
};

/* Sleep to each deadline in turn, and note how late that was. */
static inline void deadlines_sleep(struct deadlines *d, const struct sleeper *by)
{
    do
        by->sleep_until(by->context, deadlines_due(d));
    while (deadlines_met(d, by->now(by->context)));
}

#endif
