/* feed.h - one run's feed and its readers: between feed.c and feed_reader.c. Loop thread. */
#ifndef MP_FEED_H
#define MP_FEED_H

#include "bindings/owned.h"
#include "engine/feed_log.h"
#include "engine/feed_socket.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MP_FEED "moonpulse.feed"

enum { MP_FEED_ASKS = 4096, MP_FEED_OWN = 16384 }; // bytes of a line from a reader; for one

struct feed {
    struct mp_owned owned;
    struct mp_feed_socket socket;
    struct mp_feed_log log;
    uv_poll_t listener;
    uv_prepare_t prepare; // what was told goes out before the loop waits
    int handles;          // of these two that are open
    int spare;            // a descriptor for when there is none left; -1: none
    int on_event;         // registry reference
    struct mp_feed_reader *first;
    size_t full_length;
    char full[MP_FEED_OWN]; // what one more than there may be is told
    int readers;
    uint64_t came, dropped, refused;
    uint64_t sent; // so far everybody was given what it takes
};

/* A program that has connected. */
struct mp_feed_reader {
    uv_poll_t poll;
    struct feed *feed;
    struct mp_feed_reader *next, **previous;
    int fd;
    int events; // what its poll looks for
    uint64_t id;
    pid_t process;
    uint64_t at; // in the log
    bool amid;   // the last byte that it got from there was amid a line
    bool deaf;   // it says nothing more, or is not to be heard any more
    bool leaves; // once it has what is its own
    bool gone;   // dropped: freed when its poll is closed
    size_t got;  // of a line that it sends
    size_t own_length;
    char asks[MP_FEED_ASKS];
    char own[MP_FEED_OWN]; // lines for this reader alone
};

/* Let go of it; its memory goes with its handle. */
void mp_feed_drop(struct mp_feed_reader *reader);
/* Look for what it says, unless it is deaf, and for room. */
void mp_feed_watch(struct mp_feed_reader *reader, bool writable);
/* Give it what it takes. It may be dropped. */
void mp_feed_send(struct mp_feed_reader *reader);
/* Take what it says, at most one line of it. False: it was dropped. */
bool mp_feed_hear(struct mp_feed_reader *reader);
/* Have Lua answer a line, or NULL: that it has come. False: it was dropped. */
bool mp_feed_ask(struct mp_feed_reader *reader, const char *line, size_t length);

#endif
