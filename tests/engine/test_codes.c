/*
 * Event codes of a dispatcher without a thread, on a clock that the test turns, at a box of its
 * own: what a stop, a pulse that is due, a trigger and a box that hangs make of them.
 */
#include "engine/dispatcher_core.h"
#include "engine/port_backend.h"

#include "tests/engine/chance.h"
#include "tests/engine/rig.h"

#include <sys/socket.h>

#define MS MP_NS_PER_MS

static int64_t now_ns;
static struct mp_next next;

/* A box that has each byte so long after it was written. */
static struct {
    int64_t latency_ns, at_ns[WIRE_MAX];
    uint8_t bytes[WIRE_MAX];
    size_t sent[WIRE_MAX]; // so many pulses had left by then
    size_t count;
    bool sees_pulses, full;
    const char *reads; // the flight record: looked at while a code is written
    size_t open;       // of each, the codes in it that were begun and not finished
} box;

static int64_t look(void *unused)
{
    (void)unused;
    return now_ns;
}

/* Codes that the flight record has at this instant, as whoever comes after a kill finds it. */
static size_t codes_in(const char *path)
{
    struct mp_flight_record record;
    size_t codes = 0;
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 4096, SEEK_SET) == 0);
    while (fread(&record, sizeof record, 1, file) == 1)
        codes += record.kind == MP_FLIGHT_CODE && record.returned_ns == 0;
    CHECK_INT(fclose(file), 0);
    return codes;
}

static enum mp_status take(struct mp_port *port, const void *bytes, size_t length,
                           size_t *written, struct mp_error *err)
{
    (void)port, (void)err;
    CHECK_INT(length, 1);
    *written = 0;
    if (box.full)
        return MP_OK;
    if (box.sees_pulses)
        rig_drain();
    if (box.reads != NULL && *(const uint8_t *)bytes != 0)
        box.open += codes_in(box.reads);
    box.bytes[box.count] = *(const uint8_t *)bytes;
    box.sent[box.count] = rig_tally(MP_OUT_SENT);
    box.at_ns[box.count++] = now_ns;
    *written = 1;
    return MP_OK;
}

static int held(const struct mp_port *port)
{
    int count = 0;
    (void)port;
    for (size_t i = 0; i < box.count; i++)
        count += now_ns - box.at_ns[i] < box.latency_ns;
    return count;
}

/* And what its line did. */
static struct {
    int64_t at_ns[8];
    bool high[8];
    size_t count;
} moves;

static int move(struct mp_port *port, enum mp_trigger_line line, bool high)
{
    (void)port;
    CHECK_INT(line, MP_TRIGGER_DTR);
    moves.at_ns[moves.count] = now_ns;
    moves.high[moves.count++] = high;
    return 0;
}

static const struct mp_port_ops box_ops = {
    .kind = MP_PORT_SERIAL, .write = take, .queued = held, .move = move};
static struct mp_port box_port = {.ops = &box_ops, .fd = -1};
static struct mp_code_box code_box;

static struct mp_plan *coded(struct mp_plan *take_plan, int64_t code)
{
    struct mp_error err = {0};
    struct mp_plan *made = NULL;
    must(mp_plan_coded(&made, take_plan, code, &err), &err);
    mp_plan_unref(take_plan);
    return made;
}

static void begin(int64_t code_width_ns, struct mp_flight *flight)
{
    static const struct mp_time time = {.now = look};
    struct mp_error err = {0};
    now_ns = MP_NS_PER_S;
    next = (struct mp_next){0};
    memset(&box, 0, sizeof box);
    memset(&moves, 0, sizeof moves);
    rig_ports();
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.time = &time;
    code_box =
        (struct mp_code_box){.port = &box_port, .width_ns = code_width_ns, .time = &time};
    config.codes = &code_box;
    config.arming.flight = flight;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
}

/* A plan of which each pulse's command leaves so long before the pulse. */
static struct mp_lowering *early(struct mp_plan *take_plan, int64_t latency_ns)
{
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    struct mp_violation violation;
    must(mp_lowering_create(&l, schedule_of(take_plan, 1), &no_wire, latency_ns, &err), &err);
    for (uint32_t i = 0; i < mp_schedule_action_count(mp_lowering_schedule(l)); i++)
        must(mp_lowering_pulse(l, i, "P\7", 2, 0, &err), &err);
    while (mp_lowering_check(l, 1 << 20, &violation))
        continue;
    return l;
}

/* Until then, or a stop: all that is due. */
static void turn_to(int64_t until_ns)
{
    while (mp_dispatcher_step(rig.d, &next) && next.at_ns <= until_ns) {
        now_ns = next.at_ns > now_ns ? next.at_ns : now_ns;
        next.came = true;
    }
    next.came = false;
    now_ns = until_ns;
}

static void end(struct mp_lowering *l)
{
    mp_dispatcher_join(rig.d, MP_STOP_FINISHED);
    rig_close();
    mp_lowering_destroy(l);
}

static size_t lost(enum mp_code_lost why)
{
    size_t found = 0;
    for (size_t i = 0; i < rig.count; i++)
        found += rig.outcomes[i].kind == MP_OUT_CODE && rig.outcomes[i].lost == why;
    return found;
}

/* Pulses at 1000 Hz whose codes come 15 commands later. */
static struct mp_lowering *many(uint64_t count)
{
    struct mp_lowering *l =
        early(coded(repeat(mso(7), count, MP_TRAIN, seconds(1, 1000)), 9), 15 * MS);
    rig_play(l, now_ns + 50 * MS);
    turn_to(now_ns + 10 * MP_NS_PER_S);
    mp_dispatcher_join(rig.d, MP_STOP_FINISHED);
    rig_drain();
    return l;
}

/* The loop takes nothing: the last places are those of the codes that wait, and of why. */
static void a_full_ring_has_room_for_why(void)
{
    begin(MS / 10, NULL);
    struct mp_lowering *l = many(2000);
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(rig_last()->stop, MP_STOP_RECORD);
    CHECK_INT(rig_tally(MP_OUT_STOPPED), 1);
    CHECK(lost(MP_CODE_STOPPED) >= 14);
    CHECK_INT(rig_tally(MP_OUT_CODE), rig_tally(MP_OUT_SENT)); // each one is told of
    end(l);
}

static void a_full_record_has_room_for_why(void)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    size_t stops = 0, codes = 0, sent = 0;
    const char *path = scratch_path("codes");
    must(mp_flight_create(&flight, path, 80, &err), &err);
    begin(MS / 10, flight);
    CHECK(mp_flight_start(flight, now_ns, 0));
    struct mp_lowering *l = many(200);
    CHECK_INT(rig_last()->stop, MP_STOP_FULL);
    end(l);
    must(mp_flight_close(flight, &err), &err);
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, NULL)) {
        stops += record.kind == MP_FLIGHT_STOPPED;
        codes += record.kind == MP_FLIGHT_CODE;
        sent += record.kind == MP_FLIGHT_SENT;
    }
    mp_flight_reader_close(reader);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(stops, 1);
    CHECK(sent > 20);
    CHECK_INT(codes, sent);
}

/* A run that is killed while a code is written has it in its record; one that the box does not
 * take is told there as lost. */
static void a_code_is_in_the_record_before_its_byte_leaves(void)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    size_t written = 0, lost_there = 0;
    const char *path = scratch_path("codes");
    must(mp_flight_create(&flight, path, 80, &err), &err);
    begin(MS, flight);
    box.reads = path;
    CHECK(mp_flight_start(flight, now_ns, 0));
    for (uint8_t value = 1; value <= 6; value++) {
        box.full = value > 4;
        must(mp_dispatcher_code(rig.d, value, now_ns, &err), &err);
        turn_to(now_ns + 300 * MS);
    }
    CHECK_INT(box.open, 4);
    mp_dispatcher_join(rig.d, MP_STOP_KEY);
    rig_close();
    must(mp_flight_close(flight, &err), &err);
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, NULL)) {
        written += record.kind == MP_FLIGHT_CODE && record.returned_ns > 0;
        lost_there +=
            record.kind == MP_FLIGHT_CODE && record.returned_ns == -(int64_t)MP_CODE_BOX_FULL;
    }
    mp_flight_reader_close(reader);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(written, 4);
    CHECK_INT(lost_there, 2);
}

/* A 0 that is due 0.1 ms before a pulse: a mark in front of it changes nothing. */
static void a_zero_waits_for_a_pulse_behind_a_mark(void)
{
    for (int marked = 0; marked < 2; marked++) {
        begin(10 * MS - MS / 10, NULL);
        box.sees_pulses = true;
        struct mp_plan *second = marked == 1 ? then(mark("m"), mso(7)) : mso(7);
        struct mp_lowering *l =
            early(then(then(coded(mso(7), 9), rest(seconds(1, 100))), second), 0);
        rig_play(l, now_ns + 50 * MS);
        turn_to(now_ns + 200 * MS);
        CHECK_INT(box.count, 2);
        CHECK_INT(box.bytes[0], 9);
        CHECK_INT(box.sent[0], 1);
        CHECK_INT(box.bytes[1], 0);
        CHECK_INT(box.sent[1], 2);
        CHECK_INT(rig_tally(MP_OUT_MARK), marked);
        end(l);
    }
}

/* While a plan waits for triggers, and a code's 0 is due, the input is listened to all the
 * time, also where the thread would spin before what is due. */
static void triggers_are_heard_while_a_code_stands(void)
{
    const struct mp_ahead_rule five = {
        .byte = 5, .every = 1, .from_ns = INT64_MIN, .until_ns = INT64_MAX, .most = 9};
    struct mp_error err = {0};
    struct mp_port *input = NULL;
    int ends[2];
    bool stood = false;
    begin(20 * MS, NULL);
    rig.d->realtime.spin = true;
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&input, ends[0], "triggers", &err), &err);
    struct mp_lowering *l = early(coded(mso(7), 9), 0);
    must(mp_dispatcher_ahead(rig.d, l, &five, input, 1, &err), &err);
    CHECK(mp_dispatcher_step(rig.d, &next));
    CHECK_INT(write(ends[1], "\5", 1), 1);
    next.came = false;
    while (box.count < 2 && mp_dispatcher_step(rig.d, &next) && next.at_ns != INT64_MAX) {
        if (box.count == 1) {
            stood = true;
            CHECK(next.input == input);
            CHECK(!next.spin);
        }
        now_ns = next.at_ns > now_ns ? next.at_ns : now_ns;
        next.came = true;
    }
    CHECK(stood);
    CHECK_INT(box.count, 2);
    CHECK_INT(box.bytes[1], 0);
    CHECK_INT(box.at_ns[1] - box.at_ns[0], 20 * MS);
    end(l);
    mp_port_close(input);
    (void)close(ends[1]);
}

/* Codes every 5 ms at a box that has stood still from the beginning: nothing is given to it for
 * longer than a byte may be on its way. */
static void a_box_that_hangs_is_seen_however_often_it_is_written_to(void)
{
    begin(2 * MS, NULL);
    box.latency_ns = INT64_MAX;
    struct mp_lowering *l = early(coded(repeat(mso(7), 40, MP_TRAIN, seconds(1, 200)), 9), 0);
    rig_play(l, now_ns + 50 * MS);
    turn_to(now_ns + 500 * MS);
    rig_drain();
    CHECK_INT(rig_tally(MP_OUT_SENT), 40);
    CHECK_INT(box.at_ns[box.count - 1] - box.at_ns[0], 20 * MS);
    CHECK_INT(lost(MP_CODE_WRITTEN), 5);
    CHECK_INT(lost(MP_CODE_BOX_FULL), 35);
    end(l);
}

/* One that is slow holds some byte whenever it is looked at, and never one for long. */
static void a_box_that_is_slow_does_not_hang(void)
{
    begin(MS, NULL);
    box.latency_ns = 3 * MS;
    struct mp_lowering *l = early(coded(repeat(mso(7), 200, MP_TRAIN, seconds(1, 400)), 9), 0);
    rig_play(l, now_ns + 50 * MS);
    turn_to(now_ns + 2 * MP_NS_PER_S);
    rig_drain();
    CHECK_INT(lost(MP_CODE_WRITTEN), 200);
    CHECK_INT(box.count, 400);
    end(l);
}

/* Given by a script: at once where the box is free, each after the one before, with a
 * millisecond of 0 between; and the code of a pulse waits for none of them. */
static void codes_of_a_script_are_told_apart(void)
{
    struct mp_error err = {0};
    begin(2 * MS, NULL);
    turn_to(now_ns + MS);
    const int64_t given_ns = now_ns;
    for (uint8_t code = 1; code <= 3; code++)
        must(mp_dispatcher_code(rig.d, code, now_ns, &err), &err);
    struct mp_lowering *l = early(coded(mso(7), 9), 0);
    rig_play(l, given_ns + 4 * MS); // amid the second one
    turn_to(given_ns + 50 * MS);
    rig_drain();
    static const uint8_t bytes[] = {1, 0, 2, 9, 0, 3, 0};
    static const int64_t at_ms[] = {0, 2, 3, 4, 6, 7, 9};
    CHECK_INT(box.count, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_INT(box.bytes[i], bytes[i]);
        CHECK_INT(box.at_ns[i] - given_ns, at_ms[i] * MS);
    }
    CHECK_INT(lost(MP_CODE_WRITTEN), 4);
    CHECK_INT(rig_tally(MP_OUT_CODE), 4);
    end(l);
}

/* What has no room is told as lost, and what waits at a stop as stopped: each once. */
static void codes_of_a_script_beyond_its_room(void)
{
    enum { ROUNDS = 6, EACH = 7, ALL = ROUNDS * EACH };
    struct mp_error err = {0};
    size_t refused = 0;
    begin(10 * MS, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < EACH; i++)
            must(mp_dispatcher_code(rig.d, 5, now_ns, &err), &err);
        turn_to(now_ns);
    }
    while (mp_dispatcher_code(rig.d, 5, now_ns, &err) == MP_OK)
        refused++;
    CHECK_INT(err.status, MP_EBUSY);
    CHECK_INT(refused, CODES_IN);
    mp_dispatcher_join(rig.d, MP_STOP_KEY);
    CHECK_INT(mp_dispatcher_code(rig.d, 5, now_ns, &err), MP_ESTATE);
    rig_drain();
    CHECK_INT(lost(MP_CODE_WRITTEN), 1);
    CHECK_INT(lost(MP_CODE_CROWDED), ALL - 1 - MP_CODES_OF_SCRIPT);
    CHECK_INT(lost(MP_CODE_STOPPED), MP_CODES_OF_SCRIPT + CODES_IN);
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(box.bytes[box.count - 1], 0);
    rig_close();
}

/* A script that marks all the time keeps no plan from its end. */
static void codes_of_a_script_keep_no_plan_going(void)
{
    struct mp_error err = {0};
    begin(2 * MS, NULL);
    for (int i = 0; i < CODES_IN; i++)
        must(mp_dispatcher_code(rig.d, 5, now_ns, &err), &err);
    turn_to(now_ns);
    struct mp_lowering *l = early(coded(mso(7), 9), 0);
    rig_play(l, now_ns + 4 * MS);
    turn_to(now_ns + 4 * MS + MS);
    rig_drain();
    CHECK_INT(rig_tally(MP_OUT_SENT), 1);
    CHECK_INT(rig_tally(MP_OUT_FINISHED), 0); // its own code stands
    turn_to(now_ns + MS);
    rig_drain();
    CHECK_INT(rig_tally(MP_OUT_FINISHED), 1);
    CHECK(mp_code_box_next(&code_box) < INT64_MAX);
    end(l);
}

/* However many of a script wait, a plan's have their places. */
static void codes_of_a_script_crowd_out_no_plans(void)
{
    struct mp_error err = {0};
    begin(100 * MS, NULL);
    for (int i = 0; i <= MP_CODES_OF_SCRIPT; i++) { // of which the first one stands
        must(mp_dispatcher_code(rig.d, 5, now_ns, &err), &err);
        turn_to(now_ns);
    }
    struct mp_lowering *l =
        early(coded(repeat(mso(7), 10, MP_TRAIN, seconds(1, 1000)), 9), 15 * MS);
    rig_play(l, now_ns + 20 * MS);
    turn_to(now_ns + 50 * MS);
    rig_drain();
    CHECK_INT(rig_tally(MP_OUT_SENT), 10);
    CHECK_INT(lost(MP_CODE_WRITTEN), 1 + 10);
    CHECK_INT(lost(MP_CODE_CROWDED), 0);
    end(l);
}

/* At a planned end what a script gave stays in the box, for whoever has it then; a plan's goes.
 */
static void codes_of_a_script_outlive_the_arming(void)
{
    struct mp_error err = {0};
    begin(5 * MS, NULL);
    must(mp_dispatcher_code(rig.d, 1, now_ns, &err), &err);
    turn_to(now_ns);
    struct mp_lowering *l = early(coded(mso(7), 9), 15 * MS);
    rig_play(l, now_ns + 16 * MS);
    turn_to(now_ns + 2 * MS); // its command is out, and its code is to come
    must(mp_dispatcher_code(rig.d, 2, now_ns, &err), &err);
    mp_dispatcher_join(rig.d, MP_STOP_FINISHED);
    rig_drain();
    CHECK_INT(lost(MP_CODE_STOPPED), 1);
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    CHECK_INT(box.count, 1); // the first one stands
    CHECK(code_box.stands);
    CHECK_INT(code_box.count, 1);
    CHECK_INT(code_box.waits[0].value, 2);
    end(l);
}

/* A line is high for a code, whatever it is, and low after it, also after a stop. */
static void a_line_is_high_for_each_code(void)
{
    struct mp_error err = {0};
    begin(3 * MS, NULL);
    code_box.line = MP_TRIGGER_DTR;
    must(mp_dispatcher_code(rig.d, 200, now_ns, &err), &err);
    turn_to(now_ns + 20 * MS);
    must(mp_dispatcher_code(rig.d, 1, now_ns, &err), &err);
    turn_to(now_ns + MS);
    CHECK_INT(moves.count, 3);
    mp_dispatcher_join(rig.d, MP_STOP_KEY);
    CHECK_INT(moves.count, 4);
    for (size_t i = 0; i < moves.count; i++)
        CHECK_INT(moves.high[i], i % 2 == 0);
    CHECK_INT(moves.at_ns[1] - moves.at_ns[0], 3 * MS);
    CHECK_INT(box.count, 0);
    rig_close();
}

/* A box that takes no bytes for longer than its 0 is waited for gets it when it takes bytes
 * again, or at a stop. */
static void a_box_that_was_full_gets_its_zero(void)
{
    struct mp_error err = {0};
    begin(5 * MS, NULL);
    for (size_t round = 1; round <= 2; round++) {
        must(mp_dispatcher_code(rig.d, 7, now_ns, &err), &err);
        turn_to(now_ns + MS);
        CHECK_INT(box.count, 2 * round - 1);
        box.full = true;
        turn_to(now_ns + 300 * MS);
        CHECK(!mp_code_box_waits(&code_box)); // nobody waits for it
        box.full = false;
        if (round == 1)
            turn_to(now_ns + 101 * MS);
        else
            mp_dispatcher_join(rig.d, MP_STOP_KEY);
        CHECK_INT(box.count, 2 * round);
        CHECK_INT(box.bytes[box.count - 1], 0);
        CHECK(mp_code_box_next(&code_box) == INT64_MAX);
    }
    rig_close();
}

int main(void)
{
    a_box_that_was_full_gets_its_zero();
    codes_of_a_script_are_told_apart();
    codes_of_a_script_beyond_its_room();
    codes_of_a_script_keep_no_plan_going();
    codes_of_a_script_crowd_out_no_plans();
    codes_of_a_script_outlive_the_arming();
    a_line_is_high_for_each_code();
    a_full_ring_has_room_for_why();
    a_full_record_has_room_for_why();
    a_code_is_in_the_record_before_its_byte_leaves();
    a_zero_waits_for_a_pulse_behind_a_mark();
    triggers_are_heard_while_a_code_stands();
    a_box_that_hangs_is_seen_however_often_it_is_written_to();
    a_box_that_is_slow_does_not_hang();
    return CHECK_DONE("test_codes");
}
