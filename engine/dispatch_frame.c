/* dispatch_frame.c - what a frame does to its port: bytes or a line, and its second part. */
#include "engine/dispatcher_core.h"

#include "engine/clock.h"

#include <string.h>

/* A line moves as a whole; of bytes the port may take a part. */
static enum mp_status hand_over(struct mp_port *port, const struct dispatch_part *part,
                                bool *whole, size_t *written)
{
    enum mp_status status;
    *written = 0;
    if (part->line == MP_TRIGGER_NONE) {
        status = mp_port_write(port, part->bytes, part->length, written, NULL);
        *whole = status == MP_OK && *written == part->length;
        return status;
    }
    *whole = false;
    if (part->line == MP_TRIGGER_BREAK && part->high && mp_port_queued(port) > 0)
        return MP_OK; // the system would wait for these bytes, and so would we
    status = mp_port_set_line(port, part->line, part->high, NULL);
    *whole = status == MP_OK;
    return status;
}

/*
 * We do not know when within write() the first bit leaves. We need only the difference between
 * two pulses, so we take the start of the call, or its end if it took unusually long: then it
 * has stalled, before that bit or after it.
 */
int64_t dispatch_left_ns(const struct mp_dispatcher *d, const struct mp_frame *frame,
                         const struct mp_outcome *out)
{
    // an ioctl that moves the line of a USB adapter takes some tenths of a millisecond
    bool line = frame->line != MP_TRIGGER_NONE;
    int64_t left = out->returned_ns - (line ? 500 : 100) * MP_NS_PER_US;
    if (left < out->entered_ns)
        left = out->entered_ns;
    return dispatch_by_wire(frame) && left < d->past.wire_free_ns ? d->past.wire_free_ns : left;
}

bool dispatch_part(struct mp_dispatcher *d, const struct dispatch_part *part)
{
    bool whole;
    size_t written;
    // before the write, for the loop's thread; without a thread there is nobody to see it
    atomic_store_explicit(&d->writing, true,
                          d->threaded ? memory_order_seq_cst : memory_order_relaxed);
    enum mp_status status = hand_over(dispatch_port(d, part->port), part, &whole, &written);
    bool to_device = part->port == MP_PORT_DEVICE && part->line == MP_TRIGGER_NONE;
    int64_t now = dispatch_now(d);
    d->handed.written[part->port] += written;
    if (whole && to_device)
        d->keepalive_due_ns = now + d->config.arming.keepalive_ns; // any frame does
    if (whole)
        return true;
    d->cut = d->cut || (to_device && !whole && written > 0);
    mp_latch_stop(&d->stop, status == MP_OK ? MP_STOP_BLOCKED : MP_STOP_GONE);
    return false;
}

void dispatch_plan_second(struct mp_dispatcher *d, const struct mp_frame *frame,
                          int64_t returned_ns)
{
    if (frame->width_ns == 0)
        return;
    d->second.open = true;
    // from the end of the first part: a pulse is never narrower than was asked for
    d->second.due_ns = returned_ns + frame->width_ns;
    d->second.port = frame->port;
    d->second.line = frame->line;
    d->second.length = frame->after_length;
    d->second.wire_ns = frame->takes_ns - frame->width_ns - mp_rest_ns; // 0 for a line
    memcpy(d->second.bytes, frame->after, frame->after_length);
}

bool dispatch_second(struct mp_dispatcher *d)
{
    const struct dispatch_part part = {.port = d->second.port,
                                       .line = d->second.line,
                                       .bytes = d->second.bytes,
                                       .length = d->second.length};
    if (!d->second.open)
        return true;
    d->second.open = false;
    bool whole = dispatch_part(d, &part);
    d->past.second_ns = dispatch_now(d);
    if (whole && part.line == MP_TRIGGER_NONE)
        d->past.wire_end_ns[part.port] = d->past.second_ns + d->second.wire_ns;
    return whole;
}

bool dispatch_rest(struct mp_dispatcher *d)
{
    const struct mp_dispatch_config *config = &d->config;
    bool rested = dispatch_second(d);
    for (uint8_t port = 0; port < MP_PORTS; port++)
        if (config->lines[port] != MP_TRIGGER_NONE &&
            mp_port_set_line(dispatch_port(d, port), config->lines[port], false, NULL) != MP_OK)
            rested = false;
    size_t written = 0;
    if (config->trigger != NULL && config->rest_length > 0 &&
        (mp_port_write(config->trigger, config->rest, config->rest_length, &written, NULL) !=
             MP_OK ||
         written < config->rest_length))
        rested = false;
    return rested;
}
