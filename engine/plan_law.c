/* plan_law.c - see plan_law.h. */
#include "engine/plan_law.h"

#include <stdlib.h>
#include <string.h>

struct mp_shared_law {
    size_t refs;
    struct mp_law law;
    struct mp_choice choices[];
};

static enum mp_status check_normal(const struct mp_law *law, struct mp_ratio min_ns,
                                   struct mp_ratio max_ns, struct mp_error *err)
{
    if (mp_ratio_compare(law->sd_ns, mp_ratio_whole(1000)) < 0)
        return mp_fail(err, MP_ERANGE,
                       "a standard deviation of %g s is below 1 us: drawn are whole "
                       "microseconds",
                       mp_ratio_double(law->sd_ns) / 1e9);
    if (mp_ratio_compare(law->mean_ns, min_ns) < 0 ||
        mp_ratio_compare(law->mean_ns, max_ns) > 0)
        return mp_fail(err, MP_ERANGE, "a mean of %g s lies outside of %g s to %g s",
                       mp_ratio_double(law->mean_ns) / 1e9, mp_ratio_double(min_ns) / 1e9,
                       mp_ratio_double(max_ns) / 1e9);
    return MP_OK;
}

static uint64_t common_factor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static enum mp_status check_choices(const struct mp_law *law, struct mp_ratio min_ns,
                                    struct mp_ratio max_ns, uint64_t *total,
                                    struct mp_error *err)
{
    if (law->count < 1 || law->count > MP_LAW_MAX_CHOICES)
        return mp_fail(err, MP_ERANGE, "%zu lengths to choose from: 1 to %d", law->count,
                       MP_LAW_MAX_CHOICES);
    struct mp_ratio least = law->choices[0].ns, most = least;
    uint64_t common = 0;
    *total = 0;
    for (size_t i = 0; i < law->count; i++) {
        const struct mp_choice *choice = &law->choices[i];
        if (choice->weight < 1 || choice->weight > (uint64_t)INT64_MAX - *total)
            return mp_fail(err, MP_ERANGE,
                           "weights are whole numbers from 1 up, below 2^63 "
                           "together");
        *total += choice->weight;
        common = common_factor(common, choice->weight);
        least = mp_ratio_compare(choice->ns, least) < 0 ? choice->ns : least;
        most = mp_ratio_compare(choice->ns, most) > 0 ? choice->ns : most;
    }
    if (common != 1) // so that there is one way to write a law, and one draw for a seed
        return mp_fail(err, MP_ERANGE, "the weights have the common factor %llu: divide by it",
                       (unsigned long long)common);
    if (mp_ratio_compare(least, min_ns) != 0 || mp_ratio_compare(most, max_ns) != 0)
        return mp_fail(err, MP_ERANGE,
                       "the lengths to choose from are %g s to %g s, not %g s "
                       "to %g s",
                       mp_ratio_double(least) / 1e9, mp_ratio_double(most) / 1e9,
                       mp_ratio_double(min_ns) / 1e9, mp_ratio_double(max_ns) / 1e9);
    return MP_OK;
}

enum mp_status mp_law_share(struct mp_shared_law **out, const struct mp_law *law,
                            struct mp_ratio min_ns, struct mp_ratio max_ns,
                            struct mp_error *err)
{
    const size_t count = law->kind == MP_LAW_WEIGHTED ? law->count : 0;
    uint64_t total = 0;
    enum mp_status status = law->kind == MP_LAW_WEIGHTED
                                ? check_choices(law, min_ns, max_ns, &total, err)
                                : check_normal(law, min_ns, max_ns, err);
    if (status != MP_OK)
        return status;
    struct mp_shared_law *made = malloc(sizeof *made + count * sizeof made->choices[0]);
    if (made == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for %zu lengths to choose from", count);
    made->refs = 1;
    made->law = *law;
    made->law.choices = made->choices;
    made->law.count = count;
    made->law.total = total;
    if (count > 0)
        memcpy(made->choices, law->choices, count * sizeof made->choices[0]);
    *out = made;
    return MP_OK;
}

struct mp_shared_law *mp_law_ref(struct mp_shared_law *law)
{
    if (law != NULL)
        law->refs++;
    return law;
}

void mp_law_unref(struct mp_shared_law *law)
{
    if (law != NULL && --law->refs == 0)
        free(law);
}

const struct mp_law *mp_law_of(const struct mp_shared_law *law)
{
    return law == NULL ? NULL : &law->law;
}
