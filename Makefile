# maskmeter.  `make help` lists what a developer types.
BUILD     ?= build
CFLAGS    ?= -O2 -g
SAN       ?=
# The kernels are plain loops that clang turns into vector code; any C11 compiler gives the same bits.
KERNEL_CC ?= $(if $(shell command -v clang 2>/dev/null),clang,$(CC))

WARN  := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARD  := -fstack-protector-strong -fPIE $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# -ffp-contract=off: no fused multiply-add may change a bit (lib/sums.h).
BASE   = -std=c11 -I. -ffp-contract=off -fno-fast-math -MMD -MP $(WARN) $(HARD) $(CFLAGS) \
         $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
SYSTEM = -D_GNU_SOURCE
libs  := libmicrohttpd libuv sqlite3 libzstd zlib
LINK   = -pie -Wl,-z,relro,-z,now
LDLIBS = $(shell pkg-config --libs $(libs)) -lcjson -lpthread -lm

# lib/kernels.c is compiled once per CPU level: the same plain C, the same bits.
machine := $(shell uname -m)
levels  := scalar $(if $(filter x86_64,$(machine)),v3 v4)
march_scalar :=
march_v3     := -march=x86-64-v3
march_v4     := -march=x86-64-v4 -mprefer-vector-width=512

objects     = $(patsubst %.c,$(BUILD)/%.o,$(filter-out lib/kernels.c,$(wildcard $1/*.c)))
lib_obj    := $(call objects,lib) $(levels:%=$(BUILD)/lib/kernels-%.o)
proto_obj  := $(call objects,proto)
server_obj := $(call objects,server)
test_obj   := $(call objects,tests)
no_main     = $(filter-out $(BUILD)/server/main.o,$(server_obj))

all: $(BUILD)/maskmeter                ## build the server

# Dependency direction, readable from the link lines: lib <- proto <- server.
$(BUILD)/libmm.a:      $(lib_obj)
$(BUILD)/libmmproto.a: $(proto_obj)
$(BUILD)/maskmeter: $(server_obj) $(BUILD)/libmmproto.a $(BUILD)/libmm.a
	$(CC) $(BASE) -fopenmp $(LINK) -o $@ $^ $(LDLIBS)
$(BUILD)/run_tests: $(test_obj) $(no_main) $(BUILD)/libmmproto.a $(BUILD)/libmm.a
	$(CC) $(BASE) -fopenmp $(LINK) -o $@ $^ $(LDLIBS) -lcunit

$(BUILD)/lib/kernels-%.o: lib/kernels.c
	@mkdir -p $(@D)
	$(KERNEL_CC) $(BASE) -O3 -fno-math-errno -fno-trapping-math $(march_$*) -DMM_LEVEL=$* -c -o $@ $<
$(BUILD)/lib/parallel.o: lib/parallel.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -fopenmp -c -o $@ $<
$(BUILD)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -c -o $@ $<
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(SYSTEM) -c -o $@ $<
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

check-layers:                          ## fail if a folder includes what it must not know
	@! grep -nE '#include "(proto|server)/' lib/*.[ch]
	@! grep -nE '#include "server/'         proto/*.[ch]
	@! grep -nE '#include "lib/' proto/*.[ch] server/*.[ch] | grep -v '"lib/maskmeter.h"'
	@! grep -nE '#include "proto/' server/*.[ch] | grep -v '"proto/wire.h"'

clean:                                 ## remove everything built
	rm -rf build
help:                                  ## this list
	@sed -n 's/^\([a-z-]*\):.*##[ ]/\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: all check-layers clean help
.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*/*.d)
