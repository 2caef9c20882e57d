/* name_list.h - names that may be meant by the beginning of one: for the Tab key. */
#ifndef MP_NAME_LIST_H
#define MP_NAME_LIST_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct mp_name_list {
    char *text; // the names one behind the other, each with a zero
    size_t length;
};

/* Take the texts of the list at arg instead; false: no memory. Borrows nothing of Lua's. */
bool mp_names_take(lua_State *L, int arg, struct mp_name_list *list);
void mp_names_free(struct mp_name_list *list);
/* Where the name begins that ends at cursor: letters, digits, "_", "." and ":". */
const char *mp_word_before(const char *line, const char *cursor);
/* How many begin with these bytes; rest: what all of these have behind it, cut to size. */
size_t mp_names_rest(const struct mp_name_list *list, const char *begin, size_t length,
                     char *rest, size_t size);
/* Print those that begin so. */
void mp_names_print(const struct mp_name_list *list, const char *begin, size_t length,
                    FILE *to);

#endif
