/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "tests/bench/options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

const char *const contestant_names[CONTESTANTS] = {
	[MEMD_INLINE] = "inline",
	[MEMD_THREAD] = "thread",
	[KERNEL_SWAP] = "kernel",
};

enum {
	KEY_MIB = 256, KEY_LIMIT, KEY_OPS, KEY_THREADS, KEY_WORK, KEY_ON,
	KEY_REPEAT, KEY_QUICK, KEY_CHECK, KEY_JSON, KEY_FOLDER,
};

static const struct argp_option argp_options[] = {
	{ "mib", KEY_MIB, "N", 0,
	  "MiB of memory each contestant has (512)", 0 },
	{ "limit", KEY_LIMIT, "N", 0,
	  "MiB of it that may be in RAM: memd's pool, the cgroup's limit (256)",
	  0 },
	{ "ops", KEY_OPS, "N", 0, "accesses a run, of all threads (65536)", 0 },
	{ "threads", KEY_THREADS, "LIST", 0, "numbers of threads (1,8)", 0 },
	{ "work", KEY_WORK, "LIST", 0,
	  "seq-read,rand-read,seq-rmw,rand-rmw (all)", 0 },
	{ "on", KEY_ON, "LIST", 0, "inline,thread,kernel (all)", 0 },
	{ "repeat", KEY_REPEAT, "N", 0, "runs of each; medians count (3)", 0 },
	{ "check", KEY_CHECK, NULL, 0,
	  "after each run read every word again, not timed", 0 },
	{ "quick", KEY_QUICK, NULL, 0,
	  "16 MiB in 8, few accesses, one run, --check: does it work at all?",
	  0 },
	{ "json", KEY_JSON, "FILE", 0, "results as JSON too; -: only", 0 },
	{ "dir", KEY_FOLDER, "DIR", 0,
	  "where the swap files go ($TMPDIR, else /var/tmp); not a tmpfs", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static unsigned parse_number(struct argp_state *state, const char *text,
			     unsigned least, unsigned most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n < least || n > most)
		argp_error(state, "'%s' is not a number from %u to %u", text,
			   least, most);
	return (unsigned)n;
}

/* Comma-separated names: sets chosen[i] for names[i * stride]. */
static void parse_names(struct argp_state *state, char *list,
			const char *(*name_of)(size_t), size_t name_count,
			bool *chosen)
{
	memset(chosen, 0, name_count * sizeof(*chosen));
	for (char *save, *name = strtok_r(list, ",", &save); name != NULL;
	     name = strtok_r(NULL, ",", &save)) {
		size_t i = 0;

		while (i < name_count && strcmp(name, name_of(i)) != 0)
			i++;
		if (i == name_count)
			argp_error(state, "do not know '%s'", name);
		else
			chosen[i] = true;
	}
}

static void parse_threads(struct argp_state *state, char *list,
			  struct options *o)
{
	o->thread_counts_count = 0;
	for (char *save, *n = strtok_r(list, ",", &save); n != NULL;
	     n = strtok_r(NULL, ",", &save)) {
		if (o->thread_counts_count == THREAD_COUNTS_MAX)
			argp_error(state, "more than %d numbers of threads",
				   THREAD_COUNTS_MAX);
		o->thread_counts[o->thread_counts_count++] =
			parse_number(state, n, 1, WORKLOAD_THREADS_MAX);
	}
	if (o->thread_counts_count == 0)
		argp_error(state, "--threads names none");
}

static const char *work_name(size_t i)
{
	return work_kinds[i].name;
}

static const char *contestant_name(size_t i)
{
	return contestant_names[i];
}

static void set_quick(struct options *o)
{
	o->is_quick = o->is_checked = true;
	o->memory_mib = 16;
	o->limit_mib = 8;
	o->access_count = 2000;
	o->repeat = 1;
	o->thread_counts[0] = 1;
	o->thread_counts[1] = 2;
	o->thread_counts_count = 2;
}

static void check_sizes(struct argp_state *state, const struct options *o)
{
	if (o->limit_mib >= o->memory_mib)
		argp_error(state, "--limit must be less than --mib, or nothing "
			   "is ever paged");
	for (unsigned i = 0; i < o->thread_counts_count; i++)
		if (o->access_count < o->thread_counts[i])
			argp_error(state, "--ops is less than --threads");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_MIB:
		o->memory_mib = parse_number(state, arg, 4, 1 << 20);
		break;
	case KEY_LIMIT:
		o->limit_mib = parse_number(state, arg, 2, 1 << 20);
		break;
	case KEY_OPS:
		o->access_count = parse_number(state, arg, 1, 1 << 28);
		break;
	case KEY_THREADS:
		parse_threads(state, arg, o);
		break;
	case KEY_WORK:
		parse_names(state, arg, work_name, WORK_KINDS, o->has_work);
		break;
	case KEY_ON:
		parse_names(state, arg, contestant_name, CONTESTANTS,
			    o->has_contestant);
		break;
	case KEY_REPEAT:
		o->repeat = parse_number(state, arg, 1, REPEAT_MAX);
		break;
	case KEY_CHECK:
		o->is_checked = true;
		break;
	case KEY_QUICK:
		set_quick(o);
		break;
	case KEY_JSON:
		o->json_path = arg;
		break;
	case KEY_FOLDER:
		o->folder = arg;
		break;
	case ARGP_KEY_END:
		check_sizes(state, o);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	static const struct argp argp = {
		.options = argp_options,
		.parser = parse_option,
		.args_doc = "",
		.doc = "Page the same work through memd (faults handled inline "
		       "and by a thread) and through the kernel's own swap in "
		       "a memory cgroup, and compare.\v"
		       "The kernel's column needs root and a memory cgroup; "
		       "without, it is left out.  Exit: 0 all values were "
		       "right, 1 not, 64 wrong usage, 77 the kernel lets "
		       "nothing of it run.",
	};
	struct options o = {
		.memory_mib = 512,
		.limit_mib = 256,
		.access_count = 65536,
		.repeat = 3,
		.thread_counts = { 1, 8 },
		.thread_counts_count = 2,
		.has_work = { true, true, true, true },
		.has_contestant = { true, true, true },
	};

	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	*ret_options = o;
}
