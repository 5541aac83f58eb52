/*
 * Owns: the parts of nearby-bench(1) that the tables of the code hold.
 * Invariant: what it prints is mdoc(7) that mandoc's lint has nothing to say about.
 * Thread: one.
 * Does not know: the page around; man/local.mk puts it together.
 *
 * Usage: gen-bench options|findings|exits. Each prints one list.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void put_sentences(const char *text)
{
	/* As mdoc wants it, each sentence begins a line. */
	for (; *text != 0; text++) {
		putchar(*text);
		if (*text == '.' && text[1] == ' ') {
			putchar('\n');
			text++;
		}
	}
	putchar('\n');
}

static void put_commands(const char *commands)
{
	fputs(" Pq ", stdout);
	for (const char *command = commands; *command != 0; command++)
		printf("%s%s", command == commands ? "" : " , ",
		       *command == 'R' ? "replay" : *command == 'W' ? "walk" : "load");
}

static void put_option(const char *name, const char *argument, const char *commands,
		       const char *help)
{
	printf(".It Fl -%s", name);
	if (argument != NULL && argument[0] == '[')
		printf(" Ns Oo = Ns Ar user Oc");
	else if (argument != NULL)
		printf(" Ar %s", argument);
	if (strcmp(commands, "RWL") != 0)
		put_commands(commands);
	putchar('\n');
	put_sentences(help);
}

static void put_finding(const char *text, const char *class, const char *meaning)
{
	printf(".It %s Pq ", text);
	for (; *class != 0; class++)
		putchar(tolower((unsigned char)*class));
	printf("\n%c%s.\n", toupper((unsigned char)meaning[0]), meaning + 1);
}

static void put_exit(int status, const char *meaning)
{
	printf(".It %d\n", status);
	put_sentences(meaning);
}

int main(int argc, char **argv)
{
	const char *list = argc == 2 ? argv[1] : "";
	if (strcmp(list, "options") == 0) {
#define OPTION(name, text, argument, commands, help) put_option(text, argument, commands, help);
#include "options.tbl"
#undef OPTION
	} else if (strcmp(list, "findings") == 0) {
#define VERDICT(name, text, class, meaning) put_finding(text, #class, meaning);
#include "verdicts.tbl"
#undef VERDICT
	} else if (strcmp(list, "exits") == 0) {
#define EXIT(name, status, meaning) put_exit(status, meaning);
#include "exits.tbl"
#undef EXIT
	} else {
		fputs("usage: gen-bench options|findings|exits\n", stderr);
		return 2;
	}
	return 0;
}
