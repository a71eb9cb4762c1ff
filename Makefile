# serialnumberd: build, try, test, install.  `make` alone lists what there is.

TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))
RUN     := $(TARGET)/run
AGENT   := $(TARGET)/release/serialnumberd
# Port 626 takes root; an ordinary user gets port 62626.
ifneq ($(shell id -u),0)
UNPRIVILEGED := --unprivileged
endif

.PHONY: help build install uninstall run demo check test simulate fuzz bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# As root there is often no cargo: then what an ordinary user has built is good enough to install.
build: ## Build the agent, the C library and all plugins for release
	@if command -v cargo >/dev/null; then cargo build --release --workspace --locked; \
	elif [ ! -x $(AGENT) ]; then echo 'There is no cargo in PATH: run "make build" as yourself before.' >&2; exit 1; fi

# Where things go: `make install PREFIX=/usr DESTDIR=/tmp/package` is what a package wants.
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/serialnumberd
UNITDIR    ?= $(PREFIX)/lib/systemd/system
# Not below LIBDIR: the agent searches in ../lib/serialnumberd/plugins from its own folder.
PLUGINDIR  ?= $(PREFIX)/lib/serialnumberd/plugins
CMAKEDIR   := $(LIBDIR)/cmake/serialnumberd

# The library's version is that of its interface.
VERSION := $(shell sed -n '0,/^version/s/^version = "\(.*\)"/\1/p' agent/capi/Cargo.toml)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))
LIBRARY := libserialnumberd.so
PLUGINS := $(subst -,_,$(patsubst plugins/%/Cargo.toml,slnd_%,$(wildcard plugins/*/Cargo.toml)))
PAGES   := $(wildcard agent/man/*.[1-8] agent/capi/man/*.[1-8] plugin-api/man/*.[1-8])
DOCS    := README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE agent/core/PROTOCOL.md agent/core/TRUST.md agent/netinfo/DIRECTORY.md
# `man slnd_agent_check` shows the page of all functions.
OPEN    := (
ALIASES := $(shell sed -n '/^typedef/d; s/^\(SLND_API \)\?[a-z].*[ *]\(slnd_[a-z_]*\)$(OPEN).*/\2/p' include/serialnumberd/serialnumberd.h)

# What is installed, a word each: mode:file:destination, or link:target:destination.  A file that ends in .in is a
# template, and so is the systemd unit.
INSTALLED := 755:$(AGENT):$(BINDIR)/serialnumberd \
    755:$(TARGET)/release/$(LIBRARY):$(LIBDIR)/$(LIBRARY).$(VERSION) \
    link:$(LIBRARY).$(VERSION):$(LIBDIR)/$(LIBRARY).$(MAJOR) \
    link:$(LIBRARY).$(MAJOR):$(LIBDIR)/$(LIBRARY) \
    644:$(TARGET)/release/libserialnumberd.a:$(LIBDIR)/libserialnumberd.a \
    644:agent/capi/install/serialnumberd.pc.in:$(LIBDIR)/pkgconfig/serialnumberd.pc \
    644:agent/capi/install/serialnumberd-config.cmake.in:$(CMAKEDIR)/serialnumberd-config.cmake \
    644:agent/capi/install/serialnumberd-config-version.cmake.in:$(CMAKEDIR)/serialnumberd-config-version.cmake \
    644:examples/serialnumberd.service:$(UNITDIR)/serialnumberd.service \
    $(foreach f,$(wildcard include/serialnumberd/*.h),644:$f:$(INCLUDEDIR)/serialnumberd/$(notdir $f)) \
    $(foreach f,$(PLUGINS),755:$(TARGET)/release/lib$f.so:$(PLUGINDIR)/lib$f.so) \
    $(foreach f,$(PAGES),644:$f:$(MANDIR)/man$(subst .,,$(suffix $f))/$(notdir $f)) \
    $(foreach f,$(ALIASES),link:libserialnumberd.3:$(MANDIR)/man3/$f.3) \
    $(foreach f,$(DOCS),644:$f:$(DOCDIR)/$(notdir $f)) \
    $(foreach f,$(shell find examples -type f ! -name '*.service'),644:$f:$(DOCDIR)/$f)

from_cmake = $(shell realpath -m --relative-to=$(CMAKEDIR) $1)
FILL := -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@MAJOR@|$(MAJOR)|' \
    -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|' \
    -e 's|@PLUGINDIR@|$(PLUGINDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|/usr/bin/serialnumberd|$(BINDIR)/serialnumberd|' \
    -e 's|@INCLUDEDIR_FROM_CMAKE@|$(call from_cmake,$(INCLUDEDIR))|' \
    -e 's|@PLUGINDIR_FROM_CMAKE@|$(call from_cmake,$(PLUGINDIR))|'

install: build ## Build and install everything below PREFIX (/usr/local); DESTDIR is put before it
	@set -e; for one in $(INSTALLED); do \
	    mode=$${one%%:*} from=$${one#*:}; to="$(DESTDIR)$${from##*:}" from=$${from%%:*}; \
	    case $$mode:$$from in \
	    link:*) ln -sfn "$$from" "$$to" ;; \
	    *.in|*.service) sed $(FILL) "$$from" > $(TARGET)/filled; install -D -m 644 $(TARGET)/filled "$$to" ;; \
	    *) install -D -m "$$mode" "$$from" "$$to" ;; \
	    esac; \
	done; rm -f $(TARGET)/filled
	@# Nothing finds a library that the cache does not know.
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || ldconfig
	@echo 'Installed below $(DESTDIR)$(PREFIX): next, man serialnumberd, or $(DOCDIR)/README.md'

uninstall: ## Remove what install has put there, given the same PREFIX and DESTDIR
	@for one in $(INSTALLED); do rm -f "$(DESTDIR)$${one##*:}"; done
	@for own in $(INCLUDEDIR)/serialnumberd $(CMAKEDIR) $(PLUGINDIR) $(DOCDIR); do \
	    [ ! -d "$(DESTDIR)$$own" ] || find "$(DESTDIR)$$own" -depth -type d -empty -delete; \
	done
	@rmdir "$(DESTDIR)$(PREFIX)/lib/serialnumberd" 2>/dev/null || true

run: build $(RUN)/xsvr.serial ## Build everything and run the agent on this host (all it writes is in target/run)
	@sed -e 's|^# state_dir = .*|state_dir = "$(RUN)/state"|' \
	     -e 's|^# control = .*|control = "$(RUN)/control.sock"|' \
	     -e 's|^serial_file = .*|serial_file = "$(RUN)/xsvr.serial"|' \
	     examples/serialnumberd.toml > $(RUN)/serialnumberd.toml
	@$(if $(UNPRIVILEGED),echo "Not root: running with --unprivileged on port 62626; only agents run so are heard.";) \
	echo "Ask it from another terminal: $(AGENT) status --control $(RUN)/control.sock"
	@exec $(AGENT) run $(UNPRIVILEGED) -c $(RUN)/serialnumberd.toml

# A random serial: two hosts that run this never meet.  Copy the file to a second host to see a duplicate.
$(RUN)/xsvr.serial:
	@mkdir -p $(RUN)
	@umask 077 && od -An -N8 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^/TRY-/' > $@

demo: build ## Three agents in one process on loopback: a duplicate found, told and resolved
	$(AGENT) demo

check: ## Formatting, lints and unit tests
	@.ci/stages check

test: ## Everything that CI runs; as root it installs the Debian packages that it needs
	@.ci/stages test

simulate: build ## Simulated LANs: every duplicate is found, and nobody else accused
	$(TARGET)/release/slnd-sim run --seeds 20

fuzz: ## Look for inputs that break a decoder or the engine: every target for FUZZ_SECONDS (60)
	@.ci/fuzz

bench: build ## Criterion benchmarks, the agent under load beside rsyslog, its directory beside slapd
	SERIALNUMBERD=$(AGENT) cargo bench --workspace --locked

clean: ## Remove all that was built
	cargo clean
