#include "engine/lsl_ask.h"

#include "engine/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHARED_PORT = 16571, FIRST_PORT = 16572, PORTS = 32 };
enum { MOST_PASSED_OVER = 256, HOPS = 24 }; // the site, as liblsl has it

static const char *const groups[] = {"224.0.0.1", "224.0.0.183", "239.255.172.215"};

enum mp_status mp_lsl_ask_open(struct mp_lsl_ask *ask, bool all, struct mp_error *err)
{
    const int on = 1, hops = HOPS;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(all ? INADDR_ANY : INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    *ask = (struct mp_lsl_ask){
        .all = all, .fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (ask->fd < 0 || bind(ask->fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(ask->fd, (struct sockaddr *)&at, &length) != 0) {
        const int sys = errno;
        mp_lsl_ask_close(ask);
        return mp_fail_sys(err, MP_EIO, sys, "no UDP port can be had to look for streams");
    }
    if (all) {
        (void)setsockopt(ask->fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
        (void)setsockopt(ask->fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops);
    }
    ask->port = ntohs(at.sin_port);
    (void)snprintf(ask->id, sizeof ask->id, "%" PRIu64, (uint64_t)mp_clock_ns());
    return MP_OK;
}

void mp_lsl_ask_close(struct mp_lsl_ask *ask)
{
    if (ask->fd >= 0)
        (void)close(ask->fd);
    ask->fd = -1;
}

static void send_to(const struct mp_lsl_ask *ask, in_addr_t address, int port, const char *text)
{
    const struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = address};
    (void)sendto(ask->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&there, sizeof there);
}

/* To the groups, over one interface. */
static void send_over(const struct mp_lsl_ask *ask, const struct ifaddrs *each,
                      const char *text)
{
    struct sockaddr_in is;
    memcpy(&is, each->ifa_addr, sizeof is);
    const struct ip_mreqn over = {.imr_address = is.sin_addr,
                                  .imr_ifindex = (int)if_nametoindex(each->ifa_name)};
    if (setsockopt(ask->fd, IPPROTO_IP, IP_MULTICAST_IF, &over, sizeof over) != 0)
        return;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        send_to(ask, inet_addr(groups[i]), SHARED_PORT, text);
    if ((each->ifa_flags & IFF_BROADCAST) != 0 && each->ifa_broadaddr != NULL) {
        memcpy(&is, each->ifa_broadaddr, sizeof is);
        send_to(ask, is.sin_addr.s_addr, SHARED_PORT, text);
    }
}

void mp_lsl_ask_all(const struct mp_lsl_ask *ask, const char *query)
{
    char text[1024];
    struct ifaddrs *all = NULL;
    (void)snprintf(text, sizeof text, "LSL:shortinfo\r\n%s\r\n%u %s\r\n", query,
                   (unsigned)ask->port, ask->id);
    if (getifaddrs(&all) == 0)
        for (const struct ifaddrs *each = all; each != NULL; each = each->ifa_next)
            if (each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_INET &&
                (each->ifa_flags & IFF_UP) != 0 &&
                (ask->all || (each->ifa_flags & IFF_LOOPBACK) != 0))
                send_over(ask, each, text);
    freeifaddrs(all);
    if (ask->all)
        send_to(ask, htonl(INADDR_BROADCAST), SHARED_PORT, text);
    // of several who share a port on this computer one hears it: each has a port of its own
    send_to(ask, htonl(INADDR_LOOPBACK), SHARED_PORT, text);
    for (int i = 0; i < PORTS; i++)
        send_to(ask, htonl(INADDR_LOOPBACK), FIRST_PORT + i, text);
}

bool mp_lsl_ask_answer(const struct mp_lsl_ask *ask, char *bytes, size_t *from, size_t *length,
                       struct sockaddr_in *whose)
{
    const size_t id = strlen(ask->id);
    for (int i = 0; i < MOST_PASSED_OVER; i++) {
        socklen_t size = sizeof *whose;
        const ssize_t n =
            recvfrom(ask->fd, bytes, MP_LSL_ANSWER, 0, (struct sockaddr *)whose, &size);
        if (n < 0 && errno == ECONNREFUSED) // of one that was asked before
            continue;
        if (n < 0)
            return false;
        *from = id;
        while (*from < (size_t)n && (bytes[*from] == '\r' || bytes[*from] == '\n'))
            ++*from;
        *length = (size_t)n - *from;
        if ((size_t)n > id && *from > id && memcmp(bytes, ask->id, id) == 0)
            return true;
    }
    return false;
}
