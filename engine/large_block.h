/*
 * large_block.h - memory in large pages: for hundreds of megabytes that are read once (a whole
 * flight record, the texts of a table of a million rows), and for the heap of a process that
 * never has to be on time.
 */
#ifndef MP_LARGE_BLOCK_H
#define MP_LARGE_BLOCK_H

#include <stddef.h>

/*
 * Memory of this block may be given in pages of 2 MB instead of 4 KB, where the block is of
 * some megabytes: then the kernel is asked for each page 500 times less often, which is most of
 * what reading such a file costs on a virtual machine. To be called before it is used first.
 * Where the kernel does not do that nothing changes.
 */
void mp_large_block(void *block, size_t bytes);

/*
 * From now on malloc's heap grows by 16 MB at a time, keeps up to 256 MB that are free, and has
 * all blocks below 8 MB; what it grows by may be given in pages of 2 MB, if mp_large_heap_grown
 * is called. Only for a process in which nothing is to be sent in real time: to make a large
 * page of small ones the kernel may hold up whoever uses them. Not taken back; once a process.
 */
void mp_large_heap(void);

/* malloc or realloc gave a block: has the heap grown for it? Costs next to nothing if not.
 * Called by one thread alone, the one that called mp_large_heap; does nothing before. */
void mp_large_heap_grown(void);

#endif
