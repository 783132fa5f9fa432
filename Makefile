# make run     set up and steer one prompt with the embedded miniature
# make test    set up and run the tests
USER_ID ?= u17
PROMPT ?= a lighthouse by the sea

.PHONY: run test lint setup
run: setup
	.venv/bin/steer run --user $(USER_ID) --prompt "$(PROMPT)"

setup:
	scripts/setup.sh

test:
	scripts/setup.sh test
	.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint:
	scripts/setup.sh test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
