/* The ring of a feed: what is there are whole lines, the newest, in their order, whatever the
 * readers do. */
#include "engine/feed_log.h"

#include "tests/check.h"

#include <stdlib.h>

enum { ROOM = 97, LINES = 4000, LONGEST = ROOM / 4 };

/* All that is there from a place on, in one piece. */
static size_t read_from(const struct mp_feed_log *log, uint64_t from, char *out)
{
    size_t length = 0;
    for (const char *bytes; from + length < log->end;) {
        size_t got = mp_feed_log_at(log, from + length, &bytes);
        memcpy(out + length, bytes, got);
        length += got;
    }
    return length;
}

/* Against a plain copy of everything that was ever added. */
static void keeps_the_newest_whole_lines(void)
{
    struct mp_feed_log log;
    static char all[LINES * (LONGEST + 1)], line[LONGEST + 1], seen[ROOM];
    size_t length = 0;
    uint32_t seed = 1;
    CHECK(mp_feed_log_open(&log, ROOM));
    for (int i = 0; i < LINES; i++) {
        seed = seed * 1664525U + 1013904223U;
        size_t of_line = (seed >> 16) % LONGEST;
        memset(line, 'a' + i % 26, of_line);
        CHECK(mp_feed_log_add(&log, line, of_line));
        memcpy(all + length, line, of_line);
        length += of_line;
        all[length++] = '\n';
        CHECK_INT(log.end, length);
        CHECK(log.end - log.first <= ROOM);
        CHECK(log.first == 0 || log.end - log.first + LONGEST + 1 > ROOM / 2);
        CHECK(log.first == 0 || all[log.first - 1] == '\n');
        size_t got = read_from(&log, log.first, seen);
        CHECK_INT(got, length - log.first);
        CHECK(memcmp(seen, all + log.first, got) == 0);
    }
    uint64_t lines = 0;
    for (size_t at = 0; at < log.first; at++)
        lines += all[at] == '\n' ? 1 : 0;
    CHECK_INT(log.gone, lines);
    mp_feed_log_close(&log);
}

static void refuses_a_line_that_would_leave_no_other(void)
{
    struct mp_feed_log log;
    char line[ROOM] = {0};
    CHECK(mp_feed_log_open(&log, ROOM));
    CHECK(mp_feed_log_add(&log, "kept", 4));
    CHECK(!mp_feed_log_add(&log, line, LONGEST));
    CHECK_INT(log.end, 5);
    CHECK_INT(log.gone, 0);
    mp_feed_log_close(&log);
}

int main(void)
{
    keeps_the_newest_whole_lines();
    refuses_a_line_that_would_leave_no_other();
    return CHECK_DONE("test_feed_log");
}
