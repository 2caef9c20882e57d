/*
 * The backstop look by look, in a time of the test's own: its clock, its thread's looks, the
 * loop thread's processor time and the signals that it sends are ours. So each bound is held to
 * the look, whatever else the machine does, and each sentence of an end to the letter. Each
 * case is a process.
 */
#include "bindings/armed.h"
#include "bindings/backstop.h"

#include "engine/clock.h"

#include "tests/bindings/backstop_rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_MS = 50, SECOND = 1000 / LOOK_MS }; // SECOND: looks

static pthread_t loop;
static pid_t loop_id;
static _Atomic int64_t now_ns = 1000 * MP_NS_PER_S; // everybody's monotonic clock
static _Atomic int64_t computed_ns;                 // by the loop thread
static _Atomic int64_t look_ns = LOOK_MS * MP_NS_PER_MS;
static _Atomic int granted, begun; // looks
static _Atomic int breaks;         // signals that the loop thread was sent

int clock_gettime(clockid_t id, struct timespec *time)
{
    int64_t ns = id == CLOCK_MONOTONIC ? atomic_load(&now_ns) : atomic_load(&computed_ns);
    if (id == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, id, time);
    *time = mp_clock_timespec(ns);
    return 0;
}

int pthread_kill(pthread_t thread, int number)
{
    (void)thread; // always the loop's
    (void)atomic_fetch_add(&breaks, 1);
    return (int)syscall(SYS_tgkill, getpid(), loop_id, number);
}

static void rest(void)
{
    (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = MP_NS_PER_MS / 10}, NULL);
}

/* The backstop's thread waits for a look that it is granted, and time goes on by one. */
int poll(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * MP_NS_PER_MS};
    if (count > 0 || pthread_equal(pthread_self(), loop))
        return ppoll(fds, count, ms < 0 ? NULL : &time, NULL);
    if (ms != LOOK_MS) { // of an end, for the safe frame
        (void)atomic_fetch_add(&now_ns, ms * MP_NS_PER_MS);
        return 0;
    }
    (void)atomic_fetch_add(&begun, 1);
    while (atomic_load(&granted) < atomic_load(&begun))
        rest();
    (void)atomic_fetch_add(&now_ns, atomic_load(&look_ns));
    return 0;
}

/* So many looks, each to its end. */
static void look(int times)
{
    while (atomic_load(&begun) == 0) // its thread starts
        rest();
    for (int i = 0; i < times; i++) {
        int next = atomic_fetch_add(&granted, 1) + 2;
        while (atomic_load(&begun) < next)
            rest();
    }
}

/* So many, the loop turning before each. */
static void look_turning(int times)
{
    for (int i = 0; i < times; i++) {
        mp_backstop_turned();
        look(1);
    }
}

/* ---- the cases: each returns what the process ends with ---- */

/* 1.7 s of silence end it, and no look sooner; the stop is one of those that come from C. */
static int who_is_silent_is_ended(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run')");
    mp_backstop_armed();
    look(4 * SECOND); // without a stop nobody is
    mp_backstop_stopped(MP_STOP_SIGNAL);
    mp_backstop_turned();
    look(34);
    (void)fputs("until then", stderr);
    look(1);
    return 1;
}

/* A signal of moonpulse ctl is told as what it is. */
static int who_was_asked_by_a_program_is_ended(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.on_signal(print)");
    mp_backstop_armed();
    (void)sigqueue(getpid(), SIGTERM, (union sigval){.sival_int = MP_ASKED_TO_STOP});
    mp_backstop_turned();
    look(35);
    return 1;
}

/* A script may go on after a stop that it asked for. */
static int who_asked_for_the_stop_goes_on(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script'");
    mp_backstop_stopped(MP_STOP_REQUESTED);
    look(4 * SECOND);
    return atomic_load(&breaks) == 0 && goes_on(L) ? 0 : 1;
}

/* Reads of a loop that turns are not broken off, those of one that does not are after 0.3 s. */
static int who_turns_is_left_alone(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.stop_began 'signal'");
    look_turning(10 * SECOND);
    if (atomic_load(&breaks) != 0 || !goes_on(L))
        return 1;
    look(5);
    if (atomic_load(&breaks) != 0)
        return 2;
    look(2);
    if (atomic_load(&breaks) == 0 || !goes_on(L)) // it was held up: it did not compute
        return 3;
    (void)atomic_fetch_add(&computed_ns, 250 * MP_NS_PER_MS);
    look(1);
    return goes_on(L) ? 4 : 0;
}

/* A script that turns the loop and goes on is interrupted after 1 s, and ended after 1.7 s. */
static int who_goes_on_is_interrupted(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script' core.stop_began 'signal'");
    look_turning(SECOND - 1);
    if (atomic_load(&breaks) != 0 || !goes_on(L))
        return 1;
    look_turning(1);
    if (atomic_load(&breaks) == 0 || goes_on(L))
        return 2;
    look_turning(13);
    (void)fputs("until then", stderr);
    look_turning(1);
    return 3;
}

/* While the device is asked, whatever the phase says meanwhile; not beyond the end of a run. */
static int asking_outlives_a_phase_not_a_run(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script' core.stop_began 'signal' "
           "core.asks(true) core.phase 'run' core.phase 'script'");
    look(8);
    if (!goes_on(L))
        return 1;
    lua(L, "core.phase 'closing' core.phase('run', '/a/next') core.phase 'script' "
           "core.stop_began 'signal'");
    look(8);
    return goes_on(L) ? 2 : 0;
}

static int suspended_it_is_not_silent(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script' core.stop_began 'signal'");
    look(1);
    atomic_store(&look_ns, 3600 * MP_NS_PER_S); // each counts as 0.1 s
    look(2);
    return atomic_load(&breaks) == 0 && goes_on(L) ? 0 : 1;
}

/* Ended with so much said and done before. */
static int ended_after(lua_State *L, const char *code)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script'");
    mp_backstop_armed();
    lua(L, code);
    look(2 * SECOND);
    return 1;
}

static int ended_not_asked(lua_State *L)
{
    return ended_after(L, "core.stop_began 'signal'");
}

static int ended_while_asking(lua_State *L)
{
    return ended_after(L, "core.stop_began 'signal' core.asks(true)");
}

static int ended_disarmed(lua_State *L)
{
    return ended_after(L, "core.stop_began 'signal' core.asks(true) core.asks(false, true)");
}

static int ended_not_disarmed(lua_State *L)
{
    return ended_after(L, "core.stop_began 'signal' core.asks(true) core.asks(false, false)");
}

static int ended_by_a_disk(lua_State *L)
{
    return ended_after(L, "core.disk 'events.tsv' core.stop_began 'signal'");
}

static int stuck_at_a_disk(lua_State *L)
{
    return ended_after(L, "core.disk 'events.tsv' core.stop_began 'stuck'");
}

/* Signals that come again and again while the record is closed: the third after 2 s ends it. */
static int the_third_signal_ends_a_closing(lua_State *L)
{
    lua(L, "core.on_signal(print) core.phase('run', '/a/run') core.phase 'closing'");
    for (int i = 0; i < 5; i++) { // too early to count, whatever their number
        (void)raise(SIGINT);
        look(8);
    }
    for (int i = 0; i < 3; i++) {
        (void)fprintf(stderr, "[%d]", i);
        (void)raise(SIGINT);
        look(8);
    }
    return 1;
}

/* ... and nothing else of theirs: not the end of who does not hear, which is without a run. */
static int a_signal_of_a_run_is_the_backstops(lua_State *L)
{
    lua(L, "core.on_signal(print)");
    if (mp_backstop_on())
        return 1;
    lua(L, "core.phase('run', '/a/run')");
    if (!mp_backstop_on())
        return 2;
    lua(L, "core.phase 'closing'");
    (void)raise(SIGINT);
    look(4 * SECOND);
    (void)raise(SIGINT);
    look(1);
    return 0;
}

/* Of two signals the loop is told the first, with its own reason; then of the next. */
static int the_first_signal_is_told_whole(lua_State *L)
{
    lua(L, "core.on_signal(print)");
    (void)sigqueue(getpid(), SIGTERM, (union sigval){.sival_int = MP_ASKED_TO_STOP});
    (void)raise(SIGINT);
    struct mp_signal pending = mp_signal_pending(), first = mp_signal_take();
    if (pending.number != SIGTERM || pending.reason != MP_STOP_PROGRAM)
        return 1;
    if (first.number != SIGTERM || first.reason != MP_STOP_PROGRAM)
        return 2;
    if (mp_signal_take().number != 0)
        return 3;
    (void)raise(SIGINT);
    (void)sigqueue(getpid(), SIGTERM, (union sigval){.sival_int = MP_ASKED_TO_STOP});
    first = mp_signal_take();
    return first.number == SIGINT && first.reason == MP_STOP_SIGNAL ? 0 : 4;
}

/* Without a run: the code that runs is interrupted after 1 s, and the process ends after 3. */
static int who_does_not_hear_is_ended(lua_State *L)
{
    lua(L, "core.on_signal(print)");
    (void)raise(SIGINT);
    (void)atomic_fetch_add(&now_ns, 1100 * MP_NS_PER_MS);
    (void)raise(SIGINT); // nothing runs
    if (!goes_on(L))
        return 1;
    (void)mp_signal_running(L);
    (void)raise(SIGINT);
    if (goes_on(L))
        return 2;
    (void)mp_signal_running(NULL);
    (void)atomic_fetch_add(&now_ns, 2 * MP_NS_PER_S);
    (void)raise(SIGINT);
    return 3;
}

/* core.on_signal(nil): as if nobody had ever listened. */
static int who_listens_no_more_is_ended(lua_State *L)
{
    lua(L, "core.on_signal(print) core.on_signal(nil)");
    (void)raise(SIGINT);
    return 1;
}

/* Nobody else sees a script in virtual time that does not yield: 5 s, of which it computed 2.5.
 */
static int in_virtual_time_who_computes_is_stuck(lua_State *L)
{
    mp_backstop_virtual(true);
    lua(L, "core.phase('run', '/a/run') core.phase 'script'");
    look(2); // from the first on it is silent
    (void)atomic_fetch_add(&computed_ns, 2500 * MP_NS_PER_MS);
    look(5 * SECOND - 2);
    if (!goes_on(L))
        return 1;
    look(1); // stuck from here on
    look(7);
    return goes_on(L) ? 2 : 0;
}

/* One that sleeps is only after 30 s. */
static int in_virtual_time_who_sleeps_is_stuck_late(lua_State *L)
{
    mp_backstop_virtual(true);
    lua(L, "core.phase('run', '/a/run') core.phase 'script'");
    look(1 + 30 * SECOND - 1);
    if (!goes_on(L) || atomic_load(&breaks) != 0)
        return 1;
    look(1 + 7); // a stop, and 0.3 s of silence
    return atomic_load(&breaks) == 1 && !goes_on(L) ? 0 : 2;
}

#define NOT_ENDED ", but the program did not come to its end and was ended; "
#define RECOVER "the record is not closed: moonpulse recover /a/run\n"
#define SIGNAL_WORDS "\nmoonpulse: stopped by a signal"
#define DISK                                                                                   \
    "the disk hangs, it does not take /a/run/events.tsv: write to another one with --out DIR"
#define UNASKED "the stimulator was told to be safe, but not asked; "
#define TAKES_TIME                                                                             \
    "; the record is still being written, and the disk takes its time: wait, or end it with "  \
    "three signals\n"

static const struct {
    const char *name;
    int (*body)(lua_State *L);
    int status; // below zero: of the signal that ended it
    const char *says;
} cases[] = {
    {"silent", who_is_silent_is_ended, 5, "until then" SIGNAL_WORDS NOT_ENDED UNASKED RECOVER},
    {"program", who_was_asked_by_a_program_is_ended, 5,
     "\nmoonpulse: stopped by another program" NOT_ENDED UNASKED RECOVER},
    {"asked for", who_asked_for_the_stop_goes_on, 0, ""},
    {"turns", who_turns_is_left_alone, 0, ""},
    {"goes on", who_goes_on_is_interrupted, 5,
     "until then" SIGNAL_WORDS NOT_ENDED
     "nothing was armed, and no pulse was sent; there is no record\n"},
    {"asks", asking_outlives_a_phase_not_a_run, 0, ""},
    {"suspended", suspended_it_is_not_silent, 0, ""},
    {"not asked", ended_not_asked, 5, SIGNAL_WORDS NOT_ENDED UNASKED RECOVER},
    {"asking", ended_while_asking, 5, SIGNAL_WORDS NOT_ENDED UNASKED RECOVER},
    {"disarmed", ended_disarmed, 5, SIGNAL_WORDS NOT_ENDED RECOVER},
    {"not disarmed", ended_not_disarmed, 4,
     "\nmoonpulse: NOT CONFIRMED SAFE: switch the stimulator off at its panel; stopped by a "
     "signal" NOT_ENDED RECOVER},
    {"disk", ended_by_a_disk, 5, SIGNAL_WORDS "; " DISK NOT_ENDED UNASKED RECOVER},
    {"stuck disk", stuck_at_a_disk, 5, "\nmoonpulse: " DISK NOT_ENDED UNASKED RECOVER},
    {"third", the_third_signal_ends_a_closing, 5,
     SIGNAL_WORDS TAKES_TIME
     "[0]\nmoonpulse: the record and its report are being written; two more signals end the "
     "program all the same\n[1]\nmoonpulse: one more signal ends the program\n[2]\nmoonpulse: "
     "ended by a third signal; the record is not closed, and without a flight record it cannot "
     "be recovered: /a/run\n"},
    {"of a run", a_signal_of_a_run_is_the_backstops, 0,
     SIGNAL_WORDS TAKES_TIME
     "\nmoonpulse: the record and its report are being written; two more signals end the "
     "program all the same\n"},
    {"first", the_first_signal_is_told_whole, 0, ""},
    {"deaf", who_does_not_hear_is_ended, -SIGINT, ""},
    {"no more", who_listens_no_more_is_ended, -SIGINT, ""},
    {"virtual", in_virtual_time_who_computes_is_stuck, 0, ""},
    {"asleep", in_virtual_time_who_sleeps_is_stuck_late, 0, ""},
};

_Noreturn static void be_case(size_t i, int to)
{
    (void)alarm(20);
    loop = pthread_self();
    loop_id = getpid();
    _exit(cases[i].body(become_case(to)));
}

static void check_case(size_t i)
{
    const int before = check_failed;
    char text[4096];
    const int status = status_of_case(be_case, i, text, sizeof text);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), cases[i].status);
    CHECK_STR(text, cases[i].says);
    if (check_failed != before)
        (void)fprintf(stderr, "in the case \"%s\"\n", cases[i].name);
}

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(i);
    return CHECK_DONE("test_backstop_words");
}
