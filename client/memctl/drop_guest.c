/* SPDX-License-Identifier: MIT */
/* memctl drop-guest: end what memd keeps for another host, who loses it. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"

#include "common/units.h"
#include <string.h>
#include <unistd.h>

struct wish {
	Memd__StoreDrop request;
	bool is_sure;
};

static const struct argp_option options[] = {
	{ "yes", 'y', NULL, 0, "Do not ask whether that is meant", 1 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct wish *wish = state->input;

	switch (key) {
	case 'y':
		wish->is_sure = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			return ARGP_ERR_UNKNOWN;
		wish->request.store = memctl_parse_store(state, text);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which store? give its ID: `memctl stores` "
			   "shows them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp drop_guest_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "ID",
	.doc = "Drop what memd keeps for a program or a memd on another host, "
	       "although somebody may come back for it: store ID of `memctl "
	       "stores'.  All that is in it is lost to that host, whose "
	       "programs get SIGBUS where they touch it.  Asks before, unless "
	       "--yes is given; done when its room is free.",
};

/* ---- which */

static Memd__StoreInfo *find(const Memd__StoresReply *stores, uint32_t id)
{
	for (size_t i = 0; i < stores->n_store; i++)
		if (stores->store[i]->has_store &&
		    stores->store[i]->store == id)
			return stores->store[i];
	return NULL;
}

/* "store 3 of 192.0.2.7 (build.example), 3.0M of 64.0M used" */
static void describe(Memd__StoreInfo *s, char *text, size_t text_size)
{
	char used[32], size[32];
	bool has_name = s->peer[0] != '\0';

	units_format_size(s->resident_bytes + s->swapped_bytes, used,
			  sizeof(used));
	units_format_size(s->length_bytes, size, sizeof(size));
	snprintf(text, text_size, "store %u of %s%s%s%s, %s of %s used",
		 s->store, text_clean(s->host), has_name ? " (" : "",
		 text_clean(s->peer), has_name ? ")" : "", used, size);
}

/* ---- whether */

/* Returns an exit code; whatever is not OK has been said. */
static int confirm(const char *what)
{
	char answer[16];

	if (!isatty(STDIN_FILENO)) {
		memctl_complain("nobody is here to be asked whether %s is to "
				"be lost: pass --yes", what);
		return EXIT_CODE_USAGE;
	}
	fprintf(stderr, "Drop %s?  That host loses all that is in it. "
		"[y/N] ", what);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return EXIT_CODE_OK;
	memctl_complain("nothing was dropped");
	return EXIT_CODE_FAILED;
}

/* ---- done */

static const struct report_column columns[] = {
	{ NULL, "store", REPORT_NUMBER, 0, 0 },
	{ NULL, "host", REPORT_TEXT, 0, 0 },
	{ NULL, "peer", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ NULL, "length_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "resident_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "swapped_bytes", REPORT_SIZE, 0, 0 },
};

static int print(const struct memctl *mc, const Memd__StoreInfo *s,
		 const char *what)
{
	struct report *rp;

	if (mc->style.format == REPORT_TABLE) {
		printf("dropped %s\n", what);
		return EXIT_CODE_OK;
	}
	rp = report_create(REPORT_ROWS, "drop-guest", columns,
			   ARRAY_SIZE(columns), &mc->style);
	if (rp != NULL) {
		report_number(rp, s->store);
		report_text(rp, s->host);
		report_text(rp, s->peer);
		report_number(rp, s->uid);
		report_number(rp, s->length_bytes);
		report_number(rp, s->resident_bytes);
		report_number(rp, s->swapped_bytes);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

static int drop(const struct memctl *mc, const struct wish *wish,
		const Memd__StoresReply *stores)
{
	Memd__StoreInfo *s = find(stores, wish->request.store);
	ProtobufCMessage *ok;
	char what[512];
	int code;

	if (s == NULL) {
		memctl_complain("no store %u is here: `memctl stores` shows "
				"them", wish->request.store);
		return EXIT_CODE_NOT_FOUND;
	}
	describe(s, what, sizeof(what));
	code = wish->is_sure ? EXIT_CODE_OK : confirm(what);
	if (code == EXIT_CODE_OK)
		code = memctl_ask(mc, ASK_STORE_DROP, &wish->request.base,
				  &ok);
	return code != EXIT_CODE_OK ? code : print(mc, s, what);
}

int cmd_drop_guest(struct memctl *mc, int argc, char **argv)
{
	struct wish wish = { .request = MEMD__STORE_DROP__INIT };
	ProtobufCMessage *reply;
	int code;

	memctl_parse_plain(mc, &drop_guest_argp, argc, argv, &wish);
	if (!mc->has_timeout)
		mc->timeout_ms = 0;
	code = memctl_ask(mc, ASK_STORES, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	code = drop(mc, &wish, (const Memd__StoresReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
