# Two commands do everything on a fresh machine: `make demo` and `make test`. Needs python3 (>= 3.11) with venv, and make.
#
#   PYTHON=python3.12     the interpreter the environment is made from
#   PIP_ARGS="..."        handed to pip, for example "--index-url URL" of PyTorch's CPU builds
#   SYSTEM_TORCH=1        use the torch that PYTHON already has instead of installing one
#   HASHES=1              install only files whose sha256 stands in requirements.lock
#   TORCH_HASH=sha256     and only this build of torch: each index has builds of its own under one version
#   WORKERS=1             processes that `make test` runs in: one a core, at most 8; 0 for a debugger

PYTHON ?= python3
PIP_ARGS ?=
SYSTEM_TORCH ?=
HASHES ?=
TORCH_HASH ?=
VENV ?= .venv
WORKERS ?= auto
BIN := $(VENV)/bin

INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
SITE := $(if $(SYSTEM_TORCH),--system-site-packages,)
# With a torch of one's own the pinned one must not replace it.
CONSTRAINTS := $(if $(SYSTEM_TORCH),$(VENV)/constraints.txt,constraints.txt)
PIP_HASHED := $(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) --no-deps --require-hashes
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -c $(CONSTRAINTS)

# Idle OpenMP threads sleep: spinning ones take a core from whatever else runs (measured: a hundredfold on a busy machine).
export OMP_WAIT_POLICY ?= PASSIVE

# Tests whose assertions pytest has rewritten are kept, and what the tests start is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench bench-compare bench-control bench-peers demo run once test torture powercut soak ladder-check gpu-check service-check share-check recipes-check dataset-check cluster-check test-slow lint types contracts check coverage elsewhere evaluate evaluate-control evaluate-speeds wheel wheel-check audit lock sbom clean help

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) ## install what is needed and run the shipped examples
	$(BIN)/aura-daemon demo

run: $(INSTALLED) ## the long-running daemon on inbox/ -> outbox/
	$(BIN)/aura-daemon run

once: $(INSTALLED) ## drain the inbox and exit
	$(BIN)/aura-daemon once

# A file's tests stay together: their fixtures are dear. In tests/conftest.py's order: the long ones first.
test: check ## lint, types, contracts and the whole test suite
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

torture: $(INSTALLED_DEV) ## the contract under kills, real tools and real faults: minutes, best as root, see docs/development.md
	$(BIN)/python -m tests.torture $(TORTURE_ARGS)

powercut: $(INSTALLED_DEV) ## the contract under power cuts: whole machines, killed and booted again: minutes, user-mode-linux
	$(BIN)/python -m tests.powercut $(POWERCUT_ARGS)

soak: $(INSTALLED_DEV) ## two hours of mixed jobs and faults, and how memory, files and journal grow: best as root; SOAK_ARGS="--hours 8"
	$(BIN)/python -m tests.soak --hours 2 --rate 20 $(SOAK_ARGS)

ladder-check: $(INSTALLED_DEV) ## the ladder in ever less memory, jobs killed by the kernel: root, minutes, 2 GB on the disk
	$(BIN)/python -m tests.checks.ladder_check $(LADDER_ARGS)

gpu-check: $(INSTALLED_DEV) ## speed on a GPU, and the ladder on it made small: 8 minutes, 2.4 GB on the disk; without make see its docstring
	$(BIN)/python -m tests.checks.gpu_check $(GPU_ARGS)

service-check: $(INSTALLED_DEV) ## the service under a systemd that is booted for it: root, minutes; SERVICE_ARGS=--short
	$(BIN)/python -m tests.checks.service_check $(SERVICE_ARGS)

share-check: $(INSTALLED_DEV) ## shares of SMB and NFS in machines of their own: the daemon as client, and on the server: root, minutes, user-mode-linux
	$(BIN)/python -m tests.checks.shares $(SHARE_ARGS)

dataset-check: $(INSTALLED_DEV) ## 1,000 drawings captioned by one job file, then again with kill -9 at ten instants: minutes
	$(BIN)/python -m tests.checks.dataset_check $(DATASET_ARGS)

cluster-check: $(INSTALLED_DEV) ## workers on Ray clusters of several nodes, under faults and at speed: root, Ray, redis-server, minutes
	$(BIN)/python -m tests.checks.cluster_check $(CLUSTER_ARGS)

recipes-check: $(INSTALLED_DEV) ## docs/recipes.md as written, with the tools that are installed: minutes, the container as root
	$(BIN)/pytest tests/behaviour/test_recipes.py tests/checks/test_recipe_tools.py tests/checks/test_container.py -v $(PYTEST_ARGS)

test-slow: $(INSTALLED_DEV) ## real-size models, minutes of work
	$(BIN)/pytest -m slow $(PYTEST_ARGS)

check: lint types contracts

lint: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED_DEV)
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin

contracts: $(INSTALLED_DEV)
	$(BIN)/lint-imports

coverage: $(INSTALLED_DEV) ## the rules (the contract "pure" of pyproject.toml) must be covered to the last branch; as on Windows
	$(BIN)/python -m tests.support.elsewhere win32 -m pytest $$($(BIN)/python -m tests.support.pure_modules) -q -m "not lengthy" --hypothesis-profile few --cov-branch --cov-report=term-missing --cov-fail-under=100

elsewhere: $(INSTALLED_DEV) ## the tests of the rules as on macOS
	$(BIN)/python -m tests.support.elsewhere darwin -m pytest $$($(BIN)/python -m tests.support.pure_modules --tests) -q -m "not lengthy" --hypothesis-profile few

bench: $(INSTALLED) ## this machine beside its peers, real size: half an hour on two cores; BENCH_ARGS=--quick takes less
	$(BIN)/python -m tests.peers $(BENCH_ARGS)

bench-compare: $(INSTALLED) ## a new run beside the committed figures of benchmarks/: what became slower
	$(BIN)/python -m tests.peers --compare $(BENCH_ARGS)

bench-control: $(INSTALLED) ## maps, regions and upscalers beside plain diffusers, real size: 20 minutes on two cores, 3 GB on the disk
	$(BIN)/python -m tests.peers.controlled $(BENCH_ARGS)

# The environment of the peers sees the packages of this project's, and adds what no part of this project needs.
bench-peers: $(INSTALLED) ## install ONNX Runtime and stable-diffusion.cpp for `make bench`: minutes, a C++ compiler
	$(PYTHON) -m venv .venv-peers
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
		> $$(.venv-peers/bin/python -c "import site; print(site.getsitepackages()[0])")/aura-daemon.pth
	.venv-peers/bin/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -r tests/peers/requirements.txt

evaluate: $(INSTALLED) ## measure the embedded model
	$(BIN)/python -m aura_daemon.training.evaluate

evaluate-control: $(INSTALLED) ## measure the embedded model's ControlNet and upscaler: ten minutes on one core
	$(BIN)/python -m aura_daemon.training.controlling.evaluate
	$(BIN)/python -m aura_daemon.training.upscaling.evaluate

evaluate-speeds: $(INSTALLED_DEV) ## what each `speed` costs in quality, on this CPU: a table; SPEEDS_ARGS="balanced --prompts 100"
	$(BIN)/python -m aura_daemon.training.evaluate --speeds $(SPEEDS_ARGS)

wheel: $(INSTALLED) ## build dist/*.whl with the embedded model inside
	rm -rf build dist
	$(BIN)/python -m pip wheel --disable-pip-version-check -q $(PIP_ARGS) --no-deps -w dist .
	$(MAKE) sbom
	@ls -l dist

# What is inside an installation, with the hashes of its files, for whoever has to know (CycloneDX).
sbom: $(VENV)/.installed-sbom ## dist/*.cdx.json beside each wheel: what an installation of it holds
	@for wheel in dist/*.whl; do $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible --of JSON -o "$${wheel%-py3-none-any.whl}.cdx.json"; done

audit: $(INSTALLED) ## known weaknesses of the pinned versions, by pip-audit: asks PyPI's advisory service
	$(PIP) pip-audit
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r constraints.txt

# torch and what its builds for CUDA alone need: each index has builds of its own under one version.
TORCH_ALONE := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver \
	nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 \
	nvidia-nvtx torch triton

lock: $(INSTALLED) ## requirements.lock anew: the pinned versions that an installation needs, with the hashes of their files
	$(PIP) uv
	$(BIN)/uv pip compile -q pyproject.toml -c constraints.txt --universal --generate-hashes --no-annotate --no-header \
		$(TORCH_ALONE:%=--no-emit-package %) -o requirements.lock

wheel-check: wheel ## install the wheel alone in a new environment and run its demo there
	rm -rf .venv-wheel && $(PYTHON) -m venv $(SITE) .venv-wheel
	.venv-wheel/bin/python -m pip install --disable-pip-version-check -q --no-compile $(PIP_ARGS) -c $(CONSTRAINTS) dist/*.whl
	rm -rf build/elsewhere && mkdir -p build/elsewhere
	cd build/elsewhere && ../../.venv-wheel/bin/aura-daemon demo
	rm -rf .venv-wheel

clean:
	rm -rf $(VENV) .venv-wheel .venv-peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(VENV)/bin/python:
	$(PYTHON) -m venv $(SITE) $(VENV)

$(VENV)/constraints.txt: constraints.txt $(VENV)/bin/python
	grep -v '^torch==' constraints.txt > $@

$(VENV)/.installed-sbom: $(INSTALLED)
	$(PIP) cyclonedx-bom
	@touch $@

# torch first and alone: its version decides which of its many builds the rest is resolved against.
# With HASHES the package is built by the locked setuptools, as pip would fetch another one without a hash.
$(INSTALLED): pyproject.toml constraints.txt $(CONSTRAINTS) $(VENV)/bin/python
	@echo "installing into $(VENV): about 1.6 GB with a CPU build of torch, 5 GB and more with CUDA; some minutes without a word"
	$(if $(TORCH_HASH),sed -n 's/^torch==.*/& --hash=sha256:$(TORCH_HASH)/p' constraints.txt > $(VENV)/torch.lock)
	$(if $(TORCH_HASH),$(PIP_HASHED) -r $(VENV)/torch.lock)
	$(if $(HASHES),$(PIP_HASHED) -r requirements.lock)
	$(if $(SYSTEM_TORCH),,$(PIP) torch)
	$(PIP) $(if $(HASHES),--no-deps --no-build-isolation) -e .
	$(if $(HASHES),$(if $(SYSTEM_TORCH),,$(BIN)/python -m pip check --disable-pip-version-check))
	$(BIN)/python -m compileall -q aura_daemon
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP) -e ".[dev]"
	@touch $@
