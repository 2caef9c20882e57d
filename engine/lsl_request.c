#include "engine/lsl_request.h"

#include <string.h>
#include <strings.h>

enum { MOST_WORD = 64 }; // bytes of an id, a uid, a number

struct line {
    const char *text;
    size_t length;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct line trimmed(struct line line)
{
    while (line.length > 0 && is_space(line.text[0])) {
        line.text++;
        line.length--;
    }
    while (line.length > 0 && is_space(line.text[line.length - 1]))
        line.length--;
    return line;
}

/* The next line, trimmed; what is left of the bytes comes after it. False: its end is not
 * there. */
static bool next_line(struct line *rest, struct line *line)
{
    const char *newline = rest->length == 0 ? NULL : memchr(rest->text, '\n', rest->length);
    if (newline == NULL)
        return false;
    size_t length = (size_t)(newline - rest->text);
    *line = trimmed((struct line){rest->text, length});
    rest->text += length + 1;
    rest->length -= length + 1;
    return true;
}

/* The same, also where nothing ends it. */
static struct line last_line(struct line *rest)
{
    struct line line;
    if (next_line(rest, &line))
        return line;
    line = trimmed(*rest);
    rest->text += rest->length;
    rest->length = 0;
    return line;
}

static struct line next_word(struct line *rest)
{
    *rest = trimmed(*rest);
    struct line word = {rest->text, 0};
    while (word.length < rest->length && !is_space(rest->text[word.length]))
        word.length++;
    rest->text += word.length;
    rest->length -= word.length;
    return word;
}

static bool is(struct line line, const char *text)
{
    return line.length == strlen(text) && memcmp(line.text, text, line.length) == 0;
}

static bool begins(struct line line, const char *text)
{
    return line.length >= strlen(text) && memcmp(line.text, text, strlen(text)) == 0;
}

/* A whole number from 0 to most; -1: it is none. */
static long whole(struct line word, long most)
{
    long value = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.text[i] < '0' || word.text[i] > '9')
            return -1;
        value = value * 10 + (word.text[i] - '0');
        if (value > most)
            return -1;
    }
    return word.length == 0 ? -1 : value;
}

static const struct mp_lsl_request none = {.asks = MP_LSL_NONE}, more = {.asks = MP_LSL_MORE};

/* One of the lines that say what a receiver can do. */
static void read_header(struct mp_lsl_request *request, struct line line)
{
    const char *colon = memchr(line.text, ':', line.length);
    if (colon == NULL)
        return;
    struct line key = trimmed((struct line){line.text, (size_t)(colon - line.text)});
    struct line value = {colon + 1, line.length - (size_t)(colon + 1 - line.text)};
    const char *comment = value.length == 0 ? NULL : memchr(value.text, ';', value.length);
    if (comment != NULL)
        value.length = (size_t)(comment - value.text);
    value = trimmed(value);
    static const char *const keys[] = {"native-byte-order", "has-ieee754-floats",
                                       "data-protocol-version", "max-buffer-length"};
    size_t which = 0;
    while (which < 4 && (key.length != strlen(keys[which]) ||
                         strncasecmp(key.text, keys[which], key.length) != 0))
        which++;
    if (which == 0)
        request->big_endian = is(value, "4321");
    else if (which == 1 && is(value, "0"))
        request->data = MP_LSL_OLD_VERSION;
    else if (which == 2 && whole(value, 1000) >= 0 && whole(value, 1000) < MP_LSL_VERSION)
        request->data = MP_LSL_OLD_VERSION;
    else if (which == 3)
        request->no_samples = whole(value, 2147483647) <= 0;
}

/* LSL:streamfeed/110 UID and lines of headers up to an empty one. */
static struct mp_lsl_request read_feed(struct line method, struct line rest)
{
    struct mp_lsl_request request = {.asks = MP_LSL_FEED, .data = MP_LSL_VERSION};
    struct line words = {method.text + strlen("LSL:streamfeed/"),
                         method.length - strlen("LSL:streamfeed/")};
    struct line version = next_word(&words), uid = next_word(&words), line;
    request.version = (int)whole(version, 100000);
    request.uid = uid.text;
    request.uid_length = uid.length;
    if (request.version < 0)
        return none;
    while (next_line(&rest, &line)) {
        if (line.length == 0)
            return request;
        read_header(&request, line);
    }
    return more;
}

/* LSL:streamfeed, and a line with the receiver's buffer in samples and a chunk's. */
static struct mp_lsl_request read_old_feed(struct line rest)
{
    struct line line;
    if (!next_line(&rest, &line))
        return more;
    return (struct mp_lsl_request){.asks = MP_LSL_FEED,
                                   .version = MP_LSL_OLD_VERSION,
                                   .data = MP_LSL_OLD_VERSION,
                                   .no_samples = whole(next_word(&line), 2147483647) <= 0};
}

struct mp_lsl_request mp_lsl_request_read(const char *bytes, size_t length)
{
    struct line rest = {bytes, length}, method, query;
    if (!next_line(&rest, &method))
        return length >= MP_LSL_ASKED ? none : more;
    struct mp_lsl_request request = none;
    if (is(method, "LSL:fullinfo"))
        request.asks = MP_LSL_FULLINFO;
    else if (is(method, "LSL:streamfeed"))
        request = read_old_feed(rest);
    else if (begins(method, "LSL:streamfeed/"))
        request = read_feed(method, rest);
    else if (is(method, "LSL:shortinfo") && !next_line(&rest, &query))
        request = more;
    else if (is(method, "LSL:shortinfo"))
        request = (struct mp_lsl_request){
            .asks = MP_LSL_SHORTINFO, .query = query.text, .query_length = query.length};
    return request.asks == MP_LSL_MORE && length >= MP_LSL_ASKED ? none : request;
}

/* <wave> <t0>, handed back as they are: words of digits and what else a number may have. */
static struct mp_lsl_request read_timedata(struct line line)
{
    struct line words = line, wave = next_word(&words), at = next_word(&words);
    size_t length = (size_t)(at.text + at.length - wave.text);
    for (size_t i = 0; i < length; i++)
        if (strchr("0123456789+-.eE \t", wave.text[i]) == NULL || wave.text[i] == '\0')
            return none;
    if (wave.length == 0 || at.length == 0 || length > MOST_WORD)
        return none;
    return (struct mp_lsl_request){
        .asks = MP_LSL_TIMEDATA, .id = wave.text, .id_length = length};
}

struct mp_lsl_request mp_lsl_datagram_read(const char *bytes, size_t length)
{
    struct line rest = {bytes, length}, method = last_line(&rest);
    if (is(method, "LSL:timedata"))
        return read_timedata(last_line(&rest));
    if (!is(method, "LSL:shortinfo"))
        return none;
    struct line query = last_line(&rest), port = next_word(&rest), id = next_word(&rest);
    long number = whole(port, 65535);
    if (number <= 0 || id.length == 0 || id.length > MOST_WORD)
        return none;
    return (struct mp_lsl_request){.asks = MP_LSL_SHORTINFO,
                                   .query = query.text,
                                   .query_length = query.length,
                                   .port = (uint16_t)number,
                                   .id = id.text,
                                   .id_length = id.length};
}
