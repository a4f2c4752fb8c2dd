/* SPDX-License-Identifier: MIT */
/* Proves who gets which segment: private ones go with their session, named
 * ones with their name and the last attachment; owner, group and mode decide
 * as for files; a read-only descriptor cannot write; limits refuse in words
 * with numbers; numbers of dead segments mean nothing. */
#include "tests/integration/daemon_client.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, SKIPPED = 77 };

/* Ids that no account of a test machine has. */
enum { OWNER = 54001, FRIEND = 54002, STRANGER = 54003, GROUP = 54100 };

static struct testmemd memd;
static int admin = -1;

static void receive_created(int fd, uint64_t id)
{
	struct answer a;

	client_receive(fd, T(SEGMENT_REPLY), id, &a);
	assert_int_equal(a.fd, -1);
	answer_free(&a);
}

static void unlink_name(int fd, const char *name)
{
	Memd__SegmentUnlink request = MEMD__SEGMENT_UNLINK__INIT;

	request.name = (char *)name;
	client_send(fd, T(SEGMENT_UNLINK), 61, &request.base);
}

static void detach(int fd, uint32_t segment)
{
	Memd__SegmentDetach request = MEMD__SEGMENT_DETACH__INIT;

	request.segment = segment;
	client_send(fd, T(SEGMENT_DETACH), 62, &request.base);
}

static void send_attach(int fd, const char *name, bool is_read_only)
{
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;

	attach.name = (char *)name;
	attach.has_read_only = true;
	attach.read_only = is_read_only;
	client_send(fd, T(SEGMENT_ATTACH), 63, &attach.base);
}

static void expect_nothing_left(void)
{
	client_await_counter(admin, "committed_units", 0);
	client_await_counter(admin, "free_frames",
			     client_counter(admin, "frame_count"));
	client_await_counter(admin, "free_slots",
			     client_counter(admin, "slot_count"));
}

/* ---- the data file */

static void data_file_is_sealed_and_sparse(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 3 * MIB + 1, 65536, &segment);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(data, &st), 0);
	assert_int_equal(st.st_size, 3 * MIB + 65536);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(ftruncate(data, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(data, 8 * MIB), -1);
	assert_int_equal(errno, EPERM);
	close(data);
	close(fd);
}

static void private_segments_go_with_their_session(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;
	int data = client_map(fd, 4 * MIB, 4096, &segment);
	struct stat st;

	(void)state;
	for (uint64_t page = 0; page < 100; page++) {
		client_send_fault(fd, 5, segment, page);
		assert_int_equal(client_receive_fault(fd, 5, page), 0);
	}
	assert_int_equal(fstat(data, &st), 0);
	/* More than asked for: memd fills ahead of who goes in order. */
	assert_true(st.st_blocks * 512 >= 100 * 4096);
	assert_int_equal(st.st_blocks * 512,
			 4096 * client_counter(admin, "resident_frames"));
	close(fd);
	expect_nothing_left();
	/* Whoever keeps the file finds holes. */
	assert_int_equal(fstat(data, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	close(data);
}

static uint64_t segment_count(int fd)
{
	Memd__StatusReply *status;
	struct answer a;
	uint64_t count;

	client_send(fd, T(STATUS), 9, NULL);
	client_receive(fd, T(STATUS_REPLY), 9, &a);
	status = answer_unpack(&a, &memd__status_reply__descriptor);
	count = status->segments;
	protobuf_c_message_free_unpacked(&status->base, NULL);
	answer_free(&a);
	return count;
}

/* Others are served while a session with many segments lets go of them: one who
 * asks again and again sees some gone and some not.  (Where the machine lets
 * nobody ask meanwhile it is tried once more.) */
static void sessions_end_in_turns(void **state)
{
	enum { MANY = 2048, TRIES = 50 };
	const char *const flags[] = { "--session-segments=4096", NULL };
	struct testmemd tm;
	bool has_seen = false;
	int other;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	other = client_open(&tm, false, NULL);
	for (unsigned i = 0; i < TRIES && !has_seen; i++) {
		int fd = client_open(&tm, false, NULL);
		uint32_t segment;
		uint64_t count;

		for (unsigned k = 0; k < MANY; k++)
			close(client_map(fd, 4096, 4096, &segment));
		close(fd);
		do {
			count = segment_count(other);
			has_seen |= count > 0 && count < MANY;
		} while (count > 0);
	}
	assert_true(has_seen);
	close(other);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void send_private(int fd, uint64_t id, uint64_t length)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	create.length_bytes = length;
	create.page_bytes = 65536;
	create.has_attach = create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), id, &create.base);
}

/* What fits only once can be detached and made again at once, as often as one
 * likes; what will not fit is refused all the same, and who does not wait for
 * the answer harms nobody. */
static void room_that_is_coming_is_waited_for(void **state)
{
	enum { ROUNDS = 100, LENGTH = 60 * MIB, TOUCHED = 128 };
	int fd = client_open(&memd, false, NULL), gone;
	uint32_t segment;

	(void)state;
	close(client_map(fd, LENGTH, 65536, &segment));
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (uint64_t page = 0; page < TOUCHED; page++) {
			client_send_fault(fd, 5, segment, page);
			assert_int_equal(client_receive_fault(fd, 5, page), 0);
		}
		detach(fd, segment);
		client_expect_ok(fd, 62);
		if (i == ROUNDS / 2) {
			send_private(fd, 8, 200 * MIB);
			client_expect_error(fd, 8, ENOSPC, "no room");
		}
		close(client_map(fd, LENGTH, 65536, &segment));
	}
	send_private(fd, 8, LENGTH);
	client_expect_error(fd, 8, ENOSPC, "no room");
	gone = client_open(&memd, false, NULL);
	detach(fd, segment);
	send_private(gone, 8, LENGTH);
	close(gone);
	close(fd);
	expect_nothing_left();
}

static void detached_numbers_mean_nothing(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t first, second;

	(void)state;
	close(client_map(fd, MIB, 4096, &first));
	detach(fd, first);
	client_expect_ok(fd, 62);
	close(client_map(fd, MIB, 4096, &second));
	assert_int_not_equal(first, second);
	client_send_fault(fd, 5, first, 0);
	assert_int_equal(client_receive_fault(fd, 5, 0), EFAULT);
	detach(fd, first);
	client_expect_error(fd, 62, EINVAL, "not attached");
	client_send_range(fd, T(PIN), 6, first, 0, 1);
	client_expect_error(fd, 6, EINVAL, "not attached");
	close(fd);
	expect_nothing_left();
}

static void others_segments_cannot_be_named_by_number(void **state)
{
	int mine = client_open(&memd, false, NULL);
	int yours = client_open(&memd, false, NULL);
	uint32_t segment;

	(void)state;
	close(client_map(mine, MIB, 4096, &segment));
	client_send_fault(yours, 5, segment, 0);
	assert_int_equal(client_receive_fault(yours, 5, 0), EFAULT);
	client_send_advise(yours, 6, segment, 0, 1,
			   MEMD__ADVICE__ADVICE_DONTNEED);
	client_expect_error(yours, 6, EINVAL, "not attached");
	detach(yours, segment);
	client_expect_error(yours, 62, EINVAL, "not attached");
	close(mine);
	close(yours);
}

/* ---- names */

static void named_segments_live_until_unlinked_and_detached(void **state)
{
	int maker = client_open(&memd, false, NULL), user;
	uint32_t segment, again;
	int data;

	(void)state;
	client_send_create(maker, 2, "life", MIB, 0600);
	receive_created(maker, 2);
	close(maker);
	user = client_open(&memd, false, NULL);
	data = client_attach(user, "life", false, &segment);
	client_send_fault(user, 5, segment, 7);
	assert_int_equal(client_receive_fault(user, 5, 7), 0);
	assert_int_equal(pwrite(data, "hello", 5, 7 * 4096), 5);
	close(data);
	detach(user, segment);
	client_expect_ok(user, 62);
	/* Nobody has it, but its name lives, and its bytes. */
	data = client_attach(user, "life", false, &again);
	assert_int_equal(again, segment);
	client_send_fault(user, 5, segment, 7);
	assert_int_equal(client_receive_fault(user, 5, 7), 0);
	{
		char bytes[5];

		assert_int_equal(pread(data, bytes, 5, 7 * 4096), 5);
		assert_memory_equal(bytes, "hello", 5);
	}
	unlink_name(user, "life");
	client_expect_ok(user, 61);
	/* The name is free at once, the memory still there. */
	client_send_fault(user, 5, segment, 8);
	assert_int_equal(client_receive_fault(user, 5, 8), 0);
	send_attach(user, "life", false);
	client_expect_error(user, 63, ENOENT, "life");
	client_send_create(user, 2, "life", 2 * MIB, 0600);
	receive_created(user, 2);
	unlink_name(user, "life");
	client_expect_ok(user, 61);
	close(data);
	close(user);
	expect_nothing_left();
}

static void attachments_are_counted(void **state)
{
	int fd = client_open(&memd, false, NULL);
	uint32_t segment;

	(void)state;
	client_send_create(fd, 2, "twice", MIB, 0600);
	receive_created(fd, 2);
	close(client_attach(fd, "twice", false, &segment));
	close(client_attach(fd, "twice", true, &segment));
	unlink_name(fd, "twice");
	client_expect_ok(fd, 61);
	detach(fd, segment);
	client_expect_ok(fd, 62);
	client_send_fault(fd, 5, segment, 0);
	assert_int_equal(client_receive_fault(fd, 5, 0), 0);
	detach(fd, segment);
	client_expect_ok(fd, 62);
	client_send_fault(fd, 5, segment, 0);
	assert_int_equal(client_receive_fault(fd, 5, 0), EFAULT);
	close(fd);
	expect_nothing_left();
}

static void existing_names_are_shared_or_refused(void **state)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	int fd = client_open(&memd, false, NULL);

	(void)state;
	client_send_create(fd, 2, "exists", MIB, 0600);
	receive_created(fd, 2);
	client_send_create(fd, 3, "exists", MIB - 100, 0600);
	receive_created(fd, 3);
	client_send_create(fd, 4, "exists", 2 * MIB, 0600);
	client_expect_error(fd, 4, EEXIST, "1048576");
	create.name = "exists";
	create.length_bytes = MIB;
	create.has_exclusive = true;
	create.exclusive = true;
	client_send(fd, T(SEGMENT_CREATE), 5, &create.base);
	client_expect_error(fd, 5, EEXIST, "exists");
	unlink_name(fd, "exists");
	client_expect_ok(fd, 61);
	unlink_name(fd, "exists");
	client_expect_error(fd, 61, ENOENT, "exists");
	close(fd);
}

/* Directory services are asked for it beside everything else: until they have
 * answered, memd does not know either. */
static void await_unknown_group(int fd, const char *group)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	uint32_t code = EAGAIN;

	create.length_bytes = 4096;
	create.name = (char *)"a";
	create.group = (char *)group;
	while (code == EAGAIN) {
		Memd__Error *error;
		struct answer a;

		client_send(fd, T(SEGMENT_CREATE), 9, &create.base);
		client_receive(fd, T(ERROR), 9, &a);
		error = answer_unpack(&a, &memd__error__descriptor);
		code = error->code;
		memd__error__free_unpacked(error, NULL);
		answer_free(&a);
		usleep(1000);
	}
	assert_int_equal(code, EINVAL);
}

static void wrong_wishes_are_refused_in_words(void **state)
{
	static const struct {
		uint64_t length;
		uint32_t page, mode;
		const char *name, *group, *part;
		bool attach;
	} rows[] = {
		{ 0, 4096, 0600, "a", "", "length", false },
		{ SEGMENT_BYTES_MAX + 1, 4096, 0600, "a", "", "16 TiB", false },
		{ UINT64_MAX, 4096, 0600, "a", "", "16 TiB", false },
		{ 1, 0, 0600, "a", "", "page_bytes", false },
		{ 1, 8192, 0600, "a", "", "page_bytes", false },
		{ 1, UINT32_MAX, 0600, "a", "", "page_bytes", false },
		{ 1, 4096, 01777, "a", "", "mode", false },
		{ 1, 4096, 0600, "a/b", "", "name", false },
		{ 1, 4096, 0600, "a\nb", "", "name", false },
		{ 1, 4096, 0600, "a", "no-such-group-here", "group", false },
		{ 1, 4096, 0600, "a", "99999999999", "group", false },
		{ 1, 4096, 0600, "", "", "attached at once", false },
	};
	int fd = client_open(&memd, false, NULL);

	(void)state;
	await_unknown_group(fd, "no-such-group-here");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

		create.length_bytes = rows[i].length;
		create.has_page_bytes = create.has_mode = true;
		create.page_bytes = rows[i].page;
		create.mode = rows[i].mode;
		create.name = (char *)rows[i].name;
		create.group = (char *)rows[i].group;
		create.has_attach = true;
		create.attach = rows[i].attach;
		client_send(fd, T(SEGMENT_CREATE), 10 + i, &create.base);
		client_expect_error(fd, 10 + i, EINVAL, rows[i].part);
	}
	close(fd);
}

static void long_names_are_refused(void **state)
{
	char name[400];
	int fd = client_open(&memd, false, NULL);

	(void)state;
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	client_send_create(fd, 2, name, 4096, 0600);
	receive_created(fd, 2);
	unlink_name(fd, name);
	client_expect_ok(fd, 61);
	name[255] = 'n';
	name[256] = '\0';
	client_send_create(fd, 2, name, 4096, 0600);
	client_expect_error(fd, 2, EINVAL, "255");
	send_attach(fd, name, false);
	client_expect_error(fd, 63, EINVAL, "255");
	close(fd);
}

static void administrators_map_nothing(void **state)
{
	(void)state;
	client_send_create(admin, 2, "admin", 4096, 0600);
	client_expect_error(admin, 2, EPERM, "administration");
}

/* ---- read-only */

/* Open the file behind `data` again for writing, as another user than memd's:
 * its mode must say no.  Root as memd's own user may do as it likes. */
static void expect_no_way_back(int data)
{
	char path[64];
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", data);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(setgid(1234) != 0 || setuid(1234) != 0 ||
		      open(path, O_RDWR) >= 0 || errno != EACCES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void read_only_cannot_write(void **state)
{
	int maker = client_open(&memd, false, NULL);
	int reader = client_open(&memd, false, NULL);
	uint32_t segment;
	int data;

	(void)state;
	client_send_create(maker, 2, "read-only", MIB, 0644);
	receive_created(maker, 2);
	data = client_attach(reader, "read-only", true, &segment);
	assert_int_equal(fcntl(data, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(pwrite(data, "x", 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			      data, 0), MAP_FAILED);
	assert_int_equal(errno, EACCES);
	expect_no_way_back(data);
	client_send_fault(reader, 5, segment, 0);
	assert_int_equal(client_receive_fault(reader, 5, 0), 0);
	client_send_advise(reader, 6, segment, 0, 1,
			   MEMD__ADVICE__ADVICE_DONTNEED);
	client_expect_error(reader, 6, EACCES, "read-only");
	/* Its user may write, so it may keep others from dropping them. */
	client_send_range(reader, T(PIN), 8, segment, 0, 1);
	client_expect_ok(reader, 8);
	client_send_range(reader, T(UNPIN), 9, segment, 0, 1);
	client_expect_ok(reader, 9);
	/* Advice that would only slow the others down is not heard. */
	client_send_advise(reader, 7, segment, 0, 1,
			   MEMD__ADVICE__ADVICE_PAGEOUT);
	client_expect_ok(reader, 7);
	assert_int_equal(client_counter(admin, "resident_frames"), 1);
	assert_int_equal(client_counter(admin, "evicted"), 0);
	unlink_name(maker, "read-only");
	client_expect_ok(maker, 61);
	close(data);
	close(reader);
	close(maker);
	expect_nothing_left();
}

/* ---- permissions */

/* Run `body` in a child as uid, gid with one supplementary group. */
static void as_user(uid_t uid, gid_t gid, gid_t extra,
		    void (*body)(const void *), const void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setgroups(1, &extra) != 0 || setgid(gid) != 0 ||
		    setuid(uid) != 0)
			_exit(SKIPPED);
		body(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child: leave with a status instead of cmocka's long jump. */
static void check(bool is_right, int status)
{
	if (!is_right)
		_exit(status);
}

static bool is_granted(int fd, const char *name, bool is_read_only)
{
	struct answer a;
	bool granted;

	send_attach(fd, name, is_read_only);
	check(client_try_receive(fd, &a), 10);
	granted = a.header.type == T(SEGMENT_REPLY);
	if (!granted) {
		Memd__Error *error = answer_unpack(&a,
						   &memd__error__descriptor);

		check(error->code == EACCES, 11);
		memd__error__free_unpacked(error, NULL);
	}
	answer_free(&a);
	return granted;
}

struct matrix_row {
	const char *name;
	uint32_t mode;
	bool owner_reads, owner_writes, group_reads, group_writes,
	     other_reads, other_writes;
};

static const struct matrix_row matrix[] = {
	{ "m0600", 0600, true, true, false, false, false, false },
	{ "m0400", 0400, true, false, false, false, false, false },
	{ "m0640", 0640, true, true, true, false, false, false },
	{ "m0660", 0660, true, true, true, true, false, false },
	{ "m0604", 0604, true, true, false, false, true, false },
	{ "m0666", 0666, true, true, true, true, true, true },
	{ "m0060", 0060, false, false, true, true, false, false },
	{ "m0200", 0200, false, false, false, false, false, false },
	{ "m0000", 0000, false, false, false, false, false, false },
};

static void make_matrix(const void *arg)
{
	int fd = client_open(&memd, false, NULL);

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
		char group[16];
		struct answer a;

		snprintf(group, sizeof(group), "%d", GROUP);
		create.length_bytes = 4096;
		create.name = (char *)matrix[i].name;
		create.has_mode = true;
		create.mode = matrix[i].mode;
		create.group = group;
		client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
		check(client_try_receive(fd, &a), 20);
		check(a.header.type == T(SEGMENT_REPLY), 21);
		answer_free(&a);
	}
}

static void try_matrix(const void *arg)
{
	const char *who = arg;
	int fd = client_open(&memd, false, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		const struct matrix_row *m = &matrix[i];
		bool reads = *who == 'o' ? m->owner_reads :
			     *who == 'g' ? m->group_reads : m->other_reads;
		bool writes = *who == 'o' ? m->owner_writes :
			      *who == 'g' ? m->group_writes :
					    m->other_writes;

		check(is_granted(fd, m->name, true) == reads,
		      30 + (int)i);
		check(is_granted(fd, m->name, false) == writes,
		      50 + (int)i);
	}
}

static void try_all_as_root(void)
{
	int fd = client_open(&memd, false, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		assert_true(is_granted(fd, matrix[i].name, true));
		assert_true(is_granted(fd, matrix[i].name, false));
	}
	close(fd);
}

static void try_unlink(const void *arg)
{
	int fd = client_open(&memd, false, NULL);
	struct answer a;

	(void)arg;
	unlink_name(fd, "m0666");
	check(client_try_receive(fd, &a), 40);
	check(a.header.type == T(ERROR), 41);
	answer_free(&a);
	/* Nor may it read what only the owner may. */
	client_send_create(fd, 2, "m0600", 4096, 0600);
	check(client_try_receive(fd, &a), 42);
	check(a.header.type == T(ERROR), 43);
	answer_free(&a);
}

static void give_to_foreign_group(const void *arg)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	int fd = client_open(&memd, false, NULL);
	struct answer a;

	(void)arg;
	create.length_bytes = 4096;
	create.name = "foreign";
	create.group = "0";
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	check(client_try_receive(fd, &a), 50);
	check(a.header.type == T(ERROR), 51);
}

static void modes_decide_as_for_files(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip_case("needs root to be several users");
	as_user(OWNER, OWNER, GROUP, make_matrix, NULL);
	as_user(OWNER, OWNER, GROUP, try_matrix, "owner");
	as_user(FRIEND, FRIEND, GROUP, try_matrix, "group");
	as_user(FRIEND, GROUP, FRIEND, try_matrix, "group");
	as_user(STRANGER, STRANGER, STRANGER, try_matrix, "stranger");
	as_user(STRANGER, STRANGER, STRANGER, try_unlink, NULL);
	as_user(OWNER, OWNER, GROUP, give_to_foreign_group, NULL);
	try_all_as_root();
	fd = client_open(&memd, false, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		unlink_name(fd, matrix[i].name);
		client_expect_ok(fd, 61);
	}
	close(fd);
	expect_nothing_left();
}

static void ask_for_status(const void *arg)
{
	int fd = client_open(&memd, false, NULL);
	uint16_t type;

	(void)arg;
	for (type = T(STATUS); type < T(CONFIG_REPLY); type++) {
		Memd__Error *error;
		struct answer a;

		if (type != T(STATUS) && type != T(SESSIONS) &&
		    type != T(SEGMENTS) && type != T(COUNTERS) &&
		    type != T(FAULT_STATS) && type != T(TRACE) &&
		    type != T(EVICT) && type != T(LIMITS) &&
		    type != T(CONFIG))
			continue;
		client_send(fd, type, 2, NULL);
		check(client_try_receive(fd, &a), 60);
		check(a.header.type == T(ERROR), 61);
		error = answer_unpack(&a, &memd__error__descriptor);
		check(error->code == EACCES, 62);
		memd__error__free_unpacked(error, NULL);
		answer_free(&a);
	}
}

static void say_hello_as_nobody(const void *arg)
{
	Memd__Hello hello = wire_peer_hello(NULL);
	int fd = client_connect(&memd);
	struct answer a;

	(void)arg;
	client_send(fd, T(HELLO), 1, &hello.base);
	check(client_try_receive(fd, &a), 70);
	check(a.header.type == T(ERROR), 71);
	answer_free(&a);
	check(!client_try_receive(fd, &a), 72);
}

static void strangers_do_not_administrate(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_case("needs root to be several users");
	as_user(STRANGER, STRANGER, STRANGER, ask_for_status, NULL);
	as_user(65534, 65534, 65534, say_hello_as_nobody, NULL);
}

/* ---- limits */

static void set_limit(const Memd__Limit *limit)
{
	client_send(admin, T(LIMIT_SET), 70, &limit->base);
	client_expect_ok(admin, 70);
}

static void commitment_is_strict(void **state)
{
	int fd = client_open(&memd, false, NULL);
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	(void)state;
	create.length_bytes = 100 * MIB;	/* swap 80 */
	create.has_attach = true;
	create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(fd, 2, ENOSPC, "swap_size");
	close(fd);
}

static void session_limits_refuse_with_numbers(void **state)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	Memd__HelloReply *reply;
	int fd = client_open(&memd, false, &reply);
	uint32_t segment;

	(void)state;
	close(client_map(fd, 4 * MIB, 4096, &segment));
	limit.has_session = limit.has_mapped_bytes = true;
	limit.session = reply->session;
	limit.mapped_bytes = 5 * MIB;
	set_limit(&limit);
	create.length_bytes = 2 * MIB;
	create.has_attach = true;
	create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(fd, 2, EDQUOT, "4.0M mapped of 5.0M");
	close(client_map(fd, MIB, 4096, &segment));
	memd__hello_reply__free_unpacked(reply, NULL);
	close(fd);
	expect_nothing_left();
}

static void uid_limits_hold_for_all_sessions(void **state)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	int one = client_open(&memd, false, NULL);
	int two = client_open(&memd, false, NULL);
	uint32_t segment;

	(void)state;
	limit.has_uid = limit.has_mapped_bytes = true;
	limit.uid = geteuid();
	limit.mapped_bytes = 5 * MIB;
	set_limit(&limit);
	close(client_map(one, 4 * MIB, 4096, &segment));
	create.length_bytes = 2 * MIB;
	create.has_attach = true;
	create.attach = true;
	client_send(two, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(two, 2, EDQUOT, "uid");
	/* A named segment counts, too. */
	client_send_create(two, 3, "counts", 2 * MIB, 0600);
	client_expect_error(two, 3, EDQUOT, "uid");
	close(one);
	client_await_counter(admin, "committed_units", 0);
	client_send_create(two, 3, "counts", 2 * MIB, 0600);
	receive_created(two, 3);
	unlink_name(two, "counts");
	client_expect_ok(two, 61);
	limit.mapped_bytes = 0;
	set_limit(&limit);
	close(two);
	expect_nothing_left();
}

/* Limits of more users than can have some at once: those that are taken away
 * are gone. */
static void limits_taken_away_are_gone(void **state)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;

	(void)state;
	limit.has_uid = limit.has_frames = true;
	for (limit.uid = 100000; limit.uid < 100300; limit.uid++) {
		limit.frames = 64;
		set_limit(&limit);
		limit.frames = 0;
		set_limit(&limit);
	}
}

static void limits_name_somebody(void **state)
{
	Memd__Limit limit = MEMD__LIMIT__INIT;

	(void)state;
	client_send(admin, T(LIMIT_SET), 70, &limit.base);
	client_expect_error(admin, 70, EINVAL, "uid");
	limit.has_session = true;
	limit.session = 1000000;
	client_send(admin, T(LIMIT_SET), 70, &limit.base);
	client_expect_error(admin, 70, ESRCH, "memctl ps");
	limit.has_frames = true;
	limit.frames = UINT64_MAX;
	client_send(admin, T(LIMIT_SET), 70, &limit.base);
	client_expect_error(admin, 70, EINVAL, "at most");
}

static void too_many_segments_are_refused(void **state)
{
	int fd = client_open(&memd, false, NULL);
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	uint32_t segment;

	(void)state;
	for (int i = 0; i < 20; i++)
		close(client_map(fd, 4096, 4096, &segment));
	create.length_bytes = 4096;
	create.has_attach = true;
	create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(fd, 2, EDQUOT, "session_segments");
	/* Nothing of the refused one is left, named or not. */
	create.name = "refused";
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(fd, 2, EDQUOT, "session_segments");
	assert_int_equal(client_counter(admin, "committed_units"), 20);
	close(fd);
	expect_nothing_left();
}

static int start(void **state)
{
	static const char *const flags[] = { "--session-segments=20", NULL };

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	/* The other users of these tests must get there. */
	(void)chmod(memd.dir, 0755);
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	expect_nothing_left();
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_file_is_sealed_and_sparse),
		cmocka_unit_test(private_segments_go_with_their_session),
		cmocka_unit_test(sessions_end_in_turns),
		cmocka_unit_test(room_that_is_coming_is_waited_for),
		cmocka_unit_test(detached_numbers_mean_nothing),
		cmocka_unit_test(others_segments_cannot_be_named_by_number),
		cmocka_unit_test(
			named_segments_live_until_unlinked_and_detached),
		cmocka_unit_test(attachments_are_counted),
		cmocka_unit_test(existing_names_are_shared_or_refused),
		cmocka_unit_test(wrong_wishes_are_refused_in_words),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(administrators_map_nothing),
		cmocka_unit_test(read_only_cannot_write),
		cmocka_unit_test(modes_decide_as_for_files),
		cmocka_unit_test(strangers_do_not_administrate),
		cmocka_unit_test(commitment_is_strict),
		cmocka_unit_test(session_limits_refuse_with_numbers),
		cmocka_unit_test(uid_limits_hold_for_all_sessions),
		cmocka_unit_test(limits_taken_away_are_gone),
		cmocka_unit_test(limits_name_somebody),
		cmocka_unit_test(too_many_segments_are_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
