#include "engine/plan_work.h"

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static uint64_t product_of(uint64_t a, uint64_t b)
{
    return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a < b ? b : a;
}

void work_then(struct mp_work *out, const struct mp_work *a, const struct mp_work *b)
{
    const uint64_t between = sum_of(a->rests_last, b->rests_first);
    *out = (struct mp_work){
        .levels = larger(a->levels, b->levels),
        .strands = larger(a->strands, b->strands),
        .leaves = sum_of(a->leaves, b->leaves),
        .events = a->events || b->events,
        .rests_first = a->events ? a->rests_first : between,
        .rests_last = b->events ? b->rests_last : between,
        .rests_most = larger(between, larger(a->rests_most, b->rests_most)),
    };
}

void work_repeat(struct mp_work *work, uint64_t count)
{
    work->levels++;
    work->leaves = product_of(work->leaves, count);
    if (!work->events)
        work->rests_first = work->rests_last = work->rests_most =
            product_of(work->rests_most, count);
    else if (count > 1)
        work->rests_most =
            larger(work->rests_most, sum_of(work->rests_last, work->rests_first));
}

/* Between two events of the whole each part may go from one of its own to its next one. */
void work_beside(struct mp_work *sum, const struct mp_work *other)
{
    sum->levels = sum_of(sum->levels, other->levels);
    sum->strands = sum_of(sum->strands, sum_of(other->strands, 1));
    sum->leaves = sum_of(sum->leaves, other->leaves);
    sum->events = sum->events || other->events;
    sum->rests_first = sum_of(sum->rests_first, other->rests_first);
    sum->rests_last = sum_of(sum->rests_last, other->rests_last);
    sum->rests_most = sum_of(sum->rests_most, other->rests_most);
}

enum mp_status work_check(const struct mp_work *work, struct mp_error *err)
{
    if (work->strands > MP_PLAN_MAX_STRANDS)
        return mp_fail(
            err, MP_ERANGE,
            "%llu plans side by side, together inside together, at most %d: put some "
            "of them in sequence",
            (unsigned long long)work->strands, MP_PLAN_MAX_STRANDS);
    if (work->levels > MP_PLAN_MAX_LEVELS)
        return mp_fail(
            err, MP_ERANGE,
            "plans side by side with %llu levels of nesting in all, at most %d: nest "
            "them less deep, or put some of them in sequence",
            (unsigned long long)work->levels, MP_PLAN_MAX_LEVELS);
    if (work->rests_most > MP_PLAN_MAX_RESTS)
        return mp_fail(
            err, MP_ERANGE,
            "%llu rests in a row, without a pulse or a mark between them, at most %d: "
            "write them as one rest",
            (unsigned long long)work->rests_most, MP_PLAN_MAX_RESTS);
    return MP_OK;
}
