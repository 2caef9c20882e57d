/* Plans refuse what makes no sense, count in closed form, share their parts and free them. */
#include "engine/plan.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

static struct mp_plan *const untouched = (struct mp_plan *)&check_passed;

#define CHECK_TIME(actual, expected) CHECK_INT(mp_ratio_compare((actual), (expected)), 0)

/* A call must be refused with status, say why and leave its result alone. */
static void check_refused(enum mp_status got, enum mp_status expected, struct mp_plan *result,
                          const struct mp_error *err, const char *phrase)
{
    CHECK_INT(got, expected);
    CHECK_INT(err->status, expected);
    CHECK_HAS(err->text, phrase);
    CHECK(result == untouched);
}

static void refuses_intensities(void)
{
    static const struct {
        struct mp_pulse pulse;
        bool good;
        const char *phrase;
    } rows[] = {
        {{.intensity_mpct = 0, .reference = MP_MSO}, true, ""},
        {{.intensity_mpct = 100000, .reference = MP_MSO}, true, ""},
        {{.intensity_mpct = 100001, .reference = MP_MSO}, false, "100"},
        {{.intensity_mpct = -1, .reference = MP_MSO}, false, "MSO"},
        {{.intensity_mpct = 400000, .reference = MP_RMT}, true, ""},
        {{.intensity_mpct = 400001, .reference = MP_RMT}, false, "RMT"},
        {{.intensity_mpct = 400000, .reference = MP_AMT}, true, ""},
        {{.intensity_mpct = 400001, .reference = MP_AMT}, false, "AMT"},
        {{.intensity_mpct = INT32_MIN, .reference = MP_AMT}, false, "AMT"},
        {{.intensity_mpct = INT32_MAX, .reference = MP_RMT}, false, "400"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_plan *plan = untouched;
        enum mp_status status = mp_plan_pulse(&plan, &rows[i].pulse, &err);
        if (!rows[i].good) {
            check_refused(status, MP_ERANGE, plan, &err, rows[i].phrase);
            continue;
        }
        CHECK_INT(status, MP_OK);
        CHECK_INT(mp_plan_view(plan).pulse.intensity_mpct, rows[i].pulse.intensity_mpct);
        CHECK_INT(mp_plan_view(plan).pulse.reference, rows[i].pulse.reference);
        CHECK_INT(mp_plan_totals(plan)->pulses, 1);
        mp_plan_unref(plan);
    }
}

static void refuses_rests_and_texts(void)
{
    struct mp_error err = {0};
    struct mp_plan *plan = untouched, *pulse = mso(1);
    check_refused(mp_plan_rest(&plan, ratio(-1, 3), ratio(1, 1), &err), MP_ERANGE, plan, &err,
                  "negative");
    err = (struct mp_error){0};
    check_refused(mp_plan_rest(&plan, ratio(2, 3), ratio(1, 2), &err), MP_ERANGE, plan, &err,
                  "max");
    static const size_t lengths[] = {0, 1, MP_NAME_MAX - 1, MP_NAME_MAX, 200};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char text[256] = {0};
        const bool good = lengths[i] > 0 && lengths[i] < MP_NAME_MAX;
        memset(text, 'x', lengths[i]);
        for (int channel = 0; channel < 2; channel++) {
            err = (struct mp_error){0};
            plan = untouched;
            enum mp_status status = channel == 1 ? mp_plan_channel(&plan, pulse, text, &err)
                                                 : mp_plan_mark(&plan, text, &err);
            if (!good) {
                check_refused(status, MP_ERANGE, plan, &err, "63");
                continue;
            }
            CHECK_INT(status, MP_OK);
            CHECK_STR(mp_plan_view(plan).text, text);
            mp_plan_unref(plan);
        }
    }
    mp_plan_unref(pulse);
}

static void refuses_repetitions(void)
{
    const int64_t tenth = 100000000;
    static const uint64_t most = INT64_MAX;
    const struct {
        uint64_t count;
        enum mp_spacing spacing;
        struct mp_ratio period;
        enum mp_status status;
        const char *phrase;
    } rows[] = {
        {0, MP_TRAIN, {2 * tenth, 1}, MP_ERANGE, "0"},
        {0, MP_GAP, {1, 1}, MP_ERANGE, "once"},
        {UINT64_MAX, MP_GAP, {1, 1}, MP_ERANGE, ""},
        {2, MP_GAP, {-1, 1}, MP_ERANGE, "negative"},
        {2, MP_GAP, {0, 1}, MP_OK, ""},
        {2, MP_EVERY, {0, 1}, MP_ERANGE, "0"},
        {2, MP_EVERY, {-1, 1}, MP_ERANGE, "0"},
        {2, MP_TRAIN, {0, 1}, MP_ERANGE, "0"},
        {2, MP_EVERY, {tenth - 1, 1}, MP_ERANGE, "burst"},   // the label says what is too long
        {2, MP_EVERY, {3 * tenth - 1, 3}, MP_ERANGE, "gap"}, // by a third of a nanosecond
        {2, MP_TRAIN, {tenth - 1, 1}, MP_ERANGE, "every"},
        {2, MP_EVERY, {tenth, 1}, MP_OK, ""}, // exactly as long as its span
        {2, MP_TRAIN, {tenth, 1}, MP_OK, ""},
        {most, MP_TRAIN, {tenth, 1}, MP_EOVERFLOW, "2^63"}, // pulses: the child has two
        {most / 4, MP_TRAIN, {tenth, 1}, MP_EOVERFLOW, ""}, // fewer, but they last too long
        {INT64_C(1) << 40, MP_GAP, {INT64_C(1) << 40, 1}, MP_EOVERFLOW, ""},
    };
    struct mp_plan *burst = repeat(mso(50), 2, MP_TRAIN, ratio(tenth / 2, 1));
    mp_plan_describe(burst, "here.lua:1", "burst");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_plan *plan = untouched;
        enum mp_status status =
            mp_plan_repeat(&plan, burst, rows[i].count, rows[i].spacing, rows[i].period, &err);
        if (rows[i].status != MP_OK) {
            check_refused(status, rows[i].status, plan, &err, rows[i].phrase);
            continue;
        }
        CHECK_INT(status, MP_OK);
        CHECK_INT(mp_plan_totals(plan)->pulses, 2 * rows[i].count);
        mp_plan_unref(plan);
    }
    // the longest rests count: what fits with the shortest ones may still be too long
    struct mp_plan *plan = untouched, *jitter = rest_between(ratio(4, 1), ratio(6, 1));
    CHECK_INT(mp_plan_repeat(&plan, jitter, 2, MP_EVERY, ratio(5, 1), NULL), MP_ERANGE);
    CHECK(plan == untouched);
    mp_plan_unref(repeat(jitter, 2, MP_EVERY, ratio(6, 1)));
    CHECK_INT(mp_plan_parallel(&plan, NULL, 0, NULL), MP_ERANGE);
    CHECK(plan == untouched);
    mp_plan_unref(burst);
}

/* Times beyond 2^63 ns and rates without a common time base. */
static void refuses_what_does_not_fit(void)
{
    struct mp_plan *age = rest(ratio(INT64_MAX / 4, 1)), *plan = untouched;
    struct mp_plan *two = then(mp_plan_ref(age), mp_plan_ref(age)); // about 2^62
    struct mp_error err = {0};
    check_refused(mp_plan_then(&plan, two, two, &err), MP_EOVERFLOW, plan, &err, "2^6");
    err = (struct mp_error){0};
    check_refused(mp_plan_repeat(&plan, age, 5, MP_GAP, ratio(0, 1), &err), MP_EOVERFLOW, plan,
                  &err, "2^6");
    CHECK_TIME(mp_plan_totals(two)->span, ratio(INT64_MAX / 4 * 2, 1));
    mp_plan_unref(two);
    mp_plan_unref(age);

    // pulses that take no time: only their number does not fit
    struct mp_plan *many = repeat(mso(50), UINT64_C(1) << 62, MP_GAP, ratio(0, 1));
    err = (struct mp_error){0};
    check_refused(mp_plan_repeat(&plan, many, 2, MP_GAP, ratio(0, 1), &err), MP_EOVERFLOW, plan,
                  &err, "pulses");
    mp_plan_unref(many);

    static const int64_t primes[] = {999983, 999979, 999961, 999959, 999953};
    struct mp_plan *sum = rest(ratio(1, primes[0]));
    enum mp_status status = MP_OK;
    for (size_t i = 1; i < 5 && status == MP_OK; i++) {
        struct mp_plan *part = rest(ratio(1, primes[i])), *longer = untouched;
        err = (struct mp_error){0};
        status = mp_plan_then(&longer, sum, part, &err);
        if (status == MP_OK) {
            mp_plan_unref(sum);
            sum = longer;
        } else {
            check_refused(status, MP_EOVERFLOW, longer, &err, "no common time base");
        }
        mp_plan_unref(part);
    }
    CHECK_INT(status, MP_EOVERFLOW);
    mp_plan_unref(sum);
}

/* plan composed of itself; the caller's reference to it is taken over. */
static struct mp_plan *doubled(struct mp_plan *take_plan)
{
    mp_plan_ref(take_plan);
    return then(take_plan, take_plan);
}

static void counts_doublings(void)
{
    struct mp_plan *twice = then(mso(50), rest(ratio(10, 3))), *times = mp_plan_ref(twice);
    for (int i = 0; i < 40; i++) {
        twice = doubled(twice);
        times = repeat(times, 2, MP_GAP, ratio(0, 1));
    }
    const int64_t count = INT64_C(1) << 40;
    const struct mp_totals *all[] = {mp_plan_totals(twice), mp_plan_totals(times)};
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(all[i]->pulses, count);
        CHECK_TIME(all[i]->span, ratio(count * 10, 3));
    }
    mp_plan_unref(twice);
    mp_plan_unref(times);

    struct mp_plan *many = mso(50), *refused = untouched;
    for (int i = 0; i < 62; i++)
        many = doubled(many);
    CHECK_INT(mp_plan_totals(many)->pulses, INT64_C(1) << 62);
    struct mp_error err = {0};
    check_refused(mp_plan_then(&refused, many, many, &err), MP_EOVERFLOW, refused, &err,
                  "2^63");
    mp_plan_unref(many);
}

static void refuses_great_depths(void)
{
    struct mp_plan *plan = mso(50), *refused = untouched;
    CHECK_INT(mp_plan_totals(plan)->depth, 1);
    for (int depth = 2; depth <= MP_PLAN_MAX_DEPTH; depth++) {
        if (depth % 4 == 0)
            plan = repeat(plan, 1, MP_GAP, ratio(0, 1));
        else if (depth % 4 == 1)
            plan = on_channel(plan, "c");
        else if (depth % 4 == 2)
            plan = then(mso(1), plan);
        else
            plan = together(mso(2), plan);
        CHECK_INT(mp_plan_totals(plan)->depth, depth);
    }
    struct mp_plan *const both[] = {plan, plan};
    struct mp_error err = {0};
    check_refused(mp_plan_repeat(&refused, plan, 1, MP_GAP, ratio(0, 1), &err), MP_ERANGE,
                  refused, &err, "1000");
    CHECK_INT(mp_plan_channel(&refused, plan, "c", NULL), MP_ERANGE);
    CHECK_INT(mp_plan_parallel(&refused, both, 2, NULL), MP_ERANGE);
    CHECK_INT(mp_plan_then(&refused, plan, plan, NULL), MP_ERANGE);
    CHECK(refused == untouched);
    struct mp_schedule *schedule = schedule_of(plan, 0); // the deepest plan still runs
    struct mp_event event;
    uint64_t pulses = 0;
    while (mp_schedule_next(schedule, &event))
        pulses++;
    CHECK_INT(pulses, 1 + MP_PLAN_MAX_DEPTH / 4 + MP_PLAN_MAX_DEPTH / 4);
    mp_schedule_destroy(schedule);
}

/* What the header defines, on plans that can be worked out by hand; in milliseconds. */
static void knows_its_times(void)
{
    struct mp_plan *train = repeat(mso(50), 20, MP_TRAIN, seconds(1, 10));
    const struct {
        struct mp_plan *plan;
        int64_t first, last, span, span_max, whole;
    } rows[] = {
        {mso(50), 0, 0, 0, 0, 0},
        {mark("m"), 0, 0, 0, 0, 0},
        {rest(seconds(2, 1)), 0, 0, 2000, 2000, 2000},
        {rest_between(seconds(4, 1), seconds(6, 1)), 0, 0, 4000, 6000, 4000},
        {mp_plan_ref(train), 0, 1900, 2000, 2000, 2000},
        {repeat(mp_plan_ref(train), 3, MP_GAP, seconds(8, 1)), 0, 21900, 22000, 22000, 30000},
        {repeat(mp_plan_ref(train), 3, MP_EVERY, seconds(10, 1)), 0, 21900, 22000, 22000,
         30000},
        {repeat(mp_plan_ref(train), 3, MP_TRAIN, seconds(10, 1)), 0, 21900, 30000, 30000,
         30000},
        {repeat(mso(50), 1, MP_EVERY, seconds(10, 1)), 0, 0, 0, 0, 10000},
        {then(rest(seconds(1, 1)), mp_plan_ref(train)), 1000, 2900, 3000, 3000, 3000},
        {then(mp_plan_ref(train), rest(seconds(1, 1))), 0, 1900, 3000, 3000, 3000},
        {then(mp_plan_ref(train), repeat(mso(1), 2, MP_EVERY, seconds(5, 1))), 0, 7000, 7000,
         7000, 12000},
        {together(then(rest(seconds(1, 1)), mso(1)), rest(seconds(3, 1))), 1000, 1000, 3000,
         3000, 3000},
        {together(mp_plan_ref(train), then(rest(seconds(1, 2)), mso(1))), 0, 1900, 2000, 2000,
         2000},
        {on_channel(mp_plan_ref(train), "left"), 0, 1900, 2000, 2000, 2000},
        {repeat(then(mso(1), rest_between(seconds(4, 1), seconds(6, 1))), 3, MP_GAP,
                seconds(1, 1)),
         0, 10000, 14000, 20000, 15000},
        {then(rest(seconds(1, 1)), rest(seconds(1, 1))), 0, 0, 2000, 2000, 2000}, // no pulse
        {then(rest(seconds(1, 1)), mark("m")), 0, 0, 1000, 1000, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct mp_totals *totals = mp_plan_totals(rows[i].plan);
        CHECK_TIME(totals->first, seconds(rows[i].first, 1000));
        CHECK_TIME(totals->last, seconds(rows[i].last, 1000));
        CHECK_TIME(totals->span, seconds(rows[i].span, 1000));
        CHECK_TIME(totals->span_max, seconds(rows[i].span_max, 1000));
        CHECK_TIME(totals->whole, seconds(rows[i].whole, 1000));
        CHECK_INT(totals->random, rows[i].span != rows[i].span_max);
        mp_plan_unref(rows[i].plan);
    }
    mp_plan_unref(train);
}

int main(void)
{
    refuses_intensities();
    refuses_rests_and_texts();
    refuses_repetitions();
    refuses_what_does_not_fit();
    counts_doublings();
    refuses_great_depths();
    knows_its_times();
    return CHECK_DONE("test_plan");
}
