#include "engine/lsl_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char here[] = "lsl:", everywhere[] = "lsl-net:";
static const char *const fields[] = {"name", "type", "source_id"};

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool mp_lsl_is_path(const char *path)
{
    return begins_with(path, here) || begins_with(path, everywhere);
}

/* A text of the user's: it is shown, and it stands in a query, which knows no escapes. */
static bool is_plain(const char *text, size_t length, size_t most)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || text[i] == '\'' ||
            text[i] == '"')
            return false;
    return length > 0 && length <= most;
}

/* "type=Markers"; without a field's name in front of it, it is the stream's name. */
static bool read_wanted(struct mp_lsl_source *source, const char *text, size_t length)
{
    const char *field = fields[0];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i]);
        if (length > n && strncmp(text, fields[i], n) == 0 && text[n] == '=') {
            field = fields[i];
            text += n + 1;
            length -= n + 1;
            break;
        }
    }
    if (!is_plain(text, length, MP_LSL_WANTED))
        return false;
    (void)snprintf(source->field, sizeof source->field, "%s", field);
    memcpy(source->value, text, length);
    return true;
}

/* 0 to 255, in digits and nothing else; -1: it is not that. */
static int byte_of_digits(const char *text, size_t length)
{
    int value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = 10 * value + (text[i] - '0');
        if (value > 255)
            return -1;
    }
    return length > 0 ? value : -1;
}

/* "go=5"; of several signs = the last one counts. */
static bool read_mapped(struct mp_lsl_source *source, const char *text, size_t length)
{
    size_t sign = length;
    while (sign > 0 && text[sign - 1] != '=')
        sign--;
    if (sign == 0 || source->mapped == MP_LSL_MAPPED || !is_plain(text, sign - 1, MP_LSL_SAID))
        return false;
    const int byte = byte_of_digits(text + sign, length - sign);
    if (byte < 0)
        return false;
    memcpy(source->map[source->mapped].text, text, sign - 1);
    source->map[source->mapped++].byte = (uint8_t)byte;
    return true;
}

enum mp_status mp_lsl_source_read(struct mp_lsl_source *source, const char *path,
                                  struct mp_error *err)
{
    *source = (struct mp_lsl_source){.all = begins_with(path, everywhere)};
    const char *at = path + strlen(source->all ? everywhere : here);
    size_t length = strcspn(at, ";");
    if (!read_wanted(source, at, length))
        return mp_fail(err, MP_EINVAL,
                       "\"%s\": lsl: and a stream's name is needed, or type=TYPE or "
                       "source_id=ID: 1 to %d bytes without quotes",
                       path, MP_LSL_WANTED);
    for (at += length; *at == ';'; at += length) {
        length = strcspn(++at, ";");
        if (!read_mapped(source, at, length))
            return mp_fail(err, MP_EINVAL,
                           "\"%s\": \"%.*s\": behind a ; a sample's text and its byte are "
                           "needed, 0 to 255, like go=5: at most %d of them",
                           path, (int)length, at, MP_LSL_MAPPED);
    }
    return MP_OK;
}

void mp_lsl_source_query(const struct mp_lsl_source *source, char *out)
{
    (void)snprintf(out, MP_LSL_ASKS, "session_id='default' and %s='%s'", source->field,
                   source->value);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int mp_lsl_source_byte(const struct mp_lsl_source *source, const char *text, size_t length)
{
    for (size_t i = 0; i < source->mapped; i++)
        if (strlen(source->map[i].text) == length &&
            memcmp(source->map[i].text, text, length) == 0)
            return source->map[i].byte;
    while (length > 0 && is_space(text[length - 1]))
        length--;
    while (length > 0 && is_space(*text)) {
        text++;
        length--;
    }
    return byte_of_digits(text, length);
}
