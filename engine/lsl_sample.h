/*
 * lsl_sample.h - what a stream of LSL sends to who receives its samples: a head, two samples of
 * a known pattern, then samples of one text each.
 *
 * Data protocol 110 is a tag, the time as a double, the text behind its length; 100 a portable
 * binary archive of Boost, version 9, in which whole numbers have only the bytes that they need
 * (sccn/liblsl 1.17.7: src/tcp_server.cpp, src/sample.cpp, src/portable_archive/). Any thread;
 * none of it allocates.
 */
#ifndef MP_LSL_SAMPLE_H
#define MP_LSL_SAMPLE_H

#include "engine/lsl_info.h"
#include "engine/lsl_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_TEXT = 1024 };                    // bytes of a sample's text at most
enum { MP_LSL_SAMPLE_ROOM = MP_LSL_TEXT + 32 }; // that one takes at most
enum { MP_LSL_HEAD_ROOM = 4096 };               // that a head takes at most

/* How a receiver wants its samples. */
struct mp_lsl_form {
    int data;        // 110 or 100
    bool big_endian; // of 110
};

/*
 * Into out, of MP_LSL_HEAD_ROOM: what it gets before any sample. answered: a head that says how
 * it is written, which who asks in the form of version 100 does not get. Returns how much.
 */
size_t mp_lsl_put_head(char *out, const struct mp_lsl_info *info, struct mp_lsl_form form,
                       bool answered);
/* Into out, of MP_LSL_SAMPLE_ROOM: a sample of time_ns (monotonic). The text has at most
 * MP_LSL_TEXT bytes. Returns how much. */
size_t mp_lsl_put_sample(char *out, struct mp_lsl_form form, int64_t time_ns, const char *text,
                         size_t length);

#endif
