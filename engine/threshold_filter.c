/* threshold_filter.c - see threshold_filter.h. */
#include "engine/threshold_filter.h"

#include "engine/muscle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTICLES = 1024,
    NOISES = 128, // each goes with PARTICLES / NOISES curves
    BANK_PARTS = NOISES + PARTICLES,
    SHIFT_FIRST = 5,
    SHIFTS = 120,
    X_FIRST = -40, // the curve's grid, %MSO above the shift
    XS = 200,
    TAPS = 16, // of the pulses' spread, on either side, %MSO
    CELLS = 128,
    BINS = 2800 // of the threshold's distribution, 0.05 %MSO each
};

static const struct mp_population published = {0};
static const double cell_first = -0.6, cell_step = 0.05; // log10 of 0.1 uV
static const double unit = 1e-7, bin_size = 0.05;

struct particle {
    struct mp_muscle muscle;
    double offset;               // of the threshold from the shift, %MSO
    double kernel[2 * TAPS + 1]; // of the pulses' spread; the same on either side
    double edges[XS + 1];        // of the curve's grid: its heights there, in cells
    double per_cell[XS];         // 1 / how many cells it rises by from edge to edge
    double prior[SHIFTS];
};

struct noise {
    struct mp_muscle muscle;
    double smear[2 * TAPS + 1]; // of the spread in decades, in cells
    double reached[CELLS];      // how often an MEP of each cell is a response
};

struct mp_filter_bank {
    struct particle particles[PARTICLES];
    struct noise noises[NOISES];
    double size[CELLS]; // the MEP of each cell's lower edge, volts
    double inside[CELLS];
    struct mp_chance chance;
    int made; // so many of the noises, then of the particles, are there
};

struct mp_filter {
    const struct mp_filter_bank *bank;
    double weights[PARTICLES][SHIFTS];
    double density[CELLS]; // of the amplitude, by the curve's height: of one noise
};

/* Normal weights at -TAPS to TAPS steps. */
static void fill_kernel(double *kernel, double steps_sd)
{
    double sum = 0.0;
    for (int i = -TAPS; i <= TAPS; i++) {
        kernel[i + TAPS] = mp_exact_exp(-0.5 * i * i / (steps_sd * steps_sd));
        sum += kernel[i + TAPS];
    }
    for (int i = 0; i <= 2 * TAPS; i++)
        kernel[i] /= sum;
}

/* Spread what each cell has over its neighbours. */
static void smear(const struct noise *noise, const double *from, double *to)
{
    for (int i = 0; i < CELLS; i++) {
        double sum = 0.0;
        for (int k = -8; k <= 8; k++)
            if (i + k >= 0 && i + k < CELLS)
                sum += noise->smear[k + TAPS] * from[i + k];
        to[i] = sum;
    }
}

/* What is below a height, of what each cell has. */
static double below_height(const double *sums, double height)
{
    const int cell = (int)height;
    return sums[cell] + (height - cell) * (sums[cell + 1] - sums[cell]);
}

/*
 * The mean of what the cells have over each step of the curve's grid, count steps from x on: a
 * steep curve may pass ten cells in a step. Beyond the grid it is as at its end.
 */
static void along_curve(const struct particle *p, const double *cells, int x, int count,
                        double *means)
{
    double sums[CELLS + 1] = {0.0};
    for (int c = 0; c < CELLS; c++)
        sums[c + 1] = sums[c] + cells[c];
    int done = -1;
    double mean = 0.0;
    for (int i = 0; i < count; i++) {
        const int place = x + i - X_FIRST;
        const int step = place < 0 ? 0 : place >= XS ? XS - 1 : place;
        if (step != done) {
            const double low = p->edges[step], high = low + 1.0 / p->per_cell[step];
            mean = (below_height(sums, high) - below_height(sums, low)) * p->per_cell[step];
            done = step;
        }
        means[i] = mean;
    }
}

/* How likely it is with the pulses' spread: means from TAPS before on. */
static double spread(const struct particle *p, const double *means)
{
    const double *middle = means + TAPS, *kernel = p->kernel + TAPS;
    double sum = kernel[0] * middle[0], other = 0.0;
    for (int k = 1; k <= TAPS; k += 2) {
        sum += kernel[k] * (middle[k] + middle[-k]);
        other += kernel[k + 1] * (middle[k + 1] + middle[-k - 1]);
    }
    return sum + other;
}

/* Where half of the pulses reach the criterion, above the shift. */
static double find_offset(const struct particle *p, const double *reached)
{
    enum { LAST = XS + X_FIRST };
    double means[LAST + 2 * TAPS], before = 0.0;
    along_curve(p, reached, -TAPS, LAST + 2 * TAPS, means);
    for (int u = 0; u < LAST; u++) {
        const double share = spread(p, means + u);
        if (share >= 0.5)
            return u - (share - 0.5) / (share - before);
        before = share;
    }
    return LAST;
}

/* How likely each shift is for this curve: normal in its logarithm, given half and slope. */
static void fill_prior(struct particle *p)
{
    const double crossing = mp_muscle_crossing(&p->muscle);
    double mean, sd, sum = 0.0;
    mp_muscle_shift_given_curve(&p->muscle, &mean, &sd);
    for (int i = 0; i < SHIFTS; i++) {
        const double shift = SHIFT_FIRST + i;
        const double z = (mp_exact_log10(shift) - mean) / sd;
        const bool kept = shift + crossing >= 30.0 && shift + crossing <= 100.0;
        p->prior[i] = kept ? mp_exact_exp(-0.5 * z * z) / shift : 0.0;
        sum += p->prior[i];
    }
    for (int i = 0; i < SHIFTS; i++)
        p->prior[i] = sum > 0.0 ? p->prior[i] / sum : 0.0;
}

/* How often an MEP of this cell reaches the criterion with the noise: a mean over the cell. */
static double share_reached(const struct mp_muscle *muscle, int cell)
{
    enum { PARTS = 8 };
    double sum = 0.0;
    for (int i = 0; i < PARTS; i++) {
        const double height = cell_first + cell_step * (cell + (i + 0.5) / PARTS);
        sum += 1.0 -
               mp_muscle_noise_below(muscle, MP_RESPONSE_VOLTS - unit * mp_exact_exp10(height));
    }
    return sum / PARTS;
}

/* It is the same for all particles of a noise: to make it for each takes most of a bank's time.
 */
static void fill_noise(struct noise *noise)
{
    double reached[CELLS];
    fill_kernel(noise->smear, noise->muscle.spread_y / cell_step);
    for (int c = 0; c < CELLS; c++)
        reached[c] = share_reached(&noise->muscle, c);
    smear(noise, reached, noise->reached);
}

static void fill_particle(const struct mp_filter_bank *bank, struct particle *p, int number)
{
    const double most = CELLS - 1.0, least_step = 0.02;
    for (int i = 0; i <= XS; i++) {
        const double curve = mp_muscle_curve(&p->muscle, X_FIRST + i - 0.5);
        const double height = (curve - cell_first) / cell_step;
        p->edges[i] = height > most ? most : height;
    }
    for (int i = 0; i < XS; i++) {
        const double step = p->edges[i + 1] - p->edges[i];
        p->per_cell[i] = 1.0 / (step > least_step ? step : least_step);
    }
    fill_kernel(p->kernel, p->muscle.spread_x);
    p->offset = find_offset(p, bank->noises[number % NOISES].reached);
    fill_prior(p);
}

enum mp_status mp_filter_bank_create(struct mp_filter_bank **out, struct mp_error *err)
{
    struct mp_filter_bank *bank = calloc(1, sizeof *bank);
    if (bank == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the threshold's particles");
    bank->chance = (struct mp_chance){.seed = 2003};
    for (int c = 0; c < CELLS; c++) {
        bank->size[c] = unit * mp_exact_exp10(cell_first + cell_step * c);
        bank->inside[c] = unit * mp_exact_exp10(cell_first + cell_step * (c + 0.5));
    }
    *out = bank;
    return MP_OK;
}

bool mp_filter_bank_fill(struct mp_filter_bank *bank, int count)
{
    for (; count > 0 && bank->made < BANK_PARTS; count--, bank->made++) {
        const int number = bank->made - NOISES;
        struct mp_muscle *muscle =
            number < 0 ? &bank->noises[bank->made].muscle : &bank->particles[number].muscle;
        mp_muscle_draw(muscle, &published, &bank->chance);
        if (number < 0)
            fill_noise(&bank->noises[bank->made]);
        else
            fill_particle(bank, &bank->particles[number], number);
    }
    return bank->made == BANK_PARTS;
}

void mp_filter_bank_destroy(struct mp_filter_bank *bank)
{
    free(bank);
}

enum mp_status mp_filter_create(struct mp_filter **out, const struct mp_filter_bank *bank,
                                struct mp_error *err)
{
    if (bank->made < BANK_PARTS)
        return mp_fail(err, MP_ESTATE, "the threshold's particles are not all there yet");
    struct mp_filter *filter = malloc(sizeof *filter);
    if (filter == NULL)
        return mp_fail(err, MP_ENOMEM, "out of memory for the threshold's particles");
    filter->bank = bank;
    for (int i = 0; i < PARTICLES; i++)
        memcpy(filter->weights[i], bank->particles[i].prior, sizeof filter->weights[i]);
    *out = filter;
    return MP_OK;
}

void mp_filter_destroy(struct mp_filter *filter)
{
    free(filter);
}

/* The density of volts where the curve is at each cell's middle, with this noise. */
static void find_density(const struct mp_filter_bank *bank, const struct noise *noise,
                         double volts, double *density)
{
    double given[CELLS];
    double below = mp_muscle_noise_below(&noise->muscle, volts - bank->size[0]);
    for (int c = 0; c < CELLS; c++) {
        double next = 0.0;
        if (c + 1 < CELLS && below > 0.0)
            next = mp_muscle_noise_below(&noise->muscle, volts - bank->size[c + 1]);
        given[c] = (below - next) / bank->inside[c] * volts;
        below = next;
    }
    smear(noise, given, density);
    for (int c = 0; c < CELLS; c++)
        density[c] += 1e-7; // an amplitude that no muscle gives decides nothing
}

/* Weigh the shifts of a particle; returns their sum. What is this unlikely stays out. */
static double weigh(const struct particle *p, const double *density, int intensity,
                    double *weights)
{
    const double least = 1e-7;
    double means[SHIFTS + 2 * TAPS], sum = 0.0;
    int first = 0, last = SHIFTS - 1;
    while (first < SHIFTS && weights[first] <= least)
        weights[first++] = 0.0;
    while (last > first && weights[last] <= least)
        weights[last--] = 0.0;
    if (first == SHIFTS)
        return 0.0;
    const int lowest = intensity - (SHIFT_FIRST + last) - TAPS;
    along_curve(p, density, lowest, last - first + 1 + 2 * TAPS, means);
    for (int i = first; i <= last; i++) {
        weights[i] *= spread(p, means + (last - i));
        sum += weights[i];
    }
    return sum;
}

enum mp_status mp_filter_update(struct mp_filter *filter, int intensity, double volts,
                                struct mp_error *err)
{
    if (intensity < 0 || intensity > 130)
        return mp_fail(err, MP_ERANGE, "%d %%MSO is outside 0 to 130", intensity);
    if (!(volts >= 0.0 && volts <= 1.0))
        return mp_fail(err, MP_ERANGE, "an MEP of %g V is outside 0 to 1 V", volts);
    double sum = 0.0;
    for (int n = 0; n < NOISES; n++) {
        find_density(filter->bank, &filter->bank->noises[n], volts > 1e-8 ? volts : 1e-8,
                     filter->density);
        for (int i = n; i < PARTICLES; i += NOISES)
            sum += weigh(&filter->bank->particles[i], filter->density, intensity,
                         filter->weights[i]);
    }
    for (int i = 0; i < PARTICLES; i++)
        for (int k = 0; k < SHIFTS; k++)
            filter->weights[i][k] *= PARTICLES / sum;
    return MP_OK;
}

/* Where the distribution of bins reaches share of its sum. */
static double quantile(const double *bins, double sum, double share)
{
    double below = 0.0;
    for (int i = 0; i < BINS; i++) {
        if (below + bins[i] >= share * sum)
            return bin_size * (i + (share * sum - below) / bins[i]);
        below += bins[i];
    }
    return bin_size * BINS;
}

void mp_filter_estimate(const struct mp_filter *filter, struct mp_threshold_estimate *out)
{
    double bins[BINS] = {0}, sum = 0.0, mean = 0.0;
    for (int i = 0; i < PARTICLES; i++)
        for (int k = 0; k < SHIFTS; k++) {
            const double weight = filter->weights[i][k];
            const double threshold = SHIFT_FIRST + k + filter->bank->particles[i].offset;
            const int bin = (int)(threshold / bin_size);
            if (weight <= 0.0)
                continue;
            bins[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin] += weight;
            sum += weight;
            mean += weight * threshold;
        }
    out->mean = mean / sum;
    out->median = quantile(bins, sum, 0.5);
    out->low = quantile(bins, sum, 0.025);
    out->high = quantile(bins, sum, 0.975);
}
