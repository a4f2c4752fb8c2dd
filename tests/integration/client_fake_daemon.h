/* SPDX-License-Identifier: MIT */
/* A daemon that does what a test of libmemclient wants, wrong things too.  It
 * is a process of its own, so it can be killed; it keeps every page that was
 * ever evicted in plain memory.  Not a pager: nothing is evicted unless it is
 * told to.
 *
 * It listens on an abstract socket and dies with the test. */
#ifndef MEMD_TESTS_CLIENT_FAKE_DAEMON_H
#define MEMD_TESTS_CLIENT_FAKE_DAEMON_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* What it does when a page is asked for. */
enum fake_mode {
	FAKE_GOOD,
	FAKE_SILENT,		/* never answers, nor says how it does */
	FAKE_CLOSE,		/* hangs up */
	FAKE_GARBAGE,		/* bytes that are no frame */
	FAKE_MALFORMED,		/* a frame with a body that is no message */
	FAKE_OVERSIZED,		/* a header that announces too much */
	FAKE_EIO,		/* "the page is lost" */
	FAKE_BUSY_ONCE,		/* EBUSY, and the next time it is good */
	FAKE_WILD_RANGE,	/* the page, and a range beyond all bounds */
	FAKE_LIE_ONCE,		/* "it is there", and it is not; then good */
	FAKE_LIE,		/* always */
	FAKE_OTHER_PAGE,	/* answers for a page that was not asked, then
				 * for the one that was */
	FAKE_MANY_FDS,		/* descriptors nobody wants, then good */
	FAKE_MODES,
	FAKE_SLOW,		/* no answer until fake_answer_held() */
};

/* What it does when somebody connects. */
enum fake_hello {
	FAKE_HELLO_GOOD,
	FAKE_HELLO_REFUSE,	/* Error{EAGAIN} with an escape sequence */
	FAKE_HELLO_VERSION,	/* another major version */
	FAKE_HELLO_SILENT,
	FAKE_HELLO_GARBAGE,
	FAKE_HELLO_EMPTY,
};

/* What it sends as a segment's data file. */
enum fake_file {
	FAKE_FILE_GOOD,
	FAKE_FILE_NONE,
	FAKE_FILE_UNSEALED,
	FAKE_FILE_SHORT,
	FAKE_FILE_PIPE,
	FAKE_FILE_ODD_PAGE_SIZE,	/* right file, wrong SegmentReply */
};

/* What it gives who asks for a mailbox, from then on. */
enum fake_mailbox {
	FAKE_MAILBOX_NONE,		/* nor does it have the capability */
	FAKE_MAILBOX_GOOD,
	FAKE_MAILBOX_SMALL,		/* few of its cells can be had */
	FAKE_MAILBOX_WITHOUT_BELL,	/* as from a daemon that has none */
};

/* What it gives who asks for a desk, from then on, and with each segment that
 * is attached for writing. */
enum fake_desk_kind {
	FAKE_DESK_NONE,			/* nor does it have the capability */
	FAKE_DESK_GOOD,			/* and books: see client_fake_desk.h */
	FAKE_DESK_REFUSED,		/* Error{EOPNOTSUPP}, but books */
	FAKE_DESK_NEWER,		/* of a later version, and books */
	FAKE_DESK_NEWER_BOOKS,		/* a good one, and books of a later
					 * version */
};

struct fake_control {
	_Atomic uint32_t mode, hello, file, mailbox, desk;
	_Atomic uint32_t book_state, book_end;	/* of what it gives then */
	_Atomic uint64_t desks_asked, desks_begun;
	_Atomic uint64_t credits_taken;	/* at the last SessionStats */
	_Atomic uint64_t fault_messages, fault_pages;
	_Atomic uint64_t sessions, detaches;
	_Atomic uint64_t cell_faults;	/* that threads asked for in cells */
	_Atomic uint64_t bells_rung, rings;
	_Atomic uint64_t touched_pages, touched_faults;
	_Atomic uint64_t attached;	/* of all sessions, not yet detached */
	_Atomic uint32_t refuse_attach;	/* SegmentAttach: with this errno */
	_Atomic uint32_t hold_attach;	/* SegmentAttach: not answered */
	_Atomic uint64_t refused;	/* how often */
	_Atomic uint64_t held;		/* how many wait for an answer now */
	_Atomic uint32_t evict_all;	/* set: take all pages out, then 0 */
	_Atomic uint32_t age_all;	/* set: send Age for all, then 0 */
	_Atomic uint32_t answer_held;	/* set: answer those, and the pages of
					 * FAKE_SLOW, then 0 */
	_Atomic uint64_t slow;		/* pages that wait for that */
	_Atomic uint64_t probes;	/* SessionStats that came */
	_Atomic uint32_t hang_up;	/* set: on everybody, then 0 */
	_Atomic uint32_t new_files;	/* attach gives another, empty file */
};

struct fake {
	pid_t pid;
	int wake_fd;			/* a byte here: look at the control */
	char address[64];		/* for memclient_open() */
	struct fake_control *control;
};

/* Start one; exits the test with status 77 where userfaultfd is not
 * allowed. */
void fake_start(struct fake *f);

/* Kill it; the address and the control stay. */
void fake_kill(struct fake *f);

/* Start one again at the same address: a new daemon that knows nothing. */
void fake_restart(struct fake *f);

void fake_stop(struct fake *f);

/* Evict everything / age everything / hang up on everybody / answer what was
 * held, and wait until it is done. */
void fake_evict(struct fake *f);
void fake_age(struct fake *f);
void fake_hang_up(struct fake *f);
void fake_answer_held(struct fake *f);

#endif
