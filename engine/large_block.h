/*
 * large_block.h - memory for hundreds of megabytes that are read once: a whole flight record,
 * the texts of a table of a million rows.
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

#endif
