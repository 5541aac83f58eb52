/*
 * Owns: the files that are part of the program: the descriptions of its interfaces, and the live map.
 * Invariant: they hold no secret and need no token. The map is served only where the configuration says
 *   demo, and shows nobody to who has no token.
 * Thread: the core's.
 * Does not know: what is in the files.
 */
#include "app/app_private.h"

/* Each file as an array of bytes, file_NAME; made by the build. */
#include "src/app/files.inc"

#define HTML "text/html; charset=utf-8"
#define STYLE "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define DOCUMENT "application/json"

static const struct file {
	const char *type;
	const void *bytes;
	size_t length;
	bool is_demo;
} files[ROUTE_COUNT] = {
	[ROUTE_OPENAPI] = { DOCUMENT, file_openapi, sizeof(file_openapi), false },
	[ROUTE_ASYNCAPI] = { DOCUMENT, file_asyncapi, sizeof(file_asyncapi), false },
	[ROUTE_DEMO] = { HTML, file_page, sizeof(file_page), true },
	[ROUTE_DEMO_STYLE] = { STYLE, file_style, sizeof(file_style), true },
	[ROUTE_DEMO_SCRIPT] = { SCRIPT, file_script, sizeof(file_script), true },
	[ROUTE_DEMO_MAP] = { SCRIPT, file_map, sizeof(file_map), true },
	[ROUTE_DEMO_CLIENT] = { SCRIPT, file_client, sizeof(file_client), true },
};

void files_get(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	const struct file *file = &files[exchange->route];
	if (file->is_demo && !exchange->app->config->demo)
		exchange_problem(exchange, 404, "there is no such address; see nearby-protocol(7)");
	else
		exchange_answer(exchange, 200, file->type, file->bytes, file->length);
}
