/*
 * awake.h - what the loop thread's time went to: it ran, it waited for a processor, or it slept
 * in a call. So who held a run up can be told: the script, the disk, or a busy computer.
 *
 * Shared: descriptors of proc(5) that mp_awake_begin opens once, before another thread asks.
 */
#ifndef MP_AWAKE_H
#define MP_AWAKE_H

#include <stdbool.h>
#include <stdint.h>

struct mp_awake {
    int64_t ran_ns, delayed_ns; // since the thread began; delayed: it waited for a processor
    bool known;                 // false: the kernel does not tell, and both are 0
};

/* The loop thread is the one that calls this first. */
void mp_awake_begin(void);
/* Any thread, once it has begun. */
struct mp_awake mp_awake(void);
/* Does it sleep in a call, now? False also where the kernel does not tell. Any thread. */
bool mp_awake_sleeps(void);

#endif
