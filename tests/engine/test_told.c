/* A device may answer before the dispatcher's thread, held up, gets to tell what it has sent.
 */
#include "engine/session_core.h"

#include "tests/engine/rig.h"

#include <pthread.h>

static _Atomic bool holds; // the clock does not go on once the frame is on the wire

static int64_t held_clock(void *context)
{
    struct pollfd far = {.fd = mp_pty_fd(rig.pty), .events = POLLIN};
    (void)context;
    if (atomic_load(&holds) && poll(&far, 1, 2) > 0)
        while (atomic_load(&holds))
            (void)usleep(100);
    return mp_clock_ns();
}

static void *let_go_soon(void *unused)
{
    (void)usleep(50 * 1000);
    atomic_store(&holds, false);
    return unused;
}

static void what_was_sent_is_known_before_its_answer(void)
{
    static const struct mp_time time = {.now = held_clock};
    struct mp_lowering *l =
        lower(ladder(1, seconds(1, 1)), (struct rig_lowering){.lead_ns = -1});
    pthread_t soon;
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.time = &time;
    rig_start(&config);
    CHECK(mp_dispatcher_told(rig.d, 0)); // nothing is being written
    atomic_store(&holds, true);
    rig_play(l, mp_clock_ns());
    struct pollfd far = {.fd = mp_pty_fd(rig.pty), .events = POLLIN};
    CHECK_INT(poll(&far, 1, 20000), 1); // an answer could come now
    CHECK(!mp_dispatcher_told(rig.d, 5 * MP_NS_PER_MS));
    rig_drain();
    CHECK_INT(rig.count, 0);
    CHECK_INT(pthread_create(&soon, NULL, let_go_soon, NULL), 0);
    CHECK(mp_dispatcher_told(rig.d, patience_ns));
    rig_drain();
    CHECK(rig.count >= 1);
    CHECK_INT(rig.outcomes[0].kind, MP_OUT_SENT);
    (void)pthread_join(soon, NULL);
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_close();
    mp_lowering_destroy(l);
}

/* What a device says to the safe frame is no fault of its own: it was told to be disabled. */
static void a_stop_is_known_before_the_answer_to_its_safe_frame(void)
{
    static const struct mp_time time = {.now = held_clock};
    pthread_t soon;
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.time = &time;
    rig_start(&config);
    rig.count = 0;
    atomic_store(&holds, true);
    mp_dispatcher_stop(rig.d, MP_STOP_LINE);
    struct pollfd far = {.fd = mp_pty_fd(rig.pty), .events = POLLIN};
    CHECK_INT(poll(&far, 1, 20000), 1);
    CHECK(!mp_dispatcher_told(rig.d, 5 * MP_NS_PER_MS));
    rig_drain();
    CHECK_INT(rig.count, 0);
    CHECK_INT(pthread_create(&soon, NULL, let_go_soon, NULL), 0);
    CHECK(mp_dispatcher_told(rig.d, patience_ns));
    (void)pthread_join(soon, NULL);
    rig_end(MP_STOP_FINISHED, MP_STOP_LINE);
    rig_close();
}

/* ---- the same in a session: its loop goes on, and the answer waits for its question ---- */

static char order[8]; // 's': a pulse was told as sent; 'b': bytes of the device
static int64_t arrived_ns;

static void note(char what)
{
    size_t length = strlen(order);
    if (length < sizeof order - 1)
        order[length] = what;
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context;
    CHECK_INT(length, 1);
    CHECK_INT(bytes[0], '!');
    arrived_ns = arrival_ns;
    note('b');
}

static void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    if (outcome->kind == MP_OUT_SENT)
        note('s');
}

/* The session reads the rig's port; its dispatcher is the rig's, whose clock can be held. */
static struct mp_session *session_of_the_rig(struct mp_world *world)
{
    static const struct mp_session_events events = {.bytes = on_bytes, .outcome = on_outcome};
    struct mp_error err = {0};
    struct mp_session *session = NULL;
    must(mp_session_create(&session, world, &events, &err), &err);
    session->port = rig.port;
    session->state = MP_CONNECTED;
    must(
        session_watch(session, &session->port_watch, rig.port, UV_READABLE, session_read, &err),
        &err);
    atomic_store(&session->dispatcher, rig.d);
    return session;
}

static void end_session(struct mp_session *session, struct mp_world *world, uv_loop_t *loop)
{
    atomic_store(&session->dispatcher, NULL);
    session_unwatch(&session->port_watch);
    session->port = NULL;
    session->state = MP_CLOSED;
    mp_session_destroy(session);
    mp_world_close(world);
    CHECK_INT(uv_run(loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(loop), 0);
}

/* Longer than any wait within a callback: a computer may be that busy. */
static void an_answer_waits_for_its_question_however_long(void)
{
    static const struct mp_time time = {.now = held_clock};
    struct mp_lowering *l =
        lower(ladder(1, seconds(1, 1)), (struct rig_lowering){.lead_ns = -1});
    uv_loop_t loop;
    struct mp_world world;
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.time = &time;
    rig_start(&config);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    struct mp_session *session = session_of_the_rig(&world);
    atomic_store(&holds, true);
    rig_play(l, mp_clock_ns());
    struct pollfd far = {.fd = mp_pty_fd(rig.pty), .events = POLLIN};
    CHECK_INT(poll(&far, 1, 20000), 1);
    CHECK_INT(write(far.fd, "!", 1), 1);
    const int64_t kept_ns = 400 * MP_NS_PER_MS;
    int64_t read_ns = INT64_MAX / 2; // when the loop had it, however late that was
    unsigned turns = 0;
    while (mp_clock_ns() < read_ns + kept_ns || turns <= 2) { // the loop is not kept
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        session_drain(session); // as the heartbeat does
        if (session->heard.length > 0 && read_ns > mp_clock_ns())
            read_ns = mp_clock_ns();
        (void)usleep(1000);
        turns++;
    }
    const int64_t turned_ns = mp_clock_ns();
    CHECK_INT(strlen(order), 0);
    // what is at hand and cannot be told is nobody's silence
    CHECK(mp_world_missed(&world, read_ns) >= kept_ns);
    atomic_store(&holds, false);
    const int64_t until_ns = mp_clock_ns() + patience_ns;
    while (strlen(order) < 2 && mp_clock_ns() < until_ns) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
    CHECK(strcmp(order, "sb") == 0);
    CHECK(arrived_ns > 0 && arrived_ns < turned_ns); // when it came, not when it was told
    const int64_t told_ns = mp_clock_ns();
    CHECK(mp_world_missed(&world, read_ns) >= kept_ns);
    CHECK(mp_world_missed(&world, arrived_ns) <= told_ns - arrived_ns);
    CHECK_INT(mp_world_missed(&world, told_ns), 0); // and it is over
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    end_session(session, &world, &loop);
    rig_close();
    mp_lowering_destroy(l);
}

int main(void)
{
    what_was_sent_is_known_before_its_answer();
    a_stop_is_known_before_the_answer_to_its_safe_frame();
    an_answer_waits_for_its_question_however_long();
    return CHECK_DONE("test_told");
}
