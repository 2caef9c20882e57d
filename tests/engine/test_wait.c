/* The one way a timing thread waits: what ends it, and what it says of that. */
#include "engine/wait.h"

#include "engine/clock.h"
#include "tests/check.h"

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

static void a_stop_ends_the_spinning(struct mp_wake *wake)
{
    _Atomic int stop = 1;
    CHECK(!mp_wait_until(wake, &stop, mp_clock_ns() + 100 * MP_NS_PER_US, true));
}

int main(void)
{
    struct mp_wake wake;
    struct mp_error err = {0};
    CHECK_INT(mp_wake_init(&wake, false, &err), MP_OK);
    a_post_ends_the_sleep(&wake);
    the_deadline_is_never_told_too_soon(&wake);
    what_has_passed_is_not_waited_for(&wake);
    a_stop_ends_the_spinning(&wake);
    mp_wake_fini(&wake);
    return CHECK_DONE("test_wait");
}
