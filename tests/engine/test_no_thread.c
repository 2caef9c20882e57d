/* A computer that gives no thread to a dispatcher: an error in words, and nothing is left
 * behind. */
#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <errno.h>
#include <pthread.h>

static int refused, joined;

/* In place of the system's: the program's own comes first. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                   void *argument)
{
    (void)thread, (void)attr, (void)start, (void)argument;
    refused++;
    return EAGAIN;
}

int pthread_join(pthread_t thread, void **result)
{
    (void)thread, (void)result;
    joined++;
    return ESRCH;
}

int main(void)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_dispatcher *d = NULL;
    const char *path = scratch_path("no_thread");
    must(mp_flight_create(&flight, path, 16, &err), &err);
    CHECK(mp_flight_start(flight, 0, 0));
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, MP_NS_PER_MS);
    config.arming.flight = flight;
    CHECK_INT(mp_dispatcher_create(&d, &config, &err), MP_EIO);
    CHECK_HAS(err.text, "cannot start the dispatcher thread");
    CHECK(d == NULL);
    CHECK_INT(refused, 1);
    CHECK_INT(joined, 0);                      // what was never there is not waited for
    CHECK_INT(rig.length, 0);                  // nothing was sent
    must(mp_flight_close(flight, &err), &err); // nobody uses it
    CHECK_INT(unlink(path), 0);
    mp_port_close(rig.port);
    mp_pty_close(rig.pty);
    return CHECK_DONE("test_no_thread");
}
