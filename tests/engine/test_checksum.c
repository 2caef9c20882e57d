/* checksum.h - the same for the same bytes in whatever parts, another for any change. */
#include "engine/checksum.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <string.h>

enum { MOST = 300 };

static uint64_t of(const unsigned char *bytes, size_t length)
{
    struct mp_checksum sum;
    mp_checksum_init(&sum);
    mp_checksum_add(&sum, bytes, length);
    return mp_checksum_value(&sum);
}

static void fill(struct chance *chance, unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)chance_next(chance);
}

static size_t below(struct chance *chance, size_t most)
{
    return (size_t)chance_below(chance, (int64_t)most);
}

static void does_not_depend_on_the_parts(void)
{
    struct chance chance = {5};
    unsigned char bytes[MOST];
    for (int round = 0; round < 2000; round++) {
        struct mp_checksum sum;
        size_t length = below(&chance, MOST + 1), done = 0;
        fill(&chance, bytes, length);
        mp_checksum_init(&sum);
        while (done < length) {
            size_t part = 1 + below(&chance, length - done);
            mp_checksum_add(&sum, bytes + done, part);
            done += part;
            CHECK(mp_checksum_value(&sum) == of(bytes, done)); // asking changes nothing
        }
        mp_checksum_add(&sum, bytes, 0);
        CHECK(mp_checksum_value(&sum) == of(bytes, length));
    }
}

static void changes_with_every_byte(void)
{
    struct chance chance = {9};
    unsigned char bytes[MOST], other[MOST];
    for (int round = 0; round < 20000; round++) {
        size_t length = 2 + below(&chance, MOST - 1);
        fill(&chance, bytes, length);
        uint64_t value = of(bytes, length);
        memcpy(other, bytes, length);
        other[below(&chance, length)] ^= (unsigned char)(1U << below(&chance, 8));
        CHECK(of(other, length) != value);
        CHECK(of(bytes, length - 1) != value);
        memcpy(other, bytes, length); // two that change places
        size_t a = below(&chance, length), b = below(&chance, length);
        other[a] = bytes[b];
        other[b] = bytes[a];
        CHECK((of(other, length) == value) == (bytes[a] == bytes[b]));
    }
}

static void knows_how_many_zeros_there_were(void)
{
    static const unsigned char zeros[100];
    for (size_t length = 0; length < sizeof zeros; length++)
        CHECK(of(zeros, length) != of(zeros, length + 1));
}

/* What is in a manifest must be the same on every machine and in every later version. */
static void is_what_it_was(void)
{
    static const char text[] = "onset\tduration\ttrial_type\tindex\tevent\tpulse\n";
    CHECK(of((const unsigned char *)text, sizeof text - 1) == UINT64_C(0x4af1654d714a14f0));
}

int main(void)
{
    does_not_depend_on_the_parts();
    changes_with_every_byte();
    knows_how_many_zeros_there_were();
    is_what_it_was();
    return CHECK_DONE("test_checksum");
}
