/* plan_view.c - what a plan says of itself. */
#include "engine/plan_core.h"

enum mp_plan_kind mp_plan_kind(const struct mp_plan *plan)
{
    return plan->kind;
}

const struct mp_totals *mp_plan_totals(const struct mp_plan *plan)
{
    return &plan->totals;
}

const char *mp_plan_origin(const struct mp_plan *plan)
{
    return plan->origin;
}

const char *mp_plan_label(const struct mp_plan *plan)
{
    return plan->label;
}

const char *mp_plan_condition(const struct mp_plan *plan)
{
    return plan->condition;
}

unsigned mp_plan_roles(const struct mp_plan *plan)
{
    return plan->roles;
}

uint8_t mp_plan_code(const struct mp_plan *plan)
{
    return plan->code;
}

struct mp_plan_view mp_plan_view(const struct mp_plan *plan)
{
    bool named = plan->kind == MP_PLAN_MARK || plan->kind == MP_PLAN_CHANNEL;
    return (struct mp_plan_view){
        .pulse = plan->pulse,
        .min_ns = plan->min_ns,
        .max_ns = plan->max_ns,
        .law = mp_law_of(plan->law),
        .text = named ? plan->text : NULL,
        .children = plan->length,
        .count = plan->count,
        .spacing = plan->spacing,
        .period_ns = plan->period_ns,
    };
}

struct mp_plan *mp_plan_child(const struct mp_plan *plan, size_t index)
{
    return index < plan->length ? plan->children->plan[index] : NULL;
}
