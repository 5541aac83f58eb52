/*
 * Owns: answers that are streams of history: of one user, and of all (export).
 * Invariant: one portion of the store is in memory at a time; the next is asked for when this one
 *   has been taken by the client.
 * Thread: the core's.
 * Does not know: how history is kept.
 */
#include "app/app_private.h"

#include <string.h>

/* Bytes of one line at most: three numbers of 20 digits and their names. */
#define LINE_BYTES_MAX 160
/* Bytes given to the network at once. */
#define PART_BYTES 16384

static void put_line(struct writer *writer, const struct exchange *exchange, const struct store_point *point)
{
	bool is_export = exchange->route == ROUTE_EXPORT;
	bool is_csv = exchange->wants_csv;
	if (!is_csv)
		writer_put_text(writer, "{");
	if (is_export) {
		writer_put_text(writer, is_csv ? "" : "\"user\":\"");
		writer_put_u64(writer, point->user.value);
		writer_put_text(writer, is_csv ? "," : "\",");
	}
	writer_put_text(writer, is_csv ? "" : "\"ts\":");
	writer_put_i64(writer, point->ts_ms);
	writer_put_text(writer, is_csv ? "," : ",\"lat\":");
	writer_put_fixed(writer, point->place.lat_e7, 7);
	writer_put_text(writer, is_csv ? "," : ",\"lon\":");
	writer_put_fixed(writer, point->place.lon_e7, 7);
	writer_put_text(writer, is_csv ? "\r\n" : "}\n");
}

/* Gives lines to the network while it has room. The portion's next point is in body_length. */
static void pump(struct exchange *exchange)
{
	struct app *app = exchange->app;
	struct store_request *request = &exchange->request;
	if (exchange->conn_gone) {
		exchange_end(exchange, false);
		return;
	}
	while (exchange->in_flight == 0 && net_send_room(app->net, exchange->conn)) {
		if (exchange->body_length == request->point_count) {
			exchange->body_length = 0;
			if (!request->more) {
				net_respond_end(app->net, exchange->conn);
				exchange_end(exchange, true);
				return;
			}
			exchange_ask(exchange, request);
			return;
		}
		char part[PART_BYTES];
		struct writer writer = writer_init(part, sizeof(part));
		while (exchange->body_length < request->point_count &&
		       writer_length(&writer) + LINE_BYTES_MAX < sizeof(part))
			put_line(&writer, exchange, &request->points[exchange->body_length++]);
		check(!writer.overflow);
		net_respond_part(app->net, exchange->conn, part, writer_length(&writer));
	}
}

static void next_portion(struct exchange *exchange, struct store_request *request)
{
	if (request->status != 0 && !exchange->conn_gone) {
		/* The head has left: only breaking off tells the client that it is not whole. */
		exchange->on_room = NULL;
		net_shut(exchange->app->net, exchange->conn, 1011, "", CLOSE_INTERNAL);
		return;
	}
	pump(exchange);
}

static void first_portion(struct exchange *exchange, struct store_request *request)
{
	if (request->status != 0) {
		const char *text;
		unsigned status = exchange_store_failure(request->status, &text);
		exchange_problem(exchange, status, "%s", text);
		return;
	}
	struct app *app = exchange->app;
	net_respond_begin(app->net, exchange->conn, 200,
			  exchange->wants_csv ? "text/csv; charset=utf-8" : "application/x-ndjson");
	if (exchange->is_head) {
		net_respond_end(app->net, exchange->conn);
		exchange_end(exchange, true);
		return;
	}
	if (exchange->wants_csv) {
		const char *head = exchange->route == ROUTE_EXPORT ? "user,ts,lat,lon\r\n" : "ts,lat,lon\r\n";
		net_respond_part(app->net, exchange->conn, head, strlen(head));
	}
	exchange->on_store = next_portion;
	exchange->on_room = pump;
	pump(exchange);
}

static void stream(struct exchange *exchange, enum store_op op)
{
	if (exchange->from_ms > exchange->to_ms) {
		exchange_problem(exchange, 400, "from must not be later than to");
		return;
	}
	exchange->request.op = op;
	exchange->request.user = exchange->user;
	exchange->request.from_ms = exchange->from_ms;
	exchange->request.to_ms = exchange->to_ms;
	exchange->on_store = first_portion;
	exchange_ask(exchange, &exchange->request);
}

void stream_history(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	stream(exchange, STORE_HISTORY);
}

void stream_export(struct exchange *exchange, const struct net_request *request)
{
	(void)request;
	stream(exchange, STORE_EXPORT);
}
