/* What the events of a schedule are: order of parallels, channels, actions, origins, marks. */
#include "engine/schedule.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

static void runs_single_leaves(void)
{
    struct mp_event event;
    struct mp_schedule *pulse = schedule_of(mso(30), 0);
    struct mp_schedule *silence = schedule_of(rest(seconds(3, 2)), 0);
    struct mp_schedule *note = schedule_of(mark("here"), 0);
    CHECK(mp_schedule_next(pulse, &event));
    CHECK_INT(event.kind, MP_EVENT_PULSE);
    CHECK_INT(mp_event_ns(&event), 0);
    CHECK(!mp_schedule_next(pulse, &event));
    CHECK(!mp_schedule_next(pulse, &event)); // and stays at the end
    CHECK_INT(mp_schedule_end_ns(pulse), 0);
    CHECK(!mp_schedule_next(silence, &event));
    CHECK(!mp_schedule_next(silence, &event));
    CHECK_INT(mp_schedule_end_ns(silence), 1500000000);
    CHECK_INT(mp_schedule_action_count(silence), 0);
    CHECK(mp_schedule_next(note, &event));
    CHECK_INT(event.kind, MP_EVENT_MARK);
    CHECK_INT(event.number, 1);
    CHECK_STR(mp_schedule_mark(note, event.source), "here");
    CHECK(!mp_schedule_next(note, &event));
    mp_schedule_destroy(pulse);
    mp_schedule_destroy(silence);
    mp_schedule_destroy(note);
    mp_schedule_destroy(NULL);
}

/* Draw the whole stream and say which intensity (%) comes when (ns), marks as their text. */
static void transcribe(struct mp_schedule *schedule, char *text, size_t size)
{
    struct mp_event event;
    size_t used = 0;
    text[0] = '\0';
    while (used < size && mp_schedule_next(schedule, &event)) {
        const bool pulse = event.kind == MP_EVENT_PULSE;
        const struct mp_action *action =
            pulse ? mp_schedule_action(schedule, event.action) : NULL;
        char what[MP_NAME_MAX];
        (void)snprintf(what, sizeof what, "%d",
                       pulse ? (int)action->pulse.intensity_mpct / 1000 : 0);
        used += (size_t)snprintf(text + used, size - used, "%s%s@%lld", used == 0 ? "" : " ",
                                 pulse ? what : mp_schedule_mark(schedule, event.source),
                                 (long long)mp_event_ns(&event));
    }
}

static struct mp_plan *every_ns(int32_t percent, uint64_t count, int64_t num, int64_t den)
{
    return repeat(mso(percent), count, MP_EVERY, ratio(num, den));
}

static void merges_what_runs_together(void)
{
    struct {
        struct mp_plan *plan;
        const char *expected;
    } rows[] = {
        {together(every_ns(1, 3, 10, 1), every_ns(2, 4, 5, 1)),
         "1@0 2@0 2@5 1@10 2@10 2@15 1@20"},
        {together(every_ns(2, 4, 5, 1), every_ns(1, 3, 10, 1)),
         "2@0 1@0 2@5 2@10 1@10 2@15 1@20"},
        // 2/3 ns and 1/3 ns: the order within one nanosecond is that of the exact onsets
        {together(then(rest(ratio(2, 3)), mso(1)), then(rest(ratio(1, 3)), mso(2))), "2@0 1@1"},
        {together(then(rest(ratio(7, 9)), mso(1)), then(rest(ratio(3, 4)), mso(2))), "2@1 1@1"},
        // a group inside a group keeps its children's order among equals
        {together(together(mso(1), mso(2)), together(mso(3), mso(4))), "1@0 2@0 3@0 4@0"},
        {together(mso(1), together(every_ns(2, 2, 4, 1), every_ns(3, 2, 2, 1))),
         "1@0 2@0 3@0 3@2 2@4"},
        {together(then(mark("a"), mso(1)), then(mso(2), mark("b"))), "a@0 1@0 2@0 b@0"},
        // what follows starts at the end of the longest
        {then(together(rest(ratio(7, 1)), mso(1)), mso(2)), "1@0 2@7"},
        {then(together(mso(1), repeat(mso(3), 2, MP_TRAIN, ratio(9, 2))), mso(2)),
         "1@0 3@0 3@5 2@9"},
        {repeat(together(mso(1), then(rest(ratio(3, 1)), mso(2))), 2, MP_GAP, ratio(1, 1)),
         "1@0 2@3 1@4 2@7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        struct mp_schedule *schedule = schedule_of(rows[i].plan, 0);
        transcribe(schedule, text, sizeof text);
        CHECK_STR(text, rows[i].expected);
        mp_schedule_rewind(schedule);
        transcribe(schedule, text, sizeof text);
        CHECK_STR(text, rows[i].expected);
        mp_schedule_destroy(schedule);
    }
}

static const char *next_channel(struct mp_schedule *schedule)
{
    struct mp_event event;
    if (!mp_schedule_next(schedule, &event))
        return "(end)";
    return mp_schedule_channel(schedule, mp_schedule_action(schedule, event.action)->channel);
}

static void names_channels(void)
{
    struct mp_plan *shared = mso(50);
    struct mp_plan *inner = then(mp_plan_ref(shared), on_channel(mp_plan_ref(shared), "left"));
    struct mp_plan *plan = then(then(mp_plan_ref(shared), on_channel(inner, "right")), shared);
    struct mp_schedule *schedule = schedule_of(plan, 0);
    CHECK_STR(next_channel(schedule), "1");
    CHECK_STR(next_channel(schedule), "right");
    CHECK_STR(next_channel(schedule), "left"); // the innermost name wins
    CHECK_STR(next_channel(schedule), "1");
    CHECK_STR(next_channel(schedule), "(end)");
    CHECK_INT(mp_schedule_action_count(schedule), 3);
    mp_schedule_destroy(schedule);

    // a channel that is called like the unnamed one is the same channel: one thing to do
    schedule = schedule_of(then(on_channel(mso(50), "1"), mso(50)), 0);
    CHECK_STR(next_channel(schedule), "1");
    CHECK_STR(next_channel(schedule), "1");
    CHECK_INT(mp_schedule_action_count(schedule), 1);
    mp_schedule_destroy(schedule);
}

static void tells_distinct_actions(void)
{
    struct mp_plan *plan = then(then(mso(50), pulse_of(50000, MP_RMT)), mso(50));
    struct mp_schedule *schedule = schedule_of(then(plan, pulse_of(50001, MP_MSO)), 0);
    struct mp_event event;
    uint32_t action[4];
    for (size_t i = 0; i < 4; i++) {
        CHECK(mp_schedule_next(schedule, &event));
        action[i] = event.action;
    }
    CHECK_INT(mp_schedule_action_count(schedule), 3);
    CHECK_INT(action[0], action[2]);
    CHECK(action[0] != action[1] && action[0] != action[3] && action[1] != action[3]);
    CHECK_INT(mp_schedule_action(schedule, action[1])->pulse.reference, MP_RMT);
    CHECK_INT(mp_schedule_action(schedule, action[3])->pulse.intensity_mpct, 50001);
    mp_schedule_destroy(schedule);
}

static void remembers_origins_and_marks(void)
{
    struct mp_plan *pulse = mso(50), *note = mark("block 1");
    mp_plan_describe(pulse, "itbs.lua:12", "test pulse");
    mp_plan_describe(note, "itbs.lua:13", NULL);
    struct mp_plan *plan = then(then(pulse, note), then(mso(50), mark("block 2")));
    struct mp_schedule *schedule = schedule_of(plan, 0);
    static const char *const origins[] = {"itbs.lua:12", "itbs.lua:13", "", ""};
    static const uint64_t numbers[] = {1, 1, 2, 2}; // pulses and marks count for themselves
    struct mp_event event;
    for (size_t i = 0; i < 4; i++) {
        CHECK(mp_schedule_next(schedule, &event));
        CHECK_INT(event.kind, i % 2 == 0 ? MP_EVENT_PULSE : MP_EVENT_MARK);
        CHECK_INT(event.number, numbers[i]);
        CHECK_STR(mp_schedule_origin(schedule, event.source), origins[i]);
        if (i % 2 == 1)
            CHECK_STR(mp_schedule_mark(schedule, event.source), i == 1 ? "block 1" : "block 2");
    }
    mp_schedule_destroy(schedule);
}

int main(void)
{
    runs_single_leaves();
    merges_what_runs_together();
    names_channels();
    tells_distinct_actions();
    remembers_origins_and_marks();
    return CHECK_DONE("test_schedule_events");
}
