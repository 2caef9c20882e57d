/*
 * lowering.h - from events to frames: what goes on the wire, and when.
 *
 * A device driver (Lua, before the run) turns each distinct action into bytes once,
 * and each change of action into a setting frame. A lowering then streams
 * {when, which frame} in time order from a schedule: onsets become send times
 * (onset - wire time - device latency), and setting frames are placed right after
 * the pulse before, which leaves the device the longest time to follow.
 *
 * What fires is bytes, bytes and a second message some time later, or a pulse on a modem
 * line; it may go to the device's port or to a second one, where a trigger box is.
 *
 * Most devices have one stimulator, whatever their channels: a pulse and a setting count for
 * all of it. If each output has a stimulator of its own (mp_lowering_output), the shortest
 * interval and what an output was last set to count on that output; the wire is everybody's.
 *
 * Built on the loop thread; once started it is drawn from by one thread only. Drawing
 * never fails, allocates or blocks.
 */
#ifndef MP_LOWERING_H
#define MP_LOWERING_H

#include "engine/port.h"
#include "engine/schedule.h"

enum { MP_FRAME_MAX = 256, MP_ACTIONS_MAX = 4096, MP_OUTPUTS_MAX = 16 };

/* Where a frame goes. */
enum { MP_PORT_DEVICE, MP_PORT_TRIGGER, MP_PORTS };
static const int64_t mp_width_max_ns = INT64_C(10000000000);
// between two trigger pulses the line is at rest so long: else nobody sees the second edge
static const int64_t mp_rest_ns = 1000000;

/* MP_SEND_ASK: a question in front of a setting (mp_lowering_ask). */
enum mp_send_kind { MP_SEND_PULSE, MP_SEND_SET, MP_SEND_MARK, MP_SEND_ASK, MP_SEND_KINDS };
/* "pulse", "set", "mark", "ask", for scripts; of any other number "unknown". */
const char *mp_send_kind_name(enum mp_send_kind kind);

static const uint32_t mp_no_action = UINT32_MAX;

/* One frame to send, in nanoseconds from the protocol's start. */
struct mp_send {
    enum mp_send_kind kind;
    bool half;         // as in mp_event, for rounding onsets once
    uint32_t frame;    // not for marks
    uint8_t output;    // which stimulator; 0 if there is one
    uint32_t action;   // pulse: what; set: what it prepares
    uint32_t from;     // what its output was set to before; mp_no_action: armed for it
    uint32_t source;   // for mp_schedule_origin
    uint64_t number;   // pulse or mark number; set: number of the pulse it prepares
    int64_t send_ns;   // when the first bit leaves
    int64_t latest_ns; // ask, set: after this it is too late for the pulse it prepares
    int64_t behind_ns; // set: so long after the answer to its question; 0: there was none
    int64_t floor_ns;  // pulse, mark: onset as in mp_event
    int64_t least_ns;  // pulse: shortest interval since the pulse before on its output
    int64_t across_ns; // pulse: shortest interval until one on another output
};

struct mp_frame {
    uint8_t port;              // MP_PORT_DEVICE or MP_PORT_TRIGGER
    enum mp_trigger_line line; // raised for width_ns; no bytes then
    uint32_t length, after_length;
    int64_t wire_ns;  // that bytes take
    int64_t width_ns; // from bytes to after, or from rise to fall; 0: one part only
    int64_t takes_ns; // from its beginning until the next pulse's may begin
    int64_t delay_ns; // from when a device fires to this pulse
    uint8_t bytes[MP_FRAME_MAX];
    uint8_t after[MP_FRAME_MAX];
};

struct mp_lowering;

/*
 * Takes over schedule (and destroys it with itself), also on failure. MP_ERANGE when
 * it has more than MP_ACTIONS_MAX actions.
 */
enum mp_status mp_lowering_create(struct mp_lowering **out, struct mp_schedule *take_schedule,
                                  const struct mp_serial *serial, int64_t latency_ns,
                                  struct mp_error *err);
void mp_lowering_destroy(struct mp_lowering *lowering); // NULL is accepted

/* The bytes on the device's port that fire action, and the shortest interval at it. */
enum mp_status mp_lowering_pulse(struct mp_lowering *lowering, uint32_t action,
                                 const void *bytes, size_t length, int64_t least_ns,
                                 struct mp_error *err);

/* What fires an action; bytes are copied. */
struct mp_fire {
    uint8_t port;
    enum mp_trigger_line line; // MP_TRIGGER_NONE: bytes
    const void *bytes;
    size_t length;
    const void *after; // sent width_ns after bytes; NULL: nothing is
    size_t after_length;
    int64_t width_ns; // of a line's pulse above 0; at most mp_width_max_ns
    int64_t delay_ns; // so much later than others after its frame the device gives it
};

/*
 * As mp_lowering_pulse, for all that can fire. A second message never leaves before the first
 * is off the wire. MP_ERANGE for bytes, a width or a delay (at most mp_width_max_ns) outside
 * what a frame can have.
 */
enum mp_status mp_lowering_fire(struct mp_lowering *lowering, uint32_t action,
                                const struct mp_fire *fire, int64_t least_ns,
                                struct mp_error *err);

/* How long bytes take on the trigger's port; before its first mp_lowering_fire. */
void mp_lowering_trigger_serial(struct mp_lowering *lowering, const struct mp_serial *serial);

/* Does any frame go to the trigger's port? Which line does one raise? */
bool mp_lowering_uses_trigger(const struct mp_lowering *lowering);
bool mp_lowering_uses_line(const struct mp_lowering *lowering, uint8_t port,
                           enum mp_trigger_line line);

/*
 * How long the device is busy with action, if that is not the shortest interval at it: one
 * command that starts a train which the device times itself. locked_ns: from the start on the
 * device takes no settings for so long.
 */
enum mp_status mp_lowering_lasts(struct mp_lowering *lowering, uint32_t action,
                                 int64_t lasts_ns, int64_t locked_ns, struct mp_error *err);

/*
 * For a device whose outputs are stimulators of their own: which one action goes to, and how
 * soon after it a pulse may come on another (what the device itself needs). whole: what it is
 * set to for this action, all its outputs are. Before mp_lowering_changes; without it every
 * action goes to output 0. MP_ERANGE from output MP_OUTPUTS_MAX on.
 */
enum mp_status mp_lowering_output(struct mp_lowering *lowering, uint32_t action,
                                  uint32_t output, int64_t across_ns, bool whole,
                                  struct mp_error *err);

/*
 * For one of several devices that play one plan: action is another's, and no frame of it is in
 * the stream; nor is it asked for its bytes. Pulses keep the numbers of the plan.
 * mp_lowering_without_marks: nor are the marks, which one of them tells. Before
 * mp_lowering_changes.
 */
enum mp_status mp_lowering_leave(struct mp_lowering *lowering, uint32_t action,
                                 struct mp_error *err);
enum mp_status mp_lowering_without_marks(struct mp_lowering *lowering, struct mp_error *err);

/*
 * Call visit(from, to) for each change of action that the schedule makes on an output, once
 * each. The first action of an output is no change: the device is armed for it.
 * Walks the schedule: at some 100 million events a second.
 */
enum mp_status mp_lowering_changes(struct mp_lowering *lowering,
                                   void (*visit)(void *context, uint32_t from, uint32_t to),
                                   void *context, struct mp_error *err);

/*
 * The bytes that prepare the device for action to after from, and how long before the
 * pulse it must have them. length 0: nothing is sent, but the lead still holds. Said again,
 * the last one holds.
 */
enum mp_status mp_lowering_change(struct mp_lowering *lowering, uint32_t from, uint32_t to,
                                  const void *bytes, size_t length, int64_t lead_ns,
                                  struct mp_error *err);

/* Why a plan cannot be sent: the first two pulses for which it is so. */
enum mp_violation_kind {
    MP_VIOLATION_NONE,
    MP_VIOLATION_INTERVAL, // faster than the device, on one output
    MP_VIOLATION_ACROSS,   // faster than the device, from one output to another
    MP_VIOLATION_WIRE,     // the frames would overlap on the wire
    MP_VIOLATION_LEAD,     // no time to change the setting in between
    MP_VIOLATION_WIDTH     // the first one's trigger pulse is not over
};
struct mp_violation {
    enum mp_violation_kind kind;
    uint64_t first, second; // pulse numbers
    uint32_t first_source, second_source;
    int64_t first_us, second_us; // onsets
    int64_t interval_ns;         // as planned
    int64_t least_ns;            // the shortest that passes
};

/*
 * Walk up to budget sends of the whole stream and look for the first violation.
 * Returns true while there is more to walk: call again, with nothing drawn in between (else
 * it begins anew). Afterwards violation->kind says the verdict, and the lowering counts as
 * checked if it is MP_VIOLATION_NONE and every action has its bytes.
 */
bool mp_lowering_check(struct mp_lowering *lowering, uint64_t budget,
                       struct mp_violation *violation);
bool mp_lowering_checked(const struct mp_lowering *lowering);

/*
 * How many pulses of a checked plan follow the one before so soon that there is no room for
 * an onset error: within mp_room_ns of the device's shortest interval. A pulse sent late holds
 * the next one back then (dispatcher.h), and in a row of them the errors add up. If there is
 * one, *first is the first such pair, of kind MP_VIOLATION_NONE.
 */
static const int64_t mp_room_ns = 100000; // some times what a prepared host is late
uint64_t mp_lowering_tight(const struct mp_lowering *lowering, struct mp_violation *first);

/*
 * In use by a dispatcher: from mp_dispatcher_play until its MP_OUT_FINISHED or MP_OUT_STOPPED.
 * Meanwhile it may not be changed, drawn from, checked or destroyed; what changes it gives
 * MP_ESTATE. Set and cleared by the dispatcher, read by any thread.
 */
bool mp_lowering_busy(const struct mp_lowering *lowering);
void mp_lowering_set_busy(struct mp_lowering *lowering, bool busy);

/* Back to the first frame. */
void mp_lowering_rewind(struct mp_lowering *lowering);
/* The next frame or mark in time; false when there is none left. Never fails or blocks. */
bool mp_lowering_next(struct mp_lowering *lowering, struct mp_send *send);
/* The same without a copy: it lies in the lowering until the next is drawn; NULL: none is left.
 */
const struct mp_send *mp_lowering_draw(struct mp_lowering *lowering);

/*
 * For a device that says of no pulse that it has it, and that a setting after a pulse which
 * was held up on the way would change: bytes that it answers in their turn. They leave right
 * after the pulse before each setting; once they are answered all pulses sent before are on
 * the device, and the setting leaves when those are over, by their mp_lowering_lasts. allow_ns:
 * how long an answer may take without making the setting later. MP_ESTATE, MP_ERANGE as above.
 */
enum mp_status mp_lowering_ask(struct mp_lowering *lowering, const void *bytes, size_t length,
                               int64_t allow_ns, struct mp_error *err);

/* A distinct frame, by the index that mp_send has of it; owned by the lowering. */
const struct mp_frame *mp_lowering_frame(const struct mp_lowering *lowering, uint32_t index);
/* How many distinct frames there are. */
uint32_t mp_lowering_frame_count(const struct mp_lowering *lowering);
/* Stays owned by the lowering. */
struct mp_schedule *mp_lowering_schedule(const struct mp_lowering *lowering);
/* How long before its onset the earliest frame can leave: a run starts at least so much ahead.
 */
int64_t mp_lowering_lead_ns(const struct mp_lowering *lowering);

#endif
