/*
 * line_edges.h - the edges of a port's lines as bytes, from looks at it: where the system
 * counts edges, none between two looks is lost.
 */
#ifndef MP_LINE_EDGES_H
#define MP_LINE_EDGES_H

#include "engine/port.h"

#include <stddef.h>
#include <stdint.h>

/* One line as it was told. */
struct mp_line_told {
    bool high;
    bool counts;      // the system gave a count once
    uint32_t counted; // the last one
    int32_t ahead;    // edges told that the system had not counted by then
};

enum {
    MP_LINE_EDGES_MOST = 64,      // of one look; of more so many, and the level at the end
    MP_LINE_COUNTED_MOST = 100000 // between two looks; more, or less, is another count
};

/* The byte of an edge: of CTS 'C' where it rises and 'c' where it falls, of DSR 'D' and 'd', of
 * RI 'R' and 'r', of CD 'L' and 'l'. */
uint8_t mp_line_byte(enum mp_input_line line, bool rises);

/*
 * A look at a line. count: how many edges the system has counted, read before the level; NULL:
 * it does not count, or cannot say now. The first count, and one that is no continuation of the
 * last one, is where counting begins: no edge is told for it but one that the level shows.
 * Writes the bytes of the edges since the last look, at most MP_LINE_EDGES_MOST + 1, and
 * returns how many those are.
 */
size_t mp_line_look(struct mp_line_told *told, enum mp_input_line line, const uint32_t *count,
                    bool high, uint8_t *bytes);

#endif
