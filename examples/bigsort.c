/* SPDX-License-Identifier: MIT */
/* bigsort: sort the lines of files in memory that memd manages.  The output
 * equals that of `LC_ALL=C sort FILE...`.
 *
 * Text and line index lie in memclient regions, so they may be many times
 * larger than memd's pool.  The sort goes easy on a small pool: stretches of
 * text that fit into it are sorted on their own and copied out in order, and
 * then all of them are merged, which reads each from front to back.
 *
 * No system call is given an address inside a region: bytes come and go
 * through small ordinary buffers.  So it works in both fault modes, and where
 * only user-mode userfaultfd is allowed.
 *
 * Where no memd runs it does without, with memory and swap files of its own,
 * unless it was told which one to use.
 *
 * This is not sort(1): no keys, no options, and only regular files. */
#include <errno.h>
#include <fcntl.h>
#include <memclient.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024, STRETCH_BYTES = 2 << 20 };

struct line {
	const char *text;
	size_t length;		/* without the newline */
};

/* A sorted stretch: lines [next, end) are still to be merged. */
struct stretch {
	const struct line *next, *end;
};

struct bigsort {
	struct memclient *mc;
	struct memclient_map_options map_options;
	size_t text_bytes, line_count, stretch_count;
	char *text;		/* region: as it was read, newline-ended */
	char *sorted;		/* region: the stretches, each in order */
	struct line *lines;	/* region: the index, a stretch after another */
	struct stretch *heap;	/* ordinary memory; least first line on top */
};

static char buffer[BUFFER_BYTES];

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "bigsort: %s: %s\n", what, why);
	exit(1);
}

static void *map_region(struct bigsort *bs, size_t length, const char *what)
{
	void *addr;

	if (memclient_map(bs->mc, length, &bs->map_options, &addr) != 0)
		die(what, memclient_error(bs->mc));
	return addr;
}

/* ---- in */

static int open_regular(const char *path, size_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		die(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die(path, "not a regular file, and its size must be known");
	*ret_bytes = (size_t)st.st_size;
	return fd;
}

static void add_text(struct bigsort *bs, const char *bytes, size_t length)
{
	memcpy(bs->text + bs->text_bytes, bytes, length);
	bs->text_bytes += length;
	for (size_t i = 0; i < length; i++)
		bs->line_count += bytes[i] == '\n';
}

/* Read at most `left` bytes: what a file gains meanwhile is not sorted.  A
 * last line without a newline gets one. */
static void load_file(struct bigsort *bs, const char *path)
{
	char last = '\n';
	size_t left;
	int fd = open_regular(path, &left);

	while (left > 0) {
		ssize_t got = read(fd, buffer,
				   left < BUFFER_BYTES ? left : BUFFER_BYTES);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			die(path, strerror(errno));
		if (got == 0)
			break;
		add_text(bs, buffer, (size_t)got);
		left -= (size_t)got;
		last = buffer[got - 1];
	}
	if (last != '\n')
		add_text(bs, "\n", 1);
	close(fd);
}

static void load(struct bigsort *bs, char **paths, int path_count)
{
	size_t room = 0, bytes;

	for (int i = 0; i < path_count; i++) {
		close(open_regular(paths[i], &bytes));
		room += bytes + 1;
	}
	bs->text = map_region(bs, room, "text");
	for (int i = 0; i < path_count; i++)
		load_file(bs, paths[i]);
}

/* ---- sort */

static int line_compare(const void *va, const void *vb)
{
	const struct line *a = va, *b = vb;
	size_t common = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->text, b->text, common);

	if (order != 0)
		return order;
	return (a->length > b->length) - (a->length < b->length);
}

/* Index the lines of text[at] on, until a stretch is full.  Returns where it
 * ends, and the end of its lines in *ret_end. */
static size_t index_stretch(struct bigsort *bs, size_t at, struct line *line,
			    struct line **ret_end)
{
	size_t end = at;

	for (; end < bs->text_bytes && end - at < STRETCH_BYTES; line++) {
		const char *text = bs->text + end;
		const char *stop = memchr(text, '\n', bs->text_bytes - end);

		*line = (struct line){ text, (size_t)(stop - text) };
		end += line->length + 1;
	}
	*ret_end = line;
	return end;
}

/* Copy the lines in their new order, and point them at the copy. */
static void rewrite_stretch(char *to, struct line *line, const struct line *end)
{
	for (; line < end; line++) {
		memcpy(to, line->text, line->length + 1);
		line->text = to;
		to += line->length + 1;
	}
}

static void sort_stretches(struct bigsort *bs)
{
	struct line *first, *last;

	bs->sorted = map_region(bs, bs->text_bytes, "sorted text");
	bs->lines = map_region(bs, bs->line_count * sizeof(*bs->lines),
			       "line index");
	bs->heap = calloc(bs->text_bytes / STRETCH_BYTES + 1,
			  sizeof(*bs->heap));
	if (bs->heap == NULL)
		die("heap", strerror(ENOMEM));
	first = bs->lines;
	for (size_t at = 0, end; at < bs->text_bytes; at = end, first = last) {
		end = index_stretch(bs, at, first, &last);
		qsort(first, (size_t)(last - first), sizeof(*first),
		      line_compare);
		rewrite_stretch(bs->sorted + at, first, last);
		bs->heap[bs->stretch_count++] = (struct stretch){ first, last };
		/* Read no more, so not worth a write to swap. */
		if (memclient_advise(bs->mc, bs->text + at, end - at,
				     MEMCLIENT_ADVICE_DONTNEED) != 0)
			die("advise", memclient_error(bs->mc));
	}
}

/* ---- merge, and out */

static void heap_sift_down(struct bigsort *bs, size_t at)
{
	struct stretch *heap = bs->heap, moving = heap[at];
	size_t child;

	while ((child = 2 * at + 1) < bs->stretch_count) {
		if (child + 1 < bs->stretch_count &&
		    line_compare(heap[child + 1].next, heap[child].next) < 0)
			child++;
		if (line_compare(moving.next, heap[child].next) <= 0)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static void write_buffer(size_t length)
{
	size_t written = 0;

	while (written < length) {
		ssize_t done = write(STDOUT_FILENO, buffer + written,
				     length - written);

		if (done < 0 && errno != EINTR)
			die("standard output", strerror(errno));
		if (done > 0)
			written += (size_t)done;
	}
}

/* Returns how much of the buffer is used now. */
static size_t put_line(const struct line *line, size_t used)
{
	for (size_t at = 0, n; at < line->length + 1; at += n) {
		n = line->length + 1 - at;
		if (n > BUFFER_BYTES - used)
			n = BUFFER_BYTES - used;
		memcpy(buffer + used, line->text + at, n);
		used += n;
		if (used == BUFFER_BYTES) {
			write_buffer(used);
			used = 0;
		}
	}
	return used;
}

static void merge(struct bigsort *bs)
{
	size_t used = 0;

	for (size_t at = bs->stretch_count / 2; at-- > 0;)
		heap_sift_down(bs, at);
	while (bs->stretch_count > 0) {
		struct stretch *least = &bs->heap[0];

		used = put_line(least->next++, used);
		if (least->next == least->end)
			*least = bs->heap[--bs->stretch_count];
		heap_sift_down(bs, 0);
	}
	write_buffer(used);
}

/* ---- the program */

/* Bytes are gone, so there is no right output any more.  Another thread may
 * hold any lock: only what signal-safety(7) allows. */
static void on_sigbus(int sig)
{
	static const char text[] =
		"bigsort: memory is lost: memd ended, was away for too long, "
		"or could not read it back; the output is not complete\n";

	(void)sig;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

static void print_figures(struct bigsort *bs, const struct timespec *start)
{
	struct memclient_stats st = { .size = sizeof(st) };
	struct timespec now;

	if (memclient_stats(bs->mc, &st) != 0)
		die("stats", memclient_error(bs->mc));
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr,
		"bigsort: lines=%zu text_bytes=%zu mapped_bytes=%ju "
		"resident_bytes=%ju swapped_bytes=%ju faults_zero=%ju "
		"faults_swap_in=%ju faults_put_back=%ju seconds=%ld\n",
		bs->line_count, bs->text_bytes, (uintmax_t)st.mapped_bytes,
		(uintmax_t)st.resident_bytes, (uintmax_t)st.swapped_bytes,
		(uintmax_t)st.faults_zero, (uintmax_t)st.faults_swap_in,
		(uintmax_t)st.faults_put_back,
		(long)(now.tv_sec - start->tv_sec));
}

/* Nobody said where, and there is no memd at the usual place? */
static bool is_without_memd(const char *address, int err)
{
	const char *env = getenv("MEMCLIENT_ADDRESS");

	return address == NULL && (env == NULL || env[0] == '\0') &&
	       (err == -ENOENT || err == -ECONNREFUSED);
}

static struct memclient *open_memory(const char *address)
{
	struct memclient *mc = NULL;
	int err = memclient_open(address, NULL, &mc);

	if (is_without_memd(address, err)) {
		fprintf(stderr, "bigsort: %s; going on without, with "
			"\"embedded:\"\n", memclient_error(NULL));
		err = memclient_open("embedded:", NULL, &mc);
	}
	if (err != 0)
		die("memd", memclient_error(NULL));
	return mc;
}

static const char usage[] =
	"usage: bigsort [-s ADDRESS] [-m thread|inline] [-v] [-H] FILE...\n"
	"  -s ADDRESS memd's socket, embedded:SETTING,... or tcp://HOST:PORT\n"
	"             (default: $MEMCLIENT_ADDRESS, else /run/memd/memd.sock,\n"
	"             else embedded:)\n"
	"  -m MODE    fault mode: thread (default) or inline\n"
	"  -v         a line of figures on standard error when done\n"
	"  -H         when done, hold the memory until standard input ends\n";

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
	struct bigsort bs = { .map_options.size = sizeof(bs.map_options) };
	bool is_verbose = false, is_holding = false;
	const char *address = NULL;
	struct timespec start;
	int opt;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((opt = getopt(argc, argv, "s:m:vHh")) != -1) {
		if (opt == 's')
			address = optarg;
		else if (opt == 'm')
			bs.map_options.fault_mode = parse_mode(optarg);
		else if (opt == 'v')
			is_verbose = true;
		else if (opt == 'H')
			is_holding = true;
		else
			return fputs(usage, opt == 'h' ? stdout : stderr) < 0 ||
			       opt != 'h' ? 2 : 0;
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return 2;
	}
	/* Before the first region, so that the library's own comes first. */
	signal(SIGBUS, on_sigbus);
	bs.mc = open_memory(address);
	load(&bs, argv + optind, argc - optind);
	if (bs.line_count > 0)
		sort_stretches(&bs);
	merge(&bs);
	if (is_verbose)
		print_figures(&bs, &start);
	while (is_holding && read(STDIN_FILENO, buffer, BUFFER_BYTES) > 0)
		continue;
	memclient_close(bs.mc);
	free(bs.heap);
	return 0;
}
