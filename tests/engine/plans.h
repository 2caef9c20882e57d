/*
 * plans.h - plans in one expression each, for the C unit tests.
 *
 * A builder takes over the references of the parts it is given, and ends the test
 * program where the engine refuses: refusals are tested with the engine's own calls.
 */
#ifndef MP_TEST_PLANS_H
#define MP_TEST_PLANS_H

#include "engine/plan.h"
#include "engine/schedule.h"

#include <stdio.h>
#include <stdlib.h>

// exact expectations need products of two 64-bit numbers
__extension__ typedef __int128 wide;

/* num/den rounded half up, for den > 0. */
static inline int64_t round_half_up(wide num, wide den)
{
    wide doubled = 2 * num + den;
    wide whole = doubled / (2 * den);
    return (int64_t)(doubled % (2 * den) < 0 ? whole - 1 : whole);
}

static inline void must(enum mp_status status, const struct mp_error *err)
{
    if (status == MP_OK)
        return;
    (void)fprintf(stderr, "refused: %s\n", err->text);
    exit(1);
}

static inline struct mp_ratio ratio(int64_t num, int64_t den)
{
    struct mp_error err = {0};
    struct mp_ratio made = {0, 1};
    must(mp_ratio_make(&made, num, den, &err), &err);
    return made;
}

/* num/den seconds as nanoseconds. */
static inline struct mp_ratio seconds(int64_t num, int64_t den)
{
    struct mp_error err = {0};
    struct mp_ratio made = {0, 1};
    must(mp_ratio_scale(&made, ratio(num, den), INT64_C(1000000000), 1, &err), &err);
    return made;
}

static inline struct mp_plan *pulse_of(int32_t intensity_mpct, enum mp_reference reference)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    const struct mp_pulse pulse = {.intensity_mpct = intensity_mpct, .reference = reference};
    must(mp_plan_pulse(&made, &pulse, &err), &err);
    return made;
}

static inline struct mp_plan *mso(int32_t percent)
{
    return pulse_of(percent * 1000, MP_MSO);
}

static inline struct mp_plan *rest_between(struct mp_ratio min_ns, struct mp_ratio max_ns)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_rest(&made, min_ns, max_ns, &err), &err);
    return made;
}

static inline struct mp_plan *rest(struct mp_ratio ns)
{
    return rest_between(ns, ns);
}

static inline struct mp_plan *mark(const char *text)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_mark(&made, text, &err), &err);
    return made;
}

static inline struct mp_plan *then(struct mp_plan *take_first, struct mp_plan *take_second)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_then(&made, take_first, take_second, &err), &err);
    mp_plan_unref(take_first);
    mp_plan_unref(take_second);
    return made;
}

static inline struct mp_plan *repeat(struct mp_plan *take_child, uint64_t count,
                                     enum mp_spacing spacing, struct mp_ratio period_ns)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_repeat(&made, take_child, count, spacing, period_ns, &err), &err);
    mp_plan_unref(take_child);
    return made;
}

static inline struct mp_plan *together(struct mp_plan *take_first, struct mp_plan *take_second)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    struct mp_plan *const parts[] = {take_first, take_second};
    must(mp_plan_parallel(&made, parts, 2, &err), &err);
    mp_plan_unref(take_first);
    mp_plan_unref(take_second);
    return made;
}

static inline struct mp_plan *on_channel(struct mp_plan *take_child, const char *name)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_channel(&made, take_child, name, &err), &err);
    mp_plan_unref(take_child);
    return made;
}

/* Takes over plan, which a schedule does not need any more once it is made. */
static inline struct mp_schedule *schedule_of(struct mp_plan *take_plan, uint64_t seed)
{
    struct mp_error err = {0};
    struct mp_schedule *made = NULL;
    must(mp_schedule_create(&made, take_plan, seed, &err), &err);
    mp_plan_unref(take_plan);
    return made;
}

#endif
