/*
 * test_unconfirmed.c - a device that no longer confirms gets no more pulses, as far as the loop
 * has read the port; a loop that is behind is not mistaken for it. Nor does one whose settings
 * it did not confirm. On a clock turned by hand.
 */
#include "tests/engine/rig.h"

static const int64_t period_ns = 50 * MP_NS_PER_MS;
static const int64_t limit_ns = 180 * MP_NS_PER_MS;

/* What the loop and the device do while the dispatcher waits. */
static struct {
    int64_t now_ns;
    int64_t silent_ns;  // the device confirms what was sent before this, at once
    int64_t stalled_ns; // the loop reads nothing from here on ...
    int64_t back_ns;    // ... until here
} scene;

static int64_t now(void *context)
{
    (void)context;
    return scene.now_ns;
}

static uint64_t pulses_before(int64_t ns)
{
    uint64_t found = 0;
    for (size_t i = 0; i < rig.count; i++)
        found += rig.outcomes[i].kind == MP_OUT_SENT && rig.outcomes[i].returned_ns < ns;
    return found;
}

static bool wait_until(int64_t deadline_ns)
{
    if (scene.now_ns < deadline_ns)
        scene.now_ns = deadline_ns;
    while (rig.count < OUTCOMES_MAX && mp_dispatcher_outcome(rig.d, &rig.outcomes[rig.count]))
        rig.count++;
    if (rig_tally(MP_OUT_FINISHED) > 0)
        mp_dispatcher_stop(rig.d, MP_STOP_FINISHED);
    mp_dispatcher_heartbeat(rig.d);
    bool stalled = scene.now_ns >= scene.stalled_ns && scene.now_ns < scene.back_ns;
    if (!stalled) {
        mp_dispatcher_confirmed(rig.d, pulses_before(scene.silent_ns));
        mp_dispatcher_drained(rig.d, scene.now_ns);
    }
    return true;
}

/* 40 pulses every 50 ms; how many left. */
static size_t play(int64_t unconfirmed_ns, enum mp_stop *stop)
{
    static const struct rig_clock clock = {{now, NULL}, wait_until};
    struct mp_error err = {0};
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    config.time = &clock.time;
    config.arming.unconfirmed_ns = unconfirmed_ns;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    scene.now_ns = MP_NS_PER_S;
    struct mp_lowering *l =
        lower(repeat(mso(50), 40, MP_EVERY, seconds(1, 20)), (struct rig_lowering){0});
    rig_play(l, 2 * MP_NS_PER_S);
    rig_run_here(&clock);
    rig_drain();
    *stop = rig_last()->stop;
    rig_read_all(1);
    size_t sent = rig_tally(MP_OUT_SENT);
    // what the system still held may have been taken back: the safe frame comes twice then
    size_t tail = strlen(safe_frame);
    CHECK(rig.length >= tail && memcmp(rig.wire + rig.length - tail, safe_frame, tail) == 0);
    CHECK(rig.length <= 2 * sent + 2 * tail);
    rig_close();
    mp_lowering_destroy(l);
    return sent;
}

/* Confirmed all the way. */
static void reset(void)
{
    scene.silent_ns = INT64_MAX;
    scene.stalled_ns = scene.back_ns = INT64_MAX;
}

static void test_silence(void)
{
    enum mp_stop stop;
    reset();
    // pulse 11 (2.5 s) and later are not confirmed: those within 180 ms of it still leave
    scene.silent_ns = 2 * MP_NS_PER_S + 10 * period_ns - MP_NS_PER_MS;
    CHECK_INT(play(limit_ns, &stop), 10 + 4);
    CHECK_INT(stop, MP_STOP_SILENT);
}

static void test_edge(void)
{
    enum mp_stop stop;
    reset();
    scene.silent_ns = 2 * MP_NS_PER_S + 10 * period_ns - MP_NS_PER_MS;
    // exactly as old as the limit is not too old; one nanosecond more is
    CHECK_INT(play(3 * period_ns, &stop), 10 + 4);
    CHECK_INT(play(3 * period_ns - 1, &stop), 10 + 3);
    CHECK_INT(stop, MP_STOP_SILENT);
}

static void test_no_limit(void)
{
    enum mp_stop stop;
    reset();
    scene.silent_ns = 0;
    CHECK_INT(play(0, &stop), 40);
    CHECK_INT(stop, MP_STOP_FINISHED);
}

/* A loop that reads nothing for 400 ms is not a silent device: what it reads then counts. */
static void test_stalled_loop(void)
{
    enum mp_stop stop;
    reset();
    scene.stalled_ns = 2 * MP_NS_PER_S + 5 * period_ns;
    scene.back_ns = scene.stalled_ns + 8 * period_ns;
    CHECK_INT(play(limit_ns, &stop), 40);
    CHECK_INT(stop, MP_STOP_FINISHED);
}

/* ---- settings ---- */

static int64_t settings_sent(void)
{
    int64_t found = 0;
    for (size_t i = 0; i < rig.count; i++)
        found +=
            rig.outcomes[i].kind == MP_OUT_SENT && rig.outcomes[i].send.kind == MP_SEND_SET;
    return found;
}

/* What the loop says: the settings that it saw sent, up to one; after some time -1. */
static struct {
    int64_t most;    // how many the device takes
    int64_t turn_ns; // somebody turns a knob then
    int64_t back_ns; // and back
} device;

static bool wait_and_believe(int64_t deadline_ns)
{
    bool due = wait_until(deadline_ns);
    int64_t sent = settings_sent();
    bool turned = scene.now_ns >= device.turn_ns && scene.now_ns < device.back_ns;
    mp_dispatcher_believed(rig.d, turned ? -1 : sent < device.most ? sent : device.most);
    return due;
}

/* 10 pulses at 50 and 60 % in turn, every 200 ms; how many left. */
static size_t play_settings(bool settings, enum mp_late late, enum mp_stop *stop)
{
    static const struct rig_clock clock = {{now, NULL}, wait_and_believe};
    struct mp_error err = {0};
    rig_ports();
    struct mp_dispatch_config config = rig_config(late, MP_NS_PER_MS);
    config.time = &clock.time;
    config.arming.settings = settings;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    scene.now_ns = MP_NS_PER_S;
    struct mp_plan *pair = then(mso(50), then(rest(seconds(1, 5)), mso(60)));
    struct mp_lowering *l =
        lower(repeat(pair, 5, MP_EVERY, seconds(2, 5)), (struct rig_lowering){0});
    rig_play(l, 2 * MP_NS_PER_S);
    rig_run_here(&clock);
    rig_drain();
    *stop = rig_last()->stop;
    rig_read_all(1);
    size_t pulses = 0, held = 0;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        pulses += out->kind == MP_OUT_SENT && out->send.kind == MP_SEND_PULSE;
        held += out->kind == MP_OUT_SKIPPED && out->stop == MP_STOP_SETTING;
    }
    CHECK_INT(held, *stop == MP_STOP_SETTING ? 1 : 0);
    size_t tail = strlen(safe_frame);
    CHECK(rig.length >= tail && memcmp(rig.wire + rig.length - tail, safe_frame, tail) == 0);
    rig_close();
    mp_lowering_destroy(l);
    return pulses;
}

static void trust(void)
{
    reset();
    device.most = INT64_MAX;
    device.turn_ns = device.back_ns = INT64_MAX;
}

static void test_settings(void)
{
    enum mp_stop stop;
    trust();
    CHECK_INT(play_settings(true, MP_LATE_ABORT, &stop), 10);
    CHECK_INT(stop, MP_STOP_FINISHED);
    // the device takes 4 settings: the pulse behind the fifth is held back, also where late
    // pulses are left out
    for (int late = MP_LATE_ABORT; late <= MP_LATE_SKIP; late++) {
        device.most = 4;
        CHECK_INT(play_settings(true, (enum mp_late)late, &stop), 5);
        CHECK_INT(stop, MP_STOP_SETTING);
        device.most = 0;
        CHECK_INT(play_settings(true, (enum mp_late)late, &stop), 1);
        CHECK_INT(stop, MP_STOP_SETTING);
    }
    // a device that confirms none is not asked for it
    CHECK_INT(play_settings(false, MP_LATE_ABORT, &stop), 10);
    CHECK_INT(stop, MP_STOP_FINISHED);
}

/* Also where the plan set nothing: somebody else did. */
static void test_another_setting(void)
{
    enum mp_stop stop;
    trust();
    device.turn_ns = 0;
    CHECK_INT(play_settings(true, MP_LATE_ABORT, &stop), 0);
    CHECK_INT(stop, MP_STOP_SETTING);
    // turned and back between two pulses: it is where it was told to be
    device.turn_ns = 2 * MP_NS_PER_S + 210 * MP_NS_PER_MS;
    device.back_ns = device.turn_ns + 100 * MP_NS_PER_MS;
    CHECK_INT(play_settings(true, MP_LATE_ABORT, &stop), 10);
    CHECK_INT(stop, MP_STOP_FINISHED);
}

/* ---- questions before settings ---- */

/* A device that answers each question so late; a loop that posts wake as soon as it knows. */
static struct {
    int64_t late_ns; // of the third question
    int64_t asked_ns[10];
    int64_t set_ns[10];
    size_t asked, set;
} line;

static void look_at_line(void)
{
    line.asked = line.set = 0;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        if (out->kind == MP_OUT_SENT && out->send.kind == MP_SEND_ASK)
            line.asked_ns[line.asked++] = out->returned_ns;
        if (out->kind == MP_OUT_SENT && out->send.kind == MP_SEND_SET)
            line.set_ns[line.set++] = out->returned_ns;
    }
}

static int64_t answered_at(size_t question)
{
    return line.asked_ns[question] + (question == 2 ? line.late_ns : MP_NS_PER_MS);
}

static bool wait_for_answer(int64_t deadline_ns)
{
    (void)wait_until(scene.now_ns); // what was sent
    look_at_line();
    bool open = line.asked > line.set; // the last question's setting is not sent
    int64_t at_ns = open ? answered_at(line.asked - 1) : 0;
    bool answers = open && at_ns > scene.now_ns && at_ns < deadline_ns;
    (void)wait_until(answers ? at_ns : deadline_ns);
    bool unanswered = open && scene.now_ns < at_ns;
    mp_dispatcher_believed(rig.d, (int64_t)(line.asked + line.set) - (unanswered ? 1 : 0));
    return !answers;
}

/* 10 pulses at 50 and 60 % in turn, every 200 ms, each 30 ms long; how many left. */
static size_t play_asked(int64_t late_ns, enum mp_stop *stop)
{
    static const struct rig_clock clock = {{now, NULL}, wait_for_answer};
    struct mp_error err = {0};
    reset();
    line.late_ns = late_ns;
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    config.time = &clock.time;
    config.arming.settings = true;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    scene.now_ns = MP_NS_PER_S;
    struct mp_plan *pair = then(mso(50), then(rest(seconds(1, 5)), mso(60)));
    struct mp_lowering *l = lower(repeat(pair, 5, MP_EVERY, seconds(2, 5)),
                                  (struct rig_lowering){.ask_ns = 30 * MP_NS_PER_MS});
    rig_play(l, 2 * MP_NS_PER_S);
    rig_run_here(&clock);
    rig_drain();
    look_at_line();
    *stop = rig_last()->stop;
    rig_read_all(1);
    size_t pulses = 0;
    for (size_t i = 0; i < rig.count; i++)
        pulses +=
            rig.outcomes[i].kind == MP_OUT_SENT && rig.outcomes[i].send.kind == MP_SEND_PULSE;
    rig_close();
    mp_lowering_destroy(l);
    return pulses;
}

/* However late the answer: no setting before it, nor before what was held up is over. */
static void test_questions(void)
{
    enum mp_stop stop;
    for (int64_t late_ms = 1; late_ms < 200; late_ms += 9) {
        size_t pulses = play_asked(late_ms * MP_NS_PER_MS, &stop);
        bool in_time = stop == MP_STOP_FINISHED;
        CHECK(in_time || stop == MP_STOP_SETTING || stop == MP_STOP_LATE);
        CHECK_INT(pulses, in_time ? 10 : 3);
        CHECK_INT(line.set, in_time ? 9 : 2);
        CHECK(in_time ? late_ms < 170 : late_ms > 150); // what was held up has 30 ms
        for (size_t i = 0; i < line.set; i++)
            CHECK(line.set_ns[i] >= answered_at(i) + 30 * MP_NS_PER_MS);
    }
}

/* A setting may wait for what the loop believes: the thread is woken when that changes. */
static void a_belief_is_told_once(void)
{
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    rig_start(&config);
    CHECK(mp_dispatcher_believed(rig.d, 3));
    CHECK(!mp_dispatcher_believed(rig.d, 3));
    CHECK(mp_dispatcher_believed(rig.d, 4));
    CHECK(mp_dispatcher_believed(rig.d, 3));
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
}

int main(void)
{
    test_settings();
    test_another_setting();
    test_questions();
    test_silence();
    test_edge();
    test_no_limit();
    test_stalled_loop();
    a_belief_is_told_once();
    return CHECK_DONE("test_unconfirmed");
}
