/* world_late.c - a virtual world that is as disturbed as a real computer, from a seed; and the
 * time in which nobody heard, in both. */
#include "engine/clock.h"
#include "engine/world.h"

/* splitmix64 (G. L. Steele et al. 2014, doi:10.1145/2660193.2660195). */
static uint64_t drawn(struct mp_world_late *late)
{
    uint64_t z = late->seed + ++late->draws * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

/* Mostly a sixteenth of the most at most, as wakes are: few are very late. */
static int64_t wake_ns(struct mp_world_late *late)
{
    uint64_t draw = drawn(late);
    uint64_t most = (uint64_t)late->most_ns;
    most = draw % 16 == 0 ? most : most / 16;
    return (int64_t)((draw >> 4) % (most + 1));
}

void mp_world_be_late(struct mp_world *w, uint64_t seed, int64_t most_ns)
{
    w->late.seed = seed;
    w->late.draws = 0;
    w->late.most_ns = most_ns > 0 ? most_ns : 0;
}

bool mp_world_stall(struct mp_world *w, unsigned whom, int64_t from_ns, int64_t until_ns)
{
    struct mp_world_late *late = &w->late;
    if (late->count == MP_WORLD_STALLS)
        return false;
    late->stalls[late->count++] =
        (struct mp_world_stall){.whom = whom, .from_ns = from_ns, .until_ns = until_ns};
    return true;
}

int64_t mp_world_rings_ns(struct mp_world *w, enum mp_world_who who, int64_t due_ns)
{
    struct mp_world_late *late = &w->late;
    int64_t at_ns = due_ns > w->now_ns ? due_ns : w->now_ns;
    if (late->count == 0 && late->most_ns == 0)
        return due_ns;
    if (who == MP_WHO_SENDER && late->most_ns > 0)
        at_ns += wake_ns(late);
    bool moved = true;
    while (moved) { // one stall may end in another
        moved = false;
        for (unsigned i = 0; i < late->count; i++) {
            const struct mp_world_stall *stall = &late->stalls[i];
            if ((stall->whom & 1U << who) == 0 || at_ns < stall->from_ns ||
                at_ns >= stall->until_ns)
                continue;
            at_ns = stall->until_ns;
            moved = true;
        }
    }
    return at_ns;
}

/* Until when the loop's stalls go on that go on at at_ns; from then on none: when the next
 * begins. */
static bool stalls_at(const struct mp_world_late *late, int64_t at_ns, int64_t *until_ns)
{
    int64_t end_ns = INT64_MIN, next_ns = INT64_MAX;
    for (unsigned i = 0; i < late->count; i++) {
        const struct mp_world_stall *stall = &late->stalls[i];
        if ((stall->whom & 1U << MP_WHO_LOOP) == 0 || stall->until_ns <= at_ns)
            continue;
        if (stall->from_ns <= at_ns && stall->until_ns > end_ns)
            end_ns = stall->until_ns;
        else if (stall->from_ns > at_ns && stall->from_ns < next_ns)
            next_ns = stall->from_ns;
    }
    *until_ns = end_ns > at_ns ? end_ns : next_ns;
    return end_ns > at_ns;
}

void mp_missed_add(struct mp_missed *missed, int64_t ns)
{
    missed->sum_ns += ns;
    missed->longest_ns = ns > missed->longest_ns ? ns : missed->longest_ns;
}

int64_t mp_missed_ns(const struct mp_missed *missed)
{
    const int64_t most_ns =
        missed->longest_ns > MP_NS_PER_S ? missed->longest_ns : (int64_t)MP_NS_PER_S;
    return missed->sum_ns < most_ns ? missed->sum_ns : most_ns;
}

int64_t mp_world_stalled(const struct mp_world *w, int64_t since_ns, int64_t now)
{
    struct mp_missed missed = {0};
    int64_t stalled_ns = 0, until_ns;
    while (since_ns < now) { // stalls may overlap: they are one
        bool stalls = stalls_at(&w->late, since_ns, &until_ns);
        until_ns = until_ns < now ? until_ns : now;
        missed.sum_ns += stalls ? until_ns - since_ns : 0;
        stalled_ns = stalls ? stalled_ns + until_ns - since_ns : 0;
        missed.longest_ns = stalled_ns > missed.longest_ns ? stalled_ns : missed.longest_ns;
        since_ns = until_ns;
    }
    return mp_missed_ns(&missed);
}

static int64_t overlap_ns(int64_t from_ns, int64_t until_ns, int64_t since_ns, int64_t now)
{
    from_ns = from_ns > since_ns ? from_ns : since_ns;
    until_ns = until_ns < now ? until_ns : now;
    return until_ns > from_ns ? until_ns - from_ns : 0;
}

/* Since when it has been the loop's turn, and nobody has looked: an alarm is overdue. */
static int64_t away_since(const struct mp_world *w, int64_t now)
{
    const struct mp_alarm *first = w->first != NULL ? w->first : w->others;
    if (first == NULL)
        return now;
    const int64_t from_ns = first->due_ns > w->looked_ns ? first->due_ns : w->looked_ns;
    return now - from_ns < mp_world_absent_ns ? now : from_ns;
}

int64_t mp_world_missed(const struct mp_world *w, int64_t since_ns)
{
    const int64_t now = mp_world_now(w);
    struct mp_missed missed = {0};
    if (w->is_virtual)
        return mp_world_stalled(w, since_ns, now);
    const unsigned noted =
        w->absence_count < MP_WORLD_ABSENCES ? w->absence_count : MP_WORLD_ABSENCES;
    int64_t from_ns = away_since(w, now); // that one is not over
    if (w->kept_ns != 0 && w->kept_ns < from_ns)
        from_ns = w->kept_ns;
    for (unsigned i = 0; i < noted; i++) { // what lies in both counts once
        const struct mp_absence *each = &w->absences[i];
        const int64_t until_ns = each->until_ns < from_ns ? each->until_ns : from_ns;
        mp_missed_add(&missed, overlap_ns(each->from_ns, until_ns, since_ns, now));
    }
    mp_missed_add(&missed, overlap_ns(from_ns, now, since_ns, now));
    return mp_missed_ns(&missed);
}

void mp_world_pass(struct mp_world *w, int64_t ns)
{
    if (w->is_virtual && ns > 0)
        w->now_ns += ns;
}
