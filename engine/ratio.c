#include "engine/ratio.h"

#include "engine/clock.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

// products of two int64_t need twice the width; gcc and clang both have this type
__extension__ typedef __int128 wide;

static const int64_t max_denominator = 1000000;

static wide greatest_divisor(wide a, wide b)
{
    if (a < 0)
        a = -a;
    while (b != 0) {
        wide rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static enum mp_status reduce(struct mp_ratio *out, wide num, wide den, struct mp_error *err)
{
    if (den < 0) {
        num = -num;
        den = -den;
    }
    wide divisor = greatest_divisor(num, den);
    if (divisor > 1) {
        num /= divisor;
        den /= divisor;
    }
    if (num > INT64_MAX || num < -INT64_MAX || den > INT64_MAX)
        return mp_fail(err, MP_EOVERFLOW,
                       "a time or rate does not fit 2^63 ns (292 years) in exact arithmetic");
    *out = (struct mp_ratio){(int64_t)num, (int64_t)den};
    return MP_OK;
}

enum mp_status mp_ratio_make(struct mp_ratio *out, int64_t num, int64_t den,
                             struct mp_error *err)
{
    if (den == 0)
        return mp_fail(err, MP_EINVAL, "a fraction cannot have the denominator 0");
    return reduce(out, num, den, err);
}

enum mp_status mp_ratio_add(struct mp_ratio *out, struct mp_ratio a, struct mp_ratio b,
                            struct mp_error *err)
{
    int64_t divisor = (int64_t)greatest_divisor(a.den, b.den);
    wide num = (wide)a.num * (b.den / divisor) + (wide)b.num * (a.den / divisor);
    return reduce(out, num, (wide)(a.den / divisor) * b.den, err);
}

enum mp_status mp_ratio_sub(struct mp_ratio *out, struct mp_ratio a, struct mp_ratio b,
                            struct mp_error *err)
{
    return mp_ratio_add(out, a, (struct mp_ratio){-b.num, b.den}, err);
}

enum mp_status mp_ratio_times(struct mp_ratio *out, struct mp_ratio a, uint64_t factor,
                              struct mp_error *err)
{
    if (factor > INT64_MAX)
        return mp_fail(err, MP_EOVERFLOW, "a count of %llu is beyond 2^63",
                       (unsigned long long)factor);
    return reduce(out, (wide)a.num * (wide)factor, a.den, err);
}

enum mp_status mp_ratio_scale(struct mp_ratio *out, struct mp_ratio a, int64_t num, int64_t den,
                              struct mp_error *err)
{
    if (den == 0)
        return mp_fail(err, MP_EINVAL, "a fraction cannot have the denominator 0");
    return reduce(out, (wide)a.num * num, (wide)a.den * den, err);
}

int mp_ratio_compare(struct mp_ratio a, struct mp_ratio b)
{
    wide left = (wide)a.num * b.den;
    wide right = (wide)b.num * a.den;
    return (left > right) - (left < right);
}

double mp_ratio_double(struct mp_ratio a)
{
    return (double)a.num / (double)a.den;
}

/* Continued fractions: each convergent is the best fraction of its size. */
static bool simplest(struct mp_ratio *out, double value)
{
    long double rest = value;
    long double tolerance = 4.0L * (long double)(nextafter(value, INFINITY) - value);
    int64_t num_before = 0, den_before = 1, num = 1, den = 0;
    for (int round = 0; round < 40; round++) {
        long double whole = floorl(rest);
        if (whole >= 9007199254740992.0L || (den != 0 && whole > (long double)max_denominator))
            return false;
        int64_t next_num = (int64_t)whole * num + num_before;
        int64_t next_den = (int64_t)whole * den + den_before;
        if (next_den > max_denominator)
            return false;
        num_before = num;
        den_before = den;
        num = next_num;
        den = next_den;
        if (fabsl((long double)num / (long double)den - (long double)value) <= tolerance) {
            *out = (struct mp_ratio){num, den};
            return true;
        }
        rest = 1.0L / (rest - whole);
    }
    return false;
}

enum mp_status mp_ratio_from_double(struct mp_ratio *out, double value, struct mp_error *err)
{
    if (!isfinite(value))
        return mp_fail(err, MP_EINVAL, "a number was expected, not %g", value);
    double size = fabs(value);
    if (size >= 9007199254740992.0)
        return mp_fail(err, MP_ERANGE, "%g is beyond 2^53, where numbers lose their units",
                       value);
    struct mp_ratio found = {0, 1};
    if (size > 0.0 && !simplest(&found, size))
        return mp_fail(err, MP_ERANGE,
                       "%.17g is no simple fraction (denominator up to %lld): write it as "
                       "text, like \"1/6\" or \"0.9\"",
                       value, (long long)max_denominator);
    *out = (struct mp_ratio){value < 0 ? -found.num : found.num, found.den};
    return MP_OK;
}

/* Read digits with an optional point; returns false if there is no digit. */
static bool read_decimal(const char **text, struct mp_ratio *out)
{
    wide num = 0, den = 1;
    bool any = false, point = false;
    const char *at = *text;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        any = true;
        num = num * 10 + (*at - '0');
        if (point)
            den *= 10;
        if (num > INT64_MAX || den > INT64_MAX)
            return false;
    }
    *text = at;
    return any && reduce(out, num, den, NULL) == MP_OK;
}

enum mp_status mp_ratio_from_text(struct mp_ratio *out, const char *text, struct mp_error *err)
{
    const char *at = text;
    struct mp_ratio top, bottom = {1, 1};
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    bool good = read_decimal(&at, &top);
    if (good && *at == '/') {
        at++;
        good = read_decimal(&at, &bottom) && bottom.num != 0;
    }
    if (!good || *at != '\0')
        return mp_fail(err, MP_EINVAL,
                       "\"%.40s\" is no number or fraction: write \"18\", \"0.9\" or \"1/6\"",
                       text);
    return reduce(out, (wide)(negative ? -top.num : top.num) * bottom.den,
                  (wide)top.den * bottom.num, err);
}

enum mp_status mp_ns_from_seconds(struct mp_ratio *out, double seconds, struct mp_error *err)
{
    if (!isfinite(seconds))
        return mp_fail(err, MP_EINVAL, "seconds were expected, not %g", seconds);
    if (fabs(seconds) >= 9223372036.8547758)
        return mp_fail(err, MP_EOVERFLOW, "%g s does not fit 2^63 ns (292 years)", seconds);
    struct mp_ratio exact;
    if (mp_ratio_from_double(&exact, seconds, NULL) == MP_OK)
        return mp_ratio_scale(out, exact, MP_NS_PER_S, 1, err);
    *out = mp_ratio_whole(llround(seconds * 1e9));
    return MP_OK;
}
