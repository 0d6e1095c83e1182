/* SPDX-License-Identifier: MIT */
/* The price of a probe hit: see price.h. */
#include "user/capture/price.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "giltrace.skel.h"
#include "user/capture/links.h"
#include "user/capture/locks.h"
#include "user/capture/run_time.h"

#define BATCHES 9
#define CYCLES  32

/* More than the caches that are one CPU's own hold. */
#define OTHER_MEMORY (2 << 20)
#define COLD_CYCLES  24
#define LINE         64

/*
 * An acquisition and a release, each a call some calls deep as in a runtime: a call that the kernel emulates is unknown
 * to the CPU, which then predicts the returns wrong. The lock is in rdi.
 */
extern const char price_acquired[], price_released[];
void price_cycle(const void *lock);

__asm__(".text\n"
	".macro price_calls site, depth\n"
	".if \\depth\n"
	"	call 1f\n"
	"	ret\n"
	"1:	price_calls \\site, (\\depth - 1)\n"
	".else\n"
	"\\site:\n"
	"	call price_nothing\n"
	"	ret\n"
	".endif\n"
	".endm\n"
	".p2align 4\n"
	".globl price_cycle, price_acquired, price_released\n"
	".type price_cycle, @function\n"
	"price_cycle:\n"
	"	call price_first\n"
	"	call price_second\n"
	"	ret\n"
	"price_first: price_calls price_acquired, 6\n"
	"price_second: price_calls price_released, 6\n"
	"price_nothing:\n"
	"	ret\n"
	".size price_cycle, . - price_cycle\n");

struct own_offset {
	uint64_t address, file_offset;
};

static int find_own_offset(struct dl_phdr_info *info, size_t size, void *data)
{
	struct own_offset *own = data;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && own->address >= start && own->address - start < segment->p_filesz) {
			own->file_offset = own->address - start + segment->p_offset;
			return 1;
		}
	}
	return 0;
}

static uint64_t file_offset_of(const void *code)
{
	struct own_offset own = {.address = (uint64_t)(uintptr_t)code};

	return dl_iterate_phdr(find_own_offset, &own) ? own.file_offset : 0;
}

static double batch_ns(const void *lock, int count)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < count; i++)
		price_cycle(lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* What one hit takes without looks at stacks, and the programs' part of it: medians of single measurements. */
struct measured {
	double hit_ns, program_ns;
};

#define MOST_MEASUREMENTS (BATCHES > COLD_CYCLES ? BATCHES : COLD_CYCLES)

/*
 * So many times so many cycles, after `memory`, if it is not NULL, was used, as a program does that works between
 * taking the lock and letting it go.
 */
static struct measured measure_hits(const struct giltrace_bpf *bpf, const void *lock, volatile char *memory, int times,
				    int cycles)
{
	double hits[MOST_MEASUREMENTS], programs[MOST_MEASUREMENTS];

	for (int i = 0; i < times; i++) {
		struct run_time before = run_time__read(bpf), after;

		for (size_t at = 0; memory && at < OTHER_MEMORY; at += LINE)
			memory[at]++;
		hits[i] = batch_ns(lock, cycles);
		after = run_time__read(bpf);
		hits[i] = (hits[i] - (double)(after.look_ns - before.look_ns)) / (2 * cycles);
		programs[i] = run_time__mean(&before, &after);
	}
	return (struct measured){.hit_ns = median(hits, (size_t)times), .program_ns = median(programs, (size_t)times)};
}

static struct measured measure_loop(const struct giltrace_bpf *bpf, const void *lock)
{
	batch_ns(lock, CYCLES); /* the first hit makes the lock and the thread */
	return measure_hits(bpf, lock, NULL, BATCHES, CYCLES);
}

static struct measured measure_cold(const struct giltrace_bpf *bpf, const void *lock, volatile char *memory)
{
	return measure_hits(bpf, lock, memory, COLD_CYCLES, 1);
}

/* There are a few at most, and nobody else's yet. */
static void clear_map(const struct bpf_map *map)
{
	char key[64];

	while (bpf_map__key_size(map) <= sizeof(key) && !bpf_map_get_next_key(bpf_map__fd(map), NULL, key) &&
	       !bpf_map_delete_elem(bpf_map__fd(map), key))
		;
}

/* Takes out of the maps what the measurement, by this thread, left there. */
static void clean_up(struct giltrace_bpf *bpf, uint32_t pid, const void *lock)
{
	struct lock_key key = {.address = (uint64_t)(uintptr_t)lock, .tgid = pid};
	struct thread_pointer pointer = {.tgid = pid, .pointer = pthread_self()};
	uint32_t tid = (uint32_t)syscall(SYS_gettid), slot;

	clear_map(bpf->maps.releases);
	bpf_map_delete_elem(bpf_map__fd(bpf->maps.processes), &pid);
	locks__remove(bpf, &key);
	bpf_map_delete_elem(bpf_map__fd(bpf->maps.thread_pointers), &pointer);
	if (!bpf_map_lookup_elem(bpf_map__fd(bpf->maps.slots), &tid, &slot)) {
		struct thread *empty = calloc(1, sizeof(*empty));

		bpf_map_delete_elem(bpf_map__fd(bpf->maps.slots), &tid);
		if (empty && !bpf_map_update_elem(bpf_map__fd(bpf->maps.threads), &slot, empty, BPF_ANY))
			bpf_map_update_elem(bpf_map__fd(bpf->maps.free_slots), NULL, &slot, BPF_ANY);
		free(empty);
	}
	memset(bpf->bss->lost, 0, sizeof(bpf->bss->lost));
	memset(bpf->bss->walk_counts, 0, sizeof(bpf->bss->walk_counts));
	bpf->bss->entries = 0;
	bpf->bss->half_told = false;
}

/* Closing a link waits for the kernel for tens of ms: that is done beside the work. */
static void *detach_beside(void *links)
{
	links__detach(links);
	free(links);
	return NULL;
}

static void detach(struct links *links)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, detach_beside, links))
		detach_beside(links);
	else
		pthread_detach(thread);
}

static void measure(struct giltrace_bpf *bpf, const void *lock, char *memory, struct price *price)
{
	double unaccounted_ns = measure_loop(bpf, lock).hit_ns;
	int account = run_time__keep();
	struct measured loop = measure_loop(bpf, lock), cold = measure_cold(bpf, lock, memory);

	price->hit_ns = fmax(0, unaccounted_ns - price->hit_ns);
	price->program_ns = loop.program_ns;
	price->cold_hit_ns = cold.hit_ns - price->cold_hit_ns - (loop.hit_ns - unaccounted_ns);
	price->cold_program_ns = cold.program_ns;
	if (account >= 0)
		close(account);
}

struct price price__measure(struct giltrace_bpf *bpf, bool multi)
{
	static const uint32_t lock[4];
	uint32_t pid = (uint32_t)getpid();
	struct traced_process self = {0};
	struct file_plan plan = {
		.layout = {.mutex = UNKNOWN_OFFSET,
			   .locked = UNKNOWN_OFFSET,
			   .last_holder = UNKNOWN_OFFSET,
			   .thread_id = UNKNOWN_OFFSET,
			   .interpreter = UNKNOWN_OFFSET},
		.attached_ns = 1,
	};
	const uint32_t number = 0; /* of the plan and of both sites; what is there is overwritten later */
	const struct link_site sites[] = {
		{.file_offset = file_offset_of(price_acquired), .event = PROBE_ACQUIRED},
		{.file_offset = file_offset_of(price_released), .event = PROBE_RELEASED},
	};
	struct links *links = calloc(1, sizeof(*links));
	/* Not malloc's, which keeps what was freed. */
	char *memory = mmap(NULL, OTHER_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct price price = {.hit_ns = -1};

	if (links && memory != MAP_FAILED &&
	    !bpf_map_update_elem(bpf_map__fd(bpf->maps.processes), &pid, &self, BPF_ANY) &&
	    !bpf_map_update_elem(bpf_map__fd(bpf->maps.plans), &number, &plan, BPF_ANY)) {
		price.cold_hit_ns = measure_cold(bpf, lock, memory).hit_ns;
		price.hit_ns = measure_loop(bpf, lock).hit_ns;
		if (links__attach(links, bpf, multi, (pid_t)pid, "/proc/self/exe", sites, 2)) {
			price.hit_ns = -1;
		} else {
			bpf->bss->active = true;
			measure(bpf, lock, memory, &price);
			bpf->bss->active = false;
			detach(links);
			links = NULL;
		}
		clean_up(bpf, pid, lock);
	}
	if (memory != MAP_FAILED)
		munmap(memory, OTHER_MEMORY);
	free(links);
	return price;
}

double price__where(const struct price *price, double program_ns)
{
	double slower = program_ns - price->program_ns;

	if (price->hit_ns < 0 || price->program_ns <= 0 || program_ns <= 0)
		return price->hit_ns;
	if (slower <= 0)
		return price->hit_ns * program_ns / price->program_ns;
	if (program_ns >= price->cold_program_ns)
		return fmax(price->hit_ns, price->cold_hit_ns) + program_ns - price->cold_program_ns;
	return price->hit_ns +
	       slower / (price->cold_program_ns - price->program_ns) * (price->cold_hit_ns - price->hit_ns);
}
