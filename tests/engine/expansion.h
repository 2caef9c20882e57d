/*
 * expansion.h - plans described and expanded a second time, to compare the engine with.
 *
 * Slow and obvious: recursion over the definitions in plan.h into one array of events.
 * Nothing here comes from the engine but the names of the kinds of plans. All times
 * are whole numbers of 1/UNITS ns, so that the fractions in use are exact.
 */
#ifndef MP_TEST_EXPANSION_H
#define MP_TEST_EXPANSION_H

#include "engine/plan.h"

#include <string.h>

enum { UNITS = 2 * 9 * 7 * 11, PARTS = 4, EVENTS_MAX = 2500 };

struct node {
    enum mp_plan_kind kind;
    int32_t intensity_mpct;
    enum mp_reference reference;
    int64_t min, max; // rest, in units
    struct node *parts[PARTS];
    size_t part_count;
    uint64_t count;
    enum mp_spacing spacing;
    int64_t period; // in units
    char text[16];
    int depth;
    uint64_t events;
    struct mp_plan *plan;
};

struct instant_event {
    int64_t at; // in units
    const struct node *leaf;
    const char *channel; // NULL: not named
};

struct expansion {
    struct instant_event events[EVENTS_MAX];
    size_t count;
    bool longest; // take the longest rests, else the shortest
};

static inline int64_t rest_of(const struct node *node, bool longest)
{
    return longest ? node->max : node->min;
}

/* The definitions of plan.h: what a plan lasts, and with what follows its last repetition. */
static inline int64_t span_of(const struct node *node, bool longest)
{
    int64_t span = 0;
    switch (node->kind) {
    case MP_PLAN_PULSE:
    case MP_PLAN_MARK:
        return 0;
    case MP_PLAN_REST:
        return rest_of(node, longest);
    case MP_PLAN_CHANNEL:
        return span_of(node->parts[0], longest);
    case MP_PLAN_SEQUENCE:
        for (size_t i = 0; i < node->part_count; i++)
            span += span_of(node->parts[i], longest);
        return span;
    case MP_PLAN_PARALLEL:
        for (size_t i = 0; i < node->part_count; i++)
            if (span_of(node->parts[i], longest) > span)
                span = span_of(node->parts[i], longest);
        return span;
    case MP_PLAN_REPEAT:
        break;
    }
    const int64_t count = (int64_t)node->count, child = span_of(node->parts[0], longest);
    if (node->spacing == MP_TRAIN)
        return count * node->period;
    if (node->spacing == MP_EVERY)
        return (count - 1) * node->period + child;
    return count * child + (count - 1) * node->period;
}

static inline int64_t whole_of(const struct node *node)
{
    int64_t whole = 0;
    switch (node->kind) {
    case MP_PLAN_CHANNEL:
        return whole_of(node->parts[0]);
    case MP_PLAN_SEQUENCE:
        for (size_t i = 0; i + 1 < node->part_count; i++)
            whole += span_of(node->parts[i], false);
        return whole + whole_of(node->parts[node->part_count - 1]);
    case MP_PLAN_PARALLEL:
        for (size_t i = 0; i < node->part_count; i++)
            if (whole_of(node->parts[i]) > whole)
                whole = whole_of(node->parts[i]);
        return whole;
    case MP_PLAN_REPEAT:
        if (node->spacing == MP_GAP)
            whole = span_of(node->parts[0], false);
        return (int64_t)node->count * (whole + node->period);
    case MP_PLAN_PULSE:
    case MP_PLAN_MARK:
    case MP_PLAN_REST:
        break;
    }
    return span_of(node, false);
}

/* Put the events from middle on among those from first on; equal ones stay behind. */
static inline void merge(struct expansion *into, size_t first, size_t middle)
{
    static struct instant_event merged[EVENTS_MAX];
    size_t a = first, b = middle, used = 0;
    while (a < middle || b < into->count) {
        const bool left =
            b == into->count || (a < middle && into->events[a].at <= into->events[b].at);
        merged[used++] = into->events[left ? a++ : b++];
    }
    memcpy(&into->events[first], merged, used * sizeof merged[0]);
}

static inline void expand(struct expansion *into, const struct node *node, int64_t at,
                          const char *channel)
{
    const size_t first = into->count;
    switch (node->kind) {
    case MP_PLAN_PULSE:
    case MP_PLAN_MARK:
        into->events[into->count++] = (struct instant_event){at, node, channel};
        break;
    case MP_PLAN_REST:
        break;
    case MP_PLAN_CHANNEL:
        expand(into, node->parts[0], at, node->text); // the innermost name wins
        break;
    case MP_PLAN_SEQUENCE:
        for (size_t i = 0; i < node->part_count; i++) {
            expand(into, node->parts[i], at, channel);
            at += span_of(node->parts[i], into->longest);
        }
        break;
    case MP_PLAN_PARALLEL:
        for (size_t i = 0; i < node->part_count; i++) {
            const size_t middle = into->count;
            expand(into, node->parts[i], at, channel);
            merge(into, first, middle);
        }
        break;
    case MP_PLAN_REPEAT:
        for (uint64_t i = 0; i < node->count; i++) {
            expand(into, node->parts[0], at, channel);
            at += node->period;
            if (node->spacing == MP_GAP)
                at += span_of(node->parts[0], into->longest);
        }
        break;
    }
}

#endif
