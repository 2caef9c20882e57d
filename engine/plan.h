/*
 * plan.h - what is to be done, as an immutable tree of values.
 *
 * A plan is a pulse, a rest, a mark, or plans composed: in sequence, repeated, as
 * a train, in parallel. It knows its pulse count and its times in closed form, so
 * a plan of a thousand million pulses is a few hundred bytes and is never expanded.
 *
 * Plans are reference counted. A function that makes a plan gives the caller one
 * reference and takes its own on the plans it was given. Loop thread only.
 *
 * Times are exact nanoseconds (struct mp_ratio). The span of a pulse is 0; the span
 * of a train is count x period; "every" is onset to onset; "gap" is end of span to
 * next onset. Every function leaves *out untouched on failure.
 */
#ifndef MP_PLAN_H
#define MP_PLAN_H

#include "engine/error.h"
#include "engine/plan_law.h"
#include "engine/ratio.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_PLAN_MAX_DEPTH = 1000, MP_ORIGIN_MAX = 80, MP_NAME_MAX = 64 };

/* The most that a plan takes to walk: some 4 MB, and some 0.1 ms from one event to the next. */
enum { MP_PLAN_MAX_STRANDS = 4096, MP_PLAN_MAX_LEVELS = 65536, MP_PLAN_MAX_RESTS = 10000 };

enum mp_plan_kind {
    MP_PLAN_PULSE,
    MP_PLAN_REST,
    MP_PLAN_MARK,
    MP_PLAN_SEQUENCE,
    MP_PLAN_REPEAT,
    MP_PLAN_PARALLEL,
    MP_PLAN_CHANNEL
};

enum mp_spacing {
    MP_EVERY, // onset to onset; the span ends with the last repetition
    MP_GAP,   // end of span to next onset
    MP_TRAIN  // onset to onset; the span is count x period
};

/* What an intensity is a percentage of. */
enum mp_reference {
    MP_MSO, // the stimulator's maximum output
    MP_RMT, // resting motor threshold
    MP_AMT  // active motor threshold
};

/* One discharge: intensity in thousandths of a percent of its reference. */
struct mp_pulse {
    int32_t intensity_mpct;
    enum mp_reference reference;
    uint32_t program; // 0; else the caller's number for pulses that the device times itself
};

/* What it takes to walk a plan. UINT64_MAX: that many or more. */
struct mp_work {
    uint64_t levels;      // of nesting that are open at once, of all strands
    uint64_t strands;     // parts side by side at once
    uint64_t leaves;      // pulses, marks and rests
    uint64_t rests_first; // rests before the first pulse or mark
    uint64_t rests_last;  // and after the last one
    uint64_t rests_most;  // the most from one to the next
    bool events;          // is there a pulse or a mark?
};

/*
 * Closed-form facts. If random is set the plan holds rests whose length a seed
 * decides: then times other than span_max hold for the shortest rests, and the
 * exact ones come from walking the schedule.
 */
struct mp_totals {
    uint64_t pulses;
    uint64_t marks;
    struct mp_ratio first;    // onset of the first pulse (0 without pulses)
    struct mp_ratio last;     // onset of the last pulse
    struct mp_ratio span;     // nominal end
    struct mp_ratio span_max; // the same with the longest rests
    struct mp_ratio whole;    // whole cycles: with what follows the last repetition
    int64_t denominator;      // common denominator of every time inside
    uint32_t depth;
    bool random;
    bool unnamed; // are there pulses that nobody gave a channel?
    bool coded;   // have pulses or marks an event code?
    struct mp_work work;
};

struct mp_plan;

/* MP_ERANGE outside 0-100 %MSO or 0-400 % of a threshold. */
enum mp_status mp_plan_pulse(struct mp_plan **out, const struct mp_pulse *pulse,
                             struct mp_error *err);
/* Silence; min < max makes it random. MP_ERANGE when negative or max < min. */
enum mp_status mp_plan_rest(struct mp_plan **out, struct mp_ratio min_ns,
                            struct mp_ratio max_ns, struct mp_error *err);
/*
 * The same, drawn by law; NULL: every whole microsecond above the shortest alike. MP_ERANGE
 * also for a law that does not fit the two (engine/plan_law.h). The choices of law are copied.
 */
enum mp_status mp_plan_rest_drawn(struct mp_plan **out, struct mp_ratio min_ns,
                                  struct mp_ratio max_ns, const struct mp_law *law,
                                  struct mp_error *err);
/* A named instant in the record. MP_ERANGE when empty or over MP_NAME_MAX - 1 bytes. */
enum mp_status mp_plan_mark(struct mp_plan **out, const char *text, struct mp_error *err);
/*
 * The following compose plans. All: MP_ERANGE if the whole is nested too deep, or takes more
 * to walk than MP_PLAN_MAX_* say.
 */

/* first, then second from the end of first's span on. Appending in a loop is cheap. */
enum mp_status mp_plan_then(struct mp_plan **out, struct mp_plan *first, struct mp_plan *second,
                            struct mp_error *err);
/*
 * count repetitions of child. MP_ERANGE for count 0, a negative gap, a period that is
 * not positive or shorter than child's span.
 */
enum mp_status mp_plan_repeat(struct mp_plan **out, struct mp_plan *child, uint64_t count,
                              enum mp_spacing spacing, struct mp_ratio period_ns,
                              struct mp_error *err);
/* All children from the same instant on; the span is the longest one's. */
enum mp_status mp_plan_parallel(struct mp_plan **out, struct mp_plan *const *children,
                                size_t count, struct mp_error *err);
/* Pulses inside that have no channel of their own yet go to this one. */
enum mp_status mp_plan_channel(struct mp_plan **out, struct mp_plan *child, const char *name,
                               struct mp_error *err);

/* What a part is to whoever counts stimuli (docs/protocols.md): flags. */
enum mp_role {
    MP_ROLE_TRIAL = 1,  // one stimulus, whatever it is made of
    MP_ROLE_BLOCK = 2,  // a block, as its author says
    MP_ROLE_TRIALS = 4, // what mp.trials makes: a block if nothing around or inside is one
    MP_ROLE_ALL = 7
};

/*
 * The same plan, with condition as the name of what its pulses are ("SICI"; NULL: as it is) and
 * roles added. Parts that have a condition of their own keep it. MP_ERANGE for a condition that
 * is no text of 1 to MP_NAME_MAX - 1 bytes without control characters.
 */
enum mp_status mp_plan_tagged(struct mp_plan **out, struct mp_plan *plan, const char *condition,
                              unsigned roles, struct mp_error *err);

enum { MP_CODE_MAX = 255 };

/*
 * The same plan with an event code (dispatcher.h): of a mark its own, else of each of its
 * pulses. Parts that have a code of their own keep it. MP_ERANGE outside 1 to MP_CODE_MAX.
 */
enum mp_status mp_plan_coded(struct mp_plan **out, struct mp_plan *plan, int64_t code,
                             struct mp_error *err);

/* One owner more; returns plan. */
struct mp_plan *mp_plan_ref(struct mp_plan *plan);
void mp_plan_unref(struct mp_plan *plan); // NULL is accepted

/*
 * Say which script line made a plan ("itbs.lua:12") and what its author calls it
 * ("burst"). Only for the maker, before it hands the plan on. Cut if too long.
 */
void mp_plan_describe(struct mp_plan *plan, const char *origin, const char *label);

/* The same for a plan that takes the place of another one: it gets all that one is called. */
void mp_plan_like(struct mp_plan *plan, const struct mp_plan *other);

/* What its topmost node is. */
enum mp_plan_kind mp_plan_kind(const struct mp_plan *plan);
/* Worked out when the plan was made. */
const struct mp_totals *mp_plan_totals(const struct mp_plan *plan);
const char *mp_plan_origin(const struct mp_plan *plan);    // "" if unknown
const char *mp_plan_label(const struct mp_plan *plan);     // "" if unnamed
const char *mp_plan_condition(const struct mp_plan *plan); // its own; "" if it has none
unsigned mp_plan_roles(const struct mp_plan *plan);        // of enum mp_role
uint8_t mp_plan_code(const struct mp_plan *plan);          // its own; 0 if it has none

/* The inside of one node; what does not belong to its kind is 0 or NULL. */
struct mp_plan_view {
    struct mp_pulse pulse;
    struct mp_ratio min_ns, max_ns; // rest
    const struct mp_law *law;       // rest: how it is drawn; NULL: all lengths alike
    const char *text;               // mark, channel
    size_t children;                // sequence, parallel; 1 for repeat and channel
    uint64_t count;                 // repeat
    enum mp_spacing spacing;
    struct mp_ratio period_ns;
};
/* Its texts are the plan's. */
struct mp_plan_view mp_plan_view(const struct mp_plan *plan);
/* Child number index from 0; stays owned by plan. */
struct mp_plan *mp_plan_child(const struct mp_plan *plan, size_t index);

#endif
