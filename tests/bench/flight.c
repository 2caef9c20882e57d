/*
 * flight.c - bench flight: the flight record of a run of a million pulses, for which nobody
 * waits a day. It begins as that of a run that was killed after some pulses, and goes on as its
 * first pulse went: one each period, confirmed as soon, some of them a little late.
 */
#include "engine/flight.h"
#include "engine/lowering.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

/* The first pulse of the run and what the device said of it; what the run stored before goes
 * into the new file. */
static void copy_beginning(struct mp_flight_reader *from, struct mp_flight *to,
                           struct mp_flight_record *pulse, struct mp_flight_record *reply)
{
    struct mp_flight_record record;
    bool begun = false;
    while (mp_flight_next(from, &record, NULL)) {
        if (record.kind == MP_FLIGHT_SENT && record.send_kind == MP_SEND_PULSE && !begun) {
            *pulse = record;
            begun = true;
        } else if (record.kind == MP_FLIGHT_CONFIRM && begun) {
            *reply = record;
            return;
        } else if (record.kind == MP_FLIGHT_START) {
            bench_must_sys(mp_flight_start(to, record.due_ns, record.planned_ns), "start");
        } else if (record.kind == MP_FLIGHT_PLAY) {
            bench_must_sys(mp_flight_play(to, record.number, record.due_ns, record.woken_ns),
                           "play");
        } else if (!begun) {
            bench_must_sys(mp_flight_push(to, &record), "push");
        }
    }
    (void)fprintf(stderr, "bench: the run was killed before its first pulse was confirmed\n");
    exit(1);
}

static void shift(struct mp_flight_record *record, int64_t by_ns)
{
    record->number++;
    record->planned_ns += by_ns;
    record->due_ns += by_ns;
    record->woken_ns += by_ns;
    record->sent_ns += by_ns;
    record->returned_ns += by_ns;
}

int bench_flight(int argc, char **argv)
{
    const uint64_t pulses = (uint64_t)bench_number(argc, argv, "pulses", 1000000);
    const int64_t period_ns = bench_number(argc, argv, "period-us", 100000) * MP_NS_PER_US;
    struct mp_error err = {0};
    struct mp_flight_reader *from = NULL;
    struct mp_flight *to = NULL;
    struct mp_flight_record pulse, reply;
    bench_must(mp_flight_open(&from, bench_text(argc, argv, "from", "flight.bin"), &err), &err);
    bench_must(mp_flight_create(&to, bench_text(argc, argv, "to", "new.bin"),
                                2 * pulses + MP_FLIGHT_SPARE, &err),
               &err);
    copy_beginning(from, to, &pulse, &reply);
    for (uint64_t i = 0; i < pulses; i++) {
        struct mp_flight_record late = pulse;
        late.sent_ns += (int64_t)(i % 5) * 300;
        bench_must_sys(mp_flight_push(to, &late) && mp_flight_push(to, &reply), "push");
        shift(&pulse, period_ns);
        reply.number++;
        reply.woken_ns += period_ns;
    }
    const struct mp_flight_record finished = {.kind = MP_FLIGHT_FINISHED};
    bench_must_sys(mp_flight_push(to, &finished), "push");
    bench_must(mp_flight_close(to, &err), &err);
    mp_flight_reader_close(from);
    printf("{\"pulses\":%llu}\n", (unsigned long long)pulses);
    return 0;
}
