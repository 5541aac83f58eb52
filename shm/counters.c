/*
 * Owns: the counters, histograms, alerts and heartbeats of a segment.
 * Invariant: a counter's words lie inside its block, also for a reader whose rows are being
 *   replaced.
 * Thread: a block and a core's beat have one writing thread; rows are laid before any of them runs.
 * Does not know: what is counted.
 *
 * Rows may change when a daemon of another version adopts the segment while a reader has it mapped.
 * counter_count is 0 meanwhile; a reader that had loaded it before may see a mixed name or number
 * once, but never reads outside: texts end in a NUL that is never overwritten, and a word's number
 * is judged at every use.
 */
#include "layout.h"

#include <string.h>

static uint32_t kind_words(uint32_t kind)
{
	return kind == NEARBY_HISTOGRAM ? NEARBY_HISTOGRAM_WORDS : 1;
}

bool counters_fit(const struct nearby_segment_config *config, uint64_t *words)
{
	*words = 0;
	if (config->counter_count > COUNTERS_MAX)
		return false;
	for (uint32_t i = 0; i < config->counter_count; i++)
		*words += kind_words(config->counters[i].kind);
	return *words <= BLOCK_WORDS;
}

/* The last byte of each text is left out, so it stays the 0 that it is from the start. */
static void row_store(struct nearby_counter_info *row, const struct nearby_counter_info *info,
		      uint32_t word_idx)
{
	memcpy(row->name, info->name, sizeof(row->name) - 1);
	memcpy(row->label, info->label, sizeof(row->label) - 1);
	memcpy(row->help, info->help, sizeof(row->help) - 1);
	row->kind = info->kind;
	row->level = info->level;
	row->word_idx = word_idx;
}

static uint32_t block_count(const struct nearby_segment *segment)
{
	uint64_t blocks = word_load(&segment->header->blocks);
	return blocks < BLOCKS_MAX ? (uint32_t)blocks : BLOCKS_MAX;
}

/* Blocks that the header does not count were never written. */
static void blocks_clear(struct nearby_segment *segment)
{
	for (uint32_t block = 0; block < block_count(segment); block++) {
		for (uint32_t word = 0; word < BLOCK_WORDS; word++)
			word_store(&segment->blocks[block].words[word], 0);
	}
	for (uint32_t core = 0; core < NEARBYSHM_CORES_MAX; core++)
		word_store(&segment->beats[core].at_us, 0);
}

void counters_lay(struct nearby_segment *segment, const struct nearby_segment_config *config)
{
	word_store(&segment->header->counter_count, 0);
	blocks_clear(segment);
	uint32_t word_idx = 0;
	for (uint32_t i = 0; i < config->counter_count; i++) {
		row_store(&segment->counters[i], &config->counters[i], word_idx);
		word_idx += kind_words(config->counters[i].kind);
	}
	word_store(&segment->header->cores, config->cores);
	word_store(&segment->header->blocks, config->blocks);
	word_store(&segment->header->counter_count, config->counter_count);
}

_Atomic uint64_t *nearby_segment_block(struct nearby_segment *segment, uint32_t block)
{
	shm_check(block < BLOCKS_MAX);
	return segment->blocks[block].words;
}

const struct nearby_counter_info *nearby_segment_counter(const struct nearby_segment *segment,
							 uint32_t counter)
{
	shm_check(counter < COUNTERS_MAX);
	return &segment->counters[counter];
}

uint64_t nearby_segment_read(const struct nearby_segment *segment, uint32_t counter, uint32_t word)
{
	shm_check(counter < COUNTERS_MAX && word < NEARBY_HISTOGRAM_WORDS);
	const struct nearby_counter_info *info = &segment->counters[counter];
	/* Read once, so that what is judged is what is used. */
	uint32_t word_idx = *(const volatile uint32_t *)&info->word_idx;
	uint32_t blocks = block_count(segment);
	uint64_t total = 0;
	if (word_idx >= BLOCK_WORDS || word >= BLOCK_WORDS - word_idx)
		return 0;
	for (uint32_t block = 0; block < blocks; block++) {
		uint64_t value = word_load(&segment->blocks[block].words[word_idx + word]);
		if (info->kind != NEARBY_ALERT)
			total += value;
		else if (value > total)
			total = value;
	}
	return total;
}

void nearby_segment_beat(struct nearby_segment *segment, uint32_t core, uint64_t now_us)
{
	shm_check(segment->is_owner && core < NEARBYSHM_CORES_MAX);
	word_store(&segment->beats[core].at_us, now_us);
}

uint64_t nearby_segment_last_beat(const struct nearby_segment *segment, uint32_t core)
{
	shm_check(core < NEARBYSHM_CORES_MAX);
	return word_load(&segment->beats[core].at_us);
}
