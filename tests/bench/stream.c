/*
 * stream.c - bench stream: how fast the schedule flows, against what one would write in plain
 * Lua, against writing memory, against formatting text. Both sides of every ratio are
 * interleaved within each repetition, and every result is consumed.
 */
#include "tests/bench/bench.h"
#include "tests/bench/shapes.h"
#include "tests/engine/plans.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

enum { ARRAY_ITEM = 16 }; // bytes of an expanded event: a time, an action, a source

static volatile uint64_t consumed; // nothing is optimised away

struct bench {
    uint64_t pulses;
    struct mp_schedule *flat, *deep;
    struct mp_lowering *lowering;
    lua_State *L;
    unsigned char *warm;
    FILE *file;
};

/* iTBS on and on: a burst in a train in a session. */
static struct mp_plan *flat_plan(uint64_t pulses)
{
    struct mp_plan *burst = repeat(mso(50), 3, MP_TRAIN, seconds(1, 50));
    struct mp_plan *train = repeat(burst, 10, MP_TRAIN, seconds(1, 5));
    return repeat(train, pulses / 30, MP_EVERY, seconds(10, 1));
}

/* Twelve levels of pairs, repeated. */
static struct mp_plan *deep_plan(uint64_t pulses)
{
    struct mp_plan *plan = mso(50);
    int64_t period_ms = 10;
    for (int level = 0; level < 12; level++, period_ms *= 2)
        plan = repeat(plan, 2, MP_TRAIN, seconds(period_ms, 1000));
    return repeat(plan, pulses / 4096, MP_TRAIN, seconds(period_ms, 1000));
}

static int64_t time_schedule(struct mp_schedule *schedule, uint64_t pulses)
{
    struct mp_event events[MP_EVENTS];
    uint64_t sum = 0, count = 0;
    uint32_t got;
    mp_schedule_rewind(schedule);
    int64_t before = mp_clock_ns();
    while ((got = mp_schedule_next_many(schedule, events, MP_EVENTS)) > 0) {
        for (uint32_t i = 0; i < got; i++)
            sum += (uint64_t)mp_event_ns(&events[i]) + events[i].action;
        count += got;
    }
    int64_t took = mp_clock_ns() - before;
    consumed = consumed + sum;
    bench_must_sys(count == pulses, "the schedule has another count of pulses");
    return took;
}

/* The engine's own walk before a run: every frame, every interval, nothing sent. */
static int64_t time_check(struct mp_lowering *lowering)
{
    struct mp_violation violation = {0};
    int64_t before = mp_clock_ns();
    while (mp_lowering_check(lowering, UINT64_C(1) << 22, &violation))
        continue;
    int64_t took = mp_clock_ns() - before;
    bench_must_sys(violation.kind == MP_VIOLATION_NONE, "the plan breaks its own limits");
    return took;
}

static int64_t time_memset_fresh(size_t bytes)
{
    int64_t before = mp_clock_ns();
    unsigned char *fresh =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_must_sys(fresh != MAP_FAILED, "mmap");
    memset(fresh, 0x5A, bytes);
    int64_t took = mp_clock_ns() - before;
    consumed = consumed + fresh[bytes - 1];
    (void)munmap(fresh, bytes);
    return took;
}

static int64_t time_memset_warm(unsigned char *warm, size_t bytes)
{
    int64_t before = mp_clock_ns();
    memset(warm, (int)(consumed & 0xFF), bytes);
    int64_t took = mp_clock_ns() - before;
    consumed = consumed + warm[bytes / 2];
    return took;
}

/* Call expand.lua's function name; it returns how many events its three arrays hold. */
static int64_t time_lua(lua_State *L, const char *name, uint64_t pulses)
{
    (void)lua_gc(L, LUA_GCCOLLECT);
    lua_getfield(L, -1, name);
    lua_pushinteger(L, (lua_Integer)pulses);
    int64_t before = mp_clock_ns();
    bench_must_sys(lua_pcall(L, 1, 1, 0) == LUA_OK, "expand.lua");
    int64_t took = mp_clock_ns() - before;
    bench_must_sys(lua_tointeger(L, -1) == (lua_Integer)pulses, "expand.lua: count");
    lua_pop(L, 1);
    return took;
}

/* The line that `moonpulse events` writes, by snprintf and fwrite: what formatting costs. */
static int64_t time_snprintf(FILE *file, uint64_t lines)
{
    char line[256];
    rewind(file);
    int64_t before = mp_clock_ns();
    for (uint64_t i = 1; i <= lines; i++) {
        int n = snprintf(line, sizeof line,
                         "%" PRIu64 "\t%" PRIu64 "\tpulse\t%s\t%" PRIu64 "\tn/a\n", i,
                         i * 20000, "1\t80\tAMT\t40", i);
        bench_must_sys(fwrite(line, 1, (size_t)n, file) == (size_t)n, "fwrite");
    }
    bench_must_sys(fflush(file) == 0, "fflush");
    return mp_clock_ns() - before;
}

/* A row of the record, in the same way. */
static int64_t time_snprintf_rows(FILE *file, uint64_t rows)
{
    char row[256];
    rewind(file);
    int64_t before = mp_clock_ns();
    for (uint64_t i = 1; i <= rows; i++) {
        const uint64_t ns = i * 20000000;
        int n = snprintf(row, sizeof row,
                         "%" PRIu64 ".%09" PRIu64 "\t0\tpulse\t%" PRIu64 "\tpulse\t%" PRIu64
                         "\t%" PRIu64 ".%03" PRIu64 "\t%" PRIu64 ".%03" PRIu64 "\t%" PRIu64
                         ".%03" PRIu64 "\t0.000\t%s\tdelivered\t%s\thost\n",
                         ns / 1000000000, ns % 1000000000, i, i, ns / 1000, ns % 1000,
                         ns / 1000, ns % 1000, ns / 1000 + 20000, ns % 1000, "1\t60\t120\tRMT",
                         "dI/dt 78 A/us");
        bench_must_sys(fwrite(row, 1, (size_t)n, file) == (size_t)n, "fwrite");
    }
    bench_must_sys(fflush(file) == 0, "fflush");
    return mp_clock_ns() - before;
}

static void prepare(struct bench *b, int argc, char **argv)
{
    uint64_t wanted = (uint64_t)bench_number(argc, argv, "pulses", 1000000);
    b->pulses = (wanted + 61439) / 61440 * 61440; // a multiple of 30 and of 4096
    b->flat = schedule_of(flat_plan(b->pulses), 0);
    b->deep = schedule_of(deep_plan(b->pulses), 0);
    struct shape itbs = shape_of("itbs", 0, b->pulses);
    b->lowering = shape_lower(&itbs);
    b->warm = malloc(b->pulses * ARRAY_ITEM);
    b->file = tmpfile();
    bench_must_sys(b->warm != NULL && b->file != NULL, "memory");
    memset(b->warm, 1, b->pulses * ARRAY_ITEM);
    b->L = luaL_newstate();
    bench_must_sys(b->L != NULL, "memory for Lua");
    luaL_openlibs(b->L);
    const char *path = bench_text(argc, argv, "lua", "expand.lua");
    if (luaL_dofile(b->L, path) != LUA_OK) {
        (void)fprintf(stderr, "bench: %s\n", lua_tostring(b->L, -1));
        exit(1);
    }
}

int bench_stream(int argc, char **argv)
{
    struct bench b = {0};
    int64_t reps = bench_number(argc, argv, "reps", 9);
    prepare(&b, argc, argv);
    const size_t bytes = b.pulses * ARRAY_ITEM;
    const uint64_t lines = b.pulses / 4; // and rows
    printf("{\"pulses\":%" PRIu64 ",\"lines\":%" PRIu64
           ",\"array_item_bytes\":%d,\"schedule_bytes\":%zu,\"reps\":[",
           b.pulses, lines, ARRAY_ITEM, mp_schedule_bytes(b.flat));
    for (int64_t rep = 0; rep < reps; rep++) {
        int64_t flat = time_schedule(b.flat, b.pulses);
        int64_t fresh = time_memset_fresh(bytes);
        int64_t lua_flat = time_lua(b.L, "itbs", b.pulses);
        int64_t deep = time_schedule(b.deep, b.pulses);
        int64_t lua_deep = time_lua(b.L, "deep", b.pulses);
        int64_t warm = time_memset_warm(b.warm, bytes);
        // the walk over the same plan without frames and checks, then with them
        int64_t walk = time_schedule(mp_lowering_schedule(b.lowering), b.pulses);
        int64_t check = time_check(b.lowering);
        int64_t text = time_snprintf(b.file, lines);
        int64_t rows = time_snprintf_rows(b.file, lines);
        printf("%s{\"schedule\":%" PRId64 ",\"schedule_deep\":%" PRId64 ",\"walk\":%" PRId64
               ",\"check\":%" PRId64 ",\"lua\":%" PRId64 ",\"lua_deep\":%" PRId64
               ",\"memset_fresh\":%" PRId64 ",\"memset_warm\":%" PRId64 ",\"snprintf\":%" PRId64
               ",\"snprintf_rows\":%" PRId64 "}",
               rep == 0 ? "" : ",", flat, deep, walk, check, lua_flat, lua_deep, fresh, warm,
               text, rows);
    }
    printf("]}\n");
    lua_close(b.L);
    (void)fclose(b.file);
    free(b.warm);
    mp_lowering_destroy(b.lowering);
    mp_schedule_destroy(b.flat);
    mp_schedule_destroy(b.deep);
    return 0;
}
