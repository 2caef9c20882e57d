/* The threshold from MEP amplitudes: against the C library, sampling, and subjects whose
 * threshold is known. */
#include "engine/muscle.h"
#include "engine/threshold_filter.h"

#include "tests/check.h"

#include <math.h>
#include <string.h>

static const struct mp_population published = {0};

static void exp_and_log_are_those_of_the_library(void)
{
    double worst_exp = 0.0, worst_log = 0.0;
    for (int i = -60000; i <= 60000; i++) {
        const double x = i * 0.01, exact = exp(x);
        worst_exp = fmax(worst_exp, fabs(mp_exact_exp(x) - exact) / exact);
        worst_log =
            fmax(worst_log, fabs(mp_exact_log(exact) - log(exact)) / fmax(1.0, fabs(x)));
    }
    CHECK(worst_exp < 2e-15);
    CHECK(worst_log < 5e-16);
    CHECK(mp_exact_exp(-1e9) == 0.0);
    CHECK(mp_exact_exp(NAN) == 0.0);
    CHECK(mp_exact_log(0.0) == -708.0);
    CHECK(mp_exact_log(-1.0) == -708.0);
    CHECK(fabs(mp_exact_exp10(-5.0) / 1e-5 - 1.0) < 1e-14);
}

/* As gcc and clang gave them, at -O0, -O2 and with fused instructions allowed: to the last bit.
 */
static void bits_are_the_same_everywhere(void)
{
    CHECK(mp_exact_exp(1.0) == 0x1.5bf0a8b14576ap+1);
    CHECK(mp_exact_log(10.0) == 0x1.26bb1bbb55516p+1);
    struct mp_chance chance = {.seed = 1};
    struct mp_muscle muscle;
    mp_muscle_draw(&muscle, &published, &chance);
    CHECK(mp_muscle_intensity_of(&muscle, 0.5) == 0x1.f9a981e8p+5);
    CHECK(mp_muscle_respond(&muscle, 60.0, &chance) == 0x1.ba98ec65a1d88p-18);
}

static void normal_deviates_are_normal(void)
{
    struct mp_chance chance = {.seed = 7};
    double sum = 0.0, squares = 0.0, fourths = 0.0;
    const int count = 200000;
    for (int i = 0; i < count; i++) {
        const double z = mp_chance_normal(&chance);
        sum += z;
        squares += z * z;
        fourths += z * z * z * z;
    }
    CHECK(fabs(sum / count) < 0.01);
    CHECK(fabs(squares / count - 1.0) < 0.02);
    CHECK(fabs(fourths / count - 3.0) < 0.15);
}

/* The probability is integrated; how often MEPs reach 50 uV is counted. */
static void probability_is_how_often(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct mp_chance chance = {.seed = seed};
        struct mp_muscle muscle;
        mp_muscle_draw(&muscle, &published, &chance);
        const double threshold = mp_muscle_intensity_of(&muscle, 0.5);
        for (int away = -6; away <= 6; away += 3) {
            const int count = 20000;
            int reached = 0;
            for (int i = 0; i < count; i++)
                reached += mp_muscle_respond(&muscle, threshold + away, &chance) >= 50e-6;
            const double share = mp_muscle_probability(&muscle, threshold + away);
            CHECK(fabs((double)reached / count - share) < 0.015);
        }
    }
}

/* The curve without noise crosses 50 uV where it says, and where subjects are kept. */
static void curve_crosses_where_it_says(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct mp_chance chance = {.seed = seed};
        struct mp_muscle muscle;
        mp_muscle_draw(&muscle, &published, &chance);
        const double crossing = mp_muscle_crossing(&muscle);
        CHECK(fabs(mp_muscle_curve(&muscle, crossing) - log10(500.0)) < 1e-9);
        CHECK(crossing + muscle.shift >= 30.0 && crossing + muscle.shift <= 100.0);
    }
    const struct mp_muscle weak = {.range = 2.0, .half = 100.0, .slope = 2.0};
    CHECK(mp_muscle_crossing(&weak) < 0.0); // 10 uV at most
}

static void refuses_what_is_no_pulse_or_no_mep(struct mp_filter *filter)
{
    static const struct {
        int intensity;
        double volts;
        const char *says;
    } rows[] = {{-1, 1e-4, "-1 %MSO"},
                {131, 1e-4, "131 %MSO"},
                {50, -1e-9, "MEP"},
                {50, 1.5, "MEP of 1.5 V"},
                {50, NAN, "MEP"}};
    struct mp_threshold_estimate before, after;
    mp_filter_estimate(filter, &before);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        CHECK_INT(mp_filter_update(filter, rows[i].intensity, rows[i].volts, &err), MP_ERANGE);
        CHECK_HAS(err.text, rows[i].says);
    }
    mp_filter_estimate(filter, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
}

/* Before the first pulse the estimate is the population; whose subjects are counted here. */
static void knows_the_population(const struct mp_filter *filter)
{
    struct mp_threshold_estimate known;
    mp_filter_estimate(filter, &known);
    double sum = 0.0;
    int inside = 0;
    const int count = 200;
    for (uint64_t seed = 1; seed <= (uint64_t)count; seed++) {
        struct mp_chance chance = {.seed = seed};
        struct mp_muscle muscle;
        mp_muscle_draw(&muscle, &published, &chance);
        const double threshold = mp_muscle_intensity_of(&muscle, 0.5);
        sum += threshold;
        inside += known.low <= threshold && threshold <= known.high;
    }
    CHECK(fabs(known.mean - sum / count) < 3.0); // sd of a mean of 200: about 0.8
    CHECK(inside >= 180 && inside <= 199);
}

/* Of 40 subjects after 20 pulses: the bounds are those of the bench with the chance of 40. */
static void finds_thresholds(const struct mp_filter_bank *bank)
{
    int held = 0;
    double error = 0.0;
    for (uint64_t seed = 101; seed <= 140; seed++) {
        struct mp_chance chance = {.seed = seed};
        struct mp_muscle muscle;
        struct mp_filter *filter = NULL;
        struct mp_threshold_estimate found;
        mp_muscle_draw(&muscle, &published, &chance);
        CHECK_INT(mp_filter_create(&filter, bank, NULL), MP_OK);
        mp_filter_estimate(filter, &found);
        for (int pulse = 0; pulse < 20; pulse++) {
            const int intensity = (int)(found.mean * 1.02 + 0.5);
            const double mep = mp_muscle_respond(&muscle, intensity, &chance);
            CHECK_INT(mp_filter_update(filter, intensity, mep, NULL), MP_OK);
            mp_filter_estimate(filter, &found);
        }
        const double threshold = mp_muscle_intensity_of(&muscle, 0.5);
        error += fabs(found.median / threshold - 1.0) / 40;
        held += found.low <= threshold && threshold <= found.high;
        CHECK(found.low < found.median && found.median < found.high);
        mp_filter_destroy(filter);
    }
    CHECK(held >= 34);
    CHECK(error < 0.022); // 1.5 % in the mean
}

/* What no muscle does leaves it with a distribution, and not with nothing. */
static void survives_the_absurd(const struct mp_filter_bank *bank)
{
    struct mp_filter *filter = NULL;
    struct mp_threshold_estimate found;
    CHECK_INT(mp_filter_create(&filter, bank, NULL), MP_OK);
    for (int i = 0; i < 60; i++)
        CHECK_INT(mp_filter_update(filter, i % 2 ? 130 : 0, i % 2 ? 0.0 : 1.0, NULL), MP_OK);
    mp_filter_estimate(filter, &found);
    CHECK(found.low >= 0.0 && found.low <= found.high && found.high <= 140.0);
    mp_filter_destroy(filter);
}

int main(void)
{
    exp_and_log_are_those_of_the_library();
    bits_are_the_same_everywhere();
    normal_deviates_are_normal();
    probability_is_how_often();
    curve_crosses_where_it_says();
    struct mp_filter_bank *bank = NULL;
    struct mp_filter *filter = NULL;
    CHECK_INT(mp_filter_bank_create(&bank, NULL), MP_OK);
    CHECK(!mp_filter_bank_fill(bank, 1100));
    CHECK_INT(mp_filter_create(&filter, bank, NULL), MP_ESTATE);
    CHECK(!mp_filter_bank_fill(bank, 0));
    CHECK(mp_filter_bank_fill(bank, 52)); // the last of 128 + 1024
    CHECK(mp_filter_bank_fill(bank, 1));
    CHECK_INT(mp_filter_create(&filter, bank, NULL), MP_OK);
    refuses_what_is_no_pulse_or_no_mep(filter);
    knows_the_population(filter);
    finds_thresholds(bank);
    survives_the_absurd(bank);
    mp_filter_destroy(filter);
    mp_filter_bank_destroy(bank);
    return CHECK_DONE("test_threshold");
}
