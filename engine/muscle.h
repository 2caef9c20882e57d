/*
 * muscle.h - a simulated subject: the MEP that a pulse gives, by a published model.
 *
 * The model is that of Goetz SM, Alavi SMM, Deng ZD, Peterchev AV. 2019 Statistical model of
 * motor-evoked potentials, IEEE Trans Neural Syst Rehabil Eng 27:1539-1545, with the population
 * of Wang B, Peterchev AV, Goetz SM. 2023 J Neural Eng, doi:10.1088/1741-2552/acf1cc.
 * Amplitudes are volts, intensities %MSO. A muscle is a value; nothing here allocates or
 * blocks.
 */
#ifndef MP_MUSCLE_H
#define MP_MUSCLE_H

#include "engine/exact_math.h"

#include <stdbool.h>

#define MP_RESPONSE_VOLTS 50e-6 // from which on an MEP is a response

struct mp_muscle {
    double noise;      // log10 of the place of the amplifier's noise in volts
    double range;      // decades between 0.1 uV and the largest MEP
    double half;       // of the curve: range / (1 + half / x^slope)
    double slope;      // its exponent
    double shift;      // %MSO at which the curve begins
    double spread_y;   // sd across pulses, decades
    double spread_x;   // sd across pulses, %MSO
    double noise_size; // scale of the noise's distribution (generalized extreme value), volts
    double noise_tail; // its shape
};

/* How the population differs from the published one: all 0 is that. In its own sd. */
struct mp_population {
    double shift;  // of all curves to higher intensities, by so many sd
    double range;  // of the range, by so many sd
    double noise;  // of the noise, by so many sd
    double spread; // of the pulses' spread in %MSO, as a part of it: 0.1 is 10 % more
};

/* Somebody of the population. mp_muscle_draw keeps who has a threshold that can be found:
 * over 300 pulses from 20 to 120 %MSO some MEP is below 30 uV, some above 1 mV, all are from
 * 0.1 uV to 30 mV, and the curve crosses 50 uV from 30 to 100 %MSO. */
void mp_muscle_draw(struct mp_muscle *muscle, const struct mp_population *population,
                    struct mp_chance *chance);

/* log10 of the MEP in units of 0.1 uV at x %MSO above the shift, without any noise. */
double mp_muscle_curve(const struct mp_muscle *muscle, double x);
/* %MSO above the shift at which the curve crosses 50 uV; negative: it never does. */
double mp_muscle_crossing(const struct mp_muscle *muscle);
/* Mean and sd of log10 of the shift in the population, given the curve's half and slope. */
void mp_muscle_shift_given_curve(const struct mp_muscle *muscle, double *mean, double *sd);
/* P(noise <= volts). */
double mp_muscle_noise_below(const struct mp_muscle *muscle, double volts);

/* The amplitude in volts of the MEP after a pulse of so many %MSO. */
double mp_muscle_respond(const struct mp_muscle *muscle, double intensity,
                         struct mp_chance *chance);
/* How often a pulse of so many %MSO gives 50 uV or more, from 0 to 1. */
double mp_muscle_probability(const struct mp_muscle *muscle, double intensity);
/* The intensity at which that is share; from 0 to 130 %MSO. */
double mp_muscle_intensity_of(const struct mp_muscle *muscle, double share);

#endif
