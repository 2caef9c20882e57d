/*
 * onset.c - bench onset: the engine plays a train, iTBS or pairs; the error of each onset.
 *
 * The error is the outcome's own: its stamp before the write, less the time it was due. A
 * pulse that was left out for being late counts with its onset error: leaving out is no way
 * to look punctual. --churn N keeps a Lua heap of N MB turning over beside it.
 */
#include "tests/bench/bench.h"
#include "tests/bench/churn.h"
#include "tests/bench/play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void print_times(const struct play *play, const struct witness *witness)
{
    size_t arrived = 0, count = play->shape.pulses;
    int64_t *error = calloc(3 * count, sizeof *error);
    bench_must_sys(error != NULL, "memory for the errors");
    int64_t *seen = error + count, *took = seen + count;
    for (size_t i = 0; i < count; i++) {
        const struct played *pulse = &play->pulses[i];
        error[i] = pulse->entered_ns - pulse->due_ns;
        if (!pulse->sent)
            continue;
        took[arrived] = pulse->returned_ns - pulse->entered_ns;
        seen[arrived] = witness->at_ns[arrived] - pulse->due_ns;
        arrived++;
    }
    bench_print_list("errors_ns", error, count);
    bench_print_list("witness_ns", seen, arrived);
    bench_print_list("write_ns", took, arrived);
    free(error);
}

static void print_result(const struct play *play, const struct witness *witness)
{
    const char *why = play_void(play, witness);
    if (why == NULL && !play->finished)
        why = mp_stop_words(play->stop);
    printf("{\"method\":\"engine\",\"planned\":%" PRIu64 ",\"sent\":%" PRIu64
           ",\"skipped\":%" PRIu64 ",\"close\":%" PRIu64 ",\"void\":\"%s\"",
           play->shape.pulses, play->sent, play->skipped, play_close(play),
           why == NULL ? "" : why);
    printf(",\"fifo\":%s,\"spin\":%s,\"locked\":%s,\"dma\":%s",
           play->realtime.fifo ? "true" : "false", play->realtime.spin ? "true" : "false",
           play->realtime.locked ? "true" : "false", play->realtime.dma ? "true" : "false");
    printf(",\"cpu_ns\":%" PRId64 ",\"wall_ns\":%" PRId64, play->cpu_ns,
           play->ended_ns - play->start_ns + play->lead_in_ns);
    if (why == NULL)
        print_times(play, witness);
    printf("}\n");
}

int bench_onset(int argc, char **argv)
{
    struct shape shape = shape_of(bench_text(argc, argv, "shape", "train"),
                                  bench_number(argc, argv, "period-us", 1000) * MP_NS_PER_US,
                                  (uint64_t)bench_number(argc, argv, "pulses", 1000));
    struct play *play = play_prepare(&shape);
    struct witness witness;
    struct churn churn = {0};
    int ends[2];
    bench_must_sys(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    play->near_fd = ends[0];
    play->late = MP_LATE_SKIP;
    play->lead_in_ns = 50 * MP_NS_PER_MS;
    play->flight = bench_text(argc, argv, "flight", NULL);
    int64_t heap_mb = bench_number(argc, argv, "churn", 0);
    if (heap_mb > 0)
        churn_start(&churn, heap_mb);
    witness_start(&witness, ends[1], shape.pulses + 16);
    play_run(play);
    witness_join(&witness);
    if (heap_mb > 0)
        churn_stop(&churn);
    print_result(play, &witness);
    witness_free(&witness);
    return 0;
}
