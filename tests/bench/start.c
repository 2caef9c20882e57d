/*
 * start.c - bench start [--until TEXT] -- PROGRAM ARGS: from fork to a line of its output that
 * begins with TEXT (it is then told to end), or to its end.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t spawn(char **program, int output)
{
    pid_t child = fork();
    bench_must_sys(child >= 0, "fork");
    if (child > 0)
        return child;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(output, STDOUT_FILENO);
    (void)execvp(program[0], program);
    _exit(127);
}

/* True when such a line came; false when the output ended before. */
static bool wait_for_line(FILE *output, const char *text)
{
    char line[1024];
    while (fgets(line, sizeof line, output) != NULL)
        if (text != NULL && strncmp(line, text, strlen(text)) == 0)
            return true;
    return false;
}

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int bench_start(int argc, char **argv)
{
    const char *until = bench_text(argc, argv, "until", NULL);
    int first = 1, ends[2];
    while (first < argc && strcmp(argv[first], "--") != 0)
        first++;
    if (first + 1 >= argc) {
        (void)fprintf(stderr, "bench start: -- PROGRAM is missing\n");
        return 2;
    }
    bench_must_sys(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    int64_t before = mp_clock_ns();
    pid_t child = spawn(argv + first + 1, ends[1]);
    (void)close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    bench_must_sys(output != NULL, "fdopen");
    bool seen = wait_for_line(output, until);
    int64_t took = mp_clock_ns() - before;
    if (seen) {
        (void)kill(child, SIGTERM);
        (void)wait_for_line(output, NULL);
    }
    (void)fclose(output);
    int status = 0;
    struct rusage used = {0};
    (void)wait4(child, &status, 0, &used);
    if (until == NULL)
        took = mp_clock_ns() - before;
    bool ok = until == NULL ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : seen;
    printf("{\"ok\":%s,\"ns\":%" PRId64 ",\"cpu_us\":%" PRId64 "}\n", ok ? "true" : "false",
           took, microseconds(used.ru_utime) + microseconds(used.ru_stime));
    return 0;
}
