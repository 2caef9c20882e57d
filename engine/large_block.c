/* large_block.c - see large_block.h. */
#include "engine/large_block.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GROWS_BY = 16 << 20, KEEPS = 256 << 20, LEAST = 8 << 20 };
static const size_t huge_page = (size_t)2 << 20;
static char *heap_end; // up to which large pages were asked for; NULL: for none

void mp_large_block(void *block, size_t bytes)
{
    if (block == NULL || bytes < LEAST)
        return;
    char *from = (char *)block + (-(uintptr_t)block & (huge_page - 1));
    size_t length = (bytes - (size_t)(from - (char *)block)) & ~(huge_page - 1);
    (void)madvise(from, length, MADV_HUGEPAGE);
}

void mp_large_heap(void)
{
    char *end = sbrk(0);
    if (end == (void *)-1)
        return;
    (void)mallopt(M_TOP_PAD, GROWS_BY);
    (void)mallopt(M_TRIM_THRESHOLD, KEEPS);
    (void)mallopt(M_MMAP_THRESHOLD, LEAST); // else each block of 128 KB would be a mapping
    heap_end = end + (-(uintptr_t)end & ((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
}

void mp_large_heap_grown(void)
{
    if (heap_end == NULL)
        return;
    char *end = sbrk(0); // glibc knows it without asking
    if (end > heap_end)
        (void)madvise(heap_end, (size_t)(end - heap_end), MADV_HUGEPAGE);
    heap_end = end;
}
