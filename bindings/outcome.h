/* outcome.h - what the dispatcher did, as a table for Lua. */
#ifndef MP_BINDINGS_OUTCOME_H
#define MP_BINDINGS_OUTCOME_H

#include "engine/dispatcher.h"

#include <lua.h>

/*
 * Push {what = "sent"|"skipped"|"not_taken"|"mark"|"oneoff"|"finished"|"stopped"|
 * "begun", stop = the
 * name of a reason ("none" if there is none)}, and with it sent, skipped, not_taken, mark: of
 * the plan, see moonpulse.Outcome (types.lua): send, number, planned_ns, due_ns, entered_ns,
 * returned_ns, in nanoseconds from the plan's start; action and frame from 1, of a mark its
 * text (of schedule, which may be NULL) instead. stopped: at_ns (monotonic), safe_sent (the
 * port took the whole safe frame), safes (so many), cut_ns (monotonic; nil: nothing that was
 * sent is in doubt). begun: number of the start, its start_ns and trigger_ns (monotonic). out
 * NULL: {what = "overdue"}.
 */
void mp_push_outcome(lua_State *L, const struct mp_outcome *out,
                     const struct mp_schedule *schedule);

#endif
