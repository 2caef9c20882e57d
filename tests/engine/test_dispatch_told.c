/* Triggers that come faster than the loop takes them: the first ones are told in their order,
 * the others are counted to the last one, and every start is told. */
#include "engine/dispatcher_core.h"

#include "tests/engine/rig.h"

#include <sys/socket.h>

enum { SLICES = 300, SLICE = 4000, ALL = (SLICES + 1) * SLICE };

/* What came and what is to become of it: the test's own account. */
static struct {
    uint8_t bytes[ALL], heard[ALL];
    size_t count;
    uint64_t by[MP_HEARD_COUNT][256];
    uint32_t seed;
} sent;

/* What was told, and how many were counted. */
static struct {
    size_t in_order, starts;
    uint64_t by[MP_HEARD_COUNT][256];
} told;

static int64_t now_ns;
static struct mp_next next;
static int far_fd;

static int64_t look(void *unused)
{
    (void)unused;
    return now_ns;
}

/* Bytes of all values, many of them a 5: the first one starts the plan, if it may. */
static void send_slice(bool may_start)
{
    uint8_t *slice = sent.bytes + sent.count;
    for (size_t i = 0; i < SLICE; i++) {
        sent.seed = sent.seed * 1664525U + 1013904223U;
        slice[i] = sent.seed >> 28U == 0 ? 5 : (uint8_t)(sent.seed >> 20U);
        enum mp_heard heard = slice[i] != 5 ? MP_HEARD_OTHER
                              : may_start   ? MP_HEARD_STARTS
                                            : MP_HEARD_REFRACTORY;
        may_start = may_start && slice[i] != 5;
        sent.heard[sent.count++] = (uint8_t)heard;
        sent.by[heard][slice[i]]++;
    }
    CHECK_INT(write(far_fd, slice, SLICE), SLICE);
}

/* All that came is read within some steps, and none of them takes long. */
static void step(void)
{
    for (int i = 0; i < 3; i++) {
        next.came = now_ns >= next.at_ns;
        CHECK(mp_dispatcher_step(rig.d, &next));
        (void)rig_read(0);
    }
    rig_drain();
}

/* The start that a piece begins with: the next of those that were sent, from the place on. */
static size_t place_of_start(size_t from)
{
    while (from < sent.count && sent.heard[from] != MP_HEARD_STARTS)
        from++;
    return from;
}

/* Every piece is what was sent, in its order: without a gap up to the first one that was
 * counted, and from there on the starts. */
static void take_all(void)
{
    struct mp_triggers piece;
    size_t place = told.in_order;
    bool gap = false;
    while (mp_dispatcher_triggers(rig.d, UINT64_MAX, &piece)) {
        if (memcmp(sent.bytes + place, piece.bytes, piece.count) != 0 ||
            memcmp(sent.heard + place, piece.heard, piece.count) != 0) {
            gap = true;
            place = place_of_start(place);
        }
        CHECK(place + piece.count <= sent.count);
        CHECK(memcmp(sent.bytes + place, piece.bytes, piece.count) == 0);
        CHECK(memcmp(sent.heard + place, piece.heard, piece.count) == 0);
        for (size_t i = 0; i < piece.count; i++) {
            told.by[piece.heard[i]][piece.bytes[i]]++;
            told.starts += piece.heard[i] == MP_HEARD_STARTS;
        }
        CHECK_INT(piece.started, told.starts);
        place += piece.count;
        told.in_order = gap ? told.in_order : place;
    }
}

static void all_are_accounted_for(void)
{
    for (size_t heard = 0; heard < MP_HEARD_COUNT; heard++)
        for (size_t byte = 0; byte < 256; byte++)
            CHECK_INT(told.by[heard][byte], sent.by[heard][byte]);
}

static uint64_t take_untold(void)
{
    struct mp_untold untold;
    uint64_t all = 0;
    if (!mp_dispatcher_untold(rig.d, &untold))
        return 0;
    CHECK(untold.from_ns <= untold.until_ns);
    for (size_t heard = 0; heard < MP_HEARD_COUNT; heard++)
        for (size_t byte = 0; byte < 256; byte++) {
            told.by[heard][byte] += untold.counts[heard][byte];
            all += untold.counts[heard][byte];
        }
    CHECK_INT(untold.all, all);
    return all;
}

/* 1.2 million triggers that nobody takes; each tenth slice starts the plan. */
static void what_has_no_room_is_counted(void)
{
    uint64_t starts = 0;
    for (int i = 0; i < SLICES; i++) {
        now_ns += MP_NS_PER_S;
        starts += i % 10 == 0;
        send_slice(i % 10 == 0);
        step();
        CHECK_INT(rig_tally(MP_OUT_BEGUN), starts);
    }
    take_all();
    CHECK(told.in_order > 100000);
    CHECK(told.in_order < sent.count);
    CHECK_INT(told.starts, starts);
    CHECK(take_untold() > 0);
    all_are_accounted_for();
    CHECK_INT(take_untold(), 0);
    // once they are taken, each is told again
    now_ns += MP_NS_PER_S;
    told.in_order = sent.count;
    send_slice(true);
    step();
    take_all();
    CHECK_INT(told.in_order, sent.count);
    CHECK_INT(take_untold(), 0);
    all_are_accounted_for();
}

enum { STORM = 3000000 };
static _Atomic bool storm_is_over;

/* A trigger a nanosecond, and no room for any. */
static void *storm(void *dispatcher)
{
    for (int64_t at_ns = 1; at_ns <= STORM; at_ns++) {
        struct mp_triggers piece = {
            .at_ns = at_ns, .count = 1, .bytes = {(uint8_t)at_ns}, .heard = {MP_HEARD_OTHER}};
        dispatch_tell_triggers(dispatcher, &piece);
    }
    atomic_store(&storm_is_over, true);
    return NULL;
}

/* A sum that is taken while others are counted has all that it counts between its two times. */
static void sums_are_taken_meanwhile(void)
{
    struct mp_error err = {0};
    static struct mp_dispatcher of_storm, *const d = &of_storm;
    struct mp_untold untold;
    uint64_t all = 0;
    pthread_t thread;
    must(mp_ring_init(&d->triggers, sizeof(struct mp_triggers), 2, &err), &err);
    CHECK_INT(pthread_create(&thread, NULL, storm, d), 0);
    for (bool over = false, more = true; !over || more;) {
        over = atomic_load(&storm_is_over);
        more = mp_dispatcher_untold(d, &untold);
        if (!more)
            continue;
        all += untold.all;
        CHECK(untold.from_ns <= untold.until_ns);
        CHECK(untold.until_ns <= STORM);
        CHECK(untold.all <= (uint64_t)(untold.until_ns - untold.from_ns) + 1);
    }
    (void)pthread_join(thread, NULL);
    CHECK_INT(all, STORM);
    mp_ring_fini(&d->triggers);
}

int main(void)
{
    static const struct mp_time time = {.now = look};
    const struct mp_ahead_rule rule = {.byte = 5,
                                       .every = 1,
                                       .from_ns = INT64_MIN,
                                       .until_ns = INT64_MAX,
                                       .refractory_ns = 10 * MP_NS_PER_S,
                                       .most = SLICES};
    struct mp_error err = {0};
    struct mp_port *input;
    int ends[2];
    rig_ports();
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    must(mp_port_adopt(&input, ends[0], "triggers", &err), &err);
    far_fd = ends[1];
    struct mp_dispatch_config config = rig_config(MP_LATE_ABORT, forever_ns);
    config.time = &time;
    must(mp_dispatcher_create_stepped(&rig.d, &config, &err), &err);
    struct mp_lowering *l = lower(mso(7), (struct rig_lowering){.lead_ns = -1});
    must(mp_dispatcher_ahead(rig.d, l, &rule, input, 1, &err), &err);
    step();
    what_has_no_room_is_counted();
    sums_are_taken_meanwhile();
    rig_close();
    mp_port_close(input);
    (void)close(far_fd);
    mp_lowering_destroy(l);
    return CHECK_DONE("test_dispatch_told");
}
