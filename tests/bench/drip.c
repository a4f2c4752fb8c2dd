/* SPDX-License-Identifier: MIT */
/* How long an honest client on another host waits for a page while 900
 * connections drip one byte a second each, in their handshake or after it,
 * beside how long it waits without them; and whether a newcomer still gets in.
 * "Beside" is what it waits for another memd on this machine meanwhile: there
 * the crowd costs only the processor time that it takes itself.  All take turns
 * in each round; figures are medians over the rounds.
 *
 * `drip [--quick] [--rounds N] [--json FILE]`.  Exit: 0, 1 something failed or
 * bytes were wrong, 64 wrong usage, 77 memd cannot run here. */
#include "tests/bench/drip.h"

#include "proto/channel.h"
#include "tests/integration/testmemd.h"
#include "tests/proto/certs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EXIT_USAGE = 64, ADDRESS_BYTES = 64,
	ROUNDS = 5, ROUNDS_MAX = 99, READS = 20000,
	SPREAD_MS = 5000,	/* longer than a handshake may take: they do
				 * not come and go all at once */
	SETTLE_MS = 1500, CALM_MS = 500, NEWCOMERS = 20,
};

static const double RATIO_GOAL = 2;

struct figures {
	double p50_ns, p99_ns;
};

struct row {
	const char *name;
	enum drip_kind kind;
	struct figures alone, beside, crowd;
	double ratio;		/* of p99 */
	unsigned there;		/* connections, in the last round */
	unsigned ended;		/* refused or cut off, in all */
	unsigned came_in, tries;
};

static struct row rows[] = {
	{ .name = "plain, dripping Hello", .kind = DRIP_HELLO },
	{ .name = "plain, after Hello", .kind = DRIP_MESSAGE },
	{ .name = "TLS, dripping the handshake", .kind = DRIP_TLS },
};

static struct {
	unsigned rounds, spread_ms;
	size_t reads;
	const char *json;
} opt = { ROUNDS, SPREAD_MS, READS, NULL };

/* ---- one memd */

struct world {
	struct testmemd tm;
	char address[ADDRESS_BYTES];
	uint16_t port;
	struct channel_context *tls;
};

static bool find_address(struct world *w)
{
	FILE *log = fopen(w->tm.log, "re");
	char line[1024], host[48];
	unsigned port = 0;

	if (log == NULL)
		return false;
	while (port == 0 && fgets(line, sizeof(line), log) != NULL) {
		const char *at = strstr(line, "listening-tcp");

		if (at != NULL)
			(void)sscanf(at, "listening-tcp address=%47s port=%u",
				     host, &port);
	}
	fclose(log);
	w->port = (uint16_t)port;
	snprintf(w->address, sizeof(w->address), "127.0.0.1:%u", port);
	return port != 0;
}

static void issue_certificates(void)
{
	struct authority ours;

	authority_create(&ours, "ours", "ca");
	authority_issue(&ours, &(struct wish){
		.file = "server", .name = "memd", .hosts = "IP:127.0.0.1" });
	authority_issue(&ours, &(struct wish){
		.file = "client", .name = "client" });
	authority_destroy(&ours);
}

static int start_tls(struct world *w)
{
	char ca[160], certificate[160], key[160], reason[256];
	const char *flags[] = {
		"--listen-tcp=127.0.0.1:0", "--pool-size=64M",
		"--log-level=info", "--tls-users=*=0", ca, certificate, key,
		NULL,
	};
	const struct channel_tls_files files = {
		.ca = certs_path("ca.pem"),
		.certificate = certs_path("client.pem"),
		.key = certs_path("client.key"),
	};

	snprintf(ca, sizeof(ca), "--tls-ca=%s", certs_path("ca.pem"));
	snprintf(certificate, sizeof(certificate), "--tls-certificate=%s",
		 certs_path("server.pem"));
	snprintf(key, sizeof(key), "--tls-key=%s", certs_path("server.key"));
	if (channel_context_create(&files, false, &w->tls, reason,
				   sizeof(reason)) != 0) {
		fprintf(stderr, "drip: %s\n", reason);
		return -1;
	}
	return testmemd_start(&w->tm, flags);
}

static int start(struct world *w, bool is_tls)
{
	static const char *const plain[] = {
		"--listen-tcp=127.0.0.1:0", "--pool-size=64M",
		"--log-level=info", NULL,
	};

	*w = (struct world){ 0 };
	return is_tls ? start_tls(w) : testmemd_start(&w->tm, plain);
}

/* ---- measuring */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), by_size);
	return values[count / 2];
}

static struct figures middle(const struct remote_result *results)
{
	double p50[ROUNDS_MAX], p99[ROUNDS_MAX];

	for (unsigned i = 0; i < opt.rounds; i++) {
		p50[i] = results[i].p50_ns;
		p99[i] = results[i].p99_ns;
	}
	return (struct figures){ median(p50, opt.rounds),
				 median(p99, opt.rounds) };
}

struct results {
	struct remote_result alone[ROUNDS_MAX], beside[ROUNDS_MAX];
	struct remote_result crowd[ROUNDS_MAX];
};

static bool read_in_crowd(struct row *row, const struct world *w,
			  struct drip_client *client,
			  struct drip_client *other, struct results *results,
			  unsigned round)
{
	struct drip_crowd crowd;
	bool is_good;
	unsigned ended;

	if (drip_crowd_start(&crowd, row->kind, w->port, opt.spread_ms) != 0) {
		perror("drip: fork");
		return false;
	}
	usleep((opt.spread_ms + SETTLE_MS) * 1000);
	is_good = drip_client_read(client, opt.reads,
				   &results->crowd[round]) == 0 &&
		  drip_client_read(other, opt.reads,
				   &results->beside[round]) == 0;
	drip_crowd_look(&crowd, &row->there, &ended);
	row->ended += ended;
	for (unsigned i = 0; i < NEWCOMERS && is_good; i++) {
		row->came_in += drip_client_comes_in(w->address, w->tls);
		row->tries++;
	}
	drip_crowd_stop(&crowd);
	usleep(CALM_MS * 1000);
	return is_good;
}

static bool measure(struct row *row, const struct world *w,
		    struct drip_client *client, struct drip_client *other)
{
	static struct results results;
	bool is_good = true;

	for (unsigned i = 0; i < opt.rounds && is_good; i++)
		is_good = drip_client_read(client, opt.reads,
					   &results.alone[i]) == 0 &&
			  read_in_crowd(row, w, client, other, &results, i);
	if (!is_good)
		return false;
	row->alone = middle(results.alone);
	row->beside = middle(results.beside);
	row->crowd = middle(results.crowd);
	row->ratio = row->crowd.p99_ns / row->alone.p99_ns;
	return true;
}

static bool run_in(struct row *row, const struct world *w,
		   const struct world *elsewhere)
{
	struct drip_client *client = NULL, *other = NULL;
	bool is_good;

	is_good = drip_client_create(w->address, w->tls, &client) == 0 &&
		  drip_client_create(elsewhere->address, elsewhere->tls,
				     &other) == 0 &&
		  measure(row, w, client, other);
	drip_client_destroy(client);
	drip_client_destroy(other);
	return is_good;
}

static bool run_row(struct row *row)
{
	struct world worlds[2];
	unsigned count = 0;
	bool is_good = true;

	for (; count < 2 && is_good; count++)
		is_good = start(&worlds[count], row->kind == DRIP_TLS) == 0 &&
			  find_address(&worlds[count]);
	is_good = is_good && run_in(row, &worlds[0], &worlds[1]);
	while (count-- > 0) {
		channel_context_destroy(worlds[count].tls);
		is_good &= testmemd_stop(&worlds[count].tm) == 0;
	}
	return is_good;
}

/* ---- output */

static const char *verdict(const struct row *row)
{
	return row->ratio < RATIO_GOAL ? "met" : "missed";
}

static void print_figures(const struct figures *f)
{
	printf(" %7.1f %7.1f ", f->p50_ns / 1e3, f->p99_ns / 1e3);
}

static void print_table(void)
{
	printf("p50 and p99 in us           %10s %16s %16s   there  ended  "
	       "came in\n", "alone", "beside", "crowd");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		printf("%-28s", r->name);
		print_figures(&r->alone);
		print_figures(&r->beside);
		print_figures(&r->crowd);
		printf("  %5u  %5u  %3u / %u\n", r->there, r->ended,
		       r->came_in, r->tries);
	}
	printf("\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		printf("%-28s p99 in the crowd below %.0f x alone  %6.2f  "
		       "%s\n", rows[i].name, RATIO_GOAL, rows[i].ratio,
		       verdict(&rows[i]));
}

static void write_figures(FILE *to, const char *who, const struct figures *f)
{
	fprintf(to, "\"%s_p50_ns\": %.0f, \"%s_p99_ns\": %.0f, ", who,
		f->p50_ns, who, f->p99_ns);
}

static bool write_json(void)
{
	FILE *to = fopen(opt.json, "we");

	if (to == NULL) {
		perror(opt.json);
		return false;
	}
	fprintf(to, "{ \"version\": 1, \"drippers\": %d, \"rounds\": %u, "
		"\"reads\": %zu, \"goal\": %.1f, \"results\": [", DRIPPERS,
		opt.rounds, opt.reads, RATIO_GOAL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		fprintf(to, "%s\n  { \"name\": \"%s\", ", i == 0 ? "" : ",",
			r->name);
		write_figures(to, "alone", &r->alone);
		write_figures(to, "beside", &r->beside);
		write_figures(to, "crowd", &r->crowd);
		fprintf(to, "\"ratio\": %.3f, \"verdict\": \"%s\", "
			"\"there\": %u, \"ended\": %u, \"came_in\": %u, "
			"\"tries\": %u }", r->ratio, verdict(r), r->there,
			r->ended, r->came_in, r->tries);
	}
	fprintf(to, "\n] }\n");
	return fclose(to) == 0;
}

/* ---- */

static _Noreturn void misused(void)
{
	fprintf(stderr, "usage: drip [--quick] [--rounds N] [--json FILE]\n");
	exit(EXIT_USAGE);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--quick") == 0) {
			opt.rounds = 1;
			opt.spread_ms = 500;
			opt.reads = 500;
			continue;
		}
		if (value == NULL)
			misused();
		if (strcmp(argv[i], "--json") == 0)
			opt.json = value;
		else if (strcmp(argv[i], "--rounds") == 0)
			opt.rounds = (unsigned)strtoul(value, NULL, 10);
		else
			misused();
		i++;
	}
	if (opt.rounds == 0 || opt.rounds > ROUNDS_MAX)
		misused();
}

int main(int argc, char **argv)
{
	bool is_good = true;

	parse(argc, argv);
	certs_folder_create();
	(void)atexit(certs_folder_remove);
	issue_certificates();
	for (size_t i = 0; i < ARRAY_SIZE(rows) && is_good; i++)
		is_good = run_row(&rows[i]);
	if (is_good) {
		print_table();
		is_good = opt.json == NULL || write_json();
	}
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
