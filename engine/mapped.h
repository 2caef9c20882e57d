/*
 * mapped.h - memory of a file that somebody else may cut.
 *
 * Who stores into a mapped page that its file no longer has (another program cut the file, the
 * disk under it failed) gets SIGBUS, whose default ends the process. A mapping that is watched
 * gets a fresh page there instead, of no file, and is marked as lost: what was stored before
 * stays in the file as far as that goes, what is stored from then on is in no file. Any other
 * SIGBUS goes where it would have gone. Whole pages only: what is stored after the end of a
 * file, in its last page, faults nowhere and is lost all the same; whoever must know looks.
 *
 * The handler is installed with the first mapping. It makes one system call, for the page that
 * faults (three, where no more memory may be locked: what the lost page had makes room for the
 * new one); it allocates nothing and takes no lock. The signal is that of the thread that
 * stores: one that blocks all signals must leave SIGBUS open (mp_mapped_mask).
 */
#ifndef MP_MAPPED_H
#define MP_MAPPED_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { MP_MAPPED_MAX = 64 }; // at once, in a process

/* The caller's, who sets at and bytes, and keeps it where it is while it is watched. */
struct mp_mapped {
    void *at; // page-aligned, mapped for reading and writing
    size_t bytes;
    _Atomic bool lost; // written by the handler, on whichever thread, and by mp_mapped_lose
};

/* From now on it is watched. False where MP_MAPPED_MAX are. Any thread. */
bool mp_mapped_watch(struct mp_mapped *mapped);
/* No longer: nobody stores into it any more. Nothing happens if it never was. Any thread. */
void mp_mapped_forget(struct mp_mapped *mapped);
/* Is what was stored last perhaps in no file? Any thread; a load. */
static inline bool mp_mapped_lost(const struct mp_mapped *mapped)
{
    return atomic_load_explicit(&mapped->lost, memory_order_relaxed);
}
/* The file was cut, as somebody else has seen. Any thread; a store. */
static inline void mp_mapped_lose(struct mp_mapped *mapped)
{
    atomic_store_explicit(&mapped->lost, true, memory_order_relaxed);
}
/* All signals but the one that a lost page is told by. */
void mp_mapped_mask(sigset_t *set);

#endif
