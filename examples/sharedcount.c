/* SPDX-License-Identifier: MIT */
/* sharedcount: several processes count the words of files into one table in a
 * named memd segment; the words and counts go to standard output, unsorted.
 *
 * A word is a run of ASCII letters.  The table is an open-addressing hash
 * table that all processes fill at once without a lock: each page of it is
 * one frame of the pool for all of them, so atomics work as in any shared
 * memory, also when the page has been to swap and back in between.
 *
 * This is not wc(1): it shows sharing, not the fastest way to count. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <memclient.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 * 1024, WORD_BYTES_MAX = 64 * 1024 - 1,
       JOBS_MAX = 64 };

/* `word` is 0 while the slot is free, then for good where the word lies in
 * the heap (upper 48 bits) and its length (lower 16). */
struct slot {
	_Atomic uint64_t word;
	_Atomic uint64_t count;
};

/* The segment: this, the slots, and then the heap of the words' letters. */
struct shared {
	_Atomic uint64_t next_file;	/* the next that nobody has taken */
	_Atomic uint64_t heap_used;	/* bytes; offset 0 is never a word's */
	struct slot slots[];
};

struct counter {
	const char *socket, *name;
	uint32_t fault_mode;
	uint64_t slot_count;		/* a power of two */
	uint64_t heap_bytes;
	struct memclient *mc;
	struct shared *shared;
	char *heap;
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "sharedcount: %s: %s\n", what, why);
	exit(1);
}

static size_t slots_end(const struct counter *ct)
{
	return sizeof(struct shared) + ct->slot_count * sizeof(struct slot);
}

static void open_memd(struct counter *ct)
{
	if (memclient_open(ct->socket, NULL, &ct->mc) != 0)
		die("memd", memclient_error(NULL));
}

/* The segment outlives this connection, and the process. */
static void create_segment(struct counter *ct)
{
	struct memclient_segment_options options = {
		.size = sizeof(options), .exclusive = 1 };

	open_memd(ct);
	if (memclient_segment_create(ct->mc, ct->name,
				     slots_end(ct) + ct->heap_bytes,
				     &options) != 0)
		die(ct->name, memclient_error(ct->mc));
	memclient_close(ct->mc);
}

static void attach_segment(struct counter *ct)
{
	struct memclient_map_options options = {
		.size = sizeof(options), .fault_mode = ct->fault_mode };
	void *addr;

	open_memd(ct);
	if (memclient_attach(ct->mc, ct->name, &options, &addr, NULL) != 0)
		die(ct->name, memclient_error(ct->mc));
	ct->shared = addr;
	ct->heap = (char *)addr + slots_end(ct);
}

/* ---- the table */

static uint64_t word_hash(const char *word, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);	/* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)word[i]) *
		       UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static uint64_t heap_put(struct counter *ct, const char *word, size_t length)
{
	uint64_t at = 1 + atomic_fetch_add(&ct->shared->heap_used, length);

	if (at + length > ct->heap_bytes)
		die(ct->name, "no room for more words; give more --slots");
	memcpy(ct->heap + at, word, length);
	return at << 16 | length;
}

/* True when `slot` holds this word.  A free slot is taken for it; whoever
 * loses that race has wasted a few bytes of the heap, no more. */
static bool slot_claim(struct counter *ct, struct slot *slot, const char *word,
		       size_t length)
{
	uint64_t have = atomic_load(&slot->word);

	if (have == 0) {
		uint64_t mine = heap_put(ct, word, length);

		if (atomic_compare_exchange_strong(&slot->word, &have, mine))
			return true;
	}
	return (have & 0xffff) == length &&
	       memcmp(ct->heap + (have >> 16), word, length) == 0;
}

static void count_word(struct counter *ct, const char *word, size_t length)
{
	uint64_t mask = ct->slot_count - 1, at = word_hash(word, length) & mask;

	for (uint64_t tries = 0; tries <= mask; tries++) {
		struct slot *slot = &ct->shared->slots[(at + tries) & mask];

		if (slot_claim(ct, slot, word, length)) {
			atomic_fetch_add(&slot->count, 1);
			return;
		}
	}
	die(ct->name, "the table is full; give more --slots");
}

static void print_counts(struct counter *ct)
{
	char *word = malloc(WORD_BYTES_MAX);

	if (word == NULL)
		die("output", strerror(ENOMEM));
	for (uint64_t i = 0; i < ct->slot_count; i++) {
		struct slot *slot = &ct->shared->slots[i];
		uint64_t at = atomic_load(&slot->word);

		if (at == 0)
			continue;
		/* stdio may hand its argument to write(2): give it a copy. */
		memcpy(word, ct->heap + (at >> 16), at & 0xffff);
		printf("%7ju %.*s\n", (uintmax_t)atomic_load(&slot->count),
		       (int)(at & 0xffff), word);
	}
	free(word);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("standard output", strerror(errno));
}

/* ---- the files */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void count_file(struct counter *ct, const char *path)
{
	static char buffer[BUFFER_BYTES], word[WORD_BYTES_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		die(path, strerror(errno));
	while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
		if (got < 0 && errno != EINTR)
			die(path, strerror(errno));
		for (ssize_t i = 0; i < got; i++) {
			if (is_letter(buffer[i])) {
				if (length == sizeof(word))
					die(path, "a word of 65536 letters");
				word[length++] = buffer[i];
			} else if (length > 0) {
				count_word(ct, word, length);
				length = 0;
			}
		}
	}
	if (length > 0)
		count_word(ct, word, length);
	close(fd);
}

static _Noreturn void work(struct counter *ct, char **paths, uint64_t count)
{
	uint64_t file;

	attach_segment(ct);
	while ((file = atomic_fetch_add(&ct->shared->next_file, 1)) < count)
		count_file(ct, paths[file]);
	memclient_close(ct->mc);
	exit(0);
}

/* Regions are not inherited by fork(): each process attaches for itself, and
 * the parent has no connection open here.  Returns whether all ended well. */
static bool run_workers(struct counter *ct, int jobs, char **paths, int count)
{
	bool all_well = true;
	int status = 0;

	for (int i = 0; i < jobs; i++) {
		pid_t pid = fork();

		if (pid == 0)
			work(ct, paths, (uint64_t)count);
		if (pid < 0) {
			perror("sharedcount: fork");
			all_well = false;
			break;
		}
	}
	while (wait(&status) > 0 || errno == EINTR)
		if (status != 0)
			all_well = false;
	return all_well;
}

/* ---- the program */

static const char usage[] =
	"usage: sharedcount [-s SOCKET] [-n NAME] [-j JOBS] "
	"[-m thread|inline]\n"
	"                   [--slots COUNT] FILE...\n"
	"  -s, --socket SOCKET  memd's (default: $MEMCLIENT_ADDRESS, else\n"
	"                       /run/memd/memd.sock)\n"
	"  -n, --name NAME      the segment's (sharedcount-PID); it must be\n"
	"                       new, and is unlinked at the end\n"
	"  -j, --jobs JOBS      processes (4)\n"
	"  -m, --mode MODE      fault mode: thread (default) or inline\n"
	"      --slots COUNT    room for that many words (1048576), rounded\n"
	"                       up to a power of two\n";

static uint64_t parse_number(const char *text, uint64_t most)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*end != '\0' || *text == '-' || number == 0 || number > most)
		die(text, "not a number, or out of bounds");
	return number;
}

static uint32_t parse_mode(const char *text)
{
	if (strcmp(text, "thread") == 0)
		return MEMCLIENT_FAULT_THREAD;
	if (strcmp(text, "inline") != 0)
		die(text, "a fault mode is thread or inline");
	return MEMCLIENT_FAULT_INLINE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "mode", required_argument, NULL, 'm' },
		{ "slots", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct counter ct = { .slot_count = 1 << 20 };
	uint64_t slots_wanted = 1;
	char name[32];
	bool all_well;
	int jobs = 4, opt;

	snprintf(name, sizeof(name), "sharedcount-%d", (int)getpid());
	ct.name = name;
	while ((opt = getopt_long(argc, argv, "s:n:j:m:h", options, NULL)) !=
	       -1) {
		if (opt == 's')
			ct.socket = optarg;
		else if (opt == 'n')
			ct.name = optarg;
		else if (opt == 'j')
			jobs = (int)parse_number(optarg, JOBS_MAX);
		else if (opt == 'm')
			ct.fault_mode = parse_mode(optarg);
		else if (opt == 'S')
			slots_wanted = parse_number(optarg, UINT64_C(1) << 32);
		else
			return fputs(usage, opt == 'h' ? stdout : stderr) < 0 ||
			       opt != 'h' ? 2 : 0;
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (slots_wanted > 1)
		for (ct.slot_count = 1; ct.slot_count < slots_wanted;)
			ct.slot_count *= 2;
	ct.heap_bytes = ct.slot_count * 16;
	create_segment(&ct);
	all_well = run_workers(&ct, jobs, argv + optind, argc - optind);
	if (all_well) {
		attach_segment(&ct);
		print_counts(&ct);
	} else {
		open_memd(&ct);
	}
	if (memclient_segment_unlink(ct.mc, ct.name) != 0)
		die(ct.name, memclient_error(ct.mc));
	memclient_close(ct.mc);
	return all_well ? 0 : 1;
}
