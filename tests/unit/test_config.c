/*
 * Owns: what the daemon's configuration promises: sources, ranges, and the words of refusals.
 * Invariant: none of its own.
 * Thread: one.
 * Does not know: what the parameters do.
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
#include <unistd.h>

#include "base/check.h"
#include "app/config.h"

static struct config config;
static struct config_error error;
static enum config_wish wish;

/* A file with this text; its path is good until the next call. */
static const char *file_of(const char *text)
{
	static char path[64];
	if (path[0] != '\0')
		unlink(path);
	strcpy(path, "/tmp/nearby-config-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static int load(const char *const *arguments, const char *const *environment)
{
	int argc = 0;
	while (arguments[argc] != NULL)
		argc++;
	const struct config_sources sources = { argc, (char *const *)arguments,
						(char *const *)environment };
	error.text[0] = '\0';
	return config_load(&config, &sources, &wish, &error);
}

/* NULL for none. */
#define ARGUMENTS(...) ((const char *[]){ "nearbyd", __VA_ARGS__, NULL })
#define ENVIRONMENT(...) ((const char *[]){ "HOME=/h/ann", __VA_ARGS__, NULL })

static void refused_line(const char *line, const char *message)
{
	config_init(&config);
	struct config before = config;
	assert_int_equal(config_read(&config, "f", line, strlen(line), &error), -EINVAL);
	assert_string_equal(error.text, message);
	assert_memory_equal(&config, &before, sizeof(config));
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	config_init(&config);
	assert_int_equal(config.listen.count, 1);
	assert_string_equal(config.listen.texts[0], "127.0.0.1:7600");
	assert_string_equal(config.admin_listen.texts[0], "127.0.0.1:7601");
	assert_string_equal(config.instance, "nearby");
	assert_int_equal(config.cores, 0);
	assert_true(config.radius_m == 8046.72);
	assert_int_equal(config.ttl_s, 600);
	assert_int_equal(config.push_interval_ms, 0);
	assert_int_equal(config.push_interval_max_ms, 1000);
	assert_int_equal(config.messages_per_s, 20);
	assert_int_equal(config.allowed_origins.count, 0);
	assert_string_equal(config.token_key, "");
}

static void a_file_is_lines_of_names_and_values_and_comments(void **state)
{
	(void)state;
	static const char text[] = "# a comment\n"
				   "\n"
				   "  ttl-s=60\r\n"
				   "\tlisten = 127.0.0.1:0 , [::1]:7600,unix:/run/n.sock\t# where\n"
				   "token-audience = a#b\n"
				   "radius-m = 1609.344\n"
				   "allowed-origins = #none\n"
				   "data-dir = /var/data with blanks";
	config_init(&config);
	assert_int_equal(config_read(&config, "f", text, strlen(text), &error), 0);
	assert_int_equal(config.ttl_s, 60);
	assert_int_equal(config.listen.count, 3);
	assert_string_equal(config.listen.texts[1], "[::1]:7600");
	assert_string_equal(config.listen.texts[2], "unix:/run/n.sock");
	assert_string_equal(config.token_audience, "a#b");
	assert_true(config.radius_m == 1609.344);
	assert_int_equal(config.allowed_origins.count, 0);
	assert_string_equal(config.data_dir, "/var/data with blanks");
}

static void the_command_line_overrides_the_environment_and_that_the_file(void **state)
{
	(void)state;
	const char *file = file_of("ttl-s = 1\nupdate-s = 1\ncores = 1\n");
	assert_int_equal(load(ARGUMENTS("--ttl-s=3", "-c", file),
			      ENVIRONMENT("NEARBY_TTL_S=2", "NEARBY_UPDATE_S=2", "OTHER=x")),
			 0);
	assert_int_equal(wish, CONFIG_WISH_RUN);
	assert_int_equal(config.ttl_s, 3);
	assert_int_equal(config.update_s, 2);
	assert_int_equal(config.cores, 1);
	assert_int_equal(load(ARGUMENTS("--ttl-s", "4", "--ttl-s=5"), ENVIRONMENT(NULL)), 0);
	assert_int_equal(config.ttl_s, 5);
	assert_int_equal(config.cores, 0);
	unlink(file);
}

static void all_parameters_are_taken_by_all_sources(void **state)
{
	(void)state;
	static const char *const names[] = {
#define CONFIG(field, name, kind, default, min, max, unit, when, help) name,
#include "app/config.tbl"
#undef CONFIG
	};
	char *text = NULL;
	size_t length = 0;
	assert_int_equal(load(ARGUMENTS(NULL), ENVIRONMENT(NULL)), 0);
	struct config whole = config;
	FILE *memory = open_memstream(&text, &length);
	config_print(&config, memory);
	fclose(memory);

	config_init(&config);
	assert_int_equal(config_read(&config, "printed", text, length, &error), 0);
	assert_memory_equal(&config, &whole, sizeof(config));

	const char *arguments[ARRAY_COUNT(names) + 2] = { "nearbyd" };
	const char *environment[ARRAY_COUNT(names) + 2] = { "HOME=/" };
	char lines[ARRAY_COUNT(names)][320], variables[ARRAY_COUNT(names)][320];
	char *line = strtok(text, "\n");
	for (size_t i = 0; i < ARRAY_COUNT(names); i++, line = strtok(NULL, "\n")) {
		char *value = strstr(line, " = ") + 3;
		assert_memory_equal(line, names[i], strlen(names[i]));
		snprintf(lines[i], sizeof(lines[i]), "--%s=%s", names[i], value);
		snprintf(variables[i], sizeof(variables[i]), "NEARBY_%s=%s", names[i], value);
		for (char *c = variables[i]; *c != '='; c++)
			*c = (char)(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
		arguments[1 + i] = lines[i];
		environment[1 + i] = variables[i];
	}
	assert_int_equal(load(arguments, ENVIRONMENT(NULL)), 0);
	assert_memory_equal(&config, &whole, sizeof(config));
	assert_int_equal(load(ARGUMENTS(NULL), environment), 0);
	assert_memory_equal(&config, &whole, sizeof(config));
	free(text);
}

static void a_bad_value_is_refused_with_what_is_allowed(void **state)
{
	(void)state;
	static const char addresses[] =
		", and must be 1 to 16 addresses separated by commas: host:port, "
		"[address]:port, *:port or unix:/path";
	static const struct {
		const char *line;
		const char *shown;
		const char *allowed;
	} cases[] = {
		{ "ttl-s = 0", "ttl-s is \"0\"", ", and must be a whole number from 1 to 86400 s" },
		{ "ttl-s = 86401", "ttl-s is \"86401\"",
		  ", and must be a whole number from 1 to 86400 s" },
		{ "ttl-s = 99999999999", "ttl-s is \"99999999999\"",
		  ", and must be a whole number from 1 to 86400 s" },
		{ "ttl-s = 10s", "ttl-s is \"10s\"",
		  ", and must be a whole number from 1 to 86400 s" },
		{ "ttl-s = -1", "ttl-s is \"-1\"",
		  ", and must be a whole number from 1 to 86400 s" },
		{ "ttl-s =", "ttl-s is \"\"", ", and must be a whole number from 1 to 86400 s" },
		{ "cores = 65", "cores is \"65\"", ", and must be a whole number from 0 to 64" },
		{ "radius-m = 0", "radius-m is \"0\"",
		  ", and must be a number from 1 to 100000 m" },
		{ "radius-m = nan", "radius-m is \"nan\"",
		  ", and must be a number from 1 to 100000 m" },
		{ "radius-m = 1.2.3", "radius-m is \"1.2.3\"",
		  ", and must be a number from 1 to 100000 m" },
		{ "instance = a/b", "instance is \"a/b\"",
		  ", and must be 1 to 32 letters, digits, - or _" },
		{ "instance =", "instance is \"\"",
		  ", and must be 1 to 32 letters, digits, - or _" },
		{ "data-dir = /a\x01", "data-dir is \"/a\x01\"",
		  ", and must be 0 to 3800 bytes without control characters and without # after a "
		  "blank" },
		{ "listen =", "listen is \"\"", addresses },
		{ "listen = 7600", "listen is \"7600\"", addresses },
		{ "listen = localhost:", "listen is \"localhost:\"", addresses },
		{ "listen = localhost:65536", "listen is \"localhost:65536\"", addresses },
		{ "listen = ::1:7600", "listen is \"::1:7600\"", addresses },
		{ "listen = *:1,", "listen is \"*:1,\"", addresses },
		{ "listen = *:1,,*:2", "listen is \"*:1,,*:2\"", addresses },
		{ "listen = *:1,#a:2", "listen is \"*:1,#a:2\"", addresses },
		{ "listen = a\"b:2", "listen is \"a\"b:2\"", addresses },
		{ "listen = []:2", "listen is \"[]:2\"", addresses },
		{ "listen = unix:run/x", "listen is \"unix:run/x\"", addresses },
		{ "allowed-origins = example.org", "allowed-origins is \"example.org\"",
		  ", and must be 0 to 16 origins separated by commas: http://host or https://host, "
		  "with or without :port" },
		{ "allowed-origins = https://example.org/",
		  "allowed-origins is \"https://example.org/\"",
		  ", and must be 0 to 16 origins separated by commas: http://host or https://host, "
		  "with or without :port" },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char message[400];
		snprintf(message, sizeof(message), "f:1: %s%s", cases[i].shown, cases[i].allowed);
		refused_line(cases[i].line, message);
	}
}

static void a_refusal_names_line_variable_or_option(void **state)
{
	(void)state;
	refused_line("\n# x\n\ncores = x",
		     "f:4: cores is \"x\", and must be a whole number from 0 to 64");
	assert_int_equal(load(ARGUMENTS(NULL), ENVIRONMENT("NEARBY_CORES=x")), -EINVAL);
	assert_string_equal(error.text,
			    "environment variable NEARBY_CORES: cores is \"x\", and must be a "
			    "whole number from 0 to 64");
	assert_int_equal(load(ARGUMENTS("--cores=x"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(
		error.text,
		"option --cores: cores is \"x\", and must be a whole number from 0 to 64");
	assert_int_equal(load(ARGUMENTS("--cores"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text, "option --cores: a value must follow");
	assert_int_equal(load(ARGUMENTS("-c", "/nonexistent/f"), ENVIRONMENT(NULL)), -ENOENT);
	assert_string_equal(error.text, "cannot open /nonexistent/f: No such file or directory");
}

static void an_unknown_name_is_refused_with_the_nearest_known(void **state)
{
	(void)state;
	refused_line("tll-s = 1", "f:1: there is no parameter \"tll-s\"; is it \"ttl-s\"?");
	refused_line("Cores = 1", "f:1: there is no parameter \"Cores\"; is it \"cores\"?");
	refused_line("colour = red",
		     "f:1: there is no parameter \"colour\"; nearbyd --help lists all");
	refused_line("= 1", "f:1: there is no parameter \"\"; nearbyd --help lists all");
	refused_line("cores", "f:1: a line is \"name = value\" or a comment after #");
	refused_line("cores # = 1", "f:1: there is no parameter \"cores #\"; is it \"cores\"?");
	assert_int_equal(load(ARGUMENTS("--admin-litsen=x"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text, "option --admin-litsen: there is no parameter "
					"\"admin-litsen\"; is it \"admin-listen\"?");
	assert_int_equal(load(ARGUMENTS("cores"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text, "\"cores\" is no option; nearbyd --help lists all");
}

static void a_variable_of_others_is_left_alone_and_a_slip_is_not(void **state)
{
	(void)state;
	assert_int_equal(
		load(ARGUMENTS(NULL), ENVIRONMENT("NEARBY_SERVICE_HOST=10.0.0.1",
						  "NEARBY_PORT=tcp://x", "NEARBY_=", "NEARBY")),
		0);
	assert_int_equal(load(ARGUMENTS(NULL), ENVIRONMENT("NEARBY_CORE=1")), -EINVAL);
	assert_string_equal(error.text, "environment variable NEARBY_CORE: there is no parameter "
					"\"core\"; is it \"cores\"?");
}

static void certificates_and_keys_go_together(void **state)
{
	(void)state;
	assert_int_equal(load(ARGUMENTS("--tls-certificate=/a.pem, /b.pem", "--tls-key=/a.key,/b.key",
					"--tls-listen=*:443"),
			      ENVIRONMENT(NULL)),
			 0);
	assert_int_equal(config.tls_certificate.count, 2);
	assert_string_equal(config.tls_key.texts[1], "/b.key");
	assert_int_equal(load(ARGUMENTS("--tls-certificate=/a.pem"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text,
			    "tls-certificate names 1 files and tls-key 0: each certificate needs its key");
	assert_int_equal(load(ARGUMENTS("--tls-listen=*:443"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text, "tls-listen is set, and needs tls-certificate and tls-key");
}

static void a_parameter_stands_once_in_a_file(void **state)
{
	(void)state;
	static const char text[] = "cores = 1\n\ncores = 1\n";
	config_init(&config);
	assert_int_equal(config_read(&config, "f", text, strlen(text), &error), -EINVAL);
	assert_string_equal(error.text, "f:3: cores stands in line 1 already");
}

static void parameters_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	assert_int_equal(load(ARGUMENTS("--push-interval-ms=2000"), ENVIRONMENT(NULL)), -EINVAL);
	assert_string_equal(error.text, "push-interval-ms is 2000, and must be at most "
					"push-interval-max-ms, which is 1000");
}

static void data_goes_where_the_customs_of_unix_say(void **state)
{
	(void)state;
	bool is_root = geteuid() == 0;
	assert_int_equal(load(ARGUMENTS(NULL), ENVIRONMENT(NULL)), 0);
	assert_string_equal(config.data_dir,
			    is_root ? "/var/lib/nearby" : "/h/ann/.local/state/nearby");
	assert_int_equal(load(ARGUMENTS(NULL), ENVIRONMENT("XDG_STATE_HOME=/s")), 0);
	assert_string_equal(config.data_dir, is_root ? "/var/lib/nearby" : "/s/nearby");
	assert_int_equal(load(ARGUMENTS("--data-dir=d"), ENVIRONMENT(NULL)), 0);
	assert_string_equal(config.data_dir, "d");
}

/* From elsewhere than a file it could be said, and would then be lost in a printed one. */
static void what_no_file_could_hold_is_refused(void **state)
{
	(void)state;
	assert_int_equal(load(ARGUMENTS("--token-key=/a #b"), ENVIRONMENT(NULL)), -EINVAL);
	assert_int_equal(load(ARGUMENTS("--token-key", "#b"), ENVIRONMENT(NULL)), -EINVAL);
	assert_int_equal(load(ARGUMENTS("--listen=unix:/a #b"), ENVIRONMENT(NULL)), -EINVAL);
	assert_int_equal(load(ARGUMENTS("--token-key=/a\nb"), ENVIRONMENT(NULL)), -EINVAL);
	assert_int_equal(load(ARGUMENTS("--token-key=/a#b"), ENVIRONMENT(NULL)), 0);
}

static void wishes_are_told(void **state)
{
	(void)state;
	assert_int_equal(load(ARGUMENTS("--help", "--nonsense"), ENVIRONMENT(NULL)), 0);
	assert_int_equal(wish, CONFIG_WISH_HELP);
	assert_int_equal(load(ARGUMENTS("--version"), ENVIRONMENT("NEARBY_CORES=x")), 0);
	assert_int_equal(wish, CONFIG_WISH_VERSION);
	assert_int_equal(load(ARGUMENTS("--print-config", "--cores=2"), ENVIRONMENT(NULL)), 0);
	assert_int_equal(wish, CONFIG_WISH_PRINT);
	assert_int_equal(config.cores, 2);
}

static void help_names_every_parameter_in_lines_that_fit(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);
	config_help(memory);
	fclose(memory);
#define CONFIG(field, name, kind, default, min, max, unit, when, help)                             \
	assert_non_null(strstr(text, "--" name "="));
#include "app/config.tbl"
#undef CONFIG
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
	free(text);
}

static void a_reload_takes_what_may_change_and_names_what_must_wait(void **state)
{
	(void)state;
	struct config running;
	char waiting[64];
	config_init(&running);
	config_init(&config);
	config.update_s = 5;
	config_take_changes(&running, &config, waiting, sizeof(waiting));
	assert_string_equal(waiting, "");
	assert_int_equal(running.update_s, 5);
	config.cores = 3;
	config.ttl_s = 5;
	strcpy(config.token_key, "/k");
	config_take_changes(&running, &config, waiting, sizeof(waiting));
	assert_string_equal(waiting, "cores, ttl-s");
	assert_int_equal(running.cores, 0);
	assert_string_equal(running.token_key, "/k");
	config_take_changes(&running, &config, waiting, 9);
	assert_string_equal(waiting, "cores, t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_manual),
		cmocka_unit_test(a_file_is_lines_of_names_and_values_and_comments),
		cmocka_unit_test(the_command_line_overrides_the_environment_and_that_the_file),
		cmocka_unit_test(all_parameters_are_taken_by_all_sources),
		cmocka_unit_test(a_bad_value_is_refused_with_what_is_allowed),
		cmocka_unit_test(a_refusal_names_line_variable_or_option),
		cmocka_unit_test(an_unknown_name_is_refused_with_the_nearest_known),
		cmocka_unit_test(a_variable_of_others_is_left_alone_and_a_slip_is_not),
		cmocka_unit_test(certificates_and_keys_go_together),
		cmocka_unit_test(a_parameter_stands_once_in_a_file),
		cmocka_unit_test(parameters_that_contradict_each_other_are_refused),
		cmocka_unit_test(data_goes_where_the_customs_of_unix_say),
		cmocka_unit_test(what_no_file_could_hold_is_refused),
		cmocka_unit_test(wishes_are_told),
		cmocka_unit_test(help_names_every_parameter_in_lines_that_fit),
		cmocka_unit_test(a_reload_takes_what_may_change_and_names_what_must_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
