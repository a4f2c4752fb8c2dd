/* SPDX-License-Identifier: MIT */
/* Proves that with certificates memd lets in who has a good one, that the name
 * in it says whose limits count and who may administrate, that a store belongs
 * to its certificate, and that a reload changes all this, also for those who
 * are here, or, where the new files are bad, nothing; that what TLS has
 * decrypted while memd would not hear it is heard later; and that newcomers
 * come in also while others ask without a pause. */
#include "tests/integration/store_client.h"
#include "tests/odd_file.h"
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, SLOTS = 2048, REQUEST_SLOTS = 512 };

/* ---- memd, with settings that a reload can change */

struct served {
	struct testmemd tm;
	int admin;
};

static void write_files(const char *more, const char *certificate,
			const char *key, const char *crl)
{
	FILE *f = fopen(certs_path("memd.conf"), "we");

	assert_non_null(f);
	fprintf(f, "tls_ca = %s\n", certs_path("ca.pem"));
	fprintf(f, "tls_certificate = %s\n", certs_path(certificate));
	fprintf(f, "tls_key = %s\n", certs_path(key));
	if (crl != NULL)
		fprintf(f, "tls_crl = %s\n", certs_path(crl));
	fprintf(f, "%s\n", more);
	fclose(f);
}

static void write_config(const char *more, const char *certificate)
{
	write_files(more, certificate, "server.key", NULL);
}

/* With the file as it is. */
static void serve_config(struct served *s)
{
	char config[256];
	const char *flags[] = { "--listen-tcp=:0", "--pool-size=4M", config,
				NULL };

	snprintf(config, sizeof(config), "--config=%s",
		 certs_path("memd.conf"));
	assert_int_equal(testmemd_start(&s->tm, flags), 0);
	s->admin = client_open(&s->tm, true, NULL);
}

static void serve(struct served *s, const char *more)
{
	write_config(more, "server.pem");
	serve_config(s);
}

static void reload(struct served *s)
{
	kill(s->tm.pid, SIGHUP);
	assert_int_equal(testmemd_await(&s->tm, "READY=1"), 0);
}

static void end(struct served *s)
{
	close(s->admin);
	assert_int_equal(testmemd_stop(&s->tm), 0);
}

/* ---- a client with a certificate */

/* Returns false when memd would not have it. */
static bool tls_connect(const struct served *s, const char *file,
			struct channel *ret_ch)
{
	struct channel_context *context = context_of(file, "ca.pem", NULL,
						     false);
	int fd = store_connect(&s->tm), err;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(channel_open(ret_ch, fd, context, "localhost"), 0);
	channel_context_destroy(context);
	while ((err = channel_handshake(ret_ch)) == -EAGAIN)
		assert_true(channel_await(ret_ch));
	return err == 0;
}

static bool say(struct channel *ch, uint16_t type, uint64_t id,
		const ProtobufCMessage *message, const void *payload,
		uint32_t payload_bytes)
{
	uint8_t packed[512];
	ssize_t length = wire_pack(type, id, message, payload_bytes, packed,
				   sizeof(packed));

	assert_true(length > 0);
	return channel_send_all(ch, packed, (size_t)length) &&
	       channel_send_all(ch, payload, payload_bytes);
}

static bool hear(struct channel *ch, struct answer *ret_answer)
{
	uint8_t header[WIRE_HEADER_BYTES];
	size_t length;

	*ret_answer = (struct answer){ .fd = -1, .bell = -1 };
	if (!channel_receive_all(ch, header, sizeof(header)))
		return false;
	assert_int_equal(wire_header_unpack(header, WIRE_REPLY_BYTES_MAX,
					    &ret_answer->header), 0);
	length = (size_t)ret_answer->header.body_bytes +
		 ret_answer->header.payload_bytes;
	ret_answer->body = malloc(length + 1);
	assert_non_null(ret_answer->body);
	assert_true(channel_receive_all(ch, ret_answer->body, length));
	return true;
}

/* The reply's error, or 0 when it has the right type. */
static int hear_code(struct channel *ch, uint16_t type)
{
	Memd__Error *error;
	struct answer a;
	int code = 0;

	assert_true(hear(ch, &a));
	if (a.header.type != type) {
		assert_int_equal(a.header.type, T(ERROR));
		error = answer_unpack(&a, &memd__error__descriptor);
		code = (int)error->code;
		print_message("memd says: %s\n", error->text);
		memd__error__free_unpacked(error, NULL);
	}
	answer_free(&a);
	return code;
}

static bool say_hello(struct channel *ch)
{
	Memd__Hello hello = wire_peer_hello("tls test");

	return say(ch, T(HELLO), 1, &hello.base, NULL, 0);
}

/* With TLS 1.3 a client learns only after its own handshake that its
 * certificate was not believed in. */
static bool tls_session(const struct served *s, const char *file,
			struct channel *ret_ch)
{
	struct answer a;
	bool is_in;

	is_in = tls_connect(s, file, ret_ch) && say_hello(ret_ch) &&
		hear(ret_ch, &a);
	if (is_in) {
		assert_int_equal(a.header.type, T(HELLO_REPLY));
		answer_free(&a);
	} else {
		channel_close(ret_ch);
	}
	return is_in;
}

static int tls_open(struct channel *ch, const uint8_t *token,
		    uint8_t *ret_token)
{
	Memd__StoreOpen open = MEMD__STORE_OPEN__INIT;
	Memd__StoreOpenReply *reply;
	struct answer a;

	open.slot_count = SLOTS;
	open.has_token = token != NULL;
	open.token.data = (uint8_t *)token;
	open.token.len = TOKEN_BYTES;
	assert_true(say(ch, T(STORE_OPEN), 2, &open.base, NULL, 0));
	if (ret_token == NULL)
		return hear_code(ch, T(STORE_OPEN_REPLY));
	assert_true(hear(ch, &a));
	assert_int_equal(a.header.type, T(STORE_OPEN_REPLY));
	reply = answer_unpack(&a, &memd__store_open_reply__descriptor);
	memcpy(ret_token, reply->token.data, TOKEN_BYTES);
	memd__store_open_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return 0;
}

static int ask_status(struct channel *ch)
{
	assert_true(say(ch, T(STATUS), 3, NULL, NULL, 0));
	return hear_code(ch, T(STATUS_REPLY));
}

/* ---- tests */

static void fill(uint8_t *bytes, uint32_t seed)
{
	for (size_t i = 0; i < REQUEST_SLOTS * SLOT_BYTES; i++)
		bytes[i] = pattern_byte(seed, i);
}

/* Several of the largest requests at once, so that TLS has to stop and go on
 * in the middle of them. */
static void bytes_pass(struct channel *ch)
{
	uint8_t *bytes = malloc(REQUEST_SLOTS * SLOT_BYTES);
	Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
	uint32_t parts = SLOTS / REQUEST_SLOTS;

	assert_non_null(bytes);
	range.count = REQUEST_SLOTS;
	for (uint32_t i = 0; i < parts; i++) {
		fill(bytes, i);
		range.slot = i * REQUEST_SLOTS;
		assert_true(say(ch, T(STORE_WRITE), 10 + i, &range.base, bytes,
				REQUEST_SLOTS * SLOT_BYTES));
	}
	for (uint32_t i = 0; i < parts; i++)
		assert_int_equal(hear_code(ch, T(OK)), 0);
	for (uint32_t i = 0; i < parts; i++) {
		range.slot = i * REQUEST_SLOTS;
		assert_true(say(ch, T(STORE_READ), 20 + i, &range.base, NULL,
				0));
	}
	for (uint32_t i = 0; i < parts; i++) {
		struct answer a;

		assert_true(hear(ch, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		fill(bytes, (uint32_t)(a.header.request_id - 20));
		assert_memory_equal(a.body, bytes,
				    REQUEST_SLOTS * SLOT_BYTES);
		answer_free(&a);
	}
	free(bytes);
}

static void names_say_who_it_is(void **state)
{
	Memd__GuestsReply *reply;
	uint8_t token[TOKEN_BYTES];
	struct channel alice, named;
	struct served s;
	struct answer a;

	(void)state;
	serve(&s, "tls_users = alice=1234 localhost=1234");
	assert_true(tls_session(&s, "alice", &alice));
	assert_int_equal(tls_open(&alice, NULL, token), 0);
	bytes_pass(&alice);
	client_send(s.admin, T(GUESTS), 9, NULL);
	client_receive(s.admin, T(GUESTS_REPLY), 9, &a);
	reply = answer_unpack(&a, &memd__guests_reply__descriptor);
	answer_free(&a);
	assert_int_equal(reply->n_guest, 1);
	assert_string_equal(reply->guest[0]->peer, "alice");
	assert_int_equal(reply->guest[0]->uid, 1234);
	memd__guests_reply__free_unpacked(reply, NULL);
	/* The same user with another certificate does not get at it. */
	assert_true(tls_session(&s, "named", &named));
	assert_int_equal(tls_open(&named, token, NULL), ENOENT);
	assert_int_equal(tls_open(&named, NULL, NULL), 0);
	channel_close(&alice);
	channel_close(&named);
	assert_true(tls_session(&s, "alice", &alice));
	assert_int_equal(tls_open(&alice, token, NULL), 0);
	bytes_pass(&alice);
	channel_close(&alice);
	end(&s);
}

/* As many reads of a slot as go into a record. */
static size_t pack_reads(uint8_t *to, uint32_t count, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
		ssize_t length;

		range.slot = i;
		range.count = 1;
		length = wire_pack(T(STORE_READ), 1000 + i, &range.base, 0,
				   to + used, size - used);
		assert_true(length > 0);
		used += (size_t)length;
	}
	return used;
}

/* A write, and with its end, in one record, reads of what it wrote: they are
 * decrypted, and nothing more is on the socket, when memd has taken the end of
 * the payload. */
static void ask_in_one_record(struct channel *ch, const uint8_t *bytes,
			      uint32_t write_count, uint32_t read_count)
{
	enum { RECORD_BYTES = 16384, END_BYTES = 100 };
	const size_t length = (size_t)write_count * SLOT_BYTES;
	Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
	uint8_t record[RECORD_BYTES], header[64];
	ssize_t packed;
	size_t used;

	range.count = write_count;
	packed = wire_pack(T(STORE_WRITE), 10, &range.base, (uint32_t)length,
			   header, sizeof(header));
	assert_true(packed > 0);
	assert_true(channel_send_all(ch, header, (size_t)packed));
	assert_true(channel_send_all(ch, bytes, length - END_BYTES));
	memcpy(record, bytes + length - END_BYTES, END_BYTES);
	used = END_BYTES + pack_reads(record + END_BYTES, read_count,
				      sizeof(record) - END_BYTES);
	assert_true(channel_send_all(ch, record, used));
}

static void expect_reads(struct channel *ch, const uint8_t *bytes,
			 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct answer a;
		uint64_t slot;

		assert_true(hear(ch, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		slot = a.header.request_id - 1000;
		assert_true(slot < count);
		assert_memory_equal(a.body, bytes + slot * SLOT_BYTES,
				    SLOT_BYTES);
		answer_free(&a);
	}
}

/* The longest write is so long that nothing is heard until it is done; after
 * that there are more requests than may be unfinished; the short one stops
 * nothing. */
static void what_is_held_back_is_heard_later(void **state)
{
	enum { ROUNDS = 6, MANY = 400, FEW = 8 };
	uint8_t *bytes = malloc(REQUEST_SLOTS * SLOT_BYTES);
	struct channel ch;
	struct served s;

	(void)state;
	assert_non_null(bytes);
	alarm(PATIENCE_MS / 1000);
	serve(&s, "tls_users = *=1234");
	assert_true(tls_session(&s, "alice", &ch));
	assert_int_equal(tls_open(&ch, NULL, NULL), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		bool is_short = round % 2 == 0;
		uint32_t reads = is_short ? FEW : MANY;

		fill(bytes, round);
		ask_in_one_record(&ch, bytes, is_short ? FEW : REQUEST_SLOTS,
				  reads);
		assert_int_equal(hear_code(&ch, T(OK)), 0);
		expect_reads(&ch, bytes, reads);
	}
	alarm(0);
	channel_close(&ch);
	free(bytes);
	end(&s);
}

/* Asks for more than memd can answer, with others. */
static _Noreturn void flood(struct channel *ch)
{
	enum { AT_ONCE = 128 };
	Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
	struct answer a;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	range.count = 1;
	for (uint64_t i = 0;; i++) {
		if (!say(ch, T(STORE_READ), i + 1, &range.base, NULL, 0) ||
		    (i >= AT_ONCE && !hear(ch, &a)))
			_exit(EXIT_FAILURE);
		if (i >= AT_ONCE)
			answer_free(&a);
	}
}

enum { FLOODS = 4, NEWCOMERS = 20 };

static void start_flood(const struct served *s, struct channel ch[FLOODS],
			pid_t pid[FLOODS])
{
	for (unsigned i = 0; i < FLOODS; i++) {
		assert_true(tls_session(s, "alice", &ch[i]));
		assert_int_equal(tls_open(&ch[i], NULL, NULL), 0);
	}
	for (unsigned i = 0; i < FLOODS; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			flood(&ch[i]);
	}
	while (client_counter(s->admin, "guest_reads") < 1000)
		usleep(1000);
}

/* All were still at it. */
static void end_flood(struct channel ch[FLOODS], const pid_t pid[FLOODS])
{
	int status;

	for (unsigned i = 0; i < FLOODS; i++) {
		assert_int_equal(kill(pid[i], SIGKILL), 0);
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFSIGNALED(status));
		channel_close(&ch[i]);
	}
}

static void newcomers_come_in_among_reads(void **state)
{
	struct channel floods[FLOODS], ch;
	pid_t pid[FLOODS];
	struct served s;
	uint64_t reads;

	(void)state;
	alarm(PATIENCE_MS / 1000);
	serve(&s, "tls_users = *=1234");
	start_flood(&s, floods, pid);
	reads = client_counter(s.admin, "guest_reads");
	for (unsigned i = 0; i < NEWCOMERS; i++) {
		assert_true(tls_session(&s, "alice", &ch));
		channel_close(&ch);
	}
	reads = client_counter(s.admin, "guest_reads") - reads;
	print_message("%llu reads while %d came in\n",
		      (unsigned long long)reads, NEWCOMERS);
	assert_true(reads >= NEWCOMERS);
	end_flood(floods, pid);
	alarm(0);
	end(&s);
}

/* It is told why it has to go, and then the connection ends. */
static void expect_refusal(struct channel *ch, uint64_t id, const char *why)
{
	Memd__Error *error;
	struct answer a;

	assert_true(hear(ch, &a));
	assert_int_equal(a.header.type, T(ERROR));
	assert_int_equal(a.header.request_id, id);
	error = answer_unpack(&a, &memd__error__descriptor);
	assert_int_equal(error->code, EACCES);
	if (strstr(error->text, why) == NULL)
		fail_msg("memd says \"%s\"", error->text);
	memd__error__free_unpacked(error, NULL);
	answer_free(&a);
	assert_false(hear(ch, &a));
	channel_close(ch);
}

static void strangers_are_refused(void **state)
{
	static const struct {
		const char *file, *why;
	} known[] = {
		{ "named", "no user localhost here" },
		{ "two", "no common name" },
		{ "alice", "no user nosuchuser here; add alice=USER" },
	};
	struct served s;
	struct channel ch;
	struct answer a;
	int fd;

	(void)state;
	/* Some say nothing. */
	serve(&s, "tls_users = alice=nosuchuser\nhandshake_timeout = 1s");
	assert_false(tls_session(&s, "old", &ch));
	/* Those with a certificate that is good are told the reason. */
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		assert_true(tls_connect(&s, known[i].file, &ch));
		assert_true(say_hello(&ch));
		expect_refusal(&ch, 1, known[i].why);
	}
	/* One who does not speak TLS. */
	fd = store_connect(&s.tm);
	client_send(fd, T(STATUS), 1, NULL);
	while (store_try_receive(fd, &a))
		fail_msg("an answer without TLS");
	close(fd);
	/* One who says nothing, and one who says a byte. */
	fd = store_connect(&s.tm);
	assert_false(store_try_receive(fd, &a));
	close(fd);
	fd = store_connect(&s.tm);
	client_send_bytes(fd, "\x16", 1);
	assert_false(store_try_receive(fd, &a));
	close(fd);
	assert_int_equal(client_counter(s.admin, "guests_refused"), 5);
	assert_true(client_counter(s.admin, "tls_refused") >= 2);
	assert_true(testmemd_log_count(&s.tm, "guest-refused") > 0);
	end(&s);
}

/* The second one from this address: it is not its certificate that is wrong. */
static void one_too_many_is_told_so(void **state)
{
	struct channel first, second;
	struct served s;

	(void)state;
	serve(&s, "tls_users = *=1234\naddress_connections = 1");
	assert_true(tls_session(&s, "alice", &first));
	assert_false(tls_connect(&s, "alice", &second));
	if (strstr(second.reason, "has no room for another connection") == NULL)
		fail_msg("\"%s\"", second.reason);
	channel_close(&second);
	assert_int_equal(tls_open(&first, NULL, NULL), 0);
	bytes_pass(&first);
	channel_close(&first);
	end(&s);
}

/* So that who has its pages kept knows what to do. */
static void a_memd_says_why_it_was_refused(void **state)
{
	char address[64], ca[192], certificate[192], key[192], output[4096];
	const char *flags[] = { "--check", "--store=remote", "--pool-size=1M",
				"--swap-size=1M", "--config=/dev/null",
				"--socket=@memd-store-tls-test", address, ca,
				certificate, key, NULL };
	struct served s;

	(void)state;
	serve(&s, "tls_users = bob=1234");
	snprintf(address, sizeof(address), "--store-address=localhost:%u",
		 store_port(&s.tm));
	snprintf(ca, sizeof(ca), "--tls-ca=%s", certs_path("ca.pem"));
	snprintf(certificate, sizeof(certificate), "--tls-certificate=%s",
		 certs_path("alice.pem"));
	snprintf(key, sizeof(key), "--tls-key=%s", certs_path("alice.key"));
	/* First what it says when it starts, then what --check says. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(testmemd_run(&flags[1 - i], output,
					      sizeof(output)), 1);
		if (strstr(output, "it says: certificate alice: no user alice "
			   "here; add alice=USER to tls_users") == NULL)
			fail_msg("it says \"%s\"", output);
	}
	assert_non_null(strstr(output, "FAIL  store: memd at localhost:"));
	end(&s);
	/* Where it is let in it leaves nothing behind. */
	serve(&s, "tls_users = *=1234");
	snprintf(address, sizeof(address), "--store-address=localhost:%u",
		 store_port(&s.tm));
	(void)testmemd_run(flags, output, sizeof(output));
	assert_non_null(strstr(output, "accept each other's certificates"));
	assert_int_equal(client_counter(s.admin, "guests_opened"), 1);
	while (client_counter(s.admin, "guests") != 0)
		usleep(1000);
	assert_int_equal(client_counter(s.admin, "guests_refused"), 0);
	end(&s);
}

/* Not the user whose limits count, but the certificate, makes an admin. */
static void admins_are_named(void **state)
{
	struct served s;
	struct channel ch;

	(void)state;
	serve(&s, "tls_users = *=0");
	assert_true(tls_session(&s, "alice", &ch));
	assert_int_equal(ask_status(&ch), EACCES);
	channel_close(&ch);
	write_config("tls_users = *=0\ntls_admins = bob alice", "server.pem");
	reload(&s);
	assert_true(tls_session(&s, "alice", &ch));
	assert_int_equal(ask_status(&ch), 0);
	channel_close(&ch);
	assert_true(tls_session(&s, "named", &ch));
	assert_int_equal(ask_status(&ch), EACCES);
	channel_close(&ch);
	end(&s);
}

/* The reason of the verdict that has these words; NULL: there is none. */
static const char *verdict_with(const struct served *s, const char *words)
{
	static char text[512];
	Memd__StatusReply *reply;
	struct answer a;

	text[0] = '\0';
	client_send(s->admin, T(STATUS), 7, NULL);
	client_receive(s->admin, T(STATUS_REPLY), 7, &a);
	reply = answer_unpack(&a, &memd__status_reply__descriptor);
	answer_free(&a);
	for (size_t i = 0; i < reply->n_reason; i++)
		if (strstr(reply->reason[i], words) != NULL)
			snprintf(text, sizeof(text), "%s", reply->reason[i]);
	memd__status_reply__free_unpacked(reply, NULL);
	return text[0] != '\0' ? text : NULL;
}

static const char *verdict_of_reload(const struct served *s)
{
	return verdict_with(s, "last reload was refused");
}

static void expect_refused(struct served *s, unsigned count, const char *why)
{
	const char *text = verdict_of_reload(s);

	assert_int_equal(testmemd_log_count(&s->tm, "reload-refused"), count);
	assert_int_equal(client_counter(s->admin, "reload_errors"), count);
	assert_non_null(text);
	if (strstr(text, why) == NULL || strstr(text, "hold since 2") == NULL)
		fail_msg("the verdict is \"%s\"", text);
}

static void bad_files_change_nothing(void **state)
{
	struct channel ch;
	struct served s;

	(void)state;
	serve(&s, "tls_users = *=1234");
	assert_null(verdict_of_reload(&s));
	/* The other settings of that file are no good without it. */
	write_config("tls_users = *=1234\ntls_admins = alice", "none.pem");
	reload(&s);
	expect_refused(&s, 1, "none.pem");
	assert_int_equal(client_counter(s.admin, "reloads"), 0);
	assert_true(tls_session(&s, "alice", &ch));
	assert_int_equal(ask_status(&ch), EACCES);
	channel_close(&ch);
	/* Another's key. */
	write_config("tls_users = *=1234", "alice.pem");
	reload(&s);
	expect_refused(&s, 2, "not the certificate's key");
	/* What is over, or has not begun. */
	write_files("tls_users = *=1234", "old_server.pem", "old_server.key",
		    NULL);
	reload(&s);
	expect_refused(&s, 3, "tls_certificate: 'old' ended on ");
	write_files("tls_users = *=1234", "early_server.pem",
		    "early_server.key", NULL);
	reload(&s);
	expect_refused(&s, 4, "tls_certificate: 'early' is not good before ");
	write_files("tls_users = *=1234", "server.pem", "server.key",
		    "crl_old.pem");
	reload(&s);
	expect_refused(&s, 5, "tls_crl: the list of 'ours' ended on ");
	/* None, where others than this host connect. */
	fclose(fopen(certs_path("memd.conf"), "we"));
	reload(&s);
	expect_refused(&s, 6, "without certificates");
	assert_true(tls_session(&s, "alice", &ch));
	channel_close(&ch);
	write_config("tls_users = *=1234", "server.pem");
	reload(&s);
	assert_null(verdict_of_reload(&s));
	assert_int_equal(client_counter(s.admin, "reloads"), 1);
	end(&s);
}

static void reload_waits_for_no_file(void **state)
{
	unsigned count = 0;
	struct channel ch;
	struct served s;

	(void)state;
	serve(&s, "tls_users = *=1234");
	for (unsigned i = 0; i < ODD_FILES; i++) {
		assert_int_equal(odd_file_put(i, certs_path("odd")), 0);
		write_files("tls_users = *=1234", "odd", "server.key", NULL);
		reload(&s);
		expect_refused(&s, ++count, "tls_certificate: ");
		expect_refused(&s, count, odd_file_words[i]);
		write_files("tls_users = *=1234", "server.pem", "odd", NULL);
		reload(&s);
		expect_refused(&s, ++count, "tls_key: ");
		expect_refused(&s, count, odd_file_words[i]);
		write_files("tls_users = *=1234", "server.pem", "server.key",
			    "odd");
		reload(&s);
		expect_refused(&s, ++count, "tls_crl: ");
		expect_refused(&s, count, odd_file_words[i]);
	}
	assert_true(tls_session(&s, "alice", &ch));
	channel_close(&ch);
	assert_int_equal(remove(certs_path("odd")), 0);
	end(&s);
}

static void reload_turns_out_who_is_revoked(void **state)
{
	struct channel alice, bob, late;
	uint8_t token[TOKEN_BYTES];
	char more[512];
	struct served s;

	(void)state;
	serve(&s, "tls_users = *=1234");
	assert_true(tls_session(&s, "bob", &bob));
	assert_int_equal(tls_open(&bob, NULL, token), 0);
	bytes_pass(&bob);
	assert_true(tls_session(&s, "alice", &alice));
	assert_int_equal(tls_open(&alice, NULL, NULL), 0);
	/* One who comes in while the old rules hold, and speaks later. */
	assert_true(tls_connect(&s, "bob", &late));
	snprintf(more, sizeof(more), "tls_users = *=1234\ntls_crl = %s",
		 certs_path("crl.pem"));
	write_config(more, "server.pem");
	reload(&s);
	expect_refusal(&bob, 0, "certificate is revoked");
	assert_int_equal(testmemd_log_count(&s.tm, "guest-turned-out"), 1);
	assert_false(tls_session(&s, "bob", &bob));
	bytes_pass(&alice);
	/* What bob has stored waits for another certificate of his. */
	write_config("tls_users = *=1234", "server.pem");
	reload(&s);
	assert_true(tls_session(&s, "bob", &bob));
	assert_int_equal(tls_open(&bob, token, NULL), 0);
	bytes_pass(&alice);
	channel_close(&late);
	channel_close(&alice);
	channel_close(&bob);
	end(&s);
}

static void reload_turns_out_other_cas(void **state)
{
	struct channel alice, late;
	struct served s;
	FILE *f;

	(void)state;
	serve(&s, "tls_users = *=1234");
	assert_true(tls_session(&s, "alice", &alice));
	assert_true(tls_connect(&s, "alice", &late));
	f = fopen(certs_path("memd.conf"), "we");
	assert_non_null(f);
	fprintf(f, "tls_ca = %s\ntls_certificate = %s\ntls_key = %s\n"
		"tls_users = *=1234\n", certs_path("stranger_ca.pem"),
		certs_path("server.pem"), certs_path("server.key"));
	fclose(f);
	reload(&s);
	expect_refusal(&alice, 0, "unknown CA");
	/* It was let in before, but has not said Hello. */
	assert_true(say_hello(&late));
	expect_refusal(&late, 1, "unknown CA");
	end(&s);
}

/* Nor does who was taken out of the lists keep what he had. */
static void reload_turns_out_who_is_nobody(void **state)
{
	struct channel alice, named;
	struct served s;

	(void)state;
	serve(&s, "tls_users = *=1234\ntls_admins = alice localhost");
	assert_true(tls_session(&s, "alice", &alice));
	assert_true(tls_session(&s, "named", &named));
	assert_int_equal(ask_status(&named), 0);
	write_config("tls_users = localhost=1234", "server.pem");
	reload(&s);
	expect_refusal(&alice, 0, "no user alice");
	assert_int_equal(ask_status(&named), EACCES);
	assert_int_equal(tls_open(&named, NULL, NULL), 0);
	channel_close(&named);
	end(&s);
}

/* Expects each of the three in its line of the status. */
static void expect_days(const struct served *s, const int64_t days[3])
{
	static const char *const settings[] = { "tls_certificate", "tls_ca",
						"tls_crl" };
	Memd__StatusReply *reply;
	struct answer a;

	client_send(s->admin, T(STATUS), 7, NULL);
	client_receive(s->admin, T(STATUS_REPLY), 7, &a);
	reply = answer_unpack(&a, &memd__status_reply__descriptor);
	answer_free(&a);
	assert_int_equal(reply->n_certificate, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(reply->certificate[i]->setting,
				    settings[i]);
		assert_int_equal(reply->certificate[i]->days_left, days[i]);
	}
	memd__status_reply__free_unpacked(reply, NULL);
}

/* Of the world's, the certificate and the list are good for a day, less what
 * the test has taken, and the CA for thirty. */
static void what_ends_is_said(void **state)
{
	struct channel ch;
	struct served s;

	(void)state;
	write_files("tls_users = *=1234", "server.pem", "server.key",
		    "crl_none.pem");
	serve_config(&s);
	expect_days(&s, (const int64_t[]){ 0, 29, 0 });
	assert_non_null(verdict_with(&s, "tls_certificate: 'the server' ends "
				     "in 0 days"));
	assert_non_null(verdict_with(&s, "tls_crl: the list of 'ours' ends "
				     "in 0 days"));
	assert_null(verdict_with(&s, "tls_ca"));
	assert_int_equal(testmemd_log_count(&s.tm, "certificate-ends days=0"),
			 2);
	end(&s);
	/* memd starts with what is over: programs here need none of it. */
	write_files("tls_users = *=1234", "old_server.pem", "old_server.key",
		    "crl_none.pem");
	serve_config(&s);
	expect_days(&s, (const int64_t[]){ -2, 29, 0 });
	assert_non_null(verdict_with(&s, "tls_certificate: 'old' ended on "));
	/* And what is over already keeps nothing else from a reload. */
	write_files("tls_users = *=1234\ntls_admins = bob", "old_server.pem",
		    "old_server.key", "crl_none.pem");
	reload(&s);
	assert_null(verdict_of_reload(&s));
	write_files("tls_users = *=1234", "server.pem", "server.key", NULL);
	reload(&s);
	assert_null(verdict_with(&s, "ended on"));
	assert_true(tls_session(&s, "alice", &ch));
	channel_close(&ch);
	end(&s);
}

static void names_have_limits(void **state)
{
	struct served s;
	struct channel ch[4];

	(void)state;
	serve(&s, "tls_users = *=1234\nguest_name_mapped = 16M");
	for (int i = 0; i < 4; i++)
		assert_true(tls_session(&s, i == 3 ? "named" : "alice",
					&ch[i]));
	assert_int_equal(tls_open(&ch[0], NULL, NULL), 0);
	assert_int_equal(tls_open(&ch[1], NULL, NULL), 0);
	assert_int_equal(tls_open(&ch[2], NULL, NULL), EDQUOT);
	assert_int_equal(tls_open(&ch[3], NULL, NULL), 0);
	for (int i = 0; i < 4; i++)
		channel_close(&ch[i]);
	end(&s);
}

static void check_says_what_is_wrong(void **state)
{
	char output[8192], config[256];
	const char *flags[] = { "--check", "--listen-tcp=:7433",
				"--socket=@memd-store-tls-test", "--store=mem",
				"--pool-size=1M", "--swap-size=1M", config,
				NULL };
	FILE *f;

	(void)state;
	snprintf(config, sizeof(config), "--config=%s",
		 certs_path("memd.conf"));
	write_config("", "server.pem");
	(void)testmemd_run(flags, output, sizeof(output));
	assert_non_null(strstr(output, "other hosts: :7433, with"));
	assert_non_null(strstr(output, "warn  certificates: tls_certificate: "
			       "'the server' ends in 0 days"));
	assert_non_null(strstr(output, "ok    certificates: tls_ca: 'ours' is "
			       "good for 29 days, until 2"));
	write_files("", "old_server.pem", "old_server.key", "crl_old.pem");
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "FAIL  certificates: tls_certificate: "
			       "'old' ended on 2"));
	assert_non_null(strstr(output, "FAIL  certificates: tls_crl: the list "
			       "of 'ours' ended on 2"));
	write_config("", "none.pem");
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "FAIL  other hosts"));
	f = fopen(certs_path("memd.conf"), "we");
	assert_non_null(f);
	fprintf(f, "tls_ca = %s\n", certs_path("ca.pem"));
	fclose(f);
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "go together"));
}

/* Only root's memd reads it then. */
static void another_users_key_is_told_of(void **state)
{
	char output[8192], config[256];
	const char *flags[] = { "--check", "--listen-tcp=:7433",
				"--socket=@memd-store-tls-test", "--store=mem",
				"--pool-size=1M", "--swap-size=1M", config,
				NULL };
	struct served s;

	(void)state;
	if (geteuid() != 0)
		skip_case("needs root");
	snprintf(config, sizeof(config), "--config=%s",
		 certs_path("memd.conf"));
	serve(&s, "");
	assert_int_equal(testmemd_log_count(&s.tm, "key-owner"), 0);
	(void)testmemd_run(flags, output, sizeof(output));
	assert_null(strstr(output, "tls_key"));
	assert_int_equal(chown(certs_path("server.key"), 65533, 0), 0);
	reload(&s);
	assert_int_equal(testmemd_log_count(&s.tm, "warning key-owner "
					    "reason=\"certificates: tls_key: "
					    "the key belongs to uid 65533"), 1);
	(void)testmemd_run(flags, output, sizeof(output));
	assert_non_null(strstr(output, "warn  certificates: tls_key: the key "
			       "belongs to uid 65533"));
	assert_int_equal(chown(certs_path("server.key"), 0, 0), 0);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_who_it_is),
		cmocka_unit_test(what_is_held_back_is_heard_later),
		cmocka_unit_test(newcomers_come_in_among_reads),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(one_too_many_is_told_so),
		cmocka_unit_test(a_memd_says_why_it_was_refused),
		cmocka_unit_test(admins_are_named),
		cmocka_unit_test(bad_files_change_nothing),
		cmocka_unit_test(reload_waits_for_no_file),
		cmocka_unit_test(reload_turns_out_who_is_revoked),
		cmocka_unit_test(reload_turns_out_other_cas),
		cmocka_unit_test(reload_turns_out_who_is_nobody),
		cmocka_unit_test(what_ends_is_said),
		cmocka_unit_test(names_have_limits),
		cmocka_unit_test(check_says_what_is_wrong),
		cmocka_unit_test(another_users_key_is_told_of),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, world_create, world_remove);
}
