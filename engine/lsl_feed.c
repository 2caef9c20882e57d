#include "engine/lsl_feed.h"

#include "engine/lsl_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NO_TIME = 1, HAS_TIME = 2 }; // how a sample begins
enum { LITTLE = 1234, BIG = 4321 };
enum { KEPT = 36000 }; // samples that the sender keeps for us, as liblsl asks
enum { ARCHIVE_MAGIC = 0x7f, ARCHIVE_MOST = 9 };

static const double pattern_time = 123456.789;

/* Where one reads: failed is what became of it as soon as it cannot go on. */
struct cursor {
    const unsigned char *at, *end;
    enum mp_lsl_got failed; // MP_LSL_GOT: it has not
};

static bool has(struct cursor *c, size_t count)
{
    if (c->failed == MP_LSL_GOT && (size_t)(c->end - c->at) < count)
        c->failed = MP_LSL_GOT_PART;
    return c->failed == MP_LSL_GOT;
}

static uint64_t take_number(struct cursor *c, size_t size, bool big_endian)
{
    uint64_t value = 0;
    if (!has(c, size))
        return 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)c->at[i] << (8 * (big_endian ? size - 1 - i : i));
    c->at += size;
    return value;
}

/* Of an archive: how many bytes a number has (negative: it is), then these. */
static uint64_t take_archived(struct cursor *c, bool is_signed)
{
    const uint64_t head = take_number(c, 1, false);
    const bool negative = head >= 0x80;
    const size_t size = negative ? 0x100 - head : head;
    if (size > 8 || (negative && !is_signed))
        c->failed = c->failed == MP_LSL_GOT ? MP_LSL_GOT_BAD : c->failed;
    if (c->failed != MP_LSL_GOT)
        return 0;
    const uint64_t value = take_number(c, size, false);
    return negative && size < 8 ? value | (~UINT64_C(0) << (8 * size)) : value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double float_of(uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static int64_t extended(uint64_t bits, size_t size)
{
    const uint64_t sign = UINT64_C(1) << (8 * size - 1);
    const uint64_t mask = size == 8 ? ~UINT64_C(0) : (UINT64_C(1) << (8 * size)) - 1;
    return (int64_t)(((bits & mask) ^ sign) - sign);
}

/* A number as text: the shortest that a whole one has. */
static void put_text(struct mp_lsl_taken *taken, enum mp_lsl_format format, uint64_t bits)
{
    int put;
    if (format == MP_LSL_DOUBLE64)
        put = snprintf(taken->own, sizeof taken->own, "%.17g", double_of(bits));
    else if (format == MP_LSL_FLOAT32)
        put = snprintf(taken->own, sizeof taken->own, "%.9g", float_of(bits));
    else
        put = snprintf(taken->own, sizeof taken->own, "%lld",
                       (long long)extended(bits, mp_lsl_format_size(format)));
    taken->text = taken->own;
    taken->length = (size_t)put;
}

static uint64_t take_value(const struct mp_lsl_feed *feed, struct cursor *c)
{
    const bool whole = feed->format != MP_LSL_FLOAT32 && feed->format != MP_LSL_DOUBLE64;
    return feed->data == MP_LSL_OLD_VERSION
               ? take_archived(c, whole)
               : take_number(c, mp_lsl_format_size(feed->format), feed->big_endian);
}

/* How long a text is. */
static uint64_t take_length(const struct mp_lsl_feed *feed, struct cursor *c)
{
    if (feed->data == MP_LSL_OLD_VERSION)
        return take_archived(c, false);
    const uint64_t size = take_number(c, 1, false);
    if (c->failed == MP_LSL_GOT && size != 1 && size != 2 && size != 4 && size != 8)
        c->failed = MP_LSL_GOT_BAD;
    return c->failed == MP_LSL_GOT ? take_number(c, (size_t)size, feed->big_endian) : 0;
}

static void take_text(const struct mp_lsl_feed *feed, struct cursor *c, const char **text,
                      size_t *length)
{
    const uint64_t count = take_length(feed, c);
    if (count > MP_LSL_SAMPLE_MOST && c->failed == MP_LSL_GOT)
        c->failed = MP_LSL_GOT_BAD;
    if (!has(c, (size_t)count))
        return;
    *text = (const char *)c->at;
    *length = (size_t)count;
    c->at += count;
}

/* The first channel of a sample, and past the others. */
static void take_channels(const struct mp_lsl_feed *feed, struct cursor *c,
                          struct mp_lsl_taken *taken)
{
    const char *text;
    size_t length;
    if (feed->format != MP_LSL_STRING)
        put_text(taken, feed->format, take_value(feed, c));
    else
        take_text(feed, c, &taken->text, &taken->length);
    for (uint32_t i = 1; i < feed->channels && c->failed == MP_LSL_GOT; i++)
        if (feed->format != MP_LSL_STRING)
            (void)take_value(feed, c);
        else
            take_text(feed, c, &text, &length);
}

enum mp_lsl_got mp_lsl_feed_sample(const struct mp_lsl_feed *feed, const char *bytes,
                                   size_t length, size_t *used, struct mp_lsl_taken *taken)
{
    const unsigned char *from = (const unsigned char *)bytes;
    struct cursor c = {.at = from, .end = from + length, .failed = MP_LSL_GOT};
    const bool old = feed->data == MP_LSL_OLD_VERSION;
    *taken = (struct mp_lsl_taken){.text = ""};
    const uint64_t tag = old ? take_archived(&c, true) : take_number(&c, 1, false);
    if (c.failed == MP_LSL_GOT && tag != NO_TIME && tag != HAS_TIME)
        return MP_LSL_GOT_BAD;
    if (tag == HAS_TIME)
        taken->time = double_of(old ? take_archived(&c, false)
                                    : take_number(&c, sizeof(double), feed->big_endian));
    take_channels(feed, &c, taken);
    if (c.failed == MP_LSL_GOT_PART && length > MP_LSL_SAMPLE_MOST)
        return MP_LSL_GOT_BAD;
    *used = (size_t)(c.at - from);
    return c.failed;
}

size_t mp_lsl_feed_ask(char *out, const struct mp_lsl_found *found)
{
    int put;
    if (found->version < MP_LSL_VERSION)
        put = snprintf(out, MP_LSL_FEED_ASKS, "LSL:streamfeed\r\n%d 0\r\n", KEPT);
    else // a sender of the other byte order turns its numbers round, or says that it does not
        put = snprintf(out, MP_LSL_FEED_ASKS,
                       "LSL:streamfeed/%d %s\r\nNative-Byte-Order: %d\r\n"
                       "Endian-Performance: 0\r\nHas-IEEE754-Floats: 1\r\n"
                       "Supports-Subnormals: 1\r\nValue-Size: %zu\r\n"
                       "Data-Protocol-Version: %d\r\nMax-Buffer-Length: %d\r\n"
                       "Max-Chunk-Length: 0\r\nHostname: %s\r\nSource-Id: %s\r\n"
                       "Session-Id: default\r\n\r\n",
                       MP_LSL_VERSION, found->uid, LITTLE, mp_lsl_format_size(found->format),
                       MP_LSL_VERSION, KEPT, found->hostname, found->source_id);
    return put < MP_LSL_FEED_ASKS ? (size_t)put : MP_LSL_FEED_ASKS - 1;
}

/* "Byte-Order: 4321": is this line the field, and what does it say? */
static bool is_field(const char *line, size_t length, const char *name, char value[80])
{
    const size_t n = strlen(name);
    if (length <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    size_t from = n + 1, put = 0;
    while (from < length && line[from] == ' ')
        from++;
    while (from < length && line[from] != ';' && line[from] != ' ' && put < 79)
        value[put++] = line[from++];
    value[put] = 0;
    return true;
}

/* One line of an answer's head. */
static enum mp_status read_field(struct mp_lsl_feed *feed, const struct mp_lsl_found *found,
                                 const char *line, size_t length, struct mp_error *err)
{
    char value[80];
    if (is_field(line, length, "Byte-Order", value)) {
        const long order = strtol(value, NULL, 10);
        if (order != LITTLE && order != BIG && order != 0)
            return mp_fail(err, MP_EUNSUPPORTED, "it answers with byte order \"%s\"", value);
        feed->big_endian = order == BIG;
    } else if (is_field(line, length, "UID", value)) {
        if (strcmp(value, found->uid) != 0)
            return mp_fail(err, MP_EGONE, "another stream has come in its place");
    } else if (is_field(line, length, "Data-Protocol-Version", value)) {
        const long data = strtol(value, NULL, 10);
        if (data != MP_LSL_VERSION && data != MP_LSL_OLD_VERSION)
            return mp_fail(err, MP_EUNSUPPORTED, "it answers in data protocol \"%s\"", value);
        feed->data = (int)data;
    }
    return MP_OK;
}

/* "LSL/110 200 OK"? */
static bool is_accepted(const char *line, size_t length, struct mp_error *err)
{
    char text[64];
    int code = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), line);
    if (sscanf(text, "LSL/%*3d %3d", &code) != 1)
        (void)mp_fail(err, MP_EUNSUPPORTED, "it answers with something that is not LSL");
    else if (code != 200)
        (void)mp_fail(err, code == 404 ? MP_EGONE : MP_EUNSUPPORTED,
                      "it does not give its samples: it answers %d", code);
    return code == 200;
}

/* "LSL/110 200 OK" and what it says behind that, up to the blank line. */
static enum mp_lsl_got read_answer(struct mp_lsl_feed *feed, const struct mp_lsl_found *found,
                                   struct cursor *c, struct mp_error *err)
{
    const char *line = (const char *)c->at, *end = (const char *)c->end;
    for (bool first = true;; first = false) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            return MP_LSL_GOT_PART;
        const size_t length =
            (size_t)(stop - line) - (stop > line && stop[-1] == '\r' ? 1U : 0U);
        if (first && !is_accepted(line, length, err))
            return MP_LSL_GOT_BAD;
        if (!first && read_field(feed, found, line, length, err) != MP_OK)
            return MP_LSL_GOT_BAD;
        line = stop + 1;
        if (length == 0)
            break;
    }
    c->at = (const unsigned char *)line;
    return MP_LSL_GOT;
}

/* What stands before the samples of data protocol 100: the archive's, and what the stream is.
 */
static void read_archive(const struct mp_lsl_found *found, struct cursor *c)
{
    if (take_number(c, 1, false) != ARCHIVE_MAGIC || take_archived(c, false) > ARCHIVE_MOST)
        c->failed = c->failed == MP_LSL_GOT ? MP_LSL_GOT_BAD : c->failed;
    const uint64_t length = take_archived(c, false);
    if (c->failed == MP_LSL_GOT && length > MP_LSL_FEED_HEAD_MOST)
        c->failed = MP_LSL_GOT_BAD;
    if (!has(c, (size_t)length))
        return;
    struct mp_lsl_found said;
    if (mp_lsl_found_read(&said, (const char *)c->at, (size_t)length, NULL) != MP_OK ||
        strcmp(said.uid, found->uid) != 0)
        c->failed = MP_LSL_GOT_BAD;
    c->at += length;
    // a class of which the first object follows: not tracked, version 0
    if (take_archived(c, false) != 0 || take_archived(c, false) != 0)
        c->failed = c->failed == MP_LSL_GOT ? MP_LSL_GOT_BAD : c->failed;
}

/* The first channel of a sample of the pattern, of which the second has another offset. */
static void put_pattern(enum mp_lsl_format format, int offset, char out[32])
{
    static const long long from[] = {
        [MP_LSL_FLOAT32] = 0, [MP_LSL_DOUBLE64] = 16777217, [MP_LSL_INT8] = 1,
        [MP_LSL_INT16] = 257, [MP_LSL_INT32] = 65537,       [MP_LSL_INT64] = 2147483649,
    };
    if (format == MP_LSL_STRING)
        (void)snprintf(out, 32, "10");
    else
        (void)snprintf(out, 32, "%lld", from[format] + offset);
}

static enum mp_lsl_got read_patterns(const struct mp_lsl_feed *feed, struct cursor *c,
                                     struct mp_error *err)
{
    for (int offset = 4; offset >= 2; offset -= 2) {
        char expected[32];
        size_t used;
        struct mp_lsl_taken taken;
        const enum mp_lsl_got got = mp_lsl_feed_sample(feed, (const char *)c->at,
                                                       (size_t)(c->end - c->at), &used, &taken);
        if (got == MP_LSL_GOT_PART)
            return got;
        put_pattern(feed->format, offset, expected);
        if (got == MP_LSL_GOT_BAD || taken.time != pattern_time ||
            taken.length != strlen(expected) ||
            memcmp(taken.text, expected, taken.length) != 0) {
            (void)mp_fail(
                err, MP_EUNSUPPORTED,
                "its samples are not written as it says: the pattern in front of them "
                "is not there");
            return MP_LSL_GOT_BAD;
        }
        c->at += used;
    }
    return MP_LSL_GOT;
}

enum mp_lsl_got mp_lsl_feed_head(struct mp_lsl_feed *feed, const struct mp_lsl_found *found,
                                 const char *bytes, size_t length, size_t *used,
                                 struct mp_error *err)
{
    const unsigned char *from = (const unsigned char *)bytes;
    struct cursor c = {.at = from, .end = from + length, .failed = MP_LSL_GOT};
    *feed = (struct mp_lsl_feed){
        .format = found->format, .channels = found->channels, .data = MP_LSL_OLD_VERSION};
    enum mp_lsl_got got = MP_LSL_GOT;
    if (found->version >= MP_LSL_VERSION)
        got = read_answer(feed, found, &c, err);
    if (got == MP_LSL_GOT && feed->data == MP_LSL_OLD_VERSION) {
        read_archive(found, &c);
        got = c.failed;
    }
    if (got == MP_LSL_GOT)
        got = read_patterns(feed, &c, err);
    if (got == MP_LSL_GOT_PART && length > MP_LSL_FEED_HEAD_MOST + MP_LSL_SAMPLE_MOST)
        got = MP_LSL_GOT_BAD;
    if (got == MP_LSL_GOT_BAD) // where nothing more is known of it
        (void)mp_fail(err, MP_EUNSUPPORTED, "it answers with something that is not LSL");
    *used = (size_t)(c.at - from);
    return got;
}
