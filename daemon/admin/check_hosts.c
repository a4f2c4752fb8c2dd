/* SPDX-License-Identifier: MIT */
#include "daemon/admin/check_hosts.h"

#include "common/clock.h"
#include "daemon/net/certificates.h"
#include "daemon/engine/engine_store.h"
#include "daemon/system/names.h"
#include "daemon/system/system.h"
#include "daemon/net/tcp_listener.h"
#include "proto/channel.h"
#include "proto/remote_address.h"
#include "swapstore/remote_lookup.h"
#include "swapstore/store_remote.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REACH_NS	UINT64_C(2000000000)

/* ---- the address */

/* Waits for the name as long as its resolver does. */
static int look_up_own(const struct config *config,
		       struct addrinfo **ret_all)
{
	struct remote_lookup *lookup;
	struct pollfd pfd = { .events = POLLIN };
	int err = tcp_listener_look_up(config, &lookup);

	if (err != 0)
		return EAI_SYSTEM;
	pfd.fd = remote_lookup_event_fd(lookup);
	while (poll(&pfd, 1, -1) < 0)
		;
	err = remote_lookup_take(lookup, ret_all);
	remote_lookup_destroy(lookup);
	return err;
}

enum check_answer check_address(const struct config *config,
				char ret_text[CHECK_TEXT_BYTES])
{
	int fds[TCP_LISTENERS_MAX], count, err;
	char reason[CHANNEL_REASON_BYTES];
	struct addrinfo *all = NULL;

	if (tcp_listener_has_name(config)) {
		err = look_up_own(config, &all);
		if (err != 0)
			return check_answer_give(
				ret_text, ANSWER_WARN,
				"listen_tcp: %s: "
				"%s; memd tries again until it is known",
				config->listen_tcp, gai_strerror(err));
	}
	count = tcp_listener_open(config, all, fds, reason, sizeof(reason));
	if (all != NULL)
		freeaddrinfo(all);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	if (count >= 0)
		return ANSWER_OK;
	return check_answer_give(ret_text,
				 count == -EADDRNOTAVAIL || count == -ENODEV
					 ? ANSWER_WARN
					 : ANSWER_FAIL,
				 "%s", reason);
}

/* ---- certificates */

enum check_answer check_listening(const struct config *config,
				  char ret_text[CHECK_TEXT_BYTES])
{
	char reason[CHANNEL_REASON_BYTES];
	struct channel_context *tls;
	bool has_tls;

	if (tcp_listener_load_tls(config, &tls, reason, sizeof(reason)) != 0)
		return check_answer_give(ret_text, ANSWER_FAIL, "%s", reason);
	has_tls = tls != NULL;
	channel_context_destroy(tls);
	if (has_tls)
		return check_answer_give(ret_text, ANSWER_OK,
					 "%s, with certificates",
					 config->listen_tcp);
	return check_answer_give(ret_text, ANSWER_WARN,
				 "%s, without certificates: set "
				 "tls_ca, tls_certificate and tls_key",
				 config->listen_tcp);
}

unsigned check_certificates(const struct config *config,
		enum check_answer ret_answers[CHECK_CERTIFICATES_MAX],
		char ret_texts[CHECK_CERTIFICATES_MAX][CHECK_TEXT_BYTES])
{
	static const enum check_answer answers[] = {
		[CERTIFICATE_GOOD] = ANSWER_OK,
		[CERTIFICATE_ENDS] = ANSWER_WARN,
		[CERTIFICATE_BAD] = ANSWER_FAIL,
	};
	struct channel_end ends[CHANNEL_ENDS];
	char reason[CHANNEL_REASON_BYTES];
	struct channel_context *tls;
	unsigned count;

	/* Another line says what is wrong with them. */
	if (tcp_listener_load_tls(config, &tls, reason, sizeof(reason)) != 0 ||
	    tls == NULL)
		return 0;
	count = channel_context_ends(tls, ends);
	for (unsigned i = 0; i < count; i++)
		ret_answers[i] = answers[certificate_judge(&ends[i],
							   ret_texts[i])];
	if (certificate_key_is_shared(tls, ret_texts[count]))
		ret_answers[count++] = ANSWER_WARN;
	channel_context_destroy(tls);
	return count;
}

enum check_answer check_tls_users(const struct config *config,
				  char ret_text[CHECK_TEXT_BYTES])
{
	char words[CONFIG_TEXT_BYTES], *rest = NULL;
	unsigned count = 0;

	snprintf(words, sizeof(words), "%s", config->tls_users);
	for (char *word = strtok_r(words, " \t,", &rest); word != NULL;
	     word = strtok_r(NULL, " \t,", &rest), count++) {
		const char *user = strchr(word, '=');
		uid_t uid;
		gid_t gid;

		ASSERT(user != NULL);	/* config_check() refuses it */
		if (names_await_user(user + 1, CHECK_PATIENCE_MS, &uid,
				     &gid) != 0)
			return check_answer_give(
				ret_text, ANSWER_WARN,
				"tls_users: "
				"\"%s\": no user \"%s\" here, "
				"so its programs are refused; useradd "
				"--system %s, or name another one",
				word, user + 1, user + 1);
	}
	return check_answer_give(ret_text, ANSWER_OK,
				 "tls_users: %u, all known", count);
}

enum check_answer check_tcp_user(const struct config *config,
				 char ret_text[CHECK_TEXT_BYTES])
{
	const char *user = config->tcp_user;
	uid_t uid;
	gid_t gid;

	if (user[0] == '\0' ||
	    names_await_user(user, CHECK_PATIENCE_MS, &uid, &gid) == 0)
		return check_answer_give(ret_text, ANSWER_OK,
					 "tcp_user: known");
	return check_answer_give(
		ret_text, ANSWER_WARN,
		"tcp_user: no user \"%s\" "
		"here, so programs without certificates are "
		"refused; useradd --system %s, or name another one",
		user, user);
}

/* ---- is anybody there */

/* Until the descriptor is ready.  Returns 0 or -ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_now_ns();
		int ms = now >= until_ns ? 0 :
			(int)((until_ns - now) / 1000000 + 1);
		int n = poll(&pfd, 1, ms);

		if (n > 0)
			return 0;
		if (n == 0 || errno != EINTR)
			return n == 0 ? -ETIMEDOUT : -errno;
	}
}

static int connect_one(const struct addrinfo *ai, uint64_t until_ns)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0);
	int err = 0, status = 0;
	socklen_t length = sizeof(status);

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		err = -errno;
	if (err == -EINPROGRESS)
		err = wait_for(fd, POLLOUT, until_ns);
	if (err == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &status,
				   &length) == 0)
		err = -status;
	close(fd);
	return err;
}

/* One that stays silent leaves time to those after it. */
static int connect_any(const struct addrinfo *all, uint64_t until_ns)
{
	unsigned left = 0;
	int err = -EHOSTUNREACH;

	for (const struct addrinfo *ai = all; ai != NULL; ai = ai->ai_next)
		left++;
	for (; all != NULL; all = all->ai_next, left--) {
		uint64_t now = clock_now_ns();
		uint64_t share = until_ns > now ? (until_ns - now) / left : 0;

		err = connect_one(all, now + share);
		if (err == 0)
			return 0;
	}
	return err;
}

/* Fills in what a name stands for.  Returns NULL, or why it is not known. */
static const char *look_up(struct remote_address *ra, uint64_t until_ns)
{
	struct remote_lookup *lk;
	struct addrinfo *all;
	int err;

	if (ra->is_number)
		return NULL;
	err = remote_lookup_start(ra->host, ra->port, &lk);
	if (err != 0)
		return strerror(-err);
	(void)wait_for(remote_lookup_event_fd(lk), POLLIN, until_ns);
	err = remote_lookup_take(lk, &all);
	remote_lookup_destroy(lk);
	if (err == 0)
		remote_address_set(ra, all);
	return err == 0 ? NULL : err == EAI_INPROGRESS ?
		"no answer from the name service" : gai_strerror(err);
}

static enum check_answer reach(struct remote_address *ra, char *text)
{
	uint64_t until_ns = clock_now_ns() + REACH_NS;
	const char *why = look_up(ra, until_ns);
	int err;

	if (why != NULL)
		return check_answer_give(text, ANSWER_WARN,
					 "cannot find the host of %s: "
					 "%s; check the name",
					 ra->text, why);
	err = connect_any(ra->all, until_ns);
	if (err != 0)
		return check_answer_give(
			text, ANSWER_WARN,
			"nobody answers at %s: %s; "
			"start a memd there with listen_tcp, and let "
			"firewalls pass its port",
			ra->text, strerror(-err));
	return check_answer_give(text, ANSWER_OK, "%s accepts connections",
				 ra->text);
}

/* With certificates it is known only after Hello whether both believe each
 * other: keep a page there for a moment.  That it has no room is no fault of
 * the certificates; memd may have all of it already. */
static enum check_answer meet(const char *address, struct channel_context *tls,
			      char *text)
{
	const struct store_remote_options options = {
		.address = address, .tls = tls, .command = "memd --check",
		.slot_count = 1, .timeout_ns = REACH_NS,
	};
	char reason[CHECK_TEXT_BYTES];
	struct swapstore *store;
	int err = store_remote_create(&options, &store, reason,
				      sizeof(reason));

	if (err == 0)
		swapstore_destroy(store);
	if (err == 0 || err == -EDQUOT || err == -ENOSPC || err == -ENOMEM)
		return check_answer_give(text, ANSWER_OK,
					 "%s and we believe each other's "
					 "certificates",
					 address);
	return check_answer_give(
		text, err == -EACCES ? ANSWER_FAIL : ANSWER_WARN, "%s", reason);
}

enum check_answer check_store(const struct config *config, const char *address,
			      char ret_text[CHECK_TEXT_BYTES])
{
	char reason[CHECK_TEXT_BYTES];
	struct channel_context *tls;
	struct remote_address ra;
	enum check_answer what;

	if (engine_store_load_tls(config, &tls, reason, sizeof(reason)) != 0)
		return check_answer_give(ret_text, ANSWER_FAIL, "%s", reason);
	if (remote_address_parse(&ra, address, reason, sizeof(reason)) != 0) {
		channel_context_destroy(tls);
		return check_answer_give(ret_text, ANSWER_FAIL, "%s", reason);
	}
	what = tls != NULL ? meet(address, tls, ret_text) :
			     reach(&ra, ret_text);
	remote_address_fini(&ra);
	channel_context_destroy(tls);
	return what;
}
