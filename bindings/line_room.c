/* line_room.c - how long a line may be that is edited. */
#include "bindings/line_room.h"

#include <string.h>
#include <wctype.h>

/* As many as libedit takes, or more. */
static size_t columns_of(wchar_t letter)
{
    enum { TAB_STOP = 8, CONTROL = 2, ESCAPED = 8 };
    int width = wcwidth(letter);
    if (letter == L'\t')
        return TAB_STOP;
    if (letter < L' ' || letter == 0x7F)
        return CONTROL;
    if (width < 0 || !iswprint((wint_t)letter))
        return ESCAPED;
    return (size_t)width;
}

size_t mp_line_columns(const wchar_t *letters, size_t count)
{
    size_t columns = 0;
    for (size_t i = 0; i < count; i++)
        columns += columns_of(letters[i]);
    return columns;
}

struct mp_line_room mp_line_need(const char *text)
{
    struct mp_line_room need = {0};
    mbstate_t state = {0};
    size_t left = strlen(text);
    while (left > 0) {
        wchar_t letter = L'\0';
        size_t bytes = mbrtowc(&letter, text, left, &state);
        if (bytes == 0 || bytes > left) { // no UTF-8
            bytes = 1;
            letter = L'\1';
            memset(&state, 0, sizeof state);
        }
        need.letters++;
        need.columns += columns_of(letter);
        text += bytes;
        left -= bytes;
    }
    return need;
}

struct mp_line_room mp_line_room(size_t columns, size_t rows, size_t prompt_columns)
{
    // a letter of two columns that is the last of its row leaves one empty
    size_t usable = (columns - 1) * (rows > 1 ? rows - 1 : 1);
    return (struct mp_line_room){.letters = MP_LINE_LETTERS,
                                 .columns =
                                     usable > prompt_columns ? usable - prompt_columns : 0};
}

bool mp_line_fits(struct mp_line_room room, struct mp_line_room need)
{
    return need.letters <= room.letters && need.columns <= room.columns;
}
