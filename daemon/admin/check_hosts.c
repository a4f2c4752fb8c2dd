/* SPDX-License-Identifier: MIT */
#include "daemon/admin/check.h"

#include "common/clock.h"
#include "daemon/net/certificates.h"
#include "daemon/engine/engine_store.h"
#include "daemon/findings/findings.h"
#include "daemon/net/tcp_listener.h"
#include "proto/channel.h"
#include "proto/remote_address.h"
#include "swapstore/remote_lookup.h"
#include "swapstore/store_remote.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REACH_NS	UINT64_C(2000000000)

/* ---- the address */

/* Wait for the result of a look-up.  patience_ms -1: until it ends. */
static int check_hosts_await(struct remote_lookup *lk, int patience_ms,
			     struct addrinfo **ret_all)
{
	struct pollfd pfd = { .fd = remote_lookup_event_fd(lk),
			      .events = POLLIN };
	int err;

	(void)poll(&pfd, 1, patience_ms);
	err = remote_lookup_take(lk, ret_all);
	remote_lookup_destroy(lk);
	return err;
}

static void check_hosts_address(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	int fds[TCP_LISTENERS_MAX], count, err;
	char reason[CHANNEL_REASON_BYTES];
	struct addrinfo *all = NULL;
	struct remote_lookup *lk;

	if (config->listen_tcp[0] == '\0' || ask->is_running)
		return;
	if (tcp_listener_has_name(config)) {
		err = tcp_listener_look_up(config, &lk) != 0 ? EAI_SYSTEM :
			check_hosts_await(lk, -1, &all);
		if (err != 0) {
			finding_warn(ask, "listen_tcp: %s: %s\nmemd tries "
				     "again until it is known",
				     config->listen_tcp, gai_strerror(err));
			return;
		}
	}
	count = tcp_listener_open(config, all, fds, reason, sizeof(reason));
	if (all != NULL)
		freeaddrinfo(all);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	if (count < 0)
		finding_say(ask, count == -EADDRNOTAVAIL || count == -ENODEV ?
			    FINDING_WARN : FINDING_FAIL, "%s", reason);
}

/* ---- certificates */

static void check_hosts_listening(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	char reason[CHANNEL_REASON_BYTES];
	struct channel_context *tls;

	if (config->listen_tcp[0] == '\0')
		return;
	if (tcp_listener_load_tls(config, &tls, reason, sizeof(reason)) != 0)
		finding_fail(ask, "%s", reason);
	else if (tls != NULL)
		finding_ok(ask, "%s, with certificates", config->listen_tcp);
	else
		finding_warn(ask, "%s, without certificates\nset tls_ca, "
			     "tls_certificate and tls_key", config->listen_tcp);
	channel_context_destroy(tls);
}

/* The same certificates are used for listening and for the store. */
static void check_hosts_certificates(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	char ignored[CHANNEL_REASON_BYTES];
	struct channel_context *tls;

	if (config->listen_tcp[0] == '\0' &&
	    strcmp(config->store, "remote") != 0)
		return;
	/* If they cannot be read, another line says why. */
	if (tcp_listener_load_tls(config, &tls, ignored, sizeof(ignored)) != 0)
		return;
	certificates_say(ask, tls);
	channel_context_destroy(tls);
}

/* ---- does the other memd answer */

static int check_hosts_connect(const struct addrinfo *ai, uint64_t patience_ns)
{
	const struct timeval patience = {
		.tv_usec = (suseconds_t)(patience_ns / 1000 % 1000000 + 1),
		.tv_sec = (time_t)(patience_ns / 1000000000),
	};
	int err, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			 sizeof(patience));
	err = connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ? 0 :
	      errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	close(fd);
	return err;
}

/* Divides the time among the addresses, so that a silent one leaves time for
 * those after it. */
static int check_hosts_connect_any(const struct addrinfo *all,
				   uint64_t until_ns)
{
	unsigned left = 0;
	int err = -EHOSTUNREACH;

	for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next)
		left++;
	for (; all != NULL && err != 0; all = all->ai_next, left--) {
		uint64_t now = clock_now_ns();

		err = check_hosts_connect(all, until_ns > now ?
					  (until_ns - now) / left : 0);
	}
	return err;
}

/* Fill in the addresses of a host name.  Returns NULL, or the reason of the
 * failure. */
static const char *check_hosts_look_up(struct remote_address *ra)
{
	struct remote_lookup *lk;
	struct addrinfo *all;
	int err;

	if (ra->is_number)
		return NULL;
	err = remote_lookup_start(ra->host, ra->port, &lk);
	if (err != 0)
		return strerror(-err);
	err = check_hosts_await(lk, REACH_NS / 1000000, &all);
	if (err == 0)
		remote_address_set(ra, all);
	return err == 0 ? NULL : err == EAI_INPROGRESS ?
		"no answer from the name service" : gai_strerror(err);
}

static void check_hosts_reach(struct findings_ask *ask,
			      struct remote_address *ra)
{
	uint64_t until_ns = clock_now_ns() + REACH_NS;
	const char *why = check_hosts_look_up(ra);
	int err;

	if (why != NULL) {
		finding_warn(ask, "cannot find the host of %s: %s\ncheck the "
			     "name", ra->text, why);
		return;
	}
	err = check_hosts_connect_any(ra->all, until_ns);
	if (err != 0)
		finding_warn(ask, "no answer from %s: %s\nstart a memd "
			     "there with listen_tcp, and let firewalls pass "
			     "its port", ra->text, strerror(-err));
	else
		finding_ok(ask, "%s accepts connections", ra->text);
}

/* Only the reply to Hello shows whether both sides accept each other's
 * certificates.  So open a store of one page for a moment.  If the other memd
 * has no room for it, the certificates are good all the same; a running memd
 * may use all the room. */
static void check_hosts_meet(struct findings_ask *ask, const char *address,
			     struct channel_context *tls)
{
	const struct store_remote_options options = {
		.address = address, .tls = tls, .command = "memd --check",
		.slot_count = 1, .timeout_ns = REACH_NS,
	};
	char reason[FINDING_TEXT_BYTES];
	struct swapstore *store;
	int err = store_remote_create(&options, &store, reason,
				      sizeof(reason));

	if (err == 0)
		swapstore_destroy(store);
	if (err == 0 || err == -EDQUOT || err == -ENOSPC || err == -ENOMEM)
		finding_ok(ask, "%s and this memd accept each other's "
			   "certificates", address);
	else
		finding_say(ask, err == -EACCES ? FINDING_FAIL : FINDING_WARN,
			    "%s", reason);
}

/* Without certificates, only connect, and send nothing: the other end is
 * unknown. */
static void check_hosts_store(struct findings_ask *ask, const char *address)
{
	char reason[FINDING_TEXT_BYTES];
	struct channel_context *tls = NULL;
	struct remote_address ra = { 0 };

	if (engine_store_load_tls(ask->config, &tls, reason,
				  sizeof(reason)) != 0 ||
	    remote_address_parse(&ra, address, reason, sizeof(reason)) != 0)
		finding_fail(ask, "%s", reason);
	else if (tls != NULL)
		check_hosts_meet(ask, address, tls);
	else
		check_hosts_reach(ask, &ra);
	remote_address_fini(&ra);
	channel_context_destroy(tls);
}

static void check_hosts_stores(struct findings_ask *ask)
{
	const struct config *config = ask->config;

	if (strcmp(config->store, "remote") != 0)
		return;
	check_hosts_store(ask, config->store_address);
	if (config->store_mirror[0] != '\0')
		check_hosts_store(ask, config->store_mirror);
}

static const struct finding_kind check_hosts_kinds[] = {
	{ "other hosts", NULL, FINDING_CHECK, check_hosts_address },
	{ "other hosts", NULL, FINDING_CHECK, check_hosts_listening },
	{ "store", NULL, FINDING_CHECK, check_hosts_stores },
	{ "certificates", NULL, FINDING_CHECK, check_hosts_certificates },
};

void check_hosts(struct findings_ask *ask)
{
	findings_ask_kinds(ask, check_hosts_kinds,
			   ARRAY_SIZE(check_hosts_kinds));
}
