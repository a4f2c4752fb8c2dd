/* SPDX-License-Identifier: MIT */
/* The table of all subcommands.  Each has one file with one struct verb. */
#ifndef MEMD_MEMCTL_VERBS_H
#define MEMD_MEMCTL_VERBS_H

#include "client/memctl/verb.h"

extern const struct verb verb_status, verb_ps, verb_segments, verb_maps,
	verb_guests, verb_stats, verb_iostat, verb_faults, verb_trace,
	verb_replay, verb_evict, verb_unlink, verb_disconnect, verb_drop_guest,
	verb_limit, verb_config, verb_doctor, verb_help, verb_version;

/* In the order of `memctl help`; ends with NULL. */
extern const struct verb *const verbs[];

/* NULL: there is none, and a message was printed. */
const struct verb *verbs_find(const char *name);

#endif
