#include "tests/bench/witness.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// under the dispatcher's 80: it may stamp late, but never makes the engine late
enum { WITNESS_PRIORITY = 70 };

static void *witness_main(void *argument)
{
    struct witness *w = argument;
    (void)bench_fifo(WITNESS_PRIORITY);
    uint8_t frame[FRAME_BYTES];
    for (;;) {
        ssize_t got = read(w->fd, frame + w->cut, FRAME_BYTES - w->cut);
        int64_t now = mp_clock_ns();
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NULL;
        w->cut += (size_t)got;
        if (w->cut < FRAME_BYTES)
            continue;
        w->cut = 0;
        if (w->count == w->capacity) {
            w->overflow = true;
            continue;
        }
        w->at_ns[w->count] = now;
        memcpy(w->frames[w->count++], frame, FRAME_BYTES);
    }
}

void witness_start(struct witness *w, int fd, size_t capacity)
{
    *w = (struct witness){.fd = fd, .capacity = capacity};
    w->at_ns = calloc(capacity, sizeof *w->at_ns);
    w->frames = calloc(capacity, sizeof *w->frames);
    bench_must_sys(w->at_ns != NULL && w->frames != NULL, "memory for the witness");
    memset(w->at_ns, 1, capacity * sizeof *w->at_ns); // no page fault while it counts
    memset(w->frames, 1, capacity * sizeof *w->frames);
    bench_must_sys(pthread_create(&w->thread, NULL, witness_main, w) == 0, "witness");
}

void witness_join(struct witness *w)
{
    (void)pthread_join(w->thread, NULL);
    (void)close(w->fd);
}

void witness_free(struct witness *w)
{
    free(w->at_ns);
    free(w->frames);
}
