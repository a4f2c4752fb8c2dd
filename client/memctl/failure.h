/* SPDX-License-Identifier: MIT */
/* Why memd could not be asked, in one line that says what to do.  Which exit
 * status that means is ask.c's business. */
#ifndef MEMD_MEMCTL_FAILURE_H
#define MEMD_MEMCTL_FAILURE_H

#include "common/checks.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/* What the caller can do about a failure depends on who said no. */
enum failure_kind {
	FAILURE_ADDRESS,	/* the address cannot be one */
	FAILURE_CONNECT,	/* nobody there, or not for us */
	FAILURE_BROKEN,		/* gone, silent, or not speaking our protocol */
	FAILURE_ANSWER,		/* memd answered with an Error */
};

struct failure {
	enum failure_kind kind;
	int code;				/* errno, positive */
	char text[WIRE_TEXT_BYTES_MAX + 1];	/* one line, printable */
};

void failure_set(struct failure *failure, enum failure_kind kind, int code,
		 const char *format, ...) PRINTF_LIKE(4, 5);

/* The texts for what can happen while connecting to `address` (errno), and
 * while talking to memd there (errno), in a call that may take timeout_ms. */
void failure_set_connect(struct failure *failure, const char *address,
			 int code);
void failure_set_io(struct failure *failure, const char *address,
		    uint32_t timeout_ms, int code);

/* As failure_set_connect(), of another host. */
void failure_set_connect_tcp(struct failure *failure, const char *address,
			     uint32_t timeout_ms, int code);

/* TLS said no, in the handshake or (is_open) after it: `reason`. */
void failure_set_tls(struct failure *failure, const char *address,
		     const char *reason, bool is_open, int code);

/* `what` came that memd would not send: EPROTO. */
void failure_set_protocol(struct failure *failure, const char *address,
			  const char *what);

#endif
