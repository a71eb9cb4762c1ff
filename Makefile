# serialnumberd: build, try, test.  `make` alone lists what there is.

TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))
RUN     := $(TARGET)/run
AGENT   := $(TARGET)/release/serialnumberd
# Port 626 takes root; an ordinary user gets port 62626.
ifneq ($(shell id -u),0)
UNPRIVILEGED := --unprivileged
endif

.PHONY: help build run demo check test simulate fuzz bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the agent and all plugins for release
	cargo build --release --workspace --locked

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

bench: build ## Criterion benchmarks, and the whole agent under load beside a bare loop and rsyslog
	SERIALNUMBERD=$(AGENT) cargo bench --workspace --locked

clean: ## Remove all that was built
	cargo clean
