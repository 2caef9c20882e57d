/* dispatcher.c - the life of the dispatcher thread, and what others ask of it. */
#include "engine/dispatcher.h"

#include "engine/clock.h"
#include "engine/dispatcher_core.h"
#include "engine/mapped.h"
#include "engine/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// without a thread whoever steps looks at the outcomes after each step
enum {
    OUTCOMES = 8192,
    STEPPED_OUTCOMES = 1024,
    TRIGGERS = 32768, // pieces: of a megabyte a second, half a second and more
    STEPPED_TRIGGERS = 8192,
    COMMANDS = 16,
    STACK_BYTES = 256 * 1024
};

void mp_dispatcher_stop(struct mp_dispatcher *d, enum mp_stop reason)
{
    mp_latch_stop(&d->stop, reason);
}

void mp_dispatcher_heartbeat(struct mp_dispatcher *d)
{
    struct mp_flight *flight = d->config.arming.flight;
    atomic_store(&d->heartbeat_ns, dispatch_now(d));
    // on the loop's thread: it may wait for a disk
    if (flight != NULL && !d->joined && mp_flight_look(flight))
        mp_dispatcher_stop(d, MP_STOP_TORN);
}

void mp_dispatcher_confirmed(struct mp_dispatcher *d, uint64_t total)
{
    atomic_store_explicit(&d->confirmed, total, memory_order_release);
}

bool mp_dispatcher_believed(struct mp_dispatcher *d, int64_t total)
{
    // a setting may wait for this: woken once, when it changes
    if (atomic_exchange_explicit(&d->believed, total, memory_order_acq_rel) == total)
        return false;
    mp_wake_post(&d->wake);
    return true;
}

void mp_dispatcher_drained(struct mp_dispatcher *d, int64_t read_ns)
{
    // after the confirmations that were read: who sees this time sees them too
    atomic_store_explicit(&d->drained_ns, read_ns, memory_order_release);
}

static void *thread_main(void *argument)
{
    struct mp_dispatcher *d = argument;
    mp_realtime_enter(&d->realtime);
    (void)sem_post(&d->ready);
    struct mp_next next = {0};
    while (dispatch_step(d, &next))
        next.came = next.input == NULL
                        ? mp_wait_until(&d->wake, &d->stop.reason, next.at_ns, next.spin)
                        : mp_wait_input(&d->wake, next.at_ns, mp_port_fd(next.input));
    return NULL;
}

static enum mp_status start_thread(struct mp_dispatcher *d, struct mp_error *err)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    // signals belong to the loop thread, but for that of a page that the flight record lost
    sigset_t all, old;
    mp_mapped_mask(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    d->threaded = true;
    int failed = pthread_create(&d->thread, &attr, thread_main, d);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_attr_destroy(&attr);
    if (failed != 0) {
        d->joined = true; // there is nothing to wait for
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the dispatcher thread");
    }
    while (sem_wait(&d->ready) != 0)
        continue; // interrupted by a signal
    return MP_OK;
}

enum mp_status mp_arming_check(const struct mp_arming *arming, struct mp_error *err)
{
    if ((arming->safe_length == 0 && !arming->safe_line) || arming->safe_length > MP_FRAME_MAX)
        return mp_fail(err, MP_EINVAL, "arming needs the bytes that make the device safe");
    if (arming->keepalive_length > MP_FRAME_MAX ||
        (arming->keepalive_length > 0 && arming->keepalive_ns <= 0))
        return mp_fail(err, MP_EINVAL, "a keep-alive has 1 to %d bytes and a period above 0",
                       MP_FRAME_MAX);
    return MP_OK;
}

/* *bytes were borrowed: from now on they are ours, in to. */
static void own_bytes(const void **bytes, uint8_t *to, size_t length)
{
    if (length > 0)
        memcpy(to, *bytes, length);
    *bytes = to;
}

typedef enum mp_status make_ring(struct mp_ring *ring, size_t item_size, uint64_t capacity,
                                 struct mp_error *err);

static enum mp_status create(struct mp_dispatcher **out,
                             const struct mp_dispatch_config *config, make_ring *make,
                             uint64_t outcomes, uint64_t triggers, struct mp_error *err)
{
    enum mp_status status = mp_arming_check(&config->arming, err);
    if (status != MP_OK)
        return status;
    struct mp_dispatcher *d = aligned_alloc(64, (sizeof *d + 63) / 64 * 64);
    if (d == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the dispatcher");
    memset(d, 0, sizeof *d);
    d->config = *config;
    own_bytes(&d->config.arming.safe, d->safe, config->arming.safe_length);
    own_bytes(&d->config.arming.keepalive, d->keepalive, config->arming.keepalive_length);
    d->rules = (struct dispatch_rules){.tolerance_ns = config->arming.tolerance_ns,
                                       .unconfirmed_ns = config->arming.unconfirmed_ns,
                                       .any_distance = config->any_distance};
    d->realtime.dma_fd = -1;
    status = mp_wake_init(&d->wake, true, err);
    if (status != MP_OK) {
        free(d);
        return status;
    }
    mp_latch_init(&d->stop, &d->wake);
    (void)sem_init(&d->ready, 0, 0);
    status = make(&d->commands, sizeof(struct command), COMMANDS, err);
    if (status == MP_OK)
        status = make(&d->outcomes, sizeof(struct mp_outcome), outcomes, err);
    if (status == MP_OK)
        status = make(&d->codes_in, sizeof(struct mp_code), CODES_IN, err);
    if (status == MP_OK)
        status = make(&d->triggers, sizeof(struct mp_triggers), triggers, err);
    if (status != MP_OK) {
        d->joined = true; // nothing has begun
        mp_dispatcher_destroy(d);
        return status;
    }
    mp_dispatcher_heartbeat(d);
    *out = d;
    return MP_OK;
}

enum mp_status mp_dispatcher_create_stepped(struct mp_dispatcher **out,
                                            const struct mp_dispatch_config *config,
                                            struct mp_error *err)
{
    enum mp_status status =
        create(out, config, mp_ring_init_stepped, STEPPED_OUTCOMES, STEPPED_TRIGGERS, err);
    if (status == MP_OK && config->arming.flight != NULL)
        mp_flight_set_busy(config->arming.flight, true);
    return status;
}

/* What only a dispatcher at work needs is given back. */
static void ended(struct mp_dispatcher *d)
{
    d->joined = true;
    if (d->config.arming.flight != NULL)
        mp_flight_set_busy(d->config.arming.flight, false);
    mp_realtime_release(&d->realtime);
}

bool mp_dispatcher_step(struct mp_dispatcher *d, struct mp_next *next)
{
    if (d->joined || dispatch_step(d, next))
        return !d->joined;
    ended(d);
    return false;
}

enum mp_status mp_dispatcher_create(struct mp_dispatcher **out,
                                    const struct mp_dispatch_config *config,
                                    struct mp_error *err)
{
    struct mp_dispatcher *d = NULL;
    enum mp_status status = create(&d, config, mp_ring_init, OUTCOMES, TRIGGERS, err);
    if (status != MP_OK)
        return status;
    mp_realtime_prepare(&d->realtime); // locking memory may take long on a busy computer
    mp_dispatcher_heartbeat(d);
    if (config->arming.flight != NULL)
        mp_flight_set_busy(config->arming.flight, true);
    status = start_thread(d, err);
    if (status != MP_OK) {
        if (config->arming.flight != NULL)
            mp_flight_set_busy(config->arming.flight, false);
        mp_realtime_release(&d->realtime);
        mp_dispatcher_destroy(d);
        return status;
    }
    *out = d;
    return MP_OK;
}

/* Nothing may be asked of a dispatcher that was stopped: a new arm is needed. */
static enum mp_status check_running(struct mp_dispatcher *d, struct mp_error *err)
{
    if (!dispatch_stopped(d))
        return MP_OK;
    return mp_fail(err, MP_ESTATE, "stopped (%s): arm again first",
                   mp_stop_words(mp_latch_reason(&d->stop)));
}

static enum mp_status push_command(struct mp_dispatcher *d, const struct command *command,
                                   struct mp_error *err)
{
    if (!mp_ring_push(&d->commands, command))
        return mp_fail(err, MP_EBUSY, "too many commands are waiting for the dispatcher");
    mp_wake_post(&d->wake);
    return MP_OK;
}

/* A line is raised only where somebody has seen that it was down. */
static enum mp_status check_paths(const struct mp_dispatcher *d,
                                  const struct mp_lowering *lowering, struct mp_error *err)
{
    if (mp_lowering_uses_trigger(lowering) && d->config.trigger == NULL)
        return mp_fail(err, MP_ESTATE, "the plan fires on a second port, and none is open");
    for (uint8_t port = 0; port < MP_PORTS; port++)
        for (int line = MP_TRIGGER_RTS; line <= MP_TRIGGER_BREAK; line++)
            if (d->config.lines[port] != (enum mp_trigger_line)line &&
                mp_lowering_uses_line(lowering, port, (enum mp_trigger_line)line))
                return mp_fail(err, MP_ESTATE, "the plan fires over %s, which was not checked",
                               mp_trigger_line_name((enum mp_trigger_line)line));
    return MP_OK;
}

/* Give command, which plays, to the thread: one at a time. */
static enum mp_status push_plan(struct mp_dispatcher *d, const struct command *command,
                                struct mp_error *err)
{
    struct mp_lowering *lowering = command->lowering;
    if (!mp_lowering_checked(lowering))
        return mp_fail(err, MP_ESTATE, "the plan was not checked against the device's limits");
    enum mp_status status = check_running(d, err);
    if (status == MP_OK)
        status = check_paths(d, lowering, err);
    if (status != MP_OK)
        return status;
    bool idle = false;
    if (!atomic_compare_exchange_strong(&d->playing, &idle, true))
        return mp_fail(err, MP_ESTATE, "another plan is running");
    if (mp_lowering_busy(lowering)) {
        atomic_store(&d->playing, false);
        return mp_fail(err, MP_ESTATE, "the plan is being played on another device");
    }
    if (command->kind == COMMAND_AHEAD)
        atomic_store(&d->enough, false); // what ended the plan before is not about this one
    mp_lowering_rewind(lowering);
    mp_lowering_set_busy(lowering, true);
    status = push_command(d, command, err);
    if (status != MP_OK) {
        mp_lowering_set_busy(lowering, false);
        atomic_store(&d->playing, false);
    }
    return status;
}

enum mp_status mp_dispatcher_play(struct mp_dispatcher *d, struct mp_lowering *lowering,
                                  int64_t start_ns, struct mp_error *err)
{
    const struct command command = {
        .kind = COMMAND_PLAY, .lowering = lowering, .start_ns = start_ns};
    return push_plan(d, &command, err);
}

enum mp_status mp_dispatcher_ahead(struct mp_dispatcher *d, struct mp_lowering *lowering,
                                   const struct mp_ahead_rule *rule, struct mp_port *input,
                                   uint64_t play, struct mp_error *err)
{
    if (rule->every == 0 || rule->most == 0 || rule->delay_ns < 0 || rule->refractory_ns < 0)
        return mp_fail(err, MP_EINVAL,
                       "a plan for triggers: each n-th from the first on, at "
                       "least one start, no times below 0");
    if (mp_lowering_frame_count(lowering) == 0)
        return mp_fail(err, MP_EINVAL, "a plan without pulses cannot wait for a trigger");
    const struct command command = {.kind = COMMAND_AHEAD,
                                    .lowering = lowering,
                                    .rule = *rule,
                                    .input = input,
                                    .play = play};
    return push_plan(d, &command, err);
}

void mp_dispatcher_enough(struct mp_dispatcher *d)
{
    atomic_store_explicit(&d->enough, true, memory_order_release);
    mp_wake_post(&d->wake);
}

enum mp_status mp_dispatcher_send(struct mp_dispatcher *d, const void *bytes, size_t length,
                                  struct mp_error *err)
{
    if (length == 0 || length > MP_FRAME_MAX)
        return mp_fail(err, MP_ERANGE, "a frame has 1 to %d bytes, not %zu", MP_FRAME_MAX,
                       length);
    enum mp_status status = check_running(d, err);
    if (status != MP_OK)
        return status;
    struct command command = {.kind = COMMAND_SEND, .length = length};
    memcpy(command.bytes, bytes, length);
    return push_command(d, &command, err);
}

enum mp_status mp_dispatcher_code(struct mp_dispatcher *d, uint8_t value, int64_t at_ns,
                                  struct mp_error *err)
{
    const struct mp_code code = mp_code_of_script(d->config.codes, value, at_ns);
    enum mp_status status = check_running(d, err);
    if (status == MP_OK && !mp_ring_push(&d->codes_in, &code))
        status = mp_fail(err, MP_EBUSY, "too many event codes are waiting for the dispatcher");
    if (status == MP_OK)
        mp_wake_post(&d->wake);
    return status;
}

bool mp_dispatcher_told(const struct mp_dispatcher *d, int64_t bound_ns)
{
    static const struct timespec moment = {.tv_nsec = 50 * MP_NS_PER_US};
    if (!atomic_load(&d->writing)) // nearly always
        return true;
    const int64_t until_ns = mp_clock_ns() + bound_ns;
    while (atomic_load(&d->writing)) {
        if (mp_clock_ns() >= until_ns)
            return false;
        (void)nanosleep(&moment, NULL);
    }
    return true;
}

bool mp_dispatcher_outcome(struct mp_dispatcher *d, struct mp_outcome *outcome)
{
    return mp_ring_pop(&d->outcomes, outcome);
}

const struct mp_outcome *mp_dispatcher_first(const struct mp_dispatcher *d)
{
    return mp_ring_first(&d->outcomes);
}

void mp_dispatcher_drop(struct mp_dispatcher *d)
{
    mp_ring_drop(&d->outcomes);
}

const struct mp_realtime *mp_dispatcher_realtime(const struct mp_dispatcher *d)
{
    return &d->realtime;
}

enum mp_stop mp_dispatcher_reason(const struct mp_dispatcher *d)
{
    return mp_latch_reason(&d->stop);
}

bool mp_dispatcher_safe_sent(const struct mp_dispatcher *d)
{
    return atomic_load(&d->safe_sent);
}

void mp_dispatcher_join(struct mp_dispatcher *d, enum mp_stop reason)
{
    struct mp_next next = {0};
    if (d->joined)
        return;
    mp_dispatcher_stop(d, reason);
    if (d->threaded) {
        (void)pthread_join(d->thread, NULL);
        ended(d);
    }
    while (!d->joined && mp_dispatcher_step(d, &next))
        continue;
}

void mp_dispatcher_destroy(struct mp_dispatcher *d)
{
    if (d == NULL)
        return;
    mp_dispatcher_join(d, MP_STOP_REQUESTED);
    mp_ring_fini(&d->commands);
    mp_ring_fini(&d->outcomes);
    mp_ring_fini(&d->codes_in);
    mp_ring_fini(&d->triggers);
    mp_wake_fini(&d->wake);
    (void)sem_destroy(&d->ready);
    free(d);
}
