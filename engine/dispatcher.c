#include "engine/dispatcher.h"

#include "engine/clock.h"
#include "engine/ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUTCOMES = 8192,
    COMMANDS = 16,
    STACK_BYTES = 256 * 1024,
    SAFE_TRIES = 20, // of 1 ms each, when the port does not take the safe frame at once
};
static const int64_t spin_ns = 200 * MP_NS_PER_US;
// a one-off frame must be off the wire this long before the next frame of the plan
static const int64_t gap_margin_ns = MP_NS_PER_MS;

enum command_kind { PLAY, SEND };
struct command {
    enum command_kind kind;
    struct mp_lowering *lowering; // play
    int64_t start_ns;
    size_t length; // send
    uint8_t bytes[MP_FRAME_MAX];
};

struct mp_dispatcher {
    struct mp_dispatch_config config;
    struct mp_realtime realtime;
    struct mp_ring commands;
    struct mp_ring outcomes;
    _Atomic int stop; // enum mp_stop; 0 until the first reason comes
    _Atomic bool playing;
    sem_t wake;
    sem_t ready; // the thread has entered its priority
    pthread_t thread;
    bool joined;
    // the dispatcher thread's own
    struct mp_lowering *lowering;
    int64_t start_ns;
    struct mp_send next;
    bool have_next;
    struct command held; // a one-off that waits for a gap
    bool have_held;
    bool have_pulse;
    int64_t last_pulse_ns;
    bool cut; // part of a frame is on the wire
};

const char *mp_stop_text(enum mp_stop reason)
{
    static const char *const texts[] = {
        [MP_STOP_NONE] = "not stopped",
        [MP_STOP_FINISHED] = "the plan is complete",
        [MP_STOP_REQUESTED] = "stopped on request",
        [MP_STOP_SIGNAL] = "stopped by a signal",
        [MP_STOP_ERROR] = "stopped by a script error",
        [MP_STOP_DEVICE] = "stopped by a device fault",
        [MP_STOP_GONE] = "the port is lost",
        [MP_STOP_BLOCKED] = "the port does not take bytes",
        [MP_STOP_LATE] = "a frame would have left too late",
        [MP_STOP_CLOSE] = "pulses would have come too close",
        [MP_STOP_RECORD] = "the record could not keep up",
    };
    size_t index = (size_t)reason;
    return index < sizeof texts / sizeof texts[0] ? texts[index] : "unknown";
}

void mp_dispatcher_stop(struct mp_dispatcher *d, enum mp_stop reason)
{
    int none = MP_STOP_NONE;
    (void)atomic_compare_exchange_strong(&d->stop, &none, (int)reason);
    (void)sem_post(&d->wake);
}

static bool stopped(struct mp_dispatcher *d)
{
    return atomic_load_explicit(&d->stop, memory_order_acquire) != MP_STOP_NONE;
}

static void publish(struct mp_dispatcher *d, const struct mp_outcome *outcome)
{
    // room is kept for the last outcome, so that a full ring can still say why it stopped
    if (outcome->kind != MP_OUT_STOPPED && mp_ring_room(&d->outcomes) <= 2)
        mp_dispatcher_stop(d, MP_STOP_RECORD);
    (void)mp_ring_push(&d->outcomes, outcome);
    d->config.wake(d->config.context);
}

static bool can_record(struct mp_dispatcher *d)
{
    if (mp_ring_room(&d->outcomes) > 2)
        return true;
    mp_dispatcher_stop(d, MP_STOP_RECORD);
    return false;
}

/* Write a whole frame or stop: part of a frame is never followed by the rest. */
static bool write_frame(struct mp_dispatcher *d, const void *bytes, size_t length)
{
    size_t written = 0;
    enum mp_status status = mp_port_write(d->config.port, bytes, length, &written, NULL);
    if (status == MP_OK && written == length)
        return true;
    d->cut = written > 0;
    mp_dispatcher_stop(d, status == MP_OK ? MP_STOP_BLOCKED : MP_STOP_GONE);
    return false;
}

static void send_oneoff(struct mp_dispatcher *d, const struct command *command)
{
    struct mp_outcome out = {.kind = MP_OUT_ONEOFF};
    if (!can_record(d))
        return;
    out.entered_ns = mp_clock_ns();
    if (!write_frame(d, command->bytes, command->length))
        return;
    out.returned_ns = mp_clock_ns();
    publish(d, &out);
}

/* Is there time for a one-off frame before the next frame of the plan? */
static bool fits(const struct mp_dispatcher *d, const struct command *command)
{
    if (!d->have_next)
        return true;
    int64_t needed = mp_serial_wire_ns(&d->config.serial, command->length) + gap_margin_ns;
    return mp_clock_ns() + needed < d->start_ns + d->next.send_ns;
}

static void take_command(struct mp_dispatcher *d, const struct command *command)
{
    if (command->kind == SEND) {
        if (fits(d, command)) {
            send_oneoff(d, command);
        } else {
            d->held = *command;
            d->have_held = true;
        }
        return;
    }
    d->lowering = command->lowering;
    d->start_ns = command->start_ns;
    d->have_pulse = false;
    d->have_next = mp_lowering_next(d->lowering, &d->next);
    if (!d->have_next) { // a plan of rests only
        d->have_next = false;
        atomic_store(&d->playing, false);
        publish(d, &(struct mp_outcome){.kind = MP_OUT_FINISHED, .start_ns = d->start_ns});
    }
}

static void take_commands(struct mp_dispatcher *d)
{
    struct command command;
    if (d->have_held && fits(d, &d->held)) {
        d->have_held = false;
        send_oneoff(d, &d->held);
    }
    while (!d->have_held && !stopped(d) && mp_ring_pop(&d->commands, &command))
        take_command(d, &command);
}

/* Sleep until deadline_ns or a wake; true when the deadline has come. */
static bool wait_until(struct mp_dispatcher *d, int64_t deadline_ns)
{
    int64_t sleep_until = d->realtime.spin ? deadline_ns - spin_ns : deadline_ns;
    if (mp_clock_ns() < sleep_until) {
        struct timespec at = mp_clock_timespec(sleep_until);
        if (sem_clockwait(&d->wake, CLOCK_MONOTONIC, &at) == 0 || errno == EINTR)
            return false; // a command or a stop: look, then wait again
    }
    while (mp_clock_ns() < deadline_ns)
        if (stopped(d))
            return false;
    return true;
}

/* The last look before a write: late, or too close to the pulse before? */
static enum mp_stop refuse(const struct mp_dispatcher *d, int64_t now)
{
    const struct mp_send *send = &d->next;
    if (send->kind == MP_SEND_SET)
        return now > d->start_ns + send->latest_ns ? MP_STOP_LATE : MP_STOP_NONE;
    if (send->kind == MP_SEND_MARK)
        return MP_STOP_NONE;
    if (now - (d->start_ns + send->send_ns) > d->config.tolerance_ns)
        return MP_STOP_LATE;
    if (d->have_pulse && now - d->last_pulse_ns + 1 < send->least_ns)
        return MP_STOP_CLOSE;
    return MP_STOP_NONE;
}

/* Send, skip or refuse the frame that is due now. */
static void dispatch(struct mp_dispatcher *d)
{
    const struct mp_send *send = &d->next;
    struct mp_outcome out = {.kind = MP_OUT_SENT, .send = *send, .start_ns = d->start_ns};
    if (stopped(d) || !can_record(d))
        return;
    out.entered_ns = out.returned_ns = mp_clock_ns();
    enum mp_stop refusal = refuse(d, out.entered_ns);
    if (send->kind == MP_SEND_MARK) {
        out.kind = MP_OUT_MARK;
    } else if (refusal != MP_STOP_NONE) {
        out.kind = MP_OUT_SKIPPED;
        out.stop = refusal;
        // a setting that comes too late would leave the next pulse at the wrong intensity
        if (d->config.late == MP_LATE_ABORT || send->kind == MP_SEND_SET)
            mp_dispatcher_stop(d, refusal);
    } else {
        const struct mp_frame *frame = mp_lowering_frame(d->lowering, send->frame);
        if (!write_frame(d, frame->bytes, frame->length))
            return;
        out.returned_ns = mp_clock_ns();
        if (send->kind == MP_SEND_PULSE) {
            d->have_pulse = true;
            d->last_pulse_ns = out.entered_ns;
        }
    }
    publish(d, &out);
    d->have_next = mp_lowering_next(d->lowering, &d->next);
    if (!d->have_next && !stopped(d)) {
        d->lowering = NULL;
        atomic_store(&d->playing, false);
        publish(d, &(struct mp_outcome){.kind = MP_OUT_FINISHED, .start_ns = d->start_ns});
    }
}

/* After a stop: make the device harmless, whatever is still on the wire. */
static void send_safe(struct mp_dispatcher *d)
{
    const struct mp_dispatch_config *config = &d->config;
    struct mp_outcome out = {.kind = MP_OUT_STOPPED};
    size_t done = 0;
    // behind a cut frame the device takes the first bytes for its rest: send it twice
    int copies = d->cut ? 2 : 1;
    out.entered_ns = mp_clock_ns();
    for (int tries = 0; copies > 0 && tries < SAFE_TRIES; tries++) {
        size_t written = 0;
        if (mp_port_write(config->port, config->safe + done, config->safe_length - done,
                          &written, NULL) != MP_OK)
            break;
        done += written;
        if (done == config->safe_length) {
            copies--;
            done = 0;
            continue;
        }
        struct pollfd room = {.fd = mp_port_fd(config->port), .events = POLLOUT};
        (void)poll(&room, 1, 1);
    }
    out.returned_ns = mp_clock_ns();
    out.safe_sent = copies == 0;
    out.stop = (enum mp_stop)atomic_load(&d->stop);
    out.start_ns = d->start_ns;
    publish(d, &out);
}

static void *dispatcher_main(void *argument)
{
    struct mp_dispatcher *d = argument;
    mp_realtime_enter(&d->realtime);
    (void)sem_post(&d->ready);
    while (!stopped(d)) {
        take_commands(d);
        if (stopped(d))
            break;
        if (d->have_next) {
            if (wait_until(d, d->start_ns + d->next.send_ns))
                dispatch(d);
        } else {
            (void)sem_wait(&d->wake);
        }
    }
    send_safe(d);
    atomic_store(&d->playing, false);
    return NULL;
}

static enum mp_status start_thread(struct mp_dispatcher *d, struct mp_error *err)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    // signals belong to the loop thread
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&d->thread, &attr, dispatcher_main, d);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (failed != 0)
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the dispatcher thread");
    while (sem_wait(&d->ready) != 0)
        continue; // interrupted by a signal
    return MP_OK;
}

enum mp_status mp_dispatcher_create(struct mp_dispatcher **out,
                                    const struct mp_dispatch_config *config,
                                    struct mp_error *err)
{
    if (config->safe_length == 0 || config->safe_length > MP_FRAME_MAX)
        return mp_fail(err, MP_EINVAL, "arming needs the bytes that make the device safe");
    struct mp_dispatcher *d = aligned_alloc(64, (sizeof *d + 63) / 64 * 64);
    if (d == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the dispatcher");
    memset(d, 0, sizeof *d);
    d->config = *config;
    enum mp_status status = mp_ring_init(&d->commands, sizeof(struct command), COMMANDS, err);
    if (status == MP_OK)
        status = mp_ring_init(&d->outcomes, sizeof(struct mp_outcome), OUTCOMES, err);
    (void)sem_init(&d->wake, 0, 0);
    (void)sem_init(&d->ready, 0, 0);
    mp_realtime_prepare(&d->realtime);
    if (status == MP_OK)
        status = start_thread(d, err);
    if (status != MP_OK) {
        d->joined = true;
        mp_dispatcher_destroy(d);
        return status;
    }
    *out = d;
    return MP_OK;
}

enum mp_status mp_dispatcher_play(struct mp_dispatcher *d, struct mp_lowering *lowering,
                                  int64_t start_ns, struct mp_error *err)
{
    if (!mp_lowering_checked(lowering))
        return mp_fail(err, MP_ESTATE, "the plan was not checked against the device's limits");
    if (stopped(d))
        return mp_fail(err, MP_ESTATE, "stopped (%s): arm again first",
                       mp_stop_text((enum mp_stop)atomic_load(&d->stop)));
    bool idle = false;
    if (!atomic_compare_exchange_strong(&d->playing, &idle, true))
        return mp_fail(err, MP_ESTATE, "another plan is running");
    struct command command = {.kind = PLAY, .lowering = lowering, .start_ns = start_ns};
    if (!mp_ring_push(&d->commands, &command)) {
        atomic_store(&d->playing, false);
        return mp_fail(err, MP_EBUSY, "too many commands are waiting for the dispatcher");
    }
    (void)sem_post(&d->wake);
    return MP_OK;
}

enum mp_status mp_dispatcher_send(struct mp_dispatcher *d, const void *bytes, size_t length,
                                  struct mp_error *err)
{
    if (length == 0 || length > MP_FRAME_MAX)
        return mp_fail(err, MP_ERANGE, "a frame has 1 to %d bytes, not %zu", MP_FRAME_MAX,
                       length);
    if (stopped(d))
        return mp_fail(err, MP_ESTATE, "stopped (%s): arm again first",
                       mp_stop_text((enum mp_stop)atomic_load(&d->stop)));
    struct command command = {.kind = SEND, .length = length};
    memcpy(command.bytes, bytes, length);
    if (!mp_ring_push(&d->commands, &command))
        return mp_fail(err, MP_EBUSY, "too many commands are waiting for the dispatcher");
    (void)sem_post(&d->wake);
    return MP_OK;
}

bool mp_dispatcher_outcome(struct mp_dispatcher *d, struct mp_outcome *outcome)
{
    return mp_ring_pop(&d->outcomes, outcome);
}

const struct mp_realtime *mp_dispatcher_realtime(const struct mp_dispatcher *d)
{
    return &d->realtime;
}

void mp_dispatcher_join(struct mp_dispatcher *d, enum mp_stop reason)
{
    if (d->joined)
        return;
    mp_dispatcher_stop(d, reason);
    (void)pthread_join(d->thread, NULL);
    d->joined = true;
    mp_realtime_release(&d->realtime);
}

void mp_dispatcher_destroy(struct mp_dispatcher *d)
{
    if (d == NULL)
        return;
    mp_dispatcher_join(d, MP_STOP_REQUESTED);
    mp_ring_fini(&d->commands);
    mp_ring_fini(&d->outcomes);
    (void)sem_destroy(&d->wake);
    (void)sem_destroy(&d->ready);
    free(d);
}
