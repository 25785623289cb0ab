# maskmeter.  `make help` lists what a developer types.
BUILD     ?= build
CFLAGS    ?= -O2 -g
SAN       ?=
PREFIX    ?= /usr/local
PYTHON    ?= /usr/bin/python3
# The kernels are plain loops that clang turns into vector code; any C11 compiler gives the same bits.
KERNEL_CC ?= $(if $(shell command -v clang 2>/dev/null),clang,$(CC))

WARN  := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
# What a memory fault may not become; tests/deploy/test_binary.py reads it back.  Fortified calls need optimisation, and
# would hide faults from the sanitizers.
target := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
branches_x86_64  := -fcf-protection=full
branches_aarch64 := -mbranch-protection=standard
HARD  := -fPIE -fstack-protector-strong -fstack-clash-protection $(branches_$(target)) \
         $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
# -ffp-contract=off: no fused multiply-add may change a bit (lib/sums.h).
BASE   = -std=c11 -I. -ffp-contract=off -fno-fast-math -MMD -MP $(WARN) $(HARD) $(CFLAGS) \
         $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) $(UNSAN)
SYSTEM = -D_GNU_SOURCE
# _FORTIFY_SOURCE hides the bit casts of the kernels (memcpy of a known size) from the vectoriser.
KERNEL = -U_FORTIFY_SOURCE -O3 -fno-math-errno -fno-trapping-math
LINK   = -fopenmp -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
# Calls that tests/failing.c comes between, so that unit tests can make them fail.
comma   := ,
failing := malloc calloc realloc aligned_alloc free getrandom gnutls_hash_fast
wrap    := $(failing:%=-Wl$(comma)--wrap=%)
libs  := libmicrohttpd libuv sqlite3 libzstd zlib gnutls
LDLIBS = $(shell pkg-config --libs $(libs)) -lcjson -lpthread -lm

# The inner loops are compiled once per CPU level: the same plain C, the same bits.
kernels      := $(wildcard lib/kernels*.c)
x86_64       := $(filter x86_64,$(shell uname -m))
levels       := scalar $(if $(x86_64),v3 v4)
march_scalar :=
march_v3     := -march=x86-64-v3
march_v4     := -march=x86-64-v4 -mprefer-vector-width=512

objects     = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(kernels),$(wildcard $1/*.c)))
lib_obj    := $(call objects,lib) $(foreach level,$(levels),$(kernels:%.c=$(BUILD)/%-$(level).o))
proto_obj  := $(call objects,proto) $(BUILD)/proto/openapi_json.o
server_obj := $(call objects,server) $(BUILD)/server/page_files.o
page_files := server/page/index.html $(wildcard server/page/*.js server/page/*.css server/page/*.svg) \
              server/page/uplot/uPlot.iife.min.js server/page/uplot/uPlot.min.css server/page/uplot/LICENSE
test_obj   := $(call objects,tests)
benches    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
fuzzers    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_tools := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/fuzz/fuzz_% tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)) \
              tests/wire_tools.c)
no_main     = $(filter-out $(BUILD)/server/main.o,$(server_obj))
archives   := $(BUILD)/libmmserver.a $(BUILD)/libmmproto.a $(BUILD)/libmm.a
no_note     = $(filter %.o %.a,$^)

# All cores, unless -j was given; `make V=1` shows the commands.
jobs      := $(if $(filter 0,$(MAKELEVEL)),$(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)))
MAKEFLAGS += --no-print-directory $(jobs)
say        = $(if $(V),,@echo '  $1  $@' && )

all: $(BUILD)/maskmeter                ## build the server

# Dependency direction, readable from the link lines: lib <- proto <- server.
$(BUILD)/libmm.a:      $(lib_obj)
$(BUILD)/libmmproto.a: $(proto_obj)
$(BUILD)/maskmeter: $(server_obj) $(BUILD)/libmmproto.a $(BUILD)/libmm.a
	$(call say,ld)$(CC) $(BASE) $(LINK) -o $@ $(no_note) $(LDLIBS)
$(BUILD)/run_tests: $(test_obj) $(no_main) $(BUILD)/libmmproto.a $(BUILD)/libmm.a
	$(call say,ld)$(CC) $(BASE) $(LINK) $(wrap) -o $@ $(no_note) $(LDLIBS) -lcunit
# Of the server a fuzzer gets what it calls: it looks at every counter of its coverage after every input.
$(BUILD)/libmmserver.a: $(no_main)
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(fuzz_tools) $(archives)
	$(call say,ld)$(CC) $(BASE) -fsanitize=fuzzer $(LINK) -o $@ $(no_note) $(LDLIBS)
# The same targets for any compiler: they run on files only.
$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(fuzz_tools) $(archives)
	$(call say,ld)$(CC) $(BASE) $(LINK) -o $@ $(no_note) $(LDLIBS)

# Preloaded into a server: plain, whatever that is built with.
$(BUILD)/tests/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,cc)$(CC) -std=c11 -O2 -g -fno-omit-frame-pointer $(WARN) $(SYSTEM) -fPIC -shared -o $@ $<

$(BUILD)/tests/machines/%: $(BUILD)/tests/machines/%.o $(BUILD)/libmm.a
	$(call say,ld)$(CC) $(BASE) $(LINK) -o $@ $(no_note) -lm

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(no_main) $(BUILD)/libmmproto.a $(BUILD)/libmm.a
	$(call say,ld)$(CC) $(BASE) $(LINK) -o $@ $(no_note) $(LDLIBS)

# The targets themselves are no target.
$(BUILD)/tests/fuzz/%.o $(BUILD)/tests/wire_tools.o: private override UNSAN = $(if $(findstring fuzzer,$(SAN)),-fno-sanitize=fuzzer-no-link)
define at_each_level
$(BUILD)/$(1:.c=)-%.o: $1 $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call say,cc)$$(KERNEL_CC) $$(BASE) $$(KERNEL) $$(march_$$*) -DMM_LEVEL=$$* -c -o $$@ $$<
endef
$(foreach source,$(kernels),$(eval $(call at_each_level,$(source))))
$(BUILD)/lib/parallel.o: lib/parallel.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(BASE) -fopenmp -c -o $@ $<
$(BUILD)/lib/%.o: lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(BASE) -c -o $@ $<
$(BUILD)/proto/openapi_json.c: proto/openapi_json.py proto/openapi.yaml
	@mkdir -p $(@D)
	@$(PYTHON) $^ > $@
$(BUILD)/proto/openapi_json.o: $(BUILD)/proto/openapi_json.c $(BUILD)/flags
	$(call say,cc)$(CC) $(BASE) -c -o $@ $<
$(BUILD)/server/page_files.c: server/page/embed.py $(page_files)
	@mkdir -p $(@D)
	@$(PYTHON) $^ > $@
$(BUILD)/server/page_files.o: $(BUILD)/server/page_files.c $(BUILD)/flags
	$(call say,cc)$(CC) $(BASE) -c -o $@ $<
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(BASE) $(SYSTEM) -c -o $@ $<
$(BUILD)/%.a: $(BUILD)/names
	@rm -f $@
	@$(AR) rcs $@ $(no_note)

# Notes that change when their text does: what everything is compiled with, and what there is to link.
$(BUILD)/flags: note = $(CC) $(KERNEL_CC) $(BASE) $(SYSTEM) $(KERNEL) $(march_v3) $(march_v4) $(LINK) $(wrap)
$(BUILD)/names: note = $(lib_obj) $(proto_obj) $(server_obj) $(test_obj)
$(BUILD)/flags $(BUILD)/names: FORCE
	@mkdir -p $(@D)
	@echo '$(note)' | cmp -s - $@ || echo '$(note)' > $@
$(BUILD)/maskmeter $(BUILD)/run_tests $(fuzzers): $(BUILD)/names

# ---- what a fresh Debian lacks ----
build_packages := gcc libc6-dev clang pkg-config libmicrohttpd-dev libuv1-dev libsqlite3-dev libcjson-dev libzstd-dev \
                  zlib1g-dev libgnutls28-dev python3 python3-yaml
demo_packages  := curl zstd
test_packages  := g++ libcunit1-dev libomp-dev libclang-rt-dev llvm valgrind libc6-dbg util-linux python3-pytest \
                  python3-pytest-xdist python3-numpy python3-hypothesis python3-jsonschema python3-requests \
                  strace faketime prometheus binutils chromium chromium-driver fonts-dejavu-core python3-selenium \
                  openssl sslscan testssl.sh haproxy nginx slowhttptest
# node and npm may also come from elsewhere
grafana_packages := prometheus systemd strace python3-pip $(if $(and $(shell command -v node),$(shell command -v npm)),,nodejs npm)
lint_packages  := clang-format clang-tidy shellcheck
coverage_packages := gcovr
cross_packages := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
image_packages := debootstrap python3 util-linux

deps:                                  ## install what building, demo and tests need (Debian 12 and 13)
	@tests/deps.sh $(build_packages) $(demo_packages) $(test_packages)

# ---- use ----
demo:                                  ## score real data on a real server, show the answers, keep them for make run
	@tests/deps.sh $(build_packages) $(demo_packages)
	@$(MAKE) all
	@$(PYTHON) tests/demo.py $(BUILD)/maskmeter $(BUILD)/data
run:                                   ## serve on 127.0.0.1:8080 with build/data until stopped
	@tests/deps.sh $(build_packages)
	@$(MAKE) all
	@exec $(BUILD)/maskmeter serve --data $(BUILD)/data
install: all                           ## copy the server and its systemd units below DESTDIR/PREFIX
	install -D -m 755 $(BUILD)/maskmeter $(DESTDIR)$(PREFIX)/bin/maskmeter
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system deploy/systemd/maskmeter.service deploy/systemd/maskmeter.socket

# ---- tests ----
suites := check-layers check-headers check-suites unit http faults load properties grafana browser sanitize tsan fuzz valgrind
cpus   := scalar $(if $(x86_64),x86-64-v3 x86-64-v4)
cxx     = $(CXX) -std=c++17 -I. -Wall -Wextra -Wpedantic -Werror
# In long form the figures that tests print are kept also of those that pass.
pytest  = $(PYTHON) -B -m pytest -q $(if $(SHORT),-rs,-rsP) -p no:cacheprovider --basetemp=$(BUILD)/pytest-$@
# Test files, and unit suites, side by side; load measures, and what grafana sets up is one for all its files.
workers := $(or $(filter 1 2 3,$(shell nproc)),4)
abreast  = $(pytest) -n $(workers) --dist loadfile
units    := $(patsubst tests/test_%.c,%,$(wildcard tests/test_*.c))
# Tests that have a short form take it when this is not empty.
export MASKMETER_TEST_SHORT = $(SHORT)
export HYPOTHESIS_STORAGE_DIRECTORY = $(BUILD)/hypothesis
# run_tests exits with 77, and says so, when this machine lacks the level.
each_level = for cpu in $(cpus); do MM_CPU=$$cpu $1 || [ $$? = 77 ] || exit 1; done
# $1 runs unit tests: at each level, in short form only the suites $2.
unit_tests = $(if $(SHORT),printf '%s\n' $2 | xargs -P $(workers) -n 4 $1,$(call each_level,$1))

# A suite that hangs is ended, so that its output tells where.
test: deps                             ## every suite; sanitizers, valgrind and fuzzers in short form
	@for suite in $(suites); do echo "== $$suite, $$(date +%T)"; \
	    timeout -k 20 1500 $(MAKE) SHORT=1 $$suite || { echo "== $$suite failed, $$(date +%T)"; exit 1; }; done
check-long: deps                       ## every suite in its long form
	@for suite in $(suites); do echo "== $$suite"; $(MAKE) $$suite || exit 1; done

# What a release is judged by: the figures of each step stay in build/release, also when `make -n` shows the steps.
release     := check-long mutants coverage check-machines bench sbom image-check
release_log  = $(if $(findstring n,$(firstword -$(MAKEFLAGS))),/dev/null,$(BUILD)/release/$$step.log)
check-release: deps                    ## check-long, mutants, coverage, other machines, bench, sbom, image-check; hours
	@mkdir -p $(BUILD)/release; \
	for step in $(release); do echo "== $$step, $$(date +%T)"; \
	    $(MAKE) $$step > $(release_log) 2>&1 || { tail -50 $(release_log); exit 1; }; \
	    tail -n 12 $(release_log); done

check-layers:                          ## fail if a folder includes what it must not know
	@! grep -nE '#include "(proto|server)/' lib/*.[ch]
	@! grep -nE '#include "server/'         proto/*.[ch]
	@! grep -nE '#include "lib/' proto/*.[ch] server/*.[ch] | grep -v '"lib/maskmeter.h"'
	@! grep -nE '#include "proto/' server/*.[ch] | grep -v '"proto/wire.h"'
check-headers: $(BUILD)/libmm.a        ## every header compiles alone, the public ones also as C++17, and they link
	@for h in $(wildcard lib/*.h proto/*.h server/*.h); do \
	    $(CC) -std=c11 -I. $(WARN) -Werror $(SYSTEM) -fsyntax-only -x c $$h || exit 1; done
	@for h in lib/maskmeter.h proto/wire.h; do $(cxx) -fsyntax-only -x c++ $$h || exit 1; done
	@$(cxx) -fopenmp -o $(BUILD)/headers tests/headers.cc $< -lm && $(BUILD)/headers
check-suites:                          ## fail if tests/run.c forgets a suite
	@for f in $(wildcard tests/test_*.c); do suite=$${f#tests/test_}; suite=$${suite%.c}; \
	    grep -q "X($$suite)" tests/run.c || { echo "tests/run.c does not list $$f" >&2; exit 1; }; done
unit: $(BUILD)/run_tests               ## unit tests at every CPU level
	@$(call each_level,$(BUILD)/run_tests)
http: $(BUILD)/maskmeter               ## the server as its clients see it
	@MASKMETER_BIN=$< $(abreast) tests/http
faults: $(BUILD)/maskmeter $(BUILD)/tests/faults/fail.so  ## kill -9, failing system calls, full disks, damaged files
	@MASKMETER_BIN=$< MASKMETER_FAIL=$(abspath $(word 2,$^)) $(abreast) tests/faults
	+@$(if $(SHORT),,$(MAKE) leaks)
# gcc's sanitizers are libraries, which fail.so may come before.  What they know of the loader they do not see behind it.
leaks: export ASAN_OPTIONS = detect_stack_use_after_return=1:allocator_may_return_null=1:verify_asan_link_order=0:exitcode=99
leaks: export LSAN_OPTIONS = suppressions=$(abspath tests/faults/loader.txt):print_suppressions=0
leaks: export UBSAN_OPTIONS = print_stacktrace=1
leaks: export MASKMETER_BIN = $(BUILD)/leaks/maskmeter
leaks: export MASKMETER_FAIL = $(abspath $(BUILD)/tests/faults/fail.so)
leaks: export MASKMETER_TEST_SLOWNESS = 4
leaks: $(BUILD)/tests/faults/fail.so   ## every failing allocation again, under the address sanitizer: is all given back?
	+@$(MAKE) CC=gcc KERNEL_CC=gcc CFLAGS='-O1 -g -fno-omit-frame-pointer' BUILD=$(BUILD)/leaks SAN=address,undefined \
	    $(MASKMETER_BIN)
	@$(abreast) tests/faults/test_malloc.py
load: $(BUILD)/maskmeter               ## more clients and uploads than fit: budget, fairness, overload, slow and idle ones
	@MASKMETER_BIN=$< $(pytest) tests/load
properties: $(BUILD)/maskmeter         ## what holds for every request: hypothesis, from openapi.yaml
	@MASKMETER_BIN=$< $(abreast) tests/properties
browser: $(BUILD)/maskmeter            ## the built-in page in Chromium, without a window
	@MASKMETER_BIN=$< $(abreast) --maxfail=4 tests/browser
grafana: export MASKMETER_NODE = $(BUILD)/grafana
grafana: export MASKMETER_HADOLINT = $(BUILD)/hadolint
grafana: $(BUILD)/maskmeter            ## deploy/ against Grafana's libraries, Prometheus, systemd, hadolint; the binary
	@tests/deps.sh $(grafana_packages)
	@MASKMETER_BIN=$< $(pytest) tests/grafana tests/deploy

# Under sanitizers the short form leaves out what asks nothing of the server, and under the thread sanitizer also what
# has one thread, or asks for numbers only: one request at a time.
http_suites  = $(filter-out $(patsubst %,tests/http/test_%.py,$1),$(wildcard tests/http/test_*.py))
no_server   := bench data deploy_files deploy_prometheus readme
no_threads  := columns json
one_by_one  := bad_input commands expected natural openapi page peer_oracle scopes stock surface_data surface_oracle
# Sanitized trees are built by clang alone, each in a folder of its own.
sanitized = $(MAKE) CC=clang KERNEL_CC=clang CFLAGS='-O1 -g -fno-omit-frame-pointer'

sanitize: export ASAN_OPTIONS = detect_stack_use_after_return=1:allocator_may_return_null=1
sanitize: export UBSAN_OPTIONS = print_stacktrace=1
sanitize: export MASKMETER_BIN = $(BUILD)/asan/maskmeter
sanitize: export MASKMETER_TEST_SLOWNESS = 4
sanitize:                              ## unit and HTTP tests under the address and undefined behaviour sanitizers
	+@$(sanitized) BUILD=$(BUILD)/asan SAN=address,undefined $(BUILD)/asan/maskmeter $(BUILD)/asan/run_tests
	@$(call unit_tests,$(BUILD)/asan/run_tests,$(units))
	@$(abreast) $(call http_suites,$(if $(SHORT),$(no_server)))

# libarcher tells the thread sanitizer what OpenMP orders.  setarch -R: older ones know no wide address randomisation.
tsan: export OMP_TOOL_LIBRARIES = $(shell clang -print-resource-dir)/../../libarcher.so
tsan: export TSAN_OPTIONS = ignore_noninstrumented_modules=1:allocator_may_return_null=1
tsan: export MASKMETER_BIN = $(BUILD)/tsan/maskmeter
tsan: export MASKMETER_TEST_SLOWNESS = 8
tsan:                                  ## unit and HTTP tests under the thread sanitizer
	+@$(sanitized) BUILD=$(BUILD)/tsan SAN=thread $(BUILD)/tsan/maskmeter $(BUILD)/tsan/run_tests
	@$(call unit_tests,setarch -R $(BUILD)/tsan/run_tests,$(filter-out $(no_threads),$(units)))
	@setarch -R $(abreast) $(call http_suites,$(if $(SHORT),$(no_server) $(one_by_one)))

# Under valgrind all is built by gcc, the kernels too.  The server is a script, so that the HTTP tests can start it.
memcheck = valgrind -q --fair-sched=try --child-silent-after-fork=yes --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
           --errors-for-leak-kinds=definite,indirect
# In short form: the suites where bytes from outside are read, kept or passed between threads.
memcheck_short = tensor input eval record record_bytes reader header coding wire_read wire_write expression explain plans \
                 query request reply body history_merge history_rows history_sqlite history_sqlite_read \
                 history_sqlite_write history_sqlite_tokens history_thread compute loop client tokens token_time
valgrind: export OMP_WAIT_POLICY = passive
valgrind: export MASKMETER_BIN = $(BUILD)/gcc/memcheck
valgrind: export MASKMETER_TEST_SLOWNESS = 20
valgrind:                              ## unit and HTTP tests under valgrind
	@$(MAKE) BUILD=$(BUILD)/gcc CC=gcc KERNEL_CC=gcc CFLAGS='-O1 -g -U_FORTIFY_SOURCE' \
	    $(BUILD)/gcc/maskmeter $(BUILD)/gcc/run_tests
	@$(call unit_tests,$(memcheck) $(BUILD)/gcc/run_tests,$(memcheck_short))
	@printf '#!/bin/sh\nexec $(memcheck) $(abspath $(BUILD))/gcc/maskmeter "$$@"\n' > $(MASKMETER_BIN)
	@chmod +x $(MASKMETER_BIN)
	@$(abreast) $(if $(SHORT),$(patsubst %,tests/http/test_%.py,routes expected exactness),tests/http)

fuzz_seconds = $(if $(SHORT),3,600)
fuzz:                                  ## each fuzzer on its corpus, then on what it makes of it (fuzz_seconds=N each)
	+@$(sanitized) BUILD=$(BUILD)/fuzz SAN=fuzzer-no-link,address,undefined \
	    UNSAN=-fsanitize-coverage-ignorelist=tests/fuzz/unwatched.txt $(fuzzers:$(BUILD)/%=$(BUILD)/fuzz/%)
	@printf '%s\n' $(patsubst fuzz_%,%,$(notdir $(fuzzers))) | \
	    xargs -P $(shell nproc) -n 1 tests/fuzz/run.sh $(BUILD) $(fuzz_seconds)

# Mutants are compiled and linked as everything else is: in the tree at hand, but unoptimised, then in one of the address
# sanitizer.
mutant_targets := wire target headers access
mutants_sample  = $(if $(SHORT),60,0)
mutants_seed    = 1
mutants:                               ## small faults in reader, parsers, kernels, overlap: is each noticed? (mutants_sample=N)
	+@$(MAKE) mutants-tree
	+@$(sanitized) BUILD=$(BUILD)/asan SAN=address,undefined mutants-tree
	@$(PYTHON) tests/mutants.py $(BUILD)/mutants $(BUILD)/asan/mutants --sample $(mutants_sample) --seed $(mutants_seed)
mutants-tree: $(BUILD)/run_tests $(if $(SAN),$(mutant_targets:%=$(BUILD)/tests/fuzz/replay_%),$(BUILD)/libmmserver.a)
	@printf '%s\n' '$(BUILD)' '$(CC) $(filter-out -MMD -MP -g,$(BASE)) $(SYSTEM) $(if $(SAN),,-U_FORTIFY_SOURCE -O0)' \
	    '$(CC) $(BASE) $(filter-out -Wl%,$(LINK)) $(if $(shell command -v ld.gold 2>/dev/null),-fuse-ld=gold) -Wl,-S' \
	    '$(test_obj) $(wrap)' '$(archives)' '$(LDLIBS) -lcunit' > $(BUILD)/mutants

coverage: export MASKMETER_BIN = $(BUILD)/gcov/maskmeter
coverage: export MASKMETER_TEST_SLOWNESS = 2
coverage:                              ## lines and branches that the unit and HTTP tests reach; HTML in build/coverage
	@tests/deps.sh $(coverage_packages)
	@find $(BUILD)/gcov -name '*.gcda' -delete 2>/dev/null || true
	+@$(MAKE) BUILD=$(BUILD)/gcov CC=gcc KERNEL_CC=gcc CFLAGS='-O0 -g --coverage -fprofile-update=atomic -U_FORTIFY_SOURCE' \
	    $(BUILD)/gcov/maskmeter $(BUILD)/gcov/run_tests
	@$(BUILD)/gcov/run_tests > $(BUILD)/gcov/unit.log || { cat $(BUILD)/gcov/unit.log; exit 1; }
	@$(pytest) tests/http
	@$(PYTHON) tests/coverage.py . $(BUILD)/gcov $(BUILD)/coverage

# Another machine, emulated: what the library says there is compared with every CPU level of this one.
aarch64  = $(MAKE) BUILD=$(BUILD)/aarch64 CC=aarch64-linux-gnu-gcc KERNEL_CC=aarch64-linux-gnu-gcc x86_64=
check-machines: $(BUILD)/tests/machines/bits  ## every score has the same bits on an emulated aarch64 (needs a cross compiler)
	@tests/deps.sh $(cross_packages)
	+@$(aarch64) $(BUILD)/aarch64/tests/machines/bits
	@qemu-aarch64 -L /usr/aarch64-linux-gnu $(BUILD)/aarch64/tests/machines/bits > $(BUILD)/aarch64/bits
	@for cpu in $(cpus); do MM_CPU=$$cpu $< > $(BUILD)/bits && cmp $(BUILD)/bits $(BUILD)/aarch64/bits || exit 1; done
	@echo "$$(wc -l < $(BUILD)/bits) results, the same on aarch64 and at every CPU level here"

bench: all $(benches)                  ## figures of this machine beside their references
	@$(PYTHON) tests/bench/run.py $(BUILD)

# ---- house ----
c_files := $(wildcard lib/*.[ch] proto/*.[ch] server/*.[ch] tests/*.[ch] tests/*.cc tests/*/*.[ch])

sbom: $(BUILD)/maskmeter               ## what the server is made of, as SPDX 2.3, in build/sbom.spdx.json
	@$(PYTHON) tests/sbom.py $< > $(BUILD)/sbom.spdx.json
readme: all                            ## renew the tables of README.md, the names in openapi.yaml
	@$(PYTHON) tests/readme.py $(BUILD)/maskmeter
format:                                ## clang-format 14, in place
	@clang-format -i $(c_files)
check-format:                          ## fail if clang-format 14 would change a file
	@clang-format --dry-run -Werror $(c_files)
lint:                                  ## clang-tidy, shellcheck
	@tests/deps.sh $(lint_packages)
	@echo $(filter %.c,$(c_files)) | xargs -P $(shell nproc) -n 6 sh -c \
	    'clang-tidy --quiet "$$@" -- -std=c11 -I. $(SYSTEM) -DMM_LEVEL=scalar 2>/dev/null' sh
	@shellcheck .ci/run $(wildcard tests/*.sh tests/*/*.sh)
image-check:                           ## the Dockerfile's steps in clean Debian roots, and the image's own promises
	@tests/deps.sh $(image_packages)
	@$(PYTHON) tests/image_check.py $(BUILD)/roots
clean:                                 ## remove everything built
	rm -rf $(BUILD)
help:                                  ## this list
	@sed -n 's/^\([a-z-]*\):.*##[ ]/\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: all deps demo run install test check-long check-layers check-headers check-suites unit http faults leaks load \
        properties browser grafana sanitize tsan valgrind fuzz mutants mutants-tree coverage check-machines \
        check-release bench sbom readme \
        format check-format lint image-check clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY: $(fuzzers:=.o) $(fuzz_tools) $(BUILD)/tests/fuzz/replay.o $(benches:=.o) $(BUILD)/tests/machines/bits.o
$(BUILD)/%.d: ;
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/tests/*/*.d)
