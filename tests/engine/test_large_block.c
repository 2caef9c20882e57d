/* Large pages are asked for within a block, never beyond it, and its bytes stay. */
#include "engine/large_block.h"

#include "tests/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MB = 1 << 20 };
static const uintptr_t page = 2 * MB;

/* What the kernel gives large pages for, between two addresses of one mapping. */
static size_t large_between(uintptr_t from, uintptr_t to)
{
    char line[512];
    unsigned long begin = 0, end = 0;
    size_t found = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long first, second;
        if (sscanf(line, "%lx-%lx ", &first, &second) == 2) {
            begin = first;
            end = second;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") != NULL &&
                   begin < to && end > from) {
            CHECK(begin >= from && end <= to);
            found += end - begin;
        }
    }
    (void)fclose(maps);
    return found;
}

static void stays_within(void)
{
    enum { ROOM = 64 * MB };
    char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    const uintptr_t from = (uintptr_t)room;
    static const size_t offsets[] = {0, 1, 4096, 2 * MB - 1, 2 * MB, 3 * MB + 16};
    static const size_t sizes[] = {8 * MB, 8 * MB + 1, 9 * MB - 1, 32 * MB + 4097};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            char *block = room + offsets[i];
            CHECK(madvise(room, ROOM, MADV_NOHUGEPAGE) == 0);
            block[0] = 1;
            block[sizes[k] - 1] = 2;
            mp_large_block(block, sizes[k]);
            CHECK(block[0] == 1 && block[sizes[k] - 1] == 2);
            const size_t found = large_between(from, from + ROOM);
            CHECK(found > sizes[k] - 2 * page && found <= sizes[k]);
            const uintptr_t first = ((uintptr_t)block + page - 1) / page * page;
            CHECK(large_between(first, first + found) == found);
        }
    }
    CHECK(munmap(room, ROOM) == 0);
}

static void leaves_small_ones(void)
{
    char *block = malloc(8 * MB - 1);
    CHECK(block != NULL);
    mp_large_block(block, 8 * MB - 1);
    mp_large_block(NULL, 8 * MB);
    mp_large_block(block, 0);
    CHECK(large_between((uintptr_t)block, (uintptr_t)block + 8 * MB - 1) == 0);
    free(block);
}

/* Of small blocks that are 64 MB together: how many bytes of the heap may have large pages. */
static void the_heap_has_them(void)
{
    enum { COUNT = 65536, SIZE = 1024 - 16 };
    static unsigned char *blocks[COUNT];
    uintptr_t from = (uintptr_t)sbrk(0);
    for (int i = 0; i < COUNT / 16; i++)
        blocks[i] = malloc(SIZE);
    mp_large_heap_grown();
    CHECK(large_between(from, (uintptr_t)sbrk(0)) == 0); // nobody has asked
    for (int i = 0; i < COUNT / 16; i++)
        free(blocks[i]);
    mp_large_heap();
    from = (uintptr_t)sbrk(0);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(blocks[i] != NULL);
        mp_large_heap_grown();
        memset(blocks[i], i & 0xff, SIZE);
    }
    const uintptr_t to = (uintptr_t)sbrk(0);
    if (to > from) // a sanitizer's heap is elsewhere
        CHECK(large_between(from, to) == to - from && to - from >= 64 * MB);
    for (int i = 0; i < COUNT; i++) {
        CHECK(blocks[i][0] == (i & 0xff) && blocks[i][SIZE - 1] == (i & 0xff));
        free(blocks[i]);
    }
}

/* Some kernels have none. */
static bool are_there(void)
{
    char *probe = mmap(NULL, 2 * MB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(probe != MAP_FAILED);
    bool there = madvise(probe, 2 * MB, MADV_HUGEPAGE) == 0;
    CHECK(munmap(probe, 2 * MB) == 0);
    return there;
}

int main(void)
{
    if (are_there()) {
        leaves_small_ones();
        stays_within();
        the_heap_has_them();
    }
    return CHECK_DONE("test_large_block");
}
