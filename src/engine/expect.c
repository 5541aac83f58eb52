/*
 * Owns: asking for memory before it is needed.
 * Invariant: nothing of what an event does depends on it.
 * Thread: as engine.h.
 * Does not know: whether what is expected ever comes.
 *
 * A location leads from its session to the user's channel, from there to the slot in the table and
 * to the list of followers, and from there to where each of them is: four reads of memory that is
 * seldom in a cache, each known only when the one before it is there. So each new session that is
 * expected takes the ones before it a step further along this way.
 */
#include "engine/channel.h"
#include "engine/engine_private.h"

/* New ones between two steps. */
#define PACE 4
_Static_assert(4 * PACE == ENGINE_EXPECT_AHEAD, "three steps are done when the event comes");
_Static_assert(3 * PACE < EXPECTED && (EXPECTED & (EXPECTED - 1)) == 0, "the ring holds them");

/* Followers that are asked for; the rest follows in order. */
#define FOLLOWERS 12

static void expect_session(const struct engine *engine, uint32_t slot)
{
	__builtin_prefetch(&engine->sessions[slot], 1);
	__builtin_prefetch(&engine->spots[slot], 1);
}

static void expect_channel(const struct engine *engine, uint32_t channel)
{
	__builtin_prefetch(&engine->channels[channel], 1);
}

static void expect_lists(const struct engine *engine, uint32_t channel)
{
	const struct channel *user = &engine->channels[channel];
	nearby_table_prefetch(engine->config.segment, user->user, user->hint);
	roll_expect(&engine->rolls, &user->followers);
}

static void expect_followers(const struct engine *engine, uint32_t channel)
{
	const struct roll *followers = &engine->channels[channel].followers;
	for (uint32_t i = 0; i < FOLLOWERS && i < followers->count; i++)
		__builtin_prefetch(
			&engine->spots[roll_slot(roll_get(&engine->rolls, followers, i))]);
}

/* The session that was expected so many before the last. A slot that was used once stays readable,
 * and what it names too, whoever uses them now. */
static const struct session *expected(const struct engine *engine, uint32_t before)
{
	return &engine->sessions[engine->expected[(engine->expected_count - before) % EXPECTED]];
}

void engine_expect(struct engine *engine, struct session_id session)
{
	if (session.slot >= engine->session_high)
		return;
	engine->expected[engine->expected_count++ % EXPECTED] = session.slot;
	expect_session(engine, session.slot);
	expect_channel(engine, expected(engine, 1 + PACE)->channel);
	expect_lists(engine, expected(engine, 1 + 2 * PACE)->channel);
	expect_followers(engine, expected(engine, 1 + 3 * PACE)->channel);
}

/* The same way from a message of another core, which names a user and not a session: its place in the
 * map leads to the channel. A guess is a channel that is live, be it another user's. */
void engine_expect_messages(const struct engine *engine, const struct mesh_msg *msgs, uint32_t count,
			    uint32_t far)
{
	if (far < count)
		channel_expect(engine, msgs[far].user);
	for (uint32_t step = 1; step <= 3; step++) {
		uint32_t at = far - step * PACE;
		uint32_t channel = at < count ? channel_guess(engine, msgs[at].user) : NONE;
		if (channel == NONE)
			continue;
		if (step == 1)
			expect_channel(engine, channel);
		else if (step == 2)
			expect_lists(engine, channel);
		else
			expect_followers(engine, channel);
	}
}

uint32_t engine_next_frames(const struct engine *engine, uint32_t *slots, uint32_t max)
{
	uint32_t count = engine->pace_count < max ? engine->pace_count : max;
	for (uint32_t i = 0; i < count; i++)
		slots[i] = engine->pace[i].slot;
	return count;
}
