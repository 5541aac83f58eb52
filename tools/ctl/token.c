/*
 * Owns: the commands that make tokens and the secret that signs them.
 * Invariant: a secret is never printed; a token is, and nothing else on standard output.
 * Thread: one.
 * Does not know: how tokens are signed.
 */
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "app/token.h"

enum { LIFE_S_DEFAULT = 3600 };

/* Which file the secret is in, by the order that --help tells; "" when nobody says. The
 * configuration was read with the environment over it. */
static const char *key_path(const struct ctl *ctl)
{
	return ctl->options[OPTION_KEY] != NULL ? ctl->options[OPTION_KEY] : ctl->token_key;
}

static const char *audience(const struct ctl *ctl)
{
	return ctl->options[OPTION_AUDIENCE] != NULL ? ctl->options[OPTION_AUDIENCE]
						     : ctl->token_audience;
}

static void put_token(const struct ctl *ctl, const struct token *token, const char *text)
{
	if (ctl->json)
		printf("{\"user\":\"%" PRIu64 "\",\"expires\":%" PRId64 ",\"token\":\"%s\"}\n",
		       token->user.value, token->expiry_s * 1000, text);
	else
		printf("%s\n", text);
}

int command_token(const struct ctl *ctl)
{
	struct token token = {.is_admin = ctl->options[OPTION_ADMIN] != NULL};
	if (!ctl_user(ctl, 0, &token.user))
		return EXIT_USAGE;
	int64_t life_s = LIFE_S_DEFAULT;
	if (ctl->options[OPTION_TTL] != NULL && !ctl_span(ctl, OPTION_TTL, &life_s))
		return EXIT_USAGE;
	token.issued_s = wall_ms() / 1000;
	token.expiry_s = token.issued_s + life_s;
	if (key_path(ctl)[0] == '\0')
		return ctl_fail(
			ctl, EXIT_USAGE,
			"which key? Give --key FILE, or -c with the daemon's configuration");

	struct token_key *key = NULL;
	const char *reason = NULL;
	char text[TOKEN_BYTES_MAX + 1];
	if (token_key_open(&key, key_path(ctl), &reason) != 0)
		return ctl_fail(ctl, EXIT_FAILED, "%s", reason);
	if (reason != NULL)
		fprintf(stderr, "nearbyctl: %s\n", reason);
	int error = token_make(key, &token, audience(ctl), text);
	token_key_close(&key);
	if (error == -ENOKEY)
		return ctl_fail(ctl, EXIT_FAILED,
				"this key file has public keys only, which cannot sign: whoever has the "
				"private key makes the tokens");
	if (error != 0)
		return ctl_fail(ctl, EXIT_FAILED, "the token would be longer than %d bytes",
				TOKEN_BYTES_MAX);
	put_token(ctl, &token, text);
	return EXIT_OK;
}

int command_keygen(const struct ctl *ctl)
{
	const char *path = ctl->arguments[0];
	int error = token_key_generate(path);
	if (error == -EEXIST)
		return ctl_fail(ctl, EXIT_FAILED, "%s is there already, and is left as it is",
				path);
	if (error != 0)
		return ctl_fail(ctl, EXIT_FAILED, "%s: %s", path, strerror(-error));
	if (ctl->json)
		printf("{\"key\":\"made\"}\n");
	else
		printf("%s made; name it as token-key in the daemon's configuration\n", path);
	return EXIT_OK;
}
