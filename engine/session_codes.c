/* session_codes.c - the box that event codes go to. */
#include "engine/session_core.h"

enum mp_status mp_session_codes(struct mp_session *s, const char *path,
                                const struct mp_serial *serial, int64_t width_ns,
                                struct mp_error *err)
{
    if (s->state != MP_CONNECTED || session_dispatcher(s) != NULL || s->codes != NULL)
        return mp_fail(err, MP_ESTATE,
                       "a box for codes is chosen once, between connecting and arming");
    struct mp_port *port = NULL;
    size_t written = 0;
    enum mp_status status = session_open_port(s, &port, path, serial, err);
    if (status == MP_OK)
        status = mp_port_write(port, "", 1, &written, err);
    if (status == MP_OK && written == 0)
        status = mp_fail(err, MP_EIO,
                         "%s takes no bytes: is the box switched on and listening?", path);
    if (status != MP_OK) {
        mp_port_close(port);
        return status;
    }
    s->codes = port;
    s->code_wire_ns = mp_serial_wire_ns(serial, 1);
    s->code_width_ns = width_ns;
    return MP_OK;
}
