/* SPDX-License-Identifier: MIT */
#include "common/thread.h"

#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

/* Alignment may make it a little larger; a page for each object is enough. */
static int add_tls(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *sum = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*sum += info->dlpi_phdr[i].p_memsz + 4096;
	return 0;
}

/* Thread-local variables of the objects that were loaded at first.  Those of
 * later objects are not on the stack. */
static size_t tls_bytes;

/* Do this when the library is loaded, not when a thread is started:
 * dl_iterate_phdr() takes a lock.  If another thread has the lock during a
 * fork, it stays taken in the child. */
__attribute__((constructor)) static void measure_tls(void)
{
	(void)dl_iterate_phdr(add_tls, &tls_bytes);
}

int thread_start(pthread_t *ret_thread, size_t stack_bytes,
		 void *(*thread_main)(void *), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t ignored;
	int err = pthread_attr_init(&attr);

	if (err != 0)
		return -err;
	stack_bytes += tls_bytes;
	(void)pthread_attr_setstacksize(&attr, (stack_bytes + 4095) &
					       ~(size_t)4095);
	if (ret_thread == NULL)
		(void)pthread_attr_setdetachstate(&attr,
						  PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(ret_thread != NULL ? ret_thread : &ignored, &attr,
			     thread_main, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

enum { PROCESSORS_MAX = 8192 };		/* as many as a kernel can have */

void thread_settle(void)
{
	static const struct sched_param none = { .sched_priority = 0 };
	static const unsigned long all[PROCESSORS_MAX / 8 /
				       sizeof(unsigned long)] = {
		[0 ... PROCESSORS_MAX / 8 / sizeof(unsigned long) - 1] = ~0ul,
	};

	(void)sched_setscheduler(0, SCHED_OTHER, &none);
	(void)setpriority(PRIO_PROCESS, 0, 0);	/* only of this thread */
	(void)sched_setaffinity(0, sizeof(all), (const cpu_set_t *)all);
}
