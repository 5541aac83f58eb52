/*
 * Owns: see engine_world.h.
 * Invariant: see engine_world.h.
 * Thread: one.
 * Does not know: bytes, connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine/geo.h"
#include "engine_world.h"

enum {
	CORES_MAX = 8,
	FRIENDSHIPS_MAX = 20000,
	DEVICES_MAX = 6000,
	HEARD_BYTES = 2000,
	NAMES_MAX = 16,
	SHARES_MAX = 64,
	BARS_MAX = 64,
};

struct ear {
	struct device device;
	char heard[HEARD_BYTES];
	struct entry entries[FRAME_ENTRIES_MAX];
	char names[FRAME_ENTRIES_MAX][NAME_BYTES_MAX];
	uint32_t entry_count;
	bool has_more;
	struct page_cursor cursor;
	struct entry people[STRANGERS_MAX];
	uint32_t people_count;
};

struct world {
	struct nearby_segment *segment;
	uint32_t cores;
	struct engine *engines[CORES_MAX];
	void *memories[CORES_MAX];
	uint64_t now_us;
	uint64_t friendships[FRIENDSHIPS_MAX][2];
	uint32_t friendship_count;
	uint64_t bars[BARS_MAX][2];
	uint32_t bar_count;
	struct {
		uint64_t user;
		char name[NAME_BYTES_MAX + 1];
	} names[NAMES_MAX];
	uint32_t name_count;
	struct {
		uint64_t sharer, viewer; /* what the sharer shows that one, or everybody */
		bool is_default;
		enum sharing_mode mode;
	} shares[SHARES_MAX];
	uint32_t share_count;
	void (*listen)(void *listener, struct device device, const struct server_msg *msg);
	void *listener;
	bool has_record;
	struct ear *ears;
	uint32_t ear_count;
	struct friend_info friends[FRIENDSHIPS_MAX];
	char friend_names[FRIENDSHIPS_MAX][NAME_BYTES_MAX + 1];
};

/* ---- the world ---------------------------------------------------------------------------- */

static struct nearby_counter_info *counter_infos(void)
{
	static struct nearby_counter_info infos[] = {
#define COUNTER(name_, text, kind_, help_) { .name = text, .help = help_, .kind = KIND_##kind_ },
#define KIND_COUNTER NEARBY_COUNTER
#define KIND_GAUGE NEARBY_GAUGE
#include "engine/engine_counters.tbl"
#undef COUNTER
	};
	return infos;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static void open_engine(struct world *world, const struct world_config *limits, uint32_t core)
{
	struct engine_config config = {
		.core = core,
		.cores = world->cores,
		.radius_m = WORLD_RADIUS_M,
		.ttl_us = WORLD_TTL_US,
		.cell_length = or_default(limits->cell_length, 5),
		.strangers_max = STRANGERS_MAX,
		.sessions_max = or_default(limits->sessions_max, 100),
		.friends_max = or_default(limits->friends_max, 5000),
		.channels_max = or_default(limits->channels_max, 8000),
		.subscriptions_max = or_default(limits->subscriptions_max, 40000),
		.segment = world->segment,
		.counters = nearby_segment_block(world->segment, core),
	};
	size_t bytes = (engine_memory_bytes(&config) + 63) & ~(size_t)63;
	world->memories[core] = aligned_alloc(64, bytes);
	assert_non_null(world->memories[core]);
	memset(world->memories[core], 0, bytes);
	assert_int_equal(engine_init(&world->engines[core], &config, world->memories[core], bytes),
			 0);
}

struct world *world_open(struct world_config limits)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);
	world->ears = calloc(DEVICES_MAX, sizeof(*world->ears));
	assert_non_null(world->ears);
	world->cores = or_default(limits.cores, 1);
	world->now_us = 1000 * SECOND_US;
	struct nearby_segment_config config = {
		.cores = world->cores,
		.blocks = world->cores,
		.users_max = or_default(limits.users_max, 1000),
		.counters = counter_infos(),
		.counter_count = ENGINE_COUNTER_COUNT,
	};
	enum nearby_segment_birth birth;
	const char *reason = NULL;
	assert_int_equal(nearby_segment_create(&world->segment, &config, &birth, &reason), 0);
	for (uint32_t core = 0; core < world->cores; core++)
		open_engine(world, &limits, core);
	return world;
}

void world_close(struct world *world)
{
	for (uint32_t core = 0; core < world->cores; core++) {
		engine_check(world->engines[core]);
		free(world->memories[core]);
	}
	nearby_segment_close(&world->segment);
	free(world->ears);
	free(world);
}

struct engine *world_engine(struct world *world, uint32_t core)
{
	return world->engines[core];
}

struct nearby_segment *world_segment(struct world *world)
{
	return world->segment;
}

uint64_t world_now_us(const struct world *world)
{
	return world->now_us;
}

uint64_t world_counter(const struct world *world, enum engine_counter counter)
{
	return nearby_segment_read(world->segment, counter, 0);
}

uint32_t world_user_of(const struct world *world, uint32_t core, uint32_t n)
{
	uint32_t user = 0;
	while (n > 0)
		if (nearby_home_core(++user, world->cores) == core)
			n--;
	return user;
}

static int64_t wall_now(const struct world *world)
{
	return INT64_C(1700000000000) + (int64_t)(world->now_us / 1000);
}

/* ---- ears --------------------------------------------------------------------------------- */

static struct ear *ear_of(const struct world *world, struct session_id session, uint32_t core)
{
	for (uint32_t i = 0; i < world->ear_count; i++) {
		struct device *device = &world->ears[i].device;
		if (device->core == core && device->session.slot == session.slot &&
		    device->session.generation == session.generation)
			return &world->ears[i];
	}
	fail_msg("a message for session %u.%u, which there is not", session.slot,
		 session.generation);
	return NULL;
}

__attribute__((format(printf, 2, 3))) static void hear(struct ear *ear, const char *format, ...)
{
	size_t length = strlen(ear->heard);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(ear->heard + length, sizeof(ear->heard) - length, format, arguments);
	va_end(arguments);
}

static int compare_users(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static int by_user(const void *a, const void *b)
{
	uint64_t left = ((const struct entry *)a)->user.value;
	uint64_t right = ((const struct entry *)b)->user.value;
	return left < right ? -1 : left > right;
}

static void keep_entries(struct ear *ear, const struct entry *entries, uint32_t count)
{
	assert_true(count <= FRAME_ENTRIES_MAX);
	ear->entry_count = count;
	for (uint32_t i = 0; i < count; i++) {
		ear->entries[i] = entries[i];
		memcpy(ear->names[i], entries[i].name, entries[i].name_length);
		ear->entries[i].name = ear->names[i];
		assert_true(entries[i].distance_mm <= (uint64_t)(WORLD_RADIUS_M * 1000));
	}
}

static void hear_entries(struct ear *ear)
{
	for (uint32_t i = 0; i < ear->entry_count; i++)
		hear(ear, " %llu", (unsigned long long)ear->entries[i].user.value);
}

static void hear_nearby(struct ear *ear, const struct server_msg *msg)
{
	keep_entries(ear, msg->nearby.entries, msg->nearby.count);
	hear(ear, "nearby");
	hear_entries(ear);
	hear(ear, " of %u%s", msg->nearby.total, msg->nearby.has_next ? " more" : "");
	ear->has_more = msg->nearby.has_next;
	if (ear->has_more)
		ear->cursor = msg->nearby.next;
}

static void hear_update(struct ear *ear, const struct server_msg *msg)
{
	keep_entries(ear, msg->update.entries, msg->update.count);
	assert_true(ear->entry_count > 0);
	qsort(ear->entries, ear->entry_count, sizeof(ear->entries[0]), by_user);
	hear(ear, "update");
	hear_entries(ear);
}

static void hear_gone(struct ear *ear, const struct server_msg *msg)
{
	static const char *const whys[] = { "far", "idle", "off", "unfriended" };
	assert_true(msg->gone.count > 0 && msg->gone.count <= FRAME_ENTRIES_MAX);
	hear(ear, "gone");
	for (uint32_t i = 0; i < msg->gone.count; i++)
		hear(ear, " %llu %s", (unsigned long long)msg->gone.friends[i].user.value,
		     whys[msg->gone.friends[i].why]);
}

static struct entry *person_of(struct ear *ear, struct user_id user)
{
	for (uint32_t i = 0; i < ear->people_count; i++)
		if (user_id_equal(ear->people[i].user, user))
			return &ear->people[i];
	return NULL;
}

static void hear_strangers(struct ear *ear, const struct server_msg *msg)
{
	uint64_t users[STRANGERS_MAX];
	uint32_t count = msg->update.count;
	assert_true(count <= STRANGERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct entry *entry = &msg->update.entries[i];
		assert_true(entry->is_approximate && entry->name_length == 0);
		struct entry *person = person_of(ear, entry->user);
		if (person == NULL) {
			assert_true(ear->people_count < STRANGERS_MAX);
			person = &ear->people[ear->people_count++];
		}
		*person = *entry;
		users[i] = entry->user.value;
	}
	qsort(users, count, sizeof(users[0]), compare_users);
	hear(ear, "strangers");
	for (uint32_t i = 0; i < count; i++)
		hear(ear, " %llu", (unsigned long long)users[i]);
}

static void hear_lost(struct ear *ear, const struct server_msg *msg)
{
	static const char *const whys[] = { "far", "idle", "off", "unfriended" };
	assert_true(msg->gone.count > 0);
	hear(ear, "lost");
	for (uint32_t i = 0; i < msg->gone.count; i++) {
		struct entry *person = person_of(ear, msg->gone.friends[i].user);
		assert_non_null(person);
		*person = ear->people[--ear->people_count];
		hear(ear, " %llu %s", (unsigned long long)msg->gone.friends[i].user.value,
		     whys[msg->gone.friends[i].why]);
	}
}

static void hear_error(struct ear *ear, const struct server_msg *msg)
{
	static const char *const codes[] = {
#define ERROR_CODE(name, text, meaning) text,
#include "proto/error_codes.tbl"
#undef ERROR_CODE
	};
	assert_true(strlen(msg->error.message) > 0);
	hear(ear, "error %s", codes[msg->error.code]);
}

static void hear_message(struct world *world, struct session_id session, uint32_t core,
			 const struct server_msg *msg)
{
	struct ear *ear = ear_of(world, session, core);
	if (world->listen != NULL) {
		world->listen(world->listener, ear->device, msg);
		return;
	}
	if (ear->heard[0] != '\0')
		hear(ear, "; ");
	switch (msg->type) {
	case SERVER_NEARBY:
		hear_nearby(ear, msg);
		return;
	case SERVER_UPDATE:
		hear_update(ear, msg);
		return;
	case SERVER_GONE:
		hear_gone(ear, msg);
		return;
	case SERVER_ERROR:
		hear_error(ear, msg);
		return;
	case SERVER_STRANGERS:
		hear_strangers(ear, msg);
		return;
	case SERVER_STRANGERS_GONE:
		hear_lost(ear, msg);
		return;
	default:
		fail_msg("a message of type %d", (int)msg->type);
	}
}

void world_listen(struct world *world,
		  void (*listen)(void *listener, struct device device,
				 const struct server_msg *msg),
		  void *listener)
{
	world->listen = listen;
	world->listener = listener;
}

void world_hears(struct world *world, struct device device, const char *file, int line,
		 const char *format, ...)
{
	struct ear *ear = ear_of(world, device.session, device.core);
	char wanted[HEARD_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(wanted, sizeof(wanted), format, arguments);
	va_end(arguments);
	const char *heard = ear->heard[0] != '\0' ? ear->heard : "nothing";
	if (strcmp(heard, wanted) != 0) {
		print_error("user %llu hears \"%s\", not \"%s\"\n", (unsigned long long)device.user,
			    heard, wanted);
		_fail(file, line);
	}
	ear->heard[0] = '\0';
}

const struct entry *world_last_entries(const struct world *world, struct device device,
				       uint32_t *count)
{
	const struct ear *ear = ear_of(world, device.session, device.core);
	*count = ear->entry_count;
	return ear->entries;
}

bool world_has_more(const struct world *world, struct device device)
{
	return ear_of(world, device.session, device.core)->has_more;
}

/* ---- events ------------------------------------------------------------------------------- */

static int step(struct world *world, uint32_t core, struct event event, struct engine_out *out)
{
	event.now_us = world->now_us;
	event.wall_ms = wall_now(world);
	return engine_step(world->engines[core], &event, out);
}

static void step_device(struct world *world, struct device device, struct event event)
{
	struct engine_out out;
	assert_int_equal(step(world, device.core, event, &out), 0);
	if (out.has_answer)
		hear_message(world, device.session, device.core, &out.answer);
	world->has_record = out.has_record;
	if (out.has_record)
		assert_int_equal(out.record_user.value, device.user);
}

static uint32_t home(const struct world *world, uint64_t user)
{
	return nearby_home_core(user, world->cores);
}

static void name_of(const struct world *world, uint64_t user, char *name)
{
	for (uint32_t i = 0; i < world->name_count; i++) {
		if (world->names[i].user == user) {
			strcpy(name, world->names[i].name);
			return;
		}
	}
	snprintf(name, NAME_BYTES_MAX + 1, "user %llu", (unsigned long long)user);
}

/* ---- what users show ---------------------------------------------------------------------- */

static enum sharing_mode exception_for(const struct world *world, uint64_t sharer, uint64_t viewer)
{
	for (uint32_t i = 0; i < world->share_count; i++)
		if (!world->shares[i].is_default && world->shares[i].sharer == sharer &&
		    world->shares[i].viewer == viewer)
			return world->shares[i].mode;
	return SHARING_DEFAULT;
}

static enum sharing_mode mode_of(const struct world *world, uint64_t sharer)
{
	for (uint32_t i = 0; i < world->share_count; i++)
		if (world->shares[i].is_default && world->shares[i].sharer == sharer)
			return world->shares[i].mode;
	return SHARING_PRECISE;
}

static bool is_shown(const struct world *world, uint64_t sharer)
{
	for (uint32_t i = 0; i < world->share_count; i++)
		if (!world->shares[i].is_default && world->shares[i].sharer == sharer &&
		    world->shares[i].mode != SHARING_DEFAULT && world->shares[i].mode != SHARING_OFF)
			return true;
	return false;
}

static void note_share(struct world *world, uint64_t sharer, uint64_t viewer, bool is_default,
		       enum sharing_mode mode)
{
	uint32_t i = 0;
	while (i < world->share_count &&
	       (world->shares[i].sharer != sharer || world->shares[i].viewer != viewer ||
		world->shares[i].is_default != is_default))
		i++;
	assert_true(i < SHARES_MAX);
	if (i == world->share_count)
		world->share_count++;
	world->shares[i].sharer = sharer;
	world->shares[i].viewer = viewer;
	world->shares[i].is_default = is_default;
	world->shares[i].mode = mode;
}

static void tell_sharing(struct world *world, uint32_t core, uint64_t user)
{
	struct engine_out out;
	struct event event = { .type = EVENT_SHARING };
	event.sharing.user.value = user;
	event.sharing.mode = mode_of(world, user);
	event.sharing.is_shown = is_shown(world, user);
	assert_int_equal(step(world, core, event, &out), 0);
	assert_false(out.has_answer || out.has_record);
}

static void tell_exception(struct world *world, uint64_t sharer, uint64_t viewer)
{
	struct engine_out out;
	struct event event = { .type = EVENT_EXCEPTION };
	event.exception.sharer.value = sharer;
	event.exception.viewer.value = viewer;
	event.exception.mode = exception_for(world, sharer, viewer);
	assert_int_equal(step(world, home(world, viewer), event, &out), 0);
	assert_false(out.has_answer || out.has_record);
}

void share_at_home(struct world *world, uint64_t user, enum sharing_mode mode)
{
	note_share(world, user, 0, true, mode);
	tell_sharing(world, home(world, user), user);
}

void share_unheard(struct world *world, uint64_t user, enum sharing_mode mode)
{
	note_share(world, user, 0, true, mode);
}

void share(struct world *world, uint64_t user, enum sharing_mode mode)
{
	share_at_home(world, user, mode);
	for (uint32_t i = 0; mode == SHARING_OFF && i < world->share_count; i++) {
		if (world->shares[i].is_default || world->shares[i].sharer != user)
			continue;
		world->shares[i].mode = SHARING_DEFAULT;
		tell_exception(world, user, world->shares[i].viewer);
	}
	for (uint32_t core = 0; core < world->cores; core++)
		tell_sharing(world, core, user);
}

void share_with(struct world *world, uint64_t user, uint64_t viewer, enum sharing_mode mode)
{
	note_share(world, user, viewer, false, mode);
	tell_exception(world, user, viewer);
	for (uint32_t core = 0; core < world->cores; core++)
		tell_sharing(world, core, user);
}

/* ---- friends ------------------------------------------------------------------------------ */

static struct friend_info info_of(struct world *world, uint64_t viewer, uint64_t user, uint32_t at)
{
	char *name = world->friend_names[at];
	name_of(world, user, name);
	return (struct friend_info){ .user = { user },
				     .name = name,
				     .name_length = (uint32_t)strlen(name),
				     .exception = exception_for(world, user, viewer),
				     .is_off = mode_of(world, user) == SHARING_OFF };
}

static int befriend_one(struct world *world, uint64_t user, uint64_t with)
{
	struct engine_out out;
	struct event event = { .type = EVENT_BEFRIEND };
	event.friendship.user.value = user;
	event.friendship.with = info_of(world, user, with, 0);
	return step(world, home(world, user), event, &out);
}

int befriend(struct world *world, uint64_t a, uint64_t b)
{
	assert_true(world->friendship_count < FRIENDSHIPS_MAX);
	world->friendships[world->friendship_count][0] = a;
	world->friendships[world->friendship_count++][1] = b;
	int first = befriend_one(world, a, b), second = befriend_one(world, b, a);
	return first != 0 ? first : second;
}

void unfriend(struct world *world, uint64_t a, uint64_t b)
{
	for (uint32_t i = 0; i < world->friendship_count; i++) {
		uint64_t *pair = world->friendships[i];
		if ((pair[0] != a || pair[1] != b) && (pair[0] != b || pair[1] != a))
			continue;
		memcpy(pair, world->friendships[--world->friendship_count], 2 * sizeof(*pair));
		break;
	}
	struct engine_out out;
	struct event event = { .type = EVENT_UNFRIEND };
	event.friendship.user.value = a;
	event.friendship.with.user.value = b;
	assert_int_equal(step(world, home(world, a), event, &out), 0);
	event.friendship.user.value = b;
	event.friendship.with.user.value = a;
	assert_int_equal(step(world, home(world, b), event, &out), 0);
}

void forget_user(struct world *world, uint64_t user)
{
	struct engine_out out;
	struct event event = { .type = EVENT_FORGET, .forget = { user } };
	assert_int_equal(step(world, home(world, user), event, &out), 0);
}

void rename_user(struct world *world, uint64_t user, const char *name)
{
	assert_true(world->name_count < NAMES_MAX);
	world->names[world->name_count].user = user;
	strcpy(world->names[world->name_count++].name, name);
	for (uint32_t core = 0; core < world->cores; core++) {
		struct engine_out out;
		struct event event = { .type = EVENT_RENAME };
		event.rename = (struct friend_info){ .user = { user }, .name = name, .name_length = (uint32_t)strlen(name) };
		assert_int_equal(step(world, core, event, &out), 0);
	}
}

/* Ascending, and how many. */
static uint32_t barred_from(const struct world *world, uint64_t user, struct user_id *barred)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->bar_count; i++) {
		const uint64_t *pair = world->bars[i];
		if (pair[0] == user || pair[1] == user)
			barred[count++].value = pair[0] == user ? pair[1] : pair[0];
	}
	qsort(barred, count, sizeof(*barred), compare_users);
	return count;
}

int try_join(struct world *world, uint64_t user, struct device *device)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->friendship_count; i++) {
		const uint64_t *pair = world->friendships[i];
		if (pair[0] == user || pair[1] == user) {
			world->friends[count] = info_of(
				world, user, pair[0] == user ? pair[1] : pair[0], count);
			count++;
		}
	}
	struct engine_out out;
	struct event event = { .type = EVENT_JOIN };
	event.join.user.value = user;
	event.join.friends = world->friends;
	event.join.friend_count = count;
	event.join.mode = mode_of(world, user);
	event.join.is_shown = is_shown(world, user);
	struct user_id barred[BARS_MAX];
	event.join.barred = barred;
	event.join.barred_count = barred_from(world, user, barred);
	int status = step(world, home(world, user), event, &out);
	if (status < 0)
		return status;
	*device = (struct device){ user, out.joined, home(world, user) };
	assert_true(world->ear_count < DEVICES_MAX);
	world->ears[world->ear_count++].device = *device;
	return 0;
}

struct device join(struct world *world, uint64_t user)
{
	struct device device = { 0 };
	assert_int_equal(try_join(world, user, &device), 0);
	return device;
}

void leave(struct world *world, struct device device)
{
	step_device(world, device,
		    (struct event){ .type = EVENT_LEAVE, .session = device.session });
}

void stand_at(struct world *world, struct device device, struct nearby_place place, int64_t ts_ms)
{
	struct event event = { .type = EVENT_LOCATION };
	event.location.session = device.session;
	event.location.place = place;
	event.location.ts_ms = ts_ms;
	step_device(world, device, event);
}

void stand(struct world *world, struct device device, double east_m)
{
	double degrees = east_m / GEO_EARTH_RADIUS_M * (180 / 3.14159265358979323846);
	struct nearby_place place = { 0, (int32_t)(degrees * 1e7) };
	stand_at(world, device, place, wall_now(world));
}

void ask_nearby(struct world *world, struct device device, uint32_t limit)
{
	struct event event = { .type = EVENT_NEARBY };
	event.nearby.session = device.session;
	event.nearby.limit = limit;
	step_device(world, device, event);
}

void ask_more(struct world *world, struct device device, uint32_t limit)
{
	struct event event = { .type = EVENT_NEARBY };
	event.nearby.session = device.session;
	event.nearby.limit = limit;
	event.nearby.has_cursor = true;
	event.nearby.cursor = ear_of(world, device.session, device.core)->cursor;
	step_device(world, device, event);
}

static void follow(struct world *world, struct device device, uint64_t user, enum event_type type)
{
	struct event event = { .type = type };
	event.subscribe.session = device.session;
	event.subscribe.user.value = user;
	step_device(world, device, event);
}

void subscribe(struct world *world, struct device device, uint64_t user)
{
	follow(world, device, user, EVENT_SUBSCRIBE);
}

void unsubscribe(struct world *world, struct device device, uint64_t user)
{
	follow(world, device, user, EVENT_UNSUBSCRIBE);
}

static void set_strangers(struct world *world, struct device device, bool is_on)
{
	struct event event = { .type = EVENT_STRANGERS };
	event.strangers.session = device.session;
	event.strangers.is_on = is_on;
	step_device(world, device, event);
}

void switch_on(struct world *world, struct device device)
{
	set_strangers(world, device, true);
}

void switch_off(struct world *world, struct device device)
{
	ear_of(world, device.session, device.core)->people_count = 0;
	set_strangers(world, device, false);
}

const struct entry *world_people(const struct world *world, struct device device, uint32_t *count)
{
	const struct ear *ear = ear_of(world, device.session, device.core);
	*count = ear->people_count;
	return ear->people;
}

static void bar_one(struct world *world, uint64_t user, uint64_t other, bool is_barred)
{
	struct engine_out out;
	struct event event = { .type = EVENT_BAR };
	event.bar.user.value = user;
	event.bar.other.value = other;
	event.bar.is_barred = is_barred;
	assert_int_equal(step(world, home(world, user), event, &out), 0);
}

void bar(struct world *world, uint64_t a, uint64_t b)
{
	assert_true(world->bar_count < BARS_MAX);
	world->bars[world->bar_count][0] = a;
	world->bars[world->bar_count++][1] = b;
	bar_one(world, a, b, true);
	bar_one(world, b, a, true);
}

void unbar(struct world *world, uint64_t a, uint64_t b)
{
	for (uint32_t i = 0; i < world->bar_count; i++)
		if (world->bars[i][0] == a && world->bars[i][1] == b)
			memcpy(world->bars[i], world->bars[--world->bar_count],
			       sizeof(world->bars[i]));
	bar_one(world, a, b, false);
	bar_one(world, b, a, false);
}

void pause_device(struct world *world, struct device device)
{
	step_device(world, device,
		    (struct event){ .type = EVENT_PAUSE, .session = device.session });
}

void resume_device(struct world *world, struct device device)
{
	step_device(world, device,
		    (struct event){ .type = EVENT_RESUME, .session = device.session });
}

/* ---- time --------------------------------------------------------------------------------- */

static uint32_t deliver(struct world *world, uint32_t from, uint32_t to)
{
	struct mesh_msg msgs[5];
	uint32_t count = engine_mesh_drain(world->engines[from], to, msgs, ARRAY_COUNT(msgs));
	for (uint32_t i = 0; i < count; i++) {
		struct engine_out out;
		struct event event = { .type = EVENT_PEER };
		event.peer.from_core = from;
		event.peer.msg = msgs[i];
		assert_int_equal(step(world, to, event, &out), 0);
	}
	return count;
}

static uint32_t exchange_count(struct world *world)
{
	uint32_t total = 0, before;
	do {
		before = total;
		for (uint32_t from = 0; from < world->cores; from++)
			for (uint32_t to = 0; to < world->cores; to++)
				total += deliver(world, from, to);
	} while (total > before);
	return total;
}

void exchange(struct world *world)
{
	exchange_count(world);
}

static uint32_t flush_count(struct world *world, uint64_t interval_us)
{
	uint32_t count = 0;
	struct session_id session;
	struct server_msg msg;
	for (uint32_t core = 0; core < world->cores; core++) {
		while (engine_flush(world->engines[core], world->now_us, interval_us, &session,
				    &msg)) {
			hear_message(world, session, core, &msg);
			count++;
		}
	}
	return count;
}

void flush(struct world *world, uint64_t interval_us)
{
	flush_count(world, interval_us);
}

void settle(struct world *world)
{
	while (exchange_count(world) + flush_count(world, 0) > 0)
		;
	for (uint32_t core = 0; core < world->cores; core++)
		engine_check(world->engines[core]);
}

void tick(struct world *world)
{
	for (uint32_t core = 0; core < world->cores; core++) {
		struct engine_out out;
		assert_int_equal(step(world, core, (struct event){ .type = EVENT_TICK }, &out), 0);
	}
}

void jump_us(struct world *world, uint64_t us)
{
	world->now_us += us;
}

void wait_us(struct world *world, uint64_t us)
{
	uint64_t end_us = world->now_us + us;
	while (world->now_us < end_us) {
		uint64_t left_us = end_us - world->now_us;
		world->now_us += left_us < SECOND_US / 10 ? left_us : SECOND_US / 10;
		tick(world);
		while (exchange_count(world) + flush_count(world, 0) > 0)
			;
	}
	settle(world);
}

bool world_has_record(const struct world *world)
{
	return world->has_record;
}
