/* SPDX-License-Identifier: MIT */
/* Proves that memory mapped by libmemclient in thread mode keeps its bytes
 * when its pages are taken out and brought back, at every page size, by many
 * threads at once, under mlockall(), and with the program's descriptors
 * closed; that arguments are checked and calls do what they say; and that
 * nothing is left over. */
#include "tests/integration/client_crew.h"
#include "tests/integration/client_helpers.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static struct fake fake;

static void keeps_bytes_at_every_page_size(void **state)
{
	static const uint32_t sizes[] = { 0, 4096, 16384, 65536, 2097152 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct memclient *mc = open_client(&fake, 20000);
		size_t length = 3 * 2097152 - 5000;
		uint8_t *p = map(mc, length, sizes[i], 0);

		for (size_t at = 0; at < length; at += 1000)
			assert_int_equal(p[at], 0);
		fill(p, length);
		fake_evict(&fake);
		verify(p, length);
		fake_evict(&fake);
		p[4096] = 7;
		fake_evict(&fake);
		assert_int_equal(p[4096], 7);
		assert_int_equal(p[4097], byte_at(4097));
		assert_int_equal(memclient_unmap(mc, p), 0);
		memclient_close(mc);
	}
}

static void aged_pages_are_reported_when_touched(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 64 * 4096, 0, 0);
	struct memclient_stats s = { .size = sizeof(s) };
	uint64_t asked;

	(void)state;
	fill(p, 64 * 4096);
	asked = fake.control->fault_pages;
	fake.control->touched_pages = fake.control->touched_faults = 0;
	fake_age(&fake);
	/* Age is on its way; an answered request has come after it. */
	assert_int_equal(memclient_stats(mc, &s), 0);
	verify(p, 64 * 4096);
	assert_int_equal(memclient_stats(mc, &s), 0);
	assert_int_equal(fake.control->fault_pages, asked);
	assert_int_equal(fake.control->touched_pages, 64);
	assert_int_equal(s.faults_minor, 64);
	memclient_close(mc);
}

/* ---- many threads */

enum { THREADS = 6, ROUNDS = 4000 };

static void stress(uint32_t page_size, uint32_t fault_mode)
{
	struct memclient *mc = open_client(&fake, 60000);
	uint8_t *p = map(mc, CREW_PAGES * 4096, page_size, fault_mode);
	struct evictor evictor;
	struct crew crew;

	evictor_start(&evictor, &fake);
	crew_start(&crew, p, THREADS, ROUNDS);
	crew_join(&crew);
	evictor_stop(&evictor);
	memclient_close(mc);
}

static void many_threads_under_eviction(void **state)
{
	(void)state;
	stress(4096, MEMCLIENT_FAULT_THREAD);
	stress(65536, MEMCLIENT_FAULT_THREAD);
}

/* ---- system calls */

static void system_calls_may_use_it(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 16 * 4096, 0, 0);
	int pipes[2];
	ssize_t n;

	(void)state;
	fill(p, 16 * 4096);
	fake_evict(&fake);
	assert_int_equal(pipe(pipes), 0);
	n = write(pipes[1], p + 100, 3 * 4096);
	if (n < 0 && errno == EFAULT) {
		/* No full userfaultfd for this user: as documented. */
		assert_int_equal(memclient_touch(mc, p, 16 * 4096), 0);
		n = write(pipes[1], p + 100, 3 * 4096);
	}
	assert_int_equal(n, 3 * 4096);
	assert_int_equal(read(pipes[0], p + 8 * 4096, 3 * 4096), 3 * 4096);
	for (size_t i = 0; i < 3 * 4096; i++)
		assert_int_equal(p[8 * 4096 + i], byte_at(100 + i));
	close(pipes[0]);
	close(pipes[1]);
	memclient_close(mc);
}

/* ---- calls */

static void advice_and_pins(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 16 * 4096, 0, 0);

	(void)state;
	fill(p, 16 * 4096);
	assert_int_equal(memclient_advise(mc, p, 16 * 4096,
					  MEMCLIENT_ADVICE_PAGEOUT), 0);
	verify(p, 16 * 4096);
	/* Only pages wholly inside lose their bytes. */
	assert_int_equal(memclient_advise(mc, p + 1, 3 * 4096,
					  MEMCLIENT_ADVICE_DONTNEED), 0);
	verify(p, 4096);
	for (size_t i = 4096; i < 3 * 4096; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(p[3 * 4096], byte_at(3 * 4096));
	assert_int_equal(memclient_advise(mc, p + 10, 100,
					  MEMCLIENT_ADVICE_DONTNEED), 0);
	verify(p, 4096);
	assert_int_equal(memclient_pin(mc, p + 5, 5000), 0);
	assert_int_equal(memclient_unpin(mc, p + 5, 5000), 0);
	assert_int_equal(memclient_touch(mc, p, 16 * 4096), 0);
	assert_int_equal(memclient_touch(mc, p, 16 * 4096 + 1), -EINVAL);
	assert_int_equal(memclient_advise(mc, p, 17 * 4096, 0), -EINVAL);
	assert_int_equal(memclient_advise(mc, p - 1, 1, 0), -EINVAL);
	assert_int_equal(memclient_advise(mc, p, SIZE_MAX, 0), -EINVAL);
	assert_int_equal(memclient_advise(mc, p, 1, 99), -EINVAL);
	assert_int_equal(memclient_pin(mc, &mc, 1), -EINVAL);
	assert_string_not_equal(memclient_error(mc), "no error");
	memclient_close(mc);
}

static void addresses_are_checked(void **state)
{
	struct memclient_options o = { .size = 0 };
	struct memclient *mc = NULL;

	(void)state;
	assert_int_equal(memclient_open(fake.address, &o, &mc), -EINVAL);
	assert_non_null(strstr(memclient_error(NULL), "size"));
	assert_int_equal(memclient_open("tcp://host", NULL, &mc), -EINVAL);
	assert_int_equal(memclient_open("", NULL, &mc), -EINVAL);
	assert_int_equal(memclient_open("unix:/nowhere/at/all", NULL, &mc),
			 -ENOENT);
	assert_non_null(strstr(memclient_error(NULL), "/nowhere/at/all"));
	assert_int_equal(memclient_open("unix:@memd-nobody-listens", NULL,
					&mc), -ECONNREFUSED);
	assert_null(mc);
}

static void options_of_maps_are_checked(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	struct memclient_map_options m = { .size = sizeof(m),
					   .page_size = 8192 };
	char longer[sizeof(m) + 8];
	size_t longer_size = sizeof(longer);
	void *p = (void *)1;

	(void)state;
	assert_int_equal(memclient_map(mc, 0, NULL, &p), -EINVAL);
	assert_int_equal(memclient_map(mc, SIZE_MAX, NULL, &p), -EINVAL);
	assert_int_equal(memclient_map(mc, 4096, &m, &p), -EINVAL);
	m.page_size = 0;
	m.fault_mode = 2;
	assert_int_equal(memclient_map(mc, 4096, &m, &p), -EINVAL);
	m.fault_mode = 0;
	memcpy(longer, &m, sizeof(m));
	memset(longer + sizeof(m), 0, 8);
	memcpy(longer, &longer_size, sizeof(longer_size));
	longer[sizeof(m) + 3] = 1;	/* a field from the future, in use */
	assert_int_equal(memclient_map(mc, 4096, (void *)longer, &p), -EINVAL);
	assert_ptr_equal(p, (void *)1);
	longer[sizeof(m) + 3] = 0;
	assert_int_equal(memclient_map(mc, 4096, (void *)longer, &p), 0);
	assert_int_equal(memclient_unmap(mc, (char *)p + 4096), -EINVAL);
	assert_int_equal(memclient_unmap(mc, p), 0);
	assert_int_equal(memclient_unmap(mc, p), -EINVAL);
	memclient_close(mc);
}

static void other_arguments_are_checked(void **state)
{
	struct memclient *mc = open_client(&fake, 20000);
	struct memclient_stats s = { .size = 0 };
	void *p = NULL;

	(void)state;
	assert_int_equal(memclient_stats(mc, &s), -EINVAL);
	assert_int_equal(memclient_stats(NULL, &s), -EINVAL);
	assert_int_equal(memclient_segment_create(mc, "a/b", 1, NULL),
			 -EINVAL);
	assert_int_equal(memclient_segment_create(mc, "", 1, NULL), -EINVAL);
	assert_int_equal(memclient_segment_unlink(mc, "a\nb"), -EINVAL);
	assert_int_equal(memclient_attach(mc, "nobody", NULL, &p, NULL),
			 -ENOENT);
	assert_string_equal(memclient_error(mc), "no such segment");
	memclient_close(mc);
	memclient_close(NULL);
}

static void every_error_has_a_text(void **state)
{
	(void)state;
	assert_non_null(memclient_strerror(INT32_MIN));
	assert_non_null(memclient_strerror(123456));
	assert_string_equal(memclient_strerror(-ENOSPC),
			    memclient_strerror(ENOSPC));
}

/* ---- leaks, many regions */

static size_t count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t count = 0;
	int c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		count += c == '\n';
	fclose(f);
	return count;
}

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

/* Is a thread of the library there?  (A joined one, for a moment longer.) */
static int has_library_thread(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	int found = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 d->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) != NULL)
			found |= strcmp(name, "memclient\n") == 0;
		fclose(f);
	}
	closedir(dir);
	return found;
}

static void one_life(void)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p[40];

	for (size_t i = 0; i < 40; i++) {
		p[i] = map(mc, (i + 1) * 4096, 0, i % 2);
		fill(p[i], (i + 1) * 4096);
	}
	fake_evict(&fake);
	for (size_t i = 0; i < 40; i++) {
		verify(p[i], (i + 1) * 4096);
		if (i % 3 == 0)
			assert_int_equal(memclient_unmap(mc, p[i]), 0);
	}
	memclient_close(mc);
}

static void nothing_is_left_over(void **state)
{
	size_t maps, fds;

	(void)state;
	one_life();
	maps = count_lines("/proc/self/maps");
	fds = count_entries("/proc/self/fd");
	for (unsigned i = 0; i < 20; i++)
		one_life();
	assert_int_equal(count_entries("/proc/self/fd"), fds);
	/* One that another test has left would stay for ever. */
	for (unsigned i = 0; i < 30000 && has_library_thread(); i++)
		usleep(1000);
	assert_false(has_library_thread());
	/* (ThreadSanitizer has some of its own; 20 lives would leave 20.) */
	assert_in_range(count_lines("/proc/self/maps"), 1, maps + 19);
}

/* ---- hostile programs.  Each in a child that opens its own connection. */

static void bytes_survive(uint8_t *p, size_t length)
{
	REQUIRE(p != NULL);
	fill(p, length);
	fake_evict(&fake);
	for (size_t i = 0; i < length; i++)
		REQUIRE(p[i] == byte_at(i));
}

static void close_everything(void)
{
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 64 * 4096, 0, 0);
	uint8_t *q = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	int keep = fake.wake_fd;
	void *r;

	bytes_survive(p, 64 * 4096);
	bytes_survive(q, 64 * 4096);
	syscall(SYS_close_range, keep + 1, ~0u, 0);
	for (int fd = 3; fd < keep; fd++)
		close(fd);
	/* And the numbers are used for something else. */
	for (int i = 0; i < 40; i++)
		REQUIRE(dup(2) >= 0);
	bytes_survive(p, 64 * 4096);
	bytes_survive(q, 64 * 4096);
	REQUIRE(memclient_map(mc, 4096, NULL, &r) == 0);
	bytes_survive(r, 4096);
	memclient_close(mc);
	for (int fd = 3, i = 0; i < 40; fd++)
		if (fd != keep) {
			REQUIRE(close(fd) == 0 || errno == EBADF);
			i++;
		}
}

static void survives_closing_all_descriptors(void **state)
{
	(void)state;
	in_child(close_everything);
}

static void lock_everything(void)
{
	struct memclient *mc;
	uint8_t *p, *q;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		_exit(0);	/* not allowed here: nothing to prove */
	mc = open_client(&fake, 20000);
	p = map(mc, 64 * 4096, 0, 0);
	q = map(mc, 64 * 4096, 65536, MEMCLIENT_FAULT_INLINE);
	for (size_t i = 0; i < 64 * 4096; i += 64)
		REQUIRE(p[i] == 0 && q[i] == 0);
	bytes_survive(p, 64 * 4096);
	bytes_survive(q, 64 * 4096);
	/* Locks, and so brings in, what is there; bells too. */
	fake_evict(&fake);
	REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	for (size_t i = 0; i < 64 * 4096; i++)
		REQUIRE(p[i] == byte_at(i) && q[i] == byte_at(i));
	bytes_survive(p, 64 * 4096);
	bytes_survive(q, 64 * 4096);
	REQUIRE(memclient_unmap(mc, p) == 0);
	memclient_close(mc);
}

static void survives_mlockall(void **state)
{
	(void)state;
	in_child(lock_everything);
}

static void no_descriptors_left(void)
{
	struct rlimit none = { 0, 0 };
	struct memclient *mc = open_client(&fake, 20000);
	uint8_t *p = map(mc, 64 * 4096, 0, 0);
	uint8_t *q = map(mc, 64 * 4096, 0, MEMCLIENT_FAULT_INLINE);

	REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
	bytes_survive(p, 64 * 4096);
	bytes_survive(q, 64 * 4096);
	memclient_close(mc);
}

static void survives_descriptor_limit(void **state)
{
	(void)state;
	in_child(no_descriptors_left);
}

static struct memclient *parents;
static uint8_t *parents_page;

static void use_parents(void)
{
	void *p;
	unsigned char there;

	REQUIRE(memclient_map(parents, 4096, NULL, &p) == -EPERM);
	REQUIRE(memclient_unmap(parents, parents_page) == -EPERM);
	REQUIRE(memclient_touch(parents, parents_page, 1) == -EPERM);
	REQUIRE(mincore(parents_page, 4096, &there) != 0 && errno == ENOMEM);
	memclient_close(parents);
	parents = open_client(&fake, 20000);
	bytes_survive(map(parents, 8 * 4096, 0, 1), 8 * 4096);
	memclient_close(parents);
}

static void a_child_has_nothing(void **state)
{
	(void)state;
	parents = open_client(&fake, 20000);
	parents_page = map(parents, 8 * 4096, 0, 0);
	fill(parents_page, 8 * 4096);
	in_child(use_parents);
	fake_evict(&fake);
	verify(parents_page, 8 * 4096);
	memclient_close(parents);
}

/* ---- signals */

static volatile sig_atomic_t ticks;
static uint8_t *ticked;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
	ticked[(size_t)ticks % 64 * 4096]++;
}

static void signal_handlers_may_fault(void **state)
{
	struct memclient *mc = open_client(&fake, 60000);
	uint8_t *p = map(mc, 64 * 4096, 0, 0);
	struct sigaction sa = { .sa_handler = on_tick,
				.sa_flags = SA_RESTART };
	struct evictor evictor;
	unsigned sum = 0;

	(void)state;
	ticked = map(mc, 64 * 4096, 0, 0);
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
		CLIENT_TEST(&fake, keeps_bytes_at_every_page_size),
		CLIENT_TEST(&fake, aged_pages_are_reported_when_touched),
		CLIENT_TEST(&fake, many_threads_under_eviction),
		CLIENT_TEST(&fake, system_calls_may_use_it),
		CLIENT_TEST(&fake, advice_and_pins),
		CLIENT_TEST(&fake, addresses_are_checked),
		CLIENT_TEST(&fake, options_of_maps_are_checked),
		CLIENT_TEST(&fake, other_arguments_are_checked),
		CLIENT_TEST(&fake, every_error_has_a_text),
		CLIENT_TEST(&fake, nothing_is_left_over),
		CLIENT_TEST(&fake, survives_closing_all_descriptors),
		CLIENT_TEST(&fake, survives_mlockall),
		CLIENT_TEST(&fake, survives_descriptor_limit),
		CLIENT_TEST(&fake, a_child_has_nothing),
		CLIENT_TEST(&fake, signal_handlers_may_fault),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
