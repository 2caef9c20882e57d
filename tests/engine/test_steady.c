/* Steady pulses are played as a stimulator would take them; what is not steady is given back.
 */
#include "engine/steady.h"

#include "engine/clock.h"
#include "tests/check.h"
#include "tests/engine/plans.h"

#include <math.h>

static const struct mp_serial fast = {.baud = 1000000, .bits = 8, .stop_bits = 1};
static const int64_t start_ns = 5 * MP_NS_PER_S;

static struct mp_text text, log_text;
static struct mp_tail tails[8];

/* Every action of the plan fires with the same two bytes but those of actions from other on. */
static struct mp_steady steady_of(struct mp_plan *take_plan, uint32_t other)
{
    struct mp_error err = {0};
    struct mp_lowering *l = NULL;
    must(mp_lowering_create(&l, schedule_of(take_plan, 0), &fast, 0, &err), &err);
    const uint32_t actions = mp_schedule_action_count(mp_lowering_schedule(l));
    for (uint32_t i = 0; i < actions; i++) {
        must(mp_lowering_pulse(l, i, i < other ? "go" : "no", 2, 0, &err), &err);
        tails[i] = (struct mp_tail){.bytes = "tail", .length = 4};
    }
    mp_lowering_rewind(l);
    mp_text_init(&text, tmpfile());
    mp_text_init(&log_text, tmpfile());
    return (struct mp_steady){.lowering = l,
                              .text = &text,
                              .log = &log_text,
                              .log_tail = {.bytes = "\tfired\n", .length = 7},
                              .start_ns = start_ns,
                              .tails = tails,
                              .reply = {.bytes = "said", .length = 4},
                              .proof = {.bytes = "read", .length = 4},
                              .stimulator = {.reply_ns = 20 * MP_NS_PER_MS,
                                             .low_c = -INFINITY,
                                             .high_c = INFINITY,
                                             .at_ns = -1}};
}

static void end(struct mp_steady *steady)
{
    mp_lowering_destroy(steady->lowering);
    (void)fclose(text.file);
    (void)fclose(log_text.file);
}

/* Play from the first frame on; *send as mp_steady_play leaves it. */
static bool play(struct mp_steady *steady, struct mp_send *send, uint64_t budget)
{
    CHECK(mp_lowering_next(steady->lowering, send));
    steady->frame = send->frame;
    return mp_steady_play(steady, send, budget);
}

static void writes_the_rows_of_confirmed_pulses(void)
{
    static const char expected[] =
        "0.000000000\t0\tpulse\t8\tpulse\t1\t0.000\t0.000\t20000.000\t0.000\ttail\tdelivered\t"
        "said\thost\tread\n"
        "0.333333333\t0\tpulse\t9\tpulse\t2\t333333.333\t333333.333\t353333.333\t0.000\ttail\t"
        "delivered\tsaid\thost\tread\n";
    struct mp_send send;
    char found[1024] = "";
    struct mp_steady steady =
        steady_of(repeat(mso(50), 3, MP_EVERY, seconds(1, 3)), UINT32_MAX);
    steady.index = 7;
    CHECK(!play(&steady, &send, 100));
    CHECK_INT(steady.sent, 3);
    CHECK_INT(steady.written, 2); // nobody knows of the third reply yet
    CHECK_INT(steady.index, 9);
    CHECK_INT(steady.end - steady.first, 1);
    CHECK_INT(steady.pending[steady.first % MP_PENDING_MAX].send.number, 3);
    CHECK_INT(steady.pending[steady.first % MP_PENDING_MAX].at_ns, start_ns + 666666667);
    CHECK_INT(mp_text_flush(&text, NULL), MP_OK);
    rewind(text.file);
    size_t length = fread(found, 1, sizeof found - 1, text.file);
    found[length] = '\0';
    CHECK_STR(found, expected);
    CHECK_INT(mp_text_flush(&log_text, NULL), MP_OK);
    rewind(log_text.file);
    length = fread(found, 1, sizeof found - 1, log_text.file);
    found[length] = '\0'; // the stimulator gave the third, too: it knows without a reply
    CHECK_STR(found, "5.000000000\tfired\n5.333333333\tfired\n5.666666667\tfired\n");
    end(&steady);
}

static void gives_back_what_is_different(void)
{
    struct mp_send send;
    // another frame, a mark, an action that is not for here
    struct mp_steady steady =
        steady_of(then(repeat(mso(50), 5, MP_TRAIN, seconds(1, 10)), mso(60)), 1);
    CHECK(play(&steady, &send, 100));
    CHECK_INT(steady.sent, 5);
    CHECK_INT(send.number, 6);
    end(&steady);
    steady = steady_of(then(repeat(mso(50), 5, MP_TRAIN, seconds(1, 10)), mark("here")), 9);
    CHECK(play(&steady, &send, 100));
    CHECK_INT(steady.sent, 5);
    CHECK_INT(send.kind, MP_SEND_MARK);
    end(&steady);
    steady = steady_of(then(repeat(mso(50), 5, MP_TRAIN, seconds(1, 10)), mso(60)), 9);
    tails[1].bytes = NULL;
    CHECK(play(&steady, &send, 100));
    CHECK_INT(steady.sent, 5);
    end(&steady);
}

static void stops_at_its_budget(void)
{
    struct mp_send send;
    struct mp_steady steady = steady_of(repeat(mso(50), 10, MP_EVERY, seconds(1, 10)), 9);
    CHECK(play(&steady, &send, 4));
    CHECK_INT(steady.sent, 4);
    CHECK_INT(send.number, 5);
    CHECK(!mp_steady_play(&steady, &send, 100));
    CHECK_INT(steady.sent, 6);
    end(&steady);
}

/* Replies slower than the pulses pile up; no more than there is room for. */
static void holds_no_more_replies_than_it_can(void)
{
    struct mp_send send;
    struct mp_steady steady = steady_of(repeat(mso(50), 200, MP_EVERY, seconds(1, 100)), 9);
    steady.stimulator.reply_ns = 10 * MP_NS_PER_S;
    CHECK(play(&steady, &send, 1000));
    CHECK_INT(steady.sent, MP_PENDING_MAX);
    CHECK_INT(steady.written, 0);
    CHECK_INT(send.number, MP_PENDING_MAX + 1);
    end(&steady);
}

/* The pulse that would not be fired is not played, and the charge is that of the one before. */
static void waits_for_the_charge(void)
{
    struct mp_send send;
    struct mp_plan *slow = repeat(mso(50), 4, MP_TRAIN, seconds(1, 10));
    struct mp_steady steady =
        steady_of(then(slow, repeat(mso(50), 4, MP_TRAIN, seconds(1, 20))), 9);
    steady.stimulator.recharge_ns = 60 * MP_NS_PER_MS;
    CHECK(play(&steady, &send, 100));
    CHECK_INT(steady.sent, 5);
    CHECK_INT(send.number, 6);
    CHECK_INT(steady.stimulator.ready_ns, start_ns + 460 * MP_NS_PER_MS);
    end(&steady);
}

/* The same doubles as a loop that heats and cools one pulse after another. */
static void ends_before_the_temperature_is_to_report(void)
{
    struct mp_send send;
    struct mp_steady steady = steady_of(repeat(mso(50), 5000, MP_EVERY, seconds(1, 10)), 9);
    struct mp_stimulator *s = &steady.stimulator;
    s->ambient_c = 22;
    s->celsius = 24;
    s->per_ns = -1e-9 / 600;
    s->rise_c = 0.00576;
    s->low_c = 23.75;
    s->high_c = 25;
    s->at_ns = 4 * MP_NS_PER_S;
    double celsius = 24;
    uint64_t count = 0;
    int64_t at_ns = s->at_ns;
    while (count < 5000) {
        const int64_t now_ns = start_ns + (int64_t)count * 100 * MP_NS_PER_MS;
        const double cooled = 22 + (celsius - 22) * exp((double)(now_ns - at_ns) * s->per_ns);
        if (cooled + 0.00576 >= 25)
            break;
        celsius = cooled + 0.00576;
        at_ns = now_ns;
        count++;
    }
    CHECK(count > 100 && count < 1000);
    CHECK(play(&steady, &send, 10000));
    CHECK_INT(steady.sent, count);
    CHECK(s->celsius == celsius);
    CHECK_INT(s->at_ns, at_ns);
    CHECK_INT(send.number, count + 1);
    end(&steady);
}

int main(void)
{
    writes_the_rows_of_confirmed_pulses();
    gives_back_what_is_different();
    stops_at_its_budget();
    holds_no_more_replies_than_it_can();
    waits_for_the_charge();
    ends_before_the_temperature_is_to_report();
    return CHECK_DONE("test_steady");
}
