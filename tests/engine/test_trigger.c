/*
 * Pulses of two parts, and a second port: what is on which wire, in which order and how far
 * apart, whatever stops it. Lines need a port that has some: tests/rig/trigger_lines.c.
 */
#include "engine/guard.h"

#include "tests/engine/box_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- the lowering ---- */

/* The shortest interval that passes is width + rest + the wire of the second part. */
static void the_width_is_time_that_the_next_pulse_must_leave(void)
{
    static const struct mp_serial slow = {.baud = 9600, .bits = 8, .stop_bits = 1};
    const struct mp_fire line = {.line = MP_TRIGGER_RTS, .width_ns = 5 * MP_NS_PER_MS};
    const struct {
        struct mp_fire fire;
        int64_t shortest_ns;
    } rows[] = {
        {two_part(MP_PORT_DEVICE), 11000005},            // no_wire: a byte takes 5 ns
        {two_part(MP_PORT_TRIGGER), 11000000 + 1041667}, // 10 bits at 9600
        {line, 6000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_violation v;
        int64_t shortest_ns = rows[i].shortest_ns;
        struct mp_lowering *l = lowering_of(repeat(mso(50), 3, MP_EVERY, ratio(shortest_ns, 1)),
                                            &rows[i].fire, &slow);
        CHECK(!mp_lowering_check(l, 100, &v));
        CHECK_INT(v.kind, MP_VIOLATION_NONE);
        mp_lowering_destroy(l);
        l = lowering_of(repeat(mso(50), 3, MP_EVERY, ratio(shortest_ns - 2, 1)), &rows[i].fire,
                        &slow);
        CHECK(!mp_lowering_check(l, 100, &v));
        CHECK_INT(v.kind, MP_VIOLATION_WIDTH);
        CHECK_INT(v.first, 1);
        CHECK_INT(v.second, 2);
        CHECK_INT(v.interval_ns, shortest_ns - 2);
        CHECK_INT(v.least_ns, shortest_ns);
        CHECK(!mp_lowering_checked(l));
        mp_lowering_destroy(l);
    }
}

/* A device may be told faster than it fires: the next intensity waits for the triggered pulse.
 */
static void a_setting_leaves_behind_the_pulse_that_was_triggered(void)
{
    static const int64_t latency_ns = 3 * MP_NS_PER_MS;
    const struct mp_fire fires[] = {{.port = MP_PORT_TRIGGER, .bytes = "\1", .length = 1},
                                    {.line = MP_TRIGGER_DTR, .width_ns = MP_NS_PER_MS},
                                    {.line = MP_TRIGGER_DTR, .width_ns = 20 * MP_NS_PER_MS}};
    const int64_t expected_ns[] = {latency_ns + 5, latency_ns, 21 * MP_NS_PER_MS};
    for (size_t i = 0; i < sizeof fires / sizeof fires[0]; i++) {
        struct mp_error err = {0};
        struct mp_lowering *l = NULL;
        struct mp_send send;
        struct mp_plan *plan = then(then(mso(50), rest(seconds(1, 1))), mso(60));
        must(mp_lowering_create(&l, schedule_of(plan, 1), &no_wire, latency_ns, &err), &err);
        must(mp_lowering_fire(l, 0, &fires[i], 0, &err), &err);
        must(mp_lowering_fire(l, 1, &fires[i], 0, &err), &err);
        must(mp_lowering_change(l, 0, 1, "S", 1, 0, &err), &err);
        CHECK(mp_lowering_next(l, &send) && send.kind == MP_SEND_PULSE);
        int64_t pulse_ns = send.send_ns;
        CHECK(mp_lowering_next(l, &send) && send.kind == MP_SEND_SET);
        CHECK_INT(send.send_ns - pulse_ns, expected_ns[i]);
        mp_lowering_destroy(l);
    }
}

static void refuses_what_cannot_be_fired(void)
{
    const struct {
        struct mp_fire fire;
        enum mp_status status;
    } rows[] = {
        {{.port = MP_PORTS, .bytes = "x", .length = 1}, MP_EINVAL},
        {{.line = MP_TRIGGER_RTS, .width_ns = 0}, MP_ERANGE},
        {{.line = MP_TRIGGER_RTS, .width_ns = mp_width_max_ns + 1}, MP_ERANGE},
        {{.line = MP_TRIGGER_RTS, .width_ns = 1, .bytes = "x", .length = 1}, MP_EINVAL},
        {{.bytes = "x", .length = 1, .after = "y", .after_length = 1, .width_ns = -1},
         MP_ERANGE},
        {{.bytes = "x", .length = 0}, MP_ERANGE},
    };
    struct mp_lowering *l = NULL;
    CHECK_INT(mp_lowering_create(&l, schedule_of(mso(50), 1), &no_wire, 0, NULL), MP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(mp_lowering_fire(l, 0, &rows[i].fire, 0, NULL), rows[i].status);
    mp_lowering_destroy(l);
}

/* ---- the dispatcher, on two pseudo-terminals ---- */

static unsigned char box_bytes[64];
static size_t box_count;

static void open_box(void)
{
    struct mp_error err = {0};
    box_count = 0;
    must(mp_pty_open(&box, NULL, &err), &err);
    must(mp_port_open(&trigger, mp_pty_path(box), &no_wire, &err), &err);
}

/* Take what the box was sent; wait up to ms for it. */
static void read_box(int ms)
{
    struct pollfd state = {.fd = mp_pty_fd(box), .events = POLLIN};
    unsigned char bytes[64];
    size_t got = 0;
    int64_t at = 0;
    if (poll(&state, 1, ms) == 1)
        (void)mp_pty_read(box, bytes, sizeof bytes - box_count, &got, &at, NULL);
    for (size_t i = 0; i < got && box_count < sizeof box_bytes; i++)
        box_bytes[box_count++] = bytes[i];
}

static void start_with_box(const char *rest)
{
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.trigger = trigger;
    config.rest_length = strlen(rest);
    memcpy(config.rest, rest, config.rest_length);
    rig_start(&config);
}

/* The trigger's bytes are on the trigger's wire alone. */
static void the_second_part_follows_on_the_second_port(void)
{
    const struct mp_fire fire = two_part(MP_PORT_TRIGGER);
    rig_ports();
    open_box();
    start_with_box("");
    struct mp_lowering *l =
        checked(lowering_of(repeat(mso(50), 5, MP_EVERY, seconds(1, 5)), &fire, &no_wire));
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    int64_t until = mp_clock_ns() + patience_ns;
    while (box_count < 10 && mp_clock_ns() < until)
        read_box(10);
    CHECK(rig_await(MP_OUT_FINISHED));
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    read_box(20);
    CHECK_INT(box_count, 10);
    for (size_t i = 0; i < box_count; i++)
        CHECK_INT(box_bytes[i], i % 2 == 0);
    CHECK_INT(rig_tally(MP_OUT_SENT), 5);
    CHECK(rig_last()->safe_sent);
    rig_wire_is((const unsigned char *)safe_frame, 3);
    mp_lowering_destroy(l);
    rig_close();
    close_box();
}

/* From the stamp behind the first write to the plan's end: at least the width. */
static void the_end_waits_for_the_second_part(void)
{
    struct mp_fire fire = two_part(MP_PORT_DEVICE);
    fire.width_ns = 50 * MP_NS_PER_MS;
    rig_open(MP_LATE_ABORT, forever_ns);
    struct mp_lowering *l = checked(lowering_of(mso(50), &fire, &no_wire));
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    CHECK(rig_await(MP_OUT_SENT));
    int64_t sent_ns = rig_last()->returned_ns;
    CHECK(rig_await(MP_OUT_FINISHED));
    CHECK(mp_clock_ns() - sent_ns >= fire.width_ns);
    CHECK(!mp_lowering_busy(l));
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_wire_is((const unsigned char *)"\1\0XYZ", 5);
    mp_lowering_destroy(l);
    rig_close();
}

/* Between the two parts nothing else gets on that wire: one-offs wait for the second. */
static void nothing_comes_between_the_two_parts(void)
{
    struct mp_fire fire = two_part(MP_PORT_DEVICE);
    fire.width_ns = 100 * MP_NS_PER_MS;
    rig_open(MP_LATE_ABORT, forever_ns);
    struct mp_lowering *l = checked(lowering_of(mso(50), &fire, &no_wire));
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    CHECK(rig_await(MP_OUT_SENT));
    CHECK_INT(mp_dispatcher_send(rig.d, "k", 1, NULL), MP_OK);
    CHECK(rig_await(MP_OUT_ONEOFF));
    rig_end(MP_STOP_FINISHED, MP_STOP_FINISHED);
    rig_wire_is((const unsigned char *)"\1\0kXYZ", 6);
    mp_lowering_destroy(l);
    rig_close();
}

/* A stop does not wait for the width, and the second part is before the safe frame. */
static void a_stop_brings_the_second_part_forward(uint8_t port)
{
    struct mp_fire fire = two_part(port);
    fire.width_ns = mp_width_max_ns;
    rig_ports();
    open_box();
    start_with_box("R");
    struct mp_lowering *l = checked(lowering_of(mso(50), &fire, &no_wire));
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    CHECK(rig_await(MP_OUT_SENT));
    int64_t sent_ns = rig_last()->returned_ns;
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    CHECK(rig_last()->safe_sent);
    CHECK(rig_last()->returned_ns - sent_ns < mp_width_max_ns);
    read_box(1000);
    read_box(20);
    if (port == MP_PORT_TRIGGER) {
        rig_wire_is((const unsigned char *)safe_frame, 3);
        CHECK(box_count == 3 && memcmp(box_bytes, "\1\0R", 3) == 0);
    } else {
        rig_wire_is((const unsigned char *)"\1\0XYZ", 5);
        CHECK(box_count == 1 && box_bytes[0] == 'R'); // at rest, as at every stop
    }
    mp_lowering_destroy(l);
    rig_close();
    close_box();
}

/* The device answers, the box is unplugged: no more pulses, and the device is made safe. */
static void a_lost_box_stops_the_plan(void)
{
    const struct mp_fire fire = two_part(MP_PORT_TRIGGER);
    rig_ports();
    open_box();
    start_with_box("R");
    struct mp_lowering *l =
        checked(lowering_of(repeat(mso(50), 100, MP_EVERY, seconds(1, 2)), &fire, &no_wire));
    rig_play(l, mp_clock_ns() + 20 * MP_NS_PER_MS);
    CHECK(rig_await(MP_OUT_SENT));
    mp_pty_close(box);
    CHECK(rig_await(MP_OUT_STOPPED));
    rig_end(MP_STOP_REQUESTED, MP_STOP_GONE);
    CHECK(!rig_last()->safe_sent); // of the box nobody knows
    CHECK(rig_tally(MP_OUT_SENT) < 100);
    rig_wire_is((const unsigned char *)safe_frame, 3);
    mp_lowering_destroy(l);
    rig_close();
    mp_port_close(trigger);
    trigger = NULL;
    box = NULL;
}

static void an_unchecked_path_is_not_played(void)
{
    const struct mp_fire second = two_part(MP_PORT_TRIGGER);
    const struct mp_fire line = {.line = MP_TRIGGER_DTR, .width_ns = MP_NS_PER_MS};
    rig_open(MP_LATE_ABORT, forever_ns);
    const struct {
        const struct mp_fire *fire;
        const char *text;
    } rows[] = {{&second, "second port"}, {&line, "DTR"}};
    for (size_t i = 0; i < 2; i++) {
        struct mp_error err = {0};
        struct mp_lowering *l = checked(lowering_of(mso(50), rows[i].fire, &no_wire));
        CHECK_INT(mp_dispatcher_play(rig.d, l, mp_clock_ns(), &err), MP_ESTATE);
        CHECK_HAS(err.text, rows[i].text);
        CHECK(!mp_lowering_busy(l));
        mp_lowering_destroy(l);
    }
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    rig_wire_is((const unsigned char *)safe_frame, 3);
    rig_close();
}

/* No safe frame is an answer only for who says that a line is all there is. */
static void silence_is_safe_where_it_is_meant(void)
{
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.arming.safe_length = 0;
    CHECK_INT(mp_dispatcher_create(&rig.d, &config, NULL), MP_EINVAL);
    config.arming.safe_line = true;
    rig_start(&config);
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    CHECK(rig_last()->safe_sent);
    rig_wire_is((const unsigned char *)"", 0);
    rig_close();
}

/* ---- the guard ---- */

static void the_guard_puts_both_ports_to_rest(void)
{
    struct mp_error err = {0};
    int say[2];
    rig_ports();
    open_box();
    CHECK_INT(pipe(say), 0);
    (void)fflush(NULL);
    pid_t ward = fork();
    if (ward == 0) {
        struct mp_guard guard;
        const struct mp_guarded ports[] = {
            {.fd = mp_port_fd(rig.port), .safe = safe_frame, .safe_length = 3},
            {.fd = mp_port_fd(trigger), .safe = "\0", .safe_length = 1}};
        bool ok = mp_guard_start(&guard, ports, 2, &err) == MP_OK;
        (void)!write(say[1], ok ? "y" : "n", 1);
        for (;;)
            (void)pause();
    }
    char word = 'n';
    CHECK_INT(read(say[0], &word, 1), 1);
    CHECK_INT(word, 'y');
    CHECK_INT(kill(ward, SIGKILL), 0);
    CHECK_INT(waitpid(ward, NULL, 0), ward);
    rig_wire_is((const unsigned char *)"XYZXYZ", 6);
    for (int i = 0; i < 100 && box_count < 2; i++)
        read_box(20);
    CHECK(box_count == 2 && memcmp(box_bytes, "\0\0", 2) == 0);
    (void)close(say[0]);
    (void)close(say[1]);
    rig_close();
    close_box();
}

int main(void)
{
    the_width_is_time_that_the_next_pulse_must_leave();
    a_setting_leaves_behind_the_pulse_that_was_triggered();
    refuses_what_cannot_be_fired();
    the_second_part_follows_on_the_second_port();
    the_end_waits_for_the_second_part();
    nothing_comes_between_the_two_parts();
    a_stop_brings_the_second_part_forward(MP_PORT_TRIGGER);
    a_stop_brings_the_second_part_forward(MP_PORT_DEVICE);
    a_lost_box_stops_the_plan();
    an_unchecked_path_is_not_played();
    silence_is_safe_where_it_is_meant();
    the_guard_puts_both_ports_to_rest();
    return CHECK_DONE("test_trigger");
}
