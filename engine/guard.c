#include "engine/guard.h"

#include "engine/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { SAFE_MAX = 256, WRITE_TRIES = 400, DRAIN_TRIES = 200 };
// making safe takes it so many waits of 1 ms at most, however many ports there are, which the
// system makes a little longer: 0.8 s
static const int64_t patience_ns = 1300 * MP_NS_PER_MS;
static const int64_t killed_ns =
    200 * MP_NS_PER_MS; // one that was killed is the kernel's to end
static void (*on_wait)(bool);

static void ignore_terminal_signals(void)
{
    static const int numbers[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGTSTP, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaction(numbers[i], &ignore, NULL);
}

/* What the child keeps: nothing of the parent's memory may be looked at after the fork. */
struct ward {
    int fd;
    bool lines, pins;
    size_t length;
    unsigned char safe[SAFE_MAX];
    size_t done; // of two of them
};

/* Everything but these, in rising order: a guard must not keep the simulator's pipe or a log
 * open.
 */
static void close_others(const int *kept, size_t count)
{
    unsigned next = 0;
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)kept[i] > next)
            (void)syscall(SYS_close_range, next, (unsigned)kept[i] - 1U, 0U);
        next = (unsigned)kept[i] + 1U;
    }
    (void)syscall(SYS_close_range, next, ~0U, 0U);
}

static void close_all_but(const struct ward *wards, size_t count, int pipe_fd)
{
    int kept[MP_GUARD_PORTS + 1] = {pipe_fd};
    for (size_t i = 0; i < count; i++) {
        size_t at = i + 1;
        for (; at > 0 && kept[at - 1] > wards[i].fd; at--)
            kept[at] = kept[at - 1];
        kept[at] = wards[i].fd;
    }
    close_others(kept, count + 1);
}

/* A port without lines refuses; that is no harm. */
static void drop_lines(int fd)
{
    const int both = TIOCM_RTS | TIOCM_DTR;
    (void)ioctl(fd, TIOCMBIC, &both);
    (void)ioctl(fd, TIOCCBRK);
}

/* As much of the safe frame, twice (a cut frame would swallow the first), as the port takes;
 * true: all of it, or the port is lost and nothing more can be done. */
static bool write_safe(struct ward *ward)
{
    while (ward->done < 2 * ward->length) {
        size_t at = ward->done % ward->length;
        ssize_t wrote = write(ward->fd, ward->safe + at, ward->length - at);
        if (wrote > 0)
            ward->done += (size_t)wrote;
        else
            return wrote < 0 && errno != EAGAIN && errno != EINTR;
    }
    return true;
}

/* All of them side by side: one that takes nothing must not keep the others waiting. */
static void write_all_safe(struct ward *wards, size_t count)
{
    struct pollfd room[MP_GUARD_PORTS];
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        // what the kernel still holds would fire after the safe frame was thought to be last
        if (wards[i].length > 0)
            (void)tcflush(wards[i].fd, TCOFLUSH);
        room[i] = (struct pollfd){.fd = wards[i].fd, .events = POLLOUT};
    }
    for (int tries = 0; left > 0 && tries < WRITE_TRIES; tries++) {
        if (tries > 0)
            (void)poll(room, (nfds_t)count, 1);
        for (size_t i = 0; i < count; i++)
            if (room[i].fd >= 0 && write_safe(&wards[i])) {
                room[i].fd = -1;
                left--;
            }
    }
}

/* Closing the last descriptor of a port may drop what it has not sent yet. */
static void drain_all(const struct ward *wards, size_t count)
{
    for (int tries = 0; tries < DRAIN_TRIES; tries++) {
        bool all = true;
        for (size_t i = 0; i < count; i++) {
            int waiting = 0;
            if (wards[i].length > 0 && ioctl(wards[i].fd, TIOCOUTQ, &waiting) == 0)
                all = all && waiting == 0;
        }
        if (all)
            return;
        (void)poll(NULL, 0, 1);
    }
}

/* The guard's whole life; only calls that are safe in the child of a threaded process. */
_Noreturn static void guard_main(struct ward *wards, size_t count, int pipe_fd)
{
    (void)setsid();
    ignore_terminal_signals();
    (void)prctl(PR_SET_NAME, "moonpulse-guard", 0UL, 0UL, 0UL);
    close_all_but(wards, count, pipe_fd);
    const unsigned char zero = 0;
    char word = 0;
    ssize_t got;
    do
        got = read(pipe_fd, &word, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        _exit(0);
    for (size_t i = 0; i < count; i++)
        if (wards[i].lines)
            drop_lines(wards[i].fd);
        else if (wards[i].pins)
            (void)ioctl(wards[i].fd, PPWDATA, &zero);
    write_all_safe(wards, count);
    drain_all(wards, count);
    _exit(0);
}

static enum mp_status check_ports(const struct mp_guarded *ports, size_t count,
                                  struct mp_error *err)
{
    if (count == 0 || count > MP_GUARD_PORTS)
        return mp_fail(err, MP_EINVAL, "a guard looks after 1 to %d ports", MP_GUARD_PORTS);
    for (size_t i = 0; i < count; i++)
        if (ports[i].safe_length > SAFE_MAX ||
            (i == 0 && ports[i].safe_length == 0 && !ports[i].lines && !ports[i].pins))
            return mp_fail(err, MP_EINVAL,
                           "a guard needs 1 to %d bytes that make the device safe", SAFE_MAX);
    return MP_OK;
}

enum mp_status mp_guard_start(struct mp_guard *guard, const struct mp_guarded *ports,
                              size_t count, struct mp_error *err)
{
    struct ward wards[MP_GUARD_PORTS] = {{.fd = -1}};
    int ends[2];
    *guard = (struct mp_guard){.pipe = -1};
    enum mp_status status = check_ports(ports, count, err);
    if (status != MP_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        wards[i].fd = ports[i].fd;
        wards[i].lines = ports[i].lines;
        wards[i].pins = ports[i].pins;
        wards[i].length = ports[i].safe_length;
        if (ports[i].safe_length > 0)
            memcpy(wards[i].safe, ports[i].safe, ports[i].safe_length);
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make the guard's pipe");
    // no signal handler of ours may run in the child
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        ignore_terminal_signals();
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        (void)close(ends[1]);
        guard_main(wards, count, ends[0]);
    }
    int failed = errno;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    (void)close(ends[0]);
    if (pid < 0) {
        (void)close(ends[1]);
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the guard process");
    }
    guard->pid = pid;
    guard->pipe = ends[1];
    return MP_OK;
}

/* A guard that was stopped (SIGSTOP) looks after nothing: it is as good as gone. */
bool mp_guard_alive(struct mp_guard *guard)
{
    int status = 0;
    if (guard->pid == 0)
        return false;
    pid_t changed = waitpid(guard->pid, &status, WNOHANG | WUNTRACED);
    if (changed == 0 || (changed < 0 && errno == EINTR))
        return true;
    if (changed == guard->pid && WIFSTOPPED(status))
        return false; // it still is ours, to be dismissed
    (void)close(guard->pipe);
    *guard = (struct mp_guard){.pipe = -1};
    return false;
}

/* Has it ended, before end_ns? */
static bool ends_by(const struct mp_guard *guard, int64_t end_ns)
{
    int status;
    for (;;) {
        pid_t ended = waitpid(guard->pid, &status, WNOHANG);
        if (ended != 0 && !(ended < 0 && errno == EINTR))
            return true;
        if (mp_clock_ns() >= end_ns)
            return false;
        (void)poll(NULL, 0, 1);
    }
}

/* One that does not end is ended: whoever stops a run must not wait for it. */
static void wait_for_end(struct mp_guard *guard)
{
    if (on_wait != NULL)
        on_wait(true);
    (void)close(guard->pipe);
    (void)kill(guard->pid, SIGCONT); // stopped, it would hear nothing
    if (!ends_by(guard, mp_clock_ns() + patience_ns)) {
        (void)kill(guard->pid, SIGKILL);
        (void)ends_by(guard, mp_clock_ns() + killed_ns);
    }
    if (on_wait != NULL)
        on_wait(false);
    *guard = (struct mp_guard){.pipe = -1};
}

void mp_guard_on_wait(void (*waits)(bool))
{
    on_wait = waits;
}

void mp_guard_alarm(struct mp_guard *guard)
{
    if (guard->pid != 0)
        wait_for_end(guard);
}

void mp_guard_dismiss(struct mp_guard *guard)
{
    if (guard->pid == 0)
        return;
    ssize_t told;
    do
        told = write(guard->pipe, "d", 1);
    while (told < 0 && errno == EINTR);
    wait_for_end(guard);
}
