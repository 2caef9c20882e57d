#include "engine/lsl_info.h"

#include "engine/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A text that grows in a buffer that has room for all it may get. */
struct text {
    char *bytes;
    size_t room, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *to, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(to->bytes + to->length, to->room - to->length, format, values);
    va_end(values);
    if (length > 0)
        to->length +=
            (size_t)length < to->room - to->length ? (size_t)length : to->room - to->length - 1;
}

/* As XML has it: no control characters, which it cannot have at all. */
static void put_escaped(struct text *to, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '&')
            put(to, "&amp;");
        else if (*value == '<')
            put(to, "&lt;");
        else if (*value == '>')
            put(to, "&gt;");
        else
            put(to, "%c", (unsigned char)*value < ' ' || *value == '\x7f' ? ' ' : *value);
    }
}

static void put_field(struct text *to, const char *name, const char *value)
{
    put(to, "\t<%s>", name);
    put_escaped(to, value);
    put(to, "</%s>\n", name);
}

/* RFC 4122, version 4. */
static enum mp_status make_uid(char uid[40], struct mp_error *err)
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        return mp_fail(err, MP_EIO, "no random bytes can be had");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(uid, 40,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
    return MP_OK;
}

static void put_facts(struct text *to, const struct mp_lsl_info *info)
{
    put(to, "<?xml version=\"1.0\"?>\n<info>\n");
    for (size_t i = 0; i < MP_LSL_FACTS; i++)
        put_field(to, info->facts[i].name, info->facts[i].value);
    // of IPv6 there is nothing, and a receiver knows the address that it was answered from
    put(to, "\t<v4address></v4address>\n\t<v6address></v6address>\n"
            "\t<v6data_port>0</v6data_port>\n\t<v6service_port>0</v6service_port>\n");
}

static void put_description(struct text *to, const char *run, const char *version)
{
    put(to, "\t<desc>\n\t<acquisition>\n");
    put_field(to, "manufacturer", "Moonpulse");
    put_field(to, "model", "moonpulse");
    put_field(to, "version", version);
    put_field(to, "run", run);
    put(to, "\t</acquisition>\n\t<channels>\n\t<channel>\n");
    put_field(to, "label", "Markers");
    put_field(to, "type", "Marker");
    put_field(to, "unit", "none");
    put(to, "\t</channel>\n\t</channels>\n\t</desc>\n");
}

static void set_facts(struct mp_lsl_info *info)
{
    const struct mp_lsl_fact facts[MP_LSL_FACTS] = {
        {"name", info->name},
        {"type", "Markers"},
        {"channel_count", "1"},
        {"channel_format", "string"},
        {"source_id", info->source_id},
        {"nominal_srate", "0.000000000000000"},
        {"version", "1.100000000000000"},
        {"created_at", info->created_at},
        {"uid", info->uid},
        {"session_id", "default"},
        {"hostname", info->hostname},
        {"v4data_port", info->data_port},
        {"v4service_port", info->service_port},
    };
    memcpy(info->facts, facts, sizeof facts);
}

enum mp_status mp_lsl_info_make(struct mp_lsl_info *info, const char *name, const char *run,
                                const char *version, uint16_t data_port, uint16_t service_port,
                                struct mp_error *err)
{
    *info = (struct mp_lsl_info){0};
    if (strlen(name) == 0 || strlen(name) > MP_LSL_NAME)
        return mp_fail(err, MP_ERANGE, "a stream's name has 1 to %d bytes", MP_LSL_NAME);
    if (strlen(run) > MP_LSL_RUN)
        return mp_fail(err, MP_ERANGE, "the name of a run with a stream has at most %d bytes",
                       MP_LSL_RUN);
    enum mp_status status = make_uid(info->uid, err);
    if (status != MP_OK)
        return status;
    int64_t now = mp_clock_ns();
    (void)snprintf(info->name, sizeof info->name, "%s", name);
    if (gethostname(info->hostname, sizeof info->hostname - 1) != 0)
        info->hostname[0] = '\0';
    (void)snprintf(info->source_id, sizeof info->source_id, "moonpulse:%s:%s", info->hostname,
                   name);
    (void)snprintf(info->created_at, sizeof info->created_at, "%" PRId64 ".%09" PRId64,
                   now / MP_NS_PER_S, now % MP_NS_PER_S);
    (void)snprintf(info->data_port, sizeof info->data_port, "%u", data_port);
    (void)snprintf(info->service_port, sizeof info->service_port, "%u", service_port);
    set_facts(info);
    struct text brief = {.bytes = info->short_xml, .room = sizeof info->short_xml};
    put_facts(&brief, info);
    put(&brief, "\t<desc />\n</info>\n");
    info->short_length = brief.length;
    struct text full = {.bytes = info->full_xml, .room = sizeof info->full_xml};
    put_facts(&full, info);
    put_description(&full, run, version);
    put(&full, "</info>\n");
    info->full_length = full.length;
    return MP_OK;
}
