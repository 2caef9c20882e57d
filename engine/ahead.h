/*
 * ahead.h - a plan that is armed ahead: which trigger starts it, and when. A function of the
 * rule, of what came before, of the byte and of its time, and of nothing else.
 *
 * A trigger is a byte that has come. One that starts nothing is told with why: no trigger is
 * without a verdict, and none waits for its turn: a plan that could not start at once starts
 * with a later trigger or never.
 *
 *     const struct mp_ahead_rule rule = {.byte = 5, .every = 1, .most = 100,
 *                                        .from_ns = INT64_MIN, .until_ns = INT64_MAX,
 *                                        .refractory_ns = MP_NS_PER_S};
 *     struct mp_ahead_past past = {0};
 *     if (mp_ahead_hear(&rule, &past, byte, arrival_ns) == MP_HEARD_STARTS)
 *         start(past.start_ns = arrival_ns + rule.delay_ns);
 */
#ifndef MP_AHEAD_H
#define MP_AHEAD_H

#include "engine/port.h"

/* What becomes of a trigger. */
enum mp_heard {
    MP_HEARD_STARTS,     // the plan starts with it
    MP_HEARD_OTHER,      // not the byte that is waited for
    MP_HEARD_OUTSIDE,    // before or after the time in which triggers count
    MP_HEARD_COUNTED,    // one of those between: each n-th starts the plan
    MP_HEARD_WINDOW,     // too soon or too late after the trigger before it, or there was none
    MP_HEARD_GATE,       // the line that lets triggers through was low
    MP_HEARD_BUSY,       // the plan was still going on
    MP_HEARD_REFRACTORY, // too soon after the last start
    MP_HEARD_OVER,       // the plan was started as often as it may be
    MP_HEARD_COUNT
};
/* "starts", "other", "outside", "counted", "window", "gate", "busy", "refractory", "over"; else
 * "unknown". */
const char *mp_heard_name(enum mp_heard heard);

/* Times in nanoseconds; instants are monotonic. */
struct mp_ahead_rule {
    int16_t byte;              // 0 to 255; -1: any
    uint32_t every;            // each n-th of those that match, the n-th first; at least 1
    int64_t from_ns, until_ns; // both included; outside, triggers do not count
    // both included: from the trigger before, whatever became of that; 0, 0: any, also the
    // first
    int64_t least_ns, most_ns;
    enum mp_input_line gate; // a line of the port, which must be high; MP_INPUT_NONE: none
    int64_t delay_ns;        // from the trigger to the plan's start,
    int64_t lead_ns;         // and at least that: its first command takes so long
    int64_t refractory_ns;   // from one start to the next, at least
    uint64_t most;           // so often the plan is started; at least 1
};

struct mp_ahead_past {
    uint64_t matched; // bytes that counted
    int64_t last_ns;  // of the last one that did
    bool gate_high;   // the caller looks, before it tells of what came
    uint64_t started;
    bool playing;     // the plan is going on; the caller sets and clears it
    int64_t start_ns; // of the last start; the caller sets it
};

/* byte came at at_ns: what becomes of it. Counts it in past, and a start as well. */
enum mp_heard mp_ahead_hear(const struct mp_ahead_rule *rule, struct mp_ahead_past *past,
                            uint8_t byte, int64_t at_ns);

#endif
