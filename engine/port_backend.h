/*
 * port_backend.h - what port.c and the backends share; nobody else includes it.
 *
 * A backend fills port->fd (and port->sp) in its open, and undoes in its close
 * whatever its open did, also half of it. port.c owns the struct and the path.
 */
#ifndef MP_PORT_BACKEND_H
#define MP_PORT_BACKEND_H

#include "engine/port.h"

#include <sys/stat.h>

struct sp_port;

/* A path with its symlinks resolved, and what was found there. */
struct mp_port_target {
    const char *path; // as the caller wrote it: the one that errors name
    char *real;       // as the system knows it
    struct stat device;
};

struct mp_port_ops {
    enum mp_port_kind kind;
    enum mp_status (*open)(struct mp_port *port, const struct mp_port_target *target,
                           const struct mp_serial *serial, struct mp_error *err);
    void (*close)(struct mp_port *port);
    enum mp_status (*write)(struct mp_port *port, const void *bytes, size_t len,
                            size_t *written, struct mp_error *err);
    enum mp_status (*read)(struct mp_port *port, void *buffer, size_t capacity, size_t *got,
                           struct mp_error *err);
    enum mp_status (*set_lines)(struct mp_port *port, bool rts, bool dtr, struct mp_error *err);
    int (*discard)(struct mp_port *port);
    int (*queued)(const struct mp_port *port);
    int (*bits)(struct mp_port *port, int *bits); // TIOCM_*; 0, or why not: an errno
    int (*move)(struct mp_port *port, enum mp_trigger_line line, bool high); // the same
    void (*wait_room)(struct mp_port *port, int ms); // for room to write
};

/* port_tty.c: these, for every port that is a file of the system's: as in port.h; lines as in
 * the table above.
 */
int mp_port_tty_discard(struct mp_port *port);
int mp_port_tty_queued(const struct mp_port *port);
int mp_port_tty_queue_unknown(const struct mp_port *port); // where the system cannot say
int mp_port_tty_bits(struct mp_port *port, int *bits);
int mp_port_tty_move(struct mp_port *port, enum mp_trigger_line line, bool high);
void mp_port_tty_wait_room(struct mp_port *port, int ms);

/* port_wire.c: fill port->ops and port->wire with the wire that path names. */
enum mp_status mp_wire_open(struct mp_port *port, const char *path,
                            const struct mp_serial *serial, struct mp_error *err);

/* port_datagram.c: is it a datagram socket's, "udp:..." or "unix:..."? */
bool mp_datagram_is_path(const char *path);
/* Fill port->ops and port->fd with the socket that path names. */
enum mp_status mp_datagram_open(struct mp_port *port, const char *path, struct mp_error *err);

/* port_lines.c: is it one whose triggers are edges of lines, "lines:/dev/ttyUSB1"? */
bool mp_lines_is_path(const char *path);
/* Fill port->ops, port->lines and port->fd. On failure nothing is left open. */
enum mp_status mp_lines_open(struct mp_port *port, const char *path,
                             const struct mp_serial *serial, struct mp_error *err);

/* port_lsl.c: is it a stream of LSL, "lsl:NAME", also behind "samples:"? */
bool mp_lsl_port_is_path(const char *path);
/* Fill port->ops, port->lsl and port->fd. On failure nothing is left open. */
enum mp_status mp_lsl_port_open(struct mp_port *port, const char *path, struct mp_error *err);

struct mp_lines;
struct mp_lsl_in;

struct mp_port {
    const struct mp_port_ops *ops;
    int fd;                 // -1: not open, or no file
    struct sp_port *sp;     // the libserialport backend's; NULL in the other
    struct mp_wire *wire;   // port_wire.c's; NULL in the others
    struct mp_lines *lines; // port_lines.c's; NULL in the others
    struct mp_lsl_in *lsl;  // port_lsl.c's; NULL in the others
    char *path;
};

extern const struct mp_port_ops mp_port_serial_ops;
extern const struct mp_port_ops mp_port_termios_ops;

/* port_access.c: who may have a port. Loop thread only, all of it. */

/* True for the near side of a Unix98 pseudo-terminal. */
bool mp_port_is_pts(const struct stat *device);

/*
 * Refuse, without touching the device, a port that somebody holds: opening a real
 * port raises its lines even if the opener is turned away afterwards.
 */
enum mp_status mp_port_check_free(const struct mp_port_target *target, struct mp_error *err);

/* Take the lock that makes fd ours alone, or fail with MP_EBUSY and the holder's name. */
enum mp_status mp_port_lock(int fd, const struct mp_port_target *target, struct mp_error *err);

/* Say why open() failed with sys, and what to do about it. */
enum mp_status mp_port_open_failure(const struct mp_port_target *target, int sys,
                                    struct mp_error *err);

/* port.c: say why reading or writing failed with sys; tells a vanished device from the rest. */
enum mp_status mp_port_io_failure(const struct mp_port *port, const char *verb, int sys,
                                  struct mp_error *err);

#endif
