/* Triggers as datagrams: each is one byte for the reader, whatever its length; none is lost. */
#include "engine/port.h"

#include "tests/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct mp_serial serial = {.baud = 115200, .bits = 8, .stop_bits = 1};
static const char *const file = "/tmp/moonpulse_test_datagram";

static void read_is(struct mp_port *port, size_t room, const char *expected)
{
    char bytes[64] = "";
    size_t got = 99;
    CHECK_INT(mp_port_read(port, bytes, room, &got, NULL), MP_OK);
    CHECK_INT(got, strlen(expected));
    CHECK_STR(bytes, expected);
}

static void each_is_one_byte(const char *path, int from, const struct sockaddr *to,
                             socklen_t size)
{
    struct mp_error err = {0};
    struct mp_port *port = NULL;
    CHECK_INT(mp_port_open(&port, path, &serial, &err), MP_OK);
    read_is(port, 10, "");
    CHECK_INT(sendto(from, "1", 1, 0, to, size), 1);
    CHECK_INT(sendto(from, "", 0, 0, to, size), 0);
    CHECK_INT(sendto(from, "2 and more", 10, 0, to, size), 10);
    CHECK_INT(sendto(from, "3\n", 2, 0, to, size), 2);
    CHECK_INT(sendto(from, "4", 1, 0, to, size), 1);
    read_is(port, 3, "123");
    read_is(port, 10, "4");
    read_is(port, 10, "");
    size_t written = 9;
    CHECK_INT(mp_port_write(port, "x", 1, &written, &err), MP_EUNSUPPORTED);
    CHECK_INT(written, 0);
    bool cts, dsr;
    CHECK_INT(mp_port_get_lines(port, &cts, &dsr, &err), MP_EUNSUPPORTED);
    struct mp_port *second = NULL;
    CHECK_INT(mp_port_open(&second, path, &serial, &err), MP_EBUSY);
    mp_port_close(port);
    CHECK_INT(mp_port_open(&port, path, &serial, &err), MP_OK); // nothing was left behind
    mp_port_close(port);
}

static void udp(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t length = sizeof to;
    char path[64];
    int from = socket(AF_INET, SOCK_DGRAM, 0), probe = socket(AF_INET, SOCK_DGRAM, 0);
    (void)inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    CHECK_INT(bind(probe, (struct sockaddr *)&to, sizeof to), 0); // to a port that nobody has
    CHECK_INT(getsockname(probe, (struct sockaddr *)&to, &length), 0);
    (void)close(probe);
    (void)snprintf(path, sizeof path, "udp:127.0.0.1:%d", ntohs(to.sin_port));
    each_is_one_byte(path, from, (struct sockaddr *)&to, sizeof to);
    (void)close(from);
}

/* Who sends nothing but empty ones, faster than they are read, does not hold the reader. */
static void a_storm_of_empty_ones(void)
{
    enum { STORM = 200 };
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct mp_port *port = NULL;
    char path[64];
    int from = socket(AF_INET, SOCK_DGRAM, 0), reads = 0;
    size_t got = 0;
    (void)inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    for (int number = 20000; port == NULL && number < 20100; number++) {
        (void)snprintf(path, sizeof path, "udp:127.0.0.1:%d", number);
        to.sin_port = htons((uint16_t)number);
        (void)mp_port_open(&port, path, &serial, NULL);
    }
    CHECK(port != NULL);
    for (int i = 0; i < STORM; i++)
        CHECK_INT(sendto(from, "", 0, 0, (struct sockaddr *)&to, sizeof to), 0);
    CHECK_INT(sendto(from, "1", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    for (char byte = 0; got == 0 && reads < STORM; reads++)
        CHECK_INT(mp_port_read(port, &byte, 1, &got, NULL), MP_OK);
    CHECK_INT(got, 1);
    CHECK(reads > 1);
    mp_port_close(port);
    (void)close(from);
}

static void unix_socket(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char path[sizeof to.sun_path + 8];
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s.%d", file, (int)getpid());
    (void)snprintf(path, sizeof path, "unix:%s", to.sun_path);
    int from = socket(AF_UNIX, SOCK_DGRAM, 0);
    each_is_one_byte(path, from, (struct sockaddr *)&to, sizeof to);
    (void)close(from);
    struct mp_port *port = NULL;
    struct stat found;
    CHECK_INT(mp_port_open(&port, path, &serial, NULL), MP_OK);
    CHECK_INT(stat(to.sun_path, &found), 0);
    CHECK_INT(found.st_mode & 077, 0); // its owner's alone
    mp_port_close(port);
    CHECK_INT(stat(to.sun_path, &found), -1);
}

static void what_is_no_place(void)
{
    static const char *const paths[] = {"udp:",
                                        "udp:5005",
                                        "udp:127.0.0.1",
                                        "udp:127.0.0.1:0",
                                        "udp:127.0.0.1:65536",
                                        "udp:127.0.0.1:50x",
                                        "udp:0.0.0.0:5005",
                                        "udp:192.168.1.1:5005",
                                        "udp:localhost:5005",
                                        "unix:",
                                        "unix:triggers"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct mp_port *port = NULL;
        struct mp_error err = {0};
        CHECK_INT(mp_port_open(&port, paths[i], &serial, &err), MP_EINVAL);
        CHECK(strstr(err.text, paths[i]) != NULL);
    }
}

int main(void)
{
    udp();
    a_storm_of_empty_ones();
    unix_socket();
    what_is_no_place();
    return CHECK_DONE("test_port_datagram");
}
