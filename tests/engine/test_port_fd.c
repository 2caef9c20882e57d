/* Ports on a socket of the caller's: both directions, a full buffer, a far side that goes. */
#include "engine/port.h"
#include "tests/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mp_port *adopt(int *far)
{
    int ends[2];
    struct mp_port *port = NULL;
    struct mp_error err = {0};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_INT(mp_port_adopt(&port, ends[0], "pair", &err), MP_OK);
    CHECK_STR(err.text, "");
    if (port == NULL)
        exit(1); // every test needs one
    CHECK_INT(mp_port_fd(port), ends[0]);
    *far = ends[1];
    return port;
}

static void test_what_it_says_of_itself(void)
{
    int far;
    struct mp_port *port = adopt(&far);
    struct mp_error err = {0};
    CHECK_INT(mp_port_kind(port), MP_PORT_PTY);
    CHECK_STR(mp_port_path(port), "pair");
    CHECK(fcntl(mp_port_fd(port), F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(mp_port_fd(port), F_GETFD) & FD_CLOEXEC);
    CHECK_INT(mp_port_set_lines(port, true, false, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "pair");
    mp_port_close(port);
    (void)close(far);
}

static void test_bytes_pass_both_ways(void)
{
    int far;
    size_t n = 99;
    char buffer[16] = "";
    struct mp_port *port = adopt(&far);
    CHECK_INT(mp_port_read(port, buffer, sizeof buffer, &n, NULL), MP_OK);
    CHECK_INT(n, 0); // nothing there is no failure
    CHECK_INT(mp_port_write(port, "a\0b\xff", 4, &n, NULL), MP_OK);
    CHECK_INT(n, 4);
    CHECK_INT(read(far, buffer, sizeof buffer), 4);
    CHECK(memcmp(buffer, "a\0b\xff", 4) == 0);
    CHECK_INT(write(far, "reply", 5), 5);
    CHECK_INT(mp_port_read(port, buffer, sizeof buffer, &n, NULL), MP_OK);
    CHECK_INT(n, 5);
    CHECK(memcmp(buffer, "reply", 5) == 0);
    mp_port_close(port);
    CHECK_INT(read(far, buffer, sizeof buffer), 0); // closed for real
    (void)close(far);
}

static void test_a_full_buffer_is_no_failure(void)
{
    int far;
    size_t n = 1, total = 0;
    char block[4096] = "";
    struct mp_port *port = adopt(&far);
    for (int i = 0; i < 100000 && n > 0; i++, total += n)
        CHECK_INT(mp_port_write(port, block, sizeof block, &n, NULL), MP_OK);
    CHECK_INT(n, 0);
    CHECK(total > sizeof block);
    mp_port_close(port);
    (void)close(far);
}

/* Without an end by SIGPIPE, which the test would not survive. */
static void test_a_gone_far_side_is_told(void)
{
    int far;
    size_t n = 77;
    char buffer[4];
    struct mp_port *port = adopt(&far);
    struct mp_error err = {0};
    (void)close(far);
    CHECK_INT(mp_port_write(port, "x", 1, &n, &err), MP_EGONE);
    CHECK_INT(n, 77);
    CHECK_HAS(err.text, "pair");
    CHECK_INT(mp_port_read(port, buffer, sizeof buffer, &n, NULL), MP_EGONE);
    mp_port_close(port);
}

static void refused(int fd)
{
    struct mp_port *const untouched = (struct mp_port *)&check_passed;
    struct mp_port *port = untouched;
    struct mp_error err = {0};
    CHECK_INT(mp_port_adopt(&port, fd, "wrong", &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "wrong");
    CHECK(port == untouched);
    CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF); // taken, so closed
}

static void test_what_is_no_stream_socket_is_refused(void)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    refused(ends[1]);
    refused(ends[0]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    refused(ends[0]);
    refused(ends[1]);
    refused(-1);
}

int main(void)
{
    test_what_it_says_of_itself();
    test_bytes_pass_both_ways();
    test_a_full_buffer_is_no_failure();
    test_a_gone_far_side_is_told();
    test_what_is_no_stream_socket_is_refused();
    return CHECK_DONE("test_port_fd");
}
