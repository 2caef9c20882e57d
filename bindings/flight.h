/* flight.h - the flight record at a stack index, for the session binding, and its reader. */
#ifndef MP_BINDINGS_FLIGHT_H
#define MP_BINDINGS_FLIGHT_H

#include "engine/flight.h"

#include <lua.h>

/* Raises for anything else, or a closed one. */
struct mp_flight *mp_check_flight(lua_State *L, int arg);
/* The same of a reader. */
struct mp_flight_reader *mp_check_flight_reader(lua_State *L, int arg);

/*
 * reader:stretch() -> {kind= "stretch", first=, place= (of its first and its last record),
 * play=, action=, frame=, number=, pulses=, confirmed=, sent_ns=, woken_ns=, returned_ns=}:
 * what engine/flight_stretch.h says, if one begins with the next record, which reader:next()
 * does not give then; nothing: none does
 */
int mp_flight_reader_stretch(lua_State *L);
/*
 * reader:rows(first, {run_ns=, begin_ns=, delay_ns=, tolerance_ns= (may be nil)}) -> rows,
 * {count=, first_ns=, heard_ns=, rest=, values= (of their confirmations, each once, in the
 * order in which they came)}: the rows of the stretch that begins at the place first
 * (engine/flight_stretch.h); nothing: none can be written
 */
int mp_flight_reader_rows(lua_State *L);

#endif
