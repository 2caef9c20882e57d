/*
 * plan_work.h - what it takes to walk a plan, in closed form: how much memory, and how many
 * steps without an event. A few lines of a script can nest parts so that no machine could walk
 * them; they are refused when they are composed, before anything is reserved. Private to
 * plan.c.
 *
 * Numbers that are too large for 64 bits stay at the largest: all that is wanted is that they
 * are too many.
 */
#ifndef MP_PLAN_WORK_H
#define MP_PLAN_WORK_H

#include "engine/plan.h"

/* out = a, then b, as one sequence. The levels of both count that of the sequence. */
void work_then(struct mp_work *out, const struct mp_work *a, const struct mp_work *b);
/* What count repetitions of work take. */
void work_repeat(struct mp_work *work, uint64_t count);
/* sum = sum and other side by side, each a strand of its own. */
void work_beside(struct mp_work *sum, const struct mp_work *other);
/* MP_ERANGE if it is more than a schedule is made for, with the number and a remedy. */
enum mp_status work_check(const struct mp_work *work, struct mp_error *err);

#endif
