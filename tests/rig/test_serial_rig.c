/*
 * The libserialport backend, driven for real. Only run.sh can start this: it makes the
 * system list /dev/ttyMP0 as a USB serial port, in a mount namespace of our own, and a
 * pseudo-terminal is bound on that name here. /dev/ttyMP1 is no terminal (/dev/full).
 */
#include "engine/port.h"
#include "engine/pty.h"
#include "tests/check.h"
#include "tests/engine/rig.h"
#include "tests/rig/trigger_lines.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PORT "/dev/ttyMP0"
#define NO_TERMINAL "/dev/ttyMP1"

static const struct mp_serial plain = {.baud = 9600, .bits = 8, .stop_bits = 1};
static struct mp_pty *pty;
static int far_side = -1; // of the pty

static bool wait_readable(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, 10000) == 1;
}

static struct mp_port *open_port(const struct mp_serial *serial)
{
    struct mp_port *port = NULL;
    struct mp_error err = {0};
    CHECK_INT(mp_port_open(&port, PORT, serial, &err), MP_OK);
    CHECK_STR(err.text, "");
    if (port == NULL)
        exit(1); // every test needs it
    return port;
}

static struct mp_error refused(const char *path, const struct mp_serial *serial,
                               enum mp_status expected)
{
    struct mp_port *port = NULL;
    struct mp_error err = {0};
    CHECK_INT(mp_port_open(&port, path, serial, &err), expected);
    CHECK(port == NULL);
    return err;
}

static int lines_of(const struct mp_port *port)
{
    int lines = -1;
    CHECK_INT(ioctl(mp_port_fd(port), TIOCMGET, &lines), 0);
    return lines & (TIOCM_RTS | TIOCM_DTR);
}

/* The log without its times: "RTS 0,DTR 0,". Times must never go back. */
static const char *read_log(void)
{
    static char edges[512];
    edges[0] = '\0';
    FILE *log = fopen(getenv("MODEM_LOG"), "re");
    if (log == NULL)
        return edges;
    long long at, before = 0;
    char line[8];
    int level;
    while (fscanf(log, "%lld %7s %d", &at, line, &level) == 3) {
        size_t used = strlen(edges);
        CHECK(at > 0 && at >= before);
        before = at;
        (void)snprintf(edges + used, sizeof edges - used, "%s %d,", line, level);
    }
    (void)fclose(log);
    return edges;
}

static void forget_log(void)
{
    CHECK_INT(truncate(getenv("MODEM_LOG"), 0), 0);
}

static void see_port(void *context, const struct mp_port_info *info)
{
    if (strcmp(info->path, NO_TERMINAL) == 0) { // not on USB
        CHECK(info->manufacturer == NULL);
        CHECK(info->usb_serial == NULL);
        CHECK_INT(info->usb_vendor, -1);
        CHECK_INT(info->usb_product, -1);
        *(int *)context += 10;
    }
    if (strcmp(info->path, PORT) != 0)
        return;
    (*(int *)context)++;
    CHECK_HAS(info->description, "Rig Port");
    CHECK_STR(info->manufacturer, "Moonpulse");
    CHECK_STR(info->usb_serial, "MP0001");
    CHECK_INT(info->usb_vendor, 0x1209);
    CHECK_INT(info->usb_product, 0x0001);
}

static void test_the_port_is_listed(void)
{
    int seen = 0;
    CHECK_INT(mp_port_list(see_port, &seen, NULL), MP_OK);
    CHECK_INT(seen, 11); // each once
}

static void test_open_drops_the_lines(void)
{
    struct mp_port *port = open_port(&plain);
    CHECK_INT(mp_port_kind(port), MP_PORT_SERIAL);
    CHECK_STR(mp_port_path(port), PORT);
    CHECK_INT(lines_of(port), 0);
    CHECK_STR(read_log(), "RTS 0,DTR 0,"); // high when opened, dropped once, never up again
    CHECK((fcntl(mp_port_fd(port), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(mp_port_fd(port), F_GETFD) & FD_CLOEXEC) != 0);
    struct termios set;
    CHECK_INT(tcgetattr(mp_port_fd(port), &set), 0);
    CHECK_INT(set.c_cflag & HUPCL, 0);
    CHECK_INT(set.c_cflag & CRTSCTS, 0);
    CHECK_INT(set.c_cflag & CSTOPB, 0);
    CHECK_INT(set.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), 0);
    CHECK_INT(set.c_iflag & (IXON | IXOFF | ICRNL | INLCR | IGNCR | ISTRIP), 0);
    CHECK_INT(set.c_oflag & OPOST, 0);
    CHECK_INT(cfgetospeed(&set), B9600);
    mp_port_close(port);
    CHECK_STR(read_log(), "RTS 0,DTR 0,");
}

static void test_line_settings(void)
{
    struct mp_serial fast = {12000000, 8, 2, MP_PARITY_NONE, MP_FLOW_RTSCTS};
    struct mp_port *port = open_port(&fast);
    struct termios set;
    CHECK_INT(tcgetattr(mp_port_fd(port), &set), 0);
    CHECK((set.c_cflag & CRTSCTS) != 0);
    CHECK((set.c_cflag & CSTOPB) != 0);
    CHECK_INT(lines_of(port), 0);
    CHECK_INT(mp_port_set_lines(port, true, true, NULL), MP_OK);
    CHECK_INT(lines_of(port), TIOCM_RTS | TIOCM_DTR);
    mp_port_close(port);
    mp_port_close(open_port(&plain)); // back again from flow control

    // this terminal does 8 bits without parity only: taking it silently would garble every
    // frame
    struct mp_serial seven = {9600, 7, 1, MP_PARITY_EVEN, MP_FLOW_NONE};
    CHECK_HAS(refused(PORT, &seven, MP_EUNSUPPORTED).text, "7 bits, even parity");
    mp_port_close(open_port(&plain)); // and the refusal let go of it
}

static void test_every_byte_passes_both_ways(void)
{
    struct mp_port *port = open_port(&plain);
    unsigned char sent[256], back[256] = {0};
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)i;
    size_t n = 0, have = 0;
    CHECK_INT(mp_port_write(port, sent, sizeof sent, &n, NULL), MP_OK);
    CHECK_INT(n, sizeof sent);
    while (have < sizeof back && wait_readable(far_side)) {
        ssize_t got = read(far_side, back + have, sizeof back - have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    CHECK_INT(have, sizeof back);
    CHECK(memcmp(sent, back, sizeof sent) == 0);

    memset(back, 0, sizeof back);
    CHECK_INT(write(far_side, sent, sizeof sent), sizeof sent);
    for (have = 0; have < sizeof back && wait_readable(mp_port_fd(port)); have += n)
        if (mp_port_read(port, back + have, sizeof back - have, &n, NULL) != MP_OK)
            break;
    CHECK_INT(have, sizeof back);
    CHECK(memcmp(sent, back, sizeof sent) == 0);
    n = 99;
    CHECK_INT(mp_port_read(port, back, sizeof back, &n, NULL), MP_OK);
    CHECK_INT(n, 0); // idle is not gone
    mp_port_close(port);
}

static void test_opening_flushes_input_and_excludes_others(void)
{
    int near = open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    CHECK_INT(write(far_side, "stale", 5), 5);
    CHECK(wait_readable(near));
    int exclusive = -1;
    CHECK_INT(ioctl(near, TIOCGEXCL, &exclusive), 0);
    CHECK_INT(exclusive, 0);
    struct mp_port *port = open_port(&plain);
    CHECK_INT(ioctl(near, TIOCGEXCL, &exclusive), 0);
    CHECK_INT(exclusive, 1);
    unsigned char buffer[8];
    size_t n = 99;
    CHECK_INT(mp_port_read(port, buffer, sizeof buffer, &n, NULL), MP_OK);
    CHECK_INT(n, 0);
    mp_port_close(port);
    CHECK_INT(ioctl(near, TIOCGEXCL, &exclusive), 0);
    CHECK_INT(exclusive, 0);
    (void)close(near);
}

static void test_a_full_buffer_is_no_failure(void)
{
    struct mp_port *port = open_port(&plain);
    static unsigned char block[4096];
    enum mp_status status = MP_OK;
    size_t total = 0, drained = 0, n = 1;
    for (; status == MP_OK && n > 0 && total < (size_t)64 << 20; total += n)
        status = mp_port_write(port, block, sizeof block, &n, NULL);
    CHECK_INT(status, MP_OK);
    CHECK_INT(n, 0);
    while (drained < total && wait_readable(far_side)) {
        ssize_t got = read(far_side, block, sizeof block);
        if (got <= 0)
            break;
        drained += (size_t)got;
    }
    CHECK_INT(drained, total);
    mp_port_close(port);
}

static void test_lines_as_triggers(void)
{
    struct mp_port *port = open_port(&plain);
    forget_log();
    CHECK_INT(mp_port_set_lines(port, true, false, NULL), MP_OK);
    CHECK_INT(lines_of(port), TIOCM_RTS);
    CHECK_INT(mp_port_set_lines(port, true, false, NULL), MP_OK); // no edge
    CHECK_INT(mp_port_set_lines(port, false, true, NULL), MP_OK);
    CHECK_INT(lines_of(port), TIOCM_DTR);
    CHECK_INT(mp_port_set_lines(port, false, false, NULL), MP_OK);
    CHECK_STR(read_log(), "RTS 1,RTS 0,DTR 1,DTR 0,");
    mp_port_close(port);
}

/* Fork a child that holds path, through mp_port_open or a bare open, until it is killed. */
static pid_t fork_holder(const char *path, bool bare)
{
    int ready[2];
    if (pipe(ready) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        struct mp_port *port = NULL;
        bool ok = bare ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0
                       : mp_port_open(&port, path, &plain, NULL) == MP_OK;
        (void)!write(ready[1], ok ? "y" : "n", 1);
        for (;;)
            (void)pause();
    }
    char ok = 'n';
    CHECK_INT(read(ready[0], &ok, 1), 1);
    CHECK_INT(ok, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void expect_held_by(const char *path, pid_t child)
{
    char expected[32];
    (void)snprintf(expected, sizeof expected, "(pid %d)", (int)child);
    CHECK_HAS(refused(path, &plain, MP_EBUSY).text, expected);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void test_a_held_port_is_refused_untouched(void)
{
    struct mp_port *port = open_port(&plain);
    CHECK_INT(mp_port_set_lines(port, true, true, NULL), MP_OK);
    forget_log();
    CHECK_HAS(refused(PORT, &plain, MP_EBUSY).text, "already open in this program");
    CHECK_STR(read_log(), ""); // the second opener moved nobody's lines
    CHECK_INT(lines_of(port), TIOCM_RTS | TIOCM_DTR);
    mp_port_close(port);

    int near = open(PORT, O_RDWR | O_NOCTTY | O_CLOEXEC);
    expect_held_by(PORT, fork_holder(PORT, false));
    // a real port forgets TIOCEXCL when its last user dies; here the far side is one, too
    CHECK_INT(ioctl(near, TIOCNXCL), 0);
    (void)close(near);
    mp_port_close(open_port(&plain)); // a killed holder leaves it free
}

static void test_a_program_without_a_lock_is_seen(void)
{
    CHECK_HAS(refused(NO_TERMINAL, &plain, MP_EUNSUPPORTED).text, "not a serial port");
    expect_held_by(NO_TERMINAL, fork_holder(NO_TERMINAL, true));
    int own = open(NO_TERMINAL, O_RDWR | O_CLOEXEC);
    CHECK_HAS(refused(NO_TERMINAL, &plain, MP_EBUSY).text, "already open in this program");
    (void)close(own);
}

static void test_a_gone_far_side_is_told(void)
{
    struct mp_port *port = open_port(&plain);
    mp_pty_close(pty);
    CHECK(wait_readable(mp_port_fd(port)));
    unsigned char byte;
    size_t n = 99;
    struct mp_error err = {0};
    CHECK_INT(mp_port_read(port, &byte, 1, &n, &err), MP_EGONE);
    CHECK_HAS(err.text, "is gone");
    err = (struct mp_error){0};
    CHECK_INT(mp_port_write(port, "x", 1, &n, &err), MP_EGONE);
    CHECK_HAS(err.text, "is gone");
    CHECK_INT(n, 99);
    mp_port_close(port);
}

/* Pulses at 50 and 60 % in turn, fired on RTS: only the settings between them are bytes. */
static struct mp_lowering *settings_and_a_line(void)
{
    const struct mp_fire fire = {.line = MP_TRIGGER_RTS, .width_ns = MP_NS_PER_MS};
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    struct mp_violation v;
    struct mp_plan *pair = then(then(mso(50), rest(ratio(20 * MP_NS_PER_MS, 1))), mso(60));
    must(mp_lowering_create(&l, schedule_of(repeat(pair, 50, MP_EVERY, seconds(1, 25)), 1),
                            &no_wire, 0, &err),
         &err);
    for (uint32_t action = 0; action < 2; action++) {
        must(mp_lowering_fire(l, action, &fire, 0, &err), &err);
        must(mp_lowering_change(l, action, 1 - action, "S", 1, 0, &err), &err);
    }
    CHECK(!mp_lowering_check(l, 1000, &v));
    CHECK(mp_lowering_checked(l));
    return l;
}

/*
 * A pulse whose forerunner still waits in the adapter is not sent; nor is one on a line, while
 * the setting before it waits.
 */
static void test_a_port_that_is_behind_gets_no_more(bool by_line)
{
    static const struct mp_serial serial = {.baud = 115200, .bits = 8, .stop_bits = 1};
    struct mp_error err = {0};
    char queue[] = "/tmp/moonpulse-queue-XXXXXX";
    int file = mkstemp(queue);
    CHECK(file >= 0 && setenv("MODEM_QUEUE", queue, 1) == 0);
    must(mp_port_open(&rig.port, PORT, &serial, &err), &err);
    CHECK_INT(mp_port_queued(rig.port), 0);
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.lines[MP_PORT_DEVICE] = by_line ? MP_TRIGGER_RTS : MP_TRIGGER_NONE;
    rig.count = 0;
    rig_start(&config);
    struct mp_lowering *l = by_line ? settings_and_a_line()
                                    : lower(repeat(mso(50), 100, MP_EVERY, seconds(1, 50)),
                                            (struct rig_lowering){0});
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    while (rig_tally(MP_OUT_SENT) < 3)
        rig_drain();
    CHECK_INT(write(file, "7", 1), 1);
    CHECK_INT(mp_port_queued(rig.port), 7);
    int64_t until = mp_clock_ns() + patience_ns;
    while (rig_tally(MP_OUT_STOPPED) == 0 && mp_clock_ns() < until)
        rig_drain();
    CHECK_INT(rig_last()->stop, MP_STOP_BLOCKED);
    CHECK(rig_tally(MP_OUT_SENT) < 100);
    // of the 7 bytes that it held and that were thrown away: what came before was seen to leave
    int64_t cut_ns = rig_last()->cut_ns;
    size_t doubted = 0;
    for (size_t i = 0; i < rig.count; i++)
        doubted += rig.outcomes[i].kind == MP_OUT_SENT && cut_ns != 0 &&
                   rig.outcomes[i].returned_ns >= cut_ns;
    CHECK(by_line || (doubted >= 1 && doubted <= 4));
    CHECK(!by_line || cut_ns != 0); // its setting
    mp_dispatcher_destroy(rig.d);
    rig.d = NULL;
    mp_lowering_destroy(l);
    mp_port_close(rig.port);
    rig.port = NULL;
    (void)unsetenv("MODEM_QUEUE");
    (void)close(file);
    (void)unlink(queue);
}

int main(void)
{
    struct mp_error err = {0};
    if (getenv("MODEM_LOG") == NULL) {
        (void)fprintf(stderr, "test_serial_rig: start it through tests/rig/run.sh\n");
        return 2;
    }
    if (mp_pty_open(&pty, NULL, &err) != MP_OK) {
        (void)fprintf(stderr, "test_serial_rig: %s\n", err.text);
        return 1;
    }
    if (mount(mp_pty_path(pty), PORT, "", MS_BIND, NULL) != 0) {
        perror("test_serial_rig: mount");
        return 77; // run.sh reports it as skipped
    }
    far_side = mp_pty_fd(pty);
    test_the_port_is_listed();
    test_open_drops_the_lines();
    test_line_settings();
    test_every_byte_passes_both_ways();
    test_opening_flushes_input_and_excludes_others();
    test_a_full_buffer_is_no_failure();
    test_lines_as_triggers();
    CHECK_INT(test_trigger_lines(PORT), 0);
    test_a_port_that_is_behind_gets_no_more(false);
    test_a_port_that_is_behind_gets_no_more(true);
    test_a_held_port_is_refused_untouched();
    test_a_program_without_a_lock_is_seen();
    test_a_gone_far_side_is_told();
    return CHECK_DONE("test_serial_rig");
}
