/*
 * wait_shim.c - a kernel that is slow to say that a child has ended. LD_PRELOAD only. The first
 * waitpid(WNOHANG) of the process, a guard's dismissal, takes $WAIT_MS ms longer.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

pid_t waitpid(pid_t pid, int *status, int options)
{
    static pid_t (*real)(pid_t, int *, int);
    static int done;
    const char *text = getenv("WAIT_MS");
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "waitpid");
    if (text != NULL && options == WNOHANG && done++ == 0) {
        long ms = strtol(text, NULL, 10);
        struct timespec left = {ms / 1000, ms % 1000 * 1000000};
        while (nanosleep(&left, &left) != 0)
            continue; // the time is meant as it stands, whatever signals come
    }
    return real(pid, status, options);
}
