/*
 * The guard: if its process is killed the safe frame goes out, once in all and at once; if
 * it is told that all is well, nothing does.
 */
#include "engine/flight.h"
#include "engine/guard.h"

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const char *record;            // of its wards; NULL: none
static const char twice[] = "XYZXYZ"; // behind a cut frame the first may be swallowed

struct ward {
    pid_t pid, guard;
    int say;  // to the ward: 'd' dismisses, 'a' is the alarm, '?' asks whether the guard lives
    int hear; // what it answers: 'y', 'n', or the word once it is done
};

/* In the child: a process with a port and its guard, which does what it is told. */
_Noreturn static void be_ward(int hear, int tell)
{
    struct mp_guard guard;
    struct mp_error err = {0};
    char word = 0;
    struct mp_flight *flight = NULL;
    (void)setpgid(0, 0);
    if (record != NULL)
        must(mp_flight_create(&flight, record, 10, &err), &err);
    must(mp_port_open(&rig.port, mp_pty_path(rig.pty), &no_wire, &err), &err);
    const struct mp_guarded port = {
        .fd = mp_port_fd(rig.port), .safe = safe_frame, .safe_length = 3};
    must(mp_guard_start(&guard, &port, 1, &err), &err);
    if (write(tell, &guard.pid, sizeof guard.pid) != sizeof guard.pid)
        _exit(1);
    while (read(hear, &word, 1) == 1) {
        if (word == 'd')
            mp_guard_dismiss(&guard);
        else if (word == 'a')
            mp_guard_alarm(&guard);
        else if (word == '?')
            word = mp_guard_alive(&guard) ? 'y' : 'n';
        if (write(tell, &word, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static struct ward begin_ward(void)
{
    struct ward ward = {0};
    struct mp_error err = {0};
    int to[2], from[2];
    rig.length = 0;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    CHECK_INT(pipe(to) | pipe(from), 0);
    (void)fflush(NULL); // a checked child writes out what it inherits
    ward.pid = fork();
    if (ward.pid == 0) {
        (void)close(to[1]);
        (void)close(from[0]);
        be_ward(to[0], from[1]);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    CHECK_INT(read(from[0], &ward.guard, sizeof ward.guard), sizeof ward.guard);
    ward.say = to[1];
    ward.hear = from[0];
    return ward;
}

static void end_ward(struct ward *ward)
{
    (void)close(ward->say);
    (void)close(ward->hear);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
}

/* An orphaned guard becomes our child: we are the reaper here. */
static bool guard_ends_well(pid_t guard)
{
    int status = -1;
    for (int64_t until = mp_clock_ns() + patience_ns; mp_clock_ns() < until;) {
        if (waitpid(guard, &status, WNOHANG) == guard)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        (void)rig_read(1);
    }
    return false;
}

static enum mp_status try_port(void)
{
    enum mp_status status = mp_port_open(&rig.port, mp_pty_path(rig.pty), &no_wire, NULL);
    if (status == MP_OK)
        mp_port_close(rig.port);
    rig.port = NULL;
    return status;
}

/* Two descriptors: the port and the pipe. Valgrind keeps files of its own open, above the limit
 * that it lets be seen. */
static bool holds_two(pid_t guard)
{
    struct rlimit limit = {0};
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    char folder[64], path[384], target[128];
    bool port = false, pipe_ = false;
    int count = 0;
    (void)snprintf(folder, sizeof folder, "/proc/%d/fd", (int)guard);
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0 || strtoul(entry->d_name, NULL, 10) >= limit.rlim_cur)
            continue; // "." and ".."
        target[length] = '\0';
        count++;
        port = port || strcmp(target, mp_pty_path(rig.pty)) == 0;
        pipe_ = pipe_ || strncmp(target, "pipe:", 5) == 0;
    }
    if (entries != NULL)
        (void)closedir(entries);
    return count == 2 && port && pipe_;
}

static void holds_nothing_but_the_port_and_the_pipe(pid_t guard)
{
    int64_t until = mp_clock_ns() + patience_ns; // it has just been forked
    while (!holds_two(guard) && mp_clock_ns() < until)
        (void)poll(NULL, 0, 1);
    CHECK(holds_two(guard));
}

static int64_t killed_process_is_made_safe(void)
{
    struct ward ward = begin_ward();
    holds_nothing_but_the_port_and_the_pipe(ward.guard);
    CHECK_INT(try_port(), MP_EBUSY);
    int64_t killed_ns = mp_clock_ns();
    CHECK_INT(kill(ward.pid, SIGKILL), 0);
    while (rig.length < 3 && mp_clock_ns() < killed_ns + patience_ns)
        (void)rig_read(10);
    int64_t took_ns = mp_clock_ns() - killed_ns;
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    CHECK(guard_ends_well(ward.guard));
    rig_wire_is((const unsigned char *)twice, 6);
    CHECK_INT(try_port(), MP_OK); // nobody holds it any more
    end_ward(&ward);
    return took_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void killed_processes_are_made_safe(void)
{
    enum { MOST = 100 };
    int64_t took_ns[MOST];
    size_t rounds = is_quick() || CHECKED_BUILD ? 5 : is_long() ? MOST : 20;
    for (size_t i = 0; i < rounds; i++)
        took_ns[i] = killed_process_is_made_safe();
    qsort(took_ns, rounds, sizeof took_ns[0], compare);
    printf("from SIGKILL to the first safe frame: median %.3f ms, longest %.3f ms of %zu\n",
           (double)took_ns[rounds / 2] / 1e6, (double)took_ns[rounds - 1] / 1e6, rounds);
}

static void a_dismissed_guard_is_silent(void)
{
    struct ward ward = begin_ward();
    char word = 'd';
    CHECK_INT(write(ward.say, &word, 1), 1);
    (void)close(ward.say); // the ward ends of itself, having waited for its guard
    ward.say = -1;
    int status = -1;
    CHECK_INT(waitpid(ward.pid, &status, 0), ward.pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(kill(ward.guard, 0), -1);
    CHECK_INT(errno, ESRCH);
    rig_wire_is((const unsigned char *)"", 0);
    CHECK_INT(try_port(), MP_OK);
    end_ward(&ward);
}

/* A process that ends without a word, even with exit(0), was not seen to make safe. */
static void an_exit_without_a_word_is_an_alarm(void)
{
    struct ward ward = begin_ward();
    (void)close(ward.say);
    ward.say = -1;
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    CHECK(guard_ends_well(ward.guard));
    rig_wire_is((const unsigned char *)twice, 6);
    end_ward(&ward);
}

/* Ctrl-C reaches the whole foreground group; the guard outlives it, whoever sends it. */
static void signals_do_not_end_it(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGTSTP};
    struct ward ward = begin_ward();
    holds_nothing_but_the_port_and_the_pipe(ward.guard);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_INT(kill(ward.guard, numbers[i]), 0); // harder than the group's: it has left it
        (void)rig_read(2);
        CHECK_INT(waitpid(ward.guard, NULL, WNOHANG), -1); // not ours yet: its parent lives
        CHECK_INT(kill(ward.guard, 0), 0);
    }
    CHECK_INT(rig.length, 0);
    CHECK(getpgid(ward.guard) != getpgid(ward.pid));
    CHECK_INT(kill(-ward.pid, SIGINT), 0); // ends the ward, which handles nothing
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    CHECK(guard_ends_well(ward.guard));
    rig_wire_is((const unsigned char *)twice, 6);
    end_ward(&ward);
}

/* The group's signals at the very instant of the fork: they are ignored from the start. */
static void signals_at_birth_do_not_end_it(void)
{
    for (int i = 0; i < 10; i++) {
        struct ward ward = begin_ward();
        CHECK_INT(kill(-ward.pid, i % 2 == 0 ? SIGINT : SIGHUP), 0);
        CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
        CHECK(guard_ends_well(ward.guard));
        rig_wire_is((const unsigned char *)twice, 6);
        end_ward(&ward);
    }
}

/* Nobody gets the port before the device is safe. */
static void the_port_stays_locked_until_it_is_safe(void)
{
    struct ward ward = begin_ward();
    holds_nothing_but_the_port_and_the_pipe(ward.guard);
    CHECK_INT(kill(ward.guard, SIGSTOP), 0);
    CHECK_INT(kill(ward.pid, SIGKILL), 0);
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    CHECK_INT(try_port(), MP_EBUSY);
    CHECK_INT(rig.length, 0);
    CHECK_INT(kill(ward.guard, SIGCONT), 0);
    CHECK(guard_ends_well(ward.guard));
    rig_wire_is((const unsigned char *)twice, 6);
    CHECK_INT(try_port(), MP_OK);
    end_ward(&ward);
}

/* A run that was killed can be recovered at once, however long its guard takes. */
static void a_record_is_free_when_its_process_has_gone(void)
{
    char path[] = "/tmp/test_guard.XXXXXX";
    struct mp_error err = {0};
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    (void)close(fd);
    record = path;
    struct ward ward = begin_ward();
    record = NULL;
    holds_nothing_but_the_port_and_the_pipe(ward.guard);
    struct mp_flight_reader *reader = NULL;
    CHECK_INT(mp_flight_open(&reader, path, NULL), MP_EBUSY);
    CHECK_INT(kill(ward.guard, SIGSTOP), 0);
    CHECK_INT(kill(ward.pid, SIGKILL), 0);
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    CHECK_INT(mp_flight_open(&reader, path, &err), MP_OK);
    CHECK_STR(err.text, "");
    mp_flight_reader_close(reader);
    CHECK_INT(kill(ward.guard, SIGCONT), 0);
    CHECK(guard_ends_well(ward.guard));
    end_ward(&ward);
    CHECK_INT(unlink(path), 0);
}

/* What the ward answers; the wire is read meanwhile. '-': nothing, in a long time. */
static char answer(const struct ward *ward, char word)
{
    struct pollfd room = {.fd = ward->hear, .events = POLLIN};
    CHECK_INT(write(ward->say, &word, 1), 1);
    for (int64_t until = mp_clock_ns() + patience_ns; mp_clock_ns() < until;) {
        if (poll(&room, 1, 0) > 0)
            return read(ward->hear, &word, 1) == 1 ? word : '-';
        (void)rig_read(1);
    }
    return '-';
}

/* SIGSTOP: it looks after nothing, and nobody waits for it. */
static void a_stopped_guard_is_no_guard(void)
{
    static const char ends[] = {'d', 'a'};
    for (size_t i = 0; i < sizeof ends; i++) {
        struct ward ward = begin_ward();
        holds_nothing_but_the_port_and_the_pipe(ward.guard);
        CHECK_INT(answer(&ward, '?'), 'y');
        CHECK_INT(kill(ward.guard, SIGSTOP), 0);
        char alive = 'y';
        for (int64_t until = mp_clock_ns() + patience_ns;
             alive == 'y' && mp_clock_ns() < until;)
            alive = answer(&ward, '?');
        CHECK_INT(alive, 'n');
        CHECK_INT(answer(&ward, ends[i]), ends[i]);
        for (int64_t until = mp_clock_ns() + patience_ns;
             kill(ward.guard, 0) == 0 && mp_clock_ns() < until;)
            (void)rig_read(10);
        CHECK_INT(kill(ward.guard, 0), -1); // gone, and its ward has seen it
        rig_wire_is((const unsigned char *)twice, ends[i] == 'a' ? 6 : 0);
        CHECK_INT(kill(ward.pid, SIGKILL), 0);
        CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
        CHECK_INT(try_port(), MP_OK);
        end_ward(&ward);
    }
}

/* No pipe to be had: arming must fail, with the reason. */
static void a_guard_that_cannot_start_is_an_error(void)
{
    struct rlimit before, none;
    struct mp_guard guard;
    struct mp_error err = {0};
    const struct mp_guarded port = {.fd = 0, .safe = safe_frame, .safe_length = 3};
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum mp_status status = mp_guard_start(&guard, &port, 1, &err);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(status, MP_EIO);
    CHECK_HAS(err.text, "the guard's pipe");
    CHECK_INT(guard.pid, 0);
    CHECK(!mp_guard_alive(&guard));
    mp_guard_dismiss(&guard);
    mp_guard_alarm(&guard);
}

static char waits_said[8];

static void say_waits(bool waits)
{
    strncat(waits_said, waits ? "w" : ".", sizeof waits_said - strlen(waits_said) - 1);
}

/* Who looks whether the loop turns is told while a guard is waited for, and that it is over. */
static void a_wait_for_it_is_told(void)
{
    struct mp_guard guard;
    struct mp_error err = {0};
    rig.length = 0;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    must(mp_port_open(&rig.port, mp_pty_path(rig.pty), &no_wire, &err), &err);
    const struct mp_guarded port = {
        .fd = mp_port_fd(rig.port), .safe = safe_frame, .safe_length = 3};
    mp_guard_on_wait(say_waits);
    must(mp_guard_start(&guard, &port, 1, &err), &err);
    waits_said[0] = '\0'; // whether it could wait for the start of one is its own affair
    mp_guard_dismiss(&guard);
    CHECK_STR(waits_said, "w.");
    mp_guard_dismiss(&guard); // there is none any more
    CHECK_STR(waits_said, "w.");
    mp_guard_on_wait(NULL);
    mp_port_close(rig.port);
    rig.port = NULL;
    mp_pty_close(rig.pty);
    rig.pty = NULL;
}

static void an_unplugged_port_ends_it(void)
{
    struct ward ward = begin_ward();
    holds_nothing_but_the_port_and_the_pipe(ward.guard);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    CHECK_INT(kill(ward.pid, SIGKILL), 0);
    CHECK_INT(waitpid(ward.pid, NULL, 0), ward.pid);
    int status = -1;
    CHECK_INT(waitpid(ward.guard, &status, 0), ward.guard);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end_ward(&ward);
}

static volatile sig_atomic_t how_it_ended;

static void note_end(int number, siginfo_t *about, void *context)
{
    (void)number, (void)context;
    how_it_ended = about->si_code;
}

/* A port that takes nothing more, and whose other side reads nothing. */
static int full_port(int *far)
{
    static const char filler[4096];
    int ends[2] = {-1, -1};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    while (write(ends[0], filler, sizeof filler) > 0)
        continue;
    *far = ends[1];
    return ends[0];
}

/* However many of its ports take nothing, it is let come to its end by itself, and another one
 * has its frame, twice. */
static void ports_that_take_nothing_do_not_have_it_killed(void)
{
    struct mp_guard guard;
    struct mp_error err = {0};
    struct mp_guarded ports[MP_GUARD_PORTS];
    int far[MP_GUARD_PORTS];
    const struct sigaction noted = {.sa_sigaction = note_end,
                                    .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction before;
    for (int i = 0; i < MP_GUARD_PORTS; i++)
        ports[i] =
            (struct mp_guarded){.fd = full_port(&far[i]), .safe = safe_frame, .safe_length = 3};
    char filler[4096], got[16];
    while (read(far[MP_GUARD_PORTS - 1], filler, sizeof filler) > 0)
        continue; // the last one takes something again
    CHECK_INT(sigaction(SIGCHLD, &noted, &before), 0);
    how_it_ended = 0;
    must(mp_guard_start(&guard, ports, MP_GUARD_PORTS, &err), &err);
    mp_guard_alarm(&guard);
    // the signal may go to another thread of this program, which the computer lets wait for its
    // turn
    for (int ms = 0; how_it_ended == 0 && ms < 5000; ms++)
        (void)poll(NULL, 0, 1);
    CHECK_INT(how_it_ended, CLD_EXITED);
    CHECK_INT(read(far[MP_GUARD_PORTS - 1], got, sizeof got), 6);
    CHECK(memcmp(got, safe_frame, 3) == 0 && memcmp(got + 3, safe_frame, 3) == 0);
    CHECK_INT(sigaction(SIGCHLD, &before, NULL), 0);
    for (int i = 0; i < MP_GUARD_PORTS; i++) {
        (void)close(ports[i].fd);
        (void)close(far[i]);
    }
}

static void refuses_wrong_frames(void)
{
    static const char bytes[300];
    static const size_t lengths[] = {0, 257, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct mp_guard guard;
        struct mp_error err = {0};
        const struct mp_guarded port = {.safe = bytes, .safe_length = lengths[i]};
        CHECK_INT(mp_guard_start(&guard, &port, 1, &err), MP_EINVAL);
        CHECK_HAS(err.text, "1 to 256 bytes");
        CHECK_INT(guard.pid, 0);
        mp_guard_dismiss(&guard); // none runs
    }
}

int main(void)
{
    enum { BOUND_S = 600 };
    (void)alarm(BOUND_S); // a guard that does not end must not hold up the others
    (void)signal(SIGINT,
                 SIG_DFL); // ignored behind & and under nohup: its wards are ended by them
    (void)signal(SIGHUP, SIG_DFL);
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL), 0);
    killed_processes_are_made_safe();
    a_dismissed_guard_is_silent();
    an_exit_without_a_word_is_an_alarm();
    signals_do_not_end_it();
    signals_at_birth_do_not_end_it();
    the_port_stays_locked_until_it_is_safe();
    a_record_is_free_when_its_process_has_gone();
    a_stopped_guard_is_no_guard();
    a_guard_that_cannot_start_is_an_error();
    a_wait_for_it_is_told();
    an_unplugged_port_ends_it();
    ports_that_take_nothing_do_not_have_it_killed();
    refuses_wrong_frames();
    return CHECK_DONE("test_guard");
}
