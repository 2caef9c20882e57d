/* lowering_outputs.c - devices whose outputs are stimulators of their own, and plans that
 * several devices share. */
#include "engine/lowering_core.h"

enum mp_status mp_lowering_output(struct mp_lowering *l, uint32_t action, uint32_t output,
                                  int64_t across_ns, bool whole, struct mp_error *err)
{
    if (mp_lowering_busy(l))
        return mp_fail(err, MP_ESTATE, "the plan is being played: stop it before changing it");
    if (action >= l->actions || across_ns < 0)
        return mp_fail(err, MP_EINVAL, "there is no action %u that another output waits for",
                       (unsigned)action);
    if (output >= MP_OUTPUTS_MAX)
        return mp_fail(err, MP_ERANGE, "a device has outputs 0 to %d, not %u",
                       MP_OUTPUTS_MAX - 1, (unsigned)output);
    l->checked = false;
    l->pulses[action].output = (uint8_t)output;
    l->pulses[action].across_ns = across_ns;
    l->pulses[action].whole = whole;
    if (output >= l->outputs)
        l->outputs = output + 1;
    mp_lowering_rewind(l); // what was drawn for other outputs is void
    return MP_OK;
}

static enum mp_status check_idle(struct mp_lowering *l, struct mp_error *err)
{
    if (mp_lowering_busy(l))
        return mp_fail(err, MP_ESTATE, "the plan is being played: stop it before changing it");
    l->checked = false;
    mp_lowering_rewind(l); // what was drawn of others' is void
    return MP_OK;
}

enum mp_status mp_lowering_leave(struct mp_lowering *l, uint32_t action, struct mp_error *err)
{
    if (action >= l->actions)
        return mp_fail(err, MP_EINVAL, "there is no action %u to be left", (unsigned)action);
    enum mp_status status = check_idle(l, err);
    if (status == MP_OK)
        l->pulses[action].left = true;
    return status;
}

enum mp_status mp_lowering_without_marks(struct mp_lowering *l, struct mp_error *err)
{
    enum mp_status status = check_idle(l, err);
    if (status == MP_OK)
        l->markless = true;
    return status;
}

void lowering_unset(struct outputs_set *set)
{
    set->before = mp_no_action;
    for (uint32_t i = 0; i < MP_OUTPUTS_MAX; i++)
        set->to[i] = mp_no_action;
}

uint32_t lowering_follow(const struct mp_lowering *l, struct outputs_set *set, uint32_t action)
{
    const struct pulse_info *info = &l->pulses[action];
    uint32_t from = set->to[info->output];
    if (from == mp_no_action && info->whole) // the device is set as one, as the others need it
        from = set->before;
    bool whole = info->whole || (from != mp_no_action && l->pulses[from].whole);
    if (whole && from != action)
        for (uint32_t i = 0; i < l->outputs; i++)
            set->to[i] = action;
    set->to[info->output] = action;
    set->before = action;
    return from;
}
