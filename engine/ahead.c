#include "engine/ahead.h"

const char *mp_heard_name(enum mp_heard heard)
{
    static const char *const names[MP_HEARD_COUNT] = {"starts",  "other",      "outside",
                                                      "counted", "window",     "gate",
                                                      "busy",    "refractory", "over"};
    return (unsigned)heard < MP_HEARD_COUNT ? names[heard] : "unknown";
}

enum mp_heard mp_ahead_hear(const struct mp_ahead_rule *rule, struct mp_ahead_past *past,
                            uint8_t byte, int64_t at_ns)
{
    if (rule->byte >= 0 && byte != rule->byte)
        return MP_HEARD_OTHER;
    if (at_ns < rule->from_ns || at_ns > rule->until_ns)
        return MP_HEARD_OUTSIDE;
    const bool first = past->matched++ == 0;
    const int64_t since_ns = at_ns - past->last_ns;
    past->last_ns = at_ns;
    if (past->started >= rule->most)
        return MP_HEARD_OVER;
    if (past->matched % rule->every != 0)
        return MP_HEARD_COUNTED;
    if (rule->most_ns > 0 && (first || since_ns < rule->least_ns || since_ns > rule->most_ns))
        return MP_HEARD_WINDOW;
    if (rule->gate != MP_INPUT_NONE && !past->gate_high)
        return MP_HEARD_GATE;
    if (past->playing)
        return MP_HEARD_BUSY;
    // from start to start: the next one would start so long after its trigger
    const int64_t after_ns = rule->delay_ns > rule->lead_ns ? rule->delay_ns : rule->lead_ns;
    if (past->started > 0 && at_ns + after_ns < past->start_ns + rule->refractory_ns)
        return MP_HEARD_REFRACTORY;
    past->started++;
    return MP_HEARD_STARTS;
}
