/* A stream of LSL as one reads it: against bytes that a liblsl 1.17.7 (sccn/liblsl) sent on a
 * wire and numbers written by hand from its source, and against bytes that nobody meant. */
#include "engine/lsl_feed.h"
#include "engine/lsl_found.h"
#include "engine/lsl_source.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(text) (text), (sizeof(text) - 1)

/* Of a liblsl outlet of one string channel, in either order, and in data protocol 100. */
static const char brief[] = "\x02\0\0\0\0\0B\x8f@\x01\x11pulse SICI code=7";
static const char turned[] = "\x02@\x8f"
                             "B\0\0\0\0\0\x01\x11pulse SICI code=7";
static const char old_brief[] = "\x01\x02\x08\0\0\0\0\0B\x8f@\x01\x11pulse SICI code=7";
static const char said[] = "pulse SICI code=7";

static const char xml[] =
    "<?xml version=\"1.0\"?>\n<info>\n\t<name>A&amp;B</name>\n\t<type>Markers</type>\n"
    "\t<channel_count>2</channel_count>\n\t<channel_format>int16</channel_format>\n"
    "\t<source_id>box "
    "&lt;1&gt;</source_id>\n\t<nominal_srate>0.000000000000000</nominal_srate>\n"
    "\t<version>1.100000000000000</version>\n\t<created_at>24672.9</created_at>\n"
    "\t<uid>4b5c0005-e491-4bcf-85e3-bde3e377df9c</uid>\n\t<session_id>default</session_id>\n"
    "\t<hostname>vm</hostname>\n\t<v4address />\n\t<v4data_port>16573</v4data_port>\n"
    "\t<v4service_port>16574</v4service_port>\n\t<v6address "
    "/>\n\t<v6data_port>0</v6data_port>\n"
    "\t<v6service_port>0</v6service_port>\n\t<desc><name>no</name></desc>\n</info>\n";

/* Of no byte more than these: one too far is seen by a sanitizer. */
static char *copy_of(const char *bytes, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, length);
    return copy;
}

static void check_sample(struct mp_lsl_feed feed, const char *bytes, size_t length,
                         const char *text, double time)
{
    struct mp_lsl_taken taken;
    size_t used = 0;
    CHECK_INT(mp_lsl_feed_sample(&feed, bytes, length, &used, &taken), MP_LSL_GOT);
    CHECK_INT(used, length);
    CHECK(taken.length == strlen(text) && memcmp(taken.text, text, taken.length) == 0);
    CHECK(taken.time == time);
    for (size_t part = 0; part < length; part++) {
        char *copy = copy_of(bytes, part);
        CHECK_INT(mp_lsl_feed_sample(&feed, copy, part, &used, &taken), MP_LSL_GOT_PART);
        free(copy);
    }
}

static void reads_samples_of_each_format(void)
{
    const struct mp_lsl_feed text = {.format = MP_LSL_STRING, .channels = 1, .data = 110};
    struct mp_lsl_feed of = text;
    check_sample(of, BYTES(brief), said, 1000.25);
    of.big_endian = true;
    check_sample(of, BYTES(turned), said, 1000.25);
    check_sample((struct mp_lsl_feed){MP_LSL_STRING, 1, 100, false}, BYTES(old_brief), said,
                 1000.25);
    check_sample(text, BYTES("\x01\x02\x03\0abc"), "abc", 0); // without a time
    check_sample(text, BYTES("\x01\x08\x02\0\0\0\0\0\0\0hi"), "hi", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_STRING, 2, 110, false},
                 BYTES("\x01\x01\x01"
                       "7\x01\x05other"),
                 "7", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT16, 2, 110, false}, BYTES("\x01\x05\0\xff\xff"),
                 "5", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT16, 1, 110, true}, BYTES("\x01\xff\xfe"), "-2",
                 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT8, 1, 110, false}, BYTES("\x01\x80"), "-128",
                 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT32, 1, 110, true}, BYTES("\x01\0\0\x01\x05"),
                 "261", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT64, 1, 110, false},
                 BYTES("\x01\xff\xff\xff\xff\xff\xff\xff\x7f"), "9223372036854775807", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_FLOAT32, 1, 110, false}, BYTES("\x01\0\0\xa0@"),
                 "5", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_DOUBLE64, 1, 110, true},
                 BYTES("\x01@\x49\x40\0\0\0\0\0"), "50.5", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT32, 1, 100, false}, BYTES("\x01\x01\0"), "0",
                 0);
    check_sample((struct mp_lsl_feed){MP_LSL_INT32, 1, 100, false}, BYTES("\x01\x01\xff\xfe"),
                 "-2", 0);
    check_sample((struct mp_lsl_feed){MP_LSL_FLOAT32, 1, 100, false},
                 BYTES("\x01\x01\x04\0\0\xa0@"), "5", 0);
}

static enum mp_lsl_got got_of(struct mp_lsl_feed feed, const char *bytes, size_t length)
{
    struct mp_lsl_taken taken;
    size_t used;
    return mp_lsl_feed_sample(&feed, bytes, length, &used, &taken);
}

static void knows_what_is_no_sample(void)
{
    const struct mp_lsl_feed text = {.format = MP_LSL_STRING, .channels = 1, .data = 110};
    CHECK_INT(got_of(text, BYTES("\x03\x01\x01x")), MP_LSL_GOT_BAD);
    CHECK_INT(got_of(text, BYTES("\x01\x03\x01\x01")), MP_LSL_GOT_BAD);
    CHECK_INT(got_of(text, BYTES("\x01\x04\xff\xff\xff\x7f")), MP_LSL_GOT_BAD); // 2 GB
    CHECK_INT(got_of(text, BYTES("\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff")), MP_LSL_GOT_BAD);
    CHECK_INT(got_of((struct mp_lsl_feed){MP_LSL_INT32, 1, 100, false}, BYTES("\x01\x01\x09")),
              MP_LSL_GOT_BAD);
    CHECK_INT(got_of((struct mp_lsl_feed){MP_LSL_STRING, 1, 100, false}, BYTES("\x01\x01\xff")),
              MP_LSL_GOT_BAD); // a length is not negative
    char *large =
        calloc(1, MP_LSL_SAMPLE_MOST + 2); // of so many channels, one text after another
    for (size_t i = 0; i < MP_LSL_SAMPLE_MOST + 2; i++)
        large[i] = i % 2 == 0 ? 1 : 0;
    large[0] = 1;
    memmove(large + 1, large, MP_LSL_SAMPLE_MOST + 1);
    struct mp_lsl_feed many = text;
    many.channels = MP_LSL_SAMPLE_MOST;
    CHECK_INT(got_of(many, large, MP_LSL_SAMPLE_MOST), MP_LSL_GOT_PART);
    CHECK_INT(got_of(many, large, MP_LSL_SAMPLE_MOST + 1), MP_LSL_GOT_BAD);
    free(large);
}

static void reads_what_a_stream_is(void)
{
    struct mp_lsl_found found;
    struct mp_lsl_source source;
    struct mp_error err = {0};
    CHECK_INT(mp_lsl_found_read(&found, BYTES(xml), &err), MP_OK);
    CHECK_STR(found.name, "A&B");
    CHECK_STR(found.source_id, "box <1>");
    CHECK_STR(found.uid, "4b5c0005-e491-4bcf-85e3-bde3e377df9c");
    CHECK_STR(found.hostname, "vm");
    CHECK(found.format == MP_LSL_INT16 && found.channels == 2 && found.version == 110 &&
          found.data_port == 16573 && !found.has_rate);
    CHECK_INT(mp_lsl_found_check(&found, &err), MP_OK);
    CHECK_INT(mp_lsl_source_read(&source, "lsl:A&B", &err), MP_OK);
    CHECK(mp_lsl_found_matches(&found, &source));
    CHECK_INT(mp_lsl_source_read(&source, "lsl:type=Markers", &err), MP_OK);
    CHECK(mp_lsl_found_matches(&found, &source));
    CHECK_INT(mp_lsl_source_read(&source, "lsl:no", &err), MP_OK);
    CHECK(!mp_lsl_found_matches(&found, &source)); // what its maker wrote is not its name
    (void)snprintf(found.source_id, sizeof found.source_id, "moonpulse:vm:A&B");
    CHECK_INT(mp_lsl_source_read(&source, "lsl:type=Markers", &err), MP_OK);
    CHECK(!mp_lsl_found_matches(&found, &source)); // a run's own
    found.has_rate = true;
    CHECK_INT(mp_lsl_found_check(&found, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "at a fixed rate");
    for (size_t length = 0; length < sizeof xml - 1; length++) {
        char *copy = copy_of(xml, length);
        (void)mp_lsl_found_read(&found, copy, length, NULL);
        free(copy);
    }
}

static void reads_what_the_user_names(void)
{
    struct mp_lsl_source source;
    char query[MP_LSL_ASKS];
    CHECK(mp_lsl_is_path("lsl:a") && mp_lsl_is_path("lsl-net:a") &&
          !mp_lsl_is_path("/dev/lsl:"));
    CHECK_INT(mp_lsl_source_read(&source, "lsl-net:source_id=box 1;go=5;a=b=255", NULL), MP_OK);
    CHECK(source.all);
    mp_lsl_source_query(&source, query);
    CHECK_STR(query, "session_id='default' and source_id='box 1'");
    static const struct {
        const char *text;
        int byte;
    } samples[] = {{"go", 5},   {"a=b", 255}, {"0", 0},    {" 255\r\n", 255}, {"007", 7},
                   {"256", -1}, {"-1", -1},   {"5.0", -1}, {"", -1},          {"go ", -1},
                   {"Go", -1},  {"5x", -1},   {"nan", -1}, {"  ", -1},        {"0x5", -1}};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        CHECK_INT(mp_lsl_source_byte(&source, samples[i].text, strlen(samples[i].text)),
                  samples[i].byte);
    CHECK_INT(mp_lsl_source_read(&source, "lsl:a=b", NULL), MP_OK);
    CHECK_STR(source.value, "a=b");
    static const char *const wrong[] = {
        "lsl:",      "lsl:a'b",      "lsl:type=", "lsl:a;",      "lsl:a;go",    "lsl:a;=5",
        "lsl:a;go=", "lsl:a;go=256", "lsl:a\nb",  "lsl:a;go=-1", "lsl:a;g\"=1", "lsl:;go=5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mp_error err = {0};
        CHECK_INT(mp_lsl_source_read(&source, wrong[i], &err), MP_EINVAL);
        CHECK_HAS(err.text, "needed");
    }
}

static enum mp_lsl_got head_of(const struct mp_lsl_found *found, const char *bytes,
                               size_t length, struct mp_lsl_feed *feed, struct mp_error *err)
{
    size_t used;
    *err = (struct mp_error){0};
    return mp_lsl_feed_head(feed, found, bytes, length, &used, err);
}

#define ANSWER(order)                                                                          \
    "LSL/110 200 OK\r\nUID: u\r\nByte-Order: " order                                           \
    "\r\nSuppress-Subnormals: 0\r\nData-Protocol-Version: 110\r\n\r\n"
#define TIME "\x02\xc9v\xbe\x9f\x0c$\xfe@"
#define TIME_TURNED "\x02@\xfe$\x0c\x9f\xbev\xc9"

/* What a sender lies about is known before its first sample counts. */
static void reads_a_head(void)
{
    const struct mp_lsl_found found = {
        .uid = "u", .format = MP_LSL_INT16, .channels = 1, .version = 110};
    struct mp_lsl_feed feed;
    struct mp_error err;
    static const char little[] = ANSWER("1234") TIME "\x05\x01" TIME "\x03\x01";
    static const char big[] = ANSWER("4321") TIME_TURNED "\x01\x05" TIME_TURNED "\x01\x03";
    static const char lie[] = ANSWER("1234") TIME_TURNED "\x01\x05" TIME_TURNED "\x01\x03";
    static const char other[] = ANSWER("1234") TIME "\x06\x01" TIME "\x03\x01";
    CHECK_INT(head_of(&found, BYTES(little), &feed, &err), MP_LSL_GOT);
    CHECK(feed.data == 110 && !feed.big_endian);
    CHECK_INT(head_of(&found, BYTES(big), &feed, &err), MP_LSL_GOT);
    CHECK(feed.big_endian);
    for (size_t length = 0; length < sizeof little - 1; length++) {
        char *copy = copy_of(little, length);
        CHECK_INT(head_of(&found, copy, length, &feed, &err), MP_LSL_GOT_PART);
        free(copy);
    }
    CHECK_INT(head_of(&found, BYTES(lie), &feed, &err), MP_LSL_GOT_BAD);
    CHECK_HAS(err.text, "not written as it says");
    CHECK_INT(head_of(&found, BYTES(other), &feed, &err), MP_LSL_GOT_BAD);
    CHECK_INT(head_of(&found, BYTES("LSL/110 404 Not found\r\n\r\n"), &feed, &err),
              MP_LSL_GOT_BAD);
    CHECK_HAS(err.text, "404");
    CHECK_INT(head_of(&found, BYTES("HTTP/1.1 200 OK\r\n\r\n"), &feed, &err), MP_LSL_GOT_BAD);
    CHECK_HAS(err.text, "not LSL");
    CHECK_INT(head_of(&found, BYTES("LSL/110 200 OK\r\nUID: v\r\n\r\n"), &feed, &err),
              MP_LSL_GOT_BAD);
    CHECK_HAS(err.text, "another stream");
    CHECK_INT(head_of(&found, BYTES("LSL/110 200 OK\r\nData-Protocol-Version: 120\r\n\r\n"),
                      &feed, &err),
              MP_LSL_GOT_BAD);
}

/* Whatever it is, it is read in its own bounds: the sanitizers look on. */
static void takes_any_bytes(void)
{
    static const char begins[] = ANSWER("1234") TIME "\x05\x01" TIME "\x03\x01";
    struct chance chance = {.state = 11};
    int known = 0;
    for (int i = 0; i < 30000; i++) {
        const struct mp_lsl_found found = {
            .uid = "u",
            .format = (enum mp_lsl_format)chance_below(&chance, 7),
            .channels = 1 + (uint32_t)chance_below(&chance, 3),
            .version = chance_below(&chance, 2) == 0 ? 100 : 110};
        size_t used, length = (size_t)chance_below(&chance, 200);
        char *bytes = malloc(length > 0 ? length : 1);
        for (size_t at = 0; at < length; at++)
            bytes[at] =
                at < sizeof begins - 1 && chance_below(&chance, 100) > 0
                    ? begins[at]
                    : (char)chance_below(&chance, chance_below(&chance, 2) == 0 ? 9 : 256);
        struct mp_lsl_feed feed;
        struct mp_lsl_taken taken;
        enum mp_lsl_got got = mp_lsl_feed_head(&feed, &found, bytes, length, &used, NULL);
        CHECK(got != MP_LSL_GOT || used <= length);
        feed = (struct mp_lsl_feed){found.format, found.channels, found.version,
                                    chance_below(&chance, 2) == 0};
        got = mp_lsl_feed_sample(&feed, bytes, length, &used, &taken);
        CHECK(got != MP_LSL_GOT || used <= length);
        bytes[0] = length > 1 ? 1 : 0;
        got = mp_lsl_feed_sample(&feed, bytes, length, &used, &taken);
        known += got == MP_LSL_GOT ? 1 : 0;
        free(bytes);
    }
    CHECK(known > 1000);
}

int main(void)
{
    reads_samples_of_each_format();
    knows_what_is_no_sample();
    reads_what_a_stream_is();
    reads_what_the_user_names();
    reads_a_head();
    takes_any_bytes();
    return CHECK_DONE("test_lsl_in");
}
