/*
 * slow_shim.c - a slow disk. LD_PRELOAD only. Whatever frees, makes or moves something on the
 * disk, or waits for it, takes $DISK_MS ms: unlink, remove, rename, truncate, a file that is
 * made or emptied, a folder, fsync, fallocate. What only appends to an open file does not: the
 * system keeps that in memory.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void take_time(void)
{
    const char *text = getenv("DISK_MS");
    long ms = text == NULL ? 0 : strtol(text, NULL, 10);
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue; // a disk knows no signals
}

/* A device is no disk. */
static int on_disk(const char *path)
{
    return strncmp(path, "/dev/pt", 7) != 0 && strncmp(path, "/dev/null", 9) != 0 &&
           strncmp(path, "/dev/tty", 8) != 0 && strncmp(path, "/proc/", 6) != 0;
}

#define SLOW(result, name, parameters, ...)                                                    \
    result name parameters                                                                     \
    {                                                                                          \
        result(*real) parameters;                                                              \
        *(void **)&real = next_of(#name);                                                      \
        take_time();                                                                           \
        return real(__VA_ARGS__);                                                              \
    }

SLOW(int, unlink, (const char *path), path)
SLOW(int, unlinkat, (int folder, const char *path, int flags), folder, path, flags)
SLOW(int, remove, (const char *path), path)
SLOW(int, rename, (const char *from, const char *to), from, to)
SLOW(int, truncate, (const char *path, off_t length), path, length)
SLOW(int, ftruncate, (int fd, off_t length), fd, length)
SLOW(int, truncate64, (const char *path, off64_t length), path, length)
SLOW(int, ftruncate64, (int fd, off64_t length), fd, length)
SLOW(int, fsync, (int fd), fd)
SLOW(int, fdatasync, (int fd), fd)
SLOW(int, mkdir, (const char *path, mode_t mode), path, mode)
SLOW(int, rmdir, (const char *path), path)
SLOW(int, posix_fallocate, (int fd, off_t from, off_t length), fd, from, length)
SLOW(int, posix_fallocate64, (int fd, off64_t from, off64_t length), fd, from, length)

#define SLOW_OPEN(name)                                                                        \
    int name(const char *path, int flags, ...)                                                 \
    {                                                                                          \
        int (*real)(const char *, int, ...);                                                   \
        *(void **)&real = next_of(#name);                                                      \
        va_list rest;                                                                          \
        va_start(rest, flags);                                                                 \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;         \
        va_end(rest);                                                                          \
        if ((flags & (O_CREAT | O_TRUNC)) != 0 && on_disk(path))                               \
            take_time();                                                                       \
        return real(path, flags, mode);                                                        \
    }

SLOW_OPEN(open)
SLOW_OPEN(open64)

#define SLOW_FOPEN(name)                                                                       \
    FILE *name(const char *path, const char *mode)                                             \
    {                                                                                          \
        FILE *(*real)(const char *, const char *);                                             \
        *(void **)&real = next_of(#name);                                                      \
        if (mode[0] != 'r' && on_disk(path))                                                   \
            take_time();                                                                       \
        return real(path, mode);                                                               \
    }

SLOW_FOPEN(fopen)
SLOW_FOPEN(fopen64)
