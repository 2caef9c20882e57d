#include "tests/bench/shapes.h"

#include "tests/bench/bench.h"
#include "tests/engine/plans.h"

#include <string.h>

const uint8_t shape_safe[FRAME_BYTES] = {'s', 'a', 'f', 'e', 's', 'a', 'f', 'e'};
// no wire: a frame takes 40 ns, so that send times are onsets
const struct mp_serial shape_serial = {.baud = INT32_MAX, .bits = 8, .stop_bits = 1};

static void frame_of(int32_t intensity_mpct, uint8_t bytes[FRAME_BYTES])
{
    uint32_t value = (uint32_t)intensity_mpct;
    memcpy(bytes, "mp", 2);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 8);
    bytes[4] = (uint8_t)value;
    for (int i = 0; i < 3; i++)
        bytes[5 + i] = (uint8_t)~bytes[2 + i];
}

void shape_frame(const struct shape *shape, uint64_t number, uint8_t bytes[FRAME_BYTES])
{
    frame_of((int32_t)(1 + (number - 1) % shape->cycle) * 1000, bytes);
}

struct shape shape_of(const char *name, int64_t period_ns, uint64_t pulses)
{
    static const struct {
        const char *name;
        uint32_t cycle;
        uint64_t unit; // the plan repeats after so many pulses
        int64_t shortest_ns;
    } rows[] = {
        {"train", 8, 8, 0},
        {"itbs", 3, 30, 20 * MP_NS_PER_MS}, // 3 pulses at 50 Hz, ten bursts at 5 Hz a train
        {"pairs", 2, 2, 2500 * MP_NS_PER_US},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(name, rows[i].name) != 0)
            continue;
        int64_t shortest_ns = rows[i].shortest_ns > 0 ? rows[i].shortest_ns : period_ns;
        // what a run has where nothing else is asked for, if the interval leaves room for it
        int64_t tolerance_ns = shortest_ns >= 2 * MP_NS_PER_MS ? MP_NS_PER_MS : shortest_ns / 2;
        return (struct shape){
            .name = rows[i].name,
            .period_ns = period_ns,
            .pulses = (pulses + rows[i].unit - 1) / rows[i].unit * rows[i].unit,
            .cycle = rows[i].cycle,
            .tolerance_ns = tolerance_ns,
            .least_ns = shortest_ns - tolerance_ns,
        };
    }
    (void)fprintf(stderr, "bench: no shape %s: train, itbs or pairs\n", name);
    exit(2);
}

/* count pulses of rising intensity, one every period. */
static struct mp_plan *cycle_of(uint32_t count, int64_t period_ns)
{
    struct mp_plan *plan = mso(1);
    for (uint32_t i = 2; i <= count; i++)
        plan = then(then(plan, rest(ratio(period_ns, 1))), mso((int32_t)i));
    return plan;
}

static struct mp_plan *plan_of(const struct shape *shape)
{
    const int64_t ms = MP_NS_PER_MS;
    if (strcmp(shape->name, "itbs") == 0) {
        struct mp_plan *burst = cycle_of(3, 20 * ms);
        struct mp_plan *train = repeat(burst, 10, MP_EVERY, ratio(200 * ms, 1));
        return repeat(train, shape->pulses / 30, MP_EVERY, ratio(10000 * ms, 1));
    }
    bool pairs = strcmp(shape->name, "pairs") == 0;
    int64_t period_ns = pairs ? 2500 * MP_NS_PER_US : shape->period_ns;
    int64_t every_ns = pairs ? 25 * ms : shape->cycle * period_ns;
    return repeat(cycle_of(shape->cycle, period_ns), shape->pulses / shape->cycle, MP_EVERY,
                  ratio(every_ns, 1));
}

enum { CHANGES_MAX = 64 };
struct changes {
    size_t count;
    uint32_t from[CHANGES_MAX], to[CHANGES_MAX];
};

static void note_change(void *context, uint32_t from, uint32_t to)
{
    struct changes *changes = context;
    bench_must_sys(changes->count < CHANGES_MAX, "more changes than a cycle has");
    changes->from[changes->count] = from;
    changes->to[changes->count++] = to;
}

struct mp_lowering *shape_lower(const struct shape *shape)
{
    struct mp_error err = {0};
    struct mp_lowering *lowering = NULL;
    struct mp_schedule *schedule = schedule_of(plan_of(shape), 0);
    uint32_t actions = mp_schedule_action_count(schedule);
    must(mp_lowering_create(&lowering, schedule, &shape_serial, 0, &err), &err);
    for (uint32_t i = 0; i < actions; i++) {
        uint8_t bytes[FRAME_BYTES];
        frame_of(mp_schedule_action(schedule, i)->pulse.intensity_mpct, bytes);
        must(mp_lowering_pulse(lowering, i, bytes, sizeof bytes, shape->least_ns, &err), &err);
    }
    struct changes changes = {0};
    must(mp_lowering_changes(lowering, note_change, &changes, &err), &err);
    for (size_t i = 0; i < changes.count; i++)
        must(mp_lowering_change(lowering, changes.from[i], changes.to[i], "", 0, 0, &err),
             &err);
    struct mp_violation violation = {0};
    while (mp_lowering_check(lowering, UINT64_C(1) << 20, &violation))
        continue;
    bench_must_sys(violation.kind == MP_VIOLATION_NONE, "the plan breaks its own limits");
    mp_lowering_rewind(lowering);
    return lowering;
}
