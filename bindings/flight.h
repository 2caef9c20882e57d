/* flight.h - the flight record at a stack index, for the session binding. */
#ifndef MP_BINDINGS_FLIGHT_H
#define MP_BINDINGS_FLIGHT_H

#include "engine/flight.h"

#include <lua.h>

/* Raises for anything else, or a closed one. */
struct mp_flight *mp_check_flight(lua_State *L, int arg);

#endif
