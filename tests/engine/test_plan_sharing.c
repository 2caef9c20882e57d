/* Plans share their parts: appending is cheap, nobody sees another's parts, all is freed. */
#include "engine/plan.h"

#include "tests/check.h"
#include "tests/engine/plans.h"

#include <malloc.h>

/* Sum of intensities (%), weighted by position: tells both what a plan holds and its order. */
static int64_t contents(const struct mp_plan *plan)
{
    int64_t sum = 0;
    for (size_t i = 0; i < mp_plan_view(plan).children; i++)
        sum += (int64_t)(i + 1) *
               (mp_plan_view(mp_plan_child(plan, i)).pulse.intensity_mpct / 1000);
    return sum;
}

static void appends_many_parts(void)
{
    enum { PARTS = 100000 };
    struct mp_plan *plan = mso(0);
    for (int i = 1; i < PARTS; i++)
        plan = then(plan, i % 2 == 0 ? mso(i % 101) : rest(ratio(5, 3)));
    const struct mp_totals *totals = mp_plan_totals(plan);
    CHECK_INT(totals->pulses, PARTS / 2);
    CHECK_INT(totals->depth, 2); // appending does not nest
    CHECK_INT(mp_plan_view(plan).children, PARTS);
    CHECK(mp_plan_child(plan, PARTS) == NULL);
    CHECK_INT(mp_ratio_compare(totals->span, ratio(INT64_C(5) * PARTS / 2, 3)), 0);
    int64_t wrong = 0;
    for (int i = 0; i < PARTS; i++) {
        struct mp_plan *part = mp_plan_child(plan, (size_t)i);
        wrong += mp_plan_kind(part) != (i % 2 == 0 ? MP_PLAN_PULSE : MP_PLAN_REST);
        wrong += i % 2 == 0 && mp_plan_view(part).pulse.intensity_mpct != i % 101 * 1000;
    }
    CHECK_INT(wrong, 0);
    struct mp_schedule *schedule = schedule_of(plan, 0);
    struct mp_event event;
    for (int64_t i = 0; i < PARTS / 2; i++)
        wrong += !mp_schedule_next(schedule, &event) ||
                 mp_event_ns(&event) != round_half_up(5 * i, 3);
    CHECK_INT(wrong, 0);
    CHECK(!mp_schedule_next(schedule, &event));
    mp_schedule_destroy(schedule);
}

/* From one prefix of any length several plans grow, in any order: each sees its own parts. */
static void grows_apart_from_one_prefix(void)
{
    enum { BRANCHES = 3 };
    for (int length = 1; length <= 20; length++) {
        struct mp_plan *prefix = mso(1), *branch[BRANCHES];
        for (int i = 1; i < length; i++)
            prefix = then(prefix, mso(1));
        for (int b = 0; b < BRANCHES; b++)
            branch[b] = then(mp_plan_ref(prefix), mso(10 * (b + 1)));
        for (int step = 2; step < 12; step++) // and go on growing in turns
            for (int b = 0; b < BRANCHES; b++)
                branch[b] = then(branch[b], mso(10 * (b + 1)));
        const int64_t common = length * (length + 1) / 2;
        const int64_t all = (length + 11) * (length + 12) / 2;
        CHECK_INT(contents(prefix), length == 1 ? 0 : common); // a pulse alone has no parts
        for (int b = 0; b < BRANCHES; b++) {
            CHECK_INT(mp_plan_totals(branch[b])->pulses, length + 11);
            CHECK_INT(contents(branch[b]), common + 10 * (b + 1) * (all - common));
        }
        mp_plan_unref(branch[0]); // the newest user of a shared array goes first, then others
        CHECK_INT(contents(branch[1]), common + 20 * (all - common));
        mp_plan_unref(prefix);
        CHECK_INT(contents(branch[2]), common + 30 * (all - common));
        mp_plan_unref(branch[2]);
        CHECK_INT(contents(branch[1]), common + 20 * (all - common));
        mp_plan_unref(branch[1]);
    }
}

/* (a .. b) .. (c .. d) is a .. b .. c .. d, however long the right-hand side. */
static void appends_sequences(void)
{
    for (int length = 2; length < 150; length += 7) {
        struct mp_plan *left = then(mso(1), mso(2)), *right = mso(3);
        for (int i = 1; i < length; i++)
            right = then(right, mso(3));
        struct mp_plan *plan = then(left, mp_plan_ref(right));
        CHECK_INT(mp_plan_totals(plan)->pulses, length + 2);
        CHECK_INT(mp_plan_view(right).children, length);
        struct mp_schedule *schedule = schedule_of(plan, 0);
        struct mp_event event;
        for (int i = 0; i < length + 2; i++) {
            CHECK(mp_schedule_next(schedule, &event));
            CHECK_INT(mp_schedule_action(schedule, event.action)->pulse.intensity_mpct,
                      1000 * (i < 2 ? i + 1 : 3));
        }
        mp_schedule_destroy(schedule);
        mp_plan_unref(right);
    }
}

static void describes_itself(void)
{
    struct mp_plan *plan = then(mso(1), mso(2));
    CHECK_STR(mp_plan_origin(plan), "");
    CHECK_STR(mp_plan_label(plan), "");
    mp_plan_describe(plan, "itbs.lua:12", "burst");
    CHECK_STR(mp_plan_origin(plan), "itbs.lua:12");
    CHECK_STR(mp_plan_label(plan), "burst");
    char text[300];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mp_plan_describe(plan, text, text);
    CHECK_INT(strlen(mp_plan_origin(plan)), MP_ORIGIN_MAX - 1);
    CHECK_INT(strlen(mp_plan_label(plan)), MP_NAME_MAX - 1);
    mp_plan_describe(plan, NULL, NULL);
    CHECK_STR(mp_plan_origin(plan), "");
    CHECK_STR(mp_plan_label(plan), "");
    mp_plan_unref(plan);
    mp_plan_unref(NULL);
}

/* The same plan under another name: the same parts, and what is appended to one is not in the
 * other. */
static void tagged_plans_share_their_parts(void)
{
    struct mp_error err = {0};
    struct mp_plan *plan = then(mso(1), mso(2)), *sici = NULL, *longer;
    CHECK_INT(mp_plan_tagged(&sici, plan, "SICI", MP_ROLE_TRIAL, &err), MP_OK);
    CHECK_STR(mp_plan_condition(plan), "");
    CHECK_INT(mp_plan_roles(plan), 0);
    CHECK_STR(mp_plan_condition(sici), "SICI");
    CHECK_INT(mp_plan_roles(sici), MP_ROLE_TRIAL);
    longer = then(mp_plan_ref(plan), mso(3));
    CHECK_INT(mp_plan_view(longer).children, 3);
    CHECK_INT(mp_plan_view(sici).children, 2);
    CHECK_INT(contents(sici), 5);
    mp_plan_unref(plan);
    mp_plan_unref(longer);
    CHECK_INT(contents(sici), 5);
    struct mp_plan *block = NULL;
    CHECK_INT(mp_plan_tagged(&block, sici, NULL, MP_ROLE_BLOCK, &err), MP_OK);
    CHECK_STR(mp_plan_condition(block), "SICI");
    CHECK_INT(mp_plan_roles(block), MP_ROLE_TRIAL | MP_ROLE_BLOCK);
    mp_plan_unref(sici);
    // what has a name stays one part, on either side
    plan = then(then(mp_plan_ref(block), mso(9)), mp_plan_ref(block));
    CHECK_INT(mp_plan_view(plan).children, 3);
    CHECK_INT(contents(block), 5);
    mp_plan_unref(plan);
    CHECK_INT(mp_plan_tagged(&plan, block, "", 0, &err), MP_ERANGE);
    CHECK_INT(mp_plan_tagged(&plan, block, "a\tb", 0, &err), MP_ERANGE);
    mp_plan_unref(block);
}

static void shows_its_inside(void)
{
    struct mp_plan *child = mso(1), *const both[] = {child, child};
    struct mp_plan *plan = repeat(mp_plan_ref(child), 7, MP_EVERY, ratio(5, 3)), *group = NULL;
    const struct mp_plan_view view = mp_plan_view(plan);
    CHECK_INT(mp_plan_kind(plan), MP_PLAN_REPEAT);
    CHECK_INT(view.count, 7);
    CHECK_INT(view.spacing, MP_EVERY);
    CHECK_INT(mp_ratio_compare(view.period_ns, ratio(5, 3)), 0);
    CHECK_INT(view.children, 1);
    CHECK(view.text == NULL);
    CHECK(mp_plan_child(plan, 0) == child && mp_plan_child(plan, 1) == NULL);
    CHECK(mp_plan_child(child, 0) == NULL);
    CHECK_INT(mp_plan_parallel(&group, both, 2, NULL), MP_OK);
    CHECK_INT(mp_plan_kind(group), MP_PLAN_PARALLEL);
    CHECK_INT(mp_plan_view(group).children, 2);
    CHECK_INT(mp_plan_view(group).count, 0);
    mp_plan_unref(child);
    mp_plan_unref(plan);
    CHECK(mp_plan_child(group, 1) == child); // the group holds references of its own
    CHECK_INT(mp_plan_view(mp_plan_child(group, 0)).pulse.intensity_mpct, 1000);
    mp_plan_unref(group);
}

/* A plan that holds an earlier version of itself, in each way to compose plans. */
static struct mp_plan *holding_itself(struct mp_plan *take_plan, int way)
{
    struct mp_plan *part = mp_plan_ref(take_plan);
    if (way == 0)
        part = repeat(part, 3, MP_GAP, ratio(1, 1));
    else if (way == 1)
        part = on_channel(part, "left");
    else if (way == 2)
        part = together(part, mso(2));
    else
        mp_plan_describe(part, "", "named"); // kept whole, not spliced
    return then(take_plan, part);
}

/* Memory in use does not grow: parts and wholes must not keep each other alive. */
static void frees_plans_that_hold_themselves(void)
{
    enum { WAYS = 4, ROUNDS = 500, ALLOWED = 64 * 1024 };
    for (int way = 0; way < WAYS; way++) {
        size_t before = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct mp_plan *plan = then(mso(1), mso(2));
            for (int i = 0; i < 5; i++)
                plan = holding_itself(plan, way);
            CHECK_INT(mp_plan_view(plan).children, way == 3 ? 2 : 7);
            mp_plan_unref(plan);
            if (round == ROUNDS / 10) // after the allocator has warmed up
                before = mallinfo2().uordblks;
        }
        const size_t after = mallinfo2().uordblks;
        CHECK(after < before + ALLOWED);
    }
}

int main(void)
{
    appends_many_parts();
    grows_apart_from_one_prefix();
    appends_sequences();
    describes_itself();
    tagged_plans_share_their_parts();
    shows_its_inside();
    frees_plans_that_hold_themselves();
    return CHECK_DONE("test_plan_sharing");
}
