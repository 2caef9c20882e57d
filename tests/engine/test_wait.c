/* The one way a timing thread waits: what ends it, and what it says of that. */
#include "engine/wait.h"

#include "engine/clock.h"
#include "tests/check.h"

#include <pthread.h>
#include <unistd.h>

static const int64_t far_ns = 20 * MP_NS_PER_S;

/* Who has something to do says so by a post, and is heard long before the deadline. */
static void a_post_ends_the_sleep(struct mp_wake *wake)
{
    _Atomic int stop = 0;
    for (int spin = 0; spin < 2; spin++) {
        const int64_t due_ns = mp_clock_ns() + far_ns;
        mp_wake_post(wake);
        CHECK(!mp_wait_until(wake, &stop, due_ns, spin != 0));
        CHECK(mp_clock_ns() < due_ns);
        CHECK(sem_trywait(&wake->posted) != 0); // it was taken
    }
}

static void the_deadline_is_never_told_too_soon(struct mp_wake *wake)
{
    _Atomic int stop = 0;
    for (int i = 0; i < 40; i++) {
        const int64_t due_ns = mp_clock_ns() + i * 50 * MP_NS_PER_US;
        CHECK(mp_wait_until(wake, &stop, due_ns, i % 2 != 0));
        CHECK(mp_clock_ns() >= due_ns);
    }
}

/* What is due is due: a post that came meanwhile is for the next wait. */
static void what_has_passed_is_not_waited_for(struct mp_wake *wake)
{
    _Atomic int stop = 0;
    mp_wake_post(wake);
    CHECK(mp_wait_until(wake, &stop, mp_clock_ns() - MP_NS_PER_MS, false));
    CHECK_INT(sem_trywait(&wake->posted), 0);
}

/* A wait whose thread is held up past its deadline has no time to look: of many, one has. */
static void a_stop_ends_the_spinning(struct mp_wake *wake)
{
    _Atomic int stop = 1;
    int ended = 0;
    for (int i = 0; i < 100; i++) {
        const int64_t due_ns = mp_clock_ns() + 100 * MP_NS_PER_US;
        if (mp_wait_until(wake, &stop, due_ns, true))
            CHECK(mp_clock_ns() >= due_ns);
        else
            ended++;
    }
    CHECK(ended > 0);
}

/* Beside bytes: a post, something to read, a far end that is gone, or the deadline. */
static void a_wait_for_bytes_ends_for_its_reasons(void)
{
    struct mp_wake wake;
    int ends[2];
    char byte = 0;
    CHECK_INT(mp_wake_init(&wake, true, NULL), MP_OK);
    CHECK_INT(pipe(ends), 0);
    const int64_t due_ns = mp_clock_ns() + far_ns;
    mp_wake_post(&wake); // before it waits
    CHECK(!mp_wait_input(&wake, due_ns, ends[0]));
    CHECK_INT(write(ends[1], &byte, 1), 1);
    CHECK(!mp_wait_input(&wake, due_ns, ends[0]));
    CHECK(!mp_wait_input(&wake, due_ns, ends[0])); // it was not read
    CHECK_INT(read(ends[0], &byte, 1), 1);
    const int64_t soon_ns = mp_clock_ns() + 2 * MP_NS_PER_MS;
    CHECK(mp_wait_input(&wake, soon_ns, ends[0])); // nothing is left of the post
    CHECK(mp_clock_ns() >= soon_ns);
    CHECK(mp_wait_input(&wake, mp_clock_ns() - 1, ends[0]));
    CHECK_INT(close(ends[1]), 0);
    CHECK(!mp_wait_input(&wake, due_ns, ends[0]));
    CHECK(mp_clock_ns() < due_ns);
    CHECK_INT(close(ends[0]), 0);
    mp_wake_fini(&wake);
}

struct poster {
    struct mp_wake *wake;
    _Atomic bool over;
};

static void *post_often(void *argument)
{
    struct poster *poster = argument;
    while (!atomic_load(&poster->over)) {
        mp_wake_post(poster->wake);
        (void)usleep(20);
    }
    return NULL;
}

/* Whenever it comes, before, while or after it begins to poll: no post is missed. */
static void no_post_is_missed(void)
{
    struct mp_wake wake;
    int ends[2];
    pthread_t thread;
    CHECK_INT(mp_wake_init(&wake, true, NULL), MP_OK);
    CHECK_INT(pipe(ends), 0);
    struct poster poster = {.wake = &wake};
    CHECK_INT(pthread_create(&thread, NULL, post_often, &poster), 0);
    const int64_t due_ns = mp_clock_ns() + far_ns;
    for (int i = 0; i < 2000; i++)
        CHECK(!mp_wait_input(&wake, due_ns, ends[0]));
    CHECK(mp_clock_ns() < due_ns);
    atomic_store(&poster.over, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(close(ends[0]), 0);
    CHECK_INT(close(ends[1]), 0);
    mp_wake_fini(&wake);
}

int main(void)
{
    struct mp_wake wake;
    CHECK_INT(mp_wake_init(&wake, false, NULL), MP_OK);
    a_post_ends_the_sleep(&wake);
    the_deadline_is_never_told_too_soon(&wake);
    what_has_passed_is_not_waited_for(&wake);
    a_stop_ends_the_spinning(&wake);
    mp_wake_fini(&wake);
    a_wait_for_bytes_ends_for_its_reasons();
    no_post_is_missed();
    return CHECK_DONE("test_wait");
}
