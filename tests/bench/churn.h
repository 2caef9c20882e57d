/*
 * churn.h - a Lua heap that turns over on a thread of its own, as a large script's would.
 */
#ifndef MP_BENCH_CHURN_H
#define MP_BENCH_CHURN_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

struct churn {
    pthread_t thread;
    sem_t full;
    int64_t heap_mb;
    _Atomic int stop;
};

/* Returns when the heap has its size. */
void churn_start(struct churn *churn, int64_t heap_mb);
void churn_stop(struct churn *churn);

#endif
