/* SPDX-License-Identifier: MIT */
/* The table of all subcommands.  Each is one file with one struct verb. */
#ifndef MEMD_MEMCTL_VERBS_H
#define MEMD_MEMCTL_VERBS_H

#include "client/memctl/verb.h"

extern const struct verb verb_status, verb_ps, verb_segments, verb_maps,
	verb_stores, verb_stats, verb_iostat, verb_faults, verb_trace,
	verb_replay, verb_evict, verb_unlink, verb_disconnect, verb_drop_guest,
	verb_limit, verb_config, verb_doctor, verb_help, verb_version;

/* As `memctl help` lists them; ends with NULL. */
extern const struct verb *const verbs[];

/* NULL: there is none, and that has been said. */
const struct verb *verbs_find(const char *name);

#endif
