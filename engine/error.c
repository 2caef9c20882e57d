#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mp_status_name(enum mp_status status)
{
    static const char *const names[] = {
        [MP_OK] = "ok",         [MP_EINVAL] = "invalid",
        [MP_ERANGE] = "range",  [MP_EOVERFLOW] = "overflow",
        [MP_ENOMEM] = "memory", [MP_EIO] = "io",
        [MP_EGONE] = "gone",    [MP_EBUSY] = "busy",
        [MP_ESTATE] = "state",  [MP_EUNSUPPORTED] = "unsupported",
        [MP_ELIMIT] = "limit",
    };
    size_t index = (size_t)status;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}

__attribute__((format(printf, 4, 0))) static enum mp_status
fill(struct mp_error *err, enum mp_status status, int sys, const char *format, va_list args)
{
    if (err == NULL || err->status != MP_OK)
        return status;
    err->status = status;
    err->sys = sys;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    return status;
}

enum mp_status mp_fail(struct mp_error *err, enum mp_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, 0, format, args);
    va_end(args);
    return status;
}

enum mp_status mp_fail_sys(struct mp_error *err, enum mp_status status, int sys_errno,
                           const char *format, ...)
{
    int was_empty = err != NULL && err->status == MP_OK;
    va_list args;
    va_start(args, format);
    fill(err, status, sys_errno, format, args);
    va_end(args);
    if (was_empty) {
        char reason[96];
        size_t used = strlen(err->text);
        // the GNU strerror_r returns the text, which may or may not be in the buffer
        (void)snprintf(err->text + used, sizeof err->text - used, ": %s",
                       strerror_r(sys_errno, reason, sizeof reason));
    }
    return status;
}
