/*
 * Owns: the life of a segment: its name, its lock, its memory; creating, adopting, opening.
 * Invariant: who writes holds the lock, from before the first look at the bytes until the process
 *   ends; a name always leads to a segment that is complete, or that says it is not.
 * Thread: create, open and close by one thread per segment; what they give is for all.
 * Does not know: what is in the table.
 *
 * The lock is an open-file-description write lock over the whole shared memory object. The kernel
 * drops it when the last descriptor is closed, so also at kill -9; a pid that was given to another
 * process means nothing here. A child that is forked shares it: nearbyd forks none.
 * A segment that cannot be adopted is not changed but unlinked, and a new one made under its name:
 * readers who have it mapped keep what they have.
 */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/nearby." and the instance and a NUL. */
enum { NAME_BYTES = 8 + NEARBYSHM_INSTANCE_BYTES + 1 };

/* ... with a '+' behind. */
enum { MAKING_BYTES = NAME_BYTES + 1 };

/* The path of a shared memory object on Linux. */
enum { PATH_BYTES = NAME_BYTES + 16 };

/* How often a name is tried again that somebody else unlinks between our open and our lock. */
enum { OPEN_TRIES = 16 };

/* ---- names, descriptors, mappings ----------------------------------------------------------- */

static bool instance_name(const char *instance, char name[NAME_BYTES])
{
	size_t length = strspn(instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789-_");
	if (length == 0 || length > NEARBYSHM_INSTANCE_BYTES || instance[length] != '\0')
		return false;
	snprintf(name, NAME_BYTES, "/nearby.%s", instance);
	return true;
}

/* What a segment is called that is being made in another's place: no instance has such a name. */
static void making_name(const char *instance, char name[MAKING_BYTES])
{
	snprintf(name, MAKING_BYTES, "/nearby.%s+", instance);
}

static void segment_aim(struct nearby_segment *segment, void *memory, uint32_t partition_slots)
{
	uint8_t *base = memory;
	segment->header = memory;
	segment->beats = (struct beat *)(base + BEATS_OFFSET);
	segment->partitions = (struct partition *)(base + PARTITIONS_OFFSET);
	segment->counters = (struct nearby_counter_info *)(base + COUNTERS_OFFSET);
	segment->blocks = (struct counter_block *)(base + BLOCKS_OFFSET);
	segment->tags = (shm_word *)(base + TAGS_OFFSET);
	segment->slots = (struct slot *)(base + layout_slots_offset(partition_slots));
	segment->partition_slots = partition_slots;
	segment->bytes = layout_bytes(partition_slots);
}

/* Maps a descriptor's segment, or private memory for fd -1. */
static int segment_map(struct nearby_segment *segment, uint32_t partition_slots)
{
	void *memory;
	int result = memory_map(segment->fd, layout_bytes(partition_slots), segment->is_owner,
				&memory);
	if (result == 0)
		segment_aim(segment, memory, partition_slots);
	return result;
}

void nearby_segment_close(struct nearby_segment **segment)
{
	struct nearby_segment *closing = *segment;
	if (closing == NULL)
		return;
	*segment = NULL;
	if (closing->header != NULL)
		munmap(closing->header, closing->bytes);
	if (closing->fd >= 0)
		close(closing->fd);
	free(closing);
}

/* Judges what a descriptor holds, by a mapping of the header alone. */
static int descriptor_judge(int fd, uint32_t *partition_slots, const char **reason)
{
	struct stat status;
	char boot_id[40];
	if (fstat(fd, &status) != 0)
		return refuse(reason, -errno, "fstat: %s", strerror(errno));
	if (status.st_size < TAGS_OFFSET)
		return refuse(reason, -EPROTO,
			      "the segment has %jd bytes: half made, or none of nearby",
			      (intmax_t)status.st_size);
	int result = boot_id_read(boot_id);
	if (result != 0)
		return refuse(reason, result, "the boot id cannot be read: %s", strerror(-result));
	void *memory = mmap(NULL, BEATS_OFFSET, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return refuse(reason, -errno, "mmap: %s", strerror(errno));
	result = header_judge(memory, (uint64_t)status.st_size, boot_id, partition_slots, reason);
	munmap(memory, BEATS_OFFSET);
	return result;
}

int nearby_segment_open(struct nearby_segment **segment, const char *instance, const char **reason)
{
	char name[NAME_BYTES];
	if (!instance_name(instance, name))
		return refuse(reason, -ENOENT, "'%s' is no name of an instance", instance);
	struct nearby_segment *opening = calloc(1, sizeof(*opening));
	if (opening == NULL)
		return refuse(reason, -ENOMEM, "out of memory");
	uint32_t partition_slots = 0;
	opening->fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	int result = opening->fd >= 0 ? 0 : refuse(reason, -errno, "%s: %s", name, strerror(errno));
	if (result == 0)
		result = descriptor_judge(opening->fd, &partition_slots, reason);
	if (result == 0) {
		result = segment_map(opening, partition_slots);
		if (result != 0)
			refuse(reason, result, "mmap: %s", strerror(-result));
	}
	if (result != 0)
		nearby_segment_close(&opening);
	*segment = opening;
	return result;
}

int nearby_segment_unlink(const char *instance)
{
	char name[NAME_BYTES];
	if (!instance_name(instance, name))
		return -ENOENT;
	return shm_unlink(name) == 0 ? 0 : -errno;
}

/* ---- making one ----------------------------------------------------------------------------- */

static int config_judge(const struct nearby_segment_config *config, const char **reason)
{
	char name[NAME_BYTES];
	uint64_t words;
	if (config->instance != NULL && !instance_name(config->instance, name))
		return refuse(reason, -EINVAL,
			      "an instance's name is 1 to %d letters, digits, '-' or '_'",
			      NEARBYSHM_INSTANCE_BYTES);
	if (config->cores < 1 || config->cores > NEARBYSHM_CORES_MAX)
		return refuse(reason, -EINVAL, "%" PRIu32 " cores; 1 to %d are allowed",
			      config->cores, NEARBYSHM_CORES_MAX);
	if (config->blocks < config->cores || config->blocks > BLOCKS_MAX)
		return refuse(reason, -EINVAL,
			      "%" PRIu32 " blocks of counters; %" PRIu32 " to %d are allowed",
			      config->blocks, config->cores, BLOCKS_MAX);
	if (config->users_max < 1 || config->users_max > USERS_MAX_MAX)
		return refuse(reason, -EINVAL,
			      "users_max is %" PRIu64 "; 1 to %" PRIu64 " are allowed",
			      config->users_max, USERS_MAX_MAX);
	if (!counters_fit(config, &words))
		return refuse(reason, -EINVAL,
			      "%" PRIu32 " counters of %" PRIu64
			      " words; there is room for %d of %d",
			      config->counter_count, words, COUNTERS_MAX, BLOCK_WORDS);
	return 0;
}

/* Makes a new segment of segment->fd, all but the magic. */
static int segment_make(struct nearby_segment *segment, const struct nearby_segment_config *config,
			const char **reason)
{
	char boot_id[40];
	uint32_t partition_slots = layout_partition_slots(config->users_max);
	int result = boot_id_read(boot_id);
	if (result != 0)
		return refuse(reason, result, "the boot id cannot be read: %s", strerror(-result));
	if (segment->fd >= 0)
		result = memory_reserve(segment->fd, layout_bytes(partition_slots), reason);
	if (result != 0)
		return result;
	result = segment_map(segment, partition_slots);
	if (result != 0)
		return refuse(reason, result, "%" PRIu64 " bytes of memory: %s",
			      layout_bytes(partition_slots), strerror(-result));
	header_format(segment, config, boot_id);
	counters_lay(segment, config);
	return 0;
}

/* Takes over a segment that was judged good. */
static int segment_adopt(struct nearby_segment *segment, const struct nearby_segment_config *config,
			 uint32_t partition_slots, const char **reason)
{
	int result = segment_map(segment, partition_slots);
	if (result != 0)
		return refuse(reason, result, "mmap: %s", strerror(-result));
	for (uint32_t partition = 0; partition < NEARBYSHM_PARTITIONS; partition++)
		table_repair(segment, partition);
	counters_lay(segment, config);
	return 0;
}

/* Whether the name still leads to what the descriptor holds. */
static bool name_is_of(const char *name, int fd)
{
	struct stat named, held;
	int other = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	if (other < 0)
		return false;
	bool is_same = fstat(other, &named) == 0 && fstat(fd, &held) == 0 &&
		       named.st_dev == held.st_dev && named.st_ino == held.st_ino;
	close(other);
	return is_same;
}

/* Opens or creates the object and locks it: then it is ours, whatever is in it. */
static int name_take(const char *name, int *fd, const char **reason)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	*fd = -1;
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		int opened = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (opened < 0)
			return refuse(reason, -errno, "%s: %s", name, strerror(errno));
		if (fcntl(opened, F_OFD_SETLK, &lock) != 0) {
			int error = errno;
			close(opened);
			if (error == EAGAIN || error == EACCES)
				return refuse(reason, -EBUSY, "%s has a living owner", name);
			return refuse(reason, -error, "lock: %s", strerror(error));
		}
		if (name_is_of(name, opened)) {
			*fd = opened;
			return 0;
		}
		close(opened);
	}
	return refuse(reason, -EBUSY, "%s is unlinked again and again", name);
}

static bool descriptor_is_ours(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 077) == 0;
}

static bool descriptor_is_empty(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && status.st_size == 0;
}

/* A new segment under a name that is locked; when that fails the name goes. */
static int name_fill(struct nearby_segment *segment, const struct nearby_segment_config *config,
		     const char *name, const char **reason)
{
	int result = segment_make(segment, config, reason);
	if (result != 0)
		shm_unlink(name);
	return result;
}

/* The old segment is none that we can use: a new one takes its name. */
static int segment_replace(struct nearby_segment *segment,
			   const struct nearby_segment_config *config, const char *name,
			   const char **reason)
{
	int old_fd = segment->fd;
	const char *problem = NULL;
	segment->fd = -1;
	int result = shm_unlink(name) == 0 ? 0 : -errno;
	if (result != 0)
		refuse(&problem, result, "unlink %s: %s", name, strerror(-result));
	if (result == 0)
		result = name_take(name, &segment->fd, &problem);
	if (result == 0)
		result = name_fill(segment, config, name, &problem);
	close(old_fd);
	if (problem != NULL && reason != NULL)
		*reason = problem;
	return result;
}

/* Makes the new one under a name of its own and fills it; then it takes the old one's place. */
static int segment_move(struct nearby_segment *segment, const struct nearby_segment_config *config,
			const struct nearby_segment *old, const char **reason)
{
	char making[MAKING_BYTES], from[PATH_BYTES], to[PATH_BYTES];
	making_name(config->instance, making);
	snprintf(from, sizeof(from), "/dev/shm%s", making);
	snprintf(to, sizeof(to), "/dev/shm/nearby.%s", config->instance);
	int result = name_take(making, &segment->fd, reason);
	if (result != 0)
		return result;
	if (!descriptor_is_ours(segment->fd))
		return refuse(reason, -EACCES, "%s belongs to another user", from);
	result = name_fill(segment, config, making, reason);
	if (result != 0)
		return result;
	uint64_t refused = table_copy(old, segment);
	header_own(segment, config);
	if (rename(from, to) != 0)
		return refuse(reason, -errno, "rename %s: %s", from, strerror(errno));
	if (refused > 0)
		refuse(reason, 0, "%" PRIu64 " locations did not fit the smaller table", refused);
	return 0;
}

/* The old segment is sound but of another size. It stays what it is until the new one is whole. */
static int segment_resize(struct nearby_segment *segment, const struct nearby_segment_config *config,
			  uint32_t old_slots, const char **reason)
{
	struct nearby_segment old = { .fd = segment->fd };
	segment->fd = -1;
	int result = segment_map(&old, old_slots);
	if (result == 0) {
		result = segment_move(segment, config, &old, reason);
		munmap(old.header, old.bytes);
	} else {
		refuse(reason, result, "mmap: %s", strerror(-result));
	}
	close(old.fd);
	return result;
}

/* What becomes of the name's object, now that it is locked. */
static int segment_decide(struct nearby_segment *segment, const struct nearby_segment_config *config,
			  const char *name, enum nearby_segment_birth *birth, const char **reason)
{
	*birth = NEARBY_SEGMENT_FRESH;
	if (!descriptor_is_ours(segment->fd))
		return refuse(reason, -EACCES, "%s belongs to another user or is open to others",
			      name);
	if (descriptor_is_empty(segment->fd))
		return name_fill(segment, config, name, reason);
	uint32_t partition_slots;
	int result = descriptor_judge(segment->fd, &partition_slots, reason);
	if (result == -EPROTO) {
		*birth = NEARBY_SEGMENT_REPLACED;
		return segment_replace(segment, config, name, reason);
	}
	*birth = NEARBY_SEGMENT_ADOPTED;
	if (result != 0)
		return result;
	if (partition_slots == layout_partition_slots(config->users_max))
		return segment_adopt(segment, config, partition_slots, reason);
	return segment_resize(segment, config, partition_slots, reason);
}

static int segment_take(struct nearby_segment *segment, const struct nearby_segment_config *config,
			enum nearby_segment_birth *birth, const char **reason)
{
	char name[NAME_BYTES], making[MAKING_BYTES];
	shm_check(instance_name(config->instance, name));
	int result = name_take(name, &segment->fd, reason);
	/* One may be left by an owner who died in resizing; only the owner of the name makes it. */
	making_name(config->instance, making);
	if (result == 0)
		shm_unlink(making);
	return result == 0 ? segment_decide(segment, config, name, birth, reason) : result;
}

int nearby_segment_create(struct nearby_segment **segment, const struct nearby_segment_config *config,
			  enum nearby_segment_birth *birth, const char **reason)
{
	*segment = NULL;
	if (reason != NULL)
		*reason = NULL;
	int result = config_judge(config, reason);
	if (result != 0)
		return result;
	struct nearby_segment *making = calloc(1, sizeof(*making));
	if (making == NULL)
		return refuse(reason, -ENOMEM, "out of memory");
	making->fd = -1;
	making->is_owner = true;
	*birth = NEARBY_SEGMENT_FRESH;
	result = config->instance == NULL ? segment_make(making, config, reason)
					  : segment_take(making, config, birth, reason);
	if (result == 0)
		header_own(making, config);
	else
		nearby_segment_close(&making);
	*segment = making;
	return result;
}
