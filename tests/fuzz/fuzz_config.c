/*
 * Owns: the fuzz target of the configuration file.
 * Invariant: a file that is taken reads back the same when it is printed; one that is not is refused
 *   with the line.
 * Thread: one.
 * Does not know: what the parameters do.
 */
#include "base/check.h"
#include "app/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_reads_back(const struct config *config)
{
	static struct config again;
	struct config_error error;
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);
	check(memory != NULL);
	config_print(config, memory);
	fclose(memory);
	config_init(&again);
	check(config_read(&again, "printed", text, length, &error) == 0);
	check(memcmp(&again, config, sizeof(again)) == 0);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct config_error error;
	config_init(&config);
	if (config_read(&config, "f", (const char *)data, size, &error) == 0)
		check_reads_back(&config);
	else
		check(strncmp(error.text, "f:", 2) == 0);
	return 0;
}
