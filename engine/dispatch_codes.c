/*
 * dispatch_codes.c - event codes: a byte at a box beside the recording, at the time of a pulse
 * or mark, and 0 after it. They are the least of what is to be done: the device comes first,
 * and a box that fails costs no pulse. As all on this thread: no wait, no lock, no malloc.
 */
#include "engine/dispatcher_core.h"

#include "engine/clock.h"

// a write takes some ten microseconds, of a USB adapter a hundred: a pulse that is due sooner
// goes first
static const int64_t clear_ns = 250 * MP_NS_PER_US;
// a byte that is still in the system's queue after so long is at no box: it hangs
static const int64_t hangs_ns = 20 * MP_NS_PER_MS;
// how often the 0 is tried at a box that takes none, and how long between
enum { ZERO_TRIES = 3 };
static const int64_t again_ns = 10 * MP_NS_PER_MS;

static struct dispatch_code *first_of(struct dispatch_codes *codes)
{
    return &codes->waits[codes->first % CODES_WAIT];
}

static void tell(struct mp_dispatcher *d, const struct dispatch_code *code,
                 enum mp_code_lost lost, int64_t entered_ns)
{
    const struct mp_outcome out = {.kind = MP_OUT_CODE,
                                   .lost = lost,
                                   .code = code->value,
                                   .send = code->send,
                                   .start_ns = code->start_ns,
                                   .woken_ns = code->due_ns,
                                   .entered_ns = entered_ns,
                                   .returned_ns = lost == MP_CODE_WRITTEN
                                                      ? entered_ns + d->config.code_wire_ns
                                                      : entered_ns};
    dispatch_publish(d, &out);
}

void dispatch_code_of(struct mp_dispatcher *d, const struct mp_outcome *out)
{
    struct dispatch_codes *codes = &d->codes;
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
    const struct dispatch_code code = {.value = value,
                                       .due_ns = at_ns - d->config.code_wire_ns,
                                       .start_ns = out->start_ns,
                                       .send = *send};
    if (codes->end - codes->first == CODES_WAIT) {
        tell(d, &code, MP_CODE_CROWDED, out->entered_ns);
        return;
    }
    codes->waits[codes->end++ % CODES_WAIT] = code;
}

bool dispatch_codes_come(const struct mp_dispatcher *d)
{
    return d->codes.first != d->codes.end;
}

bool dispatch_codes_wait(const struct mp_dispatcher *d)
{
    return dispatch_codes_come(d) || d->codes.stands;
}

bool dispatch_code_before(const struct mp_dispatcher *d, int64_t *due_ns)
{
    const struct dispatch_codes *codes = &d->codes;
    int64_t next_ns = INT64_MAX;
    if (codes->stands)
        next_ns = codes->zero_ns;
    if (codes->first != codes->end && codes->waits[codes->first % CODES_WAIT].due_ns < next_ns)
        next_ns = codes->waits[codes->first % CODES_WAIT].due_ns;
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

/* Does it hold a byte that should have left long ago? Others would come out with that one. */
static bool hangs(const struct mp_dispatcher *d)
{
    const struct dispatch_codes *codes = &d->codes;
    const uint64_t known = codes->wrote < BYTES_KEPT ? codes->wrote : BYTES_KEPT;
    const int queued = mp_port_queued(d->config.codes);
    if (queued <= 0 || known == 0) // or the system cannot say
        return false;
    const uint64_t held = (uint64_t)queued < known ? (uint64_t)queued : known;
    const int64_t oldest_ns = codes->wrote_ns[(codes->wrote - held) % BYTES_KEPT];
    return dispatch_now(d) - oldest_ns > hangs_ns + d->config.code_wire_ns;
}

/* One byte; what the box did not take is not tried again. */
static enum mp_code_lost put(struct mp_dispatcher *d, uint8_t value)
{
    struct dispatch_codes *codes = &d->codes;
    size_t written = 0;
    if (codes->gone)
        return MP_CODE_BOX_GONE;
    if (hangs(d))
        return MP_CODE_BOX_FULL;
    if (mp_port_write(d->config.codes, &value, 1, &written, NULL) != MP_OK) {
        codes->gone = true;
        return MP_CODE_BOX_GONE;
    }
    if (written == 0)
        return MP_CODE_BOX_FULL;
    codes->wrote_ns[codes->wrote++ % BYTES_KEPT] = dispatch_now(d);
    return MP_CODE_WRITTEN;
}

static void put_zero(struct mp_dispatcher *d)
{
    struct dispatch_codes *codes = &d->codes;
    enum mp_code_lost lost = put(d, 0);
    codes->stands = lost == MP_CODE_BOX_FULL && ++codes->tries < ZERO_TRIES;
    codes->zero_ns = dispatch_now(d) + again_ns;
}

static void put_first(struct mp_dispatcher *d)
{
    struct dispatch_codes *codes = &d->codes;
    const struct dispatch_code code = *first_of(codes);
    const int64_t entered_ns = dispatch_now(d);
    codes->first++;
    enum mp_code_lost lost = put(d, code.value);
    if (lost == MP_CODE_WRITTEN) {
        codes->stands = true;
        codes->tries = 0;
        codes->zero_ns = dispatch_now(d) + d->config.code_wire_ns + d->config.code_width_ns;
    }
    tell(d, &code, lost, entered_ns);
}

void dispatch_code_now(struct mp_dispatcher *d)
{
    struct dispatch_codes *codes = &d->codes;
    const int64_t now = dispatch_now(d);
    const bool code_due = codes->first != codes->end && first_of(codes)->due_ns <= now;
    if (codes->stands && codes->zero_ns <= now &&
        (!code_due || codes->zero_ns <= first_of(codes)->due_ns))
        put_zero(d);
    else if (code_due)
        put_first(d);
}

void dispatch_codes_rest(struct mp_dispatcher *d)
{
    struct dispatch_codes *codes = &d->codes;
    if (d->config.codes == NULL)
        return;
    for (; codes->first != codes->end; codes->first++)
        tell(d, first_of(codes), MP_CODE_STOPPED, dispatch_now(d));
    if (codes->stands)
        put_zero(d);
    codes->stands = false;
}
