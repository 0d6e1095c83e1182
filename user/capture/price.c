/* SPDX-License-Identifier: MIT */
/* The price of a probe hit: see price.h. */
#include "user/capture/price.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <link.h>
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

/* An acquisition and a release: `push` is emulated just as the calls at the real sites are. The lock is in rdi. */
extern const char price_acquired[], price_released[];
void price_cycle(const void *lock);

__asm__(".text\n"
	".p2align 4\n"
	".globl price_cycle, price_acquired, price_released\n"
	".type price_cycle, @function\n"
	"price_cycle:\n"
	"price_acquired:\n"
	"	push %rax\n"
	"	pop %rax\n"
	"price_released:\n"
	"	push %rax\n"
	"	pop %rax\n"
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

static double median_hit_ns(const void *lock)
{
	double batches[BATCHES];

	batch_ns(lock, CYCLES); /* the first hit makes the lock and the thread */
	for (int i = 0; i < BATCHES; i++)
		batches[i] = batch_ns(lock, CYCLES);
	return median(batches, BATCHES) / (2 * CYCLES);
}

/* Each cycle after other memory was used, as a program does that works between taking the lock and letting it go. */
static double median_cold_hit_ns(const void *lock, volatile char *memory)
{
	double cycles[COLD_CYCLES];

	for (int i = 0; i < COLD_CYCLES; i++) {
		for (size_t at = 0; at < OTHER_MEMORY; at += LINE)
			memory[at]++;
		cycles[i] = batch_ns(lock, 1);
	}
	return median(cycles, COLD_CYCLES) / 2;
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

/* What the program runs at a hit, since `before`. */
static double program_ns(const struct giltrace_bpf *bpf, const struct run_time *before)
{
	struct run_time now = run_time__read(bpf);
	uint64_t runs = now.runs - before->runs;

	return runs ? (double)(now.ns - before->ns) / (double)runs : 0;
}

static void measure(struct giltrace_bpf *bpf, const void *lock, char *memory, struct price *price)
{
	int account = run_time__keep();
	struct run_time before = run_time__read(bpf);

	price->hit_ns = median_hit_ns(lock) - price->hit_ns;
	price->program_ns = program_ns(bpf, &before);
	before = run_time__read(bpf);
	price->cold_hit_ns = median_cold_hit_ns(lock, memory) - price->cold_hit_ns;
	price->cold_program_ns = program_ns(bpf, &before);
	if (price->hit_ns < 0)
		price->hit_ns = 0;
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
		price.cold_hit_ns = median_cold_hit_ns(lock, memory);
		price.hit_ns = median_hit_ns(lock);
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
	double slower = price->cold_program_ns - price->program_ns;

	if (price->hit_ns < 0 || slower <= 0 || program_ns <= price->program_ns)
		return price->hit_ns;
	if (program_ns >= price->cold_program_ns)
		return price->cold_hit_ns + program_ns - price->cold_program_ns;
	return price->hit_ns + (program_ns - price->program_ns) / slower * (price->cold_hit_ns - price->hit_ns);
}
