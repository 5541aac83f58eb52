/*
 * Owns: reading a story's lines, doing what they say, comparing what is received.
 * Invariant: a line that is not understood stops the story; nothing is skipped.
 * Thread: one.
 * Does not know: what is right in general; the cluster's oracle watches as well.
 */
#include "story.h"

#include "base/check.h"
#include "cluster.h"
#include "globe.h"
#include "tell.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX 160
#define DEVICES_MAX 200
#define WORDS_MAX (USERS_MAX + 2)
#define LINE_BYTES 4096
#define LINES_MAX 1000
#define TURNS_MAX 8
#define SECOND_US 1000000u

struct device_name {
	char text[40];
	uint32_t device;
	bool has_next;
	struct page_cursor next;
};

struct story {
	const char *path;
	uint32_t line; /* that is being read, from 1 */
	bool is_wrong;
	/* What stands before it begins. */
	char labels[USERS_MAX][24];
	const char *label_pointers[USERS_MAX];
	uint32_t homes[USERS_MAX]; /* wanted core, or ORACLE_NOBODY */
	uint64_t ids[USERS_MAX];
	uint32_t user_count;
	uint32_t crowd_first;	   /* the crowd is the last users */
	uint32_t loads[USERS_MAX]; /* lists of friends that have not entered, or ORACLE_NOBODY */
	uint32_t crowd[USERS_MAX]; /* their devices */
	uint32_t turns[TURNS_MAX];
	uint32_t turn_count;
	struct cluster_config config;
	struct nearby_place origin;
	uint8_t friends[USERS_MAX][USERS_MAX];
	/* What goes on. */
	struct cluster *cluster;
	struct device_name devices[DEVICES_MAX];
	uint32_t device_count;
	char *received[LINES_MAX]; /* since the last line that did something */
	uint32_t received_count, compared_count;
	FILE *tell_to;
};

static void wrong(struct story *story, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void wrong(struct story *story, const char *format, ...)
{
	if (story->is_wrong)
		return;
	story->is_wrong = true;
	fprintf(stderr, "%s:%u: ", story->path, story->line);
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* ---- who is who ------------------------------------------------------------------------------ */

static uint32_t user_of(struct story *story, const char *label)
{
	for (uint32_t user = 0; user < story->user_count; user++)
		if (strcmp(story->labels[user], label) == 0)
			return user;
	wrong(story, "nobody is called %s", label);
	return 0;
}

static struct user_id id_of(struct story *story, const char *label)
{
	return (struct user_id){ story->ids[user_of(story, label)] };
}

/* The latest device of that name. */
static struct device_name *device_of(struct story *story, const char *text)
{
	for (uint32_t i = story->device_count; i-- > 0;)
		if (strcmp(story->devices[i].text, text) == 0)
			return &story->devices[i];
	wrong(story, "no device is called %s", text);
	return &story->devices[0];
}

static double number(struct story *story, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (*end != '\0' || end == text)
		wrong(story, "%s is no number", text);
	return value;
}

/* ---- what is received ------------------------------------------------------------------------ */

static void hear(void *context, uint32_t device, bool is_answer, const struct server_msg *msg)
{
	struct story *story = context;
	struct device_name *whose = NULL;
	(void)is_answer;
	for (uint32_t i = 0; i < story->device_count; i++)
		if (story->devices[i].device == device)
			whose = &story->devices[i];
	if (whose == NULL)
		return;
	if (msg->type == SERVER_NEARBY) {
		whose->has_next = msg->nearby.has_next;
		whose->next = msg->nearby.next;
	}
	check(story->received_count < LINES_MAX);
	char **line = &story->received[story->received_count++];
	size_t bytes;
	FILE *to = open_memstream(line, &bytes);
	check(to != NULL);
	tell_message(to, cluster_oracle(story->cluster), story->label_pointers, whose->text, msg);
	check(fclose(to) == 0);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void forget_received(struct story *story)
{
	for (uint32_t i = 0; i < story->received_count; i++)
		free(story->received[i]);
	story->received_count = story->compared_count = 0;
}

static void compare(struct story *story, const char *wanted)
{
	if (story->compared_count == story->received_count)
		wrong(story, "nothing comes, not '%s'", wanted);
	else if (strcmp(story->received[story->compared_count], wanted) != 0)
		wrong(story, "comes: %s", story->received[story->compared_count]);
	else
		story->compared_count++;
}

/* All that came has been named. */
static void end_of_comparison(struct story *story)
{
	if (story->tell_to == NULL && story->compared_count < story->received_count)
		wrong(story, "comes before this line: %s", story->received[story->compared_count]);
	forget_received(story);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static uint32_t load_of(struct story *story, uint32_t user)
{
	uint32_t load = story->loads[user];
	story->loads[user] = ORACLE_NOBODY;
	return load != ORACLE_NOBODY ? load : book_load(cluster_book(story->cluster), user);
}

static void do_load(struct story *story, char **words, uint32_t count)
{
	(void)count;
	uint32_t user = user_of(story, words[1]);
	story->loads[user] = book_load(cluster_book(story->cluster), user);
}

static void do_join(struct story *story, char **words, uint32_t count)
{
	(void)count;
	struct device_name *device = &story->devices[story->device_count];
	char label[40];
	check(story->device_count < DEVICES_MAX);
	snprintf(device->text, sizeof(device->text), "%s", words[1]);
	snprintf(label, sizeof(label), "%s", words[1]);
	label[strcspn(label, ".")] = '\0';
	device->device = cluster_join(story->cluster, load_of(story, user_of(story, label)));
	story->device_count++;
	if (device->device == ORACLE_NOBODY)
		wrong(story, "no room to join");
}

static void do_leave(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_leave(story->cluster, device_of(story, words[1])->device);
}

static void do_at(struct story *story, char **words, uint32_t count)
{
	double east_m = number(story, words[2]), north_m = number(story, words[3]);
	struct nearby_place place =
		globe_travel(story->origin, atan2(east_m, north_m), hypot(east_m, north_m));
	int64_t age_ms = count > 4 ? (int64_t)number(story, words[4]) : 0;
	cluster_locate(story->cluster, device_of(story, words[1])->device, place,
		       cluster_moment(story->cluster).wall_ms - age_ms);
}

static void page(struct story *story, char **words, uint32_t count, bool is_first)
{
	struct device_name *device = device_of(story, words[1]);
	uint32_t limit = count > 2 ? (uint32_t)number(story, words[2]) : PAGE_LIMIT_DEFAULT;
	if (!is_first && !device->has_next) {
		wrong(story, "%s has no next page", words[1]);
		return;
	}
	struct page_cursor cursor = device->next;
	cluster_nearby(story->cluster, device->device, limit, is_first ? NULL : &cursor);
}

static void do_nearby(struct story *story, char **words, uint32_t count)
{
	page(story, words, count, true);
}

static void do_more(struct story *story, char **words, uint32_t count)
{
	page(story, words, count, false);
}

static void do_list(struct story *story, char **words, uint32_t count)
{
	(void)count;
	char *text;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);
	check(to != NULL);
	fprintf(to, "%s: lists %u", words[1],
		cluster_list(story->cluster, user_of(story, words[1]), PAGE_LIMIT_DEFAULT));
	check(fclose(to) == 0);
	story->received[story->received_count++] = text;
}

static void do_subscribe(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_subscribe(story->cluster, device_of(story, words[1])->device,
			  id_of(story, words[2]));
}

static void do_unsubscribe(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_unsubscribe(story->cluster, device_of(story, words[1])->device,
			    id_of(story, words[2]));
}

static void do_befriend(struct story *story, char **words, uint32_t count)
{
	(void)count;
	book_befriend(cluster_book(story->cluster), user_of(story, words[1]),
		      user_of(story, words[2]));
}

static void do_unfriend(struct story *story, char **words, uint32_t count)
{
	(void)count;
	book_unfriend(cluster_book(story->cluster), user_of(story, words[1]),
		      user_of(story, words[2]));
}

static void do_rename(struct story *story, char **words, uint32_t count)
{
	(void)count;
	book_rename(cluster_book(story->cluster), user_of(story, words[1]), words[2]);
}

static void do_share(struct story *story, char **words, uint32_t count)
{
	enum sharing_mode mode = SHARING_DEFAULT;
	struct book *book = cluster_book(story->cluster);
	if (strcmp(words[2], "default") != 0 &&
	    !sharing_mode_parse(words[2], strlen(words[2]), &mode))
		wrong(story, "%s is no mode", words[2]);
	uint32_t user = user_of(story, words[1]);
	bool is_begun = count > 3 ? book_except(book, user, user_of(story, words[3]), mode)
				  : book_share(book, user, mode);
	if (!is_begun)
		wrong(story, "%s cannot choose that now", words[1]);
}

static void do_forget(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_forget(story->cluster, user_of(story, words[1]));
}

static void do_pause(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_pause(story->cluster, device_of(story, words[1])->device);
}

static void do_resume(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_resume(story->cluster, device_of(story, words[1])->device);
}

static void do_wait(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_run(story->cluster, (uint64_t)(number(story, words[1]) * SECOND_US));
}

static void do_clock(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_advance(story->cluster, 0, (int64_t)(number(story, words[1]) * 1000));
}

static uint32_t core_of(struct story *story, const char *text)
{
	uint32_t core = (uint32_t)number(story, text);
	if (core < cluster_cores(story->cluster))
		return core;
	wrong(story, "there is no core %s", text);
	return 0;
}

static void do_hold(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_hold_link(story->cluster, core_of(story, words[1]), core_of(story, words[2]), true);
}

static void do_release(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_hold_link(story->cluster, core_of(story, words[1]), core_of(story, words[2]),
			  false);
}

static void do_deaf(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_hold_changes(story->cluster, core_of(story, words[1]), true);
}

static void do_hearing(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_hold_changes(story->cluster, core_of(story, words[1]), false);
}

/* Everyone of the crowd is at the next step east, on a device that connects for it. */
static void place_crowd(struct story *story, double step_m, double from_m)
{
	for (uint32_t user = story->crowd_first, i = 1; user < story->user_count; user++, i++) {
		if (story->crowd[user] == ORACLE_NOBODY)
			story->crowd[user] = cluster_join(
				story->cluster, book_load(cluster_book(story->cluster), user));
		cluster_locate(story->cluster, story->crowd[user],
			       globe_travel(story->origin, acos(0), from_m + step_m * i),
			       cluster_moment(story->cluster).wall_ms);
	}
}

static void do_gather(struct story *story, char **words, uint32_t count)
{
	(void)count;
	place_crowd(story, number(story, words[1]), 0);
}

static void do_scatter(struct story *story, char **words, uint32_t count)
{
	(void)words, (void)count;
	place_crowd(story, 1, 10 * story->config.radius_m);
}

static void do_restart(struct story *story, char **words, uint32_t count)
{
	(void)count;
	cluster_restart(story->cluster, (uint32_t)number(story, words[1]));
}

static const struct {
	const char *word;
	uint32_t count_min, count_max; /* words in all */
	void (*run)(struct story *story, char **words, uint32_t count);
} happenings[] = {
	{ "load", 2, 2, do_load },
	{ "join", 2, 2, do_join },
	{ "leave", 2, 2, do_leave },
	{ "at", 4, 5, do_at },
	{ "nearby", 2, 3, do_nearby },
	{ "more", 2, 3, do_more },
	{ "list", 2, 2, do_list },
	{ "subscribe", 3, 3, do_subscribe },
	{ "unsubscribe", 3, 3, do_unsubscribe },
	{ "befriend", 3, 3, do_befriend },
	{ "unfriend", 3, 3, do_unfriend },
	{ "rename", 3, 3, do_rename },
	{ "share", 3, 4, do_share },
	{ "forget", 2, 2, do_forget },
	{ "pause", 2, 2, do_pause },
	{ "resume", 2, 2, do_resume },
	{ "wait", 2, 2, do_wait },
	{ "clock", 2, 2, do_clock },
	{ "hold", 3, 3, do_hold },
	{ "release", 3, 3, do_release },
	{ "deaf", 2, 2, do_deaf },
	{ "hearing", 2, 2, do_hearing },
	{ "gather", 2, 2, do_gather },
	{ "scatter", 1, 1, do_scatter },
	{ "restart", 2, 2, do_restart },
};

/* ---- before it begins ------------------------------------------------------------------------ */

static void set_users(struct story *story, char **words, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		uint32_t user = story->user_count++;
		check(user < USERS_MAX);
		snprintf(story->labels[user], sizeof(story->labels[user]), "%s", words[i]);
		char *at = strchr(story->labels[user], '@');
		story->homes[user] = at != NULL ? (uint32_t)atoi(at + 1) : ORACLE_NOBODY;
		if (at != NULL)
			*at = '\0';
		story->label_pointers[user] = story->labels[user];
	}
}

static void set_crowd(struct story *story, uint32_t size)
{
	story->crowd_first = story->user_count;
	for (uint32_t i = 0; i < size; i++) {
		char label[16];
		char *words[] = { NULL, label };
		snprintf(label, sizeof(label), "c%u", i);
		set_users(story, words, 2);
		story->friends[0][story->user_count - 1] = true;
	}
}

/* False when the line is none of these. */
static bool set(struct story *story, char **words, uint32_t count)
{
	struct cluster_config *config = &story->config;
	if (strcmp(words[0], "users") == 0) {
		set_users(story, words, count);
	} else if (strcmp(words[0], "crowd") == 0 && count == 2) {
		set_crowd(story, (uint32_t)number(story, words[1]));
	} else if (strcmp(words[0], "cores") == 0) {
		story->turn_count = 0;
		for (uint32_t i = 1; i < count && i <= TURNS_MAX; i++)
			story->turns[story->turn_count++] = (uint32_t)number(story, words[i]);
	} else if (strcmp(words[0], "radius") == 0 && count == 2) {
		config->radius_m = number(story, words[1]);
	} else if (strcmp(words[0], "ttl") == 0 && count == 2) {
		config->ttl_us = (uint64_t)(number(story, words[1]) * SECOND_US);
	} else if (strcmp(words[0], "interval") == 0 && count == 2) {
		config->interval_us = (uint64_t)(number(story, words[1]) * 1000);
	} else if (strcmp(words[0], "channels") == 0 && count == 2) {
		config->channels_max = (uint32_t)number(story, words[1]);
	} else if (strcmp(words[0], "origin") == 0 && count == 3) {
		story->origin = globe_place(number(story, words[1]), number(story, words[2]));
	} else if (strcmp(words[0], "friends") == 0 && count == 3) {
		story->friends[user_of(story, words[1])][user_of(story, words[2])] = true;
	} else {
		return false;
	}
	return true;
}

/* Ids grow, and each is homed where the story wants it. */
static void give_ids(struct story *story)
{
	uint64_t id = 1;
	for (uint32_t user = 0; user < story->user_count; user++, id++) {
		uint32_t wanted = story->homes[user];
		check(wanted == ORACLE_NOBODY || wanted < story->turns[0]);
		while (wanted != ORACLE_NOBODY && nearby_home_core(id, story->turns[0]) != wanted)
			id++;
		story->ids[user] = id;
	}
}

static void begin(struct story *story, uint32_t cores)
{
	give_ids(story);
	struct cluster_config *config = &story->config;
	config->cores = cores;
	config->user_count = story->user_count;
	config->ids = story->ids;
	config->devices_max = DEVICES_MAX;
	config->sessions_max = DEVICES_MAX;
	config->friends_max = USERS_MAX;
	config->cell_length = 5;
	config->strangers_max = STRANGERS_MAX;
	config->subscriptions_max = DEVICES_MAX * USERS_MAX;
	config->table_users_max = 1024;
	config->link_room = 64;
	config->start_us = 1000 * SECOND_US;
	config->start_ms = 1700000000000;
	config->received = hear;
	config->context = story;
	story->cluster = cluster_open(config);
	for (uint32_t user = 0; user < story->user_count; user++)
		oracle_named(cluster_oracle(story->cluster), user, story->labels[user]);
	for (uint32_t a = 0; a < story->user_count; a++)
		for (uint32_t b = 0; b < story->user_count; b++)
			if (story->friends[a][b])
				book_befriend(cluster_book(story->cluster), a, b);
	book_restart(cluster_book(story->cluster), cores);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static uint32_t split(char *line, char **words)
{
	uint32_t count = 0;
	char *rest = line;
	for (char *word; count < WORDS_MAX && (word = strtok_r(rest, " \t", &rest)) != NULL;)
		words[count++] = word;
	return count;
}

static void happen(struct story *story, char **words, uint32_t count)
{
	end_of_comparison(story);
	for (size_t i = 0; i < ARRAY_COUNT(happenings); i++) {
		if (strcmp(happenings[i].word, words[0]) != 0)
			continue;
		if (count < happenings[i].count_min || count > happenings[i].count_max) {
			wrong(story, "%s with %u words", words[0], count);
			return;
		}
		cluster_advance(story->cluster, 1000, 0);
		happenings[i].run(story, words, count);
		cluster_settle(story->cluster);
		cluster_check(story->cluster);
		qsort(story->received, story->received_count, sizeof(*story->received),
		      compare_lines);
		if (oracle_violation(cluster_oracle(story->cluster)) != NULL)
			wrong(story, "violation: %s",
			      oracle_violation(cluster_oracle(story->cluster)));
		return;
	}
	wrong(story, "'%s' is not understood", words[0]);
}

static void tell_received(struct story *story)
{
	for (uint32_t i = 0; i < story->received_count; i++)
		fprintf(story->tell_to, "> %s\n", story->received[i]);
}

static void read_line(struct story *story, char *line, uint32_t cores)
{
	char *words[WORDS_MAX];
	bool is_wanted = line[0] == '>';
	if (story->tell_to != NULL && !is_wanted)
		fprintf(story->tell_to, "%s\n", line);
	if (is_wanted) {
		if (story->tell_to == NULL)
			compare(story, line + 1 + strspn(line + 1, " "));
		return;
	}
	line[strcspn(line, "#")] = '\0';
	uint32_t count = split(line, words);
	if (count == 0 || (story->cluster == NULL && set(story, words, count)))
		return;
	if (story->cluster == NULL)
		begin(story, cores);
	happen(story, words, count);
	if (story->tell_to != NULL)
		tell_received(story);
}

/* One turn of the story, with that many cores; 0: with the first number that it names. */
static bool play(const char *path, uint32_t turn, uint32_t *turn_count, FILE *tell_to)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		perror(path);
		return false;
	}
	struct story *story = calloc(1, sizeof(*story));
	check(story != NULL);
	story->path = path;
	story->tell_to = tell_to;
	memcpy(story->turns, (uint32_t[]){ 1, 2, 8 }, 3 * sizeof(uint32_t));
	story->turn_count = 3;
	story->crowd_first = USERS_MAX;
	memset(story->crowd, 0xff, sizeof(story->crowd));
	memset(story->loads, 0xff, sizeof(story->loads));
	story->origin = globe_place(52.52, 13.405);
	story->config.radius_m = 8046.72;
	story->config.channels_max = 2 * USERS_MAX;
	story->config.ttl_us = 600ull * SECOND_US;
	char line[LINE_BYTES];
	while (!story->is_wrong && fgets(line, sizeof(line), file) != NULL) {
		story->line++;
		line[strcspn(line, "\n")] = '\0';
		read_line(story, line, story->turns[turn]);
	}
	end_of_comparison(story);
	bool holds = !story->is_wrong && story->cluster != NULL;
	if (!holds)
		fprintf(stderr, "%s: with %u cores it does not hold\n", path, story->turns[turn]);
	*turn_count = story->turn_count;
	if (story->cluster != NULL)
		cluster_close(&story->cluster);
	free(story);
	fclose(file);
	return holds;
}

bool story_holds(const char *path)
{
	uint32_t turn_count = 1;
	for (uint32_t turn = 0; turn < turn_count; turn++)
		if (!play(path, turn, &turn_count, NULL))
			return false;
	return true;
}

bool story_tell(const char *path, FILE *to)
{
	uint32_t turn_count;
	return play(path, 0, &turn_count, to);
}
