/*
 * session_rig.h - a session on a real pseudo-terminal, for the C unit tests: what it reported,
 * and what its owner does in the middle of a report.
 */
#ifndef MP_TEST_SESSION_RIG_H
#define MP_TEST_SESSION_RIG_H

#include "engine/session.h"

#include "tests/engine/rig.h"

static uv_loop_t loop;
static struct mp_world world;
static struct mp_session *session;

/* What the session reported, and what its owner does in the middle of a report. */
static struct {
    size_t outcomes[MP_OUT_UNTAKEN + 1];
    struct mp_outcome last;
    enum mp_session_state state_at_last;
    char bytes[256];
    size_t length;
    int gone;
    enum mp_session_state state_at_gone;
    char why[320];
    enum mp_outcome_kind act_on;
    void (*act)(void); // on an outcome of kind act_on
    void (*act_on_bytes)(void);
    void (*act_on_gone)(void);
} seen;

static inline void on_bytes(void *context, const uint8_t *bytes, size_t length,
                            int64_t arrival_ns)
{
    (void)context;
    CHECK(arrival_ns <= mp_clock_ns());
    for (size_t i = 0; i < length && seen.length < sizeof seen.bytes - 1; i++)
        seen.bytes[seen.length++] = (char)bytes[i];
    if (seen.act_on_bytes != NULL)
        seen.act_on_bytes();
}

static inline void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    seen.outcomes[outcome->kind]++;
    seen.last = *outcome;
    seen.state_at_last = mp_session_state(session);
    if (seen.act != NULL && outcome->kind == seen.act_on)
        seen.act();
}

static inline void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    (void)port;
    seen.gone++;
    seen.state_at_gone = mp_session_state(session);
    (void)snprintf(seen.why, sizeof seen.why, "%s", why->text);
    if (seen.act_on_gone != NULL)
        seen.act_on_gone();
}

static inline void begin(void)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    struct mp_error err = {0};
    memset(&seen, 0, sizeof seen);
    rig.length = 0;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&session, &world, &events, &err), &err);
    CHECK_INT(mp_session_state(session), MP_CLOSED);
}

/* Nothing may be left on the loop. */
static inline void end(void)
{
    mp_session_destroy(session);
    session = NULL;
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    mp_pty_close(rig.pty);
    rig.pty = NULL;
}

static inline enum mp_status open_it(struct mp_error *err)
{
    return mp_session_open(session, mp_pty_path(rig.pty), &no_wire, err);
}

static inline enum mp_status arm_it(struct mp_error *err)
{
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = strlen(safe_frame),
                                     .tolerance_ns = forever_ns,
                                     .late = MP_LATE_ABORT};
    return mp_session_arm(session, &arming, err);
}

/* Bring a new session to a state; the plan waits an hour for its second pulse. */
static inline void begin_in(enum mp_session_state state, struct mp_lowering *lowering)
{
    struct mp_error err = {0};
    begin();
    if (state >= MP_CONNECTED)
        must(open_it(&err), &err);
    if (state >= MP_ARMED)
        must(arm_it(&err), &err);
    mp_lowering_rewind(lowering);
    if (state >= MP_RUNNING)
        must(mp_session_play(session, lowering, mp_clock_ns() + forever_ns, &err), &err);
    CHECK_INT(mp_session_state(session), state);
}

/* Run the loop until done; the session alone does not keep it running when it is closed. */
static inline void run_until(const size_t *count, size_t wanted)
{
    int64_t until = mp_clock_ns() + patience_ns;
    while (*count < wanted && mp_clock_ns() < until) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)poll(NULL, 0, 1);
    }
    CHECK(*count >= wanted);
}

static inline struct mp_lowering *an_hour(void)
{
    return lower(mso(50), (struct rig_lowering){.lead_ns = -1});
}

static inline void wire_is(const char *expected)
{
    rig_wire_is((const unsigned char *)expected, strlen(expected));
}

#endif
