/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "tests/bench/options.h"

#include <argp.h>
#include <string.h>
#include <unistd.h>

static const struct argp_option argp_options[] = {
	{ "limit", 'l', "N", 0,
	  "MiB that may be in RAM: memd's pool, the cgroup's limit (256)", 0 },
	{ "ops", 'a', "N", 0,
	  "accesses a run, of all threads and processes (65536)", 0 },
	{ "only", 'w', "LIST", 0, "works, by name (all)", 0 },
	{ "on", 'o', "LIST", 0,
	  "inline,thread,kernel-0,kernel-3,zram (all)", 0 },
	{ "repeat", 'r', "N", 0, "runs of each; medians count (5)", 0 },
	{ "quick", 'q', NULL, 0,
	  "a 32 MiB limit, 8192 accesses, one run: a first look", 0 },
	{ "smoke", 's', NULL, 0,
	  "an 8 MiB limit, 1000 accesses, one run, every word read again "
	  "after it: does it work?", 0 },
	{ "memd", 'f', "FLAG", 0,
	  "give memd this flag too; may be repeated", 0 },
	{ NULL, 0, NULL, 0, "For run.sh:", 1 },
	{ "dir", 'd', "DIR", 0,
	  "where memd's swap file goes, and where the kernel's swap is: "
	  "kernel.swap, zram, group", 1 },
	{ "turn", 't', "A,B", 0,
	  "take a byte out of FIFO A before each run, put one into B after it",
	  1 },
	{ "room", 'm', NULL, 0,
	  "only say how many MiB of swap this takes, and the limit", 1 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static unsigned parse_number(struct argp_state *state, const char *text,
			     unsigned least, unsigned most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n < least || n > most)
		argp_error(state, "'%s' is not a number from %u to %u", text,
			   least, most);
	return (unsigned)n;
}

/* A list of names.  names: the first of `count`, `stride` bytes apart; one may
 * be there more than once. */
static void parse_names(struct argp_state *state, char *list,
			const void *names, size_t stride, size_t count,
			bool *has)
{
	memset(has, 0, count * sizeof(*has));
	for (char *save, *word = strtok_r(list, ",", &save); word != NULL;
	     word = strtok_r(NULL, ",", &save)) {
		bool is_known = false;

		for (size_t i = 0; i < count; i++) {
			const char *const *name = (const void *)
				((const char *)names + i * stride);

			if (strcmp(word, *name) == 0)
				has[i] = is_known = true;
		}
		if (!is_known)
			argp_error(state, "do not know '%s'", word);
	}
}

/* It is repeated in JSON. */
static void add_flag(struct argp_state *state, const char *flag,
		     struct options *o)
{
	unsigned i = 0;

	while (o->memd_flag[i] != NULL)
		i++;
	if (i == OPTIONS_MEMD_FLAGS || strpbrk(flag, "\"\\\n") != NULL)
		argp_error(state, "cannot give memd '%s'", flag);
	o->memd_flag[i] = flag;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'l':
		o->limit_mib = parse_number(state, arg, 8, 1 << 20);
		break;
	case 'a':
		o->access_count = parse_number(state, arg, 1, 1 << 28);
		break;
	case 'r':
		o->repeat = parse_number(state, arg, 1, 99);
		break;
	case 'w':
		parse_names(state, arg, &plan_jobs[0].kind.name,
			    sizeof(plan_jobs[0]), JOBS, o->has_job);
		break;
	case 'o':
		parse_names(state, arg, contestant_names,
			    sizeof(contestant_names[0]), CONTESTANTS,
			    o->has_contestant);
		break;
	case 'q':
	case 's':
		o->is_small = true;
		o->is_smoke = key == 's';
		o->limit_mib = o->is_smoke ? 8 : 32;
		o->access_count = o->is_smoke ? 1000 : 8192;
		o->repeat = 1;
		break;
	case 'd':
		o->folder = arg;
		break;
	case 'f':
		add_flag(state, arg, o);
		break;
	case 'm':
		o->is_room_asked = true;
		break;
	case 't':
		o->turn[0] = strsep(&arg, ",");
		o->turn[1] = arg;
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
		       "a memory cgroup (to a file, and to zram).  Each run is "
		       "a line of JSON on stdout.\v"
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

	memset(o.has_job, true, sizeof(o.has_job));
	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	snprintf(o.swap_file, sizeof(o.swap_file), "%s/kernel.swap", o.folder);
	snprintf(o.zram, sizeof(o.zram), "%s/zram", o.folder);
	o.has_contestant[KERNEL_CLUSTER_0] &= access(o.swap_file, F_OK) == 0;
	o.has_contestant[KERNEL_CLUSTER_3] &= access(o.swap_file, F_OK) == 0;
	o.has_contestant[KERNEL_ZRAM] &= access(o.zram, F_OK) == 0;
	*ret_options = o;
}
