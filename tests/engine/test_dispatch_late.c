/* May a frame leave? The rules of dispatch_late.h, a row each: what was sent, the frame, the
 * time. */
#include "engine/dispatch_late.h"

#include "tests/check.h"

#define MS INT64_C(1000000)
static const int64_t start_ns = 1000 * MS;

/* Times in nanoseconds from the plan's start. The pulse before: -1: there was none. */
struct row {
    const char *says;
    enum mp_send_kind kind;
    int64_t send, latest, behind, least, wire;
    bool by_wire, unsettled, any_distance;
    int64_t planned, sent, had; // of the pulse before
    int64_t across; // it was on output 1, and asks so much of the others; 0: on output 0
    int64_t wire_free, second; // 0: nothing was
    int64_t now;
    enum mp_stop expected;
};

#define FIRST .planned = -1
#define P .kind = MP_SEND_PULSE
#define S .kind = MP_SEND_SET

static const struct row rows[] = {
    {"on time", P, .send = 0, FIRST, .now = 0},
    {"as late as is allowed", P, .send = 0, FIRST, .now = MS},
    {"a nanosecond later", P, .send = 0, FIRST, .now = MS + 1, .expected = MP_STOP_LATE},
    {"a mark is never late", .kind = MP_SEND_MARK, FIRST, .now = 900 * MS},
    {"a setting up to its latest", S, .send = 0, .latest = 5 * MS, FIRST, .now = 5 * MS},
    {"a setting after it", S, .latest = 5 * MS, FIRST, .now = 5 * MS + 1,
     .expected = MP_STOP_LATE},
    {"a question after it", .kind = MP_SEND_ASK, .latest = 5 * MS, FIRST, .now = 6 * MS,
     .expected = MP_STOP_LATE},
    {"not at another setting", P, .unsettled = true, FIRST, .now = 0,
     .expected = MP_STOP_SETTING},
    {"nor late at another one", P, .unsettled = true, FIRST, .now = 9 * MS,
     .expected = MP_STOP_SETTING},
    {"a setting may follow one", S, .unsettled = true, .latest = MS, FIRST, .now = 0},
    {"but not after a question", S, .unsettled = true, .latest = MS, .behind = 1, FIRST,
     .now = 0, .expected = MP_STOP_SETTING},
    {"a one-off is on the wire: in time", P, .by_wire = true, FIRST, .wire_free = MS, .now = 0},
    {"it makes the pulse late", P, .by_wire = true, FIRST, .wire_free = MS + 1, .now = 0,
     .expected = MP_STOP_LATE},
    {"a line does not wait for it", P, .by_wire = false, FIRST, .wire_free = 9 * MS, .now = 0},
    {"the line fell half a ms ago", P, FIRST, .second = 1, .now = MS / 2 + 1},
    {"the line has just fallen", P, FIRST, .second = 1, .now = MS / 2,
     .expected = MP_STOP_CLOSE},
    {"100 ms apart, as planned", P, .send = 100 * MS, .planned = 0, .now = 100 * MS},
    {"the one before was late, within the tolerance", P, .send = 100 * MS, .planned = 0,
     .sent = MS, .now = 100 * MS},
    {"by more than that", P, .send = 100 * MS, .planned = 0, .sent = MS + 1, .now = 100 * MS,
     .expected = MP_STOP_CLOSE},
    {"half of what was planned, however generous", P, .send = MS, .planned = 0, .sent = MS / 2,
     .now = MS},
    {"and never less", P, .send = MS, .planned = 0, .sent = MS / 2 + 1, .now = MS,
     .expected = MP_STOP_CLOSE},
    {"somewhat over twice the tolerance: that counts whole", P, .send = 5 * MS / 2,
     .planned = 0, .sent = MS, .now = 5 * MS / 2},
    {"to the nanosecond", P, .send = 5 * MS / 2, .planned = 0, .sent = MS + 1,
     .now = 5 * MS / 2, .expected = MP_STOP_CLOSE},
    {"any distance, where a test says so", P, .send = MS, .planned = 0, .sent = MS / 2 + 1,
     .any_distance = true, .now = MS},
    {"the device takes it just now", P, .send = 10 * MS, .least = 10 * MS, .wire = MS,
     .planned = 0, .had = MS, .now = 10 * MS},
    {"the device would not yet", P, .send = 10 * MS, .least = 10 * MS, .wire = MS, .planned = 0,
     .had = MS + 1, .now = 10 * MS, .expected = MP_STOP_CLOSE},
    {"another output asks nothing", P, .send = MS, .least = 10 * MS, .planned = 0, .across = 1,
     .now = MS},
    {"another output asks for 2 ms", P, .send = MS, .planned = 0, .across = 2 * MS, .now = MS,
     .expected = MP_STOP_CLOSE},
};

static struct dispatch_past past_of(const struct row *row)
{
    struct dispatch_past past = {.wire_free_ns =
                                     row->wire_free == 0 ? 0 : start_ns + row->wire_free,
                                 .second_ns = row->second == 0 ? 0 : start_ns + row->second};
    if (row->planned < 0)
        return past;
    const struct dispatch_last last = {.sent = true,
                                       .sent_ns = start_ns + row->sent,
                                       .had_ns = start_ns + row->had,
                                       .across_ns = row->across,
                                       .planned = true,
                                       .planned_ns = row->planned};
    past.latest = past.last[row->across == 0 ? 0 : 1] = last;
    past.outputs = 2;
    return past;
}

static void refuses_row_by_row(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        const struct dispatch_rules rules = {.tolerance_ns = MS,
                                             .any_distance = row->any_distance};
        const struct dispatch_past past = past_of(row);
        const struct mp_send send = {.kind = row->kind,
                                     .send_ns = row->send,
                                     .latest_ns = row->latest,
                                     .behind_ns = row->behind,
                                     .least_ns = row->least};
        const struct dispatch_frame frame = {.send = &send,
                                             .start_ns = start_ns,
                                             .wire_ns = row->wire,
                                             .by_wire = row->by_wire,
                                             .unsettled = row->unsettled};
        enum mp_stop said = dispatch_refuse(&rules, &past, &frame, start_ns + row->now);
        if (said != row->expected)
            (void)fprintf(stderr, "%s: %s\n", row->says, mp_stop_name(said));
        CHECK_INT(said, row->expected);
    }
}

/* A pulse that the device would not take yet is held back by at most the tolerance. */
static void holds_back_row_by_row(void)
{
    static const struct {
        bool sent, any_distance;
        int64_t had, expected; // from the plan's start; the pulse is due at 10 ms
        int64_t second;        // 0: no line fell
    } held[] = {
        {.sent = true, .second = 9 * MS, .expected = 10 * MS},
        {.sent = true, .second = 10 * MS - MS / 2 + 1, .expected = 10 * MS + 1},
        {.sent = true, .second = 10 * MS, .expected = 10 * MS + MS / 2},
        {.sent = true, .second = 10 * MS, .any_distance = true, .expected = 10 * MS + MS / 2},
        {.sent = true, .had = 2 * MS, .second = 10 * MS, .expected = 11 * MS},
        {.sent = true, .second = 11 * MS, .expected = 10 * MS}, // it will be refused
        {.sent = false, .had = 9 * MS, .expected = 10 * MS},
        {.sent = true, .had = 0, .expected = 10 * MS},
        {.sent = true, .had = MS, .expected = 10 * MS},
        {.sent = true, .had = MS + 1, .expected = 10 * MS + 1},
        {.sent = true, .had = 2 * MS, .expected = 11 * MS},
        {.sent = true, .had = 2 * MS + 1, .expected = 10 * MS}, // it will be refused
        {.sent = true, .had = 2 * MS, .any_distance = true, .expected = 10 * MS},
    };
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        const struct dispatch_rules rules = {.tolerance_ns = MS,
                                             .any_distance = held[i].any_distance};
        const struct mp_send send = {.send_ns = 10 * MS, .least_ns = 10 * MS};
        const struct dispatch_frame frame = {
            .send = &send, .start_ns = start_ns, .wire_ns = MS};
        struct dispatch_past past = {
            .outputs = 1, .second_ns = held[i].second == 0 ? 0 : start_ns + held[i].second};
        past.last[0] =
            (struct dispatch_last){.sent = held[i].sent, .had_ns = start_ns + held[i].had};
        past.latest = past.last[0];
        CHECK_INT(dispatch_pulse_ns(&rules, &past, &frame) - start_ns, held[i].expected);
    }
}

static void asks_after_the_oldest_unconfirmed(void)
{
    static const struct {
        int64_t limit;
        uint64_t pulses, confirmed;
        int64_t drained;
        bool expected;
    } asked[] = {
        // pulse n was sent at n ms, from 0
        {.limit = 0, .pulses = 3, .confirmed = 0, .drained = 900 * MS, .expected = false},
        {.limit = 5 * MS, .pulses = 0, .confirmed = 0, .drained = 900 * MS, .expected = false},
        {.limit = 5 * MS, .pulses = 3, .confirmed = 3, .drained = 900 * MS, .expected = false},
        {.limit = 5 * MS, .pulses = 3, .confirmed = 4, .drained = 900 * MS, .expected = false},
        {.limit = 5 * MS, .pulses = 3, .confirmed = 2, .drained = 7 * MS, .expected = false},
        {.limit = 5 * MS, .pulses = 3, .confirmed = 2, .drained = 7 * MS + 1, .expected = true},
        {.limit = 5 * MS, .pulses = 3, .confirmed = 1, .drained = 7 * MS, .expected = true},
        // of more than are remembered the oldest that is
        {.limit = 5 * MS, .pulses = 100, .confirmed = 0, .drained = 41 * MS, .expected = false},
        {.limit = 5 * MS,
         .pulses = 100,
         .confirmed = 0,
         .drained = 41 * MS + 1,
         .expected = true},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const struct dispatch_rules rules = {.unconfirmed_ns = asked[i].limit};
        struct dispatch_past past = {.pulses = asked[i].pulses};
        for (uint64_t n = 0; n < asked[i].pulses; n++)
            past.stamps_ns[n % STAMPS] = (int64_t)n * MS;
        CHECK_INT(dispatch_unanswered(&rules, &past, asked[i].confirmed, asked[i].drained),
                  asked[i].expected);
    }
}

static void knows_when_a_wire_should_be_empty(void)
{
    static const struct {
        uint8_t port;
        int64_t end, free, now;
        bool expected;
    } wires[] = {
        {.port = MP_PORT_DEVICE, .end = 0, .free = 3 * MS, .now = 900 * MS, .expected = false},
        {.port = MP_PORT_DEVICE, .end = 2 * MS, .now = 7 * MS, .expected = false},
        {.port = MP_PORT_DEVICE, .end = 2 * MS, .now = 7 * MS + 1, .expected = true},
        {.port = MP_PORT_DEVICE,
         .end = 2 * MS,
         .free = 3 * MS,
         .now = 8 * MS,
         .expected = false},
        {.port = MP_PORT_DEVICE,
         .end = 2 * MS,
         .free = 3 * MS,
         .now = 8 * MS + 1,
         .expected = true},
        {.port = MP_PORT_TRIGGER,
         .end = 2 * MS,
         .free = 3 * MS,
         .now = 7 * MS + 1,
         .expected = true},
    };
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        struct dispatch_past past = {.wire_free_ns = wires[i].free};
        past.wire_end_ns[wires[i].port] = wires[i].end;
        CHECK_INT(dispatch_backed_up(&past, wires[i].port, wires[i].now), wires[i].expected);
    }
}

int main(void)
{
    refuses_row_by_row();
    holds_back_row_by_row();
    asks_after_the_oldest_unconfirmed();
    knows_when_a_wire_should_be_empty();
    return CHECK_DONE("test_dispatch_late");
}
