/*
 * Stops and stalls at random instants, in virtual time: the dispatcher's own loop runs under a
 * clock that jumps, oversleeps and stops it in the middle of looking at the time.
 */
#include "tests/engine/world.h"

#include <inttypes.h>

static const int64_t lead_ns = 200 * MP_NS_PER_MS, margin_ns = MP_NS_PER_MS;
static const int64_t stuck_ns = 500 * MP_NS_PER_MS;
static const char keepalive[] = "KA";

enum { PLANS = 4, PULSES_MAX = 256, BIG_FLIGHT = 1024 };

/* A plan, and what its lowering draws. */
struct script {
    struct mp_lowering *lowering;
    struct mp_send sends[2 * PULSES_MAX];
    size_t count;
    int64_t end_ns;
};
static struct script scripts[PLANS];

/* ---- one run ---- */

static void draw_script(struct script *script, struct mp_plan *take_plan, int64_t change_ns)
{
    script->lowering =
        lower(take_plan, (struct rig_lowering){.serial = &fast_wire, .lead_ns = change_ns});
    while (script->count < 2 * PULSES_MAX &&
           mp_lowering_next(script->lowering, &script->sends[script->count]))
        script->end_ns = script->sends[script->count++].send_ns;
    CHECK(script->count < 2 * PULSES_MAX);
}

static void make_scripts(void)
{
    struct mp_plan *burst = repeat(mso(50), 3, MP_TRAIN, seconds(1, 50));
    draw_script(&scripts[0], repeat(burst, 10, MP_EVERY, seconds(1, 5)), -1);
    draw_script(&scripts[1], repeat(mso(40), 100, MP_TRAIN, seconds(1, 500)), -1);
    struct mp_plan *plan = ladder(8, seconds(3, 10));
    draw_script(&scripts[2], then(then(plan, mark("here")), then(rest(seconds(1, 1)), mso(7))),
                100 * MP_NS_PER_MS);
    struct mp_plan *pair = then(then(mso(60), rest(ratio(2500000, 1))), mso(60));
    draw_script(&scripts[3], repeat(pair, 12, MP_EVERY, seconds(1, 4)), -1);
}

enum kind { QUIET, STALLED, STUCK, BLOCKED };

static void begin_world(uint64_t seed, enum kind kind, const struct script *script)
{
    memset(&world, 0, sizeof world);
    world.seed = world.chance.state = seed;
    world.now_ns = INT64_C(1) << 40;
    world.plan_ns = world.now_ns + lead_ns;
    world.stuck_from_ns = INT64_MAX;
    world.stop_ns =
        world.now_ns + chance_below(&world.chance, lead_ns + script->end_ns + lead_ns);
    if (chance_one_in(&world.chance, 2))
        world.stop_look =
            1 + (uint64_t)chance_below(&world.chance, 12 * (int64_t)script->count);
    world.oneoffs = chance_below(&world.chance, 4);
    if (kind == STALLED || kind == BLOCKED) {
        world.stalls = 1 + chance_below(&world.chance, 4);
        world.stall_one_in = 1 + chance_below(&world.chance, 8 * (int64_t)script->count);
    }
    world.blocked = kind == BLOCKED;
    if (kind == STUCK) {
        world.stuck_from_ns =
            world.now_ns + chance_below(&world.chance, lead_ns + script->end_ns);
        world.stop_look = 0;
        world.stop_ns = INT64_MAX;
    }
}

struct setting {
    enum kind kind;
    struct script *script;
    int64_t tolerance_ns;
    enum mp_late late;
    bool keepalive;
    uint64_t capacity;
};

static struct setting choose(uint64_t seed)
{
    static const int64_t tolerances[] = {MP_NS_PER_MS, 100 * MP_NS_PER_US, 5 * MP_NS_PER_MS};
    static const enum kind kinds[] = {QUIET, QUIET, QUIET, STUCK};
    struct chance chance = {seed ^ UINT64_C(0x5EED)};
    return (struct setting){
        .kind = chance_one_in(&chance, 100) ? BLOCKED
                : chance_one_in(&chance, 2) ? STALLED
                                            : kinds[chance_below(&chance, 4)],
        .script = &scripts[chance_below(&chance, PLANS)],
        .tolerance_ns = tolerances[chance_below(&chance, 3)],
        .late = chance_one_in(&chance, 2) ? MP_LATE_ABORT : MP_LATE_SKIP,
        .keepalive = chance_one_in(&chance, 2),
        .capacity =
            chance_one_in(&chance, 10) ? 6 + (uint64_t)chance_below(&chance, 30) : BIG_FLIGHT,
    };
}

static void run_world(const struct setting *setting, struct mp_flight *flight)
{
    static const struct rig_clock clock = {{look, NULL}, wait_for_it};
    struct mp_error err = {0};
    struct mp_dispatch_config config = rig_config(setting->late, setting->tolerance_ns);
    config.serial = fast_wire;
    config.time = &clock.time;
    config.arming.flight = flight;
    config.arming.stuck_ns = stuck_ns;
    if (setting->keepalive) {
        config.arming.keepalive = keepalive;
        config.arming.keepalive_length = 2;
        config.arming.keepalive_ns = 30 * MP_NS_PER_MS;
    }
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    mp_lowering_rewind(setting->script->lowering);
    mp_flight_start(flight, world.plan_ns, 0);
    rig_play(setting->script->lowering, world.plan_ns);
    rig_run_here(&clock);
    rig_drain();
}

/* ---- what must hold ---- */

static struct {
    uint64_t runs, asked, late, close, stuck, blocked, record, finished;
    uint64_t pulses, skipped, pairs, close_pairs, oneoffs, stalled_in_write;
} tally;

/* Outcomes follow the plan without a gap; each frame is on the wire, in their order. */
static size_t check_order(const struct setting *setting)
{
    size_t at = 0, drawn = 0;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        if (out->kind == MP_OUT_STOPPED)
            CHECK_INT(i, rig.count - 1);
        if (out->kind == MP_OUT_FINISHED)
            CHECK_INT(drawn, setting->script->count);
        if (out->kind == MP_OUT_ONEOFF) {
            CHECK(at + 2 <= rig.length && (rig.wire[at] == 'k' || rig.wire[at] == 'K'));
            at += 2;
        }
        if (out->kind > MP_OUT_MARK)
            continue;
        const struct mp_send *send = &setting->script->sends[drawn++];
        CHECK_INT(out->send.kind, send->kind);
        CHECK_INT(out->send.number, send->number);
        CHECK_INT(out->send.send_ns, send->send_ns);
        if (out->kind != MP_OUT_SENT)
            continue;
        const struct mp_frame *frame =
            mp_lowering_frame(setting->script->lowering, send->frame);
        CHECK(at + frame->length <= rig.length &&
              memcmp(rig.wire + at, frame->bytes, frame->length) == 0);
        at += frame->length;
    }
    return at;
}

static void check_end(const struct setting *setting, size_t frames_end)
{
    enum mp_stop why = rig_last()->stop;
    CHECK_INT(rig_last()->kind, MP_OUT_STOPPED);
    if (world.filled) {                              // nobody reads: the wire stays full
        size_t safe = rig_last()->safe_sent ? 3 : 0; // before it was filled, or not at all
        CHECK(rig.length > frames_end + safe && rig.wire[frames_end + safe] == filler[0]);
        CHECK(memcmp(rig.wire + frames_end, safe_frame, safe) == 0);
        tally.blocked += why == MP_STOP_BLOCKED;
        return;
    }
    CHECK(why != MP_STOP_BLOCKED);
    CHECK(rig_last()->safe_sent);
    CHECK_INT(rig.length, frames_end + 3);
    CHECK(rig.length == frames_end + 3 && memcmp(rig.wire + frames_end, safe_frame, 3) == 0);
    if (why == MP_STOP_REQUESTED) {
        tally.asked++;
        CHECK(world.stopped);
        CHECK_INT(rig.length - (size_t)world.before,
                  3); // nothing but the safe frame came after
    }
    tally.late += why == MP_STOP_LATE;
    for (size_t i = 0; i < rig.count; i++)
        tally.close += rig.outcomes[i].stop == MP_STOP_CLOSE;
    const bool full =
        why == MP_STOP_RECORD || why == MP_STOP_FULL; // nobody drains; no room left
    tally.record += full;
    tally.stuck += why == MP_STOP_STUCK;
    tally.finished += rig_tally(MP_OUT_FINISHED);
    CHECK(why == MP_STOP_REQUESTED || why == MP_STOP_STUCK || full || why == MP_STOP_LATE ||
          (why == MP_STOP_CLOSE && setting->late == MP_LATE_ABORT));
    CHECK_INT(why == MP_STOP_STUCK, setting->kind == STUCK && !full);
    if (why == MP_STOP_STUCK) { // when it had been silent for long enough, not much later
        int64_t silent_ns = rig_last()->entered_ns - world.beat_at_ns;
        CHECK(silent_ns > stuck_ns && silent_ns < stuck_ns + 150 * MP_NS_PER_MS);
    }
    if (setting->kind == QUIET)
        CHECK(why == MP_STOP_REQUESTED || full);
    if (full)
        CHECK(setting->capacity != BIG_FLIGHT);
}

/* By the stamps: none after the stop, none late unknown to the record, none too close. */
static void check_stamps(const struct setting *setting)
{
    const struct mp_outcome *before = NULL;
    int64_t planned_ns = 0; // of the pulse before in the plan, sent or not
    bool late_before = false;
    for (size_t i = 0; i < rig.count; i++) {
        const struct mp_outcome *out = &rig.outcomes[i];
        const struct mp_send *send = &out->send;
        int64_t due_ns = out->start_ns + send->send_ns;
        if (out->kind == MP_OUT_SENT && world.stopped)
            CHECK(out->entered_ns < world.stopped_ns);
        if (out->kind == MP_OUT_SENT && send->kind == MP_SEND_SET)
            CHECK(out->entered_ns <= out->start_ns + send->latest_ns);
        if (out->kind > MP_OUT_SKIPPED || send->kind != MP_SEND_PULSE)
            continue;
        CHECK(!late_before); // the one that aborts is the last
        late_before = setting->late == MP_LATE_ABORT && out->stop != MP_STOP_NONE;
        tally.skipped += out->kind == MP_OUT_SKIPPED;
        if (out->kind == MP_OUT_SENT) {
            tally.pulses++;
            CHECK(out->entered_ns >= due_ns);
            CHECK(out->entered_ns - due_ns <= setting->tolerance_ns);
            bool left_late = out->returned_ns - due_ns > setting->tolerance_ns;
            CHECK_INT(out->stop, left_late ? MP_STOP_LATE : MP_STOP_NONE);
            tally.stalled_in_write += left_late;
            if (before != NULL) {
                // the one before left at the latest when its write returned
                int64_t apart_ns = out->entered_ns - before->returned_ns;
                tally.pairs++;
                tally.close_pairs +=
                    apart_ns < send->send_ns - planned_ns - setting->tolerance_ns;
            }
            before = out;
        }
        planned_ns = send->send_ns;
    }
}

/* Frames between the plan's leave room for the next of them, as long as time does not jump. */
static void check_gaps(const struct setting *setting)
{
    int64_t wire_ns = mp_serial_wire_ns(&fast_wire, 2);
    for (size_t i = 0; i < rig.count; i++) {
        tally.oneoffs += rig.outcomes[i].kind == MP_OUT_ONEOFF;
        if (rig.outcomes[i].kind != MP_OUT_ONEOFF || setting->kind != QUIET)
            continue;
        for (size_t next = i + 1; next < rig.count; next++) {
            const struct mp_outcome *out = &rig.outcomes[next];
            if (out->kind > MP_OUT_MARK)
                continue;
            // a look at the clock takes up to 2 us here
            CHECK(rig.outcomes[i].entered_ns + wire_ns + margin_ns <
                  out->start_ns + out->send.send_ns + 10 * MP_NS_PER_US);
            break;
        }
    }
}

static bool is_written(enum mp_outcome_kind kind)
{
    return kind == MP_OUT_SENT || kind == MP_OUT_ONEOFF;
}

/*
 * The place of the outcome that record tells of. Keep-alives before it share one record, of
 * which *last_ns becomes the time of the last; a frame that the port did not take is told by
 * its record only.
 */
static size_t place_of(const struct mp_flight_record *record, size_t next, int64_t *last_ns)
{
    for (; next < rig.count; next++) {
        const struct mp_outcome *out = &rig.outcomes[next];
        bool own = record->kind == MP_FLIGHT_ONEOFF && record->sent_ns == out->entered_ns;
        if (out->kind == MP_OUT_ONEOFF && !own)
            *last_ns = out->returned_ns;
        else if (out->kind != MP_OUT_UNTAKEN)
            break;
    }
    return next;
}

/* The flight record holds the same, in the same order; what is left over was not taken. */
static void check_flight(const char *path, bool kept_alive)
{
    static const enum mp_flight_kind kinds[] = {MP_FLIGHT_SENT,     MP_FLIGHT_SKIPPED,
                                                MP_FLIGHT_MARK,     MP_FLIGHT_ONEOFF,
                                                MP_FLIGHT_FINISHED, MP_FLIGHT_STOPPED};
    struct mp_flight_reader *reader = NULL;
    struct mp_flight_record record;
    struct mp_error err = {0};
    uint64_t torn = 0;
    size_t next = 0, refused = 0;
    int64_t alive_ns = 0, last_ns = 0; // of keep-alives: as recorded, and as told
    must(mp_flight_open(&reader, path, &err), &err);
    while (mp_flight_next(reader, &record, &torn)) {
        if (record.returned_ns == -1) {
            refused++;
            continue;
        }
        if (record.kind == MP_FLIGHT_ALIVE) {
            alive_ns = record.returned_ns;
            continue;
        }
        if (record.kind == MP_FLIGHT_START)
            continue;
        next = place_of(&record, next, &last_ns);
        CHECK(next < rig.count);
        if (next >= rig.count)
            break;
        const struct mp_outcome *out = &rig.outcomes[next++];
        CHECK_INT(record.kind, kinds[out->kind]);
        CHECK_INT(record.detail, is_written(out->kind) ? 0 : (int)out->stop);
        CHECK_INT(record.number, out->send.number);
        CHECK_INT(record.sent_ns, out->entered_ns);
        CHECK_INT(record.returned_ns, out->returned_ns);
    }
    CHECK_INT(next, rig.count);
    CHECK_INT(alive_ns, last_ns);
    CHECK_INT(torn, 0);
    CHECK(refused <= (world.filled ? 1 : 0));
    if (rig_last()->stop == MP_STOP_BLOCKED) // a keep-alive has no record of its own
        CHECK(refused == 1 || (kept_alive && refused == 0));
    mp_flight_reader_close(reader);
}

static void one_run(uint64_t seed)
{
    int failed = check_failed, ends[2];
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    const char *path = scratch_path("flight");
    struct setting setting = choose(seed);
    begin_world(seed, setting.kind, setting.script);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&rig.port, ends[0], "wire", &err), &err);
    far_side = ends[1];
    rig.length = rig.count = 0;
    must(mp_flight_create(&flight, path, setting.capacity, &err), &err);
    run_world(&setting, flight);
    mp_flight_close(flight, NULL);
    read_wire();
    check_end(&setting, check_order(&setting));
    check_stamps(&setting);
    check_gaps(&setting);
    check_flight(path, setting.keepalive);
    tally.runs++;
    rig_close();
    (void)close(far_side);
    (void)unlink(path);
    if (check_failed != failed)
        (void)fprintf(stderr, "MP_SEED=%" PRIu64 " repeats this (kind %d, %s, stop: %s)\n",
                      seed, (int)setting.kind, setting.late == MP_LATE_SKIP ? "skip" : "abort",
                      mp_stop_words(rig_last()->stop));
}

int main(void)
{
    bool only;
    uint64_t seed = chance_seed(1, &only);
    uint64_t runs = only            ? 1
                    : is_quick()    ? 500
                    : CHECKED_BUILD ? 2000
                    : is_long()     ? 100000
                                    : 10000;
    make_scripts();
    for (uint64_t i = 0; i < runs && check_failed < 20; i++)
        one_run(seed + i);
    CHECK_INT(tally.close_pairs, 0);
    printf("%" PRIu64 " runs: stopped on request %" PRIu64 ", late %" PRIu64 ", stuck %" PRIu64
           ", blocked %" PRIu64 ", record %" PRIu64 "; finished %" PRIu64 "\n",
           tally.runs, tally.asked, tally.late, tally.stuck, tally.blocked, tally.record,
           tally.finished);
    printf("%" PRIu64 " pulses, %" PRIu64 " skipped (%" PRIu64 " as too close), %" PRIu64
           " stalled behind the check, %" PRIu64 " pairs of which %" PRIu64
           " too close, %" PRIu64 " one-off frames\n",
           tally.pulses, tally.skipped, tally.close, tally.stalled_in_write, tally.pairs,
           tally.close_pairs, tally.oneoffs);
    if (!only) { // else this has tried nothing
        CHECK(tally.asked > 0 && tally.late > 0 && tally.close > 0 && tally.stuck > 0);
        CHECK(tally.blocked > 0 && tally.record > 0 && tally.finished > 0);
        CHECK(tally.skipped > 0 && tally.stalled_in_write > 0 && tally.oneoffs > 0);
    }
    for (int i = 0; i < PLANS; i++)
        mp_lowering_destroy(scripts[i].lowering);
    return CHECK_DONE("test_stop_virtual");
}
