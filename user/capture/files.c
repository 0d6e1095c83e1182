/* SPDX-License-Identifier: MIT */
/* The files that are probed: see files.h. */
#include "user/capture/files.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "giltrace.skel.h"
#include "user/capture/capture_state.h"
#include "user/capture/links.h"
#include "user/target/plan.h"
#include "user/target/process.h"

struct probed_file {
	struct probe_plan plan;
	uint64_t attached_ns;
	uint32_t first_site; /* index in the map `sites` of its first one */
	bool for_all;        /* one link serves every process */
};

#define DETACHED_TOGETHER 16

/* Probes in one file, for one process or for all. */
struct attached {
	struct links links;
	const struct probed_file *file;
	pid_t only;
	bool blocked, waits, holds; /* whose sites these are: where waits begin, other ones of waits, of holds */
	int fd;                     /* opens the file again, for those that come and go; else -1 */
	bool on;
};

struct files {
	struct giltrace_bpf *bpf;
	bool multi;
	enum trace_level level;
	size_t count;
	struct probed_file *probed[MAX_PLANS];
	uint32_t site_count;
	pthread_mutex_t mutex; /* what follows is also the governor's */
	bool is_on[FILES_KINDS];
	size_t attached_count;
	struct attached **attached;
	/* What follows is not. */
	size_t leaving_count;
	pthread_t leaving[DETACHED_TOGETHER]; /* each detaches something */
};

struct files *files__new(struct giltrace_bpf *bpf, bool multi, enum trace_level level)
{
	struct files *files = calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	files->bpf = bpf;
	files->multi = multi;
	files->level = level;
	files->is_on[FILES_WAITS] = files->is_on[FILES_HOLDS] = true;
	pthread_mutex_init(&files->mutex, NULL);
	return files;
}

static void free_attached(struct attached *attached)
{
	links__detach(&attached->links);
	if (attached->fd >= 0)
		close(attached->fd);
	free(attached);
}

static void *free_beside(void *attached)
{
	free_attached(attached);
	return NULL;
}

/* The kernel waits until no thread is in the probes any more, for 20 to 70 ms: nobody else need to. */
static void detach_beside(struct files *files, struct attached *attached)
{
	if (files->leaving_count < DETACHED_TOGETHER &&
	    !pthread_create(&files->leaving[files->leaving_count], NULL, free_beside, attached))
		files->leaving_count++;
	else
		free_attached(attached);
}

void files__begin_detach(struct files *files)
{
	while (files->attached_count && files->leaving_count < DETACHED_TOGETHER)
		detach_beside(files, files->attached[--files->attached_count]);
}

void files__detach(struct files *files)
{
	do {
		files__begin_detach(files);
		while (files->leaving_count)
			pthread_join(files->leaving[--files->leaving_count], NULL);
	} while (files->attached_count);
}

void files__free(struct files *files)
{
	if (!files)
		return;
	files__detach(files);
	for (size_t i = 0; i < files->count; i++)
		free(files->probed[i]);
	free(files->attached);
	pthread_mutex_destroy(&files->mutex);
	free(files);
}

size_t files__count(const struct files *files)
{
	return files->count;
}

const struct probe_plan *files__plan(const struct files *files, uint32_t number)
{
	return number < files->count ? &files->probed[number]->plan : NULL;
}

uint64_t files__attached_ns(const struct files *files, uint32_t number)
{
	return number < files->count ? files->probed[number]->attached_ns : 0;
}

int files__find(const struct files *files, const struct mapping *file)
{
	for (size_t i = 0; i < files->count; i++)
		if (files->probed[i]->plan.file.device == file->device &&
		    files->probed[i]->plan.file.inode == file->inode)
			return (int)i;
	return -1;
}

static bool has_site(const struct probe_plan *plan, enum probe_event event)
{
	for (size_t i = 0; i < plan->site_count; i++)
		if (plan->sites[i].event == event)
			return true;
	return false;
}

/* Whether waits can be told without probing each acquisition. */
static bool waits_stand_alone(const struct probe_plan *plan)
{
	return has_site(plan, PROBE_WAITED) && plan->layout.locked != UNKNOWN_OFFSET;
}

bool files__has_windows(const struct files *files, uint32_t number)
{
	return number < files->count && files->level == TRACE_AUTO && waits_stand_alone(&files->probed[number]->plan);
}

/* Forced releases are told by the waiters' timeouts; where those are not known, by `switched`. */
static bool is_needed(const struct probe_plan *plan, enum probe_event event)
{
	return event != PROBE_SWITCHED || !has_site(plan, PROBE_WAITED);
}

/* The sites that are wanted now, with the distance from the lock to the argument at each. */
static size_t choose_sites(const struct files *files, const struct attached *wanted, struct link_site *sites)
{
	bool both = wanted->holds && !files->is_on[FILES_WAITS];
	bool waits = wanted->waits || both, blocked = wanted->blocked || (both && !wanted->only);
	const struct probed_file *file = wanted->file;
	const struct probe_plan *plan = &file->plan;
	size_t count = 0;

	for (size_t i = 0; i < plan->site_count && count < LINKS_MAX_SITES; i++) {
		const struct probe_site *site = &plan->sites[i];
		bool at_cond = site->event != PROBE_ACQUIRED && site->event != PROBE_SWITCHED;

		if (!is_needed(plan, site->event) || !(site->event == PROBE_BLOCKED  ? blocked
						       : site->event == PROBE_WAITED ? waits
										     : wanted->holds))
			continue;
		sites[count++] = (struct link_site){
			.file_offset = site->file_offset,
			.number = file->first_site + (uint32_t)i,
			.event = site->event,
			.distance = at_cond ? plan->layout.cond : plan->layout.switch_cond,
		};
	}
	return count;
}

static int check_plan(const struct probe_plan *plan, enum trace_level level, char *why, size_t why_size)
{
	if (level != TRACE_WAITS || waits_stand_alone(plan))
		return 0;
	snprintf(why, why_size, "this build's waits cannot be told apart without its acquisitions: use --probes=all");
	return -ENOTSUP;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* How much of a frame and of a code object must be read for their fields; 0 when that is more than there is room for.
 */
static void fill_sizes(struct file_plan *plan)
{
	const struct frame_layout *frames = &plan->frames;

	if (!frames->code && !frames->previous && !frames->name)
		return; /* not known */
	plan->frame_size = most(most(frames->previous, frames->code), frames->instruction) + 8;
	if (frames->owner != NO_FIELD)
		plan->frame_size = most(plan->frame_size, frames->owner + 1);
	plan->code_size = most(most(frames->name, frames->file), frames->first_line) + 8;
	if (frames->code_type)
		plan->code_size = most(plan->code_size, frames->code_has_type + 8);
	if (frames->instruction_form == INSTRUCTION_BEHIND_POINTER)
		plan->code_size = most(plan->code_size, frames->instructions + 8);
	if (plan->frame_size > FRAME_SPAN || plan->code_size > CODE_SPAN)
		plan->frame_size = plan->code_size = 0;
}

/* Tells the kernel side what it must know of the file. It ignores hits there as long as attached_ns is 0. */
static int publish(const struct files *files, const struct probed_file *file, uint32_t number)
{
	struct file_plan plan = {
		.layout = file->plan.layout,
		.frames = file->plan.frames,
		.attached_ns = file->attached_ns,
		.always = !waits_stand_alone(&file->plan),
	};
	int err;

	fill_sizes(&plan);
	err = bpf_map_update_elem(bpf_map__fd(files->bpf->maps.plans), &number, &plan, BPF_ANY);

	for (uint32_t i = 0; !err && i < file->plan.site_count; i++) {
		struct site site = {.address = file->plan.sites[i].address, .plan = number};
		uint32_t index = file->first_site + i;

		err = bpf_map_update_elem(bpf_map__fd(files->bpf->maps.sites), &index, &site, BPF_ANY);
	}
	return err ? -errno : 0;
}

static int add_file(struct files *files, const struct probe_plan *plan, char *why, size_t why_size)
{
	struct probed_file *file;
	uint32_t number = (uint32_t)files->count;
	int err;

	if (number >= MAX_PLANS || files->site_count + plan->site_count > MAX_SITES || (number && !files->multi)) {
		snprintf(why, why_size, "%s: %s", plan->file.path,
			 files->multi ? "too many different interpreters are traced already"
				      : "this kernel can trace one interpreter's file at a time (6.10 or later: more)");
		return -ENOSPC;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->plan = *plan;
	file->first_site = files->site_count;
	err = publish(files, file, number);
	if (err) {
		free(file);
		return err;
	}
	files->site_count += (uint32_t)plan->site_count;
	files->probed[files->count++] = file;
	return (int)number;
}

static int attach(const struct files *files, struct attached *attached, const char *path)
{
	struct link_site sites[LINKS_MAX_SITES];
	size_t count = choose_sites(files, attached, sites);
	int err = links__attach(&attached->links, files->bpf, files->multi, attached->only, path, sites, count);

	attached->on = !err;
	return err;
}

static int switch_one(const struct files *files, struct attached *attached, bool on)
{
	char path[64];

	if (attached->on == on)
		return 0;
	if (on) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", attached->fd);
		return attach(files, attached, path);
	}
	links__detach(&attached->links);
	attached->on = false;
	return 0;
}

/* Of those that come and go. */
static enum files_kind kind_of(const struct attached *attached)
{
	return attached->holds ? FILES_HOLDS : FILES_WAITS;
}

int files__switch(struct files *files, enum files_kind kind, bool on)
{
	int err = 0;

	pthread_mutex_lock(&files->mutex);
	files->is_on[kind] = on;
	for (size_t i = 0; i < files->attached_count; i++) {
		struct attached *attached = files->attached[i];
		int failed = 0;

		if (attached->fd >= 0 && kind_of(attached) == kind)
			failed = switch_one(files, attached, on);
		err = err ? err : failed;
	}
	pthread_mutex_unlock(&files->mutex);
	return err;
}

/* Probes that may come and go are opened by `fd`, which is taken over; others have -1. */
static int add_attached(struct files *files, const struct attached *which, const char *path)
{
	struct attached *attached = malloc(sizeof(*attached)), **grown;
	int err;

	if (!attached) {
		if (which->fd >= 0)
			close(which->fd);
		return -ENOMEM;
	}
	*attached = *which;
	attached->links.multi_fd = -1;
	pthread_mutex_lock(&files->mutex);
	grown = realloc(files->attached, (files->attached_count + 1) * sizeof(*grown));
	if (grown)
		files->attached = grown;
	err = grown ? 0 : -ENOMEM;
	if (grown && (which->fd < 0 || files->is_on[kind_of(which)]))
		err = attach(files, attached, path);
	if (!err)
		files->attached[files->attached_count++] = attached;
	pthread_mutex_unlock(&files->mutex);
	if (err)
		free_attached(attached);
	return err;
}

/*
 * Where waits stand alone, their probes and those of holds come and go apart, and those where the waits of one process
 * begin may be given up.
 */
static int add_links(struct files *files, const struct probed_file *file, pid_t only, const char *path)
{
	bool one_by_one = files->level != TRACE_ALL && waits_stand_alone(&file->plan);
	struct attached which = {.file = file, .only = only, .fd = -1, .blocked = true, .waits = true, .holds = true};
	int err = 0;

	if (!one_by_one)
		return add_attached(files, &which, path);
	for (int part = only ? 0 : 1; !err && part < (files->level == TRACE_AUTO ? 3 : 2); part++) {
		which.blocked = part == 0 || (part == 1 && !only);
		which.waits = part == 1;
		which.holds = part == 2;
		which.fd = open(path, O_PATH | O_CLOEXEC);
		err = which.fd < 0 ? -errno : add_attached(files, &which, path);
	}
	return err;
}

/* The probes of this process's waits' begins, of its holds; NULL: they are not apart. */
static struct attached **find_part(struct files *files, pid_t only, bool blocked)
{
	for (size_t i = 0; i < files->attached_count; i++) {
		struct attached *attached = files->attached[i];

		if (attached->only == only && !attached->waits && attached->blocked == blocked &&
		    attached->holds != blocked)
			return &files->attached[i];
	}
	return NULL;
}

void files__forgo_blocked(struct files *files, pid_t only)
{
	struct attached **forgone, **holds, *left = NULL;

	pthread_mutex_lock(&files->mutex);
	forgone = find_part(files, only, true);
	holds = find_part(files, only, false);
	if (forgone && (!holds || !(*holds)->on)) {
		if (holds)
			(*holds)->blocked = true;
		left = *forgone;
		*forgone = files->attached[--files->attached_count];
	}
	pthread_mutex_unlock(&files->mutex);
	if (left)
		detach_beside(files, left);
}

int files__attach(struct files *files, const struct probe_plan *plan, pid_t only, const char *path, char *why,
		  size_t why_size)
{
	int err = check_plan(plan, files->level, why, why_size), number = files__find(files, &plan->file);

	if (err)
		return err;
	if (number >= 0 && files->probed[number]->for_all)
		return 0;
	if (number < 0)
		number = add_file(files, plan, why, why_size);
	if (number < 0)
		return number;
	err = add_links(files, files->probed[number], only, path);
	if (!err && !files->probed[number]->attached_ns) {
		files->probed[number]->attached_ns = capture__now();
		err = publish(files, files->probed[number], (uint32_t)number);
	}
	if (err == -EINVAL) /* seen where BCC had a probe, which tells the kernel of a counter that there is not */
		snprintf(why, why_size,
			 "the kernel refused a probe in %s: another tracer may have one there of another kind; end "
			 "that first",
			 plan->file.path);
	else if (err)
		snprintf(why, why_size, "the kernel refused a probe in %s: %s", plan->file.path, strerror(-err));
	else if (!only)
		files->probed[number]->for_all = true;
	return err;
}

/*
 * The lock's calls must be made with what looks like a lock, and its acquisitions and releases must alternate: one that
 * does not fit is allowed for each lock, the one that was going on when the trace began.
 */
bool files__refuted(const struct files *files, uint32_t number, uint64_t locks, uint64_t *unlike, uint64_t *senseless)
{
	struct file_plan plan;

	*unlike = *senseless = 0;
	if (number >= files->count || bpf_map_lookup_elem(bpf_map__fd(files->bpf->maps.plans), &number, &plan))
		return false;
	*unlike = plan.unlike;
	*senseless = plan.senseless;
	return files->probed[number]->plan.cpython.guessed && ((!locks && plan.unlike) || plan.senseless > locks);
}
