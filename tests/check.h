/*
 * check.h - assertions for the C unit tests.
 *
 * Each prints both values and survives NDEBUG. A test program calls CHECK_DONE()
 * last: it prints "NAME: N passed, N failed" for the runner to add up.
 */
#ifndef MP_CHECK_H
#define MP_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_passed;
static int check_failed;

static inline int check_note(int ok, const char *file, int line)
{
    if (ok)
        check_passed++;
    else {
        check_failed++;
        (void)fprintf(stderr, "%s:%d: ", file, line);
    }
    return ok;
}

#define CHECK(condition)                                                                       \
    (check_note((condition) ? 1 : 0, __FILE__, __LINE__)                                       \
         ? (void)0                                                                             \
         : (void)fprintf(stderr, "CHECK(%s) failed\n", #condition))

/* What should not have come to pass: says what should have. */
#define CHECK_NEVER(what)                                                                      \
    (check_note(0, __FILE__, __LINE__), (void)fprintf(stderr, "not so: %s\n", (what)))

#define CHECK_INT(actual, expected)                                                            \
    do {                                                                                       \
        long long check_a = (long long)(actual), check_e = (long long)(expected);              \
        if (!check_note(check_a == check_e, __FILE__, __LINE__))                               \
            (void)fprintf(stderr, "%s is %lld, not %lld\n", #actual, check_a, check_e);        \
    } while (0)

#define CHECK_STR(actual, expected)                                                            \
    do {                                                                                       \
        const char *check_a = (actual), *check_e = (expected);                                 \
        if (!check_note(strcmp(check_a, check_e) == 0, __FILE__, __LINE__))                    \
            (void)fprintf(stderr, "%s is \"%s\", not \"%s\"\n", #actual, check_a, check_e);    \
    } while (0)

/* The text of an error must hold a phrase: messages are part of the contract. */
#define CHECK_HAS(actual, phrase)                                                              \
    do {                                                                                       \
        const char *check_a = (actual), *check_p = (phrase);                                   \
        if (!check_note(strstr(check_a, check_p) != NULL, __FILE__, __LINE__))                 \
            (void)fprintf(stderr, "\"%s\" does not say \"%s\"\n", check_a, check_p);           \
    } while (0)

#define CHECK_DONE(name)                                                                       \
    (printf("%s: %d passed, %d failed\n", (name), check_passed, check_failed),                 \
     check_failed == 0 ? 0 : 1)

#endif
