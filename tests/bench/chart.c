/* SPDX-License-Identifier: MIT */
/* The chart of report.h: a bar for each job and contestant, as long as an
 * access takes, on a logarithmic scale.  Plain SVG 1.1, no script, readable
 * without colours: the numbers stand beside the bars. */
#include "tests/bench/report.h"

#include "tests/bench/spread.h"
#include <math.h>

enum {
	WIDTH = 860,
	LEFT = 190,		/* where the bars begin */
	RIGHT = 690,		/* where the scale ends */
	TOP = 96,
	BAR = 12,		/* height of one, with the gap to the next */
	GAP = 12,		/* between jobs */
	BOTTOM = 44,
};

#define LEAST_US 0.1
#define MOST_US 1000.0

/* What is drawn: the kernel once, at its best. */
enum series { INLINE, THREAD, KERNEL, ZRAM, SERIES };

static const struct {
	const char *title, *colour;
} series[SERIES] = {
	/* Okabe and Ito's, which the colour-blind can tell apart. */
	[INLINE] = { "memd, inline", "#0072b2" },
	[THREAD] = { "memd, thread", "#56b4e9" },
	[KERNEL] = { "kernel's swap, better page-cluster", "#d55e00" },
	[ZRAM] = { "kernel's swap on zram", "#e0b000" },
};

static enum contestant contestant_of(const struct row *row, enum series s)
{
	switch (s) {
	case INLINE:
		return MEMD_INLINE;
	case THREAD:
		return MEMD_THREAD;
	case ZRAM:
		return KERNEL_ZRAM;
	default:
		return row_best_kernel(row);
	}
}

/* Microseconds from one access to the next, of all threads and processes
 * together; below 0: not there. */
static double access_us(const struct row *row, enum series s)
{
	double per_s = row_median(row, contestant_of(row, s),
				  FIELD(accesses_per_s));

	return per_s > 0 ? 1e6 / per_s : -1;
}

static double x_of(double us)
{
	double part = log10(us / LEAST_US) / log10(MOST_US / LEAST_US);

	return LEFT + (RIGHT - LEFT) * fmin(fmax(part, 0), 1);
}

static unsigned bar_count(const struct row *row)
{
	unsigned count = 0;

	for (enum series s = 0; s < SERIES; s++)
		count += access_us(row, s) > 0;
	return count;
}

static unsigned chart_height(const struct report *rp)
{
	unsigned height = TOP + BOTTOM;

	for (unsigned i = 0; i < rp->row_count; i++)
		height += bar_count(&rp->rows[i]) * BAR + GAP;
	return height;
}

static void print_escaped(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			fputs("&amp;", to);
		else if (*text == '<')
			fputs("&lt;", to);
		else
			fputc(*text, to);
	}
}

static void print_head(const struct report *rp, unsigned height, FILE *to)
{
	const struct machine *m = &rp->machine;
	const char *warning = report_warning(rp);

	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
		"font-family=\"sans-serif\" font-size=\"11\">\n"
		"<title>memd beside the kernel's swap</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"12\" y=\"22\" font-size=\"16\">Time from one access "
		"to the next, in µs (shorter is better)</text>\n"
		"<text x=\"12\" y=\"40\" fill=\"#555555\">", WIDTH, height,
		WIDTH, height);
	fprintf(to, "%u MiB in RAM; %ld CPUs, Linux ", rp->options->limit_mib,
		m->cpu_count);
	print_escaped(to, m->version);
	fprintf(to, ", ");
	print_escaped(to, m->filesystem);
	fprintf(to, "; medians of %u", rp->options->repeat);
	if (warning != NULL) {
		fprintf(to, "; ");
		print_escaped(to, warning);
	}
	fprintf(to, "</text>\n");
}

static void print_legend(FILE *to)
{
	unsigned x = 12;

	for (enum series s = 0; s < SERIES; s++) {
		fprintf(to, "<rect x=\"%u\" y=\"53\" width=\"10\" "
			"height=\"10\" fill=\"%s\"/><text x=\"%u\" y=\"62\">"
			"%s</text>\n", x, series[s].colour, x + 15,
			series[s].title);
		x += s == KERNEL ? 230 : 120;
	}
}

static void print_scale(unsigned height, FILE *to)
{
	for (double us = LEAST_US; us <= MOST_US * 1.01; us *= 10)
		fprintf(to, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" "
			"y2=\"%u\" stroke=\"#dddddd\"/><text x=\"%.1f\" "
			"y=\"%d\" text-anchor=\"middle\" fill=\"#555555\">%g"
			"</text>\n", x_of(us), TOP - 8, x_of(us),
			height - BOTTOM, x_of(us), TOP - 13, us);
}

static void print_bar(const struct row *row, enum series s, unsigned y,
		      FILE *to)
{
	double us = access_us(row, s);
	double speed = row_speed(row, contestant_of(row, s));

	fprintf(to, "<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\" "
		"fill=\"%s\"/><text x=\"%.1f\" y=\"%u\" font-size=\"10\">"
		"%.3g µs", LEFT, y, x_of(us) - LEFT, BAR - 2,
		series[s].colour, x_of(us) + 4, y + BAR - 3, us);
	if (s != KERNEL && speed > 0)
		fprintf(to, ", %.2f × the kernel's speed", speed);
	fprintf(to, "</text>\n");
}

static unsigned print_row(const struct row *row, unsigned y, FILE *to)
{
	unsigned height = bar_count(row) * BAR;
	char name[JOB_NAME_BYTES];

	job_name(&row->job, name);
	fprintf(to, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", LEFT - 8,
		y + height / 2 + 4);
	print_escaped(to, name);
	fprintf(to, "</text>\n");
	for (enum series s = 0; s < SERIES; s++) {
		if (access_us(row, s) <= 0)
			continue;
		print_bar(row, s, y, to);
		y += BAR;
	}
	return y + GAP;
}

void report_print_chart(const struct report *rp, FILE *to)
{
	unsigned height = chart_height(rp), y = TOP;

	print_head(rp, height, to);
	print_legend(to);
	print_scale(height, to);
	for (unsigned i = 0; i < rp->row_count; i++)
		y = print_row(&rp->rows[i], y, to);
	fprintf(to, "<text x=\"12\" y=\"%u\" fill=\"#555555\">2x, 8x: memory "
		"of twice and eight times the limit; without: half of it. "
		"Logarithmic scale. By tests/bench/run.sh.</text>\n</svg>\n",
		height - 16);
}
