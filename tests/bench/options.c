/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "tests/bench/options.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

const char *const contestant_names[CONTESTANTS] = {
	[MEMD_INLINE] = "inline",
	[MEMD_THREAD] = "thread",
	[KERNEL_CLUSTER_0] = "kernel-0",
	[KERNEL_CLUSTER_3] = "kernel-3",
	[KERNEL_ZRAM] = "zram",
};

enum {
	KEY_LIMIT = 256, KEY_OPS, KEY_MEMORY, KEY_THREADS, KEY_PROCESSES,
	KEY_ONLY, KEY_ON, KEY_REPEAT, KEY_QUICK, KEY_SMOKE, KEY_CHECK,
	KEY_FOLDER, KEY_GROUP, KEY_SWAP, KEY_ZRAM, KEY_ROOM,
};

static const struct argp_option argp_options[] = {
	{ "limit", KEY_LIMIT, "N", 0,
	  "MiB that may be in RAM: memd's pool, the cgroup's limit (256)", 0 },
	{ "ops", KEY_OPS, "N", 0,
	  "accesses a run, of all threads and processes (65536)", 0 },
	{ "only", KEY_ONLY, "LIST", 0,
	  "works: zero-fault, minor, pool-hit, first-touch, fill, seq-read, "
	  "seq-clean, back-read, stride-read, rand-read, rand-rmw, zipf-read "
	  "(all); seq-rmw", 0 },
	{ "memory", KEY_MEMORY, "LIST", 0,
	  "memory of all processes, in percent of the limit (each work has "
	  "its own)", 0 },
	{ "threads", KEY_THREADS, "LIST", 0,
	  "numbers of threads (each work has its own)", 0 },
	{ "processes", KEY_PROCESSES, "LIST", 0,
	  "numbers of processes (each work has its own)", 0 },
	{ "on", KEY_ON, "LIST", 0,
	  "inline,thread,kernel-0,kernel-3,zram (all)", 0 },
	{ "repeat", KEY_REPEAT, "N", 0, "runs of each; medians count (5)", 0 },
	{ "check", KEY_CHECK, NULL, 0,
	  "after each run read every word again, not timed", 0 },
	{ "quick", KEY_QUICK, NULL, 0,
	  "a 32 MiB limit, 8192 accesses, one run: a first look", 0 },
	{ "smoke", KEY_SMOKE, NULL, 0,
	  "an 8 MiB limit, 1000 accesses, one run, --check: does it work?", 0 },
	{ NULL, 0, NULL, 0, "What run.sh makes for it:", 1 },
	{ "dir", KEY_FOLDER, "DIR", 0, "where memd's swap file goes", 1 },
	{ "group", KEY_GROUP, "DIR", 0, "a cgroup with the limit", 1 },
	{ "swap", KEY_SWAP, "FILE", 0, "the kernel's swap file", 1 },
	{ "zram", KEY_ZRAM, "DEVICE", 0, "a zram, made a swap area", 1 },
	{ "room", KEY_ROOM, NULL, 0,
	  "only say how many MiB of swap this takes, and the limit", 1 },
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

static void parse_numbers(struct argp_state *state, char *text, unsigned least,
			  unsigned most, struct number_list *list)
{
	list->count = 0;
	for (char *save, *n = strtok_r(text, ",", &save); n != NULL;
	     n = strtok_r(NULL, ",", &save)) {
		if (list->count == LIST_MAX)
			argp_error(state, "more than %d numbers", LIST_MAX);
		list->number[list->count++] = parse_number(state, n, least,
							   most);
	}
	if (list->count == 0)
		argp_error(state, "an empty list");
}

static void parse_only(struct argp_state *state, char *text, struct options *o)
{
	memset(o->has_work, 0, sizeof(o->has_work));
	o->has_chosen_work = true;
	for (char *save, *name = strtok_r(text, ",", &save); name != NULL;
	     name = strtok_r(NULL, ",", &save)) {
		size_t i = 0;

		while (i < WORK_KINDS && strcmp(name, work_kinds[i].name) != 0)
			i++;
		if (i == WORK_KINDS)
			argp_error(state, "do not know '%s'", name);
		else
			o->has_work[i] = true;
	}
}

static void parse_contestants(struct argp_state *state, char *text,
			      struct options *o)
{
	memset(o->has_contestant, 0, sizeof(o->has_contestant));
	for (char *save, *name = strtok_r(text, ",", &save); name != NULL;
	     name = strtok_r(NULL, ",", &save)) {
		unsigned who = 0;

		while (who < CONTESTANTS &&
		       strcmp(name, contestant_names[who]) != 0)
			who++;
		if (who == CONTESTANTS)
			argp_error(state, "do not know '%s'", name);
		else
			o->has_contestant[who] = true;
	}
}

static void set_small(struct options *o, unsigned limit_mib, unsigned ops)
{
	o->is_small = true;
	o->limit_mib = limit_mib;
	o->access_count = ops;
	o->repeat = 1;
}

static error_t parse_more(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_FOLDER:
		o->folder = arg;
		break;
	case KEY_GROUP:
		o->group = arg;
		break;
	case KEY_SWAP:
		o->swap_file = arg;
		break;
	case KEY_ZRAM:
		o->zram = arg;
		break;
	case KEY_ROOM:
		o->is_room_asked = true;
		break;
	case KEY_MEMORY:
		parse_numbers(state, arg, 10, 10000, &o->memory_percent);
		break;
	case KEY_THREADS:
		parse_numbers(state, arg, 1, WORKLOAD_THREADS_MAX,
			      &o->threads);
		break;
	case KEY_PROCESSES:
		parse_numbers(state, arg, 1, PROCESSES_MAX, &o->processes);
		break;
	case KEY_ONLY:
		parse_only(state, arg, o);
		break;
	case KEY_ON:
		parse_contestants(state, arg, o);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_LIMIT:
		o->limit_mib = parse_number(state, arg, 8, 1 << 20);
		break;
	case KEY_OPS:
		o->access_count = parse_number(state, arg, 1, 1 << 28);
		break;
	case KEY_REPEAT:
		o->repeat = parse_number(state, arg, 1, REPEAT_MAX);
		break;
	case KEY_CHECK:
		o->is_checked = true;
		break;
	case KEY_QUICK:
		set_small(o, 32, 8192);
		break;
	case KEY_SMOKE:
		set_small(o, 8, 1000);
		o->is_checked = true;
		break;
	default:
		return parse_more(key, arg, state);
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
		       "a memory cgroup (to a file, and to zram).  Results go "
		       "to stdout, as JSON.\v"
		       "Use run.sh, which also makes what the kernel's part "
		       "needs, and takes it away.  "
		       "Exit: 0 all values were right, 1 not, 64 wrong usage, "
		       "77 the kernel lets nothing of it run.",
	};
	struct options o = {
		.limit_mib = 256,
		.access_count = 65536,
		.repeat = 5,
		.has_contestant = { true, true, true, true, true },
		.folder = "/var/tmp",
	};

	memset(o.has_work, true, sizeof(o.has_work));
	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.has_contestant[KERNEL_CLUSTER_0] &= o.swap_file != NULL;
	o.has_contestant[KERNEL_CLUSTER_3] &= o.swap_file != NULL;
	o.has_contestant[KERNEL_ZRAM] &= o.zram != NULL;
	*ret_options = o;
}
