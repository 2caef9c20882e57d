/*
 * lsl_info.h - what a stream of markers says of itself over LSL: one channel of strings at no
 * fixed rate, as XML. Nothing here is about a participant.
 *
 * Field by field as liblsl 1.17.7 (sccn/liblsl, src/stream_info_impl.cpp) writes and reads it;
 * the description follows the meta-data of XDF (sccn/xdf wiki, Meta-Data). Loop thread.
 */
#ifndef MP_LSL_INFO_H
#define MP_LSL_INFO_H

#include "engine/error.h"
#include "engine/lsl_query.h"

#include <stdint.h>

enum {
    MP_LSL_NAME = 64,
    MP_LSL_RUN = 200
}; // bytes of a stream's name, and of a run's, at most

enum { MP_LSL_FACTS = 13 };

struct mp_lsl_info {
    char name[MP_LSL_NAME + 1];
    char uid[40];
    char source_id[MP_LSL_NAME + 80]; // the same for each run of this computer by this name
    char hostname[65];
    char created_at[24];
    char data_port[8], service_port[8];
    struct mp_lsl_fact facts[MP_LSL_FACTS]; // what is asked for: into this struct
    size_t short_length, full_length;
    char short_xml[3072]; // without the description
    char full_xml[6144];
};

/*
 * Make it all, with a uid that no other stream has: name of the stream and run of the record,
 * both UTF-8 and borrowed; the program's version; the ports that it listens at. MP_ERANGE where
 * the name or the run is too long or empty. Not to be copied: it points into itself.
 */
enum mp_status mp_lsl_info_make(struct mp_lsl_info *info, const char *name, const char *run,
                                const char *version, uint16_t data_port, uint16_t service_port,
                                struct mp_error *err);

#endif
