/* SPDX-License-Identifier: MIT */
/* memd on another host: an address with what is needed to prove who asks, and
 * connecting to it.  Whether one may ask what, the other memd decides. */
#ifndef MEMD_MEMCTL_TCP_H
#define MEMD_MEMCTL_TCP_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include "proto/channel.h"
#include "proto/remote_address.h"

enum {
	/* Of a whole address, with the names of files in it. */
	TCP_ADDRESS_BYTES = 2048,
	TCP_SHOWN_BYTES = CHANNEL_NAME_BYTES + 8,
};

struct tcp_address {
	struct remote_address remote;
	struct channel_context *tls;	/* owned; NULL: without */
	char shown[TCP_SHOWN_BYTES];	/* without the settings */
};

/* "tcp://HOST:PORT?ca=FILE&certificate=FILE&key=FILE", crl=FILE besides, or,
 * for plain TCP to other hosts, insecure_tcp=yes.  Other settings of
 * memd.conf(5) are for programs' memory and make no difference.  Looks up the
 * host and reads the files.  Returns 0, or -errno with the reason in
 * *ret_failure. */
int tcp_address_init(struct tcp_address *ta, const char *text,
		     struct failure *ret_failure) MUST_CHECK;

/* Accepts a zeroed struct. */
void tcp_address_fini(struct tcp_address *ta);

/* The address without its settings: for messages. */
void tcp_address_show(const char *text, char *ret_shown, size_t size);

/* Connect to the first of its addresses that answers, and shake hands.
 * timeout_ms (0: a minute) is for all of it.  Returns 0, or -errno with the
 * reason in *ret_failure. */
int tcp_connect(const struct tcp_address *ta, uint32_t timeout_ms,
		struct channel *ret_channel, struct failure *ret_failure)
	MUST_CHECK;

#endif
