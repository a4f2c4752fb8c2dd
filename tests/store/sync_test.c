/* SPDX-License-Identifier: MIT */
/* Proves what is special to the store with threads: its workers take none of
 * the program's signals, fewer of them do, too, and the constructor's failures
 * leave no thread and no descriptor behind.  And the order of requests: demand
 * reads find a worker while writes and readahead are under way, earlier classes
 * go first, and none waits for ever.
 *
 * The program has its own pread() and pwrite(), which wait where a test says
 * so. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	SLOTS = SWAP_FILE_SLOTS,
	THREADS = 5,
	NOBODY = 65534,
	USER_ALONE = 1894236117,	/* has no other process */
	NOT_ROOT = 99,
};

static int open_medium(void)
{
	int fd = memfd_create("memd-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)SLOTS * SWAP_SLOT_BYTES), 0);
	return fd;
}

static int lowest_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void test_arguments(void **state)
{
	struct swapstore *st = NULL;

	(void)state;
	assert_int_equal(store_sync_create(0, 1, &st), -EINVAL);
	assert_int_equal(store_sync_create(SLOTS, 0, &st), -EINVAL);
	assert_int_equal(store_sync_create(SLOTS, 65, &st), -EINVAL);
	assert_null(st);
}

/* The set of blocked signals of one of our threads, from its status file. */
static uint64_t blocked_signals(const char *tid)
{
	char path[300], line[256];
	uint64_t blocked = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoull(line + 7, NULL, 16);
	fclose(file);
	return blocked;
}

static bool is_worker(const char *tid)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	file = fopen(path, "re");
	assert_non_null(file);
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "memd-swap\n") == 0;
}

static void test_workers_block_signals(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1,
				       SIGCHLD, SIGPIPE, SIGALRM, SIGXFSZ };
	struct swapstore *st;
	sigset_t before, after;
	DIR *dir;
	const struct dirent *entry;
	unsigned workers = 0;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(store_sync_create(SLOTS, THREADS, &st), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < NSIG; sig++)
		assert_int_equal(sigismember(&before, sig),
				 sigismember(&after, sig));

	dir = opendir("/proc/self/task");
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		uint64_t blocked;

		if (entry->d_name[0] == '.' || !is_worker(entry->d_name))
			continue;
		workers++;
		blocked = blocked_signals(entry->d_name);
		for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
			assert_true(blocked >> (signals[i] - 1) & 1);
	}
	closedir(dir);
	assert_int_equal(workers, THREADS);
	swapstore_destroy(st);
}

static int create_without_threads(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct swapstore *st = NULL;
	int before = lowest_descriptor();

	(void)arg;
	/* The limit does not bind root. */
	if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
	    (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return 1;
	if (store_sync_create(SLOTS, THREADS, &st) != -EAGAIN)
		return 2;
	return st == NULL && lowest_descriptor() == before ? 0 : 3;
}

static void test_no_threads_to_be_had(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(create_without_threads, NULL), 0);
}

/* Room for one: the worker counts as the process does. */
static int create_with_few_threads(void *arg)
{
	struct rlimit few = { 3, 3 };
	struct swapstore *st = NULL;
	char *buffer = buffer_create(SWAP_SLOT_BYTES);
	int result = 0;

	(void)arg;
	if (setrlimit(RLIMIT_NPROC, &few) != 0 ||
	    setresuid(USER_ALONE, USER_ALONE, USER_ALONE) != 0)
		return NOT_ROOT;
	if (store_sync_create(SLOTS, THREADS, &st) != 0 ||
	    swapstore_add_file(st, 0, SLOTS, open_medium()) != 0)
		return 2;
	if (store_sync_threads(st) == 0 || store_sync_threads(st) >= THREADS)
		result = 3;
	pattern_fill(buffer, 0, 1, 1);
	if (store_do(st, true, 0, 1, buffer) != 0)
		result = 4;
	swapstore_destroy(st);
	return result;
}

static void test_few_threads_do(void **state)
{
	int result;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_case("ThreadSanitizer's own thread counts, too");
#endif
	result = run_in_child(create_with_few_threads, NULL);
	if (result == NOT_ROOT)
		skip_case("may not be another user");
	assert_int_equal(result, 0);
}

/* It needs two. */
static int create_with_few_descriptors(void *arg)
{
	struct swapstore *st = NULL;
	int before = lowest_descriptor();

	(void)arg;
	for (int room = 1; room >= 0; room--) {
		struct rlimit few = { (rlim_t)(before + room),
				      (rlim_t)(before + room) };

		if (setrlimit(RLIMIT_NOFILE, &few) != 0)
			return 1;
		if (store_sync_create(SLOTS, 1, &st) != -EMFILE || st != NULL)
			return 2;
		if (room != 0 && lowest_descriptor() != before)
			return 3;
	}
	return 0;
}

static void test_no_descriptors_to_be_had(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(create_with_few_descriptors, NULL), 0);
}

/* ---- the order of requests */

/* Which slots the requests of a class use. */
static const uint32_t first_slot[SWAP_CLASSES + 1] = { 0, 64, 128, SLOTS };

/* Where transfers wait. */
static struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_held[SWAP_CLASSES];
	unsigned inside[SWAP_CLASSES], most_inside[SWAP_CLASSES];
	unsigned most_background;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER };

static void gate_open(void)
{
	pthread_mutex_lock(&gate.lock);
	memset(gate.is_held, 0, sizeof(gate.is_held));
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

/* Nothing is under way. */
static void gate_close(enum swap_class class)
{
	pthread_mutex_lock(&gate.lock);
	gate.is_held[class] = true;
	memset(gate.most_inside, 0, sizeof(gate.most_inside));
	gate.most_background = 0;
	pthread_mutex_unlock(&gate.lock);
}

/* With the patience of store_wait_one(). */
static void gate_await(enum swap_class class, unsigned count)
{
	struct timespec until;
	bool is_there;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&gate.lock);
	while (gate.inside[class] < count &&
	       pthread_cond_timedwait(&gate.changed, &gate.lock, &until) == 0)
		continue;
	is_there = gate.inside[class] >= count;
	pthread_mutex_unlock(&gate.lock);
	if (!is_there)
		fail_msg("class %d never begins %u requests", class, count);
}

static void gate_pass(off_t offset)
{
	uint32_t slot = (uint32_t)(offset / SWAP_SLOT_BYTES);
	unsigned c = 0, background;

	while (slot >= first_slot[c + 1])
		c++;
	pthread_mutex_lock(&gate.lock);
	gate.inside[c]++;
	gate.most_inside[c] = MAX(gate.most_inside[c], gate.inside[c]);
	background = gate.inside[SWAP_AHEAD] + gate.inside[SWAP_WRITE];
	gate.most_background = MAX(gate.most_background, background);
	pthread_cond_broadcast(&gate.changed);
	while (gate.is_held[c])
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.inside[c]--;
	pthread_mutex_unlock(&gate.lock);
}

ssize_t __real_pread(int fd, void *to, size_t length, off_t offset);
ssize_t __real_pwrite(int fd, const void *from, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *from, size_t length, off_t offset);

ssize_t __wrap_pread(int fd, void *to, size_t length, off_t offset)
{
	gate_pass(offset);
	return __real_pread(fd, to, length, offset);
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t length, off_t offset)
{
	gate_pass(offset);
	return __real_pwrite(fd, from, length, offset);
}

enum { BUFFERS = 512 };			/* more than the queue takes */

struct ordered {
	struct swapstore *st;
	char *buffer;			/* [BUFFERS], used in turn */
	unsigned next_buffer;
	int fd;
	uint32_t next[SWAP_CLASSES];
};

static void ordered_init(struct ordered *od, unsigned threads)
{
	*od = (struct ordered){
		.buffer = buffer_create(BUFFERS * SWAP_SLOT_BYTES),
		.fd = open_medium(),
	};
	assert_int_equal(store_sync_create(SLOTS, threads, &od->st), 0);
	assert_int_equal(swapstore_add_file(od->st, 0, SLOTS, od->fd), 0);
}

static void ordered_fini(struct ordered *od)
{
	swapstore_destroy(od->st);
	close(od->fd);
	buffer_destroy(od->buffer, BUFFERS * SWAP_SLOT_BYTES);
}

static void *next_buffer(struct ordered *od)
{
	return od->buffer + (size_t)(od->next_buffer++ % BUFFERS) *
			    SWAP_SLOT_BYTES;
}

/* `count` requests of a class, of one slot each; the cookie is the class. */
static void ask(struct ordered *od, enum swap_class class, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t slots = first_slot[class + 1] - first_slot[class];
		struct swap_io io = {
			.cookie = class,
			.buffer = next_buffer(od),
			.slot = first_slot[class] + od->next[class]++ % slots,
			.slot_count = 1,
			.is_write = class == SWAP_WRITE,
			.is_ahead = class == SWAP_AHEAD,
		};

		assert_int_equal(swapstore_submit(od->st, &io), 0);
	}
}

static void flush(struct ordered *od)
{
	assert_int_equal(swapstore_flush(od->st), 0);
}

/* The next to end is of this class. */
static void expect(struct ordered *od, enum swap_class class)
{
	struct swap_done done = store_wait_one(od->st);

	assert_int_equal(done.result, 0);
	assert_int_equal(done.cookie, class);
	assert_int_equal(swap_class_of(done.is_write, done.is_ahead), class);
}

/* Nothing of what is held ends, but demand reads do, however much is queued
 * before them.  Half of the workers write, and one is for demand alone. */
static void test_demand_finds_a_worker(void **state)
{
	static const struct {
		unsigned threads, writers, background;
	} counts[] = { { 4, 2, 3 }, { 2, 1, 1 }, { 5, 2, 4 }, { 64, 32, 63 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned ahead = counts[i].background - counts[i].writers;
		struct ordered od;

		ordered_init(&od, counts[i].threads);
		gate_close(SWAP_WRITE);
		gate_close(SWAP_AHEAD);
		ask(&od, SWAP_WRITE, 64);
		flush(&od);
		gate_await(SWAP_WRITE, counts[i].writers);
		ask(&od, SWAP_DEMAND, 1);
		flush(&od);
		expect(&od, SWAP_DEMAND);
		ask(&od, SWAP_AHEAD, 70);
		flush(&od);
		gate_await(SWAP_AHEAD, ahead);
		ask(&od, SWAP_DEMAND, 50);
		flush(&od);
		for (int n = 0; n < 50; n++)
			expect(&od, SWAP_DEMAND);
		assert_int_equal(od.st->in_flight, 64 + 70);
		gate_open();
		while (od.st->in_flight > 0)
			assert_int_equal(store_wait_one(od.st).result, 0);
		/* Readahead may have had the writers' room after that. */
		assert_int_equal(gate.most_inside[SWAP_WRITE],
				 counts[i].writers);
		assert_int_equal(gate.most_background, counts[i].background);
		ordered_fini(&od);
	}
}

static void test_earlier_classes_first(void **state)
{
	struct ordered od;

	(void)state;
	ordered_init(&od, 1);
	for (int round = 0; round < 20; round++) {
		gate_close(SWAP_AHEAD);
		ask(&od, SWAP_AHEAD, 1);
		flush(&od);
		gate_await(SWAP_AHEAD, 1);
		/* The one worker is busy: these wait. */
		ask(&od, SWAP_WRITE, 2);
		flush(&od);
		ask(&od, SWAP_AHEAD, 2);
		ask(&od, SWAP_DEMAND, 1);
		flush(&od);
		ask(&od, SWAP_DEMAND, 1);
		flush(&od);
		gate_open();
		expect(&od, SWAP_AHEAD);
		for (unsigned c = 0; c < SWAP_CLASSES; c++)
			for (int n = 0; n < 2; n++)
				expect(&od, (enum swap_class)c);
	}
	ordered_fini(&od);
}

/* One worker, more demand reads than it ever gets done: the others have their
 * turns all the same. */
static void test_no_class_waits_for_ever(void **state)
{
	unsigned passed[SWAP_CLASSES] = { 0 }, turns[SWAP_CLASSES] = { 0 };
	struct ordered od;

	(void)state;
	ordered_init(&od, 1);
	gate_close(SWAP_AHEAD);
	ask(&od, SWAP_AHEAD, 1);
	flush(&od);
	gate_await(SWAP_AHEAD, 1);
	ask(&od, SWAP_WRITE, 5);
	ask(&od, SWAP_AHEAD, 5);
	ask(&od, SWAP_DEMAND, 150);
	flush(&od);
	gate_open();
	expect(&od, SWAP_AHEAD);
	while (od.st->in_flight_of[SWAP_DEMAND] > 0) {
		struct swap_done done = store_wait_one(od.st);

		turns[done.cookie]++;
		for (unsigned c = SWAP_AHEAD; c < SWAP_CLASSES; c++) {
			passed[c] = c == done.cookie ? 0 : passed[c] + 1;
			assert_true(turns[c] == 5 ||
				    passed[c] <= SWAP_TURNS_MAX + 1);
		}
	}
	assert_int_equal(turns[SWAP_AHEAD], 5);
	assert_int_equal(turns[SWAP_WRITE], 5);
	ordered_fini(&od);
}

/* SY2: whatever is under way, all of it ends. */
static void test_no_worker_oversleeps(void **state)
{
	unsigned seed = 5;

	(void)state;
	for (unsigned threads = 1; threads <= 6; threads++) {
		struct ordered od;

		ordered_init(&od, threads);
		for (int round = 0; round < 500; round++) {
			for (unsigned n = (unsigned)rand_r(&seed) % 8; n > 0;
			     n--)
				ask(&od, (enum swap_class)
				    ((unsigned)rand_r(&seed) % SWAP_CLASSES),
				    1);
			flush(&od);
			while (od.st->in_flight > (unsigned)rand_r(&seed) % 20)
				assert_int_equal(store_wait_one(od.st).result,
						 0);
		}
		while (od.st->in_flight > 0)
			assert_int_equal(store_wait_one(od.st).result, 0);
		ordered_fini(&od);
	}
}

/* More of one class than the queue takes; each other one has room. */
static void test_room_for_each_class(void **state)
{
	(void)state;
	for (unsigned c = 0; c < SWAP_CLASSES; c++) {
		struct swap_io io = { .slot_count = 1 };
		struct ordered od;

		ordered_init(&od, 1);
		io.is_write = c == SWAP_WRITE;
		io.is_ahead = c == SWAP_AHEAD;
		io.slot = first_slot[c];
		do
			io.buffer = next_buffer(&od);
		while (swapstore_submit(od.st, &io) == 0);
		for (unsigned other = 0; other < SWAP_CLASSES; other++)
			if (other != c)
				ask(&od, (enum swap_class)other, 32);
		flush(&od);
		while (od.st->in_flight > 0)
			assert_int_equal(store_wait_one(od.st).result, 0);
		ordered_fini(&od);
	}
}

int main(void)
{
	/* The test that forks into a child without threads goes first: some
	 * sanitizers want no threads made after a fork of many. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_no_threads_to_be_had),
		cmocka_unit_test(test_few_threads_do),
		cmocka_unit_test(test_no_descriptors_to_be_had),
		cmocka_unit_test(test_workers_block_signals),
		cmocka_unit_test(test_demand_finds_a_worker),
		cmocka_unit_test(test_earlier_classes_first),
		cmocka_unit_test(test_no_class_waits_for_ever),
		cmocka_unit_test(test_no_worker_oversleeps),
		cmocka_unit_test(test_room_for_each_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
