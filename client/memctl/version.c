/* SPDX-License-Identifier: MIT */
/* memctl version: of this program and of the protocol it speaks.  (That of
 * the daemon is in `memctl status`.) */
#include "client/memctl/memctl.h"

static const struct argp version_argp = {
	.doc = "Show the version of memctl and of the protocol it speaks.",
};

static const struct report_column columns[] = {
	{ NULL, "version", REPORT_TEXT, 0, 0 },
	{ NULL, "protocol_major", REPORT_NUMBER, 0, 0 },
	{ NULL, "protocol_minor", REPORT_NUMBER, 0, 0 },
};

int cmd_version(struct memctl *mc, int argc, char **argv)
{
	struct report *rp;

	memctl_parse_plain(mc, &version_argp, argc, argv, NULL);
	if (mc->style.format == REPORT_TABLE) {
		printf("memctl %s, protocol %d.%d\n", MEMD_VERSION,
		       WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR);
		return EXIT_CODE_OK;
	}
	rp = report_create(REPORT_RECORD, "version", columns,
			   ARRAY_SIZE(columns), &mc->style);
	if (rp != NULL) {
		report_text(rp, MEMD_VERSION);
		report_number(rp, WIRE_VERSION_MAJOR);
		report_number(rp, WIRE_VERSION_MINOR);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}
