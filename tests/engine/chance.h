/*
 * chance.h - what the tests with random events share: a seeded generator, how much to try,
 * and a folder for files that need no disk.
 *
 * MP_SEED=N repeats one run, MP_QUICK tries a tenth, MP_LONG ten times as much.
 */
#ifndef MP_TEST_CHANCE_H
#define MP_TEST_CHANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CHECKED_BUILD = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { CHECKED_BUILD = 1 };
#else
enum { CHECKED_BUILD = 0 };
#endif
#else
enum { CHECKED_BUILD = 0 };
#endif

static inline bool is_quick(void)
{
    return getenv("MP_QUICK") != NULL;
}

static inline bool is_long(void)
{
    return getenv("MP_LONG") != NULL;
}

struct chance {
    uint64_t state;
};

/* splitmix64 (S. Vigna 2015, doi:10.1145/2714064.2660195). */
static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Uniform enough in [0, below); 0 for 0. */
static inline int64_t chance_below(struct chance *chance, int64_t below)
{
    return below <= 0 ? 0 : (int64_t)(chance_next(chance) % (uint64_t)below);
}

static inline bool chance_one_in(struct chance *chance, int64_t n)
{
    return chance_below(chance, n) == 0;
}

/* The seed of MP_SEED, else fallback; *only: this one run. */
static inline uint64_t chance_seed(uint64_t fallback, bool *only)
{
    const char *text = getenv("MP_SEED");
    *only = text != NULL;
    return text == NULL ? fallback : strtoull(text, NULL, 10);
}

/* A path for a file of this process; in memory where the system has such a folder. */
static inline const char *scratch_path(const char *name)
{
    static char path[128];
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, sizeof path, "%s/moonpulse-test-%d-%s", folder, (int)getpid(), name);
    return path;
}

#endif
