/* SPDX-License-Identifier: MIT */
/* Findings about limits: what the system allows, and what these settings
 * need. */
#include "daemon/findings/findings.h"

#include "common/units.h"
#include "daemon/backing/punchers.h"
#include "daemon/system/system.h"
#include "swapstore/swap_files.h"
#include "swapstore/swapdir.h"
#include "swapstore/swapstore.h"
#include <string.h>

#define ULL(n)	((unsigned long long)(n))

enum {
	TASKS_OWN = 7,			/* memd, its log thread, a look-up; the
					 * keeper and its asker; those that make
					 * and end files */
	TASKS_LEAST = 4,		/* memd with one helper and one
					 * thread */
	MAPPINGS_MAX = 65530,		/* default of vm.max_map_count */
	FILE_BYTES_LEAST = SWAP_FILE_SLOTS * SWAP_SLOT_BYTES,
};

/* ---- memory */

/* Most memory for the tables of pages, frames and slots, for books, and for the
 * kernel's page tables of the data files.  See operations.md. */
static uint64_t tables_bytes(const struct config *config)
{
	return (config->pool_size + config->swap_size) / 1000 * 21 +
	       config->max_segments * 5 * 1024 + (1 << 20);
}

/* A safe value for MemoryMax=: includes what the kernel also charges, for
 * sockets and helper processes. */
static uint64_t safe_bytes(const struct config *config)
{
	return config->pool_size + config->pool_size / 8 +
	       config->staging_size + tables_bytes(config) + (256 << 20);
}

void finding_memory(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	char source[512], least_text[16], need_text[16], most_text[16];
	char safe_text[16];
	uint64_t most = system_memory_bytes(source, sizeof(source));
	uint64_t least = config->pool_size + config->staging_size;
	uint64_t need = least + tables_bytes(config);
	bool is_group = strncmp(source, "/sys/", 5) == 0;

	units_format_size(least, least_text, sizeof(least_text));
	units_format_size(need, need_text, sizeof(need_text));
	units_format_size(most, most_text, sizeof(most_text));
	units_format_size(safe_bytes(config), safe_text, sizeof(safe_text));
	if (least > most)
		finding_fail(ask, "pool and buffers need %s, there are %s "
			     "(%s)\nmake pool_size smaller", least_text,
			     most_text, source);
	else if (is_group && safe_bytes(config) > most)
		finding_warn(ask, "pool, buffers and tables need up to %s of "
			     "the %s there are (%s), at which the kernel kills "
			     "memd\nset MemoryMax=%s, or pool_size and "
			     "swap_size smaller", need_text, most_text, source,
			     safe_text);
	else if (need > most / 10 * 9)
		finding_warn(ask, "pool, buffers and tables need up to %s of "
			     "the %s there are (%s), which leaves little for "
			     "others\nmake pool_size or swap_size smaller",
			     need_text, most_text, source);
	else
		finding_ok(ask, "pool, buffers and tables need up to %s of %s "
			   "(%s); a safe MemoryMax= is %s", need_text,
			   most_text, source, safe_text);
}

/* The same for memory.high: above it the kernel slows memd down. */
void finding_memory_high(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	char source[512], need_text[16], high_text[16], safe_text[16];
	uint64_t high = system_memory_high(source, sizeof(source));
	uint64_t need = config->pool_size + config->staging_size +
			tables_bytes(config);

	if (high >= need)
		return;
	units_format_size(need, need_text, sizeof(need_text));
	units_format_size(high, high_text, sizeof(high_text));
	units_format_size(safe_bytes(config), safe_text, sizeof(safe_text));
	finding_warn(ask, "above %s (%s) the kernel slows memd down with every "
		     "page, and all programs with it; pool, buffers and tables "
		     "need up to %s\nset MemoryHigh=infinity, or %s and more, "
		     "or pool_size smaller", high_text, source, need_text,
		     safe_text);
}

void finding_mappings(struct findings_ask *ask)
{
	uint64_t count = ask->config->max_segments;

	if (count * 2 > MAPPINGS_MAX)
		finding_warn(ask, "max_segments = %llu may need more\nsysctl "
			     "vm.max_map_count=%llu", ULL(count),
			     ULL(count * 4));
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

void finding_tasks(struct findings_ask *ask)
{
	char source[512];
	uint64_t limit = system_task_limit(source, sizeof(source));
	uint64_t need = TASKS_OWN + PUNCHERS_KEPT + io_tasks(ask->config);

	if (limit == UINT64_MAX)
		finding_ok(ask, "up to %llu processes and threads needed, no "
			   "limit", ULL(need));
	else if (limit >= need)
		finding_ok(ask, "up to %llu processes and threads needed, "
			   "limit %llu (%s)", ULL(need), ULL(limit), source);
	else
		finding_say(ask, limit < TASKS_LEAST ? FINDING_FAIL :
			    FINDING_WARN, "up to %llu processes and threads "
			    "needed, limit %llu (%s): memd goes on with fewer, "
			    "slower\nset TasksMax=%llu or more (docker: "
			    "--pids-limit, ulimit -u)", ULL(need), ULL(limit),
			    source, ULL(2 * need));
}

void finding_io_refused(struct findings_ask *ask)
{
	if (ask->io_refused != 0)
		finding_warn(ask, "memd had to wait for %llu reads and writes, "
			     "because the kernel had no thread for them\n"
			     CURE_TASKS, ULL(ask->io_refused));
}

void finding_missing_helpers(struct findings_ask *ask)
{
	if (ask->missing_helpers != 0)
		finding_warn(ask, "%u helper processes are missing and cannot "
			     "be started: memd tries again\n" CURE_TASKS,
			     ask->missing_helpers);
}

/* ---- descriptors */

/* Each segment may have a swap file, or several if it is large. */
static uint64_t swap_files(const struct config *config)
{
	uint64_t most = config->swap_size / FILE_BYTES_LEAST;

	return strcmp(config->store, "mem") == 0 ||
	       strcmp(config->store, "remote") == 0 ? 0 :
		MIN(most, config->max_segments +
			  config->swap_size / SWAPDIR_FILE_BYTES_MAX);
}

void finding_descriptors(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	uint64_t limit = system_descriptor_limit();
	uint64_t need = config->max_segments + swap_files(config) +
			config->max_sessions * DESCRIPTORS_OF_SESSION +
			DESCRIPTORS_OWN;

	if (limit < DESCRIPTORS_LEAST)
		finding_fail(ask, "the limit of open files is %llu, memd needs "
			     "%d for itself and the first programs\nset "
			     "LimitNOFILE=%llu (ulimit -Hn)", ULL(limit),
			     DESCRIPTORS_LEAST, ULL(need * 2));
	else if (limit < need)
		finding_warn(ask, "max_segments, max_sessions and swap_size "
			     "need %llu, the limit is %llu\nset "
			     "LimitNOFILE=%llu (ulimit -Hn)", ULL(need),
			     ULL(limit), ULL(need * 2));
	else
		finding_ok(ask, "%llu needed, limit %llu", ULL(need),
			   ULL(limit));
}
