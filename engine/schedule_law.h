/*
 * schedule_law.h - a drawn rest's length, from the seed and the rest's place in the plan.
 *
 * Private to schedule*.c. What is drawn is the same on every machine: whole numbers, and
 * doubles with what IEEE 754 fixes to the bit (engine/exact_math.h).
 */
#ifndef MP_SCHEDULE_LAW_H
#define MP_SCHEDULE_LAW_H

#include "engine/plan_law.h"
#include "engine/schedule_program.h"

struct law {
    enum mp_law_kind kind;
    double mean_us, half_precision; // normal: mean above the shortest; 1 / (2 variance)
    uint64_t low_us, range_us;      // normal: what is proposed
    uint32_t first, count;          // weighted: in the program's choices
    uint64_t total;
};

/* What is added to the shortest length, and the weights up to here. */
struct choice {
    struct instant more;
    uint64_t below;
};

/* The normal law of lengths from min_ns to max_ns. Fails where a difference does not fit. */
enum mp_status law_normal(struct law *law, const struct mp_law *from, struct mp_ratio min_ns,
                          struct mp_ratio max_ns, struct mp_error *err);

/* What is added to the shortest length. choices: of the program; weights up to each rise. */
struct instant law_draw(const struct law *law, const struct choice *choices, uint64_t seed,
                        uint64_t key);

#endif
