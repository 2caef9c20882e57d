#include "engine/stop_line.h"

#include "engine/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

static const int64_t period_ns = 2 * MP_NS_PER_MS;

struct mp_stop_watch {
    struct mp_port *port;
    enum mp_stop_line line;
    struct mp_dispatcher *dispatcher;
    _Atomic bool ending;
    pthread_t thread;
};

static enum mp_status is_high(const struct mp_stop_watch *watch, bool *high,
                              struct mp_error *err)
{
    bool cts = false, dsr = false;
    enum mp_status status = mp_port_get_lines(watch->port, &cts, &dsr, err);
    *high = watch->line == MP_LINE_CTS ? cts : dsr;
    return status;
}

static void *watch_main(void *argument)
{
    struct mp_stop_watch *watch = argument;
    int64_t next_ns = mp_clock_ns();
    while (!atomic_load(&watch->ending)) {
        bool high = false;
        bool lost = is_high(watch, &high, NULL) != MP_OK; // with its port
        if (lost || high) {
            mp_dispatcher_stop(watch->dispatcher, lost ? MP_STOP_GONE : MP_STOP_LINE);
            return NULL;
        }
        next_ns += period_ns;
        struct timespec at = mp_clock_timespec(next_ns);
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    return NULL;
}

enum mp_status mp_stop_watch_start(struct mp_stop_watch **out, struct mp_port *port,
                                   enum mp_stop_line line, struct mp_dispatcher *dispatcher,
                                   struct mp_error *err)
{
    struct mp_stop_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the stop line");
    *watch = (struct mp_stop_watch){.port = port, .line = line, .dispatcher = dispatcher};
    bool high = false;
    enum mp_status status = is_high(watch, &high, err);
    if (status == MP_OK && high)
        status = mp_fail(err, MP_ESTATE, "the stop line (%s) is active: release the switch",
                         line == MP_LINE_CTS ? "CTS" : "DSR");
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = status == MP_OK ? pthread_create(&watch->thread, NULL, watch_main, watch) : 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        status = mp_fail_sys(err, MP_EIO, failed, "cannot start the stop line's thread");
    if (status != MP_OK) {
        free(watch);
        return status;
    }
    *out = watch;
    return MP_OK;
}

void mp_stop_watch_end(struct mp_stop_watch *watch)
{
    if (watch == NULL)
        return;
    atomic_store(&watch->ending, true);
    (void)pthread_join(watch->thread, NULL);
    free(watch);
}
