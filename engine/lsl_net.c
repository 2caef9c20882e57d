#include "engine/lsl_net.h"

#include "engine/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOKED_FOR = 16571, FIRST_PORT = 16572, PORTS = 32 };
enum { WAITING_MOST = 16, MOST_PASSED_OVER = 64, MOST_DRAINED = 4096 };

static const char *const groups[] = {"224.0.0.1", "224.0.0.183", "239.255.172.215"};

static enum mp_status failed(struct mp_error *err, const char *what)
{
    return mp_fail_sys(err, errno == EADDRINUSE ? MP_EBUSY : MP_EIO, errno, "%s", what);
}

static struct sockaddr_in address(bool all, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(all ? INADDR_ANY : INADDR_LOOPBACK)};
}

/* One of LSL's ports, or where they are all taken any other. */
static bool bind_one(int fd, bool all, uint16_t *port)
{
    for (int i = 0; i <= PORTS; i++) {
        struct sockaddr_in at = address(all, i < PORTS ? (uint16_t)(FIRST_PORT + i) : 0);
        socklen_t length = sizeof at;
        if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
            if (errno != EADDRINUSE)
                return false;
        } else {
            *port =
                getsockname(fd, (struct sockaddr *)&at, &length) == 0 ? ntohs(at.sin_port) : 0;
            return *port != 0;
        }
    }
    return false;
}

static int new_socket(int type)
{
    return socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static enum mp_status open_data(struct mp_lsl_net *net, struct mp_error *err)
{
    const int on = 1; // a port of a run that has just ended is free
    net->data = new_socket(SOCK_STREAM);
    if (net->data < 0 || setsockopt(net->data, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        !bind_one(net->data, net->all, &net->data_port) || listen(net->data, WAITING_MOST) != 0)
        return failed(err, "no TCP port can be had for the stream");
    return MP_OK;
}

static enum mp_status open_service(struct mp_lsl_net *net, struct mp_error *err)
{
    const int on = 1;
    net->service = new_socket(SOCK_DGRAM);
    if (net->service < 0 || !bind_one(net->service, net->all, &net->service_port))
        return failed(err, "no UDP port can be had for the stream");
    (void)setsockopt(net->service, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    return MP_OK;
}

/* Hear what is sent to the groups over each interface, and know the addresses that are ours. */
static void join(struct mp_lsl_net *net)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *each = all; each != NULL; each = each->ifa_next) {
        if (each->ifa_addr == NULL || each->ifa_addr->sa_family != AF_INET ||
            (each->ifa_flags & IFF_UP) == 0)
            continue;
        struct sockaddr_in is;
        memcpy(&is, each->ifa_addr, sizeof is);
        if (net->own_count < MP_LSL_OWN)
            net->own[net->own_count++] = is.sin_addr.s_addr;
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
            struct ip_mreqn member = {.imr_address = is.sin_addr,
                                      .imr_ifindex = (int)if_nametoindex(each->ifa_name)};
            (void)inet_pton(AF_INET, groups[i], &member.imr_multiaddr);
            // one that cannot be joined there is no fault: there are others, and broadcast
            (void)setsockopt(net->queries, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member,
                             sizeof member);
        }
    }
    freeifaddrs(all);
}

static enum mp_status open_queries(struct mp_lsl_net *net, struct mp_error *err)
{
    const int on = 1;
    struct sockaddr_in at = address(true, LOOKED_FOR); // else no multicast is heard
    net->queries = new_socket(SOCK_DGRAM);
    if (net->queries < 0 ||
        setsockopt(net->queries, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(net->queries, (const struct sockaddr *)&at, sizeof at) != 0)
        return failed(err, "UDP port 16571, at which streams are looked for, cannot be had");
    join(net);
    return MP_OK;
}

enum mp_status mp_lsl_net_open(struct mp_lsl_net *net, bool all, struct mp_error *err)
{
    *net = (struct mp_lsl_net){.all = all, .data = -1, .service = -1, .queries = -1};
    enum mp_status status = open_data(net, err);
    if (status == MP_OK)
        status = open_service(net, err);
    if (status == MP_OK)
        status = open_queries(net, err);
    if (status != MP_OK)
        mp_lsl_net_close(net);
    return status;
}

void mp_lsl_net_close(struct mp_lsl_net *net)
{
    int *const fds[] = {&net->data, &net->service, &net->queries};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

void mp_lsl_net_drain(int fd)
{
    char byte;
    for (int i = 0; i < MOST_DRAINED && recv(fd, &byte, 1, 0) >= 0; i++)
        continue;
}

static bool is_own(const struct mp_lsl_net *net, struct in_addr from)
{
    if (ntohl(from.s_addr) >> 24 == 127)
        return true;
    for (size_t i = 0; i < net->own_count; i++)
        if (net->own[i] == from.s_addr)
            return true;
    return false;
}

/* When it came: the kernel says so on the clock on the wall, which may be set meanwhile. */
static int64_t arrival_ns(struct msghdr *message)
{
    int64_t now_ns = mp_clock_ns(), wall_ns = mp_clock_wall_ns();
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each != NULL;
         each = CMSG_NXTHDR(message, each)) {
        struct timespec came;
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&came, CMSG_DATA(each), sizeof came);
        int64_t ago_ns = wall_ns - ((int64_t)came.tv_sec * MP_NS_PER_S + came.tv_nsec);
        if (ago_ns >= 0 && ago_ns < MP_NS_PER_S)
            return now_ns - ago_ns;
    }
    return now_ns;
}

bool mp_lsl_net_receive(const struct mp_lsl_net *net, int fd, struct mp_lsl_datagram *got)
{
    for (int i = 0; i < MOST_PASSED_OVER; i++) {
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(struct timespec))];
        } control;
        struct iovec part = {.iov_base = got->bytes, .iov_len = sizeof got->bytes};
        struct msghdr message = {.msg_name = &got->from,
                                 .msg_namelen = sizeof got->from,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        ssize_t length = recvmsg(fd, &message, 0);
        if (length < 0)
            return false;
        got->at_ns = arrival_ns(&message);
        got->length = (size_t)length;
        if ((message.msg_flags & MSG_TRUNC) == 0 &&
            (net->all || is_own(net, got->from.sin_addr)))
            return true;
    }
    return false;
}

void mp_lsl_net_answer(const struct mp_lsl_net *net, const struct mp_lsl_datagram *to,
                       uint16_t port, const char *bytes, size_t length)
{
    struct sockaddr_in there = to->from;
    if (port != 0)
        there.sin_port = htons(port);
    (void)sendto(net->service, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&there, sizeof there);
}
