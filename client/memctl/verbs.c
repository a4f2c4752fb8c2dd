/* SPDX-License-Identifier: MIT */
#include "client/memctl/verbs.h"

#include <string.h>

const struct verb *const verbs[] = {
	&verb_status, &verb_ps, &verb_segments, &verb_maps, &verb_guests,
	&verb_stats, &verb_iostat, &verb_faults, &verb_trace, &verb_replay,
	&verb_evict, &verb_unlink, &verb_disconnect, &verb_drop_guest,
	&verb_limit, &verb_config, &verb_doctor, &verb_help, &verb_version,
	NULL,
};

const struct verb *verbs_find(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	memctl_complain("no command '%s': `memctl help` lists them", name);
	return NULL;
}
