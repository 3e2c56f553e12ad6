# make up     start everything on this machine        make test   the whole suite
# make check  everything a change must pass           make bench  the benchmarks
# make torture what is promised about sending, in full size (an hour)
# make doctor what is wrong here, and how to fix it   make help   this text
.DEFAULT_GOAL := help
.PHONY: help up test torture check bench doctor format schema messages

PY := .venv/bin/python
export PYTHONUTF8 = 1

help:
	@sed -n 's/^# //p' Makefile

.venv/.complete: requirements.lock .ci/build_venv.py
	@python=$$(.ci/python) && "$$python" .ci/build_venv.py

up: .venv/.complete
	@exec $(PY) -m scrm.launcher

test: .venv/.complete
	@$(PY) -m pytest -n 4 --dist worksteal

torture: .venv/.complete
	@SCRM_TORTURE=1 $(PY) -m pytest -n 1 -m chaos -v -rA --durations=0 tests/chaos

check: .venv/.complete
	@$(PY) .ci/check.py

bench: .venv/.complete
	@$(PY) -m bench

doctor: .venv/.complete
	@$(PY) manage.py doctor

format: .venv/.complete
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

schema: .venv/.complete
	@SCRM_HTTPS=true $(PY) manage.py spectacular --validate --fail-on-warn --file openapi.yaml && $(PY) .ci/client.py

messages: .venv/.complete
	@$(PY) manage.py messages
