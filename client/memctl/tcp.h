/* SPDX-License-Identifier: MIT */
/* Connecting to a memd on another host: its address with what is needed to
 * prove who asks.  Whether one may ask what, the other memd decides. */
#ifndef MEMD_MEMCTL_TCP_H
#define MEMD_MEMCTL_TCP_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include "proto/channel.h"
#include <stddef.h>
#include <stdint.h>

/* The address without its settings: for messages. */
void tcp_address_show(const char *text, char *ret_shown, size_t size);

/* Connect to "tcp://HOST:PORT?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE",
 * tls_crl=FILE besides, or, for plain TCP to other hosts, insecure_tcp=yes.
 * Other settings of memd.conf(5) are for programs' memory and make no
 * difference.  Looks up the host, reads the files, takes the first of the
 * host's addresses that answers, and shakes hands; timeout_ms (0: a minute) is
 * for the last two.
 * Returns 0, or -errno with the reason in *ret_failure. */
int tcp_open(const char *text, uint32_t timeout_ms,
	     struct channel *ret_channel, struct failure *ret_failure)
	MUST_CHECK;

#endif
