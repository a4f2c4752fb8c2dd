/* SPDX-License-Identifier: MIT */
#include "tests/integration/store_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

void store_start(struct testmemd *tm, const char *flag)
{
	/* Each store has a file of a MiB or more. */
	const char *flags[] = { STORE_LISTEN, STORE_SMALL_POOL,
				"--swap-size=512M", flag, NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
}

unsigned store_port(const struct testmemd *tm)
{
	FILE *log = testmemd_open_log(tm);
	char *line = NULL;
	size_t size = 0;
	unsigned port = 0;

	assert_non_null(log);
	while (getline(&line, &size, log) > 0) {
		const char *at = strstr(line, "port=");

		if (strstr(line, "listening-tcp") != NULL && at != NULL)
			port = (unsigned)strtoul(at + 5, NULL, 10);
	}
	free(line);
	fclose(log);
	assert_int_not_equal(port, 0);
	return port;
}

int store_connect(const struct testmemd *tm)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)store_port(tm)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
				    sizeof(on)), 0);
	assert_int_equal(wire_peer_limit_waits(fd), 0);
	return fd;
}

int store_session(const struct testmemd *tm)
{
	Memd__Hello hello = wire_peer_hello("store test");
	Memd__HelloReply *reply;
	struct answer a;
	int fd = store_connect(tm);

	hello.has_capabilities = true;
	hello.capabilities = MEMD__CAPABILITY__CAP_STORE;
	client_send(fd, T(HELLO), 1, &hello.base);
	client_receive(fd, T(HELLO_REPLY), 1, &a);
	reply = answer_unpack(&a, &memd__hello_reply__descriptor);
	assert_int_equal(reply->capabilities, MEMD__CAPABILITY__CAP_STORE);
	memd__hello_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return fd;
}

static int open_failed(const struct answer *a)
{
	Memd__Error *error;
	int code;

	assert_int_equal(a->header.type, T(ERROR));
	error = answer_unpack(a, &memd__error__descriptor);
	code = (int)error->code;
	print_message("StoreOpen: %u %s\n", error->code, error->text);
	memd__error__free_unpacked(error, NULL);
	return code;
}

int store_open(int fd, uint32_t slot_count, const uint8_t *token,
	       uint8_t *ret_token)
{
	Memd__StoreOpen open = MEMD__STORE_OPEN__INIT;
	Memd__StoreOpenReply *reply;
	struct answer a;
	int code = 0;

	open.slot_count = slot_count;
	open.has_token = token != NULL;
	open.token.data = (uint8_t *)token;
	open.token.len = TOKEN_BYTES;
	client_send(fd, T(STORE_OPEN), 2, &open.base);
	assert_true(client_try_receive(fd, &a));
	assert_int_equal(a.header.request_id, 2);
	if (a.header.type == T(STORE_OPEN_REPLY)) {
		reply = answer_unpack(&a, &memd__store_open_reply__descriptor);
		assert_int_equal(reply->token.len, TOKEN_BYTES);
		if (ret_token != NULL)
			memcpy(ret_token, reply->token.data, TOKEN_BYTES);
		memd__store_open_reply__free_unpacked(reply, NULL);
	} else {
		code = open_failed(&a);
	}
	answer_free(&a);
	return code;
}

static void fill_range(Memd__StoreRange *range, uint32_t slot, uint32_t count)
{
	memd__store_range__init(range);
	range->slot = slot;
	range->count = count;
}

void store_send_read(int fd, uint64_t id, uint32_t slot, uint32_t count)
{
	Memd__StoreRange range;

	fill_range(&range, slot, count);
	client_send(fd, T(STORE_READ), id, &range.base);
}

void store_send_write_header(int fd, uint64_t id, uint32_t slot,
			     uint32_t count, uint32_t payload)
{
	Memd__StoreRange range;
	uint8_t packed[128];
	ssize_t length;

	fill_range(&range, slot, count);
	/* So that a test can also say more than is allowed. */
	length = wire_pack(T(STORE_WRITE), id, &range.base, 0, packed,
			   sizeof(packed));
	assert_true(length > 0);
	memcpy(packed + 20, &payload, sizeof(payload));
	client_send_bytes(fd, packed, (size_t)length);
}

void store_send_write(int fd, uint64_t id, uint32_t slot, uint32_t count,
		      const void *bytes)
{
	store_send_write_header(fd, id, slot, count, count * SLOT_BYTES);
	client_send_bytes(fd, bytes, (size_t)count * SLOT_BYTES);
}

void store_send_discard(int fd, uint64_t first, uint64_t count)
{
	Memd__StoreDiscard discard = MEMD__STORE_DISCARD__INIT;
	Memd__Range range = MEMD__RANGE__INIT, *ranges = &range;

	range.first = first;
	range.count = count;
	discard.n_range = 1;
	discard.range = &ranges;
	client_send(fd, T(STORE_DISCARD), 0, &discard.base);
}

bool store_try_receive(int fd, struct answer *ret_answer)
{
	int err = wire_peer_receive(fd, ret_answer);

	assert_true(err == 0 || err == -ECONNRESET || err == -ECONNABORTED);
	return err == 0;
}

void store_read(int fd, uint32_t slot, uint32_t count, void *ret_bytes)
{
	struct answer a;

	store_send_read(fd, 7, slot, count);
	assert_true(store_try_receive(fd, &a));
	assert_int_equal(a.header.type, T(STORE_BYTES));
	assert_int_equal(a.header.request_id, 7);
	assert_int_equal(a.header.body_bytes, 0);
	assert_int_equal(a.header.payload_bytes, count * SLOT_BYTES);
	memcpy(ret_bytes, a.body, (size_t)count * SLOT_BYTES);
	answer_free(&a);
}

void store_write(int fd, uint32_t slot, uint32_t count, const void *bytes)
{
	store_send_write(fd, 8, slot, count, bytes);
	client_expect_ok(fd, 8);
}

void slot_fill(uint8_t *to, uint32_t slot, uint32_t version)
{
	uint64_t x = ((uint64_t)slot << 32 | version) * 0x9e3779b97f4a7c15u;

	if (version == 0) {
		memset(to, 0, SLOT_BYTES);
		return;
	}
	for (size_t i = 0; i < SLOT_BYTES / sizeof(x); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(to + i * sizeof(x), &x, sizeof(x));
	}
}

void slots_check(const uint8_t *bytes, uint32_t slot, uint32_t count,
		 const uint32_t *version)
{
	uint8_t expected[SLOT_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		slot_fill(expected, slot + i, version[i]);
		if (memcmp(expected, bytes + (size_t)i * SLOT_BYTES,
			   SLOT_BYTES) != 0)
			fail_msg("slot %u is not version %u", slot + i,
				 version[i]);
	}
}

void store_expect(int fd, uint32_t slot, uint32_t count, uint32_t version)
{
	uint8_t bytes[8 * SLOT_BYTES];
	uint32_t versions[8];

	assert_true(count <= 8);
	for (uint32_t i = 0; i < count; i++)
		versions[i] = version;
	store_read(fd, slot, count, bytes);
	slots_check(bytes, slot, count, versions);
}

void store_write_version(int fd, uint32_t slot, uint32_t count,
			 uint32_t version)
{
	uint8_t bytes[8 * SLOT_BYTES];

	assert_true(count <= 8);
	for (uint32_t i = 0; i < count; i++)
		slot_fill(bytes + i * SLOT_BYTES, slot + i, version);
	store_write(fd, slot, count, bytes);
}
