/* SPDX-License-Identifier: MIT */
/* memctl drop-guest: drops what memd keeps for another host, which loses it. */
#include "client/memctl/verbs.h"

#include "client/memctl/text.h"
#include "common/units.h"
#include <stdio.h>
#include <unistd.h>

static const struct argp_option drop_guest_options[] = {
	{ "yes", 'y', NULL, 0, "Do not ask whether that is meant", 1 },
	{ 0 },
};

struct drop_guest_wish {
	bool is_sure;
};

static void drop_guest_take(struct memctl *mc, struct argp_state *state,
			    int key, char *text)
{
	struct drop_guest_wish *wish = mc->wish;
	Memd__GuestDrop *request = mc->request;

	if (key == 'y')
		wish->is_sure = true;
	if (key == ARGP_KEY_ARG &&
	    (!options_parse_id(text, UINT32_MAX, &request->guest) ||
	     request->guest == 0))
		argp_error(state, "'%s' is no ID of a guest: `memctl guests` "
			   "shows them", text);
}

static Memd__GuestInfo *drop_guest_find(const Memd__GuestsReply *guests,
					uint32_t id)
{
	for (size_t i = 0; i < guests->n_guest; i++)
		if (guests->guest[i]->has_guest &&
		    guests->guest[i]->guest == id)
			return guests->guest[i];
	return NULL;
}

/* Describe a guest: "guest 3 at 192.0.2.7 (build.example), 3.0M of 64.0M
 * used". */
static void drop_guest_describe(Memd__GuestInfo *s, char *text,
				size_t text_size)
{
	char used[32], size[32];
	bool has_name = s->peer[0] != '\0';

	units_format_size(s->resident_bytes + s->swapped_bytes, used,
			  sizeof(used));
	units_format_size(s->length_bytes, size, sizeof(size));
	snprintf(text, text_size, "guest %u at %s%s%s%s, %s of %s used",
		 s->guest, text_clean(s->host), has_name ? " (" : "",
		 text_clean(s->peer), has_name ? ")" : "", used, size);
}

/* Ask the user.  Returns an exit code; if it is not OK, a message was
 * printed. */
static int drop_guest_confirm(const char *what)
{
	char answer[16];

	if (!isatty(STDIN_FILENO)) {
		memctl_complain("cannot ask whether to drop %s, because stdin "
				"is no terminal: pass --yes", what);
		return EXIT_CODE_USAGE;
	}
	fprintf(stderr, "Drop %s?  That host loses all that is kept for it. "
		"[y/N] ", what);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return EXIT_CODE_OK;
	memctl_complain("nothing was dropped");
	return EXIT_CODE_FAILED;
}

static const struct report_column drop_guest_columns[] = {
	COLUMN(NULL, "guest", NUMBER),
	COLUMN(NULL, "host", TEXT),
	COLUMN(NULL, "peer", TEXT),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN(NULL, "length_bytes", SIZE),
	COLUMN(NULL, "resident_bytes", SIZE),
	COLUMN(NULL, "swapped_bytes", SIZE),
};

static const struct view drop_guest_view = {
	.form = REPORT_FORM(ROWS, "drop-guest", drop_guest_columns),
};

/* The answer to the first question (the stores) says what would be lost. */
static int drop_guest_say(const struct memctl *mc)
{
	const struct drop_guest_wish *wish = mc->wish;
	const Memd__GuestDrop *request = mc->request;
	Memd__GuestInfo *s = drop_guest_find(mc->reply, request->guest);
	ProtobufCMessage *ok;
	char what[512];
	int code;

	if (s == NULL) {
		memctl_complain("no guest %u is here: `memctl guests` shows "
				"them", request->guest);
		return EXIT_CODE_NOT_FOUND;
	}
	drop_guest_describe(s, what, sizeof(what));
	code = wish->is_sure ? EXIT_CODE_OK : drop_guest_confirm(what);
	if (code == EXIT_CODE_OK)
		code = memctl_ask(mc, ASK_GUEST_DROP, &request->base, &ok);
	if (code != EXIT_CODE_OK)
		return code;
	if (mc->style.format != REPORT_TABLE)
		return view_print_row(mc, &drop_guest_view, s);
	printf("dropped %s\n", what);
	return EXIT_CODE_OK;
}

static int drop_guest_run(struct memctl *mc)
{
	ProtobufCMessage *guests = NULL;
	int code = memctl_ask(mc, ASK_GUESTS, NULL, &guests);

	mc->reply = guests;
	return code == EXIT_CODE_OK ? drop_guest_say(mc) : code;
}

const struct verb verb_drop_guest = {
	.name = "drop-guest", .summary = "drop what it keeps for another host",
	.arguments = "ID",
	.help = "Drop what memd keeps for a program or a memd on another host, "
		"although it may come back for that: guest ID of `memctl "
		"guests'.  All that is kept for it is lost to that host, whose "
		"programs get SIGBUS where they touch it.  Asks before, unless "
		"--yes is given; done when its room is free.",
	.options = drop_guest_options, .argument_max = 1,
	.take = drop_guest_take, .wish_bytes = sizeof(struct drop_guest_wish),
	.missing = "which guest? give its ID: `memctl guests` shows them",
	.is_plain = true, .is_patient = true,
	.request = &memd__guest_drop__descriptor, .run = drop_guest_run,
};
