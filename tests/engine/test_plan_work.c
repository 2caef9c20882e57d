/* What a plan takes to walk: counted before anything is reserved, and refused with the number.
 */
#include "engine/plan.h"

#include "tests/check.h"
#include "tests/engine/chance.h"
#include "tests/engine/plans.h"

#include <string.h>

static struct chance chance = {20100};

static uint64_t draw(uint64_t below)
{
    return (uint64_t)chance_below(&chance, (int64_t)below);
}

static const struct mp_work *work_of(const struct mp_plan *plan)
{
    return &mp_plan_totals(plan)->work;
}

/* plan side by side with itself, width times. Takes plan; NULL where it is refused. */
static struct mp_plan *beside_itself(struct mp_plan *take, size_t width, struct mp_error *err)
{
    struct mp_plan *children[64], *made = NULL;
    for (size_t i = 0; i < width; i++)
        children[i] = take;
    (void)mp_plan_parallel(&made, children, width, err);
    mp_plan_unref(take);
    return made;
}

/* How often parts can be put side by side with themselves, and the words of the refusal. */
static int nest(size_t width, struct mp_error *err)
{
    struct mp_plan *plan = mso(40);
    int levels = 0;
    while (plan != NULL && levels < 100) {
        plan = beside_itself(plan, width, err);
        levels += plan != NULL;
    }
    mp_plan_unref(plan);
    return levels;
}

static void test_nested_parallels_are_counted(void)
{
    static const struct {
        size_t width;
        int levels;
        const char *words;
    } rows[] = {
        {2, 11, "8190 plans side by side, together inside together, at most 4096: put some"},
        {3, 7, "9840 plans side by side"},
        {63, 2, "254079 plans side by side"},
        {64, 1, "4160 plans side by side"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_error err = {0};
        CHECK_INT(nest(rows[i].width, &err), rows[i].levels);
        CHECK_INT(err.status, MP_ERANGE);
        CHECK_HAS(err.text, rows[i].words);
    }
}

static void test_levels_of_all_strands_are_counted(void)
{
    struct mp_error err = {0};
    for (int levels = 900; levels >= 100; levels -= 800) {
        struct mp_plan *plan = mso(40);
        for (int i = 0; i < levels; i++)
            plan = repeat(plan, 1, MP_GAP, ratio(0, 1));
        plan = beside_itself(plan, 64, &err);
        CHECK(plan != NULL);
        CHECK_INT(work_of(plan)->levels, 64 * levels + 1);
        plan = beside_itself(plan, 8, &err);
        CHECK(plan == NULL || levels == 100);
        mp_plan_unref(plan);
    }
    CHECK_HAS(err.text, "460809");
    CHECK_HAS(err.text, "levels of nesting in all, at most 65536");
}

static struct mp_plan *drawn_rests(uint64_t count)
{
    return repeat(rest_between(ratio(0, 1), ratio(1000, 1)), count, MP_GAP, ratio(0, 1));
}

static enum mp_status try_then(struct mp_plan *a, struct mp_plan *b, struct mp_error *err)
{
    struct mp_plan *made = NULL;
    enum mp_status status = mp_plan_then(&made, a, b, err);
    mp_plan_unref(made);
    mp_plan_unref(a);
    mp_plan_unref(b);
    return status;
}

static void test_rests_in_a_row_are_counted(void)
{
    struct mp_error err = {0};
    const uint64_t most = MP_PLAN_MAX_RESTS;
    CHECK_INT(try_then(drawn_rests(most / 2), drawn_rests(most - most / 2), &err), MP_OK);
    CHECK_INT(try_then(drawn_rests(most), drawn_rests(1), &err), MP_ERANGE);
    CHECK_HAS(err.text, "10001 rests in a row, without a pulse or a mark between them");
    CHECK_INT(try_then(drawn_rests(most), mso(40), &err), MP_OK);
    // behind the last pulse of one repetition come those before the first of the next
    struct mp_plan *plan = then(drawn_rests(most / 2), then(mso(40), drawn_rests(most / 2)));
    CHECK_INT(work_of(plan)->rests_most, most / 2);
    plan = repeat(plan, 1, MP_GAP, ratio(0, 1));
    CHECK_INT(work_of(plan)->rests_most, most / 2);
    plan = repeat(plan, 1000000, MP_GAP, ratio(0, 1));
    CHECK_INT(work_of(plan)->rests_most, most);
    CHECK_INT(work_of(plan)->leaves, 1000000 * (most + 1));
    plan = then(plan, mark("x"));
    CHECK_INT(try_then(rest(ratio(1, 1)), plan, &err), MP_OK);
}

static void test_no_number_wraps(void)
{
    struct mp_error err = {0};
    struct mp_plan *plan = rest(ratio(0, 1)), *made = NULL;
    CHECK_INT(mp_plan_repeat(&made, plan, INT64_MAX / 4, MP_GAP, ratio(0, 1), &err), MP_ERANGE);
    CHECK_HAS(err.text, "2305843009213693951 rests in a row");
    CHECK(made == NULL);
    plan = then(then(plan, mso(40)), repeat(rest(ratio(0, 1)), 9, MP_GAP, ratio(0, 1)));
    plan = repeat(plan, INT64_MAX / 4, MP_GAP, ratio(0, 1));
    plan = repeat(plan, 2, MP_GAP, ratio(0, 1));
    plan = then(plan, repeat(drawn_rests(1000), 1, MP_GAP, ratio(0, 1)));
    CHECK(work_of(plan)->leaves == UINT64_MAX);
    CHECK_INT(work_of(plan)->rests_most, 1009);
    mp_plan_unref(plan);
}

enum { LEAVES = 4000 };
struct drawn {
    struct mp_plan *plan;
    char leaves[LEAVES + 1]; // 'r' a rest, 'e' an event, in order
};

/* A plan without parallels, and its leaves one by one. */
static void draw_plan(struct drawn *out, int depth)
{
    const uint64_t kind = depth == 0 ? draw(3) : draw(6);
    if (kind < 3) {
        out->plan = kind == 0 ? mso(40) : kind == 1 ? mark("x") : rest(ratio(0, 1));
        (void)strcpy(out->leaves, kind == 2 ? "r" : "e");
        return;
    }
    struct drawn *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    draw_plan(a, depth - 1);
    draw_plan(b, depth - 1);
    const size_t one = strlen(a->leaves), two = strlen(b->leaves);
    out->leaves[0] = '\0';
    if (kind < 5 && one + two <= LEAVES) {
        out->plan = then(a->plan, b->plan);
        (void)strcat(strcpy(out->leaves, a->leaves), b->leaves);
    } else {
        const uint64_t count = 1 + draw(LEAVES / one < 5 ? LEAVES / one : 5);
        out->plan = repeat(a->plan, count, MP_GAP, ratio(0, 1));
        for (uint64_t i = 0; i < count; i++)
            (void)strcat(out->leaves, a->leaves);
        mp_plan_unref(b->plan);
    }
    free(a);
    free(b);
}

static void test_counts_are_those_of_the_leaves(void)
{
    static struct drawn drawn;
    for (int i = 0; i < 2000; i++) {
        draw_plan(&drawn, 8);
        const struct mp_work *work = work_of(drawn.plan);
        const char *last = strrchr(drawn.leaves, 'e');
        uint64_t most = 0;
        for (const char *at = drawn.leaves; *at != '\0'; at += strcspn(at, "r"))
            if (*at == 'r') {
                most = strspn(at, "r") > most ? strspn(at, "r") : most;
                at += strspn(at, "r");
            }
        CHECK_INT(work->leaves, strlen(drawn.leaves));
        CHECK_INT(work->events, last != NULL);
        CHECK_INT(work->rests_first, strspn(drawn.leaves, "r"));
        CHECK_INT(work->rests_last, last == NULL ? strlen(drawn.leaves) : strlen(last + 1));
        CHECK_INT(work->rests_most, most);
        mp_plan_unref(drawn.plan);
    }
}

int main(void)
{
    test_nested_parallels_are_counted();
    test_levels_of_all_strands_are_counted();
    test_rests_in_a_row_are_counted();
    test_no_number_wraps();
    test_counts_are_those_of_the_leaves();
    return CHECK_DONE("test_plan_work");
}
