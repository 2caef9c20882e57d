/* Fractions are exact, in lowest terms, and say when they do not fit. */
#include "engine/ratio.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

#include <math.h>

static const struct mp_ratio untouched = {4711, 13};

#define CHECK_RATIO(actual, n, d)                                                              \
    do {                                                                                       \
        const struct mp_ratio check_r = (actual);                                              \
        CHECK_INT(check_r.num, n);                                                             \
        CHECK_INT(check_r.den, d);                                                             \
    } while (0)

/* status, and either num/den or nothing written at all. */
static void check_result(enum mp_status status, enum mp_status expected, struct mp_ratio got,
                         int64_t num, int64_t den)
{
    CHECK_INT(status, expected);
    if (expected == MP_OK)
        CHECK_RATIO(got, num, den);
    else
        CHECK_RATIO(got, untouched.num, untouched.den);
}

static void makes_lowest_terms(void)
{
    static const struct {
        int64_t num, den;
        enum mp_status status;
        int64_t lowest_num, lowest_den;
    } rows[] = {
        {0, 5, MP_OK, 0, 1},
        {6, 4, MP_OK, 3, 2},
        {6, -4, MP_OK, -3, 2},
        {-6, -4, MP_OK, 3, 2},
        {0, -7, MP_OK, 0, 1},
        {INT64_MAX, INT64_MAX, MP_OK, 1, 1},
        {INT64_MAX, 1, MP_OK, INT64_MAX, 1},
        {1, INT64_MAX, MP_OK, 1, INT64_MAX},
        {INT64_MIN, INT64_MIN, MP_OK, 1, 1},
        {INT64_MIN, 2, MP_OK, -(INT64_C(1) << 62), 1},
        {INT64_MIN, -1, MP_EOVERFLOW, 0, 0},
        {1, INT64_MIN, MP_EOVERFLOW, 0, 0},
        {1, 0, MP_EINVAL, 0, 0},
        {0, 0, MP_EINVAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_ratio got = untouched;
        enum mp_status status = mp_ratio_make(&got, rows[i].num, rows[i].den, &err);
        check_result(status, rows[i].status, got, rows[i].lowest_num, rows[i].lowest_den);
        CHECK_INT(err.status, rows[i].status);
    }
}

enum operation { ADD, SUB, TIMES, SCALE };

static void calculates_exactly(void)
{
    const int64_t max = INT64_MAX;
    const struct {
        enum operation operation;
        struct mp_ratio a, b; // TIMES: b.num is the factor; SCALE: b is num and den
        enum mp_status status;
        int64_t num, den;
    } rows[] = {
        {ADD, {1, 3}, {1, 6}, MP_OK, 1, 2},
        {ADD, {-1, 3}, {1, 3}, MP_OK, 0, 1},
        {ADD, {max - 1, 1}, {1, 1}, MP_OK, max, 1},
        {ADD, {max, 1}, {1, 1}, MP_EOVERFLOW, 0, 0},
        {ADD, {1, max}, {1, max - 1}, MP_EOVERFLOW, 0, 0},
        {ADD, {max, 2}, {max, 2}, MP_OK, max, 1}, // fits only after reducing
        {SUB, {1, 2}, {1, 3}, MP_OK, 1, 6},
        {SUB, {1, 3}, {1, 2}, MP_OK, -1, 6},
        {SUB, {-max, 1}, {1, 1}, MP_EOVERFLOW, 0, 0},
        {TIMES, {1, 30}, {600, 1}, MP_OK, 20, 1},
        {TIMES, {1, max}, {max, 1}, MP_OK, 1, 1},
        {TIMES, {2, 3}, {0, 1}, MP_OK, 0, 1},
        {TIMES, {max, 1}, {2, 1}, MP_EOVERFLOW, 0, 0},
        {TIMES, {-max, 1}, {1, 1}, MP_OK, -max, 1},
        {SCALE, {1, 30}, {1000000000, 1}, MP_OK, 100000000, 3},
        {SCALE, {5, 7}, {14, 10}, MP_OK, 1, 1},
        {SCALE, {max, 3}, {3, max}, MP_OK, 1, 1},
        {SCALE, {max, 1}, {3, 2}, MP_EOVERFLOW, 0, 0},
        {SCALE, {1, max}, {1, 2}, MP_EOVERFLOW, 0, 0},
        {SCALE, {-5, 7}, {0, 9}, MP_OK, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_ratio got = untouched, a = rows[i].a, b = rows[i].b;
        enum mp_status status = MP_OK;
        if (rows[i].operation == ADD)
            status = mp_ratio_add(&got, a, b, &err);
        else if (rows[i].operation == SUB)
            status = mp_ratio_sub(&got, a, b, &err);
        else if (rows[i].operation == TIMES)
            status = mp_ratio_times(&got, a, (uint64_t)b.num, &err);
        else
            status = mp_ratio_scale(&got, a, b.num, b.den, &err);
        check_result(status, rows[i].status, got, rows[i].num, rows[i].den);
        CHECK_INT(err.status, rows[i].status);
    }
    struct mp_ratio got = untouched;
    CHECK_INT(mp_ratio_times(&got, ratio(0, 1), UINT64_C(1) << 63, NULL), MP_EOVERFLOW);
    CHECK_RATIO(got, untouched.num, untouched.den);
    CHECK_RATIO(mp_ratio_whole(-3), -3, 1);
}

static void compares(void)
{
    const int64_t max = INT64_MAX;
    const struct {
        struct mp_ratio a, b;
        int sign;
    } pairs[] = {
        {{1, 3}, {333333333, 1000000000}, 1},
        {{1, 3}, {1, 3}, 0},
        {{-1, 2}, {0, 1}, -1},
        {{max, max - 1}, {max - 1, max - 2}, -1}, // the same double
        {{max, 1}, {-max, 1}, 1},
        {{-1, 3}, {-1, 2}, 1},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        CHECK_INT(mp_ratio_compare(pairs[i].a, pairs[i].b), pairs[i].sign);
        CHECK_INT(mp_ratio_compare(pairs[i].b, pairs[i].a), -pairs[i].sign);
    }
    CHECK(mp_ratio_double(ratio(-1, 4)) == -0.25);
    CHECK(fabs(mp_ratio_double(ratio(1, 3)) - 1.0 / 3.0) < 1e-16);
}

static void reads_doubles(void)
{
    static const struct {
        double value;
        enum mp_status status;
        int64_t num, den;
    } rows[] = {
        {0.0, MP_OK, 0, 1},
        {-0.0, MP_OK, 0, 1},
        {0.1, MP_OK, 1, 10},
        {1.0 / 3.0, MP_OK, 1, 3},
        {-1.0 / 3.0, MP_OK, -1, 3},
        {0.9, MP_OK, 9, 10},
        {3.125, MP_OK, 25, 8},
        {5.0 / 7.0, MP_OK, 5, 7},
        {1.0 / 18.0, MP_OK, 1, 18},
        {0.000001, MP_OK, 1, 1000000},
        {0.0015, MP_OK, 3, 2000},
        {191.84, MP_OK, 4796, 25},
        {999999.0 / 1000000.0, MP_OK, 999999, 1000000},
        {86400.5, MP_OK, 172801, 2},
        {4503599627370496.0, MP_OK, 4503599627370496, 1},
        {9007199254740991.0, MP_OK, 9007199254740991, 1},
        {9007199254740992.0, MP_ERANGE, 0, 0},
        {-9007199254740992.0, MP_ERANGE, 0, 0},
        {1e300, MP_ERANGE, 0, 0},
        {3.14159265358979312, MP_ERANGE, 0, 0},
        {1e-9, MP_ERANGE, 0, 0},
        {NAN, MP_EINVAL, 0, 0},
        {INFINITY, MP_EINVAL, 0, 0},
        {-INFINITY, MP_EINVAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_ratio got = untouched;
        enum mp_status status = mp_ratio_from_double(&got, rows[i].value, &err);
        check_result(status, rows[i].status, got, rows[i].num, rows[i].den);
        CHECK_INT(err.status, rows[i].status);
    }
}

/* Every fraction a person would write survives the way through a double. */
static void finds_every_small_fraction(void)
{
    int64_t wrong = 0;
    for (int64_t den = 1; den <= 400; den++)
        for (int64_t num = -den; num <= 3 * den; num++) {
            struct mp_ratio got = untouched;
            const struct mp_ratio lowest = ratio(num, den);
            // off by two units in the last place, as after a calculation
            double value = (double)num / (double)den;
            if ((num + den) % 2 == 0)
                value = nextafter(nextafter(value, 10.0), 10.0);
            wrong += num != 0 && (mp_ratio_from_double(&got, value, NULL) != MP_OK ||
                                  got.num != lowest.num || got.den != lowest.den);
        }
    CHECK_INT(wrong, 0);
}

static void reads_text(void)
{
    static const struct {
        const char *text;
        int64_t num, den;
    } good[] = {
        {"18", 18, 1},
        {"0.9", 9, 10},
        {"1/6", 1, 6},
        {"2.5/3", 5, 6},
        {"-1/6", -1, 6},
        {"+0.5", 1, 2},
        {"0", 0, 1},
        {"-0", 0, 1},
        {"0/5", 0, 1},
        {"10/0.4", 25, 1},
        {"0010.50", 21, 2},
        {"33.333", 33333, 1000},
        {"9223372036854775807", INT64_MAX, 1},
    };
    static const char *const bad[] = {
        "",
        "-",
        "+",
        "/",
        "1/",
        "/2",
        "1/0",
        "1/0.0",
        " 1",
        "1 ",
        "1e3",
        ".",
        "1..2",
        "1.2.3",
        "0x10",
        "1/2/3",
        "nan",
        "inf",
        "--1",
        "1/-2",
        "1,5",
        "abc",
        "1/ 2",
        "18Hz",
        "9223372036854775808",
        "99999999999999999999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mp_ratio got = untouched;
        CHECK_INT(mp_ratio_from_text(&got, good[i].text, NULL), MP_OK);
        CHECK_RATIO(got, good[i].num, good[i].den);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mp_error err = {0};
        struct mp_ratio got = untouched;
        CHECK_INT(mp_ratio_from_text(&got, bad[i], &err), MP_EINVAL);
        CHECK_RATIO(got, untouched.num, untouched.den);
        CHECK_HAS(err.text, i < 2 ? "number" : "fraction");
    }
    struct mp_ratio got = untouched;
    CHECK(mp_ratio_from_text(&got, "9223372036854775807/0.1", NULL) != MP_OK);
    CHECK_RATIO(got, untouched.num, untouched.den);
}

static void turns_seconds_into_nanoseconds(void)
{
    static const struct {
        double seconds;
        enum mp_status status;
        int64_t num, den;
    } rows[] = {
        {0.0, MP_OK, 0, 1},
        {1.0 / 30.0, MP_OK, 100000000, 3},
        {1.0 / 6.0, MP_OK, 500000000, 3},
        {5.0 / 7.0, MP_OK, INT64_C(5000000000), 7},
        {0.02, MP_OK, 20000000, 1},
        {-0.5, MP_OK, -500000000, 1},
        {1e-9, MP_OK, 1, 1},
        {1.4e-9, MP_OK, 1, 1},
        {3.1415926535897931, MP_OK, 3141592654, 1},
        {-3.1415926535897931, MP_OK, -3141592654, 1},
        {9223372036.0, MP_OK, INT64_C(9223372036000000000), 1},
        {9223372036.9, MP_EOVERFLOW, 0, 0},
        {-9223372037.0, MP_EOVERFLOW, 0, 0},
        {1e300, MP_EOVERFLOW, 0, 0},
        {NAN, MP_EINVAL, 0, 0},
        {INFINITY, MP_EINVAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        struct mp_ratio got = untouched;
        enum mp_status status = mp_ns_from_seconds(&got, rows[i].seconds, &err);
        check_result(status, rows[i].status, got, rows[i].num, rows[i].den);
        CHECK_INT(err.status, rows[i].status);
    }
}

int main(void)
{
    makes_lowest_terms();
    calculates_exactly();
    compares();
    reads_doubles();
    finds_every_small_fraction();
    reads_text();
    turns_seconds_into_nanoseconds();
    return CHECK_DONE("test_ratio");
}
