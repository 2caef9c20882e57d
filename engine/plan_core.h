/* plan_core.h - the inside of a plan; private to plan*.c. */
#ifndef MP_PLAN_CORE_H
#define MP_PLAN_CORE_H

#include "engine/plan.h"

/*
 * Children of sequences: appending shares the array, as every plan sees only its own length.
 * Its holders form a list by length. When the longest goes, what only it saw goes with it:
 * a later part may hold an earlier holder, and the two would keep each other alive.
 */
struct children {
    struct mp_plan *longest; // the newest holder
    bool trimming;
    size_t used;
    size_t capacity;
    struct mp_plan *plan[];
};

struct mp_plan {
    size_t refs;
    enum mp_plan_kind kind;
    enum mp_spacing spacing;
    struct mp_totals totals;
    struct mp_pulse pulse;
    struct mp_ratio min_ns, max_ns;
    struct mp_shared_law *law; // of a rest; NULL: none
    struct mp_ratio period_ns;
    uint64_t count;
    struct children *children;
    struct mp_plan *shorter, *longer; // other holders of the same children
    size_t length;                    // how many of the children are this plan's
    char text[MP_NAME_MAX];
    char origin[MP_ORIGIN_MAX];
    char label[MP_NAME_MAX];
    char condition[MP_NAME_MAX];
    unsigned roles; // of enum mp_role
    uint8_t code;   // 0: none
};

#endif
