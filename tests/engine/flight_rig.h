/*
 * flight_rig.h - for the C unit tests: one flight record in a file.
 */
#ifndef MP_TEST_FLIGHT_RIG_H
#define MP_TEST_FLIGHT_RIG_H

#include "engine/flight.h"
#include "tests/check.h"
#include "tests/engine/plans.h"

enum { HEADER = 4096, RECORD = 64 }; // the format, as flight.h has it

static const char *path;

static inline struct mp_flight *create(uint64_t capacity)
{
    struct mp_flight *flight = NULL;
    struct mp_error err = {0};
    must(mp_flight_create(&flight, path, capacity, &err), &err);
    return flight;
}

static inline struct mp_flight_reader *open_it(void)
{
    struct mp_flight_reader *reader = NULL;
    struct mp_error err = {0};
    must(mp_flight_open(&reader, path, &err), &err);
    return reader;
}

#endif
