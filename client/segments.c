/* SPDX-License-Identifier: MIT */
/* The public calls for named segments. */
#include "client/call.h"
#include "client/options.h"

#include <errno.h>
#include <string.h>

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

/* The daemon does not change a segment that exists.  Check that it has the size
 * and page size asked for. */
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
	c = call_start(mc, COMMAND_REQUEST);
	call_set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_CREATE, &m.base);
	err = call_run(mc, c);
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
	int err = call_check(mc);

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
	int err = call_check(mc);

	if (err == 0)
		err = options_check_name(name);
	if (err != 0)
		return err;
	m.name = (char *)name;
	c = call_start(mc, COMMAND_REQUEST);
	call_set_body(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_UNLINK, &m.base);
	return call_finish(mc, c);
}
