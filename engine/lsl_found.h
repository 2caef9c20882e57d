/*
 * lsl_found.h - what a stream of LSL says of itself, as one reads it who wants its samples:
 * the answer to a query, which is XML (sccn/liblsl 1.17.7: src/stream_info_impl.cpp).
 *
 * Any thread; nothing is kept or allocated. Bytes may be anything.
 */
#ifndef MP_LSL_FOUND_H
#define MP_LSL_FOUND_H

#include "engine/error.h"
#include "engine/lsl_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mp_lsl_format {
    MP_LSL_STRING,
    MP_LSL_FLOAT32,
    MP_LSL_DOUBLE64,
    MP_LSL_INT8,
    MP_LSL_INT16,
    MP_LSL_INT32,
    MP_LSL_INT64,
};

enum { MP_LSL_SAMPLE_MOST = 1 << 20 }; // bytes of a sample that is read, at most

/* What is longer than its room is cut. */
struct mp_lsl_found {
    char name[MP_LSL_WANTED + 1];
    char type[MP_LSL_WANTED + 1];
    char source_id[MP_LSL_WANTED + 1];
    char uid[65];
    char hostname[65];
    enum mp_lsl_format format;
    uint32_t channels;
    int version; // of the protocol: 110, or 100
    bool has_rate;
    uint16_t data_port;
};

/* Bytes of a number of this format; 0: they are texts. */
size_t mp_lsl_format_size(enum mp_lsl_format format);
/* Read an answer. MP_EINVAL where it is none, or no number of it makes sense. */
enum mp_status mp_lsl_found_read(struct mp_lsl_found *found, const char *xml, size_t length,
                                 struct mp_error *err);
/* Is it what was asked for? An answer may be anybody's. Streams of Moonpulse itself are not. */
bool mp_lsl_found_matches(const struct mp_lsl_found *found, const struct mp_lsl_source *source);
/* Can triggers come from it? MP_EUNSUPPORTED, with why not. */
enum mp_status mp_lsl_found_check(const struct mp_lsl_found *found, struct mp_error *err);

#endif
