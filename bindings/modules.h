/* modules.h - the parts of moonpulse.core: each adds its functions to the table on top. */
#ifndef MP_MODULES_H
#define MP_MODULES_H

#include "engine/lowering.h"
#include "engine/plan.h"

#include <lua.h>

#define MP_PLAN "moonpulse.plan"

/* Each adds what the file of its name has to the table on top; methods go to the registry. */
void mp_open_plan(lua_State *L);
void mp_open_schedule(lua_State *L);
void mp_open_lowering(lua_State *L);
void mp_open_tasks(lua_State *L);
void mp_open_serial(lua_State *L);
void mp_open_session(lua_State *L);
void mp_open_triggers(lua_State *L);
void mp_open_stops(lua_State *L);
void mp_open_pty(lua_State *L);
void mp_open_wire(lua_State *L);
void mp_open_world(lua_State *L);
void mp_open_process(lua_State *L);
void mp_open_flight(lua_State *L);
void mp_open_flight_stretch(lua_State *L);
void mp_open_record_file(lua_State *L);
void mp_open_events(lua_State *L);
void mp_open_rows(lua_State *L);
void mp_open_compared(lua_State *L);
void mp_open_same_pulses(lua_State *L);
void mp_open_longer_rows(lua_State *L);
void mp_open_missing_rows(lua_State *L);
void mp_open_sorted(lua_State *L);
void mp_open_evidence(lua_State *L);
void mp_open_checksum(lua_State *L);
void mp_open_threshold(lua_State *L);
void mp_open_sha256(lua_State *L);
void mp_open_input(lua_State *L);
void mp_open_datagram(lua_State *L);
void mp_open_feed(lua_State *L);
void mp_open_feed_join(lua_State *L);
void mp_open_lsl(lua_State *L);
void mp_open_editor(lua_State *L);
void mp_open_latency(lua_State *L);
void mp_open_system(lua_State *L);
void mp_open_shut_in(lua_State *L);
void mp_open_limited(lua_State *L);
void mp_open_signals(lua_State *L);
void mp_open_backstop(lua_State *L);
void mp_open_disk(lua_State *L);
void mp_open_database(lua_State *L);
void mp_open_run_states(lua_State *L);
void mp_open_build(lua_State *L);

/* require "moonpulse.core" */
int luaopen_moonpulse_core(lua_State *L);

/* The plan at arg, or an argument error. */
struct mp_plan *mp_check_plan(lua_State *L, int arg);
/* Push a plan that is still NULL: made first, so that an error on the way leaks nothing. */
struct mp_plan **mp_new_plan_box(lua_State *L);
/* core.tagged and core.coded (bindings/plan_names.c); push a plan's roles as core.tagged takes
 * them. */
int mp_plan_is_tagged(lua_State *L);
int mp_plan_is_coded(lua_State *L);
void mp_push_roles(lua_State *L, const struct mp_plan *plan);
/* core.rest (bindings/rest.c): (min seconds [, max seconds [, law]]) -> plan */
int mp_new_rest(lua_State *L);
/* Push a law as core.rest takes it: "normal 6/1 1/2"; nil for none, false for one
 * that is no text of fractions. */
void mp_push_law(lua_State *L, const struct mp_law *law);
/* The lowering at arg; raises when it was closed. */
struct mp_lowering *mp_check_lowering(lua_State *L, int arg);
/* Did the lowering at arg pass the safety gate, and was not changed since? */
bool mp_lowering_cleared(lua_State *L, int arg);
/* Push what lowering:next() gives for send; returns how many values. */
int mp_push_send(lua_State *L, const struct mp_lowering *lowering, const struct mp_send *send);
/* Push a table {channel=, intensity=, reference=} for each action of schedule. */
void mp_push_actions(lua_State *L, const struct mp_schedule *schedule);
/* "MSO", "RMT", "AMT" */
extern const char *const mp_reference_names[];

#endif
