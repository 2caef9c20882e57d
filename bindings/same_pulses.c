/* same_pulses.c - the pulses of two tables of a million rows, held against each other as they
 * are read: neither is ever in memory as a whole. */
#include "bindings/cells.h"
#include "bindings/modules.h"
#include "bindings/raise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COLUMNS_MAX = 64, ROOM = 65536, DIGITS_MAX = 15 };

/* A file, line by line. What no run writes ends it as bad: who asks then looks closer. */
struct lines {
    int fd;
    bool bad; // a line without an end or longer than there is room for, a carriage return
    size_t at, filled;
    char room[ROOM];
};

/* What the columns of both are. */
struct columns {
    int count, event, number;
    bool compared[COLUMNS_MAX];
};

struct row {
    struct cell cells[COLUMNS_MAX];
    uint64_t number;
};

/* What is no regular file is not waited for. */
static bool begin(struct lines *lines, const char *path)
{
    struct stat found;
    lines->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    lines->bad = false;
    lines->at = lines->filled = 0;
    return lines->fd >= 0 && fstat(lines->fd, &found) == 0 && S_ISREG(found.st_mode);
}

static void end(struct lines *lines)
{
    if (lines->fd >= 0)
        (void)close(lines->fd);
}

/* More bytes behind those that are left; false: there are none, or no room for them. */
static bool fill(struct lines *lines)
{
    ssize_t got;
    lines->filled -= lines->at;
    memmove(lines->room, lines->room + lines->at, lines->filled);
    lines->at = 0;
    do
        got = read(lines->fd, lines->room + lines->filled, ROOM - lines->filled);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        lines->bad = lines->bad || got < 0 || lines->filled > 0;
        return false;
    }
    lines->bad = lines->bad || memchr(lines->room + lines->filled, '\r', (size_t)got) != NULL;
    lines->filled += (size_t)got;
    return !lines->bad;
}

/* The next line, without its end; it lives until the one after it. */
static bool next_line(struct lines *lines, struct cell *line)
{
    const char *newline = NULL;
    size_t seen = 0;
    do {
        const char *from = lines->room + lines->at;
        newline = memchr(from + seen, '\n', lines->filled - lines->at - seen);
        seen = lines->filled - lines->at;
        *line = (struct cell){from, newline == NULL ? 0 : (size_t)(newline - from)};
    } while (newline == NULL && fill(lines));
    if (newline == NULL)
        return false;
    lines->at += line->length + 1;
    return true;
}

/* A number as a run writes it: no sign, no zero before it. */
static bool read_number(const struct cell *cell, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < cell->length && i < DIGITS_MAX; i++) {
        if (cell->text[i] < '0' || cell->text[i] > '9')
            return false;
        *number = 10 * *number + (uint64_t)(cell->text[i] - '0');
    }
    return cell->length >= 1 && cell->length <= DIGITS_MAX && cell->text[0] != '0';
}

static bool is_text(const struct cell *cell, const char *text, size_t length)
{
    return cell->length == length && memcmp(cell->text, text, length) == 0;
}

/* The next row of a pulse; other rows are passed over. False: there is none, or lines->bad. */
static bool next_pulse(struct lines *lines, const struct columns *columns, struct row *row)
{
    struct cell line;
    while (next_line(lines, &line)) {
        const char *at = line.text, *to = line.text + line.length;
        int count = 0;
        while (count < columns->count && mp_next_cell(&at, to, &row->cells[count]))
            count++;
        bool whole = count == columns->count && at == NULL;
        bool pulse = whole && is_text(&row->cells[columns->event], "pulse", 5);
        if (!whole || (pulse && !read_number(&row->cells[columns->number], &row->number)))
            lines->bad = true;
        if (!whole || pulse)
            return !lines->bad;
    }
    return false;
}

static bool is_same_row(const struct columns *columns, const struct row *a, const struct row *b)
{
    for (int i = 0; i < columns->count; i++)
        if (columns->compared[i] &&
            !is_text(&a->cells[i], b->cells[i].text, b->cells[i].length))
            return false;
    return a->number == b->number;
}

/* Both at their beginning. */
static bool is_same(struct lines files[2], const struct columns *columns,
                    const struct cell *header)
{
    struct row rows[2] = {0};
    struct cell line;
    for (int i = 0; i < 2; i++)
        if (!next_line(&files[i], &line) || !is_text(&line, header->text, header->length))
            return false;
    for (uint64_t before = 0;; before = rows[0].number) {
        bool more = next_pulse(&files[0], columns, &rows[0]);
        if (next_pulse(&files[1], columns, &rows[1]) != more || files[0].bad || files[1].bad)
            return false;
        if (!more)
            return true;
        if (rows[0].number <= before || !is_same_row(columns, &rows[0], &rows[1]))
            return false;
    }
}

/* What the list at 4 says. */
static struct columns check_columns(lua_State *L)
{
    static const char *const kinds[] = {"other", "same", "event", "number", NULL};
    struct columns columns = {.event = -1, .number = -1};
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 4);
    luaL_argcheck(L, count >= 1 && count <= COLUMNS_MAX, 4, "1 to 64 columns are needed");
    columns.count = (int)count;
    for (int i = 0; i < columns.count; i++) {
        (void)lua_geti(L, 4, i + 1);
        int kind = luaL_checkoption(L, -1, NULL, kinds);
        lua_pop(L, 1);
        columns.compared[i] = kind == 1;
        columns.event = kind == 2 ? i : columns.event;
        columns.number = kind == 3 ? i : columns.number;
    }
    luaL_argcheck(L, columns.event >= 0 && columns.number >= 0, 4,
                  "the columns of the event and of the number are needed");
    return columns;
}

/*
 * core.same_pulses(path, other, header, columns) -> do two tables, whose first line is header,
 * have the same pulses, in the ascending order of their numbers? columns[i]: "event", "number"
 * (of the pulse), "same" (what must be the same, byte for byte) or "other". False also where
 * one of them is no regular file, or has anything in it that no run writes: it may still have
 * the same pulses then.
 */
static int same_pulses(lua_State *L)
{
    struct cell header;
    const char *path = luaL_checkstring(L, 1), *other = luaL_checkstring(L, 2);
    header.text = luaL_checklstring(L, 3, &header.length);
    const struct columns columns = check_columns(L);
    struct lines *files = lua_newuserdatauv(L, 2 * sizeof *files, 0);
    const bool begun[2] = {begin(&files[0], path), begin(&files[1], other)};
    bool same = begun[0] && begun[1] && is_same(files, &columns, &header);
    end(&files[0]);
    end(&files[1]);
    lua_pushboolean(L, same);
    return 1;
}

void mp_open_same_pulses(lua_State *L)
{
    static const luaL_Reg functions[] = {{"same_pulses", same_pulses}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
