#include "engine/world.h"

#include "engine/clock.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

// a virtual world asks the loop what has come from outside so often, by the real clock; whether
// it is time to is looked at every so many turns
static const int64_t hear_ns = 10 * MP_NS_PER_MS;
enum { LOOK_TURNS = 64 };
// what came in so short a time while alarms rang is heard before the next ones
static const int64_t again_ns = MP_NS_PER_MS;

/* ---- the alarms: a pairing heap (M. Fredman et al. 1986, doi:10.1007/BF01840439) ---- */

static bool before(const struct mp_alarm *a, const struct mp_alarm *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* Two heaps become one; either may be NULL. */
static struct mp_alarm *meld(struct mp_alarm *a, struct mp_alarm *b)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    if (before(b, a)) {
        struct mp_alarm *swap = a;
        a = b;
        b = swap;
    }
    b->previous = a;
    b->next = a->child;
    if (b->next != NULL)
        b->next->previous = b;
    a->child = b;
    a->next = a->previous = NULL;
    return a;
}

/* The heaps of a list become one: pair by pair, then from the last pair to the first. */
static struct mp_alarm *meld_list(struct mp_alarm *list)
{
    struct mp_alarm *pairs = NULL, *heap = NULL;
    while (list != NULL) {
        struct mp_alarm *a = list, *b = list->next;
        list = b == NULL ? NULL : b->next;
        a->next = a->previous = NULL;
        if (b != NULL)
            b->next = b->previous = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct mp_alarm *rest = pairs->next;
        pairs->next = NULL;
        heap = meld(heap, pairs);
        pairs = rest;
    }
    return heap;
}

static void leave_heap(struct mp_world *w, struct mp_alarm *alarm)
{
    struct mp_alarm *children = meld_list(alarm->child);
    if (alarm == w->others) {
        w->others = children;
    } else {
        if (alarm->previous->child == alarm)
            alarm->previous->child = alarm->next;
        else
            alarm->previous->next = alarm->next;
        if (alarm->next != NULL)
            alarm->next->previous = alarm->previous;
        w->others = meld(w->others, children);
    }
    alarm->child = alarm->next = alarm->previous = NULL;
}

/* The place of the first stays empty until earliest() or put_in(): mostly what rings sets the
 * next one. */
static void take_out(struct mp_world *w, struct mp_alarm *alarm)
{
    if (alarm == w->first)
        w->first = NULL;
    else
        leave_heap(w, alarm);
    alarm->is_set = false;
    w->awake -= alarm->idle ? 0 : 1;
}

/* NULL: none is set. */
static struct mp_alarm *earliest(struct mp_world *w)
{
    if (w->first == NULL && w->others != NULL) {
        w->first = w->others;
        leave_heap(w, w->first);
    }
    return w->first;
}

static void put_in(struct mp_world *w, struct mp_alarm *alarm, int64_t due_ns)
{
    alarm->due_ns = w->is_virtual ? mp_world_rings_ns(w, alarm->who, due_ns) : due_ns;
    alarm->order = ++w->order;
    if (alarm->hears && alarm->due_ns > due_ns) // after a stall, as in a real world
        alarm->order = 0;
    alarm->is_set = true;
    w->awake += alarm->idle ? 0 : 1;
    struct mp_alarm *other = alarm;
    if (w->first == NULL ? w->others == NULL || before(alarm, w->others)
                         : before(alarm, w->first)) {
        other = w->first;
        w->first = alarm;
    } else {
        (void)earliest(w);
    }
    w->others = meld(w->others, other);
}

static void ring_first(struct mp_world *w)
{
    struct mp_alarm *alarm = earliest(w);
    take_out(w, alarm);
    alarm->ring(alarm);
    (void)earliest(w);
}

/* ---- a real world ---- */

static void on_timer(uv_timer_t *timer);

/* Do the handles keep the loop going? Only for an alarm that is not idle. */
static void hold_loop(struct mp_world *w, bool hold)
{
    void (*tell)(uv_handle_t * handle) = hold ? uv_ref : uv_unref;
    tell((uv_handle_t *)&w->timer);
    if (w->exact >= 0)
        tell((uv_handle_t *)&w->poll);
}

/* Have the exact timer call at due_ns; 0: not at all. */
static bool set_exact(struct mp_world *w, int64_t due_ns)
{
    const struct itimerspec at = {.it_value = mp_clock_timespec(due_ns)};
    return w->exact >= 0 && timerfd_settime(w->exact, TFD_TIMER_ABSTIME, &at, NULL) == 0;
}

/* Have the loop call for the first alarm, never before it is due. */
static void arm(struct mp_world *w)
{
    const int64_t due_ns = earliest(w) == NULL ? 0 : w->first->due_ns;
    hold_loop(w, w->awake > 0);
    (void)uv_timer_stop(&w->timer);
    if (w->first == NULL)
        (void)set_exact(w, 0);
    // also of what is due already: libuv would ring a timer of no time in the same turn, again
    // and again if each ring sets another, and signals and bytes would not be heard
    if (w->first == NULL || set_exact(w, due_ns > 0 ? due_ns : 1))
        return;
    uv_update_time(w->loop); // it may be stale after long work
    int64_t due_ms = due_ns / MP_NS_PER_MS + (due_ns % MP_NS_PER_MS > 0 ? 1 : 0);
    int64_t after_ms = due_ms - (int64_t)uv_now(w->loop);
    (void)uv_timer_start(&w->timer, on_timer, after_ms > 0 ? (uint64_t)after_ms : 0, 0);
}

static void arm_soon(struct mp_world *w)
{
    if (!w->is_virtual && !w->ringing)
        arm(w);
}

/* It is one with what lies within it, and begins after the one that it overlaps. */
static void note_absence(struct mp_world *w, int64_t from_ns, int64_t now)
{
    for (unsigned i = w->absence_count; i > 0 && w->absence_count - i < MP_WORLD_ABSENCES;
         i--) {
        struct mp_absence *before = &w->absences[(i - 1) % MP_WORLD_ABSENCES];
        if (before->from_ns < from_ns) {
            from_ns = before->until_ns > from_ns ? before->until_ns : from_ns;
            break;
        }
        before->until_ns = before->from_ns;
    }
    if (now - from_ns < mp_world_absent_ns)
        return;
    w->absences[w->absence_count++ % MP_WORLD_ABSENCES] =
        (struct mp_absence){.from_ns = from_ns, .until_ns = now};
}

/* Hear all that has come. */
static void look(struct mp_world *w, int64_t now)
{
    // from when it was the loop's turn, which came now
    note_absence(w, w->first->due_ns > w->looked_ns ? w->first->due_ns : w->looked_ns, now);
    w->looked_ns = now;
    for (struct mp_listener *each = w->listeners; each != NULL; each = w->listens_next) {
        struct pollfd input = {.fd = each->fd, .events = POLLIN};
        w->listens_next = each->next; // kept right by mp_world_deaf
        if (poll(&input, 1, 0) > 0)
            each->hear(each);
    }
    w->listens_next = NULL;
}

/* All that are due, but those that are set meanwhile: they have the next turn. */
static void ring_due(struct mp_world *w)
{
    const uint64_t last = w->order;
    const int64_t now = mp_clock_ns();
    if (w->is_virtual) // the pace's: it has only waited
        return;
    w->ringing = true;
    int64_t heard_ns = INT64_MIN;
    while (!w->is_virtual && earliest(w) != NULL && w->first->due_ns <= now &&
           w->first->order <= last) {
        int64_t then = mp_clock_ns();
        if (heard_ns != INT64_MIN && then - heard_ns <= again_ns) {
            ring_first(w);
            continue;
        }
        look(w, then); // whose alarm this is may be woken by what has come
        heard_ns = mp_clock_ns();
    }
    w->ringing = false;
    arm_soon(w);
}

static void on_timer(uv_timer_t *timer)
{
    ring_due(timer->data);
}

static void on_exact(uv_poll_t *poll, int status, int events)
{
    struct mp_world *w = poll->data;
    uint64_t times;
    (void)status, (void)events;
    if (read(w->exact, &times, sizeof times) > 0) // else it was set anew meanwhile
        ring_due(w);
}

/* ---- a virtual world ---- */

/* What has come from outside: signals, keys, the end of child processes. */
static void hear(struct mp_world *w, int64_t real_ns)
{
    w->heard_ns = real_ns;
    w->hears = false;
    atomic_store(&w->called, false); // before the loop looks: a later call is another turn's
    hold_loop(w, true); // a loop that nothing holds returns without a look at what has come
    if (w->exact < 0)
        (void)uv_timer_start(&w->timer, on_timer, 0, 0);
    (void)uv_run(w->loop, UV_RUN_NOWAIT);
    if (w->is_virtual)
        hold_loop(w, false);
}

/* Is the time of the first alarm still to come, at this pace? Then some of it has passed. */
static bool waited(struct mp_world *w)
{
    if (w->pace <= 0)
        return false;
    int64_t real_ns = mp_clock_ns();
    double passed_ns = (double)(real_ns - w->begun_real_ns) * w->pace;
    double left_ns = ((double)(w->first->due_ns - w->begun_ns) - passed_ns) / w->pace;
    if (left_ns < (double)MP_NS_PER_MS)
        return false;
    double left_ms = left_ns / (double)MP_NS_PER_MS;
    uv_update_time(w->loop);
    uv_ref((uv_handle_t *)&w->timer);
    (void)uv_timer_start(&w->timer, on_timer, left_ms < 1000 ? (uint64_t)left_ms : 1000, 0);
    w->heard_ns = real_ns;
    (void)uv_run(w->loop, UV_RUN_ONCE);
    return true;
}

static bool turn_virtual(struct mp_world *w)
{
    bool due = earliest(w) != NULL && w->first->due_ns <= w->now_ns;
    if (w->held > 0 && !due) {
        w->heard_ns = mp_clock_ns();
        hold_loop(
            w, true); // what is waited for may hold no loop, as a program that follows the run
        if (w->exact < 0)
            (void)uv_timer_start(&w->timer, on_timer, 1000, 0);
        (void)uv_run(w->loop, UV_RUN_ONCE);
        if (w->is_virtual)
            hold_loop(w, false);
        return true;
    }
    bool asked = w->hears || atomic_load(&w->called);
    if (asked || ++w->turns % LOOK_TURNS == 0) {
        int64_t real_ns = mp_clock_ns();
        if (asked || real_ns - w->heard_ns >= hear_ns) {
            hear(w, real_ns);
            return true; // an alarm may have been set, or the world be real again
        }
    }
    if (w->awake == 0)
        return false;
    if (waited(w))
        return true;
    if (w->first->due_ns > w->now_ns) {
        w->now_ns = w->first->due_ns;
        w->here = 0;
    }
    w->here++;
    ring_first(w);
    return true;
}

/* ---- either ---- */

void mp_world_open(struct mp_world *w, uv_loop_t *loop)
{
    *w = (struct mp_world){.loop = loop};
    (void)uv_timer_init(loop, &w->timer); // cannot fail
    w->timer.data = w;
    w->exact = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->exact >= 0 && uv_poll_init(loop, &w->poll, w->exact) != 0) {
        (void)close(w->exact);
        w->exact = -1;
    }
    w->poll.data = w;
    if (w->exact >= 0)
        (void)uv_poll_start(&w->poll, UV_READABLE, on_exact);
    hold_loop(w, false);
}

void mp_world_close(struct mp_world *w)
{
    while (earliest(w) != NULL)
        take_out(w, w->first);
    uv_close((uv_handle_t *)&w->timer, NULL);
    if (w->exact < 0)
        return;
    uv_close((uv_handle_t *)&w->poll, NULL);
    (void)close(w->exact);
}

int64_t mp_world_soon(struct mp_world *w)
{
    w->hears = w->is_virtual;
    // not now: libuv 1.44 would ring in the same turn, and signals and bytes would not be heard
    return w->is_virtual ? w->now_ns : mp_clock_ns() + MP_NS_PER_MS;
}

void mp_world_set(struct mp_world *w, struct mp_alarm *alarm, int64_t due_ns)
{
    if (alarm->is_set)
        take_out(w, alarm);
    put_in(w, alarm, due_ns);
    if (w->first == alarm || w->awake == 1)
        arm_soon(w);
}

void mp_world_cancel(struct mp_world *w, struct mp_alarm *alarm)
{
    if (!alarm->is_set)
        return;
    take_out(w, alarm);
    (void)earliest(w);
    if (w->awake == 0)
        arm_soon(w); // else the timer is early at most
}

void mp_world_listen(struct mp_world *w, struct mp_listener *listener)
{
    listener->next = w->listeners;
    listener->previous = &w->listeners;
    if (listener->next != NULL)
        listener->next->previous = &listener->next;
    w->listeners = listener;
}

void mp_world_deaf(struct mp_world *w, struct mp_listener *listener)
{
    if (listener->previous == NULL)
        return;
    if (w->listens_next == listener)
        w->listens_next = listener->next;
    *listener->previous = listener->next;
    if (listener->next != NULL)
        listener->next->previous = listener->previous;
    listener->next = NULL;
    listener->previous = NULL;
}

void mp_world_keep(struct mp_world *w, int64_t came_ns)
{
    if (!w->is_virtual && w->kept_ns == 0)
        w->kept_ns = came_ns;
}

void mp_world_kept(struct mp_world *w)
{
    if (w->kept_ns != 0)
        note_absence(w, w->kept_ns, mp_clock_ns());
    w->kept_ns = 0;
}

bool mp_world_turn(struct mp_world *w)
{
    if (w->is_virtual)
        return turn_virtual(w);
    w->turning = true;
    bool alive = uv_run(w->loop, UV_RUN_DEFAULT) != 0;
    w->turning = false;
    return alive || w->is_virtual;
}

void mp_world_stop(struct mp_world *w)
{
    if (w->turning) // else libuv would leave out a later turn
        uv_stop(w->loop);
}

/* All alarms stay as far ahead as they were: their order is the same. */
static void shift(struct mp_alarm *alarm, int64_t by_ns)
{
    while (alarm != NULL) {
        alarm->due_ns += by_ns;
        if (alarm->child != NULL) {
            alarm = alarm->child;
            continue;
        }
        while (alarm != NULL && alarm->next == NULL) { // up to the parent of this list
            while (alarm->previous != NULL && alarm->previous->child != alarm)
                alarm = alarm->previous;
            alarm = alarm->previous;
        }
        if (alarm != NULL)
            alarm = alarm->next;
    }
}

void mp_world_go_virtual(struct mp_world *w, int64_t now_ns, double pace)
{
    int64_t real_ns = mp_clock_ns();
    const int64_t by_ns = now_ns - mp_world_now(w);
    shift(w->first, by_ns);
    shift(w->others, by_ns);
    w->is_virtual = true;
    w->pace = pace;
    w->now_ns = w->begun_ns = now_ns;
    w->begun_real_ns = w->heard_ns = real_ns;
    w->here = w->turns = 0;
    w->held = 0;
    w->late = (struct mp_world_late){0};
    (void)uv_timer_stop(&w->timer);
    (void)set_exact(w, 0);
    hold_loop(w, false);
    mp_world_stop(w);
}

void mp_world_go_real(struct mp_world *w)
{
    if (!w->is_virtual)
        return;
    const int64_t by_ns = mp_clock_ns() - w->now_ns;
    shift(w->first, by_ns);
    shift(w->others, by_ns);
    w->is_virtual = false;
    w->held = 0;
    arm_soon(w);
}

void mp_world_hold(struct mp_world *w, bool hold)
{
    if (hold)
        w->held++;
    else if (w->held > 0)
        w->held--;
}

uint64_t mp_world_here(const struct mp_world *w)
{
    return w->is_virtual ? w->here : 0;
}
