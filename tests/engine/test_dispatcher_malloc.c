/*
 * The dispatcher thread neither allocates nor frees while it plays: malloc and its family are
 * replaced here, and count what the watched thread asks of them.
 */
#include "tests/engine/rig.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

int main(void) // the sanitizers need their own malloc
{
    (void)printf("test_dispatcher_malloc: 0 passed, 0 failed, 1 skipped\n");
    return 0;
}

#else

// glibc's own, under names that cannot be replaced
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

// volatile: the compiler knows that its own malloc does not look at it
static _Thread_local volatile bool watched;
static _Atomic long counted;

static void note_call(void)
{
    if (watched)
        atomic_fetch_add(&counted, 1);
}

void *malloc(size_t size)
{
    note_call();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note_call();
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    note_call();
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    note_call();
    return __libc_memalign(alignment, size);
}

void free(void *old)
{
    note_call();
    __libc_free(old);
}

static _Atomic long by_last_wake; // after the safe frame: what follows is the end of the thread

static bool misbehave; // allocate in the wake callback, to see that the counter sees it

/* Runs on the dispatcher thread, which watches itself from its first outcome on. */
static void watch_and_wake(void *context)
{
    count_wake(context);
    watched = true;
    if (misbehave) {
        void *volatile one = malloc(1);
        void *volatile two = calloc(1, 1);
        two = realloc(two, 100);
        free(one);
        free(two);
    }
    atomic_store(&by_last_wake, atomic_load(&counted));
}

static void counts_what_a_thread_asks_for(void)
{
    long before = atomic_load(&counted);
    void *volatile one = malloc(1);
    free(one);
    CHECK_INT(atomic_load(&counted), before); // not watched
    watched = true;
    void *volatile two = malloc(1);
    free(two);
    watched = false;
    CHECK_INT(atomic_load(&counted), before + 2);
    atomic_store(&counted, before);
}

static void add_second_parts(struct mp_lowering *l)
{
    const struct mp_fire fire = {
        .bytes = "P", .length = 1, .after = "\0", .after_length = 1, .width_ns = 100000};
    struct mp_violation v;
    for (uint32_t i = 0; i < mp_schedule_action_count(mp_lowering_schedule(l)); i++)
        CHECK_INT(mp_lowering_fire(l, i, &fire, 0, NULL), MP_OK);
    while (mp_lowering_check(l, 1 << 20, &v))
        continue;
    CHECK(mp_lowering_checked(l));
}

/* A run with everything in it: settings, marks, one-off frames, skipped pulses, a stop. */
static long calls_while_playing(enum mp_late late, bool two_parts)
{
    // a busy machine stalls for half a second: no pulse must come too close to a second part
    // then
    const uint64_t pulses = two_parts ? 5 : 200;
    int64_t period_ns = two_parts ? 500 * MP_NS_PER_MS : 100 * MP_NS_PER_US;
    struct mp_plan *plan = repeat(mso(50), pulses, MP_TRAIN, ratio(period_ns, 1));
    plan = then(then(plan, mark("behind the train")), rest(seconds(1, 1)));
    plan = then(then(plan, mso(60)), then(rest(seconds(3600, 1)), mso(70)));
    struct mp_lowering *l = lower(plan, (struct rig_lowering){.lead_ns = 1000});
    if (two_parts)
        add_second_parts(l);
    rig_ports();
    struct mp_dispatch_config config = rig_config(late, forever_ns);
    if (late == MP_LATE_SKIP)
        config.arming.tolerance_ns = MP_NS_PER_MS;
    config.wake = watch_and_wake;
    rig_start(&config);
    CHECK_INT(mp_dispatcher_send(rig.d, "k", 1, NULL), MP_OK);
    CHECK(rig_await(MP_OUT_ONEOFF)); // from here on it is watched
    atomic_store(&counted, 0);
    rig_play(l, mp_clock_ns() - (late == MP_LATE_SKIP ? 10 * MP_NS_PER_MS : 0));
    while (rig_tally(MP_OUT_SENT) + rig_tally(MP_OUT_SKIPPED) < pulses + 2 &&
           rig_tally(MP_OUT_STOPPED) == 0) {
        rig_drain();
        (void)rig_read(1);
    }
    CHECK_INT(mp_dispatcher_send(rig.d, "k", 1, NULL), MP_OK);
    rig_end(MP_STOP_REQUESTED, MP_STOP_REQUESTED);
    CHECK_INT(rig_tally(MP_OUT_MARK), 1);
    CHECK_INT(rig_tally(MP_OUT_SKIPPED) > 0, late == MP_LATE_SKIP);
    CHECK(rig_last()->safe_sent);
    rig_close();
    mp_lowering_destroy(l);
    return atomic_load(&by_last_wake);
}

int main(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL) { // valgrind replaces them
        (void)printf("test_dispatcher_malloc: 0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    counts_what_a_thread_asks_for();
    CHECK_INT(calls_while_playing(MP_LATE_ABORT, false), 0);
    CHECK_INT(calls_while_playing(MP_LATE_ABORT, true), 0);
    CHECK_INT(calls_while_playing(MP_LATE_SKIP, false), 0);
    misbehave = true;
    // five calls at each wake; 200 pulses wake at least once each
    CHECK(calls_while_playing(MP_LATE_ABORT, false) >= 5 * 200);
    return CHECK_DONE("test_dispatcher_malloc");
}

#endif
