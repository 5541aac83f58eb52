/*
 * Owns: answers that are streams of history: of one user, and of all (export); erasing that of one.
 * Invariant: one portion of the store is in memory at a time; the next is asked for when this one
 *   has been taken by the client.
 * Thread: the core's.
 * Does not know: how history is kept.
 */
#include "app/app_private.h"

#include <string.h>

/* Bytes of one location at most: four numbers of 20 digits, and what stands around them in a feature. */
#define LINE_BYTES_MAX 256
/* Bytes given to the network at once. */
#define PART_BYTES 16384

const char *stream_type(enum stream_format format)
{
	static const char *const types[STREAM_FORMAT_COUNT] = {
		[STREAM_NDJSON] = "application/x-ndjson",
		[STREAM_CSV] = "text/csv",
		[STREAM_GEOJSON] = "application/geo+json",
	};
	return types[format];
}

/* ---- one location ----------------------------------------------------------------------------- */

static void put_place(struct writer *writer, int32_t first_e7, const char *between, int32_t second_e7)
{
	writer_put_fixed(writer, first_e7, 7);
	writer_put_text(writer, between);
	writer_put_fixed(writer, second_e7, 7);
}

static void put_ndjson(struct writer *writer, bool has_user, const struct store_point *point)
{
	writer_put_text(writer, "{");
	if (has_user) {
		writer_put_text(writer, "\"user\":\"");
		writer_put_u64(writer, point->user.value);
		writer_put_text(writer, "\",");
	}
	writer_put_text(writer, "\"ts\":");
	writer_put_i64(writer, point->ts_ms);
	writer_put_text(writer, ",\"lat\":");
	put_place(writer, point->place.lat_e7, ",\"lon\":", point->place.lon_e7);
	writer_put_text(writer, "}\n");
}

static void put_csv(struct writer *writer, bool has_user, const struct store_point *point)
{
	if (has_user) {
		writer_put_u64(writer, point->user.value);
		writer_put_text(writer, ",");
	}
	writer_put_i64(writer, point->ts_ms);
	writer_put_text(writer, ",");
	put_place(writer, point->place.lat_e7, ",", point->place.lon_e7);
	writer_put_text(writer, "\r\n");
}

/* RFC 7946: a point is longitude, then latitude. */
static void put_feature(struct writer *writer, bool has_user, bool is_first, const struct store_point *point)
{
	writer_put_text(writer, is_first ? "\n" : ",\n");
	writer_put_text(writer, "{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[");
	put_place(writer, point->place.lon_e7, ",", point->place.lat_e7);
	writer_put_text(writer, "]},\"properties\":{\"ts\":");
	writer_put_i64(writer, point->ts_ms);
	if (has_user) {
		writer_put_text(writer, ",\"user\":\"");
		writer_put_u64(writer, point->user.value);
		writer_put_text(writer, "\"");
	}
	writer_put_text(writer, "}}");
}

static void put_point(struct writer *writer, struct exchange *exchange, const struct store_point *point)
{
	bool has_user = exchange->route == ROUTE_EXPORT;
	switch (exchange->format) {
	case STREAM_CSV:
		put_csv(writer, has_user, point);
		return;
	case STREAM_GEOJSON:
		put_feature(writer, has_user, !exchange->is_begun, point);
		exchange->is_begun = true;
		return;
	default:
		put_ndjson(writer, has_user, point);
	}
}

/* What stands before the first location, and after the last. */
static const char *head_of(const struct exchange *exchange)
{
	if (exchange->format == STREAM_GEOJSON)
		return "{\"type\":\"FeatureCollection\",\"features\":[";
	if (exchange->format == STREAM_CSV)
		return exchange->route == ROUTE_EXPORT ? "user,ts,lat,lon\r\n" : "ts,lat,lon\r\n";
	return "";
}

static const char *tail_of(const struct exchange *exchange)
{
	return exchange->format == STREAM_GEOJSON ? "\n]}\n" : "";
}

static void give_text(struct exchange *exchange, const char *text)
{
	if (text[0] != '\0')
		net_respond_part(exchange->app->net, exchange->conn, text, strlen(text));
}

/* ---- streams ---------------------------------------------------------------------------------- */

/* Gives locations to the network while it has room. The portion's next point is in body_length. */
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
				give_text(exchange, tail_of(exchange));
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
			put_point(&writer, exchange, &request->points[exchange->body_length++]);
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
			  exchange->format == STREAM_CSV ? "text/csv; charset=utf-8" : stream_type(exchange->format));
	if (exchange->is_head) {
		net_respond_end(app->net, exchange->conn);
		exchange_end(exchange, true);
		return;
	}
	give_text(exchange, head_of(exchange));
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

/* ---- erasing ---------------------------------------------------------------------------------- */

void stream_history_erase(struct exchange *exchange, const struct net_request *request)
{
	char memory[64];
	if (query_value(request->query, "from", memory, sizeof(memory)).bytes != NULL ||
	    query_value(request->query, "to", memory, sizeof(memory)).bytes != NULL)
		exchange_problem(exchange, 400, "from, to: a history is erased as a whole, not over a range of time");
	else
		exchange_question(exchange, STORE_HISTORY_ERASE, exchange_answer_nothing);
}
