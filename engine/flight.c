#include "engine/flight_core.h"

#include "engine/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALLEST_PAGE = 4096 };

struct mp_flight {
    _Atomic bool busy;
    _Atomic uint64_t play; // what is stored is of this plan
    _Atomic uint64_t last; // place, from 1, of a record that is whole; of the last ones
    uint64_t seen;         // the same, at the last look; the loop thread's own
    uint32_t oneoffs;      // that have a record; the dispatcher thread's own
    int fd;
    size_t bytes;
    uint64_t capacity; // as the header has it, while nobody has cut the file
    struct mp_mapped mapped;
    struct flight_header *header;
    struct mp_flight_record *records;
};

static enum mp_status map_file(struct mp_flight *flight, const char *path, struct mp_error *err)
{
    flight->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (flight->fd < 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot make the flight record %s", path);
    // readers ask for a shared lock: it is theirs only when this process is gone
    if (flock(flight->fd, LOCK_EX | LOCK_NB) != 0)
        return mp_fail_sys(err, MP_EBUSY, errno, "cannot lock the flight record %s", path);
    int failed = posix_fallocate(flight->fd, 0, (off_t)flight->bytes);
    if (failed != 0)
        return mp_fail_sys(err, MP_EIO, failed, "no room for the flight record %s (%zu bytes)",
                           path, flight->bytes);
    void *mapped = mmap(NULL, flight->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, flight->fd, 0);
    if (mapped == MAP_FAILED)
        return mp_fail_sys(err, MP_EIO, errno, "cannot map the flight record %s", path);
    // a guard that outlives this process would keep the file locked until it has made the
    // device safe
    (void)madvise(mapped, flight->bytes, MADV_DONTFORK);
    flight->mapped.at = mapped;
    flight->mapped.bytes = flight->bytes;
    if (!mp_mapped_watch(&flight->mapped)) {
        (void)munmap(mapped, flight->bytes);
        return mp_fail(err, MP_ENOMEM, "more than %d flight records at once", MP_MAPPED_MAX);
    }
    flight->header = mapped;
    flight->records = (struct mp_flight_record *)((char *)mapped + FLIGHT_HEADER_BYTES);
    return MP_OK;
}

/* What could not be made is no record of anything; /dev/full and its like stay. */
static void discard(int fd, const char *path)
{
    struct stat found;
    if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode))
        (void)unlink(path);
}

enum mp_status mp_flight_create(struct mp_flight **out, const char *path, uint64_t capacity,
                                struct mp_error *err)
{
    if (capacity == 0 || capacity > MP_FLIGHT_MAX)
        return mp_fail(err, MP_ERANGE, "a flight record holds 1 to %d records, not %llu",
                       MP_FLIGHT_MAX, (unsigned long long)capacity);
    struct mp_flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the flight record");
    flight->fd = -1;
    flight->bytes = FLIGHT_HEADER_BYTES + (size_t)capacity * sizeof(struct mp_flight_record);
    enum mp_status status = map_file(flight, path, err);
    if (status != MP_OK) {
        if (status != MP_EBUSY)
            discard(flight->fd, path);
        if (flight->fd >= 0)
            (void)close(flight->fd);
        free(flight);
        return status;
    }
    struct flight_header *header = flight->header;
    memcpy(header->magic, flight_magic, sizeof flight_magic);
    header->version = MP_FLIGHT_VERSION;
    header->record_bytes = sizeof(struct mp_flight_record);
    header->capacity = flight->capacity = capacity;
    header->check = flight_header_check(header);
    *out = flight;
    return MP_OK;
}

void mp_flight_touch(struct mp_flight *flight)
{
    // all at once, in a fraction of the time; an older kernel does not know it
    if (madvise(flight->mapped.at, flight->bytes, MADV_POPULATE_WRITE) == 0)
        return;
    volatile unsigned char *bytes = flight->mapped.at;
    for (size_t at = FLIGHT_HEADER_BYTES; at < flight->bytes; at += SMALLEST_PAGE)
        bytes[at] = 0; // as it is; a page that was only read is missing at the write
}

bool mp_flight_busy(const struct mp_flight *flight)
{
    return atomic_load(&flight->busy);
}

void mp_flight_set_busy(struct mp_flight *flight, bool busy)
{
    atomic_store(&flight->busy, busy);
}

/* A file that was cut and made longer again has zeros in the place of the header. */
bool mp_flight_lost(const struct mp_flight *flight)
{
    return mp_mapped_lost(&flight->mapped) || flight->header->capacity != flight->capacity;
}

/* Is the file shorter than it was made? Then it is left as it is: making it longer would hide
 * that. */
static bool was_cut(const struct mp_flight *flight)
{
    struct stat now;
    return fstat(flight->fd, &now) != 0 || (size_t)now.st_size < flight->bytes;
}

/* A record that was stored is as it was; place: from 1, 0: none. One whose page is gone marks
 * the mapping. */
static bool is_kept(const struct mp_flight *flight, uint64_t place)
{
    const struct mp_flight_record *record = place == 0 ? NULL : &flight->records[place - 1];
    return record == NULL || record->checksum == flight_checksum(record, place);
}

/* Stores after the end of a file that stay within its last page fault nowhere, and a file that
 * was made longer again has its full length: what was stored there is zeros. */
bool mp_flight_look(struct mp_flight *flight)
{
    uint64_t last = atomic_load_explicit(&flight->last, memory_order_acquire);
    bool gone = was_cut(flight) || atomic_load(&flight->header->claimed) < last ||
                !is_kept(flight, flight->seen) || !is_kept(flight, last);
    flight->seen = last;
    if (gone)
        mp_mapped_lose(&flight->mapped);
    return mp_flight_lost(flight);
}

/* Is every record there that was stored? Nobody stores any more. */
static bool is_whole(const struct mp_flight *flight, uint64_t used)
{
    for (uint64_t place = 1; place <= used; place++)
        if (!is_kept(flight, place))
            return false;
    return true;
}

enum mp_status mp_flight_close(struct mp_flight *flight, struct mp_error *err)
{
    if (flight == NULL)
        return MP_OK;
    uint64_t used = atomic_load(&flight->header->claimed);
    if (used > flight->capacity)
        used = flight->capacity;
    size_t length = FLIGHT_HEADER_BYTES + (size_t)used * sizeof(struct mp_flight_record);
    bool lost = mp_flight_look(flight) || !is_whole(flight, used) || mp_flight_lost(flight);
    mp_mapped_forget(&flight->mapped);
    (void)munmap(flight->header, flight->bytes);
    // shorter only after the last access: a mapping past the end would fault
    int failed = 0;
    if (!lost && (ftruncate(flight->fd, (off_t)length) != 0 || fdatasync(flight->fd) != 0))
        failed = errno;
    if (close(flight->fd) != 0 && failed == 0)
        failed = errno;
    free(flight);
    if (lost)
        return mp_fail(err, MP_EIO,
                       "another program cut it while it was written, or its disk is gone");
    if (failed != 0)
        return mp_fail_sys(err, MP_EIO, failed,
                           "the flight record is perhaps not whole on disk");
    return MP_OK;
}

bool mp_flight_start(struct mp_flight *flight, int64_t start_ns, int64_t wall_ns)
{
    const struct mp_flight_record record = {
        .kind = MP_FLIGHT_START, .due_ns = start_ns, .planned_ns = wall_ns};
    atomic_store(&flight->header->start_ns, start_ns);
    atomic_store(&flight->header->wall_ns, wall_ns);
    // last: who is killed in between leaves times that nobody believes, and the record, or
    // neither
    atomic_store(&flight->header->start_check, flight_start_check(start_ns, wall_ns));
    return mp_flight_push(flight, &record);
}

bool mp_flight_play(struct mp_flight *flight, uint64_t play, int64_t start_ns,
                    int64_t trigger_ns)
{
    if (play >> MP_FLIGHT_PLAY_BITS != 0)
        return false;
    const struct mp_flight_record record = {
        .kind = MP_FLIGHT_PLAY, .number = play, .due_ns = start_ns, .woken_ns = trigger_ns};
    atomic_store(&flight->play, play);
    return mp_flight_push(flight, &record);
}

static bool store(struct mp_flight *flight, const struct mp_flight_record *record,
                  uint64_t play, uint64_t *slot)
{
    *slot = atomic_fetch_add_explicit(&flight->header->claimed, 1, memory_order_relaxed);
    if (*slot >= flight->capacity)
        return false;
    struct mp_flight_record *to = &flight->records[*slot];
    to->kind = record->kind;
    to->send_kind = record->send_kind;
    to->detail = record->detail;
    to->action = record->action;
    to->frame = record->frame;
    to->number = (record->number & flight_number_mask) | play << FLIGHT_PLAY_SHIFT;
    to->planned_ns = record->planned_ns;
    to->due_ns = record->due_ns;
    to->woken_ns = record->woken_ns;
    to->sent_ns = record->sent_ns;
    to->returned_ns = record->returned_ns;
    // a reader of a torn file believes a record only with its checksum: that comes last
    __atomic_store_n(&to->checksum, flight_checksum(to, *slot + 1), __ATOMIC_RELEASE);
    atomic_store_explicit(&flight->last, *slot + 1, memory_order_release);
    return true;
}

bool mp_flight_begin(struct mp_flight *flight, const struct mp_flight_record *record,
                     uint64_t *slot)
{
    return store(flight, record, atomic_load_explicit(&flight->play, memory_order_relaxed),
                 slot);
}

void mp_flight_finish(struct mp_flight *flight, uint64_t slot, int64_t returned_ns)
{
    if (slot < flight->capacity)
        __atomic_store_n(&flight->records[slot].returned_ns, returned_ns, __ATOMIC_RELEASE);
}

bool mp_flight_push(struct mp_flight *flight, const struct mp_flight_record *record)
{
    uint64_t slot;
    return mp_flight_begin(flight, record, &slot);
}

bool mp_flight_push_of(struct mp_flight *flight, const struct mp_flight_record *record,
                       uint64_t play)
{
    uint64_t slot;
    if (play == 0)
        return mp_flight_push(flight, record);
    return store(flight, record, play, &slot);
}

void mp_flight_warm(struct mp_flight *flight)
{
    uint64_t slot = atomic_load_explicit(&flight->header->claimed, memory_order_relaxed);
    for (uint64_t next = slot; next < slot + 2 && next < flight->capacity; next++) {
        __builtin_prefetch(&flight->records[next], 1);
        __builtin_prefetch((const char *)(&flight->records[next] + 1) - 1, 1);
    }
}

bool mp_flight_take_oneoff(struct mp_flight *flight)
{
    return flight->oneoffs < MP_FLIGHT_ONEOFFS && ++flight->oneoffs > 0;
}

uint64_t mp_flight_room(const struct mp_flight *flight)
{
    uint64_t claimed = atomic_load_explicit(&flight->header->claimed, memory_order_relaxed);
    return claimed >= flight->capacity ? 0 : flight->capacity - claimed;
}
