/* lowering_core.h - inside a lowering; private to lowering*.c. */
#ifndef MP_LOWERING_CORE_H
#define MP_LOWERING_CORE_H

#include "engine/lowering.h"

#include <stdatomic.h>

/* Marks that may lie between two pulses before a setting would have to wait for them. */
enum { MARKS_AHEAD = 64 };

/* Places of the queue in front of what is drawn: for a setting and its question. */
enum { PUT_AHEAD = 2 };

static const uint32_t no_frame = UINT32_MAX;

struct pulse_info {
    uint32_t frame;
    uint8_t output;
    bool whole;        // its settings are those of all outputs
    bool left;         // another device gives it
    int64_t least_ns;  // since the pulse before on its output
    int64_t lasts_ns;  // until the next pulse on its output
    int64_t across_ns; // until the next pulse on another one
    int64_t locked_ns; // until settings are taken again
};

/* What each output was last set to, as a plan goes by. */
struct outputs_set {
    uint32_t before; // the last action, on whichever output
    uint32_t to[MP_OUTPUTS_MAX];
};

struct change {
    uint32_t from, to;
    uint32_t frame; // no_frame: nothing to send
    int64_t lead_ns;
};

/* Of a pulse in the queue what those after it depend on. */
struct lowered {
    uint32_t frame, action;
    int64_t send_ns;
};

struct mp_lowering {
    struct mp_schedule *schedule;
    struct mp_serial serial[MP_PORTS]; // how long bytes take on each port
    int64_t latency_ns;
    uint32_t outputs; // one more than the highest in use
    uint32_t actions;
    struct pulse_info *pulses; // by action
    struct mp_frame *frames;
    uint32_t frame_count;
    struct change *changes; // sorted by (from, to)
    uint32_t change_count;
    uint32_t ask; // the frame of a question; no_frame: none is asked
    int64_t allow_ns;
    bool markless; // another device tells the marks
    bool checked;
    _Atomic bool busy;
    struct mp_event events[MP_EVENTS]; // drawn from the schedule, not looked at yet
    uint32_t event_next, event_end;
    // the stream: drawn up to the next pulse, so that its setting can go out before the marks
    struct mp_send queue[MARKS_AHEAD + 1 + PUT_AHEAD];
    uint32_t queue_next, queue_end;
    bool have_previous;
    struct lowered previous; // the last pulse put into the queue
    struct outputs_set set;
    int64_t unproven_ns; // how long the pulses since the last question last, the longest
    bool have_last[MP_OUTPUTS_MAX];
    struct lowered last[MP_OUTPUTS_MAX]; // the last pulse put into the queue for each output
    // the check
    bool check_have_pulse;
    struct mp_send check_pulse; // the last one
    bool check_have_last[MP_OUTPUTS_MAX];
    struct mp_send check_last[MP_OUTPUTS_MAX]; // the last one on each output
    bool checking;                             // a check is under way
    uint64_t tight;                            // pulses without room for an onset error
    struct mp_violation tightest;              // the first of them
    int64_t sent_ns;                           // when the last frame or mark given out leaves
};

/* No output was set to anything yet. */
void lowering_unset(struct outputs_set *set);
/* A pulse comes by: what was its output set to before (mp_no_action: the device is armed for
 * it)?
 */
uint32_t lowering_follow(const struct mp_lowering *lowering, struct outputs_set *set,
                         uint32_t action);

/* The order of the changes, for bsearch: by what is left, then by what follows. */
int lowering_compare_changes(const void *a, const void *b);

#endif
