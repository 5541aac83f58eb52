/*
 * Owns: what a segment's header says, and the judgement over one that was found.
 * Invariant: the magic is stored last, so a header that has it is complete; nothing is believed of
 *   a header that was not judged.
 * Thread: the owner's before it writes; judging and info are any thread's.
 * Does not know: how the bytes came into memory.
 */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int refuse(const char **reason, int error, const char *format, ...)
{
	static _Thread_local char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (reason != NULL)
		*reason = text;
	return error;
}

int boot_id_read(char boot_id[40])
{
	memset(boot_id, 0, 40);
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t length = read(fd, boot_id, 36);
	close(fd);
	return length == 36 ? 0 : -EIO;
}

static int64_t wall_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void header_format(struct nearby_segment *segment, const struct nearby_segment_config *config,
		   const char *boot_id)
{
	struct header *header = segment->header;
	header->version = SEGMENT_VERSION;
	header->layout_hash = layout_hash(segment->partition_slots);
	header->bytes = segment->bytes;
	header->partition_slots = segment->partition_slots;
	header->birth_ms = wall_now_ms();
	strncpy(header->boot_id, boot_id, sizeof(header->boot_id) - 1);
	if (config->instance != NULL)
		strncpy(header->instance, config->instance, sizeof(header->instance) - 1);
}

void header_own(struct nearby_segment *segment, const struct nearby_segment_config *config)
{
	struct header *header = segment->header;
	word_store(&header->users_max, config->users_max);
	word_store(&header->adopted_ms, (uint64_t)wall_now_ms());
	word_store(&header->pid, (uint64_t)getpid());
	word_store(&header->magic, SEGMENT_MAGIC);
}

int header_judge(struct header *header, uint64_t bytes, const char *boot_id,
		 uint32_t *partition_slots, const char **reason)
{
	if (bytes < TAGS_OFFSET)
		return refuse(reason, -EPROTO, "the segment has %" PRIu64 " bytes, too few for any",
			      bytes);
	uint64_t magic = word_load(&header->magic);
	if (magic == 0)
		return refuse(reason, -EPROTO, "the segment is being made, or was left half made");
	if (magic != SEGMENT_MAGIC)
		return refuse(reason, -EPROTO, "this is no nearby segment: wrong magic");
	if (header->version != SEGMENT_VERSION)
		return refuse(reason, -EPROTO,
			      "the segment has version %" PRIu64 ", this program reads version %d",
			      header->version, SEGMENT_VERSION);
	uint64_t slots = header->partition_slots;
	if (slots == 0 || slots > layout_partition_slots(USERS_MAX_MAX) ||
	    header->layout_hash != layout_hash(slots))
		return refuse(reason, -EPROTO,
			      "the segment has another layout (hash %016" PRIx64 ")",
			      header->layout_hash);
	if (header->bytes != layout_bytes(slots) || bytes < header->bytes)
		return refuse(reason, -EPROTO,
			      "the segment is truncated: %" PRIu64 " bytes where %" PRIu64
			      " belong", bytes, layout_bytes(slots));
	if (strncmp(header->boot_id, boot_id, sizeof(header->boot_id)) != 0)
		return refuse(reason, -EPROTO, "the segment is of another boot");
	*partition_slots = (uint32_t)slots;
	return 0;
}

/* Whether some process holds the lock: a question only, which takes nothing. */
static bool lock_is_held(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* A number of the header that a reader will count up to. */
static uint32_t word_bounded(shm_word *word, uint32_t max)
{
	uint64_t value = word_load(word);
	return value <= max ? (uint32_t)value : max;
}

void nearby_segment_info(const struct nearby_segment *segment, struct nearby_segment_info *info)
{
	struct header *header = segment->header;
	memset(info, 0, sizeof(*info));
	info->version = (uint32_t)header->version;
	info->cores = word_bounded(&header->cores, NEARBYSHM_CORES_MAX);
	info->blocks = word_bounded(&header->blocks, BLOCKS_MAX);
	info->counter_count = word_bounded(&header->counter_count, COUNTERS_MAX);
	info->layout_hash = header->layout_hash;
	info->users_max = word_load(&header->users_max);
	info->slot_count = (uint64_t)segment->partition_slots * NEARBYSHM_PARTITIONS;
	info->bytes = segment->bytes;
	info->pid = (int32_t)word_load(&header->pid);
	info->is_owned = segment->is_owner || lock_is_held(segment->fd);
	info->birth_ms = header->birth_ms;
	info->adopted_ms = (int64_t)word_load(&header->adopted_ms);
	memcpy(info->boot_id, header->boot_id, sizeof(info->boot_id) - 1);
	memcpy(info->instance, header->instance, sizeof(info->instance) - 1);
}
