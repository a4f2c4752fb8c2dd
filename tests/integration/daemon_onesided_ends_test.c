/* SPDX-License-Identifier: MIT */
/* Proves what becomes of swap files that end while programs have them open:
 * their room is counted as free when their blocks are, and not before, so that
 * no program fills the disk by keeping what it got.  And: a read that never
 * ends keeps the room of its file, and its user from getting more; the others
 * go on; and when the reader has gone, all is back and nothing is left. */
#include "tests/integration/desk_client.h"
#include "tests/integration/files_segment.h"
#include "tests/integration/helpers_seen.h"
#include "tests/integration/lock_holder.h"
#include "tests/integration/onesided_task.h"
#include "tests/integration/testadmin.h"
#include "tests/skip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#define XFS_MAGIC	0x58465342u

enum {
	MIB = 1 << 20, SWAP = 64 * MIB,
	POLLS_MAX = 6000,
};

static int admin;

static void start_for_all(void)
{
	start("--swap-size=64M", "--log-level=info");
	assert_int_equal(chmod(memd.dir, 0711), 0);
	assert_int_equal(chmod(memd.socket, 0666), 0);
	admin = client_open(&memd, true, NULL);
}

/* ---- asking */

/* What the files of areas have, as memd counts it. */
static uint64_t counted_bytes(void)
{
	Memd__StatusReply *status;
	struct answer a;
	uint64_t bytes;

	client_send(admin, T(STATUS), 9, NULL);
	client_receive(admin, T(STATUS_REPLY), 9, &a);
	status = answer_unpack(&a, &memd__status_reply__descriptor);
	bytes = status->file_slots * UNIT_BYTES;
	memd__status_reply__free_unpacked(status, NULL);
	answer_free(&a);
	return bytes;
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void await_nothing_counted(void)
{
	for (unsigned i = 0; counted_bytes() != 0; i++) {
		assert_true(i < POLLS_MAX);
		usleep(10000);
	}
}

static void await_log(const char *event)
{
	for (unsigned i = 0; testmemd_log_count(&memd, event) == 0; i++) {
		assert_true(i < POLLS_MAX);
		usleep(10000);
	}
}

/* Those that punch may be in this state for a moment. */
static void await_stuck_helpers(unsigned count)
{
	for (unsigned i = 0; helpers_count(memd.pid, 'D') != count; i++) {
		assert_true(i < POLLS_MAX);
		usleep(10000);
	}
}

/* ---- a segment, and a client that gets its files */

static struct desk_client open_with_files(const struct task *t, uid_t uid)
{
	struct desk_client dc = desk_client_open(&memd, uid, 0, true);

	files_make(&dc, t, 0600);
	desk_client_attach(&dc, t->name, false);
	program_expect_good(program_start_as(uid, files_fill, (void *)t));
	files_await(&dc);
	return dc;
}

/* ---- */

/* As often as would fill swap_size several times. */
static void kept_files_have_no_blocks(void **state)
{
	enum { ROUNDS = 5 };
	int kept[ROUNDS * DESK_CLIENT_FILES];
	unsigned count = 0;
	struct task t = files_task("kept");
	char page[UNIT_BYTES];

	(void)state;
	start_for_all();
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct desk_client dc = open_with_files(&t, 0);
		uint64_t bytes = 0;

		for (unsigned i = 0; i < dc.file_count; i++)
			kept[count++] = dup(dc.file[i]);
		for (unsigned i = 0; i < count; i++)
			bytes += bytes_of(kept[i]);
		assert_in_range(bytes, 1, SWAP);
		files_drop(&dc, &t);
	}
	await_nothing_counted();
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(bytes_of(kept[i]), 0);
		assert_true(pread(kept[i], page, 0, 0) == 0);
	}
	expect_nothing_left();
	while (count > 0)
		close(kept[--count]);
	close(admin);
	assert_int_equal(testmemd_stop(&memd), 0);
	model_destroy(t.model);
}

/* A program of somebody else, with memory of its own. */
static void use_little(void *arg)
{
	struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = {
		.model = t->model,
		.area = program_map(mc, 16 * MIB, MEMCLIENT_FAULT_INLINE),
		.count = 16 * MIB / UNIT_BYTES,
		.threads = 2,
		.ops = 2000,
	};

	crew_fill(&crew);
	crew_run(&crew);
	crew_verify(&crew);
	memclient_close(mc);
}

static bool can_be_held(int file)
{
	struct statfs fs;

	assert_int_equal(fstatfs(file, &fs), 0);
	return (unsigned)fs.f_type == EXT4_SUPER_MAGIC ||
	       (unsigned)fs.f_type == XFS_MAGIC;
}

/* Somebody else asks for more than is left; and its owner for anything. */
static void expect_refusals(struct desk_client *other)
{
	struct desk_client owner = desk_client_open(&memd, OWNER, 0, false);

	client_send_create(other->fd, 7, "large", SWAP, 0600);
	client_expect_error(other->fd, 7, ENOSPC, "swap_size");
	await_log("swap-file-held");
	client_send_create(owner.fd, 7, "more", MIB, 0600);
	client_expect_error(owner.fd, 7, EAGAIN, "does not end");
	desk_client_close(&owner);
}

static void expect_all_is_back(struct desk_client *other)
{
	struct desk_client owner = desk_client_open(&memd, OWNER, 0, false);

	await_nothing_counted();
	await_stuck_helpers(0);
	desk_client_map(&owner, BYTES);
	desk_client_close(&owner);
	await_nothing_counted();
	desk_client_map(other, BYTES);
	desk_client_close(other);
}

static void go_on_while_held(const struct task *t, struct desk_client *dc)
{
	int held = dup(dc->file[0]);
	pid_t holder = lock_holder_start_reader(held);
	struct desk_client other = desk_client_open(&memd, STRANGER, 0, false);
	uint64_t bytes = bytes_of(held);
	struct task own = files_task(NULL);

	assert_true(bytes > 0);
	files_drop(dc, t);
	expect_refusals(&other);
	program_expect_good(program_start_as(STRANGER, use_little, &own));
	assert_int_equal(bytes_of(held), bytes);
	assert_true(counted_bytes() >= bytes);
	await_stuck_helpers(1);
	lock_holder_end(holder);
	expect_all_is_back(&other);
	assert_int_equal(bytes_of(held), 0);
	close(held);
	model_destroy(own.model);
}

static void a_read_that_never_ends_keeps_its_room(void **state)
{
	struct task t = files_task("held");
	struct desk_client dc;
	bool is_ext4_or_xfs;

	(void)state;
	if (geteuid() != 0 || lock_holder_check() != 0)
		skip_case("only root can be several users, with userfaultfd "
			  "for faults in the kernel");
	start_for_all();
	dc = open_with_files(&t, OWNER);
	is_ext4_or_xfs = can_be_held(dc.file[0]);
	if (is_ext4_or_xfs)
		go_on_while_held(&t, &dc);
	else
		files_drop(&dc, &t);
	expect_nothing_left();
	close(admin);
	assert_int_equal(testmemd_stop(&memd), 0);
	assert_int_equal(helpers_count(memd.pid, 0), 0);
	model_destroy(t.model);
	if (!is_ext4_or_xfs)
		skip_case("a read locks its file on ext4 and XFS only");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_files_have_no_blocks),
		cmocka_unit_test(a_read_that_never_ends_keeps_its_room),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
