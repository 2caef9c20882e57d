/*
 * lsl_query.h - does a stream answer to a query of LSL? Queries are XPath predicates over the
 * stream's description; this takes what LSL's own resolvers send, and what people write for
 * them: name='A' and (type="EEG" or not(starts-with(source_id,'b'))), channel_count=1.
 *
 * Facts are the fields that stand directly under <info>. As in XPath, a comparison with a field
 * that is not there holds for neither = nor !=, and a number is compared as one. What is not
 * understood matches nothing: the stream then keeps silent, as LSL does. Any thread; nothing
 * is kept, and the time is bounded by the query's length.
 */
#ifndef MP_LSL_QUERY_H
#define MP_LSL_QUERY_H

#include <stdbool.h>
#include <stddef.h>

struct mp_lsl_fact {
    const char *name;
    const char *value;
};

/* Does it match? An empty query does. */
bool mp_lsl_query_matches(const char *query, size_t length, const struct mp_lsl_fact *facts,
                          size_t count);

#endif
