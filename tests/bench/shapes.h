/*
 * shapes.h - the plans that the blocks play, lowered to frames that say which pulse they are.
 *
 * Pulse k (from 1) has intensity 1 + (k - 1) mod cycle percent, and its frame holds that
 * intensity: what arrives can be held against what was planned, byte for byte.
 */
#ifndef MP_BENCH_SHAPES_H
#define MP_BENCH_SHAPES_H

#include "engine/lowering.h"
#include "tests/bench/witness.h"

struct shape {
    const char *name;  // train, itbs, pairs
    int64_t period_ns; // train: onset to onset
    uint64_t pulses;   // as asked for; shape_lower makes it whole cycles
    uint32_t cycle;
    int64_t tolerance_ns; // later than this is left out
    int64_t least_ns;     // no two pulses may be closer: shortest interval less the tolerance
};

/* Fill what depends on the name; ends the program where there is no such shape. */
struct shape shape_of(const char *name, int64_t period_ns, uint64_t pulses);
/* Build, lower and check. */
struct mp_lowering *shape_lower(const struct shape *shape);
/* The frame of pulse number (from 1). */
void shape_frame(const struct shape *shape, uint64_t number, uint8_t bytes[FRAME_BYTES]);

extern const uint8_t shape_safe[FRAME_BYTES];
extern const struct mp_serial shape_serial;

#endif
