/* The time that a loop lives by: alarms ring in their order, on the real clock and on a virtual
 * one. */
#include "engine/world.h"

#include "engine/clock.h"
#include "tests/check.h"
#include "tests/engine/chance.h"

#include <time.h>
#include <unistd.h>

enum { ALARMS = 64 };

static uv_loop_t loop;
static struct mp_world world;

struct numbered {
    struct mp_alarm alarm; // first
    int number;
};
static struct {
    int count, last;
    int number[ALARMS];
    int64_t at_ns[ALARMS];
} rung;

static void note(struct mp_alarm *alarm)
{
    rung.last = ((struct numbered *)alarm)->number;
    rung.number[rung.count % ALARMS] = rung.last;
    rung.at_ns[rung.count++ % ALARMS] = mp_world_now(&world);
}

static void begin(void)
{
    memset(&rung, 0, sizeof rung);
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
}

static void end(void)
{
    mp_world_close(&world);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&loop), 0);
}

static void number_them(struct numbered *alarms)
{
    for (int i = 0; i < ALARMS; i++)
        alarms[i] = (struct numbered){{.ring = note}, i};
}

static void rings_by_time_then_by_order(bool is_virtual)
{
    static const int64_t due[] = {3, 1, 3, 2, 1};
    static const int expected[] = {1, 4, 3, 0, 2};
    struct numbered alarms[ALARMS];
    number_them(alarms);
    begin();
    if (is_virtual)
        mp_world_go_virtual(&world, 1000, 0);
    int64_t from_ns = mp_world_now(&world);
    for (int i = 0; i < 5; i++)
        mp_world_set(&world, &alarms[i].alarm, from_ns + due[i] * MP_NS_PER_MS);
    while (mp_world_turn(&world))
        continue;
    CHECK_INT(rung.count, 5);
    for (int i = 0; i < 5; i++) {
        int64_t at_ns = from_ns + due[expected[i]] * MP_NS_PER_MS;
        CHECK_INT(rung.number[i], expected[i]);
        CHECK(rung.at_ns[i] >= at_ns); // never early
        CHECK(!is_virtual || rung.at_ns[i] == at_ns);
    }
    end();
}

/* What the heap must do, in a plain list. */
struct model {
    bool set[ALARMS];
    uint64_t order[ALARMS];
    int64_t due[ALARMS];
};

static int first_of(const struct model *m)
{
    int first = -1;
    for (int k = 0; k < ALARMS; k++)
        if (m->set[k] && (first < 0 || m->due[k] < m->due[first] ||
                          (m->due[k] == m->due[first] && m->order[k] < m->order[first])))
            first = k;
    return first;
}

static void turn_both(struct model *m)
{
    int first = first_of(m), before = rung.count;
    bool turned = mp_world_turn(&world);
    while (turned && rung.count == before) // it has asked what came from outside
        turned = mp_world_turn(&world);
    CHECK_INT(turned, first >= 0);
    CHECK_INT(rung.count - before, first >= 0 ? 1 : 0);
    if (first < 0)
        return;
    CHECK_INT(rung.last, first);
    CHECK(mp_world_now(&world) >= m->due[first]);
    m->set[first] = false;
}

static void to_another_clock(struct model *m)
{
    int64_t from_ns = mp_world_now(&world);
    mp_world_go_real(&world);
    mp_world_go_virtual(&world, 2 * from_ns, 0);
    for (int k = 0; k < ALARMS; k++)
        m->due[k] += from_ns; // up to what the real clock went on meanwhile
}

/* Thousands of alarms set, moved and cancelled at random. */
static void keeps_order_whatever_is_done(uint64_t seed)
{
    struct chance chance = {seed};
    struct numbered alarms[ALARMS];
    static struct model m;
    uint64_t last = 0;
    m = (struct model){0};
    number_them(alarms);
    begin();
    mp_world_go_virtual(&world, 1000, 0);
    for (int step = 0; step < 3000 && check_failed == 0; step++) {
        int i = (int)chance_below(&chance, ALARMS);
        int64_t what = chance_below(&chance, 4);
        if (what == 0) {
            mp_world_cancel(&world, &alarms[i].alarm);
            m.set[i] = false;
        } else if (what == 1) {
            turn_both(&m);
        } else { // now and then in the past: it rings at once
            m.set[i] = true;
            m.due[i] = mp_world_now(&world) + chance_below(&chance, 50) - 5;
            m.order[i] = ++last;
            mp_world_set(&world, &alarms[i].alarm, m.due[i]);
        }
    }
    while (first_of(&m) >= 0 && check_failed == 0)
        turn_both(&m);
    turn_both(&m); // nothing is left
    end();
}

static void alarms_keep_their_distance_on_another_clock(void)
{
    struct numbered alarms[ALARMS];
    static struct model m;
    number_them(alarms);
    m = (struct model){0};
    begin();
    mp_world_go_virtual(&world, 1000, 0);
    for (int i = 0; i < ALARMS; i++) {
        m.set[i] = true;
        m.order[i] = (uint64_t)i;
        m.due[i] = 1000 + (i * 37 % ALARMS) * MP_NS_PER_S;
        mp_world_set(&world, &alarms[i].alarm, m.due[i]);
    }
    for (int i = 0; i < ALARMS / 2; i++)
        turn_both(&m);
    int64_t from_ns = mp_world_now(&world), left_ns = m.due[first_of(&m)] - from_ns;
    to_another_clock(&m);
    int64_t now_ns = mp_world_now(&world);
    CHECK_INT(now_ns, 2 * from_ns);
    for (int i = ALARMS / 2; i < ALARMS; i++) {
        int first = first_of(&m), before = rung.count;
        while (rung.count == before)
            CHECK(mp_world_turn(&world));
        CHECK_INT(rung.last, first);
        m.set[first] = false;
        int64_t passed_ns =
            mp_world_now(&world) - now_ns; // less what the clocks took to change
        CHECK(passed_ns <= left_ns && passed_ns > left_ns - MP_NS_PER_S / 2);
        left_ns += MP_NS_PER_S;
    }
    end();
}

static int nested;
static struct numbered again = {{.ring = NULL}, 0};

static void set_again(struct mp_alarm *alarm)
{
    note(alarm);
    if (++nested < 5)
        mp_world_set(&world, alarm, mp_world_now(&world));
}

static void counts_the_turns_at_an_instant(void)
{
    begin();
    nested = 0;
    again.alarm.ring = set_again;
    CHECK_INT(mp_world_here(&world), 0);
    mp_world_go_virtual(&world, 7, 0);
    mp_world_set(&world, &again.alarm, 8);
    for (int i = 1; i <= 5; i++) {
        while (rung.count < i)
            CHECK(mp_world_turn(&world));
        CHECK_INT(mp_world_now(&world), 8);
        CHECK_INT(mp_world_here(&world), i);
    }
    mp_world_set(&world, &again.alarm, 9);
    while (rung.count < 6)
        CHECK(mp_world_turn(&world));
    CHECK_INT(mp_world_here(&world), 1);
    end();
}

static void an_idle_alarm_is_no_reason_to_go_on(bool is_virtual)
{
    struct numbered idle = {{.ring = note, .idle = true}, 1}, awake = {{.ring = note}, 2};
    begin();
    if (is_virtual)
        mp_world_go_virtual(&world, 7, 0);
    mp_world_set(&world, &idle.alarm, mp_world_now(&world) + 3600 * MP_NS_PER_S);
    CHECK(!mp_world_turn(&world));
    CHECK_INT(rung.count, 0);
    mp_world_set(&world, &awake.alarm, mp_world_now(&world) + MP_NS_PER_MS);
    while (mp_world_turn(&world))
        continue;
    CHECK_INT(rung.count, 1);
    CHECK_INT(rung.number[0], 2);
    mp_world_cancel(&world, &idle.alarm);
    end();
}

/* 50 virtual milliseconds at a pace of 10: not faster. */
static void keeps_the_pace(void)
{
    struct numbered alarms[ALARMS];
    number_them(alarms);
    begin();
    mp_world_go_virtual(&world, 1000, 10);
    int64_t from_ns = mp_clock_ns();
    for (int i = 0; i < 10; i++)
        mp_world_set(&world, &alarms[i].alarm, 1000 + (i + 1) * 5 * MP_NS_PER_MS);
    while (mp_world_turn(&world))
        continue;
    CHECK_INT(rung.count, 10);
    CHECK_INT(mp_world_now(&world), 1000 + 50 * MP_NS_PER_MS);
    CHECK(mp_clock_ns() - from_ns >=
          3 * MP_NS_PER_MS); // what is less than 1 ms off is not waited for
    end();
}

static void on_outside(uv_timer_t *timer)
{
    mp_world_hold(&world, false);
    uv_close((uv_handle_t *)timer, NULL);
}

static void stands_still_while_something_outside_is_waited_for(void)
{
    struct numbered alarm = {{.ring = note}, 1};
    uv_timer_t outside;
    begin();
    mp_world_go_virtual(&world, 1000, 0);
    CHECK_INT(uv_timer_init(&loop, &outside), 0);
    CHECK_INT(uv_timer_start(&outside, on_outside, 20, 0), 0);
    mp_world_set(&world, &alarm.alarm, 2000);
    mp_world_hold(&world, true);
    while (world.held > 0)
        CHECK(mp_world_turn(&world));
    CHECK_INT(rung.count, 0);
    CHECK_INT(mp_world_now(&world), 1000);
    while (rung.count < 1)
        CHECK(mp_world_turn(&world));
    CHECK_INT(mp_world_now(&world), 2000);
    end();
}

static bool told;

static void on_told(uv_async_t *async)
{
    told = async->data == &told;
}

enum asks { ASKS_NOT, ASKS_FOR_ALL, CALLED };

/*
 * A signal's handle holds no loop: what it says is heard all the same, however busy the world
 * is. With a call, or if it is asked for, in one of the next two turns; else once 10 ms have
 * passed and it has looked at the clock, which it does every 64 turns.
 */
static void hears_what_holds_nothing(enum asks asks)
{
    enum { SOON = 2, A_LOOK = 2 * 64 };
    uv_async_t outside;
    begin();
    nested = -1000000000;
    told = false;
    again.alarm.ring = set_again;
    mp_world_go_virtual(&world, 7, 0);
    CHECK_INT(uv_async_init(&loop, &outside, on_told), 0);
    outside.data = &told;
    uv_unref((uv_handle_t *)&outside);
    mp_world_set(&world, &again.alarm, 8);
    CHECK_INT(uv_async_send(&outside), 0);
    if (asks == CALLED)
        mp_world_call(&world);
    const int64_t due_ns = mp_clock_ns() + 10 * MP_NS_PER_MS;
    for (int turns = 0; !told && turns < (asks == ASKS_NOT ? A_LOOK : SOON);) {
        turns += asks != ASKS_NOT || mp_clock_ns() >= due_ns;
        if (asks == ASKS_FOR_ALL)
            (void)mp_world_soon(&world);
        CHECK(mp_world_turn(&world));
    }
    CHECK(told);
    mp_world_cancel(&world, &again.alarm);
    uv_close((uv_handle_t *)&outside, NULL);
    end();
}

struct heard {
    struct mp_listener listener; // first
    int count, rung;             // how often, and after how many alarms the last time
    struct heard *ends;          // whom it ends; NULL: nobody
};

static void take(struct mp_listener *listener)
{
    struct heard *heard = (struct heard *)listener;
    char byte;
    CHECK_INT(read(listener->fd, &byte, 1), 1);
    heard->count++;
    heard->rung = rung.count;
    if (heard->ends != NULL)
        mp_world_deaf(&world, &heard->ends->listener);
}

static void sleep_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

static void listens(struct heard *heard, int pipe_of[2], struct heard *ends)
{
    CHECK_INT(pipe(pipe_of), 0);
    *heard = (struct heard){{.fd = pipe_of[0], .hear = take}, 0, -1, ends};
    mp_world_listen(&world, &heard->listener);
}

/* The loop comes back 60 ms late: what came in the last of them is heard before the alarm. */
static void hears_what_has_come_before_an_alarm_rings(void)
{
    struct heard first, second;
    int one[2], two[2];
    struct numbered alarm = {{.ring = note}, 1};
    begin();
    int64_t begun_ns = mp_world_now(&world);
    listens(&first, one, NULL);
    listens(&second, two, &first); // asked first
    mp_world_set(&world, &alarm.alarm, begun_ns + 5 * MP_NS_PER_MS);
    sleep_ms(65);
    CHECK(mp_world_missed(&world, begun_ns) >= 60 * MP_NS_PER_MS); // and it goes on
    CHECK_INT(write(one[1], "a", 1), 1);
    CHECK_INT(write(two[1], "b", 1), 1);
    (void)mp_world_turn(&world);
    CHECK_INT(rung.count, 1);
    CHECK_INT(second.count, 1);
    CHECK_INT(second.rung, 0);
    CHECK_INT(first.count, 0); // it was ended by the other
    int64_t now = mp_world_now(&world), missed_ns = mp_world_missed(&world, begun_ns);
    CHECK(missed_ns >= 60 * MP_NS_PER_MS && missed_ns <= now - begun_ns - 5 * MP_NS_PER_MS);
    CHECK_INT(mp_world_missed(&world, now), 0);
    mp_world_deaf(&world, &first.listener); // once more: nothing
    mp_world_deaf(&world, &second.listener);
    for (int i = 0; i < 2; i++) {
        (void)close(one[i]);
        (void)close(two[i]);
    }
    end();
}

/* What has come cannot be told for 100 ms; amid them, after 30, the loop is away for 40. */
static void what_is_kept_is_missed_with_all_that_is_missed_amid_it(void)
{
    struct numbered alarm = {{.ring = note}, 1};
    begin();
    const int64_t begun_ns = mp_world_now(&world);
    mp_world_keep(&world, begun_ns);
    sleep_ms(30);
    mp_world_set(&world, &alarm.alarm, mp_world_now(&world));
    sleep_ms(40);
    (void)mp_world_turn(&world);
    CHECK_INT(rung.count, 1);
    CHECK(mp_world_missed(&world, begun_ns) >= 70 * MP_NS_PER_MS);
    sleep_ms(30);
    const int64_t over_ns = mp_world_now(&world);
    CHECK(mp_world_missed(&world, begun_ns) >= over_ns - begun_ns);
    mp_world_kept(&world);
    CHECK(mp_world_missed(&world, begun_ns) >= over_ns - begun_ns);
    CHECK(mp_world_missed(&world, begun_ns) <= mp_world_now(&world) - begun_ns); // none twice
    CHECK_INT(mp_world_missed(&world, mp_world_now(&world)), 0);
    end();
}

int main(void)
{
    hears_what_has_come_before_an_alarm_rings();
    what_is_kept_is_missed_with_all_that_is_missed_amid_it();
    rings_by_time_then_by_order(false);
    rings_by_time_then_by_order(true);
    for (uint64_t seed = 1; seed <= 100; seed++)
        keeps_order_whatever_is_done(seed);
    alarms_keep_their_distance_on_another_clock();
    counts_the_turns_at_an_instant();
    an_idle_alarm_is_no_reason_to_go_on(false);
    an_idle_alarm_is_no_reason_to_go_on(true);
    keeps_the_pace();
    stands_still_while_something_outside_is_waited_for();
    hears_what_holds_nothing(ASKS_NOT);
    hears_what_holds_nothing(ASKS_FOR_ALL);
    hears_what_holds_nothing(CALLED);
    return CHECK_DONE("test_world");
}
