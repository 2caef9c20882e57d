#include "engine/plan_core.h"

#include "engine/plan_totals.h"
#include "engine/plan_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPLICE_MAX = 64 }; // right-hand sequences up to this long are spliced, not nested

static struct mp_plan *plan_new(enum mp_plan_kind kind, struct mp_error *err)
{
    struct mp_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        mp_fail(err, MP_ENOMEM, "out of memory for a plan");
        return NULL;
    }
    plan->refs = 1;
    plan->kind = kind;
    plan->totals = (struct mp_totals){
        .first = {0, 1},
        .last = {0, 1},
        .span = {0, 1},
        .span_max = {0, 1},
        .whole = {0, 1},
        .denominator = 1,
        .depth = 1,
    };
    plan->min_ns = plan->max_ns = plan->period_ns = (struct mp_ratio){0, 1};
    return plan;
}

/* plan sees all of children from now on. */
static void hold_children(struct mp_plan *plan, struct children *children)
{
    plan->children = children;
    plan->length = children->used;
    plan->shorter = children->longest;
    if (plan->shorter != NULL)
        plan->shorter->longer = plan;
    children->longest = plan;
}

/* plan sees what like sees. */
static void share_children(struct mp_plan *plan, struct mp_plan *like)
{
    plan->children = like->children;
    if (plan->children == NULL)
        return;
    plan->length = like->length;
    plan->shorter = like;
    plan->longer = like->longer;
    if (plan->longer != NULL)
        plan->longer->shorter = plan;
    else
        plan->children->longest = plan;
    like->longer = plan;
}

/* Give up the children that no holder sees, and the array with the last of them. */
static void trim_children(struct children *children)
{
    if (children->trimming) // called from the loop below: it looks again
        return;
    children->trimming = true;
    while (children->used > (children->longest == NULL ? 0 : children->longest->length))
        mp_plan_unref(children->plan[--children->used]);
    children->trimming = false;
    if (children->longest == NULL)
        free(children);
}

static void leave_children(struct mp_plan *plan)
{
    struct children *children = plan->children;
    if (children == NULL)
        return;
    if (plan->shorter != NULL)
        plan->shorter->longer = plan->longer;
    if (plan->longer != NULL)
        plan->longer->shorter = plan->shorter;
    else
        children->longest = plan->shorter;
    plan->children = NULL;
    trim_children(children);
}

static struct children *children_new(size_t capacity, struct mp_error *err)
{
    if (capacity < 4)
        capacity = 4;
    struct children *made = malloc(sizeof *made + capacity * sizeof made->plan[0]);
    if (made == NULL) {
        mp_fail(err, MP_ENOMEM, "out of memory for a plan of %zu parts", capacity);
        return NULL;
    }
    *made = (struct children){.capacity = capacity};
    return made;
}

static void children_push(struct children *children, struct mp_plan *plan)
{
    children->plan[children->used++] = mp_plan_ref(plan);
}

struct mp_plan *mp_plan_ref(struct mp_plan *plan)
{
    plan->refs++;
    return plan;
}

void mp_plan_unref(struct mp_plan *plan)
{
    if (plan == NULL || --plan->refs > 0)
        return;
    leave_children(plan);
    mp_law_unref(plan->law);
    free(plan);
}

static void copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

void mp_plan_describe(struct mp_plan *plan, const char *origin, const char *label)
{
    copy_text(plan->origin, sizeof plan->origin, origin);
    copy_text(plan->label, sizeof plan->label, label);
}

void mp_plan_like(struct mp_plan *plan, const struct mp_plan *other)
{
    mp_plan_describe(plan, other->origin, other->label);
    copy_text(plan->condition, sizeof plan->condition, other->condition);
    plan->roles = other->roles;
    plan->code = other->code;
    plan->totals.coded = plan->totals.coded || other->code != 0;
}

enum mp_status mp_plan_pulse(struct mp_plan **out, const struct mp_pulse *pulse,
                             struct mp_error *err)
{
    static const struct {
        int32_t max_mpct;
        const char *name;
    } limits[] = {
        [MP_MSO] = {100000, "MSO"}, [MP_RMT] = {400000, "RMT"}, [MP_AMT] = {400000, "AMT"}};
    const int32_t max = limits[pulse->reference].max_mpct;
    if (pulse->intensity_mpct < 0 || pulse->intensity_mpct > max)
        return mp_fail(err, MP_ERANGE, "intensity %g %%%s is outside 0 to %d %%%s",
                       pulse->intensity_mpct / 1000.0, limits[pulse->reference].name,
                       (int)max / 1000, limits[pulse->reference].name);
    struct mp_plan *plan = plan_new(MP_PLAN_PULSE, err);
    if (plan == NULL)
        return MP_ENOMEM;
    plan->pulse = *pulse;
    plan->totals.pulses = 1;
    plan->totals.unnamed = true;
    plan->totals.work = (struct mp_work){.leaves = 1, .events = true};
    *out = plan;
    return MP_OK;
}

enum mp_status mp_plan_rest(struct mp_plan **out, struct mp_ratio min_ns,
                            struct mp_ratio max_ns, struct mp_error *err)
{
    if (min_ns.num < 0)
        return mp_fail(err, MP_ERANGE, "a rest of %g s is negative",
                       mp_ratio_double(min_ns) / 1e9);
    if (mp_ratio_compare(max_ns, min_ns) < 0)
        return mp_fail(err, MP_ERANGE, "a rest cannot have min %g s above max %g s",
                       mp_ratio_double(min_ns) / 1e9, mp_ratio_double(max_ns) / 1e9);
    struct mp_plan *plan = plan_new(MP_PLAN_REST, err);
    if (plan == NULL)
        return MP_ENOMEM;
    struct mp_totals *totals = &plan->totals;
    plan->min_ns = min_ns;
    plan->max_ns = max_ns;
    totals->span = totals->whole = min_ns;
    totals->span_max = max_ns;
    totals->random = mp_ratio_compare(min_ns, max_ns) != 0;
    totals->denominator = min_ns.den;
    totals->work =
        (struct mp_work){.leaves = 1, .rests_first = 1, .rests_last = 1, .rests_most = 1};
    *out = plan;
    return MP_OK;
}

enum mp_status mp_plan_rest_drawn(struct mp_plan **out, struct mp_ratio min_ns,
                                  struct mp_ratio max_ns, const struct mp_law *law,
                                  struct mp_error *err)
{
    struct mp_plan *plan = NULL;
    enum mp_status status = mp_plan_rest(&plan, min_ns, max_ns, err);
    if (status != MP_OK || law == NULL || !plan->totals.random) { // of one length: no law
        if (status == MP_OK)
            *out = plan;
        return status;
    }
    status = mp_law_share(&plan->law, law, min_ns, max_ns, err);
    const struct mp_law *own = mp_law_of(plan->law);
    for (size_t i = 0; status == MP_OK && i < own->count; i++)
        status =
            totals_share_denominator(&plan->totals.denominator, own->choices[i].ns.den, err);
    if (status != MP_OK) {
        mp_plan_unref(plan);
        return status;
    }
    *out = plan;
    return MP_OK;
}

/* Is there a byte that a terminal would obey or a table's columns would be torn by? */
static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == '\177')
            return true;
    return false;
}

enum mp_status mp_plan_mark(struct mp_plan **out, const char *text, struct mp_error *err)
{
    size_t length = strlen(text);
    if (has_control(text))
        return mp_fail(
            err, MP_ERANGE,
            "a mark is text without tabs or line ends or other control characters: write "
            "it with spaces");
    if (length == 0 || length >= MP_NAME_MAX)
        return mp_fail(err, MP_ERANGE, "a mark needs 1 to %d bytes of text, not %zu",
                       MP_NAME_MAX - 1, length);
    struct mp_plan *plan = plan_new(MP_PLAN_MARK, err);
    if (plan == NULL)
        return MP_ENOMEM;
    copy_text(plan->text, sizeof plan->text, text);
    plan->totals.marks = 1;
    plan->totals.work = (struct mp_work){.leaves = 1, .events = true};
    *out = plan;
    return MP_OK;
}

/* Another plan of the same parts, to be called otherwise. */
static struct mp_plan *plan_copy(struct mp_plan *plan, struct mp_error *err)
{
    struct mp_plan *made = plan_new(plan->kind, err);
    if (made == NULL)
        return NULL;
    *made = *plan;
    made->refs = 1;
    mp_law_ref(made->law);
    made->children = NULL;
    made->shorter = made->longer = NULL;
    share_children(made, plan);
    return made;
}

enum mp_status mp_plan_tagged(struct mp_plan **out, struct mp_plan *plan, const char *condition,
                              unsigned roles, struct mp_error *err)
{
    size_t length = condition == NULL ? 1 : strlen(condition);
    if (length == 0 || length >= MP_NAME_MAX || (condition != NULL && has_control(condition)))
        return mp_fail(
            err, MP_ERANGE,
            "a label is text of 1 to %d bytes without tabs, line ends or other control "
            "characters",
            MP_NAME_MAX - 1);
    struct mp_plan *made = plan_copy(plan, err);
    if (made == NULL)
        return MP_ENOMEM;
    if (condition != NULL)
        copy_text(made->condition, sizeof made->condition, condition);
    made->roles |= roles;
    *out = made;
    return MP_OK;
}

enum mp_status mp_plan_coded(struct mp_plan **out, struct mp_plan *plan, int64_t code,
                             struct mp_error *err)
{
    if (code < 1 || code > MP_CODE_MAX)
        return mp_fail(err, MP_ERANGE,
                       "a code is a whole number from 1 to %d: 0 is the box at rest",
                       MP_CODE_MAX);
    struct mp_plan *made = plan_copy(plan, err);
    if (made == NULL)
        return MP_ENOMEM;
    if (made->code == 0) // the innermost holds
        made->code = (uint8_t)code;
    made->totals.coded = true;
    *out = made;
    return MP_OK;
}

/* Can the whole be walked? */
static enum mp_status check_size(const struct mp_totals *totals, struct mp_error *err)
{
    if (totals->depth > MP_PLAN_MAX_DEPTH)
        return mp_fail(err, MP_ERANGE,
                       "plans nested deeper than %d levels: build long sequences by appending "
                       "(plan = plan .. part) or with :times(n, ...)",
                       MP_PLAN_MAX_DEPTH);
    return work_check(&totals->work, err);
}

/* Does plan dissolve into a sequence that it is put into? What has a name stays a part of it.
 */
static bool dissolves(const struct mp_plan *plan)
{
    return plan->kind == MP_PLAN_SEQUENCE && plan->label[0] == '\0' &&
           plan->condition[0] == '\0' && plan->roles == 0 && plan->code == 0;
}

/* The children of first with room for one more, sharing its array if it is the newest user.
 */
static struct children *grow(struct mp_plan *first, size_t extra, struct mp_error *err)
{
    bool is_sequence = dissolves(first);
    size_t length = is_sequence ? first->length : 1;
    struct children *old = first->children;
    if (is_sequence && old->used == length && old->capacity >= length + extra)
        return old;
    struct children *made = children_new(2 * (length + extra), err);
    if (made == NULL)
        return NULL;
    if (!is_sequence)
        children_push(made, first);
    for (size_t i = 0; is_sequence && i < length; i++)
        children_push(made, old->plan[i]);
    return made;
}

enum mp_status mp_plan_then(struct mp_plan **out, struct mp_plan *first, struct mp_plan *second,
                            struct mp_error *err)
{
    struct mp_totals totals = first->totals;
    if (!dissolves(first)) {
        totals.depth++;
        totals.work.levels++;
    }
    struct mp_totals sum;
    bool splice = dissolves(second) && second->length <= SPLICE_MAX;
    struct mp_totals tail = second->totals;
    if (splice)
        tail.depth--;
    else
        tail.work.levels++;
    enum mp_status status = totals_then(&sum, &totals, &tail, err);
    if (status == MP_OK) {
        work_then(&sum.work, &totals.work, &tail.work);
        status = check_size(&sum, err);
    }
    if (status != MP_OK)
        return status;
    struct mp_plan *plan = plan_new(MP_PLAN_SEQUENCE, err);
    if (plan == NULL)
        return MP_ENOMEM;
    size_t extra = splice ? second->length : 1;
    struct children *children = grow(first, extra, err);
    if (children == NULL) {
        free(plan);
        return MP_ENOMEM;
    }
    for (size_t i = 0; i < extra; i++)
        children_push(children, splice ? second->children->plan[i] : second);
    hold_children(plan, children);
    plan->totals = sum;
    *out = plan;
    return MP_OK;
}

static enum mp_status check_period(const struct mp_plan *child, enum mp_spacing spacing,
                                   struct mp_ratio period, struct mp_error *err)
{
    double seconds = mp_ratio_double(period) / 1e9;
    if (spacing == MP_GAP)
        return period.num >= 0 ? MP_OK
                               : mp_fail(err, MP_ERANGE, "a gap of %g s is negative", seconds);
    if (period.num <= 0)
        return mp_fail(err, MP_ERANGE, "every = %g s is not above 0", seconds);
    if (mp_ratio_compare(child->totals.span_max, period) > 0)
        return mp_fail(err, MP_ERANGE,
                       "%s of %.9g s cannot be repeated every %.9g s: make every at least as "
                       "long, or use gap",
                       child->label[0] != '\0' ? child->label : "a plan",
                       mp_ratio_double(child->totals.span_max) / 1e9, seconds);
    return MP_OK;
}

enum mp_status mp_plan_repeat(struct mp_plan **out, struct mp_plan *child, uint64_t count,
                              enum mp_spacing spacing, struct mp_ratio period_ns,
                              struct mp_error *err)
{
    if (count == 0 || count > INT64_MAX)
        return mp_fail(err, MP_ERANGE, "a plan is repeated at least once, not %llu times",
                       (unsigned long long)count);
    struct mp_totals totals = child->totals;
    totals.depth++;
    work_repeat(&totals.work, count);
    enum mp_status status = check_period(child, spacing, period_ns, err);
    if (status == MP_OK)
        status = totals_multiply(&totals.pulses, totals.pulses, count, err);
    if (status == MP_OK)
        status = totals_multiply(&totals.marks, totals.marks, count, err);
    if (status == MP_OK)
        status = totals_share_denominator(&totals.denominator, period_ns.den, err);
    if (status == MP_OK)
        status = totals_repeat_times(&totals, &child->totals, count, spacing, period_ns, err);
    if (status == MP_OK)
        status = check_size(&totals, err);
    if (status != MP_OK)
        return status;
    struct mp_plan *plan = plan_new(MP_PLAN_REPEAT, err);
    struct children *children = plan == NULL ? NULL : children_new(1, err);
    if (children == NULL) {
        free(plan);
        return MP_ENOMEM;
    }
    children_push(children, child);
    hold_children(plan, children);
    plan->count = count;
    plan->spacing = spacing;
    plan->period_ns = period_ns;
    plan->totals = totals;
    *out = plan;
    return MP_OK;
}

/* A node of kind over children from the same instant on. */
static enum mp_status plan_over(struct mp_plan **out, enum mp_plan_kind kind,
                                struct mp_plan *const *children, size_t count,
                                const struct mp_totals *totals, struct mp_error *err)
{
    enum mp_status status = check_size(totals, err);
    if (status != MP_OK)
        return status;
    struct mp_plan *plan = plan_new(kind, err);
    struct children *list = plan == NULL ? NULL : children_new(count, err);
    if (list == NULL) {
        free(plan);
        return MP_ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        children_push(list, children[i]);
    hold_children(plan, list);
    plan->totals = *totals;
    *out = plan;
    return MP_OK;
}

enum mp_status mp_plan_parallel(struct mp_plan **out, struct mp_plan *const *children,
                                size_t count, struct mp_error *err)
{
    if (count == 0)
        return mp_fail(err, MP_ERANGE, "nothing was given to run together");
    struct mp_totals totals = children[0]->totals;
    enum mp_status status = MP_OK;
    totals.work = (struct mp_work){.levels = 1};
    for (size_t i = 0; i < count && status == MP_OK; i++) {
        if (i > 0)
            status = totals_beside(&totals, &children[i]->totals, err);
        work_beside(&totals.work, &children[i]->totals.work);
    }
    if (status != MP_OK)
        return status;
    totals.depth++;
    return plan_over(out, MP_PLAN_PARALLEL, children, count, &totals, err);
}

enum mp_status mp_plan_channel(struct mp_plan **out, struct mp_plan *child, const char *name,
                               struct mp_error *err)
{
    size_t length = strlen(name);
    if (length == 0 || length >= MP_NAME_MAX || has_control(name) || strchr(name, ' ') != NULL)
        return mp_fail(err, MP_ERANGE, "a channel name needs 1 to %d bytes without spaces",
                       MP_NAME_MAX - 1);
    struct mp_plan *plan = NULL;
    struct mp_totals totals = child->totals;
    totals.unnamed = false;
    totals.depth++; // no level of work: a schedule has the child in its place
    enum mp_status status = plan_over(&plan, MP_PLAN_CHANNEL, &child, 1, &totals, err);
    if (status != MP_OK)
        return status;
    copy_text(plan->text, sizeof plan->text, name);
    *out = plan;
    return MP_OK;
}
