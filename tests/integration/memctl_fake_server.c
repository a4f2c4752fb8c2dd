/* SPDX-License-Identifier: MIT */
/* A server that gives memctl canned answers, good and bad, so that memctl's
 * output can be compared byte by byte.  Not a memd: it maps nothing, knows no
 * client, and answers one connection at a time.
 *
 *	memctl_fake_server ADDRESS SCENARIO [LOG]
 *
 * Listens, prints its process id and, where ADDRESS is "tcp", the port of
 * 127.0.0.1 that the kernel chose, and goes on in the background until it is
 * killed or two minutes have passed.  Each request but Hello adds a line to
 * LOG.  Scenarios are in the table at the end. */
#include "common/checks.h"
#include "tests/integration/wire_peer.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KIB	UINT64_C(1024)
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)

enum { MANY_ROWS = 20000, LIFE_S = 120 };

struct peer {
	int fd;
	const struct scenario *scenario;
	uint64_t id;			/* of the request being answered */
};

struct scenario {
	const char *name;
	/* Answer to Hello and to everything else; false: close. */
	bool (*hello)(struct peer *peer);
	bool (*request)(struct peer *peer, uint16_t type, const void *body,
			size_t length);
};

static FILE *log_file;

static bool send_bytes(struct peer *peer, const void *bytes, size_t length)
{
	return wire_peer_send_bytes(peer->fd, bytes, length) == 0;
}

static bool answer(struct peer *peer, uint16_t type,
		   const ProtobufCMessage *message)
{
	return wire_peer_send(peer->fd, type, peer->id, message) == 0;
}

static bool answer_error(struct peer *peer, uint32_t code, const char *text)
{
	Memd__Error error = MEMD__ERROR__INIT;

	error.code = code;
	error.text = (char *)text;
	return answer(peer, T(ERROR), &error.base);
}

static bool answer_ok(struct peer *peer)
{
	return answer(peer, T(OK), NULL);
}

/* ------------------------------------------------------------ good answers */

static bool hello_ok(struct peer *peer)
{
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;

	reply.version_major = WIRE_VERSION_MAJOR;
	reply.version_minor = WIRE_VERSION_MINOR;
	reply.instance = 42;
	reply.session = 1;
	reply.server = (char *)"memd 9.8.7";
	return answer(peer, T(HELLO_REPLY), &reply.base);
}

static void fill_status(Memd__StatusReply *st)
{
	static char *listening[] = { (char *)"unix:/run/memd/memd.sock" };

	st->verdict = (char *)"ok";
	st->server = (char *)"memd 9.8.7";
	st->pid = 4711;
	st->uptime_ms = UINT64_C(3) * 86400000 + 4 * 3600000 + 5000;
	st->page_bytes = 4096;
	st->pool_frames = 16384;
	st->free_frames = 4096;
	st->resident_frames = 12000;
	st->evicting_frames = 200;
	st->loading_frames = 88;
	st->pinned_frames = 16;
	st->slot_count = 262144;
	st->free_slots = 196608;
	st->has_file_slots = 1;
	st->file_slots = 131072;
	st->store = (char *)"uring";
	st->swap_dir = (char *)"/var/lib/memd";
	st->committed_pages = 100000;
	st->commit_limit_pages = 262144;
	st->sessions = 3;
	st->segments = 5;
	st->metadata_bytes = 5 * MIB;
	st->faults = 123456;
	st->has_low_watermark_frames = st->has_high_watermark_frames = 1;
	st->low_watermark_frames = 512;
	st->high_watermark_frames = 1024;
	st->config_file = (char *)"/etc/memd/memd.conf";
	st->n_listening = ARRAY_SIZE(listening);
	st->listening = listening;
}

static bool answer_status(struct peer *peer)
{
	Memd__StatusReply st = MEMD__STATUS_REPLY__INIT;

	fill_status(&st);
	return answer(peer, T(STATUS_REPLY), &st.base);
}

static void fill_session(Memd__SessionInfo *s, uint32_t id, uint32_t pid,
			 const char *command)
{
	memd__session_info__init(s);
	s->session = id;
	s->pid = pid;
	s->uid = 3999999999;
	s->command = (char *)command;
	s->faults = 1;
	s->connected_ms = 7600000;
}

static void fill_sessions(Memd__SessionInfo s[3])
{
	fill_session(&s[0], 7, 1201, "bigsort");
	s[0].uid = 0;
	s[0].mapped_bytes = 256 * MIB;
	s[0].resident_bytes = 40 * MIB;
	s[0].swapped_bytes = 180 * MIB;
	s[0].faults = 77777;
	s[0].faults_per_s = 1234.56;
	s[0].connected_ms = 61000;
	s[0].carrier = (char *)"mailbox";
	s[0].has_memory_limit_bytes = s[0].has_memory_needed_bytes = 1;
	s[0].memory_needed_bytes = 128 * MIB;
	fill_session(&s[1], 3, 977, "shared count");
	s[1].mapped_bytes = 8 * MIB;
	s[1].resident_bytes = 4 * MIB + 512 * KIB;
	s[1].faults = s[1].limit_frames = 2048;
	s[1].connected_ms = 7500000;
	s[1].carrier = (char *)"socket";
	s[1].has_memory_limit_bytes = s[1].has_memory_needed_bytes = 1;
	s[1].memory_limit_bytes = 96 * MIB;
	s[1].memory_needed_bytes = 128 * MIB;
	fill_session(&s[2], 2, 977, "shared count");
	s[2].mapped_bytes = s[2].swapped_bytes = 4 * KIB;
	s[2].faults_per_s = 0.04;
}

static bool send_sessions(struct peer *peer, Memd__SessionInfo **list,
			  size_t count)
{
	Memd__SessionsReply reply = MEMD__SESSIONS_REPLY__INIT;

	reply.n_session = count;
	reply.session = list;
	reply.pool_bytes = 64 * MIB;
	return answer(peer, T(SESSIONS_REPLY), &reply.base);
}

static bool answer_sessions(struct peer *peer)
{
	Memd__SessionInfo s[3], *list[] = { &s[0], &s[1], &s[2] };

	fill_sessions(s);
	return send_sessions(peer, list, ARRAY_SIZE(list));
}

static void fill_segment(Memd__SegmentInfo *s, uint32_t id, const char *name)
{
	memd__segment_info__init(s);
	s->segment = id;
	s->name = (char *)name;
	s->mode = 0600;
	s->page_bytes = 4096;
	s->length_bytes = 256 * MIB;
	s->resident_bytes = 40 * MIB;
	s->swapped_bytes = 180 * MIB;
	s->dirty_bytes = 1 * MIB;
	s->attached = 1;
}

static void fill_segments(Memd__SegmentInfo s[3])
{
	fill_segment(&s[0], 12, "");
	fill_segment(&s[1], 5, "words");
	s[1].mode = 0660;
	s[1].uid = s[1].gid = 3999999999;
	s[1].page_bytes = 65536;
	s[1].length_bytes = 8 * MIB;
	s[1].resident_bytes = 4 * MIB;
	s[1].swapped_bytes = 512 * KIB;
	s[1].dirty_bytes = 0;
	s[1].pinned_bytes = 64 * KIB;
	s[1].attached = 4;
	fill_segment(&s[2], 6, "old table");
	s[2].unlinked = 1;
	s[2].lost_pages = 2;
	s[2].page_bytes = 2 * MIB;
}

static bool answer_segments(struct peer *peer)
{
	Memd__SegmentInfo s[3], *list[] = { &s[0], &s[1], &s[2] };
	Memd__SegmentsReply reply = MEMD__SEGMENTS_REPLY__INIT;

	fill_segments(s);
	reply.n_segment = ARRAY_SIZE(list);
	reply.segment = list;
	return answer(peer, T(SEGMENTS_REPLY), &reply.base);
}

static bool answer_guests(struct peer *peer)
{
	Memd__GuestInfo s[2], *list[] = { &s[0], &s[1] };
	Memd__GuestsReply reply = MEMD__GUESTS_REPLY__INIT;

	for (unsigned i = 0; i < ARRAY_SIZE(s); i++) {
		memd__guest_info__init(&s[i]);
		s[i].host = i == 0 ? "192.0.2.7" : "2001:db8::9";
		s[i].peer = i == 0 ? "build.example" : "";
		s[i].uid = 3999999999;
		s[i].length_bytes = 64 * MIB;
		s[i].resident_bytes = 3 * MIB;
		s[i].swapped_bytes = i * MIB;
		s[i].read_bytes = 5 * MIB;
		s[i].written_bytes = 70 * MIB;
		s[i].has_guest = true;
		s[i].guest = i + 3;
	}
	s[0].session = 12;
	s[0].has_rtt_ns = 1;
	s[0].rtt_ns = 310000;
	s[1].has_idle_ms = 1;
	s[1].idle_ms = 61000;
	reply.n_guest = ARRAY_SIZE(list);
	reply.guest = list;
	return answer(peer, T(GUESTS_REPLY), &reply.base);
}

static bool answer_maps(struct peer *peer, const Memd__MapsRequest *request)
{
	Memd__SegmentInfo s[3], *list[] = { &s[0], &s[1], &s[2] };
	Memd__SegmentsReply reply = MEMD__SEGMENTS_REPLY__INIT;

	if (request->pid != 1201 && request->session != 14)
		return answer_error(peer, ESRCH, "no session of process 99: "
				    "`memctl ps` shows them");
	fill_segments(s);
	s[0].has_address = s[2].has_address = 1;
	s[0].address = UINT64_C(0x7f2a40000000);
	s[2].address = UINT64_C(0x7f2a20000000);
	s[1].has_read_only = 1;
	s[1].read_only = 1;
	reply.n_segment = ARRAY_SIZE(list);
	reply.segment = list;
	return answer(peer, T(SEGMENTS_REPLY), &reply.base);
}

static bool answer_counters(struct peer *peer)
{
	static const Memd__Counter init = MEMD__COUNTER__INIT;
	Memd__Counter c[] = {
		{ init.base, (char *)"faults_zero", 4096,
		  (char *)"Faults that found a page never touched before",
		  0, 0, (char *)"" },
		{ init.base, (char *)"faults_swap_in", 18446744073709551615u,
		  (char *)"Faults that read swap", 0, 0, NULL },
		{ init.base, (char *)"metadata", 5 * MIB,
		  (char *)"Memory that the tables occupy", 1, 1,
		  (char *)"bytes" },
		{ init.base, (char *)"write_time", 1234567,
		  (char *)"Time that writes took", 1, 0, (char *)"ns" },
	};
	Memd__Counter *list[] = { &c[0], &c[1], &c[2], &c[3] };
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;

	reply.n_counter = ARRAY_SIZE(list);
	reply.counter = list;
	return answer(peer, T(COUNTERS_REPLY), &reply.base);
}

/* What `memctl iostat` looks for. */
static bool answer_flow(struct peer *peer)
{
	static const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "pages_read", 2735990 }, { "written", 1368000 },
		{ "store_reads", 273599 }, { "store_writes", 10000 },
		{ "store_read_bytes", 2735990 * 4096ull },
		{ "store_write_bytes", 1368000 * 4096ull },
		{ "faults_asked", 547201 }, { "faults_waiting", 3 },
		{ "free_frames", 4096 }, { "frame_count", 16384 },
	};
	Memd__Counter c[ARRAY_SIZE(rows)], *list[ARRAY_SIZE(rows)];
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memd__counter__init(&c[i]);
		c[i].name = (char *)rows[i].name;
		c[i].value = rows[i].value;
		c[i].help = (char *)"";
		list[i] = &c[i];
	}
	reply.n_counter = ARRAY_SIZE(list);
	reply.counter = list;
	return answer(peer, T(COUNTERS_REPLY), &reply.base);
}

static bool answer_fault_stats(struct peer *peer)
{
	static uint64_t zero_floor[] = { 1024, 2048, 16384 };
	static uint64_t zero_count[] = { 3000, 1000, 1 };
	static uint64_t swap_floor[] = { 65536, 131072 };
	static uint64_t swap_count[] = { 10, 20 };
	static const Memd__FaultKind init = MEMD__FAULT_KIND__INIT;
	Memd__FaultKind k[] = {
		{ init.base, (char *)"minor", 0, 0, 0, 0, 0, 0, 0, NULL, 0,
		  NULL },
		{ init.base, (char *)"zero", 4001, 6001500, 16500, 1216, 2432,
		  16384, 3, zero_floor, 3, zero_count },
		{ init.base, (char *)"swap_in", 30, 4000000, 2200000000, 155648,
		  2200000000, 2200000000, 2, swap_floor, 2, swap_count },
		{ init.base, (char *)"lost", 0, 0, 0, 0, 0, 0, 0, NULL, 0,
		  NULL },
	};
	Memd__FaultKind *list[] = { &k[0], &k[1], &k[2], &k[3] };
	Memd__FaultStatsReply reply = MEMD__FAULT_STATS_REPLY__INIT;

	reply.n_kind = ARRAY_SIZE(list);
	reply.kind = list;
	return answer(peer, T(FAULT_STATS_REPLY), &reply.base);
}

static bool send_events(struct peer *peer, uint64_t dropped)
{
	static const Memd__TraceEvent init = MEMD__TRACE_EVENT__INIT;
	Memd__TraceEvent e[] = {
		{ init.base, 5000000000, 1201, 12, 65535, (char *)"swap_in", 0,
		  85123, 3200, 88500, 1, 16, 0, 0, 1, 65528, 1, 7 },
		{ init.base, 4999999000, 977, 5, 3, (char *)"zero", 12, 0, 1800,
		  1950, 1, 1, 0, 0, 0, 0, 1, 3 },
		/* Of a process that memd does not see. */
		{ init.base, 6500000250, 0, 6, 1, (char *)"lost", 0, 0, 0,
		  2000300400, 0, 0, 1, EIO, 0, 0, 1, 14 },
	};
	Memd__TraceEvent *list[] = { &e[0], &e[1], &e[2] };
	Memd__TraceEvents events = MEMD__TRACE_EVENTS__INIT;

	events.n_event = ARRAY_SIZE(list);
	events.event = list;
	events.has_dropped = dropped != 0;
	events.dropped = dropped;
	return wire_peer_send(peer->fd, T(TRACE_EVENTS), 0, &events.base) == 0;
}

/* Three events, a message of no interest to memctl, three more, silence. */
static bool answer_trace(struct peer *peer)
{
	Memd__Age age = MEMD__AGE__INIT;

	age.segment = 1;
	return answer_ok(peer) && send_events(peer, 0) &&
	       wire_peer_send(peer->fd, T(AGE), 0, &age.base) == 0 &&
	       send_events(peer, 9);
}

static bool answer_evict(struct peer *peer, const Memd__EvictRequest *request)
{
	Memd__EvictReply reply = MEMD__EVICT_REPLY__INIT;

	reply.evicted_bytes = request->bytes != 0 ? request->bytes :
						    12 * MIB + 4096;
	return answer(peer, T(EVICT_REPLY), &reply.base);
}

/* "words" takes all, "old table" half. */
static bool answer_replay(struct peer *peer,
			  const Memd__ReplayRequest *request)
{
	Memd__ReplayReply reply = MEMD__REPLAY_REPLY__INIT;

	fprintf(log_file, "replay name=%s", request->name);
	for (size_t i = 0; i < request->n_range; i++) {
		reply.pages += request->range[i]->count;
		if (i < 4)
			fprintf(log_file, " %" PRIu64 "+%" PRIu64,
				request->range[i]->first,
				request->range[i]->count);
	}
	fprintf(log_file, " ranges=%zu\n", request->n_range);
	reply.has_read_pages = reply.has_there_pages = 1;
	reply.read_pages = reply.pages;
	if (strcmp(request->name, "old table") == 0) {
		reply.pages /= 2;
		reply.there_pages = 2;
		reply.read_pages = reply.pages - 2;
		reply.has_is_short = reply.is_short = 1;
	} else if (strcmp(request->name, "words") != 0) {
		return answer_error(peer, ENOENT, "no segment has this name");
	}
	return answer(peer, T(REPLAY_REPLY), &reply.base);
}

static bool answer_limits(struct peer *peer)
{
	static const Memd__Limit init = MEMD__LIMIT__INIT;
	Memd__Limit l[3] = { init, init, init };
	Memd__Limit *list[] = { &l[0], &l[1], &l[2] };
	Memd__LimitsReply reply = MEMD__LIMITS_REPLY__INIT;

	l[0].has_uid = l[0].has_frames = l[0].has_used_frames = 1;
	l[0].has_mapped_bytes = l[0].has_used_mapped_bytes = 1;
	l[0].uid = 0;
	l[0].mapped_bytes = GIB;
	l[0].used_frames = 10240;
	l[0].used_mapped_bytes = 256 * MIB;
	l[0].source = (char *)"config";
	l[1] = l[0];
	l[1].has_session = l[1].has_pid = 1;
	l[1].session = 7;
	l[1].pid = 1201;
	l[1].frames = 8192;
	l[1].mapped_bytes = 0;
	l[1].source = NULL;
	l[2].has_session = l[2].has_uid = 1;
	l[2].session = 12;
	l[2].has_used_frames = l[2].has_used_mapped_bytes = 1;
	l[2].used_frames = 768;
	l[2].used_mapped_bytes = 64 * MIB;
	l[2].source = (char *)"uid";
	reply.n_limit = ARRAY_SIZE(list);
	reply.limit = list;
	return answer(peer, T(LIMITS_REPLY), &reply.base);
}

static bool answer_config(struct peer *peer)
{
	static const Memd__ConfigKey init = MEMD__CONFIG_KEY__INIT;
	Memd__ConfigKey k[] = {
		{ init.base, (char *)"pool_size", (char *)"64M", (char *)"flag",
		  0, (char *)"Memory that memd gives out", (char *)"25%",
		  (char *)"128M" },
		{ init.base, (char *)"log_level", (char *)"info",
		  (char *)"default", 1, (char *)"Show \"lines\" up to \\ this",
		  NULL, NULL },
		{ init.base, (char *)"socket_group", (char *)"",
		  (char *)"file", 0, (char *)"Group of the socket",
		  (char *)"", NULL },
	};
	Memd__ConfigKey *list[] = { &k[0], &k[1], &k[2] };
	Memd__ConfigReply reply = MEMD__CONFIG_REPLY__INIT;

	reply.n_key = ARRAY_SIZE(list);
	reply.key = list;
	return answer(peer, T(CONFIG_REPLY), &reply.base);
}

static bool answer_disconnect(struct peer *peer,
			      const Memd__Disconnect *request)
{
	Memd__DisconnectReply reply = MEMD__DISCONNECT_REPLY__INIT;

	reply.session = request->session != 0 ? request->session : 7;
	reply.pid = request->pid;
	reply.uid = 3999999999;
	reply.command = (char *)"bigsort";
	return answer(peer, T(DISCONNECT_REPLY), &reply.base);
}

/* "words" is in use. */
static bool answer_unlink(struct peer *peer,
			  const Memd__SegmentUnlink *request)
{
	Memd__SegmentUnlinkReply reply = MEMD__SEGMENT_UNLINK_REPLY__INIT;

	if (strcmp(request->name, "gone") == 0)
		return answer_error(peer, ENOENT, "no segment is called gone");
	reply.segment = 5;
	reply.length_bytes = 8 * MIB;
	reply.attached = strcmp(request->name, "words") == 0 ? 4 : 0;
	return answer(peer, T(SEGMENT_UNLINK_REPLY), &reply.base);
}

/* Parse a request, or NULL; freed when the connection's process goes on. */
static void *parse(const ProtobufCMessageDescriptor *descriptor,
		   const void *body, size_t length)
{
	void *message = protobuf_c_message_unpack(descriptor, NULL, length,
						  body);

	ASSERT(message != NULL);
	return message;
}

/* Requests with a body are written to the log, so that tests see what memctl
 * really asked for. */
static bool request_with_body(struct peer *peer, uint16_t type,
			      const void *body, size_t length)
{
	Memd__MapsRequest *maps;
	Memd__EvictRequest *evict;
	Memd__TraceRequest *trace;
	Memd__ReplayRequest *replay;
	Memd__Disconnect *disconnect;
	Memd__SegmentUnlink *unlinking;
	Memd__GuestDrop *drop;
	bool ok;

	switch (type) {
	case T(MAPS):
		maps = parse(&memd__maps_request__descriptor, body, length);
		fprintf(log_file, "maps pid=%u session=%u\n", maps->pid,
			maps->session);
		ok = answer_maps(peer, maps);
		memd__maps_request__free_unpacked(maps, NULL);
		return ok;
	case T(EVICT):
		evict = parse(&memd__evict_request__descriptor, body, length);
		fprintf(log_file, "evict has_pid=%d pid=%u session=%u "
			"has_bytes=%d bytes=%" PRIu64 "\n", evict->has_pid,
			evict->pid, evict->session, evict->has_bytes,
			evict->bytes);
		ok = answer_evict(peer, evict);
		memd__evict_request__free_unpacked(evict, NULL);
		return ok;
	case T(REPLAY):
		replay = parse(&memd__replay_request__descriptor, body,
			       length);
		ok = answer_replay(peer, replay);
		memd__replay_request__free_unpacked(replay, NULL);
		return ok;
	case T(SEGMENT_UNLINK):
		unlinking = parse(&memd__segment_unlink__descriptor, body,
				  length);
		fprintf(log_file, "unlink name=%s count=%d\n",
			unlinking->name, unlinking->count);
		ok = answer_unlink(peer, unlinking);
		memd__segment_unlink__free_unpacked(unlinking, NULL);
		return ok;
	case T(GUEST_DROP):
		drop = parse(&memd__guest_drop__descriptor, body, length);
		fprintf(log_file, "drop guest=%u\n", drop->guest);
		memd__guest_drop__free_unpacked(drop, NULL);
		return answer_ok(peer);
	case T(DISCONNECT):
		disconnect = parse(&memd__disconnect__descriptor, body,
				   length);
		fprintf(log_file, "disconnect pid=%u session=%u\n",
			disconnect->pid, disconnect->session);
		ok = answer_disconnect(peer, disconnect);
		memd__disconnect__free_unpacked(disconnect, NULL);
		return ok;
	case T(TRACE):
		trace = parse(&memd__trace_request__descriptor, body, length);
		fprintf(log_file, "trace has_pid=%d pid=%u session=%u\n",
			trace->has_pid, trace->pid, trace->session);
		memd__trace_request__free_unpacked(trace, NULL);
		return answer_trace(peer);
	default:
		return answer_error(peer, ENOSYS, "unknown message type");
	}
}

static bool request_limit_set(struct peer *peer, const void *body,
			      size_t length)
{
	Memd__Limit *l = parse(&memd__limit__descriptor, body, length);

	fprintf(log_file, "limit_set");
	if (l->has_session)
		fprintf(log_file, " session=%u", l->session);
	if (l->has_uid)
		fprintf(log_file, " uid=%u", l->uid);
	if (l->has_pid)
		fprintf(log_file, " pid=%u", l->pid);
	if (l->has_frames)
		fprintf(log_file, " frames=%" PRIu64, l->frames);
	if (l->has_mapped_bytes)
		fprintf(log_file, " mapped_bytes=%" PRIu64, l->mapped_bytes);
	if (l->reset)
		fprintf(log_file, " reset");
	fprintf(log_file, "\n");
	memd__limit__free_unpacked(l, NULL);
	return answer_ok(peer);
}

static bool request_ok(struct peer *peer, uint16_t type, const void *body,
		       size_t length)
{
	switch (type) {
	case T(STATUS):
		return answer_status(peer);
	case T(SESSIONS):
		return answer_sessions(peer);
	case T(SEGMENTS):
		return answer_segments(peer);
	case T(GUESTS):
		return answer_guests(peer);
	case T(COUNTERS):
		return answer_counters(peer);
	case T(FAULT_STATS):
		return answer_fault_stats(peer);
	case T(LIMITS):
		return answer_limits(peer);
	case T(CONFIG):
		return answer_config(peer);
	case T(LIMIT_SET):
		return request_limit_set(peer, body, length);
	default:
		return request_with_body(peer, type, body, length);
	}
}

/* ----------------------------------------------------------- other answers */

static bool request_flow(struct peer *peer, uint16_t type, const void *body,
			 size_t length)
{
	return type == T(COUNTERS) ?
		answer_flow(peer) : request_ok(peer, type, body, length);
}

/* A memd with clients on other hosts: one with a certificate, one without and
 * without a store.  And with one in a pid namespace that it does not see. */
static bool answer_guest_sessions(struct peer *peer)
{
	Memd__SessionInfo s[6];
	Memd__SessionInfo *list[] = { &s[0], &s[1], &s[2], &s[3], &s[4],
				      &s[5] };

	fill_sessions(s);
	fill_session(&s[3], 12, 0, "memd@192.0.2.7");
	s[3].host = (char *)"192.0.2.7";
	s[3].peer = (char *)"build.example";
	s[3].mapped_bytes = 64 * MIB;
	s[3].resident_bytes = 3 * MIB;
	s[3].swapped_bytes = 1 * MIB;
	s[3].has_rtt_ns = s[3].has_in_bytes_per_s = 1;
	s[3].rtt_ns = 310000;
	s[3].in_bytes_per_s = 1536 * KIB;
	s[3].has_out_bytes_per_s = s[3].has_guest_pages = 1;
	s[3].guest_pages = 1024;
	s[3].carrier = (char *)"tcp";
	fill_session(&s[4], 13, 0, "bigsort@2001:db8::9");
	s[4].host = (char *)"2001:db8::9";
	s[4].carrier = (char *)"tcp";
	fill_session(&s[5], 14, 0, "contained");
	return send_sessions(peer, list, ARRAY_SIZE(list));
}

static void fill_certificate(Memd__CertificateInfo *info, const char *setting,
			     const char *name, int64_t until_s, int64_t days)
{
	memd__certificate_info__init(info);
	info->setting = (char *)setting;
	info->name = (char *)name;
	info->until_s = until_s;
	info->days_left = days;
}

static bool answer_guest_status(struct peer *peer)
{
	Memd__CertificateInfo info[3], *infos[] = { &info[0], &info[1],
						    &info[2] };
	char *listening[] = { (char *)"unix:@memd", (char *)"tcp://[::]:7433",
			      (char *)"tcp://192.0.2.1:\033[7m" };
	Memd__StatusReply st = MEMD__STATUS_REPLY__INIT;

	fill_status(&st);
	st.n_listening = ARRAY_SIZE(listening);
	st.listening = listening;
	st.has_listening_tls = st.listening_tls = 1;
	fill_certificate(&info[0], "tls_certificate", "memd", 1798761600, 8);
	fill_certificate(&info[1], "tls_ca", "our \033[7mCA", 1767225600, -3);
	fill_certificate(&info[2], "tls_crl", "our CA", INT64_MAX, INT64_MAX);
	st.n_certificate = ARRAY_SIZE(infos);
	st.certificate = infos;
	st.has_guests_connected = st.has_guests_away = st.has_guest_pages = 1;
	st.guests_connected = 2;
	st.guests_away = 1;
	st.guest_pages = 1024 + 77;
	return answer(peer, T(STATUS_REPLY), &st.base);
}

static bool request_with_guests(struct peer *peer, uint16_t type,
				const void *body, size_t length)
{
	switch (type) {
	case T(SESSIONS):
		return answer_guest_sessions(peer);
	case T(STATUS):
		return answer_guest_status(peer);
	default:
		return request_ok(peer, type, body, length);
	}
}

static bool request_empty(struct peer *peer, uint16_t type, const void *body,
			  size_t length)
{
	Memd__SessionsReply sessions = MEMD__SESSIONS_REPLY__INIT;
	Memd__SegmentsReply segments = MEMD__SEGMENTS_REPLY__INIT;

	(void)body;
	(void)length;
	if (type == T(SESSIONS))
		return answer(peer, T(SESSIONS_REPLY), &sessions.base);
	return answer(peer, T(SEGMENTS_REPLY), &segments.base);
}

/* What a status looks like when memd is not well. */
static bool answer_unwell(struct peer *peer, const char *verdict)
{
	char *reasons[] = {
		(char *)"io_uring is forbidden: set kernel.io_uring_disabled=0",
		(char *)"3 slots failed: replace the disk",
	};
	Memd__StatusReply st = MEMD__STATUS_REPLY__INIT;

	fill_status(&st);
	st.verdict = (char *)verdict;
	st.n_reason = ARRAY_SIZE(reasons);
	st.reason = reasons;
	st.store = (char *)"sync";
	st.store_reason = (char *)"io_uring is forbidden";
	st.quarantined_slots = 3;
	st.pages_lost = 1;
	st.config_file = NULL;
	st.has_low_watermark_frames = 0;
	return answer(peer, T(STATUS_REPLY), &st.base);
}

static bool request_warn(struct peer *peer, uint16_t type, const void *body,
			 size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	return answer_unwell(peer, "warn");
}

static bool request_degraded(struct peer *peer, uint16_t type,
			     const void *body, size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	return answer_unwell(peer, "degraded");
}

/* Names chosen to steer the terminal and to break lines, columns and JSON. */
static bool request_hostile(struct peer *peer, uint16_t type, const void *body,
			    size_t length)
{
	Memd__SessionInfo s[3] = { MEMD__SESSION_INFO__INIT,
				   MEMD__SESSION_INFO__INIT,
				   MEMD__SESSION_INFO__INIT };
	Memd__SessionInfo *list[] = { &s[0], &s[1], &s[2] };
	Memd__SessionsReply reply = MEMD__SESSIONS_REPLY__INIT;

	(void)type;
	(void)body;
	(void)length;
	s[0].command = (char *)"\033[2Jrm\n-rf\t/ \"q\" \\ \x7f\xff\xc2\x9b";
	s[0].faults_per_s = (double)NAN;
	s[0].mapped_bytes = UINT64_MAX;
	s[1].pid = 2;
	s[1].command = (char *)"gr\xc3\xbc\xc3\x9f \xed\xa0\x80 \xe2\x82";
	s[1].faults_per_s = 1e300;
	s[2].command = (char *)"";
	s[2].host = (char *)"\033]0;host\007";
	s[2].peer = (char *)"\t\n\x7f\xff \"p\"";
	s[2].has_rtt_ns = s[2].has_in_bytes_per_s = 1;
	s[2].rtt_ns = s[2].in_bytes_per_s = UINT64_MAX;
	reply.n_session = ARRAY_SIZE(list);
	reply.session = list;
	return answer(peer, T(SESSIONS_REPLY), &reply.base);
}

static bool request_many(struct peer *peer, uint16_t type, const void *body,
			 size_t length)
{
	static Memd__SessionInfo sessions[MANY_ROWS], *list[MANY_ROWS];
	Memd__SessionsReply reply = MEMD__SESSIONS_REPLY__INIT;

	(void)body;
	(void)length;
	if (type == T(TRACE)) {
		if (!answer_ok(peer))
			return false;
		while (send_events(peer, 0))
			;
		return false;
	}
	for (unsigned i = 0; i < MANY_ROWS; i++) {
		memd__session_info__init(&sessions[i]);
		sessions[i].pid = i + 1;
		sessions[i].command = (char *)"one of many";
		list[i] = &sessions[i];
	}
	reply.n_session = MANY_ROWS;
	reply.session = list;
	return answer(peer, T(SESSIONS_REPLY), &reply.base);
}

static bool request_denied(struct peer *peer, uint16_t type, const void *body,
			   size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	return answer_error(peer, EPERM, "only root and members of group memd "
			    "may do that: ask as one of them");
}

static bool request_unknown(struct peer *peer, uint16_t type, const void *body,
			    size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	return answer_error(peer, ENOSYS, "unknown message type: this memd is "
			    "older than memctl");
}

static bool request_nothing(struct peer *peer, uint16_t type, const void *body,
			    size_t length)
{
	(void)peer;
	(void)type;
	(void)body;
	(void)length;
	return true;
}

static bool request_close(struct peer *peer, uint16_t type, const void *body,
			  size_t length)
{
	(void)peer;
	(void)type;
	(void)body;
	(void)length;
	return false;
}

/* A header that announces more than comes. */
static bool request_truncated(struct peer *peer, uint16_t type,
			      const void *body, size_t length)
{
	const struct wire_header h = { WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR,
		T(STATUS_REPLY), peer->id, 1000, 0 };
	uint8_t raw[WIRE_HEADER_BYTES + 10] = { 0 };

	(void)type;
	(void)body;
	(void)length;
	wire_header_pack(&h, raw);
	send_bytes(peer, raw, sizeof(raw));
	return false;
}

static bool request_oversized(struct peer *peer, uint16_t type,
			      const void *body, size_t length)
{
	const struct wire_header h = { WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR,
		T(STATUS_REPLY), peer->id, UINT32_MAX, 0 };
	uint8_t raw[WIRE_HEADER_BYTES];

	(void)type;
	(void)body;
	(void)length;
	wire_header_pack(&h, raw);
	return send_bytes(peer, raw, sizeof(raw));
}

static bool request_malformed(struct peer *peer, uint16_t type,
			      const void *body, size_t length)
{
	const struct wire_header h = { WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR,
		T(STATUS_REPLY), peer->id, 16, 0 };
	uint8_t raw[WIRE_HEADER_BYTES + 16];

	(void)type;
	(void)body;
	(void)length;
	memset(raw, 0xff, sizeof(raw));
	wire_header_pack(&h, raw);
	return send_bytes(peer, raw, sizeof(raw));
}

static bool request_mixed_up(struct peer *peer, uint16_t type,
			     const void *body, size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	return answer_ok(peer);
}

static bool hello_garbage(struct peer *peer)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

	return send_bytes(peer, text, sizeof(text) - 1);
}

/* Another major version: the Error names both; memd then closes. */
static bool hello_version(struct peer *peer)
{
	answer_error(peer, EPROTONOSUPPORT, "memctl speaks protocol 1, memd 2: "
		     "install the same release of both");
	return false;
}

/* A memd of another version that does not refuse us, though it should. */
static bool hello_other_version(struct peer *peer)
{
	const struct wire_header h = { 7, 0,
		T(HELLO_REPLY), peer->id, 0, 0 };
	uint8_t raw[WIRE_HEADER_BYTES];

	wire_header_pack(&h, raw);
	return send_bytes(peer, raw, sizeof(raw));
}

/* Turned away before anything was read. */
static bool hello_full(struct peer *peer)
{
	peer->id = 0;
	answer_error(peer, EAGAIN, "too many sessions: raise sessions_max");
	return false;
}

static bool hello_silent(struct peer *peer)
{
	(void)peer;
	return true;
}

/* memd stops in the middle of a trace. */
static bool request_trace_ends(struct peer *peer, uint16_t type,
			       const void *body, size_t length)
{
	(void)type;
	(void)body;
	(void)length;
	if (answer_ok(peer))
		send_events(peer, 0);
	return false;
}

static const struct scenario scenarios[] = {
	{ "ok", hello_ok, request_ok },
	{ "flow", hello_ok, request_flow },
	{ "guests", hello_ok, request_with_guests },
	{ "empty", hello_ok, request_empty },
	{ "warn", hello_ok, request_warn },
	{ "degraded", hello_ok, request_degraded },
	{ "hostile", hello_ok, request_hostile },
	{ "many", hello_ok, request_many },
	{ "denied", hello_ok, request_denied },
	{ "unknown", hello_ok, request_unknown },
	{ "mute", hello_ok, request_nothing },
	{ "close", hello_ok, request_close },
	{ "truncated", hello_ok, request_truncated },
	{ "oversized", hello_ok, request_oversized },
	{ "malformed", hello_ok, request_malformed },
	{ "mixed-up", hello_ok, request_mixed_up },
	{ "trace-ends", hello_ok, request_trace_ends },
	{ "garbage", hello_garbage, request_nothing },
	{ "version", hello_version, request_nothing },
	{ "other-version", hello_other_version, request_nothing },
	{ "full", hello_full, request_nothing },
	{ "silent", hello_silent, request_nothing },
};

/* ------------------------------------------------------------------ server */

/* memctl must introduce itself as one that maps nothing. */
static bool take_hello(struct peer *peer, const void *body, size_t length)
{
	Memd__Hello *hello = parse(&memd__hello__descriptor, body, length);

	ASSERT(hello->version_major == WIRE_VERSION_MAJOR);
	ASSERT(hello->admin_only);
	ASSERT(strcmp(hello->command, "memctl") == 0);
	memd__hello__free_unpacked(hello, NULL);
	return peer->scenario->hello(peer);
}

static bool serve_message(struct peer *peer)
{
	struct answer a;
	int err = wire_peer_receive(peer->fd, &a);
	bool goes_on;

	ASSERT(err != -EPROTO);
	if (err != 0)
		return false;
	ASSERT(a.header.body_bytes <= WIRE_BODY_BYTES_MAX);
	ASSERT(a.header.payload_bytes == 0 && a.header.request_id != 0);
	peer->id = a.header.request_id;
	if (a.header.type == T(HELLO)) {
		goes_on = take_hello(peer, a.body, a.header.body_bytes);
	} else {
		fprintf(log_file, "%s\n", wire_type_name(a.header.type));
		goes_on = peer->scenario->request(peer, a.header.type, a.body,
						  a.header.body_bytes);
	}
	answer_free(&a);
	return goes_on;
}

static void serve(int listener, const struct scenario *scenario)
{
	for (;;) {
		struct peer peer = { accept(listener, NULL, NULL), scenario,
				     0 };

		if (peer.fd < 0)
			exit(1);
		while (serve_message(&peer))
			;
		fflush(log_file);
		close(peer.fd);
	}
}

/* Go on in the background, holding on to none of the caller's descriptors:
 * who started us waits for their ends. */
static void go_on_in_background(int listener, uint16_t port)
{
	pid_t pid = fork();

	ASSERT(pid >= 0);
	if (pid > 0) {
		printf("%d", (int)pid);
		if (port != 0)
			printf(" %u", port);
		putchar('\n');
		exit(0);
	}
	for (int fd = 0; fd < 256; fd++)
		if (fd != listener && fd != fileno(log_file))
			close(fd);
	open("/dev/null", O_RDWR);
	ASSERT(dup(0) == 1 && dup(0) == 2);
	alarm(LIFE_S);
}

int main(int argc, char **argv)
{
	uint16_t port = 0;
	int listener;

	ASSERT(argc >= 3);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (strcmp(argv[2], scenarios[i].name) != 0)
			continue;
		log_file = fopen(argc > 3 ? argv[3] : "/dev/null", "w");
		ASSERT(log_file != NULL);
		listener = strcmp(argv[1], "tcp") == 0 ?
			wire_peer_listen_tcp(16, &port) :
			wire_peer_listen(argv[1]);
		if (listener < 0) {
			perror(argv[1]);
			return 1;
		}
		go_on_in_background(listener, port);
		serve(listener, &scenarios[i]);
	}
	fprintf(stderr, "no scenario '%s'\n", argv[2]);
	return 2;
}
