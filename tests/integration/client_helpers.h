/* SPDX-License-Identifier: MIT */
/* What the tests of libmemclient share: opening, mapping, patterns, and
 * catching SIGBUS. */
#ifndef MEMD_TESTS_CLIENT_HELPERS_H
#define MEMD_TESTS_CLIENT_HELPERS_H

#include "client/include/memclient.h"
#include "tests/integration/client_fake_daemon.h"
#include "tests/skip.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* True in a child that a test has forked: there a failure must end the
 * process, not jump back into cmocka. */
static int is_test_child;

#define FAIL(...)							\
	do {								\
		if (is_test_child) {					\
			dprintf(STDERR_FILENO, __VA_ARGS__);		\
			_exit(1);					\
		}							\
		fail_msg(__VA_ARGS__);					\
	} while (0)

#define REQUIRE(expr)							\
	do {								\
		if (!(expr))						\
			FAIL("%s:%d: %s\n", __FILE__, __LINE__, #expr);	\
	} while (0)

static inline struct memclient *open_client(const struct fake *f,
					    uint32_t timeout_ms)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = timeout_ms };
	struct memclient *mc = NULL;

	if (memclient_open(f->address, &o, &mc) != 0)
		FAIL("%s\n", memclient_error(NULL));
	return mc;
}

static inline uint8_t *map(struct memclient *mc, size_t length,
			   uint32_t page_size, uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .page_size = page_size,
					   .fault_mode = fault_mode };
	void *p = NULL;

	if (memclient_map(mc, length, &o, &p) != 0)
		FAIL("%s\n", memclient_error(mc));
	REQUIRE(p != NULL);
	REQUIRE((uintptr_t)p % (page_size ? page_size : 4096) == 0);
	return p;
}

static inline uint8_t *attach(struct memclient *mc, const char *name,
			      uint32_t fault_mode, uint32_t read_only,
			      size_t *ret_length)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode,
					   .read_only = read_only };
	void *p = NULL;

	if (memclient_attach(mc, name, &o, &p, ret_length) != 0)
		FAIL("%s\n", memclient_error(mc));
	return p;
}

static inline uint8_t byte_at(size_t i)
{
	return (uint8_t)((i * 2654435761u >> 13) + i / 4096 + 1);
}

static inline void fill(uint8_t *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		p[i] = byte_at(i);
}

static inline void verify(const uint8_t *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (p[i] != byte_at(i))
			FAIL("wrong byte %d at %zu\n", p[i], i);
}

/* Run `body` in a child; fail unless it returns. */
static inline void in_child(void (*body)(void))
{
#ifdef __SANITIZE_THREAD__
	(void)body;
	skip_case("no threads in a child, says ThreadSanitizer");
#else
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		is_test_child = 1;
		signal(SIGBUS, SIG_DFL);
		alarm(120);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
#endif
}

/* ---- SIGBUS.  catch_sigbus() is to be called before the first inline
 * region, as memclient.h asks. */

static __thread sigjmp_buf sigbus_back;
static __thread volatile int sigbus_code;

static inline void on_test_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	sigbus_code = info->si_code;
	siglongjmp(sigbus_back, 1);
}

static inline void catch_sigbus(void)
{
	struct sigaction sa = { .sa_sigaction = on_test_sigbus,
				.sa_flags = SA_SIGINFO };

	REQUIRE(sigaction(SIGBUS, &sa, NULL) == 0);
}

/* cmocka puts handlers of its own in place for every test, which is what
 * memclient.h asks a program not to do.  So: the first call installs the test's
 * handler and lets the library put its own before that; every call puts this
 * pair in place. */
static inline void set_handlers(const struct fake *f)
{
	static struct sigaction ours;
	static int is_known;

	if (!is_known) {
		struct memclient *mc;

		catch_sigbus();
		mc = open_client(f, 20000);
		(void)map(mc, 4096, 0, MEMCLIENT_FAULT_INLINE);
		memclient_close(mc);
		REQUIRE(sigaction(SIGBUS, NULL, &ours) == 0);
		is_known = 1;
	}
	REQUIRE(sigaction(SIGBUS, &ours, NULL) == 0);
}

struct client_test {
	const struct fake *fake;
	void (*body)(void **state);
};

static inline void run_client_test(void **state)
{
	const struct client_test *test = *state;

	set_handlers(test->fake);
	test->body(state);
}

#define CLIENT_TEST(fake, body)						\
	{ #body, run_client_test, NULL, NULL,				\
	  &(struct client_test){ fake, body } }

/* The si_code of the SIGBUS that reading *p gives; 0: none, and what was read
 * is in *ret_byte (NULL: not wanted). */
static inline int read_code(const uint8_t *p, uint8_t *ret_byte)
{
	uint8_t byte;

	if (sigsetjmp(sigbus_back, 1) != 0)
		return sigbus_code;
	byte = *(volatile const uint8_t *)p;
	if (ret_byte != NULL)
		*ret_byte = byte;
	return 0;
}

static inline void assert_sigbus(const uint8_t *p)
{
	uint8_t byte = 0;

	if (read_code(p, &byte) == 0)
		FAIL("read %d where SIGBUS was due\n", byte);
}

#endif
