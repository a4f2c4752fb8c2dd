/* SPDX-License-Identifier: MIT */
/* Proves that a thread of ours has its stack to itself in a program with large
 * thread-local variables, gets no signals, and leaves the starter's mask as it
 * was; detached or not. */
#include "common/thread.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { STACK = 256 * 1024, USED = 128 * 1024, LOCALS = 1024 * 1024 };

static _Thread_local volatile char locals[LOCALS];
static sem_t ended;

static void *use_stack(void *arg)
{
	volatile char used[USED];
	sigset_t mask, *ret_mask = arg;

	for (size_t i = 0; i < USED; i += 64)
		used[i] = 1;
	for (size_t i = 0; i < LOCALS; i += 64)
		locals[i] = used[i % USED];
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	*ret_mask = mask;
	sem_post(&ended);
	return NULL;
}

static void check_mask(const sigset_t *mask)
{
	assert_true(sigismember(mask, SIGTERM));
	assert_true(sigismember(mask, SIGUSR1));
}

static void stack_and_signals_are_its_own(void **state)
{
	sigset_t mask, before, after;
	pthread_t thread;

	(void)state;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(sem_init(&ended, 0, 0), 0);
	assert_int_equal(thread_start(&thread, STACK, use_stack, &mask), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	sem_wait(&ended);
	check_mask(&mask);
	assert_int_equal(thread_start(NULL, STACK, use_stack, &mask), 0);
	sem_wait(&ended);
	check_mask(&mask);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		assert_int_equal(sigismember(&before, sig),
				 sigismember(&after, sig));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stack_and_signals_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
