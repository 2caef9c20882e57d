/*
 * test_play.c - which plan a dispatcher takes, and when: one at a time, on one device; a
 * refusal leaves it and the plan as they were. Stepped by hand, on ports that take everything.
 */
#include "engine/port_backend.h"
#include "tests/engine/rig.h"

enum { DEVICES = 2, COMMANDS = 16 }; // as many commands as wait at most

static struct {
    struct mp_port port;
    struct mp_dispatcher *d;
    size_t bytes; // that have left
} devices[DEVICES];
static int64_t now_ns;

static enum mp_status take_all(struct mp_port *port, const void *bytes, size_t len,
                               size_t *written, struct mp_error *err)
{
    (void)bytes;
    (void)err;
    for (size_t i = 0; i < DEVICES; i++)
        if (port == &devices[i].port)
            devices[i].bytes += len;
    *written = len;
    return MP_OK;
}

static int nothing_queued(const struct mp_port *port)
{
    (void)port;
    return 0;
}

static const struct mp_port_ops ops = {.write = take_all, .queued = nothing_queued};

static int64_t now(void *context)
{
    (void)context;
    return now_ns;
}

static void begin(void)
{
    static const struct mp_time time = {now, NULL};
    struct mp_error err = {0};
    now_ns = MP_NS_PER_S;
    for (size_t i = 0; i < DEVICES; i++) {
        devices[i].port = (struct mp_port){.ops = &ops, .fd = -1};
        devices[i].bytes = 0;
        rig.port = &devices[i].port;
        struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
        config.time = &time;
        must(mp_dispatcher_create_stepped(&devices[i].d, &config, &err), &err);
    }
}

static void end(void)
{
    for (size_t i = 0; i < DEVICES; i++)
        mp_dispatcher_destroy(devices[i].d);
}

/* Step one through the next so many seconds; how many plans came to their end. */
static int run(size_t device, int64_t s)
{
    struct mp_next next = {0};
    struct mp_outcome out;
    int finished = 0;
    const int64_t until_ns = now_ns + s * MP_NS_PER_S;
    while (mp_dispatcher_step(devices[device].d, &next) && next.at_ns <= until_ns) {
        now_ns = next.at_ns > now_ns ? next.at_ns : now_ns;
        next.came = true;
    }
    while (mp_dispatcher_outcome(devices[device].d, &out))
        finished += out.kind == MP_OUT_FINISHED;
    return finished;
}

static void play(size_t device, struct mp_lowering *lowering)
{
    struct mp_error err = {0};
    must(mp_dispatcher_play(devices[device].d, lowering, now_ns + MP_NS_PER_S, &err), &err);
}

static void refuses(size_t device, struct mp_lowering *lowering, enum mp_status status,
                    const char *text)
{
    struct mp_error err = {0};
    CHECK_INT(mp_dispatcher_play(devices[device].d, lowering, now_ns + MP_NS_PER_S, &err),
              status);
    CHECK_HAS(err.text, text);
}

static void takes_one_at_a_time(void)
{
    begin();
    struct mp_lowering *one = lower(mso(10), (struct rig_lowering){0});
    struct mp_lowering *other = lower(mso(20), (struct rig_lowering){0});
    play(0, one);
    refuses(0, other, MP_ESTATE, "another plan is running");
    refuses(0, one, MP_ESTATE, "another plan is running");
    CHECK(!mp_lowering_busy(other));
    CHECK(mp_lowering_busy(one));
    CHECK_INT(run(0, 3), 1);
    CHECK(!mp_lowering_busy(one));
    play(0, other); // and the same again, from its beginning
    CHECK_INT(run(0, 3), 1);
    play(0, other);
    CHECK_INT(run(0, 3), 1);
    CHECK_INT(devices[0].bytes, 3 * 2);
    end();
    mp_lowering_destroy(one);
    mp_lowering_destroy(other);
}

static void plays_a_plan_on_one_device(void)
{
    begin();
    struct mp_lowering *one = lower(mso(10), (struct rig_lowering){0});
    struct mp_lowering *other = lower(mso(20), (struct rig_lowering){0});
    play(0, one);
    refuses(1, one, MP_ESTATE, "the plan is being played on another device");
    play(1, other); // the refusal has left it free
    CHECK_INT(run(0, 3), 1);
    play(0, one);
    mp_dispatcher_stop(devices[0].d, MP_STOP_REQUESTED); // before it has even begun
    (void)run(0, 3);
    CHECK(!mp_lowering_busy(one));
    CHECK_INT(run(1, 3), 1);
    play(1, one); // given back by the stop
    CHECK_INT(run(1, 3), 1);
    refuses(0, other, MP_ESTATE, "stopped");
    CHECK(!mp_lowering_busy(other));
    end();
    mp_lowering_destroy(one);
    mp_lowering_destroy(other);
}

static void takes_only_what_was_checked(void)
{
    begin();
    struct mp_lowering *one = lower(mso(10), (struct rig_lowering){.unchecked = true});
    struct mp_lowering *other = lower(mso(20), (struct rig_lowering){0});
    refuses(0, one, MP_ESTATE, "was not checked");
    CHECK(!mp_lowering_busy(one));
    play(0, other);
    CHECK_INT(run(0, 3), 1);
    CHECK_INT(devices[0].bytes, 2);
    end();
    mp_lowering_destroy(one);
    mp_lowering_destroy(other);
}

static void is_as_before_where_no_more_commands_fit(void)
{
    struct mp_error err = {0};
    begin();
    struct mp_lowering *one = lower(mso(10), (struct rig_lowering){0});
    for (int i = 0; i < COMMANDS; i++)
        must(mp_dispatcher_send(devices[0].d, "k", 1, &err), &err);
    CHECK(mp_dispatcher_send(devices[0].d, "k", 1, NULL) != MP_OK);
    CHECK(mp_dispatcher_play(devices[0].d, one, now_ns, NULL) != MP_OK);
    CHECK(!mp_lowering_busy(one));
    CHECK_INT(run(0, 1), 0);
    CHECK_INT(devices[0].bytes, COMMANDS);
    play(0, one);
    CHECK_INT(run(0, 3), 1);
    CHECK_INT(devices[0].bytes, COMMANDS + 2);
    end();
    mp_lowering_destroy(one);
}

int main(void)
{
    takes_one_at_a_time();
    plays_a_plan_on_one_device();
    takes_only_what_was_checked();
    is_as_before_where_no_more_commands_fit();
    return CHECK_DONE("test_play");
}
