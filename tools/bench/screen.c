/*
 * Owns: drawing on the terminal.
 * Invariant: see the header.
 * Thread: the parent's.
 * Does not know: sessions.
 */
#include "bench/screen.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROWS_DEFAULT	24
#define COLUMNS_DEFAULT 80
#define NEWS_LINES	5
/* A row stays marked as news this long. */
#define NEWS_US	     (3u * 1000000u)
#define RATE_US	     (1u * 1000000u)
#define PLAIN_US     (5u * 1000000u)
#define BAR_COLUMNS  30
#define FRIENDS_MAX  5000
#define LINE_BYTES   256

#define ANSI_HOME	"\033[H"
#define ANSI_CLEAR	"\033[2J"
#define ANSI_REST	"\033[K"  /* erases to the end of the line */
#define ANSI_BELOW	"\033[J"  /* erases below */
#define ANSI_HIDE	"\033[?25l"
#define ANSI_SHOW	"\033[?25h"
#define ANSI_PLAIN	"\033[0m"
#define ANSI_BOLD	"\033[1m"
#define ANSI_DIM	"\033[2m"
#define ANSI_GREEN	"\033[32m"
#define ANSI_RED	"\033[31m"

/* A friend in view. */
struct row {
	uint32_t friend;
	double distance_m;
	double bearing_deg;
	uint64_t age_us;
	bool is_news;
};

struct screen {
	const struct world *world;
	const struct control *control;
	bool is_watching;
	bool is_terminal;
	bool was_drawn;
	uint64_t start_us;
	uint64_t rate_us; /* when the rates were last taken */
	uint64_t rate_sent, rate_pushed;
	double sent_per_s, pushed_per_s;
	uint32_t news_told;   /* of the watch log, without a terminal */
	uint64_t counters_us; /* when the counters were last a line */
	struct row rows[FRIENDS_MAX];
};

int screen_open(struct screen **screen, const struct world *world, const struct control *control)
{
	struct screen *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	made->world = world;
	made->control = control;
	made->is_watching = control->watched >= 0;
	made->is_terminal = isatty(made->is_watching ? STDOUT_FILENO : STDERR_FILENO) == 1;
	made->start_us = boot_us();
	*screen = made;
	return 0;
}

void screen_close(struct screen **screen)
{
	struct screen *closing = *screen;
	if (closing != NULL && closing->was_drawn)
		fputs(closing->is_watching ? ANSI_SHOW "\n" : "\r" ANSI_REST,
		      closing->is_watching ? stdout : stderr);
	free(closing);
	*screen = NULL;
}

/* ---- reading the world ---------------------------------------------------------------------- */

static double bearing_deg(struct nearby_place from, struct nearby_place to)
{
	const double unit = M_PI / 180 / 1e7;
	double lat_a = from.lat_e7 * unit, lat_b = to.lat_e7 * unit;
	double lon = ((double)to.lon_e7 - from.lon_e7) * unit;
	double east = sin(lon) * cos(lat_b);
	double north = cos(lat_a) * sin(lat_b) - sin(lat_a) * cos(lat_b) * cos(lon);
	return fmod(atan2(east, north) * 180 / M_PI + 360, 360);
}

static const char *compass(double degrees)
{
	static const char *const points[] = { "N", "NE", "E", "SE", "S", "SW", "W", "NW" };
	return points[(unsigned)(degrees / 45 + 0.5) % 8];
}

static bool row_fill(const struct screen *screen, uint32_t friend, uint32_t version, uint64_t now_us,
		     struct row *row)
{
	const struct world *world = screen->world;
	uint32_t user = (uint32_t)screen->control->watched;
	struct sighting own, other;
	if (!world_sighting(world, user, world_version(world, user), &own) ||
	    !world_sighting(world, friend, version, &other))
		return false;
	*row = (struct row){ .friend = friend,
			     .distance_m = oracle_distance_m(own.place, other.place),
			     .bearing_deg = bearing_deg(own.place, other.place),
			     .age_us = now_us > other.sent_us ? now_us - other.sent_us : 0 };
	return true;
}

static int row_order(const void *left, const void *right)
{
	const struct row *l = left, *r = right;
	return l->distance_m < r->distance_m ? -1 : l->distance_m > r->distance_m;
}

/* The oldest event of the watch log that can still be read, and the count of all. */
static uint32_t news_first(const struct control *control, uint32_t *count)
{
	*count = atomic_load_explicit(&control->watch_count, memory_order_acquire);
	return *count > WATCH_LOG_MAX / 2 ? *count - WATCH_LOG_MAX / 2 : 0;
}

/* The friends who are shown to the watched user, nearest first. */
static uint32_t rows_read(struct screen *screen, uint64_t now_us)
{
	const struct world *world = screen->world;
	uint32_t user = (uint32_t)screen->control->watched, count = 0, news_count;
	uint32_t first = news_first(screen->control, &news_count);
	for (uint32_t i = world->edge_first[user];
	     i < world->edge_first[user + 1] && count < FRIENDS_MAX; i++) {
		const struct view *view = &world->views[i];
		struct row *row = &screen->rows[count];
		if (!view->is_shown ||
		    !row_fill(screen, world->edge_user[i], view->version, now_us, row))
			continue;
		for (uint32_t n = first; n < news_count; n++) {
			const struct watch_event *event =
				&screen->control->watch_log[n % WATCH_LOG_MAX];
			row->is_news |= event->friend == row->friend && event->came &&
					now_us < event->at_us + NEWS_US;
		}
		count++;
	}
	qsort(screen->rows, count, sizeof(screen->rows[0]), row_order);
	return count;
}

static void rates_take(struct screen *screen, const struct tally *sum, uint64_t now_us)
{
	uint64_t pushed = sum->moved + sum->entered + sum->refreshed + sum->merged + sum->before;
	uint64_t since_us = now_us - screen->rate_us;
	if (screen->rate_us != 0 && since_us < RATE_US)
		return;
	if (screen->rate_us != 0) {
		screen->sent_per_s = (double)(sum->sent - screen->rate_sent) * 1e6 / (double)since_us;
		screen->pushed_per_s = (double)(pushed - screen->rate_pushed) * 1e6 / (double)since_us;
	}
	screen->rate_us = now_us;
	screen->rate_sent = sum->sent;
	screen->rate_pushed = pushed;
}

/* ---- the table of a watched user ------------------------------------------------------------ */

static const char *name_of(const struct screen *screen, uint32_t user, char text[WORLD_NAME_BYTES])
{
	if (screen->world->names[user][0] != 0)
		return screen->world->names[user];
	snprintf(text, WORLD_NAME_BYTES, "%" PRIu64, screen->world->ids[user]);
	return text;
}

/* At most 79 columns with all numbers that are to be expected. */
static void counters_format(const struct screen *screen, const struct tally *sum, const char *phase,
			    char line[LINE_BYTES])
{
	snprintf(line, LINE_BYTES,
		 "%-8s  %" PRIu64 " sessions  %.0f sent/s  %.0f pushed/s  p50 %.3g ms  p99 %.3g ms",
		 phase, sum->joined, screen->sent_per_s, screen->pushed_per_s,
		 (double)latency_at_us(&sum->push_latency, 0.5) / 1000,
		 (double)latency_at_us(&sum->push_latency, 0.99) / 1000);
}

static void event_print(const struct screen *screen, const struct watch_event *event,
			uint64_t now_us)
{
	char text[WORLD_NAME_BYTES];
	struct row row;
	const char *name = name_of(screen, event->friend, text);
	double at_s = (double)(event->at_us - screen->start_us) / 1e6;
	printf("%7.1f s  %c %-20s ", at_s, event->came ? '+' : '-', name);
	if (!event->came)
		printf("left: %s", event->why);
	else if (row_fill(screen, event->friend, world_version(screen->world, event->friend), now_us,
			  &row))
		printf("came: %.2f km %s", row.distance_m / 1000, compass(row.bearing_deg));
	else
		printf("came");
}

static void rows_print(const struct screen *screen, uint32_t count, unsigned room)
{
	char text[WORLD_NAME_BYTES];
	printf(ANSI_DIM "    %-22s %10s  %-4s %8s" ANSI_PLAIN ANSI_REST "\n", "friend", "distance",
	       "to", "age");
	for (unsigned i = 0; i < room; i++) {
		const struct row *row = &screen->rows[i];
		if (i >= count) {
			printf(ANSI_REST "\n");
			continue;
		}
		if (i == room - 1 && count > room) {
			printf(ANSI_DIM "    … and %u more" ANSI_PLAIN ANSI_REST "\n",
			       count - room + 1);
			continue;
		}
		printf("%s  %c %-22s %7.2f km  %-4s %6.1f s" ANSI_PLAIN ANSI_REST "\n",
		       row->is_news ? ANSI_GREEN : "", row->is_news ? '+' : ' ',
		       name_of(screen, row->friend, text), row->distance_m / 1000,
		       compass(row->bearing_deg), (double)row->age_us / 1e6);
	}
}

static void news_print(const struct screen *screen, uint64_t now_us)
{
	uint32_t count, first = news_first(screen->control, &count);
	if (count - first > NEWS_LINES)
		first = count - NEWS_LINES;
	for (uint32_t n = first; n < count; n++) {
		const struct watch_event *event = &screen->control->watch_log[n % WATCH_LOG_MAX];
		printf("%s", event->came ? ANSI_GREEN : ANSI_RED);
		event_print(screen, event, now_us);
		/* The last line is not ended, so that the terminal never scrolls. */
		printf(ANSI_PLAIN ANSI_REST "%s", n + 1 < count ? "\n" : "");
	}
}

static struct winsize window_size(int fd)
{
	struct winsize window = { .ws_row = 0 };
	if (ioctl(fd, TIOCGWINSZ, &window) < 0 || window.ws_row == 0 || window.ws_col == 0)
		window = (struct winsize){ .ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT };
	return window;
}

static void table_draw(struct screen *screen, const struct tally *sum, const char *phase,
		       uint64_t now_us)
{
	char text[WORLD_NAME_BYTES], line[LINE_BYTES];
	const struct world *world = screen->world;
	uint32_t user = (uint32_t)screen->control->watched;
	uint32_t friends = world->edge_first[user + 1] - world->edge_first[user];
	uint32_t count = rows_read(screen, now_us);
	struct winsize window = window_size(STDOUT_FILENO);
	/* Beside the friends: two lines at the top, the head of the table, a gap, and the news. */
	unsigned room = window.ws_row > NEWS_LINES + 6 ? window.ws_row - NEWS_LINES - 4u : 2u;
	printf("%s" ANSI_HOME, screen->was_drawn ? "" : ANSI_HIDE ANSI_CLEAR);
	screen->was_drawn = true;
	counters_format(screen, sum, phase, line);
	printf("%.*s" ANSI_REST "\n" ANSI_BOLD "%s" ANSI_PLAIN " sees %u of %u friends within %.2f km"
			 ANSI_REST "\n",
	       window.ws_col - 1, line, name_of(screen, user, text), count, friends, sum->radius_m / 1000);
	rows_print(screen, count, room);
	printf(ANSI_REST "\n");
	news_print(screen, now_us);
	printf(ANSI_BELOW);
	fflush(stdout);
}

/* Without a terminal: each event is a line, and the counters every few seconds. */
static void lines_print(struct screen *screen, const struct tally *sum, const char *phase,
			uint64_t now_us)
{
	char line[LINE_BYTES];
	uint32_t count, first = news_first(screen->control, &count);
	for (uint32_t n = screen->news_told > first ? screen->news_told : first; n < count; n++) {
		event_print(screen, &screen->control->watch_log[n % WATCH_LOG_MAX], now_us);
		printf("\n");
	}
	screen->news_told = count;
	if (now_us >= screen->counters_us + PLAIN_US) {
		screen->counters_us = now_us;
		counters_format(screen, sum, phase, line);
		printf("%s\n", line);
	}
	fflush(stdout);
}

/* ---- the progress line ---------------------------------------------------------------------- */

static void progress_draw(struct screen *screen, const struct tally *sum, const char *phase,
			  double share)
{
	static const char full[] = "==============================";
	char line[LINE_BYTES];
	int columns = share < 0 ? 0 : (int)(fmin(share, 1) * BAR_COLUMNS);
	uint64_t findings = tally_findings(sum);
	int length = snprintf(line, sizeof(line), "%-8s [%-*.*s] ", phase, BAR_COLUMNS, columns, full);
	if (findings > 0)
		length += snprintf(line + length, sizeof(line) - (size_t)length, "%" PRIu64 " FINDINGS  ",
				   findings);
	snprintf(line + length, sizeof(line) - (size_t)length, "%.0f sent/s  %.0f pushed/s  %" PRIu64
		 " sent", screen->sent_per_s, screen->pushed_per_s, sum->sent);
	fprintf(stderr, "\r%.*s" ANSI_REST, window_size(STDERR_FILENO).ws_col - 1, line);
	screen->was_drawn = true;
}

void screen_show(struct screen *screen, const struct tally *sum, const char *phase, double share)
{
	uint64_t now_us = boot_us();
	if (screen->is_watching && !screen->is_terminal) {
		lines_print(screen, sum, phase, now_us);
		rates_take(screen, sum, now_us);
		return;
	}
	if (!screen->is_terminal)
		return;
	rates_take(screen, sum, now_us);
	if (screen->is_watching)
		table_draw(screen, sum, phase, now_us);
	else
		progress_draw(screen, sum, phase, share);
}
