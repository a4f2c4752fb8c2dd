/* SPDX-License-Identifier: MIT */
/* Connects to a memd on another host.  The address has the certificates that
 * prove who asks.  The other memd decides what is allowed. */
#ifndef MEMD_MEMCTL_TCP_H
#define MEMD_MEMCTL_TCP_H

#include "client/memctl/failure.h"
#include "common/checks.h"
#include "proto/channel.h"
#include <stddef.h>
#include <stdint.h>

/* The address without its settings, for messages. */
void tcp_address_show(const char *text, char *ret_shown, size_t size);

/* Connect to "tcp://HOST:PORT?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE".
 * tls_crl=FILE may be added.  insecure_tcp=yes allows plain TCP to other hosts.
 * Other settings of memd.conf(5) are for the memory of programs, and are
 * ignored.  The function looks up the host, reads the files, takes the first
 * address that answers, and does the handshake; timeout_ms (0: a minute) is for
 * the last two.  Returns 0, or -errno with the reason in *ret_failure. */
int tcp_open(const char *text, uint32_t timeout_ms,
	     struct channel *ret_channel, struct failure *ret_failure)
	MUST_CHECK;

#endif
