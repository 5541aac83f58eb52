/*
 * Owns: what the tokens' judge promises: who passes, and each kind of forgery that does not.
 * Invariant: the tokens were made with python3-jwt (or by hand, where that refuses to), with SECRET
 *   and for the second NOW_S.
 * Thread: one, save for the key, which gets three.
 * Does not know: HTTP, sessions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "app/key_file.h"
#include "app/token.h"

#define SECRET "nearby-test-secret-of-thirty-two-bytes!!"
#define NOW_S 1700000000
#define LEEWAY_S 60

static char directory[64];
static struct json_reader *reader;
static struct token_key *key;
static const struct token_rules now = { NOW_S, LEEWAY_S, "" };
static const char *reason;

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* A file in the test's directory, replaced by each call. */
static const char *file_of(const void *bytes, size_t length, mode_t mode)
{
	const char *path = path_of("key");
	unlink(path);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static int open_all(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/nearby-token-XXXXXX");
	if (mkdtemp(directory) == NULL || json_reader_open(&reader) != 0)
		return -1;
	return token_key_open(&key, file_of(SECRET "\n", sizeof(SECRET), 0600), &reason);
}

static int close_all(void **state)
{
	(void)state;
	token_key_close(&key);
	json_reader_close(&reader);
	unlink(path_of("key"));
	return rmdir(directory);
}

static enum token_verdict verdict_for(const char *text, const char *audience, struct token *token)
{
	const struct token_rules rules = { NOW_S, LEEWAY_S, audience };
	return token_verify(key, reader, text, strlen(text), &rules, token);
}

static void each_kind_of_token_gets_its_verdict(void **state)
{
	(void)state;
	static const struct {
		enum token_verdict wanted;
		const char *what;
		const char *text;
	} cases[] = {
		{ TOKEN_GOOD, "by python3-jwt",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ" },
		{ TOKEN_GOOD, "with claims of others",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImp0aSI6IngiLCJuZXN"
		  "0ZWQiOnsiYSI6WzFdfSwiYXVkIjoiYW55In0.VMlZcPFoHzvPfmmdtVDxilZBTgCL98-Yu"
		  "b4aCDWRRxw" },
		{ TOKEN_GOOD, "nbf within the leeway",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMSwibmJmIjoxNzAwMDAwMDYwfQ._nmokRc2qSbpYaflfUuvciCg3NBozSBbLPhhLU-f"
		  "TWI" },
		{ TOKEN_GOOD, "exp with a fraction",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMS41fQ.IKZUORRPeJVt3nGc9cXQ3cZ0_s08GRAy8sw6bm2LcNY" },
		{ TOKEN_GOOD, "typ is another",
		  "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiI0MiI"
		  "sImV4cCI6MTcwMDAwMDAwMX0.tlwxFMI4xFKKdUHIF6uyWYbe3ye90mOusHQSK9OlNrg" },
		{ TOKEN_GOOD, "iat within the leeway",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMSwiaWF0IjoxNzAwMDAwMDYwfQ.1GoFDnrJ2WEMeZGBX9VvdHLwMhvTSOK3uv-mjBtIK_"
		  "I" },
		{ TOKEN_GOOD, "keys and addresses of keys in the header",
		  "eyJhbGciOiJIUzI1NiIsImp3ayI6eyJrdHkiOiJvY3QiLCJrIjoiQUFBQSJ9LCJqa3UiOiJ"
		  "odHRwczovL3gvIiwieDV1IjoiaHR0cHM6Ly94LyIsIng1YyI6WyJBQUFBIl0sIng1dCI6Ik"
		  "EifQ.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.3spOu0mW1rjHjWOT4bu3aXMQ4G"
		  "1x9KlY7WEKW4yOA2c" },
		{ TOKEN_MALFORMED, "kid with a NUL and a path",
		  "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2V0Yy9wYXNzd2RcdTAwMDAifQ.eyJzdWIi"
		  "OiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.EH8NtuoJJhRjR-BHZrHun0XqhoUqFI7ug6THwa5"
		  "Q55c" },
		{ TOKEN_MALFORMED, "two parts",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0" },
		{ TOKEN_MALFORMED, "four parts",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ.x" },
		{ TOKEN_MALFORMED, "no header",
		  ".eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5"
		  "qnINKlywtsOHVQ" },
		{ TOKEN_MALFORMED, "base64 with padding",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ=" },
		{ TOKEN_MALFORMED, "a blank in front",
		  " eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAw"
		  "MDAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ" },
		{ TOKEN_MALFORMED, "header is no JSON",
		  "YWxnOkhTMjU2.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.IiPbZVqcVMJvYo53t"
		  "dwCx5Iljo4CdnQk_-hyydhH9B0" },
		{ TOKEN_MALFORMED, "header says alg twice",
		  "eyJhbGciOiJub25lIiwiYWxnIjoiSFMyNTYifQ.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDA"
		  "wMDAwMX0.z-yPiXfGTC1abruhBzpoGo9HavuOCEyQHXp1y1dk1dQ" },
		{ TOKEN_MALFORMED, "letters of base64 that are none of base64url",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMX0.+Flxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ" },
		{ TOKEN_MALFORMED, "header is an array",
		  "W3siYWxnIjoiSFMyNTYifV0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.FBW_H0Q"
		  "dRq_AvBhw6N6rLPGoQMF8a4zyQwjhCZwON4o" },
		{ TOKEN_MALFORMED, "header says kid twice",
		  "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEiLCJraWQiOiJiIn0.eyJzdWIiOiI0MiIsImV4cCI"
		  "6MTcwMDAwMDAwMX0.zh3MyN1kISCF03G_VFI52IWY6Kt8RbNZaLMwnapiD48" },
		{ TOKEN_ALGORITHM, "none, unsigned",
		  "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMX0." },
		{ TOKEN_ALGORITHM, "none, signed",
		  "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.X0KFQjfAG3"
		  "dUJ7bSeGaucUKNgOyhyA0V4d4I5F7_6u4" },
		{ TOKEN_ALGORITHM, "None",
		  "eyJhbGciOiJOb25lIn0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.WmXKm8cuuC"
		  "9aVEG_9NBJbiP6eUippRXFkNqrfRJ-kW4" },
		{ TOKEN_ALGORITHM, "HS512 by the same key",
		  "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.A-RErsS4wD-u24WqlLYRrEcFWhMqfdZk76LzxVWVxit66rOF5TJaMi5zE9TPjHa"
		  "KE0AkTdP6UkK4NNTFL8jZIw" },
		{ TOKEN_ALGORITHM, "RS256, signed with the secret",
		  "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.xoqxRRCYKZW3Kmqwl2awcfx0KjCG7HsHR-swDRV2nwE" },
		{ TOKEN_ALGORITHM, "no alg",
		  "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.e6tOTiJiI5b"
		  "5R-TgEI2aVF_dGi2eEwkt003gMXtnnFg" },
		{ TOKEN_ALGORITHM, "alg is a list",
		  "eyJhbGciOlsiSFMyNTYiXX0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.7TkQ3s"
		  "j6KRwJRFeD0NRhXYMWhC2l0GjnMtGqOfw84Gw" },
		{ TOKEN_ALGORITHM, "critical extension",
		  "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.eyJzdWIiOiI0M"
		  "iIsImV4cCI6MTcwMDAwMDAwMX0.A3V_mrB1sYQb8Vs1w__zlZzf3HCMcbjC0kzlhHNFsBs" },
		{ TOKEN_ALGORITHM, "critical extensions, none of them",
		  "eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAw"
		  "MX0.fulwSNCcgb-eNLxZ4h5N9WVkTQIgNv_eu0rN7lcaKDo" },
		{ TOKEN_ALGORITHM, "alg with a NUL inside",
		  "eyJhbGciOiJIUzI1Nlx1MDAwMCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.Ml"
		  "T_Kpo-oQs--MWUE9jWZOoMI3wp2nB-yndLPEhb1vs" },
		{ TOKEN_SIGNATURE, "another key",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.SlMe72TWcObCj8HUnHcd3pkfGwrxfKoGSMP8Pqd1RiI" },
		{ TOKEN_SIGNATURE, "claims exchanged",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MyIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ" },
		{ TOKEN_SIGNATURE, "signature cut short",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywts" },
		{ TOKEN_SIGNATURE, "signature empty",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMX0." },
		{ TOKEN_SIGNATURE, "by a key that it brings along",
		  "eyJhbGciOiJIUzI1NiIsImp3ayI6eyJrdHkiOiJvY3QiLCJrIjoiYTJ0cmEydHJhMnRyYTJ"
		  "0cmEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEycyJ9fQ.eyJzdWIiOiI0MiIsImV4cCI6MTc"
		  "wMDAwMDAwMX0.byiVCevzrcVuU3gqNEE1TGywRSlZUL842covvgnDI7Q" },
		{ TOKEN_CLAIMS, "claims are no JSON",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.c3ViPTQy.O6f5MjILtM-9wXmBaQ_c5YZ4"
		  "8hL8QwJlVUP_e2fkTLU" },
		{ TOKEN_CLAIMS, "claims are an array",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.W3sic3ViIjoiNDIiLCJleHAiOjE3MDAwM"
		  "DAwMDF9XQ.1FLkyEDAAFVX58h1xDrhBYjC695YrboDyCbI-01L0l8" },
		{ TOKEN_CLAIMS, "sub twice",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMSwic3ViIjoiNDMifQ.jmrx1jRmiyi-dfxPgTBZnow8M2OFFoXhYIrxV-lMvWU" },
		{ TOKEN_CLAIMS, "exp twice",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMSwiZXhwIjoxNzAwMDAwMDAxfQ.GpEZ5F7_9lTAyAVFt29BT0OaiIuCq5XNn82SrWPB"
		  "m8Y" },
		{ TOKEN_CLAIMS, "no exp",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.ZB5LKEI16ytfReif"
		  "34awiCrLHbVuuUw4gWAvFxTkxu8" },
		{ TOKEN_CLAIMS, "exp is a string",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6IjE3MDAwM"
		  "DAwMDEifQ.GP757kIGPG5pJO2AbwFvvdYdCDXIFrsDCpWYYfgcViE" },
		{ TOKEN_CLAIMS, "exp beyond all range",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MWU5OTl9."
		  "BP-0x_YlG6t5Cplv796H0ZSOCYm4MBZLhhdIWBpppHY" },
		{ TOKEN_CLAIMS, "exp negative",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6LTF9.WDEw"
		  "p0-0VAr_QWyhqoXB_9oq-vQ0vAfi7sxpQtgi0hQ" },
		{ TOKEN_CLAIMS, "nbf is a string",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMSwibmJmIjoiMCJ9.bbTTcRsNREAygAU85LPZAfBJ0R_8Eba2d03t1xjZhe4" },
		{ TOKEN_CLAIMS, "iat is a string",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMSwiaWF0IjoiMCJ9.L-wGpjIi5LBhaRztFYEIAzaysS-Dfh4Uu2CcYsc-QX4" },
		{ TOKEN_CLAIMS, "iat negative",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMSwiaWF0IjotMX0.X5LYPIKHYHcAJr6tLf3ekl1F43CqudV-R5osciTot0I" },
		{ TOKEN_CLAIMS, "exp is true",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6dHJ1ZX0.TC"
		  "WbrMyRMjgflu-v51VbzB0ZvUerUHwHsWlcaWXsZC8" },
		{ TOKEN_CLAIMS, "exp beyond 2^53",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTE1MjkyMT"
		  "UwNDYwNjg0Njk3Nn0.ZGUEF5NUJmIiW3k8VyWFDwa7kyro86cJfAxPJk97EDc" },
		{ TOKEN_CLAIMS, "claims cut short",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		  "AwMQ.HHF0kcAQRbRk69d1YWkPduYRQ3qFpsFyUv1WVUm5x4Y" },
		{ TOKEN_EXPIRED, "this second",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "DAwMH0.klAiA6OUxZ4iKMTEmYsDhasQVMl6Ge1yaIJmZv96Y_I" },
		{ TOKEN_EXPIRED, "long ago",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MH0.ZoaDg"
		  "AZmk-bTnNrvaXMsZEvdbmFNqFp_kWEXXP71FgQ" },
		{ TOKEN_EARLY, "beyond the leeway",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		  "TAwMCwibmJmIjoxNzAwMDAwMDYxfQ.Dj0SngwNdjxYgUJCCTdsvxZdJfhquU7v6YCbknMF"
		  "Vwg" },
		{ TOKEN_EARLY, "issued in the future",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMT"
		  "AwMCwiaWF0IjoxNzAwMDAwMDYxfQ.TWeg01J8kFlIVpHoGx613J3U9m_Xx0BnYDMDKOYot8"
		  "w" },
		{ TOKEN_SUBJECT, "none",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDAwMDAwMDF9.ZJAw1VHO"
		  "e2_95ilsfMcZ57qLEgWqQpfCuTe000zCD34" },
		{ TOKEN_SUBJECT, "a number",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOjQyLCJleHAiOjE3MDAwMDAwM"
		  "DF9.BmaBPe0PTWaRrPDpARzinODwQZQOp9i00FzGxCy626M" },
		{ TOKEN_SUBJECT, "no decimal",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjE3MDAwM"
		  "DAwMDF9.6fCck0qrVg5J0l-nAbecb6VH55h3BDzPCp6SM66zwi8" },
		{ TOKEN_SUBJECT, "2^63",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI5MjIzMzcyMDM2ODU0Nzc1O"
		  "DA4IiwiZXhwIjoxNzAwMDAwMDAxfQ.PRRIiRGa18Pef_Pv9MdQlXSJdsy7c176CYets_f9"
		  "wi8" },
		{ TOKEN_SUBJECT, "a leading zero",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwNDIiLCJleHAiOjE3MDAwM"
		  "DAwMDF9.4l_DDAzrF0gLNd0NoWkyWRYryZiy8wt5vKfENCArVLs" },
		{ TOKEN_SUBJECT, "a list",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOlsiNDIiXSwiZXhwIjoxNzAwMD"
		  "AwMDAxfQ.GQystEP3y13uqLymmkzSXVMviuQu61tBkNhC2iyQjDY" },
		{ TOKEN_SUBJECT, "a NUL behind it",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0Mlx1MDAwMCIsImV4cCI6MT"
		  "cwMDAwMDAwMX0.rWZM9-5N2eWlzOYZw49SFpGmqZpLVGtCfuTXQGGyRgM" },
		{ TOKEN_SUBJECT, "a blank in front",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIgNDIiLCJleHAiOjE3MDAwMD"
		  "AwMDF9.6dU2PaGhRUdfOUorru2SEliN8Sct_Snm1rY2C7wHlpU" },
		{ TOKEN_SUBJECT, "a sign",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIrNDIiLCJleHAiOjE3MDAwMD"
		  "AwMDF9.05vuH2mgXsC_mwNDDG-_25kTksZm3Cz29tnoHiErIjY" },
		{ TOKEN_SUBJECT, "null",
		  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOm51bGwsImV4cCI6MTcwMDAwMD"
		  "AwMX0.4GLKjAhZRPHuSBjjILaVvWR6TEJRB4zgt71peKtznlo" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct token token = { .user = { 5 }, .expiry_s = 5, .is_admin = true };
		enum token_verdict verdict = verdict_for(cases[i].text, "", &token);
		if (verdict != cases[i].wanted)
			fail_msg("%s: %s, not %s", cases[i].what, token_verdict_text(verdict),
				 token_verdict_text(cases[i].wanted));
		assert_int_equal(token.user.value, verdict == TOKEN_GOOD ? 42 : 5);
		assert_int_equal(token.expiry_s, verdict == TOKEN_GOOD ? NOW_S + 1 : 5);
		assert_int_equal(token.is_admin, verdict != TOKEN_GOOD);
	}
}

/* RFC 7515, appendix A.1: its signature holds, and its claims name no user. */
static void the_example_of_rfc_7515_is_verified(void **state)
{
	(void)state;
	static const uint8_t secret[] = {
		3,   35,  53, 75,  43,	15, 165, 188, 131, 126, 6,   101, 119, 123, 166, 143,
		90,  179, 40, 230, 240, 84, 201, 40,  169, 15,	132, 178, 210, 80,  46,	 191,
		211, 251, 90, 146, 210, 6,  71,	 239, 150, 138, 180, 195, 119, 98,  61,	 34,
		61,  46,  33, 114, 5,	46, 79,	 8,   192, 205, 154, 245, 103, 208, 128, 163,
	};
	static const char text[] =
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
		"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	struct token_key *example = NULL;
	struct token token;
	assert_int_equal(token_key_open(&example, file_of(secret, sizeof(secret), 0600), &reason),
			 0);
	assert_int_equal(token_verify(example, reader, text, strlen(text), &(struct token_rules){ 1300819379, LEEWAY_S, "" }, &token),
			 TOKEN_SUBJECT);
	assert_int_equal(token_verify(example, reader, text, strlen(text), &(struct token_rules){ 1300819380, LEEWAY_S, "" }, &token),
			 TOKEN_EXPIRED);
	token_key_close(&example);
}

#define JOE                                                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"                         \
	"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."

/* The public keys of RFC 7515, appendices A.2 and A.3. */
#define RSA_A2                                                                                     \
	"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""                                                    \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt" \
	"0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX" \
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5" \
	"IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\""
#define EC_A3                                                                                      \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","       \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define SIGNED_A2                                                                                  \
	"eyJhbGciOiJSUzI1NiJ9." JOE                                                                \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W" \
	"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS" \
	"jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv" \
	"Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define SIGNED_A3                                                                                  \
	"eyJhbGciOiJFUzI1NiJ9." JOE                                                                \
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

/* The verdict of a JWK Set on one of those, at a time when it had not expired. */
static enum token_verdict verdict_of_set(const char *set, const char *text)
{
	struct token_key *keys = NULL;
	struct token token;
	assert_int_equal(token_key_open(&keys, file_of(set, strlen(set), 0600), &reason), 0);
	enum token_verdict verdict =
		token_verify(keys, reader, text, strlen(text), &(struct token_rules){ 1300819379, LEEWAY_S, "" }, &token);
	token_key_close(&keys);
	return verdict;
}

/* A signature that holds leads to claims that name no user. */
static void the_public_key_examples_of_rfc_7515_are_verified(void **state)
{
	(void)state;
	static const char both[] = "{\"keys\":[" RSA_A2 "}," EC_A3 "}]}";
	assert_int_equal(verdict_of_set(both, SIGNED_A2), TOKEN_SUBJECT);
	assert_int_equal(verdict_of_set(both, SIGNED_A3), TOKEN_SUBJECT);
	/* A.4, whatever key it were by: ES512 is none of ours. */
	assert_int_equal(verdict_of_set(both, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
					      "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZq"
					      "wqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8Kp"
					      "EHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"),
			 TOKEN_ALGORITHM);
	/* One letter more or less, or changed. */
	assert_int_equal(verdict_of_set(both, SIGNED_A2 "w"), TOKEN_SIGNATURE);
	assert_int_equal(verdict_of_set(both, SIGNED_A3 "AA"), TOKEN_SIGNATURE);
	char changed[] = SIGNED_A3;
	changed[sizeof(changed) - 10] ^= 1;
	assert_int_equal(verdict_of_set(both, changed), TOKEN_SIGNATURE);
}

static void a_key_of_a_set_verifies_only_what_it_is_for(void **state)
{
	(void)state;
	static const char ec_only[] = "{\"keys\":[" EC_A3 "}]}";
	static const char rsa_for_ps[] = "{\"keys\":[" RSA_A2 ",\"alg\":\"PS256\"}]}";
	static const char encrypting[] =
		"{\"keys\":[" RSA_A2 ",\"use\":\"enc\"}," EC_A3 ",\"use\":\"sig\"}]}";
	static const char named[] = "{\"keys\":[" RSA_A2 ",\"kid\":\"a\"}]}";
	assert_int_equal(verdict_of_set(ec_only, SIGNED_A2), TOKEN_ALGORITHM);
	assert_int_equal(verdict_of_set(rsa_for_ps, SIGNED_A2), TOKEN_ALGORITHM);
	assert_int_equal(verdict_of_set(encrypting, SIGNED_A2), TOKEN_ALGORITHM);
	assert_non_null(strstr(reason, "1 of its 2 keys"));
	assert_int_equal(verdict_of_set(named, SIGNED_A2), TOKEN_SUBJECT);
	/* {"alg":"RS256","kid":"b"} */
	assert_int_equal(verdict_of_set(named, "eyJhbGciOiJSUzI1NiIsImtpZCI6ImIifQ." JOE "AAAA"),
			 TOKEN_KEY);
}

/* RFC 7520, sections 4.1, 4.2 and 4.4: one text of Tolkien's, signed in several ways. */
#define FRODO \
	"SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0Z" \
	"XAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIG" \
	"tub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
#define BILBO_KEY \
	"{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"e\":\"AQAB\",\"n\":\"" \
	"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQ" \
	"Hz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHq" \
	"FEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k" \
	"3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5" \
	"zw" \
	"\"}"
#define HMAC_KEY \
	"{\"kty\":\"oct\",\"kid\":\"018c0ae5-4d9b-471b-bfd6-eef314bc7037\",\"use\":\"sig\",\"alg\":\"HS256\"," \
	"\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}"
#define BILBO_RS256 \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO "." \
	"MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996iv" \
	"p83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSN" \
	"CrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L" \
	"2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDqu" \
	"Dg"
#define BILBO_PS384 \
	"eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO "." \
	"cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHC" \
	"dP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn44" \
	"2ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6u" \
	"iP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72E" \
	"aw"
#define FRODO_HS256 \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." FRODO "." \
	"s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"

/* A signature that holds leads to what is said, and that is no object of claims. */
static void the_examples_of_rfc_7520_are_verified(void **state)
{
	(void)state;
	static const char both[] = "{\"keys\":[" BILBO_KEY "," HMAC_KEY "]}";
	assert_int_equal(verdict_of_set(both, BILBO_RS256), TOKEN_CLAIMS);
	assert_int_equal(verdict_of_set(both, FRODO_HS256), TOKEN_CLAIMS);
	assert_int_equal(verdict_of_set(both, BILBO_PS384), TOKEN_ALGORITHM);
	char changed[] = BILBO_RS256;
	changed[sizeof(changed) - 10] ^= 1;
	assert_int_equal(verdict_of_set(both, changed), TOKEN_SIGNATURE);
	/* The other's kid, and the algorithm of the other's key. */
	assert_int_equal(verdict_of_set("{\"keys\":[" HMAC_KEY "]}", BILBO_RS256), TOKEN_ALGORITHM);
	assert_int_equal(verdict_of_set("{\"keys\":[" BILBO_KEY "," EC_A3 "}]}", FRODO_HS256), TOKEN_ALGORITHM);
}

/* A kid that has a NUL inside is no name that a library would take whole: its key is of no use. */
static void a_key_whose_name_holds_a_nul_is_passed_over(void **state)
{
	(void)state;
	static const char set[] =
		"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\\u0000bcdefghijklmnopqrstuvwxyz\","
		"\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}," EC_A3 "}]}";
	/* {"alg":"HS256","kid":"a\u0000bcdefghijklmnopqrstuvwxyz"} */
	static const char text[] =
		"eyJhbGciOiJIUzI1NiIsImtpZCI6ImFcdTAwMDBiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl"
		"6In0.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0.AAAA";
	assert_int_equal(verdict_of_set(set, text), TOKEN_ALGORITHM);
	assert_non_null(strstr(reason, "1 of its 2 keys"));
}

/* Also when zeros in front make it look longer. */
static void a_short_rsa_key_of_a_set_is_passed_over(void **state)
{
	(void)state;
	static const char set[] =
		"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAn4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFE\"}," EC_A3 "}]}";
	assert_int_equal(verdict_of_set(set, BILBO_RS256), TOKEN_ALGORITHM);
	assert_non_null(strstr(reason, "1 of its 2 keys"));
}

static void public_keys_sign_nothing(void **state)
{
	(void)state;
	static const char set[] = "{\"keys\":[" EC_A3 "}]}";
	struct token_key *keys = NULL;
	struct token token = { .user = { 1 }, .expiry_s = NOW_S + 1 };
	char text[TOKEN_BYTES_MAX + 1];
	assert_int_equal(token_key_open(&keys, file_of(set, strlen(set), 0644), &reason), 0);
	assert_null(reason); /* they are no secret */
	assert_int_equal(token_make(keys, &token, "", text), -ENOKEY);
	token_key_close(&keys);
}

static void the_audience_is_judged_when_one_is_set(void **state)
{
	(void)state;
	struct token token;
	static const char aud_text[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwiYXVkIjoibmVhcmJ5In0.ZIEHVdEeWyGQ3FH3V9jhNAR-VKjJ4JUoIAvTPZd21Aw";
	static const char aud_list[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwiYXVkIjpbIngiLCJuZWFyYnkiXX0.HSz7nwHaB_zyx_dG3a1qGFOwrw8yItiaFVm"
		"N4NSAnOc";
	static const char aud_other[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwiYXVkIjoibmVhcmJ5eCJ9.JfAnGuecAn3I6CEbIOsnaVvxNSno1svwD-1oY-nKK6"
		"Y";
	static const char aud_none[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ";
	assert_int_equal(verdict_for(aud_text, "nearby", &token), TOKEN_GOOD);
	assert_int_equal(verdict_for(aud_list, "nearby", &token), TOKEN_GOOD);
	assert_int_equal(verdict_for(aud_other, "nearby", &token), TOKEN_AUDIENCE);
	assert_int_equal(verdict_for(aud_none, "nearby", &token), TOKEN_AUDIENCE);
	assert_int_equal(verdict_for(aud_other, "", &token), TOKEN_GOOD);
}

static void the_word_admin_in_the_scope_makes_an_admin(void **state)
{
	(void)state;
	struct token token;
	static const char admin[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwic2NvcGUiOiJyZWFkIGFkbWluIn0.BS5WHdZCo1F15VdcuTaXCK_XxnA5WwSXLzO"
		"mD4SI25Q";
	static const char administrator[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwic2NvcGUiOiJhZG1pbmlzdHJhdG9yIHJlYWQifQ._cOfluAfTVz2kgfq7ttpCYjB"
		"mycNOUoPuXwm4wLTOKc";
	static const char in_a_list[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwM"
		"DAwMSwic2NvcGUiOlsiYWRtaW4iXX0.eIFFjVU7bLzbhOpZ_4kf1yjwKvVMqlewRcj1R87"
		"-Zcc";
	assert_int_equal(verdict_for(admin, "", &token), TOKEN_GOOD);
	assert_true(token.is_admin);
	assert_int_equal(verdict_for(administrator, "", &token), TOKEN_GOOD);
	assert_false(token.is_admin);
	assert_int_equal(verdict_for(in_a_list, "", &token), TOKEN_GOOD);
	assert_false(token.is_admin);
}

/* It may not need to be a user; then it opens nothing that is a user's. */
static void a_service_needs_no_user(void **state)
{
	(void)state;
	struct token token;
	static const char of_none[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDAwMDAwMDEsInNjb3BlIj"
		"oiYWRtaW4ifQ.hID-g_mWVpZ_IOmogbk5g-GJ39P5p6W_CFQ37GCOrm8";
	static const char by_name[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJiaWxsaW5nIiwiZXhwIjoxNz"
		"AwMDAwMDAxLCJzY29wZSI6ImFkbWluIn0.5zYIUrBv3VcbYSaq0RGrDMxq2XiAveJKYfoyk"
		"dlwNCg";
	static const char of_user[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3IiwiZXhwIjoxNzAwMDAwMD"
		"AxLCJzY29wZSI6ImFkbWluIn0.XTYkHBw0jrAsTydOGk7TOuZTuv3SvyTQGjC7LUjle5s";
	assert_int_equal(verdict_for(of_none, "", &token), TOKEN_GOOD);
	assert_true(token.is_admin && token.is_nobody);
	assert_int_equal(verdict_for(by_name, "", &token), TOKEN_GOOD);
	assert_true(token.is_admin && token.is_nobody);
	assert_int_equal(verdict_for(of_user, "", &token), TOKEN_GOOD);
	assert_true(token.is_admin && !token.is_nobody);
	assert_int_equal(token.user.value, 7);
}

static void when_it_was_issued_is_told(void **state)
{
	(void)state;
	struct token token;
	static const char with_fraction[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		"AwMSwiaWF0IjoxNjk5OTk5OTk1LjV9.B-jIMAJPSK_Mfa4U_Wfu3fwnSpvAnef0QfovhUXH"
		"Fk4";
	static const char without[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		"AwMX0.kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ";
	assert_int_equal(verdict_for(with_fraction, "", &token), TOKEN_GOOD);
	assert_int_equal(token.issued_s, NOW_S - 5);
	assert_int_equal(verdict_for(without, "", &token), TOKEN_GOOD);
	assert_int_equal(token.issued_s, 0);
}

/* nbf a minute ahead: early for a leeway of less. exp: none, whatever the leeway. */
static void the_leeway_is_as_configured(void **state)
{
	(void)state;
	struct token token;
	static const char soon[] =
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMD"
		"EwMCwibmJmIjoxNzAwMDAwMDYwfQ.ZXvqacPq60DBpww_qHlIKYkm5u1w83dIpi9ugUOka7"
		"k";
	struct token_rules rules = { NOW_S, 60, "" };
	assert_int_equal(token_verify(key, reader, soon, strlen(soon), &rules, &token), TOKEN_GOOD);
	rules.leeway_s = 59;
	assert_int_equal(token_verify(key, reader, soon, strlen(soon), &rules, &token), TOKEN_EARLY);
	rules = (struct token_rules){ NOW_S + 100, 300, "" };
	assert_int_equal(token_verify(key, reader, soon, strlen(soon), &rules, &token), TOKEN_EXPIRED);
}

static void a_token_that_we_make_is_good_until_it_expires(void **state)
{
	(void)state;
	static const struct token wanted[] = {
		{ .user = { 0 }, .expiry_s = NOW_S + 1, .issued_s = NOW_S - 1 },
		{ .user = { USER_ID_MAX }, .expiry_s = NOW_S + 100, .is_admin = true },
	};
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		char text[TOKEN_BYTES_MAX + 1];
		struct token token;
		assert_int_equal(token_make(key, &wanted[i], i == 0 ? "" : "a\"b", text), 0);
		assert_int_equal(verdict_for(text, i == 0 ? "" : "a\"b", &token), TOKEN_GOOD);
		assert_int_equal(token.user.value, wanted[i].user.value);
		assert_int_equal(token.expiry_s, wanted[i].expiry_s);
		assert_int_equal(token.is_admin, wanted[i].is_admin);
		assert_int_equal(token.issued_s, wanted[i].issued_s);
		assert_false(token.is_nobody);
		assert_int_equal(token_verify(key, reader, text, strlen(text),
					      &(struct token_rules){ wanted[i].expiry_s, LEEWAY_S, "" },
					      &token),
				 TOKEN_EXPIRED);
	}
}

static void a_token_cut_anywhere_or_with_any_letter_changed_fails(void **state)
{
	(void)state;
	static const struct token wanted = { .user = { 42 }, .expiry_s = NOW_S + 1 };
	char text[TOKEN_BYTES_MAX + 1];
	struct token token;
	assert_int_equal(token_make(key, &wanted, "", text), 0);
	size_t length = strlen(text);
	for (size_t i = 0; i < length; i++)
		assert_int_not_equal(token_verify(key, reader, text, i, &now, &token),
				     TOKEN_GOOD);
	/* The low bits of the last letter are not part of the signature. */
	for (size_t i = 0; i < length - 1; i++) {
		char letter = text[i];
		text[i] = letter == 'A' ? 'B' : 'A';
		assert_int_not_equal(verdict_for(text, "", &token), TOKEN_GOOD);
		text[i] = letter;
	}
	assert_int_equal(verdict_for(text, "", &token), TOKEN_GOOD);
}

/* What each core does with the one key; the verdicts that were not good. */
static void *verify_many(void *argument)
{
	static const char text[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
				   "eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMX0."
				   "kFlxh8A3veuQZs30VZkyGf7uyYAw5qnINKlywtsOHVQ";
	uintptr_t failed = 0;
	struct json_reader *own = NULL;
	struct token token;
	(void)argument;
	if (json_reader_open(&own) != 0)
		return (void *)1;
	for (int i = 0; i < 2000; i++)
		failed +=
			token_verify(key, own, text, strlen(text), &now, &token) != TOKEN_GOOD;
	json_reader_close(&own);
	return (void *)failed;
}

static void threads_share_a_key(void **state)
{
	(void)state;
	pthread_t threads[3];
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, verify_many, NULL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
		void *failed = NULL;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

static void a_huge_token_is_not_looked_at(void **state)
{
	(void)state;
	static char text[1 << 20];
	struct token token;
	memset(text, 'A', sizeof(text));
	text[20] = text[40] = '.';
	assert_int_equal(token_verify(key, reader, text, sizeof(text), &now, &token),
			 TOKEN_MALFORMED);
	assert_int_equal(token_verify(key, reader, text, TOKEN_BYTES_MAX, &now, &token),
			 TOKEN_MALFORMED);
	assert_int_equal(token_verify(key, reader, "", 0, &now, &token), TOKEN_MISSING);
}

static void refused_key(const void *bytes, size_t length, const char *wanted)
{
	struct token_key *none = NULL;
	assert_int_equal(token_key_open(&none, file_of(bytes, length, 0600), &reason), -EINVAL);
	assert_null(none);
	assert_non_null(strstr(reason, wanted));
}

static void a_file_that_holds_no_key_is_refused_with_advice(void **state)
{
	(void)state;
	struct token_key *none = NULL;
	static char big[KEY_SECRET_BYTES_MAX + 2];
	memset(big, 'x', sizeof(big));
	refused_key(SECRET, 31,
		    "the secret must have 32 to 1024 bytes; `nearbyctl keygen FILE` makes one");
	refused_key("0123456789012345678901234567890\n", 32,
		    "the secret must have 32 to 1024 bytes");
	refused_key("", 0, "the secret must have 32 to 1024 bytes");
	refused_key(big, KEY_SECRET_BYTES_MAX + 1, "the secret must have 32 to 1024 bytes");
	refused_key("-----BEGIN PUBLIC KEY-----\n0123456789\n", 38, "not all of it is sound PEM");
	refused_key("-----BEGIN EC PRIVATE KEY-----\n01234567\n", 40, "this is a private key");
	refused_key("{\"keys\":[]}                          ", 37, "there is no key for HS256");
	refused_key("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}", 38,
		    "there is no key for HS256");
	refused_key("{\"keys\":[], \"keys\":[] ...             ", 37, "it is no sound JWK Set");
	assert_int_equal(token_key_open(&none, path_of("absent"), &reason), -ENOENT);
	assert_non_null(strstr(reason, "`nearbyctl keygen FILE` makes one"));
	assert_int_equal(token_key_open(&none, "", &reason), -EINVAL);
	assert_non_null(strstr(reason, "token-key is not set"));
}

static void a_secret_that_others_can_read_is_warned_of(void **state)
{
	(void)state;
	struct token_key *open_key = NULL;
	assert_int_equal(token_key_open(&open_key, file_of(SECRET, 40, 0644), &reason), 0);
	assert_non_null(strstr(reason, "chmod 600"));
	token_key_close(&open_key);
	assert_int_equal(token_key_open(&open_key, file_of(SECRET, 40, 0600), &reason), 0);
	assert_null(reason);
	token_key_close(&open_key);
}

static void a_generated_key_is_private_new_and_good(void **state)
{
	(void)state;
	struct stat status;
	struct token_key *fresh = NULL;
	char path[128], text[TOKEN_BYTES_MAX + 1];
	struct token token = { .user = { 1 }, .expiry_s = NOW_S + 1 };
	strcpy(path, path_of("generated"));
	assert_int_equal(token_key_generate(path), 0);
	assert_int_equal(token_key_generate(path), -EEXIST);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(token_key_open(&fresh, path, &reason), 0);
	assert_null(reason);
	assert_int_equal(token_make(fresh, &token, "", text), 0);
	assert_int_equal(verdict_for(text, "", &token), TOKEN_SIGNATURE);
	token_key_close(&fresh);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_token_gets_its_verdict),
		cmocka_unit_test(the_example_of_rfc_7515_is_verified),
		cmocka_unit_test(the_public_key_examples_of_rfc_7515_are_verified),
		cmocka_unit_test(a_key_of_a_set_verifies_only_what_it_is_for),
		cmocka_unit_test(the_examples_of_rfc_7520_are_verified),
		cmocka_unit_test(a_key_whose_name_holds_a_nul_is_passed_over),
		cmocka_unit_test(a_short_rsa_key_of_a_set_is_passed_over),
		cmocka_unit_test(public_keys_sign_nothing),
		cmocka_unit_test(the_audience_is_judged_when_one_is_set),
		cmocka_unit_test(the_word_admin_in_the_scope_makes_an_admin),
		cmocka_unit_test(a_service_needs_no_user),
		cmocka_unit_test(when_it_was_issued_is_told),
		cmocka_unit_test(the_leeway_is_as_configured),
		cmocka_unit_test(a_token_that_we_make_is_good_until_it_expires),
		cmocka_unit_test(a_token_cut_anywhere_or_with_any_letter_changed_fails),
		cmocka_unit_test(threads_share_a_key),
		cmocka_unit_test(a_huge_token_is_not_looked_at),
		cmocka_unit_test(a_file_that_holds_no_key_is_refused_with_advice),
		cmocka_unit_test(a_secret_that_others_can_read_is_warned_of),
		cmocka_unit_test(a_generated_key_is_private_new_and_good),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
