/* letters.c - letters as UTF-8, whatever the process's locale. */
#include "bindings/letters.h"

#include <limits.h>
#include <stdlib.h>

locale_t mp_letters_begin(void)
{
    static locale_t utf8;
    if (utf8 == (locale_t)0)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return uselocale(utf8); // (locale_t)0, if there is none, changes nothing
}

char *mp_letters_text(const wchar_t *letters, size_t count)
{
    char *text = malloc(count * MB_LEN_MAX + 1), *end = text;
    mbstate_t state = {0};
    for (size_t i = 0; text != NULL && i < count; i++) {
        size_t bytes = wcrtomb(end, letters[i], &state);
        end += bytes <= MB_LEN_MAX ? bytes : 0;
    }
    if (text != NULL)
        *end = '\0';
    return text;
}
