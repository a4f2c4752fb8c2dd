/* SPDX-License-Identifier: MIT */
/* Proves that memory whose pages cannot be had is covered and marked when it is
 * touched, read or write, all of it and nothing else; and that any other SIGBUS
 * ends the process as it would without a guard. */
#include "daemon/system/guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096, LENGTH = 3 * PAGE };

static int file;
static uint8_t *memory;

/* The file has one page: a touch of the others is a SIGBUS, as that of a page
 * is that the kernel does not have.  (In the test itself, not in a fixture:
 * cmocka has handlers of its own, and changes them between the two.) */
static void begin(void)
{
	file = memfd_create("test", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, PAGE), 0);
	memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(guard_init(LENGTH), 0);
}

static void end(void)
{
	guard_fini();
	munmap(memory, LENGTH);
	close(file);
}

static void what_is_there_is_left_alone(void **state)
{
	struct guarded g;

	(void)state;
	begin();
	guard_add(&g, memory, LENGTH);
	memory[5] = 7;
	assert_int_equal(memory[5], 7);
	assert_false(g.is_lost);
	guard_remove(&g);
	end();
}

static void what_is_not_is_covered(void **state)
{
	struct guarded g, other;
	static uint8_t others[LENGTH];

	(void)state;
	guard_add(&other, others, sizeof(others));
	for (unsigned i = 0; i < 2; i++) {
		begin();
		guard_add(&g, memory, LENGTH);
		if (i == 0)
			*(volatile uint8_t *)&memory[PAGE + 1] = 9;
		else
			(void)*(volatile uint8_t *)&memory[LENGTH - 1];
		assert_true(g.is_lost);
		/* All of it can be used now. */
		memset(memory, 1, LENGTH);
		guard_remove(&g);
		end();
	}
	assert_false(other.is_lost);
	guard_remove(&other);
}

static int ending_of_child(void (*body)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void touch_unguarded(void)
{
	memory[PAGE] = 1;
}

static void be_sent_one(void)
{
	kill(getpid(), SIGBUS);
	pause();
}

static void others_have_their_end(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ending_of_child(touch_unguarded), SIGBUS);
	assert_int_equal(ending_of_child(be_sent_one), SIGBUS);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_left_alone),
		cmocka_unit_test(what_is_not_is_covered),
		cmocka_unit_test(others_have_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
