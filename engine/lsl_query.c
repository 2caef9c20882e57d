#include "engine/lsl_query.h"

#include <stdint.h>
#include <string.h>

enum { DEEPEST = 16, MOST_QUERY = 4096 };

struct reader {
    const char *at, *end;
    const struct mp_lsl_fact *facts;
    size_t count;
    int depth;
    bool failed; // it is not understood
};

/* What stands at either side of a comparison. */
struct operand {
    const char *text;
    size_t length;
    bool number;  // written as one
    bool missing; // a field that is not there
};

static bool read_or(struct reader *r);

static bool fail(struct reader *r)
{
    r->failed = true;
    return false;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) != NULL && *r->at != '\0')
        r->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '-';
}

/* Is this sign next? Then it is behind us. */
static bool take(struct reader *r, const char *sign)
{
    size_t length = strlen(sign);
    skip_space(r);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, sign, length) != 0)
        return false;
    r->at += length;
    return true;
}

/* Is this word next, as a whole? Then it is behind us. */
static bool take_word(struct reader *r, const char *word)
{
    const char *before = r->at;
    if (take(r, word) && (r->at == r->end || !is_of_name(*r->at)))
        return true;
    r->at = before;
    return false;
}

/* A function's name with its bracket: a field may be called like one. */
static bool take_call(struct reader *r, const char *name)
{
    const char *before = r->at;
    if (take_word(r, name) && take(r, "("))
        return true;
    r->at = before;
    return false;
}

static struct operand field(const struct reader *r, const char *name, size_t length)
{
    for (size_t i = 0; i < r->count; i++)
        if (strlen(r->facts[i].name) == length && memcmp(r->facts[i].name, name, length) == 0)
            return (struct operand){.text = r->facts[i].value,
                                    .length = strlen(r->facts[i].value)};
    return (struct operand){.text = "", .missing = true};
}

static struct operand read_literal(struct reader *r)
{
    char quote = *r->at++;
    const char *end = memchr(r->at, quote, (size_t)(r->end - r->at));
    struct operand found = {.text = r->at};
    if (end == NULL) {
        (void)fail(r);
        return found;
    }
    found.length = (size_t)(end - r->at);
    r->at = end + 1;
    return found;
}

static struct operand read_operand(struct reader *r)
{
    skip_space(r);
    const char *begin = r->at;
    if (r->at < r->end && (*r->at == '\'' || *r->at == '"'))
        return read_literal(r);
    bool number = r->at < r->end && (is_digit(*r->at) || *r->at == '.');
    while (r->at < r->end && (number ? is_digit(*r->at) || *r->at == '.' : is_of_name(*r->at)))
        r->at++;
    size_t length = (size_t)(r->at - begin);
    if (length == 0)
        (void)fail(r);
    return number ? (struct operand){.text = begin, .length = length, .number = true}
                  : field(r, begin, length);
}

/* A decimal number without a sign, as thousandths: what fields of a stream have is exact there.
 * False: it is none, or too large. */
static bool thousandths(struct operand of, uint64_t *value)
{
    int decimals = -1;
    *value = 0;
    for (size_t i = 0; i < of.length; i++) {
        if (of.text[i] == '.' && decimals < 0) {
            decimals = 0;
        } else if (is_digit(of.text[i]) && *value < UINT64_C(1000000000000000)) {
            if (decimals < 3)
                *value = *value * 10 + (uint64_t)(of.text[i] - '0');
            decimals += decimals < 0 || decimals == 3 ? 0 : 1;
        } else {
            return false;
        }
    }
    for (; decimals < 3; decimals += decimals < 0 ? 2 : 1)
        *value *= 10;
    return of.length > 0;
}

static bool is_same(struct operand a, struct operand b)
{
    uint64_t left, right;
    if (a.number || b.number)
        return thousandths(a, &left) && thousandths(b, &right) && left == right;
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static bool begins(struct operand text, struct operand with)
{
    return text.length >= with.length && memcmp(text.text, with.text, with.length) == 0;
}

static bool holds(struct operand text, struct operand part)
{
    for (; text.length >= part.length; text.text++, text.length--) {
        if (memcmp(text.text, part.text, part.length) == 0)
            return true;
        if (text.length == 0)
            break;
    }
    return false;
}

/* contains(a, b) or starts-with(a, b), behind its bracket. */
static bool read_call(struct reader *r, bool (*does)(struct operand, struct operand))
{
    struct operand text = read_operand(r);
    if (!take(r, ","))
        return fail(r);
    struct operand part = read_operand(r);
    if (!take(r, ")") || r->failed)
        return fail(r);
    return does(text, part); // a field that is not there is an empty text
}

static bool read_comparison(struct reader *r)
{
    struct operand a = read_operand(r);
    bool differ = !r->failed && take(r, "!=");
    if (r->failed || (!differ && !take(r, "=")))
        return fail(r);
    struct operand b = read_operand(r);
    return !r->failed && !a.missing && !b.missing && is_same(a, b) != differ;
}

static bool read_bracket(struct reader *r)
{
    bool inner = read_or(r);
    return take(r, ")") ? inner : fail(r);
}

static bool read_term(struct reader *r)
{
    if (r->failed || ++r->depth > DEEPEST)
        return fail(r);
    bool holds_true;
    if (take_call(r, "not"))
        holds_true = !read_bracket(r);
    else if (take_call(r, "starts-with"))
        holds_true = read_call(r, begins);
    else if (take_call(r, "contains"))
        holds_true = read_call(r, holds);
    else if (take(r, "("))
        holds_true = read_bracket(r);
    else
        holds_true = read_comparison(r);
    r->depth--;
    return holds_true && !r->failed;
}

static bool read_and(struct reader *r)
{
    bool all = read_term(r);
    while (!r->failed && take_word(r, "and")) {
        bool next = read_term(r); // also where it no longer counts: it may not be understood
        all = all && next;
    }
    return all;
}

static bool read_or(struct reader *r)
{
    bool any = read_and(r);
    while (!r->failed && take_word(r, "or")) {
        bool next = read_and(r);
        any = any || next;
    }
    return any;
}

bool mp_lsl_query_matches(const char *query, size_t length, const struct mp_lsl_fact *facts,
                          size_t count)
{
    struct reader r = {.at = query, .end = query + length, .facts = facts, .count = count};
    skip_space(&r);
    if (r.at == r.end)
        return true;
    if (length > MOST_QUERY)
        return false;
    bool matches = read_or(&r);
    skip_space(&r);
    return matches && !r.failed && r.at == r.end;
}
