/*
 * load.c - bench load: one busy process a core and one that writes and syncs, until standard
 * input ends. Everything ends with its parent.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = 257, BLOCK_BYTES = 1 << 20, FILE_BLOCKS = 64 };

static void spin(const char *unused)
{
    (void)unused;
    for (volatile uint64_t turns = 0;; turns = turns + 1)
        continue;
}

static void write_and_sync(const char *path)
{
    static char block[BLOCK_BYTES];
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    bench_must_sys(fd >= 0, path);
    (void)unlink(path); // nothing stays behind, however we end
    for (uint64_t turn = 0;; turn++) {
        memset(block, (int)(turn & 0xFF), sizeof block);
        off_t at = (off_t)(turn % FILE_BLOCKS) * BLOCK_BYTES;
        bench_must_sys(pwrite(fd, block, sizeof block, at) == BLOCK_BYTES, path);
        (void)fdatasync(fd);
    }
}

static pid_t start(void (*work)(const char *), const char *path)
{
    pid_t parent = getpid(), child = fork();
    bench_must_sys(child >= 0, "fork");
    if (child > 0)
        return child;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        work(path);
    _exit(0);
}

int bench_load(int argc, char **argv)
{
    cpu_set_t cpus;
    pid_t children[CHILDREN_MAX];
    int count = 0, busy = 1;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        busy = CPU_COUNT(&cpus);
    for (; count < busy && count < CHILDREN_MAX - 1; count++)
        children[count] = start(spin, NULL);
    children[count++] = start(write_and_sync, bench_text(argc, argv, "file", "bench-load"));
    printf("{\"busy\":%d,\"writers\":1}\n", count - 1);
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    for (int i = 0; i < count; i++)
        (void)kill(children[i], SIGKILL);
    for (int i = 0; i < count; i++)
        (void)waitpid(children[i], NULL, 0);
    return 0;
}
