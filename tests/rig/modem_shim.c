/*
 * modem_shim.c - modem lines for a terminal that has none. LD_PRELOAD only.
 *
 * Where the kernel answers TIOCMGET, TIOCMSET, TIOCMBIS or TIOCMBIC with ENOTTY on a
 * terminal, this answers instead, one pair of lines a device. Both start high, as the
 * kernel leaves them when a real port is opened. Forked processes share them. Each RTS, DTR or
 * BREAK edge is appended to the file named by $MODEM_LOG as "NANOSECONDS LINE LEVEL", e.g.
 * "81234567890 RTS 1", the time being CLOCK_MONOTONIC. CTS, DSR, RI and CD are high while the
 * file named by $MODEM_INPUT holds a C, a D, an R or an L; while it holds an E, they cannot be
 * read. Where $MODEM_PORT names a port, no other one has lines. While the file named by
 * $MODEM_QUEUE holds a number, so many bytes wait in the port for
 * their wire (TIOCOUTQ).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct device {
    dev_t id;
    int lines;
    bool in_break;
};

enum { DEVICES = 16 };

static struct shared {
    pthread_mutex_t guard;
    struct device devices[DEVICES];
    size_t device_count;
} * shared;

__attribute__((constructor)) static void share(void)
{
    pthread_mutexattr_t attr;
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(&shared->guard, &attr);
}

/* Its holder may have been killed: that is what some tests are about. */
static void lock_devices(void)
{
    if (pthread_mutex_lock(&shared->guard) == EOWNERDEAD)
        (void)pthread_mutex_consistent(&shared->guard);
}

static struct device *find_device(int fd)
{
    struct stat found, only;
    const char *path = getenv("MODEM_PORT");
    if (fstat(fd, &found) != 0 ||
        (path != NULL && (stat(path, &only) != 0 || only.st_rdev != found.st_rdev)))
        return NULL;
    for (size_t i = 0; i < shared->device_count; i++)
        if (shared->devices[i].id == found.st_rdev)
            return &shared->devices[i];
    if (shared->device_count == DEVICES)
        return NULL;
    struct device *made = &shared->devices[shared->device_count++];
    *made = (struct device){.id = found.st_rdev, .lines = TIOCM_RTS | TIOCM_DTR};
    return made;
}

static void log_edge(const char *line, bool high)
{
    const char *path = getenv("MODEM_LOG");
    if (path == NULL)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    char text[64];
    int len = snprintf(text, sizeof text, "%lld %s %d\n",
                       (long long)now.tv_sec * 1000000000 + now.tv_nsec, line, high);
    int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log >= 0) {
        (void)!write(log, text, (size_t)len);
        (void)close(log);
    }
}

static void change(struct device *device, int lines)
{
    int edges = device->lines ^ lines;
    device->lines = lines;
    if (edges & TIOCM_RTS)
        log_edge("RTS", (lines & TIOCM_RTS) != 0);
    if (edges & TIOCM_DTR)
        log_edge("DTR", (lines & TIOCM_DTR) != 0);
}

/* What the far side does to the lines that come in; false: they cannot be read. */
static bool read_inputs(int *lines)
{
    const char *path = getenv("MODEM_INPUT");
    char text[8] = "";
    int input = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (input >= 0) {
        (void)!read(input, text, sizeof text - 1);
        (void)close(input);
    }
    *lines |= (strchr(text, 'C') != NULL ? TIOCM_CTS : 0) |
              (strchr(text, 'D') != NULL ? TIOCM_DSR : 0) |
              (strchr(text, 'R') != NULL ? TIOCM_RI : 0) |
              (strchr(text, 'L') != NULL ? TIOCM_CD : 0);
    return strchr(text, 'E') == NULL;
}

/* What an adapter that is behind would say; a pseudo-terminal never is. */
static bool queued(int *bytes)
{
    const char *path = getenv("MODEM_QUEUE");
    char text[16] = "";
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    (void)!read(file, text, sizeof text - 1);
    (void)close(file);
    *bytes = (int)strtol(text, NULL, 10);
    return true;
}

static int answer(int fd, unsigned long request, int *lines)
{
    lock_devices();
    struct device *device = find_device(fd);
    int inputs = 0;
    if (device == NULL) {
        errno = ENOTTY;
    } else if (request == TIOCMGET && !read_inputs(&inputs)) {
        errno = EIO;
        device = NULL;
    } else if (request == TIOCMGET)
        *lines = device->lines | inputs;
    else if (request == TIOCMSET)
        change(device, *lines);
    else if (request == TIOCMBIS)
        change(device, device->lines | *lines);
    else
        change(device, device->lines & ~*lines);
    (void)pthread_mutex_unlock(&shared->guard);
    return device == NULL ? -1 : 0;
}

/* A pseudo-terminal takes a BREAK, and nobody sees it. */
static void set_break(int fd, bool high)
{
    lock_devices();
    struct device *device = find_device(fd);
    if (device != NULL && device->in_break != high) {
        device->in_break = high;
        log_edge("BREAK", high);
    }
    (void)pthread_mutex_unlock(&shared->guard);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (request == TIOCOUTQ && isatty(fd) && queued(argument))
        return 0;
    int result = (int)syscall(SYS_ioctl, fd, request, argument);
    if (result == 0 && (request == TIOCSBRK || request == TIOCCBRK))
        set_break(fd, request == TIOCSBRK);
    bool modem = request == TIOCMGET || request == TIOCMSET || request == TIOCMBIS ||
                 request == TIOCMBIC;
    if (result == 0 || errno != ENOTTY || !modem)
        return result;
    if (isatty(fd))
        return answer(fd, request, argument);
    errno = ENOTTY;
    return -1;
}
