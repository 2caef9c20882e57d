/* The far side of a pseudo-terminal; what crosses it is in test_port.c. */
#include "engine/clock.h"
#include "engine/port.h"
#include "engine/pty.h"
#include "tests/check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mp_pty *make_pty(const char *link)
{
    struct mp_pty *pty = NULL;
    struct mp_error err = {0};
    CHECK_INT(mp_pty_open(&pty, link, &err), MP_OK);
    CHECK_STR(err.text, "");
    if (pty == NULL)
        exit(1); // every test needs one
    return pty;
}

static void test_clients_come_and_go(void)
{
    static const struct mp_serial plain = {.baud = 9600, .bits = 8, .stop_bits = 1};
    struct mp_pty *pty = make_pty(NULL);
    for (int visit = 0; visit < 3; visit++) {
        struct mp_port *port = NULL;
        CHECK_INT(mp_port_open(&port, mp_pty_path(pty), &plain, NULL), MP_OK);
        size_t n = 0, have = 0;
        int64_t before = mp_clock_ns(), at = 0;
        if (port != NULL)
            CHECK_INT(mp_port_write(port, "hello", 5, &n, NULL), MP_OK);
        mp_port_close(port);

        struct pollfd state = {.fd = mp_pty_fd(pty), .events = POLLIN};
        char buffer[6] = "";
        for (; have < 5 && poll(&state, 1, 10000) == 1; have += n) {
            CHECK_INT(mp_pty_read(pty, buffer + have, 5 - have, &n, &at, NULL), MP_OK);
            CHECK(at >= before && at <= mp_clock_ns());
            before = at;
        }
        CHECK_STR(buffer, "hello");
        n = 99;
        CHECK_INT(mp_pty_read(pty, buffer, sizeof buffer, &n, &at, NULL), MP_OK);
        CHECK_INT(n, 0); // no hang-up
    }
    mp_pty_close(pty);
}

/* However late it is read: it came behind the last look that found nothing. */
static void test_when_bytes_came(void)
{
    static const struct mp_serial plain = {.baud = 9600, .bits = 8, .stop_bits = 1};
    int64_t begun_ns = mp_clock_ns();
    struct mp_pty *pty = make_pty(NULL);
    CHECK(mp_pty_empty_ns(pty) >= begun_ns && mp_pty_empty_ns(pty) <= mp_clock_ns());
    struct mp_port *port = NULL;
    CHECK_INT(mp_port_open(&port, mp_pty_path(pty), &plain, NULL), MP_OK);
    for (unsigned late_us = 0; port != NULL && late_us <= 20000; late_us += 5000) {
        char byte;
        size_t n = 0;
        int64_t at_ns = 0, looked_ns = mp_clock_ns();
        CHECK_INT(mp_pty_read(pty, &byte, 1, &n, &at_ns, NULL), MP_OK);
        CHECK_INT(n, 0);
        CHECK(mp_pty_empty_ns(pty) >= looked_ns);
        int64_t write_ns = mp_clock_ns();
        CHECK_INT(mp_port_write(port, "ab", 2, &n, NULL), MP_OK);
        int64_t wrote_ns = mp_clock_ns();
        (void)usleep(late_us);
        // each write is passed on before a look says that there is nothing: no need to wait
        for (int i = 0; i < 2; i++) { // a look that finds something changes nothing
            CHECK_INT(mp_pty_read(pty, &byte, 1, &n, &at_ns, NULL), MP_OK);
            CHECK_INT(n, 1);
            CHECK(at_ns >= wrote_ns);
            CHECK(mp_pty_empty_ns(pty) >= looked_ns && mp_pty_empty_ns(pty) <= write_ns);
        }
    }
    mp_port_close(port);
    mp_pty_close(pty);
}

static void test_the_link_of_a_pty(const char *folder, const char *link)
{
    char target[64] = "";
    CHECK_INT(symlink("/dev/pts/999999", link), 0);
    struct mp_pty *pty = make_pty(link); // replaces the dangling one
    CHECK(readlink(link, target, sizeof target - 1) > 0);
    CHECK_STR(target, mp_pty_path(pty));

    struct mp_pty *const untouched = (struct mp_pty *)folder;
    struct mp_pty *second = untouched;
    struct mp_error err = {0};
    CHECK_INT(mp_pty_open(&second, link, &err), MP_EBUSY); // a live one stays
    CHECK_HAS(err.text, link);
    CHECK_INT(mp_pty_open(&second, folder, NULL), MP_EBUSY);
    err = (struct mp_error){0};
    CHECK_INT(mp_pty_open(&second, "/no-such-folder/port", &err), MP_EIO);
    CHECK_HAS(err.text, "/no-such-folder/port");
    CHECK(second == untouched);
    CHECK_INT(access(link, F_OK), 0);

    mp_pty_close(pty);
    CHECK(readlink(link, target, sizeof target - 1) < 0 && errno == ENOENT);

    pty = make_pty(link);
    CHECK_INT(unlink(link), 0);
    char other[64]; // a name of the same length, differing in its last digit
    (void)snprintf(other, sizeof other, "%s", mp_pty_path(pty));
    char *last = &other[strlen(other) - 1];
    *last = *last == '9' ? '8' : (char)(*last + 1);
    CHECK_INT(symlink(other, link), 0);
    mp_pty_close(pty); // somebody else's link by now
    memset(target, 0, sizeof target);
    CHECK(readlink(link, target, sizeof target - 1) > 0);
    CHECK_STR(target, other);
    CHECK_INT(unlink(link), 0);

    FILE *file = fopen(link, "we");
    CHECK(file != NULL);
    if (file != NULL)
        (void)fclose(file);
    CHECK_INT(mp_pty_open(&second, link, NULL), MP_EBUSY); // a file is nobody's to remove
    CHECK_INT(unlink(link), 0);
}

int main(void)
{
    char folder[] = "/tmp/test_pty.XXXXXX";
    if (mkdtemp(folder) == NULL)
        return 1;
    char link[64];
    (void)snprintf(link, sizeof link, "%s/link", folder);
    test_clients_come_and_go();
    test_when_bytes_came();
    test_the_link_of_a_pty(folder, link);
    CHECK_INT(rmdir(folder), 0); // nothing stays behind
    return CHECK_DONE("test_pty");
}
