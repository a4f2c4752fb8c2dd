/* SPDX-License-Identifier: MIT */
/* Proves that inline regions keep their bytes under eviction, at every page
 * size and with more threads than the mailbox has cells; that faulting threads
 * ask the daemon themselves, in the mailbox, and the library's thread when they
 * cannot: without a mailbox, without a bell, without a cell; and that every
 * other SIGBUS reaches the program's own handler as if the library were not
 * there. */
#include "tests/integration/client_crew.h"
#include "tests/integration/client_helpers.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>

static struct fake fake;

/* The mailbox comes some time after the session has begun.  Wait until threads
 * ask in it. */
static void await_mailbox(struct memclient *mc)
{
	enum { PAGES = 1024 };
	uint8_t *p = map(mc, PAGES * 4096, 0, MEMCLIENT_FAULT_INLINE);
	uint64_t asked = fake.control->cell_faults;

	for (size_t i = 0; fake.control->cell_faults == asked; i++) {
		assert_true(i < PAGES);
		p[i * 4096] = 1;
		usleep(1000);
	}
	assert_int_equal(memclient_unmap(mc, p), 0);
}

static void keeps_bytes_at_every_page_size(void **state)
{
	static const uint32_t sizes[] = { 4096, 16384, 65536, 2097152 };
	size_t length = 2 * 2097152;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct memclient *mc = open_client(&fake, 20000);
		uint8_t *p = map(mc, length, sizes[i], MEMCLIENT_FAULT_INLINE);
		uint64_t asked, rung;

		await_mailbox(mc);
		asked = fake.control->cell_faults;
		rung = fake.control->bells_rung;
		for (size_t at = 0; at < length; at += 1000)
			assert_int_equal(p[at], 0);
		assert_int_equal(fake.control->cell_faults - asked,
				 length / sizes[i]);
		/* The fake daemon sleeps before nearly each. */
		assert_in_range(fake.control->bells_rung - rung, 1,
				length / sizes[i]);
		fill(p, length);
		fake_evict(&fake);
		verify(p, length);
		assert_int_equal(memclient_unmap(mc, p), 0);
		memclient_close(mc);
	}
}

static void touches_are_reported(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	struct memclient_stats s = { .size = sizeof(s) };

	(void)state;
	fill(p, 64 * 4096);
	assert_int_equal(memclient_stats(mc, &s), 0);
	fake.control->touched_pages = fake.control->touched_faults = 0;
	fake_age(&fake);
	assert_int_equal(memclient_stats(mc, &s), 0);
	verify(p, 64 * 4096);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->touched_pages, 64);
	assert_int_equal(s.faults_minor, 64);
	memclient_close(mc);
}

/* ---- threads */

enum { ROUNDS = 1000 };

static void stress(uint32_t page_size)
{
	struct memclient *mc = open_client(&fake, 60000);
	uint8_t *p = map(mc, CREW_PAGES * 4096, page_size,
			 MEMCLIENT_FAULT_INLINE);
	struct evictor evictor;
	struct crew crew;

	evictor_start(&evictor, &fake);
	crew_start(&crew, p, CREW_MAX, ROUNDS);
	crew_join(&crew);
	evictor_stop(&evictor);
	memclient_close(mc);
}

/* What the threads, and the library for them, have done so far. */
struct done {
	uint64_t by_threads, by_library, bells, rings;
};

static struct done done_since(struct done before)
{
	const struct fake_control *c = fake.control;

	return (struct done){
		.by_threads = c->cell_faults - before.by_threads,
		.by_library = c->fault_messages - c->cell_faults -
			      before.by_library,
		.bells = c->bells_rung - before.bells,
		.rings = c->rings - before.rings,
	};
}

static struct done stress_with(enum fake_mailbox mailbox)
{
	struct done before = done_since((struct done){ 0 });

	fake.control->mailbox = mailbox;
	stress(4096);
	stress(65536);
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
	return done_since(before);
}

static void many_threads_ask_in_the_mailbox(void **state)
{
	struct done done = stress_with(FAKE_MAILBOX_GOOD);

	(void)state;
	assert_true(done.by_threads > 0 && done.bells > 0);
}

static void more_threads_than_cells(void **state)
{
	struct done done = stress_with(FAKE_MAILBOX_SMALL);

	(void)state;
	assert_true(done.by_threads > 0 && done.by_library > 0);
}

static void without_a_mailbox_the_thread_helps(void **state)
{
	struct done done = stress_with(FAKE_MAILBOX_NONE);

	(void)state;
	assert_int_equal(done.by_threads, 0);
	assert_true(done.by_library > 0);
}

/* It asks in the mailbox, too, and rings by messages. */
static void without_a_bell_the_thread_helps(void **state)
{
	struct done done = stress_with(FAKE_MAILBOX_WITHOUT_BELL);

	(void)state;
	assert_int_equal(done.bells, 0);
	assert_true(done.by_library > 0 && done.rings > 0);
}

/* ---- signals */

static uint8_t *ticked;
static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
	ticked[(size_t)ticks % 64 * 4096]++;
}

static void signal_handlers_may_fault(void **state)
{
#ifdef __SANITIZE_THREAD__
	(void)state;
	(void)on_tick;
	skip_case("ThreadSanitizer blocks SIGBUS in signal handlers");
#else
	struct memclient *mc = open_client(&fake, 60000);
	uint8_t *p = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	struct sigaction sa = { .sa_handler = on_tick,
				.sa_flags = SA_RESTART };
	struct evictor evictor;
	unsigned sum = 0;

	(void)state;
	ticked = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	ticks = 0;
	sigaction(SIGUSR1, &sa, NULL);
	evictor_start(&evictor, &fake);
	for (unsigned i = 0; i < 2000; i++) {
		raise(SIGUSR1);
		p[i % 64 * 4096]++;
	}
	evictor_stop(&evictor);
	for (size_t i = 0; i < 64; i++)
		sum += ticked[i * 4096];
	assert_int_equal(ticks, 2000);
	assert_int_equal(sum, 2000);
	signal(SIGUSR1, SIG_DFL);
	memclient_close(mc);
#endif
}

static void errno_is_kept(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 16 * 4096, 0, MEMCLIENT_FAULT_INLINE);

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		errno = 4321;
		p[i * 4096] = 1;
		assert_int_equal(errno, 4321);
	}
	memclient_close(mc);
}

static void system_calls_need_a_touch(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 4 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], p, 4096), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(memclient_touch(mc, p, 4 * 4096), 0);
	assert_int_equal(write(pipes[1], p, 4 * 4096), 4 * 4096);
	close(pipes[0]);
	close(pipes[1]);
	memclient_close(mc);
}

/* ---- a SIGBUS that is not ours */

/* Memory whose touch gives SIGBUS: behind the end of a file. */
static uint8_t *broken_memory(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  0);

	REQUIRE(p != MAP_FAILED);
	close(fd);
	return p;
}

static void chains_to_the_programs_handler(void **state)
{
	uint8_t *broken = broken_memory();
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 16 * 4096, 0, MEMCLIENT_FAULT_INLINE);

	(void)state;
	assert_int_equal(read_code(broken, NULL), BUS_ADRERR);
	fill(p, 16 * 4096);
	fake_evict(&fake);
	assert_int_equal(read_code(broken, NULL), BUS_ADRERR);
	verify(p, 16 * 4096);
	memclient_close(mc);
	assert_int_equal(read_code(broken, NULL), BUS_ADRERR);
	munmap(broken, 4096);
}

static void poison_chains_too(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 16 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	struct memclient_stats s = { .size = sizeof(s) };

	(void)state;
	p[0] = 1;
	fake.control->mode = FAKE_EIO;
	assert_sigbus(p + 4096);
	assert_sigbus(p + 4096);
	fake.control->mode = FAKE_GOOD;
	assert_int_equal(p[0], 1);
	assert_int_equal(p[2 * 4096], 0);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(s.pages_lost, 1);
	memclient_close(mc);
}

static void default_action_body(void)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 4096, 0, MEMCLIENT_FAULT_INLINE);
	pid_t pid;
	int status;

	p[0] = 1;
	for (int i = 0; i < 2; i++) {
		pid = fork();
		REQUIRE(pid >= 0);
		if (pid == 0 && i == 0)
			(void)*(volatile uint8_t *)broken_memory();
		if (pid == 0)
			raise(SIGBUS);
		if (pid == 0)
			_exit(0);
		REQUIRE(waitpid(pid, &status, 0) == pid);
		REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	}
	/* The parent is none the worse. */
	p[0]++;
	REQUIRE(p[0] == 2);
	memclient_close(mc);
}

static void without_a_handler_it_kills(void **state)
{
	(void)state;
	in_child(default_action_body);
}

/* In a child of fork() the old addresses are nobody's: when the child maps
 * broken memory there, SIGBUS must not be taken for a fault. */
static struct memclient *parents;
static uint8_t *parents_page;

static void child_reuses_address(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);

	catch_sigbus();
	REQUIRE(mmap(parents_page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		     0) == parents_page);
	assert_sigbus(parents_page);
	memclient_close(parents);
	assert_sigbus(parents_page);
}

static void a_childs_addresses_are_its_own(void **state)
{
	(void)state;
	parents = open_client(&fake, 20000);
	parents_page = map(parents, 4096, 0, MEMCLIENT_FAULT_INLINE);
	parents_page[0] = 5;
	in_child(child_reuses_address);
	fake_evict(&fake);
	assert_int_equal(parents_page[0], 5);
	memclient_close(parents);
}

/* ---- several connections at once */

static void connections_come_and_go(void **state)
{
	struct memclient *stay = open_client(&fake, 60000);
	uint8_t *p = map(stay, CREW_PAGES * 4096, 0, MEMCLIENT_FAULT_INLINE);
	struct crew crew;

	(void)state;
	crew_start(&crew, p, 4, ROUNDS);
	for (unsigned i = 0; i < 30; i++) {
		struct memclient *mc = open_client(&fake, 60000);
		uint8_t *q = map(mc, 8 * 4096, 0, MEMCLIENT_FAULT_INLINE);

		fill(q, 8 * 4096);
		fake_evict(&fake);
		verify(q, 8 * 4096);
		memclient_close(mc);
	}
	crew_join(&crew);
	memclient_close(stay);
}

static void on_a_small_alternate_stack(void **state)
{
	static uint8_t stack[16384];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	stack_t off = { .ss_flags = SS_DISABLE };

	(void)state;
	assert_int_equal(sigaltstack(&ss, NULL), 0);
	for (uint32_t mailbox = FAKE_MAILBOX_NONE;
	     mailbox <= FAKE_MAILBOX_WITHOUT_BELL; mailbox++) {
		struct memclient *mc;
		uint8_t *p;

		fake.control->mailbox = mailbox;
		mc = open_client(&fake, 20000);
		p = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);
		fill(p, 64 * 4096);
		fake_evict(&fake);
		verify(p, 64 * 4096);
		memclient_close(mc);
	}
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
	assert_int_equal(sigaltstack(&off, NULL), 0);
}

static int begin(void **state)
{
	(void)state;
	fake_start(&fake);
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
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
		CLIENT_TEST(&fake, keeps_bytes_at_every_page_size),
		CLIENT_TEST(&fake, touches_are_reported),
		CLIENT_TEST(&fake, many_threads_ask_in_the_mailbox),
		CLIENT_TEST(&fake, more_threads_than_cells),
		CLIENT_TEST(&fake, without_a_mailbox_the_thread_helps),
		CLIENT_TEST(&fake, without_a_bell_the_thread_helps),
		CLIENT_TEST(&fake, signal_handlers_may_fault),
		CLIENT_TEST(&fake, errno_is_kept),
		CLIENT_TEST(&fake, system_calls_need_a_touch),
		CLIENT_TEST(&fake, chains_to_the_programs_handler),
		CLIENT_TEST(&fake, poison_chains_too),
		CLIENT_TEST(&fake, without_a_handler_it_kills),
		CLIENT_TEST(&fake, a_childs_addresses_are_its_own),
		CLIENT_TEST(&fake, connections_come_and_go),
		CLIENT_TEST(&fake, on_a_small_alternate_stack),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
