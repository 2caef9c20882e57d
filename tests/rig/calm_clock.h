/*
 * calm_clock.h - one time for all programs that share a file ($MP_CALM), and who of them is
 * waited for. See calm_shim.c, which gives it to them.
 */
#ifndef CALM_CLOCK_H
#define CALM_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define S_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)

enum { SLOTS = 800, CALM_BYTES = 65536 };

/* A thread that is waited for. until_ns is written last, and is -1 while the rest is written.
 */
struct slot {
    _Atomic int64_t until_ns; // nobody is told a later time before somebody has looked; 0: free
    _Atomic int64_t wakes_ns; // it sleeps: until then, what is granted included; 0: it does not
    _Atomic int64_t wakes_real_ns; // when this is by the computer's clock
    _Atomic int64_t looked_ns;     // by the computer's clock
    _Atomic int64_t ran_ns;        // for how long it had had the processor, at the last look
    _Atomic int64_t kept_since_ns; // by the computer's clock: not known to have run since
    _Atomic int64_t kept_ns;       // and had wanted it in vain, when it woke
    _Atomic int64_t lost_ns;       // and what was lost by then
    _Atomic int pid, tid;
    _Atomic bool blocked; // at the last look it did not want the processor
};

struct calm {
    _Atomic int64_t lost_ns;  // grows only
    _Atomic int64_t told_ns;  // the latest time that anybody was told
    _Atomic int64_t ahead_ns; // the wall clock, of the monotonic one
    _Atomic int64_t used;     // no slot from here on was ever taken
    struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct calm) <= CALM_BYTES, "");

/* NULL: no file, and everything is as ever. */
extern struct calm *calm;

/* The computer's. */
int64_t calm_real_ns(clockid_t id);

/* What time it is, never earlier than anybody was told. */
int64_t calm_now_ns(void);

/* This thread sleeps until then, and may wake later by what is granted. INT64_MAX: for ever. */
void calm_sleeps(int64_t until_ns, int64_t grant_ns);

/* It is awake. What it slept too long is lost first. Leaves errno alone. */
void calm_woke(void);

#endif
