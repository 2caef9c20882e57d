#include "engine/lsl_sample.h"

#include "engine/clock.h"

#include <stdio.h>
#include <string.h>

enum { HAS_TIME = 2, ARCHIVE_VERSION = 9 };

static char *put_bytes(char *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

/* So many bytes of a number, in the order that is wanted. */
static char *put_number(char *at, uint64_t value, int size, bool big_endian)
{
    for (int i = 0; i < size; i++)
        *at++ = (char)(value >> (8 * (big_endian ? size - 1 - i : i)));
    return at;
}

/* As an archive has it: how many bytes it needs, then these, the lowest first. */
static char *put_archived(char *at, uint64_t value)
{
    int size = 0;
    for (uint64_t rest = value; rest != 0; rest >>= 8)
        size++;
    *at++ = (char)size;
    return put_number(at, value, size, false);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static char *put(char *at, struct mp_lsl_form form, double time, const char *text,
                 size_t length)
{
    if (form.data == MP_LSL_OLD_VERSION) {
        at = put_archived(at, HAS_TIME);
        at = put_archived(at, bits_of(time));
        at = put_archived(at, length);
        return put_bytes(at, text, length);
    }
    int size = length <= 0xff ? 1 : 4; // of its length
    *at++ = HAS_TIME;
    at = put_number(at, bits_of(time), 8, form.big_endian);
    *at++ = (char)size;
    at = put_number(at, length, size, form.big_endian);
    return put_bytes(at, text, length);
}

size_t mp_lsl_put_head(char *out, const struct mp_lsl_info *info, struct mp_lsl_form form,
                       bool answered)
{
    char *at = out;
    if (answered)
        at += snprintf(at, MP_LSL_HEAD_ROOM,
                       "LSL/%d 200 OK\r\nUID: %s\r\nByte-Order: %d\r\n"
                       "Suppress-Subnormals: 0\r\nData-Protocol-Version: %d\r\n\r\n",
                       MP_LSL_VERSION, info->uid, form.big_endian ? 4321 : 1234, form.data);
    bool archive = form.data == MP_LSL_OLD_VERSION;
    if (archive) {
        *at++ = 0x7f;
        at = put_archived(at, ARCHIVE_VERSION);
        at = put_archived(at, info->short_length);
        at = put_bytes(at, info->short_xml, info->short_length);
        at = put_number(at, 0, 2, false); // before the first object of a class, its version
    }
    for (int pattern = 0; pattern < 2; pattern++) // of one channel of texts both are the same
        at = put(at, form, 123456.789, "10", 2);
    return (size_t)(at - out);
}

size_t mp_lsl_put_sample(char *out, struct mp_lsl_form form, int64_t time_ns, const char *text,
                         size_t length)
{
    double seconds =
        (double)(time_ns / MP_NS_PER_S) + (double)(time_ns % MP_NS_PER_S) / (double)MP_NS_PER_S;
    return (size_t)(put(out, form, seconds, text, length) - out);
}
