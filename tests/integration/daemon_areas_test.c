/* SPDX-License-Identifier: MIT */
/* Proves what memd's swap files promise.  They are made for what is mapped, and
 * go with it, whoever dies meanwhile; small segments share them, named ones and
 * those of other hosts keep theirs; all of them stay within swap_size; what one
 * gives up another can have at once; no room, in swap_size or on the disk, is
 * told when memory is mapped, in words, and harms nobody; and bytes of one
 * segment never show up in another one whose files came after. */
#include "tests/integration/confined.h"
#include "tests/integration/store_client.h"
#include "tests/skip.h"
#include "tests/tier.h"

#include "client/include/memclient.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, POLLS_MAX = 6000, TEXT_BYTES = 512 };

/* Shared segments of less are in one area; others have their own. */
enum { OWN_AREA = 16 * MIB };

/* ---- asking */

/* The bytes of all files.  Whenever one asks, they can hold what is mapped, and
 * are no more than swap_size. */
static uint64_t files_of(int admin)
{
	Memd__StatusReply *status;
	struct answer a;
	uint64_t bytes;

	client_send(admin, T(STATUS), 9, NULL);
	client_receive(admin, T(STATUS_REPLY), 9, &a);
	status = answer_unpack(&a, &memd__status_reply__descriptor);
	assert_true(status->has_file_slots);
	assert_true(status->file_slots <= status->slot_count);
	assert_true(status->committed_pages <= status->file_slots);
	bytes = status->file_slots * SLOT_BYTES;
	protobuf_c_message_free_unpacked(&status->base, NULL);
	answer_free(&a);
	return bytes;
}

static void await_files(int admin, uint64_t least, uint64_t most)
{
	uint64_t bytes = 0;

	for (int i = 0; i < POLLS_MAX; i++) {
		bytes = files_of(admin);
		if (bytes >= least && bytes <= most)
			return;
		usleep(10000);
	}
	fail_msg("files have %llu bytes, not %llu to %llu",
		 (unsigned long long)bytes, (unsigned long long)least,
		 (unsigned long long)most);
}

static void expect_no_files(const struct testmemd *tm, int admin)
{
	await_files(admin, 0, 0);
	assert_int_equal(testmemd_open_swap(tm, NULL, 0), 0);
}

/* ---- mapping */

static void send_map(int fd, uint64_t id, uint64_t bytes)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	create.length_bytes = bytes;
	create.has_attach = create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), id, &create.base);
}

/* Returns 0, or the errno number of the Error, whose text goes to ret_text. */
static uint32_t receive_map(int fd, uint32_t *ret_segment,
			    char ret_text[TEXT_BYTES])
{
	Memd__SegmentReply *reply;
	Memd__Error *error;
	uint32_t code = 0;
	struct answer a;

	do {
		assert_true(client_try_receive(fd, &a));
		if (a.header.request_id == 0)
			answer_free(&a);
	} while (a.header.request_id == 0);
	if (a.header.type == T(SEGMENT_REPLY)) {
		reply = answer_unpack(&a, &memd__segment_reply__descriptor);
		*ret_segment = reply->segment;
		memd__segment_reply__free_unpacked(reply, NULL);
	} else {
		assert_int_equal(a.header.type, T(ERROR));
		error = answer_unpack(&a, &memd__error__descriptor);
		code = error->code;
		snprintf(ret_text, TEXT_BYTES, "%s", error->text);
		memd__error__free_unpacked(error, NULL);
	}
	if (a.fd >= 0)
		close(a.fd);
	answer_free(&a);
	return code;
}

static uint32_t map(int fd, uint64_t bytes)
{
	char text[TEXT_BYTES];
	uint32_t segment = 0;

	send_map(fd, 7, bytes);
	if (receive_map(fd, &segment, text) != 0)
		fail_msg("%s", text);
	return segment;
}

static void touch(int fd, uint32_t segment, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		client_send_fault(fd, 5, segment, page);
		assert_int_equal(client_receive_fault(fd, 5, page), 0);
	}
}

static void unmap(int fd, uint32_t segment)
{
	Memd__SegmentDetach detach = MEMD__SEGMENT_DETACH__INIT;

	detach.segment = segment;
	client_send(fd, T(SEGMENT_DETACH), 8, &detach.base);
	client_expect_ok(fd, 8);
}

static void expect_refusal(int fd, uint64_t bytes, const char *part)
{
	send_map(fd, 7, bytes);
	client_expect_error(fd, 7, ENOSPC, part);
}

static void start(struct testmemd *tm, int *ret_admin, const char *one,
		  const char *two)
{
	const char *flags[] = { one, one == NULL ? NULL : two, NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
	*ret_admin = client_open(tm, true, NULL);
}

static void stop(struct testmemd *tm, int admin)
{
	close(admin);
	assert_int_equal(testmemd_stop(tm), 0);
}

/* ---- files come and go */

static void files_go_with_what_was_mapped(void **state)
{
	enum { ROUNDS = 30 };
	struct testmemd tm;
	int admin, fd;

	(void)state;
	start(&tm, &admin, NULL, NULL);
	fd = client_open(&tm, false, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t bytes = i % 2 != 0 ? 60 * MIB : OWN_AREA;
		uint32_t segment = map(fd, bytes);

		touch(fd, segment, 64 * i);
		assert_true(files_of(admin) >= bytes);
		unmap(fd, segment);
	}
	/* The session is still there. */
	expect_no_files(&tm, admin);
	close(fd);
	stop(&tm, admin);
}

static void small_segments_share_files(void **state)
{
	enum { MANY = 1000 };
	struct testmemd tm;
	int admin, fd;

	(void)state;
	start(&tm, &admin, NULL, NULL);
	fd = client_open(&tm, false, NULL);
	for (unsigned i = 0; i < MANY; i++)
		(void)map(fd, SLOT_BYTES);
	assert_in_range(testmemd_open_swap(&tm, NULL, 0), 1, 8);
	assert_in_range(files_of(admin), MANY * SLOT_BYTES, 8 * MIB);
	close(fd);
	expect_no_files(&tm, admin);

	fd = client_open(&tm, false, NULL);
	for (unsigned i = 0; i < MANY; i++) {
		unmap(fd, map(fd, 3 * MIB));
		(void)files_of(admin);
	}
	/* It keeps some for the next ones. */
	await_files(admin, 3 * MIB, OWN_AREA);
	close(fd);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
}

static void a_named_segment_keeps_its_files(void **state)
{
	enum { LENGTH = 20 * MIB, PAGES = LENGTH / SLOT_BYTES };
	Memd__SegmentUnlink unlink_it = MEMD__SEGMENT_UNLINK__INIT;
	struct testmemd tm;
	uint32_t segment;
	int admin, fd;

	(void)state;
	start(&tm, &admin, NULL, NULL);
	fd = client_open(&tm, false, NULL);
	(void)map(fd, MIB);
	client_send_create(fd, 2, "kept", LENGTH, 0600);
	{
		char text[TEXT_BYTES];

		assert_int_equal(receive_map(fd, &segment, text), 0);
	}
	close(client_attach(fd, "kept", false, &segment));
	touch(fd, segment, PAGES);
	close(fd);
	/* Those of the private segment go. */
	await_files(admin, LENGTH, LENGTH + LENGTH / 4 + MIB);
	assert_true(testmemd_open_swap(&tm, NULL, 0) >= 1);
	fd = client_open(&tm, false, NULL);
	close(client_attach(fd, "kept", false, &segment));
	touch(fd, segment, PAGES);
	unlink_it.name = (char *)"kept";
	client_send(fd, T(SEGMENT_UNLINK), 4, &unlink_it.base);
	client_expect_ok(fd, 4);
	assert_true(files_of(admin) >= LENGTH);
	unmap(fd, segment);
	expect_no_files(&tm, admin);
	close(fd);
	stop(&tm, admin);
}

static void a_guest_has_files(void **state)
{
	enum { SLOTS = 20 * MIB / SLOT_BYTES };
	uint8_t token[TOKEN_BYTES];
	struct testmemd tm;
	int admin, fd;

	(void)state;
	start(&tm, &admin, STORE_LISTEN, STORE_SMALL_POOL);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, NULL, token), 0);
	for (uint32_t slot = 0; slot < SLOTS; slot += 8)
		store_write_version(fd, slot, 8, 1);
	close(fd);
	assert_true(files_of(admin) >= SLOTS * SLOT_BYTES);
	fd = store_session(&tm);
	assert_int_equal(store_open(fd, SLOTS, token, NULL), 0);
	for (uint32_t slot = 0; slot < SLOTS; slot += 8)
		store_expect(fd, slot, 8, 1);
	client_send(fd, T(STORE_CLOSE), 9, NULL);
	client_expect_ok(fd, 9);
	expect_no_files(&tm, admin);
	close(fd);
	stop(&tm, admin);
}

/* ---- what one gives up another can have */

/* As soon as it is given up, whatever memd is doing with it. */
static void what_was_unmapped_can_be_had_at_once(void **state)
{
	enum { ROUNDS = 200, LENGTH = 48 * MIB };
	struct testmemd tm;
	uint32_t segment;
	int admin, fd[2];

	(void)state;
	start(&tm, &admin, "--readahead=0", NULL);
	fd[0] = client_open(&tm, false, NULL);
	fd[1] = client_open(&tm, false, NULL);
	segment = map(fd[0], LENGTH);
	/* Nothing is being given up. */
	expect_refusal(fd[1], LENGTH, "swap_size");
	for (unsigned i = 0; i < ROUNDS; i++) {
		int mine = fd[i % 2], other = fd[1 - i % 2];

		touch(mine, segment, i % 50);
		unmap(mine, segment);
		for (unsigned k = 0; k < i * 16; k++)
			sched_yield();
		segment = map(other, LENGTH);
	}
	close(fd[0]);
	close(fd[1]);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
}

/* A session has swap left from small segments that it has unmapped. */
static void idle_sessions_keep_nothing_from_others(void **state)
{
	enum { IDLE = 4 };
	struct testmemd tm;
	int admin, fd, idle[IDLE];

	(void)state;
	start(&tm, &admin, "--swap-size=64M", NULL);
	for (unsigned i = 0; i < IDLE; i++) {
		idle[i] = client_open(&tm, false, NULL);
		unmap(idle[i], map(idle[i], 12 * MIB));
	}
	client_await_counter(admin, "committed_units", 0);
	fd = client_open(&tm, false, NULL);
	(void)map(fd, 60 * MIB);
	for (unsigned i = 0; i < IDLE; i++)
		close(idle[i]);
	close(fd);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
}

/* ---- who dies while memd makes a file for him */

enum dying_wish { WISH_PRIVATE, WISH_SMALL, WISH_NAMED, WISH_STORE, WISHES };

static int begin_to_wish(const struct testmemd *tm, enum dying_wish wish,
			 uint64_t bytes)
{
	Memd__StoreOpen open = MEMD__STORE_OPEN__INIT;
	int fd = wish == WISH_STORE ? store_session(tm) :
				      client_open(tm, false, NULL);

	switch (wish) {
	case WISH_PRIVATE:
	case WISH_SMALL:
		send_map(fd, 7, bytes);
		break;
	case WISH_NAMED:
		client_send_create(fd, 7, "wish", bytes, 0600);
		break;
	default:
		open.slot_count = (uint32_t)(bytes / SLOT_BYTES);
		client_send(fd, T(STORE_OPEN), 7, &open.base);
	}
	return fd;
}

/* The name is there if the file was made in time. */
static void unlink_wish(int fd)
{
	Memd__SegmentUnlink unlink_it = MEMD__SEGMENT_UNLINK__INIT;
	struct answer a;

	unlink_it.name = (char *)"wish";
	client_send(fd, T(SEGMENT_UNLINK), 4, &unlink_it.base);
	assert_true(client_try_receive(fd, &a));
	assert_true(a.header.type == T(OK) || a.header.type == T(ERROR));
	answer_free(&a);
}

/* Files are filled, which takes a while.  Another session of the same user
 * stays. */
static void who_dies_waiting_leaves_nothing(void **state)
{
	const char *const flags[] = { STORE_LISTEN, "--swap-size=256M",
				      "--guest-keep=0", NULL };
	struct confined confined;
	struct testmemd tm;
	uint64_t gone = 0;
	int admin, stays;

	(void)state;
	assert_int_equal(confined_start(&confined, CONFINED_NO_FALLOCATE, &tm,
					flags), 0);
	admin = client_open(&tm, true, NULL);
	stays = client_open(&tm, false, NULL);
	for (unsigned i = 0; i < 2 * WISHES; i++) {
		enum dying_wish wish = i % WISHES;
		uint64_t bytes = wish == WISH_SMALL ? 15 * MIB : 64 * MIB;
		int fd = begin_to_wish(&tm, wish, bytes);

		await_files(admin, bytes, UINT64_MAX);
		close(fd);
		client_await_counter(admin, "sessions_closed", ++gone);
		unlink_wish(stays);
		expect_no_files(&tm, admin);
	}
	close(stays);
	stop(&tm, admin);
	confined_end(&confined);
}

/* ---- many at once */

enum { CROWD = 8 };

static void send_crowd(const int fd[CROWD])
{
	for (unsigned i = 0; i < CROWD; i++)
		send_map(fd[i], 7, OWN_AREA);
}

/* Returns how many have what they asked for. */
static unsigned receive_crowd(const int fd[CROWD])
{
	char text[TEXT_BYTES];
	unsigned count = 0;
	uint32_t segment;

	for (unsigned i = 0; i < CROWD; i++) {
		uint32_t code = receive_map(fd[i], &segment, text);

		count += code == 0;
		if (code != 0) {
			assert_int_equal(code, ENOSPC);
			assert_non_null(strstr(text, "no room for 16.0M"));
			assert_non_null(strstr(text, "swap_size larger"));
		}
	}
	return count;
}

static unsigned map_in_a_crowd(const char *swap_flag)
{
	int admin, fd[CROWD];
	struct testmemd tm;
	unsigned count;

	start(&tm, &admin, swap_flag, NULL);
	for (unsigned i = 0; i < CROWD; i++)
		fd[i] = client_open(&tm, false, NULL);
	send_crowd(fd);
	count = receive_crowd(fd);
	assert_true(files_of(admin) >= (uint64_t)count * OWN_AREA);
	for (unsigned i = 0; i < CROWD; i++)
		close(fd[i]);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
	return count;
}

/* Files are up to a quarter larger than what they must hold. */
static void many_map_at_once(void **state)
{
	(void)state;
	assert_int_equal(map_in_a_crowd("--swap-size=160M"), CROWD);
	assert_in_range(map_in_a_crowd("--swap-size=64M"), 3, 4);
}

enum { THREADS = 48 };

static const char *address;

static void *map_some(void *arg)
{
	struct memclient *mc = arg;
	void *wrong = NULL;

	for (unsigned i = 0; i < 3; i++) {
		size_t bytes = i == 1 ? OWN_AREA : MIB;
		void *at;

		if (memclient_map(mc, bytes, NULL, &at) != 0) {
			fprintf(stderr, "%s\n", memclient_error(mc));
			return mc;
		}
		memset(at, 1, 4096);
		if (memclient_unmap(mc, at) != 0)
			wrong = mc;
	}
	return wrong;
}

/* All that one program can ask for at once. */
static void threads_map_at_once(void **state)
{
	pthread_t thread[THREADS];
	struct memclient *mc;
	struct testmemd tm;
	int admin;

	(void)state;
	start(&tm, &admin, "--swap-size=1200M", NULL);
	address = tm.socket;
	assert_int_equal(memclient_open(address, NULL, &mc), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, map_some,
						mc), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	memclient_close(mc);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
}

/* ---- the disk is full */

static uint64_t free_on(const char *path)
{
	struct statvfs vfs;

	assert_int_equal(statvfs(path, &vfs), 0);
	return (uint64_t)vfs.f_bfree * vfs.f_frsize;
}

/* A file system of its own, mounted for this program alone. */
static bool mount_disk(char path[TEMPORARY_BYTES + 8])
{
	char dir[TEMPORARY_BYTES], command[512];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	assert_non_null(mkdtemp(temporary_template("memd-test", dir)));
	snprintf(path, TEMPORARY_BYTES + 8, "%s/disk", dir);
	snprintf(command, sizeof(command), "exec >/dev/null 2>&1 && cd '%s' && "
		 "truncate -s 1200M image && mkfs.ext4 -q -m 0 image && "
		 "mkdir disk && mount -o loop image disk", dir);
	return system(command) == 0;
}

static void unmount_disk(const char *path)
{
	char command[512];

	(void)umount2(path, MNT_DETACH);
	snprintf(command, sizeof(command), "cd '%s/..' && rmdir disk && "
		 "rm image && rmdir \"$PWD\"", path);
	assert_int_equal(system(command), 0);
}

static void use_up_disk(const struct testmemd *tm, int admin, const char *disk)
{
	uint64_t before = free_on(disk);
	int one = client_open(tm, false, NULL);
	int two = client_open(tm, false, NULL);
	uint32_t segment = map(one, 40 * MIB);

	touch(one, segment, 40 * MIB / SLOT_BYTES);
	for (unsigned i = 0; i < 3; i++) {
		/* A file of 1 GiB can be made, another one cannot. */
		expect_refusal(two, 2048ull * MIB, "the file system has ");
		expect_refusal(one, 1800ull * MIB, disk);
		await_files(admin, 40 * MIB, 52 * MIB);
	}
	/* Both go on. */
	touch(one, segment, 40 * MIB / SLOT_BYTES);
	touch(two, map(two, 900 * MIB), 64);
	unmap(one, segment);
	close(one);
	close(two);
	expect_no_files(tm, admin);
	assert_true(free_on(disk) >= before);
}

/* What swap_size has no room for is not begun: the disk would have none for a
 * first file either. */
static void ask_for_too_much(const struct testmemd *tm, int admin)
{
	int fd = client_open(tm, false, NULL);

	(void)map(fd, 300 * MIB);
	assert_true(files_of(admin) >= 300 * MIB &&
		    files_of(admin) <= 375 * MIB);
	expect_refusal(fd, 1200ull * MIB, "make swap_size larger");
	close(fd);
}

static void a_full_disk_is_told_when_mapping(void **state)
{
	char disk[TEMPORARY_BYTES + 8], swap_flag[128];
	struct testmemd tm;
	int admin;

	(void)state;
	if (!mount_disk(disk))
		skip_case("needs root, a loop device and mkfs.ext4");
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", disk);
	start(&tm, &admin, swap_flag, "--swap-size=8G");
	use_up_disk(&tm, admin, disk);
	stop(&tm, admin);
	start(&tm, &admin, swap_flag, "--swap-size=1500M");
	ask_for_too_much(&tm, admin);
	stop(&tm, admin);
	unmount_disk(disk);
}

/* ---- descriptors */

/* A file for each named segment. */
static void without_descriptors_it_is_said_in_words(void **state)
{
	enum { LIMIT = 400, OTHERS = 8 };
	const struct rlimit few = { LIMIT, LIMIT };
	char name[32], text[TEXT_BYTES];
	uint32_t segment, mapped, code = 0;
	struct testmemd tm;
	unsigned count = 0;
	int admin, fd, other[OTHERS];

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	start(&tm, &admin, "--swap-size=1G", "--max-segments=1000");
	fd = client_open(&tm, false, NULL);
	mapped = map(fd, MIB);
	for (; count < LIMIT && code == 0; count += code == 0) {
		snprintf(name, sizeof(name), "segment %u", count);
		client_send_create(fd, 2, name, SLOT_BYTES, 0600);
		code = receive_map(fd, &segment, text);
	}
	assert_int_equal(code, EMFILE);
	assert_non_null(strstr(text, "LimitNOFILE"));
	assert_true(count > 8 && 2 * count < LIMIT);
	/* Others still come in, and what is there goes on. */
	for (unsigned i = 0; i < OTHERS; i++)
		other[i] = client_open(&tm, false, NULL);
	touch(fd, mapped, 16);
	for (unsigned i = 0; i < OTHERS; i++)
		close(other[i]);
	close(fd);
	stop(&tm, admin);
}

/* ---- bytes */

/* Regions of all kinds; each is in an area of its own, or shares one. */
enum { REGIONS = 7 };

struct region {
	uint64_t *words;
	size_t count;
	uint64_t mine;
};

static size_t bytes_of(unsigned idx)
{
	static const unsigned mib[REGIONS] = { 1, 2, 3, 5, 16, 18, 24 };

	return (size_t)mib[idx] * MIB;
}

static void fill(struct memclient *mc, struct region *r, unsigned idx,
		 uint64_t version)
{
	char name[32];
	void *at;

	snprintf(name, sizeof(name), "region %u", idx);
	if (idx % 3 == 2) {
		assert_int_equal(memclient_segment_create(mc, name,
							  bytes_of(idx), NULL),
				 0);
		assert_int_equal(memclient_attach(mc, name, NULL, &at, NULL),
				 0);
		assert_int_equal(memclient_segment_unlink(mc, name), 0);
	} else {
		assert_int_equal(memclient_map(mc, bytes_of(idx), NULL, &at),
				 0);
	}
	*r = (struct region){
		.words = at, .count = bytes_of(idx) / sizeof(uint64_t),
		.mine = version << 40 | (uint64_t)idx << 32,
	};
	/* A word of each page is enough to tell whose it is. */
	for (size_t i = 0; i < r->count; i += 512) {
		assert_int_equal(r->words[i], 0);
		r->words[i] = r->mine + i;
	}
}

static void verify(const struct region *r)
{
	for (size_t i = 0; i < r->count; i += 512)
		if (r->words[i] != r->mine + i)
			fail_msg("%llx in word %zu of %llx",
				 (unsigned long long)r->words[i], i,
				 (unsigned long long)r->mine);
}

/* In a pool of a tenth of it all, so that nearly all is in files. */
static void bytes_stay_where_they_are(void **state)
{
	unsigned rounds = tier_is_night() ? 1000 : 100;
	struct region region[REGIONS];
	uint64_t luck = tier_seed();
	struct memclient *mc;
	struct testmemd tm;
	int admin;

	(void)state;
	start(&tm, &admin, "--pool-size=8M", "--swap-size=120M");
	assert_int_equal(memclient_open(tm.socket, NULL, &mc), 0);
	for (unsigned i = 0; i < REGIONS; i++)
		fill(mc, &region[i], i, 1);
	for (unsigned round = 2; round < rounds + 2; round++) {
		unsigned idx = (unsigned)((luck >> 33) % REGIONS);

		luck = luck * 6364136223846793005u + 1442695040888963407u;
		verify(&region[idx]);
		assert_int_equal(memclient_unmap(mc, region[idx].words), 0);
		fill(mc, &region[idx], idx, round);
		verify(&region[(idx + round) % REGIONS]);
	}
	for (unsigned i = 0; i < REGIONS; i++)
		verify(&region[i]);
	assert_true(client_counter(admin, "evicted") > REGIONS * 1000);
	memclient_close(mc);
	assert_int_equal(client_counter(admin, "pages_lost"), 0);
	expect_no_files(&tm, admin);
	stop(&tm, admin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_go_with_what_was_mapped),
		cmocka_unit_test(small_segments_share_files),
		cmocka_unit_test(a_named_segment_keeps_its_files),
		cmocka_unit_test(a_guest_has_files),
		cmocka_unit_test(what_was_unmapped_can_be_had_at_once),
		cmocka_unit_test(idle_sessions_keep_nothing_from_others),
		cmocka_unit_test(who_dies_waiting_leaves_nothing),
		cmocka_unit_test(many_map_at_once),
		cmocka_unit_test(threads_map_at_once),
		cmocka_unit_test(bytes_stay_where_they_are),
		/* The last ones: they leave this program mounts of its own, and
		 * a limit. */
		cmocka_unit_test(a_full_disk_is_told_when_mapping),
		cmocka_unit_test(without_descriptors_it_is_said_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
