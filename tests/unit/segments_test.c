/* SPDX-License-Identifier: MIT */
/* Proves that a segment whose data file cannot be made leaves nothing behind
 * that anybody trips over, even where the pager takes it down later: its
 * account stays as long as it is charged. */
#include "daemon/segments/segments.h"

#include "tests/skip.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

enum { STAGING_BYTES = 1 << 20, PAGES = 8192 };

static struct engine engine;
static struct accounts accounts;
static struct deferred deferred;
static struct segments segments;
static struct config config;

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

static void on_gone(void *ctx, segment_id id)
{
	(void)ctx;
	if (backing_fd(engine.backing, id) >= 0)
		backing_remove(engine.backing, id);
	segments_gone(&segments, id);
}

static void on_reply(void *ctx, struct fault *fault)
{
	(void)ctx;
	assert_int_equal(fault->error, 0);
}

static const struct pager_ops ops = {
	.install = on_install,
	.capture = on_capture,
};

static const struct pager_callbacks callbacks = {
	.segment_gone = on_gone,
	.reply = on_reply,
};

static void start(void)
{
	static _Alignas(4096) uint8_t staging[STAGING_BYTES];
	const struct pager_config pager = {
		.frame_count = 4 * PAGES,
		.segments_max = 8,
		.accounts_max = 16,
		.staging = staging,
		.staging_bytes = sizeof(staging),
	};
	int err = backing_create(8, false, &engine.backing);

	if (err != 0)
		skip_case("data files: %s", strerror(-err));
	config.max_segments = config.uid_segments = 8;
	assert_int_equal(pager_create(&pager, &ops, NULL, &callbacks, NULL,
				      &engine.pager), 0);
	deferred_init(&deferred);
	accounts_init(&accounts, engine.pager, &config, &deferred);
	assert_int_equal(segments_init(&segments, &engine, &accounts, &config),
			 0);
}

static int add(struct account *account, struct segment **ret_segment)
{
	const struct segment_wish wish = {
		.name = "",
		.page_count = PAGES,
		.account = account,
		.owner = account->parent,
	};
	char reason[256];

	return segments_add(&segments, &wish, ret_segment, reason,
			    sizeof(reason));
}

static void set_descriptor_limit(rlim_t soft)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = soft != 0 ? soft : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The pager has taken down as much as it does in a turn, so what comes next
 * waits. */
static void use_up_a_turn(struct account *account)
{
	struct segment *segment;

	assert_int_equal(add(account, &segment), 0);
	for (uint64_t page = 0; page < PAGES; page++) {
		struct fault fault = {
			.segment = segment->pager_id, .page = page,
		};

		/* Answered before it returns: there are frames. */
		pager_fault(engine.pager, &fault, 1);
	}
	segments_drop_unused(&segments, segment);
	assert_int_equal(segments.dying_count, 1);
}

static void segment_without_a_data_file_goes(void **state)
{
	struct account *account, *other;
	struct account_info info;
	struct segment *segment;
	account_id id;

	(void)state;
	start();
	assert_int_equal(accounts_add_session(&accounts, 1, 1, 0, &account), 0);
	assert_int_equal(accounts_add_session(&accounts, 1, 2, 0, &other), 0);
	id = account->id;
	use_up_a_turn(other);
	set_descriptor_limit(1);
	assert_int_equal(add(account, &segment), -EMFILE);
	set_descriptor_limit(0);
	/* Its session goes at once. */
	account_put(&accounts, account);
	accounts_sweep(&accounts);
	pager_account_get(engine.pager, id, &info);
	assert_int_equal(info.mapped_units, PAGES);
	while (pager_run(engine.pager, 2))
		;
	assert_int_equal(segments.dying_count, 0);
	account_put(&accounts, other);
	accounts_sweep(&accounts);
	accounts_fini(&accounts);
	segments_fini(&segments);
	pager_check(engine.pager);
	pager_destroy(engine.pager);
	backing_destroy(engine.backing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segment_without_a_data_file_goes),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
