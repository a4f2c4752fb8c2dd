/* SPDX-License-Identifier: MIT */
/* A bad network between two hosts, for tests: forwards TCP connections, cuts
 * them, delays what they carry, stalls and refuses.
 *
 *   cutproxy [OPTION]... HOST:PORT
 *
 *   --seed=N          of everything that is left to chance
 *   --cut-every=MS    about this often, cut all connections
 *   --cut-messages=N  cut each after N messages, between two of them
 *   --cut-inside=N    cut each after N messages, inside of the next ones
 *   --cut-bytes=N     cut each after N bytes
 *   --step            N is for the first connection, one more for each further
 *   --scatter         for the first connection it is N / 16, for each further
 *                     one any number up to N, of any order of magnitude: many
 *                     are cut early, in their handshake
 *   --delay=MS        what arrives leaves again up to so much later
 *   --stall-every=MS  about this often, forward nothing ...
 *   --stall=MS        ... for so long
 *   --refuse=MS       after a cut, refuse connections for so long
 *
 * HOST is a number, IPv4.  It listens on a port of 127.0.0.1 that the kernel
 * chooses and prints it on a line.  It ends with SIGTERM, or with its parent,
 * and then says on standard error what it has done.
 *
 * Messages are those of proto/wire.h, both ways counted together; under TLS,
 * its records; of anything else only bytes are counted. */
#include "common/clock.h"
#include "proto/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 * 1024, LINKS_MAX = 500, BACKLOG = 64 };
enum { TLS_HEADER_BYTES = 5, TLS_RECORD_FIRST = 20, TLS_RECORD_LAST = 23 };

#define NEVER UINT64_MAX
#define NS_OF_MS UINT64_C(1000000)

static struct {
	uint64_t seed, cut_every, cut_messages, cut_inside, cut_bytes;
	uint64_t step, scatter, delay, stall_every, stall, refuse;
} opt = { .seed = 1 };

/* Where one message ends and the next begins. */
struct framing {
	uint8_t head[WIRE_HEADER_BYTES];
	size_t have;
	uint64_t left;		/* of the message, after its header */
	bool is_unknown;
};

struct direction {
	int from, to;
	struct framing framing;
	uint64_t due_ns;	/* what is in the buffer may leave */
	size_t start, end;
	uint8_t buffer[BUFFER_BYTES];
};

struct link {
	LIST_ENTRY(link) link;
	struct direction way[2];
	uint64_t messages, bytes;
	uint64_t cut_messages, cut_inside, cut_bytes;	/* 0: not */
	bool is_ending;		/* nothing more is read */
	bool is_over;		/* one end has hung up */
};

static LIST_HEAD(, link) links = LIST_HEAD_INITIALIZER(links);
static struct sockaddr_in target;
static uint64_t link_count, connection_count, cut_count, stall_count;
static uint64_t refused_count, message_count;
static uint64_t next_cut_ns = NEVER, next_stall_ns = NEVER;
static uint64_t stalled_until_ns, refused_until_ns;
static volatile sig_atomic_t must_end;

static uint64_t random_below(uint64_t limit)
{
	opt.seed ^= opt.seed << 13;
	opt.seed ^= opt.seed >> 7;
	opt.seed ^= opt.seed << 17;
	return opt.seed % limit;
}

/* "About" every `ms`: a half to one and a half of it. */
static uint64_t next_time(uint64_t now_ns, uint64_t ms)
{
	return ms == 0 ? NEVER :
		now_ns + ms * NS_OF_MS / 2 + random_below(ms * NS_OF_MS + 1);
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "cutproxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- messages */

static bool take_wire_header(struct framing *f)
{
	struct wire_header h;

	if (wire_header_unpack(f->head, UINT32_MAX, &h) != 0) {
		f->is_unknown = true;
		return false;
	}
	f->left = (uint64_t)h.body_bytes + h.payload_bytes;
	return true;
}

static bool take_tls_header(struct framing *f)
{
	if (f->head[0] < TLS_RECORD_FIRST || f->head[0] > TLS_RECORD_LAST) {
		f->is_unknown = true;
		return false;
	}
	f->left = (uint64_t)f->head[3] << 8 | f->head[4];
	return true;
}

/* Is the header whole? */
static bool take_header(struct framing *f, uint8_t byte)
{
	bool is_whole = false;

	f->head[f->have++] = byte;
	if (f->have == WIRE_HEADER_BYTES)
		is_whole = take_wire_header(f);
	else if (f->have == TLS_HEADER_BYTES && f->head[0] != 'm')
		is_whole = take_tls_header(f);
	if (is_whole)
		f->have = 0;
	return is_whole;
}

/* Go on to the end of a message, or of the bytes.  Returns how far. */
static size_t frame_advance(struct framing *f, const uint8_t *bytes,
			    size_t length, bool *ret_is_end)
{
	size_t at = 0, rest;

	*ret_is_end = false;
	if (f->is_unknown)
		return length;
	while (f->left == 0) {
		bool is_whole;

		if (at == length || f->is_unknown)
			return length;
		is_whole = take_header(f, bytes[at++]);
		if (is_whole && f->left == 0) {
			*ret_is_end = true;
			return at;
		}
	}
	rest = (size_t)MIN(f->left, (uint64_t)(length - at));
	f->left -= rest;
	*ret_is_end = f->left == 0;
	return at + rest;
}

/* ---- links */

static void note_message(struct link *k)
{
	enum { INSIDE_BYTES = 16384 };

	k->messages++;
	message_count++;
	if (k->messages == k->cut_messages)
		k->is_ending = true;
	if (k->messages == k->cut_inside)
		k->cut_bytes = k->bytes + 1 + random_below(INSIDE_BYTES);
}

/* How many of these bytes are still to be forwarded. */
static size_t account(struct link *k, struct framing *f, const uint8_t *bytes,
		      size_t length)
{
	size_t at = 0;

	while (at < length && !k->is_ending) {
		size_t piece = length - at;
		bool is_end;

		if (k->cut_bytes != 0)
			piece = MIN(piece, (size_t)(k->cut_bytes - k->bytes));
		piece = frame_advance(f, bytes + at, piece, &is_end);
		at += piece;
		k->bytes += piece;
		if (k->bytes == k->cut_bytes)
			k->is_ending = true;
		if (is_end)
			note_message(k);
	}
	return at;
}

/* A cut comes with a reset, which may overtake bytes, or in good order. */
static void close_link(struct link *k, bool is_cut)
{
	const struct linger reset = { .l_onoff = 1 };
	bool is_reset = is_cut && random_below(2) == 0;

	for (unsigned i = 0; i < 2; i++) {
		int fd = k->way[i].from;

		if (is_reset)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
					 sizeof(reset));
		close(fd);
	}
	LIST_REMOVE(k, link);
	free(k);
	link_count--;
}

static void note_cut(uint64_t now_ns)
{
	cut_count++;
	refused_until_ns = now_ns + opt.refuse * NS_OF_MS;
}

static void fill(struct link *k, struct direction *d, uint64_t now_ns)
{
	ssize_t got;

	if (d->start != d->end || k->is_ending)
		return;
	got = read(d->from, d->buffer, sizeof(d->buffer));
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		k->is_over = true;
	if (got <= 0)
		return;
	d->start = 0;
	d->end = account(k, &d->framing, d->buffer, (size_t)got);
	d->due_ns = now_ns;
	if (opt.delay != 0)
		d->due_ns += random_below(opt.delay * NS_OF_MS + 1);
}

static void drain(struct link *k, struct direction *d, uint64_t now_ns)
{
	ssize_t put;

	if (d->start == d->end || now_ns < d->due_ns)
		return;
	put = write(d->to, d->buffer + d->start, d->end - d->start);
	if (put > 0)
		d->start += (size_t)put;
	else if (errno != EAGAIN && errno != EINTR)
		k->is_over = true;
}

static void move_bytes(struct link *k, uint64_t now_ns)
{
	bool is_empty = true, is_cut;

	for (unsigned i = 0; i < 2 && !k->is_over; i++) {
		fill(k, &k->way[i], now_ns);
		drain(k, &k->way[i], now_ns);
		is_empty &= k->way[i].start == k->way[i].end;
	}
	is_cut = k->is_ending && is_empty;
	if (is_cut)
		note_cut(now_ns);
	if (is_cut || k->is_over)
		close_link(k, is_cut);
}

/* From 1 to `most`; each order of magnitude is as likely as any other. */
static uint64_t scattered(uint64_t most)
{
	unsigned magnitudes = 64 - (unsigned)__builtin_clzll(most);
	uint64_t limit = UINT64_C(1) << random_below(magnitudes);

	return limit + random_below(MIN(limit, most - limit + 1));
}

/* What an option's N is for this connection. */
static uint64_t number_now(uint64_t number)
{
	bool is_first = connection_count == 1;

	if (number == 0)
		return 0;
	if (opt.scatter != 0)
		return is_first ? number / 16 + 1 : scattered(number);
	return opt.step != 0 ? number + connection_count - 1 : number;
}

static void add_link(int near, int far)
{
	struct link *k = calloc(1, sizeof(*k));
	int on = 1;

	if (k == NULL)
		die("memory");
	connection_count++;
	k->way[0].from = k->way[1].to = near;
	k->way[1].from = k->way[0].to = far;
	k->cut_messages = number_now(opt.cut_messages);
	k->cut_inside = number_now(opt.cut_inside);
	k->cut_bytes = number_now(opt.cut_bytes);
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(k->way[i].from, IPPROTO_TCP, TCP_NODELAY, &on,
				 sizeof(on));
	LIST_INSERT_HEAD(&links, k, link);
	link_count++;
}

static void let_in(int listener, uint64_t now_ns)
{
	int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int far;

	if (near < 0)
		return;
	if (now_ns < refused_until_ns || link_count == LINKS_MAX) {
		refused_count++;
		close(near);
		return;
	}
	far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (far < 0)
		die("socket");
	if (connect(far, (const struct sockaddr *)&target,
		    sizeof(target)) != 0 && errno != EINPROGRESS) {
		close(far);
		close(near);
		return;
	}
	add_link(near, far);
}

/* ---- time */

static void cut_all(uint64_t now_ns)
{
	struct link *k, *next;

	for (k = LIST_FIRST(&links); k != NULL; k = next) {
		next = LIST_NEXT(k, link);
		close_link(k, true);
		note_cut(now_ns);
	}
}

static void look_at_clock(uint64_t now_ns)
{
	if (now_ns >= next_cut_ns) {
		next_cut_ns = next_time(now_ns, opt.cut_every);
		cut_all(now_ns);
	}
	if (now_ns >= next_stall_ns) {
		next_stall_ns = next_time(now_ns, opt.stall_every);
		stalled_until_ns = now_ns + opt.stall * NS_OF_MS;
		stall_count++;
	}
}

static uint64_t wake_time(uint64_t now_ns)
{
	uint64_t wake_ns = MIN(next_cut_ns, next_stall_ns);
	const struct link *k;

	if (now_ns < stalled_until_ns)
		return MIN(wake_ns, stalled_until_ns);
	LIST_FOREACH(k, &links, link)
		for (unsigned i = 0; i < 2; i++)
			if (k->way[i].start != k->way[i].end &&
			    k->way[i].due_ns > now_ns)
				wake_ns = MIN(wake_ns, k->way[i].due_ns);
	return wake_ns;
}

/* ---- the loop */

static nfds_t list_descriptors(struct pollfd *fds, int listener,
			       uint64_t now_ns)
{
	nfds_t count = 0;
	const struct link *k;

	fds[count++] = (struct pollfd){ listener, POLLIN, 0 };
	if (now_ns < stalled_until_ns)
		return count;
	LIST_FOREACH(k, &links, link)
		for (unsigned i = 0; i < 2; i++) {
			const struct direction *d = &k->way[i];

			if (d->start == d->end)
				fds[count++] = (struct pollfd){ d->from, POLLIN,
								0 };
			else if (now_ns >= d->due_ns)
				fds[count++] = (struct pollfd){ d->to, POLLOUT,
								0 };
		}
	return count;
}

static void turn(int listener, const sigset_t *during_sleep)
{
	struct pollfd fds[1 + 2 * LINKS_MAX];
	uint64_t now_ns = clock_now_ns(), wake_ns = wake_time(now_ns);
	uint64_t sleep_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
	struct timespec ts = { (time_t)(sleep_ns / 1000000000),
			       (long)(sleep_ns % 1000000000) };
	struct link *k, *next;

	if (ppoll(fds, list_descriptors(fds, listener, now_ns),
		  wake_ns == NEVER ? NULL : &ts, during_sleep) < 0 &&
	    errno != EINTR)
		die("poll");
	now_ns = clock_now_ns();
	look_at_clock(now_ns);
	let_in(listener, now_ns);
	for (k = now_ns < stalled_until_ns ? NULL : LIST_FIRST(&links);
	     k != NULL; k = next) {
		next = LIST_NEXT(k, link);
		move_bytes(k, now_ns);
	}
}

/* ---- the program */

static void on_term(int sig)
{
	(void)sig;
	must_end = 1;
}

/* It arrives only while we sleep. */
static void catch_signals(sigset_t *ret_during_sleep)
{
	struct sigaction sa = { .sa_handler = on_term };
	sigset_t term;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, ret_during_sleep);
	sigdelset(ret_during_sleep, SIGTERM);
	sigaction(SIGTERM, &sa, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static int listen_here(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t length = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, length) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&here, &length) != 0)
		die("listen");
	printf("%u\n", ntohs(here.sin_port));
	fflush(stdout);
	return fd;
}

static void parse_target(char *text)
{
	char *port = strrchr(text, ':');

	if (port != NULL)
		*port++ = '\0';
	target.sin_family = AF_INET;
	if (port == NULL || inet_pton(AF_INET, text, &target.sin_addr) != 1 ||
	    atoi(port) <= 0 || atoi(port) > UINT16_MAX) {
		fprintf(stderr, "cutproxy: %s: HOST:PORT is expected\n", text);
		exit(2);
	}
	target.sin_port = htons((uint16_t)atoi(port));
}

static void parse(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t *value;
	} rows[] = {
		{ "seed", &opt.seed }, { "cut-every", &opt.cut_every },
		{ "cut-messages", &opt.cut_messages },
		{ "cut-inside", &opt.cut_inside },
		{ "cut-bytes", &opt.cut_bytes }, { "delay", &opt.delay },
		{ "stall-every", &opt.stall_every }, { "stall", &opt.stall },
		{ "refuse", &opt.refuse }, { "step", &opt.step },
		{ "scatter", &opt.scatter },
	};
	const size_t numbers = ARRAY_SIZE(rows) - 2;	/* the rest: flags */
	struct option longs[ARRAY_SIZE(rows) + 1] = { 0 };
	int idx;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		longs[i] = (struct option){ rows[i].name,
			i < numbers ? required_argument : no_argument, NULL,
			1 };
	while (getopt_long(argc, argv, "", longs, &idx) == 1)
		*rows[idx].value = optarg != NULL ? strtoull(optarg, NULL, 10) :
						    1;
	if (optind != argc - 1) {
		fprintf(stderr, "usage: cutproxy [OPTION]... HOST:PORT\n");
		exit(2);
	}
	parse_target(argv[optind]);
	opt.seed = opt.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

int main(int argc, char **argv)
{
	sigset_t during_sleep;
	int listener;

	parse(argc, argv);
	catch_signals(&during_sleep);
	listener = listen_here();
	next_cut_ns = next_time(clock_now_ns(), opt.cut_every);
	next_stall_ns = next_time(clock_now_ns(), opt.stall_every);
	while (!must_end)
		turn(listener, &during_sleep);
	fprintf(stderr, "cutproxy: connections=%ju cuts=%ju stalls=%ju "
		"refused=%ju messages=%ju\n", (uintmax_t)connection_count,
		(uintmax_t)cut_count, (uintmax_t)stall_count,
		(uintmax_t)refused_count, (uintmax_t)message_count);
	return 0;
}
