/* SPDX-License-Identifier: MIT */
/* The tests' own daemon: see client_fake_daemon.h. */
#include "tests/integration/client_fake_daemon.h"
#include "tests/integration/client_fake_desk.h"
#include "tests/integration/client_fake_mailbox.h"
#include "tests/integration/wire_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNS = 64, SEGMENTS = 64, HELD = 64 };

struct segment {
	uint32_t number;
	char name[WIRE_NAME_BYTES_MAX + 1];
	int owner;		/* conn of a private one */
	int fd;
	uint64_t length;
	uint32_t page_bytes;
	uint8_t *alias;		/* our mapping of the file */
	uint8_t *swap;		/* bytes of what has been taken out */
	uint8_t *is_present;	/* by page */
	uint8_t *was_busy;
};

struct conn {
	int fd;			/* 0: free */
	uint64_t attached;
	struct fake_box box;
	uint8_t in[WIRE_HEADER_BYTES + WIRE_BODY_BYTES_MAX];
	size_t used;
};

/* A SegmentAttach that waits for its answer. */
struct held {
	int conn;
	uint64_t id;
	char name[WIRE_NAME_BYTES_MAX + 1];
	int read_only;
};

/* Who waits for an answer. */
struct asker {
	struct conn *conn;
	int cell;		/* -1: it asked on the socket */
	uint64_t id;
};

/* A page that was asked for with FAKE_SLOW. */
struct slow {
	struct asker by;
	uint64_t page;
	struct segment *segment;
};

static struct conn conns[CONNS];
static struct slow slows[HELD];
static struct held helds[HELD];
static size_t held_count;
static struct segment segments[SEGMENTS];
static struct fake_control *control;
static uint32_t last_number;
static int uffd;

static void must(int is_true, const char *what)
{
	if (!is_true) {
		perror(what);
		_exit(3);
	}
}

/* ---- segments */

static struct segment *find(uint32_t number, const char *name)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		if (segments[i].number != 0 &&
		    (name != NULL ? strcmp(segments[i].name, name) == 0 :
				    segments[i].number == number))
			return &segments[i];
	return NULL;
}

static int make_file(uint64_t length, int seals)
{
	int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0 && ftruncate(fd, (off_t)length) == 0, "memfd");
	if (seals)
		must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0,
		     "seal");
	return fd;
}

static void *zeroed(uint64_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static void make_alias(struct segment *s)
{
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	s->alias = mmap(NULL, s->length, PROT_READ | PROT_WRITE, MAP_SHARED,
			s->fd, 0);
	must(s->alias != MAP_FAILED, "alias");
	/* Else khugepaged makes one of many pages, and a punch zeros what the
	 * pipe of evict() refers to. */
	(void)madvise(s->alias, s->length, MADV_NOHUGEPAGE);
	r.range.start = (uintptr_t)s->alias;
	r.range.len = s->length;
	must(ioctl(uffd, UFFDIO_REGISTER, &r) == 0, "register");
}

static struct segment *make(const Memd__SegmentCreate *m, int owner)
{
	struct segment *s = segments;

	while (s->number != 0)
		s++;
	must(s < segments + SEGMENTS, "segments");
	memset(s, 0, sizeof(*s));
	s->number = ++last_number;
	s->page_bytes = m->page_bytes;
	s->length = DIV_ROUND_UP(m->length_bytes, m->page_bytes) *
		    m->page_bytes;
	s->owner = owner;
	if (m->name != NULL)
		strncpy(s->name, m->name, sizeof(s->name) - 1);
	s->fd = make_file(s->length, 1);
	make_alias(s);
	s->swap = zeroed(s->length);
	s->is_present = zeroed(s->length / s->page_bytes);
	s->was_busy = zeroed(s->length / s->page_bytes);
	return s;
}

static void unmake(struct segment *s)
{
	fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  (off_t)s->length);
	close(s->fd);
	munmap(s->swap, s->length);
	munmap(s->alias, s->length);
	s->number = 0;
}

/* UFFDIO_COPY, as memd does: pwrite() could make a huge page of it, and lets
 * others see zeros when its source is not in memory. */
static void install(struct segment *s, uint64_t page)
{
	uint64_t at = page * s->page_bytes;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->alias + at,
		.src = (uintptr_t)s->swap + at,
		.len = s->page_bytes,
	};

	if (s->is_present[page])
		return;
	must(ioctl(uffd, UFFDIO_COPY, &copy) == 0, "copy");
	s->is_present[page] = 1;
}

static void open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_MISSING_SHMEM };
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	if (device >= 0)
		uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	else
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC |
				    UFFD_USER_MODE_ONLY);
	must(uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0, "userfaultfd");
}

/* Capture, as docs/design.md has it. */
static void evict(struct segment *s, uint64_t page)
{
	int pipes[2];
	loff_t at = (loff_t)(page * s->page_bytes);

	if (!s->is_present[page])
		return;
	must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
	for (uint32_t i = 0; i < s->page_bytes; i += 4096) {
		loff_t from = at + i;

		must(splice(s->fd, &from, pipes[1], NULL, 4096, 0) == 4096,
		     "splice");
		must(fallocate(s->fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, at + i, 4096) == 0,
		     "punch");
		must(read(pipes[0], s->swap + at + i, 4096) == 4096, "read");
	}
	close(pipes[0]);
	close(pipes[1]);
	s->is_present[page] = 0;
}

/* ---- messages out */

/* A client that is gone is no failure. */
static void send_bytes(int fd, const void *bytes, size_t length)
{
	(void)!wire_peer_send_bytes(fd, bytes, length);
}

static void reply_fds(int fd, uint16_t type, uint64_t id,
		      const ProtobufCMessage *m, const int *with, size_t count)
{
	static uint8_t out[65536];
	ssize_t n = wire_pack(type, id, m, 0, out, sizeof(out));

	must(n > 0, "pack");
	if (count == 0)
		send_bytes(fd, out, (size_t)n);
	else
		(void)!wire_peer_send_fds(fd, out, (size_t)n, with, count);
}

static void reply(int fd, uint16_t type, uint64_t id, const ProtobufCMessage *m)
{
	reply_fds(fd, type, id, m, NULL, 0);
}

/* The answer to a fault, as it is.  In a cell, frame_bytes is its length. */
static void answer_bytes(const struct asker *by, const void *bytes,
			 size_t count, uint32_t frame_bytes)
{
	if (by->cell < 0)
		send_bytes(by->conn->fd, bytes, count);
	else if (by->conn->box.shared != NULL &&	/* not gone meanwhile */
		 fake_box_answer(&by->conn->box, (unsigned)by->cell, bytes,
				 count, frame_bytes))
		reply(by->conn->fd, T(RING), 0, NULL);
}

static void reply_error(int fd, uint64_t id, int code, const char *text)
{
	Memd__Error m = MEMD__ERROR__INIT;

	m.code = (uint32_t)code;
	m.text = (char *)text;
	reply(fd, T(ERROR), id, &m.base);
}

static void reply_ok(int fd, uint64_t id)
{
	reply(fd, T(OK), id, NULL);
}

static void send_garbage(int fd)
{
	char bytes[4096];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7919);
	send_bytes(fd, bytes, sizeof(bytes));
}

static void answer_garbage(const struct asker *by)
{
	char bytes[MAILBOX_FRAME_BYTES];

	if (by->cell < 0) {
		send_garbage(by->conn->fd);
		return;
	}
	memset(bytes, 0xa7, sizeof(bytes));
	answer_bytes(by, bytes, sizeof(bytes), UINT32_MAX);
}

/* ---- hello */

static void take_hello(int fd, uint64_t id)
{
	Memd__HelloReply m = MEMD__HELLO_REPLY__INIT;
	uint8_t out[256];
	ssize_t n;

	switch (atomic_load(&control->hello)) {
	case FAKE_HELLO_REFUSE:
		reply_error(fd, id, EAGAIN, "full\033[31m, try later");
		return;
	case FAKE_HELLO_SILENT:
		return;
	case FAKE_HELLO_GARBAGE:
		send_garbage(fd);
		return;
	default:
		break;
	}
	atomic_fetch_add(&control->sessions, 1);
	m.version_major = WIRE_VERSION_MAJOR;
	m.instance = (uint64_t)getpid();
	m.session = 1;
	m.has_capabilities = 1;
	if (atomic_load(&control->mailbox) != FAKE_MAILBOX_NONE)
		m.capabilities |= MEMD__CAPABILITY__CAP_MAILBOX;
	if (atomic_load(&control->desk) != FAKE_DESK_NONE)
		m.capabilities |= MEMD__CAPABILITY__CAP_ONE_SIDED;
	n = wire_pack(T(HELLO_REPLY), id,
		      atomic_load(&control->hello) == FAKE_HELLO_EMPTY ?
			      NULL : &m.base, 0, out, sizeof(out));
	if (atomic_load(&control->hello) == FAKE_HELLO_VERSION)
		out[4] = 9;
	send_bytes(fd, out, (size_t)n);
}

/* ---- segments, messages */

/* Returns its file; -1: none. */
static int add_fake_book(Memd__SegmentReply *m, const struct segment *s)
{
	uint32_t kind = atomic_load(&control->desk);

	if (kind == FAKE_DESK_NONE || m->read_only)
		return -1;
	m->has_book_version = m->has_serial = 1;
	m->book_version = BOOK_VERSION + (kind == FAKE_DESK_NEWER_BOOKS);
	m->serial = s->number;
	return fake_book_open(s->length / s->page_bytes,
			      atomic_load(&control->book_state),
			      atomic_load(&control->book_end));
}

static void reply_segment(int fd, uint64_t id, const struct segment *s,
			  int with, int read_only)
{
	Memd__SegmentReply m = MEMD__SEGMENT_REPLY__INIT;
	int fds[2] = { with, -1 };

	m.segment = s->number;
	m.length_bytes = s->length;
	m.page_bytes = s->page_bytes;
	m.has_read_only = 1;
	m.read_only = read_only;
	if (atomic_load(&control->file) == FAKE_FILE_ODD_PAGE_SIZE)
		m.page_bytes = 12345;
	if (with >= 0)
		fds[1] = add_fake_book(&m, s);
	reply_fds(fd, T(SEGMENT_REPLY), id, &m.base, fds,
		  with < 0 ? 0 : fds[1] < 0 ? 1 : 2);
	if (fds[1] >= 0)
		close(fds[1]);
}

static void attach(int conn, uint64_t id, struct segment *s, int read_only)
{
	int fd = conns[conn].fd;
	char path[64];
	int pipes[2] = { -1, -1 };
	int other = -1;

	conns[conn].attached++;
	atomic_fetch_add(&control->attached, 1);
	switch (atomic_load(&control->file)) {
	case FAKE_FILE_NONE:
		reply_segment(fd, id, s, -1, 0);
		return;
	case FAKE_FILE_UNSEALED:
		other = make_file(s->length, 0);
		break;
	case FAKE_FILE_SHORT:
		other = make_file(s->length / 2, 1);
		break;
	case FAKE_FILE_PIPE:
		must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
		close(pipes[1]);
		other = pipes[0];
		break;
	default:
		if (atomic_load(&control->new_files))
			other = make_file(s->length, 1);
		break;
	}
	if (other < 0 && read_only) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
		other = open(path, O_RDONLY | O_CLOEXEC);
	}
	reply_segment(fd, id, s, other >= 0 ? other : s->fd, read_only);
	if (other >= 0)
		close(other);
}

static void take_create(int conn, uint64_t id, const Memd__SegmentCreate *m)
{
	struct segment *s = NULL;
	int fd = conns[conn].fd;

	if (m->name != NULL)
		s = find(0, m->name);
	if (s != NULL && m->exclusive) {
		reply_error(fd, id, EEXIST, "the name is taken");
		return;
	}
	if (s == NULL)
		s = make(m, m->name != NULL ? -1 : conn);
	if (m->attach)
		attach(conn, id, s, 0);
	else
		reply_segment(fd, id, s, -1, 0);
}

static void take_advise(int fd, uint64_t id, const Memd__Advise *m)
{
	struct segment *s = find(m->segment, NULL);

	for (uint64_t i = m->first; s != NULL && i < m->first + m->count; i++) {
		if (m->advice == MEMD__ADVICE__ADVICE_PAGEOUT ||
		    m->advice == MEMD__ADVICE__ADVICE_DONTNEED)
			evict(s, i);
		if (m->advice == MEMD__ADVICE__ADVICE_DONTNEED)
			memset(s->swap + i * s->page_bytes, 0, s->page_bytes);
		if (m->advice == MEMD__ADVICE__ADVICE_WILLNEED)
			install(s, i);
	}
	reply_ok(fd, id);
}

/* Nothing is evicted unless it is told to. */
static void take_pin(int fd, uint64_t id, const Memd__Pin *m)
{
	struct segment *s = find(m->segment, NULL);

	for (uint64_t i = m->first; s != NULL && i < m->first + m->count; i++)
		if (atomic_load(&control->mode) != FAKE_LIE)
			install(s, i);
	reply_ok(fd, id);
}

static void take_stats(int fd, uint64_t id)
{
	Memd__SessionStatsReply m = MEMD__SESSION_STATS_REPLY__INIT;

	atomic_fetch_add(&control->probes, 1);
	atomic_store(&control->credits_taken, fake_desk_count_taken());
	if (atomic_load(&control->mode) == FAKE_SILENT)
		return;
	for (size_t i = 0; i < SEGMENTS; i++)
		if (segments[i].number != 0)
			m.mapped_bytes += segments[i].length;
	m.faults_minor = atomic_load(&control->touched_faults);
	reply(fd, T(SESSION_STATS_REPLY), id, &m.base);
}

static void take_touched(const Memd__Touched *m)
{
	for (size_t i = 0; i < m->n_range; i++)
		atomic_fetch_add(&control->touched_pages, m->range[i]->count);
	atomic_fetch_add(&control->touched_faults, m->fault_count);
}

/* ---- faults */

static void reply_fault(const struct asker *by, const struct segment *s,
			uint64_t page, uint64_t first, uint64_t count,
			int error)
{
	Memd__FaultReply m = MEMD__FAULT_REPLY__INIT;
	uint8_t out[256];
	ssize_t n;

	m.segment = s->number;
	m.page = page;
	m.has_first = m.has_count = m.has_error = 1;
	m.first = first;
	m.count = count;
	m.error = (uint32_t)error;
	n = wire_pack(T(FAULT_REPLY), by->id, &m.base, 0, out, sizeof(out));
	must(n > 0, "pack");
	answer_bytes(by, out, (size_t)n, (uint32_t)n);
}

static void send_many_fds(int fd)
{
	uint8_t out[WIRE_HEADER_BYTES];
	int fds[8] = { fd, fd, fd, fd, fd, fd, fd, fd };
	ssize_t n = wire_pack(T(OK), 0, NULL, 0, out, sizeof(out));

	(void)!wire_peer_send_fds(fd, out, (size_t)n, fds, 8);
}

/* What is no answer at all.  True when there will be no other. */
static int send_nonsense(const struct asker *by)
{
	struct wire_header h = { .version_major = 1, .request_id = by->id,
				 .type = T(FAULT_REPLY),
				 .body_bytes = UINT32_MAX };
	uint8_t out[WIRE_HEADER_BYTES + 8];

	switch (atomic_load(&control->mode)) {
	case FAKE_SILENT:
		return 1;
	case FAKE_CLOSE:
		shutdown(by->conn->fd, SHUT_RDWR);
		return 1;
	case FAKE_GARBAGE:
		answer_garbage(by);
		return 1;
	case FAKE_MALFORMED:
		h.body_bytes = 8;
		wire_header_pack(&h, out);
		memset(out + WIRE_HEADER_BYTES, 0xff, 8);
		answer_bytes(by, out, sizeof(out), sizeof(out));
		return 1;
	case FAKE_OVERSIZED:
		wire_header_pack(&h, out);
		answer_bytes(by, out, WIRE_HEADER_BYTES, WIRE_HEADER_BYTES);
		return 1;
	case FAKE_MANY_FDS:
		send_many_fds(by->conn->fd);
		return 0;
	default:
		return 0;
	}
}

/* In a cell there is room for one answer. */
static void answer_for_others(const struct asker *by, const struct segment *s,
			      uint64_t page)
{
	if (by->cell >= 0)
		return;
	reply_fault(by, s, page + 1, page + 1, 1, 0);
	reply_fault(by, s, UINT64_MAX, UINT64_MAX, 7, 0);
}

/* Answers that are refusals or lies.  True when there will be no other. */
static int answer_wrongly(const struct asker *by, struct segment *s,
			  uint64_t page)
{
	switch (atomic_load(&control->mode)) {
	case FAKE_EIO:
		reply_fault(by, s, page, 0, 0, EIO);
		return 1;
	case FAKE_BUSY_ONCE:
		if (s->was_busy[page]++ != 0)
			return 0;
		reply_fault(by, s, page, 0, 0, EBUSY);
		return 1;
	case FAKE_WILD_RANGE:
		install(s, page);
		reply_fault(by, s, page, page > 0 ? page - 1 : 0, UINT64_MAX,
			    0);
		return 1;
	case FAKE_LIE_ONCE:
		if (s->was_busy[page]++ != 0)
			return 0;
		reply_fault(by, s, page, page, 1, 0);
		return 1;
	case FAKE_LIE:
		reply_fault(by, s, page, page, 1, 0);
		return 1;
	case FAKE_OTHER_PAGE:
		answer_for_others(by, s, page);
		return 0;
	default:
		return 0;
	}
}

/* True when it is answered later. */
static int keep_waiting(const struct asker *by, struct segment *s,
			uint64_t page)
{
	uint64_t count = atomic_load(&control->slow);

	if (atomic_load(&control->mode) != FAKE_SLOW)
		return 0;
	must(count < HELD, "slow");
	slows[count] = (struct slow){ *by, page, s };
	atomic_store(&control->slow, count + 1);
	return 1;
}

static void answer_slow(void)
{
	for (uint64_t i = 0; i < atomic_load(&control->slow); i++) {
		const struct slow *w = &slows[i];

		install(w->segment, w->page);
		reply_fault(&w->by, w->segment, w->page, w->page, 1, 0);
	}
	atomic_store(&control->slow, 0);
}

static void take_fault(const struct asker *by, const Memd__Fault *m)
{
	struct segment *s = find(m->segment, NULL);

	atomic_fetch_add(&control->fault_messages, 1);
	atomic_fetch_add(&control->fault_pages, m->n_page);
	for (size_t i = 0; i < m->n_page; i++) {
		uint64_t page = m->page[i];

		must(s != NULL && page < s->length / s->page_bytes, "fault");
		if (send_nonsense(by) || answer_wrongly(by, s, page) ||
		    keep_waiting(by, s, page))
			continue;
		install(s, page);
		reply_fault(by, s, page, page, 1, 0);
	}
}

/* ---- bodies */

static const ProtobufCMessageDescriptor *descriptor_of(uint16_t type)
{
	switch (type) {
	case T(HELLO):
		return &memd__hello__descriptor;
	case T(DESK):
		return &memd__desk__descriptor;
	case T(SEGMENT_CREATE):
		return &memd__segment_create__descriptor;
	case T(SEGMENT_ATTACH):
		return &memd__segment_attach__descriptor;
	case T(SEGMENT_DETACH):
		return &memd__segment_detach__descriptor;
	case T(SEGMENT_UNLINK):
		return &memd__segment_unlink__descriptor;
	case T(FAULT):
		return &memd__fault__descriptor;
	case T(TOUCHED):
		return &memd__touched__descriptor;
	case T(ADVISE):
		return &memd__advise__descriptor;
	case T(PIN):
		return &memd__pin__descriptor;
	default:
		return NULL;
	}
}

static void *unpack(uint16_t type, const void *body, uint32_t length)
{
	static uint8_t memory[1 << 20];
	const ProtobufCMessageDescriptor *d = descriptor_of(type);
	struct wire_arena arena;
	void *m;

	wire_arena_init(&arena, memory, sizeof(memory));
	if (d == NULL)
		return NULL;
	m = wire_unpack(d, &arena, body, length);
	must(m != NULL, "unpack");
	return m;
}

/* ---- the mailbox */

static void take_mailbox(struct conn *c, uint64_t id)
{
	uint32_t kind = atomic_load(&control->mailbox);
	Memd__MailboxReply m = MEMD__MAILBOX_REPLY__INIT;
	int fds[2];

	must(kind != FAKE_MAILBOX_NONE && c->box.shared == NULL, "mailbox");
	fake_box_open(&c->box, kind != FAKE_MAILBOX_WITHOUT_BELL,
		      kind == FAKE_MAILBOX_SMALL, fds);
	m.cell_count = MAILBOX_CELLS;
	m.has_bell = m.bell = fds[1] >= 0;
	reply_fds(c->fd, T(MAILBOX_REPLY), id, &m.base, fds, m.bell ? 2 : 1);
	close(fds[0]);
	if (m.bell)
		close(fds[1]);
}

static void take_cell(struct conn *c, unsigned cell)
{
	struct asker by = { .conn = c, .cell = (int)cell };
	uint8_t frame[MAILBOX_FRAME_BYTES];
	struct wire_header h;
	void *m;

	if (!fake_box_read(&c->box, cell, frame, &h))
		return;
	by.id = h.request_id;
	m = unpack(h.type, frame + WIRE_HEADER_BYTES, h.body_bytes);
	must(h.type == T(FAULT) || h.type == T(TOUCHED), "type in a cell");
	if (h.type == T(TOUCHED)) {
		take_touched(m);
		fake_box_free(&c->box, cell);
		return;
	}
	must(((const Memd__Fault *)m)->n_page == 1, "pages in a cell");
	if (!fake_box_is_library(&c->box, cell))
		atomic_fetch_add(&control->cell_faults, 1);
	take_fault(&by, m);
}

/* The client may be hung up on meanwhile, but keeps its place. */
static void look_into_box(struct conn *c)
{
	uint64_t asked;

	while (c->box.shared != NULL &&
	       (asked = fake_box_look(&c->box)) != 0)
		for (; asked != 0; asked &= asked - 1)
			take_cell(c, (unsigned)__builtin_ctzll(asked));
}

/* ---- the desk */

static void take_fake_desk(int fd, uint64_t id, const Memd__Desk *m)
{
	uint32_t kind = atomic_load(&control->desk);
	Memd__DeskReply desk = MEMD__DESK_REPLY__INIT;
	int with;

	must(kind != FAKE_DESK_NONE && m->version == DESK_VERSION, "desk");
	if (m->begin) {
		atomic_fetch_add(&control->desks_begun, 1);
		reply_ok(fd, id);
		return;
	}
	atomic_fetch_add(&control->desks_asked, 1);
	if (kind == FAKE_DESK_REFUSED) {
		reply_error(fd, id, EOPNOTSUPP, "too old");
		return;
	}
	desk.version = DESK_VERSION + (kind == FAKE_DESK_NEWER);
	with = fake_desk_open();
	reply_fds(fd, T(DESK_REPLY), id, &desk.base, &with, 1);
	close(with);
}

/* ---- dispatch */

static void take_detach(int conn, uint64_t id, const Memd__SegmentDetach *m)
{
	struct segment *s = find(m->segment, NULL);

	must(conns[conn].attached > 0, "detach");
	conns[conn].attached--;
	atomic_fetch_sub(&control->attached, 1);
	atomic_fetch_add(&control->detaches, 1);
	if (s != NULL && s->owner == conn)
		unmake(s);
	reply_ok(conns[conn].fd, id);
}

static void answer_attach(int conn, uint64_t id, const char *name,
			  int read_only)
{
	struct segment *s = find(0, name);
	int refusal = (int)atomic_load(&control->refuse_attach);

	if (refusal != 0) {
		reply_error(conns[conn].fd, id, refusal, "not now");
		atomic_fetch_add(&control->refused, 1);
	} else if (s == NULL) {
		reply_error(conns[conn].fd, id, ENOENT, "no such segment");
	} else {
		attach(conn, id, s, read_only);
	}
}

static void take_attach(int conn, uint64_t id, const Memd__SegmentAttach *m)
{
	struct held *held = &helds[held_count];

	if (!atomic_load(&control->hold_attach)) {
		answer_attach(conn, id, m->name, m->read_only);
		return;
	}
	must(held_count < HELD, "held");
	*held = (struct held){ .conn = conn, .id = id,
			       .read_only = m->read_only };
	strncpy(held->name, m->name, sizeof(held->name) - 1);
	atomic_store(&control->held, ++held_count);
}

static void take_unlink(int fd, uint64_t id, const char *name)
{
	struct segment *s = find(0, name);

	if (s == NULL) {
		reply_error(fd, id, ENOENT, "no such segment");
	} else {
		s->name[0] = '\0';
		reply_ok(fd, id);
	}
}

static void take_message(int conn, const struct wire_header *h, const void *m)
{
	struct conn *c = &conns[conn];

	switch (h->type) {
	case T(HELLO):
		take_hello(c->fd, h->request_id);
		break;
	case T(DESK):
		take_fake_desk(c->fd, h->request_id, m);
		break;
	case T(SEGMENT_CREATE):
		take_create(conn, h->request_id, m);
		break;
	case T(SEGMENT_ATTACH):
		take_attach(conn, h->request_id, m);
		break;
	case T(SEGMENT_UNLINK):
		take_unlink(c->fd, h->request_id,
			    ((const Memd__SegmentUnlink *)m)->name);
		break;
	case T(SEGMENT_DETACH):
		take_detach(conn, h->request_id, m);
		break;
	case T(FAULT):
		take_fault(&(struct asker){ c, -1, h->request_id }, m);
		break;
	case T(MAILBOX):
		take_mailbox(c, h->request_id);
		break;
	case T(RING):
		atomic_fetch_add(&control->rings, 1);
		look_into_box(c);
		break;
	case T(TOUCHED):
		take_touched(m);
		break;
	case T(ADVISE):
		take_advise(c->fd, h->request_id, m);
		break;
	case T(PIN):
		take_pin(c->fd, h->request_id, m);
		break;
	case T(SESSION_STATS):
		take_stats(c->fd, h->request_id);
		break;
	default:
		if (h->request_id != 0 &&
		    h->type != T(ERROR))
			reply_ok(c->fd, h->request_id);
		break;
	}
}

static void forget_held(int conn)
{
	size_t kept = 0;

	for (size_t i = 0; i < held_count; i++)
		if (helds[i].conn != conn)
			helds[kept++] = helds[i];
	held_count = kept;
	atomic_store(&control->held, held_count);
}

static void drop(int conn)
{
	forget_held(conn);
	atomic_fetch_sub(&control->attached, conns[conn].attached);
	for (size_t i = 0; i < SEGMENTS; i++)
		if (segments[i].number != 0 && segments[i].owner == conn)
			unmake(&segments[i]);
	fake_box_close(&conns[conn].box);
	close(conns[conn].fd);
	memset(&conns[conn], 0, sizeof(conns[conn]));
}

static void receive(int conn)
{
	struct conn *c = &conns[conn];
	struct wire_header h;
	ssize_t n = recv(c->fd, c->in + c->used, sizeof(c->in) - c->used, 0);

	if (n <= 0) {
		drop(conn);
		return;
	}
	c->used += (size_t)n;
	while (c->used >= WIRE_HEADER_BYTES) {
		size_t length;

		must(wire_header_unpack(c->in, WIRE_BODY_BYTES_MAX, &h) == 0,
		     "header");
		length = WIRE_HEADER_BYTES + (size_t)h.body_bytes;
		if (c->used < length)
			return;
		take_message(conn, &h, unpack(h.type, c->in +
					      WIRE_HEADER_BYTES,
					      h.body_bytes));
		memmove(c->in, c->in + length, c->used - length);
		c->used -= length;
	}
}

/* ---- orders of the test */

static void evict_all(void)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		for (uint64_t page = 0; segments[i].number != 0 &&
		     page < segments[i].length / segments[i].page_bytes; page++)
			evict(&segments[i], page);
}

static void age_all(void)
{
	for (size_t i = 0; i < SEGMENTS; i++) {
		Memd__Age m = MEMD__AGE__INIT;
		Memd__Range range = MEMD__RANGE__INIT;
		Memd__Range *ranges[2] = { &range, &range };

		if (segments[i].number == 0)
			continue;
		/* More than there is, and twice: it must be cut. */
		range.count = UINT64_MAX;
		m.segment = segments[i].number;
		m.n_range = 2;
		m.range = ranges;
		for (size_t j = 0; j < CONNS; j++)
			if (conns[j].fd != 0)
				reply(conns[j].fd, T(AGE), 0, &m.base);
	}
}

static void hang_up(void)
{
	for (size_t i = 0; i < CONNS; i++)
		if (conns[i].fd != 0)
			shutdown(conns[i].fd, SHUT_RDWR);
}

static void answer_held(void)
{
	for (size_t i = 0; i < held_count; i++)
		answer_attach(helds[i].conn, helds[i].id, helds[i].name,
			      helds[i].read_only);
	held_count = 0;
	atomic_store(&control->held, 0);
	answer_slow();
}

static void obey(int wake_fd)
{
	char byte;

	must(read(wake_fd, &byte, 1) == 1, "wake");
	if (atomic_load(&control->evict_all))
		evict_all();
	if (atomic_load(&control->age_all))
		age_all();
	if (atomic_load(&control->hang_up))
		hang_up();
	if (atomic_load(&control->answer_held))
		answer_held();
	atomic_store(&control->evict_all, 0);
	atomic_store(&control->age_all, 0);
	atomic_store(&control->hang_up, 0);
	atomic_store(&control->answer_held, 0);
}

static void add_conn(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < CONNS; i++)
		if (conns[i].fd == 0) {
			conns[i].fd = fd;
			return;
		}
	must(fd < 0, "connections");
}

static void hear(struct conn *c)
{
	atomic_fetch_add(&control->bells_rung, fake_box_hear(&c->box));
	look_into_box(c);
}

static int has_bell(const struct conn *c)
{
	return c->box.shared != NULL && c->box.bell >= 0;
}

static void serve(int listener, int wake_fd)
{
	for (;;) {
		struct pollfd p[2 * CONNS + 2] = {
			{ .fd = listener, .events = POLLIN },
			{ .fd = wake_fd, .events = POLLIN },
		};
		struct pollfd *link = p + 2, *bell = p + 2 + CONNS;

		for (int i = 0; i < CONNS; i++) {
			link[i].fd = conns[i].fd != 0 ? conns[i].fd : -1;
			bell[i].fd = has_bell(&conns[i]) ? conns[i].box.bell :
							   -1;
			link[i].events = bell[i].events = POLLIN;
		}
		must(poll(p, 2 * CONNS + 2, -1) > 0, "poll");
		for (int i = 0; i < CONNS; i++) {
			if (bell[i].revents != 0 && has_bell(&conns[i]))
				hear(&conns[i]);
			if (link[i].revents != 0 && conns[i].fd != 0)
				receive(i);
		}
		if (p[1].revents & POLLIN)
			obey(wake_fd);
		if (p[0].revents & POLLIN)
			add_conn(listener);
	}
}

/* ---- the test's side */

void fake_restart(struct fake *f)
{
	int pipes[2];
	int listener = wire_peer_listen(f->address + strlen("unix:"));

	must(listener >= 0, "listen");
	must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
	f->wake_fd = pipes[1];
	atomic_store(&f->control->attached, 0);
	atomic_store(&f->control->held, 0);
	f->pid = fork();
	must(f->pid >= 0, "fork");
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		control = f->control;
		open_uffd();
		serve(listener, pipes[0]);
	}
	close(listener);
	close(pipes[0]);
}

static void skip_without_userfaultfd(void)
{
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	/* 1: UFFD_USER_MODE_ONLY */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);

	if (device >= 0)
		close(device);
	if (fd >= 0)
		close(fd);
	if (device >= 0 || fd >= 0)
		return;
	printf("skipped: userfaultfd is not allowed here: %s\n",
	       strerror(errno));
	exit(77);
}

void fake_start(struct fake *f)
{
	static int count;

	skip_without_userfaultfd();
	memset(f, 0, sizeof(*f));
	snprintf(f->address, sizeof(f->address), "unix:@memd-fake-%d-%d",
		 getpid(), count++);
	f->control = mmap(NULL, sizeof(*f->control), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(f->control != MAP_FAILED, "mmap");
	fake_restart(f);
}

void fake_kill(struct fake *f)
{
	int status;

	kill(f->pid, SIGKILL);
	must(waitpid(f->pid, &status, 0) == f->pid, "waitpid");
	/* 3: it found a message wrong, and said so. */
	must(WIFSIGNALED(status), "the fake daemon ended by itself");
	close(f->wake_fd);
}

void fake_stop(struct fake *f)
{
	fake_kill(f);
	munmap(f->control, sizeof(*f->control));
}

static void order(struct fake *f, _Atomic uint32_t *what)
{
	atomic_store(what, 1);
	must(write(f->wake_fd, "", 1) == 1, "wake");
	while (atomic_load(what) != 0)
		usleep(100);
}

void fake_evict(struct fake *f)
{
	order(f, &f->control->evict_all);
}

void fake_age(struct fake *f)
{
	order(f, &f->control->age_all);
}

void fake_hang_up(struct fake *f)
{
	order(f, &f->control->hang_up);
}

void fake_answer_held(struct fake *f)
{
	order(f, &f->control->answer_held);
}
