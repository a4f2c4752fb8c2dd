/* SPDX-License-Identifier: MIT */
/* TCP connections, with TLS if there are certificates.  TLS itself is in
 * proto/channel.h. */
#include "client/memctl/tcp.h"

#include "client/link/address.h"
#include "client/memctl/socket.h"
#include "common/clock.h"
#include "proto/remote_address.h"
#include "proto/tcp_options.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECT_MAX_MS = 60000,
	ADDRESS_BYTES = 2048,	/* with the names of files */
	SHOWN_BYTES = CHANNEL_NAME_BYTES + 8,
};

struct tcp_address {
	struct remote_address remote;
	struct channel_context *tls;	/* owned; NULL: no TLS */
	char shown[SHOWN_BYTES];	/* without the settings */
};

/* ---- addresses */

/* The settings in an address that memctl uses. */
struct wish {
	struct channel_tls_files files;
	const char *insecure;
};

/* The names of all settings of memd.conf(5). */
static const char *const all_names[] = {
#define NUMBER(name, ...)	#name,
#define TEXT(name, ...)		#name,
#define CHOICE(name, ...)	#name,
#include "daemon/config/config_keys.h"
#undef NUMBER
#undef TEXT
#undef CHOICE
};

static int tcp_refuse(struct failure *ret_failure, const char *shown,
		      const char *what)
{
	failure_set(ret_failure, FAILURE_ADDRESS, EINVAL, "%s: %s", shown,
		    what);
	return -EINVAL;
}

/* False: there is no setting of this name. */
static bool tcp_take_setting(struct wish *wish, const char *name,
			     const char *value)
{
	const struct {
		const char *name, **to;
	} rows[] = {
		{ "tls_ca", &wish->files.ca },
		{ "tls_certificate", &wish->files.certificate },
		{ "tls_key", &wish->files.key },
		{ "tls_crl", &wish->files.crl },
		{ "insecure_tcp", &wish->insecure },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0) {
			*rows[i].to = value;
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(all_names); i++)
		if (strcmp(all_names[i], name) == 0)
			return true;
	return false;
}

/* `settings` is cut up; the wish points into it. */
static int tcp_take_settings(struct wish *wish, char *settings,
			     const char *shown, struct failure *ret_failure)
{
	const char *name = NULL, *value = NULL;
	int more;

	while ((more = address_next_setting(&settings, "&", &name,
					    &value)) == 1) {
		if (tcp_take_setting(wish, name, value))
			continue;
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL,
			    "%s: no setting is called '%.64s': tls_ca, "
			    "tls_certificate, tls_key, tls_crl and "
			    "insecure_tcp are", shown, name);
		return -EINVAL;
	}
	if (more != 0)
		failure_set(ret_failure, FAILURE_ADDRESS, EINVAL, "%s: "
			    "'%.64s' is no setting: write NAME=VALUE", shown,
			    name);
	return more;
}

/* Plain TCP is refused for other hosts: a host on the way could answer in
 * memd's place. */
static int tcp_check_plain(const struct tcp_address *ta,
			   const struct wish *wish,
			   struct failure *ret_failure)
{
	if (wish->insecure != NULL && strcmp(wish->insecure, "yes") == 0)
		return 0;
	for (const struct addrinfo *ai = ta->remote.all; ai != NULL;
	     ai = ai->ai_next)
		if (!remote_address_is_loopback(ai->ai_addr))
			return tcp_refuse(ret_failure, ta->shown, "another "
					  "host is asked with certificates: "
					  "add ?tls_ca=FILE&"
					  "tls_certificate=FILE&tls_key=FILE, "
					  "or, where the network is trusted, "
					  "?insecure_tcp=yes");
	return 0;
}

static int load_tls(struct tcp_address *ta, const struct wish *wish,
		    struct failure *ret_failure)
{
	char reason[CHANNEL_REASON_BYTES];
	int err = channel_context_create(&wish->files, false, &ta->tls, reason,
					 sizeof(reason));

	if (err == 0)
		return 0;
	failure_set(ret_failure, FAILURE_ADDRESS, -err, "%s: %s", ta->shown,
		    reason);
	return err;
}

static int tcp_find_host(struct tcp_address *ta, const char *host,
			 struct failure *ret_failure)
{
	char reason[CHANNEL_REASON_BYTES + 64];
	int err = remote_address_init(&ta->remote, host, reason,
				      sizeof(reason));

	if (err != 0)
		failure_set(ret_failure, err == -EINVAL ? FAILURE_ADDRESS :
			    FAILURE_CONNECT, -err, "%s", reason);
	return err;
}

void tcp_address_show(const char *text, char *ret_shown, size_t size)
{
	snprintf(ret_shown, size, "%.*s", (int)strcspn(text, "?"), text);
}

static void tcp_address_fini(struct tcp_address *ta)
{
	remote_address_fini(&ta->remote);
	channel_context_destroy(ta->tls);
	ta->tls = NULL;
}

static int tcp_address_init(struct tcp_address *ta, const char *text,
			    struct failure *ret_failure)
{
	char buf[ADDRESS_BYTES], *settings;
	struct wish wish = { 0 };
	int err = 0;

	*ta = (struct tcp_address){ 0 };
	tcp_address_show(text, ta->shown, sizeof(ta->shown));
	if (strlen(text) >= sizeof(buf))
		return tcp_refuse(ret_failure, ta->shown, "the address is too "
				  "long: use shorter names of files");
	memcpy(buf, text, strlen(text) + 1);
	settings = strchr(buf, '?');
	if (settings != NULL) {
		*settings++ = '\0';
		err = tcp_take_settings(&wish, settings, ta->shown,
					ret_failure);
	}
	if (err == 0)
		err = tcp_find_host(ta, buf + strlen(ADDRESS_TCP), ret_failure);
	if (err == 0)
		err = wish.files.ca != NULL || wish.files.certificate != NULL ||
		      wish.files.key != NULL ?
			load_tls(ta, &wish, ret_failure) :
			tcp_check_plain(ta, &wish, ret_failure);
	if (err != 0)
		tcp_address_fini(ta);
	return err;
}

/* ---- connecting */

static int tcp_await_connection(int fd, uint64_t until_ns)
{
	socklen_t length = sizeof(int);
	int error = 0;
	int err = socket_wait(fd, true, until_ns);

	if (err != 0)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return -errno;
	return -error;
}

/* Returns the descriptor or -errno. */
static int tcp_connect_one(const struct addrinfo *ai, uint64_t until_ns)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	tcp_options_set(fd, NULL);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		err = errno == EINPROGRESS ?
			tcp_await_connection(fd, until_ns) : -errno;
	if (err != 0) {
		close(fd);
		return err;
	}
	return fd;
}

/* Try the addresses one after the other.  Each gets an equal part of the time
 * that is left for it and those behind it.  Returns the descriptor, or -errno
 * of the last address. */
static int tcp_connect_any(const struct tcp_address *ta, uint64_t until_ns)
{
	unsigned left = ta->remote.count;
	int fd = -EADDRNOTAVAIL;

	for (const struct addrinfo *ai = ta->remote.all; ai != NULL && fd < 0;
	     ai = ai->ai_next, left--) {
		uint64_t now_ns = MIN(clock_now_ns(), until_ns);

		fd = tcp_connect_one(ai, now_ns + (until_ns - now_ns) / left);
	}
	return fd;
}

static int tcp_shake_hands(struct channel *ch, uint64_t until_ns)
{
	int err;

	while ((err = channel_handshake(ch)) == -EAGAIN) {
		err = socket_wait(ch->fd, ch->wants_write, until_ns);
		if (err != 0)
			return err;
	}
	return err;
}

static int tcp_connect(const struct tcp_address *ta, uint32_t timeout_ms,
		       struct channel *ret_channel,
		       struct failure *ret_failure)
{
	uint64_t until_ns;
	int fd, err;

	/* A timeout of 0 means no limit for the answer, but not for
	 * connecting. */
	timeout_ms = timeout_ms != 0 ? timeout_ms : CONNECT_MAX_MS;
	until_ns = socket_deadline_ns(timeout_ms);
	fd = tcp_connect_any(ta, until_ns);
	err = fd < 0 ? fd : channel_open(ret_channel, fd, ta->tls,
					 ta->remote.host);
	if (err != 0) {
		failure_set_connect_tcp(ret_failure, ta->shown, timeout_ms,
					-err);
		return err;
	}
	err = tcp_shake_hands(ret_channel, until_ns);
	if (err == 0)
		return 0;
	if (ret_channel->state == CHANNEL_BROKEN)
		failure_set_tls(ret_failure, ta->shown, ret_channel->reason,
				false, -err);
	else
		failure_set_io(ret_failure, ta->shown, timeout_ms, -err);
	channel_close(ret_channel);
	return err;
}

int tcp_open(const char *text, uint32_t timeout_ms,
	     struct channel *ret_channel, struct failure *ret_failure)
{
	struct tcp_address ta;
	int err = tcp_address_init(&ta, text, ret_failure);

	if (err != 0)
		return err;
	err = tcp_connect(&ta, timeout_ms, ret_channel, ret_failure);
	tcp_address_fini(&ta);
	return err;
}
