/*
 * Owns: showing the parameters: their values, and the help.
 * Invariant: what config_print writes is a file that reads back as the same config.
 * Thread: the caller's, no state.
 * Does not know: where values come from.
 */
#include "app/config.h"

#include "app/parameter.h"

#include <string.h>

void config_print(const struct config *config, FILE *to)
{
	for (size_t i = 0; i < PARAMETER_COUNT; i++) {
		fprintf(to, "%s = ", parameters[i].name);
		parameter_print(config, &parameters[i], to);
		fputc('\n', to);
	}
}

/* Words of `text` in lines of at most 80 columns, each after `indent` blanks. */
static void print_wrapped(const char *text, unsigned indent, FILE *to)
{
	enum { COLUMNS = 80 };
	size_t column = COLUMNS;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		if (column + 1 + word > COLUMNS) {
			fprintf(to, "\n%*s", (int)indent, "");
			column = indent;
		} else {
			fputc(' ', to);
			column++;
		}
		fwrite(text, 1, word, to);
		column += word;
		text += word + strspn(text + word, " ");
	}
}

static void print_help(const struct parameter *parameter, FILE *to)
{
	static const char *const values[] = {
		[ADDRESSES] = "LIST", [ORIGINS] = "LIST", [PATHS] = "LIST", [NETS] = "LIST",
		[NAME] = "NAME", [PATH] = "PATH",
		[TEXT] = "TEXT",      [SWITCH] = "yes",   [U32] = "N",	[REAL] = "N",
	};
	fprintf(to, "  --%s=%s", parameter->name, values[parameter->kind]);
	print_wrapped(parameter->help, 6, to);
	bool is_number = parameter->kind == U32 || parameter->kind == REAL;
	char range[320], allowed[200];
	parameter_allowed(parameter, allowed, sizeof(allowed));
	if (is_number)
		snprintf(range, sizeof(range), "(%s; default %s)", allowed, parameter->initial);
	else
		snprintf(range, sizeof(range), "(default %s)", parameter->initial);
	if (parameter->initial[0] != '\0')
		print_wrapped(range, 6, to);
	fputc('\n', to);
}

void config_help(FILE *to)
{
	fputs("Usage: nearbyd [-c FILE] [--PARAMETER=VALUE]...\n"
	      "Tells people who are near each other where they are, as they move.\n\n"
	      "  -c FILE\n      Reads parameters from lines \"name = value\"; # starts a comment.\n"
	      "  --print-config\n      Prints the parameters as they would hold, and ends.\n"
	      "  --help, --version\n      Prints this, or the version, and ends.\n\n"
	      "Parameters; NEARBY_LISTEN=VALUE in the environment does as --listen=VALUE, which\n"
	      "overrides it, and both override the file:\n",
	      to);
	for (size_t i = 0; i < PARAMETER_COUNT; i++)
		print_help(&parameters[i], to);
}
