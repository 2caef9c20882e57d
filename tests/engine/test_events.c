/* Rows of events.tsv: to the byte, at the edges, and never longer than their room. */
#include "engine/events.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <locale.h>

static struct mp_tail text(const char *bytes)
{
    return (struct mp_tail){.bytes = bytes, .length = bytes == NULL ? 0 : strlen(bytes)};
}

/* What row looks like; the bytes behind its room are looked at, too. */
static const char *put(const struct mp_event_row *row)
{
    static char line[1024];
    size_t room = mp_event_room(row);
    CHECK(room < sizeof line - 8);
    memset(line, '#', sizeof line);
    line[sizeof line - 1] = '\0';
    char *end = mp_event_put(line, row);
    CHECK(end <= line + room);
    CHECK(strspn(end, "#") >= room + 8 - (size_t)(end - line)); // untouched
    *end = '\0';
    static char rest[sizeof line], again[sizeof line];
    const char *rest_end = mp_event_put_rest(rest, row);
    const struct mp_tail tail = {.bytes = rest, .length = (size_t)(rest_end - rest)};
    *mp_event_put_with(again, row, &tail) = '\0';
    CHECK_STR(again, line);
    return line;
}

static size_t count_of(const char *line, char wanted)
{
    size_t count = 0;
    for (; *line != '\0'; line++)
        count += *line == wanted;
    return count;
}

static struct mp_event_row delivered(void)
{
    return (struct mp_event_row){.event = text("pulse"),
                                 .index = 12,
                                 .pulse = 7,
                                 .planned_ns = 1000000001,
                                 .sent_ns = 1000036000,
                                 .confirmed_ns = 1020000999,
                                 .late_ns = 1500,
                                 .action = text("1\t36\t80\tAMT"),
                                 .status = text("delivered"),
                                 .reply = text("dI/dt 47 A/us"),
                                 .timed_by = text("host"),
                                 .proof = text("read")};
}

static void the_header_names_the_columns(void)
{
    CHECK_STR(mp_event_header,
              "onset\tduration\ttrial_type\tindex\tevent\tpulse\tonset_planned_us\t"
              "onset_sent_us\tonset_confirmed_us\tlateness_us\tchannel\tintensity_mso\t"
              "intensity\tintensity_ref\tstatus\treply\ttimed_by\tsetting_proof\t"
              "trial\tblock\n");
    const struct mp_event_row row = delivered();
    CHECK_INT(count_of(put(&row), '\t'), count_of(mp_event_header, '\t'));
}

static void rows_are_these(void)
{
    struct mp_event_row row = delivered();
    CHECK_STR(put(&row), "1.000036000\t0\tpulse\t12\tpulse\t7\t1000000.001\t1000036.000\t"
                         "1020000.999\t1.500\t1\t36\t80\tAMT\tdelivered\tdI/dt 47 A/us\thost\t"
                         "read\tn/a\tn/a\n");
    row.condition = text("SICI");
    row.trial = 20;
    row.block = 3;
    CHECK_STR(put(&row), "1.000036000\t0\tSICI\t12\tpulse\t7\t1000000.001\t1000036.000\t"
                         "1020000.999\t1.500\t1\t36\t80\tAMT\tdelivered\tdI/dt 47 A/us\thost\t"
                         "read\t20\t3\n");
    row.block = 0;
    row.condition = text(NULL);
    row.sent_ns = row.confirmed_ns = MP_EVENT_NONE; // left out
    row.late_ns = 12345678;
    row.status = text("late");
    row.reply = text(""); // no cell is empty
    CHECK_STR(put(&row), "1.000000001\t0\tpulse\t12\tpulse\t7\t1000000.001\tn/a\tn/a\t12345.678"
                         "\t1\t36\t80\tAMT\tlate\tn/a\thost\tread\t20\tn/a\n");
    row = (struct mp_event_row){.event = text("mark"),
                                .index = 1,
                                .planned_ns = 0,
                                .sent_ns = MP_EVENT_NONE,
                                .confirmed_ns = MP_EVENT_NONE,
                                .late_ns = MP_EVENT_NONE,
                                .status = text("passed"),
                                .reply = text("block 1")};
    CHECK_STR(put(&row), "0.000000000\t0\tmark\t1\tmark\tn/a\t0.000\tn/a\tn/a\tn/a\tn/a\tn/a\t"
                         "n/a\tn/a\tpassed\tblock 1\tn/a\tn/a\tn/a\tn/a\n");
    row = (struct mp_event_row){.event = text("set_intensity"),
                                .index = 3,
                                .planned_ns = -8200000, // before the plan's start
                                .sent_ns = -8199999,
                                .confirmed_ns = MP_EVENT_NONE,
                                .late_ns = MP_EVENT_NONE,
                                .action = text("2\t41\t41\tMSO"),
                                .status = text("sent")};
    CHECK_STR(put(&row),
              "-0.008199999\t0\tset_intensity\t3\tset_intensity\tn/a\t-8200.000\t"
              "-8199.999\tn/a\tn/a\t2\t41\t41\tMSO\tsent\tn/a\tn/a\tn/a\tn/a\tn/a\n");
    row = delivered();
    row.timed_by = text("device"); // a train's second pulse
    row.confirmed_ns = row.late_ns = MP_EVENT_NONE;
    row.status = text("stopped");
    row.sent_ns = MP_EVENT_NONE;
    row.reply = row.proof = text(NULL);
    CHECK_STR(put(&row), "1.000000001\t0\tpulse\t12\tpulse\t7\t1000000.001\tn/a\tn/a\tn/a\t1\t"
                         "36\t80\tAMT\tstopped\tn/a\tdevice\tn/a\tn/a\tn/a\n");
}

static void the_longest_numbers_fit(void)
{
    static const int64_t edges[] = {INT64_MAX, INT64_MIN + 1, -1, 1, 0, MP_EVENT_NONE};
    enum { EDGES = sizeof edges / sizeof edges[0] };
    for (size_t i = 0; i < EDGES * EDGES; i++) {
        const struct mp_event_row row = {.event = text(i % 2 == 0 ? NULL : "pulse"),
                                         .index = UINT64_MAX,
                                         .pulse = UINT64_MAX,
                                         .planned_ns = edges[i % EDGES],
                                         .sent_ns = edges[i / EDGES],
                                         .confirmed_ns = edges[i % EDGES],
                                         .late_ns = edges[i / EDGES],
                                         .trial = UINT64_MAX,
                                         .block = UINT64_MAX};
        CHECK_INT(count_of(put(&row), '\t'), 19);
    }
    const struct mp_event_row row = {.planned_ns = INT64_MIN + 1,
                                     .sent_ns = INT64_MAX,
                                     .confirmed_ns = MP_EVENT_NONE,
                                     .late_ns = -1};
    CHECK_STR(put(&row), "9223372036.854775807\t0\tn/a\t0\tn/a\tn/a\t-9223372036854775.807\t"
                         "9223372036854775.807\tn/a\t-0.001\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\t"
                         "n/a\tn/a\tn/a\tn/a\n");
}

static void check_action(const char *channel, double mso, double intensity,
                         const char *expected)
{
    char line[256];
    memset(line, '#', sizeof line);
    const struct mp_event_action action = {
        .channel = text(channel), .mso = mso, .intensity = intensity, .reference = text("RMT")};
    char *end = mp_event_put_action(line, &action);
    CHECK(end <= line + MP_EVENT_ACTION + strlen(channel) + 3);
    CHECK(*end == '#');
    *end = '\0';
    CHECK_STR(line, expected);
}

static void actions_are_these(void)
{
    check_action("1", 36, 80, "1\t36\t80\tRMT");
    check_action("left hand", 40.5, 100.0 / 3, "left hand\t40.5\t33.3333333\tRMT");
    check_action("", 0, 1e-7, "n/a\t0\t1e-07\tRMT");
    check_action("2", 123456789012.0, -1.23456789e-300,
                 "2\t1.23456789e+11\t-1.23456789e-300"
                 "\tRMT");
}

/* The numbers of a record are not those of the language that somebody speaks. */
static void no_locale_changes_them(void)
{
    static const char *const comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ru_RU.UTF-8"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof comma / sizeof comma[0] && found == NULL; i++)
        found = setlocale(LC_ALL, comma[i]);
    if (found == NULL)
        (void)printf("test_events: no locale with a decimal comma is installed here\n");
    actions_are_these();
    rows_are_these();
    (void)setlocale(LC_ALL, "C");
}

static void control_characters_become_visible(void)
{
    static const char raw[] = "a\tb\nc\r\x01\x7f\\ \xc3\xa4";
    char clean[4 * sizeof raw];
    *mp_event_clean(clean, raw, sizeof raw - 1) = '\0';
    CHECK_STR(clean, "a\\x09b\\x0Ac\\x0D\\x01\\x7F\\ \xc3\xa4");
    CHECK(!mp_event_is_clean(raw, sizeof raw - 1));
    CHECK(mp_event_is_clean(clean, strlen(clean)));
    CHECK(mp_event_is_clean("", 0));
    CHECK(!mp_event_is_clean("\0", 1));
    for (int c = 0; c < 256; c++) {
        const char one = (char)c;
        const bool unfit = c < 0x20 || c == 0x7f || (c != 0 && strchr("\"=+-@", c) != NULL);
        CHECK_INT(mp_event_is_clean(&one, 1), !unfit);
        CHECK_INT(mp_event_clean(clean, &one, 1) - clean, unfit ? 4 : 1);
    }
    // only at its beginning does a quote make a cell a quoted one
    *mp_event_clean(clean, "\"go\"", 4) = '\0';
    CHECK_STR(clean, "\\x22go\"");
    CHECK(mp_event_is_clean("go \"now\"", 8));
    // nor is anything a formula of a spreadsheet
    *mp_event_clean(clean, "=1+1", 4) = '\0';
    CHECK_STR(clean, "\\x3D1+1");
    CHECK(mp_event_is_clean("a=1+1", 5));
}

/* Against printf: time for time. */
static void times_are_as_printf_writes_them(void)
{
    struct chance chance = {23};
    for (int i = 0; i < 20000; i++) {
        struct mp_event_row row = delivered();
        char expected[512];
        int64_t ns = (int64_t)(chance_next(&chance) >> (1 + chance_below(&chance, 62)));
        bool before = chance_below(&chance, 2) == 1;
        row.planned_ns = before ? -ns : ns;
        row.sent_ns = MP_EVENT_NONE;
        const char *sign = before && ns > 0 ? "-" : "";
        (void)snprintf(expected, sizeof expected,
                       "%s%" PRId64 ".%09" PRId64 "\t0\tpulse\t12\tpulse\t7\t%s%" PRId64
                       ".%03" PRId64 "\tn/a\t",
                       sign, ns / 1000000000, ns % 1000000000, sign, ns / 1000, ns % 1000);
        CHECK(strncmp(put(&row), expected, strlen(expected)) == 0);
    }
}

int main(void)
{
    the_header_names_the_columns();
    rows_are_these();
    the_longest_numbers_fit();
    actions_are_these();
    no_locale_changes_them();
    control_characters_become_visible();
    times_are_as_printf_writes_them();
    return CHECK_DONE("test_events");
}
