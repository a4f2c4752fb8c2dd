/* SPDX-License-Identifier: MIT */
/* Proves that a finding has the same words for whoever asks, with its cure
 * apart; that only what is in memd's way refuses a start, with the error that
 * it had; and that what memd has tried is not tried again. */
#include "daemon/findings/findings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static char said[16 * FINDING_TEXT_BYTES], reason[FINDING_TEXT_BYTES];

static void note(void *ctx, const struct finding *f)
{
	size_t used = strlen(said);
	char line[FINDING_TEXT_BYTES];

	assert_null(ctx);
	assert_null(strchr(f->text, '\n'));
	if (f->level == FINDING_OK)
		return;
	snprintf(said + used, sizeof(said) - used, "%s%s\n",
		 f->level == FINDING_FAIL ? "FAIL " : "",
		 finding_line(f, line, sizeof(line)));
}

static void load(const char *store, const char *pool)
{
	struct config_origin origin = { .file = "/dev/null" };

	origin.flag[CONFIG_KEY_store] = store;
	origin.flag[CONFIG_KEY_pool_size] = pool;
	assert_int_equal(config_load(&origin, &config, reason,
				     sizeof(reason)), 0);
	said[0] = '\0';
	reason[0] = '\0';
}

static void expect(const char *words)
{
	if (strstr(said, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, said);
}

static void the_verdict_has_what_memd_knows(void **state)
{
	struct findings_ask ask = {
		.config = &config, .moment = FINDING_STATUS, .report = note,
		.error = -EPERM, .is_cached = true, .io_refused = 7,
		.missing_helpers = 2,
	};

	(void)state;
	load("auto", "4M");
	findings_ask(&ask);
	expect("io_uring: Operation not permitted: the slower store sync is "
	       "used; allow it (sysctl kernel.io_uring_disabled=0");
	expect("swap_dir: the file system of ");
	expect("tasks: memd had to wait for 7 reads and writes");
	expect("tasks: 2 helper processes are missing");
	expect("; " CURE_TASKS "\n");
	ask = (struct findings_ask){ .config = &config, .report = note,
				     .moment = FINDING_STATUS };
	load("auto", "4M");
	findings_ask(&ask);
	assert_string_equal(said, "");
	load("mem", "4M");
	findings_ask(&ask);
	expect("store: mem ");
}

static void only_what_is_in_the_way_refuses(void **state)
{
	(void)state;
	load("auto", "4M");
	assert_int_equal(findings_refuse(&config, FINDING_io_uring, -EPERM,
					 reason, sizeof(reason)), 0);
	assert_int_equal(findings_refuse(&config, FINDING_userfaultfd, 0,
					 reason, sizeof(reason)), 0);
	assert_int_equal(findings_refuse(&config, FINDING_memory, -ENOMEM,
					 reason, sizeof(reason)), 0);
	assert_string_equal(reason, "");
	assert_int_equal(findings_refuse(&config, FINDING_userfaultfd, -EPERM,
					 reason, sizeof(reason)), -EPERM);
	assert_non_null(strstr(reason, "userfaultfd: Operation not permitted; "
			       "allow it in the container"));
	assert_int_equal(findings_refuse(&config, FINDING_userfaultfd, -EAGAIN,
					 reason, sizeof(reason)), -EAGAIN);
	assert_non_null(strstr(reason, CURE_TASKS));
	assert_int_equal(findings_refuse(&config, FINDING_capture, -ENOTSUP,
					 reason, sizeof(reason)), -ENOTSUP);
	assert_non_null(strstr(reason, "eviction: splice and fallocate of this "
			       "kernel lose writes"));
	load("uring", "8T");
	assert_int_equal(findings_refuse(&config, FINDING_io_uring, -ENOSYS,
					 reason, sizeof(reason)), -ENOSYS);
	assert_non_null(strstr(reason, "; allow it (sysctl "));
	assert_int_equal(findings_refuse(&config, FINDING_memory, -ENOMEM,
					 reason, sizeof(reason)), -ENOMEM);
	assert_non_null(strstr(reason, "; make pool_size smaller"));
}

/* With settings that cannot be read there are none to look at. */
static void some_need_no_settings(void **state)
{
	struct findings_ask ask = { .moment = FINDING_BARE, .report = note };

	(void)state;
	findings_ask(&ask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verdict_has_what_memd_knows),
		cmocka_unit_test(only_what_is_in_the_way_refuses),
		cmocka_unit_test(some_need_no_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
