/* SPDX-License-Identifier: MIT */
#include "daemon/serve/area_users.h"

#include "daemon/net/conn_output.h"
#include <unistd.h>

struct area_user {
	const struct session_desk *desk;
	struct conn *main;
	uint32_t count;			/* segments */
	LIST_ENTRY(area_user) link;
};

static struct area_user *area_user_of(const struct area *area,
				      const struct session_desk *sd)
{
	struct area_user *user;

	LIST_FOREACH(user, &area->users, link)
		if (user->desk == sd)
			break;
	return user;
}

/* The program goes on without a file that it did not get. */
static void hand_out_file(const struct areas *as, struct conn *c,
		      struct area_file *file)
{
	Memd__AreaFile m = MEMD__AREA_FILE__INIT;
	int fd = conn_takes_fds(c) ? area_file_open(as, file) : -1;

	if (fd < 0)
		return;
	m.first_slot = file->first;
	m.has_slot_count = true;
	m.slot_count = file->slot_count;
	conn_send_fds(c, MEMD__MESSAGE_TYPE__TYPE_AREA_FILE, 0, &m.base, &fd,
		      1);
	close(fd);
}

/* The program is to close it. */
static void take_back_file(struct conn *c, const struct area_file *file)
{
	Memd__AreaFile m = MEMD__AREA_FILE__INIT;

	m.first_slot = file->first;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_AREA_FILE, 0, &m.base);
}

/* No more at once than a client takes that is slow for a moment. */
enum { FILES_AT_ONCE = 64 };

static void hand_out_files(const struct area *area, struct conn *c)
{
	unsigned sent = 0;

	for (uint32_t i = 0; i < area->file_count && sent < FILES_AT_ONCE; i++)
		if (area->files[i].is_filled) {
			hand_out_file(area->all, c, &area->files[i]);
			sent++;
		}
}

void area_users_add(struct session_desk *sd, const struct segment *segment)
{
	struct area_user *user;

	if (sd == NULL || segment->book.entries == NULL)
		return;
	user = area_user_of(segment->area, sd);
	if (user != NULL) {
		user->count++;
		return;
	}
	user = calloc(1, sizeof(*user));
	if (user == NULL)
		return;
	user->desk = sd;
	user->main = sd->main;
	user->count = 1;
	LIST_INSERT_HEAD(&segment->area->users, user, link);
	hand_out_files(segment->area, sd->main);
}

void area_users_remove(const struct session_desk *sd,
			const struct segment *segment)
{
	struct area_user *user;

	if (segment->book.entries == NULL)
		return;
	user = area_user_of(segment->area, sd);
	if (user == NULL || --user->count != 0)
		return;
	/* It has no page there any more. */
	for (uint32_t i = 0; sd->main != NULL && i < segment->area->file_count;
	     i++)
		if (segment->area->files[i].is_filled)
			take_back_file(sd->main, &segment->area->files[i]);
	LIST_REMOVE(user, link);
	free(user);
}

void area_users_file_filled(struct desks *ds, struct area *area,
		       struct area_file *file)
{
	const struct area_user *user;

	LIST_FOREACH(user, &area->users, link)
		hand_out_file(&ds->engine->areas, user->main, file);
}

void area_users_file_ends(struct area *area, const struct area_file *file)
{
	const struct area_user *user;

	LIST_FOREACH(user, &area->users, link)
		take_back_file(user->main, file);
}
