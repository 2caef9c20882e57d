#include "bindings/outlet.h"

#include "engine/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { STREAMS = 2, FIRST_KEPT = 3 };
static const int streams[STREAMS] = {STDOUT_FILENO, STDERR_FILENO};
static const int64_t patience_ns = 400 * MP_NS_PER_MS; // with output that nobody takes

static _Atomic bool muted;
static int64_t held_ns[STREAMS]; // the backstop's thread's own
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int kept[STREAMS] = {-1, -1}; // where a stream went before it was let go of

static bool takes_output(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, 0) != 0; // an error ends the write as well
}

static bool let_go(int i)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0)
        return false;
    (void)pthread_mutex_lock(&lock);
    if (kept[i] < 0)
        kept[i] = fcntl(streams[i], F_DUPFD_CLOEXEC, FIRST_KEPT);
    (void)dup2(nowhere, streams[i]);
    (void)pthread_mutex_unlock(&lock);
    (void)close(nowhere);
    return true;
}

void mp_outlet_look(int64_t passed_ns, pthread_t loop)
{
    for (int i = 0; i < STREAMS; i++) {
        held_ns[i] = takes_output(streams[i]) ? 0 : held_ns[i] + passed_ns;
        if (held_ns[i] < patience_ns || !let_go(i))
            continue;
        atomic_store(&muted, true);
        (void)pthread_kill(loop, SIGURG); // ends the write that waits
    }
}

void mp_outlet_break(void)
{
    for (int i = 0; i < STREAMS; i++)
        if (held_ns[i] > 0)
            atomic_store(&muted, true);
}

bool mp_outlet_muted(void)
{
    return atomic_load(&muted);
}

void mp_outlet_begin(void)
{
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < STREAMS; i++) {
        if (kept[i] < 0)
            continue;
        (void)dup2(kept[i], streams[i]);
        (void)close(kept[i]);
        kept[i] = -1;
    }
    (void)pthread_mutex_unlock(&lock);
    atomic_store(&muted, false);
}

/* Ctrl-S holds a terminal until Ctrl-Q, or until a program stops and starts it as here. */
static void go_on(int fd)
{
    sigset_t background,
        old; // where we are no longer in front, that is no reason to be stopped
    if (isatty(fd) == 0)
        return;
    (void)sigemptyset(&background);
    (void)sigaddset(&background, SIGTTOU);
    (void)pthread_sigmask(SIG_BLOCK, &background, &old);
    if (tcflow(fd, TCOOFF) == 0)
        (void)tcflow(fd, TCOON);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Write what fits and wait for nobody. */
static bool write_to(int fd, const char *text)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    go_on(fd);
    ssize_t wrote = -1;
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0) { // a terminal or a pipe, in a mode of our own
        wrote = write(own, text, strlen(text));
        (void)close(own);
    } else if (takes_output(fd)) // a socket
        wrote = write(fd, text, strlen(text));
    return wrote > 0;
}

static void say_at(int fd, const char *text)
{
    if (write_to(fd, text))
        return;
    int terminal = open("/dev/tty", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return;
    (void)write_to(terminal, text);
    (void)close(terminal);
}

void mp_outlet_say(const char *text)
{
    (void)pthread_mutex_lock(&lock);
    say_at(kept[1] >= 0 ? kept[1] : STDERR_FILENO, text);
    (void)pthread_mutex_unlock(&lock);
}

void mp_outlet_repeat(const char *text)
{
    (void)pthread_mutex_lock(&lock);
    if (kept[1] >= 0)
        say_at(kept[1], text);
    (void)pthread_mutex_unlock(&lock);
}
