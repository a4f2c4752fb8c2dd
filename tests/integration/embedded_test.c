/* SPDX-License-Identifier: MIT */
/* Proves that memory without a daemon, "embedded:", holds every byte in both
 * fault modes with every store, several of them in one process too; that pages
 * are mapped where they were touched, and nowhere else; and that it is a quiet
 * guest: it leaves no descriptor, thread, mapping or file behind, touches no
 * signal, mask or umask of the program, goes on when the program closes all its
 * descriptors or forks, says what is wrong with an address, and shows itself to
 * its user's memctl but gives its memory to nobody. */
#include "tests/integration/client_helpers.h"
#include "tests/odd_file.h"
#include "tests/tier.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

enum { MIB = 1 << 20, MODES = 2 };

#define SMALL "embedded:pool_size=2M,swap_size=8M"

static struct fake none = { .address = SMALL };
static char folder[PATH_MAX];	/* $TMPDIR; empty but for open engines */

static struct memclient *open_at(const char *address)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 60000 };
	struct memclient *mc = NULL;

	if (memclient_open(address, &o, &mc) != 0)
		FAIL("%s: %s\n", address, memclient_error(NULL));
	return mc;
}

static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	REQUIRE(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* ---- bytes */

/* Four times the pool. */
static void bytes_are_right_with(const char *store, uint32_t mode,
				 uint32_t page_size)
{
	bool is_long = tier_is_night();
	size_t length = is_long ? 64 * MIB : 16 * MIB;
	unsigned pool_mib = is_long ? 16 : 4;
	char address[128];
	struct memclient *mc;
	uint8_t *p;

	snprintf(address, sizeof(address),
		 "embedded:pool_size=%uM,swap_size=128M,store=%s", pool_mib,
		 store);
	mc = open_at(address);
	p = map(mc, length, page_size, mode);
	fill(p, length);
	verify(p, length);
	for (size_t i = 0; i < length; i += 12288)
		p[i] = (uint8_t)(byte_at(i) + 1);
	for (size_t i = 0; i < length; i += 12288)
		REQUIRE(p[i] == (uint8_t)(byte_at(i) + 1));
	memclient_close(mc);
}

static void bytes_are_right(void **state)
{
	static const char *const stores[] = { "auto", "sync", "mem" };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (uint32_t mode = 0; mode < MODES; mode++)
			bytes_are_right_with(stores[i], mode,
					     i == 0 ? 4096 : 65536);
}

/* What a thread returns is what it found wrong. */
static void join_all(const pthread_t *thread, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		void *wrong;

		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
}

enum { ENGINES = 4 };

static void *use_one(void *arg)
{
	uint32_t number = (uint32_t)(uintptr_t)arg;
	struct memclient *mc = open_at("embedded:pool_size=4M,swap_size=32M");
	uint64_t *p = (void *)map(mc, 12 * MIB, 0, number % MODES);
	const size_t words = 12 * MIB / sizeof(*p);

	for (uint64_t round = 0; round < 3; round++) {
		const uint64_t mine = (round << 8 | number) << 32;

		for (size_t i = 0; i < words; i++)
			p[i] = mine + i;
		for (size_t i = 0; i < words; i++)
			if (p[i] != mine + i)
				return "wrong word";
	}
	memclient_close(mc);
	return NULL;
}

static void several_at_once(void **state)
{
	pthread_t thread[ENGINES];

	(void)state;
	for (uintptr_t i = 0; i < ENGINES; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_one,
						(void *)i), 0);
	join_all(thread, ENGINES);
}

/* One goes while another is used. */
static void one_of_two_goes(void **state)
{
	struct memclient *a = open_at(SMALL), *b = open_at(SMALL);
	uint8_t *p = map(a, 6 * MIB, 0, 0), *q = map(b, 6 * MIB, 0, 0);

	(void)state;
	fill(p, 6 * MIB);
	fill(q, 6 * MIB);
	memclient_close(a);
	verify(q, 6 * MIB);
	memclient_close(b);
}

/* ---- pages come in where they were touched */

static char watched[64];

/* As `memctl stats` shows it. */
static uint64_t counter(const char *name)
{
	char command[PATH_MAX + 128], line[256], found[64];
	uint64_t value = UINT64_MAX;
	unsigned long long number;
	FILE *out;

	snprintf(command, sizeof(command), "%s --socket=%s stats",
		 MEMCTL_PATH, watched);
	out = popen(command, "re");
	REQUIRE(out != NULL);
	while (fgets(line, sizeof(line), out) != NULL)
		if (sscanf(line, "%63s %llu", found, &number) == 2 &&
		    strcmp(found, name) == 0)
			value = number;
	pclose(out);
	REQUIRE(value != UINT64_MAX);
	return value;
}

static void pages_are_mapped_where_they_are_touched(void **state)
{
	const size_t length = 8 * MIB;
	char address[160];
	struct memclient *mc;
	uint64_t before;
	uint8_t *p;

	(void)state;
	snprintf(watched, sizeof(watched), "@memd-embedded-direct-%d",
		 getpid());
	snprintf(address, sizeof(address), "embedded:pool_size=2M,"
		 "swap_size=16M,readahead=0,socket=%s", watched);
	mc = open_at(address);
	p = map(mc, length, 0, MEMCLIENT_FAULT_THREAD);
	fill(p, length);
	verify(p, length);
	assert_int_equal(counter("pages_mapped"), 0);
	p = map(mc, length, 0, MEMCLIENT_FAULT_INLINE);
	fill(p, length);
	before = counter("pages_mapped");
	verify(p, length);
	assert_in_range(counter("pages_mapped") - before, 100, length / 4096);
	/* The engine sleeps while nobody asks. */
	assert_true(counter("bells_rung") > 0);
	memclient_close(mc);
}

enum { RANDOM_ROUNDS = 200, RANDOM_READS = 500 };

/* The engine is not asked for each page, as memd would not be. */
static void programs_bring_pages_in(void **state)
{
	const size_t length = 8 * MIB;
	struct memclient *mc;
	char address[160];
	unsigned seed = 5;

	(void)state;
	snprintf(watched, sizeof(watched), "@memd-embedded-own-%d", getpid());
	snprintf(address, sizeof(address), "embedded:pool_size=2M,"
		 "swap_size=32M,socket=%s", watched);
	mc = open_at(address);
	for (uint32_t mode = 0; mode < MODES; mode++) {
		uint8_t *p = map(mc, length, 0, mode);
		uint64_t before = counter("faults_one_sided");
		unsigned round = 0;

		fill(p, length);
		while (counter("faults_one_sided") == before &&
		       round++ < RANDOM_ROUNDS)
			for (unsigned i = 0; i < RANDOM_READS; i++) {
				size_t at = (size_t)rand_r(&seed) % length;

				REQUIRE(p[at] == byte_at(at));
			}
		assert_true(counter("faults_one_sided") > before);
	}
	memclient_close(mc);
}

enum { GUESTS = 3 };

/* What comes in for one that has gone must not be found in the next one. */
static void *come_and_go(void *arg)
{
	struct memclient *mc = arg;
	const size_t words = MIB / sizeof(uint64_t);

	for (uint64_t round = 0; round < 30; round++) {
		uint64_t *p = (void *)map(mc, MIB, 0, MEMCLIENT_FAULT_INLINE);
		const uint64_t mine = (uint64_t)(uintptr_t)p ^ round << 48 ^
				      (uint64_t)gettid() << 20;

		for (size_t i = 0; i < words; i += 64)
			p[i] = mine + i;
		for (size_t n = 0, i = 0; n < words / 64; n++) {
			if (p[i] != mine + i)
				return "wrong word";
			i = (i + 64 * 1031) % words;
		}
		REQUIRE(memclient_unmap(mc, p) == 0);
	}
	return NULL;
}

static void regions_come_and_go(void **state)
{
	struct memclient *mc = open_at("embedded:pool_size=2M,swap_size=32M");
	pthread_t thread[GUESTS];

	(void)state;
	for (unsigned i = 0; i < GUESTS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go,
						mc), 0);
	join_all(thread, GUESTS);
	memclient_close(mc);
}

/* As many calls at once as the library makes: each asks for a descriptor. */
enum { CROWD = 48 };

static pthread_barrier_t crowd_barrier;

static void *map_in_a_crowd(void *arg)
{
	struct memclient *mc = arg;

	for (unsigned i = 0; i < 5; i++) {
		uint8_t *p;

		pthread_barrier_wait(&crowd_barrier);
		p = map(mc, 65536, 0, MEMCLIENT_FAULT_INLINE);
		p[0] = 1;
		REQUIRE(memclient_unmap(mc, p) == 0);
	}
	return NULL;
}

static void many_map_at_once(void **state)
{
	struct memclient *mc = open_at("embedded:pool_size=4M,swap_size=64M");
	pthread_t thread[CROWD];

	(void)state;
	pthread_barrier_init(&crowd_barrier, NULL, CROWD);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
						map_in_a_crowd, mc), 0);
	join_all(thread, CROWD);
	pthread_barrier_destroy(&crowd_barrier);
	memclient_close(mc);
}

/* ---- what is left */

struct left {
	unsigned descriptors, threads, mappings, files;
};

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned lines = 0;
	int c;

	REQUIRE(maps != NULL);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

static struct left count_left(unsigned threads_due)
{
	struct left left = { .mappings = count_mappings() };

	/* A thread that has been joined may be in the list for a moment. */
	for (unsigned i = 0; i < 1000; i++) {
		left.threads = count_entries("/proc/self/task");
		if (left.threads <= threads_due)
			break;
		usleep(1000);
	}
	left.descriptors = count_entries("/proc/self/fd");
	left.files = count_entries(folder);
	return left;
}

static void open_and_close(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		struct memclient *mc = open_at(SMALL);
		uint8_t *p = map(mc, 4 * MIB, 0, i % MODES);

		memset(p, 1, 4 * MIB);
		memclient_close(mc);
	}
}

/* The first few may leave what is kept to be used again: cached stacks, arenas
 * of malloc(). */
static void nothing_is_left(void **state)
{
	struct left before, after;

	(void)state;
	open_and_close(8);
	before = count_left(1);
	open_and_close(40);
	after = count_left(before.threads);
	assert_int_equal(after.descriptors, before.descriptors);
	assert_int_equal(after.threads, before.threads);
	/* The sanitizers map memory of their own for new threads. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_in_range(after.mappings, 0, before.mappings + 8);
#endif
	assert_int_equal(after.files, 0);
}

static void a_named_folder_stays_empty(void **state)
{
	char path[PATH_MAX + 8], address[PATH_MAX + 96];
	struct memclient *mc;

	(void)state;
	snprintf(path, sizeof(path), "%s/named", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(address, sizeof(address), SMALL ",swap_dir=%s", path);
	mc = open_at(address);
	memset(map(mc, 4 * MIB, 0, 0), 1, 4 * MIB);
	assert_int_equal(count_entries(path), 0);
	memclient_close(mc);
	assert_int_equal(rmdir(path), 0);
}

static void nothing_is_left_of_the_killed(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		is_test_child = 1;
		memset(map(open_at(SMALL), 4 * MIB, 0, 0), 1, 4 * MIB);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(count_entries(folder), 0);
}

/* ---- descriptors and forks */

static void close_all(void)
{
	struct memclient *mc = open_at(SMALL);
	uint8_t *p = map(mc, 6 * MIB, 0, 0);

	fill(p, 6 * MIB);
	REQUIRE(close_range(0, ~0u, 0) == 0);
	REQUIRE(open("/dev/zero", O_RDONLY | O_CLOEXEC) == 0);
	verify(p, 6 * MIB);
	memclient_close(mc);
	/* And from the beginning. */
	mc = open_at(SMALL);
	p = map(mc, 6 * MIB, 0, MEMCLIENT_FAULT_INLINE);
	fill(p, 6 * MIB);
	verify(p, 6 * MIB);
	memclient_close(mc);
	REQUIRE(fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) < 0);
}

static void descriptors_may_be_closed(void **state)
{
	(void)state;
	in_child(close_all);
}

static struct memclient *parents;

static void use_as_child(void)
{
	void *p;
	struct memclient *mc;

	REQUIRE(memclient_map(parents, 4096, NULL, &p) == -EPERM);
	memclient_close(parents);
	mc = open_at(SMALL);
	p = map(mc, 6 * MIB, 0, 0);
	fill(p, 6 * MIB);
	verify(p, 6 * MIB);
	memclient_close(mc);
}

static void a_fork_does_no_harm(void **state)
{
	uint8_t *p;

	(void)state;
	parents = open_at(SMALL);
	p = map(parents, 6 * MIB, 0, 0);
	fill(p, 6 * MIB);
	in_child(use_as_child);
	verify(p, 6 * MIB);
	fill(p, 6 * MIB);
	verify(p, 6 * MIB);
	memclient_close(parents);
}

/* ---- the program's own */

struct own {
	struct {
		void (*handler)(int);
		int flags;
		uint64_t mask;
	} action[NSIG];
	uint64_t mask;
	mode_t umask;
	struct rlimit files;
	char cwd[PATH_MAX];
};

static uint64_t bits(const sigset_t *set)
{
	uint64_t found = 0;

	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(set, sig) == 1)
			found |= UINT64_C(1) << (sig - 1);
	return found;
}

static void look_at_own(struct own *own)
{
	struct sigaction action;
	sigset_t mask;

	memset(own, 0, sizeof(*own));
	for (int sig = 1; sig < NSIG; sig++) {
		if (sigaction(sig, NULL, &action) != 0)
			continue;
		own->action[sig].handler = action.sa_handler;
		own->action[sig].flags = action.sa_flags;
		own->action[sig].mask = bits(&action.sa_mask);
	}
	REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
	own->mask = bits(&mask);
	own->umask = umask(0);
	umask(own->umask);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &own->files) == 0);
	REQUIRE(getcwd(own->cwd, sizeof(own->cwd)) != NULL);
}

/* All of it has been zeros before it was filled. */
static bool is_same(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct own)) == 0;
}

static volatile sig_atomic_t caught;

static void catch(int sig)
{
	caught = sig;
}

static void signals_are_the_programs(void)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGPIPE };
	static struct own before, during, after;
	struct memclient *mc;
	sigset_t some;
	uint8_t *p;

	for (size_t i = 0; i < 4; i++)
		signal(signals[i], catch);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	REQUIRE(pthread_sigmask(SIG_BLOCK, &some, NULL) == 0);
	umask(0);
	look_at_own(&before);
	mc = open_at(SMALL);
	p = map(mc, 6 * MIB, 0, 0);
	fill(p, 6 * MIB);
	look_at_own(&during);
	REQUIRE(is_same(&before, &during));
	for (size_t i = 0; i < 4; i++) {
		REQUIRE(kill(getpid(), signals[i]) == 0);
		REQUIRE(caught == signals[i]);
		verify(p, 6 * MIB);
	}
	memclient_close(mc);
	look_at_own(&after);
	REQUIRE(is_same(&before, &after));
}

static void signals_stay(void **state)
{
	(void)state;
	in_child(signals_are_the_programs);
}

/* Named, its socket is a path: made without changing the umask that other
 * threads see.  (By bare system calls: ThreadSanitizer takes all tables of
 * descriptors for one, and may crash when a number is used in two of them.) */
static void *look_at_umask(void *arg)
{
	_Atomic int *must_end = arg;
	int fd = (int)syscall(SYS_openat, AT_FDCWD,
			      "/proc/thread-self/status",
			      O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	while (!*must_end) {
		char text[4096] = "";
		const char *line;

		REQUIRE(syscall(SYS_pread64, fd, text, sizeof(text) - 1,
				0L) > 0);
		line = strstr(text, "\nUmask:");
		REQUIRE(line != NULL && strtoul(line + 7, NULL, 8) == 027);
	}
	syscall(SYS_close, fd);
	return NULL;
}

static void umask_stays(void **state)
{
	char address[PATH_MAX + 96];
	mode_t before = umask(027);
	_Atomic int must_end = 0;
	pthread_t thread;

	(void)state;
	snprintf(address, sizeof(address), SMALL ",socket=%s/sock", folder);
	assert_int_equal(pthread_create(&thread, NULL, look_at_umask,
					&must_end), 0);
	for (unsigned i = 0; i < 50; i++)
		memclient_close(open_at(address));
	must_end = 1;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(umask(before), 027);
}

/* The handler that was there first still gets what is not the library's. */
static void sigbus_of_others_is_theirs(void **state)
{
	struct memclient *mc = open_at(SMALL);
	uint8_t *p = map(mc, 6 * MIB, 0, MEMCLIENT_FAULT_INLINE);
	int fd = memfd_create("short", MFD_CLOEXEC);
	uint8_t *q = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	(void)state;
	assert_ptr_not_equal(q, MAP_FAILED);
	fill(p, 6 * MIB);
	assert_sigbus(q);
	verify(p, 6 * MIB);
	munmap(q, 4096);
	close(fd);
	memclient_close(mc);
}

/* ---- errors */

static void errors_are_clear(void **state)
{
	static const struct {
		const char *address;
		int error;		/* 0: any */
		const char *text;
	} rows[] = {
		{ "embedded:nonsense", -EINVAL, "NAME=VALUE" },
		{ "embedded:=1", -EINVAL, "NAME=VALUE" },
		{ "embedded:colour=red", -EINVAL, "\"colour\" is no setting" },
		{ "embedded:pool=8M", -EINVAL, "\"pool\" is no setting; "
		  "memclient(3) has the usual ones, memd.conf(5) all" },
		{ "tcp://127.0.0.1:65537", -EINVAL, "a port is 1 to 65535" },
		{ "embedded:pool_size=lots", -EINVAL, "pool_size: \"lots\" " },
		{ "embedded:pool_size=", -EINVAL, "pool_size: " },
		{ "embedded:pool_size=1K", -EINVAL, "pool_size: " },
		{ "embedded:pool_size=8T", -ENOMEM, "make pool_size smaller" },
		{ "embedded:store=paper", -EINVAL, "store" },
		{ "embedded:swap_dir=/no/such/folder", -ENOENT,
		  "/no/such/folder: does not exist; make it" },
		{ "embedded:swap_dir=relative", -EINVAL,
		  "swap_dir: \"relative\"" },
		{ "embedded:swap_file=/tmp/x", -EINVAL,
		  "swap_file is no setting any more: swap_dir, a folder" },
		{ "embedded:pool_size=2M,low_watermark=50,high_watermark=2",
		  -EINVAL, "watermark" },
		{ "tcp://", -EINVAL, "HOST:PORT" },
		{ "tcp://host:1?pool", -EINVAL, "NAME=VALUE" },
		{ "tcp://host:1?colour=red", -EINVAL, "colour" },
		{ "tcp://127.memd.invalid:1", -EACCES,
		  "(tls_ca, tls_certificate, tls_key), or, where the network "
		  "is trusted, insecure_tcp = yes" },
		{ "tcp://127.100.100.100.memd.invalid:1", -EACCES,
		  "insecure_tcp" },
		{ "tcp://127.0.0.1:1?tls_certificate=/x&tls_key=/y", -EINVAL,
		  "tls_ca: not set; tls_ca, tls_certificate and tls_key go "
		  "together" },
		{ "tcp://127.0.0.1:1?tls_ca=/no/ca&tls_certificate=/x&"
		  "tls_key=/y", -ENOENT, "tls_ca: /no/ca: cannot be read" },
		{ "embeded:", -EINVAL, "not understood" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct memclient *mc = NULL;
		int err = memclient_open(rows[i].address, NULL, &mc);

		if (err >= 0 || mc != NULL ||
		    (rows[i].error != 0 && err != rows[i].error) ||
		    strstr(memclient_error(NULL), rows[i].text) == NULL)
			fail_msg("%s: %d, %s", rows[i].address, err,
				 memclient_error(NULL));
	}
	assert_int_equal(count_entries(folder), 0);
}

static void what_is_no_file_is_refused(void **state)
{
	char odd[128], address[512], part[256];

	(void)state;
	snprintf(odd, sizeof(odd), "%.100s/odd", folder);
	snprintf(address, sizeof(address), "tcp://127.0.0.1:1?tls_ca=%s&"
		 "tls_certificate=%s&tls_key=%s", odd, odd, odd);
	for (unsigned i = 0; i < ODD_FILES; i++) {
		struct memclient *mc = NULL;

		assert_int_equal(odd_file_put(i, odd), 0);
		snprintf(part, sizeof(part), "tls_ca: %s: %s", odd,
			 odd_file_words[i]);
		assert_true(memclient_open(address, NULL, &mc) < 0);
		if (strstr(memclient_error(NULL), part) == NULL)
			fail_msg("%s lacks %s", memclient_error(NULL), part);
	}
	assert_int_equal(remove(odd), 0);
}

/* Who named no folder has not chosen it. */
static void the_folder_for_swap_files_is_told(void **state)
{
	struct memclient *mc = NULL;

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/no/such/folder", 1), 0);
	assert_true(memclient_open(SMALL, NULL, &mc) < 0);
	assert_int_equal(setenv("TMPDIR", folder, 1), 0);
	if (strstr(memclient_error(NULL), "/no/such/folder") == NULL ||
	    strstr(memclient_error(NULL), "; TMPDIR or swap_dir ") == NULL)
		fail_msg("%s", memclient_error(NULL));
	assert_true(memclient_open("embedded:swap_dir=/no/such/folder", NULL,
				   &mc) < 0);
	assert_null(strstr(memclient_error(NULL), "TMPDIR"));
}

/* What is evicted into a file in memory is evicted into memory. */
static void a_folder_in_memory_is_refused(void **state)
{
	static const char parent[] = "/dev/shm";
	struct memclient *mc = NULL;
	struct statfs fs;
	int err;

	(void)state;
	if (statfs(parent, &fs) != 0 || fs.f_type != TMPFS_MAGIC)
		skip_case("%s is no tmpfs", parent);
	assert_int_equal(setenv("TMPDIR", parent, 1), 0);
	err = memclient_open(SMALL, NULL, &mc);
	assert_int_equal(setenv("TMPDIR", folder, 1), 0);
	assert_int_equal(err, -EINVAL);
	if (strstr(memclient_error(NULL), "/dev/shm: is a tmpfs") == NULL ||
	    strstr(memclient_error(NULL), "; TMPDIR or swap_dir say") == NULL)
		fail_msg("%s", memclient_error(NULL));
	/* Also if it was named. */
	assert_int_equal(memclient_open(SMALL ",swap_dir=/dev/shm", NULL, &mc),
			 -EINVAL);
	assert_non_null(strstr(memclient_error(NULL), "/dev/shm: is a tmpfs"));
	assert_null(strstr(memclient_error(NULL), "TMPDIR"));
}

static void too_long_an_address_is_refused(void **state)
{
	static char address[8192];
	struct memclient *mc = NULL;
	int used;

	(void)state;
	snprintf(address, sizeof(address), "embedded:%08000d", 0);
	assert_int_equal(memclient_open(address, NULL, &mc), -EINVAL);
	assert_non_null(strstr(memclient_error(NULL), "longer"));
	used = snprintf(address, sizeof(address), "embedded:");
	for (unsigned i = 0; i < 40; i++)
		used += snprintf(address + used, 16, "pool_size=2M,");
	assert_int_equal(memclient_open(address, NULL, &mc), -EINVAL);
	assert_non_null(strstr(memclient_error(NULL), "more than"));
}

static void requests_name_the_setting(void **state)
{
	struct memclient *mc = open_at(SMALL);
	void *p;

	(void)state;
	assert_int_equal(memclient_map(mc, 64 * MIB, NULL, &p), -ENOSPC);
	assert_non_null(strstr(memclient_error(mc), "make swap_size larger"));
	memclient_close(mc);
}

/* What a program gives as an environment counts as an address. */
static void the_environment_names_it(void **state)
{
	struct memclient *mc = NULL;

	(void)state;
	assert_int_equal(setenv("MEMCLIENT_ADDRESS", SMALL, 1), 0);
	assert_int_equal(memclient_open(NULL, NULL, &mc), 0);
	fill(map(mc, 4 * MIB, 0, 0), 4 * MIB);
	memclient_close(mc);
	assert_int_equal(setenv("MEMCLIENT_ADDRESS", "embedded:pool_size=x", 1),
			 0);
	assert_int_equal(memclient_open(NULL, NULL, &mc), -EINVAL);
	assert_int_equal(unsetenv("MEMCLIENT_ADDRESS"), 0);
	/* By the name of the daemon's setting, but with a word about it. */
	assert_int_equal(setenv("MEMD_SOCKET", SMALL, 1), 0);
	assert_int_equal(memclient_open(NULL, NULL, &mc), 0);
	assert_non_null(strstr(memclient_error(NULL), "MEMCLIENT_ADDRESS"));
	memclient_close(mc);
	assert_int_equal(setenv("MEMD_SOCKET", "embedded:pool_size=x", 1), 0);
	assert_int_equal(memclient_open(NULL, NULL, &mc), -EINVAL);
	assert_non_null(strstr(memclient_error(NULL), "MEMCLIENT_ADDRESS"));
	assert_int_equal(unsetenv("MEMD_SOCKET"), 0);
}

/* ---- seccomp */

/* As the default of containers. */
static void forbid(long call)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, filter };

	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void open_without_unshare(void)
{
	struct memclient *mc;
	struct stat st;
	uint8_t *p;
	char address[PATH_MAX + 96], path[PATH_MAX + 8];

	forbid(SYS_unshare);
	umask(0);
	snprintf(path, sizeof(path), "%s/sock", folder);
	snprintf(address, sizeof(address), SMALL ",socket=%s,socket_mode=0600",
		 path);
	mc = open_at(address);
	REQUIRE(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	p = map(mc, 6 * MIB, 0, 0);
	fill(p, 6 * MIB);
	verify(p, 6 * MIB);
	memclient_close(mc);
	REQUIRE(umask(0) == 0);
}

static void unshare_may_be_forbidden(void **state)
{
	(void)state;
	in_child(open_without_unshare);
}

static void open_without_a_table(void)
{
	struct memclient *mc;

	forbid(SYS_unshare);
	forbid(SYS_close_range);
	REQUIRE(memclient_open(SMALL, NULL, &mc) == -EPERM);
	REQUIRE(strstr(memclient_error(NULL), "close_range(2)") != NULL);
	REQUIRE(strstr(memclient_error(NULL), "seccomp") != NULL);
}

static void a_forbidden_call_is_named(void **state)
{
	(void)state;
	in_child(open_without_a_table);
}

/* ---- who may look, and who may map */

static int run_memctl(const char *command, uid_t uid)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char option[96];

		snprintf(option, sizeof(option), "--socket=%s", watched);
		(void)!freopen("/dev/null", "w", stdout);
		(void)!freopen("/dev/null", "w", stderr);
		if (uid != getuid() && (setgid(uid) != 0 || setuid(uid) != 0))
			_exit(99);
		execl(MEMCTL_PATH, "memctl", option, command, (char *)NULL);
		_exit(98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void map_as_another(void)
{
	struct memclient *mc = NULL;

	REQUIRE(memclient_open(watched, NULL, &mc) == -EACCES);
	REQUIRE(strstr(memclient_error(NULL), "another program") != NULL);
}

static void its_user_may_look_and_nobody_map(void **state)
{
	enum { DENIED = 6, SOMEBODY = 54321 };
	char address[160];
	struct memclient *mc;

	(void)state;
	snprintf(watched, sizeof(watched), "@memd-embedded-test-%d", getpid());
	snprintf(address, sizeof(address), SMALL ",socket=%s", watched);
	mc = open_at(address);
	fill(map(mc, 4 * MIB, 0, 0), 4 * MIB);
	assert_int_equal(run_memctl("status", getuid()), 0);
	assert_int_equal(run_memctl("stats", getuid()), 0);
	assert_int_equal(run_memctl("ps", getuid()), 0);
	if (getuid() == 0)
		assert_int_equal(run_memctl("status", SOMEBODY), DENIED);
	in_child(map_as_another);
	memclient_close(mc);
}

/* The user "nobody" too has memory of its own. */
static void use_as_nobody(void)
{
	enum { NOBODY = 65534 };
	struct memclient *mc;
	uint8_t *p;

	REQUIRE(chmod(folder, 01777) == 0);
	REQUIRE(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	mc = open_at(SMALL);
	p = map(mc, 6 * MIB, 0, MEMCLIENT_FAULT_INLINE);
	fill(p, 6 * MIB);
	verify(p, 6 * MIB);
	memclient_close(mc);
}

static void nobody_may(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip_case("not root");
	in_child(use_as_nobody);
}

/* ---- */

static int make_folder(void)
{
	const char *parent = getenv("TMPDIR");
	struct statfs fs;

	if (parent == NULL || statfs(parent, &fs) != 0 ||
	    fs.f_type == TMPFS_MAGIC)
		parent = "/var/tmp";
	snprintf(folder, sizeof(folder), "%.4000s/embedded_test.XXXXXX",
		 parent);
	if (mkdtemp(folder) == NULL || setenv("TMPDIR", folder, 1) != 0) {
		perror(folder);
		return 1;
	}
	return 0;
}

#define TEST(body) CLIENT_TEST(&none, body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_right),
		TEST(several_at_once),
		TEST(one_of_two_goes),
		TEST(pages_are_mapped_where_they_are_touched),
		TEST(programs_bring_pages_in),
		TEST(regions_come_and_go),
		TEST(many_map_at_once),
		TEST(nothing_is_left),
		TEST(a_named_folder_stays_empty),
		TEST(nothing_is_left_of_the_killed),
		TEST(descriptors_may_be_closed),
		TEST(a_fork_does_no_harm),
		TEST(signals_stay),
		TEST(umask_stays),
		TEST(sigbus_of_others_is_theirs),
		TEST(errors_are_clear),
		TEST(what_is_no_file_is_refused),
		TEST(the_folder_for_swap_files_is_told),
		TEST(a_folder_in_memory_is_refused),
		TEST(too_long_an_address_is_refused),
		TEST(requests_name_the_setting),
		TEST(the_environment_names_it),
		TEST(unshare_may_be_forbidden),
		TEST(a_forbidden_call_is_named),
		TEST(its_user_may_look_and_nobody_map),
		TEST(nobody_may),
	};
	struct memclient *mc = NULL;
	int failed;

	if (make_folder() != 0)
		return 1;
	if (memclient_open(SMALL, NULL, &mc) == -EPERM) {
		fprintf(stderr, "SKIP: %s\n", memclient_error(NULL));
		rmdir(folder);
		return 77;
	}
	memclient_close(mc);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (rmdir(folder) != 0) {
		perror(folder);
		return 1;
	}
	return failed;
}
