/*
 * session.h - one device in a world (world.h): closed, connected, armed, running.
 *
 *   closed --open--> connected --arm--> armed --play--> running --(plan over)--> armed
 *   armed, running --stop, disarm, fault--> connected      (the safe frame is sent)
 *   any --close, port lost--> closed                       (the safe frame is sent if armed)
 *
 * While connected the loop thread writes to the port; while armed or running only the
 * dispatcher does. Nothing of a plan can leave in any state but running, and running is
 * only reached through arm and a plan that was checked. What a driver writes while connected
 * is its own: its questions and settings must not fire. The caller brings the device to the
 * intensity of a plan's first pulse; the plan sets the later ones.
 *
 * Everything here belongs to the loop thread, but mp_session_stop_async and mp_session_peek,
 * which a signal handler or another thread may call.
 *
 *     const struct mp_session_events events = {.bytes = on_bytes, .outcome = on_outcome,
 *                                              .gone = on_gone, .context = me};
 *     mp_session_create(&session, &world, &events, &err);
 *     mp_session_open(session, "/dev/ttyUSB0", &serial, &err);      // connected
 *     mp_session_write(session, "status", 6, &err);                 // on_bytes has the answer
 *     const struct mp_arming arming = {.safe = "off", .safe_length = 3, .guard = true,
 *                                      .tolerance_ns = 5 * MP_NS_PER_MS};
 *     mp_session_arm(session, &arming, &err);                       // armed
 *     mp_session_play(session, lowering, start_ns, &err);           // running
 *     while (mp_session_state(session) == MP_RUNNING)               // on_outcome: each pulse,
 *         mp_world_turn(&world);                                    // then MP_OUT_FINISHED
 *     mp_session_stop(session, MP_STOP_FINISHED);                   // connected; "off" is out
 *     mp_session_acknowledge(session);
 *     mp_session_write(session, "status", 6, &err);                 // is it off, as it says?
 *     mp_session_destroy(session);
 *
 * Which header to read first: this one. Then, downwards: lowering.h, how a plan becomes frames
 * (and below it schedule.h and plan.h); dispatcher.h, when a frame leaves (dispatch_late.h:
 * when it must not); port.h, the wire. Beside them: world.h, what time it is; stop.h, why it
 * stops; guard.h and stop_line.h, who else can stop it; flight.h and events.h, what is left of
 * a run.
 */
#ifndef MP_SESSION_H
#define MP_SESSION_H

#include "engine/dispatcher.h"
#include "engine/stop_line.h"
#include "engine/world.h"

enum mp_session_state { MP_CLOSED, MP_CONNECTED, MP_ARMED, MP_RUNNING };
/* "closed", "connected", "armed", "running". */
const char *mp_session_state_name(enum mp_session_state state);

/*
 * Called on the loop thread. The session may be stopped, closed or destroyed inside; once it
 * was destroyed nothing more is called.
 */
/* Triggers of a plan that waits for them, as struct mp_triggers has them: of several reads. */
struct mp_session_triggers {
    const uint8_t *bytes;
    const uint8_t *heard; // enum mp_heard
    const int64_t *at_ns; // never falls
    size_t count;         // at least 1
    size_t matched;       // those of them that are not MP_HEARD_OTHER
};

struct mp_session_events {
    /* Bytes that came from the device, and when read() returned them. */
    void (*bytes)(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns);
    /* In order; the state has already changed when MP_OUT_FINISHED or MP_OUT_STOPPED comes. */
    void (*outcome)(void *context, const struct mp_outcome *outcome);
    /*
     * A port is lost. MP_PORT_DEVICE: the state is closed. MP_PORT_TRIGGER: what was armed has
     * been stopped (MP_STOP_GONE), the state is connected: the device is made safe over its own
     * port. It cannot be armed again before it was closed.
     */
    void (*gone)(void *context, uint8_t port, const struct mp_error *why);
    /* Of mp_session_ahead: triggers came, in order. In real time some tens of thousands a turn
     * of the loop at most: whatever else waits for it has its turn. */
    void (*triggers)(void *context, const struct mp_session_triggers *triggers);
    /* More came than that, for so long that they had no room: they are counted. */
    void (*untold)(void *context, const struct mp_untold *untold);
    void *context;
};

struct mp_session;

/* The session lives in world; end it with mp_session_destroy and let its loop run once more. */
enum mp_status mp_session_create(struct mp_session **out, struct mp_world *world,
                                 const struct mp_session_events *events, struct mp_error *err);
/* Close, and free once the loop has let go. NULL is accepted. */
void mp_session_destroy(struct mp_session *session);

/* closed -> connected; fails as mp_port_open does. */
enum mp_status mp_session_open(struct mp_session *session, const char *path,
                               const struct mp_serial *serial, struct mp_error *err);

/*
 * Fire over a line, or over a second port: path, or NULL for the device's own. line may be
 * MP_TRIGGER_NONE (bytes) if there is a path. rest is what a trigger box at rest was last
 * told; it is written at every stop. Lines are dropped and looked at before this returns.
 * What arrives on the second port is not read; its loss is noticed at once (gone). Only when
 * connected. Fails as mp_port_open and mp_port_check_line do; then nothing has changed.
 */
enum mp_status mp_session_trigger(struct mp_session *session, const char *path,
                                  const struct mp_serial *serial, enum mp_trigger_line line,
                                  const void *rest, size_t rest_length, struct mp_error *err);

/* The box that event codes go to. */
struct mp_code_settings {
    const char *path;
    struct mp_serial serial;   // of a serial port
    enum mp_trigger_line line; // MP_TRIGGER_NONE: each code is a byte; else this line is high
    bool parallel;             // path is a parallel port: each code stands at its data pins
    int64_t width_ns;          // so long
};

/*
 * Event codes go to a box (code_box.h), which is brought to 0 before this returns, and in real
 * time has a guard of its own: it is at 0 if this process dies, armed or not. What it says is
 * not read, and its loss costs codes, not the run. Only when connected, once. Fails as
 * mp_port_open, mp_port_open_parallel and mp_port_check_line do, and with MP_EIO if it does not
 * take the 0.
 */
enum mp_status mp_session_codes(struct mp_session *session, const struct mp_code_settings *box,
                                struct mp_error *err);

/* Event codes go to the box of another session, and what they were told of it holds: each gives
 * its own, and whoever closes last closes the box. Fails with MP_ESTATE as above, and if the
 * other one has none. */
enum mp_status mp_session_codes_of(struct mp_session *session, const struct mp_session *other,
                                   struct mp_error *err);

/*
 * Give it a code (1 to 255) that is of no plan, for the instant at_ns, which is now: by the
 * dispatcher while one lives, else from here. While another code stands there it waits until
 * the box is free. What becomes of it is told as MP_OUT_CODE, perhaps before this returns; with
 * unrecorded set the caller has to store it. stopped: the run has, so it is told as stopped and
 * not given. MP_EGONE: the device's port is lost or closed, and the box with it. MP_ESTATE:
 * there is no box.
 */
enum mp_status mp_session_code(struct mp_session *session, uint8_t value, int64_t at_ns,
                               bool stopped, struct mp_error *err);

/*
 * Write a frame: at once when connected, in the next gap when armed or running. After a stop
 * nothing is written until mp_session_acknowledge or a new arm: whoever was in the middle of
 * arming must not go on.
 */
enum mp_status mp_session_write(struct mp_session *session, const void *bytes, size_t length,
                                struct mp_error *err);

/*
 * connected -> armed: starts the guard and the dispatcher. From here on the safe frame goes
 * out whatever happens. Fails with MP_EUNSUPPORTED for a stop line on a port without lines,
 * with MP_ESTATE while the stop line is high: a pressed foot switch keeps it disarmed, and with
 * MP_EGONE if the trigger's port was lost before.
 */
enum mp_status mp_session_arm(struct mp_session *session, const struct mp_arming *arming,
                              struct mp_error *err);

/* armed -> running. lowering is borrowed until its MP_OUT_FINISHED or MP_OUT_STOPPED. */
enum mp_status mp_session_play(struct mp_session *session, struct mp_lowering *lowering,
                               int64_t start_ns, struct mp_error *err);

/*
 * armed -> running: lowering is played each time that a trigger comes on the port of from, a
 * session that is connected and reads nothing meanwhile; see mp_dispatcher_ahead. Both are
 * borrowed until MP_OUT_FINISHED or MP_OUT_STOPPED; if from is closed before, or its port is
 * lost, what is armed stops. MP_ESTATE where from is not connected or lent already.
 */
enum mp_status mp_session_ahead(struct mp_session *session, struct mp_lowering *lowering,
                                const struct mp_ahead_rule *rule, struct mp_session *from,
                                uint64_t play, struct mp_error *err);
/* No trigger starts the plan any more; running until what was started is over. */
void mp_session_enough(struct mp_session *session);

/*
 * If unconfirmed_ns is set: the device has confirmed total of the pulses that were sent
 * since arming (or needs not: a caller that expects no confirmation counts those too).
 */
void mp_session_confirmed(struct mp_session *session, uint64_t total);

/*
 * If settings is set: the device has confirmed total of the settings of plans that were sent
 * since arming; -1: it says that it is at another setting. See mp_dispatcher_believed.
 */
void mp_session_believed(struct mp_session *session, int64_t total);

/* The stop is known: questions to the device may be written again. */
void mp_session_acknowledge(struct mp_session *session);

/*
 * Stop for a reason: returns with the safe frame handed to the port and the dispatcher
 * ended; its last outcomes have been reported. Does nothing unless armed or running.
 */
void mp_session_stop(struct mp_session *session, enum mp_stop reason);

/* Latch a stop from a signal handler or another thread; the rest follows on the loop. */
void mp_session_stop_async(struct mp_session *session, enum mp_stop reason);
/* The same, and in virtual time, on the loop's thread, its dispatcher is stepped at once: a
 * thread would wake by itself. */
void mp_session_latch(struct mp_session *session, enum mp_stop reason);

/*
 * Why what is armed stops; MP_STOP_NONE if it does not, or its stop was reported. *safe: the
 * safe frame is out, or nothing is armed.
 */
enum mp_stop mp_session_peek(struct mp_session *session, bool *safe);

/* For an atexit handler: makes the device safe and reports nothing. */
void mp_session_stop_at_exit(struct mp_session *session);

/* Any state -> closed. */
void mp_session_close(struct mp_session *session);

/* Where it is; loop thread. */
enum mp_session_state mp_session_state(const struct mp_session *session);
/* What the host granted; NULL unless armed or running. */
const struct mp_realtime *mp_session_realtime(const struct mp_session *session);
/* NULL when closed. */
struct mp_port *mp_session_port(const struct mp_session *session);

#endif
