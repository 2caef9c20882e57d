/* A device may answer before the dispatcher's thread, held up, gets to tell what it has sent.
 */
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

int main(void)
{
    what_was_sent_is_known_before_its_answer();
    return CHECK_DONE("test_told");
}
