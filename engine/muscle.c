/* muscle.c - see muscle.h. */
#include "engine/muscle.h"

#include <math.h>

static const double unit = 1e-7; // volts, where the curve begins

// Means of noise, range, log10 half, log10 slope, log10 shift; Cholesky factor of the last
// three.
static const double means[5] = {-5.081764824125, 4.532264929, 3.646550162125, 0.4263900355,
                                1.66648713475};
static const double variance_noise = .003570541967, variance_range = .126168431583;
static const double covariance[3][3] = {
    {7.202738820058, .569742608764, -.197461987887},
    {.569742608764, .047425817251, -.015113039713},
    {-.197461987887, -.015113039713, .007107112788},
};

/* The lower triangle of covariance's Cholesky factor. */
struct factor {
    double l11, l21, l22, l31, l32, l33;
};

static struct factor factor_of(void)
{
    struct factor f;
    f.l11 = sqrt(covariance[0][0]);
    f.l21 = covariance[1][0] / f.l11;
    f.l31 = covariance[2][0] / f.l11;
    f.l22 = sqrt(covariance[1][1] - f.l21 * f.l21);
    f.l32 = (covariance[2][1] - f.l31 * f.l21) / f.l22;
    f.l33 = sqrt(covariance[2][2] - f.l31 * f.l31 - f.l32 * f.l32);
    return f;
}

static void draw_curve(struct mp_muscle *m, const struct mp_population *p,
                       struct mp_chance *chance)
{
    const struct factor f = factor_of();
    m->noise = means[0] + sqrt(variance_noise) * (mp_chance_normal(chance) + p->noise);
    m->range = means[1] + sqrt(variance_range) * (mp_chance_normal(chance) + p->range);
    const double z1 = mp_chance_normal(chance), z2 = mp_chance_normal(chance),
                 z3 = mp_chance_normal(chance);
    m->half = mp_exact_exp10(means[2] + f.l11 * z1);
    m->slope = mp_exact_exp10(means[3] + f.l21 * z1 + f.l22 * z2);
    m->shift = mp_exact_exp10(means[4] + f.l31 * z1 + f.l32 * z2 + f.l33 * z3 +
                              sqrt(covariance[2][2]) * p->shift);
    m->spread_y = mp_exact_exp10(-.96453346025 + .022758778017 * mp_chance_normal(chance));
    m->spread_x = mp_exact_exp10(.688273244 + .023671071119 * mp_chance_normal(chance)) *
                  (1.0 + p->spread);
    m->noise_size = 1.55e-6 * mp_exact_exp(mp_exact_log(1.5) * mp_chance_normal(chance));
    m->noise_tail = .14 * mp_exact_exp(mp_exact_log(2.0) * mp_chance_normal(chance));
}

static bool is_kept(const struct mp_muscle *m, struct mp_chance *chance)
{
    const double crossing = mp_muscle_crossing(m);
    if (crossing < 0.0 || crossing + m->shift < 30.0 || crossing + m->shift > 100.0)
        return false;
    bool below = false, above = false;
    for (int i = 0; i < 300; i++) {
        const double volts = mp_muscle_respond(m, 20.0 + 100.0 * i / 299.0, chance);
        if (volts < 0.1e-6 || volts > 30e-3)
            return false;
        below = below || volts < 30e-6;
        above = above || volts > 1e-3;
    }
    return below && above;
}

void mp_muscle_draw(struct mp_muscle *muscle, const struct mp_population *population,
                    struct mp_chance *chance)
{
    do {
        draw_curve(muscle, population, chance);
    } while (!is_kept(muscle, chance));
}

void mp_muscle_shift_given_curve(const struct mp_muscle *m, double *mean, double *sd)
{
    const struct factor f = factor_of();
    const double z1 = (mp_exact_log10(m->half) - means[2]) / f.l11;
    const double z2 = (mp_exact_log10(m->slope) - means[3] - f.l21 * z1) / f.l22;
    *mean = means[4] + f.l31 * z1 + f.l32 * z2;
    *sd = f.l33;
}

double mp_muscle_curve(const struct mp_muscle *m, double x)
{
    if (x <= 1e-9)
        return 0.0;
    return m->range / (1.0 + m->half * mp_exact_exp(-m->slope * mp_exact_log(x)));
}

double mp_muscle_crossing(const struct mp_muscle *m)
{
    const double rest = m->range / mp_exact_log10(MP_RESPONSE_VOLTS / unit) - 1.0;
    if (!(rest > 0.0))
        return -1.0;
    return mp_exact_exp(mp_exact_log(m->half / rest) / m->slope);
}

double mp_muscle_noise_below(const struct mp_muscle *m, double volts)
{
    const double z = 1.0 + m->noise_tail * (volts - mp_exact_exp10(m->noise)) / m->noise_size;
    return z <= 0.0 ? 0.0 : mp_exact_exp(-mp_exact_exp(-mp_exact_log(z) / m->noise_tail));
}

/* The noise that is not exceeded with that probability, in volts. */
static double noise_at(const struct mp_muscle *m, double share)
{
    const double rare = -mp_exact_log(share);
    const double tail =
        (mp_exact_exp(-m->noise_tail * mp_exact_log(rare)) - 1.0) / m->noise_tail;
    return mp_exact_exp10(m->noise) + m->noise_size * tail;
}

double mp_muscle_respond(const struct mp_muscle *m, double intensity, struct mp_chance *chance)
{
    const double x = intensity - m->shift + m->spread_x * mp_chance_normal(chance);
    const double mep = m->spread_y * mp_chance_normal(chance) + mp_muscle_curve(m, x);
    const double volts = noise_at(m, mp_chance_uniform(chance)) + unit * mp_exact_exp10(mep);
    return volts > 1e-8 ? volts : 1e-8;
}

double mp_muscle_probability(const struct mp_muscle *m, double intensity)
{
    enum { STEPS = 90, NOISES = 8 }; // to 4.5 sd: some curves are steep; shares of the noise
    double needed[NOISES], sum = 0.0, weights = 0.0;
    for (int k = 0; k < NOISES; k++) {
        const double rest = MP_RESPONSE_VOLTS - noise_at(m, (k + 0.5) / NOISES);
        needed[k] = rest > 0.0 ? mp_exact_log10(rest / unit) : -100.0;
    }
    for (int i = -STEPS; i <= STEPS; i++) {
        const double deviate = 0.05 * i, weight = mp_exact_exp(-0.5 * deviate * deviate);
        const double curve = mp_muscle_curve(m, intensity - m->shift + m->spread_x * deviate);
        for (int k = 0; k < NOISES; k++)
            sum += weight * mp_exact_normal((curve - needed[k]) / m->spread_y) / NOISES;
        weights += weight;
    }
    return sum / weights;
}

double mp_muscle_intensity_of(const struct mp_muscle *m, double share)
{
    double low = 0.0, high = 130.0;
    for (int i = 0; i < 24; i++) { // to 1e-5 %MSO
        const double middle = 0.5 * (low + high);
        if (mp_muscle_probability(m, middle) < share)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
