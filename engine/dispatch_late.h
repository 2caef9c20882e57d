/*
 * dispatch_late.h - may a frame leave now? Late, too close, unanswered, backed up: functions of
 * the rules, of what was sent before, of the frame and of the time, and of nothing else. They
 * change nothing and ask no clock, no port and no other thread. Private to the dispatcher.
 *
 * The rules in words are in dispatcher.h. All instants are monotonic nanoseconds, but where a
 * plan's are meant, which count from its start.
 */
#ifndef MP_DISPATCH_LATE_H
#define MP_DISPATCH_LATE_H

#include "engine/dispatcher.h"

enum { STAMPS = 64 }; // a power of two

struct dispatch_rules {
    int64_t tolerance_ns;   // later than this is late
    int64_t unconfirmed_ns; // no pulse while one before it is unconfirmed so long; 0: no limit
    bool any_distance;      // pulses may come closer than planned
};

/* The last pulse of one output. */
struct dispatch_last {
    bool sent;          // since arming
    int64_t sent_ns;    // its stamp after the write
    int64_t had_ns;     // when the device had the whole of it
    int64_t across_ns;  // from then until a pulse on another output may come
    bool planned;       // one of this plan has come by, sent or not
    int64_t planned_ns; // its send time, from the plan's start
};

/* What was sent since arming. Zeros: nothing yet. */
struct dispatch_past {
    struct dispatch_last last[MP_OUTPUTS_MAX]; // of each output
    struct dispatch_last latest;               // of all of them
    uint32_t outputs;                          // one more than the highest in use
    uint64_t pulses;                           // sent
    int64_t stamps_ns[STAMPS]; // of the last ones, by number: how long are they unconfirmed?
    int64_t wire_end_ns[MP_PORTS]; // when the last bytes of the plan are off each port's wire
    int64_t wire_free_ns;          // when the last one-off frame is off the device's
    int64_t second_ns;             // when the last second part was done; 0: there was none
};

/* What is about to leave. */
struct dispatch_frame {
    const struct mp_send *send;
    int64_t start_ns; // of its plan
    int64_t wire_ns;  // how long its bytes take
    bool by_wire;     // it shares the device's wire with one-off frames
    bool unsettled;   // the device has not confirmed a setting, or says that it is at another
};

/* Before this the device would not take the pulse; INT64_MIN where it always would. */
int64_t dispatch_taken_ns(const struct dispatch_past *past, const struct dispatch_frame *frame);
/* When the pulse leaves: at its time, or held back by at most the tolerance until the device
 * takes it, and the line that the one before raised has been down for a moment. */
int64_t dispatch_pulse_ns(const struct dispatch_rules *rules, const struct dispatch_past *past,
                          const struct dispatch_frame *frame);
/* Is now too soon after the pulses before: closer than planned, or than the device can? */
bool dispatch_too_close(const struct dispatch_rules *rules, const struct dispatch_past *past,
                        const struct dispatch_frame *frame, int64_t now);
/* The last look before a write: MP_STOP_NONE, or MP_STOP_SETTING, _LATE or _CLOSE. */
enum mp_stop dispatch_refuse(const struct dispatch_rules *rules,
                             const struct dispatch_past *past,
                             const struct dispatch_frame *frame, int64_t now);
/*
 * Is a pulse unconfirmed for too long? confirmed: so many are not, as of drained_ns, up to
 * which the loop has read the port. A loop that is itself behind is no reason: its silence is
 * the heartbeat's.
 */
bool dispatch_unanswered(const struct dispatch_rules *rules, const struct dispatch_past *past,
                         uint64_t confirmed, int64_t drained_ns);
/* Should everything that went to port be off its wire by now? Then what it still holds is
 * stuck. */
bool dispatch_backed_up(const struct dispatch_past *past, uint8_t port, int64_t now);

#endif
