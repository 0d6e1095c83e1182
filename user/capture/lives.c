/* SPDX-License-Identifier: MIT */
/* The lives of traced processes: see lives.h. */
#include "user/capture/lives.h"

#include <stdlib.h>
#include <string.h>

#include "user/capture/capture_state.h"
#include "user/target/process.h"

void lives__clear(struct lives *lives)
{
	for (size_t i = 0; i < lives->count; i++) {
		process__close(lives->list[i].opened);
		free(lives->list[i].exe);
	}
	free(lives->list);
	*lives = (struct lives){0};
}

/* The newest first: a process that is told of is mostly one that began lately. */
static struct life *find(const struct lives *lives, uint32_t pid, uint32_t instance, bool any_instance)
{
	for (size_t i = lives->count; i-- > 0;)
		if (lives->list[i].pid == pid && (any_instance || lives->list[i].instance == instance))
			return &lives->list[i];
	return NULL;
}

struct life *lives__newest(const struct lives *lives, uint32_t pid)
{
	return find(lives, pid, 0, true);
}

static struct life *append(struct lives *lives)
{
	if (!(lives->count & (lives->count - 1))) {
		struct life *grown = realloc(lives->list, (lives->count ? 2 * lives->count : 1) * sizeof(*grown));

		if (!grown)
			return NULL;
		lives->list = grown;
	}
	return memset(&lives->list[lives->count++], 0, sizeof(struct life));
}

static void read_about(const struct lives *lives, struct life *life)
{
	const struct life *parent = life->parent ? lives__newest(lives, life->parent) : NULL;
	struct process *process;

	life->pid_in_namespace = life->pid;
	if (!process__open((pid_t)life->pid, &process)) {
		life->exe = strdup(process__exe(process));
		life->pid_in_namespace = (uint32_t)process__pid_in_namespace(process);
		process__close(process);
	} else if (parent && parent->exe) {
		life->exe = strdup(parent->exe);
	}
}

struct life *lives__begin(struct lives *lives, uint32_t pid, uint32_t instance, uint32_t parent, uint64_t now)
{
	struct life *life = find(lives, pid, instance, false);

	if (!life)
		life = append(lives);
	if (!life)
		return NULL;
	life->pid = pid;
	life->instance = instance;
	life->parent = parent;
	life->began_ns = now;
	if (!life->exe)
		read_about(lives, life);
	return life;
}

struct life *lives__get(struct lives *lives, uint32_t pid, uint32_t instance)
{
	struct life *life = find(lives, pid, instance, false);

	return life ? life : lives__begin(lives, pid, instance, 0, capture__now());
}
