/* dispatch_safe.c - after a stop: the safe frame, and what was borrowed is given back. */
#include "engine/dispatcher_core.h"

enum {
    SAFE_TRIES = 20, // of 1 ms each, when the port does not take the safe frame at once
};

/* After a stop: make the device harmless, whatever is still on the wire. */
static void send_safe(struct mp_dispatcher *d)
{
    const struct mp_dispatch_config *config = &d->config;
    struct mp_outcome out = {.kind = MP_OUT_STOPPED};
    size_t done = 0;
    atomic_store(&d->writing, true); // what the device answers is heard once the stop is told
    out.stop = mp_latch_reason(&d->stop);
    if (config->arming.stops != NULL && out.stop != MP_STOP_FINISHED)
        config->arming.stops(); // first: a port that takes no bytes here keeps no other waiting
    bool discard = dispatch_discards(out.stop);
    out.cut_ns = dispatch_cut(d, out.stop);
    // a line that is up comes down first; else the safe frame is not kept waiting
    bool early = d->second.open;
    bool rested = early && dispatch_rest(d);
    // after a cut frame the device takes the first bytes for its rest: send it twice
    int copies = config->arming.safe_length == 0 ? 0 : d->cut || discard ? 2 : 1;
    out.woken_ns = out.entered_ns = dispatch_now(d);
    for (int tries = 0; copies > 0 && tries < SAFE_TRIES; tries++) {
        size_t written = 0;
        if (mp_port_write(config->port, d->safe + done, config->arming.safe_length - done,
                          &written, NULL) != MP_OK)
            break;
        done += written;
        if (done == config->arming.safe_length) {
            copies--;
            out.safes++;
            done = 0;
            continue;
        }
        mp_port_wait_room(config->port, 1);
    }
    if (!early)
        rested = dispatch_rest(d);
    dispatch_codes_rest(d); // the device is safe by now
    out.returned_ns = dispatch_now(d);
    out.safe_sent = copies == 0 && rested;
    atomic_store(&d->safe_sent, out.safe_sent);
    out.start_ns = d->start_ns;
    dispatch_publish(d, &out);
}

void dispatch_let_go(struct mp_dispatcher *d)
{
    if (d->lowering != NULL)
        mp_lowering_set_busy(d->lowering, false);
    d->lowering = NULL;
    d->next = NULL; // it was the lowering's
}

void dispatch_end(struct mp_dispatcher *d)
{
    send_safe(d);
    dispatch_let_go(d);
    struct command command; // a plan that was given but never begun
    while (mp_ring_pop(&d->commands, &command))
        if (command.kind != COMMAND_SEND)
            mp_lowering_set_busy(command.lowering, false);
    atomic_store(&d->playing, false);
}
