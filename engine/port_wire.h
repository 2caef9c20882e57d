/*
 * port_wire.h - a port whose both ends are in this process: bytes and lines, on a world's
 * clock.
 *
 * The near end is a port (port.h), opened by the wire's path. The far end is a simulator's: it
 * hears bytes once the last of them is off the wire, at the speed at which the near end was
 * opened, and lines at the instant at which they move. What it writes arrives at once. The
 * system's buffers are there, too: a near end that writes faster than the wire finds them full.
 *
 * For virtual worlds: everything belongs to the loop's thread, also what the dispatcher does.
 */
#ifndef MP_PORT_WIRE_H
#define MP_PORT_WIRE_H

#include "engine/port.h"
#include "engine/world.h"

struct mp_wire;

/* What the far end hears, called by the world's alarms; the wire may be destroyed inside. */
struct mp_wire_far {
    /* Asked first, if there is one: true, it has taken these bytes, and bytes is not called. */
    bool (*takes)(void *context, const uint8_t *bytes, size_t length, int64_t began_ns);
    /* began_ns: when the first bit of these left; now the last one has come */
    void (*bytes)(void *context, const uint8_t *bytes, size_t length, int64_t began_ns);
    void (*line)(void *context, enum mp_trigger_line line, bool high, int64_t at_ns);
    void *context;
};

/* Make a wire in world, which must outlive it. */
enum mp_status mp_wire_create(struct mp_wire **out, struct mp_world *world,
                              const struct mp_wire_far *far, struct mp_error *err);
/* The far end is gone, as an adapter that is pulled out: the near end finds that out. NULL is
 * accepted. */
void mp_wire_destroy(struct mp_wire *wire);

/* The path for mp_port_open, "wire:N"; owned by the wire. */
const char *mp_wire_path(const struct mp_wire *wire);
/* Is it a wire's, whether or not there is one? */
bool mp_wire_is_path(const char *path);

/* Send to the near end: it has it in the next turn; nobody hears it if it is not open. A
 * full buffer gives MP_OK with *written < len. */
enum mp_status mp_wire_write(struct mp_wire *wire, const void *bytes, size_t len,
                             size_t *written, struct mp_error *err);
/* The same, and it has it when this returns: for an alarm, and the wire may be destroyed
 * inside.
 */
void mp_wire_say(struct mp_wire *wire, const void *bytes, size_t len, size_t *written);
struct mp_wire_inputs {
    bool cts, dsr, ri, cd; // high
};
/* The lines that come in at the near end. */
void mp_wire_set_inputs(struct mp_wire *wire, struct mp_wire_inputs high);

/* What goes wrong with the near end's next write, once. */
struct mp_wire_trouble {
    bool is_short; // it takes so many bytes at most
    size_t takes;
    int64_t stall_ns; // it returns so much later than the bytes began to leave
};
/* Have it happen. */
void mp_wire_make_trouble(struct mp_wire *wire, const struct mp_wire_trouble *trouble);

/* Of the near end: call heard(context) when something has come, or the far end is gone; NULL:
 * no longer. */
void mp_wire_watch(struct mp_port *port, void (*heard)(void *context), void *context);
/* Is its far end gone? */
bool mp_wire_is_cut(const struct mp_port *port);

#endif
