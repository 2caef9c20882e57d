/* backstop_watch.c - the backstop's thread: how far the loop thread has come, and what then. */
#include "bindings/armed.h"
#include "bindings/awake.h"
#include "bindings/backstop_core.h"
#include "bindings/outlet.h"

#include "engine/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS = 3 };
static const int64_t silent_ns = 300 * MP_NS_PER_MS; // a loop that does not turn
static const int64_t computed_ns =
    250 * MP_NS_PER_MS; // of it, outside a script: a driver loops
static const int64_t patience_ns = 1000 * MP_NS_PER_MS;  // a script that goes on
static const int64_t last_ns = 1700 * MP_NS_PER_MS;      // the end
static const int64_t guard_ns = 5000 * MP_NS_PER_MS;     // of waiting for a guard, far too long
static const int64_t virtual_ns = 5000 * MP_NS_PER_MS;   // of a script in virtual time
static const int64_t computing_ns = 2500 * MP_NS_PER_MS; // of them it must have computed
static const int64_t asleep_ns = 30000 * MP_NS_PER_MS;   // or be silent for so long
static const int64_t close_ns = 500 * MP_NS_PER_MS;      // of the Lua state
static const int64_t safe_ns = 200 * MP_NS_PER_MS;       // to see the safe frame out
static const int64_t word_ns = 1500 * MP_NS_PER_MS;      // of closing, before a word is said
static const int64_t record_ns = 2000 * MP_NS_PER_MS;    // of closing, before signals count
static const int64_t apart_ns = 300 * MP_NS_PER_MS;      // such signals, that each counts

static enum mp_stop reason_in(_Atomic unsigned *word)
{
    return (enum mp_stop)(atomic_load(word) & REASON_MASK);
}

/* Has a stop come that ends what goes on in this phase? */
static enum mp_stop ending(enum phase now)
{
    enum mp_stop reason = reason_in(&backstop.stopped);
    return reason == MP_STOP_NONE && now == PHASE_RUN ? reason_in(&backstop.left) : reason;
}

struct look {
    uint64_t turns;
    uint64_t virtual_turns; // of a script in virtual time
    int64_t virtual_ns;     // since it turned
    int64_t computed_ns;    // the loop thread's processor time then
    int64_t at_ns;          // of the last look
    uint64_t told_turns;    // that were seen by any look
    int64_t told_ns;        // when the last of them was
    int64_t told_ran_ns;    // what the loop thread had computed then
    struct mp_awake told;   // and waited for a processor
    int64_t silent_ns;      // since the loop turned
    int64_t turned_ns;      // the loop thread's processor time then
    int64_t running_ns;     // since the stop, while the script goes on
    int64_t waited_ns;      // for a guard
    int64_t closing_ns;     // since only the record was left
    int64_t last_ns;        // since only the Lua state was left
    int64_t signal_ns;      // since a signal was counted
    unsigned signals;       // that were seen
    int counted;            // of them, while the record was being closed for long
    bool said;              // that the record is not closed yet
};

static void tidy(void)
{
    void (*restore)(void) = atomic_load(&backstop.tidy_up);
    if (restore != NULL)
        restore();
}

/* Is what was armed safe, as far as anybody can tell? */
static bool confirmed_safe(void)
{
    int said = atomic_load(&backstop.answer);
    return said == SAYS_DISARMED || (said == NOT_ASKED && !atomic_load(&backstop.unsafe));
}

/* The process ends now: if the loop thread has gone on since seen, it does not. */
static bool claim(unsigned seen)
{
    return atomic_compare_exchange_strong(&backstop.state, &seen, PHASE_ENDING);
}

_Noreturn static void leave(const char *text, bool safe, enum mp_stop reason)
{
    bool fault = !safe || mp_stop_reason(reason)->blame == MP_BLAME_DEVICE;
    tidy();
    mp_outlet_say(text);
    _exit(fault ? MP_EXIT_FAULT : MP_EXIT_STOPPED);
}

static const char not_safe[] = "NOT CONFIRMED SAFE: switch the stimulator off at its panel; ";

/* Is there a file of this name in the run's folder? */
static bool has(const char *name)
{
    char path[BACKSTOP_TEXT + 32];
    (void)snprintf(path, sizeof path, "%s/%s", backstop.folder, name);
    return access(path, F_OK) == 0;
}

/* Does a run in real time leave something that recover reads? */
static bool has_flight(void)
{
    return has("flight.bin");
}

/* What became of the stimulator, where that is known. */
static const char *what_was_told(bool armed, bool asked)
{
    if (!armed)
        return "nothing was armed, and no pulse was sent; ";
    return asked ? "" : "the stimulator was told to be safe, but not asked; ";
}

/* The processor time of the loop thread: one that waits, or is kept from running, takes none.
 */
static int64_t loop_time_ns(void)
{
    clockid_t clock;
    struct timespec time = {0};
    if (pthread_getcpuclockid(backstop.loop_thread, &clock) == 0)
        (void)clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * MP_NS_PER_S + time.tv_nsec;
}

/* Since when has the loop not turned? */
static void see_turns(struct look *look)
{
    uint64_t turned = atomic_load(&backstop.turns);
    if (turned == look->told_turns && look->told_ns != 0)
        return;
    look->told_turns = turned;
    look->told_ns = look->at_ns;
    look->told_ran_ns = loop_time_ns();
    look->told = mp_awake();
}

static struct spent spent_since(const struct look *look)
{
    struct mp_awake now = mp_awake();
    return (struct spent){.silent_ns = mp_clock_ns() - look->told_ns,
                          .ran_ns = loop_time_ns() - look->told_ran_ns,
                          .delayed_ns = now.delayed_ns - look->told.delayed_ns,
                          .known = now.known && look->told.known};
}

/* What is left of the run, and what to do about it; record: it has a folder. */
static const char *what_is_left(bool record, bool is_virtual)
{
    if (!record)
        return "there is no record";
    return is_virtual ? "the record is not closed, and a run in virtual time has nothing to "
                        "recover: run it again; what is there: "
                      : "the record is not closed: moonpulse recover ";
}

/*
 * Everything that is armed is safe, or its guard does it when we are gone. In virtual time
 * nothing real is, and a simulator of this process ends with it.
 */
_Noreturn static void end_process(const struct look *look, unsigned seen)
{
    char text[4 * BACKSTOP_TEXT], why[2 * BACKSTOP_TEXT];
    enum mp_stop reason = ending(PHASE_RUN);
    struct spent spent = spent_since(look);
    bool is_virtual = atomic_load(&backstop.is_virtual);
    bool script = phase_of(seen) == PHASE_SCRIPT && (seen & ASKING) == 0;
    mp_armed_stop(reason);
    for (int64_t end = mp_clock_ns() + safe_ns;
         !is_virtual && !mp_armed_safe() && mp_clock_ns() < end;)
        (void)poll(NULL, 0, 1);
    backstop_why(why, sizeof why, reason, script, &spent);
    bool armed = atomic_load(&backstop.armed),
         safe = is_virtual || (mp_armed_safe() && confirmed_safe()),
         record = atomic_load(&backstop.have_folder) && (armed || has("manifest.json"));
    bool asked = atomic_load(&backstop.answer) != NOT_ASKED;
    (void)snprintf(
        text, sizeof text,
        "\nmoonpulse: %s%s, but the program did not come to its end and was ended; %s%s%s\n",
        safe ? "" : not_safe, why,
        safe && !(armed && is_virtual) && (record || !armed) ? what_was_told(armed, asked) : "",
        what_is_left(record, is_virtual), record ? backstop.folder : "");
    leave(text, safe, reason);
}

/* Signals came again and again while the record, or its report, was being written. */
_Noreturn static void end_closing(enum phase now)
{
    char text[3 * BACKSTOP_TEXT];
    bool safe = confirmed_safe(), record = atomic_load(&backstop.have_folder);
    const char *what = "the record is not closed: moonpulse recover ";
    if (now == PHASE_CLOSED)
        what = "the record is closed; where its report is missing: moonpulse recover ";
    else if (record && !has_flight())
        what = "the record is not closed, and without a flight record it cannot be recovered: ";
    (void)snprintf(text, sizeof text, "\nmoonpulse: %sended by a third signal; %s%s\n",
                   safe ? "" : not_safe, record ? what : "what was being written is not whole",
                   record ? backstop.folder : "");
    leave(text, safe, ending(PHASE_RUN));
}

/* The record is closed and everything was said; a child that the script left is not waited for.
 */
_Noreturn static void end_quietly(void)
{
    tidy();
    _exit(backstop.last_status);
}

/* How far has the loop thread come since the last look? False: it waits for a guard. */
static bool measure(struct look *look, unsigned seen, int64_t passed_ns)
{
    look->waited_ns = atomic_load(&backstop.waiting) ? look->waited_ns + passed_ns : 0;
    if (look->waited_ns > 0 && look->waited_ns < guard_ns)
        return false;
    uint64_t turned = atomic_load(&backstop.turns);
    look->silent_ns += passed_ns;
    if (turned != look->turns) {
        look->silent_ns = 0;
        look->turned_ns = loop_time_ns();
    }
    look->turns = turned;
    if (phase_of(seen) == PHASE_RUN)
        look->running_ns = 0;
    else if ((seen & ASKING) == 0)
        look->running_ns += passed_ns;
    return true;
}

/*
 * A stop came: how far has the loop thread come? What ends with it is a script. Outside of one,
 * or while the device is being asked, our own code is to come to its end: there only a driver
 * that computes for ever is interrupted, not one that was held up.
 */
static void press(struct look *look, unsigned seen, int64_t passed_ns)
{
    if (!measure(look, seen, passed_ns))
        return;
    bool late = look->silent_ns >= silent_ns || look->running_ns >= patience_ns;
    bool script = phase_of(seen) == PHASE_SCRIPT && (seen & ASKING) == 0;
    if (look->silent_ns >= last_ns || (script && look->running_ns >= last_ns)) {
        if (claim(seen))
            end_process(look, seen);
        return;
    }
    bool interrupts = late && (script || loop_time_ns() - look->turned_ns >= computed_ns);
    unsigned next = interrupts ? seen | INTERRUPTING : seen & ~(unsigned)INTERRUPTING;
    if (!atomic_compare_exchange_strong(&backstop.state, &seen, next) || !late)
        return;
    mp_outlet_break(); // if it is a write that waits
    (void)pthread_kill(backstop.loop_thread, SIGURG);
}

/* The disk hangs, as it seems: whoever waits is told what the run has come to, and what is
 * left. */
static void say_not_closed(void)
{
    char text[3 * BACKSTOP_TEXT];
    bool record = atomic_load(&backstop.have_folder), recovers = record && has_flight();
    (void)snprintf(text, sizeof text,
                   "\nmoonpulse: %s%s; the record is still being written, and the disk takes "
                   "its time: wait, "
                   "or end it with three signals%s%s\n",
                   confirmed_safe() ? "" : not_safe, mp_stop_words(ending(PHASE_RUN)),
                   recovers ? ", then: moonpulse recover " : "",
                   recovers ? backstop.folder : "");
    mp_outlet_say(text);
}

/* Only the record is left, which takes its time: who insists may end it, and is told so. */
static void close_record(struct look *look, unsigned seen, int64_t passed_ns)
{
    if (phase_of(seen) == PHASE_CLOSING && look->closing_ns >= word_ns && !look->said) {
        look->said = true;
        say_not_closed();
    }
    unsigned came = atomic_load(&backstop.caught);
    bool again = came != look->signals;
    look->signals = came;
    look->closing_ns += passed_ns;
    look->signal_ns += passed_ns;
    if (!again || look->closing_ns < record_ns || look->signal_ns < apart_ns)
        return;
    look->signal_ns = 0;
    if (++look->counted < SIGNALS)
        mp_outlet_say(look->counted == 1
                          ? "\nmoonpulse: the record and its report are being written; "
                            "two more signals end the program all the same\n"
                          : "\nmoonpulse: one more signal ends the program\n");
    else if (claim(seen))
        end_closing(phase_of(seen));
}

/* A script in virtual time does not yield: nobody else would see it. On a busy computer it is
 * not to blame, nor is a simulator of the user's, which may compute for 2 s. */
static void look_at_virtual(struct look *look, unsigned number, unsigned seen,
                            int64_t passed_ns)
{
    uint64_t turned = atomic_load(&backstop.turns);
    if (turned != look->virtual_turns || look->virtual_ns == 0)
        look->computed_ns = loop_time_ns();
    look->virtual_ns = turned == look->virtual_turns ? look->virtual_ns + passed_ns : 0;
    look->virtual_turns = turned;
    if (look->virtual_ns < virtual_ns ||
        (look->virtual_ns < asleep_ns && loop_time_ns() - look->computed_ns < computing_ns))
        return;
    if (atomic_load(&backstop.goes_on)) {
        if (atomic_compare_exchange_strong(&backstop.state, &seen, seen | INTERRUPTING))
            (void)pthread_kill(backstop.loop_thread, SIGURG);
        return;
    }
    mp_armed_stop(MP_STOP_STUCK);
    backstop_stop_of_run(number, MP_STOP_STUCK);
}

void *backstop_watch(void *unused)
{
    struct look look = {.at_ns = mp_clock_ns()};
    (void)unused;
    for (;;) {
        (void)poll(NULL, 0, BACKSTOP_LOOK_MS);
        int64_t now_ns = mp_clock_ns(), passed_ns = now_ns - look.at_ns;
        look.at_ns = now_ns;
        see_turns(&look);
        if (passed_ns > 2 * BACKSTOP_LOOK_MS * MP_NS_PER_MS) // suspended, or very busy
            passed_ns = 2 * BACKSTOP_LOOK_MS * MP_NS_PER_MS;
        unsigned number = atomic_load(&backstop.run), seen = atomic_load(&backstop.state);
        enum phase now = phase_of(seen);
        backstop_stop_of_run(number, mp_armed_reason());
        bool ends = ending(now) != MP_STOP_NONE;
        if (now == PHASE_SCRIPT && !ends && atomic_load(&backstop.is_virtual))
            look_at_virtual(&look, number, seen, passed_ns);
        else
            look.virtual_ns = 0;
        if (now >= PHASE_CLOSING || ends)
            mp_outlet_look(passed_ns, backstop.loop_thread);
        if ((now == PHASE_RUN || now == PHASE_SCRIPT) && ends)
            press(&look, seen, passed_ns);
        else
            look.running_ns = 0, look.waited_ns = 0;
        if (now == PHASE_CLOSING || now == PHASE_CLOSED)
            close_record(&look, seen, passed_ns);
        else {
            look.closing_ns = 0, look.counted = 0, look.said = false;
            look.signals = atomic_load(&backstop.caught);
        }
        look.last_ns += now == PHASE_LAST ? passed_ns : 0;
        if (look.last_ns >= close_ns)
            end_quietly();
    }
    return NULL;
}
