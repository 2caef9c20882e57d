/*
 * rig.h - a dispatcher on a real pseudo-terminal, for the C unit tests.
 *
 * The frames say what they are, so that the wire can be read: 'P' and the intensity fire,
 * 'S' and the intensity set, "XYZ" is the safe frame, 'k' begins a one-off frame.
 */
#ifndef MP_TEST_RIG_H
#define MP_TEST_RIG_H

#include "engine/clock.h"
#include "engine/dispatcher.h"
#include "engine/pty.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WIRE_MAX = 1 << 18, OUTCOMES_MAX = 1 << 14 };
static const int64_t forever_ns = INT64_C(3600) * MP_NS_PER_S;
static const int64_t patience_ns = INT64_C(20) * MP_NS_PER_S;
// a byte takes 5 ns, the least that a lowering takes: what a test says of times is easy to see
static const struct mp_serial no_wire = {.baud = INT32_MAX, .bits = 8, .stop_bits = 1};
static const struct mp_serial fast_wire = {.baud = 1000000, .bits = 8, .stop_bits = 1};
static const char safe_frame[] = "XYZ";

struct rig {
    struct mp_pty *pty;
    struct mp_port *port;
    struct mp_dispatcher *d;
    _Atomic unsigned wakes;
    unsigned char wire[WIRE_MAX]; // what the far side has read
    size_t length;
    struct mp_outcome outcomes[OUTCOMES_MAX];
    size_t count;
};
static struct rig rig;

static inline void count_wake(void *context)
{
    (void)context;
    atomic_fetch_add(&rig.wakes, 1);
}

static inline struct mp_dispatch_config rig_config(enum mp_late late, int64_t tolerance_ns)
{
    struct mp_dispatch_config config = {
        .port = rig.port,
        .serial = no_wire,
        .arming = {.safe = safe_frame,
                   .safe_length = strlen(safe_frame),
                   .tolerance_ns = tolerance_ns,
                   .late = late},
        // a tolerance without end says: being late is not the point
        .any_distance = tolerance_ns == forever_ns,
        .wake = count_wake};
    return config;
}

static inline void rig_ports(void)
{
    struct mp_error err = {0};
    rig.length = rig.count = 0;
    atomic_store(&rig.wakes, 0);
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    must(mp_port_open(&rig.port, mp_pty_path(rig.pty), &no_wire, &err), &err);
}

static inline void rig_start(const struct mp_dispatch_config *config)
{
    struct mp_error err = {0};
    must(mp_dispatcher_create(&rig.d, config, &err), &err);
}

/* A clock that the test turns, for a dispatcher without a thread. */
struct rig_clock {
    struct mp_time time;
    bool (*wait)(int64_t deadline_ns); // false: woken before
};

/* Step until it is stopped; what the thread would look at every 100 ms is looked at here, too.
 */
static inline void rig_run_here(const struct rig_clock *clock)
{
    static const int64_t look_ns = 100 * MP_NS_PER_MS;
    struct mp_next next = {0};
    while (mp_dispatcher_step(rig.d, &next)) {
        int64_t until_ns = clock->time.now(clock->time.context) + look_ns;
        bool whole = next.at_ns <= until_ns;
        bool came = clock->wait(whole ? next.at_ns : until_ns);
        next.came = whole && came;
    }
}

static inline void rig_open(enum mp_late late, int64_t tolerance_ns)
{
    rig_ports();
    struct mp_dispatch_config config = rig_config(late, tolerance_ns);
    rig_start(&config);
}

static inline void rig_close(void)
{
    mp_dispatcher_destroy(rig.d);
    mp_port_close(rig.port);
    mp_pty_close(rig.pty);
    rig.d = NULL;
    rig.port = NULL;
    rig.pty = NULL;
}

/* Read what is on the wire, wait up to ms for the first of it; false when nothing came. */
static inline bool rig_read(int ms)
{
    struct pollfd state = {.fd = mp_pty_fd(rig.pty), .events = POLLIN};
    size_t got = 0;
    int64_t at;
    if (poll(&state, 1, ms) == 1)
        (void)mp_pty_read(rig.pty, rig.wire + rig.length, WIRE_MAX - rig.length, &got, &at,
                          NULL);
    rig.length += got;
    return got > 0;
}

/* Read until length bytes have come, and look whether there is more. */
static inline void rig_read_all(size_t length)
{
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig.length < length && mp_clock_ns() < until)
        (void)rig_read(10);
    while (rig_read(20))
        continue;
}

static inline void rig_drain(void)
{
    (void)usleep(20); // valgrind runs one thread at a time: a busy loop would keep its turn
    while (rig.count < OUTCOMES_MAX && mp_dispatcher_outcome(rig.d, &rig.outcomes[rig.count]))
        rig.count++;
}

/* Take outcomes (and the wire) until one of kind comes; false when none did. */
static inline bool rig_await(enum mp_outcome_kind kind)
{
    int64_t until = mp_clock_ns() + patience_ns;
    size_t looked = 0;
    while (mp_clock_ns() < until) {
        rig_drain();
        for (; looked < rig.count; looked++)
            if (rig.outcomes[looked].kind == kind)
                return true;
        (void)rig_read(1);
    }
    CHECK_NEVER("the outcome came in time");
    return false;
}

static inline size_t rig_tally(enum mp_outcome_kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < rig.count; i++)
        found += rig.outcomes[i].kind == kind;
    return found;
}

static inline const struct mp_outcome *rig_last(void)
{
    static const struct mp_outcome none;
    return rig.count == 0 ? &none : &rig.outcomes[rig.count - 1];
}

/* Join, take every outcome; the last one must say why, once. */
static inline void rig_end(enum mp_stop reason, enum mp_stop expected)
{
    mp_dispatcher_join(rig.d, reason);
    rig_drain();
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(rig_last()->stop, expected);
    CHECK_INT(rig_tally(MP_OUT_STOPPED), 1);
    CHECK(atomic_load(&rig.wakes) >= rig.count);
}

/* The wire holds exactly these bytes, no more. */
static inline void rig_wire_is(const unsigned char *expected, size_t length)
{
    rig_read_all(length);
    CHECK_INT(rig.length, length);
    CHECK(rig.length == length && memcmp(rig.wire, expected, length) == 0);
}

static inline uint8_t intensity_of(const struct mp_lowering *lowering, uint32_t action)
{
    const struct mp_schedule *schedule = mp_lowering_schedule(lowering);
    return (uint8_t)(mp_schedule_action(schedule, action)->pulse.intensity_mpct / 1000);
}

struct rig_changes {
    struct mp_lowering *lowering;
    int64_t lead_ns;
};

static inline void note_change(void *context, uint32_t from, uint32_t to)
{
    const struct rig_changes *changes = context;
    const uint8_t bytes[] = {'S', intensity_of(changes->lowering, to)};
    struct mp_error err = {0};
    must(mp_lowering_change(changes->lowering, from, to, bytes, sizeof bytes, changes->lead_ns,
                            &err),
         &err);
}

struct rig_lowering {
    const struct mp_serial *serial;
    int64_t least_ns;
    int64_t lead_ns; // of settings; negative: none are sent
    size_t length;   // of a pulse's frame
    int64_t ask_ns;  // settings are asked for, and a pulse lasts so long; 0: not asked
    bool unchecked;
};

static inline struct mp_lowering *lower(struct mp_plan *take_plan, struct rig_lowering how)
{
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    must(mp_lowering_create(&l, schedule_of(take_plan, 1), how.serial ? how.serial : &no_wire,
                            0, &err),
         &err);
    uint8_t bytes[MP_FRAME_MAX] = {'P'};
    uint32_t actions = mp_schedule_action_count(mp_lowering_schedule(l));
    for (uint32_t i = 0; i < actions; i++) {
        bytes[1] = intensity_of(l, i);
        must(mp_lowering_pulse(l, i, bytes, how.length ? how.length : 2, how.least_ns, &err),
             &err);
        if (how.ask_ns > 0)
            must(mp_lowering_lasts(l, i, how.ask_ns, how.ask_ns, &err), &err);
    }
    if (how.ask_ns > 0)
        must(mp_lowering_ask(l, "?", 1, 5 * MP_NS_PER_MS, &err), &err);
    struct rig_changes changes = {l, how.lead_ns};
    if (how.lead_ns >= 0)
        must(mp_lowering_changes(l, note_change, &changes, &err), &err);
    struct mp_violation violation;
    while (!how.unchecked && mp_lowering_check(l, 1 << 20, &violation))
        continue;
    CHECK_INT(mp_lowering_checked(l), !how.unchecked);
    return l;
}

/* Pulses of one intensity after the other, 1 to 100 and again, one each period. */
static inline struct mp_plan *ladder(int pulses, struct mp_ratio period)
{
    struct mp_plan *plan = mso(1);
    for (int i = 1; i < pulses; i++)
        plan = then(then(plan, rest(period)), mso(i % 100 + 1));
    return plan;
}

static inline void rig_play(struct mp_lowering *lowering, int64_t start_ns)
{
    struct mp_error err = {0};
    must(mp_dispatcher_play(rig.d, lowering, start_ns, &err), &err);
}

#endif
