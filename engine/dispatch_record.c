/* dispatch_record.c - what the dispatcher tells: to the flight record, and to the loop. */
#include "engine/dispatcher_core.h"

static struct mp_flight_record flight_record(const struct mp_outcome *out)
{
    static const enum mp_flight_kind kinds[] = {
        [MP_OUT_SENT] = MP_FLIGHT_SENT,       [MP_OUT_SKIPPED] = MP_FLIGHT_SKIPPED,
        [MP_OUT_MARK] = MP_FLIGHT_MARK,       [MP_OUT_ONEOFF] = MP_FLIGHT_ONEOFF,
        [MP_OUT_CODE] = MP_FLIGHT_CODE,       [MP_OUT_FINISHED] = MP_FLIGHT_FINISHED,
        [MP_OUT_STOPPED] = MP_FLIGHT_STOPPED,
    };
    const struct mp_send *send = &out->send;
    uint32_t action = send->action;
    if (out->kind == MP_OUT_STOPPED)
        action = out->safe_sent ? 1 : 0;
    else if (out->kind == MP_OUT_MARK)
        action = send->source; // which text
    else if (out->kind == MP_OUT_CODE)
        action = out->code;
    return (struct mp_flight_record){
        .kind = (uint8_t)kinds[out->kind],
        .send_kind = (uint8_t)send->kind,
        .detail = out->kind == MP_OUT_CODE ? (uint16_t)out->lost : (uint16_t)out->stop,
        .action = action,
        .frame = send->frame,
        .number = send->number,
        .planned_ns =
            out->kind == MP_OUT_STOPPED ? out->cut_ns : send->floor_ns + (send->half ? 1 : 0),
        .due_ns = out->kind == MP_OUT_CODE ? out->woken_ns : out->start_ns + send->send_ns,
        .woken_ns = out->woken_ns,
        .sent_ns = out->entered_ns,
        .returned_ns = out->returned_ns,
    };
}

/* What is about to be written goes into the record first: see flight.h. */
bool dispatch_record_begin(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    struct mp_flight *flight = d->config.arming.flight;
    if (flight == NULL)
        return true;
    struct mp_flight_record record = flight_record(out);
    record.returned_ns = 0;
    (void)mp_flight_begin(flight, &record, &d->slot); // room was looked at before
    if (!mp_flight_lost(flight))
        return true;
    mp_latch_stop(&d->stop, MP_STOP_TORN);
    return false;
}

void dispatch_record_end(struct mp_dispatcher *d, int64_t returned_ns)
{
    if (d->config.arming.flight != NULL)
        mp_flight_finish(d->config.arming.flight, d->slot, returned_ns);
}

/* So is an event code. What became of it stands outside the checksum: see flight.h. */
void dispatch_code_begin(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    struct mp_flight_record record = flight_record(out);
    record.returned_ns = 0;
    d->code_begun = d->config.arming.flight != NULL &&
                    mp_flight_begin(d->config.arming.flight, &record, &d->code_slot);
}

static bool code_is_recorded(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    if (out->kind != MP_OUT_CODE || !d->code_begun)
        return false;
    d->code_begun = false;
    mp_flight_finish(d->config.arming.flight, d->code_slot,
                     out->lost == MP_CODE_WRITTEN ? out->returned_ns : -(int64_t)out->lost);
    return true;
}

/* Keep-alives, and one-off frames that are too many, share a record: see flight.h. */
void dispatch_record_alive(struct mp_dispatcher *d)
{
    if (d->config.arming.flight == NULL)
        return;
    const struct mp_flight_record record = {.kind = MP_FLIGHT_ALIVE,
                                            .detail = dispatch_sees_queues(d) ? 0 : 1,
                                            .sent_ns = dispatch_now(d)};
    (void)mp_flight_begin(d->config.arming.flight, &record, &d->alive_slot);
}

void dispatch_record_finished(struct mp_dispatcher *d)
{
    const struct mp_flight_record record =
        flight_record(&(struct mp_outcome){.kind = MP_OUT_FINISHED, .start_ns = d->start_ns});
    if (d->config.arming.flight != NULL)
        (void)mp_flight_push(d->config.arming.flight, &record);
}

/* Room that stays free for what a stop still tells: of each code that waits, and why. */
static uint64_t kept_for_stop(const struct mp_dispatcher *d, uint64_t others)
{
    return others + (d->config.codes != NULL ? MP_CODES_WAIT + CODES_IN : 0);
}

void dispatch_tell(struct mp_dispatcher *d, const struct mp_outcome *outcome)
{
    bool recorded = outcome->kind == MP_OUT_SENT || outcome->kind == MP_OUT_ONEOFF ||
                    outcome->kind == MP_OUT_UNTAKEN || outcome->kind == MP_OUT_BEGUN;
    if (outcome->kind == MP_OUT_FINISHED && d->ahead.on)
        recorded = true; // each start of it was, when it was over
    recorded = recorded || code_is_recorded(d, outcome);
    if (d->config.arming.flight != NULL && !recorded) {
        const struct mp_flight_record record = flight_record(outcome);
        (void)mp_flight_push(d->config.arming.flight, &record);
    }
    // room is kept for the last outcome, so that a full ring can still say why it stopped
    if (outcome->kind != MP_OUT_STOPPED && mp_ring_room(&d->outcomes) <= kept_for_stop(d, 2))
        mp_latch_stop(&d->stop, MP_STOP_RECORD);
    (void)mp_ring_push(&d->outcomes, outcome);
    atomic_store_explicit(&d->writing, false, memory_order_release); // after the outcome
}

void dispatch_publish(struct mp_dispatcher *d, const struct mp_outcome *outcome)
{
    dispatch_tell(d, outcome);
    d->config.wake(d->config.context);
}

bool dispatch_can_record(struct mp_dispatcher *d)
{
    const struct mp_flight *flight = d->config.arming.flight;
    if (mp_ring_room(&d->outcomes) <= kept_for_stop(d, 2))
        mp_latch_stop(&d->stop, MP_STOP_RECORD);
    else if (flight != NULL && mp_flight_lost(flight))
        mp_latch_stop(&d->stop, MP_STOP_TORN);
    else if (flight != NULL && mp_flight_room(flight) <= kept_for_stop(d, 4))
        mp_latch_stop(&d->stop, MP_STOP_FULL);
    else
        return true;
    return false;
}
