/* SPDX-License-Identifier: MIT */
/* Asks memd, and turns failures into messages and exit codes. */
#include "client/memctl/memctl.h"

#include <errno.h>
#include <stdarg.h>

void memctl_complain(const char *format, ...)
{
	va_list args;

	fflush(stdout);	/* earlier output comes first */
	fputs("memctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int memctl_code_of_answer(int code)
{
	switch (code) {
	case EPERM:
	case EACCES:
		return EXIT_CODE_DENIED;
	case ESRCH:
	case ENOENT:
		return EXIT_CODE_NOT_FOUND;
	case EPROTONOSUPPORT:
		return EXIT_CODE_NO_DAEMON;
	default:
		return EXIT_CODE_FAILED;
	}
}

static int memctl_code_of(const struct failure *failure)
{
	switch (failure->kind) {
	case FAILURE_ADDRESS:
		return EXIT_CODE_USAGE;
	case FAILURE_CONNECT:
		if (failure->code == EACCES || failure->code == EPERM)
			return EXIT_CODE_DENIED;
		return EXIT_CODE_NO_DAEMON;
	case FAILURE_BROKEN:
		return EXIT_CODE_NO_DAEMON;
	case FAILURE_ANSWER:
		return memctl_code_of_answer(failure->code);
	}
	return EXIT_CODE_FAILED;
}

int memctl_fail(const struct failure *failure)
{
	memctl_complain("%s", failure->text);
	return memctl_code_of(failure);
}

int memctl_connect(const struct memctl *mc, struct connection **ret_c)
{
	struct failure failure;

	if (connection_open(mc->address, mc->timeout_ms, ret_c, &failure) != 0)
		return memctl_fail(&failure);
	return EXIT_CODE_OK;
}

int memctl_ask(const struct memctl *mc, enum connection_question question,
	       const ProtobufCMessage *request, ProtobufCMessage **ret_reply)
{
	struct failure failure;
	struct connection *c = NULL;
	int code = memctl_connect(mc, &c);

	if (code != EXIT_CODE_OK)
		return code;
	if (connection_ask(c, question, request, ret_reply, &failure) != 0)
		code = memctl_fail(&failure);
	connection_close(c);
	return code;
}

int memctl_finish(struct report *rp)
{
	int err = rp == NULL ? -ENOMEM : report_print(rp);

	report_destroy(rp);
	if (err == 0)
		return EXIT_CODE_OK;
	memctl_complain("not enough memory to print this: free some, or ask "
			"with -o raw");
	return EXIT_CODE_FAILED;
}
