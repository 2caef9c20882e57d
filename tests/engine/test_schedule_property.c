/*
 * Thousands of random plans, each expanded a second time by expansion.h, which knows
 * nothing of the engine: both must agree on every event and every total.
 */
#include "engine/schedule.h"

#include "tests/check.h"
#include "tests/engine/expansion.h"
#include "tests/engine/plans.h"

static int plan_count(void)
{
    return getenv("MP_QUICK") != NULL ? 2500 : 30000; // quick: under valgrind
}
enum { NODES = 64, DEPTH = 6 };

/* ---- random plans ---- */

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13; // xorshift64 (G. Marsaglia 2003, doi:10.18637/jss.v008.i14)
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static struct node nodes[NODES];
static size_t node_count;

/* Periods as people write them, and some that only a fraction of a nanosecond tells apart. */
static int64_t draw_period(void)
{
    static const struct {
        int64_t num, den; // nanoseconds
    } periods[] = {
        {1000000000, 3},  {1000000000, 7},  {100000000, 3}, {500000000, 3}, {5000000000, 7},
        {500000000, 9},   {1000000000, 11}, {20000000, 1},  {200000000, 1}, {10000000000, 9},
        {5000000000, 1},  {1500000, 1},     {5, 2},         {1, 3},         {1, 1},
        {26000000000, 1}, {999, 2},         {2, 7},
    };
    const size_t i = draw(sizeof periods / sizeof periods[0]);
    return periods[i].num * (UNITS / periods[i].den);
}

static struct mp_ratio units(int64_t value)
{
    return ratio(value, UNITS);
}

static void make_rest(struct node *node, bool random)
{
    node->kind = MP_PLAN_REST;
    node->min = node->max = draw(5) == 0 ? 0 : draw_period();
    if (random)
        node->max += draw(4) == 0 ? draw_period() : (int64_t)draw(100000) * UNITS;
    node->plan = rest_between(units(node->min), units(node->max));
}

static void make_leaf(struct node *node, bool random)
{
    const uint64_t chosen = draw(6);
    node->depth = 1;
    if (chosen == 0) {
        node->kind = MP_PLAN_MARK;
        (void)snprintf(node->text, sizeof node->text, "m%d", (int)draw(100));
        node->plan = mark(node->text);
    } else if (chosen == 1) {
        make_rest(node, random && draw(2) == 0);
    } else {
        node->kind = MP_PLAN_PULSE;
        node->intensity_mpct = (int32_t)draw(5) * 20000;
        node->reference = draw(2) == 0 ? MP_MSO : MP_AMT;
        node->plan = pulse_of(node->intensity_mpct, node->reference);
    }
    node->events = 1; // of a rest as well: too many in a row are refused
}

/* A part made before, so that parts are shared; not too deep and not too many events. */
static struct node *draw_part(uint64_t room)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        struct node *part = &nodes[draw(node_count)];
        if (part->depth < DEPTH && part->events <= room)
            return part;
    }
    return &nodes[0];
}

static void make_repeat(struct node *node)
{
    struct node *child = draw_part(EVENTS_MAX / 8);
    struct mp_plan *refused = NULL;
    const int64_t span = span_of(child, true);
    node->kind = MP_PLAN_REPEAT;
    node->parts[0] = child;
    node->part_count = 1;
    node->count = 1 + draw(draw(8) == 0 ? 60 : 5);
    while (node->count * child->events > EVENTS_MAX / 4)
        node->count = (node->count + 1) / 2;
    node->spacing = (enum mp_spacing)draw(3);
    node->period = draw(8) == 0 && node->spacing == MP_GAP ? 0 : draw_period();
    if (draw(3) == 0 && span > 0)
        node->period = span; // exactly as long is allowed
    if (node->spacing != MP_GAP && span > node->period) {
        CHECK_INT(mp_plan_repeat(&refused, child->plan, node->count, node->spacing,
                                 units(node->period), NULL),
                  MP_ERANGE);
        CHECK(refused == NULL);
        node->period = span + (draw(2) == 0 ? 1 : draw_period());
    }
    node->plan =
        repeat(mp_plan_ref(child->plan), node->count, node->spacing, units(node->period));
    node->events = node->count * child->events;
}

static struct mp_plan *sequence_of(const struct node *node)
{
    const size_t n = node->part_count;
    struct mp_plan *plan = NULL;
    if (draw(2) == 0) { // a .. b .. c, appended
        plan = mp_plan_ref(node->parts[0]->plan);
        for (size_t i = 1; i < n; i++)
            plan = then(plan, mp_plan_ref(node->parts[i]->plan));
    } else { // a .. (b .. c), nested
        plan = mp_plan_ref(node->parts[n - 1]->plan);
        for (size_t i = n - 1; i > 0; i--)
            plan = then(mp_plan_ref(node->parts[i - 1]->plan), plan);
    }
    return plan;
}

static void make_composition(struct node *node)
{
    const uint64_t chosen = draw(7);
    if (chosen < 2) {
        make_repeat(node);
    } else if (chosen == 2) {
        node->kind = MP_PLAN_CHANNEL;
        node->parts[0] = draw_part(EVENTS_MAX / 4);
        node->part_count = 1;
        (void)snprintf(node->text, sizeof node->text, "%d", (int)draw(3));
        node->plan = on_channel(mp_plan_ref(node->parts[0]->plan), node->text);
        node->events = node->parts[0]->events;
    } else {
        struct mp_plan *plans[PARTS];
        struct mp_error err = {0};
        node->kind = chosen < 5 ? MP_PLAN_SEQUENCE : MP_PLAN_PARALLEL;
        node->part_count = 2 + draw(PARTS - 1);
        for (size_t i = 0; i < node->part_count; i++) {
            node->parts[i] = draw_part((EVENTS_MAX - node->events) / 8);
            node->events += node->parts[i]->events;
            plans[i] = node->parts[i]->plan;
        }
        if (node->kind == MP_PLAN_SEQUENCE)
            node->plan = sequence_of(node);
        else
            must(mp_plan_parallel(&node->plan, plans, node->part_count, &err), &err);
    }
    for (size_t i = 0; i < node->part_count; i++)
        if (node->parts[i]->depth >= node->depth)
            node->depth = node->parts[i]->depth + 1;
}

static struct node *make_plan(bool random)
{
    memset(nodes, 0, sizeof nodes);
    const size_t leaves = 2 + draw(4), all = leaves + 1 + draw(24);
    for (node_count = 0; node_count < all; node_count++) {
        if (node_count < leaves)
            make_leaf(&nodes[node_count], random);
        else
            make_composition(&nodes[node_count]);
    }
    return &nodes[node_count - 1];
}

static void forget_plan(void)
{
    for (size_t i = 0; i < node_count; i++)
        mp_plan_unref(nodes[i].plan);
}

/* ---- the comparison ---- */

static struct expansion shortest, longest;

static bool ratio_is(struct mp_ratio actual, int64_t expected_units)
{
    return (wide)actual.num * UNITS == (wide)expected_units * actual.den;
}

static void check_totals(const struct node *root)
{
    const struct mp_totals *totals = mp_plan_totals(root->plan);
    uint64_t pulses = 0, marks = 0;
    int64_t first = 0, last = 0, off_base = 0;
    for (size_t i = 0; i < shortest.count; i++) {
        off_base += (wide)shortest.events[i].at * totals->denominator % UNITS != 0;
        if (shortest.events[i].leaf->kind == MP_PLAN_MARK) {
            marks++;
            continue;
        }
        first = pulses++ == 0 ? shortest.events[i].at : first;
        last = shortest.events[i].at;
    }
    CHECK_INT(totals->pulses, pulses);
    CHECK_INT(totals->marks, marks);
    CHECK_INT(off_base, 0); // the common denominator is one of every onset
    CHECK(ratio_is(totals->first, first));
    CHECK(ratio_is(totals->last, last));
    CHECK(ratio_is(totals->span, span_of(root, false)));
    CHECK(ratio_is(totals->span_max, span_of(root, true)));
    CHECK(ratio_is(totals->whole, whole_of(root)));
}

/* Kind, number, intensity, channel, text: everything about an event but its time. */
static bool same_content(const struct mp_schedule *s, const struct mp_event *event,
                         const struct instant_event *expected, uint64_t number)
{
    const struct node *leaf = expected->leaf;
    if (event->number != number)
        return false;
    if (leaf->kind == MP_PLAN_MARK)
        return event->kind == MP_EVENT_MARK &&
               strcmp(mp_schedule_mark(s, event->source), leaf->text) == 0;
    const struct mp_action *action = mp_schedule_action(s, event->action);
    const char *channel = expected->channel == NULL ? "1" : expected->channel;
    return event->kind == MP_EVENT_PULSE &&
           action->pulse.intensity_mpct == leaf->intensity_mpct &&
           action->pulse.reference == leaf->reference &&
           strcmp(mp_schedule_channel(s, action->channel), channel) == 0;
}

/* Without random rests every event is known; with them, when it is at the soonest and latest.
 */
static int64_t stream_errors(struct mp_schedule *s, bool random)
{
    struct mp_event event;
    uint64_t pulses = 0, marks = 0;
    int64_t wrong = 0, before = 0;
    for (size_t i = 0; i < shortest.count; i++) {
        const struct instant_event *soonest = &shortest.events[i];
        const int64_t at = soonest->at;
        if (!mp_schedule_next(s, &event))
            return wrong + 1;
        if (random) {
            pulses += event.kind == MP_EVENT_PULSE;
            marks += event.kind == MP_EVENT_MARK;
            wrong += event.number != (event.kind == MP_EVENT_PULSE ? pulses : marks);
            wrong += event.floor_ns < at / UNITS;
            wrong += event.floor_ns > longest.events[i].at / UNITS;
            wrong += mp_event_ns(&event) < before;
            before = mp_event_ns(&event);
            continue;
        }
        const uint64_t number = soonest->leaf->kind == MP_PLAN_MARK ? ++marks : ++pulses;
        wrong += !same_content(s, &event, soonest, number);
        wrong += event.floor_ns != at / UNITS || event.half != (at % UNITS >= UNITS / 2);
        wrong += mp_event_ns(&event) != round_half_up(at, UNITS);
        wrong += mp_event_us(&event) != round_half_up(at, INT64_C(1000) * UNITS);
    }
    return wrong + mp_schedule_next(s, &event);
}

/* By the batch, of any size, come the same events as one by one. */
static int64_t batch_errors(struct mp_schedule *s, struct mp_schedule *again)
{
    struct mp_event events[16], event;
    int64_t wrong = 0;
    for (bool more = true; more;) {
        const uint32_t room = 1 + (uint32_t)draw(16);
        const uint32_t count = mp_schedule_next_many(s, events, room);
        for (uint32_t i = 0; i < count; i++) {
            wrong += !mp_schedule_next(again, &event);
            wrong += events[i].kind != event.kind || events[i].half != event.half ||
                     events[i].action != event.action || events[i].source != event.source ||
                     events[i].floor_ns != event.floor_ns || events[i].number != event.number;
        }
        wrong += count > room;
        more = count == room;
    }
    wrong += mp_schedule_next(again, &event);
    wrong += mp_schedule_end_ns(s) != mp_schedule_end_ns(again);
    return wrong;
}

static void check_stream(const struct node *root, bool random)
{
    const uint64_t seed = state;
    struct mp_schedule *s = schedule_of(mp_plan_ref(root->plan), seed);
    const int64_t soonest = round_half_up(span_of(root, false), UNITS);
    const int64_t latest = round_half_up(span_of(root, true), UNITS);
    CHECK_INT(stream_errors(s, random), 0);
    const int64_t end = mp_schedule_end_ns(s);
    CHECK(end >= soonest && end <= latest);
    mp_schedule_rewind(s);
    CHECK_INT(stream_errors(s, random), 0);
    CHECK_INT(mp_schedule_end_ns(s), end);
    struct mp_schedule *again = schedule_of(mp_plan_ref(root->plan), seed);
    mp_schedule_rewind(s);
    CHECK_INT(batch_errors(s, again), 0);
    mp_schedule_destroy(again);
    mp_schedule_destroy(s);
}

static bool holds_random(const struct node *node)
{
    bool found = node->kind == MP_PLAN_REST && node->min != node->max;
    for (size_t i = 0; i < node->part_count; i++)
        found = found || holds_random(node->parts[i]);
    return found;
}

/* Returns the number of events, so that main can tell whether plans were worth comparing. */
static uint64_t check_plan(uint64_t seed)
{
    const int failed_before = check_failed;
    state = seed;
    const struct node *root = make_plan(seed % 4 == 0);
    const bool random = holds_random(root);
    shortest.count = longest.count = 0;
    longest.longest = true;
    expand(&shortest, root, 0, NULL);
    expand(&longest, root, 0, NULL);
    CHECK_INT(mp_plan_totals(root->plan)->random, random);
    check_totals(root);
    check_stream(root, random);
    forget_plan();
    if (check_failed > failed_before)
        (void)fprintf(stderr, "... in the plan of seed %llu\n", (unsigned long long)seed);
    return shortest.count;
}

int main(int argc, char **argv)
{
    uint64_t events = 0, empty = 0;
    if (argc > 1) { // a seed that failed, alone
        (void)check_plan(strtoull(argv[1], NULL, 0));
        return CHECK_DONE("test_schedule_property");
    }
    for (uint64_t i = 0; i < (uint64_t)plan_count() && check_failed < 20; i++) {
        const uint64_t count = check_plan(UINT64_C(88172645463325252) + i);
        events += count;
        empty += count == 0;
    }
    CHECK(events > 20 * (uint64_t)plan_count());
    CHECK(empty < (uint64_t)plan_count() / 8);
    return CHECK_DONE("test_schedule_property");
}
