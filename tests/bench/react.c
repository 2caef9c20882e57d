/*
 * react.c - bench react: from a trigger to the pulse's command, handed over: the engine with a
 * plan armed ahead (--method engine), or a bare loop with the same rights that polls, reads and
 * writes (--method bare); over a socketpair or pseudo-terminals (--wire pty).
 *
 * --storm-us N: triggers every N us whoever reacts, and a refractory time (--refractory-us):
 * how many starts, how close, and whether each trigger was told. --method source: only the
 * triggers, on a pseudo-terminal whose path is printed, from --after-ms on, for another
 * program.
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
    int64_t storm_ns, refractory_ns; // 0: each trigger waits for the answer to the one before
    _Atomic uint64_t answered;       // frames that came out, each whole
    _Atomic uint64_t looked;         // so often one was looked for
    uint64_t told, closest_ns;       // triggers that were told; between two starts
    _Atomic bool sent_all;
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

static void take_frames(struct react *r)
{
    uint8_t taken[1024];
    const ssize_t got = recv(r->device.far_fd, taken, sizeof taken, MSG_DONTWAIT);
    if (got > 0)
        (void)atomic_fetch_add(&r->answered, (uint64_t)got / FRAME_BYTES);
}

/* Each trigger at its time, whatever becomes of it. */
static void *send_storm(void *argument)
{
    struct react *r = argument;
    while (!atomic_load(&r->ready))
        (void)usleep(100);
    const int64_t start_ns = mp_clock_ns();
    for (size_t i = 0; i < r->count; i++) {
        const struct timespec at = mp_clock_timespec(start_ns + (int64_t)i * r->storm_ns);
        const uint8_t byte = (uint8_t)i;
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        bench_must_sys(write(r->trigger.far_fd, &byte, 1) == 1, "the trigger's write");
        take_frames(r);
    }
    atomic_store(&r->sent_all, true);
    return NULL;
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
        // not a byte more, not a byte less: none is doubled
        if (read(r->device.far_fd, taken, sizeof taken) == FRAME_BYTES)
            (void)atomic_fetch_add(&r->answered, 1);
        (void)atomic_fetch_add(&r->looked, 1);
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
    (void)poll(&waits, 1, 10); // the last trigger of a storm is told without a pulse
    (void)!read(fd, &posts, sizeof posts);
}

static void hear_start(struct react *r, int64_t start_ns)
{
    static int64_t before_ns = 0;
    const uint64_t apart_ns = (uint64_t)(start_ns - before_ns);
    if (before_ns != 0 && apart_ns < r->closest_ns)
        r->closest_ns = apart_ns;
    before_ns = start_ns;
}

static void hear_triggers(struct react *r, struct mp_dispatcher *d)
{
    struct mp_triggers piece;
    while (mp_dispatcher_triggers(d, UINT64_MAX, &piece))
        r->told += piece.count;
    if (r->storm_ns > 0 && atomic_load(&r->sent_all) && r->told >= r->count)
        mp_dispatcher_enough(d);
}

static void react_engine(struct react *r, const char *flight_path)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_lowering *lowering = lower_pulse();
    struct mp_dispatcher *d = NULL;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bench_must_sys(wake_fd >= 0, "an eventfd");
    if (flight_path != NULL) {
        bench_must(mp_flight_create(&flight, flight_path, r->count * 4 + 64, &err), &err);
        mp_flight_touch(flight);
    }
    const struct mp_dispatch_config config = {.port = r->device.port,
                                              .serial = shape_serial,
                                              .arming = {.safe = shape_safe,
                                                         .safe_length = sizeof shape_safe,
                                                         .tolerance_ns = MP_NS_PER_S,
                                                         .flight = flight},
                                              .any_distance = true,
                                              .wake = wake_loop,
                                              .context = &wake_fd};
    const struct mp_ahead_rule rule = {.byte = -1,
                                       .every = 1,
                                       .from_ns = INT64_MIN,
                                       .until_ns = INT64_MAX,
                                       .refractory_ns = r->refractory_ns,
                                       .most = r->storm_ns > 0 ? r->count + 1 : r->count};
    bench_must(mp_dispatcher_create(&d, &config, &err), &err);
    r->fifo = mp_dispatcher_realtime(d)->fifo;
    bench_must(mp_dispatcher_ahead(d, lowering, &rule, r->trigger.port, 1, &err), &err);
    atomic_store(&r->ready, true);
    bool over = false;
    size_t sent = 0;
    while (!over) {
        struct mp_outcome out;
        while (mp_dispatcher_outcome(d, &out)) {
            over = over || out.kind == MP_OUT_FINISHED || out.kind == MP_OUT_STOPPED;
            if (out.kind == MP_OUT_BEGUN)
                hear_start(r, out.start_ns);
            if (out.kind != MP_OUT_SENT)
                continue;
            r->handed_ns[sent++] = out.returned_ns;
            atomic_store(&r->reacted, sent);
        }
        hear_triggers(r, d);
        if (!over)
            await_wake(wake_fd);
    }
    hear_triggers(r, d);
    while (r->storm_ns == 0 && atomic_load(&r->looked) < r->count)
        (void)usleep(50); // the safe frame comes after the last answer
    if (r->storm_ns > 0)
        take_frames(r);
    mp_dispatcher_destroy(d);
    (void)close(wake_fd);
    mp_lowering_destroy(lowering);
    mp_flight_close(flight, NULL);
}

/* Only the triggers: for a program that opens the printed path. */
static int send_only(const struct react *r, int64_t after_ms)
{
    struct mp_error err = {0};
    struct mp_pty *pty = NULL;
    bench_must(mp_pty_open(&pty, NULL, &err), &err);
    printf("%s\n", mp_pty_path(pty));
    (void)fflush(stdout);
    struct timespec rest = mp_clock_timespec(after_ms * MP_NS_PER_MS);
    for (size_t i = 0; i <= r->count; i++) {
        const uint8_t byte = 5;
        (void)nanosleep(&rest, NULL);
        if (i < r->count && write(mp_pty_fd(pty), &byte, 1) != 1)
            break; // who read them is gone
        rest = mp_clock_timespec(r->gap_ns);
    }
    mp_pty_close(pty);
    return 0;
}

int bench_react(int argc, char **argv)
{
    const bool pty = strcmp(bench_text(argc, argv, "wire", "socketpair"), "pty") == 0;
    const bool bare = strcmp(bench_text(argc, argv, "method", "engine"), "bare") == 0;
    struct react r = {.count = (size_t)bench_number(argc, argv, "triggers", 1000),
                      .gap_ns = bench_number(argc, argv, "gap-us", 1000) * MP_NS_PER_US,
                      .storm_ns = bench_number(argc, argv, "storm-us", 0) * MP_NS_PER_US,
                      .refractory_ns =
                          bench_number(argc, argv, "refractory-us", 0) * MP_NS_PER_US,
                      .closest_ns = UINT64_MAX >> 1};
    pthread_t source;
    if (strcmp(bench_text(argc, argv, "method", "engine"), "source") == 0)
        return send_only(&r, bench_number(argc, argv, "after-ms", 3000));
    r.trigger = open_wire(pty);
    r.device = open_wire(pty);
    r.sent_ns = calloc(r.count, sizeof *r.sent_ns);
    r.handed_ns = calloc(r.count, sizeof *r.handed_ns);
    bench_must_sys(r.sent_ns != NULL && r.handed_ns != NULL, "memory for the stamps");
    bench_must_sys(
        pthread_create(&source, NULL, r.storm_ns > 0 ? send_storm : send_triggers, &r) == 0,
        "a thread");
    if (bare)
        react_bare(&r);
    else
        react_engine(&r, bench_text(argc, argv, "flight", NULL));
    (void)pthread_join(source, NULL);
    const size_t reacted = (size_t)atomic_load(&r.reacted);
    for (size_t i = 0; i < reacted; i++)
        r.handed_ns[i] -= r.sent_ns[i]; // of a storm nothing: they have no pairs
    printf("{\"method\":\"%s\",\"fifo\":%s", bare ? "bare loop" : "engine",
           r.fifo ? "true" : "false");
    printf(
        ",\"triggers\":%zu,\"pulses\":%zu,\"answered\":%llu,\"told\":%llu,\"closest_ns\":%llu",
        r.count, reacted, (unsigned long long)atomic_load(&r.answered),
        (unsigned long long)r.told, (unsigned long long)r.closest_ns);
    bench_print_list("reaction_ns", r.handed_ns, r.storm_ns > 0 ? 0 : reacted);
    printf("}\n");
    close_wire(&r.trigger);
    close_wire(&r.device);
    free(r.sent_ns);
    free(r.handed_ns);
    return 0;
}
