/* A box for event codes that two sessions have: who closes it, and who owes its 0, whenever one
 * goes. */
#include "engine/session_core.h"

#include "tests/engine/rig.h"

#include <pthread.h>

static uv_loop_t loop;
static struct mp_world world;
static struct mp_session *first, *second;
static struct mp_pty *devices[2], *box;
static struct {
    uint8_t bytes[16];
    size_t count;
} seen;

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context, (void)bytes, (void)length, (void)arrival_ns;
}

static struct mp_session *session_at(struct mp_pty **pty)
{
    static const struct mp_session_events events = {.bytes = on_bytes};
    struct mp_session *session = NULL;
    struct mp_error err = {0};
    must(mp_pty_open(pty, NULL, &err), &err);
    must(mp_session_create(&session, &world, &events, &err), &err);
    must(mp_session_open(session, mp_pty_path(*pty), &no_wire, &err), &err);
    return session;
}

static void begin(void)
{
    struct mp_error err = {0};
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    first = session_at(&devices[0]);
    second = session_at(&devices[1]);
    must(mp_pty_open(&box, NULL, &err), &err);
    const struct mp_code_settings settings = {
        .path = mp_pty_path(box), .serial = no_wire, .width_ns = MP_NS_PER_S};
    CHECK_INT(mp_session_codes_of(second, first, NULL), MP_ESTATE); // it has none
    must(mp_session_codes(first, &settings, &err), &err);
    must(mp_session_codes_of(second, first, &err), &err);
    CHECK_INT(mp_session_codes_of(second, first, NULL), MP_ESTATE); // once
    memset(&seen, 0, sizeof seen);
}

/* Until the box has had so many bytes, or nothing more comes. */
static void see(size_t count)
{
    struct pollfd far = {.fd = mp_pty_fd(box), .events = POLLIN};
    while (seen.count < count && poll(&far, 1, 5000) > 0) {
        const ssize_t n = read(far.fd, seen.bytes + seen.count, sizeof seen.bytes - seen.count);
        if (n <= 0)
            break;
        seen.count += (size_t)n;
    }
    CHECK_INT(seen.count, count);
}

static void end(void)
{
    mp_session_destroy(second);
    mp_session_destroy(first);
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_pty_close(devices[0]);
    mp_pty_close(devices[1]);
    mp_pty_close(box);
}

static void *let_go_soon(void *share)
{
    (void)usleep(500);
    atomic_flag_clear(&((struct mp_code_share *)share)->taken);
    return NULL;
}

/* The device of the first is lost while the second's thread writes to the box: what the first
 * gave does not stand there for as long as the second goes on, which has the box still. */
static void who_goes_leaves_no_code(void)
{
    struct mp_error err = {0};
    pthread_t soon;
    begin();
    must(mp_session_code(first, 7, mp_clock_ns(), false, &err), &err);
    see(2); // its 0 from the opening, and this
    struct mp_code_share *share = &first->box->share;
    CHECK(!atomic_flag_test_and_set(&share->taken));
    CHECK_INT(pthread_create(&soon, NULL, let_go_soon, share), 0);
    mp_session_close(first);
    (void)pthread_join(soon, NULL);
    see(3);
    must(mp_session_code(second, 8, mp_clock_ns() - MP_NS_PER_S, false, &err), &err);
    for (int i = 0; i < 5000 && seen.count < 4; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        struct pollfd far = {.fd = mp_pty_fd(box), .events = POLLIN};
        if (poll(&far, 1, 1) > 0)
            see(4);
    }
    mp_session_close(second);
    see(5);
    static const uint8_t expected[] = {0, 7, 0, 8, 0};
    CHECK(memcmp(seen.bytes, expected, sizeof expected) == 0);
    CHECK_INT(mp_session_code(second, 9, mp_clock_ns(), false, NULL), MP_EGONE);
    end();
}

int main(void)
{
    who_goes_leaves_no_code();
    return CHECK_DONE("test_shared_box");
}
