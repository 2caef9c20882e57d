/* cells.c - the numbers in the cells of a table: a million rows of them in a fraction of a
 * second. */
#include "bindings/cells.h"

enum { NUMBER_MAX = 64 };

/*
 * Digits with at most one point among them, as a run writes them: push the number that they are
 * to the last bit, since both the digits and the power of ten have their place in a double.
 */
static bool push_plain(lua_State *L, const struct cell *cell)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    enum { MOST_DIGITS = 15, MOST_BEHIND = sizeof powers / sizeof powers[0] - 1 };
    bool minus = cell->length > 1 && cell->text[0] == '-';
    lua_Integer digits = 0;
    size_t count = 0, behind = 0;
    bool point = false;
    for (size_t i = minus ? 1 : 0; i < cell->length; i++) {
        char c = cell->text[i];
        if (c == '.' && !point && count > 0) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || count == MOST_DIGITS)
            return false;
        digits = 10 * digits + (c - '0');
        count++;
        behind += point ? 1 : 0;
    }
    if (count == 0 || behind > MOST_BEHIND || (point && behind == 0))
        return false;
    if (point)
        lua_pushnumber(L, (minus ? -1.0 : 1.0) * (double)digits / powers[behind]);
    else
        lua_pushinteger(L, minus ? -digits : digits);
    return true;
}

bool mp_push_number(lua_State *L, const struct cell *cell)
{
    char text[NUMBER_MAX];
    if (push_plain(L, cell))
        return true;
    if (cell->length == 0 || cell->length >= sizeof text)
        return false;
    memcpy(text, cell->text, cell->length);
    text[cell->length] = '\0';
    return strspn(text, "0123456789.eE+-") == cell->length &&
           lua_stringtonumber(L, text) == cell->length + 1;
}
