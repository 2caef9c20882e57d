/*
 * wait_shim.c - a kernel that is slow. LD_PRELOAD only. The first waitpid(WNOHANG) of the
 * process, a guard's dismissal, takes $WAIT_MS ms longer; locking memory takes $LOCK_MS ms.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static void take_time(const char *variable)
{
    const char *text = getenv(variable);
    long ms = text == NULL ? 0 : strtol(text, NULL, 10);
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue; // the time is meant as it stands, whatever signals come
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    static pid_t (*real)(pid_t, int *, int);
    static int done;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "waitpid");
    if (options == WNOHANG && done++ == 0)
        take_time("WAIT_MS");
    return real(pid, status, options);
}

int mlockall(int flags)
{
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "mlockall");
    take_time("LOCK_MS");
    return real(flags);
}
