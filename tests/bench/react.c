/*
 * react.c - bench react: from a trigger to the pulse's command, handed over: the engine with a
 * plan armed ahead (--method engine), or a bare loop with the same rights that polls, reads and
 * writes (--method bare); over a socketpair or pseudo-terminals (--wire pty).
 *
 * The clock starts before the trigger's write and ends after the command's, so that the
 * kernel's part is in both; who reacts takes the second stamp, in either method.
 */
#include "tests/bench/bench.h"
#include "tests/bench/shapes.h"
#include "tests/engine/plans.h"

#include "engine/dispatcher.h"
#include "engine/pty.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A wire: who reacts has the port, the other end is ours. */
struct wire {
    struct mp_port *port;
    struct mp_pty *pty; // NULL: a socketpair
    int far_fd;
};

struct react {
    size_t count;
    int64_t gap_ns; // between triggers, and as much again at random
    struct wire trigger, device;
    int64_t *sent_ns, *handed_ns;
    _Atomic uint64_t reacted; // so many commands were handed over
    _Atomic bool ready;
    bool fifo;
};

static struct wire open_wire(bool pty)
{
    struct mp_error err = {0};
    struct wire wire = {.far_fd = -1};
    if (pty) {
        bench_must(mp_pty_open(&wire.pty, NULL, &err), &err);
        bench_must(mp_port_open(&wire.port, mp_pty_path(wire.pty), &shape_serial, &err), &err);
        wire.far_fd = mp_pty_fd(wire.pty);
        return wire;
    }
    int ends[2];
    bench_must_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    bench_must(mp_port_adopt(&wire.port, ends[0], "socketpair", &err), &err);
    wire.far_fd = ends[1];
    return wire;
}

static void close_wire(struct wire *wire)
{
    mp_port_close(wire->port);
    if (wire->pty == NULL)
        (void)close(wire->far_fd);
    mp_pty_close(wire->pty);
}

/* Sends each trigger once the one before was answered, as no lab does it faster. */
static void *send_triggers(void *argument)
{
    struct react *r = argument;
    unsigned seed = 1;
    uint8_t taken[64];
    while (!atomic_load(&r->ready))
        (void)usleep(100);
    for (size_t i = 0; i < r->count; i++) {
        seed = seed * 1103515245U + 12345U;
        const int64_t rest_ns = r->gap_ns + (int64_t)(seed >> 8) % r->gap_ns;
        const struct timespec rest = mp_clock_timespec(rest_ns);
        (void)nanosleep(&rest, NULL);
        const uint8_t byte = (uint8_t)i;
        r->sent_ns[i] = mp_clock_ns();
        bench_must_sys(write(r->trigger.far_fd, &byte, 1) == 1, "the trigger's write");
        while (atomic_load(&r->reacted) <= i)
            (void)usleep(50);
        bench_must_sys(read(r->device.far_fd, taken, sizeof taken) > 0, "the command's read");
    }
    return NULL;
}

static void react_bare(struct react *r)
{
    struct mp_realtime realtime = {0};
    const struct pollfd input = {.fd = mp_port_fd(r->trigger.port), .events = POLLIN};
    uint8_t frame[FRAME_BYTES] = {'P'}, bytes[256];
    mp_realtime_prepare(&realtime);
    mp_realtime_enter(&realtime);
    r->fifo = realtime.fifo;
    atomic_store(&r->ready, true);
    for (size_t i = 0; i < r->count;) {
        struct pollfd waits = input;
        size_t got = 0, written = 0;
        if (poll(&waits, 1, -1) != 1)
            continue;
        (void)mp_port_read(r->trigger.port, bytes, sizeof bytes, &got, NULL);
        if (got == 0)
            continue;
        (void)mp_port_write(r->device.port, frame, sizeof frame, &written, NULL);
        r->handed_ns[i++] = mp_clock_ns();
        atomic_store(&r->reacted, i);
    }
    mp_realtime_release(&realtime);
}

static struct mp_lowering *lower_pulse(void)
{
    static const uint8_t frame[FRAME_BYTES] = {'P'};
    struct mp_error err = {0};
    struct mp_lowering *lowering = NULL;
    struct mp_violation violation;
    bench_must(mp_lowering_create(&lowering, schedule_of(mso(50), 1), &shape_serial, 0, &err),
               &err);
    bench_must(mp_lowering_pulse(lowering, 0, frame, sizeof frame, 0, &err), &err);
    while (mp_lowering_check(lowering, 1, &violation))
        continue;
    return lowering;
}

/* As libuv wakes a loop: a descriptor that it polls. */
static void wake_loop(void *context)
{
    static const uint64_t one = 1;
    bench_must_sys(write(*(const int *)context, &one, sizeof one) > 0, "the loop's wake");
}

/* Until something is told. */
static void await_wake(int fd)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    uint64_t posts;
    (void)poll(&waits, 1, -1);
    (void)!read(fd, &posts, sizeof posts);
}

static void react_engine(struct react *r, const char *flight_path)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_lowering *lowering = lower_pulse();
    struct mp_dispatcher *d = NULL;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bench_must_sys(wake_fd >= 0, "an eventfd");
    if (flight_path != NULL)
        bench_must(mp_flight_create(&flight, flight_path, r->count * 4 + 64, &err), &err);
    const struct mp_dispatch_config config = {.port = r->device.port,
                                              .serial = shape_serial,
                                              .arming = {.safe = shape_safe,
                                                         .safe_length = sizeof shape_safe,
                                                         .tolerance_ns = MP_NS_PER_S,
                                                         .flight = flight},
                                              .any_distance = true,
                                              .wake = wake_loop,
                                              .context = &wake_fd};
    const struct mp_ahead_rule rule = {
        .byte = -1, .every = 1, .from_ns = INT64_MIN, .until_ns = INT64_MAX, .most = r->count};
    bench_must(mp_dispatcher_create(&d, &config, &err), &err);
    r->fifo = mp_dispatcher_realtime(d)->fifo;
    bench_must(mp_dispatcher_ahead(d, lowering, &rule, r->trigger.port, 1, &err), &err);
    atomic_store(&r->ready, true);
    bool over = false;
    size_t sent = 0;
    while (!over) {
        struct mp_outcome out;
        struct mp_trigger trigger;
        uint64_t untold;
        while (mp_dispatcher_outcome(d, &out)) {
            over = over || out.kind == MP_OUT_FINISHED || out.kind == MP_OUT_STOPPED;
            if (out.kind != MP_OUT_SENT)
                continue;
            r->handed_ns[sent++] = out.returned_ns;
            atomic_store(&r->reacted, sent);
        }
        while (mp_dispatcher_trigger(d, &trigger, &untold))
            continue;
        if (!over)
            await_wake(wake_fd);
    }
    mp_dispatcher_destroy(d);
    (void)close(wake_fd);
    mp_lowering_destroy(lowering);
    mp_flight_close(flight, NULL);
}

int bench_react(int argc, char **argv)
{
    const bool pty = strcmp(bench_text(argc, argv, "wire", "socketpair"), "pty") == 0;
    const bool bare = strcmp(bench_text(argc, argv, "method", "engine"), "bare") == 0;
    struct react r = {.count = (size_t)bench_number(argc, argv, "triggers", 1000),
                      .gap_ns = bench_number(argc, argv, "gap-us", 1000) * MP_NS_PER_US,
                      .trigger = open_wire(pty),
                      .device = open_wire(pty)};
    pthread_t source;
    r.sent_ns = calloc(r.count, sizeof *r.sent_ns);
    r.handed_ns = calloc(r.count, sizeof *r.handed_ns);
    bench_must_sys(r.sent_ns != NULL && r.handed_ns != NULL, "memory for the stamps");
    bench_must_sys(pthread_create(&source, NULL, send_triggers, &r) == 0, "a thread");
    if (bare)
        react_bare(&r);
    else
        react_engine(&r, bench_text(argc, argv, "flight", NULL));
    (void)pthread_join(source, NULL);
    for (size_t i = 0; i < r.count; i++)
        r.handed_ns[i] -= r.sent_ns[i];
    printf("{\"method\":\"%s\",\"fifo\":%s", bare ? "bare loop" : "engine",
           r.fifo ? "true" : "false");
    bench_print_list("reaction_ns", r.handed_ns, r.count);
    printf("}\n");
    close_wire(&r.trigger);
    close_wire(&r.device);
    free(r.sent_ns);
    free(r.handed_ns);
    return 0;
}
