/* schedule_law.c - see schedule_law.h. */
#include "engine/schedule_law.h"

#include "engine/exact_math.h"

/* Of a normal distribution 2e-19 lies beyond so many standard deviations: less than a draw of
 * 52 bits can tell. */
static const double reach = 9.0;
static const double fine = 4503599627370496.0; // 2^52

enum mp_status law_normal(struct law *law, const struct mp_law *from, struct mp_ratio min_ns,
                          struct mp_ratio max_ns, struct mp_error *err)
{
    struct mp_ratio range, mean;
    enum mp_status status = mp_ratio_sub(&range, max_ns, min_ns, err);
    if (status == MP_OK)
        status = mp_ratio_sub(&mean, from->mean_ns, min_ns, err);
    if (status != MP_OK)
        return status;
    const uint64_t most_us = (uint64_t)(range.num / range.den / 1000);
    const double mean_us = (double)mean.num / (double)mean.den / 1000.0;
    const double sd_us = (double)from->sd_ns.num / (double)from->sd_ns.den / 1000.0;
    const double low = mean_us - reach * sd_us, high = mean_us + reach * sd_us;
    const uint64_t low_us = low <= 0.0 ? 0 : (uint64_t)low;
    const uint64_t high_us = high >= (double)most_us ? most_us : (uint64_t)high + 1;
    *law = (struct law){.kind = MP_LAW_NORMAL,
                        .mean_us = mean_us,
                        .half_precision = 0.5 / (sd_us * sd_us),
                        .low_us = low_us,
                        .range_us = high_us - low_us};
    return MP_OK;
}

/*
 * A whole microsecond of the range, all alike, is taken with the probability exp(-x^2 / 2) of
 * its distance x from the mean in standard deviations, else another one: exactly the law.
 * One in seven is taken where the bounds are far away, more where they are near. Within the
 * bounds there is always one half a microsecond, or one at the upper bound a whole one, from
 * the mean, which the least deviation of 1 us takes with 0.6 or more: this ends.
 */
static uint64_t draw_normal(const struct law *law, uint64_t seed, uint64_t key)
{
    const uint64_t own = mp_schedule_draw(seed, key, UINT64_MAX);
    for (uint64_t i = 1;; i += 2) {
        const uint64_t us = law->low_us + mp_schedule_draw(own, i, law->range_us);
        const double distance = (double)us - law->mean_us;
        const double chance = mp_exact_exp(-(distance * distance) * law->half_precision);
        const uint64_t drawn = mp_schedule_draw(own, i + 1, (UINT64_C(1) << 52) - 1);
        if (((double)drawn + 0.5) / fine < chance)
            return us;
    }
}

struct instant law_draw(const struct law *law, const struct choice *choices, uint64_t seed,
                        uint64_t key)
{
    if (law->kind == MP_LAW_NORMAL)
        return (struct instant){1000 * (int64_t)draw_normal(law, seed, key), 0};
    const uint64_t drawn = mp_schedule_draw(seed, key, law->total - 1);
    const struct choice *choice = &choices[law->first];
    while (drawn >= choice->below)
        choice++;
    return choice->more;
}
