/* SPDX-License-Identifier: MIT */
/* Proves that nothing a daemon sends makes libmemclient read wrong bytes,
 * hang, crash or leak: whatever it says about a page, the program reads the
 * right bytes or gets SIGBUS; whatever it says in a handshake or about a
 * segment, the call fails with an error and a text. */
#include "tests/integration/client_helpers.h"

#include <dirent.h>

enum { LENGTH = 16 * 4096, SHORT_MS = 1500 };

static struct fake fake;

/* ---- pages */

static const char *const mode_names[FAKE_MODES] = {
	"good", "silent", "close", "garbage", "malformed", "oversized", "eio",
	"busy once", "wild range", "lie once", "lie", "other page", "many fds",
};

/* What is due for a page that is asked for in this mode. */
static int is_served(uint32_t mode)
{
	return mode == FAKE_GOOD || mode == FAKE_BUSY_ONCE ||
	       mode == FAKE_WILD_RANGE || mode == FAKE_LIE_ONCE ||
	       mode == FAKE_OTHER_PAGE || mode == FAKE_MANY_FDS;
}

static void check_page(const uint8_t *p, size_t at, uint32_t mode,
		       uint32_t fault_mode)
{
	uint8_t byte = 0;
	int code = read_code(p + at, &byte);

	if (code != 0 && is_served(mode))
		fail_msg("mode %s, fault mode %u: SIGBUS at %zu",
			 mode_names[mode], fault_mode, at);
	if (code == 0 && !is_served(mode))
		fail_msg("mode %s, fault mode %u: no SIGBUS at %zu",
			 mode_names[mode], fault_mode, at);
	if (code == 0 && byte != byte_at(at))
		fail_msg("mode %s, fault mode %u: %d at %zu",
			 mode_names[mode], fault_mode, byte, at);
}

/* What was in memory is right, unless the daemon has taken it away. */
static void check_present(const uint8_t *p, uint32_t mode)
{
	for (size_t at = 0; at < 4 * 4096; at += 100) {
		uint8_t byte = 0;
		int code = read_code(p + at, &byte);

		if (code != 0 && is_served(mode))
			fail_msg("mode %s: SIGBUS at %zu", mode_names[mode],
				 at);
		if (code == 0 && byte != byte_at(at))
			fail_msg("mode %s: %d at %zu", mode_names[mode], byte,
				 at);
	}
}

/* Pages [0, 4) are in memory, the others are out. */
static void try_mode(uint32_t mode, uint32_t fault_mode)
{
	/* Only the time ends these. */
	uint32_t timeout_ms = mode == FAKE_SILENT || mode == FAKE_LIE ?
			      SHORT_MS : 60000;
	struct memclient *mc = open_client(&fake, timeout_ms);
	uint8_t *p = map(mc, LENGTH, 0, fault_mode);

	fill(p, LENGTH);
	fake_evict(&fake);
	verify(p, 4 * 4096);
	fake.control->mode = mode;
	check_page(p, 7 * 4096 + 5, mode, fault_mode);
	check_present(p, mode);
	check_page(p, 9 * 4096 + 5, mode, fault_mode);
	fake.control->mode = FAKE_GOOD;
	check_present(p, mode);
	memclient_close(mc);
}

static void try_modes(void)
{
	for (uint32_t mode = 0; mode < FAKE_MODES; mode++) {
		try_mode(mode, MEMCLIENT_FAULT_THREAD);
		try_mode(mode, MEMCLIENT_FAULT_INLINE);
	}
}

static void no_answer_makes_wrong_bytes(void **state)
{
	(void)state;
	try_modes();
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
	try_modes();
	fake.control->mailbox = FAKE_MAILBOX_NONE;
}

/* ---- handshakes */

static void try_hello(uint32_t hello, int error, const char *text)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = SHORT_MS };
	struct memclient *mc = NULL;

	fake.control->hello = hello;
	assert_int_equal(memclient_open(fake.address, &o, &mc), error);
	assert_null(mc);
	if (strstr(memclient_error(NULL), text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", memclient_error(NULL),
			 text);
	for (const char *c = memclient_error(NULL); *c != '\0'; c++)
		assert_true(*c >= ' ');
	fake.control->hello = FAKE_HELLO_GOOD;
}

static void bad_handshakes_are_refused(void **state)
{
	(void)state;
	try_hello(FAKE_HELLO_REFUSE, -EAGAIN, "full?[31m, try later");
	try_hello(FAKE_HELLO_VERSION, -EPROTONOSUPPORT, "version 9");
	try_hello(FAKE_HELLO_SILENT, -ETIMEDOUT, "handshake");
	try_hello(FAKE_HELLO_GARBAGE, -EPROTO, "memd");
	try_hello(FAKE_HELLO_EMPTY, -EPROTO, "not a memd");
}

/* ---- segments */

static void bad_data_files_are_refused(void **state)
{
	static const struct {
		uint32_t file;
		int error;
	} cases[] = {
		{ FAKE_FILE_NONE, -EMFILE },
		{ FAKE_FILE_UNSEALED, -EPROTO },
		{ FAKE_FILE_SHORT, -EPROTO },
		{ FAKE_FILE_PIPE, -EPROTO },
		{ FAKE_FILE_ODD_PAGE_SIZE, -EPROTO },
	};
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *q = NULL;

		fake.control->file = cases[i].file;
		assert_int_equal(memclient_map(mc, LENGTH, NULL, &q),
				 cases[i].error);
		assert_null(q);
		fake.control->file = FAKE_FILE_GOOD;
		/* The connection is as good as before. */
		p = map(mc, LENGTH, 0, 0);
		fill(p, LENGTH);
		fake_evict(&fake);
		verify(p, LENGTH);
		assert_int_equal(memclient_unmap(mc, p), 0);
	}
	memclient_close(mc);
}

/* ---- leaks */

static size_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void nothing_leaks(void **state)
{
	size_t fds;

	no_answer_makes_wrong_bytes(state);
	fds = count_entries("/proc/self/fd");
	no_answer_makes_wrong_bytes(state);
	bad_handshakes_are_refused(state);
	bad_data_files_are_refused(state);
	assert_int_equal(count_entries("/proc/self/fd"), fds);
}

static int begin(void **state)
{
	(void)state;
	fake_start(&fake);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(&fake, no_answer_makes_wrong_bytes),
		CLIENT_TEST(&fake, bad_handshakes_are_refused),
		CLIENT_TEST(&fake, bad_data_files_are_refused),
		CLIENT_TEST(&fake, nothing_leaks),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
