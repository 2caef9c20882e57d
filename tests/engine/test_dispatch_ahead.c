/* A dispatcher whose plan waits for triggers: no storm, stop or loss gives a pulse that the
 * rule (test_ahead.c) does not allow. */
#include "tests/engine/rig.h"

#include <pthread.h>
#include <sys/socket.h>

#define MS MP_NS_PER_MS

struct told {
    enum mp_heard heard;
    uint8_t byte;
    int64_t at_ns;
};

static struct {
    struct mp_port *port;
    int far_fd;
    struct told told[1 << 17];
    size_t count;
    uint64_t untold;
} input;

static void open_input(void)
{
    struct mp_error err = {0};
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&input.port, ends[0], "triggers", &err), &err);
    input.far_fd = ends[1];
    input.count = 0;
    input.untold = 0;
}

static void close_input(void)
{
    mp_port_close(input.port);
    if (input.far_fd >= 0)
        (void)close(input.far_fd);
}

static void send_bytes(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = write(input.far_fd, bytes, length);
        CHECK(sent > 0);
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* The next piece, one by one; false: there is none. */
static bool take_piece(uint64_t most_started)
{
    struct mp_triggers piece;
    if (input.count + MP_TRIGGERS_MOST > sizeof input.told / sizeof input.told[0] ||
        !mp_dispatcher_triggers(rig.d, most_started, &piece))
        return false;
    for (size_t i = 0; i < piece.count; i++)
        input.told[input.count++] = (struct told){
            .heard = piece.heard[i], .byte = piece.bytes[i], .at_ns = piece.at_ns};
    return true;
}

static void drain_triggers(void)
{
    struct mp_untold untold;
    while (take_piece(UINT64_MAX))
        continue;
    if (mp_dispatcher_untold(rig.d, &untold))
        input.untold += untold.all;
    rig_drain();
}

static void await(bool (*is_there)(void))
{
    int64_t until = mp_clock_ns() + patience_ns;
    while (!is_there() && mp_clock_ns() < until) {
        drain_triggers();
        (void)rig_read(1);
    }
    CHECK(is_there());
}

static size_t wanted;
static bool all_told(void)
{
    return input.count + input.untold >= wanted;
}
static bool all_begun(void)
{
    return rig_tally(MP_OUT_BEGUN) >= wanted;
}
static bool is_finished(void)
{
    return rig_tally(MP_OUT_FINISHED) > 0;
}
static bool is_stopped(void)
{
    return rig_tally(MP_OUT_STOPPED) > 0;
}

static size_t tally(enum mp_heard heard)
{
    size_t found = 0;
    for (size_t i = 0; i < input.count; i++)
        found += input.told[i].heard == heard;
    return found;
}

static const struct mp_ahead_rule five = {
    .byte = 5, .every = 1, .from_ns = INT64_MIN, .until_ns = INT64_MAX, .most = 9};

static struct mp_lowering *begin(struct mp_plan *take_plan, struct mp_ahead_rule rule)
{
    struct mp_error err = {0};
    rig_open(MP_LATE_ABORT, forever_ns);
    open_input();
    struct mp_lowering *l = lower(take_plan, (struct rig_lowering){.lead_ns = -1});
    must(mp_dispatcher_ahead(rig.d, l, &rule, input.port, 1, &err), &err);
    return l;
}

static void end(struct mp_lowering *l)
{
    rig_close();
    close_input();
    mp_lowering_destroy(l);
}

/* Two pulses at each trigger, as often as is allowed, then it is over and a plan can follow. */
static void a_trigger_starts_the_plan(void)
{
    struct mp_ahead_rule rule = five;
    rule.most = 3;
    struct mp_lowering *l = begin(repeat(mso(7), 2, MP_TRAIN, seconds(1, 1000)), rule);
    for (size_t i = 1; i <= 3; i++) {
        send_bytes("\x06\x05", 2);
        wanted = i;
        await(all_begun);
        wanted = 2 * i;
        await(all_told);
        rig_read_all(4 * i);
    }
    await(is_finished);
    CHECK_INT(rig_tally(MP_OUT_SENT), 6);
    CHECK_INT(tally(MP_HEARD_STARTS), 3);
    CHECK_INT(tally(MP_HEARD_OTHER), 3);
    for (size_t i = 0; i + 1 < rig.count; i++)
        if (rig.outcomes[i].kind == MP_OUT_BEGUN) { // its first pulse leaves after its trigger
            CHECK(rig.outcomes[i].start_ns >= rig.outcomes[i].woken_ns);
            CHECK_INT(rig.outcomes[i + 1].kind, MP_OUT_SENT);
            CHECK_INT(rig.outcomes[i + 1].send.number, 1);
            CHECK(rig.outcomes[i + 1].entered_ns >= rig.outcomes[i].start_ns);
        }
    rig_play(l, mp_clock_ns() + MS);
    rig_read_all(16);
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_wire_is((const unsigned char *)"P\aP\aP\aP\aP\aP\aP\aP\aXYZ", 19);
    end(l);
}

static struct {
    struct mp_dispatcher *d;
    size_t triggers, finished, triggers_by_then;
} heard;

/* What a loop thread may read when it is woken: it may be as quick as this. */
static void read_at_once(void *context)
{
    struct mp_outcome out;
    struct mp_triggers piece;
    (void)context;
    while (mp_dispatcher_outcome(heard.d, &out))
        heard.finished += out.kind == MP_OUT_FINISHED;
    while (mp_dispatcher_triggers(heard.d, UINT64_MAX, &piece))
        heard.triggers += piece.count;
    if (heard.finished > 0 && heard.triggers_by_then == 0)
        heard.triggers_by_then = heard.triggers;
}

/* Who hears that it is over has been told of every trigger before, also of the last one. */
static void the_end_comes_after_its_last_trigger(void)
{
    struct mp_error err = {0};
    struct mp_ahead_rule rule = five;
    struct mp_next next = {0};
    rig_ports();
    open_input();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.wake = read_at_once;
    must(mp_dispatcher_create_stepped(&heard.d, &config, &err), &err);
    struct mp_lowering *l = lower(mso(7), (struct rig_lowering){.lead_ns = -1});
    rule.most = 2;
    must(mp_dispatcher_ahead(heard.d, l, &rule, input.port, 1, &err), &err);
    (void)mp_dispatcher_step(heard.d, &next);
    for (int i = 0; i < 2; i++) {
        send_bytes("\x05", 1);
        for (int k = 0; k < 4; k++)
            (void)mp_dispatcher_step(heard.d, &next);
    }
    CHECK_INT(heard.finished, 1);
    CHECK_INT(heard.triggers_by_then, 2);
    mp_dispatcher_destroy(heard.d);
    rig.d = NULL;
    rig_close();
    close_input();
    mp_lowering_destroy(l);
}

/* The loop, which hears of starts and of triggers by two rings, can keep their order. */
static void a_trigger_is_not_told_before_its_start(void)
{
    struct mp_lowering *l = begin(mso(7), five);
    send_bytes("\x07\x05\x07", 3);
    wanted = 1;
    int64_t until = mp_clock_ns() + patience_ns;
    while (!all_begun() && mp_clock_ns() < until) {
        rig_drain();
        (void)rig_read(1);
    }
    CHECK(take_piece(0));
    CHECK_INT(input.count, 1);
    CHECK_INT(input.told[0].heard, MP_HEARD_OTHER);
    CHECK(!take_piece(0));
    wanted = 3;
    await(all_told);
    CHECK_INT(input.told[1].heard, MP_HEARD_STARTS);
    CHECK_INT(input.told[2].heard, MP_HEARD_OTHER);
    end(l);
}

static void a_delay_is_kept(void)
{
    struct mp_ahead_rule rule = five;
    rule.delay_ns = 20 * MS;
    rule.most = 1;
    struct mp_lowering *l = begin(mso(7), rule);
    send_bytes("\x05", 1);
    await(is_finished);
    CHECK_INT(rig.outcomes[0].kind, MP_OUT_BEGUN);
    CHECK_INT(rig.outcomes[0].start_ns - rig.outcomes[0].woken_ns, 20 * MS);
    CHECK(rig.outcomes[1].entered_ns >=
          rig.outcomes[0].start_ns + rig.outcomes[1].send.send_ns);
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    end(l);
}

static void enough_ends_it(void)
{
    struct mp_lowering *l = begin(mso(7), five);
    send_bytes("\x05", 1);
    wanted = 1;
    await(all_begun);
    mp_dispatcher_enough(rig.d);
    await(is_finished);
    send_bytes("\x05", 1); // nobody reads it any more
    (void)usleep(5000);
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_wire_is((const unsigned char *)"P\aXYZ", 5);
    end(l);
}

static void its_window_ends_it(void)
{
    struct mp_ahead_rule rule = five;
    rule.until_ns = mp_clock_ns() + 30 * MS;
    struct mp_lowering *l = begin(mso(7), rule);
    await(is_finished);
    CHECK(mp_clock_ns() > rule.until_ns);
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_wire_is((const unsigned char *)"XYZ", 3);
    end(l);
}

static void a_stop_comes_before_any_trigger(void)
{
    struct mp_lowering *l = begin(mso(7), five);
    mp_dispatcher_stop(rig.d, MP_STOP_KEY);
    send_bytes("\x05\x05\x05", 3);
    await(is_stopped);
    CHECK_INT(rig_tally(MP_OUT_SENT), 0);
    rig_wire_is((const unsigned char *)"XYZ", 3);
    rig_end(MP_STOP_KEY, MP_STOP_KEY);
    end(l);
}

static void a_lost_input_stops(void)
{
    struct mp_lowering *l = begin(mso(7), five);
    (void)close(input.far_fd);
    input.far_fd = -1;
    await(is_stopped);
    rig_end(MP_STOP_FINISHED, MP_STOP_GONE);
    rig_wire_is((const unsigned char *)"XYZ", 3);
    end(l);
}

enum { STORM = 40000 };

static void *storm(void *unused)
{
    static char bytes[STORM];
    (void)unused;
    memset(bytes, 5, sizeof bytes);
    bool whole = true; // checked by whoever joins: a check counts, and is for one thread
    for (size_t i = 0; i < STORM; i += 100) {
        whole = write(input.far_fd, bytes + i, 100) == 100 && whole;
        (void)usleep(500);
    }
    return whole ? bytes : NULL;
}

/* 200 triggers a millisecond: each has a verdict, and no two starts are closer than allowed. */
static void a_storm_gives_no_pulse_more(void)
{
    pthread_t source;
    struct mp_ahead_rule rule = five;
    rule.refractory_ns = 3 * MS;
    rule.most = STORM;
    struct mp_lowering *l = begin(mso(7), rule);
    CHECK_INT(pthread_create(&source, NULL, storm, NULL), 0);
    wanted = STORM;
    await(all_told);
    void *all = NULL;
    CHECK_INT(pthread_join(source, &all), 0);
    CHECK(all != NULL);
    mp_dispatcher_enough(rig.d);
    await(is_finished);
    drain_triggers();
    CHECK_INT(input.count + input.untold, STORM);
    const size_t begun = rig_tally(MP_OUT_BEGUN);
    CHECK(begun > 10);
    CHECK_INT(rig_tally(MP_OUT_SENT), begun);
    CHECK_INT(tally(MP_HEARD_STARTS), begun);
    int64_t before_ns = INT64_MIN / 2;
    for (size_t i = 0; i < rig.count; i++)
        if (rig.outcomes[i].kind == MP_OUT_BEGUN) {
            CHECK(rig.outcomes[i].start_ns - before_ns >= rule.refractory_ns);
            before_ns = rig.outcomes[i].start_ns;
        }
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    end(l);
}

static void what_is_no_rule_is_refused(void)
{
    struct mp_error err = {0};
    struct mp_ahead_rule rule = five;
    rig_open(MP_LATE_ABORT, forever_ns);
    open_input();
    struct mp_lowering *l = lower(mso(7), (struct rig_lowering){.lead_ns = -1});
    rule.every = 0;
    CHECK_INT(mp_dispatcher_ahead(rig.d, l, &rule, input.port, 1, &err), MP_EINVAL);
    rule = five;
    rule.most = 0;
    CHECK_INT(mp_dispatcher_ahead(rig.d, l, &rule, input.port, 1, &err), MP_EINVAL);
    must(mp_dispatcher_ahead(rig.d, l, &five, input.port, 1, &err), &err);
    CHECK_INT(mp_dispatcher_play(rig.d, l, mp_clock_ns(), &err), MP_ESTATE); // one at a time
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    end(l);
}

int main(void)
{
    a_trigger_starts_the_plan();
    the_end_comes_after_its_last_trigger();
    a_trigger_is_not_told_before_its_start();
    a_delay_is_kept();
    enough_ends_it();
    its_window_ends_it();
    a_stop_comes_before_any_trigger();
    a_lost_input_stops();
    a_storm_gives_no_pulse_more();
    what_is_no_rule_is_refused();
    return CHECK_DONE("test_dispatch_ahead");
}
