/*
 * port.h - a serial port: one interface, eight backends.
 *
 * Real ports go through libserialport. Pseudo-terminals go through raw termios,
 * because libserialport 0.1.1 refuses them: it wants an entry in /sys/class/tty
 * and modem lines, and a pseudo-terminal has neither. A socket that the caller made
 * is adopted as it is: what tests and benchmarks write to. A wire (port_wire.h) has both
 * ends in this process: a simulator's in virtual time. A datagram socket of this computer
 * ("udp:127.0.0.1:5005", "unix:/path") is for triggers: a byte a datagram; behind "samples:"
 * for samples: whole datagrams. Only in. "lines:/dev/ttyUSB1" gives a byte for each edge of
 * that port's CTS, DSR, RI and CD (line_edges.h), only in as well; so does "lsl:NAME" for each
 * sample of a stream of LSL (lsl_source.h), and behind "samples:" a line for each. A parallel
 * port is for event codes: its data pins, and only out.
 *
 * mp_port_open allocates the port, mp_port_close frees it; both belong to the
 * loop thread. While a port is armed only the dispatcher thread writes and only
 * the loop thread reads: reading and writing share no state, so no lock is needed.
 * mp_port_write and mp_port_read never block, allocate or lock.
 *
 *     const struct mp_serial serial = {.baud = 38400, .bits = 8, .stop_bits = 1};
 *     mp_port_open(&port, "/dev/ttyUSB0", &serial, &err);      // raw, exclusive, lines down
 *     mp_port_write(port, bytes, length, &written, &err);      // written < length: it is full
 *     struct pollfd input = {.fd = mp_port_fd(port), .events = POLLIN};
 *     if (poll(&input, 1, 100) > 0)
 *         mp_port_read(port, buffer, sizeof buffer, &got, &err);
 *     mp_port_close(port);
 */
#ifndef MP_PORT_H
#define MP_PORT_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mp_port;

enum mp_parity { MP_PARITY_NONE, MP_PARITY_ODD, MP_PARITY_EVEN };
enum mp_flow { MP_FLOW_NONE, MP_FLOW_RTSCTS };
enum mp_port_kind { MP_PORT_SERIAL, MP_PORT_PTY, MP_PORT_WIRE };
/* A line that can fire a stimulator. BREAK is the data line itself, held at "space". */
enum mp_trigger_line { MP_TRIGGER_NONE, MP_TRIGGER_RTS, MP_TRIGGER_DTR, MP_TRIGGER_BREAK };
/* A line that comes in. */
enum mp_input_line { MP_INPUT_NONE, MP_INPUT_CTS, MP_INPUT_DSR, MP_INPUT_RI, MP_INPUT_CD };

struct mp_serial {
    uint32_t baud;
    uint8_t bits;      // 7 or 8
    uint8_t stop_bits; // 1 or 2
    enum mp_parity parity;
    enum mp_flow flow;
};

/*
 * Open path (a device, a pseudo-terminal, or a symlink to either) raw and
 * exclusively, RTS and DTR dropped before it returns, input flushed.
 * Fails with MP_EBUSY when another process (or this one) holds it (the text names
 * the process where /proc tells), MP_EGONE when there is no such port,
 * MP_EUNSUPPORTED when path is no serial port or the device cannot do the line
 * settings, MP_EINVAL when the settings are outside what struct mp_serial allows,
 * MP_EIO otherwise: no permission, or a line that stays high. *port is untouched
 * on failure.
 *
 * A pseudo-terminal has no wire: it takes and ignores any line settings. With
 * MP_FLOW_RTSCTS the device may not send until mp_port_set_lines raises RTS.
 */
enum mp_status mp_port_open(struct mp_port **port, const char *path,
                            const struct mp_serial *serial, struct mp_error *err);

/*
 * Claim a parallel port of ppdev (/dev/parport0), exclusively; only to be written to: the last
 * byte stands at its data pins. Fails with MP_EGONE if there is none, MP_EBUSY where another
 * driver or program has it, MP_EUNSUPPORTED if path is something else, MP_EIO without
 * permission.
 */
enum mp_status mp_port_open_parallel(struct mp_port **port, const char *path,
                                     struct mp_error *err);

/*
 * Make a port of a connected stream socket, which the port then owns; take_fd is closed
 * on failure, too. name stands where other ports have their path; the kind is
 * MP_PORT_PTY: no wire, no lines. MP_EUNSUPPORTED when take_fd is no stream socket.
 */
enum mp_status mp_port_adopt(struct mp_port **port, int take_fd, const char *name,
                             struct mp_error *err);

/*
 * Close and free. NULL is accepted. Lines stay as they are; nothing is drained. The
 * port is free for others at once, even if a forked process shares the descriptor.
 */
void mp_port_close(struct mp_port *port);

/* For uv_poll and the like; stays owned by the port. -1: a wire, which is no file. */
int mp_port_fd(const struct mp_port *port);
enum mp_port_kind mp_port_kind(const struct mp_port *port);
/* The path given to mp_port_open, or the name given to mp_port_adopt. */
const char *mp_port_path(const struct mp_port *port);

/*
 * Hand len bytes to the operating system without waiting. A full buffer is not a
 * failure: MP_OK with *written < len. MP_EGONE when the device is gone.
 */
enum mp_status mp_port_write(struct mp_port *port, const void *bytes, size_t len,
                             size_t *written, struct mp_error *err);

/*
 * Take what has arrived. MP_OK with *got == 0 when nothing is waiting; MP_EGONE
 * when the far side is gone (read of 0 bytes after poll said readable, EIO, EBADF).
 */
enum mp_status mp_port_read(struct mp_port *port, void *buffer, size_t capacity, size_t *got,
                            struct mp_error *err);

/*
 * Throw away what was written and is not on the wire yet. Never blocks. How many of the bytes
 * that were written last this may have cut, at most; -1: the system does not say (a
 * pseudo-terminal). A socket keeps all it has.
 */
int mp_port_discard(struct mp_port *port);

/*
 * Bytes that were written and are not on the wire yet; -1 where the system does not say: on a
 * pseudo-terminal or socket, where bytes that nobody read cannot be seen, and on a lost port.
 * Never blocks.
 */
int mp_port_queued(const struct mp_port *port);

/* Wait for room to write, ms at most; on a wire not at all. */
void mp_port_wait_room(struct mp_port *port, int ms);

/* Read the lines that come in. MP_EUNSUPPORTED on a pseudo-terminal; MP_EGONE as above. */
enum mp_status mp_port_get_lines(struct mp_port *port, bool *cts, bool *dsr,
                                 struct mp_error *err);

/* Is a line that comes in high? Fails as mp_port_get_lines. */
enum mp_status mp_port_get_input(struct mp_port *port, enum mp_input_line line, bool *high,
                                 struct mp_error *err);

/* Set the modem lines. MP_EUNSUPPORTED on a pseudo-terminal, which has none. */
enum mp_status mp_port_set_lines(struct mp_port *port, bool rts, bool dtr,
                                 struct mp_error *err);

/*
 * Raise or drop one line (BREAK: begin or end it). Never blocks, but that the system lets
 * what was written before leave first when a BREAK begins: look at mp_port_queued before.
 * MP_EUNSUPPORTED if the port has no such line; MP_EGONE as above.
 */
enum mp_status mp_port_set_line(struct mp_port *port, enum mp_trigger_line line, bool high,
                                struct mp_error *err);

/*
 * Drop the lines that can fire, and look whether line, which is to do so, is there and low.
 * MP_EUNSUPPORTED, with what to do, if it is not there (a pseudo-terminal has no lines)
 * or belongs to the flow control of serial; MP_EIO if it stays high.
 */
enum mp_status mp_port_check_line(struct mp_port *port, enum mp_trigger_line line,
                                  const struct mp_serial *serial, struct mp_error *err);

/* "RTS", "DTR", "BREAK"; "" for MP_TRIGGER_NONE. */
const char *mp_trigger_line_name(enum mp_trigger_line line);

struct mp_lsl_in_state;

/* What becomes of the stream of LSL that the port receives; false: it is another port. Loop
 * thread. */
bool mp_port_stream(const struct mp_port *port, struct mp_lsl_in_state *state);

/*
 * Time that len bytes take on the wire, in nanoseconds, rounded up:
 * len x (start + data + parity + stop bits) / baud. 0 for baud 0.
 */
int64_t mp_serial_wire_ns(const struct mp_serial *serial, size_t len);

/* What is known of one port of this machine; pointers live only during the call. NULL: unknown.
 */
struct mp_port_info {
    const char *path;
    const char *description;
    const char *manufacturer;
    const char *usb_serial;
    int usb_vendor; // -1: not a USB port
    int usb_product;
};

/*
 * Call visit for each real serial port of this machine, in the system's order. Not
 * while armed: to see which on-board (8250) ports exist libserialport opens each.
 */
enum mp_status mp_port_list(void (*visit)(void *context, const struct mp_port_info *info),
                            void *context, struct mp_error *err);

#endif
