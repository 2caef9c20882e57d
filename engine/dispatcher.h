/*
 * dispatcher.h - the thread that sends frames at their time.
 *
 * It draws frames from a lowering, sleeps until each is due on the monotonic clock
 * and hands it to the port. While it lives it alone writes to the port.
 *
 * What is shared between it and the rest:
 *   commands  SPSC ring, loop thread -> dispatcher
 *   outcomes  SPSC ring, dispatcher -> loop thread
 *   stop      atomic latch; set by any thread or a signal handler, read before every write
 *   wake      semaphore: ends the dispatcher's wait
 * It calls no Lua, no malloc, no lock, no file I/O and nothing that blocks except the
 * wait for the next deadline, which mp_dispatcher_stop ends at once.
 *
 * A frame that cannot leave in time is never made up for. No record, no pulse: when the
 * outcomes are not being drained and their ring fills up, the dispatcher stops.
 */
#ifndef MP_DISPATCHER_H
#define MP_DISPATCHER_H

#include "engine/lowering.h"
#include "engine/realtime.h"

/* Why it stopped; the first reason wins and stays. */
enum mp_stop {
    MP_STOP_NONE,
    MP_STOP_FINISHED,  // disarmed after a completed plan
    MP_STOP_REQUESTED, // by the script or the operator
    MP_STOP_SIGNAL,    // Ctrl-C, SIGTERM, SIGHUP
    MP_STOP_ERROR,     // a script error
    MP_STOP_DEVICE,    // a wrong or missing reply
    MP_STOP_GONE,      // the port is lost
    MP_STOP_BLOCKED,   // the port does not take bytes
    MP_STOP_LATE,      // a frame would have left too late
    MP_STOP_CLOSE,     // pulses would have come closer than the device allows
    MP_STOP_RECORD     // nobody drains the outcomes
};
/* A sentence part for people: "stopped by the operator" ... Never NULL. */
const char *mp_stop_text(enum mp_stop reason);

enum mp_late { MP_LATE_ABORT, MP_LATE_SKIP };

enum mp_outcome_kind {
    MP_OUT_SENT,    // a frame of the plan was handed to the port
    MP_OUT_SKIPPED, // a late pulse that was left out
    MP_OUT_MARK,
    MP_OUT_ONEOFF,   // a frame from mp_dispatcher_send was handed to the port
    MP_OUT_FINISHED, // the plan is over; the dispatcher waits for the next command
    MP_OUT_STOPPED   // the last outcome: the safe frame is out (or could not be sent)
};

struct mp_outcome {
    enum mp_outcome_kind kind;
    enum mp_stop stop;   // stopped: why; skipped: late or close
    bool safe_sent;      // stopped: the whole safe frame was taken by the port
    struct mp_send send; // sent, skipped, mark: which
    int64_t start_ns;    // monotonic instant that the times in send count from
    int64_t entered_ns;  // stamp before the write
    int64_t returned_ns; // stamp after it
};

struct mp_dispatch_config {
    struct mp_port *port;    // borrowed; must outlive the dispatcher
    struct mp_serial serial; // how long frames take on its wire
    uint8_t safe[MP_FRAME_MAX];
    size_t safe_length;
    int64_t tolerance_ns; // later than this is late
    enum mp_late late;
    void (*wake)(void *context); // called on the dispatcher thread when an outcome is ready;
    void *context;               // must not block (uv_async_send)
};

struct mp_dispatcher;

/* Start the thread. Nothing is written until a command comes. */
enum mp_status mp_dispatcher_create(struct mp_dispatcher **out,
                                    const struct mp_dispatch_config *config,
                                    struct mp_error *err);

/*
 * Play lowering from start_ns (monotonic) on. Borrowed until MP_OUT_FINISHED or
 * MP_OUT_STOPPED. MP_ESTATE when it was not checked or another plan is playing.
 */
enum mp_status mp_dispatcher_play(struct mp_dispatcher *dispatcher,
                                  struct mp_lowering *lowering, int64_t start_ns,
                                  struct mp_error *err);

/* Send one frame as soon as it fits before the next of the plan. MP_EBUSY when the ring is
 * full. */
enum mp_status mp_dispatcher_send(struct mp_dispatcher *dispatcher, const void *bytes,
                                  size_t length, struct mp_error *err);

/*
 * Stop: no frame of the plan leaves after this returns but one whose write had begun;
 * the safe frame goes out at once. Latched. Any thread, also a signal handler.
 */
void mp_dispatcher_stop(struct mp_dispatcher *dispatcher, enum mp_stop reason);

/* The next outcome, in order; false when there is none now. Loop thread. */
bool mp_dispatcher_outcome(struct mp_dispatcher *dispatcher, struct mp_outcome *outcome);

/* What the host granted; filled when mp_dispatcher_create returns. */
const struct mp_realtime *mp_dispatcher_realtime(const struct mp_dispatcher *dispatcher);

/* Stop with reason (if not stopped yet), wait for the thread to end. Outcomes can still be
 * drained. */
void mp_dispatcher_join(struct mp_dispatcher *dispatcher, enum mp_stop reason);
/* Join if need be, and free. NULL is accepted. */
void mp_dispatcher_destroy(struct mp_dispatcher *dispatcher);

#endif
