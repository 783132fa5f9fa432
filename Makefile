# make run     set up and draw one prompt with the miniature, the small models that ship with steer
# make test    set up and run the tests
# make lint    style, types and the layers of imports
# make docs    set up, generate the reference pages and build the site in build/site
# make floors  run the tests that concern other packages with the oldest versions allowed, in .venv-floor (5 GB)
# make lock    write the newest versions into requirements.lock
USER_ID ?= u17
PROMPT ?= a lighthouse by the sea

.PHONY: run test floors lint docs lock setup
run: setup
	.venv/bin/steer run "$(PROMPT)" --user $(USER_ID)

setup:
	scripts/setup.sh

test:
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

# torch and what only a CUDA build brings stay out: scripts/setup.sh chooses the build.
lock: setup
	sed -n 's/^torch=/torch==/p' scripts/setup.sh > .venv/torch.txt
	.venv/bin/uv pip compile --quiet pyproject.toml --all-extras --group dev --group docs --group browser --constraint .venv/torch.txt \
		--universal --python-version 3.11 --no-header --no-annotate --upgrade --output-file .venv/lock.txt
	echo '# The versions that the tests run with; `make lock` writes this file. torch is in scripts/setup.sh.' > requirements.lock
	grep -vE '^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==' .venv/lock.txt >> requirements.lock
