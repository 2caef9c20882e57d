/*
 * disk_shim.c - a disk that hangs. LD_PRELOAD only. While a file named $DISK_HANGS exists, a
 * flush or a close of a stream whose file's path has one of the names in $DISK_OF (separated by
 * spaces) does not come back.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static int is_of_disk(FILE *file)
{
    const char *names = getenv("DISK_OF");
    char link[64], path[4096], word[256];
    if (names == NULL || file == NULL)
        return 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fileno(file));
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = '\0';
    for (int used = 0; sscanf(names, "%255s%n", word, &used) == 1; names += used)
        if (strstr(path, word) != NULL)
            return 1;
    return 0;
}

/* Asleep all the while, as in a disk's wait: who looks each few milliseconds is mostly waiting
 * for the processor where the computer is busy. */
static void hang(FILE *file)
{
    const char *marker = getenv("DISK_HANGS");
    if (marker == NULL || !is_of_disk(file))
        return;
    int events = inotify_init1(IN_CLOEXEC);
    struct inotify_event event;
    if (inotify_add_watch(events, marker, IN_DELETE_SELF) >= 0)
        while (read(events, &event, sizeof event) < 0 &&
               errno == EINTR) // whatever signals come
            ;
    (void)close(events);
}

int fflush(FILE *file)
{
    static int (*real)(FILE *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fflush");
    hang(file);
    return real(file);
}

int fclose(FILE *file)
{
    static int (*real)(FILE *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "fclose");
    hang(file);
    return real(file);
}
