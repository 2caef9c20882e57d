#include "engine/flight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_BYTES = 4096 };
static const char magic[16] = "moonpulse flight";

struct header {
    char magic[16];
    uint32_t version;
    uint32_t record_bytes;
    uint64_t capacity;
    _Atomic int64_t start_ns;
    _Atomic int64_t wall_ns;
    _Atomic uint64_t claimed;     // slots given out; may run past capacity
    _Atomic uint64_t start_check; // of start_ns and wall_ns; 0: not started
    uint64_t check;               // of magic to capacity; version 1: 0
};

struct mp_flight {
    _Atomic bool busy;
    _Atomic uint64_t play; // what is stored is of this plan
    uint32_t oneoffs;      // that have a record; the dispatcher thread's own
    int fd;
    size_t bytes;
    struct header *header;
    struct mp_flight_record *records;
};

struct mp_flight_reader {
    size_t bytes;
    const struct header *header;
    const struct mp_flight_record *records;
    uint64_t count, next, play;
    bool placed; // a checksum counts its record's place in
    int64_t start_ns, wall_ns;
    struct mp_flight_losses losses;
};

enum { PLAY_SHIFT = 64 - MP_FLIGHT_PLAY_BITS };
static const uint64_t number_mask = (UINT64_C(1) << PLAY_SHIFT) - 1;

/* FNV-1a over 64-bit words. */
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 29; // a word's high bits reach the low ones
}

static uint64_t hash_words(const uint64_t *words, size_t count, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ seed;
    for (size_t i = 0; i < count; i++)
        hash = hash_word(hash, words[i]);
    return hash;
}

/*
 * Of a record without its checksum and returned_ns, as its 64-bit words are on a little-endian
 * machine; place: from 1, 0 in version 1. Never 0. From the fields: a word that is stored in
 * parts and read whole stalls the processor.
 */
static uint32_t checksum(const struct mp_flight_record *record, uint64_t place)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ place;
    hash = hash_word(hash, (uint64_t)record->kind << 32 | (uint64_t)record->send_kind << 40 |
                               (uint64_t)record->detail << 48);
    hash = hash_word(hash, record->action | (uint64_t)record->frame << 32);
    hash = hash_word(hash, record->number);
    hash = hash_word(hash, (uint64_t)record->planned_ns);
    hash = hash_word(hash, (uint64_t)record->due_ns);
    hash = hash_word(hash, (uint64_t)record->woken_ns);
    hash = hash_word(hash, (uint64_t)record->sent_ns);
    uint32_t folded = (uint32_t)(hash ^ (hash >> 32));
    return folded == 0 ? 1 : folded;
}

static uint64_t header_check(const struct header *header)
{
    uint64_t words[offsetof(struct header, start_ns) / 8];
    memcpy(words, header, sizeof words);
    return hash_words(words, sizeof words / sizeof words[0], 0) | 1;
}

static uint64_t start_check(int64_t start_ns, int64_t wall_ns)
{
    const uint64_t words[] = {(uint64_t)start_ns, (uint64_t)wall_ns};
    return hash_words(words, 2, 0) | 1;
}

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
    void *mapped = mmap(NULL, flight->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        flight->fd, 0);
    if (mapped == MAP_FAILED)
        return mp_fail_sys(err, MP_EIO, errno, "cannot map the flight record %s", path);
    flight->header = mapped;
    flight->records = (struct mp_flight_record *)((char *)mapped + HEADER_BYTES);
    memset(mapped, 0, flight->bytes); // touched for writing now, not at a deadline
    return MP_OK;
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
    flight->bytes = HEADER_BYTES + (size_t)capacity * sizeof(struct mp_flight_record);
    enum mp_status status = map_file(flight, path, err);
    if (status != MP_OK) {
        if (flight->fd >= 0)
            (void)close(flight->fd);
        free(flight);
        return status;
    }
    struct header *header = flight->header;
    memcpy(header->magic, magic, sizeof magic);
    header->version = MP_FLIGHT_VERSION;
    header->record_bytes = sizeof(struct mp_flight_record);
    header->capacity = capacity;
    header->check = header_check(header);
    *out = flight;
    return MP_OK;
}

bool mp_flight_busy(const struct mp_flight *flight)
{
    return atomic_load(&flight->busy);
}

void mp_flight_set_busy(struct mp_flight *flight, bool busy)
{
    atomic_store(&flight->busy, busy);
}

enum mp_status mp_flight_close(struct mp_flight *flight, struct mp_error *err)
{
    if (flight == NULL)
        return MP_OK;
    uint64_t used = atomic_load(&flight->header->claimed);
    if (used > flight->header->capacity)
        used = flight->header->capacity;
    size_t length = HEADER_BYTES + (size_t)used * sizeof(struct mp_flight_record);
    (void)munmap(flight->header, flight->bytes);
    // shorter only after the last access: a mapping past the end would fault
    int failed =
        ftruncate(flight->fd, (off_t)length) == 0 && fdatasync(flight->fd) == 0 ? 0 : errno;
    if (close(flight->fd) != 0 && failed == 0)
        failed = errno;
    free(flight);
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
    atomic_store(&flight->header->start_check, start_check(start_ns, wall_ns));
    return mp_flight_push(flight, &record);
}

bool mp_flight_play(struct mp_flight *flight, uint64_t play, int64_t start_ns)
{
    if (play >> MP_FLIGHT_PLAY_BITS != 0)
        return false;
    const struct mp_flight_record record = {
        .kind = MP_FLIGHT_PLAY, .number = play, .due_ns = start_ns};
    atomic_store(&flight->play, play);
    return mp_flight_push(flight, &record);
}

bool mp_flight_begin(struct mp_flight *flight, const struct mp_flight_record *record,
                     uint64_t *slot)
{
    *slot = atomic_fetch_add_explicit(&flight->header->claimed, 1, memory_order_relaxed);
    if (*slot >= flight->header->capacity)
        return false;
    struct mp_flight_record *to = &flight->records[*slot];
    uint64_t play = atomic_load_explicit(&flight->play, memory_order_relaxed);
    to->kind = record->kind;
    to->send_kind = record->send_kind;
    to->detail = record->detail;
    to->action = record->action;
    to->frame = record->frame;
    to->number = (record->number & number_mask) | play << PLAY_SHIFT;
    to->planned_ns = record->planned_ns;
    to->due_ns = record->due_ns;
    to->woken_ns = record->woken_ns;
    to->sent_ns = record->sent_ns;
    to->returned_ns = record->returned_ns;
    // a reader of a torn file believes a record only with its checksum: that comes last
    __atomic_store_n(&to->checksum, checksum(to, *slot + 1), __ATOMIC_RELEASE);
    return true;
}

void mp_flight_finish(struct mp_flight *flight, uint64_t slot, int64_t returned_ns)
{
    if (slot < flight->header->capacity)
        __atomic_store_n(&flight->records[slot].returned_ns, returned_ns, __ATOMIC_RELEASE);
}

bool mp_flight_push(struct mp_flight *flight, const struct mp_flight_record *record)
{
    uint64_t slot;
    return mp_flight_begin(flight, record, &slot);
}

void mp_flight_warm(struct mp_flight *flight)
{
    uint64_t slot = atomic_load_explicit(&flight->header->claimed, memory_order_relaxed);
    if (slot < flight->header->capacity)
        __builtin_prefetch(&flight->records[slot], 1);
}

bool mp_flight_take_oneoff(struct mp_flight *flight)
{
    return flight->oneoffs < MP_FLIGHT_ONEOFFS && ++flight->oneoffs > 0;
}

uint64_t mp_flight_room(const struct mp_flight *flight)
{
    uint64_t claimed = atomic_load_explicit(&flight->header->claimed, memory_order_relaxed);
    return claimed >= flight->header->capacity ? 0 : flight->header->capacity - claimed;
}

/* ---- reading ---- */

static enum mp_status check_header(struct mp_flight_reader *reader, const char *path,
                                   struct mp_error *err)
{
    const struct header *header = reader->header;
    if (reader->bytes < HEADER_BYTES || memcmp(header->magic, magic, sizeof magic) != 0)
        return mp_fail(err, MP_EINVAL, "%s is no flight record", path);
    if ((header->version != 1 && header->version != MP_FLIGHT_VERSION) ||
        header->record_bytes != sizeof(struct mp_flight_record))
        return mp_fail(err, MP_EUNSUPPORTED,
                       "%s was written by another version of Moonpulse (format %u), or its "
                       "header is damaged",
                       path, (unsigned)header->version);
    if (header->version == 1 && header->check != 0)
        return mp_fail(err, MP_EINVAL,
                       "the header of %s is damaged: its version is not its own", path);
    reader->placed = header->version >= 2;
    reader->losses.version = header->version;
    reader->losses.header = reader->placed && header->check != header_check(header);
    return MP_OK;
}

static bool is_whole(const struct mp_flight_reader *reader, uint64_t slot)
{
    const struct mp_flight_record *record = &reader->records[slot];
    return record->checksum == checksum(record, reader->placed ? slot + 1 : 0);
}

static bool is_empty(const struct mp_flight_reader *reader, uint64_t slot)
{
    static const struct mp_flight_record empty;
    return memcmp(&reader->records[slot], &empty, sizeof empty) == 0;
}

static void lose(struct mp_flight_losses *losses, uint64_t *count, uint64_t slot)
{
    (*count)++;
    if (losses->first == 0)
        losses->first = slot + 1;
    losses->last = slot + 1;
}

/* Every place that was given out holds a record, unless its writer was killed over it. */
static void find_losses(struct mp_flight_reader *reader)
{
    struct mp_flight_losses *losses = &reader->losses;
    struct header *header = (struct header *)(uintptr_t)reader->header;
    uint64_t used = reader->count, claimed = atomic_load(&header->claimed);
    while (used > 0 && is_empty(reader, used - 1))
        used--;
    if (reader->placed && !losses->header && claimed > header->capacity)
        claimed = header->capacity;
    // the count is right if the file ends with it, or if it is full of empty places
    if (reader->placed && claimed < used)
        losses->header = true;
    losses->stored = reader->placed && claimed > used ? claimed : used;
    for (uint64_t slot = 0; slot < losses->stored && slot < reader->count; slot++) {
        if (is_empty(reader, slot))
            lose(losses, &losses->empty, slot);
        else if (!is_whole(reader, slot))
            lose(losses, &losses->torn, slot);
    }
    if (losses->stored > reader->count) {
        losses->missing = losses->stored - reader->count;
        losses->first = losses->first == 0 ? reader->count + 1 : losses->first;
        losses->last = losses->stored;
    }
}

/* The start's times are there twice; the record is believed first. */
static enum mp_status find_start(struct mp_flight_reader *reader, const char *path,
                                 struct mp_error *err)
{
    struct header *header = (struct header *)(uintptr_t)reader->header;
    reader->start_ns = atomic_load(&header->start_ns);
    reader->wall_ns = atomic_load(&header->wall_ns);
    if (!reader->placed)
        return MP_OK;
    uint64_t check = atomic_load(&header->start_check);
    bool sound = check == start_check(reader->start_ns, reader->wall_ns);
    for (uint64_t slot = 0; slot < reader->count; slot++) {
        const struct mp_flight_record *record = &reader->records[slot];
        if (record->kind != MP_FLIGHT_START || !is_whole(reader, slot))
            continue;
        if (!sound || record->due_ns != reader->start_ns ||
            record->planned_ns != reader->wall_ns)
            reader->losses.header = true;
        reader->start_ns = record->due_ns;
        reader->wall_ns = record->planned_ns;
        return MP_OK;
    }
    if (sound)
        return MP_OK;
    bool begun = check != 0 || reader->start_ns != 0 || reader->wall_ns != 0;
    if (begun || reader->losses.header)
        return mp_fail(
            err, MP_EINVAL,
            "%s: the instant at which the run began is damaged, in the header and in "
            "its record: no onset can be told",
            path);
    return MP_OK; // not started: nothing was played
}

/* A file from elsewhere may be anything: opening it must not wait, and reading it must end. */
static enum mp_status open_file(int *fd, size_t *bytes, const char *path, struct mp_error *err)
{
    struct stat stat;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return mp_fail_sys(err, MP_EIO, errno, "cannot read %s", path);
    if (fstat(*fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size < HEADER_BYTES)
        return mp_fail(err, MP_EINVAL, "%s is no flight record", path);
    if ((uint64_t)stat.st_size >
        HEADER_BYTES + (uint64_t)MP_FLIGHT_MAX * sizeof(struct mp_flight_record))
        return mp_fail(err, MP_EINVAL, "%s is no flight record: longer than any", path);
    if (flock(*fd, LOCK_SH | LOCK_NB) != 0)
        return mp_fail(err, MP_EBUSY, "%s: its run is still going on", path);
    *bytes = (size_t)stat.st_size;
    return MP_OK;
}

enum mp_status mp_flight_open(struct mp_flight_reader **out, const char *path,
                              struct mp_error *err)
{
    int fd;
    struct mp_flight_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for %s", path);
    enum mp_status status = open_file(&fd, &reader->bytes, path, err);
    if (status == MP_OK) {
        void *mapped = mmap(NULL, reader->bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED)
            status = mp_fail_sys(err, MP_EIO, errno, "cannot map %s", path);
        else
            reader->header = mapped;
    }
    if (fd >= 0)
        (void)close(fd);
    if (status != MP_OK) {
        free(reader);
        return status;
    }
    reader->records =
        (const struct mp_flight_record *)((const char *)reader->header + HEADER_BYTES);
    reader->count = (reader->bytes - HEADER_BYTES) / sizeof(struct mp_flight_record);
    status = check_header(reader, path, err);
    if (status == MP_OK) {
        find_losses(reader);
        status = find_start(reader, path, err);
    }
    if (status != MP_OK) {
        mp_flight_reader_close(reader);
        return status;
    }
    *out = reader;
    return MP_OK;
}

void mp_flight_reader_close(struct mp_flight_reader *reader)
{
    if (reader == NULL)
        return;
    (void)munmap((void *)(uintptr_t)reader->header, reader->bytes);
    free(reader);
}

/* An older file's records do not say whose they are: they are of the plan that was named last.
 */
static void take_play(struct mp_flight_reader *reader, struct mp_flight_record *record)
{
    uint64_t play = reader->placed ? record->number >> PLAY_SHIFT : 0;
    if (reader->placed)
        record->number &= number_mask;
    if (play != 0)
        reader->play = play;
    else if (record->kind == MP_FLIGHT_PLAY)
        reader->play = record->number;
}

uint64_t mp_flight_play_of(const struct mp_flight_reader *reader)
{
    return reader->play;
}

uint64_t mp_flight_place_of(const struct mp_flight_reader *reader)
{
    return reader->next;
}

bool mp_flight_next(struct mp_flight_reader *reader, struct mp_flight_record *record,
                    uint64_t *torn)
{
    while (reader->next < reader->count) {
        uint64_t slot = reader->next++;
        *record = reader->records[slot];
        if (is_whole(reader, slot)) {
            take_play(reader, record);
            return true;
        }
        if (torn != NULL && !is_empty(reader, slot))
            (*torn)++;
    }
    return false;
}

struct mp_flight_losses mp_flight_losses(const struct mp_flight_reader *reader)
{
    return reader->losses;
}

int64_t mp_flight_start_ns(const struct mp_flight_reader *reader)
{
    return reader->start_ns;
}

int64_t mp_flight_wall_ns(const struct mp_flight_reader *reader)
{
    return reader->wall_ns;
}
