/*
 * uvtimer.c - bench uvtimer: the reference that a libuv programmer would write: one timer,
 * started again in its own callback for what is left until the next absolute deadline.
 */
#include "tests/bench/bench.h"
#include "tests/bench/deadlines.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct loop_timer {
    uv_timer_t timer;
    int fd, far_fd;
    struct deadlines deadlines;
};

static void on_timer(uv_timer_t *timer);

static void arm_next(struct loop_timer *t)
{
    uv_update_time(t->timer.loop);
    int64_t left_ns = deadlines_due(&t->deadlines) - mp_clock_ns();
    uint64_t left_ms = left_ns <= 0 ? 0 : (uint64_t)((left_ns + 500000) / MP_NS_PER_MS);
    (void)uv_timer_start(&t->timer, on_timer, left_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct loop_timer *t = timer->data;
    static const char frame[8] = "uvtimer";
    char back[8];
    bool more = deadlines_met(&t->deadlines, mp_clock_ns());
    bench_must_sys(write(t->fd, frame, sizeof frame) == sizeof frame, "write");
    bench_must_sys(read(t->far_fd, back, sizeof back) == sizeof back, "read");
    if (more)
        arm_next(t);
}

int bench_uvtimer(int argc, char **argv)
{
    struct loop_timer t = {0};
    struct deadlines *d = &t.deadlines;
    d->period_ns = bench_number(argc, argv, "period-us", 1000) * MP_NS_PER_US;
    d->count = (size_t)bench_number(argc, argv, "pulses", 1000);
    int ends[2];
    uv_loop_t loop;
    d->error_ns = calloc(d->count, sizeof *d->error_ns);
    bench_must_sys(d->error_ns != NULL && uv_loop_init(&loop) == 0, "loop");
    bench_must_sys(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    t.fd = ends[0];
    t.far_fd = ends[1];
    (void)uv_timer_init(&loop, &t.timer);
    t.timer.data = &t;
    d->start_ns = mp_clock_ns() + 50 * MP_NS_PER_MS;
    arm_next(&t);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    printf("{\"method\":\"uv_timer\",\"void\":\"\"");
    bench_print_list("errors_ns", d->error_ns, d->count);
    printf("}\n");
    free(d->error_ns);
    return 0;
}
