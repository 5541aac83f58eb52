/*
 * Owns: reading /proc/PID/stat.
 * Invariant: see the header.
 * Thread: see the header.
 * Does not know: see the header.
 */
#include "bench/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 65536

struct process {
	pid_t pid, parent;
	bool is_of_tree;
	struct usage usage;
};

/* False: it is gone. */
static bool process_read(struct process *process, pid_t pid)
{
	char path[64], line[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return false;
	bool is_read = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	/* The name in brackets may hold anything, brackets too. */
	const char *rest = is_read ? strrchr(line, ')') : NULL;
	unsigned long user, system, pages;
	long children_user, children_system;
	int parent;
	if (rest == NULL ||
	    sscanf(rest + 1,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d "
		   "%*u %*u %lu",
		   &parent, &user, &system, &children_user, &children_system, &pages) != 6)
		return false;
	double ticks =
		(double)user + (double)system + (double)children_user + (double)children_system;
	*process = (struct process){
		.pid = pid,
		.parent = parent,
		.usage = { .processes = 1,
			   .cpu_s = ticks / (double)sysconf(_SC_CLK_TCK),
			   .resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE) },
	};
	return true;
}

struct usage usage_of(pid_t pid)
{
	struct process process = { .pid = pid };
	return process_read(&process, pid) ? process.usage : (struct usage){ .processes = 0 };
}

static uint32_t processes_read(struct process *processes)
{
	uint32_t count = 0;
	DIR *folder = opendir("/proc");
	if (folder == NULL)
		return 0;
	for (struct dirent *entry; count < PROCESSES_MAX && (entry = readdir(folder)) != NULL;) {
		if (isdigit((unsigned char)entry->d_name[0]))
			count += process_read(&processes[count], (pid_t)atoi(entry->d_name));
	}
	closedir(folder);
	return count;
}

/* Marks those whose parent is marked. True when there was one. */
static bool mark_children(struct process *processes, uint32_t count)
{
	bool marked = false;
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < count && !processes[i].is_of_tree; j++) {
			if (processes[j].is_of_tree && processes[j].pid == processes[i].parent)
				marked = processes[i].is_of_tree = true;
		}
	}
	return marked;
}

struct usage usage_of_tree(pid_t root)
{
	struct usage sum = { .processes = 0 };
	struct process *processes = calloc(PROCESSES_MAX, sizeof(*processes));
	uint32_t count = processes == NULL ? 0 : processes_read(processes);
	for (uint32_t i = 0; i < count; i++)
		processes[i].is_of_tree = processes[i].pid == root;
	/* As deep as there are processes, at most. */
	for (uint32_t i = 0; i < count && mark_children(processes, count); i++)
		continue;
	for (uint32_t i = 0; i < count; i++) {
		if (!processes[i].is_of_tree)
			continue;
		sum.processes++;
		sum.cpu_s += processes[i].usage.cpu_s;
		sum.resident_bytes += processes[i].usage.resident_bytes;
	}
	free(processes);
	return sum;
}
