#include "engine/lsl_in.h"

#include "engine/clock.h"
#include "engine/lsl_ask.h"
#include "engine/lsl_feed.h"
#include "engine/lsl_found.h"
#include "engine/lsl_source.h"
#include "engine/realtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWERS_MS = 300, PATIENT_MS = 1000, HASTY = 20 };
enum { ANSWER_MS = 5000 };              // from the call to the first sample's place
enum { ROOM = 2 * MP_LSL_SAMPLE_MOST }; // a head, or the sample that is read
enum { READ_MOST = 1 << 16 };           // at a time; as much as that may come at once
enum { OUT = 4096, TEXT_MOST = 64 };
/* What the reader gets, so that a sender that knows no bounds does not keep it from all else: a
 * burst, and behind it one sample each so many nanoseconds. */
enum { TEXT_BURST = 64, BYTE_BURST = 20000 };
static const int64_t text_each_ns = 200 * MP_NS_PER_US, byte_each_ns = 50 * MP_NS_PER_US;
// a host that has gone without a word
enum { ALIVE_IDLE_S = 5, ALIVE_EVERY_S = 2, ALIVE_TRIES = 3 };

struct mp_lsl_in {
    struct mp_lsl_source source;
    bool as_text;
    int write_end, wake;
    pthread_t thread;
    _Atomic bool ending;
    pthread_mutex_t lock; // of state
    struct mp_lsl_in_state state;
    // the thread's own
    bool found_once;
    char source_id[MP_LSL_WANTED + 1]; // of the stream that it had
    struct mp_lsl_feed feed;
    size_t held; // of bytes
    int64_t room,
        room_ns; // samples that may be given now (less than 0: too many were); of when
    size_t out_count;
    uint8_t out[OUT];
    char bytes[ROOM];
    char answer[MP_LSL_ANSWER];
};

struct here {
    struct mp_lsl_found found;
    struct sockaddr_in address;
};

// What is told -------------------------------------------------------------------------------

/* Not received, and why: "" where there is nothing to say. */
static void tell_why(struct mp_lsl_in *in, const char *why)
{
    (void)pthread_mutex_lock(&in->lock);
    in->state.receives = false;
    (void)snprintf(in->state.why, sizeof in->state.why, "%s", why);
    (void)pthread_mutex_unlock(&in->lock);
}

static void tell_receives(struct mp_lsl_in *in, const struct here *from)
{
    (void)pthread_mutex_lock(&in->lock);
    in->state.receives = true;
    in->state.connections++;
    in->state.why[0] = 0;
    (void)snprintf(in->state.name, sizeof in->state.name, "\"%.64s\" of %.64s",
                   from->found.name, from->found.hostname);
    (void)pthread_mutex_unlock(&in->lock);
}

static void tell_samples(struct mp_lsl_in *in, uint64_t samples, uint64_t dropped,
                         uint64_t passed_over, const struct mp_lsl_taken *first)
{
    (void)pthread_mutex_lock(&in->lock);
    if (passed_over > 0 && in->state.passed_over == 0)
        (void)snprintf(in->state.first, sizeof in->state.first, "%.*s",
                       (int)(first->length < TEXT_MOST ? first->length : TEXT_MOST),
                       first->text);
    in->state.samples += samples;
    in->state.dropped += dropped;
    in->state.passed_over += passed_over;
    (void)pthread_mutex_unlock(&in->lock);
}

void mp_lsl_in_look(struct mp_lsl_in *in, struct mp_lsl_in_state *state)
{
    (void)pthread_mutex_lock(&in->lock);
    *state = in->state;
    (void)pthread_mutex_unlock(&in->lock);
}

// Waiting ------------------------------------------------------------------------------------

static bool is_over(struct mp_lsl_in *in)
{
    return atomic_load(&in->ending);
}

/* Until fd (-1: none) has what is waited for, ms are over (-1: never), or all is. True: it has.
 */
static bool wait_for(struct mp_lsl_in *in, int fd, short events, int ms)
{
    struct pollfd each[2] = {{.fd = in->wake, .events = POLLIN}, {.fd = fd, .events = events}};
    return poll(each, fd < 0 ? 1 : 2, ms) > 0 && each[0].revents == 0 && fd >= 0;
}

static int left_ms(int64_t until_ns)
{
    const int64_t left = until_ns - mp_clock_ns();
    return left <= 0 ? 0 : (int)(left / MP_NS_PER_MS) + 1;
}

// What leaves --------------------------------------------------------------------------------

/* All that is to leave; waits for the reader. False: all is over. */
static bool flush(struct mp_lsl_in *in)
{
    for (size_t sent = 0; sent < in->out_count && !is_over(in);) {
        const ssize_t n = write(in->write_end, in->out + sent, in->out_count - sent);
        if (n > 0)
            sent += (size_t)n;
        else if (errno == EAGAIN)
            (void)wait_for(in, in->write_end, POLLOUT, -1);
        else if (errno != EINTR)
            return false;
    }
    in->out_count = 0;
    return !is_over(in);
}

/* A sample as a line: what would be another line, or no text, is '?'. */
static void put_line(struct mp_lsl_in *in, const struct mp_lsl_taken *taken)
{
    const size_t length = taken->length < TEXT_MOST ? taken->length : TEXT_MOST;
    for (size_t i = 0; i < length; i++)
        in->out[in->out_count++] =
            (uint8_t)((unsigned char)taken->text[i] < ' ' ? '?' : taken->text[i]);
    in->out[in->out_count++] = '\n';
}

/* False: it is none that was asked for. */
static bool put_sample(struct mp_lsl_in *in, const struct mp_lsl_taken *taken)
{
    if (in->as_text) {
        put_line(in, taken);
        return true;
    }
    const int byte = mp_lsl_source_byte(&in->source, taken->text, taken->length);
    if (byte >= 0)
        in->out[in->out_count++] = (uint8_t)byte;
    return byte >= 0;
}

/* How many samples may be given by now. */
static void make_room(struct mp_lsl_in *in)
{
    const int64_t each_ns = in->as_text ? text_each_ns : byte_each_ns;
    const int64_t burst = in->as_text ? TEXT_BURST : BYTE_BURST;
    const int64_t more = (mp_clock_ns() - in->room_ns) / each_ns;
    in->room_ns += more * each_ns;
    in->room = in->room + more < burst ? in->room + more : burst;
}

/* Bytes are all given: more than may be wait here, and the sender with them. */
static void keep_pace(struct mp_lsl_in *in)
{
    for (make_room(in); in->room < 0 && !is_over(in); make_room(in))
        (void)wait_for(in, -1, 0, (int)(-in->room * byte_each_ns / MP_NS_PER_MS) + 1);
}

/* Give all whole samples that are held, of text as many as may be: the first of those that came
 * together. False: one makes no sense, or all is over. */
static bool give_held(struct mp_lsl_in *in)
{
    size_t at = 0, used = 0;
    uint64_t samples = 0, dropped = 0, passed_over = 0;
    struct mp_lsl_taken taken, first = {.text = ""};
    enum mp_lsl_got got = MP_LSL_GOT;
    make_room(in);
    while (got == MP_LSL_GOT) {
        got = mp_lsl_feed_sample(&in->feed, in->bytes + at, in->held - at, &used, &taken);
        if (got != MP_LSL_GOT)
            break;
        at += used;
        samples++;
        if (in->as_text && in->room <= 0) {
            dropped++;
            continue;
        }
        in->room--;
        if (!put_sample(in, &taken) && passed_over++ == 0) {
            first = taken;
            first.text = taken.text == taken.own ? first.own : taken.text;
        }
        if (OUT - in->out_count <= TEXT_MOST && !flush(in))
            return false;
    }
    tell_samples(in, samples, dropped, passed_over, &first);
    in->held -= at;
    memmove(in->bytes, in->bytes + at, in->held);
    if (!flush(in) || got == MP_LSL_GOT_BAD)
        return false;
    keep_pace(in);
    return !is_over(in);
}

// What comes ---------------------------------------------------------------------------------

/* More of what the sender says. False: it is gone, err says why; or all is over. */
static bool read_more(struct mp_lsl_in *in, int fd, int ms, struct mp_error *err)
{
    if (in->held == sizeof in->bytes) {
        (void)mp_fail(err, MP_EIO, "it sent something that is no sample");
        return false;
    }
    if (!wait_for(in, fd, POLLIN, ms)) {
        (void)mp_fail(err, MP_EIO, "it did not answer within %d s", ANSWER_MS / 1000);
        return false;
    }
    const size_t room = sizeof in->bytes - in->held;
    const ssize_t n = recv(fd, in->bytes + in->held, room < READ_MOST ? room : READ_MOST, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0) {
        (void)mp_fail(err, MP_EGONE, n == 0 ? "it has ended" : "its connection broke");
        return false;
    }
    in->held += (size_t)n;
    if (n == READ_MOST) { // who sends so much must leave others their turns
        const struct timespec turn = {.tv_nsec = 500000};
        (void)nanosleep(&turn, NULL);
    }
    return true;
}

/* Call it, ask, and read what stands before the first sample. */
static bool begin(struct mp_lsl_in *in, int fd, const struct here *from, struct mp_error *err)
{
    const int64_t until_ns = mp_clock_ns() + ANSWER_MS * MP_NS_PER_MS;
    char asks[MP_LSL_FEED_ASKS];
    const size_t length = mp_lsl_feed_ask(asks, &from->found);
    int failed = 0;
    socklen_t size = sizeof failed;
    (void)connect(fd, (const struct sockaddr *)&from->address, sizeof from->address);
    if (!wait_for(in, fd, POLLOUT, left_ms(until_ns)) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0 ||
        send(fd, asks, length, MSG_NOSIGNAL) != (ssize_t)length) {
        (void)mp_fail(err, MP_EIO, "it cannot be connected to%s%s", failed != 0 ? ": " : "",
                      failed != 0 ? strerror(failed) : "");
        return false;
    }
    for (in->held = 0; !is_over(in);) {
        size_t used = 0;
        const enum mp_lsl_got got =
            mp_lsl_feed_head(&in->feed, &from->found, in->bytes, in->held, &used, err);
        if (got == MP_LSL_GOT) {
            in->held -= used;
            memmove(in->bytes, in->bytes + used, in->held);
            return true;
        }
        if (got == MP_LSL_GOT_BAD || !read_more(in, fd, left_ms(until_ns), err))
            return false;
    }
    return false;
}

static void keep_alive(int fd)
{
    const int on = 1, idle = ALIVE_IDLE_S, every = ALIVE_EVERY_S, tries = ALIVE_TRIES;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

/* Receive it until it ends; why is told. */
static void receive(struct mp_lsl_in *in, const struct here *from)
{
    struct mp_error err = {0};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tell_why(in, "no socket can be had");
    keep_alive(fd);
    if (begin(in, fd, from, &err)) {
        in->found_once = true;
        memcpy(in->source_id, from->found.source_id, sizeof in->source_id);
        tell_receives(in, from);
        bool goes_on = give_held(in);
        while (goes_on && read_more(in, fd, -1, &err))
            goes_on = give_held(in);
        if (!goes_on)
            (void)mp_fail(&err, MP_EIO, "it sent something that is no sample");
    }
    (void)close(fd);
    tell_why(in, err.text);
}

// Looking for it -----------------------------------------------------------------------------

/* Those that are what was asked for: how many, up to two, and each once. */
static int take_answers(struct mp_lsl_in *in, const struct mp_lsl_ask *ask, struct here *list,
                        int count)
{
    size_t from, length;
    struct here one;
    while (count < 2 && mp_lsl_ask_answer(ask, in->answer, &from, &length, &one.address)) {
        if (mp_lsl_found_read(&one.found, in->answer + from, length, NULL) != MP_OK ||
            !mp_lsl_found_matches(&one.found, &in->source))
            continue;
        if (in->found_once && in->source_id[0] != 0 &&
            strcmp(in->source_id, one.found.source_id) != 0)
            continue;
        one.address.sin_port = htons(one.found.data_port);
        if (count == 0 || strcmp(list[0].found.uid, one.found.uid) != 0)
            list[count++] = one;
    }
    return count;
}

/* Ask, and wait for answers: is there one that can be received? */
static bool find(struct mp_lsl_in *in, const struct mp_lsl_ask *ask, struct here *found)
{
    char query[MP_LSL_ASKS], why[320];
    struct here list[2];
    struct mp_error err = {0};
    int count = 0;
    mp_lsl_source_query(&in->source, query);
    mp_lsl_ask_all(ask, query);
    const int64_t until_ns = mp_clock_ns() + ANSWERS_MS * MP_NS_PER_MS;
    while (count < 2 && !is_over(in) && wait_for(in, ask->fd, POLLIN, left_ms(until_ns)))
        count = take_answers(in, ask, list, count);
    if (count == 2) {
        (void)snprintf(why, sizeof why,
                       "two streams are that: source_id=%.60s of %.60s and source_id=%.60s of "
                       "%.60s",
                       list[0].found.source_id, list[0].found.hostname, list[1].found.source_id,
                       list[1].found.hostname);
        tell_why(in, why);
        return false;
    }
    if (count == 0 && !in->found_once) // whatever was said of what is not there any more
        tell_why(in, "");
    if (count == 0)
        return false;
    *found = list[0];
    if (mp_lsl_found_check(&found->found, &err) != MP_OK)
        tell_why(in, err.text);
    return err.status == MP_OK;
}

static void *receive_main(void *argument)
{
    struct mp_lsl_in *in = argument;
    struct mp_lsl_ask ask;
    struct mp_error err = {0};
    struct here found;
    mp_realtime_enter_below();
    if (mp_lsl_ask_open(&ask, in->source.all, &err) != MP_OK)
        tell_why(in, err.text);
    for (int tries = 0; ask.fd >= 0 && !is_over(in); tries++) {
        if (find(in, &ask, &found)) {
            receive(in, &found);
            tries = 0;
        }
        (void)wait_for(in, -1, 0, tries < HASTY ? ANSWERS_MS / 3 : PATIENT_MS);
    }
    mp_lsl_ask_close(&ask);
    (void)close(in->write_end); // a reader finds the port lost
    return NULL;
}

// Opened and closed --------------------------------------------------------------------------

static enum mp_status start(struct mp_lsl_in *in, int *read_end, struct mp_error *err)
{
    int ends[2];
    in->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (in->wake < 0 || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return mp_fail_sys(err, MP_EIO, errno, "no pipe for a stream of LSL");
    in->write_end = ends[1];
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    const int failed = pthread_create(&in->thread, NULL, receive_main, in);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return mp_fail_sys(err, MP_EIO, failed, "cannot start the thread of a stream of LSL");
    }
    *read_end = ends[0];
    return MP_OK;
}

static void free_in(struct mp_lsl_in *in)
{
    if (in->wake >= 0)
        (void)close(in->wake);
    (void)pthread_mutex_destroy(&in->lock);
    free(in);
}

enum mp_status mp_lsl_in_open(struct mp_lsl_in **in, const char *path, bool as_text,
                              int *read_end, struct mp_error *err)
{
    struct mp_lsl_in *made = calloc(1, sizeof *made);
    if (made == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory opening \"%s\"", path);
    made->as_text = as_text;
    made->wake = -1;
    (void)pthread_mutex_init(&made->lock, NULL);
    enum mp_status status = mp_lsl_source_read(&made->source, path, err);
    if (status == MP_OK)
        status = start(made, read_end, err);
    if (status != MP_OK) {
        free_in(made);
        return status;
    }
    *in = made;
    return MP_OK;
}

void mp_lsl_in_close(struct mp_lsl_in *in)
{
    if (in == NULL)
        return;
    const uint64_t one = 1;
    atomic_store(&in->ending, true);
    (void)!write(in->wake, &one, sizeof one);
    (void)pthread_join(in->thread, NULL);
    free_in(in);
}
