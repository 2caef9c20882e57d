/*
 * text.h - lines of numbers and text into a file, fast: for the listing and the record of plans
 * of millions of pulses.
 *
 * A struct mp_text gathers 64 KiB and hands them to a stdio stream, which its caller owns and
 * which no one else may write to between mp_text_room and mp_text_flush. For the loop thread.
 */
#ifndef MP_TEXT_H
#define MP_TEXT_H

#include "engine/checksum.h"
#include "engine/error.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MP_TEXT_BYTES = 65536, MP_DIGITS_MAX = 20 };

struct mp_text {
    FILE *file;
    size_t used;
    int failed;              // errno of the first write that failed
    struct mp_checksum *sum; // the caller's, of what goes to the stream; NULL: none
    char bytes[MP_TEXT_BYTES];
};

/* A part of a line that is ready and belongs to somebody else. */
struct mp_tail {
    const char *bytes;
    size_t length;
};

/* Nothing gathered yet, for file, which stays the caller's. */
static inline void mp_text_init(struct mp_text *text, FILE *file)
{
    text->file = file;
    text->used = 0;
    text->failed = 0;
    text->sum = NULL;
}

/* Hand what was gathered to the stream. MP_EIO, with the reason, when a write failed. */
enum mp_status mp_text_flush(struct mp_text *text, struct mp_error *err);

/*
 * Where at least need bytes (up to MP_TEXT_BYTES) can be put; tell mp_text_end how far they
 * went. A failure of the stream is kept for mp_text_flush.
 */
static inline char *mp_text_room(struct mp_text *text, size_t need)
{
    if (need > MP_TEXT_BYTES - text->used)
        (void)mp_text_flush(text, NULL);
    return text->bytes + text->used;
}

/* What was put at mp_text_room ends here. */
static inline void mp_text_end(struct mp_text *text, const char *end)
{
    text->used = (size_t)(end - text->bytes);
}

extern const char mp_two_digits[200]; // "00" to "99"
extern const uint64_t mp_powers_of_ten[MP_DIGITS_MAX];

/* How many digits value has. */
static inline unsigned mp_digits(uint64_t value)
{
    // log10(2) is 1233 / 4096, as exactly as 64 bits need; the power says which of two it is
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned below = bits * 1233 >> 12;
    return below + (value >= mp_powers_of_ten[below] || below == 0 ? 1 : 0);
}

/* The digits of value; room for MP_DIGITS_MAX bytes. Returns their end. */
static inline char *mp_put_integer(char *at, uint64_t value)
{
    char *const end = at + mp_digits(value);
    char *first = end;
    while (value >= 10000) { // four at a time: each step waits for the one before
        uint32_t four = (uint32_t)(value % 10000);
        value /= 10000;
        first -= 4;
        memcpy(first, mp_two_digits + 2 * (size_t)(four / 100), 2);
        memcpy(first + 2, mp_two_digits + 2 * (size_t)(four % 100), 2);
    }
    uint32_t rest = (uint32_t)value;
    if (rest >= 100) {
        first -= 2;
        memcpy(first, mp_two_digits + 2 * (size_t)(rest % 100), 2);
        rest /= 100;
    }
    if (rest >= 10)
        memcpy(first - 2, mp_two_digits + 2 * (size_t)rest, 2);
    else
        first[-1] = (char)('0' + rest);
    return end;
}

/* A value below 1000 with its leading zeros. */
static inline char *mp_put_thousandths(char *at, uint32_t value)
{
    at[0] = (char)('0' + value / 100);
    memcpy(at + 1, mp_two_digits + 2 * (size_t)(value % 100), 2);
    return at + 3;
}

/* Nanoseconds as microseconds with three places: 1234567 is "1234.567". */
static inline char *mp_put_us(char *at, uint64_t ns)
{
    at = mp_put_integer(at, ns / 1000);
    *at++ = '.';
    return mp_put_thousandths(at, (uint32_t)(ns % 1000));
}

/* Nanoseconds as seconds with nine places. */
static inline char *mp_put_seconds(char *at, uint64_t ns)
{
    uint32_t rest = (uint32_t)(ns % 1000000000);
    at = mp_put_integer(at, ns / 1000000000);
    *at++ = '.';
    at = mp_put_thousandths(at, rest / 1000000);
    at = mp_put_thousandths(at, rest / 1000 % 1000);
    return mp_put_thousandths(at, rest % 1000);
}

/* length bytes as they are. Returns their end. */
static inline char *mp_put_bytes(char *at, const char *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

#endif
