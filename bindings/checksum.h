/* checksum.h - what other bindings need of core.sum(). */
#ifndef MP_BINDINGS_CHECKSUM_H
#define MP_BINDINGS_CHECKSUM_H

#include "engine/checksum.h"

#include <lua.h>

#include <stdbool.h>

/* The sum at arg, or an argument error; it belongs to Lua. */
struct mp_checksum *mp_check_sum(lua_State *L, int arg);
/* Push its 16 hexadecimal digits. */
void mp_push_sum(lua_State *L, const struct mp_checksum *sum);
/* The sum of all bytes of an open file; false, with errno, if it cannot be read, or is large
 * and nearly all of it was never written (EFBIG). */
bool mp_sum_file(int fd, struct mp_checksum *sum);

#endif
