#include "engine/text.h"

#include <errno.h>

const char mp_two_digits[200] = {
#define ROW(tens)                                                                              \
    tens, '0', tens, '1', tens, '2', tens, '3', tens, '4', tens, '5', tens, '6', tens, '7',    \
        tens, '8', tens, '9'
    ROW('0'), ROW('1'), ROW('2'), ROW('3'), ROW('4'),
    ROW('5'), ROW('6'), ROW('7'), ROW('8'), ROW('9'),
#undef ROW
};

const uint64_t mp_powers_of_ten[MP_DIGITS_MAX] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

enum mp_status mp_text_flush(struct mp_text *text, struct mp_error *err)
{
    size_t used = text->used;
    text->used = 0;
    if (text->sum != NULL)
        mp_checksum_add(text->sum, text->bytes, used);
    if (text->failed == 0 && fwrite(text->bytes, 1, used, text->file) != used)
        text->failed = errno != 0 ? errno : EIO;
    if (text->failed == 0)
        return MP_OK;
    return mp_fail_sys(err, MP_EIO, text->failed, "cannot write the events");
}
