/* SPDX-License-Identifier: MIT */
/* HOST:PORT and [IPV6]:PORT, and the addresses of the host.  Does not connect.
 * A caller that must not block uses remote_address_parse(), and looks the name
 * up with remote_lookup.h. */
#ifndef MEMD_PROTO_REMOTE_ADDRESS_H
#define MEMD_PROTO_REMOTE_ADDRESS_H

#include "common/checks.h"
#include "proto/channel.h"
#include <netdb.h>
#include <sys/socket.h>

struct remote_address {
	char text[CHANNEL_NAME_BYTES];	/* as given */
	char host[CHANNEL_NAME_BYTES];	/* name or number */
	char port[8];
	bool is_number;			/* no lookup is needed */
	struct addrinfo *all;		/* owned; NULL: not known */
	unsigned count;
	struct sockaddr_storage good;	/* the preferred one */
	socklen_t good_length;		/* 0: none */
};

/* Parse the text.  The address of a numeric host is known then; of a name, none
 * is.  Returns 0; or -EINVAL (no address) or -ENOMEM, with one line in
 * ret_reason. */
int remote_address_parse(struct remote_address *ra, const char *text,
			 char *ret_reason, size_t reason_size) MUST_CHECK;

/* As remote_address_parse(), and looks the name up, which blocks.  Also
 * -EHOSTUNREACH (no such host). */
int remote_address_init(struct remote_address *ra, const char *text,
			char *ret_reason, size_t reason_size) MUST_CHECK;

/* True if the address is of this host's loopback interface. */
bool remote_address_is_loopback(const struct sockaddr *address);

/* True if the host can only be this one.  A name may be looked up again at any
 * time, and only "localhost" can be no other host (RFC 6761). */
bool remote_address_is_here(const struct remote_address *ra);

/* Set the host's addresses; `all`, from getaddrinfo(3), is taken. */
void remote_address_set(struct remote_address *ra, struct addrinfo *all);

/* `fd` is connected to an address that works: from now on put it first, if it
 * is among the addresses.  A name may mean several hosts, in any order, and
 * only one of them keeps our slots. */
void remote_address_prefer(struct remote_address *ra, int fd);

/* Accepts a zeroed struct. */
void remote_address_fini(struct remote_address *ra);

#endif
