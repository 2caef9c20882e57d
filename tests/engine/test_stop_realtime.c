/*
 * Stops at random instants in real time, over a real pseudo-terminal: from another thread,
 * from a signal handler, and through a session. None of them lets a pulse leave afterwards.
 */
#include "engine/session.h"

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum way { BY_THREAD, BY_SIGNAL, BY_SESSION, WAYS };
static const char *const way_names[] = {"another thread", "a signal handler",
                                        "mp_session_stop_async"};

enum { PULSES = 60, PERIOD_US = 500, RUNS_MAX = 3000 };

static struct mp_lowering *lowering;
static struct mp_session *session;
static uv_loop_t loop;
static struct mp_world world;
static _Atomic int64_t called_ns;
static _Atomic int64_t stopped_ns; // the stop had returned by then; 0: it was not called
static int64_t took_ns[RUNS_MAX];
static size_t runs, stopped_inside;

/* ---- the ways ---- */

struct call {
    enum way way;
    int64_t at_ns;
    pthread_t main;
};

static void stop_here(enum way way)
{
    atomic_store(&called_ns, mp_clock_ns());
    if (way == BY_SESSION)
        mp_session_stop_async(session, MP_STOP_SIGNAL);
    else
        mp_dispatcher_stop(rig.d, MP_STOP_SIGNAL);
    atomic_store(&stopped_ns, mp_clock_ns());
}

static void on_signal(int number)
{
    (void)number;
    stop_here(BY_SIGNAL);
}

static void *call_it(void *argument)
{
    const struct call *call = argument;
    struct timespec at = mp_clock_timespec(call->at_ns);
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    if (call->way == BY_SIGNAL)
        (void)pthread_kill(call->main, SIGUSR1);
    else
        stop_here(call->way);
    return NULL;
}

/* ---- one run ---- */

static void play_dispatcher(struct mp_flight *flight, struct call *call)
{
    pthread_t thread;
    struct mp_dispatch_config config = rig_config(MP_LATE_SKIP, 100 * MP_NS_PER_MS);
    config.arming.flight = flight;
    rig_start(&config);
    int64_t start_ns = mp_clock_ns() + MP_NS_PER_MS;
    call->at_ns += start_ns;
    mp_flight_start(flight, start_ns, 0);
    rig_play(lowering, start_ns);
    CHECK_INT(pthread_create(&thread, NULL, call_it, call), 0);
    while (atomic_load(&stopped_ns) == 0)
        (void)rig_read(1); // a signal interrupts it
    CHECK_INT(pthread_join(thread, NULL), 0);
    rig_end(MP_STOP_REQUESTED, MP_STOP_SIGNAL);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context, (void)bytes, (void)length, (void)arrival_ns;
    CHECK_NEVER("the device said something");
}

static void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    rig.outcomes[rig.count++] = *outcome;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context, (void)port, (void)why;
    CHECK_NEVER("the port was lost");
}

/* The session opens the port itself. */
static void play_session(struct mp_flight *flight, struct call *call, bool guarded)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = 3,
                                     .late = MP_LATE_SKIP,
                                     .tolerance_ns = 100 * MP_NS_PER_MS,
                                     .flight = flight,
                                     .guard = guarded,
                                     .stuck_ns = forever_ns};
    struct mp_error err = {0};
    pthread_t thread;
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&session, &world, &events, &err), &err);
    must(mp_session_open(session, mp_pty_path(rig.pty), &no_wire, &err), &err);
    must(mp_session_arm(session, &arming, &err), &err);
    int64_t start_ns = mp_clock_ns() + MP_NS_PER_MS;
    call->at_ns += start_ns;
    mp_flight_start(flight, start_ns, 0);
    must(mp_session_play(session, lowering, start_ns, &err), &err);
    CHECK_INT(pthread_create(&thread, NULL, call_it, call), 0);
    for (int64_t until = start_ns + patience_ns;
         rig_last()->kind != MP_OUT_STOPPED && mp_clock_ns() < until;) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)rig_read(1);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(rig_last()->stop, MP_STOP_SIGNAL);
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    mp_session_destroy(session);
    session = NULL;
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
}

/* ---- what must hold ---- */

static void check_wire(void)
{
    static unsigned char expected[2 * PULSES + 3];
    size_t length = 0;
    uint64_t number = 0;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        if (out->kind > MP_OUT_SKIPPED)
            continue;
        CHECK_INT(out->send.number, ++number); // complete, in order
        if (out->kind == MP_OUT_SKIPPED)
            continue;
        CHECK(out->entered_ns <= atomic_load(&stopped_ns)); // none after the stop
        const struct mp_frame *frame = mp_lowering_frame(lowering, out->send.frame);
        memcpy(expected + length, frame->bytes, frame->length);
        length += frame->length;
    }
    memcpy(expected + length, safe_frame, 3);
    CHECK(rig_last()->safe_sent);
    for (int64_t until = mp_clock_ns() + patience_ns;
         rig.length < length + 3 && mp_clock_ns() < until;)
        (void)rig_read(10);
    while (rig_read(2)) // no more comes
        continue;
    CHECK_INT(rig.length, length + 3);
    CHECK(rig.length == length + 3 && memcmp(rig.wire, expected, length + 3) == 0);
    stopped_inside += length > 0 && length < 2 * PULSES;
}

static void check_flight(const char *path)
{
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    struct mp_error err = {0};
    uint64_t torn = 0;
    size_t next = 0;
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, &torn) && next < rig.count) {
        if (record.kind == MP_FLIGHT_START || record.kind == MP_FLIGHT_ALIVE)
            continue;
        const struct mp_outcome *out = &rig.outcomes[next++];
        CHECK_INT(record.number, out->send.number);
        CHECK_INT(record.sent_ns, out->entered_ns);
        CHECK_INT(record.returned_ns, out->returned_ns);
        CHECK_INT(record.kind == MP_FLIGHT_SENT, out->kind == MP_OUT_SENT);
        CHECK_INT(record.kind == MP_FLIGHT_STOPPED, out->kind == MP_OUT_STOPPED);
    }
    CHECK_INT(next, rig.count);
    CHECK_INT(torn, 0);
    mp_flight_reader_close(reader);
}

static void one_run(enum way way, struct chance *chance)
{
    const int64_t span_ns = (PULSES + 8) * PERIOD_US * MP_NS_PER_US;
    const char *path = scratch_path("flight");
    struct mp_flight *flight = NULL;
    struct mp_error err = {0};
    struct call call = {way, chance_below(chance, span_ns) - MP_NS_PER_MS, pthread_self()};
    atomic_store(&stopped_ns, 0);
    rig.length = rig.count = 0;
    mp_lowering_rewind(lowering);
    must(mp_flight_create(&flight, path, 1024, &err), &err);
    if (way == BY_SESSION) {
        must(mp_pty_open(&rig.pty, NULL, &err), &err);
        play_session(flight, &call, chance_one_in(chance, 2));
    } else {
        rig_ports();
        play_dispatcher(flight, &call);
    }
    mp_flight_close(flight, NULL);
    check_wire();
    check_flight(path);
    took_ns[runs++] = rig_last()->returned_ns - atomic_load(&called_ns);
    rig_close();
    (void)unlink(path);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    bool only;
    struct chance chance = {chance_seed((uint64_t)mp_clock_ns(), &only)};
    int count = is_quick() ? 30 : is_long() ? RUNS_MAX : 300;
    struct sigaction action = {.sa_handler = on_signal};
    uint64_t seed = chance.state;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    lowering =
        lower(ladder(PULSES, ratio(PERIOD_US * 1000, 1)), (struct rig_lowering){.lead_ns = -1});
    for (int i = 0; i < count; i++) {
        int failed = check_failed;
        enum way way = (enum way)(i % WAYS);
        one_run(way, &chance);
        if (check_failed != failed)
            (void)fprintf(stderr, "run %d (by %s) of MP_SEED=%" PRIu64 "\n", i, way_names[way],
                          seed);
    }
    CHECK(stopped_inside > 0); // else this has tried nothing
    qsort(took_ns, runs, sizeof took_ns[0], compare);
    printf("%zu stops, %zu of them between two pulses; from the stop to the safe frame: median "
           "%.3f ms, longest %.3f ms\n",
           runs, stopped_inside, (double)took_ns[runs / 2] / 1e6,
           (double)took_ns[runs - 1] / 1e6);
    mp_lowering_destroy(lowering);
    return CHECK_DONE("test_stop_realtime");
}
