/* SPDX-License-Identifier: MIT */
/* Proves that what a user has on the disk is bounded, and that it does not
 * keep others from getting files (F2, F4 in daemon/engine/areas.h): one file of
 * a user is made at a time, and none while files of it end that programs have;
 * and their room is not given away before their blocks are free. */
#include "daemon/engine/areas.h"

#include "daemon/backing/punch_helper.h"
#include "daemon/config/config.h"
#include "tests/skip.h"
#include "tests/temporary.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STAGING_BYTES = 1 << 20,
	FRAMES = 1024,
	UNITS = SWAP_FILE_SLOTS,	/* of a segment */
	SLOTS = 8 * UNITS,		/* of swap_size */
	HANG_MS = 60000,		/* of a test that has failed */
};

static struct areas areas;
static struct pager *pager;
static struct swapstore *store;
static struct deferred deferred;
static struct config config;
static void *staging;
static unsigned changes;
static char reason[512];

/* ---- a pager that pages nothing */

static int on_install(void *ctx, segment_id id, uint64_t unit, uint64_t count,
		      const void *bytes)
{
	(void)ctx, (void)id, (void)unit, (void)count, (void)bytes;
	return 0;
}

static void on_capture(void *ctx, struct pager_capture *capture,
		       unsigned count)
{
	(void)ctx;
	while (count-- > 0)
		capture[count].error = 0;
}

static void on_reply(void *ctx, struct fault *fault)
{
	(void)ctx, (void)fault;
}

static void on_gone(void *ctx, segment_id id)
{
	(void)ctx, (void)id;
}

static const struct pager_ops ops = {
	.install = on_install,
	.capture = on_capture,
};

static const struct pager_callbacks callbacks = {
	.reply = on_reply,
	.segment_gone = on_gone,
};

static void on_changed(void *ctx)
{
	(void)ctx;
	changes++;
}

static int begin(void **state)
{
	struct pager_config pc = {
		.frame_count = FRAMES, .slot_count = SLOTS, .segments_max = 4,
		.accounts_max = 4, .staging_bytes = STAGING_BYTES,
		.fills_files = true,
	};
	const struct config_origin origin = { .is_bare = true };

	(void)state;
	assert_int_equal(config_load(&origin, &config, reason,
				     sizeof(reason)), 0);
	config.swap_size = (uint64_t)SLOTS * SWAP_SLOT_BYTES;
	assert_non_null(mkdtemp(temporary_template("areas", config.swap_dir)));
	staging = mmap(NULL, STAGING_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(staging, MAP_FAILED);
	pc.staging = staging;
	pc.areas_max = areas_most(&config);
	assert_int_equal(areas_open(&areas, &config, true, reason,
				    sizeof(reason)), 0);
	assert_int_equal(pager_create(&pc, &ops, NULL, &callbacks, NULL,
				      &pager), 0);
	assert_int_equal(store_sync_create(pager_slot_limit(&pc), 1, &store),
			 0);
	deferred_init(&deferred);
	areas_use(&areas, pager, store);
	areas_start(&areas, &deferred, on_changed, NULL, NULL);
	changes = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	swapstore_destroy(store);
	areas_close(&areas);
	pager_destroy(pager);
	munmap(staging, STAGING_BYTES);
	assert_int_equal(rmdir(config.swap_dir), 0);
	return 0;
}

/* ---- */

static struct area *area_of(uint32_t user)
{
	struct area *area = area_create(&areas, user);

	assert_non_null(area);
	return area;
}

static int ask(struct area *area)
{
	return area_make_room(area, UNITS, reason, sizeof(reason));
}

/* It starts to make a file for the area, or does not. */
static void expect_asked(struct area *area, bool is_started)
{
	uint64_t before = areas.promised_slots;

	assert_int_equal(ask(area), -EINPROGRESS);
	assert_int_equal(area->is_growing, is_started);
	assert_int_equal(areas.promised_slots > before, is_started);
}

static void await_event(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
}

/* Until something has come of what the maker does. */
static void await_change(void)
{
	unsigned before = changes;

	while (changes == before) {
		await_event(file_maker_event_fd(areas.maker));
		areas_reap(&areas);
	}
}

static void await_room(struct area *area)
{
	while (ask(area) == -EINPROGRESS)
		await_change();
	assert_int_equal(ask(area), 0);
}

static void drop_area(struct area *area)
{
	area_put(area);
	deferred_run(&deferred);
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* ---- */

static void a_user_gets_one_file_at_a_time(void **state)
{
	struct area *mine[2], *other;

	(void)state;
	mine[0] = area_of(1);
	mine[1] = area_of(1);
	other = area_of(2);
	expect_asked(mine[0], true);
	expect_asked(mine[1], false);
	expect_asked(other, true);
	await_room(mine[0]);
	await_room(other);
	await_room(mine[1]);
	assert_int_equal(mine[1]->file_count, 1);
	drop_area(mine[0]);
	drop_area(mine[1]);
	drop_area(other);
	while (areas.promised_slots != 0)
		await_change();
}

/* A program keeps what it got. */
static void what_ends_is_waited_for(void **state)
{
	struct area *gone = area_of(1), *mine = area_of(1), *other = area_of(2);
	int program;

	(void)state;
	await_room(gone);
	program = area_file_open(&areas, &gone->files[0]);
	assert_true(program >= 0);
	assert_true(bytes_of(program) >= UNITS * SWAP_SLOT_BYTES);
	drop_area(gone);
	expect_asked(mine, false);
	expect_asked(other, true);
	await_room(other);
	/* Whatever has happened, nobody has been told yet. */
	expect_asked(mine, false);
	while (file_payer_is_ending(mine->payer)) {
		assert_true(areas.ending_slots != 0);
		await_event(file_ender_event_fd(areas.ender));
		areas_reap_ends(&areas);
	}
	assert_int_equal(bytes_of(program), 0);
	await_room(mine);
	assert_int_equal(bytes_of(program), 0);
	close(program);
	drop_area(mine);
	drop_area(other);
	while (areas.promised_slots != 0)
		await_change();
}

/* There is room for four with what they have to spare. */
static void kept_files_do_not_add_up(void **state)
{
	enum { ROUNDS = 20 };
	int program[ROUNDS];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct area *area = area_of(1);
		uint64_t bytes = 0;

		while (ask(area) == -EINPROGRESS) {
			struct pollfd pfd[2] = {
				{ .fd = file_ender_event_fd(areas.ender),
				  .events = POLLIN },
				{ .fd = file_maker_event_fd(areas.maker),
				  .events = POLLIN },
			};

			assert_true(poll(pfd, 2, HANG_MS) > 0);
			areas_reap_ends(&areas);
			areas_reap(&areas);
		}
		program[round] = area_file_open(&areas, &area->files[0]);
		assert_true(program[round] >= 0);
		for (unsigned i = 0; i <= round; i++)
			bytes += bytes_of(program[i]);
		assert_true(bytes <= (uint64_t)SLOTS / 4 * SWAP_SLOT_BYTES);
		drop_area(area);
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		close(program[i]);
}

#define WITH_AREAS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_AREAS(a_user_gets_one_file_at_a_time),
		WITH_AREAS(what_ends_is_waited_for),
		WITH_AREAS(kept_files_do_not_add_up),
	};

	/* A helper that is made later runs this program. */
	punch_helper_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
