#include "engine/guard.h"

#include <errno.h>
#include <fcntl.h>
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

enum { SAFE_MAX = 256, DRAIN_TRIES = 200 };

static void ignore_terminal_signals(void)
{
    static const int numbers[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGTSTP, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaction(numbers[i], &ignore, NULL);
}

/* Everything but the two: a guard must not keep the twin's pipe or a log file open. */
static void close_others(int first, int second)
{
    int low = first < second ? first : second;
    int high = first < second ? second : first;
    if (low > 0)
        (void)syscall(SYS_close_range, 0U, (unsigned)low - 1U, 0U);
    if (high > low + 1)
        (void)syscall(SYS_close_range, (unsigned)low + 1U, (unsigned)high - 1U, 0U);
    (void)syscall(SYS_close_range, (unsigned)high + 1U, ~0U, 0U);
}

static void write_safe(int port_fd, const unsigned char *safe, size_t length)
{
    // what the kernel still holds would fire after the safe frame was thought to be last
    (void)tcflush(port_fd, TCOFLUSH);
    for (int copy = 0; copy < 2; copy++) { // a cut frame would swallow the first
        size_t done = 0;
        for (int tries = 0; done < length && tries < DRAIN_TRIES; tries++) {
            ssize_t wrote = write(port_fd, safe + done, length - done);
            if (wrote > 0)
                done += (size_t)wrote;
            else if (wrote < 0 && errno != EAGAIN && errno != EINTR)
                return; // the port is lost: nothing more can be done
            else {
                struct pollfd room = {.fd = port_fd, .events = POLLOUT};
                (void)poll(&room, 1, 1);
            }
        }
    }
    // closing the last descriptor of a port may drop what it has not sent yet
    int waiting = 1;
    for (int tries = 0; tries < DRAIN_TRIES; tries++) {
        if (ioctl(port_fd, TIOCOUTQ, &waiting) != 0 || waiting == 0)
            break;
        (void)poll(NULL, 0, 1);
    }
}

/* The guard's whole life; only calls that are safe in the child of a threaded process. */
_Noreturn static void guard_main(int port_fd, int pipe_fd, const unsigned char *safe,
                                 size_t length)
{
    (void)setsid();
    ignore_terminal_signals();
    (void)prctl(PR_SET_NAME, "moonpulse-guard", 0UL, 0UL, 0UL);
    close_others(port_fd, pipe_fd);
    char word = 0;
    ssize_t got;
    do
        got = read(pipe_fd, &word, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1)
        write_safe(port_fd, safe, length);
    _exit(0);
}

enum mp_status mp_guard_start(struct mp_guard *guard, int port_fd, const void *safe,
                              size_t safe_length, struct mp_error *err)
{
    unsigned char copy[SAFE_MAX];
    int ends[2];
    *guard = (struct mp_guard){.pipe = -1};
    if (safe_length == 0 || safe_length > sizeof copy)
        return mp_fail(err, MP_EINVAL, "a guard needs 1 to %d bytes that make the device safe",
                       SAFE_MAX);
    memcpy(copy, safe, safe_length);
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
        guard_main(port_fd, ends[0], copy, safe_length);
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

bool mp_guard_alive(struct mp_guard *guard)
{
    int status;
    if (guard->pid == 0)
        return false;
    pid_t ended = waitpid(guard->pid, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return true;
    (void)close(guard->pipe);
    *guard = (struct mp_guard){.pipe = -1};
    return false;
}

static void wait_for_end(struct mp_guard *guard)
{
    int status;
    (void)close(guard->pipe);
    while (waitpid(guard->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *guard = (struct mp_guard){.pipe = -1};
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
