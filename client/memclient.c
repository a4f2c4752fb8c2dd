/* SPDX-License-Identifier: MIT */
/* The public calls for connections and mappings.  The library's thread does the
 * work; see fault/loop.h. */
#include "client/call.h"
#include "client/link/address.h"
#include "client/options.h"

#include <errno.h>
#include <string.h>

/* ---- opening */

/* Start the engine if the address asks for one, and set where to connect. */
static int find_daemon(struct memclient *mc, const char *address,
		       const struct memclient_options *options)
{
	struct memd_engine_program program =
		direct_program(&mc->direct, mc->inlines.uffd);
	char socket[sizeof(mc->settings.shown)];
	int err;

	if (!engine_is_meant(address))
		return options_set_settings(&mc->settings, address, options);
	err = engine_start(address, &program, &mc->engine, socket,
			   sizeof(socket));
	mc->inlines.has_engine = err == 0;
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

/* MEMD_SOCKET was used.  A library does not print, so this goes into the error
 * text, where the developer sees it. */
static int add_old_name_text(int err)
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
	return is_old ? add_old_name_text(err) : err;
}

EXPORT void memclient_close(struct memclient *mc)
{
	if (mc == NULL)
		return;
	if (forks_enter() == 0 && !client_is_parents(mc)) {
		(void)call_finish(mc, call_start(mc, COMMAND_STOP));
		loop_join(&mc->loop);
		/* The engine uses the mailbox. */
		engine_stop(mc->engine);
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
		return errors_set(-EINVAL, "fault mode %u does not exist",
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
	err = call_run(mc, c);
	if (err == 0) {
		void *addr = (void *)c->ret_address;
		size_t length = (size_t)c->ret_length;

		/* The outputs may be in managed memory.  Release the command
		 * first, so that a fault there does not keep its cell. */
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
	int err = call_check(mc);

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
	c = call_start(mc, COMMAND_MAP);
	c->length = length;
	c->page_bytes = o.page_size;
	call_set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_CREATE, &m.base);
	return run_map(mc, c, &o, ret_addr, NULL);
}

EXPORT int memclient_unmap(struct memclient *mc, void *addr)
{
	struct command *c;
	int err = call_check(mc);

	if (err != 0)
		return err;
	c = call_start(mc, COMMAND_UNMAP);
	c->address = (uintptr_t)addr;
	return call_finish(mc, c);
}

EXPORT int memclient_attach(struct memclient *mc, const char *name,
			    const struct memclient_map_options *options,
			    void **ret_addr, size_t *ret_length)
{
	Memd__SegmentAttach m = MEMD__SEGMENT_ATTACH__INIT;
	struct memclient_map_options o;
	struct command *c;
	int err = call_check(mc);

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
	c = call_start(mc, COMMAND_MAP);
	c->page_bytes = o.page_size;
	memcpy(c->name, name, strlen(name) + 1);
	call_set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_ATTACH, &m.base);
	return run_map(mc, c, &o, ret_addr, ret_length);
}

/* ---- figures and error texts */

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
	int err = call_check(mc);

	if (err != 0)
		return err;
	if (ret_stats == NULL || ret_stats->size < sizeof(s.size))
		return errors_set(-EINVAL, "memclient_stats.size is not set: "
				  "stats.size = sizeof(stats)");
	memset(&s, 0, sizeof(s));
	s.size = MIN(ret_stats->size, sizeof(s));
	c = call_start(mc, COMMAND_STATS);
	err = call_run(mc, c);
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
