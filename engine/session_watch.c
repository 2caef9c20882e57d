/* session_watch.c - what comes on a session's ports: by the loop, or by a wire in virtual time.
 */
#include "engine/session_core.h"

#include "engine/port_wire.h"

#include <stddef.h>
#include <stdlib.h>

struct session_watch {
    uv_poll_t poll; // first
    struct mp_listener listener;
    struct mp_session *session;
    struct mp_port *wire; // NULL: the poll watches
    bool only_lost;
    void (*heard)(struct mp_session *s, int status);
};

enum mp_status session_open_port(struct mp_session *s, struct mp_port **port, const char *path,
                                 const struct mp_serial *serial, struct mp_error *err)
{
    if (s->world->is_virtual && !mp_wire_is_path(path))
        return mp_fail(err, MP_EUNSUPPORTED,
                       "\"%s\" is a real port: in virtual time (--speed) there are none", path);
    if (!s->world->is_virtual && mp_wire_is_path(path))
        return mp_fail(err, MP_EUNSUPPORTED, "\"%s\" is for virtual time (--speed) only", path);
    return mp_port_open(port, path, serial, err);
}

static void free_watch(uv_handle_t *handle)
{
    free(handle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct session_watch *watch = (struct session_watch *)poll;
    (void)events;
    watch->heard(watch->session, status);
}

static void on_late(struct mp_listener *listener)
{
    struct session_watch *watch =
        (struct session_watch *)(void *)((char *)listener -
                                         offsetof(struct session_watch, listener));
    watch->heard(watch->session, 0);
}

static void on_wire(void *context)
{
    struct session_watch *watch = context;
    if (!watch->only_lost || mp_wire_is_cut(watch->wire))
        watch->heard(watch->session, 0);
}

enum mp_status session_watch(struct mp_session *s, struct session_watch **out,
                             struct mp_port *port, int events,
                             void (*heard)(struct mp_session *s, int status),
                             struct mp_error *err)
{
    struct session_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for %s", mp_port_path(port));
    watch->session = s;
    watch->heard = heard;
    watch->only_lost = (events & UV_READABLE) == 0;
    watch->wire = mp_port_kind(port) == MP_PORT_WIRE ? port : NULL;
    if (watch->wire != NULL) {
        mp_wire_watch(port, on_wire, watch);
        *out = watch;
        return MP_OK;
    }
    int failed = uv_poll_init(s->world->loop, &watch->poll, mp_port_fd(port));
    bool joined = failed == 0;
    if (joined)
        failed = uv_poll_start(&watch->poll, events, on_poll);
    if (failed == 0) {
        watch->listener = (struct mp_listener){.fd = mp_port_fd(port), .hear = on_late};
        if (!watch->only_lost)
            mp_world_listen(s->world, &watch->listener);
        *out = watch;
        return MP_OK;
    }
    if (joined)
        uv_close((uv_handle_t *)&watch->poll, free_watch);
    else
        free(watch);
    return mp_fail(err, MP_EIO, "cannot watch %s: %s", mp_port_path(port), uv_strerror(failed));
}

void session_unwatch(struct session_watch **at)
{
    struct session_watch *watch = *at;
    *at = NULL;
    if (watch == NULL)
        return;
    if (watch->wire == NULL) {
        mp_world_deaf(watch->session->world, &watch->listener);
        uv_close((uv_handle_t *)&watch->poll, free_watch);
        return;
    }
    mp_wire_watch(watch->wire, NULL, NULL);
    free(watch);
}
