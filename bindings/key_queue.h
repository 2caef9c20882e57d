/*
 * key_queue.h - what was typed at a terminal, in whole keys: a key may be several bytes (an
 * arrow, a letter of UTF-8), and they may come apart. Who takes keys from here never waits for
 * the rest of one. One thread; what is read comes behind what was typed ahead.
 */
#ifndef MP_KEY_QUEUE_H
#define MP_KEY_QUEUE_H

#include <stddef.h>
#include <wchar.h>

struct mp_key_queue {
    char bytes[4096];
    size_t from, until; // what is left
    size_t key;         // the end of the key that is being taken
    char *ahead;        // typed before anybody took keys: they come first; owned
    size_t ahead_from, ahead_until;
};

/* These were typed while nobody took keys. False: no memory. */
_Bool mp_key_ahead(struct mp_key_queue *queue, const char *bytes, size_t count);
/* What was typed ahead is let go. */
void mp_key_free(struct mp_key_queue *queue);

/* Where the next bytes go, and how many there is room for. */
char *mp_key_room(struct mp_key_queue *queue, size_t *room);
/* So many came. */
void mp_key_came(struct mp_key_queue *queue, size_t count);
/* Begin with the next key, if all of it is there. */
_Bool mp_key_begin(struct mp_key_queue *queue);
/* Its next letter: 1, or 0 at its end. */
int mp_key_letter(struct mp_key_queue *queue, wchar_t *letter);
/* The letters of the key that was begun, at most so many; none of them is taken. */
size_t mp_key_peek(struct mp_key_queue *queue, wchar_t *letters, size_t room);
/* The key is over, whatever of it was taken. */
void mp_key_end(struct mp_key_queue *queue);

#endif
