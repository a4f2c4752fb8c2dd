/* SPDX-License-Identifier: MIT */
#include "client/memctl/await.h"

#include "common/clock.h"
#include <errno.h>
#include <unistd.h>

enum {
	PAUSE_MS = 50,
	/* The daemon's socket denies all connections between its bind() and
	 * chmod(). */
	DENIALS_MAX = 20,
};

struct awaiting {
	const struct memctl *mc;
	uint64_t until_ns;		/* UINT64_MAX: no limit */
	unsigned denials;		/* denied connections in a row */
	bool has_failed;
	struct failure failure;		/* of the last attempt */
};

static bool await_is_denial(const struct failure *failure)
{
	return failure->kind == FAILURE_CONNECT &&
	       (failure->code == EACCES || failure->code == EPERM);
}

/* True if the same question may get another answer a moment later. */
static bool await_may_pass(const struct awaiting *aw)
{
	const struct failure *failure = &aw->failure;

	switch (failure->kind) {
	case FAILURE_CONNECT:
		return !await_is_denial(failure) || aw->denials < DENIALS_MAX;
	case FAILURE_BROKEN:
		return failure->code != EPROTO &&
		       failure->code != EPROTONOSUPPORT;
	case FAILURE_ANSWER:
		return failure->code == EAGAIN || failure->code == ESHUTDOWN;
	case FAILURE_ADDRESS:
		break;
	}
	return false;
}

/* The timeout of one attempt, which ends at until_ns at the latest. */
static uint32_t await_timeout_ms(const struct awaiting *aw)
{
	uint64_t now_ns = clock_now_ns(), left_ms;

	if (aw->until_ns == UINT64_MAX)
		return aw->mc->timeout_ms;
	left_ms = now_ns >= aw->until_ns ? 1 :
		DIV_ROUND_UP(aw->until_ns - now_ns, UINT64_C(1000000));
	return aw->mc->timeout_ms == 0 ? (uint32_t)left_ms :
		(uint32_t)MIN(left_ms, (uint64_t)aw->mc->timeout_ms);
}

/* Note why this attempt failed.  If it was cut short by the end of the waiting,
 * keep the reason of the attempt before it, which says more. */
static void await_note_failure(struct awaiting *aw,
			       const struct failure *failure)
{
	if (aw->has_failed && clock_now_ns() >= aw->until_ns)
		return;
	aw->has_failed = true;
	aw->failure = *failure;
	aw->denials = await_is_denial(failure) ? aw->denials + 1 : 0;
}

static int await_try_once(struct awaiting *aw, ProtobufCMessage **ret_reply)
{
	struct connection *c = NULL;
	struct failure failure;
	int err = connection_open(aw->mc->address, await_timeout_ms(aw), &c,
				  &failure);

	if (err == 0)
		err = connection_ask(c, ASK_STATUS, NULL, ret_reply, &failure);
	connection_close(c);
	if (err != 0)
		await_note_failure(aw, &failure);
	return err;
}

int await_status(const struct memctl *mc, uint64_t wait_ms,
		 ProtobufCMessage **ret_reply)
{
	struct awaiting aw = { .mc = mc, .until_ns = UINT64_MAX };

	if (wait_ms != 0)
		aw.until_ns = clock_now_ns() + wait_ms * 1000000;
	while (await_try_once(&aw, ret_reply) != 0) {
		if (!await_may_pass(&aw))
			return memctl_fail(&aw.failure);
		if (clock_now_ns() >= aw.until_ns) {
			memctl_complain("memd was not ready within %llu ms: %s",
					(unsigned long long)wait_ms,
					aw.failure.text);
			return EXIT_CODE_NOT_READY;
		}
		usleep(PAUSE_MS * 1000);
	}
	return EXIT_CODE_OK;
}
