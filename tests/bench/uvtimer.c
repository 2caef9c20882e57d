/*
 * uvtimer.c - bench uvtimer: the reference that a libuv programmer would write: one timer,
 * started again in its own callback for what is left until the next absolute deadline.
 */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct loop_timer {
    uv_timer_t timer;
    int fd, far_fd;
    int64_t start_ns, period_ns;
    size_t next, count;
    int64_t *error;
};

static void on_timer(uv_timer_t *timer);

static void arm_next(struct loop_timer *t)
{
    int64_t due = t->start_ns + (int64_t)t->next * t->period_ns;
    uv_update_time(t->timer.loop);
    int64_t left_ns = due - mp_clock_ns();
    uint64_t left_ms = left_ns <= 0 ? 0 : (uint64_t)((left_ns + 500000) / MP_NS_PER_MS);
    (void)uv_timer_start(&t->timer, on_timer, left_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct loop_timer *t = timer->data;
    static const char frame[8] = "uvtimer";
    char back[8];
    t->error[t->next] = mp_clock_ns() - (t->start_ns + (int64_t)t->next * t->period_ns);
    bench_must_sys(write(t->fd, frame, sizeof frame) == sizeof frame, "write");
    bench_must_sys(read(t->far_fd, back, sizeof back) == sizeof back, "read");
    if (++t->next < t->count)
        arm_next(t);
}

int bench_uvtimer(int argc, char **argv)
{
    struct loop_timer t = {
        .period_ns = bench_number(argc, argv, "period-us", 1000) * MP_NS_PER_US,
        .count = (size_t)bench_number(argc, argv, "pulses", 1000),
    };
    int ends[2];
    uv_loop_t loop;
    t.error = calloc(t.count, sizeof *t.error);
    bench_must_sys(t.error != NULL && uv_loop_init(&loop) == 0, "loop");
    bench_must_sys(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    t.fd = ends[0];
    t.far_fd = ends[1];
    (void)uv_timer_init(&loop, &t.timer);
    t.timer.data = &t;
    t.start_ns = mp_clock_ns() + 50 * MP_NS_PER_MS;
    arm_next(&t);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    printf("{\"method\":\"uv_timer\",\"void\":\"\"");
    bench_print_list("errors_ns", t.error, t.count);
    printf("}\n");
    free(t.error);
    return 0;
}
