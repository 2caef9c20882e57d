/* A plan that the device or the wire cannot follow is found before anything is sent. */
#include "engine/lowering.h"

#include "tests/check.h"
#include "tests/engine/chance.h"
#include "tests/engine/plans.h"

/* 10 bits a byte at a million bits a second: 10 us a byte. */
static const struct mp_serial fast = {.baud = 1000000, .bits = 8, .stop_bits = 1};

enum { latency_ns = 123000 };

static struct mp_lowering *lowering_of(struct mp_plan *take_plan)
{
    struct mp_error err = {0};
    struct mp_lowering *made = NULL;
    must(mp_lowering_create(&made, schedule_of(take_plan, 0), &fast, latency_ns, &err), &err);
    return made;
}

static void fire_with(struct mp_lowering *l, uint32_t action, size_t length, int64_t least_ns)
{
    const unsigned char bytes[MP_FRAME_MAX] = {(unsigned char)(action + 1)};
    struct mp_error err = {0};
    must(mp_lowering_pulse(l, action, bytes, length, least_ns, &err), &err);
}

/* Two kinds of pulses, what they need, and the shortest interval onset to onset that follows.
 */
struct edge {
    const char *what;
    enum mp_violation_kind kind;
    size_t length[2];    // bytes of the frame that fires the first and the second
    int64_t least_ns[2]; // what the device allows at each
    size_t set_length;   // bytes of the setting in between
    int64_t lead_ns;
    bool same; // the second pulse is of the first kind
    int64_t shortest_ns;
};

static const struct edge edges[] = {
    {"interval", MP_VIOLATION_INTERVAL, {3, 3}, {20000000, 0}, 0, 0, true, 20000000},
    {"interval of the first",
     MP_VIOLATION_INTERVAL,
     {3, 3},
     {20000000, 5000000},
     0,
     0,
     false,
     20000000},
    {"interval of the second",
     MP_VIOLATION_INTERVAL,
     {3, 3},
     {5000000, 20000000},
     0,
     0,
     false,
     20000000},
    // the device counts from onset to onset, whatever the lengths of the frames
    {"interval, longer frame",
     MP_VIOLATION_INTERVAL,
     {1, 11},
     {1000000, 0},
     0,
     0,
     false,
     1000000},
    {"interval, shorter frame",
     MP_VIOLATION_INTERVAL,
     {11, 1},
     {1000000, 0},
     0,
     0,
     false,
     1000000},
    // a frame ends at its onset, so the next one needs its own wire time after that
    {"wire", MP_VIOLATION_WIRE, {3, 3}, {0, 0}, 0, 0, true, 30000},
    {"wire, longer frame", MP_VIOLATION_WIRE, {1, 11}, {0, 0}, 0, 0, false, 110000},
    {"wire, shorter frame", MP_VIOLATION_WIRE, {11, 1}, {0, 0}, 0, 0, false, 10000},
    // it leaves at the onset of the pulse before, and the next one's frame a latency before its
    // own
    {"setting",
     MP_VIOLATION_LEAD,
     {3, 3},
     {0, 0},
     5,
     1000000,
     false,
     50000 + 1000000 + 30000 + latency_ns},
    {"setting without a lead",
     MP_VIOLATION_LEAD,
     {3, 3},
     {0, 0},
     5,
     0,
     false,
     50000 + 30000 + latency_ns},
    {"lead without a frame", MP_VIOLATION_LEAD, {3, 3}, {0, 0}, 0, 2000000, false, 2000000},
};

/* A pulse at 0, one of the first kind at 1 s, the second interval_ns later. */
static struct mp_lowering *edge_lowering(const struct edge *edge, int64_t interval_ns)
{
    struct mp_plan *first = mso(50), *second = mso(edge->same ? 50 : 60);
    mp_plan_describe(first, "a.lua:1", "");
    mp_plan_describe(second, "a.lua:2", "");
    struct mp_plan *plan = repeat(first, 2, MP_EVERY, seconds(1, 1));
    plan = then(then(plan, mark("a mark disturbs nothing")), rest(ratio(interval_ns, 1)));
    struct mp_lowering *l = lowering_of(then(plan, second));
    const unsigned char set[MP_FRAME_MAX] = {0xee};
    struct mp_error err = {0};
    fire_with(l, 0, edge->length[0], edge->least_ns[0]);
    if (edge->same)
        return l;
    fire_with(l, 1, edge->length[1], edge->least_ns[1]);
    must(mp_lowering_change(l, 0, 1, set, edge->set_length, edge->lead_ns, &err), &err);
    return l;
}

static void check_edge(const struct edge *edge)
{
    struct mp_violation v;
    const int failed_before = check_failed;
    struct mp_lowering *l = edge_lowering(edge, edge->shortest_ns);
    CHECK(!mp_lowering_check(l, 1000, &v));
    CHECK_INT(v.kind, MP_VIOLATION_NONE);
    CHECK(mp_lowering_checked(l));
    mp_lowering_destroy(l);

    // onsets are rounded to whole nanoseconds, so one too few may be rounding: two are not
    const int64_t interval_ns = edge->shortest_ns - 2;
    l = edge_lowering(edge, interval_ns);
    CHECK(!mp_lowering_check(l, 1000, &v));
    CHECK(!mp_lowering_checked(l));
    CHECK_INT(v.kind, edge->kind);
    if (v.kind == edge->kind) {
        CHECK_INT(v.first, 2);
        CHECK_INT(v.second, 3);
        CHECK_INT(v.first_us, 1000000);
        CHECK_INT(v.second_us, 1000000 + (interval_ns + 500) / 1000);
        CHECK_INT(v.interval_ns, interval_ns);
        CHECK_INT(v.least_ns, edge->shortest_ns);
        const struct mp_schedule *schedule = mp_lowering_schedule(l);
        CHECK_STR(mp_schedule_origin(schedule, v.first_source), "a.lua:1");
        CHECK_STR(mp_schedule_origin(schedule, v.second_source), "a.lua:2");
    }
    mp_lowering_destroy(l);
    if (check_failed > failed_before)
        (void)fprintf(stderr, "... in the row \"%s\"\n", edge->what);
}

static void finds_each_violation_at_its_edge(void)
{
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        check_edge(&edges[i]);
}

/* Several violations: the first pair in time is the one to be told about. */
static void tells_the_first_violation(void)
{
    struct mp_plan *plan = repeat(mso(50), 10, MP_TRAIN, seconds(1, 50));
    plan = then(plan, repeat(mso(50), 10, MP_TRAIN, seconds(1, 200)));
    struct mp_lowering *l = lowering_of(plan);
    struct mp_violation v;
    fire_with(l, 0, 3, 10000000);
    CHECK(!mp_lowering_check(l, UINT64_MAX, &v));
    CHECK_INT(v.kind, MP_VIOLATION_INTERVAL);
    CHECK_INT(v.first, 11);
    CHECK_INT(v.second, 12);
    CHECK_INT(v.first_us, 200000);
    CHECK_INT(v.second_us, 205000);
    CHECK_INT(v.interval_ns, 5000000);
    CHECK_INT(v.least_ns, 10000000);
    mp_lowering_destroy(l);
}

/* Less than 0.1 ms above what the device allows: counted, and the first such pair told. */
static void counts_what_leaves_no_room(void)
{
    static const struct {
        int64_t interval_ns, least_ns;
        uint64_t tight;
    } rows[] = {
        {20000000, 20000000, 4}, // the first of them has none before it
        {20000000, 19900001, 4}, {20000000, 19900000, 0}, {20000000, 0, 0},
        {20000000, 10000000, 0}, {90000, 90000, 4},       {90000, 0, 0}, // no device: no limit
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_plan *row = repeat(mso(50), 5, MP_TRAIN, ratio(rows[i].interval_ns, 1));
        struct mp_plan *plan = then(then(mso(50), rest(seconds(1, 1))), row);
        struct mp_lowering *l = lowering_of(plan);
        struct mp_violation v, first;
        fire_with(l, 0, 3, rows[i].least_ns);
        for (int again = 0; again < 2; again++) { // a check begins to count anew
            while (mp_lowering_check(l, 2, &v))
                continue;
            CHECK(mp_lowering_checked(l));
            CHECK_INT(mp_lowering_tight(l, &first), rows[i].tight);
        }
        if (rows[i].tight > 0) {
            CHECK_INT(first.first, 2);
            CHECK_INT(first.second, 3);
            CHECK_INT(first.interval_ns, rows[i].interval_ns);
            CHECK_INT(first.least_ns, rows[i].least_ns);
        }
        mp_lowering_destroy(l);
    }
}

/* In steps of any size: the same verdict, and checked only once all has been walked. */
static void walks_in_portions(void)
{
    for (uint64_t budget = 1; budget < 40; budget++) {
        struct mp_plan *plan = repeat(then(mso(50), mark("m")), 10, MP_GAP, seconds(1, 10));
        struct mp_lowering *l = lowering_of(plan);
        struct mp_violation v;
        struct mp_send send;
        fire_with(l, 0, 3, 100000000);
        CHECK(!mp_lowering_checked(l));
        uint64_t portions = 1;
        for (; mp_lowering_check(l, budget, &v) && portions < 100; portions++) {
            CHECK(!mp_lowering_checked(l));
            CHECK_INT(v.kind, MP_VIOLATION_NONE);
        }
        CHECK(mp_lowering_checked(l));
        CHECK(portions * budget >= 20 && portions <= 20 / budget + 1);
        CHECK(mp_lowering_next(l, &send)); // and the stream is back at its beginning
        CHECK_INT(send.number, 1);
        mp_lowering_rewind(l);

        fire_with(l, 0, 3, 100000002); // other bytes, another verdict
        CHECK(!mp_lowering_checked(l));
        while (mp_lowering_check(l, budget, &v))
            CHECK(!mp_lowering_checked(l));
        CHECK_INT(v.kind, MP_VIOLATION_INTERVAL);
        CHECK_INT(v.second, 2);
        CHECK(!mp_lowering_checked(l));
        mp_lowering_destroy(l);
    }
}

static void forgets_its_verdict_on_changes(void)
{
    struct mp_lowering *l = lowering_of(then(then(mso(1), rest(seconds(1, 1))), mso(2)));
    struct mp_violation v;
    const unsigned char byte = 9;
    fire_with(l, 0, 1, 0);
    fire_with(l, 1, 1, 0);
    CHECK(!mp_lowering_check(l, 100, &v));
    CHECK(mp_lowering_checked(l));
    mp_lowering_rewind(l); // the plan is the same
    CHECK(mp_lowering_checked(l));
    CHECK_INT(mp_lowering_change(l, 0, 1, &byte, 1, 2000000000, NULL), MP_OK);
    CHECK(!mp_lowering_checked(l));
    CHECK(!mp_lowering_check(l, 100, &v));
    CHECK_INT(v.kind, MP_VIOLATION_LEAD);
    CHECK(!mp_lowering_checked(l));
    mp_lowering_destroy(l);
}

/* Frames already drawn must not escape the check: it is about the whole stream. */
static void checks_what_was_drawn_before(void)
{
    struct mp_plan *plan = repeat(mso(50), 2, MP_EVERY, ratio(1000, 1));
    plan = then(plan, rest(seconds(1, 1)));
    struct mp_lowering *l = lowering_of(repeat(then(plan, mso(50)), 1, MP_GAP, ratio(0, 1)));
    struct mp_violation v;
    struct mp_send send;
    fire_with(l, 0, 3, 10000000);
    CHECK(mp_lowering_next(l, &send));
    CHECK(mp_lowering_next(l, &send));
    CHECK(!mp_lowering_check(l, 100, &v));
    CHECK_INT(v.kind, MP_VIOLATION_INTERVAL);
    CHECK(!mp_lowering_checked(l));
    mp_lowering_destroy(l);
}

/* ---- outputs that are stimulators of their own, against a model that looks at all pairs ----
 */

enum { ROW = 24, OUTPUTS = 3 };
static const int64_t own_ns[OUTPUTS] = {9000000, 5000000, 2000000};
static const int64_t other_ns[OUTPUTS] = {1000000, 300000, 2500000};

static bool allowed(const int64_t *at_ns, const int64_t *output, int count)
{
    for (int second = 0; second < count; second++)
        for (int first = 0; first < second; first++) {
            int64_t o = output[first];
            int64_t least_ns = o == output[second] ? own_ns[o] : other_ns[o];
            if (at_ns[second] - at_ns[first] < least_ns)
                return false;
        }
    return true;
}

/* Pulses on outputs by chance, mostly as far apart as they must be, now and then too close. */
static bool follows_the_model(struct chance *chance)
{
    int64_t at_ns[ROW] = {0}, output[ROW] = {0};
    static const char *const names[OUTPUTS] = {"a", "b", "c"};
    struct mp_plan *plan = NULL;
    for (int i = 0; i < ROW; i++) {
        output[i] = chance_below(chance, OUTPUTS);
        struct mp_plan *pulse =
            on_channel(mso((int32_t)(10 + 10 * output[i])), names[output[i]]);
        int64_t gap_ns = 0;
        for (int before = 0; before < i; before++) {
            int64_t o = output[before];
            int64_t need_ns =
                at_ns[before] - at_ns[i - 1] + (o == output[i] ? own_ns[o] : other_ns[o]);
            gap_ns = need_ns > gap_ns ? need_ns : gap_ns;
        }
        if (gap_ns > 1000 && chance_one_in(chance, 2 * ROW))
            gap_ns -= 1 + chance_below(chance, 3); // too close by a hair
        gap_ns = gap_ns < 100000 ? 100000 : gap_ns;
        at_ns[i] = i == 0 ? 0 : at_ns[i - 1] + gap_ns;
        plan = plan == NULL ? pulse : then(then(plan, rest(ratio(gap_ns, 1))), pulse);
    }
    struct mp_lowering *l = lowering_of(plan);
    const struct mp_schedule *schedule = mp_lowering_schedule(l);
    for (uint32_t i = 0; i < mp_schedule_action_count(schedule); i++) {
        uint32_t o =
            (uint32_t)(mp_schedule_action(schedule, i)->pulse.intensity_mpct / 10000 - 1);
        fire_with(l, i, 1, own_ns[o]);
        must(mp_lowering_output(l, i, o, other_ns[o], false, NULL), NULL);
    }
    struct mp_violation v;
    CHECK(!mp_lowering_check(l, 10000, &v));
    bool right = allowed(at_ns, output, ROW);
    CHECK_INT(mp_lowering_checked(l), right);
    if (!right) {
        bool own = output[v.first - 1] == output[v.second - 1];
        CHECK_INT(v.kind, own ? MP_VIOLATION_INTERVAL : MP_VIOLATION_ACROSS);
        CHECK(v.interval_ns < v.least_ns);
    }
    mp_lowering_destroy(l);
    return right;
}

static void intervals_count_on_each_output(void)
{
    bool only;
    struct chance chance = {chance_seed(1, &only)};
    int right = 0, wrong = 0;
    for (int i = 0; i < 400; i++)
        follows_the_model(&chance) ? right++ : wrong++;
    CHECK(right > 50 && wrong > 50);
}

int main(void)
{
    finds_each_violation_at_its_edge();
    tells_the_first_violation();
    counts_what_leaves_no_room();
    walks_in_portions();
    forgets_its_verdict_on_changes();
    checks_what_was_drawn_before();
    intervals_count_on_each_output();
    return CHECK_DONE("test_lowering_check");
}
