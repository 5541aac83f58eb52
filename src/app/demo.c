/*
 * Owns: the files of the live map, which are part of the program.
 * Invariant: they are served only where the configuration says demo; they hold no secret, and who looks
 *   at them needs a token of their own to see anybody.
 * Thread: the core's.
 * Does not know: what the files do.
 */
#include "app/app_private.h"

/* The files as arrays of bytes; made by the build from tools/demo and tools/client-js. */
#include "src/app/demo_files.inc"

void demo_file(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	if (!exchange->app->config->demo)
		exchange_problem(exchange, 404, "there is no such address; see nearby-protocol(7)");
	else if (exchange->route == ROUTE_DEMO)
		exchange_answer(exchange, 200, "text/html; charset=utf-8", demo_page, sizeof(demo_page));
	else if (exchange->route == ROUTE_DEMO_STYLE)
		exchange_answer(exchange, 200, "text/css; charset=utf-8", demo_style, sizeof(demo_style));
	else if (exchange->route == ROUTE_DEMO_SCRIPT)
		exchange_answer(exchange, 200, "text/javascript; charset=utf-8", demo_script,
				sizeof(demo_script));
	else
		exchange_answer(exchange, 200, "text/javascript; charset=utf-8", demo_client,
				sizeof(demo_client));
}
