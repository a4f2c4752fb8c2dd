/* SPDX-License-Identifier: MIT */
#include "daemon/net/remote.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/config/words.h"
#include "daemon/system/names.h"
#include "daemon/system/system.h"
#include "proto/channel.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define REFUSED_LOG_NS	UINT64_C(100000000)

/* For IPv6 the network is the first 64 bits of the address. */
static void set_network(struct peer *peer, const struct sockaddr *address,
			bool is_native)
{
	struct in6_addr network;

	memcpy(peer->network, peer->host, sizeof(peer->network));
	if (address->sa_family != AF_INET6 || !is_native)
		return;
	network = ((const struct sockaddr_in6 *)(const void *)address)->
		sin6_addr;
	if (IN6_IS_ADDR_LOOPBACK(&network))
		return;
	memset(network.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &network, peer->network,
			sizeof(peer->network));
}

void remote_peer_init(struct peer *peer, const struct sockaddr *address,
		      socklen_t length)
{
	static const char mapped[] = "::ffff:";
	char host[PEER_HOST_BYTES];
	const char *text = host;

	*peer = (struct peer){ .is_remote = true, .uid = PEER_NOBODY,
			       .gid = (gid_t)-1 };
	if (getnameinfo(address, length, host, sizeof(host), NULL, 0,
			NI_NUMERICHOST) != 0)
		snprintf(host, sizeof(host), "unknown");
	/* An IPv6 socket shows IPv4 addresses as mapped ones.  Show each host
	 * in one way. */
	if (strncmp(text, mapped, strlen(mapped)) == 0 &&
	    strchr(text, '.') != NULL)
		text += strlen(mapped);
	snprintf(peer->host, sizeof(peer->host), "%s", text);
	set_network(peer, address, text == host);
}

/* Find the name of the user whose limits count for a certificate: the user that
 * tls_users says, else the user with the certificate's name.  Returns whether
 * tls_users says it.  (find_user() accepts a number only if tls_users says
 * it.) */
static bool find_user_text(const struct config *config, const char *name,
			   char *ret_user, size_t size)
{
	if (words_get(config->tls_users, name, ret_user, size) ||
	    words_get(config->tls_users, "*", ret_user, size))
		return true;
	snprintf(ret_user, size, "%s", name);
	return false;
}

static int find_user(const struct config *config, struct peer *peer,
		     const char *user, bool is_said)
{
	bool is_number = isdigit((unsigned char)user[0]);

	int err = -ENOENT;

	if (is_said || !is_number)
		err = names_find_user(user, &peer->uid, &peer->gid);
	if (err == 0)
		return 0;
	/* An administrator needs some user for its limits, but no user of the
	 * certificate's name: take memd's.  But if tls_users names a user who
	 * does not exist, that is an error. */
	if (is_said || !words_have(config->tls_admins, peer->name))
		return err == -EAGAIN ? err : -EACCES;
	peer->uid = geteuid();
	peer->gid = getegid();
	return 0;
}

static int identify_certificate(const struct config *config,
				struct peer *peer, char *ret_reason,
				size_t reason_size)
{
	char user[PEER_NAME_BYTES], name[PEER_NAME_BYTES];
	bool is_said;
	int err;

	system_printable(peer->name, name, sizeof(name));
	if (peer->name[0] == '\0') {
		snprintf(ret_reason, reason_size,
			 "its certificate has no common name");
		return -EACCES;
	}
	is_said = find_user_text(config, peer->name, user, sizeof(user));
	err = find_user(config, peer, user, is_said);
	if (err == 0)
		return 0;
	if (err == -EAGAIN) {
		snprintf(ret_reason, reason_size, "certificate %.80s: its user "
			 "is being looked up", name);
		return -EAGAIN;
	}
	snprintf(ret_reason, reason_size, "certificate %.80s: no user %.80s "
		 "here; add %.80s=USER to tls_users", name,
		 system_printable(user, user, sizeof(user)), name);
	return -EACCES;
}

int remote_identify(const struct config *config, const struct channel *channel,
		    struct peer *peer, char *ret_reason, size_t reason_size)
{
	char name[CHANNEL_NAME_BYTES];
	int err;

	channel_peer_name(channel, name);
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	if (channel->ssl != NULL)
		return identify_certificate(config, peer, ret_reason,
					    reason_size);
	peer->uid = geteuid();
	peer->gid = getegid();
	if (config->tcp_user[0] == '\0')
		return 0;
	err = names_find_user(config->tcp_user, &peer->uid, &peer->gid);
	if (err == 0)
		return 0;
	snprintf(ret_reason, reason_size, "tcp_user: no user \"%s\" is known "
		 "here", config->tcp_user);
	return err == -EAGAIN ? err : -EACCES;
}

/* Over TCP an administrator always needs a certificate.  Anyone who reaches the
 * port can connect as tcp_user, so tcp_user only says whose limits count.  This
 * holds for loopback, too: a Unix socket would tell which user connects. */
void remote_explain_no_admin(const struct peer *peer, char *ret_text,
			     size_t text_size)
{
	char name[PEER_NAME_BYTES];

	if (peer->name[0] != '\0')
		snprintf(ret_text, text_size, "certificate \"%.80s\" is not "
			 "named in tls_admins: add it to that memd's "
			 "configuration and reload, or use one that is",
			 system_printable(peer->name, name, sizeof(name)));
	else
		snprintf(ret_text, text_size, "without a certificate nobody "
			 "may do this over TCP: ask with one that tls_admins "
			 "names, or on memd's Unix socket");
}

void remote_refused(struct conns *all, const struct peer *peer,
		    const char *reason)
{
	uint64_t now_ns = clock_now_ns();

	all->stats->guests_refused++;
	all->refusals_unsaid++;
	if (now_ns - all->refusal_said_ns < REFUSED_LOG_NS)
		return;
	log_event(LOG_LEVEL_WARNING, "guest-refused",
		  "host=%s count=%u reason=\"%s\"", peer->host,
		  all->refusals_unsaid, reason);
	all->refusals_unsaid = 0;
	all->refusal_said_ns = now_ns;
}
