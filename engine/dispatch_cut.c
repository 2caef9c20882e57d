/*
 * dispatch_cut.c - what a stop throws away, and what may have been lost with it. A frame that
 * was handed to the port has left for certain only if the port held fewer bytes than were
 * written after it, or was seen empty since.
 */
#include "engine/dispatcher_core.h"

void dispatch_keep(struct mp_dispatcher *d, uint8_t port, int64_t had_ns)
{
    struct dispatch_handed *handed = &d->handed;
    size_t at = handed->frames % FRAMES_KEPT;
    handed->kept[at].end = handed->written[port];
    handed->kept[at].had_ns = had_ns;
    handed->kept[at].port = port;
    if (handed->frames++ == 0)
        handed->first_ns = had_ns;
}

int dispatch_look_queued(struct mp_dispatcher *d, uint8_t port)
{
    int queued = mp_port_queued(dispatch_port(d, port));
    if (queued == 0)
        d->handed.out[port] = d->handed.written[port];
    return queued;
}

bool dispatch_sees_queues(const struct mp_dispatcher *d)
{
    return mp_port_queued(d->config.port) >= 0 &&
           (d->config.trigger == NULL || mp_port_queued(d->config.trigger) >= 0);
}

bool dispatch_discards(enum mp_stop stop)
{
    return stop == MP_STOP_BLOCKED || stop == MP_STOP_DEVICE || stop == MP_STOP_SILENT ||
           stop == MP_STOP_SETTING;
}

/* Of the bytes that port was given last so many may be lost; -1: nobody knows. */
static int lost_on(struct mp_port *port, enum mp_stop stop)
{
    if (dispatch_discards(stop))
        return mp_port_discard(port);
    // what a port held that is gone is gone with it; a port that is not does not lose anything
    return stop == MP_STOP_GONE && mp_port_queued(port) < 0 ? -1 : 0;
}

int64_t dispatch_cut(struct mp_dispatcher *d, enum mp_stop stop)
{
    struct dispatch_handed *handed = &d->handed;
    int64_t cut_ns = 0;
    for (uint8_t port = 0; port < MP_PORTS; port++) {
        int lost = dispatch_port(d, port) == NULL ? 0 : lost_on(dispatch_port(d, port), stop);
        uint64_t written = handed->written[port];
        if (lost >= 0 && (uint64_t)lost <= written &&
            written - (uint64_t)lost > handed->out[port])
            handed->out[port] = written - (uint64_t)lost;
    }
    uint64_t oldest = handed->frames > FRAMES_KEPT ? handed->frames - FRAMES_KEPT : 0;
    for (uint64_t i = handed->frames; i > oldest; i--) {
        size_t at = (i - 1) % FRAMES_KEPT;
        bool left = handed->kept[at].end <= handed->out[handed->kept[at].port];
        if (!left && (cut_ns == 0 || handed->kept[at].had_ns < cut_ns))
            cut_ns = handed->kept[at].had_ns;
        if (!left && i - 1 == oldest && oldest > 0) // those before it are forgotten
            cut_ns = handed->first_ns;
    }
    return cut_ns;
}
