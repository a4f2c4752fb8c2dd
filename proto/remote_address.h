/* SPDX-License-Identifier: MIT */
/* HOST:PORT and [IPV6]:PORT, and the addresses that it stands for, to connect
 * to.  Does not connect.  Who must not wait for a name takes _parse, and looks
 * it up with remote_lookup.h. */
#ifndef MEMD_PROTO_REMOTE_ADDRESS_H
#define MEMD_PROTO_REMOTE_ADDRESS_H

#include "common/checks.h"
#include "proto/channel.h"
#include <netdb.h>
#include <sys/socket.h>

struct remote_address {
	char text[CHANNEL_NAME_BYTES];	/* as it was given */
	char host[CHANNEL_NAME_BYTES];	/* the name, or number, in it */
	char port[8];
	bool is_number;			/* nothing to be looked up, ever */
	struct addrinfo *all;		/* owned; NULL: not known */
	unsigned count;
	struct sockaddr_storage good;	/* the one preferred */
	socklen_t good_length;		/* 0: none */
};

/* A number stands for itself; of a name nothing is known yet.  Returns 0, or
 * -EINVAL (not an address), -ENOMEM with one line in ret_reason. */
int remote_address_parse(struct remote_address *ra, const char *text,
			 char *ret_reason, size_t reason_size) MUST_CHECK;

/* The same, and blocks while a name is looked up: -EHOSTUNREACH, no such
 * host. */
int remote_address_init(struct remote_address *ra, const char *text,
			char *ret_reason, size_t reason_size) MUST_CHECK;

/* Does it lead to this host, whatever others do? */
bool remote_address_is_loopback(const struct sockaddr *address);

/* Can it never stand for another host?  A name may be looked up again at any
 * time, and only "localhost" is nobody else's (RFC 6761). */
bool remote_address_is_here(const struct remote_address *ra);

/* What the name stands for now; `all`, from getaddrinfo(3), is taken. */
void remote_address_set(struct remote_address *ra, struct addrinfo *all);

/* `fd` is connected to one that is good: from now on that comes first where it
 * is among them.  For a name may stand for several hosts, in any order, and
 * only one has what was kept there. */
void remote_address_prefer(struct remote_address *ra, int fd);

/* Accepts a zeroed struct. */
void remote_address_fini(struct remote_address *ra);

#endif
