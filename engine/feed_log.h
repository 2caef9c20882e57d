/*
 * feed_log.h - the lines that a run tells other programs, the newest of them: a ring that
 * readers go through at their own pace, each from its own place.
 *
 * Places are counted in bytes from the first line that was ever added, so that one never stands
 * for two. A line that finds no room takes that of the oldest ones: whoever has not read those
 * yet has lost its place. Not for several threads.
 */
#ifndef MP_FEED_LOG_H
#define MP_FEED_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mp_feed_log {
    char *bytes;
    size_t room;
    uint64_t first; // the beginning of the oldest line that is there
    uint64_t end;   // where the next line will begin
    uint64_t gone;  // lines that made room
};

/* Room for so many bytes; false: out of memory. */
bool mp_feed_log_open(struct mp_feed_log *log, size_t room);
void mp_feed_log_close(struct mp_feed_log *log);
/* Add a line; its newline is added. False where it is longer than a quarter of the room. */
bool mp_feed_log_add(struct mp_feed_log *log, const char *line, size_t length);
/* What lies in one piece from a place on, which must be in [first, end]: *bytes is borrowed
 * until the next line is added. Returns how much; 0: nothing is there yet. */
size_t mp_feed_log_at(const struct mp_feed_log *log, uint64_t from, const char **bytes);

#endif
