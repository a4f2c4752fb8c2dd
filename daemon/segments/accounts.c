/* SPDX-License-Identifier: MIT */
#include "daemon/segments/accounts.h"

#include "daemon/engine/areas.h"

#include "common/units.h"
#include <errno.h>

enum { STICKY_MAX = 256 };	/* uids with limits set by an administrator */

const char *limit_source_name(enum limit_source source)
{
	static const char *const names[] = {
		[LIMIT_CONFIG] = "config", [LIMIT_MEMCTL] = "memctl",
		[LIMIT_CLIENT] = "client",
	};

	return names[source];
}

uint32_t accounts_most(const struct config *config)
{
	/* One for each session and one for its uid.  Some more for sessions
	 * whose segments are being removed, and for uids that have only named
	 * segments or a limit.  If none is left, new sessions get -EAGAIN. */
	return 2 * (uint32_t)config->max_sessions + STICKY_MAX + 64;
}

void accounts_fini(struct accounts *as)
{
	struct account *account;

	if (as->pager == NULL)
		return;
	TAILQ_FOREACH(account, &as->live, link)
		ASSERT(account->is_sticky && account->holders == 1);
	while ((account = TAILQ_FIRST(&as->live)) != NULL) {
		account->is_sticky = false;
		account_put(as, account);
	}
	accounts_sweep(as);
}

static void free_all(struct account_list *list)
{
	struct account *account;

	while ((account = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, account, link);
		free(account);
	}
}

void accounts_abandon(struct accounts *as)
{
	HASH_CLEAR(by_uid, as->by_uid);
	free_all(&as->live);
	free_all(&as->unused);
}

uint64_t account_frames(const struct account *account)
{
	if (account->own_frames == 0)
		return account->frames;
	if (account->frames == 0)
		return account->own_frames;
	return MIN(account->frames, account->own_frames);
}

static uint64_t mapped_units(const struct account *account)
{
	return DIV_ROUND_UP(account->mapped_bytes, PAGER_UNIT_BYTES);
}

static void take_from_config(const struct accounts *as,
			     struct account *account)
{
	const struct config *config = as->config;

	account->source = LIMIT_CONFIG;
	account->frames = account->session != 0 ? config->session_frames :
						  config->uid_frames;
	account->mapped_bytes = account->session != 0 ?
		config->session_mapped : config->uid_mapped;
}

static int account_add(struct accounts *as, const struct account *like,
		       struct account **ret_account)
{
	struct account *account = malloc(sizeof(*account));
	account_id parent = like->parent != NULL ? like->parent->id : 0;
	int err;

	if (account == NULL)
		return -ENOMEM;
	*account = *like;
	account->holders = 1;
	take_from_config(as, account);
	err = pager_account_add(as->pager, parent, account_frames(account),
				mapped_units(account), &account->id);
	if (err != 0) {
		free(account);
		return err;
	}
	TAILQ_INSERT_TAIL(&as->live, account, link);
	*ret_account = account;
	return 0;
}

void account_drop_next_area(struct account *account)
{
	if (account->maps_waiting != 0)
		return;
	if (account->next_area != NULL)
		area_put(account->next_area);
	account->next_area = NULL;
}

void account_begin_wait(struct account *account)
{
	account_hold(account);
	for (; account != NULL; account = account->parent)
		account->maps_waiting++;
}

void account_end_wait(struct accounts *as, struct account *account)
{
	for (struct account *at = account; at != NULL; at = at->parent) {
		ASSERT(at->maps_waiting > 0);
		at->maps_waiting--;
		account_drop_next_area(at);
	}
	account_put(as, account);
}

static void leave_areas(struct account *account)
{
	account_drop_next_area(account);
	if (account->area != NULL)
		area_put(account->area);
}

struct account *accounts_find_uid(const struct accounts *as, uid_t uid)
{
	struct account *account;

	HASH_FIND(by_uid, as->by_uid, &uid, sizeof(uid), account);
	return account;
}

int accounts_get_uid(struct accounts *as, uid_t uid,
		     struct account **ret_account)
{
	struct account *account = accounts_find_uid(as, uid);
	int err;

	if (account != NULL) {
		account->holders++;
		*ret_account = account;
		return 0;
	}
	err = account_add(as, &(struct account){ .uid = uid }, &account);
	if (err != 0)
		return err;
	/* With HASH_NONFATAL_OOM, an item is not in the table if there was no
	 * memory. */
	HASH_ADD(by_uid, as->by_uid, uid, sizeof(uid), account);
	if (accounts_find_uid(as, uid) != account) {
		account->is_unfound = true;
		account_put(as, account);
		return -ENOMEM;
	}
	*ret_account = account;
	return 0;
}

int accounts_add_session(struct accounts *as, uid_t uid, uint32_t session,
			 uint64_t own_frames, struct account **ret_account)
{
	struct account like = { .uid = uid, .session = session,
				.own_frames = own_frames };
	int err = accounts_get_uid(as, uid, &like.parent);

	if (err != 0)
		return err;
	err = account_add(as, &like, ret_account);
	if (err != 0)
		account_put(as, like.parent);
	return err;
}

void account_hold(struct account *account)
{
	account->holders++;
}

void account_put(struct accounts *as, struct account *account)
{
	ASSERT(account->holders > 0);
	if (--account->holders != 0)
		return;
	if (account->session == 0 && !account->is_unfound)
		HASH_DELETE(by_uid, as->by_uid, account);
	TAILQ_REMOVE(&as->live, account, link);
	TAILQ_INSERT_TAIL(&as->unused, account, link);
	defer(as->deferred, &as->work);
}

void accounts_sweep(struct accounts *as)
{
	struct account *account;

	while ((account = TAILQ_FIRST(&as->unused)) != NULL) {
		struct account *parent = account->parent;

		TAILQ_REMOVE(&as->unused, account, link);
		pager_account_remove(as->pager, account->id);
		leave_areas(account);
		free(account);
		if (parent != NULL)
			account_put(as, parent);
	}
}

static void sweep(void *arg)
{
	accounts_sweep(arg);
}

void accounts_init(struct accounts *as, struct pager *pager,
		   const struct config *config, struct deferred *deferred)
{
	*as = (struct accounts){ .pager = pager, .config = config };
	TAILQ_INIT(&as->live);
	TAILQ_INIT(&as->unused);
	as->deferred = deferred;
	as->work = (struct deferred_work){ .run = sweep, .ctx = as };
}

static void apply(struct accounts *as, struct account *account)
{
	pager_account_limit(as->pager, account->id, account_frames(account),
			    mapped_units(account));
}

/* The administrator's limit holds the account, so that it stays when the uid
 * has no sessions. */
static int make_sticky(struct accounts *as, struct account *account)
{
	if (account->session != 0 || account->is_sticky)
		return 0;
	if (as->sticky_count >= STICKY_MAX)
		return -ENOSPC;
	as->sticky_count++;
	account->is_sticky = true;
	account_hold(account);
	return 0;
}

/* From now on the limits follow the configuration, and do not hold the account.
 * The caller holds it, too, so it is not freed here. */
void account_reset_limit(struct accounts *as, struct account *account)
{
	take_from_config(as, account);
	apply(as, account);
	if (!account->is_sticky)
		return;
	account->is_sticky = false;
	as->sticky_count--;
	account_put(as, account);
}

static bool is_as_configured(const struct accounts *as,
			     const struct account *account, uint64_t frames,
			     uint64_t mapped_bytes)
{
	struct account like = *account;

	take_from_config(as, &like);
	return like.frames == frames && like.mapped_bytes == mapped_bytes;
}

int account_set_limit(struct accounts *as, struct account *account,
		      uint64_t frames, uint64_t mapped_bytes)
{
	int err;

	if (is_as_configured(as, account, frames, mapped_bytes)) {
		account_reset_limit(as, account);
		return 0;
	}
	err = make_sticky(as, account);
	if (err != 0)
		return err;
	account->frames = frames;
	account->mapped_bytes = mapped_bytes;
	account->source = LIMIT_MEMCTL;
	apply(as, account);
	return 0;
}

void accounts_reconfigure(struct accounts *as)
{
	struct account *account;

	TAILQ_FOREACH(account, &as->live, link)
		if (account->source == LIMIT_CONFIG) {
			take_from_config(as, account);
			apply(as, account);
		}
}

void account_explain(const struct accounts *as, const struct account *account,
		     uint64_t more_bytes, char *ret_text, size_t text_size)
{
	char more[16], used[16], limit[16];

	for (; account != NULL; account = account->parent) {
		struct account_info info;
		uint64_t used_bytes, limit_bytes;

		pager_account_get(as->pager, account->id, &info);
		used_bytes = info.mapped_units * PAGER_UNIT_BYTES;
		limit_bytes = info.limit_mapped_units * PAGER_UNIT_BYTES;
		if (limit_bytes == 0 || used_bytes + more_bytes <= limit_bytes)
			continue;
		snprintf(ret_text, text_size,
			 "%s more would pass the limit of %s %u: %s mapped "
			 "of %s; unmap something, or ask the administrator "
			 "(memctl limit)",
			 units_format_size(more_bytes, more, sizeof(more)),
			 account->session != 0 ? "session" : "uid",
			 account->session != 0 ? account->session :
						 account->uid,
			 units_format_size(used_bytes, used, sizeof(used)),
			 units_format_size(limit_bytes, limit, sizeof(limit)));
		return;
	}
	snprintf(ret_text, text_size, "a limit of this session or user");
}
