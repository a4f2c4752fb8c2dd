/* SPDX-License-Identifier: MIT */
/* Proves that newer rules end what they can make worthless on an open channel:
 * the other's certificate is revoked, or its CA not believed any more; at both
 * ends; and that what has only expired since stays. */
#include "proto/channel.h"
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static void open_pair(struct pair *p, const char *server_file,
		      const char *client_file)
{
	struct channel_context *server = context_of(server_file, "ca.pem",
						    NULL, true);
	struct channel_context *client = context_of(client_file, "ca.pem",
						    NULL, false);
	int errs[2];

	pair_open(p, false, server, client, "localhost");
	channel_context_destroy(server);
	channel_context_destroy(client);
	pair_shake(p, &errs[0], &errs[1]);
	if (errs[0] != 0 || errs[1] != 0)
		fail_msg("%s %s", p->server.reason, p->client.reason);
}

/* words NULL: it is good. */
static void expect(const struct channel *ch, const char *ca, const char *crl,
		   const char *words)
{
	struct channel_context *context = context_of("named", ca, crl,
						     false);
	char reason[CHANNEL_REASON_BYTES] = "";
	int err = channel_verify(ch, context, reason);

	assert_int_equal(err, words == NULL ? 0 : -EACCES);
	if (words != NULL && strstr(reason, words) == NULL)
		fail_msg("\"%s\", not \"%s\"", reason, words);
	channel_context_destroy(context);
}

/* bob is revoked in crl.pem; a list of nobody, or none, is no reason, nor is
 * one that has expired. */
static void both_ends_see_what_is_revoked(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, "server", "bob");
	expect(&p.server, "ca.pem", NULL, NULL);
	expect(&p.server, "ca.pem", "crl_none.pem", NULL);
	expect(&p.server, "ca.pem", "crl_old.pem", NULL);
	expect(&p.server, "ca.pem", "crl.pem", "certificate is revoked");
	expect(&p.client, "ca.pem", "crl.pem", NULL);
	pair_close(&p);
	open_pair(&p, "bob", "alice");
	expect(&p.client, "ca.pem", "crl_none.pem", NULL);
	expect(&p.client, "ca.pem", "crl.pem", "certificate is revoked");
	expect(&p.server, "ca.pem", "crl.pem", NULL);
	pair_close(&p);
}

static void both_ends_see_another_ca(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, "server", "alice");
	expect(&p.server, "stranger_ca.pem", NULL, "unknown CA");
	expect(&p.client, "stranger_ca.pem", NULL, "unknown CA");
	expect(&p.server, "twin_ca.pem", NULL, "unknown CA");
	expect(&p.client, "twin_ca.pem", NULL, "unknown CA");
	/* A list of another CA says nothing of this one. */
	expect(&p.client, "ca.pem", "stranger_crl.pem", "has none of");
	pair_close(&p);
}

/* Its own rules let it in: they are not asked again.  Nor is who has none. */
static void the_same_rules_are_not_asked(void **state)
{
	struct channel_context *context = context_of("server", "ca.pem", NULL,
						     true);
	struct channel plain;
	char reason[CHANNEL_REASON_BYTES];
	struct pair p;
	int fds[2];

	(void)state;
	open_pair(&p, "server", "alice");
	assert_int_equal(channel_verify(&p.server, NULL, reason), 0);
	pair_close(&p);
	sockets_connect(false, fds);
	close(fds[1]);
	assert_int_equal(channel_open(&plain, fds[0], NULL, NULL), 0);
	assert_int_equal(channel_verify(&plain, context, reason), 0);
	channel_close(&plain);
	channel_context_destroy(context);
}

/* A handshake must be over before the certificate is; where the machine is too
 * slow for that it gets a longer one. */
static bool open_with_short(struct authority *ca, long seconds,
			    struct pair *ret_p)
{
	const struct wish brief = { .file = "brief", .name = "brief",
				    .from_s = -CERTS_DAY, .until_s = seconds };
	struct channel_context *server, *client;
	int errs[2];

	authority_issue(ca, &brief);
	server = context_of("server", "brief_ca.pem", NULL, true);
	client = context_of("brief", "ca.pem", NULL, false);
	pair_open(ret_p, false, server, client, "localhost");
	channel_context_destroy(server);
	channel_context_destroy(client);
	pair_shake(ret_p, &errs[0], &errs[1]);
	if (errs[0] == 0 && errs[1] == 0)
		return true;
	pair_close(ret_p);
	return false;
}

static void what_has_expired_since_stays(void **state)
{
	struct channel_context *server, *client;
	struct authority ca;
	time_t from_s;
	struct pair p, late;
	long seconds = 1;
	int errs[2];

	(void)state;
	authority_create(&ca, "brief CA", "brief_ca");
	do {
		seconds *= 2;
		from_s = time(NULL);
	} while (!open_with_short(&ca, seconds, &p));
	while (time(NULL) <= from_s + seconds + 1)
		usleep(50000);
	expect(&p.server, "brief_ca.pem", NULL, NULL);
	/* Others do not come in with it. */
	server = context_of("server", "brief_ca.pem", NULL, true);
	client = context_of("brief", "ca.pem", NULL, false);
	pair_open(&late, false, server, client, "localhost");
	pair_shake(&late, &errs[0], &errs[1]);
	assert_int_equal(errs[0], -EACCES);
	pair_close(&late);
	channel_context_destroy(server);
	channel_context_destroy(client);
	/* And that it is over excuses nothing else. */
	authority_write_crl(&ca, ca.last_serial, -CERTS_DAY, CERTS_DAY,
			    "brief_crl");
	expect(&p.server, "brief_ca.pem", "brief_crl.pem", "is revoked");
	expect(&p.server, "ca.pem", NULL, "unknown CA");
	pair_close(&p);
	authority_destroy(&ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_see_what_is_revoked),
		cmocka_unit_test(both_ends_see_another_ca),
		cmocka_unit_test(the_same_rules_are_not_asked),
		cmocka_unit_test(what_has_expired_since_stays),
	};

	return cmocka_run_group_tests(tests, world_create, world_remove);
}
