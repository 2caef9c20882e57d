/*
 * dispatch_codes.c - event codes: a byte at a box beside the recording, at the time of a pulse
 * or mark, and 0 after it (code_box.h). They are the least of what is to be done: the device
 * comes first, and a box that fails costs no pulse. As all on this thread: no wait, no lock, no
 * malloc.
 */
#include "engine/dispatcher_core.h"

#include "engine/clock.h"

// a write takes some ten microseconds, of a USB adapter a hundred: a pulse that is due sooner
// goes first
static const int64_t clear_ns = 250 * MP_NS_PER_US;

static void told(void *context, const struct mp_code *code, enum mp_code_lost lost,
                 int64_t entered_ns)
{
    struct mp_dispatcher *d = context;
    const struct mp_outcome out = mp_code_outcome(d->config.codes, code, lost, entered_ns);
    dispatch_publish(d, &out);
}

static void begins(void *context, const struct mp_code *code, int64_t entered_ns)
{
    struct mp_dispatcher *d = context;
    const struct mp_outcome out =
        mp_code_outcome(d->config.codes, code, MP_CODE_WRITTEN, entered_ns);
    dispatch_code_begin(d, &out);
}

static struct mp_code_hears hears(struct mp_dispatcher *d)
{
    return (struct mp_code_hears){.begins = begins, .told = told, .context = d};
}

struct mp_outcome mp_code_outcome(const struct mp_code_box *box, const struct mp_code *code,
                                  enum mp_code_lost lost, int64_t entered_ns)
{
    return (struct mp_outcome){
        .kind = MP_OUT_CODE,
        .lost = lost,
        .code = code->value,
        .send = code->send,
        .start_ns = code->start_ns,
        .woken_ns = code->due_ns,
        .entered_ns = entered_ns,
        .returned_ns = lost == MP_CODE_WRITTEN ? entered_ns + box->wire_ns : entered_ns};
}

void dispatch_code_of(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    const struct mp_send *send = &out->send;
    const bool is_mark = send->kind == MP_SEND_MARK;
    if (d->config.codes == NULL || (!is_mark && send->kind != MP_SEND_PULSE) ||
        (is_mark ? out->kind != MP_OUT_MARK : out->kind != MP_OUT_SENT))
        return;
    const uint8_t value = mp_schedule_code(mp_lowering_schedule(d->lowering), send->source);
    if (value == 0)
        return;
    const int64_t onset_ns = send->floor_ns + (send->half ? 1 : 0);
    // a pulse that left late comes late, and so does its code
    const int64_t at_ns =
        is_mark ? out->start_ns + onset_ns : out->entered_ns + onset_ns - send->send_ns;
    const struct mp_code code = {.value = value,
                                 .due_ns = at_ns - d->config.codes->wire_ns,
                                 .start_ns = out->start_ns,
                                 .send = *send};
    const struct mp_code_hears hear = hears(d);
    mp_code_box_add(d->config.codes, &code, &hear);
}

bool dispatch_codes_come(const struct mp_dispatcher *d)
{
    return d->config.codes != NULL && mp_code_box_comes(d->config.codes);
}

bool dispatch_codes_wait(const struct mp_dispatcher *d)
{
    return d->config.codes != NULL && mp_code_box_waits(d->config.codes);
}

bool dispatch_code_before(const struct mp_dispatcher *d, int64_t *due_ns)
{
    int64_t next_ns = d->config.codes == NULL ? INT64_MAX : mp_code_box_next(d->config.codes);
    if (next_ns == INT64_MAX)
        return false;
    const int64_t now = dispatch_now(d);
    if (next_ns < now)
        next_ns = now;
    // also before a mark or a setting: the pulse may be due with it
    const bool frame_next = d->second_next || d->next != NULL;
    if (frame_next && next_ns >= *due_ns - clear_ns)
        return false;
    *due_ns = next_ns;
    return true;
}

void dispatch_codes_taken(struct mp_dispatcher *d)
{
    const struct mp_code_hears hear = hears(d);
    struct mp_code code;
    while (d->config.codes != NULL && mp_ring_pop(&d->codes_in, &code))
        mp_code_box_add(d->config.codes, &code, &hear);
}

void dispatch_code_now(struct mp_dispatcher *d)
{
    const struct mp_code_hears hear = hears(d);
    mp_code_box_now(d->config.codes, &hear);
}

void dispatch_codes_rest(struct mp_dispatcher *d)
{
    const struct mp_code_hears hear = hears(d);
    struct mp_code code;
    if (d->config.codes == NULL)
        return;
    if (mp_latch_reason(&d->stop) == MP_STOP_FINISHED) { // the rest is given unarmed
        dispatch_codes_taken(d);
        mp_code_box_leave(d->config.codes, &hear);
        return;
    }
    mp_code_box_rest(d->config.codes, &hear); // its 0 first of all
    while (mp_ring_pop(&d->codes_in, &code))
        told(d, &code, MP_CODE_STOPPED, dispatch_now(d));
}
