/* core.c - require "moonpulse.core": the engine for Lua. scripts/moonpulse makes it pleasant.
 */
#include "bindings/modules.h"

#include <signal.h>

int luaopen_moonpulse_core(lua_State *L)
{
    // writing to a pipe or a lost pty must fail with an error, not end the process
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); // nor a file that may not grow
    lua_newtable(L);
    mp_open_tasks(L); // first: its host outlives what the others make
    mp_open_plan(L);
    mp_open_schedule(L);
    mp_open_lowering(L);
    mp_open_player(L);
    mp_open_flight(L); // before sessions: a session writes into one until it closes
    mp_open_record_file(L);
    mp_open_session(L);
    mp_open_pty(L);
    mp_open_process(L);
    mp_open_input(L);
    mp_open_latency(L);
    mp_open_system(L);
    mp_open_limited(L);
    return 1;
}
