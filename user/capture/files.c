/* SPDX-License-Identifier: MIT */
/* The files that are probed: see files.h. */
#include "user/capture/files.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct files {
	struct giltrace_bpf *bpf;
	bool multi;
	enum trace_level level;
	size_t count;
	struct probed_file *probed[MAX_PLANS];
	uint32_t site_count;
	size_t link_count;
	struct links **links;
};

struct files *files__new(struct giltrace_bpf *bpf, bool multi, enum trace_level level)
{
	struct files *files = calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	files->bpf = bpf;
	files->multi = multi;
	files->level = level;
	return files;
}

void files__detach(struct files *files)
{
	while (files->link_count) {
		struct links *links = files->links[--files->link_count];

		links__detach(links);
		free(links);
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

/* Forced releases are told by the waiters' timeouts; where those are not known, by `switched`. */
static bool is_needed(const struct probe_plan *plan, enum trace_level level, enum probe_event event)
{
	if (event == PROBE_SWITCHED)
		return !has_site(plan, PROBE_WAITED);
	return level == TRACE_ALL || event == PROBE_BLOCKED || event == PROBE_WAITED;
}

/* The sites that the level needs, with the distance from the lock to the argument at each. */
static size_t choose_sites(const struct probed_file *file, enum trace_level level, struct link_site *sites)
{
	const struct probe_plan *plan = &file->plan;
	size_t count = 0;

	for (size_t i = 0; i < plan->site_count && count < LINKS_MAX_SITES; i++) {
		const struct probe_site *site = &plan->sites[i];
		bool at_cond = site->event != PROBE_ACQUIRED && site->event != PROBE_SWITCHED;

		if (!is_needed(plan, level, site->event))
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
	if (level != TRACE_WAITS || (has_site(plan, PROBE_WAITED) && plan->layout.locked != UNKNOWN_OFFSET))
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
		.layout = file->plan.layout, .frames = file->plan.frames, .attached_ns = file->attached_ns};
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

static int add_links(struct files *files, const struct probed_file *file, pid_t only, const char *path)
{
	struct link_site sites[LINKS_MAX_SITES];
	size_t count = choose_sites(file, files->level, sites);
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
	return err;
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
	if (err)
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
