#include "bindings/lua_heap.h"

#include "engine/large_block.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 16, SMALL = 512, SIZES = SMALL / GRAIN + 1, CHUNK = 64 * 1024 };

struct free_block {
    struct free_block *next;
};

static struct free_block *kept[SIZES]; // by size in grains
static char *chunk;                    // what is left of the last one
static size_t chunk_left;

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static bool is_watched(void)
{
    return true;
}
#else
static bool is_watched(void)
{
    static int is = -1;
    if (is < 0) {
        const char *preloaded = getenv("LD_PRELOAD");
        is = preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
    }
    return is != 0;
}
#endif

static size_t grains_of(size_t size)
{
    return (size + GRAIN - 1) / GRAIN;
}

static void keep(void *block, size_t grains)
{
    struct free_block *head = block;
    head->next = kept[grains];
    kept[grains] = head;
}

static void *from_malloc(void *block, size_t size)
{
    void *result = realloc(block, size);
    mp_large_block(result, size);
    mp_large_heap_grown();
    return result;
}

static void *take(size_t grains)
{
    struct free_block *first = kept[grains];
    if (first != NULL) {
        kept[grains] = first->next;
        return first;
    }
    if (chunk_left < grains * GRAIN) {
        char *more = from_malloc(NULL, CHUNK);
        if (more == NULL)
            return NULL;
        if (chunk_left > 0)
            keep(chunk, chunk_left / GRAIN);
        chunk = more;
        chunk_left = CHUNK;
    }
    char *block = chunk;
    chunk += grains * GRAIN;
    chunk_left -= grains * GRAIN;
    return block;
}

static void let_go(void *block, size_t size)
{
    if (size > SMALL)
        free(block);
    else if (block != NULL)
        keep(block, grains_of(size));
}

/* One of both is small, and they are not of one size. */
static void *moved(void *block, size_t old_size, size_t new_size)
{
    void *result = new_size > SMALL ? from_malloc(NULL, new_size) : take(grains_of(new_size));
    if (result == NULL) // Lua counts on it where it needs less; then a small one is too large
        return block != NULL && new_size <= old_size ? block : NULL;
    if (block != NULL) {
        memcpy(result, block, old_size < new_size ? old_size : new_size);
        let_go(block, old_size);
    }
    return result;
}

void *mp_lua_heap(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (block == NULL)
        old_size = 0; // what Lua says there is the kind of what it makes
    if (is_watched()) {
        if (new_size != 0)
            return from_malloc(block, new_size);
        free(block);
        return NULL;
    }
    if (new_size == 0) {
        let_go(block, old_size);
        return NULL;
    }
    if (block != NULL && old_size > SMALL && new_size > SMALL)
        return from_malloc(block, new_size);
    if (block != NULL && old_size <= SMALL && grains_of(old_size) == grains_of(new_size))
        return block;
    return moved(block, old_size, new_size);
}
