/*
 * spare.h - who connects, taken in by a listener that never keeps the loop busy: when there are
 * no more descriptors, a spare one is given up for whoever waits, who is turned away with it.
 *
 * No child of the process has the spare descriptor: it would go on listening when this one is
 * gone. Nothing here waits.
 */
#ifndef MP_SPARE_H
#define MP_SPARE_H

/* A spare descriptor for a listening socket; -1: there is none. Its caller closes it. */
int mp_spare_of(int listener);
/* Who comes next, as a descriptor that does not block and that no child has; -1: nobody, or
 * nobody could be taken in. *spare is made anew after it was given up. */
int mp_spare_accept(int listener, int *spare);

#endif
