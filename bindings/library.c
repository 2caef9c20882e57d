#include "bindings/library.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t mp_library_size(size_t length, unsigned char bytes[MP_LIBRARY_SIZE_MOST])
{
    unsigned char last_first[MP_LIBRARY_SIZE_MOST];
    size_t count = 0;
    for (size_t left = length + 1; left != 0; left >>= 7)
        last_first[count++] = (unsigned char)(left & 0x7f);
    for (size_t i = 0; i < count; i++)
        bytes[i] = last_first[count - 1 - i];
    bytes[count - 1] |= 0x80;
    return count;
}

static int by_path(const void *path, const void *module)
{
    return strcmp(path, ((const struct mp_library_module *)module)->path);
}

static const struct mp_library_module *find(const struct mp_library_head *head,
                                            const char *path)
{
    return bsearch(path, head + 1, head->count, sizeof(struct mp_library_module), by_path);
}

/* Is the file at path, byte for byte, this text? */
static bool has_text(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat_of;
    bool same = fd >= 0 && fstat(fd, &stat_of) == 0 && S_ISREG(stat_of.st_mode) &&
                stat_of.st_size == (off_t)size;
    char part[16384];
    size_t at = 0;
    while (same && at < size) {
        ssize_t got = read(fd, part, sizeof part);
        same = got > 0 && (size_t)got <= size - at && memcmp(part, text + at, (size_t)got) == 0;
        at += same ? (size_t)got : 0;
    }
    if (fd >= 0)
        (void)close(fd);
    return same;
}

/* A compiled chunk in four parts: before its source, the source's size, the source, the rest.
 */
struct reading {
    const char *part[4];
    size_t size[4];
    size_t next;
};

static const char *read_part(lua_State *L, void *data, size_t *size)
{
    struct reading *reading = data;
    (void)L;
    if (reading->next == 4) {
        *size = 0;
        return NULL;
    }
    *size = reading->size[reading->next];
    return reading->part[reading->next++];
}

static int load_compiled(lua_State *L, const char *packed,
                         const struct mp_library_module *module, const char *source)
{
    unsigned char size[MP_LIBRARY_SIZE_MOST];
    struct reading reading = {
        .part = {packed + module->before, (const char *)size, source, packed + module->after},
        .size = {module->before_size, mp_library_size(strlen(source), size), strlen(source),
                 module->after_size},
    };
    return lua_load(L, read_part, &reading, source, "b");
}

/* Finds the file of a module of the library, which is below root: pushes its path. Nothing is
 * pushed where what require would find there is not among the compiled. */
static const struct mp_library_module *
find_own(lua_State *L, const char *root, const struct mp_library_head *head, const char *name)
{
    const char *inside = luaL_gsub(L, name, ".", "/");
    const char *path = lua_pushfstring(L, "%s/%s.lua", root, inside);
    const struct mp_library_module *module = find(head, path + strlen(root) + 1);
    if (module == NULL && access(path, R_OK) != 0) {
        path = lua_pushfstring(L, "%s/%s/init.lua", root, inside);
        module = find(head, path + strlen(root) + 1);
    }
    return module;
}

/* The same of a module of others that every command needs, where the system has it. */
static const struct mp_library_module *
find_other(lua_State *L, const struct mp_library_head *head, const char *name)
{
    const struct mp_library_module *module = find(head, lua_pushfstring(L, "%s.lua", name));
    if (module == NULL || strchr(name, '.') != NULL)
        return NULL;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushstring(L, name);
    lua_pushvalue(L, lua_upvalueindex(4));
    lua_call(L, 2, 1);
    return lua_tostring(L, -1) == NULL ? NULL : module;
}

/* A searcher: (name) -> loader, path; nothing where the module is not among the compiled, or
 * its file is another: then the next searcher finds and compiles it. Looks in root alone, and
 * where package.path led at the start, whatever became of it since: a file of the user's may
 * have set it, and what an end needs is loaded late. Upvalues: package.searchpath, root,
 * packed, package.path.
 */
static int search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *root = lua_tostring(L, lua_upvalueindex(2));
    const char *packed = lua_touserdata(L, lua_upvalueindex(3));
    const struct mp_library_head *head = (const void *)packed;
    const struct mp_library_module *module =
        strncmp(name, "moonpulse", strlen("moonpulse")) == 0 ? find_own(L, root, head, name)
                                                             : find_other(L, head, name);
    const char *path = lua_tostring(L, -1);
    if (module == NULL || !has_text(path, packed + module->text, module->text_size))
        return 0;
    const int at = lua_gettop(L);
    const char *source = lua_pushfstring(L, "@%s", path);
    if (load_compiled(L, packed, module, source) != LUA_OK)
        return 0;
    lua_pushvalue(L, at);
    return 2;
}

void mp_library_use(lua_State *L, const char *root, const void *packed)
{
    const struct mp_library_head *head = packed;
    if (strncmp(head->lua, lua_ident, sizeof head->lua) != 0)
        return;
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = luaL_len(L, -1); i >= 2;
         i--) { // the first one finds what is preloaded
        lua_geti(L, -1, i);
        lua_seti(L, -2, i + 1);
    }
    lua_getfield(L, -2, "searchpath");
    lua_pushstring(L, root);
    lua_pushlightuserdata(L, (void *)(uintptr_t)packed);
    lua_getfield(L, -5, "path");
    lua_pushcclosure(L, search, 4);
    lua_seti(L, -2, 2);
    lua_pop(L, 2);
}
