/* SPDX-License-Identifier: MIT */
/* Makes strings safe for the terminal, and ids readable.  Prints nothing. */
#include "client/memctl/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The length of the UTF-8 sequence that starts at s; 0: it is malformed,
 * overlong, a surrogate, or above U+10FFFF. */
static size_t text_utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, low, high;
		size_t length;
	} forms[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (forms[i].length > 1 &&
		    (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

static bool text_is_control(const unsigned char *s, size_t length)
{
	if (length == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	return length == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

char *text_clean(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s != '\0') {
		size_t length = text_utf8_length(s);

		if (length == 0) {
			*s++ = '?';
			continue;
		}
		if (text_is_control(s, length))
			memset(s, '?', length);
		s += length;
	}
	return text;
}

char *text_user(uint32_t uid, char *buf, size_t buf_size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw == NULL)
		snprintf(buf, buf_size, "%u", uid);
	else
		snprintf(buf, buf_size, "%s", pw->pw_name);
	return text_clean(buf);
}

char *text_group(uint32_t gid, char *buf, size_t buf_size)
{
	const struct group *gr = getgrgid(gid);

	if (gr == NULL)
		snprintf(buf, buf_size, "%u", gid);
	else
		snprintf(buf, buf_size, "%s", gr->gr_name);
	return text_clean(buf);
}

char *text_uptime(uint64_t ms, char *buf, size_t buf_size)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		snprintf(buf, buf_size, "%us", (unsigned)s);
	else if (s < 3600)
		snprintf(buf, buf_size, "%um %02us", (unsigned)(s / 60),
			 (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(buf, buf_size, "%uh %02um", (unsigned)(s / 3600),
			 (unsigned)(s / 60 % 60));
	else
		snprintf(buf, buf_size, "%llud %02uh",
			 (unsigned long long)(s / 86400),
			 (unsigned)(s / 3600 % 24));
	return buf;
}

int text_wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no_color != NULL && no_color[0] != '\0')
		return 0;
	if (term == NULL || strcmp(term, "dumb") == 0)
		return 0;
	return isatty(STDOUT_FILENO);
}
