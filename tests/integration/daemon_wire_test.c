/* SPDX-License-Identifier: MIT */
/* Proves that memd survives what a broken or hostile program can say to it,
 * refuses it in words, and goes on serving the others: wrong versions,
 * garbage, truncated, oversized, out-of-order and malformed messages, half
 * messages, programs that never read.  At the end nothing is left behind and
 * memd stops in order. */
#include "tests/integration/daemon_client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct testmemd memd;
static int admin = -1;		/* a session that must never notice */

static size_t pack_hello(uint8_t *to, size_t size)
{
	Memd__Hello hello = wire_peer_hello("prefix");
	ssize_t length;

	length = wire_pack(T(HELLO), 1, &hello.base, 0, to, size);
	assert_true(length > 0);
	return (size_t)length;
}

static void send_header(int fd, const struct wire_header *header)
{
	uint8_t bytes[WIRE_HEADER_BYTES];

	wire_header_pack(header, bytes);
	client_send_bytes(fd, bytes, sizeof(bytes));
}

/* Every session's data file, frames and places are given back. */
static void expect_nothing_left(void)
{
	uint64_t frames = client_counter(admin, "frame_count");

	client_await_counter(admin, "free_frames", frames);
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "faults_waiting", 0);
}

/* ---- handshake */

static void hello_is_answered(void **state)
{
	Memd__HelloReply *reply;
	int fd = client_open(&memd, false, &reply);

	(void)state;
	assert_int_equal(reply->version_major, WIRE_VERSION_MAJOR);
	assert_int_not_equal(reply->session, 0);
	assert_int_equal(reply->pool_bytes, 16 << 20);
	assert_true(reply->capabilities & MEMD__CAPABILITY__CAP_FAULT_THREAD);
	memd__hello_reply__free_unpacked(reply, NULL);
	close(fd);
}

static void hello_may_come_byte_by_byte(void **state)
{
	uint8_t bytes[256];
	size_t length = pack_hello(bytes, sizeof(bytes));
	int fd = client_connect(&memd);
	struct answer a;

	(void)state;
	for (size_t i = 0; i < length; i++)
		client_send_bytes(fd, bytes + i, 1);
	client_receive(fd, T(HELLO_REPLY), 1, &a);
	answer_free(&a);
	close(fd);
}

static void second_hello_is_refused(void **state)
{
	uint8_t bytes[256];
	size_t length = pack_hello(bytes, sizeof(bytes));
	int fd = client_open(&memd, false, NULL);

	(void)state;
	client_send_bytes(fd, bytes, length);
	client_expect_error(fd, 1, EPROTO, "HELLO");
	client_expect_end(fd);
	close(fd);
}

static void other_major_version_is_refused_by_header(void **state)
{
	struct wire_header h = { .version_major = 7, .version_minor = 3,
				 .type = T(HELLO), .request_id = 42 };
	int fd = client_connect(&memd);

	(void)state;
	send_header(fd, &h);
	client_expect_error(fd, 42, EPROTONOSUPPORT, "7.3");
	client_expect_end(fd);
	close(fd);
}

static void other_major_version_is_refused_by_body(void **state)
{
	Memd__Hello hello = MEMD__HELLO__INIT;
	int fd = client_connect(&memd);
	char own[16];

	(void)state;
	hello.version_major = 2;
	hello.version_minor = 9;
	snprintf(own, sizeof(own), "version %d.%d", WIRE_VERSION_MAJOR,
		 WIRE_VERSION_MINOR);
	client_send(fd, T(HELLO), 5, &hello.base);
	client_expect_error(fd, 5, EPROTONOSUPPORT, own);
	client_expect_end(fd);
	close(fd);
}

static void everything_before_hello_is_refused(void **state)
{
	(void)state;
	for (uint16_t type = 0; type < 70; type++) {
		struct wire_header h = {
			.version_major = WIRE_VERSION_MAJOR,
			.type = type, .request_id = 3,
		};
		int fd;

		if (type == T(HELLO))
			continue;
		fd = client_connect(&memd);
		send_header(fd, &h);
		client_expect_error(fd, 3, EPROTO, NULL);
		client_expect_end(fd);
		close(fd);
	}
}

static void long_command_is_refused(void **state)
{
	Memd__Hello hello;
	char command[300];
	int fd = client_connect(&memd);

	(void)state;
	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	hello = wire_peer_hello(command);
	client_send(fd, T(HELLO), 1, &hello.base);
	client_expect_error(fd, 1, EPROTO, "command");
	client_expect_end(fd);
	close(fd);
}

/* ---- framing */

static void garbage_is_refused(void **state)
{
	static const char garbage[] = "GET / HTTP/1.1\r\n"
				      "Host: localhost\r\n\r\n";
	int fd = client_connect(&memd);

	(void)state;
	client_send_bytes(fd, garbage, sizeof(garbage));
	client_expect_error(fd, 0, EPROTO, "magic");
	client_expect_end(fd);
	close(fd);
	fd = client_open(&memd, false, NULL);
	client_send_bytes(fd, garbage, sizeof(garbage));
	client_expect_error(fd, 0, EPROTO, "magic");
	client_expect_end(fd);
	close(fd);
}

static void lengths_are_checked_before_all_else(void **state)
{
	static const uint32_t body[] = { WIRE_BODY_BYTES_MAX + 1, UINT32_MAX,
					 UINT32_MAX - WIRE_HEADER_BYTES, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(body); i++) {
		struct wire_header h = {
			.version_major = WIRE_VERSION_MAJOR,
			.type = T(ADVISE), .request_id = 8,
			.body_bytes = body[i],
			.payload_bytes = body[i] == 0 ? UINT32_MAX : 0,
		};
		int fd = client_open(&memd, false, NULL);

		send_header(fd, &h);
		client_expect_error(fd, 0, EMSGSIZE, "too long");
		client_expect_end(fd);
		close(fd);
	}
}

static void strangers_have_less_room(void **state)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(HELLO), .request_id = 8,
				 .body_bytes = 32 * 1024 };
	int fd = client_connect(&memd);

	(void)state;
	send_header(fd, &h);
	client_expect_error(fd, 0, EMSGSIZE, "too long");
	client_expect_end(fd);
	close(fd);
}

/* A program may die after any byte. */
static void every_prefix_of_a_conversation_is_survived(void **state)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	uint8_t bytes[512];
	size_t length = pack_hello(bytes, sizeof(bytes));
	ssize_t more;

	(void)state;
	create.length_bytes = 1 << 20;
	create.has_attach = true;
	create.attach = true;
	more = wire_pack(T(SEGMENT_CREATE), 2, &create.base, 0,
			 bytes + length, sizeof(bytes) - length);
	assert_true(more > 0);
	length += (size_t)more;
	for (size_t n = 0; n <= length; n++) {
		int fd = client_connect(&memd);

		client_send_bytes(fd, bytes, n);
		close(fd);
	}
	expect_nothing_left();
}

static void payload_is_refused_where_none_belongs(void **state)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(SESSION_STATS), .request_id = 6,
				 .payload_bytes = 100 };
	int fd = client_open(&memd, false, NULL);

	(void)state;
	send_header(fd, &h);
	client_expect_error(fd, 6, EPROTO, "payload");
	client_expect_end(fd);
	close(fd);
}

/* ---- types and bodies */

static void unknown_types_are_answered_and_skipped(void **state)
{
	static const uint8_t nothing[70000];
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = 999, .request_id = 11,
				 .body_bytes = 1000,
				 .payload_bytes = 69000 };
	int fd = client_open(&memd, false, NULL);
	struct answer a;

	(void)state;
	send_header(fd, &h);
	client_send_bytes(fd, nothing, sizeof(nothing));
	client_expect_error(fd, 11, ENOSYS, "999");
	h.request_id = 0;	/* wants no answer */
	send_header(fd, &h);
	client_send_bytes(fd, nothing, sizeof(nothing));
	client_send(fd, T(SESSION_STATS), 12, NULL);
	client_receive(fd, T(SESSION_STATS_REPLY), 12, &a);
	answer_free(&a);
	close(fd);
}

static bool has_body(uint16_t type)
{
	static const uint16_t types[] = {
		T(SEGMENT_CREATE), T(SEGMENT_ATTACH), T(SEGMENT_DETACH),
		T(SEGMENT_UNLINK), T(FAULT), T(TOUCHED), T(ADVISE), T(PIN),
		T(UNPIN), T(MAPS), T(TRACE), T(EVICT), T(LIMIT_SET),
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] == type)
			return true;
	return false;
}

static void malformed_bodies_are_refused(void **state)
{
	static const uint8_t fill[] = { 0xff, 0x00, 0x0a, 0x08 };

	(void)state;
	for (uint16_t type = 0; type < 70; type++) {
		if (!has_body(type))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(fill); i++) {
			struct wire_header h = {
				.version_major = WIRE_VERSION_MAJOR,
				.type = type, .request_id = 4,
				.body_bytes = 33,
			};
			uint8_t body[33];
			int fd = client_open(&memd, false, NULL);

			memset(body, fill[i], sizeof(body));
			send_header(fd, &h);
			client_send_bytes(fd, body, sizeof(body));
			client_expect_error(fd, 4, EPROTO, "malformed");
			client_expect_end(fd);
			close(fd);
		}
	}
}

/* Thousands of empty ranges take little on the wire and much when unpacked. */
static void bodies_that_swell_are_refused(void **state)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(TOUCHED),
				 .body_bytes = 60002 };
	static uint8_t body[60002] = { 0x08, 0x01 };
	int fd = client_open(&memd, false, NULL);

	(void)state;
	for (size_t i = 2; i + 6 <= sizeof(body); i += 6)
		memcpy(body + i, "\x12\x04\x08\x00\x10\x01", 6);
	send_header(fd, &h);
	client_send_bytes(fd, body, sizeof(body));
	client_expect_error(fd, 0, EPROTO, NULL);
	client_expect_end(fd);
	close(fd);
}

static void what_only_memd_sends_is_refused(void **state)
{
	static const uint16_t types[] = {
		T(NONE), T(HELLO_REPLY), T(ERROR), T(OK), T(SEGMENT_REPLY),
		T(FAULT_REPLY), T(AGE), T(STATUS_REPLY), T(TRACE_EVENTS),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct wire_header h = {
			.version_major = WIRE_VERSION_MAJOR,
			.type = types[i], .request_id = 4,
		};
		int fd = client_open(&memd, false, NULL);

		send_header(fd, &h);
		client_expect_error(fd, 4, EPROTO, "only memd may send");
		client_expect_end(fd);
		close(fd);
	}
}

static void requests_need_an_id(void **state)
{
	int fd = client_open(&memd, false, NULL);

	(void)state;
	client_send(fd, T(SESSION_STATS), 0, NULL);
	client_expect_error(fd, 0, EPROTO, "request id");
	client_expect_end(fd);
	close(fd);
}

static void requests_in_one_piece_are_answered_in_order(void **state)
{
	enum { REQUESTS = 500 };
	static uint8_t bytes[REQUESTS * WIRE_HEADER_BYTES];
	int fd = client_open(&memd, false, NULL);
	struct answer a;

	(void)state;
	for (size_t i = 0; i < REQUESTS; i++) {
		struct wire_header h = {
			.version_major = WIRE_VERSION_MAJOR,
			.type = T(SESSION_STATS), .request_id = 100 + i,
		};

		wire_header_pack(&h, bytes + i * WIRE_HEADER_BYTES);
	}
	client_send_bytes(fd, bytes, sizeof(bytes));
	for (size_t i = 0; i < REQUESTS; i++) {
		client_receive(fd, T(SESSION_STATS_REPLY), 100 + i, &a);
		answer_free(&a);
	}
	close(fd);
}

/* ---- numbers */

static void ranges_cannot_overflow(void **state)
{
	static const struct { uint64_t first, count; } bad[] = {
		{ 0, 0 }, { 0, 257 }, { 256, 1 }, { 255, 2 },
		{ UINT64_MAX, 1 }, { UINT64_MAX, 2 }, { 1, UINT64_MAX },
		{ UINT64_MAX, UINT64_MAX }, { UINT64_C(1) << 63, 1 },
	};
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 1 << 20, 4096, &segment);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		client_send_range(fd, T(PIN), 21, segment, bad[i].first,
				  bad[i].count);
		client_expect_error(fd, 21, EINVAL, "not inside");
		client_send_range(fd, T(UNPIN), 22, segment, bad[i].first,
				  bad[i].count);
		client_expect_error(fd, 22, EINVAL, "not inside");
		for (int advice = 0; advice < 7; advice++) {
			client_send_advise(fd, 23, segment, bad[i].first,
					   bad[i].count,
					   (Memd__Advice)advice);
			client_expect_error(fd, 23, EINVAL, "not inside");
		}
	}
	client_send_advise(fd, 24, segment, 0, 1,
			   (Memd__Advice)(MEMD__ADVICE__ADVICE_PAGEOUT + 1));
	client_expect_error(fd, 24, EINVAL, "advice");
	client_send_range(fd, T(UNPIN), 25, segment, 0, 1);
	client_expect_error(fd, 25, EINVAL, "not pinned");
	close(data);
	close(fd);
}

static void faults_outside_are_answered_efault(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 1 << 20, 4096, &segment);

	(void)state;
	client_send_fault(fd, 31, segment, 256);
	assert_int_equal(client_receive_fault(fd, 31, 256), EFAULT);
	client_send_fault(fd, 32, segment, UINT64_MAX);
	assert_int_equal(client_receive_fault(fd, 32, UINT64_MAX), EFAULT);
	client_send_fault(fd, 33, segment + 1000, 0);
	assert_int_equal(client_receive_fault(fd, 33, 0), EFAULT);
	client_send_fault(fd, 34, segment, 255);
	assert_int_equal(client_receive_fault(fd, 34, 255), 0);
	close(data);
	close(fd);
}

static void too_many_pages_in_one_fault_are_refused(void **state)
{
	static uint64_t pages[WIRE_FAULTS_MAX + 1];
	Memd__Fault fault = MEMD__FAULT__INIT;
	int fd = client_open(&memd, false, NULL);

	(void)state;
	fault.segment = 1;
	fault.n_page = ARRAY_SIZE(pages);
	fault.page = pages;
	client_send(fd, T(FAULT), 35, &fault.base);
	client_expect_error(fd, 35, EPROTO, "129");
	client_expect_end(fd);
	close(fd);
}

static void touches_may_lie(void **state)
{
	Memd__Touched touched = MEMD__TOUCHED__INIT;
	Memd__Range range = MEMD__RANGE__INIT, *pointer = &range;
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 1 << 20, 4096, &segment);
	uint64_t before = client_counter(admin, "faults_minor");

	(void)state;
	touched.segment = segment;
	touched.n_range = 1;
	touched.range = &pointer;
	touched.has_fault_count = touched.has_total_ns = true;
	touched.fault_count = touched.total_ns = UINT64_MAX;
	range.first = UINT64_MAX;
	range.count = UINT64_MAX;
	client_send(fd, T(TOUCHED), 0, &touched.base);
	range.first = 0;
	range.count = 256;
	client_send(fd, T(TOUCHED), 0, &touched.base);
	/* Still there, and it believed no more than the pages it was told. */
	client_send_fault(fd, 36, segment, 0);
	assert_int_equal(client_receive_fault(fd, 36, 0), 0);
	assert_true(client_counter(admin, "faults_minor") - before <= 256);
	close(data);
	close(fd);
}

/* ---- time and patience */

static void half_messages_end_in_time(void **state)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(ADVISE), .request_id = 1,
				 .body_bytes = 100 };
	int fd = client_connect(&memd);

	(void)state;
	client_expect_error(fd, 0, ETIMEDOUT, "Hello");
	client_expect_end(fd);
	close(fd);
	fd = client_open(&memd, false, NULL);
	send_header(fd, &h);
	client_expect_error(fd, 0, ETIMEDOUT, "rest of a message");
	client_expect_end(fd);
	close(fd);
}

static void who_never_reads_is_closed_and_delays_nobody(void **state)
{
	int fd = client_open(&memd, false, NULL);
	int other = client_open(&memd, false, NULL);
	uint64_t before = client_counter(admin, "slow_readers");
	unsigned asked = 0;
	struct answer a;

	(void)state;
	while (client_try_send(fd, T(SESSION_STATS), 7, NULL)) {
		if (asked++ % 1000 != 0)
			continue;
		client_send(other, T(SESSION_STATS), 8, NULL);
		client_receive(other, T(SESSION_STATS_REPLY), 8, &a);
		answer_free(&a);
		assert_true(asked < 10 * 1000 * 1000);
	}
	client_await_counter(admin, "slow_readers", before + 1);
	close(fd);
	close(other);
}

/* Descriptors in flight are counted against memd: one who takes none must not
 * use up those of all. */
static void who_takes_no_descriptors_is_closed(void **state)
{
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;
	int fd = client_open(&memd, false, NULL);
	struct pollfd hang_up = { .fd = fd };
	struct answer a;

	(void)state;
	client_send_create(fd, 2, "descriptors", 4096, 0600);
	client_receive(fd, T(SEGMENT_REPLY), 2, &a);
	answer_free(&a);
	attach.name = "descriptors";
	/* More than memd lets be in flight to one session. */
	for (unsigned i = 0; i < 400; i++)
		if (!client_try_send(fd, T(SEGMENT_ATTACH), 3, &attach.base))
			break;
	/* Nothing is read before memd has hung up. */
	assert_int_equal(poll(&hang_up, 1, 60000), 1);
	assert_true(hang_up.revents & POLLHUP);
	while (client_try_receive(fd, &a))
		answer_free(&a);
	close(fd);
	fd = client_open(&memd, false, NULL);
	{
		Memd__SegmentUnlink unlink_it = MEMD__SEGMENT_UNLINK__INIT;

		unlink_it.name = "descriptors";
		client_send(fd, T(SEGMENT_UNLINK), 4, &unlink_it.base);
		client_expect_ok(fd, 4);
	}
	close(fd);
}

/* ---- crowds */

static void many_come_and_go(void **state)
{
	enum { CROWD = 100 };
	int fds[CROWD];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CROWD; i++) {
			uint32_t segment;
			int data;

			fds[i] = client_open(&memd, false, NULL);
			data = client_map(fds[i], 64 * 1024, 4096, &segment);
			client_send_fault(fds[i], 5, segment, 1);
			close(data);
		}
		for (int i = 0; i < CROWD; i++)
			close(fds[i]);
	}
	expect_nothing_left();
}

static int start(void **state)
{
	static const char *const flags[] = {
		"--handshake-timeout=300ms", "--message-timeout=300ms",
		"--session-output=64K",
		"--swap-size=256M",	/* a file for each of a crowd */
		NULL
	};

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	expect_nothing_left();
	client_await_counter(admin, "quarantined_slots", 0);
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_is_answered),
		cmocka_unit_test(hello_may_come_byte_by_byte),
		cmocka_unit_test(second_hello_is_refused),
		cmocka_unit_test(other_major_version_is_refused_by_header),
		cmocka_unit_test(other_major_version_is_refused_by_body),
		cmocka_unit_test(everything_before_hello_is_refused),
		cmocka_unit_test(long_command_is_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(lengths_are_checked_before_all_else),
		cmocka_unit_test(strangers_have_less_room),
		cmocka_unit_test(every_prefix_of_a_conversation_is_survived),
		cmocka_unit_test(payload_is_refused_where_none_belongs),
		cmocka_unit_test(unknown_types_are_answered_and_skipped),
		cmocka_unit_test(malformed_bodies_are_refused),
		cmocka_unit_test(bodies_that_swell_are_refused),
		cmocka_unit_test(what_only_memd_sends_is_refused),
		cmocka_unit_test(requests_need_an_id),
		cmocka_unit_test(requests_in_one_piece_are_answered_in_order),
		cmocka_unit_test(ranges_cannot_overflow),
		cmocka_unit_test(faults_outside_are_answered_efault),
		cmocka_unit_test(too_many_pages_in_one_fault_are_refused),
		cmocka_unit_test(touches_may_lie),
		cmocka_unit_test(half_messages_end_in_time),
		cmocka_unit_test(who_never_reads_is_closed_and_delays_nobody),
		cmocka_unit_test(who_takes_no_descriptors_is_closed),
		cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
