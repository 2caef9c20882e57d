/*
 * dispatcher.h - the thread that sends frames at their time.
 *
 * It draws frames from a lowering, sleeps until each is due on the monotonic clock
 * and hands it to the port. While it lives it alone writes to the port.
 *
 * A frame may have two parts: a line that is raised and dropped, a byte and its reset. The
 * second part is sent at its own time; no pulse leaves before it is done, a stop brings it
 * forward, and MP_OUT_FINISHED waits for it.
 *
 * What is shared between it and the rest:
 *   commands   SPSC ring, loop thread -> dispatcher
 *   outcomes   SPSC ring, dispatcher -> loop thread
 *   stop       latch (stop.h); set by any thread or a signal handler, read before every write
 *   heartbeat  atomic time, written by the loop thread: it is alive
 *   confirmed  atomic count of pulses that the device confirmed, written by the loop thread
 *   believed   atomic count of settings that the device confirmed, written by the loop thread
 *   drained    atomic time up to which the loop thread has read the port, written by it
 *   writing    atomic flag, written by the dispatcher: a frame may be out that is not told yet
 *   enough     atomic flag, written by the loop thread: no trigger starts a plan any more
 *   codes_in   SPSC ring, loop thread -> dispatcher, of event codes of a script
 *   triggers   SPSC ring, dispatcher -> loop thread, of pieces; the last places are kept for
 *              those that start a plan
 *   untold     atomic counts of the triggers without room in it, by what they were: the
 *              dispatcher adds, the loop thread takes; and times of the first and the last
 *   wake       ends the dispatcher's wait (wake.h)
 *   flight     see flight.h: slots claimed with an atomic add
 * It calls no Lua, no malloc, no lock, no file I/O and nothing that blocks except the
 * wait for the next deadline, which mp_dispatcher_stop ends at once, the moving of a line (an
 * ioctl that on a USB adapter takes a message to it: some tenths of a millisecond), and, after
 * a stop, the tries to get the safe frame into a full port (at most 20 of 1 ms).
 *
 * Event codes (dispatch_codes.c): a pulse or mark whose source has one (mp_schedule_code) gives
 * it to the box of config->codes, so that its byte is there at the pulse's own time: after the
 * pulse's frame was taken, never for one that was not. A code, and the 0 that follows it, waits
 * until no frame of the plan is due soon; a box that fails costs its code and nothing else.
 * MP_OUT_FINISHED waits for the last 0, and after a stop the box stands at 0.
 *
 * A frame that cannot leave in time is never made up for, and no pulse leaves closer to the
 * one before than the plan has it (less the tolerance), whatever happened in between. Two
 * pulses are never closer than the device's shortest interval, to the nanosecond: if a late
 * pulse makes the next one too close, that one is delayed by at most the tolerance; beyond
 * that it is refused. If outputs are stimulators of their own (lowering.h), all of this holds
 * for each of them, and for the intervals from one to another. No pulse leaves at a setting
 * that the device has not confirmed: the plan's settings are counted as they are sent, and a
 * pulse that is due before the loop thread says that the device has them all stops the
 * dispatcher. No record, no pulse: when nobody drains the outcomes and their ring fills up,
 * the dispatcher stops. So it does when the loop has not been heard of for half a second.
 *
 *     struct mp_dispatch_config config = {.port = port, .serial = serial, .arming = arming,
 *                                         .wake = wake, .context = loop};
 *     mp_dispatcher_create(&d, &config, &err);         // a thread that waits
 *     mp_dispatcher_play(d, lowering, start_ns, &err); // first frame at its time from start_ns
 *     while (mp_dispatcher_outcome(d, &outcome))       // each time that wake was called
 *         note(&outcome);                              // the last of a plan: MP_OUT_FINISHED
 *     mp_dispatcher_stop(d, MP_STOP_KEY);              // any thread: the safe frame goes out
 *     mp_dispatcher_join(d, MP_STOP_FINISHED);         // the key stays the reason
 *     while (mp_dispatcher_outcome(d, &outcome))
 *         note(&outcome);                              // the very last: MP_OUT_STOPPED
 *     mp_dispatcher_destroy(d);
 */
#ifndef MP_DISPATCHER_H
#define MP_DISPATCHER_H

#include "engine/ahead.h"
#include "engine/arming.h"
#include "engine/code_box.h"
#include "engine/lowering.h"
#include "engine/realtime.h"
#include "engine/stop.h"

enum mp_outcome_kind {
    MP_OUT_SENT,    // a frame of the plan was handed to the port
    MP_OUT_SKIPPED, // a pulse that was left out, or a setting that came too late: stop says why
    MP_OUT_MARK,
    MP_OUT_ONEOFF,   // a frame from mp_dispatcher_send, or a keep-alive, was handed to the port
    MP_OUT_FINISHED, // the plan is over; the dispatcher waits for the next command
    MP_OUT_STOPPED,  // the last outcome: the safe frame is out (or could not be sent)
    MP_OUT_UNTAKEN,  // the port did not take the whole of a frame of the plan: it stopped
    MP_OUT_CODE,     // an event code was handed to the box, or, with lost, was not
    MP_OUT_BEGUN // a trigger, which came at woken_ns, has started the plan: send.number, which
                 // start it is; what follows counts from start_ns
};

struct mp_outcome {
    enum mp_outcome_kind kind;
    enum mp_stop stop;      // stopped: why; skipped, sent: late, close or setting
    bool safe_sent;         // stopped: the whole safe frame was taken by the port
    enum mp_code_lost lost; // code: why the box did not get it
    uint8_t code;           // code: its value
    bool unrecorded;        // code: no dispatcher was there to store it
    bool in_part;   // untaken: a part of it was, and what came next may have completed it
    uint8_t safes;  // stopped: so many of them, each with an answer if the device gives one
    int64_t cut_ns; // stopped: of what the device should have had from then on (monotonic,
                    // without its latency) nobody knows whether it has it; 0: of nothing
    struct mp_send send; // sent, skipped, mark, code: which
    int64_t start_ns;    // monotonic instant that the times in send count from
    int64_t woken_ns;    // when the wait ended; code: when it was due
    int64_t entered_ns;  // stamp before the write
    int64_t returned_ns; // stamp after it; code: when its byte is at the box
};

/* What became of an event code, as it is told. */
struct mp_outcome mp_code_outcome(const struct mp_code_box *box, const struct mp_code *code,
                                  enum mp_code_lost lost, int64_t entered_ns);

struct mp_dispatch_config {
    struct mp_port *port;    // borrowed; must outlive the dispatcher
    struct mp_serial serial; // how long frames take on its wire
    struct mp_port
        *trigger; // borrowed, as port; where frames for MP_PORT_TRIGGER go; NULL: none
    enum mp_trigger_line lines[MP_PORTS]; // of each port the one that may be raised: the caller
                                          // has checked it. It is dropped at every stop
    uint8_t rest[MP_FRAME_MAX];           // what a trigger box at rest was last told, for stops
    size_t rest_length;                   // 0: nothing
    struct mp_code_box *codes; // borrowed, as port, and touched by nobody else; NULL: none
    struct mp_arming arming;
    const struct mp_time *time; // borrowed; NULL: the monotonic clock
    bool any_distance; // for tests on busy machines: pulses may come closer than planned. A
                       // session cannot ask for it
    void (*wake)(void *context); // called on the dispatcher thread when an outcome is ready;
    void *context;               // must not block (uv_async_send)
};

struct mp_dispatcher;

/* May a device be armed with this? MP_EINVAL: why not. */
enum mp_status mp_arming_check(const struct mp_arming *arming, struct mp_error *err);

/* Start the thread. Nothing is written until a command comes. The bytes of config->arming are
 * copied. */
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

enum { MP_TRIGGERS_MOST = 23 };

/* Triggers that were read at once, in order, and what became of each; struct mp_ahead_rule says
 * which start the plan. One that does is the first of its piece. */
struct mp_triggers {
    int64_t at_ns;    // when their read had returned, monotonic
    uint64_t started; // so often the plan was started by now
    uint8_t count;    // at least 1
    uint8_t bytes[MP_TRIGGERS_MOST];
    uint8_t heard[MP_TRIGGERS_MOST]; // enum mp_heard
};

/* Triggers that came faster than the loop took them, and are only counted. */
struct mp_untold {
    uint64_t all;
    uint32_t counts[MP_HEARD_COUNT][256]; // by what became of them, and by byte
    int64_t from_ns, until_ns;            // of the first and the last, monotonic
};

/*
 * Play lowering each time that a trigger comes on input, as rule says: the dispatcher reads
 * input, and nobody else may before MP_OUT_FINISHED or MP_OUT_STOPPED, as with lowering. Each
 * start is MP_OUT_BEGUN; the first frame leaves at once then, if rule's delay and the wire let
 * it. The device must be at the plan's first setting at its end. play: the number of the first
 * start in the flight record; those that follow count on. A loss of input stops with
 * MP_STOP_GONE. MP_OUT_FINISHED comes after the last start that the rule allows, after its
 * until_ns, or after mp_dispatcher_enough. MP_EINVAL for a plan without frames; else fails as
 * mp_dispatcher_play.
 */
enum mp_status mp_dispatcher_ahead(struct mp_dispatcher *dispatcher,
                                   struct mp_lowering *lowering,
                                   const struct mp_ahead_rule *rule, struct mp_port *input,
                                   uint64_t play, struct mp_error *err);
/* No trigger starts the plan any more; what has been started goes on to its end. */
void mp_dispatcher_enough(struct mp_dispatcher *dispatcher);
/* The next triggers that came, in order, if the plan was started at most that often by then: so
 * the loop hears of each start and each trigger in their order. False when there are none now.
 * Loop thread. */
bool mp_dispatcher_triggers(struct mp_dispatcher *dispatcher, uint64_t most_started,
                            struct mp_triggers *triggers);
/* Those that had no room since the last call; each is in one of the two. False: all had. Loop
 * thread. */
bool mp_dispatcher_untold(struct mp_dispatcher *dispatcher, struct mp_untold *untold);

/* Send one frame as soon as it fits before the next of the plan. MP_EBUSY when the ring is
 * full. */
enum mp_status mp_dispatcher_send(struct mp_dispatcher *dispatcher, const void *bytes,
                                  size_t length, struct mp_error *err);

/*
 * Give an event code that is of no plan to config->codes, at at_ns (monotonic) or, while
 * another stands there, when the box is free again. It is told as MP_OUT_CODE, a mark's of
 * number 0, with at_ns as its onset and 0 as its start. MP_EBUSY when too many wait, MP_ESTATE
 * after a stop: then nothing is told. There must be a box.
 */
enum mp_status mp_dispatcher_code(struct mp_dispatcher *dispatcher, uint8_t value,
                                  int64_t at_ns, struct mp_error *err);

/*
 * Stop: no frame of the plan leaves after this returns but one whose write had begun;
 * the safe frame goes out at once. Latched. Any thread, also a signal handler.
 */
void mp_dispatcher_stop(struct mp_dispatcher *dispatcher, enum mp_stop reason);

/* The loop thread is alive. Call at least every 100 ms if stuck_ns is set. */
void mp_dispatcher_heartbeat(struct mp_dispatcher *dispatcher);

/*
 * If unconfirmed_ns is set: the device confirmed total pulses since arming; the loop thread
 * has read (and counted) all that came before read_ns.
 */
void mp_dispatcher_confirmed(struct mp_dispatcher *dispatcher, uint64_t total);
void mp_dispatcher_drained(struct mp_dispatcher *dispatcher, int64_t read_ns);

/*
 * If settings is set: the device has confirmed total of the plan's settings that were sent
 * since arming. What it was armed with is not one of them: that is the caller's to look at. -1:
 * the device says that it is not as it was told. True: it was not known before.
 */
bool mp_dispatcher_believed(struct mp_dispatcher *dispatcher, int64_t total);

/*
 * Wait until the frame that is being written, if there is one, is told, for at most bound_ns:
 * on a busy computer the device may answer before the dispatcher thread gets to tell what it
 * has sent. Loop thread, after it has read the answer. False: bound_ns was not enough.
 */
bool mp_dispatcher_told(const struct mp_dispatcher *dispatcher, int64_t bound_ns);

/* The next outcome, in order; false when there is none now. Loop thread. */
bool mp_dispatcher_outcome(struct mp_dispatcher *dispatcher, struct mp_outcome *outcome);
/* The same without a copy: it is there until it is dropped; NULL: there is none now. Loop
 * thread.
 */
const struct mp_outcome *mp_dispatcher_first(const struct mp_dispatcher *dispatcher);
void mp_dispatcher_drop(struct mp_dispatcher *dispatcher);

/* What the host granted; filled when mp_dispatcher_create returns. */
const struct mp_realtime *mp_dispatcher_realtime(const struct mp_dispatcher *dispatcher);

/* Stop with reason (if not stopped yet), wait for the thread to end. Outcomes can still be
 * drained. */
void mp_dispatcher_join(struct mp_dispatcher *dispatcher, enum mp_stop reason);
/* Why it stops; MP_STOP_NONE while it does not. Any thread. */
enum mp_stop mp_dispatcher_reason(const struct mp_dispatcher *dispatcher);
/* Has the port taken the whole safe frame? Any thread; final once it is joined. */
bool mp_dispatcher_safe_sent(const struct mp_dispatcher *dispatcher);
/* Join if need be, and free. NULL is accepted. */
void mp_dispatcher_destroy(struct mp_dispatcher *dispatcher);

/* Between two steps of a dispatcher that has no thread. Zeros before the first one. */
struct mp_next {
    int64_t at_ns; // when to step again; INT64_MAX: when something is asked of it
    bool spin; // be there to the microsecond: the thread does not sleep through the end of it
    bool came; // set by whoever waited: at_ns has come; false: woken before
    struct mp_port *input; // step as well when there is something to read; NULL: no need
};

/*
 * A dispatcher without a thread: all of it happens in mp_dispatcher_step, which the caller
 * calls at next->at_ns, or at once (with came false) after it has asked something of it,
 * confirmed something, or stopped it. The owner beats for it, and config->stuck_ns may be 0.
 *
 *     struct mp_next next = {0};
 *     while (mp_dispatcher_step(d, &next))
 *         next.came = wait_until(next.at_ns);      // false if it was woken before
 *
 * False: it has stopped, and the safe frame is out. mp_dispatcher_join stops it and steps to
 * that.
 */
enum mp_status mp_dispatcher_create_stepped(struct mp_dispatcher **out,
                                            const struct mp_dispatch_config *config,
                                            struct mp_error *err);
bool mp_dispatcher_step(struct mp_dispatcher *dispatcher, struct mp_next *next);

#endif
