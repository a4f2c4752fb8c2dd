/* SPDX-License-Identifier: MIT */
/* Texts of failures.  Prints nothing. */
#include "client/memctl/failure.h"

#include "client/memctl/text.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

void failure_set(struct failure *failure, enum failure_kind kind, int code,
		 const char *format, ...)
{
	va_list args;

	failure->kind = kind;
	failure->code = code;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	text_clean(failure->text);
}

/* True if the text looks like HOST:PORT and not like the name of a socket. */
static bool failure_is_host_and_port(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon != NULL && colon != text && colon[1] != '\0' &&
	       strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
	       strncmp(text, "unix:", 5) != 0 && strchr(text, '/') == NULL &&
	       text[0] != '@';
}

#define START	"start it with `systemctl start memd`, or pass --socket"
#define DENIED	"ask as root or as a member of the group that owns it"

void failure_set_connect(struct failure *failure, const char *address,
			 int code)
{
	static const struct {
		int code;
		const char *before, *after;	/* texts around the address */
	} rows[] = {
		{ ENOENT, "no memd at", ": " START },
		{ ENOTDIR, "no memd at", ": " START },
		{ ECONNREFUSED, "nobody listens at", ": start memd with "
		  "`systemctl start memd`, or pass --socket" },
		{ EACCES, "not allowed to connect to", ": " DENIED },
		{ EPERM, "not allowed to connect to", ": " DENIED },
		{ ETIMEDOUT, "memd at", " accepts no connections: see its "
		  "log, or pass a longer --timeout" },
	};

	failure_set(failure, FAILURE_CONNECT, code, "cannot connect to %s: %s: "
		    "pass --socket", address, strerror(code));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].code == code)
			failure_set(failure, FAILURE_CONNECT, code, "%s %s%s",
				    rows[i].before, address, rows[i].after);
	if (code == ENOENT && failure_is_host_and_port(address))
		failure_set(failure, FAILURE_CONNECT, code,
			    "no socket is called %s: another host's memd is "
			    "at tcp://%s", address, address);
}

void failure_set_connect_tcp(struct failure *failure, const char *address,
			     uint32_t timeout_ms, int code)
{
	switch (code) {
	case ECONNREFUSED:
		failure_set(failure, FAILURE_CONNECT, code,
			    "nobody listens at %s: start memd there, with "
			    "listen_tcp in its memd.conf, or mend the address",
			    address);
		break;
	case ETIMEDOUT:
		failure_set(failure, FAILURE_CONNECT, code,
			    "no answer from %s within %u ms: is the host up, "
			    "and does its firewall let us in?  Or pass a "
			    "longer --timeout", address, timeout_ms);
		break;
	default:
		failure_set(failure, FAILURE_CONNECT, code,
			    "cannot connect to %s: %s: check host and port",
			    address, strerror(code));
	}
}

void failure_set_tls(struct failure *failure, const char *address,
		     const char *reason, bool is_open, int code)
{
	/* One side does not trust the certificate of the other. */
	if (code == EACCES)
		failure_set(failure, FAILURE_CONNECT, code,
			    "no TLS with %s: %s: check tls_ca, "
			    "tls_certificate and tls_key of both sides, and "
			    "the host's name", address, reason);
	else if (code == EBUSY)
		failure_set(failure, FAILURE_CONNECT, code,
			    "memd at %s is busy: %s: try again", address,
			    reason);
	else if (!is_open)
		failure_set(failure, FAILURE_CONNECT, code,
			    "no TLS with %s: %s: check host and port, and "
			    "that memd there has certificates", address,
			    reason);
	else
		failure_set(failure, FAILURE_BROKEN, code,
			    "lost memd at %s: %s: repeat, and see its log",
			    address, reason);
}

void failure_set_io(struct failure *failure, const char *address,
		    uint32_t timeout_ms, int code)
{
	switch (code) {
	case ETIMEDOUT:
		failure_set(failure, FAILURE_BROKEN, code,
			    "memd at %s did not answer within %u ms: see its "
			    "log, or pass a longer --timeout", address,
			    timeout_ms);
		break;
	case ECONNRESET:
	case EPIPE:
		failure_set(failure, FAILURE_BROKEN, code,
			    "memd at %s closed the connection: see its log",
			    address);
		break;
	case ENOMEM:
		failure_set(failure, FAILURE_BROKEN, code,
			    "not enough memory for memd's answer: free some "
			    "and repeat");
		break;
	default:
		failure_set(failure, FAILURE_BROKEN, code,
			    "lost memd at %s: %s: repeat, and see its log",
			    address, strerror(code));
	}
}

void failure_set_protocol(struct failure *failure, const char *address,
			  const char *what)
{
	failure_set(failure, FAILURE_BROKEN, EPROTO,
		    "%s at %s: is that memd? check --socket", what, address);
}
