/*
 * dispatch_ahead.c - a plan that waits for triggers (ahead.h): hears them, and starts it. No
 * Lua and no loop between the read and the first write.
 */
#include "engine/dispatcher_core.h"

// bytes read at once; what comes meanwhile is read after them, by so many reads of a step: what
// else is to be done has its turn in any storm
enum { HEARD = 256, READS = 16 };

void dispatch_ahead_begins(struct mp_dispatcher *d, const struct command *command)
{
    d->ahead = (struct dispatch_ahead){
        .on = true, .rule = command->rule, .input = command->input, .play = command->play};
}

void dispatch_ahead_prepare(struct mp_dispatcher *d)
{
    struct dispatch_ahead *ahead = &d->ahead;
    if (!ahead->on || ahead->past.playing)
        return;
    if (ahead->first == NULL) {
        mp_lowering_rewind(d->lowering);
        dispatch_plan_begins(d);
        ahead->first = mp_lowering_draw(d->lowering); // there is one: that was looked at
        ahead->rule.lead_ns = ahead->first->send_ns < 0 ? -ahead->first->send_ns : 0;
    }
    dispatch_warm(d, ahead->first);
    mp_ring_warm(&d->triggers);
}

/* The plan from its beginning: its first frame leaves at once, or later if the delay says so or
 * the wire is not free. */
static void start(struct mp_dispatcher *d, int64_t arrival_ns)
{
    struct dispatch_ahead *ahead = &d->ahead;
    struct mp_flight *flight = d->config.arming.flight;
    dispatch_ahead_prepare(d); // of several bytes read at once one may start it after another
    d->next = ahead->first;
    ahead->first = NULL;
    const int64_t free_ns = d->past.wire_free_ns;
    const int64_t soonest_ns = arrival_ns > free_ns ? arrival_ns : free_ns;
    d->start_ns = arrival_ns + ahead->rule.delay_ns;
    if (d->start_ns + d->next->send_ns < soonest_ns)
        d->start_ns = soonest_ns - d->next->send_ns;
    ahead->past.start_ns = d->start_ns;
    ahead->past.playing = true;
    if (flight != NULL)
        (void)mp_flight_play(flight, ahead->play + ahead->past.started - 1, d->start_ns,
                             arrival_ns);
    struct mp_outcome out = {.kind = MP_OUT_BEGUN,
                             .start_ns = d->start_ns,
                             .woken_ns = arrival_ns,
                             .send = {.number = ahead->past.started}};
    dispatch_tell(d, &out); // the loop is woken once all that came is heard
}

/* A start's own piece: what came before is told before the plan begins. */
static void hear(struct mp_dispatcher *d, uint8_t byte, int64_t at_ns,
                 struct mp_triggers *piece)
{
    struct dispatch_ahead *ahead = &d->ahead;
    if (atomic_load_explicit(&d->enough, memory_order_relaxed))
        ahead->rule.most = ahead->past.started;
    enum mp_heard heard = mp_ahead_hear(&ahead->rule, &ahead->past, byte, at_ns);
    if (heard == MP_HEARD_STARTS || piece->count == MP_TRIGGERS_MOST)
        dispatch_tell_triggers(d, piece);
    if (heard == MP_HEARD_STARTS) {
        start(d, at_ns);
        ahead->telling = true;
        dispatch_now_if_due(d); // before it is told
        ahead->telling = false;
    }
    piece->at_ns = at_ns;
    piece->started = ahead->past.started;
    piece->bytes[piece->count] = byte;
    piece->heard[piece->count++] = (uint8_t)heard;
}

/* Does the line let triggers through? One that cannot be read lets none; the port is then found
 * lost by the next read. */
static void look_at_gate(struct dispatch_ahead *ahead)
{
    if (ahead->rule.gate != MP_INPUT_NONE)
        (void)mp_port_get_input(ahead->input, ahead->rule.gate, &ahead->past.gate_high, NULL);
}

bool dispatch_ahead_is_over(const struct mp_dispatcher *d)
{
    const struct dispatch_ahead *ahead = &d->ahead;
    return ahead->past.started >= ahead->rule.most || dispatch_now(d) > ahead->rule.until_ns ||
           atomic_load_explicit(&d->enough, memory_order_acquire);
}

/* And is what was started over as well? */
static bool is_done(const struct mp_dispatcher *d)
{
    return !d->ahead.past.playing && dispatch_ahead_is_over(d);
}

void dispatch_hear(struct mp_dispatcher *d)
{
    uint8_t bytes[HEARD];
    size_t got = sizeof bytes;
    for (int i = 0; i < READS && got == sizeof bytes && !dispatch_stopped(d); i++) {
        struct mp_triggers piece = {0};
        if (i > 0 && d->threaded && (dispatch_has_due(d) || is_done(d)))
            return; // the rest is read behind it, or by whoever reads the port then
        enum mp_status status = mp_port_read(d->ahead.input, bytes, sizeof bytes, &got, NULL);
        if (status != MP_OK) {
            mp_latch_stop(&d->stop, MP_STOP_GONE);
            return;
        }
        const int64_t at_ns = dispatch_now(d);
        if (got > 0)
            look_at_gate(&d->ahead);
        for (size_t k = 0; k < got; k++)
            hear(d, bytes[k], at_ns, &piece);
        dispatch_tell_triggers(d, &piece);
        if (got > 0)
            d->config.wake(d->config.context);
    }
}
