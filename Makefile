# giltrace: `make deps` installs what is missing, `make` builds into build/bin/, `make test` runs all tests.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPTIMISE ?= -O2 -g
SANITIZE ?=
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DGILTRACE_VERSION='"$(VERSION)"' $(WARNINGS) $(OPTIMISE) $(SANITIZE) \
	-I. -I$(BUILD) -MMD -MP $(CFLAGS)
LIBRARIES := -lbpf -ldw -lelf -lz -ljansson -lpthread -lm

LIBRARY_SOURCES  := $(wildcard user/*/*.c)
GILTRACE_SOURCES := $(wildcard tools/giltrace/*.c)
TOYGIL_SOURCES   := $(wildcard tools/toygil/*.c)
UNIT_SOURCES     := $(wildcard tests/unit/test_*.c)
UNIT_PROGRAMS    := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/%)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# What the end-to-end tests run beside the interpreters.
E2E_PROGRAMS := $(BUILD)/e2e/walk_frames

.PHONY: all deps test test-timeline demo bench bench-compare bench-limits bench-programs bench-budget bench-windows bench-holds bench-html bench-recording goldens install asan tsan \
	fuzz fuzz-locator fuzz-recording fuzz-toygil fuzz-fail-if format clean unit-programs
.SECONDARY:

all: $(BUILD)/bin/giltrace $(BUILD)/bin/toygil unit-programs $(E2E_PROGRAMS) $(BUILD)/fabricated

unit-programs: $(UNIT_PROGRAMS)

$(BUILD)/giltrace.bpf.o: bpf/giltrace.bpf.c $(wildcard bpf/*.h) vmlinux/vmlinux.h
	@mkdir -p $(@D)
	@echo "  BPF  $<"
	@$(CLANG) -g -O2 -Wall -Wextra -Wno-unused-parameter -Werror -target bpf -D__TARGET_ARCH_x86 -Ivmlinux -Ibpf -c $< -o $@
	@llvm-strip -g $@ # the types are in .BTF; this is what debuggers read

$(BUILD)/giltrace.skel.h: $(BUILD)/giltrace.bpf.o
	@$(BPFTOOL) gen skeleton $< name giltrace_bpf > $@.new
	@mv $@.new $@

$(BUILD)/system_calls.inc: Makefile
	@mkdir -p $(@D)
	@echo '#include <asm/unistd_64.h>' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9][0-9]*\)$$/[\2] = "\1",/p' | sort -V > $@.new
	@mv $@.new $@

$(BUILD)/obj/user/symbols/system_calls.o: $(BUILD)/system_calls.inc

$(BUILD)/obj/%.o: %.c $(BUILD)/giltrace.skel.h Makefile
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/libgiltrace.a: $(call objects,$(LIBRARY_SOURCES))
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/bin/giltrace: $(call objects,$(GILTRACE_SOURCES)) $(BUILD)/libgiltrace.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBRARIES) -lncursesw -ltinfo

$(BUILD)/tests/test_toygil_%: $(BUILD)/obj/tests/unit/test_toygil_%.o $(call objects,$(filter-out %/main.c,$(TOYGIL_SOURCES))) \
		$(BUILD)/libgiltrace.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lcmocka -ljansson -lpthread -lm

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libgiltrace.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBRARIES)

$(BUILD)/e2e/%: $(BUILD)/obj/tests/e2e/programs/%.o $(BUILD)/libgiltrace.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBRARIES)

# Reports of traces that never were, for tests and for people who look at them.
FABRICATED := $(call objects,tests/fabricated/traces.c tests/fabricated/events.c tools/giltrace/formats.c) $(BUILD)/libgiltrace.a

$(BUILD)/fabricated: $(call objects,tests/fabricated/main.c) $(FABRICATED)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBRARIES)

$(BUILD)/tests/test_flame $(BUILD)/tests/test_recording: $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(FABRICATED)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBRARIES)

# toygil exports what a tracer reads of it (tools/toygil/tracer_symbols.h).
$(BUILD)/bin/toygil: $(call objects,$(TOYGIL_SOURCES)) $(BUILD)/libgiltrace.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(SANITIZE) $(LDFLAGS) -rdynamic -o $@ $^ -ljansson -lpthread -lm

deps:
	sh tests/install-deps.sh

# The report of each suite, and at the end one line: N passed, N failed, N skipped.
test:
	sh tests/install-deps.sh test
	$(MAKE) all
	python3 tests/run.py --build $(BUILD)

# Timelines, also by Perfetto's own reader: TRACE_PROCESSOR names it, or it is in the PATH. (Debian has none.)
test-timeline: all
	python3 tests/run.py --build $(BUILD) -k '^test_timeline'

# What tests/e2e/test_golden.py expects, anew, after a report was changed.
goldens: all
	python3 tests/e2e/test_golden.py $(BUILD)/bin/giltrace

# Slow suites. FUZZ_SECONDS: how long each fuzz target runs; FUZZ_RUNS, if given: how many executions instead.
FUZZ_SECONDS ?= 60
FUZZ_RUNS    ?=
FUZZ_LENGTH   = $(if $(FUZZ_RUNS),-runs=$(FUZZ_RUNS),-max_total_time=$(FUZZ_SECONDS)) -print_final_stats=1
FUZZ_FLAGS   := -std=gnu11 -D_GNU_SOURCE -g -O1 -I. -I$(BUILD) -DCONTAINER_MAX_LENGTH=65536 -DTHREAD_MAX_STRING=65536 \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_TOYGIL  := $(filter-out %/main.c,$(TOYGIL_SOURCES)) $(wildcard user/trace/*.c) \
	user/report/json.c user/report/json_code.c user/symbols/system_calls.c user/report/safe_text.c
FUZZ_FAIL_IF := $(wildcard user/report/condition*.c) user/report/format.c $(wildcard user/trace/*.c) \
	user/report/json.c user/report/json_code.c user/symbols/system_calls.c user/report/safe_text.c
FUZZ_LOCATOR := $(filter-out user/target/launch.c,$(wildcard user/target/*.c))
FUZZ_RECORDING := $(filter-out user/recording/recorder.c user/recording/file.c,$(wildcard user/recording/*.c)) \
	$(wildcard user/trace/*.c user/report/text*.c user/report/json*.c user/report/timeline*.c user/report/difference*.c) user/protobuf/reader.c user/protobuf/writer.c \
	user/report/flame_both.c user/report/flame_label.c user/report/flame_tree.c user/report/format.c user/report/perfetto.c user/report/safe_text.c user/symbols/system_calls.c

fuzz: fuzz-locator fuzz-recording fuzz-toygil fuzz-fail-if

# `make fuzz-locator FUZZ_RUNS=10000000` is what docs/design.md says was done.
fuzz-locator: deps $(BUILD)/giltrace.skel.h
	sh tests/install-deps.sh fuzz
	sh tests/fuzz/locator-seeds.sh $(BUILD)/fuzz/locator-corpus
	$(CLANG) $(FUZZ_FLAGS) tests/fuzz/fuzz_locator.c $(FUZZ_LOCATOR) -ldw -lelf -o $(BUILD)/fuzz/locator
	$(BUILD)/fuzz/locator $(FUZZ_LENGTH) -timeout=2 -max_len=65536 $(BUILD)/fuzz/locator-corpus

# Its limits are such that an input of 64 KiB can reach them.
fuzz-recording: deps $(BUILD)/system_calls.inc
	sh tests/install-deps.sh fuzz
	@mkdir -p $(BUILD)/fuzz/recording-corpus
	$(CLANG) -D_GNU_SOURCE -g -O1 -I. -I$(BUILD) tests/fuzz/recording_seeds.c tests/fabricated/traces.c tests/fabricated/events.c $(FUZZ_RECORDING) \
		-lz -ljansson -lm -o $(BUILD)/fuzz/recording_seeds
	$(BUILD)/fuzz/recording_seeds $(BUILD)/fuzz/recording-corpus
	$(CLANG) $(FUZZ_FLAGS) -DRECORDING_MAX_CHUNK=1048576 -DRECORDING_MAX_MODEL=8388608ULL tests/fuzz/fuzz_recording.c \
		$(FUZZ_RECORDING) -lz -ljansson -lm -o $(BUILD)/fuzz/recording
	$(BUILD)/fuzz/recording $(FUZZ_LENGTH) -timeout=10 -max_len=65536 $(BUILD)/fuzz/recording-corpus

fuzz-toygil: deps $(BUILD)/bin/toygil
	sh tests/install-deps.sh fuzz
	@mkdir -p $(BUILD)/fuzz/toygil-corpus
	$(CLANG) $(FUZZ_FLAGS) tests/fuzz/fuzz_toygil.c $(FUZZ_TOYGIL) -ljansson -lpthread -lm -o $(BUILD)/fuzz/toygil
	cp tools/toygil/programs/*.toy $(BUILD)/fuzz/toygil-corpus/
	$(BUILD)/fuzz/toygil $(FUZZ_LENGTH) -timeout=10 $(BUILD)/fuzz/toygil-corpus

fuzz-fail-if: deps $(BUILD)/system_calls.inc
	sh tests/install-deps.sh fuzz
	sh tests/fuzz/fail-if-seeds.sh $(BUILD)/fuzz/fail-if-corpus
	$(CLANG) $(FUZZ_FLAGS) tests/fuzz/fuzz_fail_if.c $(FUZZ_FAIL_IF) -ljansson -lm -o $(BUILD)/fuzz/fail-if
	$(BUILD)/fuzz/fail-if $(FUZZ_LENGTH) -timeout=10 -max_len=1100 -dict=tests/fuzz/fail-if.dict $(BUILD)/fuzz/fail-if-corpus

PROGRAMS := count-up sqrt sleep echo matmul hog refcount containers mixed

# Data races in toygil: each program but race, which has them by intent.
tsan: deps
	$(MAKE) $(BUILD)/tsan/bin/toygil BUILD=$(BUILD)/tsan OPTIMISE="-O1 -g" SANITIZE="-fsanitize=thread"
	TSAN_OPTIONS=halt_on_error=1 sh tests/toygil-programs.sh $(BUILD)/tsan/bin/toygil $(PROGRAMS)

# The suite with address and undefined-behaviour sanitizers.
asan: deps
	$(MAKE) all BUILD=build/asan OPTIMISE="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
	sh tests/toygil-programs.sh build/asan/bin/toygil $(PROGRAMS) race
	python3 tests/run.py --build build/asan --sanitized

$(call objects,tools/toygil/programs.c): $(wildcard tools/toygil/programs/*.toy)

$(call objects,user/report/flame_svg.c): user/report/flame.css user/report/flame.js

# The page runs these scripts only, in this order, by their hashes.
PAGE_SCRIPTS := $(addprefix user/report/,page.js page_tables.js page_flame.js page_events.js \
	page_shares.js page_picture.js page_single.js page_timeline.js)

$(BUILD)/page_hashes.inc: $(PAGE_SCRIPTS) user/report/page.css Makefile
	@mkdir -p $(@D)
	@hash() { sha256sum $$1 | cut -c1-64 | tr a-f A-F | basenc --base16 -d | base64; }; \
	{ echo "#define PAGE_STYLE \"'sha256-$$(hash user/report/page.css)'\""; printf '#define PAGE_SCRIPTS "'; \
	for file in $(PAGE_SCRIPTS); do printf " 'sha256-%s'" "$$(hash $$file)"; done; echo '"'; } > $@.new
	@mv $@.new $@

$(call objects,user/report/html.c): $(BUILD)/page_hashes.inc $(PAGE_SCRIPTS) user/report/page.css

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lbpf

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# The main job on what every machine has: the toy runtime with an I/O thread beside two that compute, traced.
demo: deps
	$(MAKE) all
	$(SUDO) $(BUILD)/bin/giltrace -- $(BUILD)/bin/toygil --threads=2 --duration=3 mixed

# What tracing costs, as ratios measured in one run, and beside other tracers: more than an hour.
# `make bench BENCH=--short` is a look at it in some minutes, good for no figure.
bench: bench-programs
	python3 tests/bench/bench_compare.py --build $(BUILD) $(BENCH)
	python3 tests/bench/bench_limits.py --build $(BUILD) $(BENCH)
	python3 tests/bench/bench.py --build $(BUILD) $(BENCH)
	python3 tests/bench/bench_stacks.py --build $(BUILD) $(BENCH)

# Beside bpftrace, perf, BCC and sampling profilers, by workload: tables, BUILD/bench-compare.json and plots of it.
bench-compare: bench-programs
	python3 tests/bench/bench_compare.py --build $(BUILD) $(BENCH)

# Many threads, the highest rate, 50 processes, memory, rest.
bench-limits: bench-programs
	python3 tests/bench/bench_limits.py --build $(BUILD) $(BENCH)

bench-programs:
	sh tests/install-deps.sh bench
	$(MAKE) all $(BUILD)/bench/empty_probes

# The page of 10 million events in a browser: its size, and how long it takes.
bench-html: $(BUILD)/fabricated
	python3 tests/bench/bench_html.py --build $(BUILD) $(BENCH)

# A recording of 10 million events: bytes an event, and how long its reports take.
bench-recording: all
	python3 tests/bench/bench_recording.py --build $(BUILD) $(BENCH)

# What --probes=auto costs, by workload and budget: about half an hour.
bench-budget: bench-programs
	python3 tests/bench/bench_budget.py --build $(BUILD) $(BENCH)

# An os.write loop in the windows of --probes=auto and between them, by the millisecond.
bench-windows: bench-programs
	python3 tests/bench/bench_windows.py --build $(BUILD) $(BENCH)

# The holds of --probes=auto against those of --probes=all.
bench-holds: all
	python3 tests/bench/bench_holds.py --build $(BUILD) $(BENCH)

install: all
	install -D -m 755 $(BUILD)/bin/giltrace $(DESTDIR)$(PREFIX)/bin/giltrace
	install -D -m 755 $(BUILD)/bin/toygil $(DESTDIR)$(PREFIX)/bin/toygil
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 docs/man/*.5
	install -D -m 644 completions/giltrace.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/giltrace
	install -D -m 644 completions/toygil.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/toygil
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions completions/_giltrace completions/_toygil
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d completions/giltrace.fish completions/toygil.fish

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
