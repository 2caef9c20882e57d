/*
 * exact_math.h - exponential, logarithm and chance with the same bits on every machine.
 *
 * A C library's exp and log may differ in the last bit from one processor to the next, and a
 * method that chooses the next intensity would choose another one. These use only additions,
 * multiplications, divisions and square roots of doubles, which IEEE 754 fixes to the bit (the
 * build has -ffp-contract=off). They are right to some 1e-15 of the value.
 *
 * Nothing here allocates or blocks; any thread may call it.
 */
#ifndef MP_EXACT_MATH_H
#define MP_EXACT_MATH_H

#include <stdint.h>

/* 0 below -700, and the value at 700 above it. */
double mp_exact_exp(double x);
/* x above 0 and normal; -708 for what is not. */
double mp_exact_log(double x);
/* 10 to the x. */
double mp_exact_exp10(double x);
double mp_exact_log10(double x);

/* The integral of the normal distribution; Abramowitz and Stegun 26.2.17, error below 7.5e-8.
 */
double mp_exact_normal(double x);

/* Chance by position in a stream (mp_schedule_draw): the same seed gives the same values. */
struct mp_chance {
    uint64_t seed, count;
};

/* Between 0 and 1, neither of them. */
double mp_chance_uniform(struct mp_chance *chance);
/* A normal deviate, by the polar method of Marsaglia and Bray 1964, SIAM Rev 6:260. */
double mp_chance_normal(struct mp_chance *chance);

#endif
