/*
 * Owns: reading friendships and timed locations from files, plain or gzipped.
 * Invariant: what is kept is in range and sorted (locations by time, in the order of the file where
 *   times are equal); a line that is not as its columns say is counted, never guessed at.
 * Thread: the caller's; before the workers are forked, which then share the memory unchanged.
 * Does not know: sessions, or which users will take part.
 */
#ifndef NEARBY_BENCH_DATASET_H
#define NEARBY_BENCH_DATASET_H

#include "nearbyshm.h"

#include <stddef.h>
#include <stdint.h>

/* One edge of a friendship file: two ids. */
struct edge {
	uint64_t a, b;
};

struct edges {
	struct edge *rows;
	size_t count;
	size_t rejected; /* lines */
};

/* One row of a location file. A file without times gives 0 to all. */
struct fix {
	uint64_t user;
	int64_t time_s;
	struct nearby_place place;
	uint32_t row; /* of the file: keeps the order where times are equal */
};

struct fixes {
	struct fix *rows;
	size_t count;
	size_t rejected; /* lines */
};

#define COLUMNS_MAX 8
enum column { COLUMN_SKIP, COLUMN_USER, COLUMN_TIME, COLUMN_LAT, COLUMN_LON };
struct columns {
	enum column at[COLUMNS_MAX];
	unsigned count; /* 0: find out from the first line */
};

/* Reads "time,user,lat,lon"; `-` is a column to pass over. 0, or -EINVAL. */
int columns_parse(struct columns *columns, const char *text);
/*
 * What a line looks like: `user lat lon`; `user TIME lat lon …` with an ISO time in the second place
 * (the SNAP check-ins); `time user lat lon` otherwise.
 */
struct columns columns_guess(const char *line);

/* One line into a fix. 0, or -EINVAL. */
int fix_parse(struct fix *fix, const char *line, const struct columns *columns);

/*
 * Read a whole file; a name that ends in .gz goes through gzip. At most `rows_max` rows are kept. 0,
 * or negative errno; the caller frees the rows.
 */
int edges_load(struct edges *edges, const char *path);
int fixes_load(struct fixes *fixes, const char *path, const struct columns *columns,
	       size_t rows_max);

#endif
