/* text.h - numbers as text: against printf, at the edges and at random. */
#include "engine/text.h"

#include "tests/check.h"
#include "tests/engine/chance.h"

#include <inttypes.h>
#include <stdlib.h>

static void check_number(uint64_t value)
{
    char expected[64], found[64];
    int length = snprintf(expected, sizeof expected, "%" PRIu64, value);
    *mp_put_integer(found, value) = '\0';
    CHECK_STR(found, expected);
    CHECK_INT(mp_put_integer(found, value) - found, length);
    (void)snprintf(expected, sizeof expected, "%" PRIu64 ".%03" PRIu64, value / 1000,
                   value % 1000);
    *mp_put_us(found, value) = '\0';
    CHECK_STR(found, expected);
    (void)snprintf(expected, sizeof expected, "%" PRIu64 ".%09" PRIu64, value / 1000000000,
                   value % 1000000000);
    *mp_put_seconds(found, value) = '\0';
    CHECK_STR(found, expected);
}

static void writes_numbers_as_printf_does(void)
{
    struct chance chance = {17};
    uint64_t power = 1;
    for (int digits = 0; digits < 20; digits++, power *= 10) { // 10^20 wraps: not reached
        check_number(power - 1);
        check_number(power);
        check_number(power + 1);
    }
    check_number(UINT64_MAX);
    for (int i = 0; i < 20000; i++)
        check_number(chance_next(&chance) >> chance_below(&chance, 64));
}

/* What is more than fits goes to the file in the order in which it came. */
static void gathers_without_losing(void)
{
    struct mp_text *text = malloc(sizeof *text);
    struct mp_error err = {0};
    FILE *file = tmpfile();
    CHECK(text != NULL && file != NULL);
    if (text == NULL || file == NULL) {
        free(text);
        return;
    }
    mp_text_init(text, file);
    for (uint64_t i = 0; i < 100000; i++) {
        char *at = mp_put_integer(mp_text_room(text, MP_DIGITS_MAX + 1), i);
        *at++ = '\n';
        mp_text_end(text, at);
    }
    CHECK_INT(mp_text_flush(text, &err), MP_OK);
    rewind(file);
    unsigned long long value;
    int64_t wrong = 0, count = 0;
    while (fscanf(file, "%llu", &value) == 1)
        wrong += value != (unsigned long long)count++;
    CHECK_INT(count, 100000);
    CHECK_INT(wrong, 0);
    (void)fclose(file);
    free(text);
}

static void keeps_the_first_failure(void)
{
    struct mp_text *text = malloc(sizeof *text);
    struct mp_error err = {0};
    FILE *full = fopen("/dev/full", "w");
    CHECK(text != NULL && full != NULL);
    if (text == NULL || full == NULL) {
        free(text);
        return;
    }
    mp_text_init(text, full);
    for (int i = 0; i < 3 * MP_TEXT_BYTES; i++) {
        char *at = mp_text_room(text, 1);
        *at++ = 'x';
        mp_text_end(text, at);
    }
    CHECK_INT(mp_text_flush(text, &err), MP_EIO);
    CHECK_HAS(err.text, "cannot write the events");
    CHECK_HAS(err.text, "No space left");
    (void)fclose(full);
    free(text);
}

int main(void)
{
    writes_numbers_as_printf_does();
    gathers_without_losing();
    keeps_the_first_failure();
    return CHECK_DONE("test_text");
}
