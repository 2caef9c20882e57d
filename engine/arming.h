/*
 * arming.h - what a device is armed with: how it is made safe and kept awake, and what stops
 * it.
 *
 * A session is given one (mp_session_arm) and hands it to its dispatcher as it is.
 */
#ifndef MP_ARMING_H
#define MP_ARMING_H

#include "engine/flight.h"
#include "engine/stop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to do with a pulse that would be late. */
enum mp_late { MP_LATE_ABORT, MP_LATE_SKIP };

/* A modem line as a stop button: see stop_line.h. */
enum mp_stop_line { MP_LINE_NONE, MP_LINE_CTS, MP_LINE_DSR };

struct mp_session;

/* Bytes are copied when the device is armed. */
struct mp_arming {
    const void *safe;     // what makes the device harmless
    size_t safe_length;   // 0 only with safe_line
    bool safe_line;       // there are none: a line that is down, or silence, is all there is
    int64_t tolerance_ns; // later than this is late
    enum mp_late late;
    const void *keepalive;   // sent in gaps, never delaying a frame of the plan
    size_t keepalive_length; // 0: the device needs none
    int64_t keepalive_ns;    // at least so often
    int64_t stuck_ns;        // a loop silent for longer stops; 0: never
    int64_t unconfirmed_ns;  // no pulse while one before it is unconfirmed so long; 0: no limit
    bool settings;           // no pulse while a setting before it is not believed; false: the
                             // device confirms none
    struct mp_flight *flight; // borrowed until MP_OUT_STOPPED was reported; NULL: none
    // for who is armed together with others: called by the dispatcher when it stops, before its
    // safe frame, for whatever reason but MP_STOP_FINISHED; must not block. NULL: nobody is
    // told
    void (*stops)(void);
    // the session's, not the dispatcher's
    bool guard;                   // fork a guard (guard.h)
    enum mp_stop_line line;       // a modem line that stops when it rises
    struct mp_session *line_from; // of this one's port; NULL: of its own
};

#endif
