#include "engine/plan_totals.h"

/* The common denominator of everything inside: what makes the schedule exact. */
enum mp_status totals_share_denominator(int64_t *into, int64_t den, struct mp_error *err)
{
    struct mp_ratio sum;
    // 1/a + 1/b over their least common multiple: only the check for overflow is wanted
    int64_t a = *into, b = den;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (mp_ratio_scale(&sum, mp_ratio_whole(*into / a), den, 1, NULL) != MP_OK ||
        sum.num > INT64_MAX / 4)
        return mp_fail(err, MP_EOVERFLOW,
                       "the rates in this plan share no common time base: write them as small "
                       "fractions (hz = \"18\", every = \"1/6\") or whole nanoseconds");
    *into = sum.num;
    return MP_OK;
}

static enum mp_status add_counts(uint64_t *out, uint64_t a, uint64_t b, struct mp_error *err)
{
    if (b > (uint64_t)INT64_MAX - a)
        return mp_fail(err, MP_EOVERFLOW, "the plan has more than 2^63 pulses or marks");
    *out = a + b;
    return MP_OK;
}

enum mp_status totals_multiply(uint64_t *out, uint64_t a, uint64_t b, struct mp_error *err)
{
    if (a != 0 && b > (uint64_t)INT64_MAX / a)
        return mp_fail(err, MP_EOVERFLOW, "the plan has more than 2^63 pulses or marks");
    *out = a * b;
    return MP_OK;
}

/* A time may be exact and still end beyond what the engine can wait for. */
static enum mp_status check_span(const struct mp_totals *totals, struct mp_error *err)
{
    const struct mp_ratio limit = {INT64_MAX / 2, 1};
    if (mp_ratio_compare(totals->span_max, limit) > 0 ||
        mp_ratio_compare(totals->whole, limit) > 0)
        return mp_fail(err, MP_EOVERFLOW, "the plan lasts longer than 2^62 ns (146 years)");
    return MP_OK;
}

/* What b adds to a when it starts at the end of a's span. */
enum mp_status totals_then(struct mp_totals *out, const struct mp_totals *a,
                           const struct mp_totals *b, struct mp_error *err)
{
    struct mp_totals sum = *a;
    struct mp_ratio first_b, last_b;
    enum mp_status status = add_counts(&sum.pulses, a->pulses, b->pulses, err);
    if (status == MP_OK)
        status = add_counts(&sum.marks, a->marks, b->marks, err);
    if (status == MP_OK)
        status = totals_share_denominator(&sum.denominator, b->denominator, err);
    if (status == MP_OK)
        status = mp_ratio_add(&sum.span, a->span, b->span, err);
    if (status == MP_OK)
        status = mp_ratio_add(&sum.span_max, a->span_max, b->span_max, err);
    if (status == MP_OK)
        status = mp_ratio_add(&sum.whole, a->span, b->whole, err);
    if (status == MP_OK)
        status = mp_ratio_add(&first_b, a->span, b->first, err);
    if (status == MP_OK)
        status = mp_ratio_add(&last_b, a->span, b->last, err);
    if (status == MP_OK)
        status = check_span(&sum, err);
    if (status != MP_OK)
        return status;
    if (a->pulses == 0 && b->pulses > 0)
        sum.first = first_b;
    if (b->pulses > 0)
        sum.last = last_b;
    sum.random = a->random || b->random;
    sum.unnamed = a->unnamed || b->unnamed;
    sum.coded = a->coded || b->coded;
    if (b->depth + 1 > sum.depth)
        sum.depth = b->depth + 1;
    *out = sum;
    return MP_OK;
}

/* Onset of the last repetition and the times that follow from it. */
enum mp_status totals_repeat_times(struct mp_totals *totals, const struct mp_totals *child,
                                   uint64_t count, enum mp_spacing spacing,
                                   struct mp_ratio period, struct mp_error *err)
{
    struct mp_ratio step = period, step_max = period, start, start_max, all;
    enum mp_status status = MP_OK;
    if (spacing == MP_GAP) {
        status = mp_ratio_add(&step, child->span, period, err);
        if (status == MP_OK)
            status = mp_ratio_add(&step_max, child->span_max, period, err);
    }
    if (status == MP_OK)
        status = mp_ratio_times(&start, step, count - 1, err);
    if (status == MP_OK)
        status = mp_ratio_times(&start_max, step_max, count - 1, err);
    if (status == MP_OK)
        status = mp_ratio_times(&all, step, count, err);
    if (status == MP_OK)
        status = mp_ratio_add(&totals->last, start, child->last, err);
    if (status == MP_OK)
        status = mp_ratio_add(&totals->span, start, child->span, err);
    if (status == MP_OK)
        status = mp_ratio_add(&totals->span_max, start_max, child->span_max, err);
    if (status != MP_OK)
        return status;
    totals->whole = all;
    if (spacing == MP_TRAIN)
        totals->span = totals->span_max = all;
    if (totals->pulses == 0)
        totals->last = (struct mp_ratio){0, 1};
    return check_span(totals, err);
}

static struct mp_ratio later(struct mp_ratio a, struct mp_ratio b)
{
    return mp_ratio_compare(a, b) < 0 ? b : a;
}

enum mp_status totals_beside(struct mp_totals *sum, const struct mp_totals *other,
                             struct mp_error *err)
{
    bool had_pulses = sum->pulses > 0;
    enum mp_status status = add_counts(&sum->pulses, sum->pulses, other->pulses, err);
    if (status == MP_OK)
        status = add_counts(&sum->marks, sum->marks, other->marks, err);
    if (status == MP_OK)
        status = totals_share_denominator(&sum->denominator, other->denominator, err);
    if (status != MP_OK)
        return status;
    if (other->pulses > 0) {
        bool earlier = mp_ratio_compare(other->first, sum->first) < 0;
        sum->first = had_pulses && !earlier ? sum->first : other->first;
        sum->last = had_pulses ? later(sum->last, other->last) : other->last;
    }
    sum->span = later(sum->span, other->span);
    sum->span_max = later(sum->span_max, other->span_max);
    sum->whole = later(sum->whole, other->whole);
    sum->random = sum->random || other->random;
    sum->unnamed = sum->unnamed || other->unnamed;
    sum->coded = sum->coded || other->coded;
    if (other->depth > sum->depth)
        sum->depth = other->depth;
    return MP_OK;
}
