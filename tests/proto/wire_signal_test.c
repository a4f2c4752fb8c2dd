/* SPDX-License-Identifier: MIT */
/* Proves that framing can be used in a signal handler, where the client's
 * inline faults use it: packing, unpacking and naming inside one give the
 * right result and never call the allocator, in a thread that has used
 * nothing of it before.  (Sanitizers bring their own allocator; there only
 * the results are checked.) */
#include "proto/wire.h"
#include "tests/skip.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static volatile sig_atomic_t in_handler;
static volatile sig_atomic_t allocator_calls;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SEES_ALLOCATOR 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	allocator_calls += in_handler;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocator_calls += in_handler;
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	allocator_calls += in_handler;
	return __libc_realloc(old, size);
}
#else
#define SEES_ALLOCATOR 0
#endif

static struct {
	ssize_t packed_bytes;
	bool unpacked;
	uint64_t page;
	char known_name[16], unknown_name[16];
} seen;

static void frame_and_back(int signal_number)
{
	uint64_t page = 12345;
	uint8_t packed[64], memory[512];
	struct wire_arena arena;
	Memd__Fault fault = MEMD__FAULT__INIT;
	const Memd__Fault *back;

	(void)signal_number;
	in_handler = 1;
	fault.segment = 1;
	fault.n_page = 1;
	fault.page = &page;
	seen.packed_bytes = wire_pack(MEMD__MESSAGE_TYPE__TYPE_FAULT, 1,
				      &fault.base, 0, packed, sizeof(packed));
	wire_arena_init(&arena, memory, sizeof(memory));
	back = (void *)wire_unpack(&memd__fault__descriptor, &arena,
				   packed + WIRE_HEADER_BYTES,
				   (size_t)seen.packed_bytes -
					   WIRE_HEADER_BYTES);
	seen.unpacked = back != NULL && back->n_page == 1;
	if (seen.unpacked)
		seen.page = back->page[0];
	strcpy(seen.known_name, wire_type_name(MEMD__MESSAGE_TYPE__TYPE_FAULT));
	strcpy(seen.unknown_name, wire_type_name(4711));
	in_handler = 0;
}

static void *raise_in_thread(void *arg)
{
	(void)arg;
	pthread_kill(pthread_self(), SIGUSR1);
	return NULL;
}

static void works_in_a_handler_without_the_allocator(void **state)
{
	struct sigaction action = { .sa_handler = frame_and_back };
	pthread_t thread;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, raise_in_thread, NULL),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* segment 2 bytes, pages 2 + 2 bytes */
	assert_int_equal(seen.packed_bytes, WIRE_HEADER_BYTES + 6);
	assert_true(seen.unpacked);
	assert_int_equal(seen.page, 12345);
	assert_string_equal(seen.known_name, "FAULT");
	assert_string_equal(seen.unknown_name, "TYPE 4711");
	assert_int_equal(allocator_calls, 0);
}

/* The check above must be able to fail. */
static void allocator_calls_are_seen(void **state)
{
	void *volatile block;

	(void)state;
	if (!SEES_ALLOCATOR)
		skip_case("sanitizers have an allocator of their own");
	in_handler = 1;
	block = malloc(1);
	in_handler = 0;
	free(block);
	assert_int_equal(allocator_calls, 1);
	allocator_calls = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_in_a_handler_without_the_allocator),
		cmocka_unit_test(allocator_calls_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
