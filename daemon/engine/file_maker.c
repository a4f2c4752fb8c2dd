/* SPDX-License-Identifier: MIT */
#include "daemon/engine/file_maker.h"

#include "common/thread.h"
#include "swapstore/swapstore.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 128 * 1024 };

STAILQ_HEAD(file_jobs, file_job);

struct file_maker {
	const struct swapdir *dir;
	pthread_t thread;
	bool has_thread;
	int event_fd;
	atomic_bool is_stopping;
	pthread_mutex_t lock;		/* of both lists */
	pthread_cond_t work;
	struct file_jobs pending, done;
};

static bool is_stopping(void *ctx)
{
	const struct file_maker *fm = ctx;

	return atomic_load(&fm->is_stopping);
}

static void do_job(struct file_maker *fm, struct file_job *job)
{
	const struct swapdir_cancel cancel = { is_stopping, fm };

	if (job->is_end) {
		if (job->map != NULL)
			(void)munmap(job->map, job->map_bytes);
		(void)close(job->fd);
		job->fd = -1;
		return;
	}
	job->error = swapdir_make(fm->dir, (uint64_t)job->slot_count *
					   SWAP_SLOT_BYTES, &cancel, &job->fd,
				  job->reason, sizeof(job->reason));
	if (job->error != 0)
		job->fd = -1;
}

static void *maker_main(void *arg)
{
	struct file_maker *fm = arg;
	struct file_job *job;

	pthread_mutex_lock(&fm->lock);
	while (!is_stopping(fm)) {
		job = STAILQ_FIRST(&fm->pending);
		if (job == NULL) {
			pthread_cond_wait(&fm->work, &fm->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&fm->pending, link);
		pthread_mutex_unlock(&fm->lock);
		do_job(fm, job);
		pthread_mutex_lock(&fm->lock);
		STAILQ_INSERT_TAIL(&fm->done, job, link);
		(void)eventfd_write(fm->event_fd, 1);
	}
	pthread_mutex_unlock(&fm->lock);
	return NULL;
}

int file_maker_create(const struct swapdir *dir, struct file_maker **ret_maker)
{
	struct file_maker *fm = calloc(1, sizeof(*fm));
	int err;

	if (fm == NULL)
		return -ENOMEM;
	fm->dir = dir;
	atomic_init(&fm->is_stopping, false);
	pthread_mutex_init(&fm->lock, NULL);	/* cannot fail on Linux */
	pthread_cond_init(&fm->work, NULL);
	STAILQ_INIT(&fm->pending);
	STAILQ_INIT(&fm->done);
	fm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = fm->event_fd < 0 ? -errno :
	      thread_start(&fm->thread, STACK_BYTES, maker_main, fm);
	if (err != 0) {
		file_maker_destroy(fm);
		return err;
	}
	fm->has_thread = true;
	(void)pthread_setname_np(fm->thread, "memd-files");
	*ret_maker = fm;
	return 0;
}

static void free_jobs(struct file_jobs *jobs)
{
	struct file_job *job;

	while ((job = STAILQ_FIRST(jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(jobs, link);
		if (job->fd >= 0)
			(void)close(job->fd);
		free(job);
	}
}

void file_maker_destroy(struct file_maker *fm)
{
	if (fm == NULL)
		return;
	if (fm->has_thread) {
		pthread_mutex_lock(&fm->lock);
		atomic_store(&fm->is_stopping, true);
		pthread_cond_signal(&fm->work);
		pthread_mutex_unlock(&fm->lock);
		pthread_join(fm->thread, NULL);
	}
	free_jobs(&fm->pending);
	free_jobs(&fm->done);
	pthread_cond_destroy(&fm->work);
	pthread_mutex_destroy(&fm->lock);
	if (fm->event_fd >= 0)
		close(fm->event_fd);
	free(fm);
}

void file_maker_add(struct file_maker *fm, struct file_job *job)
{
	pthread_mutex_lock(&fm->lock);
	STAILQ_INSERT_TAIL(&fm->pending, job, link);
	pthread_cond_signal(&fm->work);
	pthread_mutex_unlock(&fm->lock);
}

struct file_job *file_maker_take(struct file_maker *fm)
{
	struct file_job *job;
	eventfd_t ignored;

	pthread_mutex_lock(&fm->lock);
	job = STAILQ_FIRST(&fm->done);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&fm->done, link);
	else
		(void)eventfd_read(fm->event_fd, &ignored);
	pthread_mutex_unlock(&fm->lock);
	return job;
}

int file_maker_event_fd(const struct file_maker *fm)
{
	return fm->event_fd;
}
