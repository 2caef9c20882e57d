/*
 * pack.c - run by the build: compiles the library's modules into one file (bindings/library.h).
 *
 *   pack OUT ROOT FILE...    FILE below ROOT; nothing is written where one does not compile
 *
 * Beside them what others wrote and every command needs (others), where the system has it.
 */
#include "bindings/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const others[] = {"argparse"};
enum { OTHERS = sizeof others / sizeof others[0] };

struct bytes {
    char *data;
    size_t size, room;
};

static void *grown(void *data, size_t size)
{
    void *more = realloc(data, size);
    if (more == NULL) {
        (void)fputs("pack: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return more;
}

static void add(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->size + size > bytes->room) {
        bytes->room = 2 * (bytes->size + size);
        bytes->data = grown(bytes->data, bytes->room);
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static int add_dumped(lua_State *L, const void *data, size_t size, void *bytes)
{
    (void)L;
    add(bytes, data, size);
    return 0;
}

static bool read_file(const char *path, struct bytes *text)
{
    char part[16384];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    while ((got = fread(part, 1, sizeof part, file)) > 0)
        add(text, part, got);
    bool whole = ferror(file) == 0;
    (void)fclose(file);
    return whole;
}

static int fail(const char *path, const char *why)
{
    (void)fprintf(stderr, "pack: %s: %s\n", path, why);
    return EXIT_FAILURE;
}

/* The module's chunk with its source cut out: it is there once, its size before it. */
static bool cut(const struct bytes *code, size_t *before_size, size_t *after)
{
    static const char source[] = MP_LIBRARY_SOURCE;
    unsigned char size[MP_LIBRARY_SIZE_MOST];
    size_t length = sizeof source - 1, before = mp_library_size(length, size);
    const char *at = memmem(code->data, code->size, source, length);
    if (at == NULL || (size_t)(at - code->data) < before ||
        memcmp(at - before, size, before) != 0)
        return false;
    *before_size = (size_t)(at - code->data) - before;
    *after = (size_t)(at - code->data) + length;
    return memmem(code->data + *after, code->size - *after, source, length) == NULL;
}

static uint32_t put(struct bytes *all, const char *data, size_t size)
{
    size_t at = all->size;
    add(all, data, size);
    return (uint32_t)at;
}

static int pack_one(lua_State *L, const char *file, struct mp_library_module *module,
                    struct bytes *all)
{
    struct bytes text = {0}, code = {0};
    size_t before_size, after;
    if (!read_file(file, &text))
        return fail(file, "cannot be read");
    if (luaL_loadbufferx(L, text.data, text.size, MP_LIBRARY_SOURCE, "t") != LUA_OK)
        return fail(file, lua_tostring(L, -1));
    if (lua_dump(L, add_dumped, &code, 0) != 0 || !cut(&code, &before_size, &after))
        return fail(
            file, "this Lua writes compiled chunks in another way than bindings/pack.c knows");
    lua_pop(L, 1);
    module->text = put(all, text.data, text.size);
    module->text_size = (uint32_t)text.size;
    module->before = put(all, code.data, before_size);
    module->before_size = (uint32_t)before_size;
    module->after = put(all, code.data + after, code.size - after);
    module->after_size = (uint32_t)(code.size - after);
    free(text.data);
    free(code.data);
    return EXIT_SUCCESS;
}

/* Where require finds a module; NULL: nowhere. The path is on the stack. */
static const char *find_other(lua_State *L, const char *name)
{
    (void)lua_getglobal(L, LUA_LOADLIBNAME);
    (void)lua_getfield(L, -1, "searchpath");
    (void)lua_pushstring(L, name);
    (void)lua_getfield(L, -3, "path");
    return lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_tostring(L, -1) : NULL;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct mp_library_module *)a)->path,
                  ((const struct mp_library_module *)b)->path);
}

static int pack_all(lua_State *L, const char *root, char **files, size_t count,
                    struct bytes *all)
{
    struct mp_library_head head = {0};
    if (strlen(lua_ident) >= sizeof head.lua)
        return fail("lua_ident", "too long");
    strcpy(head.lua, lua_ident);
    const size_t room = count + OTHERS, modules_at = sizeof head;
    struct mp_library_module *modules = grown(NULL, room * sizeof *modules);
    memset(modules, 0, room * sizeof *modules);
    add(all, &head, sizeof head);
    add(all, modules, room * sizeof *modules);
    int status = EXIT_SUCCESS;
    for (size_t i = 0; i < count && status == EXIT_SUCCESS; i++) {
        size_t root_size = strlen(root);
        if (strncmp(files[i], root, root_size) != 0 || files[i][root_size] != '/' ||
            strlen(files[i] + root_size + 1) >= sizeof modules[i].path)
            status = fail(files[i], "not below the root, or its path is too long");
        else
            strcpy(modules[i].path, files[i] + root_size + 1);
        if (status == EXIT_SUCCESS)
            status = pack_one(L, files[i], &modules[i], all);
    }
    for (size_t i = 0; i < OTHERS && status == EXIT_SUCCESS; i++) {
        const char *file = find_other(L, others[i]);
        if (file == NULL)
            continue;
        (void)snprintf(modules[count].path, sizeof modules[count].path, "%s.lua", others[i]);
        status = pack_one(L, file, &modules[count++], all);
    }
    qsort(modules, count, sizeof *modules, by_path);
    head.count = (uint32_t)count;
    memcpy(all->data, &head, sizeof head);
    memcpy(all->data + modules_at, modules, count * sizeof *modules);
    free(modules);
    return status;
}

int main(int argc, char **argv)
{
    struct bytes all = {0};
    if (argc < 4)
        return fail("usage", "pack OUT ROOT FILE...");
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return fail(argv[1], "out of memory");
    luaL_openlibs(L);
    int status = pack_all(L, argv[2], argv + 3, (size_t)argc - 3, &all);
    FILE *file = status == EXIT_SUCCESS ? fopen(argv[1], "wb") : NULL;
    if (status == EXIT_SUCCESS &&
        (file == NULL || fwrite(all.data, 1, all.size, file) != all.size))
        status = fail(argv[1], "cannot be written");
    if (file != NULL && fclose(file) != 0)
        status = fail(argv[1], "cannot be written");
    lua_close(L);
    free(all.data);
    return status;
}
