/*
 * lsl_feed.h - the samples of a stream of LSL, as one gets them who asks for them: the
 * request, the head of the answer with two samples of a known pattern, then samples.
 *
 * Data protocol 110 in either byte order, and 100, an archive of Boost (sccn/liblsl 1.17.7:
 * src/data_receiver.cpp, src/sample.cpp, src/portable_archive/). Any thread; nothing is
 * allocated. Bytes may be anything: what is none of it is said to be bad, and each call takes a
 * time that is bounded by their length.
 */
#ifndef MP_LSL_FEED_H
#define MP_LSL_FEED_H

#include "engine/error.h"
#include "engine/lsl_found.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_FEED_ASKS = 1024 };         // room for the request
enum { MP_LSL_FEED_HEAD_MOST = 1 << 16 }; // bytes of a head at most

enum mp_lsl_got {
    MP_LSL_GOT_PART, // more is needed: call it again with all of it and more
    MP_LSL_GOT,      // it is there, and used says how many bytes it had
    MP_LSL_GOT_BAD,  // it is none
};

/* How a stream's samples are written. */
struct mp_lsl_feed {
    enum mp_lsl_format format;
    uint32_t channels;
    int data; // 110 or 100
    bool big_endian;
};

/* A sample's first channel, as text; of a number its decimal digits. It points into the bytes,
 * or into own. */
struct mp_lsl_taken {
    double time; // the sender's, in seconds of its clock; 0: it did not say
    const char *text;
    size_t length;
    char own[32];
};

/* Into out, of MP_LSL_FEED_ASKS: what asks for the samples of a stream. Returns how much. */
size_t mp_lsl_feed_ask(char *out, const struct mp_lsl_found *found);
/* Read what comes before the first sample; err says why it is bad. */
enum mp_lsl_got mp_lsl_feed_head(struct mp_lsl_feed *feed, const struct mp_lsl_found *found,
                                 const char *bytes, size_t length, size_t *used,
                                 struct mp_error *err);
/* Read a sample. One of more than MP_LSL_SAMPLE_MOST bytes is bad. */
enum mp_lsl_got mp_lsl_feed_sample(const struct mp_lsl_feed *feed, const char *bytes,
                                   size_t length, size_t *used, struct mp_lsl_taken *taken);

#endif
