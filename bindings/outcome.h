/* outcome.h - what a dispatcher told, as Lua sees it. */
#ifndef MP_OUTCOME_H
#define MP_OUTCOME_H

#include "engine/dispatcher.h"

#include <lua.h>

/*
 * Push a table with what = "sent"|"skipped"|"not_taken"|"mark"|"oneoff"|
 * "finished"|"stopped", and stop = the name of a reason ("none" if there is none).
 * sent, skipped, not_taken, mark: of the plan, see moonpulse.Outcome (types.lua):
 * send, number, planned_ns, due_ns, entered_ns, returned_ns, in nanoseconds from the plan's
 * start; action and frame from 1, of a mark its text instead. stopped: at_ns (monotonic),
 * safe_sent (the port took the whole safe frame), safes (so many), cut_ns (monotonic; nil:
 * nothing that was sent is in doubt). schedule: of the plan in play, NULL: not known.
 */
void mp_push_outcome(lua_State *L, const struct mp_outcome *outcome,
                     const struct mp_schedule *schedule);

#endif
