/*
 * Owns: see directory.h.
 * Invariant: see directory.h; bits of branches grow from the root on.
 * Thread: the owner's.
 * Does not know: who may see whom, where anybody truly is, sessions.
 */
#include "engine/directory.h"

#include "base/check.h"
#include "base/id.h"

/* Of (code, user). */
#define KEY_BITS (GEOHASH_BITS + 64)
/* Instead of a column: some cell of the row. */
#define ANY_COLUMN UINT32_MAX

void directory_init(struct directory *directory)
{
	check(directory->persons_max > 0 && directory->persons_max < UINT32_MAX / 2);
	check((directory->bucket_count & (directory->bucket_count - 1)) == 0);
	directory->person_free = directory->branch_free = NOBODY;
	directory->root = NOBODY;
}

/* ---- by user ------------------------------------------------------------------------------ */

static uint32_t *bucket_of(const struct directory *directory, uint64_t user)
{
	return &directory->buckets[hash_u64(user) & (directory->bucket_count - 1)];
}

uint32_t directory_find(const struct directory *directory, uint64_t user)
{
	uint32_t person = *bucket_of(directory, user) - 1;
	while (person != NOBODY && directory->persons[person].user != user)
		person = directory->persons[person].next;
	return person;
}

static uint32_t person_take(struct directory *directory, uint64_t user)
{
	uint32_t person = directory->person_free;
	if (person != NOBODY)
		directory->person_free = directory->persons[person].next;
	else if (directory->person_high < directory->persons_max)
		person = directory->person_high++;
	else
		return NOBODY;
	uint32_t *bucket = bucket_of(directory, user);
	directory->persons[person] = (struct person){
		.user = user,
		.next = *bucket - 1,
		.first_belief = NOBODY,
	};
	*bucket = person + 1;
	directory->person_count++;
	return person;
}

static void person_give(struct directory *directory, uint32_t person)
{
	struct person *record = &directory->persons[person];
	uint32_t *bucket = bucket_of(directory, record->user);
	if (*bucket == person + 1) {
		*bucket = record->next + 1;
	} else {
		uint32_t before = *bucket - 1;
		while (directory->persons[before].next != person)
			before = directory->persons[before].next;
		directory->persons[before].next = record->next;
	}
	*record = (struct person){ .next = directory->person_free };
	directory->person_free = person;
	directory->person_count--;
}

void directory_settle(struct directory *directory, uint32_t person)
{
	const struct person *record = &directory->persons[person];
	if (!record->is_here && record->told == 0 && record->waiting == 0)
		person_give(directory, person);
}

/* ---- stamps ------------------------------------------------------------------------------- */

static uint64_t *stamp_of(const struct directory *directory, uint32_t row, uint32_t column)
{
	return &directory->stamps[hash_u64((uint64_t)row << 32 | column) % DIRECTORY_STAMPS];
}

static void stamp(struct directory *directory, uint64_t code)
{
	struct geohash_cell cell = geohash_cell(code, directory->length);
	*stamp_of(directory, cell.row, cell.column) = ++directory->change;
	if (geohash_is_polar(cell.row, directory->length))
		*stamp_of(directory, cell.row, ANY_COLUMN) = directory->change;
}

uint64_t directory_changed(const struct directory *directory, struct geohash_cell cell)
{
	uint64_t latest = 0;
	if (geohash_is_polar(cell.row, directory->length))
		latest = *stamp_of(directory, cell.row, ANY_COLUMN);
	for (int north = -1; north <= 1; north++) {
		for (int east = -1; east <= 1; east++) {
			struct geohash_cell near = cell;
			if (!geohash_step(&near, north, east, directory->length))
				continue;
			uint64_t change = *stamp_of(directory, near.row, near.column);
			latest = change > latest ? change : latest;
		}
	}
	return latest;
}

/* ---- by place ----------------------------------------------------------------------------- */

static uint32_t person_child(uint32_t person)
{
	return 2 * person;
}

static uint32_t branch_child(uint32_t branch)
{
	return 2 * branch + 1;
}

static bool is_branch(uint32_t child)
{
	return child & 1;
}

static uint32_t key_bit(uint64_t code, uint64_t user, uint32_t bit)
{
	if (bit < GEOHASH_BITS)
		return code >> (GEOHASH_BITS - 1 - bit) & 1;
	return user >> (KEY_BITS - 1 - bit) & 1;
}

/* The first bit that differs; the keys do. */
static uint32_t first_difference(const struct person *a, uint64_t code, uint64_t user)
{
	if (a->code != code)
		return (uint32_t)__builtin_clzll(a->code ^ code) - (64 - GEOHASH_BITS);
	return GEOHASH_BITS + (uint32_t)__builtin_clzll(a->user ^ user);
}

/* The first bits of a code. */
static uint64_t code_start(uint64_t code, uint32_t bits)
{
	return bits >= GEOHASH_BITS ? code : code >> (GEOHASH_BITS - bits) << (GEOHASH_BITS - bits);
}

static void set_parent(struct directory *directory, uint32_t child, uint32_t parent)
{
	if (is_branch(child))
		directory->branches[child / 2].parent = parent;
	else
		directory->persons[child / 2].parent = parent;
}

/* There are fewer branches than persons, so there is room. */
static uint32_t branch_take(struct directory *directory)
{
	uint32_t branch = directory->branch_free;
	if (branch == NOBODY)
		branch = directory->branch_high++;
	else
		directory->branch_free = directory->branches[branch].parent;
	check(branch < directory->persons_max);
	return branch;
}

static void branch_give(struct directory *directory, uint32_t branch)
{
	directory->branches[branch] = (struct branch){ .parent = directory->branch_free };
	directory->branch_free = branch;
}

/* Whoever is where the bits of the key lead. */
static uint32_t tree_descend(const struct directory *directory, uint64_t code, uint64_t user)
{
	uint32_t child = directory->root;
	while (is_branch(child)) {
		const struct branch *branch = &directory->branches[child / 2];
		child = branch->children[key_bit(code, user, branch->bit)];
	}
	return child / 2;
}

/* The place in the tree of what differs from the key from `bit` on, and the branch that has it. */
static uint32_t *tree_place(struct directory *directory, const struct person *record, uint32_t bit,
			    uint32_t *parent)
{
	uint32_t *place = &directory->root;
	*parent = NOBODY;
	while (is_branch(*place) && directory->branches[*place / 2].bit < bit) {
		*parent = *place / 2;
		struct branch *branch = &directory->branches[*parent];
		place = &branch->children[key_bit(record->code, record->user, branch->bit)];
	}
	return place;
}

static void tree_insert(struct directory *directory, uint32_t person)
{
	struct person *record = &directory->persons[person];
	if (directory->root == NOBODY) {
		directory->root = person_child(person);
		record->parent = NOBODY;
		return;
	}
	uint32_t other = tree_descend(directory, record->code, record->user), parent;
	uint32_t bit = first_difference(&directory->persons[other], record->code, record->user);
	uint32_t fresh = branch_take(directory),
		 *place = tree_place(directory, record, bit, &parent);
	uint32_t side = key_bit(record->code, record->user, bit);
	struct branch *branch = &directory->branches[fresh];
	*branch = (struct branch){
		.code = code_start(record->code, bit),
		.parent = parent,
		.bit = (uint8_t)bit,
	};
	branch->children[side] = person_child(person);
	branch->children[!side] = *place;
	set_parent(directory, *place, fresh);
	record->parent = fresh;
	*place = branch_child(fresh);
}

/* The branch above goes, and what stood beside takes its place. */
static void tree_remove(struct directory *directory, uint32_t person)
{
	uint32_t branch = directory->persons[person].parent;
	if (branch == NOBODY) {
		directory->root = NOBODY;
		return;
	}
	const struct branch *record = &directory->branches[branch];
	uint32_t parent = record->parent;
	uint32_t beside = record->children[record->children[0] == person_child(person)];
	set_parent(directory, beside, parent);
	if (parent == NOBODY) {
		directory->root = beside;
	} else {
		struct branch *above = &directory->branches[parent];
		above->children[above->children[1] == branch_child(branch)] = beside;
	}
	branch_give(directory, branch);
}

uint32_t directory_put(struct directory *directory, uint64_t user, uint64_t code)
{
	uint32_t person = directory_find(directory, user);
	if (person == NOBODY)
		person = person_take(directory, user);
	if (person == NOBODY)
		return NOBODY;
	if (directory->persons[person].is_here)
		directory_remove(directory, person);
	directory->persons[person].code = code;
	directory->persons[person].is_here = true;
	directory->here_count++;
	tree_insert(directory, person);
	stamp(directory, code);
	return person;
}

void directory_remove(struct directory *directory, uint32_t person)
{
	struct person *record = &directory->persons[person];
	check(record->is_here);
	tree_remove(directory, person);
	record->is_here = false;
	directory->here_count--;
	stamp(directory, record->code);
}

/* ---- search ------------------------------------------------------------------------------- */

static void outlook_put(struct directory *directory, uint32_t child, double chord2)
{
	uint32_t at = directory->outlook_count++;
	check(directory->outlook_count <= DIRECTORY_SEARCH_MAX + 1);
	for (; at > 0 && directory->outlooks[(at - 1) / 2].chord2 > chord2; at = (at - 1) / 2)
		directory->outlooks[at] = directory->outlooks[(at - 1) / 2];
	directory->outlooks[at] = (struct outlook){ chord2, child };
}

static uint32_t outlook_take(struct directory *directory)
{
	struct outlook *heap = directory->outlooks, last = heap[--directory->outlook_count];
	uint32_t first = heap[0].child, at = 0, child;
	while ((child = 2 * at + 1) < directory->outlook_count) {
		if (child + 1 < directory->outlook_count &&
		    heap[child + 1].chord2 < heap[child].chord2)
			child++;
		if (heap[child].chord2 >= last.chord2)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	directory->outlooks_taken++;
	return first;
}

/* A part of the tree is worth a look when some of it is near the cell. */
static void search_child(struct directory *directory, uint32_t child)
{
	struct geohash_box box;
	if (is_branch(child)) {
		const struct branch *branch = &directory->branches[child / 2];
		box = geohash_box(branch->code,
				  branch->bit < GEOHASH_BITS ? branch->bit : GEOHASH_BITS);
	} else {
		box = geohash_box(directory->persons[child / 2].code, GEOHASH_BITS);
	}
	if (geohash_box_is_near(&box, directory->cell, directory->length))
		outlook_put(directory, child, geohash_box_chord2(&box, &directory->eye));
}

void directory_search(struct directory *directory, const struct geohash_eye *eye,
		      struct geohash_cell cell)
{
	directory->eye = *eye;
	directory->cell = cell;
	directory->outlook_count = directory->outlooks_taken = 0;
	if (directory->root != NOBODY)
		search_child(directory, directory->root);
}

uint32_t directory_search_next(struct directory *directory, double most_chord2)
{
	while (directory->outlook_count > 0 && directory->outlooks[0].chord2 <= most_chord2 &&
	       directory->outlooks_taken < DIRECTORY_SEARCH_MAX) {
		uint32_t child = outlook_take(directory);
		if (!is_branch(child))
			return child / 2;
		search_child(directory, directory->branches[child / 2].children[0]);
		search_child(directory, directory->branches[child / 2].children[1]);
	}
	return NOBODY;
}

/* ---- check -------------------------------------------------------------------------------- */

static void check_place(const struct directory *directory, uint32_t person)
{
	const struct person *record = &directory->persons[person];
	uint32_t child = person_child(person), below = KEY_BITS;
	for (uint32_t at = record->parent; at != NOBODY; at = directory->branches[at].parent) {
		const struct branch *branch = &directory->branches[at];
		check(branch->bit < below);
		check(branch->code == code_start(record->code, branch->bit));
		check(branch->children[key_bit(record->code, record->user, branch->bit)] == child);
		below = branch->bit;
		child = branch_child(at);
	}
	check(directory->root == child);
}

void directory_check(const struct directory *directory)
{
	uint32_t found = 0, here = 0;
	for (uint32_t bucket = 0; bucket < directory->bucket_count; bucket++) {
		for (uint32_t p = directory->buckets[bucket] - 1; p != NOBODY;
		     p = directory->persons[p].next) {
			const struct person *record = &directory->persons[p];
			check(bucket_of(directory, record->user) == &directory->buckets[bucket]);
			check(record->is_here || record->told != 0 || record->waiting != 0);
			found++;
			here += record->is_here;
			if (record->is_here)
				check_place(directory, p);
		}
	}
	check(found == directory->person_count);
	check(here == directory->here_count);
	check((directory->root == NOBODY) == (here == 0));
}
