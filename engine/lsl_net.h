/*
 * lsl_net.h - the sockets of a stream of LSL, IPv4: where samples are had (TCP), where its time
 * and it alone is asked (UDP), and where all streams are looked for (UDP port 16571, multicast
 * and broadcast). No child of the process has any of them, and none blocks.
 *
 * Ports and groups are LSL's (sccn/liblsl 1.17.7: src/api_config.cpp). On loopback alone, the
 * first two are bound there, so that nothing can come from or get to another computer; where
 * streams are looked for, datagrams of others come in all the same, and are passed over.
 */
#ifndef MP_LSL_NET_H
#define MP_LSL_NET_H

#include "engine/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_DATAGRAM = 4096, MP_LSL_OWN = 64 };

struct mp_lsl_net {
    bool all; // for other computers too
    int data, service, queries;
    uint16_t data_port, service_port;
    size_t own_count;
    uint32_t own[MP_LSL_OWN]; // this computer's addresses, as they are on the wire
};

/* What came: where from, and when (monotonic). */
struct mp_lsl_datagram {
    struct sockaddr_in from;
    int64_t at_ns;
    size_t length;
    char bytes[MP_LSL_DATAGRAM];
};

/* Open all three: MP_EBUSY where the port at which streams are looked for is somebody's who
 * shares it with nobody. */
enum mp_status mp_lsl_net_open(struct mp_lsl_net *net, bool all, struct mp_error *err);
void mp_lsl_net_close(struct mp_lsl_net *net);
/* Throw away what has come to fd so far, 4096 datagrams at most. */
void mp_lsl_net_drain(int fd);
/* The next datagram of fd, service or queries, that is to be answered: false: none is there. At
 * most 64 others are passed over a call. Its time is when the kernel got it. */
bool mp_lsl_net_receive(const struct mp_lsl_net *net, int fd, struct mp_lsl_datagram *got);
/* Answer it from the service's address, to a port, or (0) where it came from. What cannot go
 * out at once is lost, as any datagram may be. */
void mp_lsl_net_answer(const struct mp_lsl_net *net, const struct mp_lsl_datagram *to,
                       uint16_t port, const char *bytes, size_t length);

#endif
