/*
 * The port whose triggers are edges of lines, over a port whose lines this test moves: which
 * count is of which line, what becomes of a reader and of its thread. The source itself is
 * taken in, with stand-ins for what is below it.
 */
#include "engine/port_backend.h"

#include <linux/serial.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

static enum mp_status open_within(struct mp_port **port, const char *path,
                                  const struct mp_serial *serial, struct mp_error *err);
static void close_within(struct mp_port *port);
static int counts_within(int fd, unsigned long request, struct serial_icounter_struct *all);

#define mp_port_open open_within
#define mp_port_close close_within
#define ioctl counts_within
#include "engine/port_lines.c" // NOLINT(bugprone-suspicious-include)
#undef ioctl
#undef mp_port_close
#undef mp_port_open

#include "tests/check.h"

#include <sched.h>

/* The port within. */
static struct {
    _Atomic int cts, dsr, dcd; // edges counted
    _Atomic int high;          // TIOCM_*
    _Atomic int failing;       // an errno
    _Atomic bool counting, hangs;
    _Atomic int looks, hanging, closed;
} within;

static int bits_within(struct mp_port *port, int *bits)
{
    (void)port;
    atomic_fetch_add(&within.looks, 1);
    atomic_fetch_add(&within.hanging, 1);
    while (atomic_load(&within.hangs))
        (void)sched_yield();
    atomic_fetch_sub(&within.hanging, 1);
    *bits = atomic_load(&within.high);
    return atomic_load(&within.failing);
}

static const struct mp_port_ops ops_within = {.kind = MP_PORT_SERIAL, .bits = bits_within};
static char path_within[] = "/dev/within";

static enum mp_status open_within(struct mp_port **port, const char *path,
                                  const struct mp_serial *serial, struct mp_error *err)
{
    static struct mp_port made;
    (void)path, (void)serial, (void)err;
    made = (struct mp_port){.ops = &ops_within, .fd = 0, .path = path_within};
    *port = &made;
    return MP_OK;
}

static void close_within(struct mp_port *port)
{
    if (port != NULL)
        atomic_fetch_add(&within.closed, 1);
}

static int counts_within(int fd, unsigned long request, struct serial_icounter_struct *all)
{
    (void)fd;
    *all = (struct serial_icounter_struct){.cts = atomic_load(&within.cts),
                                           .dsr = atomic_load(&within.dsr),
                                           .dcd = atomic_load(&within.dcd),
                                           .rng = 77};
    return atomic_load(&within.counting) && request == TIOCGICOUNT ? 0 : -1;
}

static struct mp_port port;

static void begin(void)
{
    static char path[] = "lines:/dev/within";
    struct mp_error err = {0};
    atomic_store(&within.closed, 0);
    atomic_store(&within.failing, 0);
    atomic_store(&within.counting, true);
    port = (struct mp_port){.fd = -1, .path = path};
    CHECK_INT(mp_lines_open(&port, path, NULL, &err), MP_OK);
}

/* Until the thread has looked twice: once with all that there is now. */
static void await_look(void)
{
    const int seen = atomic_load(&within.looks);
    while (atomic_load(&within.looks) < seen + 2)
        (void)sched_yield();
}

/* What a reader gets by then. */
static void check_gets(const char *expected)
{
    char got[256] = "";
    size_t length = 0, n = 0;
    const size_t wanted = strlen(expected);
    struct mp_error err = {0};
    await_look();
    await_look(); // what the first one saw is written
    do {
        CHECK_INT(lines_read(&port, got + length, sizeof got - 1 - length, &n, &err), MP_OK);
        length += n;
    } while (n > 0);
    CHECK_INT(length, wanted);
    CHECK(strcmp(got, expected) == 0);
}

static void each_count_is_of_its_line(void)
{
    begin();
    check_gets("");
    atomic_fetch_add(&within.cts, 2); // pulses that are over between two looks
    check_gets("Cc");
    atomic_fetch_add(&within.dsr, 2);
    check_gets("Dd");
    atomic_fetch_add(&within.dcd, 2);
    check_gets("Ll");
    atomic_store(&within.high, TIOCM_RI);
    check_gets("R");
    atomic_store(&within.high, 0);
    check_gets("r");
    lines_close(&port);
    CHECK_INT(atomic_load(&within.closed), 1);
}

static void counts_that_fail_are_no_edges(void)
{
    atomic_store(&within.cts, 1001);
    begin();
    atomic_store(&within.counting, false);
    check_gets("");
    atomic_store(&within.counting, true);
    check_gets("");
    lines_close(&port);
}

static void lines_that_cannot_be_read_are_a_lost_port(void)
{
    char byte = 0;
    size_t n = 0;
    enum mp_status status = MP_OK;
    struct mp_error err = {0};
    begin();
    atomic_store(&within.failing, EIO);
    while (status == MP_OK)
        status = lines_read(&port, &byte, 1, &n, &err);
    CHECK_INT(n, 0);
    lines_close(&port);
    CHECK_INT(atomic_load(&within.closed), 1);
}

/* A reader that takes nothing: what the pipe does not hold is lost, and closing is not held up.
 */
static void a_full_pipe_holds_up_nobody(void)
{
    begin();
    (void)fcntl(port.lines->write_end, F_SETPIPE_SZ, 4096);
    for (int i = 0; i < 100; i++) {
        atomic_fetch_add(&within.cts, 60);
        await_look();
    }
    lines_close(&port);
    CHECK_INT(atomic_load(&within.closed), 1);
}

/* Who closes goes on while an adapter holds the look, which ends the port within by itself. */
static void an_adapter_that_does_not_answer_holds_up_nobody(void)
{
    begin();
    atomic_store(&within.hangs, true);
    while (atomic_load(&within.hanging) == 0)
        (void)sched_yield();
    lines_close(&port); // with a wait for the look this never returns
    CHECK_INT(atomic_load(&within.closed), 0);
    CHECK(port.fd == -1 && port.lines == NULL);
    atomic_store(&within.hangs, false);
    while (atomic_load(&within.closed) == 0)
        (void)sched_yield();
    CHECK_INT(atomic_load(&within.closed), 1);
}

int main(void)
{
    each_count_is_of_its_line();
    counts_that_fail_are_no_edges();
    lines_that_cannot_be_read_are_a_lost_port();
    a_full_pipe_holds_up_nobody();
    an_adapter_that_does_not_answer_holds_up_nobody();
    return CHECK_DONE("test_port_lines");
}
