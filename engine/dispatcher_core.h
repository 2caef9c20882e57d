/*
 * dispatcher_core.h - inside the dispatcher; private to dispatcher.c, dispatch_loop.c,
 * dispatch_record.c, dispatch_distance.c, dispatch_frame.c and dispatch_doubt.c.
 */
#ifndef MP_DISPATCHER_CORE_H
#define MP_DISPATCHER_CORE_H

#include "engine/dispatcher.h"
#include "engine/ring.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STAMPS = 64 }; // a power of two

enum command_kind { COMMAND_PLAY, COMMAND_SEND };

struct command {
    enum command_kind kind;
    struct mp_lowering *lowering; // play
    int64_t start_ns;
    size_t length; // send
    uint8_t bytes[MP_FRAME_MAX];
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
    int64_t done_ns; // when the last one was; 0: there was none
    size_t length;
    uint8_t bytes[MP_FRAME_MAX];
};

struct mp_dispatcher {
    struct mp_dispatch_config config;
    struct mp_realtime realtime;
    struct mp_ring commands;
    struct mp_ring outcomes;
    struct mp_latch stop;
    _Atomic bool playing;
    _Atomic int64_t heartbeat_ns;
    _Atomic uint64_t confirmed;
    _Atomic int64_t believed;
    _Atomic int64_t drained_ns;
    sem_t wake;
    sem_t ready; // the thread has entered its priority
    pthread_t thread;
    bool threaded, joined;
    // the dispatcher thread's own
    struct mp_lowering *lowering;
    int64_t start_ns;
    struct mp_send next;
    bool have_next;
    int64_t woken_ns;
    uint64_t slot;       // of the frame being written, in the flight record
    uint64_t alive_slot; // of what has no record of its own
    struct command held; // a one-off that waits for a gap
    bool have_held;
    int64_t keepalive_due_ns;
    int64_t wire_free_ns; // when the last one-off frame is off the wire
    int64_t alive_ns;     // when this thread last looked: was it stalled itself?
    struct dispatch_last last[MP_OUTPUTS_MAX]; // of each output
    struct dispatch_last latest;               // of all of them
    uint32_t outputs;                          // one more than the highest in use
    uint64_t pulses;                           // sent since arming
    int64_t settings;                          // of the plan, and questions, sent since arming
    int64_t settled_ns;        // since when they are all known to be answered; 0: they are not
    int64_t stamps_ns[STAMPS]; // of the last ones, by number: how long are they unconfirmed?
    int64_t wire_end_ns[MP_PORTS]; // when the last bytes of the plan are off each port's wire
    _Atomic bool safe_sent;
    bool cut; // part of a frame is on the device's wire
    struct dispatch_second second;
};

/* What is about to be written goes into the flight record first: see flight.h. */
void dispatch_record_begin(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
/* Its write has ended at returned_ns; -1: the port did not take it whole. */
void dispatch_record_end(struct mp_dispatcher *dispatcher, int64_t returned_ns);
/* Claim the record that keep-alives, and one-off frames that are too many, share. */
void dispatch_record_alive(struct mp_dispatcher *dispatcher);
/* Tell the loop; what has no flight record yet gets one. */
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

/* Is a pulse unconfirmed for too long? */
bool dispatch_unanswered(const struct mp_dispatcher *dispatcher);
/* Has the device not confirmed a setting that was sent, or does it say that it is at another?
 */
bool dispatch_unsettled(const struct mp_dispatcher *dispatcher);

/* Have the questions before a setting been answered? For dispatch_due_ns. */
void dispatch_look_settled(struct mp_dispatcher *dispatcher);

/* The thread's whole work: until it is stopped, and the safe frame. */
void dispatch_loop(struct mp_dispatcher *dispatcher);
int64_t dispatch_now(const struct mp_dispatcher *dispatcher);

static inline struct mp_port *dispatch_port(const struct mp_dispatcher *d, uint8_t port)
{
    return port == MP_PORT_TRIGGER ? d->config.trigger : d->config.port;
}

/* Does frame share the wire with one-off frames? */
static inline bool dispatch_by_wire(const struct mp_frame *frame)
{
    return frame->port == MP_PORT_DEVICE && frame->line == MP_TRIGGER_NONE;
}

static inline const struct mp_frame *dispatch_next_frame(const struct mp_dispatcher *d)
{
    return mp_lowering_frame(d->lowering, d->next.frame);
}

/* Before this the device would not take the next pulse, by the stamps of the last ones sent. */
int64_t dispatch_device_ns(const struct mp_dispatcher *dispatcher);
/*
 * When the next frame of the plan leaves: at its own time. Where the pulse before left late and
 * the plan has the device's shortest interval, as soon as the device takes it: by as much later
 * as the one before was late, and never by more than the tolerance. A setting behind a question
 * waits for its answer, and then until what was sent before is over.
 */
int64_t dispatch_due_ns(const struct mp_dispatcher *dispatcher);
/* Is now too early for the next pulse, after the last ones sent? */
bool dispatch_too_close(const struct mp_dispatcher *dispatcher, int64_t now);
/* A plan begins; its next pulse was sent, as out says; was sent or left out. */
void dispatch_plan_begins(struct mp_dispatcher *dispatcher);
void dispatch_was_sent(struct mp_dispatcher *dispatcher, const struct mp_outcome *out);
void dispatch_came_by(struct mp_dispatcher *dispatcher);

static inline bool dispatch_stopped(const struct mp_dispatcher *d)
{
    return mp_latch_reason(&d->stop) != MP_STOP_NONE;
}

#endif
