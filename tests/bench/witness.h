/*
 * witness.h - the far end of the socketpair: reads, stamps and keeps every frame.
 *
 * It knows nothing of the engine's own stamps, so that they can be held against it.
 */
#ifndef MP_BENCH_WITNESS_H
#define MP_BENCH_WITNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_BYTES = 8 };

struct witness {
    int fd; // owned
    size_t capacity, count;
    size_t cut; // bytes of a frame that never was completed
    bool overflow;
    int64_t *at_ns;
    uint8_t (*frames)[FRAME_BYTES];
    pthread_t thread;
};

/* Read from fd on a thread of its own until the near end is closed. */
void witness_start(struct witness *witness, int fd, size_t capacity);
/* The near end is closed: take the rest and end. */
void witness_join(struct witness *witness);
void witness_free(struct witness *witness);

#endif
