/*
 * play.h - the engine itself plays a shape: dispatcher, lowering, a libuv loop that drains
 * the outcomes, and a port on one end of a socketpair.
 */
#ifndef MP_BENCH_PLAY_H
#define MP_BENCH_PLAY_H

#include "engine/dispatcher.h"
#include "tests/bench/shapes.h"

/* One pulse of the plan, by the outcome's own stamps. */
struct played {
    bool reported, sent;
    int64_t due_ns, entered_ns, returned_ns;
};

struct play {
    // what to do
    struct shape shape;
    int near_fd; // the port takes it over
    enum mp_late late;
    int64_t lead_in_ns; // from the call to the plan's start
    const char *flight; // a path for the flight record
    // what came of it; pulses is set aside by play_prepare
    struct played *pulses;
    uint64_t sent, skipped, out_of_order;
    bool finished;
    enum mp_stop stop;
    bool safe_sent;
    int64_t stopped_ns; // stamp before the safe frame
    int64_t start_ns, ended_ns;
    int64_t cpu_ns; // that the dispatcher thread took, or -1
    struct mp_realtime realtime;
};

/* Memory for the result, which a forked child may fill in. */
struct play *play_prepare(const struct shape *shape);
/* Returns when the plan is over or stopped, and the port closed. */
void play_run(struct play *play);

/*
 * Hold the stamps against the witness: count, order, payload, intervals. NULL when they
 * agree, else what does not: then no time of this run means anything.
 */
const char *play_void(const struct play *play, const struct witness *witness);

/*
 * Intervals that may have been shorter than shape.least_ns: from the stamp after one write
 * to the stamp before the next, so that a stop within a write is seen, too.
 */
uint64_t play_close(const struct play *play);

#endif
