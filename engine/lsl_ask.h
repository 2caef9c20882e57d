/*
 * lsl_ask.h - looking for streams of LSL, IPv4: a question to all who may have one, over UDP,
 * and their answers.
 *
 * It goes to the port that all streams share, over multicast and broadcast, and to the ports of
 * their own on this computer (sccn/liblsl 1.17.7: src/resolve_attempt_udp.cpp,
 * src/api_config.cpp). For this computer's streams alone nothing leaves it, and nothing else is
 * heard. Nothing waits. Any thread.
 */
#ifndef MP_LSL_ASK_H
#define MP_LSL_ASK_H

#include "engine/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_ANSWER = 65536 }; // bytes of an answer at most

struct mp_lsl_ask {
    bool all; // other computers', too
    int fd;
    uint16_t port;
    char id[24]; // that its answers begin with
};

/* Have a socket to ask with. MP_EIO where the system has none. */
enum mp_status mp_lsl_ask_open(struct mp_lsl_ask *ask, bool all, struct mp_error *err);
/* Close it; also one that could not be opened. */
void mp_lsl_ask_close(struct mp_lsl_ask *ask);
/* Ask once, everywhere. What cannot be sent is lost, as any datagram may be. */
void mp_lsl_ask_all(const struct mp_lsl_ask *ask, const char *query);
/* The next answer, of those that have come: into bytes, of MP_LSL_ANSWER; where it stands
 * there, how long it is, and whose it is. False: there is none now. */
bool mp_lsl_ask_answer(const struct mp_lsl_ask *ask, char *bytes, size_t *from, size_t *length,
                       struct sockaddr_in *whose);

#endif
