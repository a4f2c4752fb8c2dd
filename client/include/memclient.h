/* SPDX-License-Identifier: MIT */
/* libmemclient: memory whose pages come and go as a memd daemon decides.
 *
 *	struct memclient *mc;
 *	void *p;
 *
 *	if (memclient_open(NULL, NULL, &mc) != 0 ||
 *	    memclient_map(mc, 1 << 30, NULL, &p) != 0) {
 *		fprintf(stderr, "%s\n", memclient_error(mc));
 *		exit(1);
 *	}
 *	memset(p, 1, 1 << 30);		// use it as any memory
 *	memclient_close(mc);
 *
 * Every page starts as zeros, lives in a frame of the daemon's pool while it
 * is used, and in its swap file while it is not.  A page is caught on its way
 * in by userfaultfd(2), in one of two ways, chosen per region:
 *
 *   thread   (default) a thread of the library handles the fault.  System
 *            calls may be given addresses inside the region, provided the
 *            process may use full userfaultfd: access to /dev/userfaultfd,
 *            CAP_SYS_PTRACE, or sysctl vm.unprivileged_userfaultfd=1.
 *            Without that, thread regions work but a system call that meets
 *            a missing page fails with EFAULT; memclient_touch() first.
 *   inline   the faulting thread handles it in a SIGBUS handler: about half
 *            the cost.  A system call that meets a missing page fails with
 *            EFAULT, always; use memclient_touch() or memclient_pin() first.
 *            A program's own SIGBUS handler installed *before* the first
 *            inline region is still called for every other SIGBUS; one
 *            installed later must pass on what it does not know.  A thread
 *            that touches an inline region must not block SIGBUS, and the
 *            stack on which it takes signals must lie elsewhere.  While a
 *            page is fetched, the thread's other signals wait.
 *
 * What the library promises: a read gives the bytes last written, or the
 * thread gets SIGBUS (si_code BUS_MCEERR_AR where the kernel has both
 * UFFDIO_POISON, 6.6, and memory failure handling, else BUS_ADRERR; inline
 * regions say BUS_MCEERR_AR to a handler in either case).  Never zeros in
 * place of data.  SIGBUS means that the page's bytes are lost (disk error), or
 * that the daemon came back without the segment, or that for
 * memclient_options.timeout_ms the daemon did not answer, or could not give
 * the page a frame.  A daemon that answers and waits for a slow disk, or for
 * another host, is waited for without end, as the kernel waits for its swap;
 * `memctl status` says so meanwhile.  What is late is not lost: touched again
 * it is asked for again, and right when it comes (thread regions: from 0.2 s
 * after the SIGBUS on; on kernels before 6.6, which have no UFFDIO_POISON, such
 * a page is waited for without end).  Inline regions say BUS_ADRERR for it.
 * The time in which the process is stopped (SIGSTOP, a debugger, a freezer)
 * does not count.
 *
 * A daemon that goes away: pages that are mapped stay there and right, and so
 * do pages of private memory that are in memory.  All others wait for it, at
 * most timeout_ms, as above: what others share is looked after by no one while
 * the daemon is away, so the library maps nothing of it.  When the library is
 * connected again, regions of named segments go on if the daemon still has the
 * same segment; private ones belonged to the session that broke, and what of
 * them is not in memory is lost.  So are pins, of all regions.
 *
 * What it asks of the program:
 *   - These may be used on a region or a part of it, be it a part of a page:
 *     mprotect() (not to make a read-only region writable: what is written is a
 *     copy, which vanishes when memd ages the page); mlock() and munlock()
 *     (which keep no page in: see memclient_pin; where a system call gets
 *     EFAULT, mlock() gets ENOMEM); mbind(); and madvise() with NORMAL, RANDOM,
 *     SEQUENTIAL, WILLNEED, COLD, PAGEOUT, POPULATE_READ, POPULATE_WRITE and
 *     DONTNEED, all of which leave the bytes alone (memclient_advise() is what
 *     memd hears of).  Each border that they make costs one of the mappings
 *     that a process may have (sysctl vm.max_map_count).
 *   - Do not munmap(), mremap() or mmap() over a region or a part of it.  The
 *     rest of the region still works, but nobody watches that part any more:
 *     memclient_unmap() unmaps whatever lies there by then, and ageing may drop
 *     it (anonymous memory is zeros then).  Nobody brings pages to
 *     where mremap() has moved it: a touch of one that is not mapped is SIGBUS
 *     there.
 *   - A region is not inherited by fork(): in the child its addresses are
 *     unmapped, and no descriptor of the library is open.  No call works on
 *     the parent's connection (-EPERM) but memclient_close(), which frees
 *     memory; the child may open one of its own.  After clone(2) or _Fork(),
 *     which run no pthread_atfork() handlers, the first call closes the
 *     descriptors: make one, if only memclient_close(), before the child gives
 *     up rights.
 *   - Direct I/O, io_uring fixed buffers, RDMA or anything else that keeps
 *     physical pages needs memclient_pin() around it: otherwise the device may
 *     write into a page that has meanwhile left.
 *   - Pin what the kernel is to read or write for a thread that is ending, in
 *     both fault modes: it does not wait for pages then, and goes on as if the
 *     word were not there.  These are robust mutexes, each from before it is
 *     locked until after it is unlocked (the kernel follows a list from one to
 *     the next, so a missing one also hides those behind it: nobody gets
 *     EOWNERDEAD, and who waits, waits for ever); the word of
 *     set_tid_address(2), on which pthread_join() waits; and the list head of
 *     set_robust_list(2).  The last two are in glibc's descriptor of a thread,
 *     at the end of its stack: pin a stack that lies in a region, all of it.
 *   - Where system calls get EFAULT (see above), pin whatever they are given;
 *     the area of rseq(2), which is in glibc's descriptor, too; and mutexes,
 *     condition variables, semaphores and barriers, private or shared, while
 *     threads use them: they are futex(2) calls as soon as somebody waits, and
 *     glibc aborts the program, or waits for ever, when one fails.  In thread
 *     mode with full userfaultfd none of these needs a pin.
 *   - Do not madvise() a region otherwise than that.  Out of a huge page
 *     (HUGEPAGE, COLLAPSE) nothing can be taken, so the daemon gives up a
 *     segment that has one, as it does with one of which REMOVE has dropped
 *     pages; DOFORK lets a child read zeros; DODUMP lets a core dump show them.
 *   - The library's thread, and the engine's, have the ordinary policy, nice 0
 *     where that is allowed, and every processor of the cpuset, whatever the
 *     thread has that opened the connection: a cpuset confines them,
 *     sched_setaffinity(2) and taskset(1) do not.
 *   - Closing all descriptors is allowed: the library's thread keeps its own,
 *     and a number that is something else's by now is left alone.
 *   - Do not look for regions in a core dump: they are left out, as it would
 *     show zeros for every page that is not mapped at that moment.
 *
 * Errors: functions return 0 or a negative errno number; memclient_error()
 * has the same in words, with what to do.  Outputs are untouched on failure.
 * All of those give -EINVAL where `mc` is NULL or a struct's size is not set.
 * Threads: any thread may call anything at any time, save that
 * memclient_close() must be the last call.  Nothing here may be called from a
 * signal handler.  C99 and C++ compatible. */
#ifndef MEMCLIENT_H
#define MEMCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMCLIENT_VERSION_MAJOR 0
#define MEMCLIENT_VERSION_MINOR 1
#define MEMCLIENT_VERSION_PATCH 0

/* One connection to a daemon, and the regions mapped through it. */
struct memclient;

/* All fields 0 (or a NULL pointer) mean the default. */
struct memclient_options {
	size_t size;		/* sizeof(struct memclient_options); required,
				 * so that fields can be added */
	uint32_t timeout_ms;	/* how long a fault or a call waits for a
				 * daemon that does not answer; default 10000 */
	uint64_t most_frames;	/* own limit: 4 KiB frames at most resident;
				 * 0 = the daemon's */
	const char *command;	/* name shown by `memctl ps`; default: the
				 * program's */
};

/* Connect and start the library's thread.
 *
 * address  where the memory is:
 *          "unix:/path/to/socket", "/path/to/socket", or "unix:@name" for an
 *          abstract socket: a daemon on this host.  NULL:
 *          $MEMCLIENT_ADDRESS, which may hold any address, else
 *          /run/memd/memd.sock.  (Its old name, $MEMD_SOCKET, is still read;
 *          memclient_error() says so right after a call that did.)  Programs
 *          with more rights than their caller do not read it.
 *          "embedded:NAME=VALUE,…": no daemon; pager and swap file are in this
 *          process, on a thread of their own.  All settings of memd.conf(5)
 *          may be given, above all pool_size=SIZE (of the memory in frames;
 *          256M), swap_file=PATH (default: a file without a name in $TMPDIR or
 *          /var/tmp, which must not be a tmpfs, as that is memory) and
 *          swap_size=SIZE (of the swap file; 1G).
 *          "tcp://HOST:PORT?NAME=VALUE&…": the same with the memory of a memd
 *          on another host in place of a swap file.  pool_size=SIZE is what is
 *          kept here, swap_size=SIZE what may be kept there.  tls_ca=FILE,
 *          tls_certificate=FILE and tls_key=FILE (PEM) make it TLS, without
 *          which only loopback is allowed, or insecure_tcp=yes.
 *          store_mirror=HOST:PORT is a second host that keeps every page
 *          too.
 *          Both need libmemd-engine.so.0, which comes with memd, a program
 *          that is not linked statically as a whole, and a heap that does not
 *          itself lie in such memory.
 * options  NULL: all defaults.  Copied.
 * ret_mc   on success the handle; end with memclient_close().
 *
 * Returns 0, or -EINVAL (address or a setting in it not understood), -ENOENT or
 * -ECONNREFUSED (no daemon there), -EACCES (may not connect), -EPROTO or
 * -EPROTONOSUPPORT (not memd, or another protocol version), -EPERM (no
 * userfaultfd at all), -EOPNOTSUPP (kernel older than 5.14), -EAGAIN (daemon is
 * full, or no more threads), -ESHUTDOWN (daemon is stopping), -ENOTCONN (it
 * hung up), -ETIMEDOUT, -ENOMEM, -EMFILE.
 * embedded: and tcp:// besides: -ENOSYS (no libmemd-engine.so.0), -ENOSPC (no
 * room for the swap file, or on the other host), -EDQUOT (a limit there),
 * -EHOSTUNREACH (no such host), -EBUSY (swap file in use), -EPERM (it is not a
 * swap file of this user), and what open(2) of it gives.
 * The reason in words: memclient_error(NULL), in the same thread.
 * Blocks for the handshake, at most timeout_ms.  Before that embedded: takes
 * what making the swap file takes, and tcp:// at most 5 s for each host. */
int memclient_open(const char *address, const struct memclient_options *options,
		   struct memclient **ret_mc);

/* Unmap all regions, stop the thread, disconnect.  NULL is allowed.  Private
 * memory is gone; named segments live on in the daemon.  No other thread may
 * be using a region or a call.
 * Blocks while the kernel unmaps, not for a daemon.  With embedded: and tcp://
 * also until their engine has stopped: at most the setting stop_timeout (1s
 * there) for pages on their way, then until the disk has done what it was given
 * (embedded:), or at most 1 s for each other host. */
void memclient_close(struct memclient *mc);

/* How a region is to be mapped.  All 0: thread mode, 4 KiB pages. */
struct memclient_map_options {
	size_t size;		/* sizeof(struct memclient_map_options) */
	uint32_t page_size;	/* bytes: 4096, 16384, 65536 or 2097152 */
	uint32_t fault_mode;	/* MEMCLIENT_FAULT_… */
	uint32_t read_only;	/* attach: map without the right to write */
};

#define MEMCLIENT_FAULT_THREAD	0u
#define MEMCLIENT_FAULT_INLINE	1u

/* Map `length` bytes of private zero-filled memory.
 *
 * length    bytes, > 0; rounded up to whole pages.
 * options   NULL: defaults.
 * ret_addr  on success the start, aligned to the page size.
 *
 * Returns 0, or -EINVAL (zero or overflowing length, bad page size or one that
 * the daemon's pool is too small for, bad fault mode, read_only), -EDQUOT (a
 * limit of this session or user), -ENOSPC (pool and swap are committed),
 * -EAGAIN (the daemon has max_segments, or a program of this user keeps a
 * data file of it locked; or mlockall(MCL_FUTURE) is on and RLIMIT_MEMLOCK too
 * low), -EMFILE (here or in the daemon; or too many connections with inline
 * regions), -ENOMEM, -ENOTCONN (daemon gone), -EPROTO, -ETIMEDOUT.
 * Blocks for one round trip, at most timeout_ms.  The region belongs to `mc`
 * until memclient_unmap(). */
int memclient_map(struct memclient *mc, size_t length,
		  const struct memclient_map_options *options, void **ret_addr);

/* Unmap the region that starts at `addr` (memclient_map, memclient_attach).
 * Returns 0, or -EINVAL (no region starts there).  No thread may be touching
 * it.  Works without a daemon. */
int memclient_unmap(struct memclient *mc, void *addr);

/* How a named segment is made. */
struct memclient_segment_options {
	size_t size;		/* sizeof(struct memclient_segment_options) */
	uint32_t page_size;	/* as above */
	uint32_t mode;		/* permission bits, as of a file; 0 = 0600 */
	const char *group;	/* owner's group; NULL: the caller's */
	uint32_t exclusive;	/* non-zero: -EEXIST if the name is taken */
};

/* Make a named segment of `length` zero bytes, owned by the caller's uid.  It
 * lives until memclient_segment_unlink() and the last detach.  An existing
 * one of the same name is left as it is and 0 returned, unless `exclusive`,
 * or its size or page size differ (-EEXIST).
 *
 * name  1 to 255 bytes, no '/' and no control characters.
 *
 * Errors as memclient_map, and -EEXIST, -EACCES (exists, not allowed),
 * -EINVAL (name or mode; no such group), -EPERM (a group that the caller, not
 * being root, is no member of), -EAGAIN (the daemon asks a directory service
 * for the group: ask again, or give its number). */
int memclient_segment_create(struct memclient *mc, const char *name,
			     size_t length,
			     const struct memclient_segment_options *options);

/* Take the name away; the memory goes with the last detach.  Returns 0, or
 * -EINVAL (not a name), -ENOENT, -EACCES (owner and administrators only),
 * -ENOTCONN, -ETIMEDOUT. */
int memclient_segment_unlink(struct memclient *mc, const char *name);

/* Map a named segment, shared with every other process that attached it: a
 * page is one frame for all of them, and writes are seen at once.
 *
 * options               page_size: 0 takes the segment's; any other must be
 *                       the segment's.
 * ret_addr, ret_length  start and length in bytes; ret_length may be NULL.
 *
 * Returns 0, or -ENOENT (no such name), -EACCES (its mode says no), -EINVAL
 * (not a name, bad fault mode, bad page size or not the segment's), -EIO (its
 * data file was written to past the daemon, so no byte of it can be trusted:
 * unlink it), -EDQUOT (as many as one session may attach), -EAGAIN (mlockall(),
 * as memclient_map), -EMFILE, -ENOMEM, -ENOTCONN, -EPROTO, -ETIMEDOUT. */
int memclient_attach(struct memclient *mc, const char *name,
		     const struct memclient_map_options *options,
		     void **ret_addr, size_t *ret_length);

/* memclient_advise: what is going to happen to a range.  As madvise(2). */
#define MEMCLIENT_ADVICE_NORMAL		0
#define MEMCLIENT_ADVICE_SEQUENTIAL	1	/* read far ahead */
#define MEMCLIENT_ADVICE_RANDOM		2	/* never read ahead */
#define MEMCLIENT_ADVICE_WILLNEED	3	/* bring in, do not wait */
#define MEMCLIENT_ADVICE_DONTNEED	4	/* drop the bytes: zeros again,
						 * for all who map it */
#define MEMCLIENT_ADVICE_COLD		5	/* evict these first */
#define MEMCLIENT_ADVICE_PAGEOUT	6	/* evict now */

/* Advise on every page that the range [addr, addr + length) touches
 * (DONTNEED: every page wholly inside it).  SEQUENTIAL, RANDOM and NORMAL hold
 * for the whole segment.  COLD and PAGEOUT do nothing, and return 0, where this
 * connection has the segment attached read-only: others may be using the pages.
 *
 * Returns 0, or -EINVAL (not inside one region, unknown advice), -EACCES
 * (DONTNEED on a read-only region), -EBUSY (DONTNEED or PAGEOUT on pinned
 * pages; or too many requests are under way), -ENOTCONN (daemon gone, or the
 * region lost), -ETIMEDOUT.  On failure it may have been done for a part of the
 * range.
 * Blocks until it is done, except WILLNEED; at most timeout_ms for each
 * 256 MiB. */
int memclient_advise(struct memclient *mc, void *addr, size_t length,
		     int advice);

/* Bring in every page that the range touches, map it here, and keep it in and
 * mapped until memclient_unpin() of the same range (pins are counted).
 * Meanwhile the kernel finds it in every system call of this process, in all
 * fault modes and whatever userfaultfd the process has.  (Others who have
 * the segment attached pin for themselves.)
 *
 * Returns 0, or -EINVAL (not inside one region), -ENOMEM (more than may be
 * pinned: half of the pool, half of a limit on frames, or 4096 ranges), -EBUSY
 * (too many requests are under way: 16 pins and advices of one connection at a
 * time), -EACCES (the region is read-only, and the segment's mode does not let
 * the caller write), -EIO (a page is lost), -ENOTCONN (daemon gone, or the
 * region lost), -ETIMEDOUT.  On failure nothing is pinned; save that after
 * -ETIMEDOUT the daemon may still pin the range, until it is unmapped.
 * Blocks until it is done, at most timeout_ms. */
int memclient_pin(struct memclient *mc, void *addr, size_t length);

/* Undo one memclient_pin() of the same range.
 *
 * Returns 0, or -EINVAL (not exactly the pages of a range that was pinned, or
 * the connection broke since, with which pins end), -ENOTCONN, -ETIMEDOUT.
 * Blocks for one round trip, at most timeout_ms. */
int memclient_unpin(struct memclient *mc, void *addr, size_t length);

/* Read one byte of every page of the range, so that a system call that
 * follows at once will hardly ever meet a missing page.  (Only
 * memclient_pin() makes that certain.)  Returns 0 or -EINVAL (not inside one
 * region).  Blocks while pages come in, at most timeout_ms for each; one that
 * is lost, or does not come, is SIGBUS here as anywhere. */
int memclient_touch(struct memclient *mc, const void *addr, size_t length);

/* Figures of this connection.  Bytes and the limit are as of now.  Faults are
 * counted by the daemon, from the last (re)connection on: they begin at 0 again
 * where `reconnects` has grown.  pages_lost and reconnects are counted here,
 * from memclient_open() on. */
struct memclient_stats {
	size_t size;		/* sizeof(struct memclient_stats); required */
	uint64_t mapped_bytes;
	uint64_t resident_bytes;	/* in frames, of segments it attached */
	uint64_t swapped_bytes;
	uint64_t faults_minor;	/* page was in the pool, just not mapped */
	uint64_t faults_zero;	/* first touch */
	uint64_t faults_hit;	/* in the pool, daemon asked */
	uint64_t faults_swap_in;	/* read from the swap file */
	uint64_t faults_put_back;	/* caught on its way out */
	uint64_t pages_lost;	/* poisoned */
	uint64_t limit_frames;	/* 0: none */
	uint64_t reconnects;
};

/* Returns 0, or -EINVAL (size), -ENOTCONN, -EPROTO, -ETIMEDOUT.  Blocks for
 * one round trip, at most timeout_ms. */
int memclient_stats(struct memclient *mc, struct memclient_stats *ret_stats);

/* Text of a (negative or positive) errno number, for example
 * "no room: pool and swap are committed".  Static; never NULL. */
const char *memclient_strerror(int error);

/* What went wrong in the calling thread's last failed call, in one line that
 * says what to do.  `mc` may be NULL.  Valid until the thread's next call;
 * never NULL. */
const char *memclient_error(const struct memclient *mc);

#ifdef __cplusplus
}
#endif
#endif
