/*
 * world.h - a clock for a dispatcher without a thread: it jumps, oversleeps, and stops the
 * dispatcher in the middle of a look at the time or of a wait.
 *
 * What leaves is on a socket; the clock notes how much of it had left when the stop came. A
 * jump in the look before a write is a stall before the check, one in the look behind it is
 * a stall between the check and the write, or inside the write.
 */
#ifndef MP_TEST_WORLD_H
#define MP_TEST_WORLD_H

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

static const int64_t beat_ns = 50 * MP_NS_PER_MS;
static const char filler[4096] = "-";

static struct {
    struct chance chance;
    uint64_t seed;
    int64_t now_ns, plan_ns;
    // what happens to it
    int64_t stalls;        // how many more
    int64_t stall_one_in;  // looks at the clock
    int64_t stop_ns;       // stop in a wait or a look from then on
    uint64_t stop_look;    // or at this look at the clock; 0: not
    int64_t stuck_from_ns; // the loop does not beat from then on
    int64_t oneoffs;       // how many more are asked for
    bool blocked;          // the port takes nothing from some stall on
    // what has happened
    uint64_t looks;
    bool stopped;
    int64_t stopped_ns;
    bool filled;
    int before; // how many bytes had left when the stop came
    int64_t beat_at_ns;
} world;
static int far_side = -1;

/* ---- the clock ---- */

static inline void read_wire(void)
{
    ssize_t got;
    while ((got = recv(far_side, rig.wire + rig.length, WIRE_MAX - rig.length, MSG_DONTWAIT)) >
           0)
        rig.length += (size_t)got;
}

static inline void stop_now(void)
{
    if (world.stopped || rig.d == NULL)
        return;
    world.stopped = true;
    mp_dispatcher_stop(rig.d, MP_STOP_REQUESTED);
    world.stopped_ns = world.now_ns;
    CHECK_INT(ioctl(far_side, FIONREAD, &world.before), 0);
    world.before += (int)rig.length;
}

static inline void fill_port(void)
{
    size_t took = 1;
    world.filled = true;
    while (took > 0)
        if (mp_port_write(rig.port, filler, sizeof filler, &took, NULL) != MP_OK)
            return;
}

/* Milliseconds or seconds go by, as in a stopped process. */
static inline void stall(void)
{
    static const int64_t longest_ns[] = {3 * MP_NS_PER_MS, 60 * MP_NS_PER_MS,
                                         600 * MP_NS_PER_MS, 2 * MP_NS_PER_S};
    world.stalls--;
    world.now_ns += chance_below(&world.chance, longest_ns[chance_below(&world.chance, 4)]);
    if (world.blocked && chance_one_in(&world.chance, 2))
        fill_port();
}

static inline void maybe_stall(void)
{
    if (world.stalls > 0 && chance_one_in(&world.chance, world.stall_one_in))
        stall();
}

static inline int64_t look(void *context)
{
    (void)context;
    world.looks++;
    world.now_ns += 1 + chance_below(&world.chance, 2000);
    maybe_stall();
    if (world.looks == world.stop_look ||
        (world.stop_look == 0 && world.now_ns >= world.stop_ns))
        stop_now();
    if (chance_one_in(&world.chance, 2)) // half of the stops fall before the last jump
        maybe_stall();
    return world.now_ns;
}

static inline bool loop_is_alive(void)
{
    return world.now_ns < world.stuck_from_ns;
}

static inline void beat(void)
{
    if (rig.d == NULL || !loop_is_alive())
        return;
    world.beat_at_ns = world.now_ns;
    mp_dispatcher_heartbeat(rig.d);
}

static inline void ask_for_oneoff(void)
{
    const char bytes[] = {'k', (char)(world.oneoffs + '0')};
    if (world.oneoffs > 0 && chance_one_in(&world.chance, 3) &&
        mp_dispatcher_send(rig.d, bytes, sizeof bytes, NULL) == MP_OK)
        world.oneoffs--;
}

/* Let time go by until deadline or the stop; the loop beats meanwhile, if it is alive. */
static inline bool wait_for_it(int64_t deadline_ns)
{
    beat();
    ask_for_oneoff();
    if (!world.blocked)
        read_wire();
    if (world.now_ns >= deadline_ns)
        return true;
    if (chance_one_in(&world.chance, 20)) { // woken for nothing
        world.now_ns += chance_below(&world.chance, deadline_ns - world.now_ns);
        return false;
    }
    while (loop_is_alive() && world.now_ns + beat_ns < deadline_ns) {
        world.now_ns += beat_ns;
        beat();
    }
    if (world.stop_look == 0 && world.stop_ns <= deadline_ns) {
        if (world.now_ns < world.stop_ns)
            world.now_ns = world.stop_ns;
        stop_now();
        return false;
    }
    world.now_ns = deadline_ns + chance_below(&world.chance, 50 * MP_NS_PER_US);
    if (world.stalls > 0 && chance_one_in(&world.chance, 1 + world.stall_one_in / 4))
        stall();
    else
        beat();
    if (world.now_ns > world.plan_ns + 20 * MP_NS_PER_S) // a stop_look that never came
        stop_now();
    return true;
}

#endif
