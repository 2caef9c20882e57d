/*
 * library.h - the library's modules, compiled when the program was built and packed into it.
 *
 * To load a module is mostly to compile it, and a run loads a hundred. So the program carries
 * each module's text and what it was compiled to. A module is still looked for, and its file
 * still read: only where the file is, byte for byte, the text that was compiled, the compiled
 * one is taken. So it can never be stale; a changed file is compiled as ever. Nothing is
 * stripped: messages and tracebacks have the file, as it lies now, and the line.
 *
 * Among them is what others wrote and every command loads (argparse): as the system had it when
 * the program was built, and taken only where the system has the same now.
 *
 * bindings/pack.c writes, bindings/library.c reads: a head, its modules by path, then bytes.
 */
#ifndef MP_LIBRARY_H
#define MP_LIBRARY_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* What a module was compiled as; its real path takes the place of this one. The length of it
 * fits one byte, which stands before it: see mp_library_size. */
#define MP_LIBRARY_SOURCE "@/the/path/of/a/module/of/moonpulse.lua"

enum { MP_LIBRARY_PATH = 96, MP_LIBRARY_IDENT = 256 };

struct mp_library_head {
    char lua[MP_LIBRARY_IDENT]; // lua_ident of the Lua that compiled: another one may differ
    uint32_t count;
    uint32_t reserved;
};

/* Places are bytes from the head's beginning. */
struct mp_library_module {
    char path[MP_LIBRARY_PATH]; // "moonpulse/cli/init.lua", "argparse.lua"
    uint32_t text, text_size;
    uint32_t before, before_size; // of the compiled chunk: up to the size of its source
    uint32_t after, after_size;   // and what follows its source
};

enum { MP_LIBRARY_SIZE_MOST = 10 };

/* A string's size as a compiled chunk has it, which is one more than its length; returns how
 * many bytes that are. */
size_t mp_library_size(size_t length, unsigned char bytes[MP_LIBRARY_SIZE_MOST]);

/*
 * From now on require takes modules of the library, whose files lie in root, from packed, and
 * those of others, which package.path finds now; packed must outlive L. Does nothing where
 * packed was made by another Lua. Raises when out of memory.
 */
void mp_library_use(lua_State *L, const char *root, const void *packed);

#endif
