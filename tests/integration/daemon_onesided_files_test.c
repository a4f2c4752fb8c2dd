/* SPDX-License-Identifier: MIT */
/* Proves: the files of an area come only to sessions with a desk that may read
 * and write all of the segment, whatever its mode is; for reading, and with
 * flags of their own.  A forked child that becomes another user has its
 * parent's files and gets no others. */
#include "common/checks.h"
#include "tests/integration/files_segment.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- users and modes */

struct asker {
	uid_t uid;
	gid_t gid;
	bool has_desk, is_read_only;
};

/* The first gets files in every mode here. */
static const struct asker askers[] = {
	{ OWNER, GROUP, true, false },
	{ MEMBER, GROUP, true, false },
	{ STRANGER, STRANGER, true, false },
	{ OWNER, GROUP, true, true },
	{ MEMBER, GROUP, true, true },
	{ STRANGER, STRANGER, true, true },
	{ OWNER, GROUP, false, false },
	{ MEMBER, GROUP, false, false },
	{ STRANGER, STRANGER, false, false },
};

/* Of read 4 and write 2. */
static unsigned rights_of(const struct asker *a, uint32_t mode)
{
	return mode >> (a->uid == OWNER ? 6 : a->gid == GROUP ? 3 : 0) & 6;
}

static bool gets_files(const struct asker *a, uint32_t mode)
{
	return a->has_desk && !a->is_read_only && rights_of(a, mode) == 6;
}

static void open_asker(const struct asker *a, uint32_t mode,
		       struct desk_client *dc)
{
	unsigned wanted = a->is_read_only ? 4 : 6;

	*dc = desk_client_open(&memd, a->uid, a->gid, a->has_desk);
	if ((rights_of(a, mode) & wanted) == wanted)
		desk_client_attach(dc, "files", a->is_read_only);
	else
		desk_client_is_refused(dc, "files", a->is_read_only);
	assert_int_equal(dc->book >= 0, gets_files(a, mode));
}

static void check_asker(const struct asker *a, uint32_t mode,
			struct desk_client *dc)
{
	if ((desk_client_poll(dc) != 0) != gets_files(a, mode))
		fail_msg("mode %04o, uid %u, desk %d, read-only %d: %u files",
			 mode, (unsigned)a->uid, a->has_desk, a->is_read_only,
			 dc->file_count);
}

/* They are there when the files become full, and come afterwards. */
static void ask_with_mode(uint32_t mode)
{
	struct desk_client owner, dc[ARRAY_SIZE(askers)];
	struct task t = files_task("files");

	files_start_memd();
	owner = desk_client_open(&memd, OWNER, GROUP, true);
	files_make(&owner, &t, mode);
	for (unsigned i = 0; i < ARRAY_SIZE(askers); i++)
		open_asker(&askers[i], mode, &dc[i]);
	program_expect_good(program_start_as(OWNER, files_fill, &t));
	files_await(&dc[0]);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(askers); i++) {
			check_asker(&askers[i], mode, &dc[i]);
			desk_client_close(&dc[i]);
			if (round == 0)
				open_asker(&askers[i], mode, &dc[i]);
		}
	files_drop(&owner, &t);
	stop();
	model_destroy(t.model);
}

static void files_come_to_writers_with_a_desk(void **state)
{
	static const uint32_t modes[] = {
		0600, 0640, 0620, 0660, 0604, 0606, 0664, 0666,
	};

	(void)state;
	if (geteuid() != 0)
		skip_case("only root can be three users");
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		ask_with_mode(modes[i]);
}

/* ---- a child */

struct family {
	struct desk_client parent;
	struct stat others;		/* a file of another user's segment */
};

static bool is_same_file(int fd, const struct stat *st)
{
	struct stat own;

	NEED(fstat(fd, &own) == 0);
	return own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

/* By /proc: memd's files are for memd's user. */
static void cannot_reopen(int file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	NEED(open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	NEED(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
}

/* The connection is its parent's, and so are its rights; nobody else's segment
 * is. */
static void use_as_parent(struct family *f)
{
	struct desk_client *dc = &f->parent;
	char byte;

	desk_client_is_refused(dc, "others", false);
	desk_client_is_refused(dc, "others", true);
	NEED(desk_client_poll(dc) != 0);
	for (unsigned i = 0; i < dc->file_count; i++) {
		NEED(pread(dc->file[i], &byte, 1, 0) == 1 || errno == EINVAL);
		NEED(!is_same_file(dc->file[i], &f->others));
		cannot_reopen(dc->file[i]);
	}
}

static void be_stranger(void *family)
{
	struct desk_client dc;

	use_as_parent(family);
	dc = desk_client_open(&memd, 0, 0, true);
	for (unsigned read_only = 0; read_only < 2; read_only++) {
		desk_client_is_refused(&dc, "files", read_only);
		desk_client_is_refused(&dc, "others", read_only);
	}
	NEED(desk_client_poll(&dc) == 0);
	desk_client_close(&dc);
}

static void make_full(struct desk_client *dc, const struct task *t, uid_t uid)
{
	*dc = desk_client_open(&memd, uid, GROUP, true);
	files_make(dc, t, 0600);
	desk_client_attach(dc, t->name, false);
	program_expect_good(program_start_as(uid, files_fill, (void *)t));
	files_await(dc);
}

static void child_of_another_user_has_its_parents_files(void **state)
{
	struct task t, others;
	struct desk_client other;
	struct family f;

	(void)state;
	if (geteuid() != 0)
		skip_case("only root can be three users");
	t = files_task("files");
	others = files_task("others");
	files_start_memd();
	make_full(&other, &others, MEMBER);
	assert_int_equal(fstat(other.file[0], &f.others), 0);
	make_full(&f.parent, &t, OWNER);
	program_expect_good(program_start_as(STRANGER, be_stranger, &f));
	files_drop(&other, &others);
	files_drop(&f.parent, &t);
	stop();
	model_destroy(t.model);
	model_destroy(others.model);
}

/* ---- for reading */

/* Those of memd's descriptors that are of this file, with O_DIRECT or not. */
static unsigned files_of_memd(int file, bool is_direct)
{
	char path[128], line[128];
	unsigned count = 0, flags = 0;
	struct stat want, st;

	assert_int_equal(fstat(file, &want), 0);
	for (int fd = 0; fd < 1024; fd++) {
		FILE *info;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", memd.pid, fd);
		if (stat(path, &st) != 0 || st.st_ino != want.st_ino ||
		    st.st_dev != want.st_dev)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", memd.pid,
			 fd);
		info = fopen(path, "re");
		assert_non_null(info);
		while (fgets(line, sizeof(line), info) != NULL)
			(void)!sscanf(line, "flags: %o", &flags);
		fclose(info);
		count += is_direct == ((flags & O_DIRECT) != 0);
	}
	return count;
}

static int reopen_for_writing(int file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	assert_int_equal(seteuid(MEMBER), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(seteuid(0), 0);
	return fd;
}

static void files_are_for_reading_only(void **state)
{
	struct desk_client owner;
	struct task t;
	int file, flags;

	(void)state;
	if (geteuid() != 0)
		skip_case("only root can look at the descriptors of memd, and "
			  "be another user");
	t = files_task("files");
	files_start_memd();
	owner = desk_client_open(&memd, OWNER, GROUP, true);
	files_make(&owner, &t, 0660);
	desk_client_attach(&owner, "files", false);
	program_expect_good(program_start_as(OWNER, files_fill, &t));
	files_await(&owner);
	file = owner.file[0];
	flags = fcntl(file, F_GETFL);
	assert_int_equal(flags & O_ACCMODE, O_RDONLY);
	assert_true(pwrite(file, "x", 1, 0) < 0 && errno == EBADF);
	assert_true(reopen_for_writing(file) < 0);
	assert_true(files_of_memd(file, (flags & O_DIRECT) != 0) > 0);
	assert_int_equal(fcntl(file, F_SETFL, flags ^ O_DIRECT), 0);
	assert_int_equal(files_of_memd(file, (flags & O_DIRECT) == 0), 0);
	files_drop(&owner, &t);
	stop();
	model_destroy(t.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_to_writers_with_a_desk),
		cmocka_unit_test(child_of_another_user_has_its_parents_files),
		cmocka_unit_test(files_are_for_reading_only),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
