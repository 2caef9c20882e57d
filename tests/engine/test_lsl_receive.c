/* The thread that receives a stream of LSL, from a sender of this test's own that stops for
 * nothing: what it gives is whole and in order, however slowly it is read; and it ends whenever
 * it is to, with all that it had open. */
#include "engine/lsl_in.h"

#include "engine/clock.h"
#include "tests/check.h"
#include "tests/engine/chance.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, FIRST_PORT = 16572, PORTS = 32, READ = 70000, VALUES = 256 };
// what it may give: a burst and what one reading has behind it, and then one in so long
enum { BYTES_FIRST = 20000 + 65536 / 3, BYTE_US = 50, TEXTS_FIRST = 64, TEXT_US = 200 };
enum { FULL = 50000 }; // of the pipe's 65536: a write has pages of its own

static struct {
    int udp, tcp;
    uint16_t port;
    char name[40];
    bool garbage; // it breaks off in the middle
    bool went_well;
} sender;

static size_t open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static struct sockaddr_in at_port(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool comes(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, PATIENCE_MS) == 1;
}

/* The first who asks for it is told where it is. */
static bool answer_one(void)
{
    char asked[2048], answer[2048], id[32];
    unsigned port = 0;
    while (comes(sender.udp)) {
        const ssize_t n = recv(sender.udp, asked, sizeof asked - 1, 0);
        asked[n > 0 ? n : 0] = 0;
        const char *line = strstr(asked, sender.name);
        line = line == NULL ? NULL : strchr(line, '\n');
        if (line == NULL || sscanf(line, "%u %31s", &port, id) != 2)
            continue;
        const int length = snprintf(
            answer, sizeof answer,
            "%s\r\n<info><name>%s</name><type>Markers</type><channel_count>1</channel_count>"
            "<channel_format>int16</channel_format><source_id></source_id>"
            "<nominal_srate>0</nominal_srate><version>1.10</version><uid>u</uid>"
            "<hostname>here</hostname><v4data_port>%u</v4data_port></info>",
            id, sender.name, (unsigned)sender.port);
        const struct sockaddr_in there = at_port((int)port);
        return sendto(sender.udp, answer, (size_t)length, 0, (const struct sockaddr *)&there,
                      sizeof there) == length;
    }
    return false;
}

static bool all_sent(int fd, const char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        const ssize_t n = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        sent += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Samples 0 to 255, and again, until nobody wants any more. */
static void *send_main(void *unused)
{
    static const char head[] = "LSL/110 200 OK\r\nUID: u\r\nByte-Order: 1234\r\n"
                               "Data-Protocol-Version: 110\r\n\r\n"
                               "\x02\xc9v\xbe\x9f\x0c$\xfe@\x05\x01"
                               "\x02\xc9v\xbe\x9f\x0c$\xfe@\x03\x01";
    char asked[2048], samples[3 * VALUES];
    const int fd = answer_one() && comes(sender.tcp) ? accept(sender.tcp, NULL, NULL) : -1;
    bool goes_on = fd >= 0 && comes(fd) && recv(fd, asked, sizeof asked, 0) > 0;
    for (int i = 0; i < VALUES; i++) {
        samples[3 * i] = 1;
        samples[3 * i + 1] = (char)i;
        samples[3 * i + 2] = 0;
    }
    goes_on = goes_on && all_sent(fd, head, sizeof head - 1);
    if (sender.garbage)
        goes_on =
            goes_on && all_sent(fd, samples, 3 * 10 + 1) && all_sent(fd, "\xff\xff\x03", 3);
    sender.went_well = goes_on;
    while (goes_on && !sender.garbage)
        goes_on = all_sent(fd, samples, sizeof samples);
    if (fd >= 0)
        (void)close(fd);
    return unused;
}

static void begin(pthread_t *thread, bool garbage)
{
    struct sockaddr_in at = at_port(0);
    socklen_t length = sizeof at;
    sender.garbage = garbage;
    (void)snprintf(sender.name, sizeof sender.name, "receive-%ld-%d", (long)getpid(), garbage);
    sender.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sender.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(sender.tcp, (const struct sockaddr *)&at, sizeof at) == 0 &&
          listen(sender.tcp, 1) == 0 &&
          getsockname(sender.tcp, (struct sockaddr *)&at, &length) == 0);
    sender.port = ntohs(at.sin_port);
    int failed = -1;
    for (int i = 0; i < PORTS && failed != 0; i++) { // others of this computer may have some
        at = at_port(FIRST_PORT + i);
        failed = bind(sender.udp, (const struct sockaddr *)&at, sizeof at);
    }
    CHECK_INT(failed, 0);
    CHECK_INT(pthread_create(thread, NULL, send_main, NULL), 0);
}

static void end(pthread_t thread)
{
    (void)pthread_join(thread, NULL);
    CHECK(sender.went_well);
    (void)close(sender.udp);
    (void)close(sender.tcp);
}

static struct mp_lsl_in *open_it(bool as_text, int *fd)
{
    char path[64];
    struct mp_lsl_in *in = NULL;
    struct mp_error err = {0};
    (void)snprintf(path, sizeof path, "lsl:%s", sender.name);
    CHECK_INT(mp_lsl_in_open(&in, path, as_text, fd, &err), MP_OK);
    return in;
}

/* So many bytes of the pipe, each the one that is next. */
static void read_in_order(int fd, size_t count)
{
    uint8_t bytes[4096];
    size_t came = 0, wrong = 0;
    while (came < count && comes(fd)) {
        const ssize_t n = read(fd, bytes, count - came < sizeof bytes ? count - came : 4096);
        for (ssize_t i = 0; i < n; i++, came++)
            wrong += bytes[i] != came % VALUES;
        if (n == 0)
            break;
    }
    CHECK_INT(came, count);
    CHECK_INT(wrong, 0);
}

static void until_full(int fd)
{
    int held = 0;
    for (int i = 0; i < PATIENCE_MS / 10 && held < FULL; i++) {
        (void)usleep(10 * 1000);
        CHECK_INT(ioctl(fd, FIONREAD, &held), 0);
    }
    CHECK(held >= FULL);
}

/* Closed while the pipe is full, and the sender held up. */
static void who_is_not_read_loses_nothing_and_ends(void)
{
    const size_t files = open_files();
    const int64_t start_ns = mp_clock_ns();
    struct mp_lsl_in_state state;
    pthread_t thread;
    int fd = -1;
    begin(&thread, false);
    struct mp_lsl_in *in = open_it(false, &fd);
    until_full(fd);
    mp_lsl_in_look(in, &state);
    CHECK(state.receives && state.connections == 1 && state.passed_over == 0);
    read_in_order(fd, READ);
    until_full(fd);
    const int64_t most = BYTES_FIRST + (mp_clock_ns() - start_ns) / 1000 / BYTE_US;
    CHECK(READ + FULL <= most); // it keeps its pace
    mp_lsl_in_look(in, &state);
    CHECK_INT(state.dropped, 0);
    mp_lsl_in_close(in);
    (void)close(fd);
    end(thread);
    CHECK_INT(open_files(), files);
}

/* As texts: of what comes too fast the first are given, and then a few, all the time. */
static void texts_that_come_too_fast_are_dropped_and_counted(void)
{
    char text[1 << 12];
    struct mp_lsl_in_state state;
    pthread_t thread;
    int fd = -1, value = 0;
    int64_t lines = 0;
    const int64_t start_ns = mp_clock_ns();
    begin(&thread, false);
    struct mp_lsl_in *in = open_it(true, &fd);
    while (lines < 1000 && comes(fd)) {
        const ssize_t n = read(fd, text, sizeof text);
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] != '\n') {
                value = 10 * value + text[i] - '0';
                continue;
            }
            CHECK(lines >= TEXTS_FIRST || value == (int)lines);
            value = 0;
            lines++;
        }
    }
    CHECK(lines >= 1000);
    CHECK(lines <= TEXTS_FIRST + (mp_clock_ns() - start_ns) / 1000 / TEXT_US);
    mp_lsl_in_look(in, &state);
    CHECK(state.dropped > 1000 && state.dropped + (uint64_t)lines <= state.samples);
    CHECK_INT(state.passed_over, 0);
    mp_lsl_in_close(in);
    (void)close(fd);
    end(thread);
}

static void what_is_no_sample_ends_it_behind_those_before(void)
{
    struct mp_lsl_in_state state;
    pthread_t thread;
    int fd = -1;
    begin(&thread, true);
    struct mp_lsl_in *in = open_it(false, &fd);
    read_in_order(fd, 10);
    end(thread);
    for (int i = 0; i < PATIENCE_MS; i++) {
        mp_lsl_in_look(in, &state);
        if (state.why[0] != 0)
            break;
        (void)usleep(1000);
    }
    CHECK(!state.receives && state.connections == 1 && state.samples == 11);
    CHECK_HAS(state.why, "no sample");
    mp_lsl_in_close(in);
    (void)close(fd);
}

/* At any moment, of a stream that nobody has. */
static void opened_and_closed_it_leaves_nothing(void)
{
    struct chance chance = {.state = 5};
    const size_t files = open_files();
    (void)snprintf(sender.name, sizeof sender.name, "nobody-%ld", (long)getpid());
    for (int i = 0; i < 30; i++) {
        int fd = -1;
        struct mp_lsl_in *in = open_it(false, &fd);
        (void)usleep((useconds_t)chance_below(&chance, 3000));
        mp_lsl_in_close(in);
        CHECK(read(fd, &(char){0}, 1) == 0); // a reader finds it lost
        (void)close(fd);
    }
    CHECK_INT(open_files(), files);
}

int main(void)
{
    who_is_not_read_loses_nothing_and_ends();
    texts_that_come_too_fast_are_dropped_and_counted();
    what_is_no_sample_ends_it_behind_those_before();
    opened_and_closed_it_leaves_nothing();
    return CHECK_DONE("test_lsl_receive");
}
