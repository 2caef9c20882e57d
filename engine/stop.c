#include "engine/stop.h"

#include <string.h>

static const struct mp_stop_reason reasons[] = {
    [MP_STOP_NONE] = {.name = "none", .words = "not stopped"},
    [MP_STOP_FINISHED] = {.name = "finished",
                          .words = "the plan is complete",
                          .asked_for = true},
    [MP_STOP_REQUESTED] = {.name = "requested",
                           .words = "stopped on request",
                           .blame = MP_BLAME_SCRIPT,
                           .status = MP_EXIT_STOPPED,
                           .asked_for = true},
    [MP_STOP_SIGNAL] = {.name = "signal",
                        .words = "stopped by a signal",
                        .blame = MP_BLAME_OPERATOR,
                        .status = MP_EXIT_STOPPED},
    [MP_STOP_ERROR] = {.name = "error",
                       .words = "stopped by an error",
                       .blame = MP_BLAME_SCRIPT,
                       .status = MP_EXIT_USAGE},
    [MP_STOP_DEVICE] = {.name = "device",
                        .words = "stopped by a device fault",
                        .blame = MP_BLAME_DEVICE,
                        .status = MP_EXIT_FAULT},
    [MP_STOP_GONE] = {.name = "gone",
                      .words = "the port is lost",
                      .blame = MP_BLAME_DEVICE,
                      .status = MP_EXIT_FAULT},
    [MP_STOP_BLOCKED] = {.name = "blocked",
                         .words = "the port does not take bytes",
                         .blame = MP_BLAME_DEVICE,
                         .status = MP_EXIT_FAULT,
                         .remedy = "is the stimulator switched on, and listening?"},
    [MP_STOP_LATE] =
        {.name = "late",
         .words = "a pulse would have left too late",
         .blame = MP_BLAME_HOST,
         .status = MP_EXIT_STOPPED,
         .remedy = "close other programs, or allow more with --tolerance MS or --late skip"},
    [MP_STOP_CLOSE] = {.name = "close",
                       .words = "the host was held up: the next pulse would have come much "
                                "closer to the last than planned",
                       .blame = MP_BLAME_HOST,
                       .status = MP_EXIT_STOPPED,
                       .remedy =
                           "close other programs, or leave such pulses out with --late skip"},
    [MP_STOP_RECORD] = {.name = "record",
                        .words = "the computer was too busy to take note of what was sent",
                        .blame = MP_BLAME_HOST,
                        .status = MP_EXIT_STOPPED,
                        .remedy = "close other programs"},
    [MP_STOP_STUCK] = {.name = "stuck",
                       .words = "the computer was too busy: Moonpulse did not get to run for "
                                "half a second",
                       .blame = MP_BLAME_HOST,
                       .status = MP_EXIT_STOPPED,
                       .remedy = "close other programs",
                       .scripted_words = "the script did not yield for half a second, or the "
                                         "computer was too busy",
                       .scripted_remedy =
                           "close other programs, and wait with run:sleep, not in a loop"},
    [MP_STOP_KEY] = {.name = "key",
                     .words = "stopped by a key (q or space)",
                     .blame = MP_BLAME_OPERATOR,
                     .status = MP_EXIT_STOPPED},
    [MP_STOP_LINE] = {.name = "line",
                      .words = "stopped by the stop line",
                      .blame = MP_BLAME_OPERATOR,
                      .status = MP_EXIT_STOPPED},
    [MP_STOP_GUARD] = {.name = "guard",
                       .words = "the guard process is gone, or was stopped",
                       .blame = MP_BLAME_HOST,
                       .status = MP_EXIT_STOPPED},
    [MP_STOP_SILENT] = {.name = "silent",
                        .words = "the stimulator stopped confirming its pulses: is it switched "
                                 "on, and the cable sound?",
                        .blame = MP_BLAME_DEVICE,
                        .status = MP_EXIT_FAULT},
    [MP_STOP_SETTING] = {.name = "setting",
                         .words = "the stimulator did not confirm its settings: is the cable "
                                  "sound and fully plugged in?",
                         .blame = MP_BLAME_DEVICE,
                         .status = MP_EXIT_FAULT},
    [MP_STOP_FULL] = {.name = "full",
                      .words = "the flight record is full",
                      .blame = MP_BLAME_SCRIPT,
                      .status = MP_EXIT_STOPPED,
                      .remedy = "make the run shorter, or ask the stimulator less often"},
    [MP_STOP_TORN] = {.name = "torn",
                      .words = "the flight record was cut by another program, or its disk is "
                               "gone: what is sent could not be noted",
                      .blame = MP_BLAME_HOST,
                      .status = MP_EXIT_STOPPED,
                      .remedy =
                          "leave the folder of a run alone until it has ended, and run it "
                          "again"},
    [MP_STOP_PROGRAM] = {.name = "program",
                         .words = "stopped by another program",
                         .blame = MP_BLAME_OPERATOR,
                         .status = MP_EXIT_STOPPED},
    [MP_STOP_REFRACTORY] =
        {.name = "refractory",
         .words = "a pulse that an external device fired came sooner after the one before than "
                  "refractory allows",
         .blame = MP_BLAME_DEVICE,
         .status = MP_EXIT_FAULT,
         .remedy = "set the shortest interval of the device that fires, or give stim:watch a "
                   "shorter refractory"},
    [MP_STOP_PEER] = {.name = "peer",
                      .words = "another device of the run stopped",
                      .blame = MP_BLAME_HOST, // its own doing, for the other's reason
                      .status = MP_EXIT_STOPPED},
};
_Static_assert(sizeof reasons / sizeof reasons[0] == MP_STOP_COUNT, "a reason has no row");

const struct mp_stop_reason *mp_stop_reason(enum mp_stop reason)
{
    static const struct mp_stop_reason unknown = {
        .name = "unknown", .words = "unknown", .status = MP_EXIT_STOPPED};
    size_t index = (size_t)reason;
    return index < MP_STOP_COUNT ? &reasons[index] : &unknown;
}

const char *mp_stop_name(enum mp_stop reason)
{
    return mp_stop_reason(reason)->name;
}

const char *mp_stop_words(enum mp_stop reason)
{
    return mp_stop_reason(reason)->words;
}

enum mp_stop mp_stop_find(const char *name)
{
    int reason = MP_STOP_NONE;
    while (reason < MP_STOP_COUNT && strcmp(reasons[reason].name, name) != 0)
        reason++;
    return (enum mp_stop)reason;
}

const char *mp_blame_name(enum mp_blame blame)
{
    static const char *const names[] = {
        [MP_BLAME_NOBODY] = "nobody", [MP_BLAME_OPERATOR] = "operator",
        [MP_BLAME_SCRIPT] = "script", [MP_BLAME_DEVICE] = "device",
        [MP_BLAME_HOST] = "host",
    };
    _Static_assert(sizeof names / sizeof names[0] == MP_BLAME_COUNT, "somebody has no name");
    size_t index = (size_t)blame;
    return index < MP_BLAME_COUNT ? names[index] : names[MP_BLAME_NOBODY];
}

void mp_latch_init(struct mp_latch *latch, struct mp_wake *wake)
{
    atomic_init(&latch->reason, MP_STOP_NONE);
    latch->wake = wake;
}

void mp_latch_stop(struct mp_latch *latch, enum mp_stop reason)
{
    int none = MP_STOP_NONE;
    (void)atomic_compare_exchange_strong(&latch->reason, &none, (int)reason);
    mp_wake_post(latch->wake);
}
