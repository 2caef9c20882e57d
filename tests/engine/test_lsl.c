/* What is said over LSL: against bytes that liblsl 1.17.7 (sccn/liblsl) sent and asked on a
 * wire, and against bytes that nobody meant. */
#include "engine/lsl_net.h"
#include "engine/lsl_request.h"
#include "engine/lsl_sample.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two samples of a liblsl outlet of one string channel: 1000.25 s "pulse SICI code=7", and
 * 2000.000000001 s with 299 letters; in front of them its two of the test pattern. */
static const char pattern[] = "\x02\xc9v\xbe\x9f\x0c$\xfe@\x01\x02"
                              "10";
static const char brief[] = "\x02\0\0\0\0\0B\x8f@\x01\x11pulse SICI code=7";
static const char longer[] = "\x02.\x11\0\0\0@\x9f@\x04+\x01\0\0";
static const char turned[] = "\x02@\x8f"
                             "B\0\0\0\0\0\x01\x11pulse SICI code=7";
static const char longer_turned[] = "\x02@\x9f@\0\0\0\x11.\x04\0\0\x01+";
static const char old_pattern[] = "\x01\x02\x08\xc9v\xbe\x9f\x0c$\xfe@\x01\x02"
                                  "10";
static const char old_brief[] = "\x01\x02\x08\0\0\0\0\0B\x8f@\x01\x11pulse SICI code=7";
static const char old_longer[] = "\x01\x02\x08.\x11\0\0\0@\x9f@\x02+\x01";

static const char said[] = "pulse SICI code=7";

/* What a liblsl inlet sends, when it wants samples, byte for byte. */
static const char asked_feed[] =
    "LSL:streamfeed/110 4b5c0005-e491-4bcf-85e3-bde3e377df9c\r\nNative-Byte-Order: 1234\r\n"
    "Endian-Performance: 13131007\r\nHas-IEEE754-Floats: 1\r\nSupports-Subnormals: 0\r\n"
    "Value-Size: 32\r\nData-Protocol-Version: 110\r\nMax-Buffer-Length: 36000\r\n"
    "Max-Chunk-Length: 0\r\nHostname: vm\r\nSource-Id: moonpulse:vm:TMS\r\n"
    "Session-Id: default\r\n\r\n";

static void check_sample(struct mp_lsl_form form, int64_t time_ns, const char *text,
                         const char *head, size_t head_length)
{
    char out[MP_LSL_SAMPLE_ROOM];
    size_t length = strlen(text), put = mp_lsl_put_sample(out, form, time_ns, text, length);
    bool whole =
        length == strlen(said); // the text is in what was seen on the wire, or behind it
    CHECK_INT(put, head_length + (whole ? 0 : length));
    CHECK(memcmp(out, head, head_length) == 0);
    CHECK(memcmp(out + put - length, text, length) == 0);
}

static void writes_samples_as_liblsl_does(void)
{
    const struct mp_lsl_form little = {.data = 110}, big = {.data = 110, .big_endian = true};
    const struct mp_lsl_form old = {.data = 100};
    const int64_t first = INT64_C(1000250000000), second = INT64_C(2000000000001);
    char letters[300] = {0};
    for (int i = 0; i < 299; i++)
        letters[i] = (char)('a' + i % 26);
    check_sample(little, first, said, brief, sizeof brief - 1);
    check_sample(little, second, letters, longer, sizeof longer - 1);
    check_sample(big, first, said, turned, sizeof turned - 1);
    check_sample(big, second, letters, longer_turned, sizeof longer_turned - 1);
    check_sample(old, first, said, old_brief, sizeof old_brief - 1);
    check_sample(old, second, letters, old_longer, sizeof old_longer - 1);
}

static void writes_a_head_as_liblsl_does(void)
{
    static struct mp_lsl_info info;
    struct mp_error err = {0};
    char out[MP_LSL_HEAD_ROOM], head[256];
    CHECK_INT(mp_lsl_info_make(&info, "T<&>M", "a run", "1.2", 16572, 16573, &err), MP_OK);
    CHECK_HAS(info.short_xml, "<name>T&lt;&amp;&gt;M</name>");
    CHECK_HAS(info.short_xml, "<v4data_port>16572</v4data_port>");
    CHECK(strstr(info.short_xml, "a run") == NULL);
    CHECK_HAS(info.full_xml, "<run>a run</run>");
    for (int old = 0; old < 2; old++) {
        struct mp_lsl_form form = {.data = old ? 100 : 110};
        size_t length = mp_lsl_put_head(out, &info, form, true);
        int expected = snprintf(head, sizeof head,
                                "LSL/110 200 OK\r\nUID: %s\r\nByte-Order: 1234\r\n"
                                "Suppress-Subnormals: 0\r\nData-Protocol-Version: %d\r\n\r\n",
                                info.uid, form.data);
        const char *one = old ? old_pattern : pattern;
        size_t of_one = old ? sizeof old_pattern - 1 : sizeof pattern - 1;
        CHECK(memcmp(out, head, (size_t)expected) == 0);
        CHECK(memcmp(out + length - of_one, one, of_one) == 0);
        CHECK(memcmp(out + length - 2 * of_one, one, of_one) == 0);
        if (!old)
            CHECK_INT(length, (size_t)expected + 2 * of_one);
        else // 7f 01 09, 02 and the length of the description, it, 00 00
            CHECK(memcmp(out + expected, "\x7f\x01\x09\x02", 4) == 0 &&
                  length == (size_t)expected + 6 + info.short_length + 2 + 2 * of_one);
    }
    char name[MP_LSL_NAME + 2] = {0};
    memset(name, 'n', MP_LSL_NAME + 1);
    CHECK_INT(mp_lsl_info_make(&info, name, "a run", "1.2", 1, 2, &err), MP_ERANGE);
    CHECK_HAS(err.text, "a stream's name");
    char run[MP_LSL_RUN + 2] = {0};
    memset(run, 'n', MP_LSL_RUN + 1);
    err = (struct mp_error){0};
    CHECK_INT(mp_lsl_info_make(&info, "a", run, "1.2", 1, 2, &err), MP_ERANGE);
    CHECK_HAS(err.text, "the name of a run");
    memset(name, '&', MP_LSL_NAME);
    name[MP_LSL_NAME] = '\0';
    CHECK_INT(mp_lsl_info_make(&info, name, name, "1.2", 1, 2, &err), MP_OK);
    CHECK(strcmp(info.full_xml + info.full_length - 8, "</info>\n") == 0);
}

static void reads_what_liblsl_asks(void)
{
    struct mp_lsl_request request = mp_lsl_request_read(asked_feed, sizeof asked_feed - 1);
    CHECK_INT(request.asks, MP_LSL_FEED);
    CHECK_INT(request.version, 110);
    CHECK_INT(request.data, 110);
    CHECK(!request.big_endian && !request.no_samples);
    CHECK_INT(request.uid_length, 36);
    for (size_t length = 0; length < sizeof asked_feed - 1; length++)
        CHECK_INT(mp_lsl_request_read(asked_feed, length).asks, MP_LSL_MORE);
    static const char query[] = "LSL:shortinfo\r\nsession_id='default' and name='TMS'\r\n"
                                "16580 4712\r\n";
    request = mp_lsl_datagram_read(query, sizeof query - 1);
    CHECK_INT(request.asks, MP_LSL_SHORTINFO);
    CHECK_INT(request.port, 16580);
    CHECK(request.id_length == 4 && memcmp(request.id, "4712", 4) == 0);
    static const char time[] = "LSL:timedata\r\n846930886 24672.904007844\r\n";
    request = mp_lsl_datagram_read(time, sizeof time - 1);
    CHECK_INT(request.asks, MP_LSL_TIMEDATA);
    CHECK(request.id_length == 25 && memcmp(request.id, time + 14, 25) == 0);
}

static enum mp_lsl_asks asks_of(const char *text)
{
    return mp_lsl_request_read(text, strlen(text)).asks;
}

static void knows_what_a_receiver_can_do(void)
{
    static const char head[] = "LSL:streamfeed/110\r\n";
    static const struct {
        const char *lines;
        int data;
        bool big, none;
    } cases[] = {
        {"\r\n", 110, false, false},
        {"native-byte-order : 4321 ; turned\r\n\r\n", 110, true, false},
        {"Has-IEEE754-Floats: 0\r\n\r\n", 100, false, false},
        {"Data-Protocol-Version: 100\r\n\r\n", 100, false, false},
        {"Max-Buffer-Length: 0\r\nnonsense\r\n: \r\n\r\n", 110, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        int length = snprintf(text, sizeof text, "%s%s", head, cases[i].lines);
        struct mp_lsl_request request = mp_lsl_request_read(text, (size_t)length);
        CHECK_INT(request.asks, MP_LSL_FEED);
        CHECK_INT(request.uid_length, 0);
        CHECK_INT(request.data, cases[i].data);
        CHECK(request.big_endian == cases[i].big && request.no_samples == cases[i].none);
    }
    CHECK_INT(asks_of("LSL:streamfeed\r\n360 0\r\n"), MP_LSL_FEED);
    CHECK_INT(asks_of("LSL:streamfeed\r\n"), MP_LSL_MORE);
    CHECK_INT(asks_of("LSL:fullinfo\r\n"), MP_LSL_FULLINFO);
    CHECK_INT(asks_of("LSL:fullinfos\r\n"), MP_LSL_NONE);
    CHECK_INT(asks_of("LSL:streamfeed/x\r\n\r\n"), MP_LSL_NONE);
    CHECK_INT(asks_of("GET / HTTP/1.1\r\n"), MP_LSL_NONE);
}

static size_t below(struct chance *chance, size_t most)
{
    return (size_t)chance_below(chance, (int64_t)most);
}

/* Whatever it is, it is read in its own bounds: the sanitizers look on. */
static void takes_any_bytes(void)
{
    static const char *const beginnings[] = {"LSL:streamfeed/110 ",
                                             "LSL:streamfeed\r\n",
                                             "LSL:shortinfo\r\n",
                                             "LSL:timedata\r\n",
                                             "LSL:shortinfo\r\nname='a' and not(",
                                             "",
                                             asked_feed};
    static const char signs[] =
        "()'\"=!,.andortstarts-with contains name 0123456789\r\n:;\0\xff";
    const struct mp_lsl_fact facts[] = {{"name", "a"}, {"type", "Markers"}};
    struct chance chance = {.state = 7};
    int known = 0;
    for (int i = 0; i < 60000; i++) {
        const char *begin = beginnings[below(&chance, 7)];
        size_t head = strlen(begin), length = head + below(&chance, 60);
        char *text = malloc(length + 1); // so that a byte too far is seen
        CHECK(text != NULL);
        memcpy(text, begin, head);
        for (size_t at = head; at < length; at++)
            text[at] = signs[below(&chance, sizeof signs - 1)];
        if (length > 0)
            text[below(&chance, length)] = (char)below(&chance, 256);
        struct mp_lsl_request request = mp_lsl_request_read(text, length);
        known += request.asks == MP_LSL_FEED || request.asks == MP_LSL_SHORTINFO ? 1 : 0;
        request = mp_lsl_datagram_read(text, length);
        if (request.asks == MP_LSL_SHORTINFO)
            known +=
                mp_lsl_query_matches(request.query, request.query_length, facts, 2) ? 1 : 0;
        (void)mp_lsl_query_matches(text, length, facts, 2);
        free(text);
    }
    CHECK(known > 1000);
    for (int depth = 10; depth <= 20;
         depth += 10) { // of brackets: who nests more is not answered
        char nested[64];
        int length = snprintf(nested, sizeof nested, "%.*sname='a'%.*s", depth,
                              "((((((((((((((((((((", depth, "))))))))))))))))))))");
        CHECK_INT(mp_lsl_query_matches(nested, (size_t)length, facts, 2), depth == 10);
    }
    static char deep[4000];
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = '(';
    CHECK(!mp_lsl_query_matches(deep, sizeof deep, facts, 2));
    memset(deep, 'a', sizeof deep);
    CHECK_INT(mp_lsl_request_read(deep, sizeof deep).asks, MP_LSL_MORE);
    static char full[MP_LSL_ASKED];
    memset(full, 'a', sizeof full);
    CHECK_INT(mp_lsl_request_read(full, sizeof full).asks, MP_LSL_NONE);
}

static void send_to(uint16_t port, const char *text)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof to),
              strlen(text));
    (void)close(fd);
}

static bool receive(const struct mp_lsl_net *net, int fd, struct mp_lsl_datagram *got)
{
    for (int i = 0; i < 5000; i++) {
        if (mp_lsl_net_receive(net, fd, got))
            return true;
        (void)usleep(1000);
    }
    return false;
}

/* On loopback alone, nobody else can reach what gives samples and time; each has its port. */
static void listens_where_it_may(void)
{
    struct mp_lsl_net own, all;
    static struct mp_lsl_datagram got;
    struct mp_error err = {0};
    struct sockaddr_in at;
    socklen_t length = sizeof at;
    CHECK_INT(mp_lsl_net_open(&own, false, &err), MP_OK);
    CHECK_INT(mp_lsl_net_open(&all, true, &err),
              MP_OK); // where streams are looked for is shared
    CHECK(own.data_port != all.data_port && own.service_port != all.service_port);
    const int fds[] = {own.data, own.service, all.data, all.service};
    for (int i = 0; i < 4; i++) {
        length = sizeof at;
        CHECK_INT(getsockname(fds[i], (struct sockaddr *)&at, &length), 0);
        CHECK_INT(ntohl(at.sin_addr.s_addr), i < 2 ? INADDR_LOOPBACK : INADDR_ANY);
    }
    send_to(own.service_port, "LSL:timedata\r\n1 2\r\n");
    CHECK(receive(&own, own.service, &got));
    CHECK(got.length == 19 && memcmp(got.bytes, "LSL:timedata", 12) == 0);
    mp_lsl_net_close(&own);
    mp_lsl_net_close(&all);
}

/* Over an interface to a network, so that every outlet of this computer hears it. */
static void send_to_group(uint32_t from, const char *text)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct in_addr over = {.s_addr = from};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(16571)};
    CHECK_INT(inet_pton(AF_INET, "224.0.0.183", &to.sin_addr), 1);
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &over, sizeof over);
    (void)sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof to);
    (void)close(fd);
}

static bool is_heard(const struct mp_lsl_net *net, const char *text)
{
    static struct mp_lsl_datagram got;
    while (receive(net, net->queries, &got)) // others may ask something meanwhile
        if (got.length == strlen(text) && memcmp(got.bytes, text, got.length) == 0)
            return true;
    return false;
}

/* On loopback alone, only what comes from this computer's own addresses is looked at. */
static void passes_over_other_computers(void)
{
    static const char other[] = "from another", own[] = "from this one", all[] = "from any";
    static struct mp_lsl_datagram got;
    struct mp_lsl_net net;
    struct mp_error err = {0};
    uint32_t from = 0;
    CHECK_INT(mp_lsl_net_open(&net, false, &err), MP_OK);
    for (size_t i = 0; i < net.own_count; i++)
        from = ntohl(net.own[i]) >> 24 == 127 ? from : net.own[i];
    size_t count = net.own_count;
    if (from != 0) { // else there is no network
        net.own_count = 0;
        send_to_group(from, other);
        (void)usleep(20000);
        while (mp_lsl_net_receive(&net, net.queries, &got))
            CHECK(memcmp(got.bytes, other, sizeof other - 1) != 0);
        net.own_count = count;
        send_to_group(from, own);
        CHECK(is_heard(&net, own));
        net.own_count = 0;
        net.all = true;
        send_to_group(from, all);
        CHECK(is_heard(&net, all));
    }
    mp_lsl_net_close(&net);
}

int main(void)
{
    writes_samples_as_liblsl_does();
    writes_a_head_as_liblsl_does();
    reads_what_liblsl_asks();
    knows_what_a_receiver_can_do();
    takes_any_bytes();
    listens_where_it_may();
    passes_over_other_computers();
    return CHECK_DONE("test_lsl");
}
