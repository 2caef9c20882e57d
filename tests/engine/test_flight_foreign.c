/* The flight record as others find it: whose each record is, and files that are none. */
#include "tests/engine/chance.h"
#include "tests/engine/flight_rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What this version writes, to the byte: files of earlier days must be read, so a change here
 * asks for another MP_FLIGHT_VERSION and for a reader of both. The sum is FNV-1a of all bytes.
 */
static void is_written_as_ever(void)
{
    static unsigned char bytes[HEADER + 8 * RECORD];
    const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT,
                                            .send_kind = 1,
                                            .detail = 3,
                                            .action = 4,
                                            .frame = 5,
                                            .number = 6,
                                            .planned_ns = 7,
                                            .due_ns = 8,
                                            .woken_ns = 9,
                                            .sent_ns = 10};
    uint64_t slot = 0, sum = UINT64_C(0xCBF29CE484222325);
    struct mp_flight *flight = create(8);
    CHECK(mp_flight_start(flight, 1000, 2000));
    CHECK(mp_flight_play(flight, 2, 1500, 0));
    CHECK(mp_flight_begin(flight, &record, &slot));
    mp_flight_finish(flight, slot, 11);
    CHECK(mp_flight_push(flight, &record));
    CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    CHECK_INT(fclose(file), 0);
    CHECK_INT(length, HEADER + 4 * RECORD);
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001B3);
    CHECK_INT(MP_FLIGHT_VERSION, 3);
    CHECK(sum == UINT64_C(0xDAC215E2322357F9));
}

/* Records of version 2 are the same, and its header is but for its number: it is whole. */
static void version_2_is_read(void)
{
    struct mp_flight *flight = create(8);
    uint64_t words[4], check = UINT64_C(0xCBF29CE484222325);
    const uint32_t version = 2;
    CHECK(mp_flight_start(flight, 1000, 2000));
    CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(pwrite(fd, &version, sizeof version, 16), (ssize_t)sizeof version);
    CHECK_INT(pread(fd, words, sizeof words, 0), (ssize_t)sizeof words);
    for (size_t i = 0; i < 4; i++) {
        check = (check ^ words[i]) * UINT64_C(0x100000001B3);
        check ^= check >> 29;
    }
    check |= 1;
    CHECK_INT(pwrite(fd, &check, sizeof check, 64), (ssize_t)sizeof check);
    (void)close(fd);
    struct mp_flight_reader *reader = open_it();
    struct mp_flight_record got;
    CHECK_INT(mp_flight_losses(reader).version, 2);
    CHECK(!mp_flight_losses(reader).header);
    CHECK(mp_flight_next(reader, &got, NULL) && got.due_ns == 1000);
    mp_flight_reader_close(reader);
}

/* A record is of the plan that it names, whether or not the one that begins the plan is there.
 */
static void records_name_their_plan(void)
{
    enum { PLANS = 3, EACH = 4 };
    struct mp_flight *flight = create(40);
    CHECK(mp_flight_start(flight, 100, 200));
    for (uint64_t play = 1; play <= PLANS; play++) {
        CHECK(mp_flight_play(flight, play, (int64_t)play * 1000, 0));
        for (uint64_t i = 1; i < EACH; i++) {
            const struct mp_flight_record record = {.kind = MP_FLIGHT_SENT, .number = i};
            CHECK(mp_flight_push(flight, &record));
        }
    }
    CHECK(!mp_flight_play(flight, UINT64_C(1) << MP_FLIGHT_PLAY_BITS, 1,
                          0)); // named by no record
    CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
    for (int lost = 0; lost < PLANS; lost++) {
        static const char zeros[RECORD];
        FILE *file = fopen(path, "r+b");
        CHECK(file != NULL);
        CHECK_INT(fseek(file, HEADER + (1 + lost * EACH) * RECORD, SEEK_SET), 0);
        CHECK_INT(fwrite(zeros, 1, sizeof zeros, file), sizeof zeros);
        CHECK_INT(fclose(file), 0);
        struct mp_flight_reader *reader = open_it();
        struct mp_flight_record got;
        uint64_t sent = 0;
        while (mp_flight_next(reader, &got, NULL)) {
            if (got.kind != MP_FLIGHT_SENT)
                continue;
            CHECK_INT(mp_flight_play_of(reader), sent / (EACH - 1) + 1);
            CHECK_INT(got.number, sent % (EACH - 1) + 1);
            CHECK_INT(mp_flight_place_of(reader),
                      1 + sent / (EACH - 1) * EACH + got.number + 1);
            sent++;
        }
        CHECK_INT(sent, PLANS * (EACH - 1));
        CHECK_INT(mp_flight_losses(reader).empty, lost + 1);
        mp_flight_reader_close(reader);
    }
}

/* What is no file of ours is refused, and not waited for. */
static void refuses_what_is_no_file(void)
{
    struct mp_flight_reader *reader = NULL;
    struct mp_error err = {0}, long_one = {0};
    (void)unlink(path);
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK_INT(mp_flight_open(&reader, path, &err), MP_EINVAL);
    CHECK_HAS(err.text, "is no flight record");
    (void)unlink(path);
    CHECK_INT(mp_flight_open(&reader, "/dev/zero", NULL), MP_EINVAL);
    CHECK_INT(mp_flight_open(&reader, "/", NULL), MP_EINVAL);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_INT(fclose(file), 0);
    CHECK_INT(truncate(path, (off_t)1 << 40), 0);
    CHECK_INT(mp_flight_open(&reader, path, &long_one), MP_EINVAL);
    CHECK_HAS(long_one.text, "longer than any");
    CHECK(reader == NULL);
}

/* A header in which all is damaged does not say that more is missing than any file has. */
static void a_damaged_count_is_not_believed(void)
{
    static const uint64_t counts[] = {UINT64_MAX, INT64_MAX, MP_FLIGHT_MAX + 1};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        static const uint64_t check = 1;
        struct mp_flight *flight = create(8);
        CHECK(mp_flight_start(flight, 1000, 2000));
        CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        CHECK_INT(pwrite(fd, &counts[i], sizeof counts[i], 48), (ssize_t)sizeof counts[i]);
        CHECK_INT(pwrite(fd, &check, sizeof check, 64), (ssize_t)sizeof check);
        (void)close(fd);
        struct mp_flight_reader *reader = open_it();
        const struct mp_flight_losses losses = mp_flight_losses(reader);
        CHECK(losses.header);
        CHECK_INT(losses.stored, 1);
        CHECK_INT(losses.missing, 0);
        CHECK_INT(losses.last, 0);
        mp_flight_reader_close(reader);
    }
}

/* A reply is of the plan of its pulse, whichever goes on. */
static void a_reply_names_its_plan(void)
{
    struct mp_flight *flight = create(40);
    const struct mp_flight_record reply = {.kind = MP_FLIGHT_CONFIRM, .number = 7};
    static const uint64_t of[] = {1, 2, 2, 2};
    CHECK(mp_flight_start(flight, 100, 200));
    CHECK(mp_flight_play(flight, 1, 1000, 0));
    CHECK(mp_flight_play(flight, 2, 2000, 1500));
    CHECK(mp_flight_push_of(flight, &reply, 1));
    CHECK(mp_flight_push_of(flight, &reply, 2));
    CHECK(mp_flight_push_of(flight, &reply, 0)); // of the one that goes on
    CHECK(mp_flight_push(flight, &reply));
    CHECK_INT(mp_flight_close(flight, NULL), MP_OK);
    struct mp_flight_reader *reader = open_it();
    struct mp_flight_record got;
    size_t count = 0;
    while (mp_flight_next(reader, &got, NULL)) {
        if (got.kind != MP_FLIGHT_CONFIRM)
            continue;
        CHECK(count < sizeof of / sizeof of[0]);
        CHECK_INT(mp_flight_play_of(reader), of[count]);
        CHECK_INT(got.number, 7);
        count++;
    }
    CHECK_INT(count, sizeof of / sizeof of[0]);
    mp_flight_reader_close(reader);
}

int main(void)
{
    path = scratch_path("flight-foreign");
    is_written_as_ever();
    version_2_is_read();
    records_name_their_plan();
    a_reply_names_its_plan();
    refuses_what_is_no_file();
    a_damaged_count_is_not_believed();
    (void)unlink(path);
    return CHECK_DONE("test_flight_foreign");
}
