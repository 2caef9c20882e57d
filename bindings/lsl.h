/* lsl.h - one run's stream of markers over LSL and its receivers: between lsl.c and
 * lsl_client.c. Loop thread. */
#ifndef MP_LSL_H
#define MP_LSL_H

#include "bindings/owned.h"
#include "engine/feed_log.h"
#include "engine/lsl_info.h"
#include "engine/lsl_net.h"
#include "engine/lsl_request.h"
#include "engine/lsl_sample.h"

#include <stdbool.h>
#include <stdint.h>

#define MP_LSL "moonpulse.lsl"

enum { MP_LSL_GIVES = 16384, MP_LSL_MADE = 64 }; // made ready for one: bytes, samples

struct mp_lsl_outlet {
    struct mp_owned owned;
    struct mp_lsl_net net;
    struct mp_lsl_info info; // once it serves
    struct mp_feed_log log; // a line each sample: its time in ns as 16 hexadecimal digits, text
    uv_poll_t data, service, queries;
    uv_prepare_t prepare; // what was told goes out before the loop waits
    int handles;          // of these four that are open; 0: it does not serve yet
    int spare;            // a descriptor for when there is none left; -1: none
    struct mp_lsl_client *first;
    int clients, receivers, most; // connected; of these, who gets samples, and at most so far
    uint64_t samples, lost, refused;
    uint64_t sent; // so far everybody was given what it takes
};

enum mp_lsl_state { MP_LSL_ASKING, MP_LSL_LEAVING, MP_LSL_RECEIVING };

/* Who has connected over TCP. */
struct mp_lsl_client {
    uv_poll_t poll;
    struct mp_lsl_outlet *outlet;
    struct mp_lsl_client *next, **previous;
    int fd;
    int events; // what its poll looks for
    enum mp_lsl_state state;
    struct mp_lsl_form form;
    bool deaf;                  // it says nothing more
    uint64_t at;                // in the log
    uint64_t line;              // the number of the line there, from 0
    size_t got, from, to;       // of what it asks; of what is ready, given and made
    int made;                   // samples that are ready
    uint16_t ends[MP_LSL_MADE]; // where each of them ends
    char asked[MP_LSL_ASKED];
    char ready[MP_LSL_GIVES];
};

/* Take in who has connected, as fd, which is the client's from now on. */
void mp_lsl_client_new(struct mp_lsl_outlet *outlet, int fd);
/* Let go of it; its memory goes with its handle. */
void mp_lsl_client_drop(struct mp_lsl_client *client);
/* Give it what it takes. It may be dropped. */
void mp_lsl_client_send(struct mp_lsl_client *client);
/* How many samples its connection has not taken: 0 where it gets none. */
uint64_t mp_lsl_client_behind(const struct mp_lsl_client *client);

#endif
