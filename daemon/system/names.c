/* SPDX-License-Identifier: MIT */
/* A look-up belongs to its thread and to the loop; the last holder frees it.
 * So a service that does not answer blocks one thread only. */
#include "daemon/system/names.h"

#include "common/clock.h"
#include "common/thread.h"
#include "daemon/system/system.h"
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum {
	NAME_BYTES = 256,
	ANSWER_BYTES = 1 << 20,		/* enough for a group with all its
					 * members */
	STACK_BYTES = 512 * 1024,
	KEPT_MAX = 64,
	ASKED_MAX = 8,			/* look-ups at once */
	LOOK_MS = 5,
};

#define KEEP_NS		UINT64_C(60000000000)
#define KEEP_UNKNOWN_NS	UINT64_C(5000000000)

enum name_kind { NAME_GROUP, NAME_USER };

struct lookup {
	atomic_uint holders;
	atomic_bool has_ended;		/* true: the fields below are final */
	int error;
	uid_t uid;
	gid_t gid;
	enum name_kind kind;
	char name[NAME_BYTES];
	uint64_t ended_ns;
};

/* The answer for one name; it is used until a newer one is there. */
struct kept {
	struct lookup *answer;		/* has ended; NULL: none yet */
	struct lookup *asked;		/* NULL: nothing is being asked */
};

static struct kept kept[KEPT_MAX];

static void put(struct lookup *lk)
{
	if (atomic_fetch_sub(&lk->holders, 1) == 1)
		free(lk);
}

/* ---- the thread */

static int ask_group(struct lookup *lk, char *buf)
{
	struct group entry, *found = NULL;
	int err = getgrnam_r(lk->name, &entry, buf, ANSWER_BYTES, &found);

	if (found != NULL)
		lk->gid = entry.gr_gid;
	return found != NULL ? 0 : err != 0 ? -err : -ENOENT;
}

static int ask_user(struct lookup *lk, char *buf)
{
	struct passwd entry, *found = NULL;
	int err = getpwnam_r(lk->name, &entry, buf, ANSWER_BYTES, &found);

	if (found != NULL) {
		lk->uid = entry.pw_uid;
		lk->gid = entry.pw_gid;
	}
	return found != NULL ? 0 : err != 0 ? -err : -ENOENT;
}

static void *thread_main(void *arg)
{
	struct lookup *lk = arg;
	char *buf = malloc(ANSWER_BYTES);

	lk->error = buf == NULL ? -ENOMEM :
		    lk->kind == NAME_GROUP ? ask_group(lk, buf) :
					     ask_user(lk, buf);
	free(buf);
	lk->ended_ns = clock_now_ns();
	atomic_store(&lk->has_ended, true);
	put(lk);
	return NULL;
}

/* ---- the loop */

/* Returns NULL if ASKED_MAX look-ups are in progress, or if there is no
 * thread. */
static struct lookup *start(enum name_kind kind, const char *name)
{
	unsigned asked = 0;
	struct lookup *lk;

	for (size_t i = 0; i < KEPT_MAX; i++)
		asked += kept[i].asked != NULL &&
			 !atomic_load(&kept[i].asked->has_ended);
	lk = asked >= ASKED_MAX ? NULL : calloc(1, sizeof(*lk));
	if (lk == NULL)
		return NULL;
	lk->kind = kind;
	snprintf(lk->name, sizeof(lk->name), "%s", name);
	atomic_init(&lk->holders, 2);
	if (thread_start(NULL, STACK_BYTES, thread_main, lk) == 0)
		return lk;
	free(lk);
	return NULL;
}

static bool is_of(const struct lookup *lk, enum name_kind kind,
		  const char *name)
{
	return lk != NULL && lk->kind == kind && strcmp(lk->name, name) == 0;
}

/* Take the answer of a look-up that has ended.  (Its caller may never ask
 * again.)  If the service failed, that says nothing about the name, and the old
 * answer stays. */
static void names_take_answer(struct kept *k)
{
	bool is_failure;

	if (k->asked == NULL || !atomic_load(&k->asked->has_ended))
		return;
	is_failure = k->asked->error != 0 && k->asked->error != -ENOENT;
	if (is_failure && k->answer != NULL && k->answer->error == 0) {
		k->answer->ended_ns = k->asked->ended_ns;
		put(k->asked);
	} else {
		if (k->answer != NULL)
			put(k->answer);
		k->answer = k->asked;
	}
	k->asked = NULL;
}

/* The entry of this name, or an empty entry; to get one, the oldest answer may
 * be forgotten.  NULL: all entries have look-ups in progress. */
static struct kept *find_kept(enum name_kind kind, const char *name)
{
	struct kept *oldest = NULL, *empty = NULL;

	for (size_t i = 0; i < KEPT_MAX; i++) {
		struct kept *k = &kept[i];

		names_take_answer(k);
		if (is_of(k->answer, kind, name) || is_of(k->asked, kind, name))
			return k;
		if (k->answer == NULL && k->asked == NULL)
			empty = k;
		else if (k->asked == NULL &&
			 (oldest == NULL ||
			  k->answer->ended_ns < oldest->answer->ended_ns))
			oldest = k;
	}
	if (empty == NULL && oldest != NULL) {
		put(oldest->answer);
		oldest->answer = NULL;
		empty = oldest;
	}
	return empty;
}

static bool is_fresh(const struct lookup *lk)
{
	return lk != NULL &&
	       clock_now_ns() - lk->ended_ns <
		       (lk->error == 0 ? KEEP_NS : KEEP_UNKNOWN_NS);
}

/* Ask the services.  Returns 0 with the answer in *ret_lookup, -ENOENT or
 * -EAGAIN. */
static int names_ask(enum name_kind kind, const char *name,
		     const struct lookup **ret_lookup)
{
	struct kept *k;

	/* A name cannot begin with a digit: that is a number. */
	if (isdigit((unsigned char)name[0]) || name[0] == '\0' ||
	    strlen(name) >= NAME_BYTES)
		return -ENOENT;
	k = find_kept(kind, name);
	if (k == NULL)
		return -EAGAIN;
	names_take_answer(k);
	if (!is_fresh(k->answer) && k->asked == NULL)
		k->asked = start(kind, name);
	if (k->answer == NULL)
		return -EAGAIN;
	*ret_lookup = k->answer;
	return k->answer->error == 0 ? 0 : -ENOENT;
}

int names_find_group(const char *text, gid_t *ret_gid)
{
	const struct lookup *lk;
	int err = system_find_group(text, ret_gid);

	if (err == 0)
		return 0;
	err = names_ask(NAME_GROUP, text, &lk);
	if (err == 0)
		*ret_gid = lk->gid;
	return err;
}

int names_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct lookup *lk;
	int err = system_find_user(text, ret_uid, ret_gid);

	if (err == 0)
		return 0;
	err = names_ask(NAME_USER, text, &lk);
	if (err == 0) {
		*ret_uid = lk->uid;
		*ret_gid = lk->gid;
	}
	return err;
}

static bool can_wait(uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };

	if (clock_now_ns() >= until_ns)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

int names_await_group(const char *text, unsigned patience_ms, gid_t *ret_gid)
{
	uint64_t until_ns = clock_now_ns() + patience_ms * UINT64_C(1000000);
	int err;

	do
		err = names_find_group(text, ret_gid);
	while (err == -EAGAIN && can_wait(until_ns));
	return err;
}

int names_await_user(const char *text, unsigned patience_ms, uid_t *ret_uid,
		     gid_t *ret_gid)
{
	uint64_t until_ns = clock_now_ns() + patience_ms * UINT64_C(1000000);
	int err;

	do
		err = names_find_user(text, ret_uid, ret_gid);
	while (err == -EAGAIN && can_wait(until_ns));
	return err;
}
