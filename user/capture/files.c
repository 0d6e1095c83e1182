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

/* The probes of holds in one file: what costs, and may come and go. */
struct hold_links {
	struct links links;
	const struct probed_file *file;
	pid_t only;
	int fd; /* opens the file again */
	bool on;
};

struct files {
	struct giltrace_bpf *bpf;
	bool multi;
	enum trace_level level;
	size_t count;
	struct probed_file *probed[MAX_PLANS];
	uint32_t site_count;
	size_t link_count;
	struct links **links;
	pthread_mutex_t mutex; /* what follows is also the governor's */
	bool holds_on;
	size_t hold_count;
	struct hold_links **holds;
};

struct files *files__new(struct giltrace_bpf *bpf, bool multi, enum trace_level level)
{
	struct files *files = calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	files->bpf = bpf;
	files->multi = multi;
	files->level = level;
	files->holds_on = true;
	pthread_mutex_init(&files->mutex, NULL);
	return files;
}

void files__detach(struct files *files)
{
	while (files->link_count) {
		struct links *links = files->links[--files->link_count];

		links__detach(links);
		free(links);
	}
	while (files->hold_count) {
		struct hold_links *holds = files->holds[--files->hold_count];

		links__detach(&holds->links);
		close(holds->fd);
		free(holds);
	}
}

void files__free(struct files *files)
{
	if (!files)
		return;
	files__detach(files);
	for (size_t i = 0; i < files->count; i++)
		free(files->probed[i]);
	free(files->links);
	free(files->holds);
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

static bool is_of_waits(enum probe_event event)
{
	return event == PROBE_BLOCKED || event == PROBE_WAITED;
}

/* The sites of waits, of holds, or of both, with the distance from the lock to the argument at each. */
static size_t choose_sites(const struct probed_file *file, bool waits, bool holds, struct link_site *sites)
{
	const struct probe_plan *plan = &file->plan;
	size_t count = 0;

	for (size_t i = 0; i < plan->site_count && count < LINKS_MAX_SITES; i++) {
		const struct probe_site *site = &plan->sites[i];
		bool at_cond = site->event != PROBE_ACQUIRED && site->event != PROBE_SWITCHED;

		if (!is_needed(plan, site->event) || !(is_of_waits(site->event) ? waits : holds))
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

static int switch_holds(struct files *files, struct hold_links *holds, bool on)
{
	struct link_site sites[LINKS_MAX_SITES];
	char path[64];
	int err;

	if (holds->on == on)
		return 0;
	if (!on) {
		links__detach(&holds->links);
		holds->on = false;
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", holds->fd);
	err = links__attach(&holds->links, files->bpf, files->multi, holds->only, path, sites,
			    choose_sites(holds->file, false, true, sites));
	holds->on = !err;
	return err;
}

int files__switch_holds(struct files *files, bool on)
{
	int err = 0;

	pthread_mutex_lock(&files->mutex);
	files->holds_on = on;
	for (size_t i = 0; i < files->hold_count; i++) {
		int failed = switch_holds(files, files->holds[i], on);

		err = err ? err : failed;
	}
	pthread_mutex_unlock(&files->mutex);
	return err;
}

static int add_holds(struct files *files, const struct probed_file *file, pid_t only, const char *path)
{
	struct hold_links *holds = calloc(1, sizeof(*holds)), **grown;
	int err = holds ? 0 : -ENOMEM;

	if (err)
		return err;
	*holds = (struct hold_links){.links.multi_fd = -1, .file = file, .only = only};
	holds->fd = open(path, O_PATH | O_CLOEXEC);
	if (holds->fd < 0) {
		err = -errno;
		free(holds);
		return err;
	}
	pthread_mutex_lock(&files->mutex);
	grown = realloc(files->holds, (files->hold_count + 1) * sizeof(*grown));
	if (grown)
		files->holds = grown;
	err = !grown ? -ENOMEM : files->holds_on ? switch_holds(files, holds, true) : 0;
	if (!err)
		files->holds[files->hold_count++] = holds;
	pthread_mutex_unlock(&files->mutex);
	if (err) {
		close(holds->fd);
		free(holds);
	}
	return err;
}

static int add_links(struct files *files, const struct probed_file *file, pid_t only, const char *path)
{
	struct link_site sites[LINKS_MAX_SITES];
	bool windows = files->level == TRACE_AUTO && waits_stand_alone(&file->plan);
	size_t count = choose_sites(file, true, files->level != TRACE_WAITS && !windows, sites);
	struct links **grown = realloc(files->links, (files->link_count + 1) * sizeof(*grown)), *links;
	int err;

	if (!grown)
		return -ENOMEM;
	files->links = grown;
	links = calloc(1, sizeof(*links));
	if (!links)
		return -ENOMEM;
	err = links__attach(links, files->bpf, files->multi, only, path, sites, count);
	if (err)
		free(links);
	else
		files->links[files->link_count++] = links;
	return err || !windows ? err : add_holds(files, file, only, path);
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
			 "the kernel refused a probe in %s: another tracer may have one there of another kind; end that first",
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
