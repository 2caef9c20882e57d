/* The session: every call in every state, and every way out leaves the device safe. */
#include "tests/engine/session_rig.h"

#include <pthread.h>

enum call { OPEN, WRITE, ARM, PLAY, PLAY_UNCHECKED, STOP, CLOSE, CALLS };
static const char *const call_names[] = {"open",           "write", "arm",  "play",
                                         "play unchecked", "stop",  "close"};

static enum mp_status make_call(enum call call, struct mp_lowering *lowering,
                                struct mp_lowering *unchecked, struct mp_error *err)
{
    switch (call) {
    case OPEN:
        return open_it(err);
    case WRITE:
        return mp_session_write(session, "hello", 5, err);
    case ARM:
        return arm_it(err);
    case PLAY:
        return mp_session_play(session, lowering, mp_clock_ns() + forever_ns, err);
    case PLAY_UNCHECKED:
        return mp_session_play(session, unchecked, mp_clock_ns() + forever_ns, err);
    case STOP:
        mp_session_stop(session, MP_STOP_REQUESTED);
        return MP_OK;
    default:
        mp_session_close(session);
        return MP_OK;
    }
}

static void every_call_in_every_state(void)
{
    static const struct {
        enum mp_status status;
        enum mp_session_state after;
    } table[MP_RUNNING + 1][CALLS] = {
        [MP_CLOSED] = {[OPEN] = {MP_OK, MP_CONNECTED},
                       [WRITE] = {MP_ESTATE, MP_CLOSED},
                       [ARM] = {MP_ESTATE, MP_CLOSED},
                       [PLAY] = {MP_ESTATE, MP_CLOSED},
                       [PLAY_UNCHECKED] = {MP_ESTATE, MP_CLOSED},
                       [STOP] = {MP_OK, MP_CLOSED},
                       [CLOSE] = {MP_OK, MP_CLOSED}},
        [MP_CONNECTED] = {[OPEN] = {MP_ESTATE, MP_CONNECTED},
                          [WRITE] = {MP_OK, MP_CONNECTED},
                          [ARM] = {MP_OK, MP_ARMED},
                          [PLAY] = {MP_ESTATE, MP_CONNECTED},
                          [PLAY_UNCHECKED] = {MP_ESTATE, MP_CONNECTED},
                          [STOP] = {MP_OK, MP_CONNECTED},
                          [CLOSE] = {MP_OK, MP_CLOSED}},
        [MP_ARMED] = {[OPEN] = {MP_ESTATE, MP_ARMED},
                      [WRITE] = {MP_OK, MP_ARMED},
                      [ARM] = {MP_ESTATE, MP_ARMED},
                      [PLAY] = {MP_OK, MP_RUNNING},
                      [PLAY_UNCHECKED] = {MP_ESTATE, MP_ARMED},
                      [STOP] = {MP_OK, MP_CONNECTED},
                      [CLOSE] = {MP_OK, MP_CLOSED}},
        [MP_RUNNING] = {[OPEN] = {MP_ESTATE, MP_RUNNING},
                        [WRITE] = {MP_OK, MP_RUNNING},
                        [ARM] = {MP_ESTATE, MP_RUNNING},
                        [PLAY] = {MP_ESTATE, MP_RUNNING},
                        [PLAY_UNCHECKED] = {MP_ESTATE, MP_RUNNING},
                        [STOP] = {MP_OK, MP_CONNECTED},
                        [CLOSE] = {MP_OK, MP_CLOSED}},
    };
    struct mp_lowering *lowering = an_hour();
    struct mp_lowering *unchecked =
        lower(mso(50), (struct rig_lowering){.lead_ns = -1, .unchecked = true});
    for (int state = MP_CLOSED; state <= MP_RUNNING; state++) {
        for (int call = 0; call < CALLS; call++) {
            struct mp_error err = {0};
            begin_in((enum mp_session_state)state, lowering);
            enum mp_status status = make_call((enum call)call, lowering, unchecked, &err);
            enum mp_session_state after = mp_session_state(session);
            if (status != table[state][call].status || after != table[state][call].after)
                (void)fprintf(stderr, "%s when %s:\n", call_names[call],
                              mp_session_state_name((enum mp_session_state)state));
            CHECK_INT(status, table[state][call].status);
            CHECK_INT(err.status, status);
            CHECK_INT(after, table[state][call].after);
            CHECK_INT(mp_session_port(session) != NULL, after != MP_CLOSED);
            CHECK_INT(mp_session_realtime(session) != NULL, after >= MP_ARMED);
            end();
            // whatever was armed was made safe by the end, once
            CHECK_INT(seen.outcomes[MP_OUT_STOPPED], state >= MP_ARMED || after >= MP_ARMED);
            CHECK_INT(seen.gone, 0);
        }
    }
    mp_lowering_destroy(unchecked);
    mp_lowering_destroy(lowering);
}

static void refuses_wrong_arming_and_ports(void)
{
    static const uint8_t bytes[MP_FRAME_MAX + 1] = {1};
    struct mp_error err = {0};
    begin();
    CHECK_INT(mp_session_open(session, "/dev/no-such-port", &no_wire, &err), MP_EGONE);
    CHECK_HAS(err.text, "/dev/no-such-port");
    CHECK_INT(mp_session_state(session), MP_CLOSED);
    CHECK_INT(mp_port_open(&rig.port, mp_pty_path(rig.pty), &no_wire, NULL), MP_OK);
    CHECK_INT(open_it(NULL), MP_EBUSY);
    CHECK_INT(mp_session_state(session), MP_CLOSED);
    mp_port_close(rig.port);
    rig.port = NULL;
    CHECK_INT(open_it(NULL), MP_OK); // the refusals broke nothing
    for (int i = 0; i < 2; i++) {
        const struct mp_arming arming = {.safe = bytes,
                                         .safe_length = i == 0 ? 0 : sizeof bytes};
        err = (struct mp_error){0};
        CHECK_INT(mp_session_arm(session, &arming, &err), MP_EINVAL);
        CHECK_HAS(err.text, "safe");
        CHECK_INT(mp_session_state(session), MP_CONNECTED);
    }
    end();
}

static void reads_and_writes(void)
{
    size_t n;
    struct mp_lowering *l = an_hour();
    begin_in(MP_CONNECTED, l);
    CHECK_INT(mp_session_write(session, "ask", 3, NULL), MP_OK);
    wire_is("ask");
    CHECK_INT(mp_pty_write(rig.pty, "answer", 6, &n, NULL), MP_OK);
    run_until(&seen.length, 6);
    CHECK_STR(seen.bytes, "answer");
    CHECK_INT(arm_it(NULL), MP_OK);
    CHECK_INT(mp_session_write(session, "hey", 3, NULL), MP_OK);
    run_until(&seen.outcomes[MP_OUT_ONEOFF], 1);
    CHECK_INT(mp_pty_write(rig.pty, "!", 1, &n, NULL), MP_OK); // is heard while armed, too
    run_until(&seen.length, 7);
    CHECK_STR(seen.bytes, "answer!");
    wire_is("askhey");
    end();
    mp_lowering_destroy(l);
}

static void plays_and_is_armed_again(void)
{
    struct mp_lowering *l =
        lower(ladder(3, seconds(1, 1)), (struct rig_lowering){.lead_ns = -1}); // none is close
    begin_in(MP_ARMED, l);
    for (size_t round = 1; round <= 2; round++) {
        mp_lowering_rewind(l);
        CHECK_INT(mp_session_play(session, l, mp_clock_ns(), NULL), MP_OK);
        run_until(&seen.outcomes[MP_OUT_FINISHED], round);
        CHECK_INT(seen.outcomes[MP_OUT_SENT], 3 * round);
        CHECK_INT(seen.state_at_last, MP_ARMED);
    }
    mp_session_stop(session, MP_STOP_FINISHED);
    CHECK_INT(seen.outcomes[MP_OUT_STOPPED], 1); // reported when stop returns
    CHECK_INT(seen.state_at_last, MP_CONNECTED);
    CHECK_INT(seen.last.stop, MP_STOP_FINISHED);
    CHECK(seen.last.safe_sent);
    wire_is("P\1P\2P\3P\1P\2P\3XYZ");
    CHECK_INT(arm_it(NULL), MP_OK); // and once more
    CHECK_INT(mp_session_state(session), MP_ARMED);
    end();
    mp_lowering_destroy(l);
}

static void destroying_makes_safe(void)
{
    struct mp_lowering *l = an_hour();
    for (int state = MP_ARMED; state <= MP_RUNNING; state++) {
        begin_in((enum mp_session_state)state, l);
        mp_session_destroy(session);
        CHECK_INT(seen.outcomes[MP_OUT_STOPPED], 1);
        CHECK_INT(seen.last.stop, MP_STOP_REQUESTED);
        CHECK_INT(seen.outcomes[MP_OUT_SENT], 0);
        wire_is(safe_frame);
        session = NULL;
        end(); // destroying none is accepted
    }
    mp_lowering_destroy(l);
}

static void at_exit_makes_safe_and_says_nothing(void)
{
    struct mp_lowering *l = an_hour();
    begin_in(MP_CONNECTED, l);
    mp_session_stop_at_exit(session); // nothing is armed
    CHECK_INT(mp_session_state(session), MP_CONNECTED);
    CHECK_INT(arm_it(NULL), MP_OK);
    CHECK_INT(mp_session_play(session, l, mp_clock_ns() + forever_ns, NULL), MP_OK);
    mp_session_stop_at_exit(session);
    CHECK_INT(seen.outcomes[MP_OUT_STOPPED], 0);
    wire_is(safe_frame);
    end();
    mp_lowering_destroy(l);
}

static void *stop_from_afar(void *nothing)
{
    (void)nothing;
    mp_session_stop_async(session, MP_STOP_SIGNAL);
    mp_session_stop_async(session, MP_STOP_ERROR);
    return NULL;
}

static void stops_from_another_thread(void)
{
    struct mp_lowering *l = an_hour();
    for (int state = MP_CONNECTED; state <= MP_RUNNING; state++) {
        bool stops = state >= MP_ARMED;
        pthread_t thread;
        begin_in((enum mp_session_state)state, l);
        CHECK_INT(pthread_create(&thread, NULL, stop_from_afar, NULL), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        run_until(&seen.outcomes[MP_OUT_STOPPED], stops);
        CHECK_INT(mp_session_state(session), MP_CONNECTED);
        CHECK_INT(seen.last.stop, stops ? MP_STOP_SIGNAL : MP_STOP_NONE);
        CHECK_INT(arm_it(NULL), MP_OK);
        wire_is(stops ? safe_frame : "");
        end();
    }
    mp_lowering_destroy(l);
}

static void a_lost_port_closes(void)
{
    struct mp_lowering *l = an_hour();
    for (int state = MP_CONNECTED; state <= MP_RUNNING; state++) {
        size_t lost = 0;
        begin_in((enum mp_session_state)state, l);
        mp_pty_close(rig.pty);
        rig.pty = NULL;
        for (int64_t until = mp_clock_ns() + patience_ns; lost == 0 && mp_clock_ns() < until;) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
            lost = (size_t)seen.gone;
        }
        CHECK_INT(seen.gone, 1);
        CHECK_INT(seen.state_at_gone, MP_CLOSED);
        CHECK_INT(mp_session_state(session), MP_CLOSED);
        CHECK_HAS(seen.why, "gone");
        struct mp_error err = {0};
        CHECK_INT(mp_session_code(session, 1, mp_clock_ns(), false, &err), MP_EGONE);
        CHECK_HAS(err.text, "the device's port is lost");
        CHECK_INT(seen.outcomes[MP_OUT_STOPPED], state >= MP_ARMED);
        if (state >= MP_ARMED) {
            CHECK_INT(seen.last.stop, MP_STOP_GONE);
            CHECK(!seen.last.safe_sent);
        }
        end();
    }
    mp_lowering_destroy(l);
}

int main(void)
{
    every_call_in_every_state();
    refuses_wrong_arming_and_ports();
    reads_and_writes();
    plays_and_is_armed_again();
    destroying_makes_safe();
    at_exit_makes_safe_and_says_nothing();
    stops_from_another_thread();
    a_lost_port_closes();
    return CHECK_DONE("test_session");
}
