/*
 * The benchmark's counting, with a clock that is made up: a host that stands still for 12 ms
 * costs every method the same 12 deadlines of 1 ms.
 */
#include "tests/bench/deadlines.h"
#include "tests/engine/rig.h"

#include <sys/socket.h>

enum { COUNT = 40, STALL_AT = 10, STALL_MS = 12 };
static const int64_t start_ns = MP_NS_PER_S, period_ns = MP_NS_PER_MS;
static const int64_t wake_ns = 5 * MP_NS_PER_US; // that late is a usual wake

/* Stands still once, from just before a deadline. */
static struct {
    int64_t now_ns, stall_from_ns, stall_until_ns;
} host;

static void begin(void)
{
    host.now_ns = 0;
    host.stall_from_ns = start_ns + STALL_AT * period_ns;
    host.stall_until_ns = host.stall_from_ns + STALL_MS * MP_NS_PER_MS;
}

static int64_t now(void *unused)
{
    (void)unused;
    return host.now_ns;
}

static void sleep_until(void *unused, int64_t due_ns)
{
    (void)unused;
    if (host.now_ns >= due_ns)
        return;
    host.now_ns = due_ns + wake_ns;
    if (host.now_ns >= host.stall_from_ns && host.now_ns < host.stall_until_ns)
        host.now_ns = host.stall_until_ns;
}

static bool wait_until(int64_t due_ns)
{
    if (due_ns > start_ns + 2 * COUNT * period_ns) { // the plan is over
        mp_dispatcher_stop(rig.d, MP_STOP_FINISHED);
        return false;
    }
    sleep_until(NULL, due_ns);
    return true;
}

/* The deadlines from the stall's first to its last are late, by a millisecond less each. */
static void check_errors(const int64_t *error_ns)
{
    int late = 0;
    for (int i = 0; i < COUNT; i++) {
        late += error_ns[i] > 100 * MP_NS_PER_US;
        if (i >= STALL_AT && i < STALL_AT + STALL_MS)
            CHECK_INT(error_ns[i], (STALL_AT + STALL_MS - i) * period_ns);
        else
            CHECK(error_ns[i] >= 0 && error_ns[i] <= wake_ns);
    }
    CHECK_INT(late, STALL_MS);
}

static void a_loop_counts_every_deadline(void)
{
    static const struct sleeper by = {now, sleep_until, NULL};
    int64_t error_ns[COUNT] = {0};
    struct deadlines d = {
        .start_ns = start_ns, .period_ns = period_ns, .count = COUNT, .error_ns = error_ns};
    begin();
    deadlines_sleep(&d, &by);
    CHECK_INT(d.next, COUNT);
    check_errors(error_ns);
}

/* As bench onset reads it: a pulse that was left out counts with its onset error. */
static void the_dispatcher_counts_every_deadline(void)
{
    static const struct rig_clock clock = {{now, NULL}, wait_until};
    struct mp_error err = {0};
    int64_t error_ns[COUNT] = {0};
    int ends[2], reported = 0;
    begin();
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&rig.port, ends[0], "wire", &err), &err);
    rig.count = 0;
    struct mp_dispatch_config config = rig_config(MP_LATE_SKIP, period_ns / 2);
    config.time = &clock.time;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    struct mp_lowering *l =
        lower(ladder(COUNT, ratio(period_ns, 1)), (struct rig_lowering){.lead_ns = -1});
    rig_play(l, start_ns);
    rig_run_here(&clock);
    rig_drain();
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        if (out->kind != MP_OUT_SENT && out->kind != MP_OUT_SKIPPED)
            continue;
        CHECK_INT(out->send.number, ++reported);
        error_ns[out->send.number - 1] =
            out->entered_ns - (out->start_ns + (int64_t)(out->send.number - 1) * period_ns);
    }
    CHECK_INT(reported, COUNT);
    CHECK_INT(rig_tally(MP_OUT_SKIPPED), STALL_MS);
    check_errors(error_ns);
    rig_close();
    mp_lowering_destroy(l);
    (void)close(ends[1]);
}

int main(void)
{
    a_loop_counts_every_deadline();
    the_dispatcher_counts_every_deadline();
    return CHECK_DONE("test_deadlines");
}
