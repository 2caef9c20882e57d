/*
 * line_room.h - how long a line may be that is edited: libedit keeps no line in mind that is
 * longer than its screen, and ends the process instead.
 */
#ifndef MP_LINE_ROOM_H
#define MP_LINE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

enum { MP_LINE_LETTERS = 1000 }; // libedit's own buffer has 1024

struct mp_line_room {
    size_t letters; // at most
    size_t columns; // of the screen, at most
};

/* The columns that libedit shows these letters in: ^A for a control letter, \U+E000 for what
 * cannot be printed. In a locale of UTF-8. */
size_t mp_line_columns(const wchar_t *letters, size_t count);
/* Those of a text of UTF-8, and how many letters it has. */
struct mp_line_room mp_line_need(const char *text);
/* What is left on a screen of so many columns and rows behind a prompt: always less than all
 * rows but one. */
struct mp_line_room mp_line_room(size_t columns, size_t rows, size_t prompt_columns);
/* Is there room for so much? */
bool mp_line_fits(struct mp_line_room room, struct mp_line_room need);

#endif
