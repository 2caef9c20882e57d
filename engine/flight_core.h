/*
 * flight_core.h - what writing a flight record (flight.c) and reading it (flight_read.c) share:
 * the file's layout and its checksums. Nobody else includes this.
 */
#ifndef MP_FLIGHT_CORE_H
#define MP_FLIGHT_CORE_H

#include "engine/flight.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { FLIGHT_HEADER_BYTES = 4096 };
static const char flight_magic[16] = "moonpulse flight";

struct flight_header {
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

enum { FLIGHT_PLAY_SHIFT = 64 - MP_FLIGHT_PLAY_BITS };
static const uint64_t flight_number_mask = (UINT64_C(1) << FLIGHT_PLAY_SHIFT) - 1;

/* FNV-1a over 64-bit words: one more word. */
static inline uint64_t flight_hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x100000001B3);
    return hash ^ hash >> 29; // a word's high bits reach the low ones
}

/* The same of count words, begun otherwise by seed. */
static inline uint64_t flight_hash_words(const uint64_t *words, size_t count, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ seed;
    for (size_t i = 0; i < count; i++)
        hash = flight_hash_word(hash, words[i]);
    return hash;
}

/*
 * Of a record without its checksum and returned_ns, as its 64-bit words are on a little-endian
 * machine; place: from 1, 0 in version 1. Never 0. From the fields: a word that is stored in
 * parts and read whole stalls the processor.
 */
static inline uint32_t flight_checksum(const struct mp_flight_record *record, uint64_t place)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ place;
    hash = flight_hash_word(hash, (uint64_t)record->kind << 32 |
                                      (uint64_t)record->send_kind << 40 |
                                      (uint64_t)record->detail << 48);
    hash = flight_hash_word(hash, record->action | (uint64_t)record->frame << 32);
    hash = flight_hash_word(hash, record->number);
    hash = flight_hash_word(hash, (uint64_t)record->planned_ns);
    hash = flight_hash_word(hash, (uint64_t)record->due_ns);
    hash = flight_hash_word(hash, (uint64_t)record->woken_ns);
    hash = flight_hash_word(hash, (uint64_t)record->sent_ns);
    uint32_t folded = (uint32_t)(hash ^ (hash >> 32));
    return folded == 0 ? 1 : folded;
}

/* Of what never changes in the header. Never 0. */
static inline uint64_t flight_header_check(const struct flight_header *header)
{
    uint64_t words[offsetof(struct flight_header, start_ns) / 8];
    memcpy(words, header, sizeof words);
    return flight_hash_words(words, sizeof words / sizeof words[0], 0) | 1;
}

/* Of the start's times. Never 0. */
static inline uint64_t flight_start_check(int64_t start_ns, int64_t wall_ns)
{
    const uint64_t words[] = {(uint64_t)start_ns, (uint64_t)wall_ns};
    return flight_hash_words(words, 2, 0) | 1;
}

#endif
