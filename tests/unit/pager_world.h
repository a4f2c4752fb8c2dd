/* SPDX-License-Identifier: MIT */
/* A world for unit tests of the pager in which nothing happens by itself: data
 * files and slots are arrays, a request ends when the test says so and as it
 * says, and every answer is kept to be looked at.  For chance and for many
 * pages at once there is tests/sim. */
#ifndef MEMD_TESTS_UNIT_PAGER_WORLD_H
#define MEMD_TESTS_UNIT_PAGER_WORLD_H

#include "daemon/pager/pager.h"

enum {
	WORLD_SEGMENTS = 128,
	WORLD_IO_MAX = 64,
	WORLD_LOG_MAX = 65536,
	WORLD_READY_MAX = 4096,
	WORLD_DONE_MAX = 512,
};

struct world_segment {
	bool is_live;
	uint64_t units;
	uint8_t *bytes;		/* owned; units * 4096 */
	bool *present;		/* owned */
	unsigned pieces_gone;
	/* With a book, all owned: */
	struct book_entry *book;
	bool *open;		/* an intent is open on the unit */
};

struct world_done {
	uint64_t cookie, count;
	int result;
};

struct world_ready {
	uint32_t client;
	segment_id segment;
	uint64_t first, count, mark;
};

/* A capture that is under way. */
struct world_late {
	bool is_used, has_ended, is_stuck;
	unsigned count;
	struct pager_capture run[PAGER_CAPTURES_MAX];
	uint8_t *bytes;			/* owned; of all runs */
	uint64_t units;
};

struct world {
	struct pager *pager;
	struct pager_config config;
	uint64_t now_ns;
	struct world_segment segment[WORLD_SEGMENTS + 1];
	uint8_t *slots;			/* owned */
	struct swap_io io[WORLD_IO_MAX];
	unsigned io_count, io_depth;
	struct fault reply[WORLD_LOG_MAX];	/* copies */
	uint64_t reply_cookie[WORLD_LOG_MAX];
	unsigned reply_count;
	uint32_t client;		/* that faults; 0: an old one */
	area_id area;			/* of segments that are made */
	struct { uint32_t first, count; } file[8];
	unsigned file_count;
	struct world_ready ready[WORLD_READY_MAX];
	unsigned ready_count;
	struct world_done done[WORLD_DONE_MAX];
	unsigned done_count;
	unsigned gone_count;
	uint64_t aged;
	/* What is to go wrong: this many times from now on. */
	unsigned fail_installs, fail_captures, fail_discards;
	bool refuses[SWAP_CLASSES];	/* the store has no room for these */
	uint64_t lose_unit;		/* at its capture, this one of the
					 * first segment - 1; 0: none */
	segment_id stuck;		/* nothing is captured from it */
	unsigned late_captures;		/* calls that do not end at once */
	struct world_late late[PAGER_TICKETS_MAX + 1];	/* by ticket */
	bool keeps_late;		/* world_settle() does not end them */
	unsigned shed_pieces;		/* that a data file goes in, and what */
	uint32_t shed_cost;		/* each of them costs */
	uint64_t install_part;		/* units done before a failure */
	uint32_t lost_slot;		/* the store says so of slot - 1; 0: of
					 * none */
	/* What has happened. */
	unsigned reads, writes;		/* requests */
	unsigned slots_read, slots_written;
	unsigned captures, refused_captures;
	unsigned late_count;		/* captures under way */
	unsigned sheds;			/* pieces that went */
	unsigned discards;		/* calls: each a punch */
	uint64_t discarded;		/* units of them */
	unsigned alone_count;		/* install_for, done */
	uint64_t alone_page;		/* the last one's */
	unsigned alone_replies;		/* that had been given by then */
	unsigned looks;			/* calls */
	uint32_t filled[8];		/* files, as they were said to be */
	unsigned filled_count;
};

/* Fields that are 0 get a default: 64 frames, 128 slots (none: UINT32_MAX), 8
 * segments, 8 accounts, watermarks 1 and 2, no readahead, 1 MiB. */
void world_create(struct world *w, const struct pager_config *config);

/* Also checks that every frame and slot is free once all segments are gone. */
void world_destroy(struct world *w);

/* Give the area a file; a request must be inside of one. */
void world_add_file(struct world *w, area_id area, uint32_t slot_count);

segment_id world_segment(struct world *w, uint64_t pages, unsigned order,
			 account_id account);
void world_segment_destroy(struct world *w, segment_id id);

/* The segment, which is new, gets a book. */
void world_publish(struct world *w, segment_id id);

/* A program brings the page in by itself.  The pager does not know. */
void world_program_installs(struct world *w, segment_id id, uint64_t page,
			    uint8_t value);

/* Send a fault; `cookie` is found beside its answer. */
void world_ask(struct world *w, segment_id id, uint64_t page, uint64_t cookie);

/* Send a fault.  Its answer, when there is one at once, else NULL. */
const struct fault *world_fault(struct world *w, segment_id id, uint64_t page);

/* Send a fault, let everything run, and return its answer. */
const struct fault *world_fault_wait(struct world *w, segment_id id,
				     uint64_t page);

/* Advise; the result, or 1 when it has not ended. */
int world_advise(struct world *w, segment_id id, uint64_t first,
		 uint64_t count, enum pager_advice advice);

/* End request number `idx` as `result`; on 0 the bytes are moved. */
void world_end_io(struct world *w, unsigned idx, int result);

/* End the captures of the ticket: they fail with `error`, or the bytes are
 * taken out now. */
void world_end_capture(struct world *w, uint32_t ticket, int error);

/* Say that the captures of the ticket may never end. */
void world_stick_capture(struct world *w, uint32_t ticket);

/* End all requests well, and run, until nothing is left to do. */
void world_settle(struct world *w);

/* Run without ending any request. */
void world_run(struct world *w);

/* A client writes to (or reads from) a page that is present. */
void world_write(struct world *w, segment_id id, uint64_t unit, uint8_t value);
uint8_t *world_unit(struct world *w, segment_id id, uint64_t unit);

/* Fault the page in, make all of it `value`. */
void world_fill(struct world *w, segment_id id, uint64_t page, uint8_t value);

/* Fault the page in; every byte of it must be `value`. */
void world_expect(struct world *w, segment_id id, uint64_t page,
		  uint8_t value);

/* PAGEOUT, ended well. */
void world_page_out(struct world *w, segment_id id, uint64_t first,
		    uint64_t count);

struct pager_stats world_stats(const struct world *w);
struct segment_info world_info(const struct world *w, segment_id id);

/* The slot (index) whose contents begin with `value`, of those the store
 * holds; the test fails when there is none. */
uint32_t world_find_slot(const struct world *w, uint8_t value);

#endif
