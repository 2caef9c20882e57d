/* Random rests: drawn by a seed, uniform, and the same ones whenever they are drawn again. */
#include "engine/schedule.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

/* splitmix64 (S. Vigna 2015, doi:10.1145/2714064.2660195), written down once more. */
static uint64_t splitmix(uint64_t state)
{
    uint64_t z = state + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Part of the record's format: these numbers may never change. */
static void draws_the_same_everywhere(void)
{
    CHECK(splitmix(1234567) == UINT64_C(6457827717110365317)); // a published test value
    static const uint64_t seeds[] = {0, 1, 42, UINT64_MAX};
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++)
        for (uint64_t position = 0; position < 100; position++) {
            const uint64_t raw = splitmix(splitmix(seeds[i]) ^ position);
            CHECK(mp_schedule_draw(seeds[i], position, UINT64_MAX) == raw);
            CHECK(mp_schedule_draw(seeds[i], position, (UINT64_C(1) << 32) - 1) ==
                  (raw & UINT64_C(0xFFFFFFFF)));
            CHECK_INT(mp_schedule_draw(seeds[i], position, 0), 0);
        }
}

/* Three quarters of all values: without rejection the lowest third would come twice as often.
 */
static void draws_favour_no_value(void)
{
    const uint64_t range = (UINT64_C(1) << 63) + (UINT64_C(1) << 62) - 1; // 3/4 of 2^64 values
    int64_t thirds[3] = {0}, beyond = 0;
    for (uint64_t position = 0; position < 30000; position++) {
        const uint64_t drawn = mp_schedule_draw(7, position, range);
        beyond += drawn > range;
        thirds[drawn / ((range / 3) + 1)]++;
    }
    CHECK_INT(beyond, 0);
    for (size_t i = 0; i < 3; i++)
        CHECK(thirds[i] > 9600 && thirds[i] < 10400); // 10000 +- 5 standard deviations
}

/* Pulses with a random rest behind each. */
static struct mp_plan *jittered(uint64_t count, int64_t min_ns, int64_t max_ns)
{
    struct mp_plan *trial = then(mso(50), rest_between(ratio(min_ns, 1), ratio(max_ns, 1)));
    return repeat(trial, count, MP_GAP, ratio(0, 1));
}

/* Chi-square of the drawn rests over as many equal bins, and of pairs that follow each other.
 */
static void check_uniform(int64_t min_us, int64_t values, double critical,
                          double critical_pairs)
{
    enum { BINS = 10, DRAWS = 50000 };
    const int64_t min_ns = min_us * 1000 + 250; // steps count from min, not from whole us
    const int64_t max_ns = min_ns + (values - 1) * 1000 + 999; // part of a step is never used
    struct mp_schedule *schedule = schedule_of(jittered(DRAWS + 1, min_ns, max_ns), 20240229);
    struct mp_event event;
    int64_t bins[BINS] = {0}, pairs[BINS][BINS] = {{0}}, wrong = 0, before = 0, last = 0;
    CHECK(mp_schedule_next(schedule, &event));
    for (int64_t i = 0; i < DRAWS; i++) {
        before = event.floor_ns;
        wrong += !mp_schedule_next(schedule, &event) || event.half;
        const int64_t rest_ns = event.floor_ns - before;
        wrong += rest_ns < min_ns || rest_ns > max_ns || (rest_ns - min_ns) % 1000 != 0;
        const int64_t bin = (rest_ns - min_ns) / 1000 * BINS / values;
        bins[bin]++;
        if (i > 0)
            pairs[last][bin]++;
        last = bin;
    }
    CHECK_INT(wrong, 0);
    double chi = 0.0, chi_pairs = 0.0;
    for (size_t i = 0; i < BINS; i++) {
        const double off = (double)bins[i] - DRAWS / (double)BINS;
        chi += off * off / (DRAWS / (double)BINS);
        for (size_t j = 0; j < BINS; j++) {
            const double off_pair = (double)pairs[i][j] - (DRAWS - 1) / (double)(BINS * BINS);
            chi_pairs += off_pair * off_pair / ((DRAWS - 1) / (double)(BINS * BINS));
        }
    }
    CHECK(chi < critical);
    CHECK(chi_pairs < critical_pairs);
    CHECK(chi > 1.0); // too even is not random either
    mp_schedule_destroy(schedule);
}

static void rests_are_uniform(void)
{
    // the 99.9 % points of chi-square with 9 and with 99 degrees of freedom
    check_uniform(4000000, 10, 27.88, 148.2);
    check_uniform(4000000, 2000000, 27.88, 148.2);
    check_uniform(0, 1000, 27.88, 148.2);
}

/* A number that stands for a whole stream. */
static uint64_t fingerprint(struct mp_schedule *schedule)
{
    struct mp_event event;
    uint64_t sum = 0;
    while (mp_schedule_next(schedule, &event))
        sum = splitmix(sum ^ (uint64_t)event.floor_ns ^ event.number << 40 ^
                       (uint64_t)event.kind << 62 ^ (uint64_t)event.half << 61);
    return splitmix(sum ^ (uint64_t)mp_schedule_end_ns(schedule));
}

static void seeds_decide_everything(void)
{
    struct mp_plan *plan =
        together(jittered(200, 4000000, 6000000), jittered(300, 10, 9000010));
    struct mp_schedule *one = schedule_of(mp_plan_ref(plan), 1);
    struct mp_schedule *again = schedule_of(mp_plan_ref(plan), 1);
    struct mp_schedule *two = schedule_of(mp_plan_ref(plan), 2);
    struct mp_schedule *far = schedule_of(plan, UINT64_C(1) << 63 | 1);
    const uint64_t expected = fingerprint(one);
    CHECK(fingerprint(again) == expected);
    const uint64_t other = fingerprint(two);
    CHECK(other != expected);
    const uint64_t distant = fingerprint(far); // every bit of a seed counts
    CHECK(distant != expected && distant != other);

    struct mp_schedule *plain = schedule_of(repeat(mso(50), 9, MP_TRAIN, seconds(1, 7)), 1);
    struct mp_schedule *same = schedule_of(repeat(mso(50), 9, MP_TRAIN, seconds(1, 7)), 2);
    CHECK(fingerprint(plain) == fingerprint(same));
    mp_schedule_destroy(one);
    mp_schedule_destroy(again);
    mp_schedule_destroy(two);
    mp_schedule_destroy(far);
    mp_schedule_destroy(plain);
    mp_schedule_destroy(same);
}

/* From the end, from the middle, with other schedules drawn meanwhile: the same stream. */
static void rewinding_gives_the_same_stream(void)
{
    struct mp_schedule *schedule =
        schedule_of(together(jittered(100, 0, 5000000), jittered(50, 0, 5000000)), 99);
    struct mp_schedule *meanwhile = schedule_of(jittered(1000, 0, 5000000), 99);
    struct mp_event event;
    const uint64_t expected = fingerprint(schedule);
    mp_schedule_rewind(schedule);
    CHECK(fingerprint(schedule) == expected);
    for (int drawn = 0; drawn < 150; drawn += 13) {
        mp_schedule_rewind(schedule);
        for (int i = 0; i < drawn; i++)
            CHECK(mp_schedule_next(schedule, &event));
        (void)mp_schedule_next(meanwhile, &event);
        mp_schedule_rewind(schedule);
        CHECK(fingerprint(schedule) == expected);
    }
    mp_schedule_destroy(schedule);
    mp_schedule_destroy(meanwhile);
}

/* One rest used in several places of a plan is drawn afresh in each of them. */
static void shared_rests_differ_by_position(void)
{
    struct mp_plan *silence = rest_between(ratio(0, 1), seconds(1000, 1));
    struct mp_plan *plan = then(then(mp_plan_ref(silence), mso(1)), mp_plan_ref(silence));
    plan = together(then(plan, mso(2)), then(silence, mso(3)));
    struct mp_schedule *schedule = schedule_of(repeat(plan, 50, MP_EVERY, seconds(2000, 1)), 5);
    struct mp_event event;
    int64_t first = 0, second = 0, beside = 0, equal = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 3; i++) {
            CHECK(mp_schedule_next(schedule, &event));
            const struct mp_action *action = mp_schedule_action(schedule, event.action);
            const int64_t at = event.floor_ns - round * INT64_C(2000000000000);
            int64_t *place = &beside;
            if (action->pulse.intensity_mpct != 3000)
                place = action->pulse.intensity_mpct == 1000 ? &first : &second;
            *place = at;
        }
        equal += first == second - first || first == beside || second - first == beside;
    }
    CHECK_INT(equal, 0);
    mp_schedule_destroy(schedule);
}

int main(void)
{
    draws_the_same_everywhere();
    draws_favour_no_value();
    rests_are_uniform();
    seeds_decide_everything();
    rewinding_gives_the_same_stream();
    shared_rests_differ_by_position();
    return CHECK_DONE("test_schedule_random");
}
