/* SPDX-License-Identifier: MIT */
/* What the public calls have in common: see call.h. */
#include "client/call.h"

#include <errno.h>

int call_check(const struct memclient *mc)
{
	if (mc == NULL)
		return errors_set(-EINVAL, "no connection: memclient_open() "
				  "first");
	if (forks_enter() != 0 || client_is_parents(mc))
		return errors_set(-EPERM, "this is the child of a fork: call "
				  "memclient_open() here");
	return 0;
}

struct command *call_start(struct memclient *mc, enum command_kind kind)
{
	struct command *c = command_claim(&mc->commands, false);

	c->kind = kind;
	c->name[0] = '\0';
	c->body_bytes = 0;
	c->is_inline = c->is_read_only = false;
	c->text[0] = '\0';
	return c;
}

void call_set_body(struct command *c, uint16_t type,
		   const ProtobufCMessage *message)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);

	ASSERT(bytes <= sizeof(c->body));
	c->type = type;
	c->body_bytes = protobuf_c_message_pack(message, c->body);
}

int call_run(struct memclient *mc, struct command *c)
{
	command_run(&mc->commands, c);
	if (c->result != 0)
		errors_set(c->result, "%s", c->text[0] != '\0' ? c->text :
			   errors_name(c->result));
	return c->result;
}

int call_finish(struct memclient *mc, struct command *c)
{
	int err = call_run(mc, c);

	command_release(&mc->commands, c);
	return err;
}
