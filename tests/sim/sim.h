/* SPDX-License-Identifier: MIT */
/* The simulator's world, shared by its files; nobody else includes this.
 *
 * One seed is one world: the real pager, over fake data files (datafile.c),
 * clients that map and write them (client.c) and a real mem store that
 * misbehaves (disk.c), in virtual time.  Beside it stands a model that the
 * pager cannot see: what every unit must contain (struct unit.expect), and
 * which pages may be lost because the store was seen to have spoilt them.
 * answers.c judges what the pager says, settle.c whether it comes to rest and
 * gives everything back, actions.c chooses what happens next. */
#ifndef MEMD_TESTS_SIM_SIM_H
#define MEMD_TESTS_SIM_SIM_H

#include "client/fault/onesided.h"
#include "daemon/pager/pager.h"
#include "daemon/serve/desk.h"
#include "swapstore/swapstore.h"
#include "tests/sim/pattern.h"
#include "tests/sim/rng.h"
#include "tests/store/store_fault.h"

enum {
	SIM_SEGMENTS_MAX = 16,
	SIM_ACCOUNTS_MAX = 8,
	SIM_CLIENTS_MAX = 4,
	SIM_THREADS = 4,		/* of each program */
	SIM_WALKS = 3,			/* readers of each client */
	SIM_MARK_PLACES = 8,
	SIM_FAULTS_MAX = 512,
	SIM_ADVICE_MAX = 64,
	SIM_IO_MAX = 128,
	SIM_STAGING_BYTES_MAX = 16 << 20,
	SIM_ORDERS = 4,
	SIM_AREAS_MAX = 6,
	SIM_FILES_MAX = 64,		/* of an area */
};

extern const unsigned sim_order[SIM_ORDERS];	/* 0, 2, 4, 9 */

/* What a run has to have seen to mean anything; REQUIRED ones must have
 * happened at least once in the whole default run. */
#define SIM_EVENTS(EVENT)						\
	EVENT(FAULTS, 1, "faults sent")					\
	EVENT(ZERO, 1, "  answered: zero")				\
	EVENT(HIT, 1, "  answered: hit")				\
	EVENT(SWAP_IN, 1, "  answered: swap in")			\
	EVENT(PUT_BACK, 1, "  answered: put back")			\
	EVENT(LOST, 1, "  answered: lost")				\
	EVENT(EFAULT_RANGE, 1, "  refused: no such page or segment")	\
	EVENT(EFAULT_DESTROYED, 1, "  refused: destroyed meanwhile")	\
	EVENT(ENOMEM, 1, "  refused: no frame can be freed")		\
	EVENT(EBUSY, 1, "  refused: a stuck capture")			\
	EVENT(WAITS, 1, "  waited for a frame")				\
	EVENT(LATER, 1, "  answered after the call")			\
	EVENT(SWAP_IN_2M, 1, "  answered with a 2 MiB page from its slots") \
	EVENT(AROUND, 1, "  answered with neighbours")			\
	EVENT(ALONE, 1, "  whose page was put in for them alone")	\
	EVENT(ASKED_ANYWAY, 1, "faults at pages that were there")	\
	EVENT(HELD, 1, "answers with more than one batch")		\
	EVENT(READY, 1, "times told of pages read ahead")		\
	EVENT(READY_PAGES, 1, "  pages")				\
	EVENT(MARKS, 1, "  marks to be left unmapped")			\
	EVENT(MARKS_TOUCHED, 1, "  marks that were touched")		\
	EVENT(MINOR, 1, "pages mapped by clients alone")		\
	EVENT(WRITES_IN_CALL, 1, "client writes inside a pager call")	\
	EVENT(AGE_OBEYED, 1, "pages aged")				\
	EVENT(AGE_IGNORED, 1, "pages whose ageing was ignored")		\
	EVENT(ONE_ZERO, 1, "pages that programs brought in: zeros")	\
	EVENT(ONE_SWAPPED, 1, "  from their slots")			\
	EVENT(ONE_MAPPED, 1, "  that were there")			\
	EVENT(ONE_ASK, 1, "  left to memd")				\
	EVENT(ONE_READ, 1, "  slots read")				\
	EVENT(ONE_EEXIST, 1, "  installed by another meanwhile")	\
	EVENT(ONE_RING, 1, "  times memd was told to lend more")	\
	EVENT(ONE_COUNTED, 1, "  records that made a page known")	\
	EVENT(ONE_KNOWN, 1, "  records of pages that were known")	\
	EVENT(ONE_REFUSED, 1, "  claims refused for an open intent")	\
	EVENT(ONE_RECALLED, 1, "times memd took back what it had lent")	\
	EVENT(ONE_DIED, 1, "programs that died")			\
	EVENT(ONE_DIED_IN, 1, "  threads in the middle of a fault")	\
	EVENT(AREA_FILES, 1, "files made for areas")			\
	EVENT(AREA_FILLED, 1, "  filled: each slot was written once")	\
	EVENT(FILL_FAILED, 1, "  fills that failed")			\
	EVENT(AREA_TRIMMED, 1, "files of areas that were given back")	\
	EVENT(AREA_ENDED, 1, "areas ended")				\
	EVENT(AREA_FULL, 1, "segments refused: no room for their area")	\
	EVENT(CAPTURED, 1, "units captured")				\
	EVENT(CAPTURE_FAILED, 1, "captures made to fail")		\
	EVENT(LATE, 1, "captures that ended later")			\
	EVENT(LATE_FAILED, 1, "  in error")				\
	EVENT(LATE_DESTROYED, 1, "  after their segment was destroyed")	\
	EVENT(LATE_STUCK, 1, "  said to be stuck before")		\
	EVENT(LATE_REFUSED, 1, "captures refused meanwhile")		\
	EVENT(INSTALL_FAILED, 1, "installs made to fail")		\
	EVENT(INSTALL_PART, 1, "  with some units installed")		\
	EVENT(KEPT, 1, "  units that were present and kept theirs")	\
	EVENT(EVICTED, 1, "pages evicted")				\
	EVENT(EVICTED_CLEAN, 1, "  clean, not written")			\
	EVENT(EVICTED_ZERO, 1, "  all zero, no slot")			\
	EVENT(READ_IO, 1, "read requests")				\
	EVENT(WRITE_IO, 1, "write requests")				\
	EVENT(STORE_BUSY, 1, "requests the store put off")		\
	EVENT(READ_FAILED, 1, "reads that failed")			\
	EVENT(READ_LOST, 1, "  for their slots were lost")		\
	EVENT(READ_WRONG, 1, "slots read back wrong, as success")	\
	EVENT(WRITE_FAILED, 1, "writes that failed")			\
	EVENT(NO_SPACE, 1, "  for lack of space")			\
	EVENT(SLOTS_LOST, 1, "slots quarantined")			\
	EVENT(SLOTS_AGAIN, 1, "slots written after they were lost")	\
	EVENT(READAHEAD, 1, "pages read ahead")				\
	EVENT(READAHEAD_HITS, 1, "  that were used")			\
	EVENT(READAHEAD_WASTED, 1, "  that were not")			\
	EVENT(CREATED, 1, "segments created")				\
	EVENT(CREATED_16K, 1, "  of 16 KiB pages")			\
	EVENT(CREATED_64K, 1, "  of 64 KiB pages")			\
	EVENT(CREATED_2M, 1, "  of 2 MiB pages")			\
	EVENT(FULLY_COMMITTED, 1, "  that took the last page there was") \
	EVENT(CREATE_ENOSPC, 1, "  refused: committed")			\
	EVENT(CREATE_EDQUOT, 1, "  refused: quota")			\
	EVENT(CREATE_EAGAIN, 1, "  refused: too many")			\
	EVENT(CREATE_EINVAL, 1, "  refused: page too large")		\
	EVENT(DESTROYED, 1, "segments destroyed")			\
	EVENT(GONE_LATER, 1, "  gone only when their I/O had ended")	\
	EVENT(WILLNEED, 1, "advice done: WILLNEED")			\
	EVENT(FETCH, 1, "advice done: FETCH")				\
	EVENT(FETCH_SHORT, 1, "  but for some pages")			\
	EVENT(DONTNEED, 1, "advice done: DONTNEED")			\
	EVENT(COLD, 1, "advice done: COLD")				\
	EVENT(PAGEOUT, 1, "advice done: PAGEOUT")			\
	EVENT(PIN, 1, "advice done: PIN")				\
	EVENT(UNPIN, 1, "advice done: UNPIN")				\
	EVENT(ADVICE_LATER, 1, "advice that ended after the call")	\
	EVENT(ADVICE_EBUSY, 1, "advice refused: -EBUSY")		\
	EVENT(ADVICE_ENOMEM, 1, "advice refused: -ENOMEM")		\
	EVENT(ADVICE_EIO, 1, "advice refused: -EIO")			\
	EVENT(ADVICE_EFAULT, 1, "advice refused: segment destroyed")	\
	EVENT(ADVICE_EINVAL, 1, "advice refused: no such range")	\
	EVENT(LIMITED, 1, "account limits lowered below use")		\
	EVENT(POLICY, 1, "changes of the replacement policy")		\
	EVENT(FULL_STORE, 1, "times at rest with no slot free")		\
	EVENT(CHECKS, 1, "pager_check() runs")				\
	EVENT(SETTLED, 1, "times brought to rest")			\
	EVENT(VERIFIED, 1, "pages compared at the end")

enum sim_event {
#define EVENT(name, required, text) SIM_##name,
	SIM_EVENTS(EVENT)
#undef EVENT
	SIM_EVENT_COUNT
};

/* Flags of struct unit. */
enum {
	UNIT_PRESENT = BIT(0),
	UNIT_DONTNEED = BIT(1),	/* a DONTNEED of it is under way */
	UNIT_WRITTEN = BIT(2),	/* by a client, since that was asked for */
	UNIT_UNSURE = BIT(3),	/* DONTNEED and a write crossed: what was
				 * written, or zeros, until somebody looks */
};

struct unit {
	uint64_t actual;	/* in the data file, while present */
	uint64_t expect;	/* what it must be */
	uint8_t mapped;		/* a bit a client */
	uint8_t flags;
};

struct sim_page {
	bool is_tainted;	/* the store spoilt it: it may be lost */
	bool is_lost;		/* the pager has said so */
	uint16_t pins;
};

enum sim_segment_state { SIM_SEGMENT_NONE, SIM_SEGMENT_LIVE,
			 SIM_SEGMENT_DYING };

/* A reader that goes through the segment in equal steps. */
struct sim_walk {
	uint64_t page;
	int64_t step;
};

struct sim_segment {
	enum sim_segment_state state;
	segment_id id;
	uint32_t ordinal;	/* never used again in this world */
	unsigned order;
	uint64_t page_count, unit_count;
	uint64_t serial;
	struct book_entry *book;	/* owned; NULL: none */
	struct unit *unit;	/* owned */
	struct sim_page *page;	/* owned */
	unsigned client_count;
	unsigned account;	/* index + 1; 0: none */
	area_id area;
	uint64_t hot_first, hot_count;		/* pages */
	struct sim_walk walk[SIM_CLIENTS_MAX][SIM_WALKS];
	uint64_t mark[SIM_CLIENTS_MAX][SIM_MARK_PLACES];	/* page + 1 */
	uint32_t dying_step;
};

struct sim_file {
	uint32_t first, count;	/* indexes of slots */
};

struct sim_area {
	bool is_used;
	unsigned segments, file_count;
	struct sim_file file[SIM_FILES_MAX];
};

struct sim_fault {
	struct fault fault;	/* first */
	bool is_used, is_write, in_call;
	bool is_promised;	/* its page has been put in for it alone */
	uint32_t number;
	uint64_t page, start_ns;
	segment_id id;
	uint32_t ordinal;	/* of the segment; 0: none lives there */
	unsigned client;
};

struct sim_advice {
	bool is_used, in_call;
	int result;		/* once it has ended */
	enum pager_advice kind;
	uint64_t cookie, first, count;
	uint32_t ordinal;
};

struct sim_account {
	bool is_used;
	account_id id;
	unsigned parent;	/* index + 1 */
	unsigned children, segments;
	uint64_t limit_frames, limit_mapped;
};

/* A thread in a fault of its own. */
struct sim_thread {
	bool is_used, is_write;
	uint32_t sleeps_until;	/* step */
	unsigned client;
	struct sim *sim;
	struct onesided o;
};

/* The clients of this index, of all segments, are one program. */
struct sim_program {
	struct sim *sim;
	bool is_dying;
	unsigned account;	/* index + 1; 0: none */
	struct desk *desk;	/* owned */
	uint8_t *staging;	/* owned */
	struct desk_side side;
	struct sim_thread thread[SIM_THREADS];
};

/* ---- a capture that ends later */

enum { CAPTURE_DUE = 1, LATE_UNITS_MAX = 512 };

struct sim_late {
	bool is_used;
	bool is_told;		/* pager_capture_done() was called */
	bool is_stuck, is_drop;
	unsigned account;	/* of all its runs */
	unsigned run_count, punched;
	struct pager_capture run[PAGER_CAPTURES_MAX];
	uint64_t value[LATE_UNITS_MAX];	/* of what was taken out */
	unsigned value_count;
	uint64_t units_out;
};

/* ---- the disk: what each slot must hold, and requests on their way */

enum slot_state { SLOT_EMPTY, SLOT_WRITING, SLOT_GOOD, SLOT_BAD };

struct sim_slot {
	uint64_t value;		/* written, or being written; says whose */
	uint16_t readers;
	uint8_t state;
	bool was_lost;		/* so the store said, since it was written */
	bool was_written;	/* once, since its file was made */
};

enum io_state { IO_FREE, IO_QUEUED, IO_SUBMITTED, IO_DONE };

struct sim_io {
	struct swap_io io;
	uint8_t state;
	int result;
};

struct sim_disk {
	struct swapstore *store;	/* NULL: none */
	struct sim_slot *slot;		/* owned */
	struct sim_io io[SIM_IO_MAX];
	unsigned io_count;		/* not IO_FREE */
	unsigned count[IO_DONE + 1];	/* in each state */
	unsigned depth;
	uint32_t bad_slots;
	bool *is_staged_busy;		/* owned; a unit of staging: the disk
					 * moves it now */
};

/* ---- how this seed behaves */

enum sim_action {
	DO_ACCESS, DO_BAD_FAULT, DO_TOUCHED, DO_ISSUE, DO_DELIVER, DO_RUN,
	DO_ADVISE, DO_PIN, DO_CREATE, DO_DESTROY, DO_ACCOUNT, DO_SETTLE,
	DO_SLEEP, DO_AREAS, DO_LATE, DO_RETRY, DO_PROGRAMS, DO_ACTIONS
};

struct sim_profile {
	struct pager_config config;
	uint32_t faults_max;		/* at once */
	struct store_fault_plan faults;
	bool has_store_faults;
	bool does_only_forget;		/* no other fault of the store */
	unsigned orders;		/* how many of sim_order[] */
	uint32_t install_fail, capture_fail;	/* per 1024 */
	uint32_t late;				/* captures, per 1024 */
	uint32_t store_busy;			/* per 1024 */
	uint32_t obey_age, report_minor;	/* per cent */
	uint32_t walk, hot;		/* per cent: where clients go next */
	uint32_t ask_anyway;		/* per cent: faults for what is there */
	uint32_t write, write_zero, write_same;	/* per cent */
	uint32_t one_sided;		/* per cent: faults of programs */
	uint32_t credits;		/* at most, for one */
	uint32_t sleeps;		/* threads fall asleep, per 1024 */
	uint32_t meddle;		/* per cent: clients act in calls */
	uint32_t check_every;		/* steps */
	uint32_t weight[DO_ACTIONS], weight_sum;
	uint64_t time_step_ns;
};

struct sim {
	uint64_t seed;
	uint32_t step, step_count;
	bool is_traced;
	bool is_calm;		/* nothing fails but the disk, settle.c */
	bool in_pager;
	struct rng rng;
	struct sim_profile profile;
	struct pager *pager;
	uint8_t *staging;	/* the caller's */
	uint64_t now_ns;
	uint32_t version;
	uint32_t next_ordinal;
	uint32_t cookie_high;
	uint64_t present_units;
	uint32_t seen_ordinal;	/* the page of the last fault that was */
	uint64_t seen_page;	/* answered well */
	struct sim_segment segment[SIM_SEGMENTS_MAX];
	struct sim_account account[SIM_ACCOUNTS_MAX];
	struct sim_fault fault[SIM_FAULTS_MAX];
	unsigned fault_count, promised_count;
	struct sim_advice advice[SIM_ADVICE_MAX];
	unsigned advice_count;
	struct sim_area area[SIM_AREAS_MAX];	/* by id - 1 */
	struct sim_program program[SIM_CLIENTS_MAX];
	struct sim_late late[PAGER_TICKETS_MAX];
	unsigned late_count;	/* not told */
	unsigned late_used;
	struct sim_disk disk;
	uint64_t events[SIM_EVENT_COUNT];
};

/* areas.c.  True if all these slots are of one file. */
bool area_has_slots(const struct sim *sim, uint32_t slot, uint32_t count);
void areas_trim(struct sim *sim);
/* callbacks.file_filled. */
void areas_filled(void *ctx, area_id area, uint32_t first);
void areas_repair(struct sim *sim);
void areas_end_unused(struct sim *sim);
/* False: there is no room.  *ret_area 0: this world has no areas. */
bool areas_make_room(struct sim *sim, uint64_t units, area_id *ret_area);
void area_use(struct sim *sim, area_id id);
void area_leave(struct sim *sim, area_id id);
void area_must_have(struct sim *sim, const struct sim_segment *sg,
		    uint32_t slot);

/* sim.c: a world from its seed, and the end of it. */
extern uint64_t sim_seed_now;	/* for whoever has to speak of a crash */
extern uint32_t sim_step_now;

void sim_run_seed(uint64_t seed, uint32_t step_count, void *staging,
		  bool is_traced, uint64_t *total_events);
void sim_fail(const struct sim *sim, const char *format, ...)
	PRINTF_LIKE(2, 3) __attribute__((noreturn));
void sim_trace(const struct sim *sim, const char *format, ...)
	PRINTF_LIKE(2, 3);
void sim_check(struct sim *sim);

#define TRACE(sim, ...)							\
	do {								\
		if (__builtin_expect((sim)->is_traced, 0))		\
			sim_trace(sim, __VA_ARGS__);			\
	} while (0)

/* profile.c */
void profile_choose(struct sim_profile *pr, struct rng *rng, uint64_t seed);

/* datafile.c: the fake of backing.h, and the model of what is in it. */
struct sim_segment *segment_by_id(struct sim *sim, segment_id id);
struct sim_segment *segment_by_ordinal(struct sim *sim, uint32_t ordinal);
void unit_must_be(struct sim *sim, struct sim_segment *sg, uint64_t unit,
		  uint64_t value, const char *where);
int datafile_install(void *ctx, segment_id id, uint64_t unit, uint64_t count,
		     const void *bytes);
void datafile_capture(void *ctx, struct pager_capture *capture,
		      unsigned count);
/* Take a unit out, with its value or without. */
uint64_t capture_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit);
void discard_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit);
/* Expand the value at `to`, which may be staging. */
void datafile_put(struct sim *sim, uint64_t value, uint8_t *to);

/* What an install of one unit does; it was not there. */
void install_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit,
		  const uint8_t *bytes);

/* programs.c: faults without memd. */
void programs_init(struct sim *sim);
void programs_fini(struct sim *sim);
void programs_publish(struct sim *sim, struct sim_segment *sg);
bool program_fault(struct sim *sim, struct sim_segment *sg, unsigned client,
		   uint64_t unit, bool is_write);
void programs_step(struct sim *sim, uint32_t steps);
void programs_meddle(struct sim *sim);
void programs_act(struct sim *sim);
void programs_leave(struct sim *sim, const struct sim_segment *sg);
void programs_rest(struct sim *sim);
void programs_recall(struct sim *sim);
/* Threads are in the middle of a fault. */
bool programs_are_busy(const struct sim *sim);
/* Threads that fault on one of these pages, if any do, and go on at once. */
void programs_rush(struct sim *sim, struct sim_segment *sg, uint64_t first,
		   uint64_t count);
bool programs_settle_for(struct sim *sim, const struct sim_segment *sg);
void programs_look(void *ctx, struct pager_claim *claim, unsigned count);
uint64_t programs_lent(const struct sim *sim);

/* late.c: captures that end later. */
int late_refusal(const struct sim *sim, const struct sim_segment *sg);
/* Choose which of the captures with the result CAPTURE_DUE end later. */
void late_begin(struct sim *sim, struct pager_capture *capture,
		unsigned count);
/* Let something happen to one of them.  False: there is none. */
bool late_step(struct sim *sim);
unsigned late_collect(void *ctx, uint32_t ticket, void *to,
		      struct pager_capture ret_run[PAGER_CAPTURES_MAX]);
bool late_is_stuck(const struct sim *sim, segment_id id, uint64_t unit);
bool late_has_stuck(const struct sim *sim);
void late_expect_none(const struct sim *sim, const struct sim_segment *sg,
		      uint64_t unit, uint64_t count);
void late_expect_gone(const struct sim *sim, const struct sim_segment *sg);
/* Units taken out whose bytes the pager does not have yet. */
uint64_t late_units_out(const struct sim *sim);

/* client.c */
void client_touch(struct sim *sim, struct sim_segment *sg, unsigned client,
		  uint64_t unit, bool is_write);
void client_meddle(struct sim *sim);
void client_age(void *ctx, segment_id id, uint64_t first, uint64_t count);
void client_told(struct sim *sim, struct sim_segment *sg, unsigned client,
		 uint64_t first, uint64_t count, uint64_t mark);
uint32_t client_tag(unsigned client);
void client_access(struct sim *sim, struct sim_segment *sg, unsigned client,
		   uint64_t unit, bool is_write);
void client_fault(struct sim *sim, segment_id id, uint64_t page,
		  unsigned client, bool is_write);

/* disk.c */
void disk_init(struct sim *sim);
void disk_fini(struct sim *sim);
int disk_submit(void *ctx, const struct swap_io *io);
void disk_discard_slots(void *ctx, uint32_t slot, uint32_t count);
/* ops.is_slot_lost. */
bool disk_is_slot_lost(void *ctx, uint32_t slot);
bool disk_issue(struct sim *sim);
bool disk_deliver(struct sim *sim);
void disk_expect_none_of(const struct sim *sim, uint32_t ordinal);
uint64_t disk_units_written_out(struct sim *sim);

/* answers.c */
int answer_install_for(void *ctx, struct fault *fault, uint64_t unit,
		       uint64_t count, const void *bytes);
void answer_promises_kept(const struct sim *sim);
void answer_fault(void *ctx, struct fault *fault);
void answer_ready(void *ctx, uint32_t client, segment_id id, uint64_t first,
		  uint64_t count, uint64_t mark);
void answer_advice(void *ctx, uint64_t cookie, int result, uint64_t count);
void answer_gone(void *ctx, segment_id id);

/* advise.c: asking.  Returns what it ended with, or 1: not yet. */
int advise(struct sim *sim, struct sim_segment *sg, uint64_t first,
	   uint64_t count, enum pager_advice kind);
void advise_random(struct sim *sim, struct sim_segment *sg);
void advise_pin_random(struct sim *sim, struct sim_segment *sg);

/* owners.c: segments and accounts. */
void owner_create_segment(struct sim *sim);
void owner_destroy_segment(struct sim *sim, struct sim_segment *sg);
void owner_add_account(struct sim *sim);
void owner_change_account(struct sim *sim);
void owner_lift_limits(struct sim *sim);

/* actions.c */
void action_random(struct sim *sim);

/* settle.c */
void settle(struct sim *sim);
void settle_and_end(struct sim *sim);

#endif
