/* The flight record: what was stored can be read back, whole or not at all, whoever dies. */
#include "tests/engine/chance.h"
#include "tests/engine/flight_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { RETURNED = 56 }; // in a record, as flight.h has it

/* What the file holds now, while its writer still has it locked. */
static struct mp_flight_reader *open_copy(void)
{
    static char bytes[65536];
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s.copy", path);
    FILE *from = fopen(path, "rb"), *to = fopen(copy, "wb");
    CHECK(from != NULL && to != NULL);
    size_t length = fread(bytes, 1, sizeof bytes, from);
    CHECK_INT(fwrite(bytes, 1, length, to), length);
    (void)fclose(from);
    (void)fclose(to);
    struct mp_flight_reader *reader = NULL;
    struct mp_error err = {0};
    must(mp_flight_open(&reader, copy, &err), &err);
    (void)unlink(copy);
    return reader;
}

/* A record whose every field follows from number. */
static struct mp_flight_record record_of(uint64_t number, uint32_t writer)
{
    const int64_t n = (int64_t)number;
    return (struct mp_flight_record){.kind = (uint8_t)(1 + number % 7),
                                     .send_kind = (uint8_t)(number % 3),
                                     .detail = (uint16_t)(number * 7),
                                     .action = writer,
                                     .frame = (uint32_t)(number * 31),
                                     .number = number,
                                     .planned_ns = n * 1000003,
                                     .due_ns = -n,
                                     .woken_ns = n ^ INT64_C(0x5555555555),
                                     .sent_ns = n * 17,
                                     .returned_ns = n * 19};
}

static bool is_record_of(const struct mp_flight_record *got, uint64_t number, uint32_t writer)
{
    struct mp_flight_record wanted = record_of(number, writer);
    wanted.checksum = got->checksum;
    return memcmp(&wanted, got, sizeof wanted) == 0;
}

static void round_trip(void)
{
    enum { COUNT = 1000 };
    struct mp_flight *flight = create(COUNT + 10);
    struct mp_flight_record got;
    struct stat stat_;
    mp_flight_start(flight, 123, -456);
    for (uint64_t i = 0; i < COUNT; i++) {
        const struct mp_flight_record record = record_of(i, 0);
        CHECK_INT(mp_flight_room(flight), COUNT + 9 - i); // the start took one
        CHECK(mp_flight_push(flight, &record));
    }
    // a run that is going on is not to be read: recover would take it for a torn one
    struct mp_flight_reader *early = NULL;
    struct mp_error busy = {0};
    CHECK_INT(mp_flight_open(&early, path, &busy), MP_EBUSY);
    CHECK_HAS(busy.text, "still going on");
    mp_flight_close(flight, NULL);
    for (int again = 0; again < 2; again++) {
        uint64_t torn = 0, wrong = 0, count = 0;
        struct mp_flight_reader *reader = open_it();
        CHECK_INT(mp_flight_start_ns(reader), 123);
        CHECK_INT(mp_flight_wall_ns(reader), -456);
        CHECK(mp_flight_next(reader, &got, &torn));
        CHECK_INT(got.kind, MP_FLIGHT_START);
        for (; mp_flight_next(reader, &got, &torn); count++)
            wrong += !is_record_of(&got, count, 0);
        CHECK(!mp_flight_next(reader, &got, NULL));
        CHECK_INT(count, COUNT);
        CHECK_INT(wrong, 0);
        CHECK_INT(torn, 0);
        mp_flight_reader_close(reader);
    }
    CHECK_INT(stat(path, &stat_), 0);
    CHECK_INT(stat_.st_size, HEADER + (COUNT + 1) * RECORD); // cut to what was used
    mp_flight_close(NULL, NULL);
    mp_flight_reader_close(NULL);
}

static void a_full_file_says_so(void)
{
    struct mp_flight *flight = create(3);
    struct mp_flight_record got, record = record_of(5, 0);
    uint64_t slot = 0, torn = 0;
    for (int i = 0; i < 3; i++)
        CHECK(mp_flight_push(flight, &record));
    CHECK_INT(mp_flight_room(flight), 0);
    for (int i = 0; i < 3; i++)
        CHECK(!mp_flight_push(flight, &record));
    CHECK(!mp_flight_begin(flight, &record, &slot));
    mp_flight_finish(flight, slot, 7); // of no slot: nothing happens
    CHECK_INT(mp_flight_room(flight), 0);
    mp_flight_close(flight, NULL);
    struct mp_flight_reader *reader = open_it();
    for (int i = 0; i < 3; i++)
        CHECK(mp_flight_next(reader, &got, &torn) && is_record_of(&got, 5, 0));
    CHECK(!mp_flight_next(reader, &got, &torn));
    CHECK_INT(torn, 0);
    mp_flight_reader_close(reader);
}

/* Of some 300 pages none is missing when it is stored into, once they were touched. */
static void touched_pages_are_there(void)
{
    enum { RECORDS = 20000, PAGES = RECORDS * RECORD / 4096 };
    struct mp_flight *flight = create(RECORDS);
    struct mp_flight_record record = record_of(5, 0);
    struct rusage before, after;
    mp_flight_touch(flight);
    CHECK_INT(getrusage(RUSAGE_THREAD, &before), 0);
    for (int i = 0; i < RECORDS; i++)
        if (!mp_flight_push(flight, &record))
            CHECK(false);
    CHECK_INT(getrusage(RUSAGE_THREAD, &after), 0);
#ifndef __SANITIZE_THREAD__ // which has pages of its own, some for each of ours
    CHECK(after.ru_minflt - before.ru_minflt < PAGES / 4); // as other sanitizers have some
#endif
    CHECK_INT(mp_flight_room(flight), 0);
    mp_flight_close(flight, NULL);
}

static void refuses_what_it_cannot_make(void)
{
    static const uint64_t sizes[] = {0, MP_FLIGHT_MAX + UINT64_C(1), UINT64_MAX};
    struct mp_flight *flight = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mp_error err = {0};
        CHECK_INT(mp_flight_create(&flight, path, sizes[i], &err), MP_ERANGE);
        CHECK_HAS(err.text, "1 to 4000000");
    }
    struct mp_error err = {0};
    CHECK_INT(mp_flight_create(&flight, "/no/such/folder/flight.bin", 10, &err), MP_EIO);
    CHECK_HAS(err.text, "/no/such/folder/flight.bin");
    if (access("/dev/full", W_OK) == 0) // opens, but has no room
        CHECK_INT(mp_flight_create(&flight, "/dev/full", 10, NULL), MP_EIO);
    CHECK_INT(access("/dev/full", F_OK), access("/dev", F_OK));
    struct rlimit before, little = {0};
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 65536;
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &little), 0);
    CHECK_INT(mp_flight_create(&flight, path, 100000, NULL), MP_EIO); // as on a full disk
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(access(path, F_OK), -1); // half a file would be taken for a damaged record
    CHECK(flight == NULL);
}

/* Begun and not finished: perhaps sent. Finished: when, or that it was not taken. */
static void begin_and_finish(void)
{
    static const int64_t returned[] = {0, 99, -1};
    struct mp_flight *flight = create(10);
    struct mp_flight_record got;
    uint64_t slots[3];
    for (uint64_t i = 0; i < 3; i++) {
        struct mp_flight_record record = record_of(i, 0);
        record.returned_ns = 0;
        CHECK(mp_flight_begin(flight, &record, &slots[i]));
        CHECK_INT(slots[i], i);
        struct mp_flight_reader *reader = open_copy(); // it is there before the write
        for (uint64_t skip = 0; skip <= i; skip++)
            CHECK(mp_flight_next(reader, &got, NULL));
        CHECK_INT(got.number, i);
        CHECK_INT(got.returned_ns, 0);
        mp_flight_reader_close(reader);
        if (returned[i] != 0)
            mp_flight_finish(flight, slots[i], returned[i]);
    }
    mp_flight_close(flight, NULL);
    struct mp_flight_reader *reader = open_it();
    for (size_t i = 0; i < 3; i++) {
        CHECK(mp_flight_next(reader, &got, NULL));
        CHECK_INT(got.returned_ns, returned[i]);
    }
    mp_flight_reader_close(reader);
}

static void alter(off_t at, int mask)
{
    unsigned char byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte = (unsigned char)(byte ^ mask);
    CHECK_INT(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* Every bit of a record but returned_ns is under the checksum: flipped, it is left out. */
static void a_flipped_bit_is_found(void)
{
    struct mp_flight *flight = create(3);
    for (uint64_t i = 1; i <= 3; i++) {
        const struct mp_flight_record record = record_of(i * 1000, 1);
        CHECK(mp_flight_push(flight, &record));
    }
    mp_flight_close(flight, NULL);
    uint64_t missed = 0, torn_total = 0;
    for (int bit = 0; bit < 8 * RETURNED; bit++) {
        struct mp_flight_record got;
        uint64_t torn = 0, count = 0;
        alter(HEADER + RECORD + bit / 8, 1 << bit % 8);
        struct mp_flight_reader *reader = open_it();
        while (mp_flight_next(reader, &got, &torn))
            missed += !is_record_of(&got, count++ == 0 ? 1000 : 3000, 1);
        missed += count != 2;
        torn_total += torn;
        mp_flight_reader_close(reader);
        alter(HEADER + RECORD + bit / 8, 1 << bit % 8);
    }
    CHECK_INT(missed, 0);
    CHECK_INT(torn_total, 8 * RETURNED);
}

/* A slot that was claimed and not filled, or half filled, costs that slot alone. */
static void torn_slots_are_skipped(void)
{
    struct mp_flight *flight = create(6);
    struct mp_flight_record got;
    for (uint64_t i = 0; i < 6; i++) {
        const struct mp_flight_record record = record_of(i, 1);
        CHECK(mp_flight_push(flight, &record));
    }
    mp_flight_close(flight, NULL);
    static const char zeros[RECORD];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(pwrite(fd, zeros, RECORD, HEADER + 1 * RECORD), RECORD); // claimed only
    CHECK_INT(pwrite(fd, zeros, 4, HEADER + 3 * RECORD), 4);           // no checksum yet
    CHECK_INT(pwrite(fd, zeros, RECORD / 2, HEADER + 4 * RECORD + 32), RECORD / 2); // half
    (void)close(fd);
    struct mp_flight_reader *reader = open_it();
    static const uint64_t whole[] = {0, 2, 5};
    uint64_t torn = 0;
    for (size_t i = 0; i < 3; i++)
        CHECK(mp_flight_next(reader, &got, &torn) && is_record_of(&got, whole[i], 1));
    CHECK(!mp_flight_next(reader, &got, &torn));
    CHECK_INT(torn, 2); // an empty slot is none
    mp_flight_reader_close(reader);
}

static enum mp_status open_status(struct mp_error *err)
{
    struct mp_flight_reader *reader = NULL;
    enum mp_status status = mp_flight_open(&reader, path, err);
    CHECK_INT(reader != NULL, status == MP_OK);
    mp_flight_reader_close(reader);
    return status;
}

/* The header's checksum counts its version in: one that is damaged is known all the same. */
static void a_damaged_version_is_told(void)
{
    struct mp_flight *flight = create(4);
    CHECK(mp_flight_start(flight, 1000, 2000));
    mp_flight_close(flight, NULL);
    for (int version = 0; version < 256; version++) {
        alter(16, version);
        struct mp_flight_reader *reader = open_it();
        CHECK_INT(mp_flight_losses(reader).header, version != 0);
        CHECK_INT(mp_flight_losses(reader).version, MP_FLIGHT_VERSION);
        CHECK_INT(mp_flight_losses(reader).empty + mp_flight_losses(reader).torn, 0);
        mp_flight_reader_close(reader);
        alter(16, version);
    }
}

static void refuses_what_is_no_flight_record(void)
{
    struct mp_error err = {0};
    struct mp_flight *flight = create(4);
    const struct mp_flight_record record = record_of(1, 1);
    CHECK(mp_flight_push(flight, &record) && mp_flight_push(flight, &record));
    mp_flight_close(flight, NULL);
    CHECK_INT(open_status(&err), MP_OK);
    alter(3, 1); // in the magic
    CHECK_INT(open_status(&err), MP_EINVAL);
    CHECK_HAS(err.text, "is no flight record");
    alter(3, 1);
    err = (struct mp_error){0};
    alter(16, 7); // version 3 becomes 4, and the checksum is one of such a version
    alter(64, 8);
    CHECK_INT(open_status(&err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "format 4");
    alter(16, 7);
    alter(64, 8);
    err = (struct mp_error){0};
    alter(16, 2); // version 3 becomes 1: not silently read as an older one
    alter(64, 8);
    CHECK_INT(open_status(&err), MP_EINVAL);
    CHECK_HAS(err.text, "header of");
    alter(16, 2);
    alter(64, 8);
    alter(20, 64); // another size of records
    CHECK_INT(open_status(NULL), MP_EUNSUPPORTED);
    alter(20, 64);
    CHECK_INT(open_status(NULL), MP_OK);
    // shorter: the whole records of what is left
    static const struct {
        off_t length;
        int records;
    } cuts[] = {{HEADER + 2 * RECORD, 2},
                {HEADER + 2 * RECORD - 1, 1},
                {HEADER + RECORD, 1},
                {HEADER + RECORD - 1, 0},
                {HEADER, 0},
                {HEADER - 1, 0}, // what the header says stands in its first 72 bytes
                {72, 0}};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct mp_flight_record got;
        int count = 0;
        CHECK_INT(truncate(path, cuts[i].length), 0);
        struct mp_flight_reader *reader = open_it();
        while (mp_flight_next(reader, &got, NULL))
            count++;
        CHECK_INT(count, cuts[i].records);
        mp_flight_reader_close(reader);
    }
    static const off_t too_short[] = {71, 16, 1, 0};
    for (size_t i = 0; i < sizeof too_short / sizeof too_short[0]; i++) {
        CHECK_INT(truncate(path, too_short[i]), 0);
        CHECK_INT(open_status(NULL), MP_EINVAL);
    }
    (void)unlink(path);
    err = (struct mp_error){0};
    CHECK_INT(open_status(&err), MP_EIO);
    CHECK_HAS(err.text, path);
}

/* ---- two writers ---- */

struct writer {
    struct mp_flight *flight;
    uint32_t name;
    uint64_t count;
};

static void *write_all(void *argument)
{
    const struct writer *writer = argument;
    for (uint64_t i = 0; i < writer->count; i++) {
        const struct mp_flight_record record = record_of(i, writer->name);
        if (!mp_flight_push(writer->flight, &record))
            return argument;
    }
    return NULL;
}

/* Each writer's records are there once, in its order, whatever the other does. */
static void two_threads_push(void)
{
    const uint64_t each = is_quick() || CHECKED_BUILD ? 50000 : 500000;
    struct writer writers[2] = {{create(2 * each + 5), 1, each}, {NULL, 2, each}};
    pthread_t threads[2];
    writers[1].flight = writers[0].flight;
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *failed = writers;
        CHECK_INT(pthread_join(threads[i], &failed), 0);
        CHECK(failed == NULL);
    }
    CHECK_INT(mp_flight_room(writers[0].flight), 5);
    mp_flight_close(writers[0].flight, NULL);
    struct mp_flight_reader *reader = open_it();
    struct mp_flight_record got;
    uint64_t next[3] = {0}, torn = 0, wrong = 0;
    while (mp_flight_next(reader, &got, &torn)) {
        bool known = got.action == 1 || got.action == 2;
        wrong += !known || !is_record_of(&got, next[known ? got.action : 0]++, got.action);
    }
    CHECK_INT(next[1], each);
    CHECK_INT(next[2], each);
    CHECK_INT(wrong, 0);
    CHECK_INT(torn, 0);
    mp_flight_reader_close(reader);
}

/* ---- a killed writer ---- */

/* In the child: push from two threads, counting in shared memory what has been stored. */
struct victim {
    struct mp_flight *flight;
    _Atomic uint64_t *stored;
    uint32_t name;
};

static void *push_until_killed(void *argument)
{
    const struct victim *victim = argument;
    for (uint64_t i = 0;; i++) {
        const struct mp_flight_record record = record_of(i, victim->name);
        if (!mp_flight_push(victim->flight, &record))
            (void)pause();
        atomic_store(&victim->stored[victim->name], i + 1);
    }
    return NULL;
}

_Noreturn static void be_killed(_Atomic uint64_t *stored)
{
    struct mp_flight *flight = create(1000000);
    struct victim victims[2] = {{flight, stored, 0}, {flight, stored, 1}};
    pthread_t thread;
    if (pthread_create(&thread, NULL, push_until_killed, &victims[1]) == 0)
        (void)push_until_killed(&victims[0]);
    _exit(1);
}

static void kill_one(_Atomic uint64_t *stored, struct chance *chance, uint64_t *torn)
{
    atomic_store(&stored[0], 0);
    atomic_store(&stored[1], 0);
    pid_t child = fork();
    if (child == 0)
        be_killed(stored);
    while (atomic_load(&stored[0]) == 0 || atomic_load(&stored[1]) == 0)
        (void)usleep(200);
    (void)usleep((useconds_t)chance_below(chance, 5000));
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK_INT(waitpid(child, NULL, 0), child);
    struct mp_flight_reader *reader = open_it();
    struct mp_flight_record got;
    uint64_t next[2] = {0}, wrong = 0;
    while (mp_flight_next(reader, &got, torn))
        wrong += got.action > 1 || !is_record_of(&got, next[got.action & 1]++, got.action);
    mp_flight_reader_close(reader);
    CHECK_INT(wrong, 0);
    for (int i = 0; i < 2; i++) { // one more may be stored than was counted
        uint64_t counted = atomic_load(&stored[i]);
        CHECK(next[i] >= counted && next[i] <= counted + 1);
    }
}

static void a_killed_process_loses_nothing(void)
{
    struct chance chance = {(uint64_t)getpid()};
    uint64_t torn = 0;
    int rounds = is_quick() || CHECKED_BUILD ? 5 : is_long() ? 200 : 20;
    _Atomic uint64_t *stored =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(stored != MAP_FAILED);
    for (int i = 0; i < rounds; i++)
        kill_one(stored, &chance, &torn);
    CHECK(torn <= 2 * (uint64_t)rounds); // at most the one that each thread was at
    printf("%d writers killed, %llu records torn\n", rounds, (unsigned long long)torn);
    (void)munmap((void *)stored, 4096);
}

int main(void)
{
    path = scratch_path("flight");
    round_trip();
    a_full_file_says_so();
    touched_pages_are_there();
    refuses_what_it_cannot_make();
    begin_and_finish();
    a_flipped_bit_is_found();
    torn_slots_are_skipped();
    two_threads_push();
    a_killed_process_loses_nothing();
    refuses_what_is_no_flight_record();
    a_damaged_version_is_told();
    (void)unlink(path);
    return CHECK_DONE("test_flight");
}
