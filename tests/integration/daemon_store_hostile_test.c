/* SPDX-License-Identifier: MIT */
/* Proves that nothing wrong that another host says about stores harms anybody:
 * bad messages end its connection and change nothing, floods and drips are
 * bounded, who does not read waits, and who is only fast does not. */
#include "tests/integration/store_model.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ThreadSanitizer keeps several bytes for each one, AddressSanitizer what is
 * freed for a while. */
#ifdef __SANITIZE_THREAD__
enum { GROWTH_KIB_MAX = 256 * 1024, SLACK_KIB = 1024 * 1024 };
#elif defined(__SANITIZE_ADDRESS__)
enum { GROWTH_KIB_MAX = 32 * 1024, SLACK_KIB = 256 * 1024 };
#else
enum { GROWTH_KIB_MAX = 32 * 1024, SLACK_KIB = 4 * 1024 };
#endif

/* ---- what is wrong is refused, and harms nobody */

static void say_wrong_length(int fd)
{
	static const uint8_t bytes[2 * SLOT_BYTES];

	store_send_write_header(fd, 9, 0, 2, SLOT_BYTES);
	client_send_bytes(fd, bytes, SLOT_BYTES);
}

static void say_no_payload(int fd)
{
	store_send_write_header(fd, 9, 0, 1, 0);
}

static void say_no_slots(int fd)
{
	store_send_write_header(fd, 9, 0, 0, 0);
}

static void say_too_many_slots(int fd)
{
	store_send_write_header(fd, 9, 0, 513, 513 * SLOT_BYTES);
}

static void say_read_no_slots(int fd)
{
	store_send_read(fd, 9, 0, 0);
}

static void say_read_too_many(int fd)
{
	store_send_read(fd, 9, 0, 513);
}

static void say_discard_outside(int fd)
{
	store_send_discard(fd, 60, 5);
}

static void say_discard_nothing(int fd)
{
	store_send_discard(fd, 3, 0);
}

static void say_discard_overflow(int fd)
{
	store_send_discard(fd, 1, UINT64_MAX);
}

static void say_read_with_payload(int fd)
{
	struct wire_header h = { .version_major = WIRE_VERSION_MAJOR,
				 .type = T(STORE_READ), .request_id = 9,
				 .payload_bytes = SLOT_BYTES };
	uint8_t packed[WIRE_HEADER_BYTES];

	wire_header_pack(&h, packed);
	client_send_bytes(fd, packed, sizeof(packed));
}

static void say_without_id(int fd)
{
	store_send_read(fd, 0, 0, 1);
}

static void say_touched(int fd)
{
	client_send(fd, T(RING), 0, NULL);
}

static void say_a_reply(int fd)
{
	client_send(fd, T(STORE_BYTES), 9, NULL);
}

static void bad_messages_end_the_connection(void **state)
{
	static void (*const say[])(int fd) = {
		say_wrong_length, say_no_payload, say_no_slots,
		say_too_many_slots, say_read_no_slots, say_read_too_many,
		say_discard_outside, say_discard_nothing,
		say_discard_overflow, say_read_with_payload, say_without_id,
		say_touched, say_a_reply,
	};
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int fd;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, token), 0);
	store_write_version(fd, 0, 8, 1);
	for (size_t i = 0; i < sizeof(say) / sizeof(say[0]); i++) {
		struct answer a;

		say[i](fd);
		assert_true(store_try_receive(fd, &a));
		if (a.header.type != T(ERROR))
			fail_msg("case %zu: %s", i,
				 wire_type_name(a.header.type));
		answer_free(&a);
		assert_false(store_try_receive(fd, &a));
		close(fd);
		fd = store_session(&tm);
		assert_int_equal(store_open(fd, 64, token, NULL), 0);
		store_expect(fd, 0, 8, 1);
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* These are answered with an Error, and the connection goes on. */
static void wrong_requests_are_refused(void **state)
{
	static const uint8_t zeros[SLOT_BYTES];
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	struct testmemd tm;
	int fd, local;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	store_send_read(fd, 3, 0, 1);
	client_expect_error(fd, 3, EINVAL, NULL);
	store_send_write(fd, 4, 0, 1, zeros);
	client_expect_error(fd, 4, EINVAL, NULL);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	store_write_version(fd, 56, 8, 1);
	store_send_read(fd, 5, 64, 1);
	client_expect_error(fd, 5, EINVAL, NULL);
	store_send_read(fd, 6, 63, 2);
	client_expect_error(fd, 6, EINVAL, NULL);
	store_send_read(fd, 6, UINT32_MAX, 512);
	client_expect_error(fd, 6, EINVAL, NULL);
	store_send_write(fd, 7, 64, 1, zeros);
	client_expect_error(fd, 7, EINVAL, NULL);
	create.length_bytes = 4096;
	client_send(fd, T(SEGMENT_CREATE), 8, &create.base);
	client_expect_error(fd, 8, EPERM, NULL);
	client_send_fault(fd, 9, 1, 0);
	client_expect_error(fd, 9, EPERM, NULL);
	client_send(fd, T(MAILBOX), 10, NULL);
	client_expect_error(fd, 10, EPERM, NULL);
	client_send(fd, T(STATUS), 11, NULL);
	client_expect_error(fd, 11, EACCES, NULL);
	client_send(fd, T(CONFIG), 12, NULL);
	client_expect_error(fd, 12, EACCES, NULL);
	store_expect(fd, 56, 8, 1);
	close(fd);
	local = client_open(&tm, false, NULL);
	store_send_read(local, 3, 0, 1);
	client_expect_error(local, 3, EPERM, NULL);
	close(local);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- floods */

/* Hello, a byte at a time, on many connections: only so many stay, none for
 * longer than the handshake may take; who is honest still comes in, and a
 * program on this host is served all the while. */
static void drips_are_cut_off(void **state)
{
	enum { DRIPS = 1100, STAY = 1024, FAULTS = 400 };
	const char *flags[] = { STORE_LISTEN, STORE_SMALL_POOL,
				"--handshake-timeout=1500ms",
				"--address-connections=1100", NULL };
	struct rlimit files;
	int drip[DRIPS], local, data, admin, open_count = DRIPS;
	uint32_t segment;
	struct testmemd tm;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(testmemd_start(&tm, flags), 0);
	admin = client_open(&tm, true, NULL);
	local = client_open(&tm, false, NULL);
	data = client_map(local, FAULTS * 4096ull, 4096, &segment);
	for (int i = 0; i < DRIPS; i++)
		drip[i] = store_connect(&tm);
	close(store_session(&tm));
	for (int i = 0; i < FAULTS; i++) {
		if (i % 40 == 0)
			for (int j = 0; j < DRIPS; j++)
				(void)!send(drip[j], "memd\1" + i / 40 % 5, 1,
					    MSG_NOSIGNAL | MSG_DONTWAIT);
		client_send_fault(local, 100 + (uint64_t)i, segment,
				  (uint64_t)i);
		assert_int_equal(client_receive_fault(local,
						      100 + (uint64_t)i,
						      (uint64_t)i), 0);
	}
	/* Newcomers of this host still get in. */
	close(client_open(&tm, false, NULL));
	assert_true(client_counter(admin, "guests_refused") >= DRIPS - STAY);
	for (int i = 0; i < DRIPS; i++) {
		char end[2048];

		while (recv(drip[i], end, sizeof(end), 0) > 0)
			;
		close(drip[i]);
		open_count--;
	}
	assert_int_equal(open_count, 0);
	close(data);
	close(local);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static uint64_t rss_kib(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* Asks for far more than fits anywhere and reads nothing: it is heard no
 * more, and memd keeps what fits into its bounds.  Then it reads, and gets
 * all. */
static void who_does_not_read_waits(void **state)
{
	enum { COUNT = 256, ASKED = 400 };
	struct testmemd tm;
	uint64_t before, after;
	unsigned sent = 0;
	int fd;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, COUNT, NULL, NULL), 0);
	store_write_version(fd, 0, 8, 1);
	before = rss_kib(tm.pid);
	for (; sent < ASKED; sent++)
		store_send_read(fd, 1000 + sent, 0, COUNT);
	poll(NULL, 0, 300);
	after = rss_kib(tm.pid);
	/* 400 MiB are asked for; a session may have some 6. */
	if (after > before + GROWTH_KIB_MAX)
		fail_msg("from %llu to %llu KiB", (unsigned long long)before,
			 (unsigned long long)after);
	while (sent > 0) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		slots_check(a.body, 0, 8,
			    (const uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1 });
		answer_free(&a);
		sent--;
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Header, body and payload of a write, as often as there is room. */
static size_t pack_writes(uint8_t *to, unsigned count)
{
	size_t used = 0;

	for (unsigned i = 0; i < count; i++) {
		Memd__StoreRange range = MEMD__STORE_RANGE__INIT;
		ssize_t length;

		range.count = STORE_REQUEST_SLOTS;
		length = wire_pack(T(STORE_WRITE), 1 + i, &range.base,
				   STORE_REQUEST_SLOTS * SLOT_BYTES, to + used,
				   64);
		assert_true(length > 0);
		used += (size_t)length +
			(size_t)STORE_REQUEST_SLOTS * SLOT_BYTES;
	}
	return used;
}

/* As much as is taken now, and for a while. */
static size_t send_what_is_taken(int fd, const uint8_t *bytes, size_t length)
{
	size_t sent = 0;

	for (int idle = 0; idle < 20 && sent < length;) {
		ssize_t n = send(fd, bytes + sent, length - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		} else {
			assert_int_equal(errno, EAGAIN);
			poll(NULL, 0, 10);
			idle++;
		}
	}
	return sent;
}

/* Reads nothing, so its reads cannot be answered; its writes, which come after
 * them and overlap, must wait, and memd must not take in all of them. */
static void payloads_wait_outside(void **state)
{
	enum { READS = 20, WRITES = 40 };
	uint8_t *bytes = calloc(WRITES + 1, STORE_REQUEST_SLOTS * SLOT_BYTES);
	struct testmemd tm;
	uint64_t before, after;
	size_t length, sent;
	int fd;

	(void)state;
	assert_non_null(bytes);
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, STORE_REQUEST_SLOTS, NULL, NULL), 0);
	before = rss_kib(tm.pid);
	for (unsigned i = 0; i < READS; i++)
		store_send_read(fd, 1000 + i, 0, STORE_REQUEST_SLOTS);
	length = pack_writes(bytes, WRITES);
	sent = send_what_is_taken(fd, bytes, length);
	after = rss_kib(tm.pid);
	assert_true(sent < length / 2);
	if (after > before + GROWTH_KIB_MAX)
		fail_msg("from %llu to %llu KiB", (unsigned long long)before,
			 (unsigned long long)after);
	for (unsigned i = 0; i < READS; i++) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(STORE_BYTES));
		answer_free(&a);
	}
	client_send_bytes(fd, bytes + sent, length - sent);
	for (unsigned i = 0; i < WRITES; i++)
		client_expect_ok(fd, 1 + i);
	close(fd);
	free(bytes);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Asks for what it does not read, and writes what must wait for that, until it
 * is heard no more. */
static int leave_lying(const struct testmemd *tm, const uint8_t *bytes,
		       size_t length)
{
	enum { READS = 20 };
	int fd = store_session(tm);

	assert_int_equal(store_open(fd, STORE_REQUEST_SLOTS, NULL, NULL), 0);
	for (unsigned i = 0; i < READS; i++)
		store_send_read(fd, 1000 + i, 0, STORE_REQUEST_SLOTS);
	assert_true(send_what_is_taken(fd, bytes, length) < length);
	return fd;
}

/* What one may leave lying in memd is less where there are many: no more than
 * the longest reply and the longest write.  An honest one is served
 * meanwhile. */
static void many_share_what_one_may_leave(void **state)
{
	enum { CLOGGED = 16, WRITES = 40, EACH_KIB = 4 * 1024 };
	uint8_t *bytes = calloc(WRITES + 1, STORE_REQUEST_SLOTS * SLOT_BYTES);
	size_t length = pack_writes(bytes, WRITES);
	uint64_t before, after;
	int fds[CLOGGED], honest;
	struct testmemd tm;

	(void)state;
	assert_non_null(bytes);
	/* What is freed goes back at once, and is not counted: malloc() would
	 * keep some of it, more or less as it happens. */
	assert_int_equal(setenv("MALLOC_MMAP_THRESHOLD_", "131072", 1), 0);
	store_start(&tm, NULL);
	assert_int_equal(unsetenv("MALLOC_MMAP_THRESHOLD_"), 0);
	honest = store_session(&tm);
	assert_int_equal(store_open(honest, STORE_REQUEST_SLOTS, NULL, NULL),
			 0);
	before = rss_kib(tm.pid);
	for (unsigned i = 0; i < CLOGGED; i++)
		fds[i] = leave_lying(&tm, bytes, length);
	after = rss_kib(tm.pid);
	if (after > before + CLOGGED * EACH_KIB + SLACK_KIB)
		fail_msg("from %llu to %llu KiB", (unsigned long long)before,
			 (unsigned long long)after);
	for (uint32_t slot = 0; slot < STORE_REQUEST_SLOTS; slot += 8)
		store_write_version(honest, slot, 8, 2);
	for (uint32_t slot = 0; slot < STORE_REQUEST_SLOTS; slot += 8)
		store_expect(honest, slot, 8, 2);
	for (unsigned i = 0; i < CLOGGED; i++)
		close(fds[i]);
	close(honest);
	free(bytes);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Many small writes at once, answers read only at the end. */
static void who_is_fast_is_not_closed(void **state)
{
	enum { WRITES = 20000 };
	static const uint8_t bytes[SLOT_BYTES] = "fast";
	struct testmemd tm;
	int fd;

	(void)state;
	store_start(&tm, NULL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, 64, NULL, NULL), 0);
	for (uint32_t i = 0; i < WRITES; i++)
		store_send_write(fd, 1 + i, i % 64, 1, bytes);
	for (uint32_t i = 0; i < WRITES; i++) {
		struct answer a;

		assert_true(store_try_receive(fd, &a));
		assert_int_equal(a.header.type, T(OK));
		answer_free(&a);
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_messages_end_the_connection),
		cmocka_unit_test(wrong_requests_are_refused),
		cmocka_unit_test(drips_are_cut_off),
		cmocka_unit_test(who_does_not_read_waits),
		cmocka_unit_test(payloads_wait_outside),
		cmocka_unit_test(many_share_what_one_may_leave),
		cmocka_unit_test(who_is_fast_is_not_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
