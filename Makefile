# Moonpulse. `make` builds into build/; `make demo` and `make test` also install what is missing.
#
#   make                     build build/moonpulse and build/lib/moonpulse/core.so
#   make demo                half a minute of theta burst on a simulator, and its report
#   make test                every test; SANITIZE=address,undefined or =thread for a checked build;
#                            MP_PLANS=20000: that many random plans on every simulator, not 500 (half an hour)
#   make valgrind            the specs and the C tests under valgrind: well over an hour, each says its seconds
#   make sanitized           the C programs with address and undefined sanitizers
#   make check               format, luacheck, static analysis, sanitized and the tests
#   make bench               the benchmark, about 8 minutes; BENCH=--quick, --long or --ci
#   make fuzz SECONDS=60     libFuzzer over the reply parser of each driver, so long for each (clang)
#   make mutants             300 small faults, planted one at a time: is each found? MUTANTS=--help says more
#   make fuzz-records        run folders, damaged in 10,000 ways, given to recover, report and check --participant
#   make fuzz-commands       10,000 command lines of random options and values
#   make explore HOURS=1     whole runs in virtual time with everything going wrong, for so long, and what must
#                            hold of them; RUNS=N instead, FROM=N the first seed (docs/reliability.md)
#   make bids-bar            every shipped protocol as BIDS datasets, and what bids-validator 1.15.0 says of them (npm
#                            puts it into build/bids: 700 MB); BIDS=itbs600: that protocol only
#   make browser             reports in a headless Chromium (installs it: 300 MB): no error, the numbers of events.tsv
#   make install PREFIX=...  program, library (also for stock Lua), protocols, manual and documentation;
#                            make uninstall takes them away again
#
# V=1 shows the commands.

VERSION  := 0.1.0
# the commit, if this folder is the top of a git checkout; + if files differ from it
GIT      := git -c safe.directory='$(CURDIR)'
COMMIT   := $(shell [ "$$($(GIT) rev-parse --show-toplevel 2>/dev/null)" = '$(CURDIR)' ] && \
              $(GIT) describe --always --dirty=+ --abbrev=12 --exclude='*' 2>/dev/null)
SANITIZE ?=
LUA_PC   ?= lua5.4
PREFIX   ?= /usr/local
V        ?=
Q        := $(if $(V),,@)
DESTDIR  ?=

comma := ,
B := build$(if $(SANITIZE),/sanitize-$(subst $(comma),-,$(SANITIZE)))

LINKED := libuv libserialport sqlite3 nettle libedit
PKGS   := $(LUA_PC) $(LINKED)
# asked when something is built (`make deps` comes first), and once, not for each file
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla
OPTIMIZE ?= $(if $(SANITIZE),-O1,-O2)
DEBUG    := -g
CFLAGS   ?= $(OPTIMIZE) $(DEBUG)
SAN      := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DMP_VERSION='"$(VERSION)"' -MMD -MP $(CPPFLAGS)
ALL_CFLAGS   = -std=c11 -ffp-contract=off -fPIC $(WARN) $(if $(CI),-Werror) $(CFLAGS) $(SAN) $(PKG_CFLAGS)
ALL_LDFLAGS  = $(SAN) $(LDFLAGS)
LIBS         = $(PKG_LIBS) -lm -lpthread

ENGINE    := $(wildcard engine/*.c)
BINDINGS  := $(filter-out bindings/main.c bindings/pack.c,$(wildcard bindings/*.c))
TESTS     := $(wildcard tests/engine/test_*.c)
LUA_TESTS := $(wildcard tests/bindings/test_*.c)
LUA_FILES := $(shell find scripts protocols tests -name '*.lua' 2>/dev/null)
MODULES   := $(sort $(shell find scripts/moonpulse -name templates -prune -o -name '*.lua' -print))
ROOMS     := $(shell find scripts/moonpulse -type d) # newer once a module was renamed or removed
C_FILES   := $(wildcard engine/*.[ch] bindings/*.[ch] tests/*.h tests/engine/*.[ch] tests/rig/*.[ch] \
                        tests/bench/*.[ch] tests/fuzz/*.c tests/bindings/*.c)

ENGINE_O   := $(ENGINE:%.c=$B/%.o)
BINDINGS_O := $(BINDINGS:%.c=$B/%.o)
TEST_BIN   := $(TESTS:tests/engine/%.c=$B/tests/%) $(LUA_TESTS:tests/bindings/%.c=$B/tests/%)
BENCH_O    := $(patsubst %.c,$B/%.o,$(wildcard tests/bench/*.c))
BENCH_BIN  := $B/bench/bench $B/bench/expand.lua $B/bench/pyserial_loop.py
RIG_BIN    := $B/tests/rig/test_serial_rig $B/tests/rig/modem_shim.so $B/tests/rig/wait_shim.so \
              $B/tests/rig/disk_shim.so $B/tests/rig/slow_shim.so $B/tests/rig/calm_shim.so \
              $B/tests/rig/parport_shim.so $B/tests/rig/hasty_shim.so $B/tests/rig/signals.so $B/tests/rig/spawn.so

# what builds before it runs something: on every processor, unless make was told how many jobs
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

BENCH    ?=
SECONDS  ?= 60

.PHONY: all demo test test-programs bench bench-programs check format format-check lint valgrind fuzz \
        fuzz-records fuzz-commands explore mutants bids-bar browser force install uninstall clean deps deps-check \
        sanitized sanitized-programs lint-lua lint-c lint-rooms
all: $B/moonpulse $B/lib/moonpulse/core.so
	@echo "$B/moonpulse is built"

$B/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@

# What judges need not be fast, but made fast: a trace of the stack names its lines all the same.
$B/tests/engine/%.o $B/tests/bindings/%.o: private OPTIMIZE := $(if $(SANITIZE),$(OPTIMIZE),-Og)
$B/tests/engine/%.o $B/tests/bindings/%.o: private DEBUG := -g1
# and these compute for seconds, however little the rest is to be optimized
$B/engine/exact_math.o $B/engine/muscle.o $B/engine/threshold_filter.o: private override OPTIMIZE := -O2

# made anew when the commit is another one
$B/commit: force
	@mkdir -p $(@D)
	@[ -f $@ ] && [ "$$(cat $@)" = '$(COMMIT)' ] || echo '$(COMMIT)' >$@

$B/bindings/build.o: $B/commit
$B/bindings/build.o: private CPPFLAGS += -DMP_COMMIT='"$(COMMIT)"'

$B/libmoonpulse.a: $(ENGINE_O)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# the library's modules, compiled, go into the program: bindings/library.h
$B/pack: $B/bindings/pack.o $B/bindings/library.o
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$B/library.packed: $B/pack $(MODULES) $(ROOMS)
	$(Q)$B/pack $@ scripts $(MODULES)

$B/bindings/packed.o: bindings/packed.S $B/library.packed
	$(Q)$(CC) -DPACKED='"$B/library.packed"' -c $< -o $@

# -E: C modules of Lua (lfs, cjson) find the host's symbols
$B/moonpulse: $B/bindings/main.o $B/bindings/packed.o $(BINDINGS_O) $B/libmoonpulse.a
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,-E $^ $(LIBS) -o $@

# stock lua5.4 brings its own liblua
$B/lib/moonpulse/core.so: $(BINDINGS_O) $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -shared $(BINDINGS_O) -Wl,--whole-archive \
	  $B/libmoonpulse.a -Wl,--no-whole-archive \
	  $(shell pkg-config --libs $(LINKED)) -lm -lpthread -o $@

# Of binutils, and several times as fast with a sanitizer; asked when a test program is linked, and once.
FAST_LD = $(eval FAST_LD := $(shell $(CC) -fuse-ld=gold -Wl,--version >/dev/null 2>&1 && echo -fuse-ld=gold))$(FAST_LD)

$B/tests/%: $B/tests/engine/%.o $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(FAST_LD) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$B/tests/%: $B/tests/bindings/%.o $(BINDINGS_O) $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(FAST_LD) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$B/tests/rig/test_serial_rig: $B/tests/rig/test_serial_rig.o $B/tests/rig/trigger_lines.o $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

# preloaded into other programs, so never sanitized itself
$B/tests/rig/calm_shim.so: tests/rig/calm_clock.c tests/rig/calm_clock.h
$B/tests/rig/%_shim.so: tests/rig/%_shim.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -I. $(WARN) -O2 -shared -fPIC $(filter %.c,$^) -ldl -o $@

# required by Lua, in a program of any kind
$B/tests/rig/signals.so $B/tests/rig/spawn.so: $B/tests/rig/%.so: tests/rig/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(shell pkg-config --cflags lua5.4) -O2 -shared -fPIC $< -o $@

$B/bench/bench: $(BENCH_O) $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

$B/bench/%: tests/bench/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

# objects of test programs are kept, not made anew each time
.SECONDARY:

-include $(shell find $B -name '*.d' 2>/dev/null)

deps:
	@sh .ci/deps

demo: deps
	@$(MAKE) --no-print-directory all
	@sh tests/demo.sh $B/moonpulse

# the benchmark's as well: a spec judges what it counts, and an old one would be judged
test-programs: all $(TEST_BIN) $(RIG_BIN) $(BENCH_BIN)

test:
	@sh .ci/deps test
	@$(MAKE) $(PARALLEL) --no-print-directory test-programs
	@sh tests/run.sh $B

bench-programs: all $(BENCH_BIN)

bench: deps
	@sh .ci/deps bench || echo "without the peers: they are reported as not installed"
	@$(MAKE) --no-print-directory bench-programs
	@$B/moonpulse bench $(BENCH)
	@$B/moonpulse bench latency --triggers 2000

valgrind: deps
	@sh .ci/deps valgrind
	@$(MAKE) $(PARALLEL) --no-print-directory test-programs
	@sh tests/run.sh $B valgrind

# the harness alone is instrumented; what the Lua decoders reach, it counts itself
$B/fuzz/decode_fuzz: tests/fuzz/decode_fuzz.c $(BINDINGS_O) $B/libmoonpulse.a
	@mkdir -p $(@D)
	$(Q)clang -std=c11 -D_GNU_SOURCE -I. $(WARN) $(if $(CI),-Werror) -O1 -g -fsanitize=fuzzer,undefined \
	  $(PKG_CFLAGS) $^ $(LIBS) -o $@

fuzz: deps
	@sh .ci/deps fuzz
	@$(MAKE) --no-print-directory all $B/fuzz/decode_fuzz
	@sh tests/fuzz/run.sh $B $(SECONDS)

HOURS ?=
RUNS  ?= 1000
explore: all
	@$B/moonpulse explore --seed $(FROM) $(if $(HOURS),--hours $(HOURS),--runs $(RUNS))

# RECORDS and COMMANDS: how many; FROM: the first of them, so that another run tries others
RECORDS  ?= 10000
COMMANDS ?= 10000
FROM     ?= 1

fuzz-records: deps
	@$(MAKE) --no-print-directory all
	@mkdir -p $B/fuzz && MOONPULSE=$B/moonpulse $B/moonpulse lua tests/fuzz/records.lua $B/fuzz/records $(RECORDS) $(FROM)

fuzz-commands: deps
	@$(MAKE) --no-print-directory all
	@mkdir -p $B/fuzz && MOONPULSE=$B/moonpulse $B/moonpulse lua tests/fuzz/commands.lua $B/fuzz/commands $(COMMANDS) $(FROM)

# what a fault is planted in and what finds it: tests/mutants/; always a plain build, which it copies
MUTANTS ?=

mutants: deps
	@$(MAKE) --no-print-directory SANITIZE= test-programs
	@build/moonpulse lua tests/mutants/main.lua $(MUTANTS)

# the validator of today's BIDS, without a network while it judges; not part of the tests
BIDS ?=

bids-bar: all
	@test -x $B/bids/node_modules/.bin/bids-validator || npm install --silent --prefix $B/bids bids-validator@1.15.0
	@MOONPULSE=$B/moonpulse $B/moonpulse lua tests/bids/bar.lua $B/bids $(BIDS)

# make test skips it where there is no browser
browser: test-programs
	@sh .ci/deps browser
	@MOONPULSE=$B/moonpulse $B/moonpulse lua tests/specs.lua tests/spec/report/browser_spec.lua

format:
	clang-format -i $(C_FILES)

format-check:
	clang-format --dry-run --Werror $(C_FILES)

lint: lint-lua lint-c lint-rooms

# a file is judged by itself: on every processor
lint-lua:
	@echo 'luacheck --quiet, $(words $(LUA_FILES)) files'
	@printf '%s\n' $(LUA_FILES) | xargs -n 100 -P $(shell nproc) luacheck --quiet

lint-c:
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --error-exitcode=1 -I. -D_GNU_SOURCE -DMP_VERSION='"x"' -DMP_COMMIT='"x"' \
	  engine bindings

lint-rooms:
	! grep -n 'lua\.h' engine/*.[ch]

# Nobody waits for a clock while compilers are at work but the sanitized programs, which do for most of their time and
# have one that stands still for them: they run while the plain build is made.
check: deps-check
	@$(MAKE) $(PARALLEL) --output-sync=target --no-print-directory format-check lint
	+@$(SANITIZED_BUILD)
	@$(SANITIZED_RUN) & sanitized=$$!; $(MAKE) $(PARALLEL) --no-print-directory test-programs; built=$$?; \
	  wait $$sanitized && exit $$built
	@$(MAKE) --no-print-directory test

# the C programs of engine and bindings; "make SANITIZE=address,undefined test" takes the specs as well
# They run once, for seconds: without optimizing they are made in half the time.
SANITIZED_BUILD = $(MAKE) $(PARALLEL) --no-print-directory SANITIZE=address,undefined OPTIMIZE=-O0 DEBUG=-g1 \
  sanitized-programs
SANITIZED_RUN = MP_QUICK=1 sh tests/run.sh build/sanitize-address-undefined programs

sanitized-programs: $(TEST_BIN) $(RIG_BIN)

sanitized: deps
	+@$(SANITIZED_BUILD)
	@$(SANITIZED_RUN)

deps-check:
	@sh .ci/deps check

SHARE = $(DESTDIR)$(PREFIX)/share
DOC   = $(SHARE)/doc/moonpulse

# for everybody to read, whatever the umask here and when the sources were fetched; nothing of an older one stays
install: all uninstall
	$(Q)umask 022 && install -D -m 755 $B/moonpulse $(DESTDIR)$(PREFIX)/bin/moonpulse
	$(Q)umask 022 && install -D -m 755 $B/lib/moonpulse/core.so $(DESTDIR)$(PREFIX)/lib/lua/5.4/moonpulse/core.so
	$(Q)umask 022 && mkdir -p $(SHARE)/moonpulse $(SHARE)/lua/5.4 $(DOC)
	$(Q)umask 022 && cp -r scripts protocols $(SHARE)/moonpulse/
	$(Q)ln -s ../../moonpulse/scripts/moonpulse $(SHARE)/lua/5.4/moonpulse
	$(Q)umask 022 && cp -r README.md CHANGELOG.md CONTRIBUTING.md LICENSE docs $(DOC)/ && rm $(DOC)/docs/moonpulse.1
	$(Q)chmod -R u=rwX,go=rX $(SHARE)/moonpulse $(DOC)
	$(Q)umask 022 && install -D -m 644 docs/moonpulse.1 $(SHARE)/man/man1/moonpulse.1
	@echo "installed in $(DESTDIR)$(PREFIX): moonpulse --help, man moonpulse, $(PREFIX)/share/doc/moonpulse/README.md"

uninstall:
	$(Q)rm -f $(DESTDIR)$(PREFIX)/bin/moonpulse $(DESTDIR)$(PREFIX)/lib/lua/5.4/moonpulse/core.so
	$(Q)rm -f $(SHARE)/lua/5.4/moonpulse $(SHARE)/man/man1/moonpulse.1
	$(Q)rm -rf $(SHARE)/moonpulse $(DOC)
	$(Q)rmdir $(DESTDIR)$(PREFIX)/lib/lua/5.4/moonpulse 2>/dev/null || true

clean:
	rm -rf build
