/*
 * write.c - bench write: the engine's write step against write(2) on the same
 * pseudo-terminal, alternated per event in a drawn order.
 */
#include "engine/port.h"
#include "engine/pty.h"
#include "engine/schedule.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The far side is not waited for: it is looked at every now and then until the program ends. */
static void *swallow(void *argument)
{
    char buffer[4096];
    int fd = *(int *)argument;
    for (;;) {
        if (read(fd, buffer, sizeof buffer) > 0)
            continue;
        const struct timespec pause = {.tv_nsec = 200 * MP_NS_PER_US};
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static int64_t through_port(struct mp_port *port)
{
    size_t written = 0;
    int64_t before = mp_clock_ns();
    enum mp_status status = mp_port_write(port, "8 bytes.", 8, &written, NULL);
    int64_t after = mp_clock_ns();
    bench_must_sys(status == MP_OK && written == 8, "the port did not take a frame");
    return after - before;
}

static int64_t raw(int fd)
{
    int64_t before = mp_clock_ns();
    ssize_t written = write(fd, "8 bytes.", 8);
    int64_t after = mp_clock_ns();
    bench_must_sys(written == 8, "the pseudo-terminal did not take a frame");
    return after - before;
}

int bench_write(int argc, char **argv)
{
    size_t count = (size_t)bench_number(argc, argv, "pulses", 4000);
    const struct mp_serial serial = {.baud = 38400, .bits = 8, .stop_bits = 1};
    struct mp_error err = {0};
    struct mp_pty *pty = NULL;
    struct mp_port *port = NULL;
    pthread_t reader;
    bench_must(mp_pty_open(&pty, NULL, &err), &err);
    bench_must(mp_port_open(&port, mp_pty_path(pty), &serial, &err), &err);
    int far = mp_pty_fd(pty), near = mp_port_fd(port);
    bench_must_sys(pthread_create(&reader, NULL, swallow, &far) == 0, "reader");
    int64_t *port_ns = calloc(2 * count, sizeof *port_ns);
    bench_must_sys(port_ns != NULL, "memory");
    int64_t *raw_ns = port_ns + count;
    const struct timespec pause = {.tv_nsec = 100 * MP_NS_PER_US};
    for (size_t i = 0; i < count; i++) {
        bool first = mp_schedule_draw(1, i, 1) == 0;
        if (first)
            port_ns[i] = through_port(port);
        raw_ns[i] = raw(near);
        if (!first)
            port_ns[i] = through_port(port);
        if (i % 8 == 7)
            (void)nanosleep(&pause, NULL); // let the far side take it
    }
    printf("{\"backend\":\"pseudo-terminal\"");
    bench_print_list("port_ns", port_ns, count);
    bench_print_list("raw_ns", raw_ns, count);
    printf("}\n");
    (void)fflush(stdout);
    _exit(0); // the reader holds the far side until the end
}
