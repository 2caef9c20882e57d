#include "engine/port_wire.h"

#include "engine/port_backend.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { BUFFER = 4096, MESSAGES = 64, MOVES = 16 }; // a serial driver's buffer

static const char prefix[] = "wire:";

/* Bytes of one write, on their way to the far end. */
struct message {
    size_t length;
    int64_t begins_ns, ends_ns; // on the wire
};

struct move {
    enum mp_trigger_line line;
    bool high;
    int64_t at_ns;
};

struct mp_wire {
    struct mp_world *world;
    struct mp_wire_far far;
    struct mp_wire *next; // of all wires
    char path[32];
    struct mp_serial serial;
    bool near_open, far_open;
    int calls; // into the far end or the near one's owner: not freed meanwhile
    // to the far end
    struct mp_alarm arrives, moved;
    uint8_t out[BUFFER];
    size_t out_length;
    struct message messages[MESSAGES];
    size_t message_count;
    int64_t free_ns;  // the wire is, from then on
    size_t timed;     // so many bytes, as most writes have,
    int64_t timed_ns; // take so long
    struct move moves[MOVES];
    size_t move_count;
    // to the near end
    struct mp_alarm readable;
    uint8_t in[BUFFER];
    size_t in_length;
    void (*heard)(void *context);
    void *context;
    int bits;                       // TIOCM_*: of both directions
    struct mp_wire_trouble trouble; // of the next write
};

static struct mp_wire *all;

static struct mp_wire *of_alarm(struct mp_alarm *alarm, size_t offset)
{
    return (struct mp_wire *)(void *)((char *)alarm - offset);
}

/* Neither end has it any more. */
static void free_if_over(struct mp_wire *wire)
{
    if (wire->near_open || wire->far_open || wire->calls > 0)
        return;
    struct mp_wire **at = &all;
    while (*at != wire)
        at = &(*at)->next;
    *at = wire->next;
    mp_world_cancel(wire->world, &wire->arrives);
    mp_world_cancel(wire->world, &wire->moved);
    mp_world_cancel(wire->world, &wire->readable);
    free(wire);
}

/* ---- to the far end ---- */

static void forget_first(struct mp_wire *wire)
{
    size_t length = wire->messages[0].length;
    wire->message_count--;
    wire->out_length -= length;
    if (wire->message_count == 0) // nearly always
        return;
    memmove(wire->messages, wire->messages + 1, wire->message_count * sizeof wire->messages[0]);
    memmove(wire->out, wire->out + length, wire->out_length);
}

static void on_arrival(struct mp_alarm *alarm)
{
    struct mp_wire *wire = of_alarm(alarm, offsetof(struct mp_wire, arrives));
    uint8_t bytes[BUFFER];
    const struct message first = wire->messages[0];
    memcpy(bytes, wire->out, first.length);
    forget_first(wire);
    if (wire->message_count > 0)
        mp_world_set(wire->world, alarm, wire->messages[0].ends_ns);
    const struct mp_wire_far *far = &wire->far;
    wire->calls++;
    if (wire->far_open &&
        (far->takes == NULL || !far->takes(far->context, bytes, first.length, first.begins_ns)))
        far->bytes(far->context, bytes, first.length, first.begins_ns);
    wire->calls--;
    free_if_over(wire);
}

static void on_move(struct mp_alarm *alarm)
{
    struct mp_wire *wire = of_alarm(alarm, offsetof(struct mp_wire, moved));
    const struct move first = wire->moves[0];
    wire->move_count--;
    memmove(wire->moves, wire->moves + 1, wire->move_count * sizeof wire->moves[0]);
    if (wire->move_count > 0)
        mp_world_set(wire->world, alarm, mp_world_now(wire->world));
    wire->calls++;
    if (wire->far_open)
        wire->far.line(wire->far.context, first.line, first.high, first.at_ns);
    wire->calls--;
    free_if_over(wire);
}

static enum mp_status wire_write(struct mp_port *port, const void *bytes, size_t len,
                                 size_t *written, struct mp_error *err)
{
    struct mp_wire *wire = port->wire;
    int64_t now = mp_world_now(wire->world);
    size_t room = wire->message_count == MESSAGES ? 0 : BUFFER - wire->out_length;
    if (!wire->far_open)
        return mp_port_io_failure(port, "writing", ENXIO, err);
    const struct mp_wire_trouble trouble = wire->trouble;
    wire->trouble = (struct mp_wire_trouble){0};
    if (trouble.is_short && trouble.takes < room)
        room = trouble.takes;
    *written = len < room ? len : room;
    if (*written == 0)
        return MP_OK;
    struct message *message = &wire->messages[wire->message_count++];
    message->length = *written;
    message->begins_ns = now > wire->free_ns ? now : wire->free_ns;
    if (*written != wire->timed) {
        wire->timed = *written;
        wire->timed_ns = mp_serial_wire_ns(&wire->serial, *written);
    }
    message->ends_ns = message->begins_ns + wire->timed_ns;
    wire->free_ns = message->ends_ns;
    memcpy(wire->out + wire->out_length, bytes, *written);
    wire->out_length += *written;
    if (wire->message_count == 1)
        mp_world_set(wire->world, &wire->arrives, message->ends_ns);
    mp_world_pass(wire->world, trouble.stall_ns);
    return MP_OK;
}

/* What has not begun to leave. */
static int wire_discard(struct mp_port *port)
{
    struct mp_wire *wire = port->wire;
    size_t before = wire->out_length;
    int64_t now = mp_world_now(wire->world);
    while (wire->message_count > 0 && wire->messages[wire->message_count - 1].begins_ns > now) {
        wire->message_count--;
        wire->out_length -= wire->messages[wire->message_count].length;
        wire->free_ns = wire->messages[wire->message_count].begins_ns;
    }
    if (wire->message_count == 0)
        mp_world_cancel(wire->world, &wire->arrives);
    return wire->far_open ? (int)(before - wire->out_length) : -1;
}

static int wire_queued(const struct mp_port *port)
{
    return port->wire->far_open ? (int)port->wire->out_length : -1;
}

static int wire_move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    struct mp_wire *wire = port->wire;
    int bit = line == MP_TRIGGER_RTS ? TIOCM_RTS : line == MP_TRIGGER_DTR ? TIOCM_DTR : 0;
    bool was = (wire->bits & bit) != 0;
    wire->bits = high ? wire->bits | bit : wire->bits & ~bit;
    if (!wire->far_open)
        return ENXIO;
    if (bit != 0 && was == high)
        return 0;
    if (wire->move_count == MOVES)
        return EBUSY;
    wire->moves[wire->move_count++] =
        (struct move){.line = line, .high = high, .at_ns = mp_world_now(wire->world)};
    if (wire->move_count == 1)
        mp_world_set(wire->world, &wire->moved, mp_world_now(wire->world));
    return 0;
}

/* ---- to the near end ---- */

static void tell_near(struct mp_wire *wire)
{
    if (wire->near_open)
        mp_world_set(wire->world, &wire->readable, mp_world_now(wire->world));
}

static void hear(struct mp_wire *wire)
{
    wire->calls++;
    if (wire->heard != NULL)
        wire->heard(wire->context);
    if (wire->heard != NULL && !wire->far_open) // whoever read what was left hears of the end
        tell_near(wire);
    wire->calls--;
    free_if_over(wire);
}

static void on_readable(struct mp_alarm *alarm)
{
    hear(of_alarm(alarm, offsetof(struct mp_wire, readable)));
}

static enum mp_status wire_read(struct mp_port *port, void *buffer, size_t capacity,
                                size_t *got, struct mp_error *err)
{
    struct mp_wire *wire = port->wire;
    if (wire->in_length == 0 && !wire->far_open)
        return mp_port_io_failure(port, "reading", ENXIO, err);
    *got = wire->in_length < capacity ? wire->in_length : capacity;
    memcpy(buffer, wire->in, *got);
    wire->in_length -= *got;
    if (wire->in_length > 0)
        memmove(wire->in, wire->in + *got, wire->in_length);
    return MP_OK;
}

static int wire_bits(struct mp_port *port, int *bits)
{
    *bits = port->wire->bits;
    return port->wire->far_open ? 0 : ENXIO;
}

static enum mp_status wire_set_lines(struct mp_port *port, bool rts, bool dtr,
                                     struct mp_error *err)
{
    int failed = wire_move(port, MP_TRIGGER_RTS, rts);
    if (failed == 0)
        failed = wire_move(port, MP_TRIGGER_DTR, dtr);
    return failed == 0 ? MP_OK : mp_port_io_failure(port, "setting the lines", failed, err);
}

static void wire_wait_room(struct mp_port *port, int ms)
{
    (void)port, (void)ms; // no time passes while nobody turns the world
}

static void wire_close(struct mp_port *port)
{
    struct mp_wire *wire = port->wire;
    wire->near_open = false;
    wire->heard = NULL;
    wire->in_length = 0;
    mp_world_cancel(wire->world, &wire->readable);
    free_if_over(wire);
}

static const struct mp_port_ops wire_ops = {
    .kind = MP_PORT_WIRE,
    .close = wire_close,
    .write = wire_write,
    .read = wire_read,
    .set_lines = wire_set_lines,
    .discard = wire_discard,
    .queued = wire_queued,
    .bits = wire_bits,
    .move = wire_move,
    .wait_room = wire_wait_room,
};

bool mp_wire_is_path(const char *path)
{
    return strncmp(path, prefix, sizeof prefix - 1) == 0;
}

enum mp_status mp_wire_open(struct mp_port *port, const char *path,
                            const struct mp_serial *serial, struct mp_error *err)
{
    struct mp_wire *wire = all;
    while (wire != NULL && strcmp(wire->path, path) != 0)
        wire = wire->next;
    if (wire == NULL || !wire->far_open)
        return mp_fail(err, MP_EGONE,
                       "there is no \"%s\": a wire is made for the run that uses it", path);
    if (wire->near_open)
        return mp_fail(err, MP_EBUSY, "\"%s\" is in use already", path);
    port->ops = &wire_ops;
    port->wire = wire;
    wire->near_open = true;
    wire->serial = *serial;
    wire->timed = 0;
    wire->bits &= ~(TIOCM_RTS | TIOCM_DTR);
    return MP_OK;
}

void mp_wire_watch(struct mp_port *port, void (*heard)(void *context), void *context)
{
    port->wire->heard = heard;
    port->wire->context = context;
}

bool mp_wire_is_cut(const struct mp_port *port)
{
    return !port->wire->far_open;
}

/* ---- the far end ---- */

enum mp_status mp_wire_create(struct mp_wire **out, struct mp_world *world,
                              const struct mp_wire_far *far, struct mp_error *err)
{
    static unsigned made;
    struct mp_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for a wire");
    wire->world = world;
    wire->far = *far;
    wire->far_open = true;
    wire->arrives = (struct mp_alarm){.ring = on_arrival, .who = MP_WHO_OUTSIDE};
    wire->moved = (struct mp_alarm){.ring = on_move, .who = MP_WHO_OUTSIDE};
    wire->readable = (struct mp_alarm){.ring = on_readable, .hears = true};
    (void)snprintf(wire->path, sizeof wire->path, "%s%u", prefix, ++made);
    wire->next = all;
    all = wire;
    *out = wire;
    return MP_OK;
}

void mp_wire_destroy(struct mp_wire *wire)
{
    if (wire == NULL)
        return;
    wire->far_open = false;
    wire->message_count = wire->move_count = wire->out_length = 0;
    mp_world_cancel(wire->world, &wire->arrives);
    mp_world_cancel(wire->world, &wire->moved);
    tell_near(wire);
    free_if_over(wire);
}

const char *mp_wire_path(const struct mp_wire *wire)
{
    return wire->path;
}

/* To be read at the near end; false: nobody is there. */
static bool put(struct mp_wire *wire, const void *bytes, size_t len, size_t *written)
{
    size_t room = BUFFER - wire->in_length;
    *written = !wire->near_open || len < room ? len : room;
    if (!wire->near_open)
        return false;
    memcpy(wire->in + wire->in_length, bytes, *written);
    wire->in_length += *written;
    return true;
}

enum mp_status mp_wire_write(struct mp_wire *wire, const void *bytes, size_t len,
                             size_t *written, struct mp_error *err)
{
    (void)err; // it cannot fail: a full buffer is told by *written
    if (put(wire, bytes, len, written))
        tell_near(wire);
    return MP_OK;
}

void mp_wire_say(struct mp_wire *wire, const void *bytes, size_t len, size_t *written)
{
    if (put(wire, bytes, len, written))
        hear(wire);
}

void mp_wire_set_inputs(struct mp_wire *wire, struct mp_wire_inputs high)
{
    int in = (high.cts ? TIOCM_CTS : 0) | (high.dsr ? TIOCM_DSR : 0) |
             (high.ri ? TIOCM_RI : 0) | (high.cd ? TIOCM_CD : 0);
    wire->bits = (wire->bits & ~(TIOCM_CTS | TIOCM_DSR | TIOCM_RI | TIOCM_CD)) | in;
}

void mp_wire_make_trouble(struct mp_wire *wire, const struct mp_wire_trouble *trouble)
{
    wire->trouble = *trouble;
}
