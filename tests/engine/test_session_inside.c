/*
 * Calls in the middle of a report of the session: stopped, closed, armed or opened again inside
 * the callback, it stays whole.
 */
#include "tests/engine/session_rig.h"

static void stop_it(void)
{
    mp_session_stop(session, MP_STOP_ERROR);
    mp_session_stop(session, MP_STOP_ERROR);
}

static void close_it(void)
{
    mp_session_close(session);
    CHECK_INT(mp_session_state(session), MP_CLOSED);
}

/* Stop or close in the middle of the report of the second pulse. */
static void stops_inside_an_outcome(void (*act)(void), enum mp_session_state after)
{
    struct mp_lowering *l =
        lower(then(ladder(3, seconds(1, 1)), then(rest(seconds(3600, 1)), mso(4))),
              (struct rig_lowering){.lead_ns = -1});
    begin_in(MP_ARMED, l);
    seen.act = act;
    seen.act_on = MP_OUT_SENT;
    CHECK_INT(mp_session_play(session, l, mp_clock_ns(), NULL), MP_OK);
    run_until(&seen.outcomes[MP_OUT_STOPPED], 1);
    CHECK_INT(seen.outcomes[MP_OUT_STOPPED], 1);
    CHECK_INT(seen.last.kind, MP_OUT_STOPPED);
    CHECK(seen.last.safe_sent);
    CHECK_INT(seen.last.stop, act == stop_it ? MP_STOP_ERROR : MP_STOP_REQUESTED);
    CHECK_INT(mp_session_state(session), after);
    CHECK_INT(seen.gone, 0);
    // every pulse on the wire was reported
    rig_read_all(2 * seen.outcomes[MP_OUT_SENT] + 3);
    CHECK_INT(rig.length, 2 * seen.outcomes[MP_OUT_SENT] + 3);
    CHECK(rig.length >= 5 && memcmp(rig.wire + rig.length - 3, safe_frame, 3) == 0);
    CHECK_INT(after == MP_CLOSED ? open_it(NULL) : MP_OK, MP_OK);
    seen.act = NULL;
    CHECK_INT(arm_it(NULL), MP_OK); // usable again
    end();
    mp_lowering_destroy(l);
}

static void rearm_it(void)
{
    struct mp_error err = {0};
    CHECK_INT(arm_it(&err), MP_ESTATE); // the old dispatcher is still reporting
    seen.act = NULL;
}

static void arming_inside_the_last_outcome_is_refused(void)
{
    struct mp_lowering *l = an_hour();
    begin_in(MP_ARMED, l);
    seen.act = rearm_it;
    seen.act_on = MP_OUT_STOPPED;
    mp_session_stop(session, MP_STOP_REQUESTED);
    CHECK(seen.act == NULL);
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    CHECK_INT(arm_it(NULL), MP_OK);
    end();
    mp_lowering_destroy(l);
}

/* Bytes came: the owner stops, or closes, or closes and opens again. */
static void reopen_it(void)
{
    mp_session_close(session);
    CHECK_INT(open_it(NULL), MP_OK);
    seen.act_on_bytes = NULL;
}

static void acts_inside_bytes(void (*act)(void), enum mp_session_state after)
{
    struct mp_lowering *l = an_hour();
    size_t n;
    begin_in(MP_RUNNING, l);
    seen.act_on_bytes = act;
    CHECK_INT(mp_pty_write(rig.pty, "error", 5, &n, NULL), MP_OK);
    run_until(&seen.length, 5);
    CHECK_INT(mp_session_state(session), after);
    CHECK_INT(seen.outcomes[MP_OUT_STOPPED], 1);
    wire_is(safe_frame);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(mp_session_state(session), after);
    end();
    mp_lowering_destroy(l);
}

static void close_when_gone(void)
{
    mp_session_close(session);
    mp_session_stop(session, MP_STOP_ERROR);
}

static void closing_when_the_port_is_gone_is_accepted(void)
{
    struct mp_lowering *l = an_hour();
    begin_in(MP_RUNNING, l);
    seen.act = close_it;
    seen.act_on = MP_OUT_STOPPED;
    seen.act_on_gone = close_when_gone;
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    run_until(&seen.outcomes[MP_OUT_STOPPED], 1);
    CHECK_INT(seen.gone, 1);
    CHECK_INT(mp_session_state(session), MP_CLOSED);
    end();
    mp_lowering_destroy(l);
}

int main(void)
{
    stops_inside_an_outcome(stop_it, MP_CONNECTED);
    stops_inside_an_outcome(close_it, MP_CLOSED);
    arming_inside_the_last_outcome_is_refused();
    acts_inside_bytes(stop_it, MP_CONNECTED);
    acts_inside_bytes(close_it, MP_CLOSED);
    acts_inside_bytes(reopen_it, MP_CONNECTED);
    closing_when_the_port_is_gone_is_accepted();
    return CHECK_DONE("test_session_inside");
}
