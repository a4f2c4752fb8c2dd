/* SPDX-License-Identifier: MIT */
/* Proves that certificates can be renewed while a memd keeps its pages with
 * others: a reload makes both sides use new ones, of another CA too, and
 * nothing is lost; the connection to a memd whose certificate is revoked ends
 * at the reload, is refused from then on, says so, and is there again when it
 * is not; of a mirror both connections; bad files change nothing.  And that all
 * this goes for the engine inside of a program too, which is not told to. */
#include "client/include/memclient.h"
#include "tests/integration/store_client.h"
#include "tests/integration/store_hosts.h"
#include "tests/proto/certs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PAGE = SLOT_BYTES, PAGES = 14 * 256,	/* more than the pool */
	PATIENCE_S = 60,
};

/* ---- certificates */

static struct {
	long serial[STORE_HOSTS];		/* of the hosts' */
	struct authority ca;
} world;

/* All anew, with the names they had: a CA, a certificate for each host that
 * keeps pages, one for who uses them, a list of nobody. */
static void renew_all(const char *ca_name)
{
	if (world.ca.key != NULL)
		authority_destroy(&world.ca);
	authority_create(&world.ca, ca_name, "ca");
	for (unsigned i = 0; i < STORE_HOSTS; i++) {
		char file[16];

		snprintf(file, sizeof(file), "host%u", i);
		world.serial[i] = authority_issue(&world.ca, &(struct wish){
			.file = file, .name = file,
			.hosts = "IP:127.0.0.1" });
	}
	authority_issue(&world.ca, &(struct wish){ .file = "user",
						   .name = "user" });
	authority_write_crl(&world.ca, 0, -CERTS_DAY, CERTS_DAY, "crl");
}

static void revoke_host(unsigned idx)
{
	authority_write_crl(&world.ca, world.serial[idx], -CERTS_DAY,
			    CERTS_DAY, "crl");
}

static void revoke_nobody(void)
{
	authority_write_crl(&world.ca, 0, -CERTS_DAY, CERTS_DAY, "crl");
}

/* ---- those who keep pages, and who uses them */

struct scene {
	struct testmemd host[STORE_HOSTS], user;
	unsigned port[STORE_HOSTS];
	struct memclient *mc;
	uint8_t *memory;
};

/* Flags for the files of one of them; they live until the next call. */
static void flags_of(const char *name, const char *flags[5])
{
	static char text[4][192];
	char file[2][32];

	snprintf(file[0], sizeof(file[0]), "%s.pem", name);
	snprintf(file[1], sizeof(file[1]), "%s.key", name);
	snprintf(text[0], sizeof(text[0]), "--tls-ca=%s",
		 certs_path("ca.pem"));
	snprintf(text[1], sizeof(text[1]), "--tls-certificate=%s",
		 certs_path(file[0]));
	snprintf(text[2], sizeof(text[2]), "--tls-key=%s",
		 certs_path(file[1]));
	snprintf(text[3], sizeof(text[3]), "--tls-crl=%s",
		 certs_path("crl.pem"));
	for (size_t i = 0; i < 4; i++)
		flags[i] = text[i];
	flags[4] = NULL;
}

static void start_host(struct scene *s, unsigned idx)
{
	const char *flags[7] = { "--listen-tcp=127.0.0.1:0",
				 "--tls-users=*=0" };
	char name[16];

	snprintf(name, sizeof(name), "host%u", idx);
	flags_of(name, &flags[2]);
	assert_int_equal(testmemd_start(&s->host[idx], flags), 0);
	s->port[idx] = store_port(&s->host[idx]);
}

static void open_memory(struct scene *s, const char *address)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = PATIENCE_S * 1000 };
	void *at;

	if (memclient_open(address, &o, &s->mc) != 0 ||
	    memclient_map(s->mc, (size_t)PAGES * PAGE, NULL, &at) != 0)
		fail_msg("%s", memclient_error(s->mc));
	s->memory = at;
}

static void write_all(struct scene *s, uint32_t version)
{
	for (uint32_t page = 0; page < PAGES; page++)
		slot_fill(s->memory + (size_t)page * PAGE, page, version);
}

static void verify_all(const struct scene *s, uint32_t version)
{
	uint8_t wanted[PAGE];

	for (uint32_t page = 0; page < PAGES; page++) {
		slot_fill(wanted, page, version);
		if (memcmp(s->memory + (size_t)page * PAGE, wanted,
			   PAGE) != 0)
			fail_msg("page %u has wrong bytes", page);
	}
}

static void start(struct scene *s, bool has_mirror)
{
	const char *flags[10] = { "--store=remote", "--pool-size=8M",
				  "--swap-size=32M" };
	char address[64], mirror[64];
	unsigned used = 3;

	*s = (struct scene){ 0 };
	renew_all("first");
	start_host(s, 0);
	snprintf(address, sizeof(address), "--store-address=127.0.0.1:%u",
		 s->port[0]);
	flags[used++] = address;
	if (has_mirror) {
		start_host(s, 1);
		snprintf(mirror, sizeof(mirror), "--store-mirror=127.0.0.1:%u",
			 s->port[1]);
		flags[used++] = mirror;
	}
	flags_of("user", &flags[used]);
	assert_int_equal(testmemd_start(&s->user, flags), 0);
	open_memory(s, s->user.socket);
	write_all(s, 1);
}

static void stop(struct scene *s)
{
	memclient_close(s->mc);
	if (s->user.pid != 0)
		assert_int_equal(testmemd_stop(&s->user), 0);
	for (unsigned i = 0; i < STORE_HOSTS; i++)
		if (s->host[i].pid != 0)
			assert_int_equal(testmemd_stop(&s->host[i]), 0);
}

static void reload(struct testmemd *tm)
{
	assert_int_equal(kill(tm->pid, SIGHUP), 0);
	assert_int_equal(testmemd_await(tm, "READY=1"), 0);
}

static void await_log(const struct testmemd *tm, const char *text,
		      unsigned count)
{
	unsigned left = PATIENCE_S * 100;

	while (testmemd_log_count(tm, text) < count) {
		if (left-- == 0) {
			testmemd_dump_log(tm);
			fail_msg("\"%s\" is not in the log %u times", text,
				 count);
		}
		usleep(10000);
	}
}

/* What `memd --check` says of the one that keeps the pages. */
static void expect_checked(const struct scene *s, const char *before,
			   const char *words)
{
	const char *flags[12] = { "--check", "--store=remote",
				  "--swap-size=32M", "--config=/dev/null",
				  "--socket=@memd-renewal-test" };
	char address[64], output[8192];
	const char *at;

	snprintf(address, sizeof(address), "--store-address=127.0.0.1:%u",
		 s->port[0]);
	flags[5] = address;
	flags_of("user", &flags[6]);
	(void)testmemd_run(flags, output, sizeof(output));
	at = strstr(output, before);
	if (at == NULL || strstr(at, words) == NULL)
		fail_msg("\"%s\"", output);
}

/* ---- tests */

/* In either order: who is reloaded first refuses the other until then. */
static void both_sides_are_renewed(void **state)
{
	struct scene s;

	(void)state;
	start(&s, false);
	for (unsigned round = 1; round <= 4; round++) {
		renew_all(round % 2 == 0 ? "even" : "odd");
		reload(round <= 2 ? &s.host[0] : &s.user);
		status_await(s.user.socket, "has not been reached for ");
		reload(round <= 2 ? &s.user : &s.host[0]);
		verify_all(&s, round);
		write_all(&s, round + 1);
		await_log(&s.user, "notice store-back", round);
	}
	verify_all(&s, 5);
	assert_int_equal(testmemd_log_count(&s.user, "store-forgot"), 0);
	stop(&s);
}

static void a_revoked_server_is_left(void **state)
{
	struct scene s;

	(void)state;
	start(&s, false);
	revoke_host(0);
	reload(&s.user);
	await_log(&s.user, "certificate: certificate is revoked", 1);
	status_await(s.user.socket, "certificate: certificate is revoked");
	assert_int_equal(testmemd_log_count(&s.user, "store-back"), 0);
	expect_checked(&s, "FAIL  store: memd at ", "certificate is revoked");
	revoke_nobody();
	reload(&s.user);
	verify_all(&s, 1);
	await_log(&s.user, "notice store-back", 1);
	stop(&s);
}

static void a_mirror_leaves_who_is_revoked(void **state)
{
	char text[128];
	struct scene s;

	(void)state;
	start(&s, true);
	for (unsigned i = 0; i < STORE_HOSTS; i++) {
		(void)status_await_all(s.user.socket);
		revoke_host(i);
		reload(&s.user);
		snprintf(text, sizeof(text), "warning store-away "
			 "address=127.0.0.1:%u reason=\"the other side's "
			 "certificate: certificate is revoked", s.port[i]);
		await_log(&s.user, text, 1);
		/* The other one has everything. */
		verify_all(&s, i + 1);
		write_all(&s, i + 2);
		revoke_nobody();
		reload(&s.user);
	}
	(void)status_await_all(s.user.socket);
	verify_all(&s, STORE_HOSTS + 1);
	stop(&s);
}

static void bad_files_change_nothing(void **state)
{
	struct scene s;

	(void)state;
	start(&s, false);
	assert_int_equal(truncate(certs_path("user.key"), 10), 0);
	reload(&s.user);
	assert_int_equal(testmemd_log_count(&s.user, "reload-refused"), 1);
	status_await(s.user.socket, "the last reload was refused");
	verify_all(&s, 1);
	assert_int_equal(testmemd_log_count(&s.user, "store-away"), 0);
	renew_all("second");
	reload(&s.host[0]);
	reload(&s.user);
	verify_all(&s, 1);
	assert_true(status_lacks(s.user.socket,
				 "the last reload was refused"));
	stop(&s);
}

/* ---- a program that uses one without a memd of its own */

static void start_program(struct scene *s, char socket[64])
{
	char address[640];

	*s = (struct scene){ 0 };
	renew_all("first");
	start_host(s, 0);
	snprintf(socket, 64, "@memd-renewal-test-%d", (int)getpid());
	snprintf(address, sizeof(address), "tcp://127.0.0.1:%u?pool_size=8M"
		 "&swap_size=32M&socket=%s&tls_ca=%s&tls_certificate=%s"
		 "&tls_key=%s&tls_crl=%s",
		 s->port[0], socket, certs_path("ca.pem"),
		 certs_path("user.pem"), certs_path("user.key"),
		 certs_path("crl.pem"));
	open_memory(s, address);
	write_all(s, 1);
}

static void a_program_renews_by_itself(void **state)
{
	struct scene s;
	char socket[64];

	(void)state;
	start_program(&s, socket);
	for (uint32_t round = 1; round <= 2; round++) {
		renew_all(round % 2 == 0 ? "even" : "odd");
		reload(&s.host[0]);
		verify_all(&s, round);
		write_all(&s, round + 1);
	}
	verify_all(&s, 3);
	assert_int_equal(testmemd_log_count(&s.host[0], "guest-turned-out"),
			 2);
	stop(&s);
}

static void a_program_leaves_who_is_revoked(void **state)
{
	struct scene s;
	char socket[64];

	(void)state;
	start_program(&s, socket);
	revoke_host(0);
	status_await(socket, "certificate: certificate is revoked");
	/* What it cannot use it leaves, and says so. */
	revoke_nobody();
	assert_int_equal(truncate(certs_path("user.key"), 10), 0);
	status_await(socket, "the last reload was refused");
	status_await(socket, "certificate: certificate is revoked");
	renew_all("second");
	reload(&s.host[0]);
	verify_all(&s, 1);
	assert_true(status_lacks(socket, "the last reload was refused"));
	stop(&s);
}

static int setup(void **state)
{
	(void)state;
	certs_folder_create();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	authority_destroy(&world.ca);
	certs_folder_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_are_renewed),
		cmocka_unit_test(a_revoked_server_is_left),
		cmocka_unit_test(a_mirror_leaves_who_is_revoked),
		cmocka_unit_test(bad_files_change_nothing),
		cmocka_unit_test(a_program_renews_by_itself),
		cmocka_unit_test(a_program_leaves_who_is_revoked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
