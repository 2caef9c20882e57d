/*
 * dispatcher_core.h - inside the dispatcher; private to dispatcher.c and dispatch_*.c. What
 * depends only on what was sent is apart from it, in dispatch_late.h.
 */
#ifndef MP_DISPATCHER_CORE_H
#define MP_DISPATCHER_CORE_H

#include "engine/clock.h"
#include "engine/dispatch_late.h"
#include "engine/ring.h"
#include "engine/wake.h"

#include <pthread.h>
#include <stdatomic.h>

enum command_kind { COMMAND_PLAY, COMMAND_AHEAD, COMMAND_SEND };

struct command {
    enum command_kind kind;
    struct mp_lowering *lowering; // play, ahead
    int64_t start_ns;             // play
    struct mp_ahead_rule rule;    // ahead
    struct mp_port *input;
    uint64_t play;
    size_t length; // send
    uint8_t bytes[MP_FRAME_MAX];
};

/* Bytes for a port, or a line of it to be raised or dropped. */
struct dispatch_part {
    uint8_t port;
    enum mp_trigger_line line;
    bool high;
    const void *bytes;
    size_t length;
};

/* What is still to be done of a frame: its line falls, or its second message leaves. */
struct dispatch_second {
    bool open;
    uint8_t port;
    enum mp_trigger_line line;
    int64_t due_ns;  // monotonic
    int64_t wire_ns; // that its bytes take
    size_t length;
    uint8_t bytes[MP_FRAME_MAX];
};

// event codes of a script that were not looked at yet: as many as the box lets wait
enum { CODES_IN = MP_CODES_OF_SCRIPT };

enum { FRAMES_KEPT = 256 }; // a power of two

/* What the ports were given since arming, for a stop that throws away what they still hold. */
struct dispatch_handed {
    uint64_t written[MP_PORTS]; // bytes
    uint64_t out[MP_PORTS];     // so many of them had left when the port was last looked at
    uint64_t frames;            // of plans, by bytes
    int64_t first_ns;           // when the device should have had the first of them
    struct {
        uint64_t end; // its last byte, counted as written is
        int64_t had_ns;
        uint8_t port;
    } kept[FRAMES_KEPT]; // the last ones, by number
};

/* A plan that triggers start. */
struct dispatch_ahead {
    bool on;      // its lowering is d->lowering
    bool telling; // a trigger started the plan, and is still to be told: it is not over before
    struct mp_ahead_rule rule;
    struct mp_ahead_past past;
    struct mp_port *input;       // borrowed
    uint64_t play;               // of its first start, for the flight record
    const struct mp_send *first; // drawn for the next start, while nothing plays; NULL: not yet
};

/* As struct mp_untold. The dispatcher adds, the loop thread takes. */
struct dispatch_untold {
    _Atomic bool any; // set after a count, taken before them
    _Atomic int64_t from_ns, until_ns;
    _Atomic uint32_t counts[MP_HEARD_COUNT][256];
};

/* What the wait between two steps is for. */
enum dispatch_waits { WAITS_NOTHING, WAITS_LOOK, WAITS_WARM, WAITS_DUE };

struct mp_dispatcher {
    struct mp_dispatch_config config; // the bytes of its arming are these
    uint8_t safe[MP_FRAME_MAX], keepalive[MP_FRAME_MAX];
    struct mp_realtime realtime;
    struct mp_ring commands;
    struct mp_ring outcomes;
    struct mp_latch stop;
    _Atomic bool playing;
    _Atomic int64_t heartbeat_ns;
    _Atomic uint64_t confirmed;
    _Atomic int64_t believed;
    _Atomic int64_t drained_ns;
    struct mp_ring codes_in;
    struct mp_ring triggers;
    struct dispatch_untold untold; // triggers without room in it
    _Atomic bool enough;
    _Atomic bool writing; // a frame's first byte may be out, and its outcome is not told yet
    struct mp_wake wake;
    sem_t ready; // the thread has entered its priority
    pthread_t thread;
    bool threaded, joined;
    // the dispatcher thread's own; without a thread, whose step it is
    enum dispatch_waits waits;
    bool second_next; // the wait is for a second part
    bool code_next;   // or for an event code, or the 0 after it
    int64_t due_ns;   // of what the wait is for
    struct mp_lowering *lowering;
    int64_t start_ns;
    const struct mp_send *next; // it lies in the lowering; NULL: nothing of the plan is left
    int64_t woken_ns;
    uint64_t slot;      // of the frame being written, in the flight record
    uint64_t code_slot; // of the event code being written, while code_begun
    bool code_begun;
    uint64_t alive_slot; // of what has no record of its own
    struct command held; // a one-off that waits for a gap
    bool have_held;
    int64_t keepalive_due_ns;
    int64_t alive_ns; // when this thread last looked: was it stalled itself?
    struct dispatch_rules rules;
    struct dispatch_past past;
    int64_t settings;   // of the plan, and questions, sent since arming
    int64_t settled_ns; // since when they are all known to be answered; 0: they are not
    _Atomic bool safe_sent;
    struct dispatch_ahead ahead;
    bool cut; // part of a frame is on the device's wire
    struct dispatch_second second;
    struct dispatch_handed handed;
};

/* What is about to be written goes into the flight record first: see flight.h. False: the
 * file was cut, as this store met or the loop saw, which has stopped the dispatcher. */
bool dispatch_record_begin(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
/* The same of an event code; dispatch_tell finishes it. */
void dispatch_code_begin(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
/* Its write has ended at returned_ns, or the port did not take it whole (enum
 * mp_flight_untaken). */
void dispatch_record_end(struct mp_dispatcher *dispatcher, int64_t returned_ns);
/* Claim the record that keep-alives, and one-off frames that are too many, share. */
void dispatch_record_alive(struct mp_dispatcher *dispatcher);
/* A plan that a trigger started is over: in the flight record. The loop is told when no further
 * trigger may start it. */
void dispatch_record_finished(struct mp_dispatcher *dispatcher);
/* Tell the loop, which is not woken; what has no flight record yet gets one. */
void dispatch_tell(struct mp_dispatcher *dispatcher, const struct mp_outcome *outcome);
/* The same, and it is woken: a system call, which nothing that is due waits for. */
void dispatch_publish(struct mp_dispatcher *dispatcher, const struct mp_outcome *outcome);
/* Is there room to tell of one more frame? If not, it has stopped the dispatcher. */
bool dispatch_can_record(struct mp_dispatcher *dispatcher);

/* Send one part. False: it stopped the dispatcher, because the port is lost or full. */
bool dispatch_part(struct mp_dispatcher *dispatcher, const struct dispatch_part *part);
/* When did frame, handed over as out says, begin to leave: at its stamp, unless it stalled? */
int64_t dispatch_left_ns(const struct mp_dispatcher *dispatcher, const struct mp_frame *frame,
                         const struct mp_outcome *out);
/* The first part of frame was handed over at returned_ns: when is its second one due? */
void dispatch_plan_second(struct mp_dispatcher *dispatcher, const struct mp_frame *frame,
                          int64_t returned_ns);
/* Send the second part, if one is open; false as dispatch_part. */
bool dispatch_second(struct mp_dispatcher *dispatcher);
/* After a stop: the second part at once, the lines down, the trigger box at rest. */
bool dispatch_rest(struct mp_dispatcher *dispatcher);

/* dispatch_codes.c: a pulse or a mark of the plan has come by, as out says; its code, if it has
 * one, is written at the pulse's own time. */
void dispatch_code_of(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
/* Is a code, or the 0 after one, to be written before *due_ns, with time enough that what is
 * due then is not kept waiting? Then *due_ns is when. */
bool dispatch_code_before(const struct mp_dispatcher *dispatcher, int64_t *due_ns);
/* Those that a script gave wait with the others from now on. */
void dispatch_codes_taken(struct mp_dispatcher *dispatcher);
/* Write what is due of them. */
void dispatch_code_now(struct mp_dispatcher *dispatcher);
/* Is one still to come? */
bool dispatch_codes_come(const struct mp_dispatcher *dispatcher);
/* Or does one still stand? */
bool dispatch_codes_wait(const struct mp_dispatcher *dispatcher);
/* After a stop: those that wait are told as lost, and the box gets its 0. At a planned end what
 * a script gave stays in the box, and what stands there until its time. */
void dispatch_codes_rest(struct mp_dispatcher *dispatcher);

/* dispatch_cut.c: a frame of the plan was written, and the device should have it at had_ns. */
void dispatch_keep(struct mp_dispatcher *dispatcher, uint8_t port, int64_t had_ns);
/* As mp_port_queued; an empty queue is remembered. */
int dispatch_look_queued(struct mp_dispatcher *dispatcher, uint8_t port);
/* Do all ports say what they hold? */
bool dispatch_sees_queues(const struct mp_dispatcher *dispatcher);
/* Does a stop for that reason throw away what the ports hold, which would fire after it? */
bool dispatch_discards(enum mp_stop stop);
/* Throw it away if so; for mp_outcome's cut_ns. */
int64_t dispatch_cut(struct mp_dispatcher *dispatcher, enum mp_stop stop);

/* Has the device not confirmed a setting that was sent, or does it say that it is at another?
 */
bool dispatch_unsettled(const struct mp_dispatcher *dispatcher);

/* Have the questions before a setting been answered? For dispatch_due_ns. */
void dispatch_look_settled(struct mp_dispatcher *dispatcher);

/* dispatch_ahead.c: triggers start the plan from now on. */
void dispatch_ahead_begins(struct mp_dispatcher *dispatcher, const struct command *command);
/* While no plan goes on: what can be done of the next start before its trigger comes, is done.
 */
void dispatch_ahead_prepare(struct mp_dispatcher *dispatcher);
/* Read what has come of triggers, some thousands at most; one may start the plan. */
void dispatch_hear(struct mp_dispatcher *dispatcher);
/* Send the next frame of the plan if its time has come. */
void dispatch_now_if_due(struct mp_dispatcher *dispatcher);
/* Has the time of a frame, or of its second part, come? */
bool dispatch_has_due(const struct mp_dispatcher *dispatcher);
/* dispatch_told.c: triggers for the loop; empties the piece. */
void dispatch_tell_triggers(struct mp_dispatcher *dispatcher, struct mp_triggers *piece);
/* Will no trigger start the plan any more? */
bool dispatch_ahead_is_over(const struct mp_dispatcher *dispatcher);

/*
 * Touch what send, the next one, reads and writes: after a sleep of milliseconds the caches are
 * cold, and that would come on top of the onset.
 */
void dispatch_warm(struct mp_dispatcher *dispatcher, const struct mp_send *send);

/* As mp_dispatcher_step. */
bool dispatch_step(struct mp_dispatcher *dispatcher, struct mp_next *next);
/* It is stopped: the safe frame, and its owner has the plan back. */
void dispatch_end(struct mp_dispatcher *dispatcher);
void dispatch_let_go(struct mp_dispatcher *dispatcher);

/* Now, by the clock that it was made with. */
static inline int64_t dispatch_now(const struct mp_dispatcher *d)
{
    const struct mp_time *time = d->config.time;
    return time == NULL ? mp_clock_ns() : time->now(time->context);
}

/* The port that frames of that number go to; NULL: there is no second one. */
static inline struct mp_port *dispatch_port(const struct mp_dispatcher *d, uint8_t port)
{
    return port == MP_PORT_TRIGGER ? d->config.trigger : d->config.port;
}

/* Does frame share the wire with one-off frames? */
static inline bool dispatch_by_wire(const struct mp_frame *frame)
{
    return frame->port == MP_PORT_DEVICE && frame->line == MP_TRIGGER_NONE;
}

/* What the next frame of the plan puts on the wire; not for a mark. */
static inline const struct mp_frame *dispatch_next_frame(const struct mp_dispatcher *d)
{
    return mp_lowering_frame(d->lowering, d->next->frame);
}

/* The next frame of the plan, as the rules of dispatch_late.h see it. */
struct dispatch_frame dispatch_next(const struct mp_dispatcher *dispatcher);
/*
 * When next, the next frame of the plan, leaves: at its own time. If the pulse before left late
 * and the plan has the device's shortest interval, as soon as the device takes it: by as much
 * later as the one before was late, and never by more than the tolerance. A setting after a
 * question waits for its answer, and then until what was sent before is over.
 */
int64_t dispatch_due_ns(const struct mp_dispatcher *dispatcher,
                        const struct dispatch_frame *next);
/* A plan begins; its next pulse was sent, as out says; was sent or left out. */
void dispatch_plan_begins(struct mp_dispatcher *dispatcher);
void dispatch_was_sent(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
void dispatch_came_by(struct mp_dispatcher *dispatcher);

/* Has a stop been latched? */
static inline bool dispatch_stopped(const struct mp_dispatcher *d)
{
    return mp_latch_reason(&d->stop) != MP_STOP_NONE;
}

#endif
