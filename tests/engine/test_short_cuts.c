/* The short cuts of virtual time, at both ends of a wire: what is as before is done, what
 * differs is given back, and nothing of it is lost. */
#include "engine/far_cut.h"
#include "engine/near_cut.h"

#include "engine/clock.h"
#include "engine/port_backend.h"
#include "tests/check.h"
#include "tests/engine/plans.h"

#include <math.h>

static const struct mp_serial serial = {.baud = 1000000, .bits = 8, .stop_bits = 1};
static const int64_t begin_ns = 5 * MP_NS_PER_S;

static uv_loop_t loop;
static struct mp_world world;
static struct mp_wire *wire;
static struct mp_port *port;
static struct mp_far_cut far;
static struct mp_near_cut near;
static char said[256];
static size_t said_length;
static unsigned long_way, overdue;

static bool takes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    (void)context;
    return mp_far_cut_frame(&far, bytes, length, began_ns);
}

static void on_bytes(void *context, const uint8_t *bytes, size_t length, int64_t began_ns)
{
    (void)context, (void)bytes, (void)length, (void)began_ns;
    long_way++;
}

static void on_heard(void *context)
{
    size_t got = 0;
    (void)context;
    CHECK_INT(mp_port_read(port, said + said_length, sizeof said - said_length, &got, NULL),
              MP_OK);
    said_length += got;
}

static void on_overdue(void *context)
{
    (void)context;
    overdue++;
}

static void begin(void)
{
    static const struct mp_wire_far ears = {.takes = takes, .bytes = on_bytes};
    struct mp_error err = {0};
    CHECK_INT(uv_loop_init(&loop), 0);
    mp_world_open(&world, &loop);
    mp_world_go_virtual(&world, begin_ns, 0);
    must(mp_wire_create(&wire, &world, &ears, &err), &err);
    must(mp_port_open(&port, mp_wire_path(wire), &serial, &err), &err);
    mp_wire_watch(port, on_heard, NULL);
    mp_far_cut_init(&far, &world, wire);
    mp_near_cut_init(&near, &world, on_overdue, NULL);
    mp_text_init(&far.log, tmpfile());
    mp_text_init(&near.text, tmpfile());
    said_length = 0;
    long_way = overdue = 0;
}

static void end(void)
{
    mp_far_cut_close(&far);
    mp_near_cut_close(&near);
    mp_port_close(port);
    mp_wire_destroy(wire);
    (void)fclose(far.log.file);
    (void)fclose(near.text.file);
    mp_world_close(&world);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&loop), 0);
}

static struct mp_far_steady steady(void)
{
    return (struct mp_far_steady){.frame = {"go", 2},
                                  .reply = {"done", 4},
                                  .log = {"\tpulse\n", 7},
                                  .stimulator = {.reply_ns = 20 * MP_NS_PER_MS,
                                                 .recharge_ns = 50 * MP_NS_PER_MS,
                                                 .low_c = -INFINITY,
                                                 .high_c = INFINITY,
                                                 .at_ns = -1},
                                  .wire_ns = mp_serial_wire_ns(&serial, 2)};
}

static void write_at(int64_t at_ns, const char *bytes)
{
    size_t written = 0;
    while (world.first != NULL && world.first->due_ns <= at_ns)
        CHECK(mp_world_turn(&world));
    world.now_ns = at_ns;
    CHECK_INT(mp_port_write(port, bytes, strlen(bytes), &written, NULL), MP_OK);
}

static void all_ring(void)
{
    while (world.awake > 0)
        CHECK(mp_world_turn(&world));
}

/* What was written to the file of text. */
static const char *written(struct mp_text *text)
{
    static char lines[4096];
    struct mp_error err = {0};
    must(mp_text_flush(text, &err), &err);
    rewind(text->file);
    lines[fread(lines, 1, sizeof lines - 1, text->file)] = '\0';
    return lines;
}

static void a_frame_is_answered_and_noted(void)
{
    struct mp_error err = {0};
    begin();
    const struct mp_far_steady known = steady();
    must(mp_far_cut_begin(&far, &known, &err), &err);
    write_at(begin_ns, "go");
    write_at(begin_ns + 100 * MP_NS_PER_MS, "go");
    all_ring();
    CHECK_INT(far.given, 2);
    CHECK_INT(long_way, 0);
    CHECK_INT(far.last_ns, begin_ns + 100 * MP_NS_PER_MS + known.wire_ns);
    CHECK_INT(world.now_ns, far.last_ns + 20 * MP_NS_PER_MS);
    CHECK(said_length == 8 && memcmp(said, "donedone", 8) == 0);
    CHECK_STR(written(&far.log), "5.000020000\tpulse\n5.100020000\tpulse\n");
    end();
}

/* One after other does not play what it is given at at_ns after the first. */
static void differs(const char *bytes, int64_t at_ns, struct mp_far_steady known)
{
    struct mp_error err = {0};
    begin();
    must(mp_far_cut_begin(&far, &known, &err), &err);
    write_at(begin_ns, "go");
    write_at(begin_ns + at_ns, bytes);
    all_ring();
    CHECK_INT(far.given, 1);
    CHECK_INT(long_way, 1);
    CHECK(!far.on);
    CHECK(said_length == 4);                // the first one's reply came all the same
    write_at(begin_ns + MP_NS_PER_S, "go"); // and nothing comes back by itself
    all_ring();
    CHECK_INT(far.given, 1);
    CHECK_INT(long_way, 2);
    end();
}

static void what_differs_goes_the_long_way(void)
{
    differs("no", 100 * MP_NS_PER_MS, steady());
    differs("go!", 100 * MP_NS_PER_MS, steady());
    differs("g", 100 * MP_NS_PER_MS, steady());
    differs("go", 50 * MP_NS_PER_MS - 1, steady()); // not charged yet
    struct mp_far_steady warm = steady();
    warm.stimulator.ambient_c = warm.stimulator.celsius = 20;
    warm.stimulator.rise_c = 1;
    warm.stimulator.low_c = 19;
    warm.stimulator.high_c = 22; // the second would show another degree
    differs("go", 100 * MP_NS_PER_MS, warm);
}

static void a_new_beginning_waits_for_the_replies_of_the_old(void)
{
    struct mp_error err = {0};
    begin();
    const struct mp_far_steady known = steady();
    must(mp_far_cut_begin(&far, &known, &err), &err);
    write_at(begin_ns, "go");
    write_at(begin_ns + MP_NS_PER_MS, "no");
    while (long_way == 0)
        CHECK(mp_world_turn(&world));
    CHECK_INT(mp_far_cut_begin(&far, &known, &err), MP_EBUSY);
    all_ring();
    CHECK_INT(mp_far_cut_begin(&far, &known, &err), MP_OK);
    end();
}

/* Who begins it may use its memory for something else at once. */
static void it_keeps_what_it_is_given(void)
{
    char frame[] = "go", reply[] = "done", log[] = "\tpulse\n";
    struct mp_error err = {0};
    begin();
    struct mp_far_steady known = steady();
    known.frame.bytes = frame;
    known.reply.bytes = reply;
    known.log.bytes = log;
    must(mp_far_cut_begin(&far, &known, &err), &err);
    memset(frame, 'x', sizeof frame);
    memset(reply, 'x', sizeof reply);
    memset(log, 'x', sizeof log);
    write_at(begin_ns, "go");
    all_ring();
    CHECK_INT(far.given, 1);
    CHECK(said_length == 4 && memcmp(said, "done", 4) == 0);
    CHECK_STR(written(&far.log), "5.000020000\tpulse\n");
    end();
}

static struct mp_near_known usual(void)
{
    return (struct mp_near_known){.frame = 1,
                                  .action = 2,
                                  .reply = {"done", 4},
                                  .columns = {"1\t50\t50\tMSO", 11},
                                  .words = {"well", 4},
                                  .proof = {"read", 4},
                                  .condition = {"SICI", 4},
                                  .trial = 6,
                                  .block = 2,
                                  .first = 11,
                                  .last = 1000,
                                  .origin_ns = begin_ns,
                                  .delay_ns = MP_NS_PER_MS,
                                  .slow_ns = 90 * MP_NS_PER_MS,
                                  .patience_ns = 600 * MP_NS_PER_MS,
                                  .extra = 10,
                                  .index = 4,
                                  .confirmed = 3};
}

/* Pulse number of its plan, sent at_ns after the beginning. */
static struct mp_outcome pulse(uint64_t number, int64_t at_ns)
{
    struct mp_outcome out = {.kind = MP_OUT_SENT, .start_ns = begin_ns};
    out.send = (struct mp_send){.kind = MP_SEND_PULSE,
                                .number = number,
                                .frame = 1,
                                .action = 2,
                                .floor_ns = at_ns + MP_NS_PER_MS,
                                .send_ns = at_ns};
    out.entered_ns = out.returned_ns = begin_ns + at_ns;
    return out;
}

static bool tell(const struct mp_outcome *out)
{
    world.now_ns = out->returned_ns;
    return mp_near_cut_outcome(&near, out, out->returned_ns);
}

static size_t hear(const char *bytes, int64_t at_ns)
{
    return mp_near_cut_bytes(&near, (const uint8_t *)bytes, strlen(bytes), begin_ns + at_ns);
}

static void near_begins(void)
{
    struct mp_error err = {0};
    struct mp_near_known known = usual();
    struct mp_tail *const texts[] = {&known.reply, &known.columns, &known.words, &known.proof,
                                     &known.condition};
    char lent[sizeof texts / sizeof texts[0]][16];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        memcpy(lent[i], texts[i]->bytes, texts[i]->length);
        texts[i]->bytes = lent[i];
    }
    begin();
    must(mp_near_cut_begin(&near, &known, &err), &err);
    memset(lent, 'x', sizeof lent); // it has its own
    const struct mp_outcome first = pulse(1, 0);
    CHECK(tell(&first));
}

static void a_pulse_and_its_reply_are_a_row(void)
{
    near_begins();
    const struct mp_outcome oneoff = {.kind = MP_OUT_ONEOFF};
    CHECK(mp_near_cut_outcome(&near, &oneoff, begin_ns)); // of no interest
    CHECK_INT(hear("done", 20 * MP_NS_PER_MS), 4);
    CHECK_INT(near.written, 1);
    CHECK_INT(near.number, 1);
    CHECK_INT(near.known.confirmed, 4);
    CHECK_INT(near.onset_ns, MP_NS_PER_MS);
    CHECK_INT(near.contact_ns, begin_ns + 20 * MP_NS_PER_MS);
    CHECK_STR(written(&near.text),
              "0.001000000\t0\tSICI\t5\tpulse\t11\t1000.000\t1000.000\t20000.000\t0.000\t"
              "1\t50\t50\tMSO\tdelivered\twell\thost\tread\t6\t2\n");
    end();
}

/* The last two columns of each row of text. */
static const char *places_of(const char *text)
{
    static char places[1024];
    size_t length = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        const char *at = end;
        for (int tabs = 0; at > text; at--)
            if (at[-1] == '\t' && ++tabs == 2)
                break;
        length += (size_t)snprintf(places + length, sizeof places - length, "%.*s ",
                                   (int)(end - at), at);
    }
    return places;
}

/* Pulses 1 to count of the plan, 100 ms apart, each confirmed. */
static void give(uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        const struct mp_outcome out = pulse(i, (int64_t)(i - 1) * 100 * MP_NS_PER_MS);
        CHECK(tell(&out));
        CHECK_INT(hear("done", ((int64_t)(i - 1) * 100 + 20) * MP_NS_PER_MS), 4);
    }
}

static void rows_count_the_trials(void)
{
    static const struct {
        uint64_t per, trial, block;
        const char *places;
    } cases[] = {
        {0, 6, 2, "6\t2 6\t2 6\t2 6\t2 6\t2 "}, // all of one
        {1, 9, 0, "9\tn/a 10\tn/a 11\tn/a 12\tn/a 13\tn/a "},
        {2, 99, 7, "99\t7 99\t7 100\t7 100\t7 101\t7 "},
        {0, 0, 0, "n/a\tn/a n/a\tn/a n/a\tn/a n/a\tn/a n/a\tn/a "}, // an older record's
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mp_error err = {0};
        struct mp_near_known known = usual();
        known.per = cases[i].per;
        known.trial = cases[i].trial;
        known.block = cases[i].block;
        begin();
        must(mp_near_cut_begin(&near, &known, &err), &err);
        give(5);
        CHECK_STR(places_of(written(&near.text)), cases[i].places);
        end();
    }
}

static void the_pulse_behind_the_last_is_the_callers(void)
{
    struct mp_error err = {0};
    struct mp_near_known known = usual();
    known.last = 12;
    begin();
    must(mp_near_cut_begin(&near, &known, &err), &err);
    give(2);
    const struct mp_outcome third = pulse(3, 200 * MP_NS_PER_MS);
    CHECK(!tell(&third));
    CHECK(!near.on);
    CHECK_INT(near.written, 2);
    end();
}

static void of_pulses_that_wait_none_is_lost(void)
{
    near_begins();
    const struct mp_outcome second = pulse(2, 50 * MP_NS_PER_MS);
    CHECK(tell(&second));
    CHECK_INT(hear("donedamn", 60 * MP_NS_PER_MS), 4); // the rest is the caller's
    CHECK(!near.on);
    CHECK_INT(near.written, 0); // it may be the second's
    CHECK_INT(near.known.confirmed, 4);
    CHECK_INT(near.contact_ns, begin_ns + 60 * MP_NS_PER_MS);
    const struct mp_near_pending *told = mp_near_cut_pending(&near);
    CHECK_INT(told->out.send.number, 1);
    CHECK_INT(told->confirmed_ns, begin_ns + 60 * MP_NS_PER_MS);
    told = mp_near_cut_pending(&near);
    CHECK_INT(told->out.send.number, 2);
    CHECK_INT(told->confirmed_ns, 0);
    CHECK(mp_near_cut_pending(&near) == NULL);
    end();
    near_begins();
    CHECK(tell(&second));
    CHECK_INT(hear("donedone", 60 * MP_NS_PER_MS), 8);
    CHECK_INT(near.written, 2); // none is missing
    CHECK(mp_near_cut_pending(&near) == NULL);
    end();
    near_begins();
    CHECK_INT(hear("done", 91 * MP_NS_PER_MS), 0); // later than any usual one
    CHECK_INT(near.written, 0);
    end();
    near_begins();
    CHECK(tell(&second));
    CHECK_INT(near.contact_ns, begin_ns + 50 * MP_NS_PER_MS);
    end();
}

static void unlike(struct mp_outcome out)
{
    near_begins();
    CHECK(!tell(&out));
    CHECK(!near.on);
    CHECK_INT(hear("done", 80 * MP_NS_PER_MS), 0);
    CHECK_INT(mp_near_cut_pending(&near)->out.send.number, 1);
    CHECK(mp_near_cut_pending(&near) == NULL);
    end();
}

static void what_is_not_as_before_is_given_back(void)
{
    const int64_t at_ns = 50 * MP_NS_PER_MS;
    struct mp_outcome out = pulse(2, at_ns);
    out.send.action = 1;
    unlike(out);
    out = pulse(2, at_ns);
    out.send.frame = 2;
    unlike(out);
    out = pulse(2, at_ns);
    out.kind = MP_OUT_SKIPPED;
    unlike(out);
    out = pulse(2, at_ns);
    out.send.kind = MP_SEND_SET;
    unlike(out);
    out = pulse(2, at_ns);
    out.entered_ns++, out.returned_ns++; // late
    unlike(out);
    out = pulse(2, at_ns);
    out.stop = MP_STOP_LATE;
    unlike(out);
    out = pulse(2, at_ns);
    out.kind = MP_OUT_FINISHED;
    unlike(out);
    unlike(pulse(2, 90 * MP_NS_PER_MS + 1)); // the first one is in doubt
}

static void a_confirmation_that_nobody_waits_for_is_given_back(void)
{
    near_begins();
    CHECK_INT(hear("done", 20 * MP_NS_PER_MS), 4);
    CHECK_INT(hear("done", 21 * MP_NS_PER_MS), 0);
    CHECK_INT(near.written, 1);
    end();
    near_begins();
    CHECK_INT(hear("done", MP_NS_PER_MS - 1), 0); // before the pulse can have come
    CHECK_INT(near.written, 0);
    end();
    near_begins();
    CHECK_INT(hear("don", 20 * MP_NS_PER_MS), 0);
    end();
}

static void a_reply_that_does_not_come_is_told(void)
{
    near_begins();
    const struct mp_outcome second = pulse(2, 80 * MP_NS_PER_MS);
    CHECK(tell(&second));
    CHECK_INT(hear("done", 90 * MP_NS_PER_MS), 4);
    CHECK(near.on);
    while (overdue == 0)
        CHECK(mp_world_turn(&world));
    CHECK(!near.on);
    CHECK_INT(world.now_ns, begin_ns + 680 * MP_NS_PER_MS);
    CHECK_INT(mp_near_cut_pending(&near)->out.send.number,
              1); // whose reply may be the second's
    CHECK_INT(mp_near_cut_pending(&near)->out.send.number, 2);
    end();
}

int main(void)
{
    a_frame_is_answered_and_noted();
    what_differs_goes_the_long_way();
    a_new_beginning_waits_for_the_replies_of_the_old();
    it_keeps_what_it_is_given();
    a_pulse_and_its_reply_are_a_row();
    rows_count_the_trials();
    the_pulse_behind_the_last_is_the_callers();
    of_pulses_that_wait_none_is_lost();
    what_is_not_as_before_is_given_back();
    a_confirmation_that_nobody_waits_for_is_given_back();
    a_reply_that_does_not_come_is_told();
    return CHECK_DONE("test_short_cuts");
}
