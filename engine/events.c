#include "engine/events.h"

static const char none[] = "n/a";

#define COLUMNS_OF_AN_ACTION "channel\tintensity_mso\tintensity\tintensity_ref"
static const char no_action[] = "n/a\tn/a\tn/a\tn/a";

/* In the order of mp_event_put. */
const char mp_event_header[] =
    "onset\tduration\ttrial_type\tindex\tevent\tpulse\t"
    "onset_planned_us\tonset_sent_us\tonset_confirmed_us\t"
    "lateness_us\t" COLUMNS_OF_AN_ACTION "\tstatus\treply\ttimed_by\tsetting_proof\t"
    "trial\tblock\n";

#define PUT(at, literal) mp_put_bytes(at, literal, sizeof(literal) - 1)

static char *put_text(char *at, const struct mp_tail *text)
{
    return text->length == 0 ? PUT(at, none) : mp_put_bytes(at, text->bytes, text->length);
}

/* A time, by put: seconds or microseconds. */
static inline char *put_time(char *at, int64_t ns, char *(*put)(char *, uint64_t))
{
    if (ns == MP_EVENT_NONE)
        return PUT(at, none);
    if (ns < 0)
        *at++ = '-';
    return put(at, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns);
}

static char *put_number_from_1(char *at, uint64_t number)
{
    return number == 0 ? PUT(at, none) : mp_put_integer(at, number);
}

/* The columns that differ from pulse to pulse, to the confirmation, and the tab after it. */
static char *put_first(char *at, const struct mp_event_row *row)
{
    int64_t onset_ns = row->sent_ns != MP_EVENT_NONE ? row->sent_ns : row->planned_ns;
    // of a pulse that was neither planned nor sent the device's word is all there is
    at = put_time(at, onset_ns != MP_EVENT_NONE ? onset_ns : row->confirmed_ns, mp_put_seconds);
    at = PUT(at, "\t0\t"); // duration
    at = put_text(at, row->condition.length > 0 ? &row->condition : &row->event);
    *at++ = '\t';
    at = mp_put_integer(at, row->index);
    *at++ = '\t';
    at = put_text(at, &row->event);
    *at++ = '\t';
    at = put_number_from_1(at, row->pulse);
    *at++ = '\t';
    at = put_time(at, row->planned_ns, mp_put_us);
    *at++ = '\t';
    at = put_time(at, row->sent_ns, mp_put_us);
    *at++ = '\t';
    at = put_time(at, row->confirmed_ns, mp_put_us);
    *at++ = '\t';
    return at;
}

char *mp_event_put_last(char *at, const struct mp_event_row *row)
{
    at = put_number_from_1(at, row->trial);
    *at++ = '\t';
    at = put_number_from_1(at, row->block);
    *at++ = '\n';
    return at;
}

char *mp_event_put_rest(char *at, const struct mp_event_row *row)
{
    at = put_time(at, row->late_ns, mp_put_us);
    *at++ = '\t';
    at = row->action.bytes == NULL ? PUT(at, no_action) : put_text(at, &row->action);
    *at++ = '\t';
    at = put_text(at, &row->status);
    *at++ = '\t';
    at = put_text(at, &row->reply);
    *at++ = '\t';
    at = put_text(at, &row->timed_by);
    *at++ = '\t';
    at = put_text(at, &row->proof);
    *at++ = '\t';
    return mp_event_put_last(at, row);
}

char *mp_event_put_with(char *at, const struct mp_event_row *row, const struct mp_tail *rest)
{
    at = put_first(at, row);
    return mp_put_bytes(at, rest->bytes, rest->length);
}

char *mp_event_put(char *at, const struct mp_event_row *row)
{
    return mp_event_put_rest(put_first(at, row), row);
}

/* As %.9g, with a point whatever the locale says. */
static char *put_number(char *at, double value)
{
    char text[MP_EVENT_ACTION / 2];
    bool pointed = false;
    int length = snprintf(text, sizeof text, "%.9g", value);
    for (int i = 0; i < length && i < (int)sizeof text - 1; i++) {
        char c = text[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+';
        if (plain)
            *at++ = c;
        else if (!pointed) { // its sign may have several bytes
            *at++ = '.';
            pointed = true;
        }
    }
    return at;
}

char *mp_event_put_action(char *at, const struct mp_event_action *action)
{
    at = put_text(at, &action->channel);
    *at++ = '\t';
    at = put_number(at, action->mso);
    *at++ = '\t';
    at = put_number(at, action->intensity);
    *at++ = '\t';
    return put_text(at, &action->reference);
}

static bool is_unfit(const char *text, size_t i)
{
    char c = text[i];
    bool may_not_begin = c == '"' || c == '=' || c == '+' || c == '-' || c == '@';
    return (unsigned char)c < 0x20 || c == 0x7f || (i == 0 && may_not_begin);
}

bool mp_event_is_clean(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (is_unfit(text, i))
            return false;
    return true;
}

char *mp_event_clean(char *at, const char *text, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        if (is_unfit(text, i)) {
            at = PUT(at, "\\x");
            *at++ = digits[(unsigned char)text[i] >> 4];
            *at++ = digits[text[i] & 0xf];
        } else {
            *at++ = text[i];
        }
    }
    return at;
}
