/*
 * error.h - how every part of the engine says that something failed.
 *
 * A function that can fail returns an enum mp_status and takes a struct mp_error
 * as its last argument. The struct belongs to the caller and may be NULL. The
 * status is for code; the text is for people: it says the value, the limit and
 * the unit. The first failure wins: a filled error is never overwritten.
 *
 * Any thread may use these functions; none of them allocates or blocks.
 */
#ifndef MP_ERROR_H
#define MP_ERROR_H

enum mp_status {
    MP_OK = 0,
    MP_EINVAL,       // the caller asked for something that makes no sense
    MP_ERANGE,       // a value is outside its limits
    MP_EOVERFLOW,    // a count or a time does not fit its integer
    MP_ENOMEM,       // out of memory
    MP_EIO,          // the operating system refused
    MP_EGONE,        // the device or the far side is gone
    MP_EBUSY,        // somebody else holds it
    MP_ESTATE,       // not allowed in this state
    MP_EUNSUPPORTED, // this backend or device cannot do it
    MP_ELIMIT        // a limit of the device or the wire refuses the plan
};

struct mp_error {
    enum mp_status status;
    int sys; // errno if the operating system failed, else 0
    char text[320];
};

/* Nothing has failed yet: as zeros, without touching all of the text. */
static inline void mp_error_clear(struct mp_error *err)
{
    err->status = MP_OK;
    err->sys = 0;
    err->text[0] = '\0';
}

/* The name of a status for scripts: "ok", "invalid", "range" ... Never NULL. */
const char *mp_status_name(enum mp_status status);

/* Fill err (if it is not NULL and still empty) and return status. */
enum mp_status mp_fail(struct mp_error *err, enum mp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends ": " and the text of sys_errno. */
enum mp_status mp_fail_sys(struct mp_error *err, enum mp_status status, int sys_errno,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
