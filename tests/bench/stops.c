/*
 * stops.c - bench stops: a process that plays is stopped for half a second at a random
 * moment, as a debugger, a suspended machine or a frozen virtual machine would stop it.
 *
 * Its parent is the witness and was never stopped. Half the rounds leave late pulses out,
 * half abort; either way no two pulses may be closer than the declared minimum.
 */
#include "tests/bench/bench.h"
#include "tests/bench/play.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PULSES = 48, PERIOD_MS = 20, STOP_MS = 500 };

static void sleep_ns(int64_t ns)
{
    struct timespec at = mp_clock_timespec(mp_clock_ns() + ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        continue;
}

struct round {
    struct play *play;
    struct witness witness;
    int64_t continued_ns;
    const char *why; // void
};

static pid_t play_in_child(struct play *play, int far_fd)
{
    pid_t parent = getpid(), child = fork();
    bench_must_sys(child >= 0, "fork");
    if (child > 0)
        return child;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)close(far_fd);
    if (getppid() == parent)
        play_run(play);
    _exit(0);
}

static void run_round(struct round *round, enum mp_late late, uint64_t seed, uint64_t number)
{
    struct shape shape = shape_of("train", PERIOD_MS * MP_NS_PER_MS, PULSES);
    struct play *play = round->play = play_prepare(&shape);
    int ends[2];
    bench_must_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    play->near_fd = ends[0];
    play->late = late;
    play->lead_in_ns = 100 * MP_NS_PER_MS;
    pid_t child = play_in_child(play, ends[1]);
    (void)close(ends[0]);
    witness_start(&round->witness, ends[1], PULSES + 16);
    // to the nanosecond, so that now and then a stop falls between a check and a write
    sleep_ns(150 * MP_NS_PER_MS +
             (int64_t)mp_schedule_draw(seed, number, 300 * (uint64_t)MP_NS_PER_MS));
    bench_must_sys(kill(child, SIGSTOP) == 0, "SIGSTOP");
    sleep_ns(STOP_MS * MP_NS_PER_MS);
    round->continued_ns = mp_clock_ns();
    bench_must_sys(kill(child, SIGCONT) == 0, "SIGCONT");
    int status = 0;
    bench_must_sys(waitpid(child, &status, 0) == child, "waitpid");
    witness_join(&round->witness);
    round->why = status == 0 ? play_void(play, &round->witness) : "the playing process failed";
    witness_free(&round->witness);
}

int bench_stops(int argc, char **argv)
{
    uint64_t rounds = (uint64_t)bench_number(argc, argv, "rounds", 4);
    uint64_t seed = (uint64_t)bench_number(argc, argv, "seed", 1);
    (void)bench_fifo(60); // its own stamps are part of G10
    printf("{\"stop_ms\":%d,\"rounds\":[", STOP_MS);
    for (uint64_t i = 0; i < rounds; i++) {
        struct round round = {0};
        run_round(&round, i % 2 == 0 ? MP_LATE_SKIP : MP_LATE_ABORT, seed, i);
        const struct play *play = round.play;
        bool aborted = play->stop != MP_STOP_NONE && play->stop != MP_STOP_FINISHED;
        printf("%s{\"late\":\"%s\",\"sent\":%" PRIu64 ",\"skipped\":%" PRIu64
               ",\"close\":%" PRIu64 ",\"stop\":\"%s\",\"noticed_ns\":%" PRId64
               ",\"void\":\"%s\"}",
               i == 0 ? "" : ",", i % 2 == 0 ? "skip" : "abort", play->sent, play->skipped,
               play_close(play), mp_stop_words(play->stop),
               aborted ? play->stopped_ns - round.continued_ns : -1,
               round.why == NULL ? "" : round.why);
    }
    printf("]}\n");
    return 0;
}
