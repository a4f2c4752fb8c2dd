/* SPDX-License-Identifier: MIT */
/* One-sided faults, a protocol between programs and memd, as a model for spin.
 * run.sh checks it in all its variants; README.md says what that has shown, and
 * what is not in the model.
 *
 * A program that faults on a page installs the page by itself.  It takes a
 * frame *credit* that memd lent to it earlier, reads the page from the swap
 * area, and puts it into the shared data file.  Nobody answers the fault.  Only
 * memd takes pages out; it learns which pages came in when it next reads the
 * credits.
 *
 *   data file  the pages that are present          programs and memd install,
 *                                                  memd alone removes
 *   area       the slots of pages                  memd alone writes
 *   book       an entry for each page: state,      memd alone writes
 *              slot, checksum
 *   touch map  a bit for each page, "installed":   both write
 *              a hint
 *   desk       of each session: an intent for      a program writes intents;
 *              each thread, and cells (credits)    a cell passes to and fro:
 *
 *     FREE --> LENT --> TAKEN{p} --> INSTALLED{p} --> FREE
 *
 *   memd lends; the program takes, and installs page p; memd counts p.  Or memd
 *   takes the credit back (LENT --> FREE), or the program does not need it
 *   (TAKEN{p} --> LENT).
 *
 * A thread that faults on page p (the numbers stand at the code, too):
 *   1  intent = p
 *   2  read the entry of p
 *   3  present by entry or hint: map it; memd is changing it: ask memd
 *   4  take a credit; there is none: ask memd
 *   5  read the slot, verify the checksum, install
 *   6  cell = INSTALLED{p}, then set the hint
 *   7  intent = none
 *
 * memd changes an entry only after a *claim*: the entry says BUSY, and after
 * that memd has seen no open intent on p.  If it sees one, the entry goes back
 * to what it was, and p stays as it is.  Loading p needs no claim.
 *
 * The rules, as memd numbers them:
 *   O1   a thread writes its intent before it reads the entry; memd writes BUSY
 *        before it reads the intents
 *   O2   while an intent is open on p, p is not taken out, not discarded, and
 *        its slot is neither freed nor changed
 *   O4   INSTALLED is written before the intent is closed.  It is a hint: memd
 *        asks the data file whether p is present.  The cells of a session are
 *        taken over only when all its threads are gone
 *   O5   free + lent + resident + loading + evicting == pool
 *   O6   no intent is open while a thread waits for memd
 *   O11  a reader reads the state of an entry first; memd writes it last
 *   O12  a page that memd loads is not evicted meanwhile; a page that memd puts
 *        back is present before its entry says what it said before
 *   O13  a checksum that disagrees means: ask memd
 *
 * Memory is sequentially consistent here.  O1 needs a full fence on both sides;
 * without fences a processor turns O1 into INTENT_LATE or LOOK_FIRST, below. */

/* ---- variants: -D... ----------------------------------------------------- */

/* Other forms of the protocol, which hold as well:
 *   ASK_CELLS        before a discard memd does not ask the data file, but
 *                    reads all cells, so that it has counted what is present
 *   TOUCH_LIES       the hint may say anything at any time
 *   WORDS            an entry is read and written word by word
 *   LOAD_CLAIMED     memd loads a page only after a claim, as it does all else
 *   LOAD_UNMARKED    an entry does not say LOADING
 *   LOAD_EARLY       the entry goes back before memd installs a loaded page
 *   RESIDENT_EARLY   the entry says RESIDENT before memd puts a page back
 *   ADOPT_UNCLAIMED  a page put back gets its new slot without a claim
 *   MISMATCH_ASKS    a checksum that disagrees is nothing to worry about
 *
 * Breaks:
 *   INTENT_LATE      1 comes after 2 (O1)
 *   LOOK_FIRST       memd reads the intents, then writes BUSY (O1)
 *   UNLOOKED         eviction does not look at intents (O2)
 *   MOVE_UNCLAIMED   a slot is moved without a claim (O2)
 *   TRUST_SLOT       no checksum
 *   RECORD_LATE      7 comes before 6 (O4)
 *   CELLS_FIRST      ASK_CELLS: cells are read before the claim (O4)
 *   UNASKED          a discard asks neither cells nor the data file (O4)
 *   BELIEVE_RECORD   INSTALLED is believed (O4)
 *   CLEAN_AT_CLOSE   a session's cells are taken over when its socket closes,
 *                    before its threads are gone (O4)
 *   DETACH_UNREAD    a session that has unmapped the pages is detached before
 *                    its records are read (O5)
 *   CLEAN_BY_INTENTS a dead session's TAKEN cells are free, and the pages of
 *                    its intents are counted (O5)
 *   TAKE_BACK_BLINDLY  memd takes credits back without compare and swap (O5)
 *   KEEP_CREDIT      EEXIST: the credit is not given back (O5)
 *   ASK_WITH_INTENT  (O6)
 *   FIELDS_FIRST     a reader reads the state last (O11)
 *   STATE_FIRST      memd writes the state first (O11)
 *   RECORD_ENDS_LOAD a record makes a page that is loading evictable (O12)
 *   PUT_BACK_EARLY   the entry goes back before memd puts a page back (O12)
 *   EEXIST_UNMAPPED  EEXIST: the page is not mapped
 *   ANSWER_UNMAPPED  a thread that memd has answered begins anew at 1
 *
 * What is asked:
 *   LIVE             is every fault answered?  For pan -a -f: weak fairness.
 *   STOPS            are the faults of others, while threads of some sessions
 *                    are stopped for ever? */

/* ---- sizes: run.sh sets them for each variant ---------------------------- */

#ifndef PAGES
#define PAGES 1			/* 1 or 2 */
#endif
#ifndef THREADS
#define THREADS 2		/* 2 or 3; the last has its own session */
#endif
#ifndef CELLS
#define CELLS 1			/* of a session: 1 or 2 */
#endif
#ifndef POOL
#define POOL 3			/* frames */
#endif
#ifndef LENT_FIRST
#define LENT_FIRST 1		/* cells of a session lent at the start */
#endif
#ifndef RESERVE
#define RESERVE 0		/* frames that memd does not lend */
#endif
#ifndef ACCESSES
#define ACCESSES 1		/* of each thread */
#endif
#ifndef WRITES
#define WRITES 2		/* of each page; the first of page 0 is done */
#endif
#ifndef EVICTIONS
#define EVICTIONS 1		/* that memd tries, ... */
#endif
#ifndef DISCARDS
#define DISCARDS 0		/* ... DONTNEED, ... */
#endif
#ifndef READAHEADS
#define READAHEADS 0		/* ... loads that nobody has asked for, ... */
#endif
#ifndef MOVES
#define MOVES 0			/* ... and of a page to another slot */
#endif
#ifndef DETACHES
#define DETACHES 0		/* sessions that unmap the pages in the end */
#endif
#ifndef NOMEMS
#define NOMEMS 0		/* times that COPY says ENOMEM to a program */
#endif
#ifndef MORTALS
#define MORTALS 0		/* the first 0, 1 or 2 sessions may be killed */
#endif
#define SESSIONS 2
#define SLOTS (PAGES + 1)

/* Which thread is whose.  ONE_SESSION: two threads, both of session 0. */
#ifdef ONE_SESSION
#define SESSION(t) 0
#define ALL_OF(s, x) ((s) == 1 || x(0) && x(1))
#define ANY_OF(s, x) ((s) == 0 && (x(0) || x(1)))
#elif THREADS == 2
#define SESSION(t) (t)
#define ALL_OF(s, x) (x(s))
#define ANY_OF(s, x) (x(s))
#else
#define SESSION(t) ((t) / 2)
#define ALL_OF(s, x) ((s) == 1 && x(2) || (s) == 0 && x(0) && x(1))
#define ANY_OF(s, x) ((s) == 1 && x(2) || (s) == 0 && (x(0) || x(1)))
#endif

/* A question about all threads, pages, cells, slots. */
#if THREADS == 2
#define ANY_THREAD(x) (x(0) || x(1))
#else
#define ANY_THREAD(x) (x(0) || x(1) || x(2))
#endif
#if PAGES == 1
#define SUM_PAGES(x) (x(0))
#define SUM_SLOTS(x) (x(0) + x(1))
#else
#define SUM_PAGES(x) (x(0) + x(1))
#define SUM_SLOTS(x) (x(0) + x(1) + x(2))
#endif
#if CELLS == 1
#define SUM_CELLS(x) (x(0) + x(1))
#else
#define SUM_CELLS(x) (x(0) + x(1) + x(2) + x(3))
#endif
#define CELL(s, i) ((s) * CELLS + (i))
#define OWNER(i) ((i) / CELLS)

/* ---- words --------------------------------------------------------------- */

/* States of an entry. */
#define ZERO 0			/* no slot: a page of zeros, if not present */
#define SWAPPED 1		/* the slot holds it, if not present */
#define RESIDENT 2		/* memd has made it present */
#define BUSY 3			/* claimed by memd, or on its way out */
#define LOADING 4		/* memd is loading it */

/* States of a cell.  State and page are one word. */
#define FREE 0
#define LENT 1
#define TAKEN(p) (2 + (p))
#define INSTALLED(p) (4 + (p))
#define IS_TAKEN(i) (cell[i] == TAKEN(0) || cell[i] == TAKEN(1))
#define IS_INSTALLED(i) (cell[i] >= INSTALLED(0))
#define IS_LENT(i) (cell[i] == LENT)

/* Where memd has counted a page.  In each place but OUT it has a frame. */
#define OUT 0
#define IN 1			/* resident */
#define COMING 2		/* loading */
#define GOING 3			/* evicting: captured, being written */

/* Bytes of a page: 0 for zeros, else whose they are and of which write. */
#define BYTES(p, version) ((p) * 4 + (version))
#define GARBAGE 15		/* half written, or of another page */
#define NONE 15			/* no slot */

/* ---- what is shared ------------------------------------------------------ */

/* The data file, and who has which page mapped. */
bit present[PAGES];
byte data[PAGES];
bit mapped[SESSIONS * PAGES];
#define MAPPED(t, p) mapped[SESSION(t) * PAGES + (p)]

/* The book and the touch map.  The checksum is sum (the bytes) and serial (the
 * number of the write of the slot, with which it is seeded). */
byte book_state[PAGES], book_slot[PAGES], book_serial[PAGES], book_sum[PAGES];
bit touch[PAGES];

/* The area. */
byte slot_bytes[SLOTS], slot_serial[SLOTS];

/* Desks, and requests to memd.  An intent or a request of page p is p + 1. */
byte intent[THREADS], request[THREADS];
byte cell[SESSIONS * CELLS];

bool done[THREADS], dead[THREADS];
bool closed[SESSIONS];		/* the session's socket */

/* ---- what only memd knows ------------------------------------------------ */

byte where[PAGES];
bit loading[PAGES];		/* a read is under way, or ... */
bit writing[PAGES];		/* ... a write, ... */
byte staged[PAGES];		/* ... of these bytes, ... */
byte new_slot[PAGES];		/* ... to there */
bit used[SLOTS];
byte serial;
short free_frames, lent;
bool cleaned[SESSIONS];		/* nothing is left of this session */
byte evictions = EVICTIONS, discards = DISCARDS, readaheads = READAHEADS;
byte moves = MOVES, detaches = DETACHES;
bool detached[SESSIONS];	/* records of this session do not count */

/* ---- what must hold ------------------------------------------------------ */

/* Not part of the protocol: what each reader has to see, and counts. */
byte last[PAGES], version[PAGES];
byte nomems = NOMEMS;
bool is_over;			/* all have ended, memd is idle */

/* Names of promises.  Each is always false; pan prints it with the assertion
 * that fails. */
hidden byte ZEROS_FOR_DATA;	/* zeros, but the page was written */
hidden byte WRONG_PAGE;		/* bytes of another page */
hidden byte STALE_BYTES;	/* a write is lost, or a discard is undone */
hidden byte FOREIGN_SLOT;	/* p's slot is not p's under an intent, O2 */
hidden byte LOST_SLOT;		/* so memd reads */
hidden byte NOT_ALONE;		/* a page on its way out is present (O2) */
hidden byte TOO_MANY_FRAMES;	/* more are filled or promised than there are */
hidden byte BELOW_ZERO;		/* a count of frames */
hidden byte ACCOUNTS_OFF;	/* O5 */
hidden byte PAGE_UNCOUNTED;	/* at the end: resident is not present */
hidden byte CREDIT_LEAKED;	/* at the end: lent, but no program has it */
hidden byte SLOT_LEAKED;	/* at the end: used, but no entry has it */

#define PROMISE(x, name) assert((x) || name)

/* `v` is read from page p, or is put into it, or is taken out. */
inline check_bytes(v, p)
{
	PROMISE(v != 0 || last[p] == 0, ZEROS_FOR_DATA);
	PROMISE(v == 0 || v / 4 == p, WRONG_PAGE);
	PROMISE(v == last[p], STALE_BYTES)
}

/* What is filled, and what a program may fill without asking. */
#define HOLDS_FRAME(p) (present[p] || where[p] == COMING || where[p] == GOING)
inline check_pool()
{
	PROMISE(SUM_PAGES(HOLDS_FRAME) + SUM_CELLS(IS_LENT) + free_frames
	       <= POOL, TOO_MANY_FRAMES)
}

#define HAS_FRAME(p) (where[p] != OUT)
inline check_accounts()
{
	PROMISE(free_frames >= 0 && lent >= 0, BELOW_ZERO);
	PROMISE(free_frames + lent + SUM_PAGES(HAS_FRAME) == POOL, ACCOUNTS_OFF)
}

/* ---- a thread of a program ----------------------------------------------- */

/* A load of the program, and maybe a store. */
inline use(p)
{
	check_bytes(data[p], p);
	if
	:: version[p] < WRITES ->
		version[p]++;
		data[p] = BYTES(p, version[p]);
		last[p] = data[p]
	:: skip
	fi
}

/* An entry but for its state.  WORDS: word by word. */
inline read_fields(p)
{
#ifdef WORDS
	slot = book_slot[p];
	num = book_serial[p];
	sum = book_sum[p]
#else
	d_step {
		slot = book_slot[p]; num = book_serial[p]; sum = book_sum[p]
	}
#endif
}

/* Locals that are not needed any more say nothing: fewer states. */
inline forget_entry()
{
	state = 0; slot = 0; num = 0; sum = 0; bytes = 0
}

proctype Thread(byte t)
{
	byte accesses, p, c;
	byte state, slot, num, sum, bytes;

	{
	do
	:: accesses < ACCESSES ->
		atomic {
			accesses++;
#if PAGES == 2
			if :: p = 0 :: p = 1 fi
#endif
		}
access:		if
		:: atomic { MAPPED(t, p) -> use(p); p = 0 }
			goto next
		:: atomic { !MAPPED(t, p) -> skip }	/* a fault */
		fi;
#ifndef INTENT_LATE
		intent[t] = p + 1;					/* 1 */
#endif
#ifdef FIELDS_FIRST
		read_fields(p);
#endif
		state = book_state[p];					/* 2 */
		if							/* 3 */
		:: state == RESIDENT -> goto map
		:: else ->
#ifdef TOUCH_LIES
			if
			:: goto map
			:: skip
			fi
#else
			if
			:: touch[p] -> goto map
			:: else
			fi
#endif
		fi;
		if
		:: state == BUSY || state == LOADING -> goto ask
		:: state == SWAPPED ->
#ifndef FIELDS_FIRST
			read_fields(p)
#endif
		:: else
		fi;
#ifdef INTENT_LATE
		intent[t] = p + 1;
#endif
		/* A compare and swap: neither another thread nor memd has the
		 * same credit. */
		if							/* 4 */
		:: atomic { cell[CELL(SESSION(t), 0)] == LENT ->
			c = CELL(SESSION(t), 0); cell[c] = TAKEN(p) }
#if CELLS == 2
		:: atomic { cell[CELL(SESSION(t), 1)] == LENT ->
			c = CELL(SESSION(t), 1); cell[c] = TAKEN(p) }
#endif
		:: else -> goto ask
		fi;
		if							/* 5 */
		:: state == SWAPPED ->
			atomic {
				if
				:: slot == NONE -> bytes = GARBAGE
				:: else -> bytes = slot_bytes[slot]
				fi;
				if
#ifndef TRUST_SLOT
				:: slot == NONE || bytes != sum ||
				   slot_serial[slot] != num ->
#ifndef MISMATCH_ASKS
					PROMISE(false, FOREIGN_SLOT);
#endif
					goto give_back		/* O13 */
#endif
				:: else
				fi
			}
		:: else
		fi;
		if
		:: atomic { present[p] -> forget_entry() }	/* EEXIST */
#ifndef KEEP_CREDIT
			cell[c] = LENT;
#endif
#ifdef EEXIST_UNMAPPED
			goto close
#else
			goto map
#endif
		:: atomic { !present[p] && nomems > 0 -> nomems-- } /* ENOMEM */
			goto give_back
		:: atomic { !present[p] ->
			present[p] = 1; data[p] = bytes; MAPPED(t, p) = 1;
			check_bytes(bytes, p);
			check_pool();
			forget_entry() }
		fi;
#ifdef RECORD_LATE
		intent[t] = 0;
#endif
		cell[c] = INSTALLED(p);					/* 6 */
		touch[p] = 1;
		goto close;

map:		if			/* UFFDIO_CONTINUE */
		:: atomic { present[p] -> MAPPED(t, p) = 1; goto close }
		:: atomic { !present[p] -> goto ask }
		fi;

give_back:	cell[c] = LENT;
ask:		atomic {
			forget_entry(); c = 0;
#ifndef ASK_WITH_INTENT
			intent[t] = 0					/* O6 */
#endif
		}
		request[t] = p + 1;
		request[t] == 0;
#ifndef ANSWER_UNMAPPED
		MAPPED(t, p) = present[p];	/* CONTINUE */
#endif
close:		atomic {						/* 7 */
			forget_entry(); c = 0;
			intent[t] = 0
		}
		goto access;

next:		skip
	:: else -> break
	od;
	done[t] = true
	} unless {
		dead[t] -> d_step {
			forget_entry(); accesses = 0; p = 0; c = 0
		}
	}
}

/* SIGKILL comes at any moment, and the threads of a session end one by one: the
 * others go on meanwhile.  Its memory is gone (ESRCH) when all have ended.
 * With STOPS they are stopped instead, for ever, and the memory stays. */
proctype Killer(byte t)
{
end:	dead[t] = true
}

proctype Closer(byte s)
{
end:	closed[s] = true
}

#define IS_DEAD(t) (dead[t])
#define IS_DONE(t) (done[t])
#define IS_AT_END(t) (done[t] || dead[t])

/* ---- memd: parts --------------------------------------------------------- */

/* O1.  Afterwards `seen` says that somebody has p, and `was` what the entry
 * said. */
inline claim(p)
{
#ifdef LOOK_FIRST
	look(p);
	d_step { was = book_state[p]; book_state[p] = BUSY }
#else
	d_step { was = book_state[p]; book_state[p] = BUSY }
	look(p)
#endif
}

inline look(p)
{
	do
	:: t < THREADS && !seen -> d_step { seen = (intent[t] == p + 1); t++ }
	:: else -> break
	od;
	t = 0
}

inline entry_goes_back(p)
{
	d_step { book_state[p] = was; was = 0; seen = 0 }
}

/* O11: the state last. */
inline write_entry(p, to_state, to_slot, to_serial, to_sum)
{
#ifdef STATE_FIRST
	book_state[p] = to_state;
#endif
#ifdef WORDS
	book_slot[p] = to_slot;
	book_serial[p] = to_serial;
	book_sum[p] = to_sum;
#else
	d_step {
		book_slot[p] = to_slot;
		book_serial[p] = to_serial;
		book_sum[p] = to_sum
	}
#endif
	book_state[p] = to_state
}

#define IS_USED(i) (used[i])
#define HAS_SPARE_SLOT (SUM_SLOTS(IS_USED) < SLOTS)

inline slot_get(v)
{
	d_step {
		v = 0;
		do
		:: used[v] -> v++
		:: else -> break
		od;
		used[v] = 1;
		slot_bytes[v] = GARBAGE;
		slot_serial[v] = 0
	}
}

/* A free slot may at once be another page's, or keep its bytes for a while. */
inline slot_put(v)
{
	if
	:: v != NONE ->
		used[v] = 0;
		if
		:: slot_bytes[v] = GARBAGE; slot_serial[v] = 0
		:: skip
		fi
	:: else
	fi
}

inline slot_write(v, content)
{
	d_step { serial++; slot_bytes[v] = content; slot_serial[v] = serial }
}

/* The frame of a cell that names page p becomes p's, or is free again. */
inline count_page(p)
{
	if
#ifdef RECORD_ENDS_LOAD
	:: where[p] == COMING -> where[p] = IN; free_frames++
#endif
#ifdef BELIEVE_RECORD
	:: where[p] == OUT -> where[p] = IN
#else
	:: where[p] == OUT && present[p] -> where[p] = IN	/* O4 */
#endif
	:: else -> free_frames++
	fi
}

inline read_cell(i)
{
	d_step {
		q = cell[i] - INSTALLED(0);
		cell[i] = FREE;
		lent--;
		if
		:: detached[OWNER(i)] -> free_frames++
		:: else -> count_page(q)
		fi;
		q = 0;
		check_accounts()
	}
}

inline read_cells(first, end)
{
	i = first;
	do
	:: i < end ->
		if
		:: IS_INSTALLED(i) -> read_cell(i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* The page is gone from all who have it mapped. */
inline punch(p)
{
	present[p] = 0;
	data[p] = 0;
	mapped[p] = 0;
	mapped[PAGES + p] = 0;
	touch[p] = 0
}

inline answer(p)
{
	d_step {
		do
		:: t < THREADS ->
			if
			:: request[t] == p + 1 -> request[t] = 0
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0;
		check_accounts()
	}
}

/* ---- memd: what it does -------------------------------------------------- */

inline evict(p)
{
#ifdef UNLOOKED
	d_step { was = book_state[p]; book_state[p] = BUSY }
#else
	claim(p);
#endif
	if
	:: seen -> entry_goes_back(p)
	:: else ->
		/* Capture: splice, punch, read the pipe. */
		spliced = present[p];
		d_step {
			staged[p] = (spliced -> data[p] : 0);
			check_bytes(staged[p], p);
			punch(p);
			spliced = 0; was = 0
		}
		if
		:: staged[p] == 0 ->		/* needs no slot */
			atomic {
				slot_put(book_slot[p]);
				where[p] = OUT; free_frames++
			}
			write_entry(p, ZERO, NONE, 0, 0)
		:: staged[p] != 0 && staged[p] == book_sum[p] ->  /* clean */
			d_step {
				where[p] = OUT; free_frames++; staged[p] = 0
			}
			book_state[p] = SWAPPED
		:: else ->
			slot_get(v);
			d_step {
				new_slot[p] = v; v = 0;
				writing[p] = 1; where[p] = GOING
			}
		fi
	fi
}

/* The write of a page that was evicted has ended. */
inline end_write(p)
{
	slot_write(new_slot[p], staged[p]);
	v = book_slot[p];
	if
	:: where[p] == GOING ->
		write_entry(p, SWAPPED, new_slot[p], serial, staged[p]);
		d_step { where[p] = OUT; free_frames++ }
	:: else ->		/* put back meanwhile: a slot for it if clean */
#ifndef ADOPT_UNCLAIMED
		claim(p);
#endif
		if
		:: seen -> entry_goes_back(p); v = new_slot[p]
		:: else ->
			was = 0;
			write_entry(p, RESIDENT, new_slot[p], serial, staged[p])
		fi
	fi;
	atomic {
		slot_put(v);
		v = 0; writing[p] = 0; staged[p] = 0; new_slot[p] = 0;
		check_accounts()
	}
}

#define OLD_STATE(p) (book_slot[p] == NONE -> ZERO : SWAPPED)

/* Somebody has asked for a page on its way out.  It was claimed for that. */
inline put_back(p)
{
#ifdef PUT_BACK_EARLY
	book_state[p] = OLD_STATE(p);
#endif
#ifdef RESIDENT_EARLY
	book_state[p] = RESIDENT;
#endif
	d_step {
		PROMISE(!present[p], NOT_ALONE);
		present[p] = 1; data[p] = staged[p];
		check_bytes(staged[p], p);
		where[p] = IN
	}
	book_state[p] = RESIDENT;		/* O12 */
	answer(p)
}

/* An open intent is no reason not to load: whoever comes second finds the page
 * there.  And who asked need not wait for a thread that may be stopped. */
inline begin_load(p)
{
#ifdef LOAD_CLAIMED
	claim(p);
#endif
	if
	:: seen -> entry_goes_back(p)
	:: else ->
		d_step {
			was = 0;
			free_frames--; where[p] = COMING; loading[p] = 1;
			if
			:: book_slot[p] != NONE ->
				staged[p] = slot_bytes[book_slot[p]];
				PROMISE(staged[p] == book_sum[p] &&
				     slot_serial[book_slot[p]] ==
					     book_serial[p], LOST_SLOT)
			:: else
			fi;
			check_accounts()
		}
#ifdef LOAD_UNMARKED
		book_state[p] = OLD_STATE(p)
#else
		book_state[p] = LOADING
#endif
	fi
}

inline end_load(p)
{
#ifdef LOAD_EARLY
	book_state[p] = OLD_STATE(p);
#endif
	d_step {
		if
		:: present[p]		/* EEXIST: a program was first */
		:: else ->
			present[p] = 1; data[p] = staged[p];
			check_bytes(staged[p], p)
		fi;
		if
		:: where[p] == OUT -> free_frames--	/* RECORD_ENDS_LOAD */
		:: else
		fi;
		where[p] = IN; loading[p] = 0; staged[p] = 0;
		check_pool()
	}
	book_state[p] = RESIDENT;
	answer(p)
}

/* DONTNEED. */
inline discard(p)
{
#ifdef CELLS_FIRST
	read_cells(0, SESSIONS * CELLS);
#endif
	claim(p);
	if
	:: seen -> entry_goes_back(p)		/* EBUSY */
	:: else ->
#if defined(ASK_CELLS) && !defined(CELLS_FIRST)
		read_cells(0, SESSIONS * CELLS);
#endif
		atomic {
			was = 0;
			if
			:: where[p] == IN ->
				punch(p); where[p] = OUT; free_frames++
			:: else ->
#if !defined(ASK_CELLS) && !defined(UNASKED)
				punch(p)		/* if present: O4 */
#endif
			fi;
			last[p] = 0;
			slot_put(book_slot[p]);
			check_accounts()
		}
		write_entry(p, ZERO, NONE, 0, 0)
	fi
}

/* Another slot for what the slot of p holds: compaction, or another tier. */
inline move(p)
{
#ifdef MOVE_UNCLAIMED
	was = book_state[p];
#else
	claim(p);
#endif
	if
	:: seen -> entry_goes_back(p)
	:: else ->
		slot_get(v);
		q = book_slot[p];
		slot_write(v, slot_bytes[q]);
		write_entry(p, was, v, serial, book_sum[p]);
		atomic { slot_put(q); q = 0; v = 0; was = 0 }
	fi
}

/* The program has unmapped the pages; it has no intent on any. */
inline detach(s)
{
#ifndef DETACH_UNREAD
	read_cells(CELL(s, 0), CELL(s, CELLS));
#endif
	detached[s] = true
}

/* All threads of session s are gone.  A cell that is TAKEN is read like a
 * record: its thread may have installed the page, or not. */
inline clean(s)
{
	atomic {
		i = CELL(s, 0);
		do
		:: i < CELL(s, CELLS) ->
			if
			:: cell[i] == FREE
			:: cell[i] == LENT -> lent--; free_frames++
			:: IS_INSTALLED(i) ->
				lent--; count_page((cell[i] - INSTALLED(0)))
			:: IS_TAKEN(i) ->
				lent--;
#ifdef CLEAN_BY_INTENTS
				free_frames++
#else
				count_page((cell[i] - TAKEN(0)))
#endif
			fi;
			cell[i] = FREE;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: t < THREADS ->
			if
			:: SESSION(t) == s ->
#ifdef CLEAN_BY_INTENTS
				q = intent[t];
				if
				:: q != 0 && present[q - 1] &&
				   where[q - 1] == OUT ->
					where[q - 1] = IN; free_frames--
				:: else
				fi;
				q = 0;
#endif
				intent[t] = 0; request[t] = 0
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0;
		cleaned[s] = true;
		check_accounts()
	}
}

/* ---- memd: its loop ------------------------------------------------------ */

#if THREADS == 2
#define ASKED(p) (request[0] == (p) + 1 || request[1] == (p) + 1)
#else
#define ASKED(p) (request[0] == (p) + 1 || request[1] == (p) + 1 || \
		  request[2] == (p) + 1)
#endif
#define IS_SETTLED(p) (!writing[p] && !loading[p] && where[p] <= IN)

/* ON_NEED: memd takes credits back only for a thread that waits. */
#define IS_WAITING(t) (request[t] != 0 && !dead[t])
#define IS_NEEDED (free_frames == 0 && ANY_THREAD(IS_WAITING))
#ifdef ON_NEED
#define MAY_TAKE_BACK IS_NEEDED
#else
#define MAY_TAKE_BACK true
#endif
/* PRESSURE: it evicts as often as one waits. */
#ifdef PRESSURE
#define MAY_EVICT (evictions > 0 || IS_NEEDED)
#else
#define MAY_EVICT (evictions > 0)
#endif

#ifdef CLEAN_AT_CLOSE
#define MAY_CLEAN(s) (closed[s] && !cleaned[s])
#elif defined(STOPS)
#define MAY_CLEAN(s) false
#else
#define MAY_CLEAN(s) (ALL_OF(s, IS_DEAD) && !cleaned[s])
#endif
#define MAY_DETACH(s) (detaches > 0 && !detached[s] && !cleaned[s] && \
		       ALL_OF(s, IS_DONE))
#ifdef STOPS
#define HAS_ENDED(s) ALL_OF(s, IS_AT_END)
#else
#define HAS_ENDED(s) (ALL_OF(s, IS_AT_END) && \
		      (cleaned[s] || !ANY_OF(s, IS_DEAD)))
#endif

#define PAGE_CHOICES(P) \
	:: atomic { where[P] == IN && !writing[P] && HAS_SPARE_SLOT && \
		    MAY_EVICT -> p = P; \
		    if :: evictions > 0 -> evictions-- :: else fi; \
		    goto do_evict } \
	:: atomic { writing[P] -> p = P; goto do_end_write } \
	:: atomic { ASKED(P) && where[P] == GOING -> p = P; \
		    goto do_put_back } \
	:: atomic { ASKED(P) && present[P] -> p = P; goto do_answer } \
	:: atomic { where[P] == OUT && free_frames > 0 && ASKED(P) -> \
		    p = P; goto do_begin_load } \
	:: atomic { where[P] == OUT && free_frames > 0 && readaheads > 0 -> \
		    p = P; readaheads--; goto do_begin_load } \
	:: atomic { loading[P] -> p = P; goto do_end_load } \
	:: atomic { discards > 0 && IS_SETTLED(P) -> p = P; discards--; \
		    goto do_discard } \
	:: atomic { moves > 0 && IS_SETTLED(P) && book_slot[P] != NONE && \
		    HAS_SPARE_SLOT -> p = P; moves--; goto do_move }

#ifdef TAKE_BACK_BLINDLY	/* a load and a store, no compare and swap */
#define TAKE_BACK(I) goto do_take_back
#else
#define TAKE_BACK(I) cell[I] = FREE; lent--; free_frames++; i = 0; \
		     check_accounts()
#endif

#define CELL_CHOICES(I) \
	:: atomic { IS_INSTALLED(I) -> i = I; goto do_read_cell } \
	:: atomic { cell[I] == FREE && free_frames > RESERVE && \
		    !cleaned[OWNER(I)] && !ALL_OF(OWNER(I), IS_AT_END) -> \
		    cell[I] = LENT; lent++; free_frames--; \
		    check_accounts(); check_pool() } \
	:: atomic { cell[I] == LENT && MAY_TAKE_BACK -> i = I; TAKE_BACK(I) }

#define IS_WORKING(p) (writing[p] || loading[p])
#define IS_MISCOUNTED(p) ((where[p] == IN) != present[p])
#define HAS_SLOT(p) (book_slot[p] != NONE)
#define IS_QUIET (HAS_ENDED(0) && HAS_ENDED(1) && \
		  SUM_CELLS(IS_INSTALLED) == 0 && SUM_PAGES(IS_WORKING) == 0)

proctype Memd()
{
	byte p, q, i, t, v, was;
	bool seen, spliced;

loop:	p = 0;
	do
	:: atomic { MAY_CLEAN(0) -> goto do_clean_0 }
	:: atomic { MAY_CLEAN(1) -> goto do_clean_1 }
	:: atomic { MAY_DETACH(0) -> detaches--; goto do_detach_0 }
	:: atomic { MAY_DETACH(1) -> detaches--; goto do_detach_1 }
	CELL_CHOICES(0)
	CELL_CHOICES(1)
#if CELLS == 2
	CELL_CHOICES(2)
	CELL_CHOICES(3)
#endif
	PAGE_CHOICES(0)
#if PAGES == 2
	PAGE_CHOICES(1)
#endif
	:: atomic { IS_QUIET -> goto settle_up }
	od;

do_clean_0:	clean(0); goto loop;
do_clean_1:	clean(1); goto loop;
do_detach_0:	detach(0); goto loop;
do_detach_1:	detach(1); goto loop;
do_read_cell:	read_cell(i); i = 0; goto loop;
do_take_back:	cell[i] = FREE;
		d_step { i = 0; lent--; free_frames++; check_accounts() }
		goto loop;
do_evict:	evict(p); goto loop;
do_end_write:	end_write(p); goto loop;
do_put_back:	put_back(p); goto loop;
do_answer:	answer(p); goto loop;
do_begin_load:	begin_load(p); goto loop;
do_end_load:	end_load(p); goto loop;
do_discard:	discard(p); goto loop;
do_move:	move(p); goto loop;

settle_up:
	atomic {
		is_over = true;
#ifndef STOPS
		PROMISE(SUM_PAGES(IS_MISCOUNTED) == 0, PAGE_UNCOUNTED);
		PROMISE(SUM_CELLS(IS_LENT) == lent, CREDIT_LEAKED);
		PROMISE(SUM_PAGES(HAS_SLOT) == SUM_SLOTS(IS_USED), SLOT_LEAKED)
#endif
	}
}

/* ---- the start ----------------------------------------------------------- */

#ifdef LIVE			/* every fault is answered, all ends */
#ifdef STOPS
ltl answered { <> done[THREADS - 1] }
#else
ltl answered { <> is_over }
#endif
#endif

/* Page 0 is SWAPPED, page 1 ZERO; nothing is present. */
init
{
	byte i;

	atomic {
		do
		:: i < PAGES -> book_slot[i] = NONE; i++
		:: else -> break
		od;
		serial = 1; used[0] = 1;
		slot_bytes[0] = BYTES(0, 1); slot_serial[0] = 1;
		book_state[0] = SWAPPED; book_slot[0] = 0;
		book_serial[0] = 1; book_sum[0] = BYTES(0, 1);
		version[0] = 1; last[0] = BYTES(0, 1);
		free_frames = POOL;
#ifdef ONE_SESSION
		cleaned[1] = true;
#endif
		i = 0;
		do
		:: i < SESSIONS * CELLS ->
			if
			:: i % CELLS < LENT_FIRST && !cleaned[OWNER(i)] ->
				cell[i] = LENT; lent++; free_frames--
			:: else
			fi;
			i++
		:: else -> break
		od;
		run Memd();
		i = 0;
		do
		:: i < THREADS ->
			run Thread(i);
			if
			:: SESSION(i) < MORTALS -> run Killer(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
#ifdef CLEAN_AT_CLOSE
		run Closer(0);
#endif
		i = 0
	}
}
