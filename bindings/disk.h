/*
 * disk.h - which file of a run's record the loop thread waits for: a disk that hangs stops the
 * run, and is to be named instead of a busy computer.
 *
 * Shared: one atomic pointer to a constant text, written by the loop thread, read by the
 * backstop's.
 */
#ifndef MP_DISK_H
#define MP_DISK_H

#include <stdbool.h>

/* The name in the run's folder of the file that is being written; NULL: none. Any thread. */
const char *mp_disk_waits(void);
/* Has the disk taken long for a file since mp_disk_forget? Loop thread. */
bool mp_disk_hung(void);
/* The loop has gone on, and no stop had come: what took long has stopped nothing, and is
 * forgotten. So it is when a run begins. Loop thread. */
void mp_disk_forget(void);

#endif
