/*
 * box_rig.h - for the C unit tests: pulses of two parts, and a trigger box on a second
 * pseudo-terminal.
 */
#ifndef MP_TEST_BOX_RIG_H
#define MP_TEST_BOX_RIG_H

#include "tests/engine/rig.h"

static const int64_t width_ns = 10 * MP_NS_PER_MS;

static inline struct mp_lowering *lowering_of(struct mp_plan *take_plan,
                                              const struct mp_fire *fire,
                                              const struct mp_serial *trigger)
{
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    must(mp_lowering_create(&l, schedule_of(take_plan, 1), &no_wire, 0, &err), &err);
    mp_lowering_trigger_serial(l, trigger);
    for (uint32_t i = 0; i < mp_schedule_action_count(mp_lowering_schedule(l)); i++)
        must(mp_lowering_fire(l, i, fire, 0, &err), &err);
    return l;
}

static inline struct mp_fire two_part(uint8_t port)
{
    return (struct mp_fire){.port = port,
                            .bytes = "\1",
                            .length = 1,
                            .after = "\0",
                            .after_length = 1,
                            .width_ns = width_ns};
}

static inline struct mp_lowering *checked(struct mp_lowering *l)
{
    struct mp_violation v;
    while (mp_lowering_check(l, 1 << 20, &v))
        continue;
    CHECK(mp_lowering_checked(l));
    return l;
}

static struct mp_pty *box;
static struct mp_port *trigger;

static inline void close_box(void)
{
    mp_port_close(trigger);
    mp_pty_close(box);
    trigger = NULL;
    box = NULL;
}

#endif
