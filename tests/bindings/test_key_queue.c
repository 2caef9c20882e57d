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

int main(void)
{
    CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    letters_are_those_of_the_c_library();
    return CHECK_DONE("test_key_queue");
}
