/* The edges of lines from looks at them: against a line that is moved edge by edge, whose count
 * and level are looked at as a driver gives them. */
#include "engine/line_edges.h"
#include "tests/check.h"

#include <string.h>

/* What was told so far, and how the line goes. */
struct line {
    struct mp_line_told told;
    uint32_t count;
    bool high;
    char said[4096];
    size_t length;
};

static void look(struct line *line, uint32_t count, bool counts)
{
    uint8_t bytes[MP_LINE_EDGES_MOST + 1];
    size_t n =
        mp_line_look(&line->told, MP_INPUT_CTS, counts ? &count : NULL, line->high, bytes);
    memcpy(line->said + line->length, bytes, n);
    line->length += n;
}

static void move(struct line *line, size_t edges)
{
    for (size_t i = 0; i < edges; i++) {
        line->high = !line->high;
        line->count++;
    }
}

/* Edges told: all of those that there were, up and down in turn. */
static void check_all(const struct line *line)
{
    CHECK_INT(line->length, line->count);
    for (size_t i = 0; i < line->length; i++)
        CHECK_INT(line->said[i], i % 2 == 0 ? 'C' : 'c');
}

static void bytes_are_of_their_lines(void)
{
    const char *expected = "CcDdRrLl";
    for (int i = 0; i < 4; i++) {
        CHECK_INT(mp_line_byte((enum mp_input_line)(MP_INPUT_CTS + i), true), expected[2 * i]);
        CHECK_INT(mp_line_byte((enum mp_input_line)(MP_INPUT_CTS + i), false),
                  expected[2 * i + 1]);
    }
}

/* Any number of edges between looks, and any between the reading of a count and that of a
 * level. */
static void none_is_lost_nor_doubled_where_edges_are_counted(void)
{
    uint64_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct line line = {.told = {.counts = true}};
        for (int i = 0; i < 60; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            move(&line, (seed >> 40) % 5);
            const uint32_t counted = line.count;
            move(&line, (seed >> 50) % 4); // meanwhile
            look(&line, counted, true);
        }
        look(&line, line.count, true);
        look(&line, line.count, true);
        check_all(&line);
    }
}

static void a_count_that_begins_anywhere_and_overflows_is_taken(void)
{
    struct line line = {.told = {.counts = true, .counted = UINT32_MAX - 1}};
    move(&line, 3);
    look(&line, UINT32_MAX - 1 + 3U, true);
    check_all(&line);
}

static void without_a_count_a_level_that_changed_is_one_edge(void)
{
    struct line line = {.count = 0};
    for (int i = 0; i < 40; i++) {
        look(&line, 0, false);
        move(&line, 1);
        look(&line, 0, false);
    }
    check_all(&line);
    move(&line, 2); // over between two looks
    look(&line, 0, false);
    CHECK_INT(line.length, 40);
}

static void the_first_count_is_no_edge(void)
{
    struct line line = {.count = 0};
    look(&line, 1001, true);
    CHECK_INT(line.length, 0);
    line.high = true; // it was high before anybody counted
    look(&line, 1001, true);
    CHECK_INT(line.length, 1);
    move(&line, 4);
    look(&line, 1001 + 4, true);
    CHECK_INT(line.length, 5);
}

/* The count cannot be had at some looks: no edge comes out of nothing, and none is lost. */
static void a_count_that_fails_makes_no_edges(void)
{
    uint64_t seed = 2;
    for (int round = 0; round < 200; round++) {
        struct line line = {.count = 0};
        look(&line, 1001, true);
        for (int i = 0; i < 60; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            move(&line, (seed >> 40) % 3);
            look(&line, 1001 + line.count, (seed >> 50) % 3 != 0);
            CHECK(line.length <= line.count);
        }
        look(&line, 1001 + line.count, true);
        check_all(&line);
    }
}

/* A driver that is reset, or counts in 16 bits only. */
static void a_count_that_goes_back_makes_no_edges_and_loses_none(void)
{
    static const uint32_t from[] = {1000, UINT16_MAX, UINT32_MAX / 2};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        struct line line = {.count = 0};
        look(&line, from[i], true);
        look(&line, 0, true);
        CHECK_INT(line.length, 0);
        for (int pulse = 0; pulse < 10; pulse++) {
            move(&line, 2); // over between two looks
            look(&line, line.count, true);
        }
        CHECK_INT(line.length, 20);
        check_all(&line);
    }
}

static void of_a_storm_the_last_level_is_right(void)
{
    struct line line = {.told = {.counts = true}};
    for (uint32_t edges = 1000; edges < 1003; edges++) {
        move(&line, edges);
        look(&line, line.count, true);
        CHECK(line.told.high == line.high);
        CHECK(line.length > 0 && (line.said[line.length - 1] == 'C') == line.high);
    }
    CHECK(line.length <= 3 * (MP_LINE_EDGES_MOST + 1));
}

int main(void)
{
    bytes_are_of_their_lines();
    none_is_lost_nor_doubled_where_edges_are_counted();
    a_count_that_begins_anywhere_and_overflows_is_taken();
    without_a_count_a_level_that_changed_is_one_edge();
    the_first_count_is_no_edge();
    a_count_that_fails_makes_no_edges();
    a_count_that_goes_back_makes_no_edges_and_loses_none();
    of_a_storm_the_last_level_is_right();
    return CHECK_DONE("test_line_edges");
}
