/* exact_math.c - series after reduction to a short range; see exact_math.h. */
#include "engine/exact_math.h"

#include "engine/schedule.h"

#include <math.h>
#include <string.h>

static const double ln2_high = 6.93147180369123816490e-01; // its last 21 bits are 0
static const double ln2_low = 1.90821492927058770002e-10;
static const double ln10 = 2.302585092994045684;

static const double inverse_factorial[14] = {
    1.0,
    1.0,
    1.0 / 2,
    1.0 / 6,
    1.0 / 24,
    1.0 / 120,
    1.0 / 720,
    1.0 / 5040,
    1.0 / 40320,
    1.0 / 362880,
    1.0 / 3628800,
    1.0 / 39916800,
    1.0 / 479001600,
    1.0 / 6227020800,
};
static const double inverse_odd[10] = {
    1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
    1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21,
};

double mp_exact_exp(double x)
{
    if (!(x >= -700.0))
        return 0.0;
    if (x > 700.0)
        x = 700.0;
    const int64_t k = (int64_t)(x * 1.44269504088896340736 + (x < 0.0 ? -0.5 : 0.5));
    const double r = (x - (double)k * ln2_high) - (double)k * ln2_low;
    double sum = inverse_factorial[13];
    for (int i = 12; i >= 0; i--) // Taylor: the next term is below 5e-18 for |r| <= ln 2 / 2
        sum = sum * r + inverse_factorial[i];
    const uint64_t bits = (uint64_t)(k + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double mp_exact_log(double x)
{
    if (!(x >= 2.2250738585072014e-308))
        return -708.0;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFU) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309504880) {
        m *= 0.5;
        exponent++;
    }
    const double s = (m - 1.0) / (m + 1.0), square = s * s;
    double sum = 0.0;
    for (int i = 9; i >= 0; i--) // 2 artanh(s), |s| <= 0.1716
        sum = (sum + inverse_odd[i]) * square;
    return (double)exponent * ln2_high +
           (2.0 * s + (2.0 * s * sum + (double)exponent * ln2_low));
}

double mp_exact_exp10(double x)
{
    return mp_exact_exp(x * ln10);
}

double mp_exact_log10(double x)
{
    return mp_exact_log(x) / ln10;
}

double mp_exact_normal(double x)
{
    const double t = 1.0 / (1.0 + 0.2316419 * (x < 0.0 ? -x : x));
    const double series =
        t * (0.319381530 +
             t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    const double tail = mp_exact_exp(-0.5 * x * x) * 0.39894228040143267794 * series;
    return x >= 0.0 ? 1.0 - tail : tail;
}

double mp_chance_uniform(struct mp_chance *chance)
{
    const uint64_t fine = (uint64_t)1 << 52;
    const uint64_t drawn = mp_schedule_draw(chance->seed, ++chance->count, fine - 1);
    return ((double)drawn + 0.5) / (double)fine;
}

double mp_chance_normal(struct mp_chance *chance)
{
    double a, square;
    do {
        const double b = 2.0 * mp_chance_uniform(chance) - 1.0;
        a = 2.0 * mp_chance_uniform(chance) - 1.0;
        square = a * a + b * b;
    } while (square >= 1.0);
    return a * sqrt(-2.0 * mp_exact_log(square) / square);
}
