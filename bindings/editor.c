/*
 * editor.c - a line that is typed at a terminal and edited there, by libedit. It is given keys
 * as they come, and only whole ones (key_queue.h): it never waits, and the loop goes on.
 */
#include "bindings/key_queue.h"
#include "bindings/letters.h"
#include "bindings/line_room.h"
#include "bindings/modules.h"
#include "bindings/name_list.h"
#include "bindings/owned.h"
#include "bindings/raise.h"
#include "bindings/terminal.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EDITOR "moonpulse.editor"

enum { REMEMBERED = 1000, END_OF_INPUT = 4, QUOTE = 'v' & 31 };

struct editor {
    struct mp_owned owned;
    EditLine *edit;
    History *history;
    uv_poll_t *poll; // while a line is read
    int on_line;     // registry reference
    char *prompt, *line;
    bool at_end; // instead of a line
    struct mp_name_list names;
    struct mp_key_queue keys;
    struct mp_line_room room;
    wchar_t killed[MP_LINE_LETTERS + 1]; // what Ctrl-Y has
};

static struct editor *editor_of(EditLine *edit)
{
    void *editor = NULL;
    (void)el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

static char *give_prompt(EditLine *edit)
{
    return editor_of(edit)->prompt;
}

static int give_letter(EditLine *edit, wchar_t *letter)
{
    return mp_key_letter(&editor_of(edit)->keys, letter);
}

/* Is there room for so much more than is there? */
static bool has_room(const struct editor *editor, struct mp_line_room more)
{
    const LineInfoW *line = el_wline(editor->edit);
    size_t there = (size_t)(line->lastchar - line->buffer);
    more.letters += there;
    more.columns += mp_line_columns(line->buffer, there);
    return mp_line_fits(editor->room, more);
}

static bool has_room_for(const struct editor *editor, const wchar_t *letters, size_t count)
{
    return has_room(editor, (struct mp_line_room){count, mp_line_columns(letters, count)});
}

/* Would this key make the line longer than there is room for? */
static bool goes_beyond(const struct editor *editor, const wchar_t *key, size_t count)
{
    if (count == 2 && key[0] == QUOTE)
        return !has_room_for(editor, key + 1, 1);
    return count == 1 && key[0] >= L' ' && key[0] != 0x7F && !has_room_for(editor, key, 1);
}

/* Does this key take text away that Ctrl-Y brings back? */
static bool is_kill(const wchar_t *key, size_t count)
{
    static const wchar_t *const kills[] = {L"\v",    L"\x15",   L"\x17",    L"\033d",
                                           L"\033D", L"\033\b", L"\033\x7f"};
    for (size_t i = 0; i < sizeof kills / sizeof kills[0]; i++)
        if (wcslen(kills[i]) == count && wmemcmp(kills[i], key, count) == 0)
            return true;
    return false;
}

/* What was taken away: it began where the cursor is now. */
static void keep_killed(struct editor *editor, const wchar_t *before, size_t count)
{
    const LineInfoW *line = el_wline(editor->edit);
    size_t now = (size_t)(line->lastchar - line->buffer);
    size_t at = (size_t)(line->cursor - line->buffer);
    if (now >= count || at > now)
        return;
    (void)wmemcpy(editor->killed, before + at, count - now);
    editor->killed[count - now] = L'\0';
}

/* Ctrl-Y. */
static unsigned char yank(EditLine *edit, wint_t key)
{
    const struct editor *editor = editor_of(edit);
    size_t count = wcslen(editor->killed);
    (void)key;
    if (count == 0 || !has_room_for(editor, editor->killed, count))
        return CC_ERROR;
    return el_winsertstr(edit, editor->killed) == 0 ? CC_REFRESH : CC_ERROR;
}

/* The lines of before that the screen has room for. */
static int recall(void *reference, HistEvent *event, int operation, ...)
{
    const struct editor *editor = reference;
    bool forth = operation == H_PREV || operation == H_LAST;
    if (!forth && operation != H_NEXT && operation != H_FIRST)
        return -1;
    int found = history(editor->history, event, operation);
    while (found >= 0 && !mp_line_fits(editor->room, mp_line_need(event->str)))
        found = history(editor->history, event, forth ? H_PREV : H_NEXT);
    return found;
}

/* Tab: the rest of the name before the cursor, as far as it is certain; else the names that
 * there are. */
static unsigned char complete(EditLine *edit, wint_t key)
{
    const struct mp_name_list *names = &editor_of(edit)->names;
    const LineInfo *info = el_line(edit);
    const char *word = mp_word_before(info->buffer, info->cursor);
    size_t typed = (size_t)(info->cursor - word);
    char rest[128];
    (void)key;
    size_t found = mp_names_rest(names, word, typed, rest, sizeof rest);
    if (rest[0] != '\0' && !has_room(editor_of(edit), mp_line_need(rest)))
        return CC_ERROR;
    if (rest[0] != '\0')
        return el_insertstr(edit, rest) == 0 ? CC_REFRESH : CC_ERROR;
    if (found < 2 || typed == 0)
        return CC_ERROR;
    (void)fputc('\n', stdout);
    mp_names_print(names, word, typed, stdout);
    return CC_REDISPLAY;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* Nothing is read any more; the terminal gives single keys, as between all lines. */
static void stop_reading(struct editor *editor)
{
    if (editor->poll == NULL)
        return;
    uv_close((uv_handle_t *)editor->poll, free_handle);
    editor->poll = NULL;
    locale_t before = mp_letters_begin();
    (void)el_set(editor->edit, EL_UNBUFFERED, 0);
    (void)uselocale(before);
}

/* A key is given to libedit, if it leaves the line as long as it may be; false: nothing came
 * of it. */
static bool give_key(struct editor *editor)
{
    wchar_t key[3], before[MP_LINE_LETTERS];
    int count = 0; // of no use, as what el_gets returns: neither surely ends with the line
    size_t letters = mp_key_peek(&editor->keys, key, 3);
    if (goes_beyond(editor, key, letters)) {
        el_beep(editor->edit);
        return false;
    }
    const LineInfoW *info = el_wline(editor->edit);
    size_t there = (size_t)(info->lastchar - info->buffer);
    bool kills = is_kill(key, letters) && there <= MP_LINE_LETTERS;
    if (kills)
        (void)wmemcpy(before, info->buffer, there);
    bool given = el_gets(editor->edit, &count) != NULL;
    if (kills)
        keep_killed(editor, before, there);
    return given;
}

/* A key is obeyed; true if the line is over. */
static bool obey_key(struct editor *editor)
{
    bool given = give_key(editor);
    mp_key_end(&editor->keys);
    const LineInfoW *line = el_wline(editor->edit);
    size_t length = (size_t)(line->lastchar - line->buffer);
    if (!given || length == 0)
        return false;
    editor->at_end = length == 1 && line->buffer[0] == END_OF_INPUT;
    if (editor->at_end)
        return true;
    if (line->lastchar[-1] != L'\n' && line->lastchar[-1] != L'\r')
        return false;
    editor->line = mp_letters_text(line->buffer, length - 1);
    editor->at_end = editor->line == NULL; // no memory
    return true;
}

/* All keys that are there, as far as the line goes; true if it is over: nothing is read then.
 */
static bool obey_keys(struct editor *editor)
{
    bool over = false;
    locale_t before = mp_letters_begin();
    while (!over && mp_key_begin(&editor->keys))
        over = obey_key(editor);
    (void)uselocale(before);
    if (over)
        stop_reading(editor);
    return over;
}

static int push_line(lua_State *L)
{
    struct editor *editor = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, editor->on_line);
    if (editor->at_end)
        lua_pushboolean(L, false);
    else
        lua_pushstring(L, editor->line);
    return 2;
}

static int tell_line(lua_State *L)
{
    (void)push_line(L);
    lua_call(L, 1, 0);
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct editor *editor = poll->data;
    size_t room;
    (void)events;
    char *bytes = mp_key_room(&editor->keys, &room);
    ssize_t got = status < 0 ? 0 : mp_terminal_read(bytes, room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        mp_key_came(&editor->keys, (size_t)got);
        if (!obey_keys(editor))
            return;
    } else { // the terminal is gone
        editor->at_end = true;
        stop_reading(editor);
    }
    (void)mp_host_enter(editor->owned.host, tell_line, editor);
}

static void close_editor(struct mp_owned *owned)
{
    struct editor *editor = (struct editor *)owned;
    stop_reading(editor);
    (void)mp_terminal_keep(); // if it was lent
    if (editor->edit != NULL)
        el_end(editor->edit); // it sets the modes that it found when it began
    mp_terminal_restore();
    if (editor->history != NULL)
        history_end(editor->history);
    mp_names_free(&editor->names);
    mp_key_free(&editor->keys);
    free(editor->prompt);
    free(editor->line);
    free(editor);
}

/* Keys as terminals send them; nothing that reads further keys by itself, and nothing that
 * makes a line longer but a letter, Ctrl-V, Ctrl-Y and Tab. */
static void bind_keys(EditLine *edit)
{
    static const char *const keys[][2] = {
        {"^I", "moonpulse-complete"},      {"^Y", "moonpulse-yank"},
        {"\\e^_", "ed-unassigned"},        {"\\ew", "ed-unassigned"},
        {"\\eW", "ed-unassigned"},         {"^R", "ed-search-prev-history"},
        {"^S", "ed-search-next-history"},  {"^W", "ed-delete-prev-word"},
        {"\\e[3~", "ed-delete-next-char"}, {"\\e[1~", "ed-move-to-beg"},
        {"\\e[4~", "ed-move-to-end"},      {"\\e[H", "ed-move-to-beg"},
        {"\\e[F", "ed-move-to-end"},       {"\\e[1;5C", "em-next-word"},
        {"\\e[1;5D", "ed-prev-word"},      {"\\ex", "ed-unassigned"},
        {"\\eX", "ed-unassigned"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        (void)el_set(edit, EL_BIND, keys[i][0], keys[i][1], NULL);
    for (char digit = '0'; digit <= '9'; digit++) // how often the next key counts
        (void)el_set(edit, EL_BIND, (char[]){'\\', 'e', digit, '\0'}, "ed-unassigned", NULL);
    for (wchar_t meta = 0x80; meta < 0xA0; meta++) // control letters, not keys with Meta
        (void)el_wset(edit, EL_BIND, (wchar_t[]){meta, L'\0'}, L"ed-unassigned", NULL);
}

/* Both ends are there; false: no memory, or the terminal's kind is not known. */
static bool open_editor(struct editor *editor)
{
    HistEvent event;
    editor->edit = el_init("moonpulse", stdin, stdout, stderr);
    editor->history = history_init();
    if (editor->edit == NULL || editor->history == NULL)
        return false;
    (void)history(editor->history, &event, H_SETSIZE, REMEMBERED);
    (void)history(editor->history, &event, H_SETUNIQUE, 1);
    (void)el_set(editor->edit, EL_CLIENTDATA, editor);
    (void)el_set(editor->edit, EL_SIGNAL, 0);
    (void)el_set(editor->edit, EL_EDITOR, "emacs");
    (void)el_set(editor->edit, EL_PROMPT, give_prompt);
    (void)el_set(editor->edit, EL_GETCFN, give_letter);
    (void)el_set(editor->edit, EL_HIST, recall, editor);
    // as wide letters, for el_set never frees its copies of them
    (void)el_wset(editor->edit, EL_ADDFN, L"moonpulse-complete", L"the rest of a name",
                  complete);
    (void)el_wset(editor->edit, EL_ADDFN, L"moonpulse-yank", L"what was taken away", yank);
    bind_keys(editor->edit);
    // "x" is how the terminal is between lines: as mp_terminal_keys makes it
    return el_set(editor->edit, EL_SETTY, "-x", "-icanon", "-echo", NULL) == 0;
}

/*
 * core.editor(on_line(line | false at the end)) -> editor | nil, message, code: lines of the
 * terminal that is standard input, edited on the one that is standard output. Until it is
 * closed the terminal gives single keys without echo also between lines: what is typed then
 * comes as it was typed, to core.input or to the next line.
 */
static int editor_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    struct editor *editor = mp_own(L, EDITOR, sizeof *editor, 0, close_editor);
    lua_pushvalue(L, 1);
    editor->on_line = LUA_NOREF;
    editor->on_line = luaL_ref(L, LUA_REGISTRYINDEX);
    (void)fflush(stdout);
    locale_t before = mp_letters_begin();
    (void)mp_terminal_keep();
    bool opened = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && open_editor(editor);
    (void)uselocale(before);
    if (!opened) {
        struct mp_error err = {0};
        mp_owned_close(L, 2, EDITOR); // the terminal is as it was
        mp_fail(&err, MP_EIO, "cannot edit lines on this terminal");
        return mp_push_failure(L, &err);
    }
    return 1;
}

static struct editor *check_editor(lua_State *L)
{
    struct editor *editor = mp_owned_at(L, 1, EDITOR);
    if (editor == NULL)
        luaL_error(L, "attempt to use a closed editor");
    return editor;
}

/* What the screen has room for; of a prompt that takes more than half of it, or several rows,
 * only the last of them is libedit's. */
static void fit_prompt(struct editor *editor)
{
    int columns = 80, rows = 24;
    (void)el_get(editor->edit, EL_GETTC, "co", &columns);
    (void)el_get(editor->edit, EL_GETTC, "li", &rows);
    size_t width = columns > 2 ? (size_t)columns : 2, height = rows > 1 ? (size_t)rows : 1;
    char *last = strrchr(editor->prompt, '\n');
    last = last == NULL ? editor->prompt : last + 1;
    bool long_one = mp_line_need(last).columns > width * height / 2;
    (void)fwrite(editor->prompt, 1, (size_t)(last - editor->prompt), stdout);
    if (long_one)
        (void)puts(last);
    (void)fflush(stdout);
    memmove(editor->prompt, long_one ? "" : last, long_one ? 1 : strlen(last) + 1);
    editor->room = mp_line_room(width, height, mp_line_need(editor->prompt).columns);
}

static void start_reading(lua_State *L, struct editor *editor)
{
    uv_poll_t *poll = malloc(sizeof *poll);
    int failed =
        poll == NULL ? UV_ENOMEM : uv_poll_init(&editor->owned.host->loop, poll, STDIN_FILENO);
    if (failed != 0) {
        free(poll);
        luaL_error(L, "cannot watch the terminal: %s", uv_strerror(failed));
        return;
    }
    editor->poll = poll;
    poll->data = editor;
    (void)uv_poll_start(poll, UV_READABLE, on_readable);
    (void)fflush(stdout);
    locale_t before = mp_letters_begin();
    el_resize(editor->edit);
    fit_prompt(editor);
    (void)el_set(editor->edit, EL_UNBUFFERED, 1); // the prompt is shown
    (void)uselocale(before);
}

/*
 * editor:read(prompt, names) -> line | false | nil: read a line, with names that are completed.
 * nil: on_line is told; else what was typed before had a line already, or said that there is no
 * more
 */
static int editor_read(lua_State *L)
{
    struct editor *editor = check_editor(L);
    const char *prompt = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    if (editor->poll != NULL)
        return luaL_error(L, "a line is read already");
    free(editor->prompt);
    free(editor->line);
    editor->line = NULL;
    editor->prompt = strdup(prompt);
    if (editor->prompt == NULL || !mp_names_take(L, 3, &editor->names))
        return luaL_error(L, "not enough memory");
    start_reading(L, editor);
    if (!obey_keys(editor))
        return 0;
    lua_pushlightuserdata(L, editor);
    lua_replace(L, 1);
    (void)push_line(L);
    return 1;
}

/* editor:typed(bytes): these came while no line was read: the next ones are read from them */
static int editor_typed(lua_State *L)
{
    size_t count;
    const char *bytes = luaL_checklstring(L, 2, &count);
    if (!mp_key_ahead(&check_editor(L)->keys, bytes, count))
        return luaL_error(L, "not enough memory");
    return 0;
}

/* editor:remember(line): the arrow keys find it from now on, before those that were
 * there; not one that no line has room for */
static int editor_remember(lua_State *L)
{
    const struct editor *editor = check_editor(L);
    const char *line = luaL_checkstring(L, 2);
    HistEvent event;
    locale_t before = mp_letters_begin();
    if (mp_line_need(line).letters <= MP_LINE_LETTERS)
        (void)history(editor->history, &event, H_ENTER, line);
    (void)uselocale(before);
    return 0;
}

/* editor:lend(lent): the terminal is as it was before the editor; or it is the editor's again
 */
static int editor_lend(lua_State *L)
{
    (void)check_editor(L);
    if (lua_toboolean(L, 2))
        mp_terminal_restore();
    else
        (void)mp_terminal_keys();
    return 0;
}

/* editor:leave(): the line that is read is given up */
static int editor_leave(lua_State *L)
{
    stop_reading(check_editor(L));
    return 0;
}

/* editor:close(); also __gc and __close */
static int editor_close(lua_State *L)
{
    const struct editor *editor = mp_owned_at(L, 1, EDITOR);
    if (editor == NULL)
        return 0;
    luaL_unref(L, LUA_REGISTRYINDEX, editor->on_line);
    mp_owned_close(L, 1, EDITOR);
    return 0;
}

void mp_open_editor(lua_State *L)
{
    static const luaL_Reg functions[] = {{"editor", editor_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"read", editor_read},
                                       {"typed", editor_typed},
                                       {"remember", editor_remember},
                                       {"leave", editor_leave},
                                       {"lend", editor_lend},
                                       {"close", editor_close},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__gc", editor_close}, {"__close", editor_close}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    mp_new_class(L, EDITOR, methods, metamethods);
    lua_pop(L, 1);
}
