/* Every event where the exact fraction says, from the published protocols to 10^9 pulses. */
#include "engine/schedule.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

/* A protocol as three nested trains; times in seconds as {num, den}. */
struct protocol {
    const char *file;
    int32_t percent;
    enum mp_reference reference;
    uint64_t pulses;
    int64_t pulse_every[2];
    uint64_t bursts;
    int64_t burst_every[2];
    uint64_t trains;
    enum mp_spacing spacing;
    int64_t train_time[2];
    int64_t last_us, span_ms, whole_ms;
};

static const struct protocol protocols[] = {
    {"itbs600",
     80,
     MP_AMT,
     3,
     {1, 50},
     10,
     {1, 5},
     20,
     MP_GAP,
     {8, 1},
     191840000,
     192000,
     200000},
    {"itbs600",
     80,
     MP_AMT,
     3,
     {1, 50},
     10,
     {1, 5},
     20,
     MP_EVERY,
     {10, 1},
     191840000,
     192000,
     200000},
    {"ctbs600", 80, MP_AMT, 3, {1, 50}, 200, {1, 5}, 1, MP_GAP, {0, 1}, 39840000, 40000, 40000},
    {"ctbs600_30hz_5hz",
     90,
     MP_RMT,
     3,
     {1, 30},
     200,
     {1, 5},
     1,
     MP_GAP,
     {0, 1},
     39866667,
     40000,
     40000},
    {"itbs1800_saint",
     90,
     MP_RMT,
     3,
     {1, 50},
     10,
     {1, 5},
     60,
     MP_GAP,
     {8, 1},
     591840000,
     592000,
     600000},
    {"rtms10hz_neurostar3000",
     120,
     MP_RMT,
     40,
     {1, 10},
     1,
     {4, 1},
     75,
     MP_GAP,
     {26, 1},
     2223900000,
     2224000,
     2250000},
    {"qps5_1440",
     90,
     MP_AMT,
     4,
     {1, 200},
     1,
     {1, 50},
     360,
     MP_EVERY,
     {5, 1},
     1795015000,
     1795020,
     1800000},
    {"rtms1hz_1200",
     110,
     MP_RMT,
     1200,
     {1, 1},
     1,
     {1200, 1},
     1,
     MP_GAP,
     {0, 1},
     1199000000,
     1200000,
     1200000},
};

static struct mp_plan *protocol_plan(const struct protocol *p)
{
    struct mp_plan *pulse = pulse_of(p->percent * 1000, p->reference);
    struct mp_plan *burst =
        repeat(pulse, p->pulses, MP_TRAIN, seconds(p->pulse_every[0], p->pulse_every[1]));
    struct mp_plan *train =
        repeat(burst, p->bursts, MP_TRAIN, seconds(p->burst_every[0], p->burst_every[1]));
    return repeat(train, p->trains, p->spacing, seconds(p->train_time[0], p->train_time[1]));
}

static void check_totals(const struct protocol *p, const struct mp_plan *plan)
{
    const struct mp_totals *totals = mp_plan_totals(plan);
    CHECK_INT(totals->pulses, p->pulses * p->bursts * p->trains);
    CHECK_INT(round_half_up(totals->last.num, (wide)totals->last.den * 1000), p->last_us);
    CHECK_INT(mp_ratio_compare(totals->span, seconds(p->span_ms, 1000)), 0);
    CHECK_INT(mp_ratio_compare(totals->span_max, totals->span), 0);
    CHECK_INT(mp_ratio_compare(totals->whole, seconds(p->whole_ms, 1000)), 0);
    CHECK(!totals->random);
}

static void check_golden(const struct protocol *p)
{
    const char *folder = getenv("MP_TEST_DATA");
    char path[512], line[128];
    (void)snprintf(path, sizeof path, "%s/golden/%s.tsv",
                   folder == NULL ? "tests/data" : folder, p->file);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    struct mp_plan *plan = protocol_plan(p);
    check_totals(p, plan);
    struct mp_schedule *schedule = schedule_of(plan, 1);
    struct mp_event event;
    uint64_t rows = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *at = line;
        const long long number = strtoll(at, &at, 10);
        const long long onset_us = strtoll(at, &at, 10);
        const long long percent = strtoll(at, &at, 10);
        rows++;
        CHECK(mp_schedule_next(schedule, &event));
        CHECK_INT(event.kind, MP_EVENT_PULSE);
        CHECK_INT(event.number, number);
        CHECK_INT(mp_event_us(&event), onset_us);
        const struct mp_action *action = mp_schedule_action(schedule, event.action);
        CHECK_INT(action->pulse.intensity_mpct, percent * 1000);
        CHECK_INT(action->pulse.reference, p->reference);
    }
    (void)fclose(file);
    CHECK_INT(rows, p->pulses * p->bursts * p->trains);
    CHECK(!mp_schedule_next(schedule, &event));
    CHECK_INT(mp_schedule_end_ns(schedule), p->span_ms * 1000000);
    CHECK_INT(mp_schedule_action_count(schedule), 1);
    mp_schedule_destroy(schedule);
}

static void meets_the_golden_files(void)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        check_golden(&protocols[i]);
}

/* Compare a single train with round(k x num / den) for each k; returns the pulses that differ.
 */
static int64_t train_errors(int64_t num, int64_t den, uint64_t count)
{
    struct mp_schedule *schedule =
        schedule_of(repeat(mso(50), count, MP_TRAIN, ratio(num, den)), 0);
    struct mp_event event;
    int64_t wrong = 0;
    for (uint64_t k = 0; k < count; k++) {
        const wide exact = (wide)k * num;
        if (!mp_schedule_next(schedule, &event)) {
            wrong++;
            break;
        }
        wrong += event.number != k + 1 || mp_event_ns(&event) != round_half_up(exact, den) ||
                 mp_event_us(&event) != round_half_up(exact, (wide)den * 1000) ||
                 event.floor_ns != (int64_t)(exact / den);
    }
    wrong += mp_schedule_next(schedule, &event);
    wrong += mp_schedule_end_ns(schedule) != round_half_up((wide)count * num, den);
    mp_schedule_destroy(schedule);
    return wrong;
}

static void trains_never_drift(void)
{
    static const struct {
        int64_t num, den; // the period in nanoseconds
        uint64_t count;
    } rows[] = {
        {3000000000, 1, 10000},  // 1/3 Hz: exactly k x 3e9
        {100000000, 3, 20000},   // 30 Hz
        {500000000, 3, 20000},   // 6 Hz
        {500000000, 9, 20000},   // 18 Hz
        {10000000000, 9, 20000}, // 0.9 Hz
        {1000000000, 7, 20000},
        {5000000000, 7, 20000},
        {5, 2, 1001},
        {1, 2, 1001},
        {1, 3, 1001},
        {999, 2, 1001},
        {1, 1000003, 5000},
        {INT64_C(1000000000) * 1000003, 999983, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(train_errors(rows[i].num, rows[i].den, rows[i].count), 0);

    struct mp_schedule *schedule =
        schedule_of(repeat(mso(50), 10000, MP_TRAIN, seconds(3, 1)), 0);
    struct mp_event event;
    int64_t wrong = 0;
    for (int64_t k = 0; k < 10000; k++)
        wrong += !mp_schedule_next(schedule, &event) || mp_event_ns(&event) != k * 3000000000 ||
                 event.half;
    CHECK_INT(wrong, 0);
    mp_schedule_destroy(schedule);
}

/* ctbs600_30hz_6hz: neither period is a whole number of nanoseconds. */
static void nested_trains_are_exact(void)
{
    struct mp_plan *burst = repeat(pulse_of(80000, MP_AMT), 3, MP_TRAIN, seconds(1, 30));
    struct mp_schedule *schedule = schedule_of(repeat(burst, 200, MP_TRAIN, seconds(1, 6)), 0);
    struct mp_event event;
    for (int64_t i = 0; i < 600; i++) {
        const wide exact = (wide)(5 * (i / 3) + i % 3) * 1000000000; // in 1/30 ns
        CHECK(mp_schedule_next(schedule, &event));
        CHECK_INT(mp_event_ns(&event), round_half_up(exact, 30));
        CHECK_INT(mp_event_us(&event), round_half_up(exact, 30000));
    }
    CHECK_INT(mp_event_us(&event), 33233333);
    CHECK(!mp_schedule_next(schedule, &event));
    CHECK_INT(mp_schedule_end_ns(schedule), INT64_C(33333333333));
    mp_schedule_destroy(schedule);
}

/* One pulse after a rest: the microseconds come from the exact onset, not from rounded ns. */
static void rounds_once(void)
{
    static const struct {
        int64_t num, den;
        int64_t ns, us;
    } rows[] = {
        {0, 1, 0, 0},       {1, 2, 1, 0},       {1, 3, 0, 0},       {499, 1000, 0, 0},
        {499, 1, 499, 0},   {999, 2, 500, 0},   {500, 1, 500, 1},   {1001, 2, 501, 1},
        {1499, 1, 1499, 1}, {2999, 2, 1500, 1}, {1500, 1, 1500, 2}, {4499, 3, 1500, 1},
        {3, 2, 2, 0},       {5, 2, 3, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_schedule *schedule =
            schedule_of(then(rest(ratio(rows[i].num, rows[i].den)), mso(1)), 0);
        struct mp_event event;
        CHECK(mp_schedule_next(schedule, &event));
        CHECK_INT(mp_event_ns(&event), rows[i].ns);
        CHECK_INT(mp_event_us(&event), rows[i].us);
        CHECK(!mp_schedule_next(schedule, &event));
        CHECK_INT(mp_schedule_end_ns(schedule), rows[i].ns);
        mp_schedule_destroy(schedule);
    }
}

/* A thousand million pulses cost what a thousand cost, and are known without a walk. */
static void large_plans_stay_small(void)
{
    const int64_t count = 1000000000;
    struct mp_plan *plan = repeat(mso(50), (uint64_t)count, MP_TRAIN, seconds(1, 30));
    const struct mp_totals *totals = mp_plan_totals(plan);
    CHECK_INT(totals->pulses, count);
    CHECK_INT(mp_ratio_compare(totals->last, seconds(count - 1, 30)), 0);
    CHECK_INT(mp_ratio_compare(totals->span, seconds(count, 30)), 0);
    CHECK_INT(mp_ratio_compare(totals->whole, seconds(count, 30)), 0);
    struct mp_schedule *small = schedule_of(repeat(mso(50), 1000, MP_TRAIN, seconds(1, 30)), 0);
    struct mp_schedule *large = schedule_of(plan, 0);
    const size_t bytes = mp_schedule_bytes(large);
    CHECK_INT(bytes, mp_schedule_bytes(small));
    CHECK(bytes > 0 && bytes < 4096);
    struct mp_event event;
    int64_t wrong = 0;
    for (int64_t k = 0; k < 1000000; k++)
        wrong += !mp_schedule_next(large, &event) || event.number != (uint64_t)k + 1 ||
                 mp_event_ns(&event) != round_half_up((wide)k * 100000000, 3);
    CHECK_INT(wrong, 0);
    CHECK_INT(mp_schedule_bytes(large), bytes); // drawing allocates nothing
    mp_schedule_destroy(small);
    mp_schedule_destroy(large);
}

int main(void)
{
    meets_the_golden_files();
    trains_never_drift();
    nested_trains_are_exact();
    rounds_once();
    large_plans_stay_small();
    return CHECK_DONE("test_schedule");
}
