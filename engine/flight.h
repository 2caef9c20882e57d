/*
 * flight.h - the flight recorder: fixed-size records in a memory-mapped file.
 *
 * The dispatcher stores what it did, the loop thread what the device answered; a store
 * is no system call, and a killed process loses nothing that it had stored, since the
 * pages belong to the file. Both threads push: a slot is claimed with one atomic add, so
 * neither ever waits for the other. Each record carries a checksum; a torn one is skipped
 * by the reader. A frame's record is stored before its write begins and completed after it
 * (one 8-byte store outside the checksum): a process killed in between leaves "perhaps sent",
 * never a pulse without a record.
 *
 * The file is made at its full length beforehand (posix_fallocate), and for a dispatcher that
 * has a thread of its own its pages are touched, so that a push meets no missing page. Layout,
 * little-endian as the host writes: a 4096-byte header, then records of 64 bytes.
 *
 * Version 2: a record's checksum counts its place in, so a record that was moved is torn; the
 * header has checksums of what never changes and of the start's times, which are also a record
 * of their own; records that should be there and are not are counted. Version 1 had none of
 * this and is still read. In the file a number's high MP_FLIGHT_PLAY_BITS bits are the plan
 * that the record belongs to, so that none is taken for another's where the record that names
 * the plan is lost.
 *
 * Version 3: a confirmation says what of (enum mp_flight_said), and a frame that the port took
 * a part of is not one of which it took nothing (enum mp_flight_untaken). Who reads version 2
 * would take these for confirmations, and so refuses. Version 2 is read as what it is: it has
 * none.
 *
 * What a run needs is known beforehand, but for keep-alives and a script's questions: these
 * take a record each for the first MP_FLIGHT_ONEOFFS of a file only, keep-alives none. One
 * MP_FLIGHT_ALIVE for each arming holds the time of the last of them.
 *
 * A file that another program cuts while it is written, or whose disk fails, ends nothing by
 * itself (mapped.h): the memory stays, the file is lost, and whoever sends asks before. A store
 * tells that of the pages that are gone; what is left of the last one, and a file that was made
 * longer again, the loop sees when it looks (mp_flight_look): until then, for as long as it is
 * between two looks, what leaves may have no record here. The loop's own (events.tsv) has it.
 */
#ifndef MP_FLIGHT_H
#define MP_FLIGHT_H

#include "engine/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MP_FLIGHT_VERSION = 3,
    MP_FLIGHT_MAX = 4000000,
    MP_FLIGHT_PLAY_BITS = 24, // of a number; plans are counted from 1, 0 is none
    MP_FLIGHT_ONEOFFS = 2048, // frames between the plan's that have a record of their own
    MP_FLIGHT_SPARE =
        4096 // what a run takes beside its plan's records, one-off frames included
};

enum mp_flight_kind {
    MP_FLIGHT_EMPTY,   // a slot that was never written
    MP_FLIGHT_SENT,    // a frame of the plan was handed to the port
    MP_FLIGHT_SKIPPED, // a pulse was left out; detail: enum mp_stop
    MP_FLIGHT_MARK,
    MP_FLIGHT_ONEOFF,   // a frame between the plan's
    MP_FLIGHT_CONFIRM,  // what the device said of pulse number (loop thread); detail: enum
                        // mp_flight_said
    MP_FLIGHT_FINISHED, // the plan is over
    MP_FLIGHT_STOPPED,  // detail: enum mp_stop; action: 1 if the safe frame went out;
                        // planned_ns: mp_outcome's cut_ns
    MP_FLIGHT_START,    // the run began at due_ns (monotonic), planned_ns by the wall clock
    MP_FLIGHT_PLAY,     // what follows is of plan number, which starts at due_ns; woken_ns:
                        // the trigger that started it
    MP_FLIGHT_LEFT,     // the device was asked; action: 1 if it says that it is disarmed
    MP_FLIGHT_ALIVE,    // armed at sent_ns; returned_ns: the last frame without a record of its
                        // own; detail: 1 if a port does not say what it holds
    MP_FLIGHT_CODE,     // the event code action of a pulse or mark; detail: enum mp_code_lost;
                        // due_ns: when it was to leave; returned_ns: when its byte was there,
                        // 0: perhaps written, below 0: enum mp_code_lost of one that was
                        // begun and not written;
                        // a mark's of number 0 is of no plan, and planned_ns is monotonic
    MP_FLIGHT_KINDS
};

/* Of what the device says. The numbers are the file's. */
enum mp_flight_said {
    MP_FLIGHT_SAID_GIVEN,     // the pulse was given
    MP_FLIGHT_SAID_OTHERWISE, // it was, and not as it was set
    MP_FLIGHT_SAID_GOING,     // the train of its own that began with it was not cut by woken_ns
    MP_FLIGHT_SAID_SOME,      // a pulse of such a train was given: nobody knows which
    MP_FLIGHT_SAID_EXTERNAL,  // a pulse that something else fired was given, as was waited for
    MP_FLIGHT_SAID_EXTERNAL_OTHERWISE, // it was, and not as the device was set
    MP_FLIGHT_SAID_COUNT
};

struct mp_flight_record {
    uint32_t checksum; // of all but returned_ns; written last
    uint8_t kind;
    uint8_t send_kind; // enum mp_send_kind
    uint16_t detail;
    uint32_t action;
    uint32_t frame;
    uint64_t number;     // pulse or mark number
    int64_t planned_ns;  // onset, from the plan's start
    int64_t due_ns;      // when the frame was due, monotonic
    int64_t woken_ns;    // when the wait ended; confirm: when the reply arrived
    int64_t sent_ns;     // stamp before the write
    int64_t returned_ns; // stamp after it; 0: not known, or enum mp_flight_untaken
};
/* The port did not take the frame, or only a part. */
enum mp_flight_untaken { MP_FLIGHT_UNTAKEN = -1, MP_FLIGHT_IN_PART = -2 };
_Static_assert(sizeof(struct mp_flight_record) == 64, "the file format has 64-byte records");

struct mp_flight;

/*
 * Make path for capacity records (at most MP_FLIGHT_MAX). start_ns is stored by
 * mp_flight_start. MP_EIO when the file cannot be made or the disk is full.
 */
enum mp_status mp_flight_create(struct mp_flight **out, const char *path, uint64_t capacity,
                                struct mp_error *err);
/* Meet every missing page now, not at a deadline: for a dispatcher with a thread of its own,
 * and before it is armed, since a disk may take its time. Right after mp_flight_create. Loop
 * thread. */
void mp_flight_touch(struct mp_flight *flight);
/*
 * A dispatcher writes into it: set at arm, cleared when the dispatcher has ended. It must
 * not be closed meanwhile.
 */
bool mp_flight_busy(const struct mp_flight *flight);
/* Say that one does, or that it has ended. Loop thread. */
void mp_flight_set_busy(struct mp_flight *flight, bool busy);

/* Cut the file to what was used, sync and free, also if that fails: MP_EIO. A file that was
 * lost, or that has not every record, is left as it is, which is MP_EIO as well. NULL is
 * accepted. Loop thread. */
enum mp_status mp_flight_close(struct mp_flight *flight, struct mp_error *err);

/* The monotonic instant of the plan's start, and the wall clock beside it. Takes a record.
 * False when the file is full. Loop thread. */
bool mp_flight_start(struct mp_flight *flight, int64_t start_ns, int64_t wall_ns);

/* What is stored from here on is of plan number play, which starts at start_ns; trigger_ns: by
 * a trigger that came then, 0: by none. Takes a record. False when the file is full, or play is
 * beyond its bits. With no plan going on: loop thread; dispatcher thread, for triggers. */
bool mp_flight_play(struct mp_flight *flight, uint64_t play, int64_t start_ns,
                    int64_t trigger_ns);

/* Store a record; its checksum is computed here. Any thread. False when the file is full. */
bool mp_flight_push(struct mp_flight *flight, const struct mp_flight_record *record);
/* The same, of plan number play (0: the one that goes on), which need not be the last one: a
 * reply to a pulse may come when a trigger has started the next plan. */
bool mp_flight_push_of(struct mp_flight *flight, const struct mp_flight_record *record,
                       uint64_t play);
/* As mp_flight_push, for a frame that is about to be written; *slot is for mp_flight_finish. */
bool mp_flight_begin(struct mp_flight *flight, const struct mp_flight_record *record,
                     uint64_t *slot);
/* The write has ended at returned_ns, or failed (enum mp_flight_untaken). */
void mp_flight_finish(struct mp_flight *flight, uint64_t slot, int64_t returned_ns);
/* Bring the next two slots into the cache and their page into reach. Any thread. */
void mp_flight_warm(struct mp_flight *flight);
/* May one more one-off frame have a record of its own? Then it is counted. Dispatcher thread.
 */
bool mp_flight_take_oneoff(struct mp_flight *flight);
/* Was the file cut, or is its disk gone? Then what is stored may be in no file. Told by a store
 * to a page that is gone (asked after it, it holds for that one), or by the last look. Any
 * thread. */
bool mp_flight_lost(const struct mp_flight *flight);
/* Look at the file, and at what was stored last: lost? One system call. Loop thread. */
bool mp_flight_look(struct mp_flight *flight);
/* Records that still fit. */
uint64_t mp_flight_room(const struct mp_flight *flight);

/*
 * Reading back, also of a torn file, and of one from elsewhere: what is no regular file, or is
 * longer than MP_FLIGHT_MAX records, is none (MP_EINVAL). MP_EBUSY while its run is still going
 * on.
 */
struct mp_flight_reader;
/* *out is the caller's, to be closed. */
enum mp_status mp_flight_open(struct mp_flight_reader **out, const char *path,
                              struct mp_error *err);
void mp_flight_reader_close(struct mp_flight_reader *reader); // NULL is accepted
/* The next whole record; false at the end. *torn counts the slots that were skipped. */
bool mp_flight_next(struct mp_flight_reader *reader, struct mp_flight_record *record,
                    uint64_t *torn);
/* What is not as it was written; all 0 for a file that is whole, from version 2 on. */
struct mp_flight_losses {
    uint32_t version;
    uint64_t stored;      // places that were given out, as far as is known
    uint64_t torn;        // of them: what is there is no record
    uint64_t empty;       // never filled, or zeroed
    uint64_t missing;     // past the end of the file
    bool header;          // the header is damaged (version 1: nobody can tell)
    uint64_t first, last; // the first and the last place of these, from 1
};
/* What is lost of the file, as was seen when it was opened. */
struct mp_flight_losses mp_flight_losses(const struct mp_flight_reader *reader);
/* The plan of the record that mp_flight_next gave last; 0: of none. */
uint64_t mp_flight_play_of(const struct mp_flight_reader *reader);
/* Its place in the file, from 1. */
uint64_t mp_flight_place_of(const struct mp_flight_reader *reader);
/* The record at a place, with its plan (0: it names none); false: there is none that is whole.
 */
bool mp_flight_at(const struct mp_flight_reader *reader, uint64_t place,
                  struct mp_flight_record *record, uint64_t *play);
/* Do the records name their plans? Not before version 2. */
bool mp_flight_is_placed(const struct mp_flight_reader *reader);
/* mp_flight_next goes on after place, whose record is of that plan. */
void mp_flight_pass(struct mp_flight_reader *reader, uint64_t place, uint64_t play);
/* The monotonic instant of the first plan's start, and the wall clock's time then; 0: neither
 * is known. */
int64_t mp_flight_start_ns(const struct mp_flight_reader *reader);
int64_t mp_flight_wall_ns(const struct mp_flight_reader *reader);

#endif
