/* SPDX-License-Identifier: MIT */
/* memctl version: the version of memctl, and of the protocol that it speaks.
 * (`memctl status` shows the daemon's.) */
#include "client/memctl/verbs.h"

#include <stdio.h>

static const struct report_column version_columns[] = {
	COLUMN(NULL, "version", TEXT),
	COLUMN(NULL, "protocol_major", NUMBER),
	COLUMN(NULL, "protocol_minor", NUMBER),
};

static int version_run(struct memctl *mc)
{
	static const struct report_form form =
		REPORT_FORM(RECORD, "version", version_columns);
	struct report *rp;

	if (mc->style.format == REPORT_TABLE) {
		printf("memctl %s, protocol %d.%d\n", MEMD_VERSION,
		       WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR);
		return EXIT_CODE_OK;
	}
	rp = report_create(&form, &mc->style);
	if (rp != NULL) {
		report_text(rp, MEMD_VERSION);
		report_number(rp, WIRE_VERSION_MAJOR);
		report_number(rp, WIRE_VERSION_MINOR);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

const struct verb verb_version = {
	.name = "version", .summary = "memctl's version",
	.help = "Show the version of memctl and of the protocol it speaks.",
	.is_plain = true, .run = version_run,
};
