#include "engine/schedule.h"

#include "engine/schedule_law.h"
#include "engine/schedule_program.h"

#include <stdlib.h>

struct strand;

/* One op in progress. */
struct frame {
    const struct op *op;
    uint64_t done;          // repetitions or children started
    struct instant next;    // repeat every, train: onset of the next repetition
    uint64_t key;           // position in the plan, for random rests
    struct strand *strands; // parallel: one a child
};

/* What a child of a parallel is about to do. */
enum progress { FRESH, HOLDING, RUNNING, FINISHED };

/* A line of execution through the program; parallels run several. */
struct strand {
    struct frame *frames; // the strand's own region of the pool
    int64_t top;          // index of the innermost frame, -1: finished
    struct instant now;
    struct strand *spare;   // free strands for parallels inside
    enum progress progress; // parallel child; HOLDING: event is what comes next
    struct mp_event event;
    int64_t frac; // of event's onset, which keeps the order inside one nanosecond
};

struct mp_schedule {
    struct program program;
    uint64_t seed;
    uint64_t pulses, marks; // given out so far
    struct frame *frames;
    struct strand *strands;
    struct strand *root;
    int64_t end_ns;
};

static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

uint64_t mp_schedule_draw(uint64_t seed, uint64_t position, uint64_t range)
{
    if (range == UINT64_MAX)
        return mix(mix(seed) ^ position);
    const uint64_t sides = range + 1;
    const uint64_t fair = UINT64_MAX - UINT64_MAX % sides; // below this no value is favoured
    uint64_t drawn = mix(mix(seed) ^ position);
    while (drawn >= fair)
        drawn = mix(drawn);
    return drawn % sides;
}

static struct instant instant_add(struct instant a, struct instant b, int64_t denominator)
{
    a.ns += b.ns;
    a.frac += b.frac;
    if (a.frac >= denominator) {
        a.frac -= denominator;
        a.ns++;
    }
    return a;
}

static bool strand_next(struct mp_schedule *s, struct strand *strand, struct mp_event *event);

static void push(struct strand *strand, const struct op *op, uint64_t key)
{
    struct frame *frame = &strand->frames[++strand->top];
    *frame = (struct frame){.op = op, .next = strand->now, .key = key};
}

static void set_onset(const struct mp_schedule *s, struct strand *strand,
                      struct mp_event *event)
{
    event->floor_ns = strand->now.ns;
    event->half = 2 * strand->now.frac >= s->program.denominator;
    strand->frac = strand->now.frac;
}

/* Give each child a strand of its own, starting at the same instant. */
static void start_parallel(struct mp_schedule *s, struct strand *strand, const struct op *op,
                           uint64_t key)
{
    const struct program *p = &s->program;
    push(strand, op, key);
    struct frame *frame = &strand->frames[strand->top];
    struct frame *region = frame + 1;
    struct strand *spare = strand->spare + op->count;
    frame->strands = strand->spare;
    for (uint64_t i = 0; i < op->count; i++) {
        const struct op *child = &p->ops[p->links[op->first + i]];
        struct strand *made = &frame->strands[i];
        *made = (struct strand){
            .frames = region, .top = -1, .now = strand->now, .spare = spare, .progress = FRESH};
        region += child->frames;
        spare += child->strands;
    }
}

/*
 * Begin op at strand->now. True: it is an instant, and *event is it. False: it has
 * been pushed, or (a rest) is already over.
 */
static inline bool start(struct mp_schedule *s, struct strand *strand, const struct op *op,
                         uint64_t key, struct mp_event *event)
{
    switch (op->kind) {
    case OP_PULSE:
        event->kind = MP_EVENT_PULSE;
        event->action = op->action;
        event->source = op->source;
        set_onset(s, strand, event);
        return true;
    case OP_MARK:
        event->kind = MP_EVENT_MARK;
        event->action = 0;
        event->source = op->source;
        set_onset(s, strand, event);
        return true;
    case OP_REST:
        strand->now = instant_add(strand->now, op->step, s->program.denominator);
        if (op->law != 0)
            strand->now = instant_add(
                strand->now,
                law_draw(&s->program.laws[op->law - 1], s->program.choices, s->seed, key),
                s->program.denominator);
        else if (op->range_us != 0)
            strand->now.ns += 1000 * (int64_t)mp_schedule_draw(s->seed, key, op->range_us);
        return false;
    case OP_PARALLEL:
        start_parallel(s, strand, op, key);
        return false;
    case OP_SEQUENCE:
    case OP_REPEAT:
        push(strand, op, key);
        return false;
    }
    return false;
}

static inline uint64_t child_key(const struct frame *frame)
{
    return frame->op->random ? mix(frame->key ^ (frame->done + 1)) : 0;
}

static bool step_sequence(struct mp_schedule *s, struct strand *strand, struct frame *frame,
                          struct mp_event *event)
{
    const struct op *op = frame->op;
    if (frame->done == op->count) {
        strand->top--;
        return false;
    }
    uint64_t key = child_key(frame);
    const struct op *child = &s->program.ops[s->program.links[op->first + frame->done++]];
    return start(s, strand, child, key, event);
}

static inline bool step_repeat(struct mp_schedule *s, struct strand *strand,
                               struct frame *frame, struct mp_event *event)
{
    const struct op *op = frame->op;
    if (frame->done == op->count) {
        if (op->spacing == MP_TRAIN)
            strand->now = frame->next;
        strand->top--;
        return false;
    }
    if (op->spacing != MP_GAP) {
        strand->now = frame->next;
        frame->next = instant_add(frame->next, op->step, s->program.denominator);
    } else if (frame->done > 0) {
        strand->now = instant_add(strand->now, op->step, s->program.denominator);
    }
    uint64_t key = child_key(frame);
    frame->done++;
    return start(s, strand, &s->program.ops[op->first], key, event);
}

/* Draw a parallel child's next event, so that the earliest of all can be chosen. */
static void prepare(struct mp_schedule *s, const struct frame *frame, uint64_t i)
{
    const struct program *p = &s->program;
    struct strand *child = &frame->strands[i];
    bool found = false;
    if (child->progress == HOLDING || child->progress == FINISHED)
        return;
    if (child->progress == FRESH) {
        uint64_t key = frame->op->random ? mix(frame->key ^ (i + 1)) : 0;
        found = start(s, child, &p->ops[p->links[frame->op->first + i]], key, &child->event);
    }
    if (!found)
        found = strand_next(s, child, &child->event);
    child->progress = found ? HOLDING : FINISHED;
}

static bool earlier(const struct strand *a, const struct strand *b)
{
    if (a->event.floor_ns != b->event.floor_ns)
        return a->event.floor_ns < b->event.floor_ns;
    return a->frac < b->frac;
}

/* The earliest of the children's next events; equal ones in the order of the children. */
static bool step_parallel(struct mp_schedule *s, struct strand *strand, struct frame *frame,
                          struct mp_event *event)
{
    struct strand *best = NULL;
    struct instant end = strand->now;
    for (uint64_t i = 0; i < frame->op->count; i++) {
        prepare(s, frame, i);
        struct strand *child = &frame->strands[i];
        if (child->progress == HOLDING && (best == NULL || earlier(child, best)))
            best = child;
        if (child->now.ns > end.ns || (child->now.ns == end.ns && child->now.frac > end.frac))
            end = child->now;
    }
    if (best == NULL) {
        strand->now = end;
        strand->top--;
        return false;
    }
    best->progress = RUNNING;
    strand->frac = best->frac;
    uint64_t number = event->number;
    *event = best->event;
    event->number = number;
    return true;
}

static bool strand_next(struct mp_schedule *s, struct strand *strand, struct mp_event *event)
{
    while (strand->top >= 0) {
        struct frame *frame = &strand->frames[strand->top];
        bool found = false;
        switch (frame->op->kind) {
        case OP_REPEAT:
            found = step_repeat(s, strand, frame, event);
            break;
        case OP_SEQUENCE:
            found = step_sequence(s, strand, frame, event);
            break;
        case OP_PARALLEL:
            found = step_parallel(s, strand, frame, event);
            break;
        case OP_PULSE: // leaves are never pushed
        case OP_MARK:
        case OP_REST:
            strand->top--;
            break;
        }
        if (found)
            return true;
    }
    return false;
}

enum mp_status mp_schedule_create(struct mp_schedule **out, const struct mp_plan *plan,
                                  uint64_t seed, struct mp_error *err)
{
    struct mp_schedule *s = calloc(1, sizeof *s);
    if (s == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a schedule");
    enum mp_status status = program_compile(&s->program, plan, err);
    if (status != MP_OK) {
        free(s);
        return status;
    }
    const struct op *root = &s->program.ops[s->program.root];
    s->seed = seed;
    // one frame more: a plan that is a single leaf runs inside a sequence of one
    s->frames = calloc((size_t)root->frames + 1, sizeof *s->frames);
    s->strands = calloc((size_t)root->strands + 1, sizeof *s->strands);
    if (s->frames == NULL || s->strands == NULL) {
        mp_schedule_destroy(s);
        return mp_fail(err, MP_ENOMEM, "out of memory for a schedule");
    }
    mp_schedule_rewind(s);
    *out = s;
    return MP_OK;
}

void mp_schedule_destroy(struct mp_schedule *schedule)
{
    if (schedule == NULL)
        return;
    program_fini(&schedule->program);
    free(schedule->frames);
    free(schedule->strands);
    free(schedule);
}

void mp_schedule_rewind(struct mp_schedule *s)
{
    s->root = &s->strands[0];
    *s->root = (struct strand){.frames = s->frames, .top = -1, .spare = s->strands + 1};
    s->pulses = s->marks = 0;
    s->end_ns = -1;
}

/* Up to room pulses of a repetition of one, which frame runs: additions only. */
static inline uint32_t fill(struct mp_schedule *s, struct instant *onset, struct frame *frame,
                            struct mp_event *events, uint32_t room)
{
    const struct op *op = frame->op, *pulse = &s->program.ops[op->first];
    const int64_t denominator = s->program.denominator;
    const struct instant step = op->step;
    const uint64_t left = op->count - frame->done, before = s->pulses;
    const uint32_t count = left < room ? (uint32_t)left : room;
    struct instant next = frame->next, now = next;
    for (uint32_t i = 0; i < count; i++) {
        now = next;
        next = instant_add(next, step, denominator);
        events[i] = (struct mp_event){.kind = MP_EVENT_PULSE,
                                      .half = 2 * now.frac >= denominator,
                                      .action = pulse->action,
                                      .source = pulse->source,
                                      .floor_ns = now.ns,
                                      .number = before + i + 1};
    }
    *onset = now;
    frame->next = next;
    frame->done += count;
    s->pulses += count;
    return count;
}

/*
 * The short way, for what protocols are mostly made of: repetitions of repetitions of single
 * pulses, at fixed onsets, without random rests. The same steps as step_repeat and start
 * take; fewer than room events, with nothing changed that they need, if something else is
 * going on.
 */
static uint32_t fill_from_repeats(struct mp_schedule *s, struct strand *root,
                                  struct mp_event *events, uint32_t room)
{
    const int64_t denominator = s->program.denominator;
    // here, not in root: what was just written by halves is slow to read as one
    struct instant now = root->now;
    struct frame *end = root->frames + (root->top + 1); // after the innermost
    uint32_t count = 0;
    while (end > root->frames && count < room) {
        struct frame *frame = end - 1;
        const struct op *op = frame->op;
        if (!op->plain)
            break;
        if (frame->done == op->count) {
            if (op->spacing == MP_TRAIN) {
                now.ns = frame->next.ns;
                now.frac = frame->next.frac;
            }
            end--;
            continue;
        }
        const struct op *child = &s->program.ops[op->first];
        if (child->kind == OP_PULSE) {
            count += fill(s, &now, frame, events + count, room - count);
            continue;
        }
        now.ns = frame->next.ns;
        now.frac = frame->next.frac;
        frame->next = instant_add(now, op->step, denominator);
        frame->done++;
        frame[1].op = child; // a plain op's child is a pulse or a plain op
        frame[1].done = 0;
        frame[1].next = now;
        end++;
    }
    root->now = now;
    root->top = end - root->frames - 1;
    return count;
}

/* Any event, step by step. */
static bool next_of_any(struct mp_schedule *s, struct mp_event *event)
{
    struct strand *root = s->root;
    if (s->end_ns >= 0)
        return false;
    bool found = false;
    if (root->top < 0 && s->pulses + s->marks == 0)
        found = start(s, root, &s->program.ops[s->program.root], s->seed, event);
    if (!found)
        found = strand_next(s, root, event);
    if (!found) {
        s->end_ns = root->now.ns + (2 * root->now.frac >= s->program.denominator ? 1 : 0);
        return false;
    }
    event->number = event->kind == MP_EVENT_PULSE ? ++s->pulses : ++s->marks;
    return true;
}

uint32_t mp_schedule_next_many(struct mp_schedule *s, struct mp_event *events, uint32_t room)
{
    uint32_t count = 0;
    while (count < room) {
        count += fill_from_repeats(s, s->root, events + count, room - count);
        if (count == room || !next_of_any(s, &events[count]))
            break;
        count++;
    }
    return count;
}

bool mp_schedule_next(struct mp_schedule *s, struct mp_event *event)
{
    return mp_schedule_next_many(s, event, 1) == 1;
}

int64_t mp_schedule_end_ns(const struct mp_schedule *schedule)
{
    return schedule->end_ns;
}

uint32_t mp_schedule_action_count(const struct mp_schedule *schedule)
{
    return schedule->program.action_count;
}

const struct mp_action *mp_schedule_action(const struct mp_schedule *schedule, uint32_t index)
{
    return &schedule->program.actions[index];
}

const char *mp_schedule_channel(const struct mp_schedule *schedule, uint32_t index)
{
    return schedule->program.channels[index];
}

const char *mp_schedule_origin(const struct mp_schedule *schedule, uint32_t source)
{
    return schedule->program.sources[source].origin;
}

uint32_t mp_schedule_source_count(const struct mp_schedule *schedule)
{
    return schedule->program.source_count;
}

const char *mp_schedule_mark(const struct mp_schedule *schedule, uint32_t source)
{
    return schedule->program.sources[source].text;
}

uint8_t mp_schedule_code(const struct mp_schedule *schedule, uint32_t source)
{
    return schedule->program.sources[source].code;
}

size_t mp_schedule_bytes(const struct mp_schedule *s)
{
    const struct program *p = &s->program;
    const struct op *root = &p->ops[p->root];
    return sizeof *s + p->op_count * sizeof *p->ops + p->link_count * sizeof *p->links +
           p->source_count * sizeof *p->sources + p->action_count * sizeof *p->actions +
           ((size_t)root->frames + 1) * sizeof *s->frames +
           ((size_t)root->strands + 1) * sizeof *s->strands;
}
