/* test_key_queue.c - bytes of a terminal as letters, beside what the C library makes of them.
 */
#include "bindings/key_queue.h"

#include "tests/check.h"

#include <locale.h>
#include <stdbool.h>
#include <string.h>

/* The letters of the first key of these bytes; below zero: it is not whole. */
static int letters_of(const char *bytes, size_t count, wchar_t *letters, size_t room)
{
    static struct mp_key_queue queue;
    size_t there;
    memset(&queue, 0, sizeof queue);
    memcpy(mp_key_room(&queue, &there), bytes, count);
    mp_key_came(&queue, count);
    if (!mp_key_begin(&queue))
        return -1;
    size_t peeked = mp_key_peek(&queue, letters, room);
    wchar_t letter;
    size_t got = 0;
    while (mp_key_letter(&queue, &letter) == 1)
        CHECK(got < peeked && letters[got++] == letter);
    CHECK_INT(got, peeked);
    return (int)got;
}

/* Every letter of two to four bytes that could be written, also where none may be. */
static void letters_are_those_of_the_c_library(void)
{
    for (unsigned long code = 0; code < 0x200000; code += code < 0x20000 ? 1 : 0x3F1) {
        for (size_t length = 2; length <= 4; length++) {
            char bytes[5] = {0};
            if (code >> (length == 2 ? 11 : 6 * length - (length == 3 ? 2 : 3)) != 0)
                continue;
            for (size_t i = length - 1; i > 0; i--)
                bytes[i] = (char)(0x80 | ((code >> 6 * (length - 1 - i)) & 0x3F));
            bytes[0] = (char)((0xF00 >> length & 0xFF) | code >> 6 * (length - 1));
            wchar_t got[4] = {0}, want = 0;
            mbstate_t state = {0};
            bool is_one = mbrtowc(&want, bytes, length, &state) == length && want <= 0x10FFFF;
            int count = letters_of(bytes, length, got, 4);
            if (count != 1 || got[0] != (is_one ? want : 0xFFFD)) {
                CHECK_INT(code, 0x7FFFFFFF);
                (void)fprintf(stderr, "%zu bytes give %d letters, %lx\n", length, count,
                              (unsigned long)got[0]);
                return;
            }
        }
    }
}

/* What was typed ahead comes first, all of it and in order, also where it is more than there is
 * room for and a letter of it comes apart. */
static void what_was_typed_ahead_comes_first(void)
{
    enum { LETTERS = 9001 };
    static struct mp_key_queue queue;
    static char bytes[2 * LETTERS];
    size_t there;
    for (size_t i = 0; i < LETTERS; i++) // 256 letters of two bytes, again and again
        bytes[2 * i] = (char)(0xC4 | ((i >> 6) & 3)),
                  bytes[2 * i + 1] = (char)(0x80 | (i & 63));
    CHECK(mp_key_ahead(&queue, bytes, 4097));
    CHECK(mp_key_ahead(&queue, bytes + 4097, sizeof bytes - 4097));
    for (size_t i = 0; i < LETTERS; i++) {
        wchar_t letter = 0;
        if (!mp_key_begin(&queue) || mp_key_letter(&queue, &letter) != 1 ||
            letter != (wchar_t)(0x100 | (i & 0xFF))) {
            CHECK_INT(i, LETTERS);
            break;
        }
        mp_key_end(&queue);
    }
    CHECK(!mp_key_begin(&queue));
    *mp_key_room(&queue, &there) = 'x';
    mp_key_came(&queue, 1);
    CHECK(mp_key_ahead(&queue, "y", 1)); // while 'x' is waiting
    for (const char *want = "xy"; *want != '\0'; want++) {
        wchar_t letter = 0;
        CHECK(mp_key_begin(&queue) && mp_key_letter(&queue, &letter) == 1);
        CHECK_INT(letter, *want);
        mp_key_end(&queue);
    }
    CHECK(mp_key_ahead(&queue, "z", 1));
    mp_key_free(&queue);
    CHECK(!mp_key_begin(&queue));
}

int main(void)
{
    CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    letters_are_those_of_the_c_library();
    what_was_typed_ahead_comes_first();
    return CHECK_DONE("test_key_queue");
}
