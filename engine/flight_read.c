/* flight_read.c - a flight record read back: see flight.h. */
#include "engine/flight_core.h"
#include "engine/large_block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct mp_flight_reader {
    size_t bytes;                 // of the file, when it was opened
    struct flight_header *header; // and the records after it: a copy
    const struct mp_flight_record *records;
    uint64_t count, next, play;
    bool placed; // a checksum counts its record's place in
    int64_t start_ns, wall_ns;
    struct mp_flight_losses losses;
};

/* The checksum of the header counts its version in: so a version that is damaged is told. True:
 * it was, and is mended. */
static bool mend_version(struct flight_header *header)
{
    const uint32_t said = header->version;
    for (uint32_t version = 2; version <= MP_FLIGHT_VERSION; version++) {
        header->version = version;
        if (header->check == flight_header_check(header))
            return version != said;
    }
    header->version = said;
    return false;
}

static enum mp_status check_header(struct mp_flight_reader *reader, const char *path,
                                   struct mp_error *err)
{
    struct flight_header *header = reader->header;
    bool mended = mend_version(header);
    if (memcmp(header->magic, flight_magic, sizeof flight_magic) != 0)
        return mp_fail(err, MP_EINVAL, "%s is no flight record", path);
    if (header->version < 1 || header->version > MP_FLIGHT_VERSION ||
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
    reader->losses.header =
        mended || (reader->placed && header->check != flight_header_check(header));
    return MP_OK;
}

static bool is_whole(const struct mp_flight_reader *reader, uint64_t slot)
{
    const struct mp_flight_record *record = &reader->records[slot];
    return record->checksum == flight_checksum(record, reader->placed ? slot + 1 : 0);
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
    struct flight_header *header = reader->header;
    uint64_t used = reader->count, claimed = atomic_load(&header->claimed);
    while (used > 0 && is_empty(reader, used - 1))
        used--;
    if (losses->header && claimed > MP_FLIGHT_MAX)
        claimed = used; // damaged as well: no record has so many
    else if (reader->placed && !losses->header && claimed > header->capacity)
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
    struct flight_header *header = reader->header;
    reader->start_ns = atomic_load(&header->start_ns);
    reader->wall_ns = atomic_load(&header->wall_ns);
    if (!reader->placed)
        return MP_OK;
    uint64_t check = atomic_load(&header->start_check);
    bool sound = check == flight_start_check(reader->start_ns, reader->wall_ns);
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
    if (fstat(*fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return mp_fail(err, MP_EINVAL, "%s is no flight record", path);
    if ((uint64_t)stat.st_size >
        FLIGHT_HEADER_BYTES + (uint64_t)MP_FLIGHT_MAX * sizeof(struct mp_flight_record))
        return mp_fail(err, MP_EINVAL, "%s is no flight record: longer than any", path);
    if (flock(*fd, LOCK_SH | LOCK_NB) != 0)
        return mp_fail(err, MP_EBUSY, "%s: its run is still going on", path);
    if ((size_t)stat.st_size < sizeof(struct flight_header))
        return mp_fail(err, MP_EINVAL, "%s is no flight record, or was cut: it has %lld bytes",
                       path, (long long)stat.st_size);
    *bytes = (size_t)stat.st_size;
    return MP_OK;
}

/* Copied, not mapped: a file that is cut while it is read ends there, and nothing faults. */
static enum mp_status read_file(struct mp_flight_reader *reader, int fd, const char *path,
                                struct mp_error *err)
{
    size_t room = reader->bytes > FLIGHT_HEADER_BYTES ? reader->bytes : FLIGHT_HEADER_BYTES;
    char *copy = calloc(1, room);
    if (copy == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for %s", path);
    mp_large_block(copy, room);
    size_t done = 0;
    while (done < reader->bytes) {
        ssize_t got = pread(fd, copy + done, reader->bytes - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(copy);
            return mp_fail_sys(err, MP_EIO, errno, "cannot read %s", path);
        }
        if (got == 0)
            break;
        done += (size_t)got;
    }
    reader->header = (struct flight_header *)(void *)copy;
    reader->records = (struct mp_flight_record *)(void *)(copy + FLIGHT_HEADER_BYTES);
    if (done > FLIGHT_HEADER_BYTES)
        reader->count = (done - FLIGHT_HEADER_BYTES) / sizeof(struct mp_flight_record);
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
    if (status == MP_OK)
        status = read_file(reader, fd, path, err);
    if (fd >= 0)
        (void)close(fd);
    if (status == MP_OK)
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
    free(reader->header);
    free(reader);
}

/* An older file's records do not say whose they are: they are of the plan that was named last.
 */
static void take_play(struct mp_flight_reader *reader, struct mp_flight_record *record)
{
    uint64_t play = reader->placed ? record->number >> FLIGHT_PLAY_SHIFT : 0;
    if (reader->placed)
        record->number &= flight_number_mask;
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

bool mp_flight_at(const struct mp_flight_reader *reader, uint64_t place,
                  struct mp_flight_record *record, uint64_t *play)
{
    if (place < 1 || place > reader->count || !is_whole(reader, place - 1))
        return false;
    *record = reader->records[place - 1];
    *play = reader->placed ? record->number >> FLIGHT_PLAY_SHIFT : 0;
    if (reader->placed)
        record->number &= flight_number_mask;
    return true;
}

bool mp_flight_is_placed(const struct mp_flight_reader *reader)
{
    return reader->placed;
}

void mp_flight_pass(struct mp_flight_reader *reader, uint64_t place, uint64_t play)
{
    reader->next = place;
    reader->play = play;
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
