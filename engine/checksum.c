#include "engine/checksum.h"

#include <endian.h>
#include <string.h>

static const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15); // 2^64 / the golden ratio

static uint64_t mix(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * odd;
    return lane ^ lane >> 32; // else the high bits of a word would reach nothing below them
}

static void take_block(struct mp_checksum *sum, const unsigned char *block)
{
    for (int i = 0; i < MP_CHECKSUM_LANES; i++) {
        uint64_t word;
        memcpy(&word, block + 8 * i, sizeof word);
        sum->lanes[i] = mix(sum->lanes[i], le64toh(word));
    }
}

void mp_checksum_init(struct mp_checksum *sum)
{
    *sum = (struct mp_checksum){.lanes = {1, 2, 3, 4}};
}

void mp_checksum_add(struct mp_checksum *sum, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    size_t waiting = sum->bytes % MP_CHECKSUM_BLOCK;
    sum->bytes += length;
    if (waiting > 0) {
        size_t part = MP_CHECKSUM_BLOCK - waiting;
        if (part > length)
            part = length;
        memcpy(sum->block + waiting, from, part);
        from += part;
        length -= part;
        if (waiting + part < MP_CHECKSUM_BLOCK)
            return;
        take_block(sum, sum->block);
    }
    for (; length >= MP_CHECKSUM_BLOCK; length -= MP_CHECKSUM_BLOCK) {
        take_block(sum, from);
        from += MP_CHECKSUM_BLOCK;
    }
    if (length > 0)
        memcpy(sum->block, from, length);
}

uint64_t mp_checksum_value(const struct mp_checksum *sum)
{
    struct mp_checksum last = *sum;
    size_t waiting = last.bytes % MP_CHECKSUM_BLOCK;
    memset(last.block + waiting, 0, MP_CHECKSUM_BLOCK - waiting);
    take_block(&last, last.block);
    uint64_t value = last.bytes; // zeros at the end are no other text's missing bytes
    for (int i = 0; i < MP_CHECKSUM_LANES; i++)
        value = mix(value, last.lanes[i]);
    return value;
}
