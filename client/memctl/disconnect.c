/* SPDX-License-Identifier: MIT */
/* memctl disconnect: end a client's session. */
#include "client/memctl/verbs.h"

#include "client/memctl/text.h"
#include <stdio.h>

static const struct report_column disconnect_columns[] = {
	COLUMN(NULL, "session", SESSION),
	COLUMN(NULL, "pid", CLIENT),
	COLUMN(NULL, "user", USER, .field = "uid"),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN(NULL, "command", TEXT),
};

static const struct view disconnect_view = {
	.form = REPORT_FORM(ROWS, "disconnect", disconnect_columns),
};

static int disconnect_say(const struct memctl *mc)
{
	const Memd__DisconnectReply *ended = mc->reply;

	printf("ended session s%u of %s", ended->session,
	       text_clean(ended->command));
	if (ended->pid != 0)
		printf(", pid %u", ended->pid);
	putchar('\n');
	return EXIT_CODE_OK;
}

const struct verb verb_disconnect = {
	.name = "disconnect", .summary = "end a client's session",
	.arguments = "CLIENT", .usage = "sID|PID",
	.help = "End session ID, or the only one of process PID.  Its private "
		"memory is lost: the program gets SIGBUS where it touches "
		"that.  Named segments stay.  The program goes on, and may "
		"connect again, with a new session.\v"
		"What memd keeps for a client on another host stays for "
		"guest_keep, and the client comes back for it at once; see "
		"`memctl drop-guest'.",
	.argument_max = 1, .take = verb_take_client, .is_plain = true,
	.missing = "whom? give a session like s12, or a process id: `memctl ps "
		   "--long' shows them",
	.question = ASK_DISCONNECT, .request = &memd__disconnect__descriptor,
	.view = &disconnect_view, .say = disconnect_say,
};
