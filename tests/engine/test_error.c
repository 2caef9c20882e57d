/* What a failure leaves behind for code (the status) and for people (the text). */
#include "engine/error.h"

#include "tests/check.h"

#include <errno.h>

static void names_every_status(void)
{
    static const struct {
        enum mp_status status;
        const char *name;
    } rows[] = {
        {MP_OK, "ok"},
        {MP_EINVAL, "invalid"},
        {MP_ERANGE, "range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_STR(mp_status_name(rows[i].status), rows[i].name);
    for (int a = MP_OK; a <= MP_ELIMIT; a++) {
        const char *name = mp_status_name((enum mp_status)a);
        CHECK(name != NULL && name[0] != '\0');
        for (int b = MP_OK; b < a; b++)
            CHECK(strcmp(name, mp_status_name((enum mp_status)b)) != 0);
    }
    CHECK(mp_status_name((enum mp_status)(MP_ELIMIT + 1)) != NULL);
    CHECK(mp_status_name((enum mp_status)12345) != NULL);
}

static void fills_an_empty_error(void)
{
    struct mp_error err = {0};
    CHECK_INT(mp_fail(&err, MP_ERANGE, "%d Hz is outside %s", 120, "(0, 100]"), MP_ERANGE);
    CHECK_INT(err.status, MP_ERANGE);
    CHECK_INT(err.sys, 0);
    CHECK_STR(err.text, "120 Hz is outside (0, 100]");
}

static void keeps_the_first_failure(void)
{
    struct mp_error err = {0};
    mp_fail(&err, MP_EGONE, "first");
    CHECK_INT(mp_fail(&err, MP_EIO, "second"), MP_EIO); // the caller still learns its own
    CHECK_INT(mp_fail_sys(&err, MP_EBUSY, EBUSY, "third"), MP_EBUSY);
    CHECK_INT(err.status, MP_EGONE);
    CHECK_INT(err.sys, 0);
    CHECK_STR(err.text, "first");
}

static void appends_what_the_system_said(void)
{
    struct mp_error err = {0};
    CHECK_INT(mp_fail_sys(&err, MP_EIO, ENOENT, "cannot open %s", "port"), MP_EIO);
    CHECK_INT(err.status, MP_EIO);
    CHECK_INT(err.sys, ENOENT);
    CHECK_STR(err.text, "cannot open port: No such file or directory");
    mp_fail(&err, MP_EINVAL, "later");
    CHECK_INT(err.sys, ENOENT);
}

static void accepts_no_error_at_all(void)
{
    CHECK_INT(mp_fail(NULL, MP_ENOMEM, "nobody listens to %d", 1), MP_ENOMEM);
    CHECK_INT(mp_fail_sys(NULL, MP_EIO, EIO, "nobody listens"), MP_EIO);
}

/* The text is cut, ends in a zero and touches nothing behind the struct. */
static void cuts_long_texts(void)
{
    enum { ROOM = sizeof((struct mp_error *)NULL)->text };
    char message[2 * ROOM];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (size_t shorter = 0; shorter < 6; shorter++) {
        struct {
            struct mp_error err;
            char fence[64];
        } box;
        memset(&box, 0, sizeof box);
        memset(box.fence, 0x5a, sizeof box.fence);
        const int length = shorter == 0 ? 2 * ROOM - 1 : (int)(ROOM - shorter);
        mp_fail_sys(&box.err, MP_EIO, ENOENT, "%.*s", length, message);
        CHECK_INT(strlen(box.err.text), ROOM - 1);
        CHECK_INT(box.err.text[0], 'x');
        CHECK_INT(box.err.sys, ENOENT);
        size_t intact = 0;
        for (size_t i = 0; i < sizeof box.fence; i++)
            intact += box.fence[i] == 0x5a;
        CHECK_INT(intact, sizeof box.fence);
    }
}

int main(void)
{
    names_every_status();
    fills_an_empty_error();
    keeps_the_first_failure();
    appends_what_the_system_said();
    accepts_no_error_at_all();
    cuts_long_texts();
    return CHECK_DONE("test_error");
}
