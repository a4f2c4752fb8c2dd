/* SPDX-License-Identifier: MIT */
/* A failure: why memd could not be asked, in one line that says what to do.
 * memctl.c chooses the exit status. */
#ifndef MEMD_MEMCTL_FAILURE_H
#define MEMD_MEMCTL_FAILURE_H

#include "common/checks.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/* The kind says who has refused, and so what the caller can do. */
enum failure_kind {
	FAILURE_ADDRESS,	/* the address is malformed */
	FAILURE_CONNECT,	/* no memd there, or no permission */
	/* Memd is gone, silent, or speaks another protocol. */
	FAILURE_BROKEN,
	FAILURE_ANSWER,		/* memd answered with an Error */
};

struct failure {
	enum failure_kind kind;
	int code;				/* errno number, positive */
	char text[WIRE_TEXT_BYTES_MAX + 1];	/* one line, printable */
};

void failure_set(struct failure *failure, enum failure_kind kind, int code,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* Set the text for an errno number: connect, when connecting to `address`; io,
 * when talking to memd there, in a call that may take timeout_ms. */
void failure_set_connect(struct failure *failure, const char *address,
			 int code);
void failure_set_io(struct failure *failure, const char *address,
		    uint32_t timeout_ms, int code);

/* As failure_set_connect(), for another host. */
void failure_set_connect_tcp(struct failure *failure, const char *address,
			     uint32_t timeout_ms, int code);

/* TLS has failed in the handshake, or (is_open) after it, with this reason. */
void failure_set_tls(struct failure *failure, const char *address,
		     const char *reason, bool is_open, int code);

/* `what` came, which memd would not send: EPROTO. */
void failure_set_protocol(struct failure *failure, const char *address,
			  const char *what);

#endif
