/*
 * lsl_in.h - a stream of LSL that is received: a thread finds it, asks for its samples, and
 * writes what they are into a pipe: a byte for each (lsl_source.h), or their text and a
 * newline.
 *
 * The thread looks for the stream until it finds one, and again when it has lost it: a stream
 * with a source_id then is taken up only with the same. Where two are what was asked for,
 * neither is taken. A reader that takes nothing holds the thread up, which then takes nothing
 * from the sender: nothing is lost here. So does one that sends more than 20,000 bytes a second
 * for longer than a second. Of texts, of which one answers a question, those beyond 5,000 a
 * second (behind the first 64 that come together) are dropped, and counted. What it is doing is
 * to be had at any time.
 *
 * Open, close and look: loop thread. The dispatcher's thread has no part in any of it but the
 * pipe's other end.
 */
#ifndef MP_LSL_IN_H
#define MP_LSL_IN_H

#include "engine/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mp_lsl_in;

struct mp_lsl_in_state {
    bool receives;
    char name[160];       // "Markers of host eeg-1", once one was found
    char why[320];        // it does not receive: why, where that is known
    uint32_t connections; // how often it began to
    uint64_t samples;     // that came, all in all
    uint64_t passed_over; // of those: that are no byte
    char first[72];       // the first of these
    uint64_t dropped;     // texts: that came too fast
};

/* Begin to look for the stream that path names (lsl_source.h). as_text: samples as text.
 * *read_end is the caller's. MP_EINVAL where path makes no sense. */
enum mp_status mp_lsl_in_open(struct mp_lsl_in **in, const char *path, bool as_text,
                              int *read_end, struct mp_error *err);
/* Let go of it, and free: waits for nobody else. NULL is accepted. */
void mp_lsl_in_close(struct mp_lsl_in *in);
/* What becomes of it just now. */
void mp_lsl_in_look(struct mp_lsl_in *in, struct mp_lsl_in_state *state);

#endif
