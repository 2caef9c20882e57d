/*
 * plan_law.h - how the length of a drawn rest is drawn: every microsecond alike, by a normal
 * distribution within bounds, or one of some lengths by their weights.
 *
 * A law is a value; those of a plan own their choices together, counted by reference.
 */
#ifndef MP_PLAN_LAW_H
#define MP_PLAN_LAW_H

#include "engine/error.h"
#include "engine/ratio.h"

#include <stddef.h>
#include <stdint.h>

enum { MP_LAW_MAX_CHOICES = 1000 };

enum mp_law_kind {
    MP_LAW_NORMAL,  // the probability of each whole microsecond above the shortest is in
                    // proportion to the normal density there
    MP_LAW_WEIGHTED // a choice's probability is its weight over the sum of all
};

struct mp_choice {
    struct mp_ratio ns;
    uint64_t weight; // from 1
};

struct mp_law {
    enum mp_law_kind kind;
    struct mp_ratio mean_ns, sd_ns;  // normal: of the distribution that the bounds cut
    const struct mp_choice *choices; // weighted
    size_t count;
    uint64_t total; // of the weights: set by the plan that gets the law
};

struct mp_shared_law;

/*
 * A law for rests of min_ns to max_ns, with choices of its own. MP_ERANGE where sd is below a
 * microsecond, mean outside of the bounds, the bounds are not those of the choices, or the
 * weights have a common factor.
 */
enum mp_status mp_law_share(struct mp_shared_law **out, const struct mp_law *law,
                            struct mp_ratio min_ns, struct mp_ratio max_ns,
                            struct mp_error *err);
/* One holder more, or fewer; NULL is accepted. */
struct mp_shared_law *mp_law_ref(struct mp_shared_law *law);
void mp_law_unref(struct mp_shared_law *law);
/* NULL of NULL. */
const struct mp_law *mp_law_of(const struct mp_shared_law *law);

#endif
