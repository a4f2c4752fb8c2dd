/* SPDX-License-Identifier: MIT */
/* pager_sim: run seeds, and say which one broke and how to see it again.
 *
 * Proves that the pager never hands out a wrong byte, answers every fault
 * once, comes to rest, and gives everything back, whatever its clients and its
 * store do; and that the run has really seen what it is meant to see. */
#include "tests/sim/sim.h"
#include "tests/tier.h"

#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct arguments {
	uint64_t first, last;		/* seeds */
	uint32_t steps;
	bool is_traced, is_verbose;
	bool must_cover;		/* fail when something never happened */
};

enum {
	QUICK_SEEDS = 200,
	DEFAULT_SEEDS = 2000,
	DEFAULT_STEPS = 10000,
	LONG_SEEDS = 50000,
	KEY_SEED = 256, KEY_LONG,
};

static const struct argp_option options[] = {
	{ "seeds", 's', "A..B", 0, "Run seeds A to B (1..2000, or ..200)", 0 },
	{ "ops", 'n', "N", 0, "Steps of each seed (10000)", 0 },
	{ "seed", KEY_SEED, "N", 0, "Replay one seed", 0 },
	{ "long", KEY_LONG, NULL, 0, "Run 50000 seeds", 0 },
	{ "verbose", 'v', NULL, 0, "With --seed: print every step; else: "
	  "print each seed", 0 },
	{ 0 }
};

static uint64_t parse_number(struct argp_state *state, const char *text,
			     const char **ret_end)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *text == '-')
		argp_error(state, "'%s' is not a number", text);
	*ret_end = end;
	return value;
}

static uint64_t parse_whole(struct argp_state *state, const char *text)
{
	const char *end;
	uint64_t value = parse_number(state, text, &end);

	if (*end != '\0')
		argp_error(state, "'%s' is not a number", text);
	return value;
}

static void parse_range(struct argp_state *state, const char *text,
			struct arguments *args)
{
	const char *end;

	args->first = parse_number(state, text, &end);
	if (strncmp(end, "..", 2) != 0)
		argp_error(state, "'%s' is not a range A..B", text);
	args->last = parse_whole(state, end + 2);
	if (args->last < args->first)
		argp_error(state, "the range '%s' is empty", text);
	args->must_cover = false;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 's':
		parse_range(state, text, args);
		return 0;
	case 'n':
		args->steps = (uint32_t)parse_whole(state, text);
		args->must_cover = false;
		return 0;
	case KEY_SEED:
		args->first = args->last = parse_whole(state, text);
		args->must_cover = false;
		return 0;
	case KEY_LONG:
		args->last = LONG_SEEDS;
		return 0;
	case 'v':
		args->is_verbose = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint32_t steps_now;

/* Also after an ASSERT of the pager's own.  Only what a signal handler may
 * call. */
static void say_how_to_replay(int signal_number)
{
	char line[160];
	int length = snprintf(line, sizeof(line),
			      "seed %" PRIu64 " step %" PRIu32 ", replay: "
			      "pager_sim --seed %" PRIu64 " --ops %" PRIu32
			      " --verbose\n", sim_seed_now, sim_step_now,
			      sim_seed_now, steps_now);

	(void)!write(STDERR_FILENO, line, (size_t)length);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void catch_crashes(void)
{
	static const int caught[] = {
		SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGINT, SIGTERM
	};

	for (unsigned i = 0; i < ARRAY_SIZE(caught); i++)
		signal(caught[i], say_how_to_replay);
}

/* Returns how many required events have never happened. */
static unsigned report(const uint64_t *events, bool must_cover)
{
	static const struct {
		bool is_required;
		const char *text;
	} table[SIM_EVENT_COUNT] = {
#define EVENT(name, required, says) [SIM_##name] = { required, says },
		SIM_EVENTS(EVENT)
#undef EVENT
	};
	unsigned missing = 0;

	for (unsigned i = 0; i < SIM_EVENT_COUNT; i++) {
		bool is_missing = table[i].is_required && events[i] == 0;

		printf("%14" PRIu64 "  %s%s\n", events[i], table[i].text,
		       is_missing && must_cover ? "   NEVER HAPPENED" : "");
		missing += is_missing;
	}
	return must_cover ? missing : 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Run the pager in a simulated world.",
	};
	const bool is_quick = tier_get() == TIER_QUICK;
	struct arguments args = {
		.first = 1,
		.last = is_quick ? QUICK_SEEDS : DEFAULT_SEEDS,
		.steps = DEFAULT_STEPS,
		.must_cover = !is_quick,
	};
	uint64_t events[SIM_EVENT_COUNT] = { 0 };
	void *staging;
	unsigned missing;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	args.is_traced = args.is_verbose && args.first == args.last;
	steps_now = args.steps;
	staging = aligned_alloc(PAGER_UNIT_BYTES, SIM_STAGING_BYTES_MAX);
	ASSERT(staging != NULL);
	catch_crashes();
	for (uint64_t seed = args.first; seed <= args.last; seed++) {
		if (args.is_verbose)
			printf("seed %" PRIu64 "\n", seed);
		sim_run_seed(seed, args.steps, staging, args.is_traced,
			     events);
	}
	free(staging);
	missing = report(events, args.must_cover);
	printf("pager_sim: seeds %" PRIu64 "..%" PRIu64 " x %" PRIu32
	       " steps: %s\n", args.first, args.last, args.steps,
	       missing == 0 ? "ok" : "FAILED: some events never happened");
	return missing == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
