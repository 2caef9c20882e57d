/*
 * world.h - the time that a loop lives by: now, alarms, and the turn that rings them.
 *
 *   real      the monotonic clock; one timer of the system's stands for the alarm that is due
 *             first, to the nanosecond, as libuv's own know whole milliseconds only
 *   virtual   a clock that jumps from alarm to alarm, by their time and, of the same time, by
 *             their order; nothing waits, or pace virtual seconds pass in one real one
 *
 * Whoever lives in a world asks it for the time and sets alarms, and does not know which it is.
 * A virtual world plays the same whatever machine it runs on, as long as nothing outside has a
 * say: a signal, a key, a child process are heard of in between, at the real time at which they
 * come.
 *
 *     struct mp_world world;
 *     mp_world_open(&world, &loop);
 *     struct mp_alarm alarm = {.ring = on_alarm};
 *     mp_world_set(&world, &alarm, mp_world_now(&world) + MP_NS_PER_S);
 *     while (mp_world_turn(&world))
 *         continue;
 *     mp_world_close(&world);         // and let the loop run once more
 *
 * All of it belongs to the loop's thread, but for mp_world_call. Nothing here allocates: an
 * alarm is the owner's memory, and must be cancelled before it goes.
 */
#ifndef MP_WORLD_H
#define MP_WORLD_H

#include "engine/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * Who wakes by an alarm. A virtual world can be as disturbed as a real computer (world_late.c):
 * the sending thread wakes late, it or the loop is held up. What is outside of the computer is
 * never late.
 */
enum mp_world_who { MP_WHO_LOOP, MP_WHO_SENDER, MP_WHO_OUTSIDE };

enum { MP_WORLD_STALLS = 16 };

/* Somebody gets no turn from from_ns to until_ns. */
struct mp_world_stall {
    unsigned whom; // bits: 1 << enum mp_world_who
    int64_t from_ns, until_ns;
};

/* What hinders a virtual world; zeros: nothing does. */
struct mp_world_late {
    uint64_t seed, draws;
    int64_t most_ns; // the sending thread wakes so late at most
    struct mp_world_stall stalls[MP_WORLD_STALLS];
    unsigned count;
};

/* Zeros but for ring (and idle, who): not set. */
struct mp_alarm {
    void (*ring)(
        struct mp_alarm *alarm); // called once, at due_ns or later; it may be set again in it
    bool idle;  // to wait for this one alone is no reason to go on; chosen before it is set
    bool hears; // it tells what has come: after a stall before all others that are due
    enum mp_world_who who; // whose it is, for what hinders a virtual world; chosen before, too
    // the world's own
    bool is_set;
    int64_t due_ns;
    uint64_t order;
    struct mp_alarm *child, *next, *previous;
};

/* What comes from outside on a file; its owner's memory. */
struct mp_listener {
    int fd;
    // there is something to be read, or it is lost; it may end itself and others
    void (*hear)(struct mp_listener *listener);
    struct mp_listener *next, **previous; // the world's own
};

enum { MP_WORLD_ABSENCES = 32 };

// an alarm that rings so much later than it was due tells that the loop was away; less is in
// every wake
static const int64_t mp_world_absent_ns = 10 * MP_NS_PER_MS;

/* Nobody looked at what came from outside. */
struct mp_absence {
    int64_t from_ns, until_ns;
};

struct mp_world {
    uv_loop_t *loop;
    uv_timer_t
        timer; // for what is due already, and in whole milliseconds where there is no exact
    uv_poll_t poll;          // of exact
    int exact;               // a timerfd; -1: the system gave none
    struct mp_alarm *first;  // apart from the heap: mostly the one that was set last
    struct mp_alarm *others; // a heap; none of them is before first
    uint64_t order;          // of the alarm that was set last
    size_t awake;            // alarms that are set and not idle
    bool is_virtual;
    bool turning, ringing; // of a real one
    struct mp_listener *listeners, *listens_next;
    int64_t looked_ns; // they were all asked then
    struct mp_absence absences[MP_WORLD_ABSENCES];
    unsigned absence_count; // of all times: the last ones are kept
    int64_t kept_ns;        // what came then is not told yet; 0: nothing is kept
    // of a virtual one
    double pace; // 0: nothing waits
    int64_t now_ns;
    int64_t begun_ns, begun_real_ns;
    bool hears;          // the loop is asked in the next turn
    _Atomic bool called; // as well: from a signal handler, or another thread
    int64_t heard_ns;    // when the loop was asked last, by the real clock
    uint64_t turns;
    uint64_t here; // turns since the time has moved
    unsigned held; // somebody outside is waited for: time stands still
    struct mp_world_late late;
};

/* The world of loop, real. */
void mp_world_open(struct mp_world *world, uv_loop_t *loop);
/* Its timer is being closed; alarms that are set ring no more. */
void mp_world_close(struct mp_world *world);

/* Nanoseconds: of the monotonic clock, or virtual ones. */
static inline int64_t mp_world_now(const struct mp_world *world)
{
    return world->is_virtual ? world->now_ns : mp_clock_ns();
}
/* The soonest instant by which what has come from outside by now is heard. */
int64_t mp_world_soon(struct mp_world *world);

/*
 * Something outside is to be heard of before anything else happens: a virtual world that never
 * waits asks its loop now and then only, and a short run may be over by then. From any thread,
 * and from signal handlers. In a real world the loop's own wake is enough.
 */
static inline void mp_world_call(struct mp_world *world)
{
    atomic_store(&world->called, true);
}

/* Ring at due_ns, or as soon as can be if that is over; one that is set is moved. */
void mp_world_set(struct mp_world *world, struct mp_alarm *alarm, int64_t due_ns);
/* It does not ring. One that is not set is left as it is. */
void mp_world_cancel(struct mp_world *world, struct mp_alarm *alarm);

/*
 * In a real world what has come is heard before an alarm rings: libuv may tell of a timer first
 * that was due long after it, if the loop is late. So nobody whose alarm rings judges by less
 * than what was there. One that listens is told by its own uv_poll otherwise.
 */
void mp_world_listen(struct mp_world *world, struct mp_listener *listener);
/* It hears no more. One that does not listen is left as it is. */
void mp_world_deaf(struct mp_world *world, struct mp_listener *listener);
/* What came at came_ns cannot be told yet: until mp_world_kept that is time in which nobody
 * hears. Called again and again meanwhile. */
void mp_world_keep(struct mp_world *world, int64_t came_ns);
/* It was told, or is given up; does nothing if nothing is kept. */
void mp_world_kept(struct mp_world *world);
/*
 * How much of the time since since_ns nobody could hear: the loop did not turn, by at least
 * 10 ms each time (of the last 32 such times), or is stalled in a virtual world. Whoever judges
 * that something outside took too long does not count it. What came is heard after each of
 * these times, so that of several no more than 1 s counts together, or the longest one: else a
 * device that is silent would never be named while a script holds up the loop again and again.
 */
int64_t mp_world_missed(const struct mp_world *world, int64_t since_ns);

/*
 * Let the world go on: a real one until mp_world_stop, or nothing is left that could happen; a
 * virtual one by an alarm. False: nothing can happen any more.
 */
bool mp_world_turn(struct mp_world *world);
/* End the turn of a real world. */
void mp_world_stop(struct mp_world *world);

/*
 * From now on time is virtual, from now_ns on, and passes pace times as fast as ours; 0: as
 * fast as can be. Alarms that are set are as far ahead as they were. Nothing real may be open
 * then: a port, a device. It ends the turn.
 */
void mp_world_go_virtual(struct mp_world *world, int64_t now_ns, double pace);
/* Back to the monotonic clock. */
void mp_world_go_real(struct mp_world *world);
/* Something outside is waited for (a child process, an answer): virtual time stands still, and
 * alarms that are due now ring, until as many holds are undone. In a real world time goes on.
 */
void mp_world_hold(struct mp_world *world, bool hold);

/*
 * world_late.c: what disturbs a virtual world, until time is real again. The same seed, alarms
 * and stalls make the same wakes late on every machine. Nothing in a real world.
 */
/* From now on the sending thread wakes up to most_ns late, mostly by far less. */
void mp_world_be_late(struct mp_world *world, uint64_t seed, int64_t most_ns);
/* whom (bits: 1 << enum mp_world_who) get no turn from from_ns to until_ns; for alarms that are
 * set from now on. False: there are MP_WORLD_STALLS of them already. */
bool mp_world_stall(struct mp_world *world, unsigned whom, int64_t from_ns, int64_t until_ns);
/* When an alarm of who rings that is due at due_ns. */
int64_t mp_world_rings_ns(struct mp_world *world, enum mp_world_who who, int64_t due_ns);
/* For how long of since_ns to now the loop has got no turn, as mp_world_missed counts it. */
int64_t mp_world_stalled(const struct mp_world *world, int64_t since_ns, int64_t now);
/* Times in which the loop did not turn, each added; how much of them counts together. */
struct mp_missed {
    int64_t sum_ns, longest_ns;
};
/* The loop did not turn for ns more. */
void mp_missed_add(struct mp_missed *missed, int64_t ns);
/* How much of it is forgiven. */
int64_t mp_missed_ns(const struct mp_missed *missed);
/* Is it hindered, now and then? */
static inline bool mp_world_is_hindered(const struct mp_world *world)
{
    return world->late.most_ns > 0 || world->late.count > 0;
}
/* Whoever has the turn is held up for so long: virtual time passes, and what is due meanwhile
 * is late. */
void mp_world_pass(struct mp_world *world, int64_t ns);

/* So many alarms rang since virtual time last moved; 0 in a real world. */
uint64_t mp_world_here(const struct mp_world *world);

#endif
