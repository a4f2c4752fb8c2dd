/* SPDX-License-Identifier: MIT */
/* Proves that store_remote and memd understand each other: the swap store of
 * one, kept by the other in a pool a quarter of its size, gives every slot
 * back as it was written last, many requests at once; that a memd that stands
 * still does not keep the other one awake; and that memory of it that fails is
 * the loss of the slots in it, not of others. */
#include "swapstore/store_remote.h"
#include "tests/integration/store_client.h"
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 4096, RUN = 64, RUNS = SLOTS / RUN, PATIENCE_S = 60 };

struct fixture {
	struct testmemd tm;
	struct swapstore *st;
	uint8_t *buffer;		/* of all slots */
};

static void begin(struct fixture *fx)
{
	const char *flags[] = { "--listen-tcp=127.0.0.1:0", "--pool-size=4M",
				NULL };
	char address[64], reason[256] = "";
	struct store_remote_options options = {
		.address = address,
		.slot_count = SLOTS,
	};

	assert_int_equal(testmemd_start(&fx->tm, flags), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 store_port(&fx->tm));
	fx->buffer = buffer_create((size_t)SLOTS * SWAP_SLOT_BYTES);
	if (store_remote_create(&options, &fx->st, reason,
				sizeof(reason)) != 0)
		fail_msg("%s", reason);
}

static void end(struct fixture *fx)
{
	swapstore_destroy(fx->st);
	buffer_destroy(fx->buffer, (size_t)SLOTS * SWAP_SLOT_BYTES);
	assert_int_equal(testmemd_stop(&fx->tm), 0);
}

static void *at(const struct fixture *fx, uint32_t slot)
{
	return fx->buffer + (size_t)slot * SWAP_SLOT_BYTES;
}

/* All slots, as many requests at once as the queue takes. */
static void move_all(struct fixture *fx, bool is_write)
{
	uint32_t submitted = 0, done = 0;

	while (done < RUNS) {
		struct swap_io io = {
			.is_write = is_write,
			.slot = submitted * RUN,
			.slot_count = RUN,
			.buffer = at(fx, submitted * RUN),
			.cookie = submitted,
		};
		int err = submitted == RUNS ? -EAGAIN :
			swapstore_submit(fx->st, &io);

		if (err == 0) {
			submitted++;
			continue;
		}
		assert_int_equal(err, -EAGAIN);
		(void)!swapstore_flush(fx->st);
		assert_int_equal(store_wait_one(fx->st).result, 0);
		done++;
	}
}

static void slots_come_back(void **state)
{
	struct fixture fx;
	int admin;

	(void)state;
	begin(&fx);
	for (uint32_t version = 1; version <= 3; version++) {
		for (uint32_t i = 0; i < SLOTS; i++)
			pattern_fill(at(&fx, i), i, 1, version);
		move_all(&fx, true);
		memset(fx.buffer, 0, (size_t)SLOTS * SWAP_SLOT_BYTES);
		move_all(&fx, false);
		for (uint32_t i = 0; i < SLOTS; i++)
			assert_true(pattern_is(at(&fx, i), i, 1, version));
	}
	admin = client_open(&fx.tm, true, NULL);
	assert_true(client_counter(admin, "evicted") > SLOTS);
	assert_int_equal(client_counter(admin, "guests_opened"), 1);
	assert_int_equal(client_counter(admin, "slow_readers"), 0);
	close(admin);
	end(&fx);
}

static void let_go(struct fixture *fx)
{
	struct swap_done done;

	(void)swapstore_reap(fx->st, &done, 1);
}

/* Discards are due after a moment; while nothing can be sent, that must not
 * keep whoever looks after the store awake. */
static void no_room_is_waited_for(void **state)
{
	enum { ROUNDS = 200, WAIT_MS = 10 };
	struct pollfd pfd = { .events = POLLIN };
	struct fixture fx;
	uint32_t slot = 0;
	int rang = 0;

	(void)state;
	begin(&fx);
	pfd.fd = swapstore_event_fd(fx.st);
	assert_int_equal(kill(fx.tm.pid, SIGSTOP), 0);
	while (slot < SLOTS - 2 * RUN) {
		assert_int_equal(store_do(fx.st, true, slot, RUN,
					  at(&fx, slot)), 0);
		slot += RUN;
	}
	swapstore_discard(fx.st, SLOTS - 1, 1);
	for (int i = 0; i < ROUNDS; i++) {
		rang += poll(&pfd, 1, WAIT_MS);
		let_go(&fx);
	}
	assert_int_equal(kill(fx.tm.pid, SIGCONT), 0);
	assert_true(rang < ROUNDS / 4);
	end(&fx);
}

/* Until memd has all that was written. */
static void settle(struct fixture *fx)
{
	struct store_remote_status rs;

	do {
		wait_readable(swapstore_event_fd(fx->st));
		let_go(fx);
		store_remote_status_get(fx->st, &rs);
	} while (rs.behind_bytes > 0);
}

/* memd's data file of the store, the only one of that size; -1: it may not be
 * opened. */
static int open_data_file(const struct fixture *fx)
{
	char path[64], target[256];
	int fd = -1;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", fx->tm.pid);
	dir = opendir(path);
	while (dir != NULL && fd < 0 && (e = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target,
				       sizeof(target) - 1);
		struct stat st;

		target[n > 0 ? n : 0] = '\0';
		if (strncmp(target, "/memfd:", 7) != 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, 0) != 0 ||
		    st.st_size != (off_t)SLOTS * SWAP_SLOT_BYTES)
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
	}
	if (dir != NULL)
		closedir(dir);
	return fd;
}

/* To memd's kernel-side copies a page that was taken away is like one whose
 * memory has failed: sendmsg() says EFAULT.  The reply is cut off in the middle
 * then; asked for again, the request must fail, or it would be asked for for
 * ever. */
static void memory_that_fails_loses_its_slots(void **state)
{
	enum { COUNT = 16, BAD = 11 };
	struct store_remote_status rs;
	struct fixture fx;
	int admin, file;

	(void)state;
	begin(&fx);
	alarm(PATIENCE_S);
	pattern_fill(fx.buffer, 0, COUNT, 1);
	assert_int_equal(store_do(fx.st, true, 0, COUNT, fx.buffer), 0);
	admin = client_open(&fx.tm, true, NULL);
	settle(&fx);
	file = open_data_file(&fx);
	if (file < 0) {
		alarm(0);
		close(admin);
		end(&fx);
		skip_case("memd's data files cannot be opened here");
	}
	assert_int_equal(fallocate(file, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, BAD * SWAP_SLOT_BYTES,
				   SWAP_SLOT_BYTES), 0);
	close(file);
	assert_int_equal(store_do(fx.st, false, 0, COUNT, at(&fx, COUNT)),
			 -SWAP_ELOST);
	store_remote_status_get(fx.st, &rs);
	assert_int_equal(rs.reconnects, 1);
	/* As the pager does: which of them is it? */
	for (uint32_t i = 0; i < COUNT; i++) {
		memset(at(&fx, COUNT), 0, SWAP_SLOT_BYTES);
		assert_int_equal(store_do(fx.st, false, i, 1, at(&fx, COUNT)),
				 i == BAD ? -SWAP_ELOST : 0);
		if (i != BAD)
			assert_true(pattern_is(at(&fx, COUNT), i, 1, 1));
	}
	store_remote_status_get(fx.st, &rs);
	assert_int_equal(rs.reconnects, 1);
	assert_int_equal(client_counter(admin, "memory_failures"), 1);
	alarm(0);
	close(admin);
	end(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_come_back),
		cmocka_unit_test(memory_that_fails_loses_its_slots),
		cmocka_unit_test(no_room_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
