/* large_block.c - see large_block.h. */
#include "engine/large_block.h"

#include <stdint.h>
#include <sys/mman.h>

static const size_t huge_page = (size_t)2 << 20;
static const size_t least = (size_t)8 << 20;

void mp_large_block(void *block, size_t bytes)
{
    if (block == NULL || bytes < least)
        return;
    char *from = (char *)block + (-(uintptr_t)block & (huge_page - 1));
    size_t length = (bytes - (size_t)(from - (char *)block)) & ~(huge_page - 1);
    (void)madvise(from, length, MADV_HUGEPAGE);
}
