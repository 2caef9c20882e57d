/* build.c - what this program was built from: core.version, core.commit, core.compiler. */
#include "bindings/modules.h"

#include <lauxlib.h>

#ifdef __clang__
#define COMPILER __VERSION__ // it names itself
#else
#define COMPILER "gcc " __VERSION__
#endif

void mp_open_build(lua_State *L)
{
    lua_pushliteral(L, MP_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushliteral(L, MP_COMMIT);
    lua_setfield(L, -2, "commit");
    lua_pushliteral(L, COMPILER);
    lua_setfield(L, -2, "compiler");
}
