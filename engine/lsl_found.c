#include "engine/lsl_found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} formats[] = {
    [MP_LSL_STRING] = {"string", 0},     [MP_LSL_FLOAT32] = {"float32", 4},
    [MP_LSL_DOUBLE64] = {"double64", 8}, [MP_LSL_INT8] = {"int8", 1},
    [MP_LSL_INT16] = {"int16", 2},       [MP_LSL_INT32] = {"int32", 4},
    [MP_LSL_INT64] = {"int64", 8},
};

static const char own[] = "moonpulse:"; // what the source_id of an outlet of ours begins with

static const struct {
    const char *written;
    char sign;
} escapes[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};

size_t mp_lsl_format_size(enum mp_lsl_format format)
{
    return formats[format].size;
}

/* A field's text, without escapes, cut where room ends; "" where there is none. */
static void read_field(const char *xml, size_t length, const char *name, char *out, size_t room)
{
    char begin[32], end[32];
    (void)snprintf(begin, sizeof begin, "<%s>", name);
    (void)snprintf(end, sizeof end, "</%s>", name);
    *out = 0;
    const char *from = memmem(xml, length, begin, strlen(begin));
    if (from == NULL)
        return;
    from += strlen(begin);
    const char *to = memmem(from, (size_t)(xml + length - from), end, strlen(end));
    size_t put = 0;
    while (to != NULL && from < to && put + 1 < room) {
        char sign = *from;
        size_t taken = 1;
        for (size_t i = 0; i < sizeof escapes / sizeof *escapes && sign == '&'; i++) {
            size_t n = strlen(escapes[i].written);
            if ((size_t)(to - from) >= n && memcmp(from, escapes[i].written, n) == 0) {
                sign = escapes[i].sign;
                taken = n;
                break;
            }
        }
        out[put++] = sign == 0 ? '?' : sign;
        from += taken;
    }
    out[put] = 0;
}

/* A whole number from low to high; -1: it is none. */
static long read_number(const char *xml, size_t length, const char *name, long low, long high)
{
    char text[24], *end = NULL;
    read_field(xml, length, name, text, sizeof text);
    long value = strtol(text, &end, 10);
    return end != text && *end == 0 && value >= low && value <= high ? value : -1;
}

/* "1.1000000000000001" is 110. */
static int read_version(const char *text)
{
    int major = 0, tenths = 0;
    int read = sscanf(text, "%2d.%1d", &major, &tenths);
    return read < 1 || major < 0 || tenths < 0 ? 0 : 100 * major + 10 * tenths;
}

static bool read_format(const char *text, enum mp_lsl_format *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, text) == 0) {
            *format = (enum mp_lsl_format)i;
            return true;
        }
    return false;
}

enum mp_status mp_lsl_found_read(struct mp_lsl_found *found, const char *xml, size_t length,
                                 struct mp_error *err)
{
    char text[32];
    *found = (struct mp_lsl_found){.channels = 0};
    const char *desc = memmem(xml, length, "<desc", 5); // whatever its maker put there
    if (desc != NULL)
        length = (size_t)(desc - xml);
    read_field(xml, length, "name", found->name, sizeof found->name);
    read_field(xml, length, "type", found->type, sizeof found->type);
    read_field(xml, length, "source_id", found->source_id, sizeof found->source_id);
    read_field(xml, length, "uid", found->uid, sizeof found->uid);
    read_field(xml, length, "hostname", found->hostname, sizeof found->hostname);
    if (found->uid[0] == 0)
        return mp_fail(err, MP_EINVAL, "an answer that is no stream's");
    read_field(xml, length, "channel_format", text, sizeof text);
    if (!read_format(text, &found->format))
        return mp_fail(err, MP_EINVAL, "its samples are \"%s\", which is no format", text);
    const long channels = read_number(xml, length, "channel_count", 1, MP_LSL_SAMPLE_MOST / 8);
    if (channels < 0)
        return mp_fail(err, MP_EINVAL, "it has not from 1 to %d channels",
                       MP_LSL_SAMPLE_MOST / 8);
    found->channels = (uint32_t)channels;
    const long port = read_number(xml, length, "v4data_port", 1, 65535);
    found->data_port = port < 0 ? 0 : (uint16_t)port;
    read_field(xml, length, "version", text, sizeof text);
    found->version = read_version(text);
    read_field(xml, length, "nominal_srate", text, sizeof text);
    found->has_rate = strtod(text, NULL) > 0;
    return MP_OK;
}

bool mp_lsl_found_matches(const struct mp_lsl_found *found, const struct mp_lsl_source *source)
{
    const char *value = strcmp(source->field, "name") == 0   ? found->name
                        : strcmp(source->field, "type") == 0 ? found->type
                                                             : found->source_id;
    return strcmp(value, source->value) == 0 &&
           strncmp(found->source_id, own, strlen(own)) != 0;
}

enum mp_status mp_lsl_found_check(const struct mp_lsl_found *found, struct mp_error *err)
{
    if (found->data_port == 0)
        return mp_fail(err, MP_EUNSUPPORTED, "it is to be had over IPv6 only");
    if (found->version < 100 || found->version >= 200)
        return mp_fail(err, MP_EUNSUPPORTED, "it speaks version %d.%02d of the protocol",
                       found->version / 100, found->version % 100);
    if (found->has_rate)
        return mp_fail(err, MP_EUNSUPPORTED,
                       "it has samples at a fixed rate: triggers come from one that has none");
    return MP_OK;
}
