/* How the dispatcher is stopped, by whom, and with which safe frame: on a real pseudo-terminal.
 */
#include "tests/engine/rig.h"

#include <pthread.h>
#include <signal.h>

static void a_lost_port_stops(void)
{
    struct mp_lowering *l = lower(mso(1), (struct rig_lowering){.lead_ns = -1});
    rig_open(MP_LATE_ABORT, forever_ns);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    rig_play(l, mp_clock_ns());
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_last()->kind != MP_OUT_STOPPED && mp_clock_ns() < until)
        rig_drain();
    rig_end(MP_STOP_REQUESTED, MP_STOP_GONE);
    CHECK_INT(rig_tally(MP_OUT_SENT), 0);
    CHECK(!rig_last()->safe_sent);
    rig_close();
    mp_lowering_destroy(l);
}

static void *stop_it(void *reason)
{
    mp_dispatcher_stop(rig.d, *(enum mp_stop *)reason);
    return NULL;
}

static void handle(int number)
{
    (void)number;
    mp_dispatcher_stop(rig.d, MP_STOP_SIGNAL);
}

/* The deadline is an hour away; a stop from a thread or a signal handler ends the wait. */
static void a_stop_ends_a_long_wait(void)
{
    for (int way = 0; way < 2; way++) {
        struct mp_lowering *l = lower(mso(1), (struct rig_lowering){.lead_ns = -1});
        rig_open(MP_LATE_ABORT, forever_ns);
        int64_t begun_ns = mp_clock_ns();
        rig_play(l, begun_ns + forever_ns);
        (void)rig_read(20); // let it fall asleep
        enum mp_stop reason = MP_STOP_KEY;
        pthread_t thread;
        if (way == 0) {
            CHECK_INT(pthread_create(&thread, NULL, stop_it, &reason), 0);
            CHECK_INT(pthread_join(thread, NULL), 0);
        } else {
            struct sigaction action = {.sa_handler = handle};
            CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
            CHECK_INT(raise(SIGUSR1), 0);
        }
        rig_end(MP_STOP_REQUESTED, way == 0 ? MP_STOP_KEY : MP_STOP_SIGNAL);
        CHECK(mp_clock_ns() - begun_ns < 5 * MP_NS_PER_S);
        rig_wire_is((const unsigned char *)safe_frame, strlen(safe_frame));
        rig_close();
        mp_lowering_destroy(l);
    }
}

/* Who does not answer may have a half-read command in hand: it is told twice. */
static void a_silent_device_is_told_twice(void)
{
    char twice[2 * MP_FRAME_MAX];
    (void)snprintf(twice, sizeof twice, "%s%s", safe_frame, safe_frame);
    rig_open(MP_LATE_ABORT, 0);
    rig_end(MP_STOP_DEVICE, MP_STOP_DEVICE);
    rig_wire_is((const unsigned char *)twice, strlen(twice));
    CHECK(rig_last()->safe_sent);
    rig_close();
}

/* What it was armed with may be gone when the safe frame leaves. */
static void its_safe_frame_is_its_own(void)
{
    char borrowed[MP_FRAME_MAX];
    (void)snprintf(borrowed, sizeof borrowed, "%s", safe_frame);
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, 0);
    config.arming.safe = borrowed;
    rig_start(&config);
    memset(borrowed, 'x', sizeof borrowed);
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    rig_wire_is((const unsigned char *)safe_frame, strlen(safe_frame));
    rig_close();
}

static void the_first_reason_wins(void)
{
    rig_open(MP_LATE_ABORT, 0);
    mp_dispatcher_stop(rig.d, MP_STOP_KEY);
    mp_dispatcher_stop(rig.d, MP_STOP_SIGNAL);
    rig_end(MP_STOP_ERROR, MP_STOP_KEY);
    mp_dispatcher_join(rig.d, MP_STOP_ERROR); // again does nothing
    mp_dispatcher_stop(rig.d, MP_STOP_SIGNAL);
    rig_drain();
    CHECK_INT(rig.count, 1);
    rig_wire_is((const unsigned char *)safe_frame, strlen(safe_frame));
    rig_close();
    mp_dispatcher_destroy(NULL);
}

static int told;
static size_t written_by_then;

static void tell_others(void)
{
    told++;
    rig_read(0);
    written_by_then = rig.length;
}

/* Who is armed with others tells them first, and not when its plan is over. */
static void others_are_told_before_its_safe_frame(void)
{
    static const enum mp_stop reasons[] = {MP_STOP_KEY, MP_STOP_FINISHED, MP_STOP_PEER};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        rig_ports();
        struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, 0);
        config.arming.stops = tell_others;
        told = 0;
        rig_start(&config);
        rig_end(reasons[i], reasons[i]);
        CHECK_INT(told, reasons[i] != MP_STOP_FINISHED);
        CHECK_INT(written_by_then, 0);
        rig_wire_is((const unsigned char *)safe_frame, strlen(safe_frame));
        rig_close();
    }
}

int main(void)
{
    a_lost_port_stops();
    a_stop_ends_a_long_wait();
    a_silent_device_is_told_twice();
    its_safe_frame_is_its_own();
    the_first_reason_wins();
    others_are_told_before_its_safe_frame();
    return CHECK_DONE("test_dispatcher_stops");
}
