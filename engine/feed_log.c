#include "engine/feed_log.h"

#include <stdlib.h>
#include <string.h>

bool mp_feed_log_open(struct mp_feed_log *log, size_t room)
{
    *log = (struct mp_feed_log){.bytes = malloc(room), .room = room};
    return log->bytes != NULL;
}

void mp_feed_log_close(struct mp_feed_log *log)
{
    free(log->bytes);
    *log = (struct mp_feed_log){0};
}

size_t mp_feed_log_at(const struct mp_feed_log *log, uint64_t from, const char **bytes)
{
    size_t at = (size_t)(from % log->room), left = (size_t)(log->end - from);
    *bytes = log->bytes + at;
    return left < log->room - at ? left : log->room - at;
}

/* The oldest line goes. */
static void forget_line(struct mp_feed_log *log)
{
    for (const char *bytes, *newline; log->first < log->end;) {
        size_t length = mp_feed_log_at(log, log->first, &bytes);
        newline = memchr(bytes, '\n', length);
        log->first += newline == NULL ? length : (size_t)(newline - bytes) + 1;
        if (newline != NULL)
            break;
    }
    log->gone++;
}

static void put(struct mp_feed_log *log, const char *bytes, size_t length)
{
    size_t at = (size_t)(log->end % log->room);
    size_t before = length < log->room - at ? length : log->room - at;
    memcpy(log->bytes + at, bytes, before);
    memcpy(log->bytes, bytes + before, length - before);
    log->end += length;
}

bool mp_feed_log_add(struct mp_feed_log *log, const char *line, size_t length)
{
    if (length >= log->room / 4)
        return false;
    while (log->end + length + 1 - log->first > log->room)
        forget_line(log);
    put(log, line, length);
    put(log, "\n", 1);
    return true;
}
