/*
 * plan_totals.h - the arithmetic of struct mp_totals: what composing plans does to their
 * counts and times, in closed form. Private to plan.c. Every function checks for overflow
 * and leaves what it was to change as it was on failure, but for totals_beside and
 * totals_repeat_times, whose callers throw a half-changed copy away.
 */
#ifndef MP_PLAN_TOTALS_H
#define MP_PLAN_TOTALS_H

#include "engine/plan.h"

/* Make *into the least common multiple of itself and den. */
enum mp_status totals_share_denominator(int64_t *into, int64_t den, struct mp_error *err);
/* *out = a x b, for pulses and marks. */
enum mp_status totals_multiply(uint64_t *out, uint64_t a, uint64_t b, struct mp_error *err);
/* out = a, then b from the end of a's span on. */
enum mp_status totals_then(struct mp_totals *out, const struct mp_totals *a,
                           const struct mp_totals *b, struct mp_error *err);
/* The times in totals (a copy of child's) when child is repeated. */
enum mp_status totals_repeat_times(struct mp_totals *totals, const struct mp_totals *child,
                                   uint64_t count, enum mp_spacing spacing,
                                   struct mp_ratio period, struct mp_error *err);
/* sum = sum and other from the same instant on. */
enum mp_status totals_beside(struct mp_totals *sum, const struct mp_totals *other,
                             struct mp_error *err);

#endif
