/* SPDX-License-Identifier: MIT */
/* Traces that never were: see traces.h. */
#include "tests/fabricated/traces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/trace/trace.h"

#define MS  1000000ULL
#define PID 4242
#define GIL 0xa5b8a8

struct frame_text {
	enum frame_kind kind;
	const char *name, *file;
	uint32_t line;
};

/* The number of the stack of these frames, given root first as they are drawn. */
static uint32_t stack_of(struct trace *trace, const struct frame_text *frames, size_t count)
{
	uint32_t numbers[600];

	for (size_t i = 0; i < count; i++) {
		struct trace_frame frame = {frames[i].name, frames[i].file, frames[i].line, frames[i].kind};

		numbers[count - 1 - i] = (uint32_t)stacks__add_frame(trace->stacks, &frame);
	}
	return (uint32_t)stacks__add(trace->stacks, numbers, count);
}

#define STACK(trace, ...)                                         \
	stack_of(trace, (const struct frame_text[]){__VA_ARGS__}, \
		 sizeof((const struct frame_text[]){__VA_ARGS__}) / sizeof(struct frame_text))
#define PY(name, file, line)                   \
	{                                      \
		FRAME_PYTHON, name, file, line \
	}
#define C(name, file)                       \
	{                                   \
		FRAME_NATIVE, name, file, 0 \
	}
#define KERNEL(name)                        \
	{                                   \
		FRAME_KERNEL, name, NULL, 0 \
	}
#define NOTE(name)                        \
	{                                 \
		FRAME_NOTE, name, NULL, 0 \
	}

static void add_process(struct trace *trace, uint32_t number, uint32_t pid, const char *exe)
{
	struct trace_process *process = trace__add_process(trace);

	process->number = number;
	process->pid = pid;
	process->exe = strdup(exe);
	process->runtime = "cpython";
	process->design = "interval";
	snprintf(process->version, sizeof(process->version), "3.11.2");
	process->start_ns = trace->start_ns;
	process->duration_ns = trace->duration_ns;
}

static struct trace *new_trace(void)
{
	struct trace *trace = trace__new();

	trace->target.pid = PID;
	snprintf(trace->target.exe, sizeof(trace->target.exe), "/usr/bin/python3.11");
	snprintf(trace->target.version, sizeof(trace->target.version), "3.11.2");
	trace->target.runtime = "cpython";
	trace->target.design = "interval";
	trace->start_ns = 1000 * MS;
	trace->duration_ns = 10000 * MS;
	trace->probes.hits = 24047;
	trace->probes.cost_ns_per_hit = 820;
	trace->probes.overhead_pct = 0.7;
	trace->stack_level = TRACE_STACKS_BOTH;
	trace->quality =
		(struct trace_stack_quality){.walks = 20000, .torn = 3, .missing = 1, .cut = 2, .frames_gone = 1};
	return trace;
}

static void add_gil(struct trace *trace, uint32_t process, uint32_t pid, uint64_t address, int64_t interpreter)
{
	struct trace_gil *gil = trace__add_gil(trace);

	gil->process = process;
	gil->pid = pid;
	gil->address = address;
	gil->interpreter = interpreter;
}

static void add_thread(struct trace *trace, uint32_t process, uint32_t pid, uint32_t tid, const char *name,
		       uint64_t gil, uint64_t held_ns, uint64_t waited_ns)
{
	struct trace_thread *thread = trace__add_thread(trace);

	thread->process = process;
	thread->pid = pid;
	thread->tid = tid;
	thread->gil = gil;
	snprintf(thread->name, sizeof(thread->name), "%.63s", name);
	thread->counts.held_ns = held_ns;
	thread->counts.waited_ns = waited_ns;
	thread->counts.contended = waited_ns / (5 * MS);
	thread->counts.acquisitions = 2 * thread->counts.contended + 1;
}

/* Each other waiter of the same time gets as much of the wall clock: `share` of them wait at once. */
static void add_blame(struct trace *trace, uint32_t waiter, uint32_t holder, uint32_t waiter_stack, uint32_t stack,
		      uint64_t waits, uint64_t wait_ns, uint64_t at_once)
{
	struct trace_blame *blame = trace__add_blame(trace);

	*blame = (struct trace_blame){.pid = PID,
				      .waiter = waiter,
				      .holder = holder,
				      .gil = GIL,
				      .waiter_stack = waiter_stack,
				      .stack = stack,
				      .waits = waits,
				      .wait_ns = wait_ns,
				      .wall_ns = wait_ns / at_once};
}

static void add_point(struct trace *trace, uint32_t tid, uint32_t stack, uint64_t releases, uint64_t forced,
		      uint64_t held_ns, uint64_t outside_ns, uint64_t returns, uint64_t back_ns)
{
	struct trace_release_point *point = trace__add_release_point(trace);

	*point = (struct trace_release_point){.pid = PID,
					      .tid = tid,
					      .gil = GIL,
					      .stack = stack,
					      .releases = releases,
					      .forced = forced,
					      .held_ns = held_ns,
					      .outside_ns = outside_ns,
					      .returns = returns,
					      .back_ns = back_ns};
}

static struct trace *finished(struct trace *trace)
{
	if (!trace__finish(trace))
		return trace;
	trace__free(trace);
	return NULL;
}

#define SITE "/usr/lib/python3.11/"
#define APP  "/srv/shop/"
#define RUN  PY("Thread._bootstrap", SITE "threading.py", 995), PY("Thread.run", SITE "threading.py", 975)

struct shop {
	uint32_t regex, regex_line, json, sort, compress, sleep, io, accept, render, cut;
};

static struct shop shop_stacks(struct trace *trace)
{
	return (struct shop){
		.regex = STACK(trace, RUN, PY("Worker.run", APP "worker.py", 88),
			       PY("Worker.handle", APP "worker.py", 120),
			       PY("Order.validate", APP "orders/model.py", 41),
			       PY("is_email", APP "orders/validation.py", 17), PY("match", SITE "re/__init__.py", 166),
			       C("sre_ucs1_match", "python3.11"), C("sre_charset", "python3.11")),
		.regex_line = STACK(trace, RUN, PY("Worker.run", APP "worker.py", 88),
				    PY("Worker.handle", APP "worker.py", 121),
				    PY("Order.validate", APP "orders/model.py", 47),
				    PY("is_email", APP "orders/validation.py", 19)),
		.json = STACK(trace, RUN, PY("Worker.run", APP "worker.py", 88),
			      PY("Worker.handle", APP "worker.py", 118), PY("loads", SITE "json/__init__.py", 346),
			      PY("JSONDecoder.decode", SITE "json/decoder.py", 337),
			      PY("JSONDecoder.raw_decode", SITE "json/decoder.py", 353),
			      C("scan_once_unicode", "_json.so")),
		.sort = STACK(trace, RUN, PY("Worker.run", APP "worker.py", 88),
			      PY("Worker.handle", APP "worker.py", 125), PY("rank", APP "orders/ranking.py", 9),
			      C("list_sort_impl", "python3.11"),
			      PY("rank.<locals>.<lambda>", APP "orders/ranking.py", 9),
			      PY("Order.__lt__", APP "orders/model.py", 77)),
		.compress = STACK(trace, RUN, PY("Worker.run", APP "worker.py", 92),
				  PY("archive", APP "storage.py", 31), C("zlib_compress_impl", "zlib.so")),
		.sleep = STACK(trace, RUN, PY("Legacy.poll", APP "legacy.py", 210), C("legacy_poll", "legacy.so"),
			       C("nanosleep", "libc.so.6"), KERNEL("[kernel] clock_nanosleep")),
		.io = STACK(trace, RUN, PY("serve", APP "server.py", 54), PY("Connection.read", APP "server.py", 140),
			    PY("SocketIO.readinto", SITE "socket.py", 706), C("sock_recv_impl", "_socket.so")),
		.accept =
			STACK(trace, RUN, PY("serve", APP "server.py", 49), PY("socket.accept", SITE "socket.py", 294)),
		.render = STACK(trace, PY("<module>", APP "main.py", 30), PY("main", APP "main.py", 22),
				PY("render", APP "templates.py", 301),
				PY("render.<locals>.<genexpr>", APP "templates.py", 303)),
		.cut = STACK(trace, NOTE("[deeper frames cut]"), PY("walk", APP "tree.py", 12),
			     PY("walk", APP "tree.py", 12), PY("walk", APP "tree.py", 14)),
	};
}

static void add_shop_blame(struct trace *trace, const struct shop *s)
{
	add_blame(trace, 4245, 4243, s->io, s->regex, 412, 5230 * MS, 2);
	add_blame(trace, 4244, 4243, s->json, s->regex, 300, 2110 * MS, 2);
	add_blame(trace, 4245, 4243, s->accept, s->regex_line, 60, 480 * MS, 2);
	add_blame(trace, 4245, 4244, s->io, s->json, 210, 1890 * MS, 3);
	add_blame(trace, 4243, 4244, s->regex, s->sort, 120, 1333 * MS, 2);
	add_blame(trace, 4245, 4244, s->io, s->sort, 80, 702 * MS, 1);
	add_blame(trace, 4245, 4246, s->io, s->sleep, 12, 610 * MS, 1);
	add_blame(trace, 4242, 4243, s->render, s->compress, 9, 180 * MS, 1);
	add_blame(trace, 4245, 4242, s->accept, s->render, 30, 145 * MS, 1);
	add_blame(trace, 4245, 4242, STACKS_UNKNOWN, s->cut, 4, 60 * MS, 1);
	add_blame(trace, 4244, 0, s->json, STACKS_UNKNOWN, 3, 33 * MS, 1);
}

/* One process with known culprits: the look of every report in an ordinary case. */
static struct trace *make_shop(void)
{
	struct trace *trace = new_trace();
	struct shop s = shop_stacks(trace);

	add_process(trace, 0, PID, "/usr/bin/python3.11");
	add_gil(trace, 0, PID, GIL, 0);
	add_thread(trace, 0, PID, 4242, "python3", GIL, 700 * MS, 180 * MS);
	add_thread(trace, 0, PID, 4243, "worker-1", GIL, 4900 * MS, 1333 * MS);
	add_thread(trace, 0, PID, 4244, "worker-2", GIL, 3100 * MS, 2143 * MS);
	add_thread(trace, 0, PID, 4245, "io-1", GIL, 80 * MS, 9117 * MS);
	add_thread(trace, 0, PID, 4246, "legacy", GIL, 640 * MS, 0);
	add_shop_blame(trace, &s);
	add_point(trace, 4245, s.io, 1800, 2, 60 * MS, 1200 * MS, 1500, 8432 * MS);
	add_point(trace, 4245, s.accept, 300, 0, 20 * MS, 5200 * MS, 90, 625 * MS);
	add_point(trace, 4243, s.regex, 700, 690, 4100 * MS, 3 * MS, 10, 1100 * MS);
	add_point(trace, 4243, s.compress, 40, 0, 800 * MS, 900 * MS, 12, 233 * MS);
	add_point(trace, 4244, s.json, 400, 400, 1900 * MS, 0, 0, 0);
	add_point(trace, 4244, s.sort, 260, 250, 1200 * MS, 1 * MS, 3, 9 * MS);
	add_point(trace, 4246, s.sleep, 12, 12, 640 * MS, 0, 0, 0);
	add_point(trace, 4242, s.render, 90, 30, 700 * MS, 90 * MS, 50, 180 * MS);
	trace__add_hog(trace, &(struct trace_hog){.pid = PID,
						  .tid = 4246,
						  .gil = GIL,
						  .stack = s.sleep,
						  .start_ns = 3000 * MS,
						  .held_ns = 55 * MS,
						  .request_to_drop_ns = 50 * MS,
						  .waiters = 3,
						  .blocked_ns = 54 * MS,
						  .syscall = 230,
						  .syscall_ns = 54 * MS});
	trace__add_hog(trace, &(struct trace_hog){.pid = PID,
						  .tid = 4243,
						  .gil = GIL,
						  .stack = s.regex,
						  .start_ns = 5000 * MS,
						  .held_ns = 47 * MS,
						  .request_to_drop_ns = 42 * MS,
						  .waiters = 2,
						  .runnable_ns = 2 * MS,
						  .syscall = -1});
	for (uint64_t i = 0; i < 14; i++)
		trace__add_hog(trace, &(struct trace_hog){.pid = PID,
							  .tid = 4244,
							  .gil = GIL,
							  .stack = i % 3 ? s.json : s.sort,
							  .start_ns = (6000 + 100 * i) * MS,
							  .held_ns = (25 - i) * MS,
							  .request_to_drop_ns = (20 - i) * MS,
							  .waiters = 1,
							  .syscall = -1});
	return finished(trace);
}

static struct trace *make_empty(void)
{
	struct trace *trace = new_trace();

	add_process(trace, 0, PID, "/usr/bin/python3.11");
	return finished(trace);
}

/* Two processes, one of them with two interpreters. */
static struct trace *make_several(void)
{
	struct trace *trace = new_trace();
	uint32_t work = STACK(trace, PY("<module>", APP "main.py", 3), PY("work", APP "work.py", 12));
	uint32_t other = STACK(trace, PY("<module>", APP "main.py", 5), PY("other", APP "work.py", 30));
	static const struct {
		uint32_t process, pid;
		uint64_t gil, ns;
	} parts[] = {{0, 10, 0x1000, 300 * MS}, {0, 10, 0x2000, 200 * MS}, {1, 20, 0x1000, 900 * MS}};

	trace->scope = TRACE_CHILDREN;
	add_process(trace, 0, 10, "/usr/bin/python3.12");
	add_process(trace, 1, 20, "/opt/app/bin/uwsgi");
	for (size_t i = 0; i < 3; i++) {
		struct trace_blame *blame;

		add_gil(trace, parts[i].process, parts[i].pid, parts[i].gil, i == 1 ? 3 : 0);
		add_thread(trace, parts[i].process, parts[i].pid, parts[i].pid + 1, "worker", parts[i].gil, parts[i].ns,
			   parts[i].ns);
		blame = trace__add_blame(trace);
		*blame = (struct trace_blame){.process = parts[i].process,
					      .pid = parts[i].pid,
					      .gil = parts[i].gil,
					      .waiter = parts[i].pid + 1,
					      .holder = parts[i].pid,
					      .waiter_stack = other,
					      .stack = work,
					      .waits = 10,
					      .wait_ns = parts[i].ns};
	}
	return finished(trace);
}

/* Every name that could break a format, in every place where a name of the target goes. */
static struct trace *make_hostile(void)
{
	static const char *const names[] = {
		"</script><script>alert(1)</script>",
		"]]><script>alert(1)</script>",
		"<svg onload=\"document.title='hit'\">",
		"\" onclick=\"document.title='hit'\" x=\"",
		"' onmouseover='document.title=1' '",
		"a&amp;b&lt;&#x41;&",
		"\x1b[31mred\x1b[2J\x1b]0;owned\x07",
		"new\nline\ttab\rreturn",
		"semi;colon;;",
		"\xff\xfe\x80\xc3",
		"\xe2\x80\xae"
		"evil\xe2\x80\xac",
		"zero\xe2\x80\x8bwidth\xef\xbf\xbf\xef\xbf\xbe",
		"M\xc3\xbcller \xf0\x9f\x90\x8d",
		"%s%n%d{}[]()*+?|\\",
		"",
		"   ",
		"javascript:alert(1)",
		"\xe5\x87\xbd\xe6\x95\xb0",
		"frame 12345",
	};
	static char longest[10001];
	struct trace *trace = new_trace();
	size_t count = sizeof(names) / sizeof(*names);

	memset(longest, 'x', sizeof(longest) - 1);
	snprintf(trace->target.exe, sizeof(trace->target.exe), "/tmp/%s", names[0] + 1);
	add_process(trace, 0, PID, "/tmp/]]><x>");
	add_gil(trace, 0, PID, GIL, 0);
	for (size_t i = 0; i <= count; i++) {
		const char *name = i < count ? names[i] : longest;
		uint32_t stack = STACK(trace, PY(name, name, 3), {FRAME_NATIVE, name, name, 0}, KERNEL(name),
				       NOTE(name), PY(name, name, 7));

		add_thread(trace, 0, PID, 5000 + (uint32_t)i, name, GIL, (100 + i) * MS, (100 + i) * MS);
		add_blame(trace, 5000 + (uint32_t)i, 5000, stack, stack, 3, (100 + i) * MS, 1);
		add_point(trace, 5000 + (uint32_t)i, stack, 3, 1, (100 + i) * MS, 2 * MS, 1, MS);
		trace__add_hog(trace, &(struct trace_hog){.pid = PID,
							  .tid = 5000 + (uint32_t)i,
							  .gil = GIL,
							  .stack = stack,
							  .start_ns = (i + 1) * MS,
							  .held_ns = 9 * MS,
							  .request_to_drop_ns = (100 + i) * MS / 10,
							  .waiters = 1,
							  .syscall = -1});
	}
	return finished(trace);
}

/* A number that looks random and is the same every time. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

/* A large program's flame graph: about `nodes` nodes, `depth` deep, none too narrow to be drawn. */
static struct trace *make_frames(size_t nodes)
{
	static const char *const verbs[] = {"load", "parse", "check", "merge", "render", "update", "resolve", "apply"};
	static const char *const nouns[] = {"order", "user", "row", "token", "node", "page", "cache", "index", "field"};
	struct trace *trace = new_trace();
	char name[64], file[64];
	uint64_t state = 7;
	uint32_t numbers[40];

	add_process(trace, 0, PID, "/usr/bin/python3.11");
	add_gil(trace, 0, PID, GIL, 0);
	add_thread(trace, 0, PID, 4243, "worker-1", GIL, 5000 * MS, 5000 * MS);
	add_thread(trace, 0, PID, 4245, "io-1", GIL, 80 * MS, 4000 * MS);
	for (size_t made = 0; made < nodes;) {
		/* A walk that is likely to begin as others did, so that the tree is wide at its tips. */
		size_t depth = 6 + next_random(&state) % 30, common = 0;

		for (size_t i = 0; i < depth; i++) {
			uint32_t choice = next_random(&state) % (i < 4 ? 2 : 5);
			uint32_t kind = i + 2 >= depth && choice < 3 ? FRAME_NATIVE : FRAME_PYTHON;
			struct trace_frame frame = {name, file, 10 + choice, kind};

			snprintf(name, sizeof(name), "%s_%s_%zu", verbs[(i + choice) % 8], nouns[(i * 3 + choice) % 9],
				 i);
			snprintf(file, sizeof(file), kind == FRAME_PYTHON ? APP "%s.py" : "%s.so",
				 nouns[(i + choice) % 9]);
			numbers[depth - 1 - i] = (uint32_t)stacks__add_frame(trace->stacks, &frame);
			common += i < 6;
		}
		made += depth - common + 1;
		add_blame(trace, 4245, 4243, STACKS_UNKNOWN, (uint32_t)stacks__add(trace->stacks, numbers, depth),
			  1 + next_random(&state) % 5, (1 + next_random(&state) % 20) * MS, 1);
	}
	return finished(trace);
}

/*
 * `count` events of 10 s: threads that hand the lock round, each waiting until it is its turn; each hundredth hold is
 * ten times as long as the others.
 */
static struct trace *make_events(size_t count, uint32_t threads)
{
	struct trace *trace = new_trace();
	uint32_t stacks[16];
	uint64_t state = 7, now = trace->start_ns, mean = trace->duration_ns * 97 / 100 / (count / 2 + 1), *let_go;
	char name[64];

	add_process(trace, 0, PID, "/usr/bin/python3.11");
	add_gil(trace, 0, PID, GIL, 0);
	trace->event_level = TRACE_EVENTS_ALL;
	for (uint32_t i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "work_%" PRIu32, i);
		stacks[i] = STACK(trace, RUN, PY(name, APP "work.py", 10 + i));
	}
	for (uint32_t i = 0; i < threads; i++) {
		snprintf(name, sizeof(name), "worker-%" PRIu32, i);
		add_thread(trace, 0, PID, PID + i, name, GIL, trace->duration_ns / threads,
			   threads > 1 ? trace->duration_ns / 2 : 0);
		add_blame(trace, PID + i, PID + (i + 1) % threads, stacks[i % 16], stacks[(i + 1) % 16], 100, 50 * MS,
			  1);
		add_point(trace, PID + i, stacks[i % 16], 100, 60, 50 * MS, 20 * MS, 40, 50 * MS);
	}
	let_go = calloc(threads, sizeof(*let_go));
	for (size_t made = 0; let_go && made < count; made += 2) {
		uint32_t random = next_random(&state), thread = (uint32_t)(made / 2) % threads;
		uint64_t held = (mean / 2 + random % (mean + 1)) * (random % 100 ? 10 : 100) / 11;
		struct trace_event *event = trace__add_event(trace);

		*event = (struct trace_event){.kind = TRACE_WAIT,
					      .pid = PID,
					      .tid = PID + thread,
					      .gil = GIL,
					      .start_ns = let_go[thread] ? let_go[thread] + 100 : now,
					      .end_ns = now,
					      .stack = stacks[random % 16],
					      .waiter_stack = stacks[thread % 16],
					      .holder = PID + (thread + threads - 1) % threads,
					      .failed = random % 3};
		event = trace__add_event(trace);
		*event = (struct trace_event){.kind = TRACE_HOLD,
					      .forced = random % 2,
					      .pid = PID,
					      .tid = PID + thread,
					      .gil = GIL,
					      .start_ns = now,
					      .end_ns = now + held,
					      .stack = stacks[thread % 16],
					      .waiters = random % 4};
		now += held + mean / 50;
		let_go[thread] = event->end_ns;
	}
	free(let_go);
	return finished(trace);
}

const struct fabricated fabricated[] = {
	{"shop", make_shop}, {"empty", make_empty}, {"several", make_several}, {"hostile", make_hostile}, {0},
};

struct trace *fabricated__make(const char *name)
{
	uint32_t threads = 0;
	size_t count = 0;

	if (!strncmp(name, "frames-", 7))
		return make_frames(strtoul(name + 7, NULL, 10));
	if (!strncmp(name, "turns-", 6))
		return fabricated__make_turns(strtoul(name + 6, NULL, 10));
	if (!strcmp(name, "hostile-events"))
		return fabricated__make_hostile_events();
	if (sscanf(name, "events-%zu-%" SCNu32, &count, &threads) == 2 && threads)
		return make_events(count, threads);
	for (const struct fabricated *one = fabricated; one->name; one++)
		if (!strcmp(one->name, name))
			return one->make();
	return NULL;
}
