/*
 * disk_shim.c - a disk that hangs. LD_PRELOAD only. While a file named $DISK_HANGS exists, a
 * flush or a close of a stream whose file's path has one of the names in $DISK_OF (separated by
 * spaces) does not come back.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static void hang(FILE *file)
{
    const char *marker = getenv("DISK_HANGS");
    while (marker != NULL && is_of_disk(file) && access(marker, F_OK) == 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // whatever signals come
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
