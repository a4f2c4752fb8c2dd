/* SPDX-License-Identifier: MIT */
/* Proves that the room of a store is free when StoreClose is answered, so that
 * another can take it at once, however large it is and however many requests
 * were under way; and that who finds no room, because clients that have gone
 * keep it, is told so, and has it when guest_keep is over. */
#include "tests/integration/store_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SLOTS = 70 * 256,	/* more than half of swap_size */
	RUN = 256, ROUNDS = 12,
};

static void fill(int fd)
{
	size_t length = (size_t)RUN * SLOT_BYTES;
	uint8_t *bytes = malloc(length), *back = malloc(length);

	assert_true(bytes != NULL && back != NULL);
	for (uint32_t slot = 0; slot < SLOTS; slot += RUN) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)(i * 31 + slot / RUN + 1);
		store_write(fd, slot, RUN, bytes);
	}
	store_read(fd, SLOTS - RUN, RUN, back);
	assert_memory_equal(back, bytes, length);
	free(bytes);
	free(back);
}

/* What was asked for before is answered before, one way or another. */
static void expect_ok(int fd, uint64_t id)
{
	struct wire_header header;
	struct answer a;

	do {
		assert_true(store_try_receive(fd, &a));
		header = a.header;
		answer_free(&a);
	} while (header.request_id != id);
	assert_int_equal(header.type, T(OK));
}

static void ok_means_room(void **state)
{
	const char *const flags[] = { "--listen-tcp=127.0.0.1:0", NULL };
	struct testmemd tm;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd = store_session(&tm), next = store_session(&tm);

		assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
		assert_int_equal(store_open(next, SLOTS, NULL, NULL), ENOSPC);
		fill(fd);
		for (uint64_t id = 100; id < 130 && i % 2 != 0; id++)
			store_send_read(fd, id, (uint32_t)(id - 100) * RUN,
					RUN);
		client_send(fd, T(STORE_CLOSE), 9, NULL);
		expect_ok(fd, 9);
		assert_int_equal(store_open(next, SLOTS, NULL, NULL), 0);
		client_send(next, T(STORE_CLOSE), 9, NULL);
		expect_ok(next, 9);
		close(fd);
		close(next);
	}
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Nobody is left to be told, or memd ends before. */
static void nobody_waits_for_the_answer(void **state)
{
	const char *const flags[] = { "--listen-tcp=127.0.0.1:0", NULL };
	struct testmemd tm;
	int admin;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	for (unsigned i = 0; i < 4; i++) {
		int fd = store_session(&tm);

		assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
		fill(fd);
		client_send(fd, T(STORE_CLOSE), 9, NULL);
		close(fd);
		admin = client_open(&tm, true, NULL);
		client_await_counter(admin, "committed_units", 0);
		close(admin);
	}
	for (unsigned i = 0; i < 2; i++) {
		int fd = store_session(&tm);

		assert_int_equal(store_open(fd, SLOTS / 2, NULL, NULL), 0);
		client_send(fd, T(STORE_CLOSE), 9, NULL);
		close(fd);
	}
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* The text of the refusal; free(3) it.  NULL: there is room. */
static char *refusal(int fd)
{
	Memd__StoreOpen open = MEMD__STORE_OPEN__INIT;
	char *text = NULL;
	Memd__Error *error;
	struct answer a;

	open.slot_count = SLOTS;
	client_send(fd, T(STORE_OPEN), 2, &open.base);
	assert_true(client_try_receive(fd, &a));
	if (a.header.type == T(ERROR)) {
		error = answer_unpack(&a, &memd__error__descriptor);
		assert_int_equal(error->code, ENOSPC);
		text = strdup(error->text);
		memd__error__free_unpacked(error, NULL);
	}
	answer_free(&a);
	return text;
}

static void who_keeps_the_room_is_said(void **state)
{
	const char *const flags[] = { "--listen-tcp=127.0.0.1:0",
				      "--guest-keep=2s", NULL };
	unsigned left = 600;
	struct testmemd tm;
	bool is_said = false;
	char *text;
	int fd, next;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	fd = store_session(&tm);
	next = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, NULL), 0);
	text = refusal(next);
	assert_non_null(text);
	assert_null(strstr(text, "guest_keep"));	/* it is there */
	free(text);
	store_write_version(fd, 0, 8, 1);
	close(fd);
	while ((text = refusal(next)) != NULL) {
		is_said = is_said ||
			  (strstr(text, "70.0M of it is kept for guests") &&
			   strstr(text, "guest_keep"));
		free(text);
		assert_int_not_equal(left--, 0);
		usleep(100000);
	}
	assert_true(is_said);
	close(next);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ok_means_room),
		cmocka_unit_test(nobody_waits_for_the_answer),
		cmocka_unit_test(who_keeps_the_room_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
