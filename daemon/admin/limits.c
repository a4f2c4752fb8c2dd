/* SPDX-License-Identifier: MIT */
#include "daemon/admin/limits.h"

#include "common/units.h"
#include "daemon/backing/punchers.h"
#include "daemon/net/server.h"
#include "daemon/system/system.h"
#include "swapstore/swapstore.h"
#include <string.h>

enum {
	TASKS_OWN = 5,			/* memd, its log, a look-up; the keeper
					 * and whom it has ask */
	TASKS_LEAST = 4,		/* with one helper, and one thread */
};

/* ---- memory */

/* Pages, frames, slots, and the kernel's page tables of the data files, at
 * most; see operations.md. */
static uint64_t tables_bytes(const struct config *config)
{
	return (config->pool_size + config->swap_size) / 1000 * 13 +
	       config->max_segments * 5 * 1024 + (1 << 20);
}

/* What MemoryMax= should be at least: with room for what the kernel counts
 * besides, sockets and the helpers. */
static uint64_t safe_bytes(const struct config *config)
{
	return config->pool_size + config->pool_size / 8 +
	       config->staging_size + tables_bytes(config) + (256 << 20);
}

enum check_answer limits_check_memory(const struct config *config,
				      char ret_text[CHECK_TEXT_BYTES])
{
	char source[512], need_text[16], most_text[16], safe_text[16];
	uint64_t most = system_memory_bytes(source, sizeof(source));
	uint64_t least = config->pool_size + config->staging_size;
	uint64_t need = least + tables_bytes(config);
	bool is_group = strncmp(source, "/sys/", 5) == 0;

	units_format_size(need, need_text, sizeof(need_text));
	units_format_size(most, most_text, sizeof(most_text));
	units_format_size(safe_bytes(config), safe_text, sizeof(safe_text));
	if (least > most)
		return check_answer_give(
			ret_text, ANSWER_FAIL,
			"pool, buffers and "
			"tables need %s, there are %s (%s); set "
			"pool_size smaller",
			need_text, most_text, source);
	if (is_group && safe_bytes(config) > most)
		return check_answer_give(
			ret_text, ANSWER_WARN,
			"pool, buffers and "
			"tables need up to %s of the %s there are (%s), "
			"at which the kernel kills memd; set "
			"MemoryMax=%s, or pool_size and swap_size "
			"smaller",
			need_text, most_text, source, safe_text);
	if (need > most / 10 * 9)
		return check_answer_give(
			ret_text, ANSWER_WARN,
			"pool, buffers and "
			"tables need up to %s of the %s there are (%s), "
			"which leaves little for others; set pool_size "
			"or swap_size smaller",
			need_text, most_text, source);
	return check_answer_give(ret_text, ANSWER_OK,
				 "pool, buffers and tables need up "
				 "to %s of %s (%s); a safe MemoryMax= is %s",
				 need_text, most_text, source, safe_text);
}

enum check_answer limits_check_memory_high(const struct config *config,
					   char ret_text[CHECK_TEXT_BYTES])
{
	char source[512], need_text[16], high_text[16], safe_text[16];
	uint64_t high = system_memory_high(source, sizeof(source));
	uint64_t need = config->pool_size + config->staging_size +
			tables_bytes(config);

	if (high >= need)
		return check_answer_give(ret_text, ANSWER_OK,
					 "no limit that memd could "
					 "reach");
	units_format_size(need, need_text, sizeof(need_text));
	units_format_size(high, high_text, sizeof(high_text));
	units_format_size(safe_bytes(config), safe_text, sizeof(safe_text));
	return check_answer_give(
		ret_text, ANSWER_WARN,
		"above %s (%s) the kernel slows "
		"memd down with every page, and all programs with it; "
		"pool, buffers and tables need up to %s: set "
		"MemoryHigh=infinity, or %s and more, or pool_size "
		"smaller",
		high_text, source, need_text, safe_text);
}

/* ---- tasks */

static uint64_t io_tasks(const struct config *config)
{
	if (strcmp(config->store, "sync") == 0)
		return config->io_threads;
	if (strcmp(config->store, "auto") == 0 ||
	    strcmp(config->store, "uring") == 0)
		return MIN(config->queue_depth, STORE_URING_WORKERS_MAX);
	return 0;
}

enum check_answer limits_check_tasks(const struct config *config,
				     char ret_text[CHECK_TEXT_BYTES])
{
	char source[512];
	uint64_t limit = system_task_limit(source, sizeof(source));
	unsigned long long need = TASKS_OWN + PUNCHERS + io_tasks(config);

	if (limit == UINT64_MAX)
		return check_answer_give(ret_text, ANSWER_OK,
					 "up to %llu processes and "
					 "threads needed, no limit",
					 need);
	if (limit >= need)
		return check_answer_give(ret_text, ANSWER_OK,
					 "up to %llu processes and "
					 "threads needed, limit %llu (%s)",
					 need, (unsigned long long)limit,
					 source);
	return check_answer_give(
		ret_text, limit < TASKS_LEAST ? ANSWER_FAIL : ANSWER_WARN,
		"up to %llu processes and threads needed, "
		"limit %llu (%s): memd goes on with fewer, slower; set "
		"TasksMax=%llu or more (docker: --pids-limit, "
		"ulimit -u)",
		need, (unsigned long long)limit, source, 2 * need);
}

/* ---- descriptors */

enum check_answer limits_check_descriptors(const struct config *config,
					   char ret_text[CHECK_TEXT_BYTES])
{
	unsigned long long need = config->max_segments +
				  config->max_sessions *
					SERVER_DESCRIPTORS_OF_SESSION +
				  SERVER_DESCRIPTORS_OWN;
	unsigned long long limit = system_descriptor_limit();

	if (limit < SERVER_DESCRIPTORS_LEAST)
		return check_answer_give(
			ret_text, ANSWER_FAIL,
			"the limit of open files "
			"is %llu, memd needs %d for itself and the first "
			"programs; set LimitNOFILE=%llu (ulimit -Hn)",
			limit, SERVER_DESCRIPTORS_LEAST, need * 2);
	if (limit < need)
		return check_answer_give(
			ret_text, ANSWER_WARN,
			"max_segments and "
			"max_sessions need %llu, the limit is %llu; set "
			"LimitNOFILE=%llu (ulimit -Hn)",
			need, limit, need * 2);
	return check_answer_give(ret_text, ANSWER_OK, "%llu needed, limit %llu",
				 need, limit);
}
