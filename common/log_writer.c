/* SPDX-License-Identifier: MIT */
/* The log writer: see log_writer.h.  Lines wait in a ring of a fixed size.  A
 * line that does not fit is dropped and counted.  As soon as there is room, a
 * line says how many were dropped. */
#include "common/log_writer.h"

#include "common/thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum {
	RING_BYTES = 256 * 1024,
	STACK_BYTES = 128 * 1024,	/* sd_journal_sendv() needs much */
	HEAD_BYTES = offsetof(struct log_line, text),
	END_PATIENCE_MS = 1000,
};

static struct log_writer {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* the ring has lines, or is_ending */
	/* All lines are written, or the thread has ended. */
	pthread_cond_t idle;
	bool is_started;
	bool is_busy;			/* writing a line that it has taken */
	bool is_ending;			/* end when all lines are written */
	/* Dropped lines that no line has told of yet. */
	uint64_t untold;
	size_t first, used;		/* position and length in the ring */
	char *ring;
} writer = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
};

static _Atomic uint64_t dropped_count;

uint64_t log_dropped_count(void)
{
	return atomic_load_explicit(&dropped_count, memory_order_relaxed);
}

bool log_is_behind(void)
{
	bool is_behind;

	pthread_mutex_lock(&writer.lock);
	is_behind = writer.untold != 0;
	pthread_mutex_unlock(&writer.lock);
	return is_behind;
}

/* ---- the ring; the lock is held */

static void ring_add(struct log_writer *w, const void *from, size_t bytes)
{
	size_t at = (w->first + w->used) % RING_BYTES;
	size_t head = MIN(bytes, RING_BYTES - at);

	memcpy(w->ring + at, from, head);
	memcpy(w->ring, (const char *)from + head, bytes - head);
	w->used += bytes;
}

static void ring_take(struct log_writer *w, void *to, size_t bytes)
{
	size_t head = MIN(bytes, RING_BYTES - w->first);

	memcpy(to, w->ring + w->first, head);
	memcpy((char *)to + head, w->ring, bytes - head);
	w->first = (w->first + bytes) % RING_BYTES;
	w->used -= bytes;
}

static bool ring_add_line(struct log_writer *w, const struct log_line *line)
{
	size_t bytes = HEAD_BYTES + line->text_bytes + 1;

	if (bytes > RING_BYTES - w->used)
		return false;
	ring_add(w, line, bytes);
	return true;
}

static void ring_take_line(struct log_writer *w, struct log_line *line)
{
	ring_take(w, line, HEAD_BYTES);
	ring_take(w, line->text, line->text_bytes + 1);
}

/* Add a line that says how many lines were dropped.  False: there is no room
 * for it. */
static bool add_untold(struct log_writer *w)
{
	struct log_line line;

	if (w->untold == 0)
		return true;
	log_line_format(&line, LOG_LEVEL_WARNING, "log-dropped",
			"lines=%llu reason=\"the log was not read in time\"",
			(unsigned long long)w->untold);
	if (!ring_add_line(w, &line))
		return false;
	w->untold = 0;
	return true;
}

/* ---- the thread */

static void *writer_main(void *arg)
{
	struct log_writer *w = arg;
	struct log_line line;

	(void)pthread_setname_np(pthread_self(), "memd-log");
	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (w->used == 0)
			(void)add_untold(w);
		if (w->used != 0) {
			ring_take_line(w, &line);
			w->is_busy = true;
			pthread_mutex_unlock(&w->lock);
			log_line_show(&line);
			pthread_mutex_lock(&w->lock);
			w->is_busy = false;
		} else if (w->is_ending) {
			break;
		} else {
			pthread_cond_signal(&w->idle);
			pthread_cond_wait(&w->work, &w->lock);
		}
	}
	w->is_started = false;
	pthread_cond_signal(&w->idle);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

bool log_writer_put(const struct log_line *line)
{
	struct log_writer *w = &writer;
	bool is_started;

	pthread_mutex_lock(&w->lock);
	is_started = w->is_started;
	if (is_started && (!add_untold(w) || !ring_add_line(w, line))) {
		w->untold++;
		atomic_fetch_add_explicit(&dropped_count, 1,
					  memory_order_relaxed);
	}
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	return is_started;
}

int log_writer_start(void)
{
	struct log_writer *w = &writer;
	pthread_condattr_t attr;
	int err;

	ASSERT(!w->is_started);
	if (w->ring == NULL)
		w->ring = malloc(RING_BYTES);
	if (w->ring == NULL)
		return -ENOMEM;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->idle, &attr);
	pthread_condattr_destroy(&attr);
	w->is_ending = false;
	w->is_started = true;
	err = thread_start(NULL, STACK_BYTES, writer_main, w);
	if (err != 0)
		w->is_started = false;
	return err;
}

/* Wait until all lines are written, at most patience_ms. */
static void await_idle(struct log_writer *w, unsigned patience_ms)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += patience_ms / 1000;
	until.tv_nsec += (long)(patience_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (w->is_started && err == 0 &&
	       (w->used != 0 || w->is_busy || w->is_ending))
		err = pthread_cond_timedwait(&w->idle, &w->lock, &until);
}

void log_writer_flush(unsigned patience_ms)
{
	pthread_mutex_lock(&writer.lock);
	await_idle(&writer, patience_ms);
	pthread_mutex_unlock(&writer.lock);
}

void log_writer_stop(void)
{
	pthread_mutex_lock(&writer.lock);
	writer.is_ending = true;
	pthread_cond_signal(&writer.work);
	await_idle(&writer, END_PATIENCE_MS);
	pthread_mutex_unlock(&writer.lock);
}
