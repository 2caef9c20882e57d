/* dispatch_loop.c - what the dispatcher thread does. No malloc, no lock, no file I/O here. */
#include "engine/dispatcher_core.h"

#include "engine/clock.h"
#include "engine/wait.h"

#include <poll.h>

enum {
    SAFE_TRIES = 20, // of 1 ms each, when the port does not take the safe frame at once
};
// a one-off frame must be off the wire this long before the next frame of the plan
static const int64_t gap_margin_ns = MP_NS_PER_MS;
// before a deadline the thread wakes this early, to warm up and spin
static const int64_t warm_ns = 220 * MP_NS_PER_US;
// a pulse that is held back spins up to its very stamp for so long
static const int64_t awake_ns = 5 * MP_NS_PER_US;
// an adapter hands on what it was given within this time
static const int64_t drain_ns = 5 * MP_NS_PER_MS;
// how often the heartbeat is looked at while nothing is due
static const int64_t look_ns = 100 * MP_NS_PER_MS;

int64_t dispatch_now(const struct mp_dispatcher *d)
{
    const struct mp_time *time = d->config.time;
    return time == NULL ? mp_clock_ns() : time->now(time->context);
}

static bool stopped(struct mp_dispatcher *d)
{
    return dispatch_stopped(d);
}

/* The owner of the plan may have it back. */
static void let_go(struct mp_dispatcher *d)
{
    if (d->lowering != NULL)
        mp_lowering_set_busy(d->lowering, false);
    d->lowering = NULL;
}

static void publish_finished(struct mp_dispatcher *d)
{
    let_go(d);
    atomic_store(&d->playing, false);
    dispatch_publish(d, &(struct mp_outcome){.kind = MP_OUT_FINISHED, .start_ns = d->start_ns});
}

/* ---- writing ---- */

/*
 * Send a whole frame's first part or stop: part of a frame is never followed by the rest. What
 * was not taken whole becomes MP_OUT_UNTAKEN; what a stop came before keeps its kind.
 */
static bool write_part(struct mp_dispatcher *d, const struct dispatch_part *part,
                       struct mp_outcome *out)
{
    if (stopped(d)) // the last look is behind the stamp: what is stamped later never leaves
        return false;
    dispatch_record_begin(d, out);
    bool whole = dispatch_part(d, part);
    out->returned_ns = dispatch_now(d);
    dispatch_record_end(d, whole ? out->returned_ns : -1);
    if (!whole)
        out->kind = MP_OUT_UNTAKEN;
    return whole;
}

static void send_oneoff(struct mp_dispatcher *d, const void *bytes, size_t length,
                        bool keepalive)
{
    const struct dispatch_part part = {.bytes = bytes, .length = length};
    struct mp_outcome out = {.kind = MP_OUT_ONEOFF, .start_ns = d->start_ns};
    struct mp_flight *flight = d->config.flight;
    bool own = flight != NULL && !keepalive && mp_flight_take_oneoff(flight);
    if (!dispatch_can_record(d))
        return;
    out.woken_ns = out.entered_ns = dispatch_now(d);
    if (stopped(d) || (own && !write_part(d, &part, &out)) ||
        (!own && !dispatch_part(d, &part)))
        return;
    if (!own)
        out.returned_ns = dispatch_now(d);
    if (flight != NULL && !own)
        mp_flight_finish(flight, d->alive_slot, out.returned_ns);
    d->wire_free_ns = out.returned_ns + mp_serial_wire_ns(&d->config.serial, length);
    dispatch_publish(d, &out);
}

/* Is there time for a one-off frame before the next frame of the plan? */
static bool fits(const struct mp_dispatcher *d, size_t length)
{
    const struct dispatch_second *second = &d->second;
    if (second->open && second->port == MP_PORT_DEVICE && second->line != MP_TRIGGER_RTS &&
        second->line != MP_TRIGGER_DTR)
        return false; // not between a message and its second part, nor into a break
    if (!d->have_next)
        return true;
    int64_t needed = mp_serial_wire_ns(&d->config.serial, length) + gap_margin_ns;
    return dispatch_now(d) + needed < d->start_ns + d->next.send_ns;
}

/* ---- commands ---- */

static void take_command(struct mp_dispatcher *d, const struct command *command)
{
    if (command->kind == COMMAND_SEND) {
        if (fits(d, command->length)) {
            send_oneoff(d, command->bytes, command->length, false);
        } else {
            d->held = *command;
            d->have_held = true;
        }
        return;
    }
    d->lowering = command->lowering;
    d->start_ns = command->start_ns;
    dispatch_plan_begins(d);
    d->have_next = mp_lowering_next(d->lowering, &d->next);
    if (!d->have_next) // a plan of rests only
        publish_finished(d);
}

static void take_commands(struct mp_dispatcher *d)
{
    struct command command;
    if (d->have_held && fits(d, d->held.length)) {
        d->have_held = false;
        send_oneoff(d, d->held.bytes, d->held.length, false);
    }
    while (!d->have_held && !stopped(d) && mp_ring_pop(&d->commands, &command))
        take_command(d, &command);
    const struct mp_dispatch_config *config = &d->config;
    if (config->keepalive_length > 0 && dispatch_now(d) >= d->keepalive_due_ns &&
        fits(d, config->keepalive_length) && !stopped(d))
        send_oneoff(d, config->keepalive, config->keepalive_length, true);
}

/* ---- the last look ---- */

/*
 * Does a port still hold bytes that should have been on the wire long ago? On either one: a
 * pulse on a line must not fire at an intensity that the device has not been told to leave.
 */
static bool backed_up(const struct mp_dispatcher *d, int64_t now)
{
    for (uint8_t port = 0; port < MP_PORTS; port++) {
        int64_t end_ns = d->wire_end_ns[port];
        if (end_ns == 0) // the plan has sent nothing there
            continue;
        if (port == MP_PORT_DEVICE && end_ns < d->wire_free_ns)
            end_ns = d->wire_free_ns;
        if (now > end_ns + drain_ns && mp_port_queued(dispatch_port(d, port)) > 0)
            return true;
    }
    return false;
}

/* The last look before a write: at another setting, late, or too close to the one before? */
static enum mp_stop refuse(const struct mp_dispatcher *d, int64_t now)
{
    const struct mp_send *send = &d->next;
    if (send->kind == MP_SEND_MARK)
        return MP_STOP_NONE;
    bool waits = send->kind == MP_SEND_PULSE || send->behind_ns > 0;
    if (waits && dispatch_unsettled(d))
        return MP_STOP_SETTING;
    if (send->kind != MP_SEND_PULSE)
        return now > d->start_ns + send->latest_ns ? MP_STOP_LATE : MP_STOP_NONE;
    // a one-off frame that was stalled before its write may still be on the wire
    const struct mp_frame *frame = dispatch_next_frame(d);
    int64_t leaves_ns =
        dispatch_by_wire(frame) && now < d->wire_free_ns ? d->wire_free_ns : now;
    if (leaves_ns - (d->start_ns + send->send_ns) > d->config.tolerance_ns)
        return MP_STOP_LATE;
    // a line that has hardly fallen cannot be seen to rise
    if (d->second.done_ns != 0 && now - d->second.done_ns < mp_rest_ns / 2)
        return MP_STOP_CLOSE;
    // by the actual stamps: a stall between the look and the write shows only afterwards
    if (dispatch_too_close(d, now))
        return MP_STOP_CLOSE;
    return MP_STOP_NONE;
}

/* ---- waiting ---- */

/* Has the loop been silent too long? Not if this thread was stalled together with it. */
static void check_heartbeat(struct mp_dispatcher *d)
{
    const int64_t stuck_ns = d->config.stuck_ns;
    int64_t now = dispatch_now(d);
    bool was_stalled = now - d->alive_ns > 2 * look_ns + MP_NS_PER_MS;
    d->alive_ns = now;
    if (stuck_ns == 0)
        return;
    if (was_stalled) // both were stopped: the loop gets its time from here on
        mp_dispatcher_heartbeat(d);
    else if (now - atomic_load(&d->heartbeat_ns) > stuck_ns)
        mp_dispatcher_stop(d, MP_STOP_STUCK);
}

static bool wait_for(struct mp_dispatcher *d, int64_t deadline_ns, bool spin)
{
    const struct mp_time *time = d->config.time;
    return time == NULL ? mp_wait_until(&d->wake, &d->stop.reason, deadline_ns, spin)
                        : time->wait(time->context, &d->wake, deadline_ns);
}

/*
 * Touch what the next send reads and writes, before the last spin: after a sleep of
 * milliseconds the caches are cold, and that would come on top of the onset.
 */
static void warm(struct mp_dispatcher *d)
{
    const struct mp_send *send = &d->next;
    volatile uint8_t sink = 0;
    if (send->kind != MP_SEND_MARK) {
        const struct mp_frame *frame = mp_lowering_frame(d->lowering, send->frame);
        for (size_t i = 0; i < frame->length; i += 64)
            sink = frame->bytes[i];
    }
    (void)sink;
    (void)refuse(d, dispatch_now(d));
    mp_ring_warm(&d->outcomes);
    if (d->config.flight != NULL)
        mp_flight_warm(d->config.flight);
}

/* Is the second part of the pulse before the next thing to do? */
static bool second_is_next(const struct mp_dispatcher *d)
{
    const struct dispatch_second *second = &d->second;
    if (!second->open)
        return false;
    return !d->have_next || d->next.kind == MP_SEND_PULSE || // which waits for it
           ((d->next.kind == MP_SEND_SET || d->next.kind == MP_SEND_ASK) &&
            second->port == MP_PORT_DEVICE) ||
           second->due_ns <= d->start_ns + d->next.send_ns;
}

static void do_second(struct mp_dispatcher *d)
{
    if (dispatch_second(d) && d->lowering != NULL && !d->have_next && !stopped(d))
        publish_finished(d);
}

/* Sleep until the next frame is due; true when it is. Looks up now and then on the way. */
static bool wait_until_due(struct mp_dispatcher *d)
{
    const struct mp_dispatch_config *config = &d->config;
    int64_t look = d->alive_ns + look_ns;
    if (config->keepalive_length > 0 && d->keepalive_due_ns < look &&
        fits(d, config->keepalive_length))
        look = d->keepalive_due_ns;
    bool second = second_is_next(d);
    int64_t due_ns = second ? d->second.due_ns : d->have_next ? dispatch_due_ns(d) : INT64_MAX;
    if (due_ns > look) {
        (void)wait_for(d, look, false);
        check_heartbeat(d);
        return false;
    }
    if (d->realtime.spin) {
        if (!wait_for(d, due_ns - warm_ns, false))
            return false;
        if (!second)
            warm(d);
    }
    // a pulse that is held back is awake early: else what each is late, from the wake to the
    // stamp, would add up over a row of pulses at the device's shortest interval
    bool held =
        !second && d->next.kind == MP_SEND_PULSE && due_ns > d->start_ns + d->next.send_ns;
    bool due = wait_for(d, due_ns - (held ? awake_ns : 0), d->realtime.spin || held);
    if (second && due)
        do_second(d);
    d->woken_ns = dispatch_now(d);
    return due && !second;
}

/* ---- sending what is due ---- */

static bool write_planned(struct mp_dispatcher *d, struct mp_outcome *out)
{
    const struct mp_send *send = &d->next;
    const struct mp_frame *frame = dispatch_next_frame(d);
    const struct dispatch_part part = {.port = frame->port,
                                       .line = frame->line,
                                       .high = true,
                                       .bytes = frame->bytes,
                                       .length = frame->length};
    if (!write_part(d, &part, out))
        return false;
    dispatch_plan_second(d, frame, out->returned_ns);
    if (frame->line == MP_TRIGGER_NONE)
        d->wire_end_ns[frame->port] = out->returned_ns + frame->wire_ns;
    if (send->kind != MP_SEND_PULSE) { // a setting, or the question before one
        d->settings++;
        d->settled_ns = 0; // a quick answer may be known before we look again
        return true;
    }
    dispatch_was_sent(d, out);
    d->stamps_ns[d->pulses++ % STAMPS] = out->returned_ns;
    // stalled inside the write: it has left, perhaps late, and the record says so
    if (out->returned_ns - (d->start_ns + send->send_ns) > d->config.tolerance_ns) {
        out->stop = MP_STOP_LATE;
        if (d->config.late == MP_LATE_ABORT)
            mp_dispatcher_stop(d, MP_STOP_LATE);
    }
    return true;
}

/* Send, skip or refuse the frame that is due now. */
static void dispatch(struct mp_dispatcher *d)
{
    const struct mp_send *send = &d->next;
    struct mp_outcome out = {
        .kind = MP_OUT_SENT, .send = *send, .start_ns = d->start_ns, .woken_ns = d->woken_ns};
    if (stopped(d) || !dispatch_can_record(d))
        return;
    if (send->kind == MP_SEND_PULSE && dispatch_unanswered(d)) {
        mp_dispatcher_stop(d, MP_STOP_SILENT);
        return;
    }
    if (send->kind == MP_SEND_PULSE && backed_up(d, d->woken_ns)) {
        mp_dispatcher_stop(d, MP_STOP_BLOCKED);
        return;
    }
    const int64_t due_ns = dispatch_due_ns(d);
    do
        out.entered_ns = dispatch_now(d);
    while (out.entered_ns < due_ns); // held back: some microseconds at most
    out.returned_ns = out.entered_ns;
    enum mp_stop refusal = refuse(d, out.entered_ns);
    if (send->kind == MP_SEND_MARK) {
        out.kind = MP_OUT_MARK;
    } else if (refusal != MP_STOP_NONE) {
        out.kind = MP_OUT_SKIPPED;
        out.stop = refusal;
        // a setting that comes too late would leave the next pulse at the wrong intensity
        if (d->config.late == MP_LATE_ABORT || send->kind != MP_SEND_PULSE ||
            refusal == MP_STOP_SETTING)
            mp_dispatcher_stop(d, refusal);
    } else if (!write_planned(d, &out)) {
        if (out.kind == MP_OUT_UNTAKEN)
            dispatch_publish(d, &out);
        return;
    }
    if (send->kind == MP_SEND_PULSE)
        dispatch_came_by(d);
    dispatch_publish(d, &out);
    d->have_next = mp_lowering_next(d->lowering, &d->next);
    if (!d->have_next && !d->second.open && !stopped(d))
        publish_finished(d);
}

/* After a stop: make the device harmless, whatever is still on the wire. */
static void send_safe(struct mp_dispatcher *d)
{
    const struct mp_dispatch_config *config = &d->config;
    struct mp_outcome out = {.kind = MP_OUT_STOPPED};
    size_t done = 0;
    out.stop = mp_latch_reason(&d->stop);
    // what the system has not handed on yet would fire after us
    bool discard = out.stop == MP_STOP_BLOCKED || out.stop == MP_STOP_DEVICE ||
                   out.stop == MP_STOP_SILENT || out.stop == MP_STOP_SETTING;
    if (discard)
        mp_port_discard(config->port);
    if (discard && config->trigger != NULL)
        mp_port_discard(config->trigger);
    // a line that is up comes down first; else the safe frame is not kept waiting
    bool early = d->second.open;
    bool rested = early && dispatch_rest(d);
    // behind a cut frame the device takes the first bytes for its rest: send it twice
    int copies = config->safe_length == 0 ? 0 : d->cut || discard ? 2 : 1;
    out.woken_ns = out.entered_ns = dispatch_now(d);
    for (int tries = 0; copies > 0 && tries < SAFE_TRIES; tries++) {
        size_t written = 0;
        if (mp_port_write(config->port, config->safe + done, config->safe_length - done,
                          &written, NULL) != MP_OK)
            break;
        done += written;
        if (done == config->safe_length) {
            copies--;
            out.safes++;
            done = 0;
            continue;
        }
        struct pollfd room = {.fd = mp_port_fd(config->port), .events = POLLOUT};
        (void)poll(&room, 1, 1);
    }
    if (!early)
        rested = dispatch_rest(d);
    out.returned_ns = dispatch_now(d);
    out.safe_sent = copies == 0 && rested;
    atomic_store(&d->safe_sent, out.safe_sent);
    out.start_ns = d->start_ns;
    dispatch_publish(d, &out);
}

void dispatch_loop(struct mp_dispatcher *d)
{
    d->alive_ns = dispatch_now(d);
    d->keepalive_due_ns = d->alive_ns + d->config.keepalive_ns;
    dispatch_record_alive(d);
    while (!stopped(d)) {
        take_commands(d);
        dispatch_look_settled(d);
        if (!stopped(d) && wait_until_due(d))
            dispatch(d);
    }
    send_safe(d);
    let_go(d);
    struct command command; // a plan that was given but never begun
    while (mp_ring_pop(&d->commands, &command))
        if (command.kind == COMMAND_PLAY)
            mp_lowering_set_busy(command.lowering, false);
    atomic_store(&d->playing, false);
}
