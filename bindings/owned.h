/*
 * owned.h - who owns what the loop may call back.
 *
 * Lua frees a userdata whose finalizer could not be called: a call takes memory, and there may
 * be none. So nothing that libuv or the engine holds a pointer to is in a userdata. A session,
 * a pseudo-terminal, standard input and a child process are C memory that begins with this
 * struct: owned by the host, until it is closed. The userdata has a pointer to it, and no more;
 * Lua's
 * __gc, __close and close() close it early, and what nobody closed, the host does at its end.
 * Everything here belongs to the loop thread.
 */
#ifndef MP_OWNED_H
#define MP_OWNED_H

#include "bindings/tasks.h"

#include <stddef.h>

struct mp_owned {
    struct mp_host *host;
    struct mp_owned *next, **previous; // in the host's list; previous NULL: in none
    /*
     * End it without Lua: nothing of it is reported any more, its handles are being closed.
     * Frees it, now or when the loop has closed them.
     */
    void (*close)(struct mp_owned *owned);
};

/*
 * Push a userdata of class with user_values, and make what it stands for: size bytes of zeros,
 * of which the first are its struct mp_owned. Raises if the host has ended or memory is out.
 */
void *mp_own(lua_State *L, const char *class, size_t size, int user_values,
             void (*close)(struct mp_owned *owned));
/*
 * What the userdata at arg stands for; NULL if it was closed, or the host has. Raises for a
 * value of another class. Borrowed until Lua is called: a script may close it.
 */
void *mp_owned_at(lua_State *L, int arg, const char *class);
/* Close what the userdata at arg stands for; it stands for nothing then. Raises as above. */
void mp_owned_close(lua_State *L, int arg, const char *class);
/* Close all that the host still owns: at its end. */
void mp_owned_close_all(struct mp_host *host);

#endif
