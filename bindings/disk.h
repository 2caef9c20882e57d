/*
 * disk.h - which file of a run's record the loop thread waits for: a disk that hangs stops the
 * run, and is to be named instead of a busy computer.
 *
 * Shared: one atomic pointer to a constant text, written by the loop thread, read by the
 * backstop's.
 */
#ifndef MP_DISK_H
#define MP_DISK_H

/* The name in the run's folder of the file that is being written; NULL: none. Any thread. */
const char *mp_disk_waits(void);
/* A run begins: what hung in an earlier one is forgotten. Loop thread. */
void mp_disk_begin(void);

#endif
