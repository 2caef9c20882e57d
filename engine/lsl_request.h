/*
 * lsl_request.h - what others ask of a stream of LSL: over TCP, and in datagrams.
 *
 * The protocol is that of liblsl 1.17.7 (sccn/liblsl: src/tcp_server.cpp, src/udp_server.cpp,
 * src/data_receiver.cpp, src/time_receiver.cpp). Any thread; nothing is kept. Bytes may be
 * anything: what is no request is said to be none.
 */
#ifndef MP_LSL_REQUEST_H
#define MP_LSL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MP_LSL_ASKED = 4096 }; // bytes of a request at most
enum { MP_LSL_VERSION = 110, MP_LSL_OLD_VERSION = 100 };

enum mp_lsl_asks {
    MP_LSL_MORE, // it has not all come yet
    MP_LSL_NONE, // it is no request
    MP_LSL_SHORTINFO,
    MP_LSL_FULLINFO,
    MP_LSL_FEED,
    MP_LSL_TIMEDATA,
};

/* Texts point into the bytes that were read. */
struct mp_lsl_request {
    enum mp_lsl_asks asks;
    const char *query; // shortinfo
    size_t query_length;
    const char *uid; // feed: which stream; of length 0: any
    size_t uid_length;
    int version;     // feed: that it was asked with
    int data;        // feed: 110, or 100: how samples are written
    bool big_endian; // feed: how it wants numbers
    bool no_samples; // feed: it keeps none, so that it wants none
    uint16_t port;   // a datagram's shortinfo: where the answer goes
    const char *id;  // likewise: what the answer begins with; timedata: both of its numbers
    size_t id_length;
};

/* What came over TCP so far. MP_LSL_MORE: call it again with all of it and more. */
struct mp_lsl_request mp_lsl_request_read(const char *bytes, size_t length);
/* A datagram: shortinfo, timedata, or none. */
struct mp_lsl_request mp_lsl_datagram_read(const char *bytes, size_t length);

#endif
