/*
 * lsl_source.h - which stream of LSL triggers come from, as the user names it, and which byte a
 * sample of it is.
 *
 *     lsl:NAME                 the stream of this computer that has the name
 *     lsl:type=Markers         likewise by its type, or by source_id=...
 *     lsl-net:NAME             of any computer of the networks that this one is in
 *     lsl:NAME;go=5;stop=6     a sample "go" is byte 5, and "stop" is byte 6
 *
 * A sample that is a whole number from 0 to 255, or its digits as text, is that byte. Any
 * thread; nothing is kept or allocated.
 */
#ifndef MP_LSL_SOURCE_H
#define MP_LSL_SOURCE_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_WANTED = 128 }; // bytes of a name at most
enum { MP_LSL_MAPPED = 32 };  // samples that are named with their bytes, at most
enum { MP_LSL_SAID = 64 };    // bytes of such a sample at most
enum { MP_LSL_ASKS = 512 };   // room for a query

struct mp_lsl_source {
    bool all; // streams of other computers, too
    char field[12];
    char value[MP_LSL_WANTED + 1];
    size_t mapped;
    struct {
        char text[MP_LSL_SAID + 1];
        uint8_t byte;
    } map[MP_LSL_MAPPED];
};

/* Does a path begin as one of those? */
bool mp_lsl_is_path(const char *path);
/* Read a path. MP_EINVAL where it is not as above. */
enum mp_status mp_lsl_source_read(struct mp_lsl_source *source, const char *path,
                                  struct mp_error *err);
/* Into out, of MP_LSL_ASKS: what is asked of all streams. */
void mp_lsl_source_query(const struct mp_lsl_source *source, char *out);
/* The byte of a sample; -1: it is none. */
int mp_lsl_source_byte(const struct mp_lsl_source *source, const char *text, size_t length);

#endif
