/* SPDX-License-Identifier: MIT */
#include "proto/remote_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PORT_DIGITS_MAX = 5 };

/* Returns the text of the port, with the host in ra->host; NULL: malformed. */
static const char *address_split(struct remote_address *ra, const char *text)
{
	const char *colon = strrchr(text, ':'), *end = colon;

	if (colon == NULL || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return NULL;
	if (text[0] == '[') {
		text++;
		if (end == text || *--end != ']')
			return NULL;
	} else if (memchr(text, ':', (size_t)(end - text)) != NULL) {
		return NULL;	/* IPv6 without brackets */
	}
	if (end <= text || (size_t)(end - text) >= sizeof(ra->host))
		return NULL;
	memcpy(ra->host, text, (size_t)(end - text));
	ra->host[end - text] = '\0';
	return colon + 1;
}

/* Parse a numeric host.  Looks up no names, so it does not block. */
static int read_number(struct remote_address *ra)
{
	static const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *all;
	int err = getaddrinfo(ra->host, ra->port, &hints, &all);

	if (err == 0) {
		remote_address_set(ra, all);
		ra->is_number = true;
	}
	return err == EAI_MEMORY ? -ENOMEM : 0;
}

/* Any number of digits, and nothing else.  getaddrinfo() would take the port
 * modulo 65536, and so connect to another service. */
static bool is_port(const char *digits)
{
	unsigned long port;

	digits += strspn(digits, "0");
	port = strlen(digits) <= PORT_DIGITS_MAX ? strtoul(digits, NULL, 10) :
						   0;
	return port >= 1 && port <= UINT16_MAX;
}

int remote_address_parse(struct remote_address *ra, const char *text,
			 char *ret_reason, size_t reason_size)
{
	const char *port;
	int err;

	*ra = (struct remote_address){ 0 };
	port = address_split(ra, text);
	if (port == NULL || strlen(text) >= sizeof(ra->text)) {
		snprintf(ret_reason, reason_size, "\"%.200s\" is no address; "
			 "give HOST:PORT or [IPV6]:PORT", text);
		return -EINVAL;
	}
	if (!is_port(port)) {
		snprintf(ret_reason, reason_size, "\"%.200s\": a port is 1 "
			 "to 65535", text);
		return -EINVAL;
	}
	memcpy(ra->text, text, strlen(text) + 1);
	snprintf(ra->port, sizeof(ra->port), "%lu", strtoul(port, NULL, 10));
	err = read_number(ra);
	if (err != 0)
		snprintf(ret_reason, reason_size, "%s", strerror(-err));
	return err;
}

int remote_address_init(struct remote_address *ra, const char *text,
			char *ret_reason, size_t reason_size)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int err = remote_address_parse(ra, text, ret_reason, reason_size);
	struct addrinfo *all;

	if (err != 0 || ra->is_number)
		return err;
	err = getaddrinfo(ra->host, ra->port, &hints, &all);
	if (err == 0) {
		remote_address_set(ra, all);
		return 0;
	}
	snprintf(ret_reason, reason_size, "cannot find the host of %.200s: "
		 "%s; check the name", text, gai_strerror(err));
	return err == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

bool remote_address_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *sin = (const void *)address;

		return ntohl(sin->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const void *)address;

		return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr) &&
			sin6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
	}
	return false;
}

bool remote_address_is_here(const struct remote_address *ra)
{
	if (!ra->is_number)
		return strcmp(ra->host, "localhost") == 0;
	for (const struct addrinfo *ai = ra->all; ai != NULL; ai = ai->ai_next)
		if (!remote_address_is_loopback(ai->ai_addr))
			return false;
	return true;
}

static void put_good_first(struct remote_address *ra)
{
	for (struct addrinfo **at = &ra->all; *at != NULL;
	     at = &(*at)->ai_next) {
		struct addrinfo *found = *at;

		if (found->ai_addrlen != ra->good_length ||
		    memcmp(found->ai_addr, &ra->good, ra->good_length) != 0)
			continue;
		*at = found->ai_next;
		found->ai_next = ra->all;
		ra->all = found;
		return;
	}
}

void remote_address_prefer(struct remote_address *ra, int fd)
{
	ra->good_length = sizeof(ra->good);
	if (getpeername(fd, (struct sockaddr *)&ra->good,
			&ra->good_length) != 0)
		ra->good_length = 0;
	put_good_first(ra);
}

void remote_address_set(struct remote_address *ra, struct addrinfo *all)
{
	if (ra->all != NULL)
		freeaddrinfo(ra->all);
	ra->all = all;
	ra->count = 0;
	for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next)
		ra->count++;
	put_good_first(ra);
}

void remote_address_fini(struct remote_address *ra)
{
	remote_address_set(ra, NULL);
}
