/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_address.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Returns the port's text, and the host in ra->host; NULL: malformed. */
static const char *split(struct remote_address *ra, const char *text)
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

int remote_address_init(struct remote_address *ra, const char *text,
			char *ret_reason, size_t reason_size)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *port;
	int err;

	*ra = (struct remote_address){ 0 };
	port = split(ra, text);
	if (port == NULL || strlen(text) >= sizeof(ra->text)) {
		snprintf(ret_reason, reason_size, "\"%.200s\" is no address; "
			 "give HOST:PORT or [IPV6]:PORT", text);
		return -EINVAL;
	}
	memcpy(ra->text, text, strlen(text) + 1);
	err = getaddrinfo(ra->host, port, &hints, &ra->all);
	if (err != 0) {
		ra->all = NULL;
		snprintf(ret_reason, reason_size, "cannot find the host of "
			 "%.200s: %s; check the name", text,
			 gai_strerror(err));
		return err == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
	}
	for (const struct addrinfo *ai = ra->all; ai != NULL; ai = ai->ai_next)
		ra->count++;
	return 0;
}

void remote_address_fini(struct remote_address *ra)
{
	if (ra->all != NULL)
		freeaddrinfo(ra->all);
	ra->all = NULL;
}
