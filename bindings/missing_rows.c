/* missing_rows.c - the rows of a table of a million that another one has not. */
#include "bindings/cells.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <lauxlib.h>
#include <stdint.h>

enum { NAMES_MAX = 8, NONE = -1 };

/* A table that is read line by line, and where its columns are that make two rows the same. */
struct table {
    const char *next, *end;
    int cells; // that a row has
    int keys;
    int place[NAMES_MAX]; // NONE: no such column
};

/* What a row is of. */
struct key {
    struct cell cells[NAMES_MAX];
    uint64_t hash;
};

/* Rows of one key: the first of them, and how many there are that were not found again. */
struct entry {
    uint64_t hash;
    const char *line, *end; // NULL: nothing is here
    size_t left;
};

/* Open addressing; more than half of it is always free. */
struct set {
    struct entry *entries;
    size_t mask;
};

/* The next line that has an end; false: there is none. */
static bool next_line(struct table *table, const char **line, const char **end)
{
    const char *newline = memchr(table->next, '\n', (size_t)(table->end - table->next));
    if (newline == NULL)
        return false;
    *line = table->next;
    *end = newline;
    table->next = newline + 1;
    return true;
}

/* Read the header: of two columns of one name the first counts. */
static void open_table(lua_State *L, struct table *table, int arg, int names)
{
    size_t length;
    const char *text = luaL_checklstring(L, arg, &length), *line, *end;
    *table =
        (struct table){.next = text, .end = text + length, .keys = (int)lua_rawlen(L, names)};
    for (int i = 0; i < table->keys; i++)
        table->place[i] = NONE;
    if (!next_line(table, &line, &end))
        return;
    for (struct cell cell; mp_next_cell(&line, end, &cell); table->cells++) {
        for (int i = 0; i < table->keys; i++) {
            size_t name_length;
            (void)lua_rawgeti(L, names, i + 1);
            const char *name = lua_tolstring(L, -1, &name_length);
            if (table->place[i] == NONE && name_length == cell.length &&
                memcmp(name, cell.text, cell.length) == 0)
                table->place[i] = table->cells;
            lua_pop(L, 1);
        }
    }
}

/* FNV-1a of the cells and the ends between them; two keys of one hash are compared. */
static uint64_t hash_of(const struct key *key, int keys)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (int i = 0; i < keys; i++) {
        for (size_t k = 0; k < key->cells[i].length; k++)
            hash = (hash ^ (unsigned char)key->cells[i].text[k]) * 0x100000001b3U;
        hash = (hash ^ '\t') * 0x100000001b3U;
    }
    return hash ^ hash >> 32;
}

/* The key of a line; false: it is no row. */
static bool take_key(const struct table *table, const char *line, const char *end,
                     struct key *key)
{
    int count = 0;
    for (int i = 0; i < table->keys; i++)
        key->cells[i] = (struct cell){.text = "", .length = 0};
    for (struct cell cell; mp_next_cell(&line, end, &cell); count++)
        for (int i = 0; i < table->keys; i++)
            if (table->place[i] == count)
                key->cells[i] = cell;
    if (count != table->cells)
        return false;
    key->hash = hash_of(key, table->keys);
    return true;
}

/* Is what is here a row with this key? Those that are here are of the table. */
static bool is_of(const struct entry *entry, const struct table *table, const struct key *key)
{
    struct key own;
    if (entry->hash != key->hash || !take_key(table, entry->line, entry->end, &own))
        return false;
    for (int i = 0; i < table->keys; i++)
        if (own.cells[i].length != key->cells[i].length ||
            memcmp(own.cells[i].text, key->cells[i].text, own.cells[i].length) != 0)
            return false;
    return true;
}

/* Where rows of this key are, or have their place. */
static struct entry *entry_of(const struct set *set, const struct table *table,
                              const struct key *key)
{
    size_t at = (size_t)key->hash & set->mask;
    while (set->entries[at].line != NULL && !is_of(&set->entries[at], table, key))
        at = (at + 1) & set->mask;
    return &set->entries[at];
}

/* A set with room for the rows of the table, on top of the stack. */
static void make_set(lua_State *L, struct set *set, struct table table)
{
    size_t rows = 0, room = 16;
    for (const char *line, *end; next_line(&table, &line, &end);)
        rows++;
    while (room < 2 * rows + 2)
        room *= 2;
    set->entries = lua_newuserdatauv(L, room * sizeof *set->entries, 0);
    set->mask = room - 1;
    memset(set->entries, 0, room * sizeof *set->entries);
}

/*
 * core.missing_rows(from, to, names) -> how many rows of one table another one has not. The
 * columns of these names make two rows the same; of rows that are the same each counts. The
 * first line of each is its header; a row without an end, or with another number of cells, is
 * none.
 */
static int missing_rows(lua_State *L)
{
    struct table from, to;
    struct set set;
    struct key key;
    const char *line, *end;
    lua_Integer missing = 0;
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_argcheck(L, lua_rawlen(L, 3) <= NAMES_MAX, 3, "at most 8 names");
    open_table(L, &from, 1, 3);
    open_table(L, &to, 2, 3);
    make_set(L, &set, from);
    while (next_line(&from, &line, &end)) {
        if (!take_key(&from, line, end, &key))
            continue;
        struct entry *entry = entry_of(&set, &from, &key);
        if (entry->line == NULL)
            *entry = (struct entry){.hash = key.hash, .line = line, .end = end};
        entry->left++;
        missing++;
    }
    while (missing > 0 && next_line(&to, &line, &end)) {
        struct entry *entry =
            take_key(&to, line, end, &key) ? entry_of(&set, &from, &key) : NULL;
        if (entry == NULL || entry->left == 0)
            continue;
        entry->left--;
        missing--;
    }
    lua_pushinteger(L, missing);
    return 1;
}

void mp_open_missing_rows(lua_State *L)
{
    static const luaL_Reg functions[] = {{"missing_rows", missing_rows}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
