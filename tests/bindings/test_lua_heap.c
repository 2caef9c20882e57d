/*
 * test_lua_heap.c - random blocks that grow, shrink and go, as Lua asks for them: each keeps
 * what was written into it, none lies in another, and one that shrinks is never refused.
 */
#include "bindings/lua_heap.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <string.h>
#include <sys/resource.h>

enum { BLOCKS = 400, STEPS = 200000, LUA_TTABLE_KIND = 5 };

static struct {
    unsigned char *at;
    size_t size;
    unsigned char mark;
} blocks[BLOCKS];

static bool holds(size_t i, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (blocks[i].at[k] != blocks[i].mark)
            return false;
    return true;
}

/* Mostly small, around the bounds of the sizes, sometimes large. */
static size_t any_size(struct chance *chance)
{
    switch (chance_below(chance, 8)) {
    case 0:
        return 1 + (size_t)chance_below(chance, 5000);
    case 1:
        return 505 + (size_t)chance_below(chance, 16);
    default:
        return 1 + (size_t)chance_below(chance, 200);
    }
}

static void resize(size_t i, size_t size, unsigned char mark)
{
    const size_t was = blocks[i].size;
    unsigned char *at = mp_lua_heap(NULL, blocks[i].at, was == 0 ? LUA_TTABLE_KIND : was, size);
    CHECK((at == NULL) == (size == 0));
    CHECK((uintptr_t)at % 16 == 0);
    blocks[i].at = at;
    blocks[i].size = size;
    CHECK(holds(i, was < size ? was : size));
    blocks[i].mark = mark;
    if (size > 0)
        memset(at, mark, size);
}

static void random_blocks_keep_what_they_hold(struct chance *chance)
{
    for (int step = 0; step < STEPS; step++) {
        const size_t i = (size_t)chance_below(chance, BLOCKS);
        CHECK(holds(i, blocks[i].size));
        const bool goes = blocks[i].at != NULL && chance_below(chance, 3) == 0;
        resize(i, goes ? 0 : any_size(chance), (unsigned char)step);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(holds(i, blocks[i].size));
        resize(i, 0, 0);
    }
}

/* Without memory: NULL where more is asked for, and the block as it is; never where it is less.
 */
static void without_memory_less_is_always_given(void)
{
    static void *kept[100000];
    struct rlimit limit, none;
    if (CHECKED_BUILD || getenv("LD_PRELOAD") != NULL)
        return; // what watches memory needs some
    CHECK_INT(getrlimit(RLIMIT_AS, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    unsigned char *block = mp_lua_heap(NULL, NULL, 0, 600);
    memset(block, 7, 600);
    CHECK_INT(setrlimit(RLIMIT_AS, &none), 0);
    size_t count = 0;
    while (count < 100000 && (kept[count] = mp_lua_heap(NULL, NULL, 0, 400)) != NULL)
        count++;
    CHECK(count < 100000);
    CHECK(mp_lua_heap(NULL, block, 600, 64 << 20) == NULL);
    CHECK(block[0] == 7 && block[599] == 7);
    unsigned char *less = mp_lua_heap(NULL, block, 600, 390);
    CHECK(less != NULL && less[0] == 7 && less[389] == 7);
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
    (void)mp_lua_heap(NULL, less, 390, 0);
    for (size_t i = 0; i < count; i++)
        (void)mp_lua_heap(NULL, kept[i], 400, 0);
}

int main(void)
{
    struct chance chance = {.state = 1};
    random_blocks_keep_what_they_hold(&chance);
    without_memory_less_is_always_given();
    return CHECK_DONE("test_lua_heap");
}
