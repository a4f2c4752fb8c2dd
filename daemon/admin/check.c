/* SPDX-License-Identifier: MIT */
#include "daemon/admin/check.h"

#include "daemon/findings/findings.h"
#include "daemon/net/listener.h"
#include "daemon/system/system.h"
#include <unistd.h>

enum { CHECK_PATIENCE_MS = 5000 };

struct checkup {
	FILE *to;
	bool has_failed;
};

static void check_print(void *ctx, const struct finding *f)
{
	static const char *const words[] = { "ok", "warn", "FAIL" };
	char line[2 * FINDING_TEXT_BYTES];
	struct checkup *cu = ctx;

	fprintf(cu->to, "%-5s %s\n", words[f->level],
		finding_line(f, line, sizeof(line)));
	cu->has_failed |= f->level == FINDING_FAIL;
}

/* Whether a memd answers at the socket. */
static bool check_is_running(const struct config *config)
{
	int fd = listener_connect(config);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int check_all(const struct config_origin *origin, FILE *to)
{
	struct config config;
	struct checkup cu = { .to = to };
	struct findings_ask ask = {
		.config = &config, .moment = FINDING_CHECK,
		.patience_ms = CHECK_PATIENCE_MS,
		.report = check_print, .ctx = &cu,
		.kind = &(const struct finding_kind){ .topic = "settings" },
	};
	char reason[CONFIG_REASON_BYTES];

	system_raise_limits();
	if (config_load(origin, &config, reason, sizeof(reason)) != 0) {
		finding_fail(&ask, "%s", reason);
		ask.moment = FINDING_BARE;
		findings_ask(&ask);
		return EXIT_FAILURE;
	}
	finding_ok(&ask, "%s", config.file[0] != '\0' ? config.file : "no "
		   "file, all defaults");
	ask.is_running = check_is_running(&config);
	findings_ask(&ask);
	check_hosts(&ask);
	return cu.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
