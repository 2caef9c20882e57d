/*
 * The backstop against a loop thread that is played by the test, each case in a process of its
 * own: who is interrupted and who is not, at which moments, and how the process is ended. Its
 * thread is held where a phase could change behind its back: its poll() is ours.
 */
#include "bindings/backstop.h"

#include "engine/clock.h"

#include "tests/bindings/backstop_rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOKS = 12 }; // silent for 0.6 s, at most 1.2 s: pressed, not ended
static const int64_t patience_ns = INT64_C(60) * MP_NS_PER_S;
static const int64_t turn_ns = 40 * MP_NS_PER_MS; // computed between two looks

static _Atomic int looks;   // of its thread, at standard output
static _Atomic int hold_at; // the look at which it is held; 0: none
static _Atomic bool held, released, tidying;
static pthread_t loop_thread;

static void rest(int ms)
{
    int64_t end_ns = mp_clock_ns() + ms * MP_NS_PER_MS;
    while (mp_clock_ns() < end_ns) // whatever signals come
        (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = MP_NS_PER_MS}, NULL);
}

/* The loop thread's: it is the process's first. */
static int64_t computed_ns(void)
{
    clockid_t clock;
    struct timespec time = {0};
    if (pthread_getcpuclockid(loop_thread, &clock) == 0)
        (void)clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * MP_NS_PER_S + time.tv_nsec;
}

/* Does it sleep, and does not wait for a processor? */
static bool sleeps(void)
{
    char path[64], text[256] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    (void)fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    const char *after_name = strrchr(text, ')');
    return after_name != NULL && after_name[1] == ' ' && after_name[2] == 'S';
}

/*
 * The watching thread goes by the time that has passed since it looked last. On a busy computer
 * that is not what the loop thread has had of it: a look comes when that has computed for as
 * long as on an idle one, or sleeps.
 */
static void let_the_loop_thread_have_its_turn(void)
{
    static int64_t last_ns;
    for (int64_t end_ns = mp_clock_ns() + patience_ns;
         computed_ns() - last_ns < turn_ns && !sleeps() && mp_clock_ns() < end_ns;)
        rest(1);
    last_ns = computed_ns();
}

static void hold_if_asked(void)
{
    if (atomic_fetch_add(&looks, 1) + 1 != atomic_load(&hold_at))
        return;
    atomic_store(&held, true);
    while (!atomic_load(&released))
        rest(1);
}

/* Everybody's, the library's too. */
int poll(struct pollfd *fds, nfds_t count, int ms)
{
    const struct pollfd *volatile first = fds; // declared as written only: it is read here
    struct timespec time = {ms / 1000, ms % 1000 * MP_NS_PER_MS};
    if (count == 1 && first->fd == STDOUT_FILENO && first->events == POLLOUT) {
        let_the_loop_thread_have_its_turn();
        hold_if_asked();
    }
    return ppoll(fds, count, ms < 0 ? NULL : &time, NULL);
}

static void await(_Atomic bool *what)
{
    for (int64_t end_ns = mp_clock_ns() + patience_ns; !atomic_load(what); rest(1))
        if (mp_clock_ns() > end_ns)
            _exit(GIVEN_UP);
}

/* So many more looks, which the loop thread spends asleep. */
static void await_looks(int more, bool turning)
{
    int64_t end_ns = mp_clock_ns() + patience_ns;
    for (int last = atomic_load(&looks) + more; atomic_load(&looks) < last; rest(5)) {
        if (turning)
            mp_backstop_turned();
        if (mp_clock_ns() > end_ns)
            _exit(GIVEN_UP);
    }
}

static bool loops_for_ever(lua_State *L)
{
    return run_as(L, "=script", "core.interruptible(true) while true do end");
}

/* ---- the cases: each returns what the process ends with ---- */

static int a_turn_ends_an_interruption(lua_State *L)
{
    lua(L, "core.phase 'run' core.stop_began 'signal'");
    if (loops_for_ever(L))
        return 1;
    await_looks(3, true);
    return goes_on(L) ? 0 : 2;
}

static int who_is_held_up_after_the_end_is_not_interrupted(lua_State *L)
{
    lua(L, "core.phase 'run'");
    mp_backstop_stopped(MP_STOP_FINISHED);
    await_looks(LOOKS, false);
    return goes_on(L) ? 0 : 1;
}

static int nor_is_who_asks_the_device(lua_State *L)
{
    lua(L, "core.phase 'run' core.phase 'script' core.stop_began 'signal' core.asks(true)");
    await_looks(LOOKS, false);
    if (!goes_on(L))
        return 1;
    mp_backstop_turned();
    if (loops_for_ever(L)) // a driver that does is
        return 2;
    lua(L, "core.asks(false, true)");
    return goes_on(L) ? 0 : 3;
}

static int an_interruption_is_of_its_phase(lua_State *L)
{
    atomic_store(&hold_at, LOOKS);
    lua(L, "core.phase 'run' core.phase 'script' core.stop_began 'signal'");
    await(&held); // it has seen the script
    lua(L, "core.phase 'closing'");
    atomic_store(&released, true);
    await_looks(2, false);
    return goes_on(L) ? 0 : 1;
}

static void begin_to_tidy(void)
{
    atomic_store(&tidying, true);
    rest(300);
}

/* Nobody says of what was never armed that it was told something, or that a record is there. */
static int what_was_never_armed_was_told_nothing(lua_State *L)
{
    lua(L, "core.phase('run', '/a/run') core.phase 'script' core.stop_began 'signal'");
    rest(60000);
    return 1;
}

/* The record is not closed by halves: who is being ended does not begin with it. */
static int what_is_being_ended_goes_on_with_nothing(lua_State *L)
{
    mp_backstop_at_end(begin_to_tidy);
    lua(L, "core.phase('run', '/a/run') core.phase 'script'");
    mp_backstop_armed();
    lua(L, "core.stop_began 'signal'");
    await(&tidying);
    lua(L, "core.phase 'closing'");
    (void)fputs("it goes on\n", stderr);
    rest(2000);
    return 1;
}

static int a_second_run_has_nothing_of_the_first(lua_State *L)
{
    lua(L, "core.phase('run', '/a/first') core.stop_began 'device' core.phase 'closing'");
    mp_backstop_unsafe();
    lua(L, "core.phase 'run' core.phase('run', '/a/second') core.phase 'script'");
    mp_backstop_armed();
    rest(2500); // without a stop of its own
    lua(L, "core.stop_began 'key'");
    rest(60000);
    return 1;
}

static int signal_again_and_again(lua_State *L, const char *phases)
{
    int64_t begun_ns = mp_clock_ns();
    lua(L, phases);
    while (mp_clock_ns() < begun_ns + patience_ns) {
        (void)raise(SIGINT);
        rest(20);
        if (mp_clock_ns() < begun_ns + 2000 * MP_NS_PER_MS)
            (void)fputs(".", stderr);
    }
    return 1;
}

static int a_third_signal_ends_a_closing_that_takes_long(lua_State *L)
{
    return signal_again_and_again(
        L, "core.on_signal(print) core.phase('run', '/a/run') core.phase 'closing'");
}

static int also_of_its_report(lua_State *L)
{
    return signal_again_and_again(L, "core.on_signal(print) core.phase('run', '/a/run') "
                                     "core.phase 'closed' core.phase 'closing'");
}

static const struct {
    const char *name;
    int (*body)(lua_State *L);
    int status;
    const char *says, *never_says;
} cases[] = {
    {"turn", a_turn_ends_an_interruption, 0, "", "moonpulse"},
    {"held up", who_is_held_up_after_the_end_is_not_interrupted, 0, "", "moonpulse"},
    {"asks", nor_is_who_asks_the_device, 0, "", "moonpulse"},
    {"phase", an_interruption_is_of_its_phase, 0, "", "moonpulse"},
    {"ended", what_is_being_ended_goes_on_with_nothing, 5,
     "the record is not closed: moonpulse recover /a/run", "it goes on"},
    {"never armed", what_was_never_armed_was_told_nothing, 5,
     "nothing was armed, and no pulse was sent; there is no record", "told to be safe"},
    {"second", a_second_run_has_nothing_of_the_first, 5,
     "the record is not closed: moonpulse recover /a/second", "NOT CONFIRMED"},
    {"third", a_third_signal_ends_a_closing_that_takes_long, 5,
     "ended by a third signal; the record is not closed", "is closed"},
    {"report", also_of_its_report, 5, "ended by a third signal; the record is closed",
     "not closed"},
};

_Noreturn static void be_case(size_t i, int to)
{
    loop_thread = pthread_self();
    _exit(cases[i].body(become_case(to)));
}

static void check_case(size_t i)
{
    const int before = check_failed;
    char text[4096];
    const int64_t begun_ns = mp_clock_ns();
    const int status = status_of_case(be_case, i, text, sizeof text);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), cases[i].status);
    CHECK_HAS(text, cases[i].says);
    CHECK(strstr(text, cases[i].never_says) == NULL);
    if (strstr(cases[i].says, "third") !=
        NULL) { // those of the first two seconds change nothing
        CHECK(mp_clock_ns() - begun_ns > 2000 * MP_NS_PER_MS);
        CHECK_HAS(text, "two more signals end the program");
        CHECK_HAS(text, "one more signal");
    }
    if (check_failed != before)
        (void)fprintf(stderr, "%s: %s\n", cases[i].name, text);
}

int main(void)
{
    (void)alarm(1200); // of hangs alone
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(i);
    return CHECK_DONE("test_backstop");
}
