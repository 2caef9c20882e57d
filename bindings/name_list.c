/* name_list.c - names by their beginnings. */
#include "bindings/name_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void mp_names_free(struct mp_name_list *list)
{
    free(list->text);
    *list = (struct mp_name_list){0};
}

bool mp_names_take(lua_State *L, int arg, struct mp_name_list *list)
{
    size_t total = 0, length = 0;
    mp_names_free(list);
    for (lua_Integer i = 1; lua_geti(L, arg, i) == LUA_TSTRING; i++) {
        total += lua_rawlen(L, -1) + 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    list->text = malloc(total + 1);
    if (list->text == NULL)
        return false;
    for (lua_Integer i = 1; lua_geti(L, arg, i) == LUA_TSTRING; i++) {
        const char *name = lua_tolstring(L, -1, &length);
        memcpy(list->text + list->length, name, length + 1);
        list->length += length + 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return true;
}

const char *mp_word_before(const char *line, const char *cursor)
{
    while (cursor > line &&
           (isalnum((unsigned char)cursor[-1]) || strchr("_.:", cursor[-1]) != NULL))
        cursor--;
    return cursor;
}

/* The next name from at on that begins so; NULL: there is none. */
static const char *next_name(const struct mp_name_list *list, const char *at, const char *begin,
                             size_t length)
{
    while (at < list->text + list->length) {
        if (strncmp(at, begin, length) == 0)
            return at;
        at += strlen(at) + 1;
    }
    return NULL;
}

size_t mp_names_rest(const struct mp_name_list *list, const char *begin, size_t length,
                     char *rest, size_t size)
{
    size_t count = 0;
    rest[0] = '\0';
    for (const char *name = next_name(list, list->text, begin, length); name != NULL;
         name = next_name(list, name + strlen(name) + 1, begin, length)) {
        const char *behind = name + length;
        if (count++ == 0)
            (void)snprintf(rest, size, "%s", behind);
        size_t same = 0;
        while (rest[same] != '\0' && rest[same] == behind[same])
            same++;
        rest[same] = '\0';
    }
    return count;
}

void mp_names_print(const struct mp_name_list *list, const char *begin, size_t length, FILE *to)
{
    for (const char *name = next_name(list, list->text, begin, length); name != NULL;
         name = next_name(list, name + strlen(name) + 1, begin, length))
        (void)fprintf(to, "%s  ", name);
    (void)fputc('\n', to);
}
