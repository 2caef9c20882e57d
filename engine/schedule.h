/*
 * schedule.h - a plan as a stream of events in time order.
 *
 * Creating a schedule compiles the plan (once, on the loop thread) into a small
 * program of integer steps over one common denominator. From then on drawing the
 * next event is additions only: exact, without drift, without allocation, in
 * O(depth) memory. There is one way to compute when a pulse happens, and this is it:
 * the check, the listing, virtual time and the dispatcher all draw from here.
 *
 * A schedule belongs to its creator and may be handed to one other thread, which then
 * is the only one to call mp_schedule_next until it hands it back.
 */
#ifndef MP_SCHEDULE_H
#define MP_SCHEDULE_H

#include "engine/plan.h"

enum mp_event_kind { MP_EVENT_PULSE, MP_EVENT_MARK };

/* One instant. The exact onset lies in [floor_ns, floor_ns + 1); half: at or past the middle.
 */
struct mp_event {
    enum mp_event_kind kind;
    bool half;
    uint32_t action; // pulse: index into the actions
    uint32_t source; // which line of the script: for mp_schedule_origin
    int64_t floor_ns;
    uint64_t number; // from 1, over pulses or over marks
};

/* Rounded once, half up. */
static inline int64_t mp_event_ns(const struct mp_event *event)
{
    return event->floor_ns + (event->half ? 1 : 0);
}

/* Rounded once from the exact onset, half up, not from the rounded nanoseconds. */
static inline int64_t mp_event_us(const struct mp_event *event)
{
    return (event->floor_ns + 500) / 1000;
}

/* A distinct thing the device is asked to do. */
struct mp_action {
    uint32_t channel; // index into the channel names
    struct mp_pulse pulse;
};

struct mp_schedule;

/*
 * Compile plan. seed decides its random rests: the same seed gives the same events,
 * whatever the machine. The schedule keeps no reference to the plan.
 */
enum mp_status mp_schedule_create(struct mp_schedule **out, const struct mp_plan *plan,
                                  uint64_t seed, struct mp_error *err);
void mp_schedule_destroy(struct mp_schedule *schedule); // NULL is accepted

/* Start again from the first event. */
void mp_schedule_rewind(struct mp_schedule *schedule);

/* The next event; false when there is none left. Never fails, allocates or blocks. */
bool mp_schedule_next(struct mp_schedule *schedule, struct mp_event *event);

/*
 * The next events, up to room: several times as fast as one by one. Fewer than room when the
 * plan is over. Never fails, allocates or blocks.
 */
uint32_t mp_schedule_next_many(struct mp_schedule *schedule, struct mp_event *events,
                               uint32_t room);

/* A handy room: 2 KiB of events. */
enum { MP_EVENTS = 64 };

/* End of the plan's span for this seed, rounded; only once there was no next event. */
int64_t mp_schedule_end_ns(const struct mp_schedule *schedule);

/* The distinct actions, by the index that mp_event has of them; owned by the schedule. */
uint32_t mp_schedule_action_count(const struct mp_schedule *schedule);
const struct mp_action *mp_schedule_action(const struct mp_schedule *schedule, uint32_t index);
/* The name of a channel, by the index that mp_action has of it; "1" for pulses without one. */
const char *mp_schedule_channel(const struct mp_schedule *schedule, uint32_t index);
/* The script line ("itbs.lua:12") that made the pulse or mark; "" if unknown. */
const char *mp_schedule_origin(const struct mp_schedule *schedule, uint32_t source);
/* How many sources there are: script lines that made pulses or marks. */
uint32_t mp_schedule_source_count(const struct mp_schedule *schedule);
/* The text of a mark event. */
const char *mp_schedule_mark(const struct mp_schedule *schedule, uint32_t source);
/* The event code that goes with it (dispatcher.h); 0: none. */
uint8_t mp_schedule_code(const struct mp_schedule *schedule, uint32_t source);
/* Bytes that the schedule holds, for tests of the memory bound. */
size_t mp_schedule_bytes(const struct mp_schedule *schedule);

/*
 * Draw a uniform whole number in [0, range] from a seed and a position; part of the
 * record's format: the same everywhere, forever (splitmix64, S. Vigna 2015,
 * doi:10.1145/2714064.2660195, with rejection so that no value is favoured).
 */
uint64_t mp_schedule_draw(uint64_t seed, uint64_t position, uint64_t range);

#endif
