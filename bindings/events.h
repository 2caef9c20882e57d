/* events.h - texts of a script as a row of events.tsv takes them. */
#ifndef MP_BINDINGS_EVENTS_H
#define MP_BINDINGS_EVENTS_H

#include "engine/events.h"

#include <lua.h>

/*
 * The text at arg (not relative), as engine/events.h wants it: if it has control characters,
 * the value at arg becomes one without; what is no text becomes its tostring. The value on the
 * stack keeps it alive.
 */
struct mp_tail mp_check_event_text(lua_State *L, int arg);

#endif
