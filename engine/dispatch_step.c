/*
 * dispatch_step.c - one step of the dispatcher: what is due now, and when to come back. No
 * malloc, no lock, no file I/O, no wait here: who calls it waits, the thread or the alarm of a
 * world.
 */
#include "engine/dispatcher_core.h"

#include "engine/clock.h"

// a one-off frame must be off the wire this long before the next frame of the plan
static const int64_t gap_margin_ns = MP_NS_PER_MS;
// before a deadline the thread wakes this early, to warm up and spin
static const int64_t warm_ns = 220 * MP_NS_PER_US;
// a pulse that is held back spins up to its very stamp for so long
static const int64_t awake_ns = 5 * MP_NS_PER_US;
// how often the heartbeat is looked at while nothing is due
static const int64_t look_ns = 100 * MP_NS_PER_MS;

static bool stopped(struct mp_dispatcher *d)
{
    return dispatch_stopped(d);
}

static void publish_finished(struct mp_dispatcher *d)
{
    dispatch_let_go(d);
    atomic_store(&d->playing, false);
    dispatch_publish(d, &(struct mp_outcome){.kind = MP_OUT_FINISHED, .start_ns = d->start_ns});
    d->ahead.on = false;
}

/*
 * Is all of the plan out, down to the last event code? Of a plan that triggers start, which may
 * begin again while that still stands, its 0 is not waited for.
 */
static bool is_out(const struct mp_dispatcher *d)
{
    return d->lowering != NULL && d->next == NULL && !d->second.open &&
           (d->ahead.on ? !dispatch_codes_come(d) : !dispatch_codes_wait(d));
}

/* Its last frame is out. A plan that triggers start waits for the next one, if one may come. */
static void plan_is_over(struct mp_dispatcher *d)
{
    d->ahead.past.playing = false;
    if (d->ahead.on)
        dispatch_record_finished(d);
    if (!d->ahead.on ||
        (!d->ahead.telling && dispatch_ahead_is_over(d) && !dispatch_codes_wait(d)))
        publish_finished(d);
}

/* ---- writing ---- */

/*
 * Send a whole frame's first part or stop: part of a frame is never followed by the rest. What
 * was not taken whole becomes MP_OUT_UNTAKEN; what a stop came before keeps its kind.
 */
static bool write_part(struct mp_dispatcher *d, const struct dispatch_part *part,
                       struct mp_outcome *out)
{
    if (stopped(d)) // looked at after the time stamp: nothing stamped after a stop is ever sent
        return false;
    if (!dispatch_record_begin(d, out)) {
        dispatch_record_end(d, MP_FLIGHT_UNTAKEN);
        return false;
    }
    const uint64_t written = d->handed.written[part->port];
    bool whole = dispatch_part(d, part);
    out->returned_ns = dispatch_now(d);
    out->in_part = !whole && d->handed.written[part->port] > written;
    dispatch_record_end(d, whole          ? out->returned_ns
                           : out->in_part ? MP_FLIGHT_IN_PART
                                          : MP_FLIGHT_UNTAKEN);
    if (!whole)
        out->kind = MP_OUT_UNTAKEN;
    return whole;
}

static void send_oneoff(struct mp_dispatcher *d, const void *bytes, size_t length,
                        bool keepalive)
{
    const struct dispatch_part part = {.bytes = bytes, .length = length};
    struct mp_outcome out = {.kind = MP_OUT_ONEOFF, .start_ns = d->start_ns};
    struct mp_flight *flight = d->config.arming.flight;
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
    d->past.wire_free_ns = out.returned_ns + mp_serial_wire_ns(&d->config.serial, length);
    dispatch_publish(d, &out);
}

/* Is there time for a one-off frame before the next frame of the plan? */
static bool fits(const struct mp_dispatcher *d, size_t length)
{
    const struct dispatch_second *second = &d->second;
    if (second->open && second->port == MP_PORT_DEVICE && second->line != MP_TRIGGER_RTS &&
        second->line != MP_TRIGGER_DTR)
        return false; // not between a message and its second part, nor into a break
    if (d->next == NULL)
        return true;
    int64_t needed = mp_serial_wire_ns(&d->config.serial, length) + gap_margin_ns;
    return dispatch_now(d) + needed < d->start_ns + d->next->send_ns;
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
    if (command->kind == COMMAND_AHEAD) {
        dispatch_ahead_begins(d, command);
        return;
    }
    d->start_ns = command->start_ns;
    dispatch_plan_begins(d);
    d->next = mp_lowering_draw(d->lowering);
    if (d->next == NULL) // a plan of rests only
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
    if (config->arming.keepalive_length > 0 && dispatch_now(d) >= d->keepalive_due_ns &&
        fits(d, config->arming.keepalive_length) && !stopped(d))
        send_oneoff(d, config->arming.keepalive, config->arming.keepalive_length, true);
}

/* ---- the last look ---- */

/*
 * Does a port still hold bytes that should have been on the wire long ago? On either one: a
 * pulse on a line must not fire at an intensity that the device has not been told to leave.
 */
static bool backed_up(struct mp_dispatcher *d, int64_t now)
{
    for (uint8_t port = 0; port < MP_PORTS; port++)
        if (dispatch_backed_up(&d->past, port, now) && dispatch_look_queued(d, port) > 0)
            return true;
    return false;
}

/* Is a pulse unconfirmed for too long, as far as the loop has read the port? */
static bool unanswered(const struct mp_dispatcher *d)
{
    // the time first: what was confirmed before it is then seen as well
    int64_t drained_ns = atomic_load_explicit(&d->drained_ns, memory_order_acquire);
    uint64_t confirmed = atomic_load_explicit(&d->confirmed, memory_order_acquire);
    return dispatch_unanswered(&d->rules, &d->past, confirmed, drained_ns);
}

static int64_t next_due_ns(const struct mp_dispatcher *d)
{
    const struct dispatch_frame next = dispatch_next(d);
    return dispatch_due_ns(d, &next);
}

/* ---- waiting ---- */

/* Has the loop been silent too long? Not if this thread was stalled together with it. */
static void check_heartbeat(struct mp_dispatcher *d)
{
    const int64_t stuck_ns = d->config.arming.stuck_ns;
    int64_t now = dispatch_now(d);
    bool was_stalled = now - d->alive_ns > 2 * look_ns + MP_NS_PER_MS;
    d->alive_ns = now;
    if (stuck_ns == 0)
        return;
    if (was_stalled) // both were stopped: the loop gets its time from here on
        atomic_store(&d->heartbeat_ns, dispatch_now(d));
    else if (now - atomic_load(&d->heartbeat_ns) > stuck_ns)
        mp_latch_stop(&d->stop, MP_STOP_STUCK);
}

/* Is the second part of the pulse before the next thing to do? */
static bool second_is_next(const struct mp_dispatcher *d)
{
    const struct dispatch_second *second = &d->second;
    if (!second->open)
        return false;
    return d->next == NULL || d->next->kind == MP_SEND_PULSE || // which waits for it
           ((d->next->kind == MP_SEND_SET || d->next->kind == MP_SEND_ASK) &&
            second->port == MP_PORT_DEVICE) ||
           second->due_ns <= d->start_ns + d->next->send_ns;
}

static void do_second(struct mp_dispatcher *d)
{
    if (dispatch_second(d) && is_out(d) && !stopped(d))
        plan_is_over(d);
}

/* May a trigger start the plan at any moment? Then the thread listens, and does not spin. */
static bool listens(const struct mp_dispatcher *d)
{
    return d->ahead.on && !d->ahead.past.playing;
}

/*
 * The last stretch before what is due. A pulse that is held back is awake early: else what each
 * is late, from the wake to the stamp, would add up over a row of pulses at the device's
 * shortest interval.
 */
static void wait_for_due(struct mp_dispatcher *d, struct mp_next *next)
{
    bool held = !d->second_next && !d->code_next && d->next->kind == MP_SEND_PULSE &&
                d->due_ns > d->start_ns + d->next->send_ns;
    d->waits = WAITS_DUE;
    next->at_ns = d->due_ns - (held && d->threaded ? awake_ns : 0);
    next->spin = (d->realtime.spin && !listens(d)) || held;
}

/* What is next: a second part, a frame of the plan, a keep-alive, or only a look around. */
static void wait_for_next(struct mp_dispatcher *d, struct mp_next *next)
{
    const struct mp_dispatch_config *config = &d->config;
    bool looks = d->threaded || config->arming.stuck_ns > 0;
    int64_t look = looks ? d->alive_ns + look_ns : INT64_MAX;
    if (config->arming.keepalive_length > 0 && d->keepalive_due_ns < look &&
        fits(d, config->arming.keepalive_length))
        look = d->keepalive_due_ns;
    if (listens(d) && d->ahead.rule.until_ns < look && !dispatch_codes_wait(d)) // it is over
        look = d->ahead.rule.until_ns + 1;
    d->second_next = second_is_next(d);
    d->due_ns = d->second_next    ? d->second.due_ns
                : d->next != NULL ? next_due_ns(d)
                                  : INT64_MAX;
    d->code_next = dispatch_code_before(d, &d->due_ns);
    next->spin = false;
    if (d->due_ns > look || d->due_ns == INT64_MAX) {
        d->waits = WAITS_LOOK;
        next->at_ns = look;
    } else if (d->realtime.spin && !listens(d)) { // if it does, only a code's 0 is due
        d->waits = WAITS_WARM;
        next->at_ns = d->due_ns - warm_ns;
    } else {
        wait_for_due(d, next);
    }
    next->input = d->ahead.on && !next->spin ? d->ahead.input : NULL;
}

/* ---- sending what is due ---- */

static bool write_planned(struct mp_dispatcher *d, struct mp_outcome *out)
{
    const struct mp_send *send = d->next;
    const struct mp_frame *frame = dispatch_next_frame(d);
    const struct dispatch_part part = {.port = frame->port,
                                       .line = frame->line,
                                       .high = true,
                                       .bytes = frame->bytes,
                                       .length = frame->length};
    if (!write_part(d, &part, out))
        return false;
    dispatch_plan_second(d, frame, out->returned_ns);
    if (frame->line == MP_TRIGGER_NONE) {
        d->past.wire_end_ns[frame->port] = out->returned_ns + frame->wire_ns;
        dispatch_keep(d, frame->port, out->entered_ns + frame->wire_ns);
    }
    if (send->kind != MP_SEND_PULSE) { // a setting, or the question before one
        d->settings++;
        d->settled_ns = 0; // a quick answer may be known before we look again
        return true;
    }
    dispatch_was_sent(d, out);
    // stalled inside the write: it has left, perhaps late, and the record says so
    if (out->returned_ns - (d->start_ns + send->send_ns) > d->config.arming.tolerance_ns) {
        out->stop = MP_STOP_LATE;
        if (d->config.arming.late == MP_LATE_ABORT)
            mp_latch_stop(&d->stop, MP_STOP_LATE);
    }
    return true;
}

/*
 * What becomes of send, where the loop will read it: all fields, as the place holds an older
 * outcome. Its two stamps are still to come.
 */
static struct mp_outcome *outcome_of(struct mp_dispatcher *d, const struct mp_send *send)
{
    struct mp_outcome *out = mp_ring_slot(&d->outcomes);
    out->kind = MP_OUT_SENT;
    out->stop = MP_STOP_NONE;
    out->safe_sent = out->in_part = false;
    out->safes = 0;
    out->cut_ns = 0;
    out->send = *send;
    out->start_ns = d->start_ns;
    out->woken_ns = d->woken_ns;
    return out;
}

/* Send, skip or refuse the frame that is due now. */
static void dispatch(struct mp_dispatcher *d)
{
    const struct mp_send *send = d->next;
    const enum mp_send_kind kind = send->kind;
    if (stopped(d) || !dispatch_can_record(d))
        return;
    if (kind == MP_SEND_PULSE && unanswered(d)) {
        mp_latch_stop(&d->stop, MP_STOP_SILENT);
        return;
    }
    if (kind == MP_SEND_PULSE && backed_up(d, d->woken_ns)) {
        mp_latch_stop(&d->stop, MP_STOP_BLOCKED);
        return;
    }
    struct mp_outcome *out = outcome_of(d, send); // there is room: that was looked at
    struct dispatch_frame next = dispatch_next(d);
    const int64_t due_ns = dispatch_due_ns(d, &next);
    do
        out->entered_ns = dispatch_now(d);
    while (d->threaded && out->entered_ns < due_ns); // held back: some microseconds at most
    out->returned_ns = out->entered_ns;
    next.unsettled = dispatch_unsettled(d); // at the very last
    enum mp_stop refusal = dispatch_refuse(&d->rules, &d->past, &next, out->entered_ns);
    if (kind == MP_SEND_MARK) {
        out->kind = MP_OUT_MARK;
    } else if (refusal != MP_STOP_NONE) {
        out->kind = MP_OUT_SKIPPED;
        out->stop = refusal;
        // a setting that comes too late would leave the next pulse at the wrong intensity
        if (d->config.arming.late == MP_LATE_ABORT || kind != MP_SEND_PULSE ||
            refusal == MP_STOP_SETTING)
            mp_latch_stop(&d->stop, refusal);
    } else if (!write_planned(d, out)) {
        if (out->kind == MP_OUT_UNTAKEN)
            dispatch_publish(d, out);
        return;
    }
    if (kind == MP_SEND_PULSE)
        dispatch_came_by(d);
    dispatch_publish(d, out);
    dispatch_code_of(d, out); // it stays where it is until the ring comes round
    d->next = mp_lowering_draw(d->lowering);
    if (is_out(d) && !stopped(d))
        plan_is_over(d);
}

/* An event code, or the 0 after one. */
static void do_code(struct mp_dispatcher *d)
{
    const bool was_out = is_out(d);
    dispatch_code_now(d);
    if (!was_out && is_out(d) && !stopped(d))
        plan_is_over(d);
}

void dispatch_now_if_due(struct mp_dispatcher *d)
{
    d->woken_ns = dispatch_now(d);
    if (!second_is_next(d) && next_due_ns(d) <= d->woken_ns)
        dispatch(d);
}

bool dispatch_has_due(const struct mp_dispatcher *d)
{
    if (second_is_next(d))
        return d->second.due_ns <= dispatch_now(d);
    return d->next != NULL && next_due_ns(d) <= dispatch_now(d);
}

/* The wait is over, or was ended: do what it was for. True: the rest of it is still to come. */
static bool act(struct mp_dispatcher *d, struct mp_next *next)
{
    bool come = next->came;
    switch (d->waits) {
    case WAITS_NOTHING:
        d->alive_ns = dispatch_now(d);
        d->keepalive_due_ns = d->alive_ns + d->config.arming.keepalive_ns;
        dispatch_record_alive(d);
        break;
    case WAITS_LOOK:
        check_heartbeat(d);
        break;
    case WAITS_WARM:
        if (!come)
            break;
        if (!d->second_next && !d->code_next)
            dispatch_warm(d, d->next);
        wait_for_due(d, next);
        return true;
    case WAITS_DUE:
        if (come && d->code_next)
            do_code(d);
        else if (come && d->second_next)
            do_second(d);
        d->woken_ns = dispatch_now(d);
        if (come && !d->code_next && !d->second_next)
            dispatch(d);
        break;
    }
    return false;
}

bool dispatch_step(struct mp_dispatcher *d, struct mp_next *next)
{
    bool waits = act(d, next);
    atomic_store_explicit(&d->writing, false, memory_order_release); // a frame without outcome
    next->input = NULL;
    if (waits)
        return true;
    if (!stopped(d) && d->ahead.on)
        dispatch_hear(d); // first: nothing may come between a trigger and its pulse
    if (!stopped(d)) {
        take_commands(d);
        dispatch_codes_taken(d);
        if (listens(d) && dispatch_ahead_is_over(d) && !dispatch_codes_wait(d))
            publish_finished(d);
        dispatch_look_settled(d);
    }
    if (!stopped(d)) {
        wait_for_next(d, next);
        dispatch_ahead_prepare(d);
        return true;
    }
    dispatch_end(d);
    return false;
}
