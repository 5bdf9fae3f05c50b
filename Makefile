# `make run` and `make test` install what is missing, system libraries included, on a fresh Debian 12 or 13 that has
# only git, make, python3 and ca-certificates. See docs/development.md.

PYTHON ?= python3           # makes .venv: 3.11 or newer
CONFIG = etc/imaged.yaml
ARGS   =
SECONDS = 300

BIN := .venv/bin
IMAGED := $(BIN)/imaged

.DEFAULT_GOAL := help
.ONESHELL:
.NOTPARALLEL:
.SHELLFLAGS := -ec
export PATH := $(PATH):/usr/sbin:/sbin

# .venv is ready when .venv/ready exists and its `imaged` is that of this folder. Otherwise (an interrupted installation, a
# moved folder, an uninstalled Python) it is made again.
HERE := $(shell $(BIN)/python -Ic 'import imaged; print(*imaged.__path__)' 2>/dev/null)
ifneq ($(HERE),$(CURDIR)/imaged)
$(shell rm -f .venv/ready)
endif

.PHONY: help run run-fast dev-server dev-server-s3 dev-server-manta test hostile attacks fuzz faults erasures bounded soak bench docs-examples check lint format deb clean system debootstrap

help: ## Print this table
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	echo
	echo "  ARGS   are passed on:  make run ARGS='--set render.concurrency=2'   make test ARGS='-k geometry'"
	echo "  CONFIG is the file of settings, PYTHON the interpreter that makes .venv."

run: .venv/ready ## Run the daemon on etc/imaged.yaml, with the page /try
	@exec $(IMAGED) run -c $(CONFIG) --set status.try_page=true $(ARGS)

run-fast: .venv/fast ## The same, with Pillow before ImageMagick
	@exec $(IMAGED) run -c $(CONFIG) --set status.try_page=true --set 'processors=[pillow, magick]' $(ARGS)

# For development: only this machine may connect, sources may be on it, and the status port has the page /try.
LOCALLY = --set 'listen=tcp:7000:interface=127.0.0.1' --set 'sources.allow_networks=[127.0.0.0/8, "::1/128"]' \
	--set status.try_page=true --set status.timing_header=true

dev-server: .venv/ready ## Run it with sources on this machine allowed
	@exec $(IMAGED) run -c $(CONFIG) $(LOCALLY) $(ARGS)

dev-server-s3: .venv/s3 ## The same, with S3, by environment variables: AWS_BUCKET, ...
	@$(call run_from_environment,s3,AWS_ACCESS_KEY_ID AWS_SECRET_KEY AWS_BUCKET,\
		plugins.s3.access_key_id=AWS_ACCESS_KEY_ID plugins.s3.secret_access_key=AWS_SECRET_KEY \
		plugins.s3.bucket=AWS_BUCKET plugins.s3.region=AWS_REGION plugins.s3.endpoint_url=AWS_ENDPOINT_URL \
		remote.base_path=IMG_REMOTE_BASE_PATH remote.base_url=IMG_REMOTE_BASE_URL)

dev-server-manta: .venv/manta ## The same, with Manta, by environment variables: MANTA_URL, ...
	@$(call run_from_environment,manta,MANTA_URL MANTA_USER MANTA_KEY_ID,\
		plugins.manta.url=MANTA_URL plugins.manta.account=MANTA_USER plugins.manta.key_id=MANTA_KEY_ID \
		plugins.manta.key_file=SDC_IDENTITY \
		remote.base_path=IMG_MANTA_BASE_PATH remote.base_url=IMG_REMOTE_BASE_URL)

# A recipe: $(1) is the uploader, $(2) the required variables, $(3) a setting=VARIABLE for each variable that is used if it is
# set. The settings refer to the variables, because every user can read the secrets on a command line.
define run_from_environment
lacks=
for name in $(2); do [ -n "$$(printenv $$name)" ] || lacks="$$lacks $$name"; done
if [ -n "$$lacks" ]; then
	echo "make $@ takes its settings from the environment, which lacks$$lacks. docs/development.md lists them." >&2
	exit 1
fi
set --
for each in $(3); do
	name=$${each#*=}
	[ -z "$$(printenv $$name)" ] || set -- "$$@" --set "$${each%%=*}={env: $$name}"
done
[ -z "$$IMG_OUTPUTS" ] || set -- "$$@" --set "images.outputs=[$$IMG_OUTPUTS]"
exec $(IMAGED) run -c $(CONFIG) $(LOCALLY) --set uploader=$(1) "$$@" $(ARGS)
endef

# One worker for each core. worksteal keeps the tests of a file together, since they share servers, while all workers are busy.
test: .venv/tools ## Run the tests, on all cores
	@$(BIN)/pytest --numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal $(ARGS)  # many tests wait

hostile: .venv/tools ## Send 2,000 broken files to a daemon
	@PYTHONPATH=tests/e2e $(BIN)/python tests/hostile/broken_run.py $(ARGS)

attacks: ROUNDS = 10
attacks: .venv/tools ## Attack workers from inside, and kill workers and daemons, ROUNDS=10
	@IMAGED_TEST_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/e2e/test_hostile_processor.py tests/e2e/test_worker_kills.py -rP $(ARGS)

fuzz: .venv/tools ## Look for pictures that crash a processor, for SECONDS=300
	@$(BIN)/python tests/hostile/fuzz.py --seconds $(SECONDS) $(ARGS)

# Most of these tests wait for the daemon, so more of them than cores run side by side.
faults: .venv/tools ## Let each file operation fail, and kill the daemon at each
	@$(BIN)/pytest tests/e2e/test_failing_files.py tests/e2e/test_failing_erasures.py -m exhaustive -rP --numprocesses 4 --dist worksteal $(ARGS)

erasures: .venv/tools ## Erase a picture 20 times while 24 clients use it, with kills and outages
	@$(BIN)/pytest tests/e2e/test_erase.py -m exhaustive -rP $(ARGS)

bounded: SECONDS = 300
bounded: .venv/tools ## A store of 200 MB under load for SECONDS=300, beside a true LRU
	@PYTHONPATH=tests:tests/e2e $(BIN)/python tests/e2e/bounded_store.py --seconds $(SECONDS) $(ARGS)

soak: SECONDS = 600
soak: .venv/tools ## Mixed traffic for SECONDS=600: memory, files, threads and processes stay
	@PYTHONPATH=tests:tests/e2e $(BIN)/python tests/soak/soak_run.py --seconds $(SECONDS) $(ARGS)

# Peers and results are in build/bench.
bench: .venv/bench ## Measure speed and memory beside peers, ARGS='hits misses --picture FILE'
	@$(BIN)/python bench/performance.py $(ARGS)

docs-examples: .venv/tools ## Render the examples of docs/names.md
	@$(BIN)/python docs/examples/make_examples.py

check: lint test ## Lint, types and tests: what CI runs

lint: .venv/tools ## Check style and types
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/tools ## Format the code
	@$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

deb: debootstrap ## Build the Debian package in dist/ from the last commit
	@mkdir -p build dist
	git archive --prefix=imaged/ --output=build/source.tar HEAD
	debian/build-in-folder build/trixie build/source.tar dist

clean: ## Remove .venv, caches and builds; var/, the store, stays
	@if [ -d build/trixie ] && [ ! -O build/trixie ]; then sudo rm -rf --one-file-system build/trixie*; fi
	rm -rf --one-file-system .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# If a stamp is older than pyproject.toml, the packages are updated. Without .venv/ready the environment is made again, so
# .venv/ready is deleted while pip works: after an interruption the installation starts again.
.venv/ready: pyproject.toml | system
	@if [ -e $@ ]; then rm $@; else echo "Making .venv"; rm -rf .venv; $(PYTHON) -m venv .venv; fi
	$(BIN)/python -m pip uninstall --quiet --quiet --yes imaged  # the former name of imaged-server, with the same files
	$(call pip_install,.)
	touch $@

# The libraries of plugins, and of benchmarks. .venv/ready is touched first, so that it is not newer than the other stamp.
.venv/fast .venv/s3 .venv/manta .venv/bench: .venv/ready
	@rm .venv/ready
	$(call pip_install,.[$(@F)])
	touch .venv/ready
	touch $@

.venv/tools: .venv/ready
	@rm .venv/ready
	echo "The tools for tests, types and style are some 700 MB, once."
	$(call pip_install,.[dev])
	touch .venv/ready
	touch $@

define pip_install
echo "Installing imaged into .venv with pip"
	$(BIN)/python -m pip install --disable-pip-version-check --editable '$(1)'
	$(BIN)/python -m pip check --quiet
	$(BIN)/python -c 'import imaged.cli, wand.image'
endef

# The end of a recipe: installs the packages in $lacks. $(APT_MARK) exists while apt works. If it was interrupted, the
# next run configures the packages that dpkg has left unfinished, and reinstalls the broken ones.
APT_MARK := build/apt-was-broken-off
define install_lacking
[ ! -e $(APT_MARK) ] || lacks="$$lacks $$(cat $(APT_MARK))"
if [ -z "$$lacks" ]; then exit; fi
if ! command -v apt-get >/dev/null; then
	echo "This system has no apt-get. If the next steps fail, install$$lacks, by the names of your system." >&2
	exit
fi
by_hand="As root: dpkg --configure -a && apt-get update && apt-get install --no-install-recommends$$lacks"
if [ "$$(id -u)" = 0 ]; then as_root=
elif command -v sudo >/dev/null; then as_root=sudo
else
	echo "This system lacks$$lacks, and has no sudo to install that. $$by_hand" >&2
	exit 1
fi
unfinished() { dpkg-query --show --showformat='$${db:Status-Abbrev} $${Package}\n' | awk "$$1" | tr '\n' ' '; }
noninteractive() { $$as_root env DEBIAN_FRONTEND=noninteractive "$$@" </dev/null; }
apt() { noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$$@"; }
echo "Installing with apt-get:$$lacks"
mkdir -p $(dir $(APT_MARK))
echo "$$lacks" >$(APT_MARK)
if [ -n "$$(unfinished 'substr($$0, 2, 1) ~ /[HUFWt]/')$$(ls /var/lib/dpkg/updates 2>/dev/null)" ]; then
	echo "Configuring the packages that dpkg has left unfinished"
	for try in $$(seq 60); do # unlike apt, dpkg does not wait for its lock, which the interrupted apt may still hold
		said=$$(noninteractive dpkg --configure -a 2>&1) && break
		case $$said in *lock*) sleep 2 ;; *) break ;; esac
	done
	echo "$$said"
fi
apt update || echo "apt update failed: using the old package lists." >&2
again=$$(unfinished 'substr($$0, 3, 1) == "R" {print $$2}')
[ -z "$$again" ] || apt install --yes --no-install-recommends --reinstall $$again || true
apt install --yes --no-install-recommends --fix-broken $$lacks || { echo "$$by_hand" >&2; exit 1; }
rm $(APT_MARK)
endef

# From Debian 13 on, libheif has its codecs in packages of their own. ImageMagick's packages bring those that decode.
heif_plugins = [ "$$(. /etc/os-release 2>/dev/null; echo "$$ID$$VERSION_ID")" != debian13 ] || echo " libheif-plugin-aomenc"

# The package `imagemagick` has this name on every release, and depends on the MagickWand library of that release.
system: ## Install missing system packages with apt
	@lacks=
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || lacks="$$lacks python3-venv"
	ldconfig -p 2>/dev/null | grep -q libMagickWand || $(BIN)/python -c 'import wand.image' 2>/dev/null ||
		lacks="$$lacks imagemagick$$($(heif_plugins))"
	$(install_lacking)

debootstrap:
	@lacks=
	command -v debootstrap >/dev/null || lacks=" debootstrap"
	$(install_lacking)
