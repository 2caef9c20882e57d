/* Random events against a model of the session's four states: they always agree. */
#include "engine/session.h"

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

enum event {
    OPEN,
    ARM,
    PLAY_LONG,
    PLAY_SHORT,
    WRITE,
    STOP,
    LATCH,
    LOOP,
    FINISH,
    CLOSE,
    LOSE,
    PLUG,
    EVENTS
};
static const char *const event_names[] = {"open",   "arm",   "play long",  "play short",
                                          "write",  "stop",  "stop_async", "loop",
                                          "finish", "close", "lose",       "plug"};
enum { STEPS_MAX = 30 };

static uv_loop_t loop;
static struct mp_world world;
static struct mp_session *session;
static struct mp_lowering *long_plan, *short_plan;

/* What the session is thought to be. */
static struct {
    enum mp_session_state state;
    bool plugged;
    bool short_; // the short plan is playing
    enum mp_stop latched;
    int stops, gone, finishes;
    enum mp_stop why; // of the last stop
    int safe_on_wire; // since it was plugged in
    bool halted;      // stopped, and not armed again since: nothing more is written
} model;

/* What it has reported. */
static struct {
    int stops, gone, finishes, sent;
    enum mp_stop why;
    bool safe_sent;
} seen;

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t arrival_ns)
{
    (void)context, (void)bytes, (void)length, (void)arrival_ns;
    CHECK_NEVER("the device said something");
}

static void on_outcome(void *context, const struct mp_outcome *outcome)
{
    (void)context;
    seen.sent += outcome->kind == MP_OUT_SENT;
    seen.finishes += outcome->kind == MP_OUT_FINISHED;
    if (outcome->kind != MP_OUT_STOPPED)
        return;
    seen.stops++;
    seen.why = outcome->stop;
    seen.safe_sent = outcome->safe_sent;
}

static void on_gone(void *context, uint8_t port, const struct mp_error *why)
{
    (void)context;
    (void)port;
    seen.gone++;
    CHECK(why->text[0] != '\0');
    CHECK_INT(mp_session_state(session), MP_CLOSED);
}

/* ---- the model ---- */

static void model_stop(enum mp_stop why)
{
    if (model.state < MP_ARMED)
        return;
    model.why = model.latched != MP_STOP_NONE ? model.latched : why;
    model.latched = MP_STOP_NONE;
    model.state = MP_CONNECTED;
    model.halted = true;
    model.short_ = false;
    model.stops++;
    model.safe_on_wire += model.plugged;
}

static enum mp_status model_event(enum event event)
{
    bool armed = model.state >= MP_ARMED;
    switch (event) {
    case OPEN:
        if (model.state != MP_CLOSED)
            return MP_ESTATE;
        if (!model.plugged)
            return MP_EGONE;
        model.state = MP_CONNECTED;
        return MP_OK;
    case ARM:
        if (model.state != MP_CONNECTED)
            return MP_ESTATE;
        model.state = MP_ARMED;
        model.halted = false;
        return MP_OK;
    case PLAY_LONG:
    case PLAY_SHORT:
        if (model.state != MP_ARMED || model.latched != MP_STOP_NONE)
            return MP_ESTATE;
        model.state = MP_RUNNING;
        model.short_ = event == PLAY_SHORT;
        return MP_OK;
    case WRITE:
        return model.state == MP_CLOSED || model.latched != MP_STOP_NONE || model.halted
                   ? MP_ESTATE
                   : MP_OK;
    case STOP:
        model_stop(MP_STOP_KEY);
        return MP_OK;
    case LATCH:
        if (armed && model.latched == MP_STOP_NONE)
            model.latched = MP_STOP_SIGNAL;
        return MP_OK;
    case LOOP: // what was latched comes to its end
        if (model.latched != MP_STOP_NONE)
            model_stop(MP_STOP_NONE);
        return MP_OK;
    case FINISH:
        if (model.latched != MP_STOP_NONE) {
            model_stop(MP_STOP_NONE);
        } else if (model.short_) {
            model.state = MP_ARMED;
            model.short_ = false;
            model.finishes++;
        }
        return MP_OK;
    case CLOSE:
        model_stop(MP_STOP_REQUESTED);
        model.state = MP_CLOSED;
        model.halted = false;
        return MP_OK;
    case LOSE:
        model.gone += model.state != MP_CLOSED && model.plugged;
        model.plugged = false;
        model_stop(MP_STOP_GONE);
        model.state = MP_CLOSED;
        model.halted = false;
        return MP_OK;
    default:
        model.plugged = true;
        return MP_OK;
    }
}

/* ---- the session ---- */

/* Run the loop until a count is reached. */
static void run_until(const int *count, int wanted)
{
    for (int64_t until = mp_clock_ns() + patience_ns; *count < wanted && mp_clock_ns() < until;)
        if (uv_run(&loop, UV_RUN_NOWAIT) >= 0 && *count < wanted)
            (void)usleep(50);
    CHECK(*count >= wanted);
}

/* "hello", "P?" and "XYZ" in any order: the safe frames among them. */
static int safe_frames(void)
{
    int safe = 0;
    size_t at = 0;
    while (at < rig.length) {
        size_t left = rig.length - at;
        const unsigned char *bytes = rig.wire + at;
        if (left >= 3 && memcmp(bytes, safe_frame, 3) == 0) {
            safe++;
            at += 3;
        } else if (memcmp(bytes, "hello", left < 5 ? left : 5) == 0) {
            at += left < 5 ? left : 5; // the last may still be on its way
        } else if (left >= 2 && bytes[0] == 'P') {
            at += 2;
        } else {
            CHECK_NEVER("the wire holds whole frames");
            break;
        }
    }
    return safe;
}

static void check_wire(void)
{
    int64_t until = mp_clock_ns() + patience_ns;
    while (safe_frames() < model.safe_on_wire && mp_clock_ns() < until)
        (void)rig_read(1);
    while (rig_read(1))
        continue;
    CHECK_INT(safe_frames(), model.safe_on_wire);
    model.safe_on_wire = 0;
    rig.length = 0;
}

static void unplug(void)
{
    if (rig.pty == NULL)
        return;
    mp_pty_close(rig.pty);
    rig.pty = NULL;
    rig.length = 0;
    model.safe_on_wire = 0;
}

static enum mp_status arm(bool guard, struct mp_error *err)
{
    const struct mp_arming arming = {.safe = safe_frame,
                                     .safe_length = 3,
                                     .tolerance_ns = forever_ns,
                                     .stuck_ns = forever_ns,
                                     .late = MP_LATE_SKIP,
                                     .guard = guard};
    return mp_session_arm(session, &arming, err);
}

static enum mp_status play(struct mp_lowering *lowering, int64_t ahead_ns, struct mp_error *err)
{
    if (mp_session_state(session) == MP_ARMED) // else it may be playing
        mp_lowering_rewind(lowering);
    model.finishes = seen.finishes; // a plan may have come to its end as it was stopped
    return mp_session_play(session, lowering, mp_clock_ns() + ahead_ns, err);
}

/* model_event has been called before: the model knows what must come. */
static enum mp_status do_event(enum event event, struct chance *chance, struct mp_error *err)
{
    switch (event) {
    case OPEN:
        return mp_session_open(session,
                               rig.pty == NULL ? "/dev/pts/unplugged" : mp_pty_path(rig.pty),
                               &no_wire, err);
    case ARM:
        return arm(chance_one_in(chance, 6), err);
    case PLAY_LONG:
        return play(long_plan, forever_ns, err);
    case PLAY_SHORT:
        return play(short_plan, 0, err);
    case WRITE:
        return mp_session_write(session, "hello", 5, err);
    case STOP:
        mp_session_stop(session, MP_STOP_KEY);
        return MP_OK;
    case LATCH:
        mp_session_stop_async(session, MP_STOP_SIGNAL);
        return MP_OK;
    case LOOP:
        run_until(&seen.stops, model.stops);
        return MP_OK;
    case FINISH:
        run_until(&seen.stops, model.stops);
        run_until(&seen.finishes, model.finishes);
        return MP_OK;
    case CLOSE:
        mp_session_close(session);
        return MP_OK;
    case LOSE:
        unplug();
        run_until(&seen.gone, model.gone);
        return MP_OK;
    default:
        if (rig.pty == NULL)
            must(mp_pty_open(&rig.pty, NULL, err), err);
        return MP_OK;
    }
}

static bool agrees(enum mp_status wanted, enum mp_status got)
{
    // the dispatcher's queue of frames is short, and the loop does not wait for it
    bool status = got == wanted || (wanted == MP_OK && got == MP_EBUSY);
    return status && mp_session_state(session) == model.state && seen.stops == model.stops &&
           seen.gone == model.gone && seen.finishes >= model.finishes &&
           (seen.stops == 0 || seen.why == model.why) &&
           (mp_session_port(session) != NULL) == (model.state != MP_CLOSED) &&
           (mp_session_realtime(session) != NULL) == (model.state >= MP_ARMED);
}

/* Events that do something are likelier than those that are refused. */
static enum event choose(struct chance *chance)
{
    static const enum event likely[][4] = {[MP_CLOSED] = {OPEN, OPEN, OPEN, PLUG},
                                           [MP_CONNECTED] = {ARM, ARM, ARM, WRITE},
                                           [MP_ARMED] = {PLAY_SHORT, PLAY_LONG, WRITE, LATCH},
                                           [MP_RUNNING] = {FINISH, LATCH, STOP, WRITE}};
    return chance_one_in(chance, 2) ? (enum event)chance_below(chance, EVENTS)
                                    : likely[model.state][chance_below(chance, 4)];
}

static void begin(void)
{
    static const struct mp_session_events events = {
        .bytes = on_bytes, .outcome = on_outcome, .gone = on_gone};
    struct mp_error err = {0};
    memset(&model, 0, sizeof model);
    memset(&seen, 0, sizeof seen);
    rig.length = 0;
    must(mp_pty_open(&rig.pty, NULL, &err), &err);
    model.plugged = true;
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    must(mp_session_create(&session, &world, &events, &err), &err);
}

/* Whatever it was doing, the end leaves the device safe and nothing on the loop. */
static void end(void)
{
    (void)model_event(CLOSE);
    mp_session_destroy(session);
    CHECK_INT(seen.stops, model.stops);
    CHECK(seen.stops == 0 || seen.why == model.why);
    if (rig.pty != NULL)
        check_wire();
    session = NULL;
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
    unplug();
}

static size_t transitions[EVENTS];

static void one_sequence(uint64_t seed)
{
    struct chance chance = {seed};
    enum event trace[STEPS_MAX];
    int64_t steps = 5 + chance_below(&chance, STEPS_MAX - 5);
    int failed = check_failed;
    begin();
    for (int64_t i = 0; i < steps && check_failed == failed; i++) {
        struct mp_error err = {0};
        trace[i] = choose(&chance);
        enum mp_session_state before = model.state;
        enum mp_status wanted = model_event(trace[i]);
        enum mp_status got = do_event(trace[i], &chance, &err);
        transitions[trace[i]] += model.state != before;
        CHECK(agrees(wanted, got));
        CHECK_INT(err.status, got);
        if (check_failed == failed)
            continue;
        (void)fprintf(stderr, "MP_SEED=%" PRIu64 ": status %d not %d, state %s not %s after",
                      seed, (int)got, (int)wanted,
                      mp_session_state_name(mp_session_state(session)),
                      mp_session_state_name(model.state));
        for (int64_t k = 0; k <= i; k++)
            (void)fprintf(stderr, " %s,", event_names[trace[k]]);
        (void)fprintf(stderr, "\n");
    }
    end();
    if (check_failed != failed)
        (void)fprintf(stderr, "MP_SEED=%" PRIu64 " repeats this\n", seed);
}

int main(void)
{
    bool only;
    uint64_t seed = chance_seed(1, &only);
    uint64_t sequences = only            ? 1
                         : is_quick()    ? 200
                         : CHECKED_BUILD ? 1000
                         : is_long()     ? 20000
                                         : 2000;
    long_plan = lower(mso(50), (struct rig_lowering){.lead_ns = -1});
    short_plan = lower(ladder(3, ratio(200 * 1000, 1)), (struct rig_lowering){.lead_ns = -1});
    for (uint64_t i = 0; i < sequences && check_failed < 20; i++)
        one_sequence(seed + i);
    printf("%" PRIu64 " sequences; changes of state by", sequences);
    for (int i = 0; i < EVENTS; i++)
        if (transitions[i] > 0)
            printf(" %s %zu", event_names[i], transitions[i]);
    printf("\n");
    for (int i = 0; i < EVENTS && !only; i++) // each that can change the state has done so
        CHECK(transitions[i] > 0 || i == WRITE || i == LATCH || i == PLUG);
    mp_lowering_destroy(short_plan);
    mp_lowering_destroy(long_plan);
    return CHECK_DONE("test_session_model");
}
