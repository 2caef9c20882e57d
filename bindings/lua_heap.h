/*
 * lua_heap.h - memory for Lua's values. Lua says the size of a block when it lets go of it, so
 * small ones need no head and no search: a list of free blocks for each size. What a short
 * command does is for a tenth to ask malloc.
 */
#ifndef MP_LUA_HEAP_H
#define MP_LUA_HEAP_H

#include <stddef.h>

/*
 * A lua_Alloc, for one state of one thread: what it gives must be given back to it. Blocks of
 * up to 512 bytes come out of larger ones, which are kept until the process ends; the rest is
 * malloc's. NULL where there is no memory, never for a block that shrinks. With a sanitizer and
 * under valgrind all is malloc's, so that they see each block.
 */
void *mp_lua_heap(void *context, void *block, size_t old_size, size_t new_size);

#endif
