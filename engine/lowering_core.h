/* lowering_core.h - inside a lowering; private to lowering.c and lowering_stream.c. */
#ifndef MP_LOWERING_CORE_H
#define MP_LOWERING_CORE_H

#include "engine/lowering.h"

#include <stdatomic.h>

/* Marks that may lie between two pulses before a setting would have to wait for them. */
enum { MARKS_AHEAD = 64 };

static const uint32_t no_frame = UINT32_MAX;

struct pulse_info {
    uint32_t frame;
    int64_t least_ns;  // since the pulse before
    int64_t lasts_ns;  // until the next pulse
    int64_t locked_ns; // until settings are taken again
};

struct change {
    uint32_t from, to;
    uint32_t frame; // no_frame: nothing to send
    int64_t lead_ns;
};

struct mp_lowering {
    struct mp_schedule *schedule;
    struct mp_serial serial[MP_PORTS]; // how long bytes take on each port
    int64_t latency_ns;
    uint32_t actions;
    struct pulse_info *pulses; // by action
    struct mp_frame *frames;
    uint32_t frame_count;
    struct change *changes; // sorted by (from, to)
    uint32_t change_count;
    bool checked;
    _Atomic bool busy;
    struct mp_event events[MP_EVENTS]; // drawn from the schedule, not looked at yet
    uint32_t event_next, event_end;
    // the stream: drawn up to the next pulse, so that its setting can go out before the marks
    struct mp_send queue[MARKS_AHEAD + 2];
    uint32_t queue_next, queue_end;
    bool have_previous;
    struct mp_send previous; // the last pulse put into the queue
    // the check
    struct mp_send check_pulse;
    bool check_have_pulse;
    bool checking;                // a check is under way
    uint64_t tight;               // pulses without room for lateness, so far
    struct mp_violation tightest; // the first of them
    int64_t sent_ns;              // when the last frame or mark given out leaves
};

int lowering_compare_changes(const void *a, const void *b);

#endif
