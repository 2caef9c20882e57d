#include "engine/code_box.h"

#include "engine/port.h"

#include <string.h>

// a byte that is still in the system's queue after so long is at no box: it hangs
static const int64_t hangs_ns = 20 * MP_NS_PER_MS;
// how often the 0 is tried at a box that takes none while others wait for it, and how long
// between; and how long when they do not: a box that takes bytes again must not stand at its
// code
enum { ZERO_TRIES = 3 };
static const int64_t again_ns = 10 * MP_NS_PER_MS, later_ns = 100 * MP_NS_PER_MS;
// between two codes the box stands at 0 so long: else nobody sees the second one
static const int64_t rest_ns = MP_NS_PER_MS;
// a late code that another of a plan replaces stood for half its width, at most so long: a
// sample of any amplifier (200 Hz), and what a full queue adds to the lateness of the last
// stays bounded
static const int64_t seen_most_ns = 5 * MP_NS_PER_MS;
// another thread is writing to the box, which takes some ten microseconds: come again then
static const int64_t taken_ns = 100 * MP_NS_PER_US;

/* What becomes of a code: told once nobody is at the box, since who hears may close it. */
struct word {
    struct mp_code code;
    enum mp_code_lost lost;
    int64_t entered_ns;
    bool any;
};

static int64_t now_of(const struct mp_code_box *box)
{
    return box->time == NULL ? mp_clock_ns() : box->time->now(box->time->context);
}

/* In their order; after those of the same time. */
static void insert(struct mp_code_box *box, const struct mp_code *code)
{
    uint32_t at = box->count++;
    for (; at > 0 && box->waits[at - 1].ready_ns > code->ready_ns; at--)
        box->waits[at] = box->waits[at - 1];
    box->waits[at] = *code;
}

static struct mp_code take_at(struct mp_code_box *box, uint32_t at)
{
    const struct mp_code taken = box->waits[at];
    box->count--;
    memmove(box->waits + at, box->waits + at + 1, (box->count - at) * sizeof box->waits[0]);
    return taken;
}

static struct mp_code take_first(struct mp_code_box *box)
{
    return take_at(box, 0);
}

/* No code of a plan comes before at_ns; they stay in their order. */
static void hold_plan(struct mp_code_box *box, int64_t at_ns)
{
    for (uint32_t i = 0; i < box->count && box->waits[i].ready_ns < at_ns;) {
        if (box->waits[i].patient) {
            i++;
            continue;
        }
        struct mp_code code = take_at(box, i);
        code.ready_ns = at_ns;
        insert(box, &code);
    }
}

/* How many of its kind wait: of a script, or of a plan. */
static uint32_t waiting(const struct mp_code_box *box, bool patient)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < box->count; i++)
        count += box->waits[i].patient == patient;
    return count;
}

void mp_code_box_add(struct mp_code_box *box, const struct mp_code *code,
                     const struct mp_code_hears *hears)
{
    struct mp_code mine = *code;
    mine.ready_ns = code->due_ns;
    for (uint32_t i = 0; i < box->count; i++) { // in their order, where one is held
        const struct mp_code *each = &box->waits[i];
        if (each->patient == code->patient && each->ready_ns > mine.ready_ns &&
            (code->patient || each->due_ns <= code->due_ns))
            mine.ready_ns = each->ready_ns;
    }
    if (waiting(box, code->patient) <
        (uint32_t)(code->patient ? MP_CODES_OF_SCRIPT : MP_CODES_OF_PLAN))
        insert(box, &mine);
    else
        hears->told(hears->context, code, MP_CODE_CROWDED, now_of(box));
}

/* When the box has been at 0 for long enough. */
static int64_t free_at(const struct mp_code_box *box)
{
    const int64_t own_ns = box->stands ? box->zero_ns + box->wire_ns + rest_ns : box->free_ns;
    return box->share != NULL && box->share->free_ns > own_ns ? box->share->free_ns : own_ns;
}

/* False: another thread has it. */
static bool take(struct mp_code_box *box)
{
    return box->share == NULL ||
           !atomic_flag_test_and_set_explicit(&box->share->taken, memory_order_acquire);
}

/* Others may, and know when it is free. */
static void give_back(struct mp_code_box *box)
{
    if (box->share != NULL) {
        box->share->free_ns = free_at(box);
        atomic_flag_clear_explicit(&box->share->taken, memory_order_release);
    }
}

/* Another has the box: all that is due is due a little later, in the same order. */
static void come_again(struct mp_code_box *box)
{
    const int64_t now = now_of(box);
    uint32_t due = 0;
    if ((box->stands || box->owed) && box->zero_ns <= now)
        box->zero_ns = now + taken_ns;
    while (due < box->count && box->waits[due].ready_ns <= now)
        due++;
    for (; due > 0; due--) {
        struct mp_code code = take_first(box);
        code.ready_ns = now + taken_ns;
        insert(box, &code);
    }
}

bool mp_code_box_comes(const struct mp_code_box *box)
{
    return waiting(box, false) > 0;
}

int64_t mp_code_box_next(const struct mp_code_box *box)
{
    int64_t next_ns = box->stands || box->owed ? box->zero_ns : INT64_MAX;
    if (box->count > 0 && box->waits[0].ready_ns < next_ns)
        next_ns = box->waits[0].ready_ns;
    return next_ns;
}

static struct mp_code_bytes *bytes_of(struct mp_code_box *box)
{
    return box->share == NULL ? &box->bytes : &box->share->bytes;
}

/* Does it hold a byte that should have left long ago? Others would come out with that one. */
static bool hangs(struct mp_code_box *box)
{
    const struct mp_code_bytes *bytes = bytes_of(box);
    const uint64_t known =
        bytes->count < MP_CODE_BYTES_KEPT ? bytes->count : MP_CODE_BYTES_KEPT;
    const int queued = mp_port_queued(box->port);
    if (queued <= 0 || known == 0) // or the system cannot say
        return false;
    const uint64_t held = (uint64_t)queued < known ? (uint64_t)queued : known;
    const int64_t oldest_ns = bytes->at_ns[(bytes->count - held) % MP_CODE_BYTES_KEPT];
    return now_of(box) - oldest_ns > hangs_ns + box->wire_ns;
}

static enum mp_code_lost gone(struct mp_code_box *box)
{
    box->gone = true;
    return MP_CODE_BOX_GONE;
}

/* One byte, or the line; what the box did not take is not tried again. */
static enum mp_code_lost put(struct mp_code_box *box, uint8_t value)
{
    size_t written = 0;
    if (box->gone)
        return MP_CODE_BOX_GONE;
    if (box->line != MP_TRIGGER_NONE)
        return mp_port_set_line(box->port, box->line, value != 0, NULL) == MP_OK
                   ? MP_CODE_WRITTEN
                   : gone(box);
    if (hangs(box))
        return MP_CODE_BOX_FULL;
    if (mp_port_write(box->port, &value, 1, &written, NULL) != MP_OK)
        return gone(box);
    if (written == 0)
        return MP_CODE_BOX_FULL;
    struct mp_code_bytes *bytes = bytes_of(box);
    bytes->at_ns[bytes->count++ % MP_CODE_BYTES_KEPT] = now_of(box);
    return MP_CODE_WRITTEN;
}

static void put_zero(struct mp_code_box *box)
{
    if (box->share != NULL && box->share->given != box->given) { // its 0 comes from who gave it
        box->stands = box->owed = false;
        return;
    }
    const bool missed = put(box, 0) == MP_CODE_BOX_FULL;
    if (missed && box->tries < ZERO_TRIES)
        box->tries++;
    box->stands = missed && box->tries < ZERO_TRIES;
    box->owed = missed && !box->stands;
    box->zero_ns = now_of(box) + (box->owed ? later_ns : again_ns);
    box->free_ns = now_of(box) + box->wire_ns + rest_ns;
    if (box->share != NULL) {
        box->share->stands = missed;
        box->share->free_ns = box->free_ns; // also where the 0 was to come later
    }
}

/* How long a code that was written at entered_ns stands before another of a plan may take its
 * place. Two that are on time are known to be apart; of late ones the next may be due at once.
 */
static int64_t seen_after(const struct mp_code_box *box, const struct mp_code *code,
                          int64_t entered_ns)
{
    const bool late = !code->patient && entered_ns - code->due_ns > rest_ns;
    int64_t least_ns = late && box->width_ns / 2 > rest_ns ? box->width_ns / 2 : rest_ns;
    if (least_ns > seen_most_ns)
        least_ns = seen_most_ns;
    return box->wire_ns + (least_ns < box->width_ns ? least_ns : box->width_ns);
}

static void put_first(struct mp_code_box *box, const struct mp_code_hears *hears,
                      struct word *word)
{
    *word = (struct word){.code = take_first(box), .entered_ns = now_of(box), .any = true};
    if (hears->begins != NULL)
        hears->begins(hears->context, &word->code, word->entered_ns);
    word->lost = put(box, word->code.value);
    if (word->lost != MP_CODE_WRITTEN)
        return;
    box->stands = true;
    box->value = word->code.value;
    box->owed = false;
    box->of_script = word->code.patient;
    box->tries = 0;
    const int64_t written_ns = now_of(box);
    box->zero_ns = written_ns + box->wire_ns + box->width_ns;
    box->seen_ns = written_ns + seen_after(box, &word->code, word->entered_ns);
    if (box->share != NULL) {
        box->share->seen_ns = box->seen_ns;
        box->given = ++box->share->given;
        box->share->value = box->value;
        box->share->stands = true;
    }
}

/* A patient code is first, and the box is not free for it: it comes when it is. */
static bool put_off(struct mp_code_box *box, int64_t now)
{
    const int64_t at_ns = free_at(box);
    if (!box->waits[0].patient || box->gone || at_ns <= now)
        return false;
    struct mp_code code = take_first(box);
    code.ready_ns = at_ns;
    insert(box, &code);
    return true;
}

/* Whoever gave the last code: its 0 is owed by us from now on, for what is first here. */
static void take_over(struct mp_code_box *box)
{
    if (box->share == NULL || box->share->given == box->given)
        return;
    box->given = ++box->share->given;
    box->of_script = box->waits[0].patient;
    box->tries = 0;
}

/* Has the box not taken the 0 of another's code, which was to be there before now? */
static bool is_overdue(const struct mp_code_box *box, int64_t now)
{
    const struct mp_code_share *share = box->share;
    return share != NULL && share->stands && share->given != box->given && !box->gone &&
           free_at(box) <= now;
}

/* Does the box stand at a code, whoever gave it? *value: which. */
static bool stands_at(const struct mp_code_box *box, uint8_t *value)
{
    const struct mp_code_share *share = box->share;
    *value = share == NULL ? box->value : share->value;
    return share == NULL ? box->stands || box->owed : share->stands;
}

/* Does the first that waits look like that one? On a line all codes do. */
static bool is_like(const struct mp_code_box *box, uint8_t value)
{
    return box->line != MP_TRIGGER_NONE || value == box->waits[0].value;
}

/* Would nobody see the next code, which is a plan's, for the box stands at the same one? */
static bool is_unseen(const struct mp_code_box *box)
{
    uint8_t value;
    return !box->waits[0].patient && !box->gone && stands_at(box, &value) &&
           is_like(box, value);
}

/* A plan's code is first, and nobody would have seen the one that it replaces, or the 0 between
 * two that are the same: codes that come late come close together. It is held until they will.
 */
static bool hold_off(struct mp_code_box *box, int64_t now)
{
    uint8_t value;
    int64_t at_ns = now;
    if (stands_at(box, &value))
        at_ns = box->share == NULL ? box->seen_ns : box->share->seen_ns;
    else if (is_like(box, value))
        at_ns = free_at(box);
    if (box->waits[0].patient || box->gone || at_ns <= now)
        return false;
    hold_plan(box, at_ns);
    return true;
}

/* Then the 0 comes first, and the code when the box has stood at it for long enough: late, and
 * told so. A box that does not take the 0 stays as it was, and the code is lost. */
static void put_apart(struct mp_code_box *box, struct word *word)
{
    take_over(box);
    put_zero(box);
    if (box->stands || box->owed)
        *word = (struct word){.code = take_first(box),
                              .lost = MP_CODE_BOX_FULL,
                              .entered_ns = now_of(box),
                              .any = true};
    else if (!box->gone)
        hold_plan(box, box->free_ns);
}

/* A code of a script is due, and the box stands at one whose 0 it did not take: that comes
 * first, and a box that still does not take it gets no code either. */
static void put_owed(struct mp_code_box *box, struct word *word)
{
    put_zero(box);
    if (box->owed)
        *word = (struct word){.code = take_first(box),
                              .lost = MP_CODE_BOX_FULL,
                              .entered_ns = now_of(box),
                              .any = true};
}

static void put_due(struct mp_code_box *box, const struct mp_code_hears *hears,
                    struct word *word)
{
    const int64_t now = now_of(box);
    const bool code_due = box->count > 0 && box->waits[0].ready_ns <= now;
    const bool patient =
        code_due && box->waits[0].patient; // waits for the 0, however late it is
    if (patient && box->owed)
        put_owed(box, word);
    else if ((box->stands || box->owed) && box->zero_ns <= now &&
             (!code_due || patient || box->zero_ns <= box->waits[0].ready_ns))
        put_zero(box);
    else if (patient && is_overdue(box, now)) {
        take_over(box);
        put_zero(box);
    } else if (code_due && hold_off(box, now))
        return;
    else if (code_due && is_unseen(box))
        put_apart(box, word);
    else if (code_due && !put_off(box, now))
        put_first(box, hears, word);
}

void mp_code_box_now(struct mp_code_box *box, const struct mp_code_hears *hears)
{
    struct word word = {.any = false};
    if (!take(box)) {
        come_again(box);
        return;
    }
    put_due(box, hears, &word);
    give_back(box);
    if (word.any)
        hears->told(hears->context, &word.code, word.lost, word.entered_ns);
}

void mp_code_box_leave(struct mp_code_box *box, const struct mp_code_hears *hears)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < box->count; i++) {
        const struct mp_code code = box->waits[i];
        if (code.patient)
            box->waits[kept++] = code;
        else
            hears->told(hears->context, &code, MP_CODE_STOPPED, now_of(box));
    }
    box->count = kept;
}

void mp_code_box_rest(struct mp_code_box *box, const struct mp_code_hears *hears)
{
    while (box->count > 0) {
        const struct mp_code code = take_first(box);
        hears->told(hears->context, &code, MP_CODE_STOPPED, now_of(box));
    }
    box->tries = 0;
    if (!box->stands && !box->owed)
        return;
    if (!take(box)) {
        box->zero_ns = now_of(box); // it has it coming
        return;
    }
    put_zero(box);
    give_back(box);
}
