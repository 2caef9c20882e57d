/* serial.h - line settings as scripts write them. */
#ifndef MP_BINDINGS_SERIAL_H
#define MP_BINDINGS_SERIAL_H

#include "engine/port.h"

#include <lua.h>

/*
 * The table {baud=, bits=, parity="none"|"odd"|"even", stop_bits=, flow="none"|"rtscts"}
 * at arg; an unknown key or a missing one is an argument error.
 */
struct mp_serial mp_check_serial(lua_State *L, int arg);

/* The names of enum mp_trigger_line in scripts: "none", "rts", "dtr", "break"; ends with NULL.
 */
extern const char *const mp_line_names[];
/* The field line of the table at arg; none if there is no such field. */
enum mp_trigger_line mp_opt_line(lua_State *L, int arg);

#endif
