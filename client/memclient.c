/* SPDX-License-Identifier: MIT */
/* The public calls: check arguments, put them into a command, give its result
 * and text back.  Everything that matters happens on the library's thread;
 * see loop.h. */
#include "client/client.h"
#include "client/link/address.h"
#include "client/options.h"

#include <errno.h>
#include <string.h>

/* A multiple of every page size. */
enum { ADVISE_BYTES = 256 * 1024 * 1024 };

#define EXPORT __attribute__((visibility("default")))

/* ---- arguments */

/* Every call but close: not in a child, and with something to work on. */
static int check_client(const struct memclient *mc)
{
	if (mc == NULL)
		return errors_set(-EINVAL, "no connection: memclient_open() "
				  "first");
	if (forks_enter() != 0 || client_is_parents(mc))
		return errors_set(-EPERM, "this is the child of a fork: call "
				  "memclient_open() here");
	return 0;
}

/* ---- commands */

static struct command *start(struct memclient *mc, enum command_kind kind)
{
	struct command *c = command_claim(&mc->commands, false);

	c->kind = kind;
	c->name[0] = '\0';
	c->body_bytes = 0;
	c->is_inline = c->is_read_only = false;
	c->text[0] = '\0';
	return c;
}

/* Pack the message that the library's thread is to send. */
static int set_body(struct command *c, uint16_t type,
		    const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);

	if (bytes > sizeof(c->body))
		return -EMSGSIZE;
	c->type = type;
	c->body_bytes = protobuf_c_message_pack(message, c->body);
	return 0;
}

/* Wait until it is done; on failure keep its text. */
static int run(struct memclient *mc, struct command *c)
{
	command_run(&mc->commands, c);
	if (mc->engine != NULL)
		address_shorten(c->text, mc->long_names);
	if (c->result != 0)
		errors_set(c->result, "%s", c->text[0] != '\0' ? c->text :
			   errors_name(c->result));
	return c->result;
}

static int run_and_release(struct memclient *mc, struct command *c)
{
	int err = run(mc, c);

	command_release(&mc->commands, c);
	return err;
}

/* ---- opening */

static int start_engine(struct memclient *mc, const char *address,
			char *ret_socket, size_t socket_size)
{
	struct memd_engine_program program =
		direct_program(&mc->direct, mc->inlines.uffd);
	int err = engine_start(address, &program, &mc->engine, ret_socket,
			       socket_size);
	char text[ERRORS_TEXT_BYTES];

	mc->long_names = address_long_names(address);
	mc->inlines.has_engine = err == 0;
	if (err == 0)
		return 0;
	snprintf(text, sizeof(text), "%s", errors_text());
	address_shorten(text, mc->long_names);
	return errors_set(err, "%s", text);
}

/* Start what has to be started here, and find out where to connect. */
static int find_daemon(struct memclient *mc, const char *address,
		       const struct memclient_options *options)
{
	char socket[sizeof(mc->settings.shown)];
	int err;

	if (!engine_is_meant(address))
		return options_set_settings(&mc->settings, address, options);
	err = start_engine(mc, address, socket, sizeof(socket));
	return err != 0 ? err :
		options_set_settings(&mc->settings, socket, options);
}

static int open_at(const char *address,
		   const struct memclient_options *options,
		   struct memclient **ret_mc)
{
	struct memclient *mc = forks_enter() == 0 ? client_create() : NULL;
	int err;

	if (mc == NULL)
		return errors_set(-ENOMEM, "%s", errors_name(ENOMEM));
	err = client_open_inline(mc);
	if (err != 0) {
		client_destroy(mc);
		return err;
	}
	err = find_daemon(mc, address, options);
	if (err == 0)
		err = client_start(mc);
	if (err != 0) {
		engine_stop(mc->engine);
		client_leave(mc);
		client_destroy(mc);
		return err;
	}
	*ret_mc = mc;
	return 0;
}

/* A library does not print: who looks at memclient_error() sees it, and whoever
 * debugs what failed does. */
static int say_is_old(int err)
{
	char text[ERRORS_TEXT_BYTES];

	if (err == 0)
		return errors_set(0, ADDRESS_IS_OLD);
	snprintf(text, sizeof(text), "%s", errors_text());
	return errors_set(err, "%s (" ADDRESS_IS_OLD ")", text);
}

EXPORT int memclient_open(const char *address,
			  const struct memclient_options *options,
			  struct memclient **ret_mc)
{
	bool is_old;
	int err;

	address = options_find_address(address, &is_old);
	err = open_at(address, options, ret_mc);
	return is_old ? say_is_old(err) : err;
}

EXPORT void memclient_close(struct memclient *mc)
{
	if (mc == NULL)
		return;
	if (forks_enter() == 0 && !client_is_parents(mc)) {
		(void)run_and_release(mc, start(mc, COMMAND_STOP));
		loop_join(&mc->loop);
		engine_stop(mc->engine);	/* it looks into the mailbox */
		client_leave(mc);
		box_fini(&mc->box);
		inline_remove(&mc->inlines);
	}
	client_destroy(mc);
}

/* ---- mapping */

static int check_map_options(struct memclient *mc,
			     const struct memclient_map_options *o)
{
	int err;

	if (o->fault_mode != MEMCLIENT_FAULT_THREAD &&
	    o->fault_mode != MEMCLIENT_FAULT_INLINE)
		return errors_set(-EINVAL, "fault mode %u is none",
				  o->fault_mode);
	if (o->fault_mode == MEMCLIENT_FAULT_THREAD)
		return 0;
	err = inline_add(&mc->inlines);
	if (err == -EMFILE)
		return errors_set(err, "at most %d connections of a process "
				  "can have inline regions",
				  INLINE_CLIENTS_MAX);
	if (err != 0)
		return errors_set(err, "cannot install a SIGBUS handler: %s",
				  strerrordesc_np(-err));
	return 0;
}

static int take_map_options(struct memclient *mc,
			    const struct memclient_map_options *options,
			    struct memclient_map_options *ret_o)
{
	int err = options_take(ret_o, sizeof(*ret_o), options,
			       "struct memclient_map_options");

	return err != 0 ? err : check_map_options(mc, ret_o);
}

/* Run a MAP command whose body is set. */
static int run_map(struct memclient *mc, struct command *c,
		   const struct memclient_map_options *o, void **ret_addr,
		   size_t *ret_length)
{
	int err;

	c->is_inline = o->fault_mode == MEMCLIENT_FAULT_INLINE;
	c->is_read_only = o->read_only != 0;
	err = run(mc, c);
	if (err == 0) {
		void *addr = (void *)c->ret_address;
		size_t length = (size_t)c->ret_length;

		/* The outputs may lie in managed memory: first let go. */
		command_release(&mc->commands, c);
		*ret_addr = addr;
		if (ret_length != NULL)
			*ret_length = length;
		return 0;
	}
	command_release(&mc->commands, c);
	return err;
}

EXPORT int memclient_map(struct memclient *mc, size_t length,
			 const struct memclient_map_options *options,
			 void **ret_addr)
{
	Memd__SegmentCreate m = MEMD__SEGMENT_CREATE__INIT;
	struct memclient_map_options o;
	struct command *c;
	int err = check_client(mc);

	if (err == 0)
		err = take_map_options(mc, options, &o);
	if (err == 0)
		err = options_check_page_size(&o.page_size);
	if (err == 0)
		err = options_check_length(length);
	if (err == 0 && o.read_only != 0)
		err = errors_set(-EINVAL, "private memory that cannot be "
				 "written would be zeros for ever");
	if (err != 0)
		return err;
	m.length_bytes = length;
	m.has_page_bytes = 1;
	m.page_bytes = o.page_size;
	m.has_attach = 1;
	m.attach = 1;
	c = start(mc, COMMAND_MAP);
	c->length = length;
	c->page_bytes = o.page_size;
	err = set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_CREATE, &m.base);
	ASSERT(err == 0);	/* numbers only */
	return run_map(mc, c, &o, ret_addr, NULL);
}

EXPORT int memclient_unmap(struct memclient *mc, void *addr)
{
	struct command *c;
	int err = check_client(mc);

	if (err != 0)
		return err;
	c = start(mc, COMMAND_UNMAP);
	c->address = (uintptr_t)addr;
	return run_and_release(mc, c);
}

EXPORT int memclient_attach(struct memclient *mc, const char *name,
			    const struct memclient_map_options *options,
			    void **ret_addr, size_t *ret_length)
{
	Memd__SegmentAttach m = MEMD__SEGMENT_ATTACH__INIT;
	struct memclient_map_options o;
	struct command *c;
	int err = check_client(mc);

	if (err == 0)
		err = options_check_name(name);
	if (err == 0)
		err = take_map_options(mc, options, &o);
	if (err == 0 && o.page_size != 0)
		err = options_check_page_size(&o.page_size);
	if (err != 0)
		return err;
	m.name = (char *)name;
	m.has_read_only = 1;
	m.read_only = o.read_only != 0;
	c = start(mc, COMMAND_MAP);
	c->page_bytes = o.page_size;
	memcpy(c->name, name, strlen(name) + 1);
	err = set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_ATTACH, &m.base);
	ASSERT(err == 0);	/* a checked name fits */
	return run_map(mc, c, &o, ret_addr, ret_length);
}

/* ---- named segments */

static int check_segment_options(const struct memclient_segment_options *o)
{
	if ((o->mode & ~0777u) != 0)
		return errors_set(-EINVAL, "mode 0%o has more than permission "
				  "bits", o->mode);
	if (o->group != NULL &&
	    strnlen(o->group, WIRE_NAME_BYTES_MAX + 1) > WIRE_NAME_BYTES_MAX)
		return errors_set(-EINVAL, "the group's name is too long");
	return 0;
}

/* The daemon leaves an existing segment as it is; is that one as wanted? */
static int check_same(const struct command *c, const char *name, size_t length,
		      uint32_t page_size)
{
	uint64_t rounded = DIV_ROUND_UP((uint64_t)length, page_size) *
			   page_size;

	if (c->ret_page_bytes == page_size && c->ret_length == rounded)
		return 0;
	return errors_set(-EEXIST, "segment \"%s\" exists with another size "
			  "(%llu bytes, pages of %u)", name,
			  (unsigned long long)c->ret_length,
			  c->ret_page_bytes);
}

static int create_segment(struct memclient *mc, const char *name,
			  size_t length,
			  const struct memclient_segment_options *o)
{
	Memd__SegmentCreate m = MEMD__SEGMENT_CREATE__INIT;
	struct command *c;
	int err;

	m.length_bytes = length;
	m.has_page_bytes = m.has_mode = m.has_exclusive = 1;
	m.page_bytes = o->page_size;
	m.name = (char *)name;
	m.mode = o->mode != 0 ? o->mode : 0600;
	m.group = (char *)o->group;
	m.exclusive = o->exclusive != 0;
	c = start(mc, COMMAND_REQUEST);
	err = set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_CREATE, &m.base);
	ASSERT(err == 0);	/* checked names fit */
	err = run(mc, c);
	if (err == 0)
		err = check_same(c, name, length, o->page_size);
	command_release(&mc->commands, c);
	return err;
}

EXPORT int memclient_segment_create(
	struct memclient *mc, const char *name, size_t length,
	const struct memclient_segment_options *options)
{
	struct memclient_segment_options o;
	int err = check_client(mc);

	if (err == 0)
		err = options_check_name(name);
	if (err == 0)
		err = options_check_length(length);
	if (err == 0)
		err = options_take(&o, sizeof(o), options,
				   "struct memclient_segment_options");
	if (err == 0)
		err = options_check_page_size(&o.page_size);
	if (err == 0)
		err = check_segment_options(&o);
	return err != 0 ? err : create_segment(mc, name, length, &o);
}

EXPORT int memclient_segment_unlink(struct memclient *mc, const char *name)
{
	Memd__SegmentUnlink m = MEMD__SEGMENT_UNLINK__INIT;
	struct command *c;
	int err = check_client(mc);

	if (err == 0)
		err = options_check_name(name);
	if (err != 0)
		return err;
	m.name = (char *)name;
	c = start(mc, COMMAND_REQUEST);
	err = set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_UNLINK, &m.base);
	ASSERT(err == 0);	/* a checked name fits */
	return run_and_release(mc, c);
}

/* ---- ranges */

/* The region that holds all of the range; NULL, with an error text, if none
 * does. */
static struct region *find_range(struct memclient *mc, const void *addr,
				 size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r = regions_find(&mc->space.regions, start);

	if (r != NULL && length <= r->start + r->length - start)
		return r;
	errors_set(-EINVAL, "the range is not inside one region");
	return NULL;
}

static int run_range(struct memclient *mc, enum command_kind kind, void *addr,
		     size_t length, int advice)
{
	struct command *c;
	int err = check_client(mc);

	if (err != 0)
		return err;
	c = start(mc, kind);
	c->address = (uintptr_t)addr;
	c->length = length;
	c->advice = advice;
	return run_and_release(mc, c);
}

/* In pieces, each with a time limit of its own: paging out a large region
 * takes as long as the disk takes. */
static int advise_in_pieces(struct memclient *mc, const struct region *r,
			    uintptr_t at, uintptr_t end, int advice)
{
	while (at < end) {
		uintptr_t piece = (at - r->start) / ADVISE_BYTES + 1;
		uintptr_t next = MIN(r->start + piece * ADVISE_BYTES, end);
		int err = run_range(mc, COMMAND_ADVISE, (void *)at, next - at,
				    advice);

		if (err != 0)
			return err;
		at = next;
	}
	return 0;
}

/* Advice about the segment, or about the range as one: not in pieces. */
static bool is_whole(int advice)
{
	return advice <= MEMCLIENT_ADVICE_RANDOM ||
	       advice == MEMCLIENT_ADVICE_RECORD ||
	       advice == MEMCLIENT_ADVICE_REPLAY;
}

EXPORT int memclient_advise(struct memclient *mc, void *addr, size_t length,
			    int advice)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r;
	int err = check_client(mc);

	if (err != 0)
		return err;
	if (advice < MEMCLIENT_ADVICE_NORMAL ||
	    advice > MEMCLIENT_ADVICE_REPLAY)
		return errors_set(-EINVAL, "advice %d is none", advice);
	r = find_range(mc, addr, length);
	if (r == NULL)
		return -EINVAL;
	if (is_whole(advice))
		return run_range(mc, COMMAND_ADVISE, addr, length, advice);
	return advise_in_pieces(mc, r, start, start + length, advice);
}

EXPORT int memclient_pin(struct memclient *mc, void *addr, size_t length)
{
	return run_range(mc, COMMAND_PIN, addr, length, 0);
}

EXPORT int memclient_unpin(struct memclient *mc, void *addr, size_t length)
{
	return run_range(mc, COMMAND_UNPIN, addr, length, 0);
}

/* What is read does not matter, only that the page comes: no race with other
 * threads of the program that write there. */
__attribute__((noinline, no_sanitize_thread))
static void read_byte(uintptr_t at)
{
	(void)*(const volatile uint8_t *)at;
}

EXPORT int memclient_touch(struct memclient *mc, const void *addr,
			   size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r;
	int err = check_client(mc);

	if (err != 0)
		return err;
	r = find_range(mc, addr, length);
	if (r == NULL)
		return -EINVAL;
	for (uintptr_t at = start; at < start + length;
	     at = region_page_start(r, region_page_at(r, at) + 1))
		read_byte(at);
	return 0;
}

/* ---- looking in */

static void fill_stats(const struct memclient *mc, const struct command *c,
		       struct memclient_stats *s)
{
	s->mapped_bytes = c->figure[0];
	s->resident_bytes = c->figure[1];
	s->swapped_bytes = c->figure[2];
	s->faults_minor = c->figure[3];
	s->faults_zero = c->figure[4];
	s->faults_hit = c->figure[5];
	s->faults_swap_in = c->figure[6];
	s->faults_put_back = c->figure[7];
	s->limit_frames = c->figure[8];
	s->pages_lost = atomic_load(&mc->loop.handler.paging.lost_page_count);
	s->reconnects = atomic_load(&mc->loop.handler.session.reconnect_count);
}

EXPORT int memclient_stats(struct memclient *mc,
			   struct memclient_stats *ret_stats)
{
	struct memclient_stats s;
	struct command *c;
	int err = check_client(mc);

	if (err != 0)
		return err;
	if (ret_stats == NULL || ret_stats->size < sizeof(s.size))
		return errors_set(-EINVAL, "memclient_stats.size is not set: "
				  "stats.size = sizeof(stats)");
	memset(&s, 0, sizeof(s));
	s.size = MIN(ret_stats->size, sizeof(s));
	c = start(mc, COMMAND_STATS);
	err = run(mc, c);
	if (err == 0)
		fill_stats(mc, c, &s);
	command_release(&mc->commands, c);
	if (err == 0)
		memcpy(ret_stats, &s, s.size);
	return err;
}

EXPORT const char *memclient_strerror(int error)
{
	return errors_name(error);
}

EXPORT const char *memclient_error(const struct memclient *mc)
{
	(void)mc;
	return errors_text();
}
