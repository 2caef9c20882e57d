/*
 * ratio.h - exact fractions, so that 30 Hz is 1/30 s and never 33.333 ms.
 *
 * A ratio is a plain value in lowest terms with den > 0. Every function checks
 * for overflow and leaves *out untouched on failure. Nothing allocates.
 */
#ifndef MP_RATIO_H
#define MP_RATIO_H

#include "engine/error.h"

#include <stdint.h>

struct mp_ratio {
    int64_t num;
    int64_t den;
};

/* value as a ratio. */
static inline struct mp_ratio mp_ratio_whole(int64_t value)
{
    return (struct mp_ratio){value, 1};
}

/* num/den in lowest terms. MP_EINVAL for den 0, MP_EOVERFLOW if it does not fit. */
enum mp_status mp_ratio_make(struct mp_ratio *out, int64_t num, int64_t den,
                             struct mp_error *err);
enum mp_status mp_ratio_add(struct mp_ratio *out, struct mp_ratio a, struct mp_ratio b,
                            struct mp_error *err);
enum mp_status mp_ratio_sub(struct mp_ratio *out, struct mp_ratio a, struct mp_ratio b,
                            struct mp_error *err);
/* a x factor, factor up to 2^63 - 1. */
enum mp_status mp_ratio_times(struct mp_ratio *out, struct mp_ratio a, uint64_t factor,
                              struct mp_error *err);
/* a x num / den, for den > 0 and num >= 0. */
enum mp_status mp_ratio_scale(struct mp_ratio *out, struct mp_ratio a, int64_t num, int64_t den,
                              struct mp_error *err);
/* -1, 0 or 1 as a is below, at or above b. Exact. */
int mp_ratio_compare(struct mp_ratio a, struct mp_ratio b);
/* The nearest double, for people and for Lua; nothing is computed with it. */
double mp_ratio_double(struct mp_ratio a);

/*
 * The simplest fraction (denominator up to 10^6) within 4 units in the last place
 * of value: 0.1 gives 1/10 and 1/3. gives 1/3. MP_EINVAL for NaN and infinities,
 * MP_ERANGE if there is no such fraction or value is 2^53 or more.
 */
enum mp_status mp_ratio_from_double(struct mp_ratio *out, double value, struct mp_error *err);

/* "18", "0.9", "1/6", "2.5/3", with an optional sign. MP_EINVAL for anything else. */
enum mp_status mp_ratio_from_text(struct mp_ratio *out, const char *text, struct mp_error *err);

/*
 * Seconds to nanoseconds: exact for a simple fraction, else rounded to the nearest
 * nanosecond. MP_EINVAL for NaN and infinities, MP_EOVERFLOW from 2^63 ns on.
 */
enum mp_status mp_ns_from_seconds(struct mp_ratio *out, double seconds, struct mp_error *err);

#endif
