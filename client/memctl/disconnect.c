/* SPDX-License-Identifier: MIT */
/* memctl disconnect: end a client's session. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct client_name *client = state->input;

	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "whom? give a session like s12, or a process "
			   "id: `memctl ps --long` shows them");
	return memctl_parse_client_argument(key, text, state, client);
}

static const struct argp disconnect_argp = {
	.parser = parse,
	.args_doc = "sID|PID",
	.doc = "End session ID, or the only one of process PID.  Its private "
	       "memory is lost: the program gets SIGBUS where it touches that. "
	       " Named segments stay.  The program goes on, and may connect "
	       "again, with a new session.\v"
	       "What memd keeps for a client on another host stays for "
	       "store_keep, and the client comes back for it at once; see "
	       "`memctl drop-guest'.",
};

static const struct report_column columns[] = {
	{ NULL, "session", REPORT_NUMBER, 0, 0 },
	{ NULL, "pid", REPORT_NUMBER, 0, 0 },
	{ NULL, "user", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ NULL, "command", REPORT_TEXT, 0, 0 },
};

static void print_line(const Memd__DisconnectReply *ended)
{
	printf("ended session s%u of %s", ended->session,
	       text_clean(ended->command));
	if (ended->pid != 0)
		printf(", pid %u", ended->pid);
	putchar('\n');
}

static int print(const struct memctl *mc, const Memd__DisconnectReply *ended)
{
	struct report *rp;
	char user[64];

	if (mc->style.format == REPORT_TABLE) {
		print_line(ended);
		return EXIT_CODE_OK;
	}
	rp = report_create(REPORT_ROWS, "disconnect", columns,
			   ARRAY_SIZE(columns), &mc->style);
	if (rp != NULL) {
		report_session(rp, ended->session);
		report_client(rp, ended->pid, ended->session);
		report_text(rp, text_user(ended->uid, user, sizeof(user)));
		report_number(rp, ended->uid);
		report_text(rp, ended->command);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

int cmd_disconnect(struct memctl *mc, int argc, char **argv)
{
	Memd__Disconnect request = MEMD__DISCONNECT__INIT;
	struct client_name client = { 0 };
	ProtobufCMessage *reply;
	int code;

	memctl_parse_plain(mc, &disconnect_argp, argc, argv, &client);
	request.has_pid = client.pid != 0;
	request.pid = client.pid;
	request.has_session = client.session != 0;
	request.session = client.session;
	code = memctl_ask(mc, ASK_DISCONNECT, &request.base, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	code = print(mc, (const Memd__DisconnectReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
