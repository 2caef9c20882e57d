/* Memory of a file that somebody else cuts: whoever stores there goes on, and it is known. */
#include "engine/flight.h"
#include "engine/mapped.h"

#include "tests/check.h"
#include "tests/engine/chance.h"
#include "tests/engine/plans.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 3 };

static const char *path;
static int fd = -1;

/* A file of so many pages, mapped. */
static void map(struct mp_mapped *mapped)
{
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, PAGES * PAGE), 0);
    mapped->bytes = PAGES * PAGE;
    mapped->at = mmap(NULL, mapped->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapped->at != MAP_FAILED);
}

static void unmap(struct mp_mapped *mapped)
{
    CHECK_INT(munmap(mapped->at, mapped->bytes), 0);
    CHECK_INT(close(fd), 0);
}

static void what_is_stored_behind_the_cut_is_lost_and_known(void)
{
    struct mp_mapped mapped = {0};
    map(&mapped);
    volatile char *at = mapped.at;
    CHECK(mp_mapped_watch(&mapped));
    at[0] = 1;
    at[2 * PAGE] = 1;
    CHECK(!mp_mapped_lost(&mapped));
    CHECK_INT(ftruncate(fd, PAGE), 0);
    at[0] = 2; // is still there
    CHECK(!mp_mapped_lost(&mapped));
    at[2 * PAGE + 5] = 3;
    CHECK(mp_mapped_lost(&mapped));
    CHECK_INT(at[2 * PAGE + 5], 3);
    CHECK_INT(at[2 * PAGE], 0); // that page went with the file
    CHECK_INT(at[PAGE], 0);     // a look is enough
    char kept = 0;
    CHECK_INT(pread(fd, &kept, 1, 0), 1);
    CHECK_INT(kept, 2);
    mp_mapped_forget(&mapped);
    unmap(&mapped);
}

struct storer {
    struct mp_mapped *mapped;
    size_t at;
};

static void *store(void *argument)
{
    const struct storer *storer = argument;
    ((volatile char *)storer->mapped->at)[storer->at] = 1;
    return NULL;
}

/* As the dispatcher's thread is started: all other signals are the loop thread's. */
static void it_is_so_on_any_thread(void)
{
    enum { THREADS = 8 };
    struct mp_mapped mapped = {0};
    struct storer storers[THREADS];
    pthread_t threads[THREADS];
    sigset_t all, old;
    map(&mapped);
    CHECK(mp_mapped_watch(&mapped));
    CHECK_INT(ftruncate(fd, 0), 0);
    mp_mapped_mask(&all);
    CHECK_INT(sigismember(&all, SIGINT), 1);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (size_t i = 0; i < THREADS; i++) { // two or three to a page
        storers[i] = (struct storer){&mapped, i % PAGES * PAGE + i};
        CHECK_INT(pthread_create(&threads[i], NULL, store, &storers[i]), 0);
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(mp_mapped_lost(&mapped));
    mp_mapped_forget(&mapped);
    unmap(&mapped);
}

/* What ends a child that does this; the sanitizers' own report is not wanted. */
static int ends_by(void (*does)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        does();
        _exit(0);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void store_in_another(void)
{
    struct mp_mapped watched = {0}, other = {0};
    map(&watched);
    (void)mp_mapped_watch(&watched);
    map(&other);
    (void)ftruncate(fd, 0);
    ((volatile char *)other.at)[PAGE] = 1;
}

static void store_in_a_forgotten_one(void)
{
    struct mp_mapped mapped = {0};
    map(&mapped);
    (void)mp_mapped_watch(&mapped);
    mp_mapped_forget(&mapped);
    (void)ftruncate(fd, 0);
    ((volatile char *)mapped.at)[PAGE] = 1;
}

/* What is locked of the process, in kB. */
static unsigned long locked_kb(void)
{
    char line[128];
    unsigned long kb = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmLck: %lu", &kb) == 1)
            break;
    if (status != NULL)
        (void)fclose(status);
    return kb;
}

/* As a run that holds its memory locked, with a limit that is used up. */
static void store_with_no_room_to_lock(void)
{
    struct mp_mapped mapped = {0};
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
        _exit(0); // valgrind needs memory of its own in this process
    if (mlockall(MCL_FUTURE) != 0)
        _exit(0); // it cannot be tried here
    map(&mapped);
    (void)mp_mapped_watch(&mapped);
    (void)locked_kb(); // takes what it needs
    const struct rlimit limit = {locked_kb() * 1024, locked_kb() * 1024};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || (getuid() == 0 && setuid(65534) != 0))
        _exit(0);
    if (mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        _exit(0); // the system allows it all the same
    (void)ftruncate(fd, 0);
    for (size_t i = 0; i < PAGES; i++)
        ((volatile char *)mapped.at)[i * PAGE + 1] = 1;
    _exit(mp_mapped_lost(&mapped) && ((volatile char *)mapped.at)[PAGE + 1] == 1 ? 0 : 1);
}

static void get_it_from_somebody(void)
{
    struct mp_mapped mapped = {0};
    map(&mapped);
    (void)mp_mapped_watch(&mapped);
    (void)kill(getpid(), SIGBUS);
    _exit(0);
}

/* The first one to watch is slow to install the handler: it asks for the page's size. */
static _Atomic bool is_slow;

// ThreadSanitizer asks for it before it is ready for a function of ours
#ifndef __SANITIZE_THREAD__
long __sysconf(int name); // the C library's own

long sysconf(int name)
{
    if (atomic_exchange(&is_slow, false))
        (void)usleep(100000);
    return __sysconf(name);
}
#endif

static void *watch_another(void *argument)
{
    (void)mp_mapped_watch(argument);
    return NULL;
}

/* In a process that watches nothing yet. */
static void watch_at_once(void)
{
    struct mp_mapped mapped = {0};
    static struct mp_mapped other;
    pthread_t thread;
    map(&mapped);
    (void)ftruncate(fd, 0);
    atomic_store(&is_slow, true);
    (void)pthread_create(&thread, NULL, watch_another, &other);
    while (atomic_load(&is_slow))
        (void)usleep(1000);
    (void)mp_mapped_watch(&mapped);
    ((volatile char *)mapped.at)[1] = 1;
    (void)pthread_join(thread, NULL);
}

static void watched_at_once_is_watched(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK_INT(ends_by(watch_at_once), 0);
#else
    (void)watch_at_once;
#endif
}

static void any_other_one_ends_the_process_as_ever(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK_INT(ends_by(store_in_another), SIGBUS);
    CHECK_INT(ends_by(store_in_a_forgotten_one), SIGBUS);
    CHECK_INT(ends_by(get_it_from_somebody), SIGBUS);
    CHECK_INT(ends_by(store_with_no_room_to_lock), 0);
#else
    (void)ends_by, (void)store_in_another, (void)store_in_a_forgotten_one,
        (void)get_it_from_somebody, (void)store_with_no_room_to_lock;
#endif
}

static void there_is_room_for_so_many(void)
{
    static struct mp_mapped many[MP_MAPPED_MAX + 1];
    for (size_t i = 0; i < MP_MAPPED_MAX; i++)
        CHECK(mp_mapped_watch(&many[i]));
    CHECK(!mp_mapped_watch(&many[MP_MAPPED_MAX]));
    mp_mapped_forget(&many[MP_MAPPED_MAX]); // never was: nothing happens
    mp_mapped_forget(&many[3]);
    CHECK(mp_mapped_watch(&many[MP_MAPPED_MAX]));
    for (size_t i = 0; i <= MP_MAPPED_MAX; i++)
        mp_mapped_forget(&many[i]);
}

/* ---- the flight record ---- */

static off_t length_of_file(void)
{
    struct stat stat;
    return lstat(path, &stat) == 0 ? stat.st_size : -1;
}

/* cut_to: once half of the records are stored; then grown to: 0: not. */
static void a_record_that_is_cut_is_lost(off_t cut_to, off_t grown_to)
{
    enum { RECORDS = 400 };
    struct mp_flight *flight = NULL;
    struct mp_error err = {0};
    const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT, .number = 1};
    must(mp_flight_create(&flight, path, RECORDS, &err), &err);
    CHECK(mp_flight_start(flight, 1000, 2000));
    for (int i = 1; i < RECORDS / 2; i++)
        CHECK(mp_flight_push(flight, &record));
    CHECK(!mp_flight_lost(flight));
    CHECK_INT(truncate(path, cut_to), 0);
    if (grown_to > 0)
        CHECK_INT(truncate(path, grown_to), 0);
    for (int i = RECORDS / 2; i < RECORDS && !mp_flight_lost(flight); i++)
        (void)mp_flight_push(flight, &record);
    CHECK(mp_flight_lost(flight));
    (void)mp_flight_push(flight, &record); // and nothing ends for it
    mp_flight_warm(flight);
    CHECK_INT(mp_flight_close(flight, &err), MP_EIO);
    CHECK_HAS(err.text, "another program cut it");
    CHECK_INT(length_of_file(), grown_to > 0 ? grown_to : cut_to); // left as it is
}

/* A cut behind what is stored within the last page, or one whose file got its length back: no
 * store faults. The next look knows it, and so does the end without one. */
static void a_cut_that_no_store_meets_is_seen(off_t cut_to, bool grown, bool looks)
{
    enum { RECORDS = 400, STORED = 20 };
    const off_t full = PAGE + RECORDS * 64;
    struct mp_flight *flight = NULL;
    struct mp_error err = {0};
    const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT, .number = 1};
    must(mp_flight_create(&flight, path, RECORDS, &err), &err);
    CHECK(!mp_flight_look(flight)); // nothing is stored yet
    CHECK(mp_flight_start(flight, 1000, 2000));
    for (int i = 1; i < STORED; i++) {
        CHECK(mp_flight_push(flight, &record));
        CHECK(i % 3 != 0 || !mp_flight_look(flight));
    }
    CHECK_INT(truncate(path, cut_to), 0);
    if (grown)
        CHECK_INT(truncate(path, full), 0);
    (void)mp_flight_push(flight, &record);
    CHECK(!looks || mp_flight_look(flight));
    CHECK_INT(mp_flight_lost(flight), looks);
    CHECK_INT(mp_flight_close(flight, &err), MP_EIO);
    CHECK_INT(length_of_file(), grown ? full : cut_to);
}

/* A file that is shorter at the end was cut, though nobody stored anything since. */
static void a_cut_is_seen_at_the_end(void)
{
    struct mp_flight *flight = NULL;
    struct mp_error err = {0};
    must(mp_flight_create(&flight, path, 8, &err), &err);
    CHECK(mp_flight_start(flight, 1000, 2000));
    CHECK_INT(truncate(path, PAGE + 32), 0);
    CHECK_INT(mp_flight_close(flight, &err), MP_EIO);
    CHECK_INT(length_of_file(), PAGE + 32);
}

/* What is there of a file that was cut is read, and what is missing is counted. */
static void what_is_left_is_read(void)
{
    enum { RECORDS = 100, HEADER_LEAST = 72 };
    static const off_t lengths[] = {PAGE + 100 * 64, PAGE + 40 * 64 + 5, PAGE, 3000,
                                    HEADER_LEAST};
    struct mp_flight *flight = NULL;
    struct mp_flight_reader *reader = NULL;
    struct mp_error err = {0};
    const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT, .number = 1};
    must(mp_flight_create(&flight, path, RECORDS, &err), &err);
    CHECK(mp_flight_start(flight, 1000, 2000));
    for (int i = 1; i < RECORDS; i++)
        CHECK(mp_flight_push(flight, &record));
    CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        CHECK_INT(truncate(path, lengths[i]), 0);
        must(mp_flight_open(&reader, path, &err), &err);
        struct mp_flight_record got;
        uint64_t whole = 0, wanted = lengths[i] > PAGE ? (uint64_t)(lengths[i] - PAGE) / 64 : 0;
        while (mp_flight_next(reader, &got, NULL))
            whole++;
        CHECK_INT(whole, wanted);
        CHECK_INT(mp_flight_losses(reader).missing, RECORDS - wanted);
        CHECK_INT(mp_flight_losses(reader).header, false);
        CHECK_INT(mp_flight_start_ns(reader), 1000);
        mp_flight_reader_close(reader);
    }
    CHECK_INT(truncate(path, HEADER_LEAST - 1), 0);
    CHECK_INT(mp_flight_open(&reader, path, &err), MP_EINVAL);
    CHECK_HAS(err.text, "or was cut: it has 71 bytes");
}

int main(void)
{
    path = scratch_path("mapped");
    watched_at_once_is_watched(); // first: nothing is watched yet
    what_is_stored_behind_the_cut_is_lost_and_known();
    it_is_so_on_any_thread();
    any_other_one_ends_the_process_as_ever();
    there_is_room_for_so_many();
    a_record_that_is_cut_is_lost(0, 0);
    a_record_that_is_cut_is_lost(PAGE, 0);
    a_record_that_is_cut_is_lost(100, 0);
    a_record_that_is_cut_is_lost(0, 100000);
    for (int looks = 0; looks < 2; looks++) {
        a_cut_that_no_store_meets_is_seen(PAGE + 136, false, looks);
        a_cut_that_no_store_meets_is_seen(PAGE + 20 * 64, false, looks);
        a_cut_that_no_store_meets_is_seen(PAGE, true, looks);
        a_cut_that_no_store_meets_is_seen(PAGE + 10 * 64, true, looks);
        a_cut_that_no_store_meets_is_seen(PAGE + 10 * 64 + 20, true, looks);
        a_cut_that_no_store_meets_is_seen(40, true, looks); // capacity stays, what is used not
    }
    a_cut_is_seen_at_the_end();
    what_is_left_is_read();
    (void)unlink(path);
    return CHECK_DONE("test_mapped");
}
