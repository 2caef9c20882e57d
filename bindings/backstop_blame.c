/* backstop_blame.c - the process is being ended: what held the loop thread up, and where. */
#include "bindings/armed.h"
#include "bindings/awake.h"
#include "bindings/backstop_core.h"
#include "bindings/disk.h"

#include "engine/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum asked { NOT_ASKED_WHERE, ASKED_WHERE, TOLD_WHERE };
enum { LEVELS = 100, ASK_MS = 100 };
static const int64_t own_ns = 500 * MP_NS_PER_MS; // of its own a loop must be silent for

static _Atomic int asked;
static char place[BACKSTOP_TEXT]; // the loop thread's, until it has told

void backstop_tell_where(const char *ours)
{
    lua_State *L = mp_signal_runs();
    lua_Debug ar;
    if (atomic_load(&asked) != ASKED_WHERE)
        return;
    for (int level = 0; L != NULL && level < LEVELS && lua_getstack(L, level, &ar) != 0;
         level++)
        if (lua_getinfo(L, "Sl", &ar) != 0 && ar.currentline > 0 &&
            strncmp(ar.source, ours, strlen(ours)) != 0) {
            (void)snprintf(place, sizeof place, " (%s:%d)", ar.short_src, ar.currentline);
            break;
        }
    atomic_store(&asked, TOLD_WHERE);
}

static void hold(int number)
{
    (void)number;
    for (;;)
        (void)pause();
}

/*
 * The line of the user's file that the loop thread is in: " (FILE:LINE)", or "". Its state is
 * looked at wherever it is, also where Lua is just changing it: if that fails it is held, and
 * the process ends without the line. So this is for the end alone.
 */
static const char *where_it_is(void)
{
    struct sigaction action = {.sa_handler = hold};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGSEGV, &action, NULL);
    atomic_store(&asked, ASKED_WHERE);
    (void)pthread_kill(backstop.loop_thread, SIGURG);
    for (int i = 0; i < ASK_MS && atomic_load(&asked) != TOLD_WHERE; i++)
        (void)poll(NULL, 0, 1);
    return atomic_load(&asked) == TOLD_WHERE ? place : "";
}

/* What it did: "computed", "waited"; "": it wanted to run, and was not let; NULL: unknown. */
static const char *did(const struct spent *spent)
{
    int64_t asleep_ns = spent->silent_ns - spent->ran_ns - spent->delayed_ns;
    if (spent->known && !mp_awake_sleeps())
        asleep_ns = 0; // a wait for a processor that goes on is counted once it is over
    if (spent->ran_ns >= own_ns && spent->ran_ns >= asleep_ns)
        return "computed";
    if (!spent->known)
        return NULL;
    return spent->ran_ns + asleep_ns < own_ns ? ""
           : asleep_ns > spent->ran_ns        ? "waited"
                                              : "computed";
}

static void say_stuck(char *text, size_t size, bool script, const struct spent *spent)
{
    const char *what = did(spent), *where = what == NULL ? "" : where_it_is();
    double seconds = (double)spent->silent_ns / MP_NS_PER_S;
    if (what == NULL)
        (void)snprintf(text, size, "%s",
                       script ? mp_stop_reason(MP_STOP_STUCK)->scripted_words
                              : mp_stop_words(MP_STOP_STUCK));
    else if (what[0] == '\0')
        (void)snprintf(text, size,
                       "the computer was too busy: of %.1f s Moonpulse got to run for %.1f s%s",
                       seconds, (double)spent->ran_ns / MP_NS_PER_S, where);
    else {
        const char *whose = script             ? "that the script called"
                            : where[0] != '\0' ? "that a file of yours called"
                                               : "of Moonpulse's own";
        (void)snprintf(text, size, "a function %s did not return: it %s for %.1f s%s", whose,
                       what, seconds, where);
    }
}

void backstop_why(char *text, size_t size, enum mp_stop reason, bool script,
                  const struct spent *spent)
{
    const char *file = mp_backstop_folder()[0] != '\0' ? mp_disk_waits() : NULL;
    const char *words = mp_stop_words(reason);
    if (file == NULL && reason == MP_STOP_STUCK)
        say_stuck(text, size, script, spent);
    else if (file == NULL)
        (void)snprintf(text, size, "%s%s", words, script ? where_it_is() : "");
    else
        (void)snprintf(text, size,
                       "%s%sthe disk hangs, it does not take %s/%s: write to another one with "
                       "--out DIR",
                       reason == MP_STOP_STUCK ? "" : words,
                       reason == MP_STOP_STUCK ? "" : "; ", backstop.folder, file);
}
