/* The table of reasons to stop, and the latch: the first reason stays, whoever stops. */
#include "engine/stop.h"

#include "tests/check.h"

#include <pthread.h>

static void every_reason_has_a_row_of_its_own(void)
{
    for (int i = MP_STOP_NONE; i < MP_STOP_COUNT; i++) {
        enum mp_stop reason = (enum mp_stop)i;
        const struct mp_stop_reason *row = mp_stop_reason(reason);
        CHECK(strlen(row->name) > 2);
        CHECK(strlen(row->words) > 5);
        CHECK_STR(mp_stop_name(reason), row->name);
        CHECK_STR(mp_stop_words(reason), row->words);
        CHECK_INT(mp_stop_find(row->name), i); // so no two have one name
        for (int other = MP_STOP_NONE; other < i; other++)
            CHECK(strcmp(row->words, mp_stop_words((enum mp_stop)other)) != 0);
    }
}

static void the_status_fits_whose_doing_it_is(void)
{
    for (int i = MP_STOP_FINISHED; i < MP_STOP_COUNT; i++) {
        const struct mp_stop_reason *row = mp_stop_reason((enum mp_stop)i);
        CHECK_INT(row->blame == MP_BLAME_DEVICE, row->status == MP_EXIT_FAULT);
        CHECK_INT(i == MP_STOP_FINISHED, row->status == MP_EXIT_OK);
        CHECK_INT(i == MP_STOP_ERROR, row->status == MP_EXIT_USAGE);
        CHECK_INT(i == MP_STOP_FINISHED || i == MP_STOP_REQUESTED, row->asked_for);
        CHECK_INT(i == MP_STOP_FINISHED, row->blame == MP_BLAME_NOBODY);
        // a remedy for a script is one more, never the only one
        CHECK(row->scripted_remedy == NULL || row->remedy != NULL);
    }
}

static void what_is_no_reason_is_unknown(void)
{
    static const int none[] = {MP_STOP_COUNT, 99, -1, 65535};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        CHECK_STR(mp_stop_name((enum mp_stop)none[i]), "unknown");
        CHECK_STR(mp_stop_words((enum mp_stop)none[i]), "unknown");
        CHECK_INT(mp_stop_reason((enum mp_stop)none[i])->asked_for, false);
    }
    static const char *const names[] = {"", "unknown", "Signal", "signal ", "sign"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK_INT(mp_stop_find(names[i]), MP_STOP_COUNT);
}

static void somebody_has_a_name(void)
{
    CHECK_STR(mp_blame_name(MP_BLAME_NOBODY), "nobody");
    CHECK_STR(mp_blame_name(MP_BLAME_OPERATOR), "operator");
    CHECK_STR(mp_blame_name(MP_BLAME_SCRIPT), "script");
    CHECK_STR(mp_blame_name(MP_BLAME_DEVICE), "device");
    CHECK_STR(mp_blame_name(MP_BLAME_HOST), "host");
    CHECK_STR(mp_blame_name(MP_BLAME_COUNT), "nobody");
}

static int posts(struct mp_wake *wake)
{
    int count = 0;
    while (sem_trywait(&wake->posted) == 0)
        count++;
    return count;
}

static void the_first_reason_stays_and_each_stop_wakes(void)
{
    struct mp_wake wake;
    struct mp_latch latch;
    (void)mp_wake_init(&wake, false, NULL);
    mp_latch_init(&latch, &wake);
    CHECK_INT(mp_latch_reason(&latch), MP_STOP_NONE);
    mp_latch_stop(&latch, MP_STOP_LATE);
    CHECK_INT(mp_latch_reason(&latch), MP_STOP_LATE);
    mp_latch_stop(&latch, MP_STOP_SIGNAL);
    CHECK_INT(mp_latch_reason(&latch), MP_STOP_LATE);
    CHECK_INT(posts(&wake), 2);
    mp_latch_init(&latch, &wake); // made anew
    CHECK_INT(mp_latch_reason(&latch), MP_STOP_NONE);
    mp_wake_fini(&wake);
}

struct stopper {
    pthread_t thread;
    struct mp_latch *latch;
    pthread_barrier_t *together;
    enum mp_stop mine, seen;
};

static void *stop_together(void *argument)
{
    struct stopper *stopper = argument;
    (void)pthread_barrier_wait(stopper->together);
    mp_latch_stop(stopper->latch, stopper->mine);
    stopper->seen = mp_latch_reason(stopper->latch);
    return NULL;
}

/* Whoever comes first: all see one reason, and it is one of theirs. */
static void threads_agree_on_the_first(void)
{
    enum { THREADS = 4, ROUNDS = 200 };
    for (int round = 0; round < ROUNDS; round++) {
        struct mp_wake wake;
        struct mp_latch latch;
        pthread_barrier_t together;
        struct stopper stoppers[THREADS];
        (void)mp_wake_init(&wake, false, NULL);
        mp_latch_init(&latch, &wake);
        (void)pthread_barrier_init(&together, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
            stoppers[i] = (struct stopper){.latch = &latch,
                                           .together = &together,
                                           .mine = (enum mp_stop)(MP_STOP_REQUESTED + i)};
            (void)pthread_create(&stoppers[i].thread, NULL, stop_together, &stoppers[i]);
        }
        bool theirs = false;
        for (int i = 0; i < THREADS; i++)
            (void)pthread_join(stoppers[i].thread, NULL);
        enum mp_stop reason = mp_latch_reason(&latch);
        for (int i = 0; i < THREADS; i++) {
            CHECK_INT(stoppers[i].seen, reason);
            theirs = theirs || stoppers[i].mine == reason;
        }
        CHECK(theirs);
        CHECK_INT(posts(&wake), THREADS);
        (void)pthread_barrier_destroy(&together);
        mp_wake_fini(&wake);
    }
}

int main(void)
{
    every_reason_has_a_row_of_its_own();
    the_status_fits_whose_doing_it_is();
    what_is_no_reason_is_unknown();
    somebody_has_a_name();
    the_first_reason_stays_and_each_stop_wakes();
    threads_agree_on_the_first();
    return CHECK_DONE("test_stop");
}
