/*
 * Owns: what name_cache.h promises.
 * Invariant: none of its own; random choices come from a fixed seed.
 * Thread: one.
 * Does not know: databases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "store/name_cache.h"

enum { NAMES = 1000, LONGEST = 64 };

static struct name_cache *cache;

static int setup(void **state)
{
	(void)state;
	return name_cache_open(&cache, NAMES);
}

static int teardown(void **state)
{
	(void)state;
	name_cache_close(&cache);
	return 0;
}

static void put(uint64_t user, const char *name)
{
	name_cache_put(cache, (struct user_id){ user }, name, (uint32_t)strlen(name), false);
}

/* The name that the cache gives, or NULL. */
static const char *get(uint64_t user)
{
	static char name[LONGEST + 1];
	uint32_t length;
	bool is_off;
	if (!name_cache_get(cache, (struct user_id){ user }, name, &length, &is_off))
		return NULL;
	name[length] = '\0';
	return name;
}

static void a_name_comes_back_until_it_is_forgotten(void **state)
{
	(void)state;
	assert_null(get(0));
	assert_null(get(USER_ID_MAX));
	put(0, "Zero");
	put(USER_ID_MAX, "");
	assert_string_equal(get(0), "Zero");
	assert_string_equal(get(USER_ID_MAX), "");
	put(0, "Nil");
	assert_string_equal(get(0), "Nil");
	name_cache_forget(cache, (struct user_id){ 0 });
	assert_null(get(0));
	assert_string_equal(get(USER_ID_MAX), "");
}

static void a_long_name_is_not_kept_and_no_old_one_in_its_place(void **state)
{
	(void)state;
	char name[LONGEST + 1] = { 0 };
	memset(name, 'x', LONGEST);
	put(7, "Ann");
	put(7, name);
	assert_null(get(7));
	name[24] = '\0';
	put(7, name);
	assert_null(get(7));
	name[23] = '\0';
	put(7, name);
	assert_string_equal(get(7), name);
}

static void who_shows_nothing_is_known_beside_the_name(void **state)
{
	(void)state;
	char name[LONGEST];
	uint32_t length;
	bool is_off;
	name_cache_put(cache, (struct user_id){ 6 }, "Ann", 3, true);
	name_cache_put(cache, (struct user_id){ 7 }, "Twenty-three characters", 23, false);
	assert_true(name_cache_get(cache, (struct user_id){ 6 }, name, &length, &is_off));
	assert_true(is_off);
	assert_int_equal(length, 3);
	assert_true(name_cache_get(cache, (struct user_id){ 7 }, name, &length, &is_off));
	assert_false(is_off);
	assert_int_equal(length, 23);
	name_cache_put(cache, (struct user_id){ 6 }, "Ann", 3, false);
	assert_true(name_cache_get(cache, (struct user_id){ 6 }, name, &length, &is_off));
	assert_false(is_off);
}

static void a_dense_population_that_fits_is_kept_whole(void **state)
{
	(void)state;
	char name[LONGEST];
	for (uint64_t user = 5000; user < 5000 + NAMES; user++) {
		snprintf(name, sizeof(name), "user %d", (int)user);
		put(user, name);
	}
	unsigned found = 0;
	for (uint64_t user = 5000; user < 5000 + NAMES; user++) {
		snprintf(name, sizeof(name), "user %d", (int)user);
		const char *got = get(user);
		assert_true(got == NULL || strcmp(got, name) == 0);
		found += got != NULL;
	}
	/* Where two parts of the range meet in a line, some give way. */
	assert_true(found > NAMES / 2);
}

static void of_more_than_fit_whoever_is_given_is_right(void **state)
{
	(void)state;
	char name[LONGEST];
	unsigned found = 0;
	for (unsigned i = 0; i < 100 * NAMES; i++) {
		uint64_t user = hash_u64(i % (10 * NAMES)) % USER_ID_MAX;
		snprintf(name, sizeof(name), "%u", (unsigned)(user % 1000000));
		const char *got = get(user);
		assert_true(got == NULL || strcmp(got, name) == 0);
		found += got != NULL;
		put(user, name);
		assert_string_equal(get(user), name);
	}
	assert_true(found < 100 * NAMES);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_name_comes_back_until_it_is_forgotten),
		STORY(a_long_name_is_not_kept_and_no_old_one_in_its_place),
		STORY(who_shows_nothing_is_known_beside_the_name),
		STORY(a_dense_population_that_fits_is_kept_whole),
		STORY(of_more_than_fit_whoever_is_given_is_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
