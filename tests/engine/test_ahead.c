/* The rule alone: which byte starts a plan that waits, and what comes of the others. */
#include "engine/ahead.h"
#include "tests/check.h"

/* Byte 5 starts it, each one, up to 9 times; what is not 0 says otherwise. */
struct row {
    const char *says;
    enum mp_heard expected;
    uint8_t byte;
    int64_t at;
    bool any;
    uint32_t every;
    int64_t from, until, least, most_since, delay, lead, refractory;
    bool gated;
    uint64_t most;
    struct mp_ahead_past past;
};

static const struct row rows[] = {
    {.says = "the byte", .expected = MP_HEARD_STARTS, .byte = 5, .at = 9},
    {.says = "another byte", .expected = MP_HEARD_OTHER, .byte = 6, .at = 9},
    {.says = "any byte", .expected = MP_HEARD_STARTS, .byte = 255, .at = 9, .any = true},
    {.says = "at the window's begin",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 7,
     .from = 7},
    {.says = "before it", .expected = MP_HEARD_OUTSIDE, .byte = 5, .at = 6, .from = 7},
    {.says = "at its end", .expected = MP_HEARD_STARTS, .byte = 5, .at = 7, .until = 7},
    {.says = "after it", .expected = MP_HEARD_OUTSIDE, .byte = 5, .at = 8, .until = 7},
    {.says = "the first of three",
     .expected = MP_HEARD_COUNTED,
     .byte = 5,
     .at = 9,
     .every = 3},
    {.says = "the second",
     .expected = MP_HEARD_COUNTED,
     .byte = 5,
     .at = 9,
     .every = 3,
     .past = {.matched = 1}},
    {.says = "the third",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 9,
     .every = 3,
     .past = {.matched = 2}},
    {.says = "while it plays",
     .expected = MP_HEARD_BUSY,
     .byte = 5,
     .at = 9,
     .past = {.playing = true, .started = 1}},
    {.says = "as soon as may be",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 30,
     .refractory = 10,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "a nanosecond sooner",
     .expected = MP_HEARD_REFRACTORY,
     .byte = 5,
     .at = 29,
     .refractory = 10,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "its delay counts",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 29,
     .refractory = 10,
     .delay = 1,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "its command takes time, as that of the start before did",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 27,
     .refractory = 10,
     .delay = 1,
     .lead = 3,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "a nanosecond sooner than that",
     .expected = MP_HEARD_REFRACTORY,
     .byte = 5,
     .at = 26,
     .refractory = 10,
     .delay = 1,
     .lead = 3,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "a nanosecond sooner than its delay, the longer one, allows",
     .expected = MP_HEARD_REFRACTORY,
     .byte = 5,
     .at = 26,
     .refractory = 10,
     .delay = 3,
     .lead = 2,
     .past = {.started = 1, .start_ns = 20}},
    {.says = "there was no start before",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 1,
     .refractory = 10},
    {.says = "the first has none before it",
     .expected = MP_HEARD_WINDOW,
     .byte = 5,
     .at = 9,
     .most_since = 100},
    {.says = "at the least after the one before",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 30,
     .least = 10,
     .most_since = 12,
     .past = {.matched = 1, .last_ns = 20}},
    {.says = "sooner",
     .expected = MP_HEARD_WINDOW,
     .byte = 5,
     .at = 29,
     .least = 10,
     .most_since = 12,
     .past = {.matched = 1, .last_ns = 20}},
    {.says = "at the most after it",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 32,
     .least = 10,
     .most_since = 12,
     .past = {.matched = 1, .last_ns = 20}},
    {.says = "later",
     .expected = MP_HEARD_WINDOW,
     .byte = 5,
     .at = 33,
     .least = 10,
     .most_since = 12,
     .past = {.matched = 1, .last_ns = 20}},
    {.says = "counted before its time is looked at",
     .expected = MP_HEARD_COUNTED,
     .byte = 5,
     .at = 33,
     .every = 3,
     .most_since = 12,
     .past = {.matched = 1, .last_ns = 20}},
    {.says = "the gate is low", .expected = MP_HEARD_GATE, .byte = 5, .at = 9, .gated = true},
    {.says = "the gate is high",
     .expected = MP_HEARD_STARTS,
     .byte = 5,
     .at = 9,
     .gated = true,
     .past = {.gate_high = true}},
    {.says = "low, while it plays",
     .expected = MP_HEARD_GATE,
     .byte = 5,
     .at = 9,
     .gated = true,
     .past = {.playing = true, .started = 1}},
    {.says = "often enough",
     .expected = MP_HEARD_OVER,
     .byte = 5,
     .at = 9,
     .most = 2,
     .past = {.started = 2}},
};

static struct mp_ahead_rule rule_of(const struct row *row)
{
    return (struct mp_ahead_rule){.byte = row->any ? -1 : 5,
                                  .every = row->every == 0 ? 1 : row->every,
                                  .from_ns = row->from == 0 ? INT64_MIN : row->from,
                                  .until_ns = row->until == 0 ? INT64_MAX : row->until,
                                  .least_ns = row->least,
                                  .most_ns = row->most_since,
                                  .gate = row->gated ? MP_INPUT_CTS : MP_INPUT_NONE,
                                  .delay_ns = row->delay,
                                  .lead_ns = row->lead,
                                  .refractory_ns = row->refractory,
                                  .most = row->most == 0 ? 9 : row->most};
}

static void each_trigger_has_its_verdict(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_ahead_past past = rows[i].past;
        const struct mp_ahead_rule rule = rule_of(&rows[i]);
        enum mp_heard heard = mp_ahead_hear(&rule, &past, rows[i].byte, rows[i].at);
        if (heard != rows[i].expected)
            (void)fprintf(stderr, "%s: %s\n", rows[i].says, mp_heard_name(heard));
        CHECK_INT(heard, rows[i].expected);
        CHECK_INT(past.started - rows[i].past.started, heard == MP_HEARD_STARTS);
        if (past.matched > rows[i].past.matched)
            CHECK_INT(past.last_ns, rows[i].at);
    }
    CHECK_STR(mp_heard_name(MP_HEARD_REFRACTORY), "refractory");
    CHECK_STR(mp_heard_name(MP_HEARD_COUNT), "unknown");
}

int main(void)
{
    each_trigger_has_its_verdict();
    return CHECK_DONE("test_ahead");
}
