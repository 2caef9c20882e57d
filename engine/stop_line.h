/*
 * stop_line.h - a modem line as a stop button: a foot switch on CTS or DSR.
 *
 * A thread of its own looks at the line every 2 ms (some adapters need a USB transfer for
 * that, which the dispatcher could not wait for) and stops the dispatcher when it is high,
 * or cannot be read any more.
 */
#ifndef MP_STOP_LINE_H
#define MP_STOP_LINE_H

#include "engine/dispatcher.h"

struct mp_stop_watch;

/*
 * Start watching. port and dispatcher are borrowed until mp_stop_watch_end. MP_EUNSUPPORTED
 * if the port has no lines, MP_ESTATE if the line is high already.
 */
enum mp_status mp_stop_watch_start(struct mp_stop_watch **out, struct mp_port *port,
                                   enum mp_stop_line line, struct mp_dispatcher *dispatcher,
                                   struct mp_error *err);
/* End the thread and free. NULL is accepted. */
void mp_stop_watch_end(struct mp_stop_watch *watch);

#endif
