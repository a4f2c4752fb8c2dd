/* SPDX-License-Identifier: MIT */
#include "daemon/net/tcp_listener.h"

#include "proto/channel.h"
#include "proto/remote_address.h"
#include "proto/tcp_options.h"
#include "swapstore/remote_lookup.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 512 };

/* ---- addresses */

bool tcp_listener_is_loopback(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       remote_address_is_loopback((const struct sockaddr *)&address);
}

/* Write the bound address.  The kernel chose the port if the setting says 0. */
static void find_bound(int fd, char host[CONFIG_HOST_BYTES],
		       char port[CONFIG_PORT_BYTES])
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
	    getnameinfo((const struct sockaddr *)&address, length, host,
			CONFIG_HOST_BYTES, port, CONFIG_PORT_BYTES,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
		snprintf(host, CONFIG_HOST_BYTES, "?");
		snprintf(port, CONFIG_PORT_BYTES, "?");
	}
}

void tcp_listener_describe(int fd, char *ret_text, size_t text_size)
{
	char host[CONFIG_HOST_BYTES], port[CONFIG_PORT_BYTES];

	find_bound(fd, host, port);
	snprintf(ret_text, text_size, "address=%s port=%s", host, port);
}

void tcp_listener_show(int fd, char *ret_text, size_t text_size)
{
	char host[CONFIG_HOST_BYTES], port[CONFIG_PORT_BYTES];
	bool is_six;

	find_bound(fd, host, port);
	is_six = strchr(host, ':') != NULL;
	snprintf(ret_text, text_size, "tcp://%s%s%s:%s", is_six ? "[" : "",
		 host, is_six ? "]" : "", port);
}

static bool has_tls(const struct config *config)
{
	return config->tls_ca[0] != '\0' ||
	       config->tls_certificate[0] != '\0' ||
	       config->tls_key[0] != '\0';
}

static int check_access(const struct config *config,
			const struct sockaddr *address,
			const struct reason *reason)
{
	if (has_tls(config) || remote_address_is_loopback(address) ||
	    strcmp(config->insecure_tcp, "yes") == 0)
		return 0;
	return reason_give(reason, -EACCES, "listen_tcp: %s is not a loopback "
			   "address, and there are no certificates; set "
			   "tls_ca, tls_certificate and tls_key, or, where "
			   "nobody else is on the network, insecure_tcp = yes",
			   config->listen_tcp);
}

/* ---- sockets */

static int listen_on(const struct config *config, const struct addrinfo *ai,
		     const struct reason *reason)
{
	int on = 1, off = 0, err;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0);

	if (fd < 0)
		return reason_give(reason, -errno, "listen_tcp: socket: %s",
				   strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
				 ai->ai_flags != 0 ? &off : &on, sizeof(on));
	tcp_options_avoid_pacing(fd);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return reason_give(reason, err, "listen_tcp: %s: %s%s",
			   config->listen_tcp, strerror(-err),
			   err == -EADDRINUSE ?
			   "; stop the program that listens there, or choose "
			   "another port" : err == -EADDRNOTAVAIL ?
			   "; this host does not have it yet" : "");
}

/* Listen on all addresses: one socket for IPv6 and IPv4, or one for IPv4 only
 * if this host has no IPv6. */
static int tcp_listener_open_any(const struct config *config, const char *port,
				 int *ret_fd, const struct reason *reason)
{
	in_port_t number = htons((uint16_t)strtoul(port, NULL, 10));
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = number,
				     .sin6_addr = in6addr_any };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = number };
	struct addrinfo six = { .ai_family = AF_INET6, .ai_flags = AI_PASSIVE,
				.ai_addr = (struct sockaddr *)&sin6,
				.ai_addrlen = sizeof(sin6) };
	struct addrinfo four = { .ai_family = AF_INET,
				 .ai_addr = (struct sockaddr *)&sin,
				 .ai_addrlen = sizeof(sin) };
	int fd = check_access(config, six.ai_addr, reason);

	if (fd != 0)
		return fd;
	fd = listen_on(config, &six, reason);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = listen_on(config, &four, reason);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 1;
}

static void close_all(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

static int open_named(const struct config *config, const struct addrinfo *list,
		      int *ret_fds, const struct reason *reason)
{
	int count = 0, err = 0;

	for (; list != NULL && count < TCP_LISTENERS_MAX && err == 0;
	     list = list->ai_next) {
		struct addrinfo ai = *list;
		int fd;

		ai.ai_flags = 0;
		err = check_access(config, ai.ai_addr, reason);
		if (err != 0)
			break;
		fd = listen_on(config, &ai, reason);
		if (fd >= 0)
			ret_fds[count++] = fd;
		/* A name may also have addresses that this host lacks.  At
		 * least one must work. */
		else if ((fd != -EADDRNOTAVAIL && fd != -EAFNOSUPPORT) ||
			 (count == 0 && list->ai_next == NULL))
			err = fd;
	}
	if (err != 0) {
		close_all(ret_fds, count);
		return err;
	}
	return count;
}

static const struct reason no_reason = { NULL, 0 };

/* Parse a numeric address without asking a name service.  Returns 0 and a list
 * for freeaddrinfo(3), or an EAI_… error. */
static int parse_numbers(const char *host, const char *port,
			 struct addrinfo **ret_list)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
		.ai_socktype = SOCK_STREAM,
	};

	return getaddrinfo(host, port, &hints, ret_list);
}

bool tcp_listener_has_name(const struct config *config)
{
	char host[CONFIG_HOST_BYTES] = "", port[CONFIG_PORT_BYTES] = "";
	struct addrinfo *list;

	if (config_parse_listen(config, host, port, &no_reason) != 0 ||
	    host[0] == '\0')
		return false;
	if (parse_numbers(host, port, &list) != 0)
		return true;
	freeaddrinfo(list);
	return false;
}

int tcp_listener_look_up(const struct config *config,
			 struct remote_lookup **ret_lookup)
{
	char host[CONFIG_HOST_BYTES] = "", port[CONFIG_PORT_BYTES] = "";
	int err = config_parse_listen(config, host, port, &no_reason);

	return err != 0 ? err : remote_lookup_start(host, port, ret_lookup);
}

int tcp_listener_open(const struct config *config, const struct addrinfo *all,
		      int ret_fds[TCP_LISTENERS_MAX], char *ret_reason,
		      size_t reason_size)
{
	const struct reason reason = { ret_reason, reason_size };
	char host[CONFIG_HOST_BYTES] = "", port[CONFIG_PORT_BYTES] = "";
	struct addrinfo *list;
	int count, err = config_parse_listen(config, host, port, &reason);

	if (err != 0)
		return err;
	if (all != NULL)
		return open_named(config, all, ret_fds, &reason);
	if (host[0] == '\0')
		return tcp_listener_open_any(config, port, ret_fds, &reason);
	err = parse_numbers(host, port, &list);
	if (err != 0)
		return reason_give(&reason, -EINVAL, "listen_tcp: %s: %s", host,
				   gai_strerror(err));
	count = open_named(config, list, ret_fds, &reason);
	freeaddrinfo(list);
	return count;
}

/* ---- certificates */

int tcp_listener_load_tls(const struct config *config,
			  struct channel_context **ret_context,
			  char *ret_reason, size_t reason_size)
{
	const struct channel_tls_files files = {
		.ca = config->tls_ca,
		.certificate = config->tls_certificate,
		.key = config->tls_key,
		.crl = config->tls_crl,
	};

	*ret_context = NULL;
	if (!has_tls(config))
		return 0;
	return channel_context_create(&files, true, ret_context, ret_reason,
				      reason_size);
}
