/* schedule_compile.c - from the tree of a plan to the program of a schedule. */
#include "engine/schedule_program.h"

#include "engine/schedule_law.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a part takes over from what is around it. */
struct around {
    uint32_t channel; // 0: not named yet; else 1 + its index
    uint8_t code;     // 0: none
};

/* Plans share parts, so each part is compiled once for what is around it: this remembers which.
 */
struct memo_entry {
    const struct mp_plan *plan;
    struct around around;
    uint32_t op;
};

struct compiler {
    struct program *program;
    struct memo_entry *memo;
    size_t memo_size; // power of two
    size_t memo_used;
    struct mp_error *err;
};

static enum mp_status compile(struct compiler *c, const struct mp_plan *plan,
                              struct around around, uint32_t *op);

/* The most of everything: some 250 MB in all. What a device is asked for is a thousandth of it.
 */
enum { MOST_OPS = 1 << 20, MOST_LINKS = 1 << 22, MOST_ACTIONS = 1 << 14, MOST_CHANNELS = 256 };
enum { MOST_LAWS = 1 << 20, MOST_CHOICES = 1 << 22 };

/* Room for one more element in an array that doubles at powers of two, up to most of them. */
static enum mp_status reserve(void **array, uint32_t count, size_t size, uint32_t most,
                              const char *what, struct mp_error *err)
{
    if (count >= most)
        return mp_fail(err, MP_EOVERFLOW, "the plan has more than %u %s", most, what);
    if (count != 0 && (count & (count - 1)) != 0)
        return MP_OK;
    size_t capacity = count == 0 ? 1 : 2 * (size_t)count;
    void *grown = realloc(*array, capacity * size);
    if (grown == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a schedule of %zu parts", capacity);
    *array = grown;
    return MP_OK;
}

static bool is_same(struct around a, struct around b)
{
    return a.channel == b.channel && a.code == b.code;
}

static size_t memo_slot(const struct compiler *c, const struct mp_plan *plan,
                        struct around around)
{
    uint64_t hash = ((uint64_t)(uintptr_t)plan >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(hash ^ (hash >> 32) ^ around.channel ^ (size_t)around.code << 8) &
                  (c->memo_size - 1);
    while (c->memo[slot].plan != NULL &&
           (c->memo[slot].plan != plan || !is_same(c->memo[slot].around, around)))
        slot = (slot + 1) & (c->memo_size - 1);
    return slot;
}

static enum mp_status memo_add(struct compiler *c, struct memo_entry entry)
{
    if (2 * c->memo_used >= c->memo_size) {
        struct memo_entry *old = c->memo;
        size_t old_size = c->memo_size;
        size_t size = old_size == 0 ? 64 : 2 * old_size;
        struct memo_entry *grown = calloc(size, sizeof *grown);
        if (grown == NULL)
            return mp_fail(c->err, MP_ENOMEM, "out of memory for a schedule");
        c->memo = grown;
        c->memo_size = size;
        for (size_t i = 0; i < old_size; i++)
            if (old[i].plan != NULL)
                c->memo[memo_slot(c, old[i].plan, old[i].around)] = old[i];
        free(old);
    }
    c->memo[memo_slot(c, entry.plan, entry.around)] = entry;
    c->memo_used++;
    return MP_OK;
}

static enum mp_status to_instant(const struct compiler *c, struct mp_ratio ns,
                                 struct instant *out)
{
    const int64_t den = c->program->denominator;
    // ns.den divides the common denominator by construction of the plan
    struct mp_ratio part;
    int64_t whole = ns.num / ns.den;
    enum mp_status status =
        mp_ratio_scale(&part, mp_ratio_whole(ns.num % ns.den), den / ns.den, 1, c->err);
    if (status != MP_OK)
        return status;
    *out = (struct instant){whole, part.num};
    return MP_OK;
}

static enum mp_status intern_channel(struct program *p, const char *name, uint32_t *channel,
                                     struct mp_error *err)
{
    for (uint32_t i = 0; i < p->channel_count; i++)
        if (strcmp(p->channels[i], name) == 0) {
            *channel = i;
            return MP_OK;
        }
    enum mp_status status =
        reserve((void **)&p->channels, p->channel_count, sizeof *p->channels, MOST_CHANNELS,
                "channels: name fewer", err);
    if (status != MP_OK)
        return status;
    (void)snprintf(p->channels[p->channel_count], MP_NAME_MAX, "%s", name);
    *channel = p->channel_count++;
    return MP_OK;
}

static enum mp_status intern_action(struct program *p, const struct mp_action *action,
                                    uint32_t *index, struct mp_error *err)
{
    for (uint32_t i = 0; i < p->action_count; i++) {
        const struct mp_action *known = &p->actions[i];
        if (known->channel == action->channel &&
            known->pulse.intensity_mpct == action->pulse.intensity_mpct &&
            known->pulse.reference == action->pulse.reference &&
            known->pulse.program == action->pulse.program) {
            *index = i;
            return MP_OK;
        }
    }
    enum mp_status status =
        reserve((void **)&p->actions, p->action_count, sizeof *p->actions, MOST_ACTIONS,
                "different pulses: use fewer different intensities", err);
    if (status != MP_OK)
        return status;
    p->actions[p->action_count] = *action;
    *index = p->action_count++;
    return MP_OK;
}

static enum mp_status add_source(struct program *p, const struct mp_plan *plan,
                                 const char *text, uint8_t code, uint32_t *index,
                                 struct mp_error *err)
{
    enum mp_status status =
        reserve((void **)&p->sources, p->source_count, sizeof *p->sources, MOST_OPS,
                "different parts: repeat parts with :times()", err);
    if (status != MP_OK)
        return status;
    struct source *source = &p->sources[p->source_count];
    (void)snprintf(source->origin, sizeof source->origin, "%s", mp_plan_origin(plan));
    (void)snprintf(source->text, sizeof source->text, "%s", text == NULL ? "" : text);
    source->code = code;
    *index = p->source_count++;
    return MP_OK;
}

/* The choices of a law, each with what it adds to the shortest. */
static enum mp_status compile_choices(struct compiler *c, const struct mp_plan_view *view,
                                      struct law *law)
{
    struct program *p = c->program;
    const struct mp_law *from = view->law;
    *law = (struct law){.kind = MP_LAW_WEIGHTED,
                        .first = p->choice_count,
                        .count = (uint32_t)from->count,
                        .total = from->total};
    uint64_t below = 0;
    enum mp_status status = MP_OK;
    for (size_t i = 0; i < from->count && status == MP_OK; i++) {
        struct mp_ratio more;
        below += from->choices[i].weight;
        struct choice choice = {.below = below};
        status = mp_ratio_sub(&more, from->choices[i].ns, view->min_ns, c->err);
        if (status == MP_OK)
            status = to_instant(c, more, &choice.more);
        if (status == MP_OK)
            status = reserve((void **)&p->choices, p->choice_count, sizeof *p->choices,
                             MOST_CHOICES, "weighted lengths: use fewer", c->err);
        if (status == MP_OK)
            p->choices[p->choice_count++] = choice;
    }
    return status;
}

static enum mp_status compile_law(struct compiler *c, const struct mp_plan_view *view,
                                  struct op *op)
{
    struct program *p = c->program;
    struct law law;
    enum mp_status status =
        view->law->kind == MP_LAW_NORMAL
            ? law_normal(&law, view->law, view->min_ns, view->max_ns, c->err)
            : compile_choices(c, view, &law);
    if (status == MP_OK)
        status = reserve((void **)&p->laws, p->law_count, sizeof *p->laws, MOST_LAWS,
                         "drawn rests: repeat parts with :times()", c->err);
    if (status != MP_OK)
        return status;
    p->laws[p->law_count++] = law;
    op->law = p->law_count;
    return MP_OK;
}

static enum mp_status compile_rest(struct compiler *c, const struct mp_plan_view *view,
                                   struct op *op)
{
    struct mp_ratio range;
    op->kind = OP_REST;
    enum mp_status status = to_instant(c, view->min_ns, &op->step);
    if (status == MP_OK && view->law != NULL)
        return compile_law(c, view, op);
    if (status == MP_OK)
        status = mp_ratio_sub(&range, view->max_ns, view->min_ns, c->err);
    if (status == MP_OK)
        op->range_us = (uint64_t)(range.num / range.den / 1000);
    return status;
}

/* Sequences and parallels: compile the children, then link them in a row. */
static enum mp_status compile_children(struct compiler *c, const struct mp_plan *plan,
                                       size_t count, struct around around, struct op *op)
{
    struct program *p = c->program;
    uint32_t *list = malloc(count * sizeof *list);
    if (list == NULL)
        return mp_fail(c->err, MP_ENOMEM, "out of memory for a schedule");
    enum mp_status status = MP_OK;
    bool parallel = op->kind == OP_PARALLEL;
    for (size_t i = 0; i < count && status == MP_OK; i++) {
        status = compile(c, mp_plan_child(plan, i), around, &list[i]);
        if (status != MP_OK)
            break;
        const struct op *child = &p->ops[list[i]];
        if (parallel) {
            op->frames += child->frames;
            op->strands += child->strands + 1;
        } else {
            op->frames = child->frames > op->frames ? child->frames : op->frames;
            op->strands = child->strands > op->strands ? child->strands : op->strands;
        }
    }
    op->frames += 1;
    op->count = count;
    op->first = p->link_count;
    for (size_t i = 0; i < count && status == MP_OK; i++) {
        status = reserve((void **)&p->links, p->link_count, sizeof *p->links, MOST_LINKS,
                         "parts in a row: repeat parts with :times()", c->err);
        if (status == MP_OK)
            p->links[p->link_count++] = list[i];
    }
    free(list);
    return status;
}

static enum mp_status compile_repeat(struct compiler *c, const struct mp_plan *plan,
                                     const struct mp_plan_view *view, struct around around,
                                     struct op *op)
{
    enum mp_status status = compile(c, mp_plan_child(plan, 0), around, &op->first);
    if (status != MP_OK)
        return status;
    const struct op *child = &c->program->ops[op->first];
    op->kind = OP_REPEAT;
    op->spacing = view->spacing;
    op->plain = view->spacing != MP_GAP && (child->kind == OP_PULSE || child->plain);
    op->count = view->count;
    op->frames = child->frames + 1;
    op->strands = child->strands;
    return to_instant(c, view->period_ns, &op->step);
}

static enum mp_status compile_node(struct compiler *c, const struct mp_plan *plan,
                                   const struct mp_plan_view *view, struct around around,
                                   struct op *op)
{
    struct program *p = c->program;
    struct mp_action action = {.channel = around.channel, .pulse = view->pulse};
    enum mp_status status = MP_OK;
    switch (mp_plan_kind(plan)) {
    case MP_PLAN_PULSE:
        op->kind = OP_PULSE;
        status = intern_action(p, &action, &op->action, c->err);
        return status == MP_OK ? add_source(p, plan, NULL, around.code, &op->source, c->err)
                               : status;
    case MP_PLAN_MARK:
        op->kind = OP_MARK;
        return add_source(p, plan, view->text, mp_plan_code(plan), &op->source, c->err);
    case MP_PLAN_REST:
        return compile_rest(c, view, op);
    case MP_PLAN_REPEAT:
        return compile_repeat(c, plan, view, around, op);
    case MP_PLAN_PARALLEL:
        op->kind = OP_PARALLEL;
        return compile_children(c, plan, view->children, around, op);
    case MP_PLAN_SEQUENCE:
    case MP_PLAN_CHANNEL: // replaced by its child before it gets here
        break;
    }
    op->kind = OP_SEQUENCE;
    return compile_children(c, plan, view->children, around, op);
}

static enum mp_status compile(struct compiler *c, const struct mp_plan *plan,
                              struct around around, uint32_t *index)
{
    struct program *p = c->program;
    struct mp_plan_view view = mp_plan_view(plan);
    if (mp_plan_code(plan) != 0) // the innermost one holds
        around.code = mp_plan_code(plan);
    if (mp_plan_kind(plan) == MP_PLAN_CHANNEL) {
        uint32_t named = 0;
        // the innermost name wins; "1" is what a pulse without a name goes to anyway
        enum mp_status status = MP_OK;
        around.channel = 0;
        if (strcmp(view.text, "1") != 0) {
            status = intern_channel(p, view.text, &named, c->err);
            around.channel = named + 1;
        }
        return status == MP_OK ? compile(c, mp_plan_child(plan, 0), around, index) : status;
    }
    if (c->memo_size != 0) {
        const struct memo_entry *known = &c->memo[memo_slot(c, plan, around)];
        if (known->plan != NULL) {
            *index = known->op;
            return MP_OK;
        }
    }
    struct op op = {.random = mp_plan_totals(plan)->random};
    enum mp_status status = compile_node(c, plan, &view, around, &op);
    if (status == MP_OK)
        status = reserve((void **)&p->ops, p->op_count, sizeof *p->ops, MOST_OPS,
                         "different parts: repeat parts with :times()", c->err);
    if (status != MP_OK)
        return status;
    p->ops[p->op_count] = op;
    *index = p->op_count++;
    return memo_add(c, (struct memo_entry){plan, around, *index});
}

enum mp_status program_compile(struct program *program, const struct mp_plan *plan,
                               struct mp_error *err)
{
    *program = (struct program){.denominator = mp_plan_totals(plan)->denominator};
    struct compiler c = {.program = program, .err = err};
    enum mp_status status = compile(&c, plan, (struct around){0}, &program->root);
    free(c.memo);
    // channels were counted from 1 so that 0 could mean "not named": give those a name now
    bool open = false;
    for (uint32_t i = 0; i < program->action_count; i++)
        open = open || program->actions[i].channel == 0;
    uint32_t unnamed = 0;
    if (status == MP_OK && open)
        status = intern_channel(program, "1", &unnamed, err);
    for (uint32_t i = 0; i < program->action_count; i++) {
        uint32_t *channel = &program->actions[i].channel;
        *channel = *channel == 0 ? unnamed : *channel - 1;
    }
    if (status != MP_OK)
        program_fini(program);
    return status;
}

void program_fini(struct program *program)
{
    free(program->ops);
    free(program->links);
    free(program->sources);
    free(program->actions);
    free(program->channels);
    free(program->laws);
    free(program->choices);
    *program = (struct program){0};
}
