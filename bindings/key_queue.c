/* key_queue.c - typed bytes as whole keys. */
#include "bindings/key_queue.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE = 27, LONGEST = 16, QUOTE = 'v' & 31, PREFIX = 'x' & 31, REPLACEMENT = 0xFFFD };

char *mp_key_room(struct mp_key_queue *queue, size_t *room)
{
    memmove(queue->bytes, queue->bytes + queue->from, queue->until - queue->from);
    queue->until -= queue->from;
    queue->from = 0;
    *room = sizeof queue->bytes - queue->until;
    return queue->bytes + queue->until;
}

void mp_key_came(struct mp_key_queue *queue, size_t count)
{
    const char *came = queue->bytes + queue->until;
    for (size_t i = 0; i < count; i++) {
        if (came[i] != '\0') // Ctrl-Space; libedit takes it for a key that the terminal has not
            queue->bytes[queue->until++] = came[i];
    }
}

/* Bytes of the letter of UTF-8 that begins so; of what begins none one. */
static size_t letter_length(unsigned char first)
{
    return first >= 0xF0 && first < 0xF8   ? 4
           : first >= 0xE0 && first < 0xF0 ? 3
           : first >= 0xC2 && first < 0xE0 ? 2
                                           : 1;
}

static bool goes_on(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Do these bytes, whose number and bits are those of a letter, write one? */
static bool is_letter(unsigned long code, size_t length)
{
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code >= least[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

/* Bytes of the letter at the beginning; 0: it is not whole. */
static size_t letter_at(const char *bytes, size_t count)
{
    if (count == 0)
        return 0;
    size_t length = letter_length((unsigned char)bytes[0]);
    for (size_t i = 1; i < length; i++) {
        if (i == count)
            return 0;
        if (!goes_on((unsigned char)bytes[i]))
            return 1; // no UTF-8
    }
    return length;
}

/* ESC [ 1 ; 5 D, ESC O A, or ESC and a letter: Meta. */
static size_t escape_at(const char *bytes, size_t count)
{
    if (count < 2)
        return 0;
    if (bytes[1] == 'O')
        return count < 3 ? 0 : 3;
    if (bytes[1] != '[') {
        size_t length = letter_at(bytes + 1, count - 1);
        return length == 0 ? 0 : 1 + length;
    }
    for (size_t i = 2; i < count && i < LONGEST; i++) {
        if (bytes[i] < ' ' || bytes[i] > '?') // the last one, or something else
            return i + 1;
    }
    return count < LONGEST ? 0 : LONGEST;
}

static size_t key_at(const char *bytes, size_t count)
{
    if (count == 0)
        return 0;
    if (bytes[0] == ESCAPE)
        return escape_at(bytes, count);
    if (bytes[0] == QUOTE || bytes[0] == PREFIX) { // and what it is about
        size_t length = letter_at(bytes + 1, count - 1);
        return length == 0 ? 0 : 1 + length;
    }
    return letter_at(bytes, count);
}

bool mp_key_ahead(struct mp_key_queue *queue, const char *bytes, size_t count)
{
    size_t there = queue->ahead_until - queue->ahead_from;
    char *ahead = malloc(there + count + 1); // never 0
    if (ahead == NULL)
        return false;
    if (there > 0)
        memcpy(ahead, queue->ahead + queue->ahead_from, there);
    memcpy(ahead + there, bytes, count);
    free(queue->ahead);
    queue->ahead = ahead;
    queue->ahead_from = 0;
    queue->ahead_until = there + count;
    return true;
}

void mp_key_free(struct mp_key_queue *queue)
{
    free(queue->ahead);
    queue->ahead = NULL;
    queue->ahead_from = queue->ahead_until = 0;
}

/* As much as there is room for of what was typed ahead; false: nothing. */
static bool take_ahead(struct mp_key_queue *queue)
{
    size_t room, left = queue->ahead_until - queue->ahead_from;
    if (left == 0)
        return false;
    char *bytes = mp_key_room(queue, &room);
    size_t count = left < room ? left : room;
    memcpy(bytes, queue->ahead + queue->ahead_from, count);
    mp_key_came(queue, count);
    queue->ahead_from += count;
    if (queue->ahead_from == queue->ahead_until)
        mp_key_free(queue);
    return count > 0;
}

bool mp_key_begin(struct mp_key_queue *queue)
{
    size_t length;
    do
        length = key_at(queue->bytes + queue->from, queue->until - queue->from);
    while (length == 0 && take_ahead(queue));
    queue->key = queue->from + length;
    return length > 0;
}

int mp_key_letter(struct mp_key_queue *queue, wchar_t *letter)
{
    if (queue->from >= queue->key)
        return 0;
    const unsigned char *bytes = (const unsigned char *)queue->bytes + queue->from;
    size_t length = letter_at(queue->bytes + queue->from, queue->key - queue->from);
    if (length == 0) // cannot be: keys are whole
        length = 1;
    unsigned long code =
        length == 1 && bytes[0] >= 0x80 ? (unsigned long)REPLACEMENT : bytes[0];
    if (length > 1) {
        code = bytes[0] & (0xFFU >> (length + 1));
        for (size_t i = 1; i < length; i++)
            code = code << 6 | (bytes[i] & 0x3FU);
        if (!is_letter(code, length))
            code = REPLACEMENT;
    }
    queue->from += length;
    *letter = (wchar_t)code;
    return 1;
}

size_t mp_key_peek(struct mp_key_queue *queue, wchar_t *letters, size_t room)
{
    size_t from = queue->from, count = 0;
    while (count < room && mp_key_letter(queue, &letters[count]) == 1)
        count++;
    queue->from = from;
    return count;
}

void mp_key_end(struct mp_key_queue *queue)
{
    queue->from = queue->key;
}
