/*
 * schedule_program.h - the compiled form of a plan; private to schedule*.c.
 *
 * Times are pairs (ns, frac): frac counts parts of a nanosecond in units of
 * 1/denominator and stays below it, so that sums are exact in 64 bits.
 */
#ifndef MP_SCHEDULE_PROGRAM_H
#define MP_SCHEDULE_PROGRAM_H

#include "engine/schedule.h"

enum op_kind { OP_PULSE, OP_MARK, OP_REST, OP_SEQUENCE, OP_REPEAT, OP_PARALLEL };

struct instant {
    int64_t ns;
    int64_t frac;
};

struct op {
    enum op_kind kind;
    enum mp_spacing spacing;
    bool random;         // holds a random rest somewhere inside
    bool plain;          // a repetition at fixed onsets of a pulse or of a plain op
    uint32_t first;      // sequence, parallel: index into links; repeat: the child op
    uint32_t source;     // pulse, mark: index into sources
    uint32_t action;     // pulse
    uint64_t count;      // repeat: repetitions; sequence, parallel: children
    struct instant step; // repeat: period; rest: duration
    uint64_t range_us;   // rest: random part, in whole microseconds
    uint32_t law;        // rest: 0, or 1 + index into laws: how the random part is drawn
    uint32_t frames;     // frames needed to run it
    uint32_t strands;    // strands needed by parallels inside
};

struct law;
struct choice;

/* Where a pulse or mark came from. */
struct source {
    char origin[MP_ORIGIN_MAX];
    char text[MP_NAME_MAX]; // marks only
    uint8_t code;           // 0: none
};

struct program {
    struct op *ops;
    uint32_t *links;
    struct source *sources;
    struct mp_action *actions;
    char (*channels)[MP_NAME_MAX];
    struct law *laws; // engine/schedule_law.h
    struct choice *choices;
    uint32_t op_count, link_count, source_count, action_count, channel_count;
    uint32_t law_count, choice_count;
    uint32_t root;
    int64_t denominator;
};

/* Compile plan; MP_EOVERFLOW or MP_ENOMEM, and then *program is empty. */
enum mp_status program_compile(struct program *program, const struct mp_plan *plan,
                               struct mp_error *err);
/* Free what it holds; it is empty then. */
void program_fini(struct program *program);

#endif
