/*
 * threshold_filter.h - the motor threshold from MEP amplitudes: a particle filter.
 *
 * A particle is a muscle of the population (engine/muscle.h) without its shift; with it goes
 * how likely each shift is, from 5 to 124 %MSO by 1 %MSO, so that the place of the curve, which
 * is what is looked for, is never left to chance. An amplitude weighs every particle at every
 * shift by its density there, with the pulses' spread and the noise integrated out. The
 * particles are drawn once, always the same: the same amplitudes give the same estimate on
 * every machine.
 *
 * create allocates; nothing else allocates or blocks. The particles take a tenth of a second
 * and more, so that they are made piece by piece: whoever is armed does other things between.
 * Once they are all there the bank is read only and may be shared; a filter borrows it.
 */
#ifndef MP_THRESHOLD_FILTER_H
#define MP_THRESHOLD_FILTER_H

#include "engine/error.h"

#include <stdbool.h>

struct mp_filter_bank;
struct mp_filter;

struct mp_threshold_estimate {
    double mean, median, low, high; // %MSO; low to high holds it with 95 %
};

/* The population as 1024 particles with 128 noises, of which none is made yet. MP_ENOMEM. */
enum mp_status mp_filter_bank_create(struct mp_filter_bank **out, struct mp_error *err);

/* Make count more parts of it, of those that are not there yet. True: it is whole. */
bool mp_filter_bank_fill(struct mp_filter_bank *bank, int count);
void mp_filter_bank_destroy(struct mp_filter_bank *bank);

/* Nothing is known yet but the population. Borrows bank, which must outlive it. MP_ENOMEM,
 * MP_ESTATE where it is not whole. */
enum mp_status mp_filter_create(struct mp_filter **out, const struct mp_filter_bank *bank,
                                struct mp_error *err);
void mp_filter_destroy(struct mp_filter *filter);

/* A pulse of so many %MSO (0 to 130) gave an MEP of so many volts. MP_ERANGE. */
enum mp_status mp_filter_update(struct mp_filter *filter, int intensity, double volts,
                                struct mp_error *err);

/* What is known of the threshold now. */
void mp_filter_estimate(const struct mp_filter *filter, struct mp_threshold_estimate *out);

#endif
