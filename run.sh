#!/usr/bin/env bash
# ./run.sh              train the default recipe and write a submission
# ./run.sh ARGS…        kaggle-mnist ARGS… (see ./run.sh --help)
# ./run.sh test ARGS…   the tests, on all cores (pytest ARGS…; -n 0 runs them in one process)
# ./run.sh bench NAME   a measurement of benchmarks/
# The first call makes .venv and installs into it; PYTHON names the Python to use.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # as for: sh run.sh
set -euo pipefail

fail() {
    echo "run.sh: $1" >&2
    exit 2
}

script=${BASH_SOURCE[0]}
while [ -L "$script" ]; do # by hand: not every macOS has readlink -f
    target=$(readlink "$script")
    case "$target" in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
    esac
done
unset CDPATH
case "${PYTHON:-}" in
/*) ;;
*/*) PYTHON=$PWD/$PYTHON ;; # relative to the caller's folder
esac
cd -P "$(dirname "$script")"
grep -qs '^name = "kaggle-mnist"' pyproject.toml ||
    fail "$PWD is not the kaggle-mnist repository; call run.sh in its own folder, or through a symbolic link"

if [ -n "${_KAGGLE_MNIST_COMPLETE:-}" ]; then # a shell that completes a word waits for no installation
    if [ -x .venv/bin/kaggle-mnist ]; then exec .venv/bin/kaggle-mnist; fi
    exit 0
fi

# The caller's own settings must not send the packages elsewhere, or other packages into a run.
unset PYTHONHOME PYTHONPATH PIP_PREFIX PIP_PYTHON PIP_ROOT PIP_TARGET
unset PIP_CONSTRAINT PIP_DRY_RUN PIP_NO_BUILD_ISOLATION PIP_NO_DEPS PIP_REQUIRE_HASHES # constraints.txt pins all
export PIP_USER=0 # stronger than `user = true` in pip.conf, which no virtual environment can obey

# Freed memory stays with the process: reallocating wide layers' gradients at every step takes a tenth of the time.
modern='^glibc 2\.(3[5-9]|[4-9][0-9])' # older ones take no such threshold
if [[ "$(getconf GNU_LIBC_VERSION 2>/dev/null || true)" =~ $modern ]]; then
    export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-1000000000}
    export MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-4000000000}
fi

CPU_INDEX=https://download.pytorch.org/whl/cpu # PyTorch without several gigabytes of CUDA

find_python() { # sets python
    local candidates=(python3 python3.13 python3.12 python3.14 python3.11) lacks_venv='' found
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for python in "${candidates[@]}"; do
        "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then return; fi
        lacks_venv=$python
    done
    if [ -n "$lacks_venv" ]; then
        fail "$lacks_venv has no venv module; install it (Debian, Ubuntu: apt install python3-venv) and start again"
    fi
    found=$("${candidates[0]}" --version 2>/dev/null || echo none)
    if [ -n "${PYTHON:-}" ]; then
        fail "needs Python 3.11 to 3.14, found $found (PYTHON is $PYTHON); correct or unset PYTHON"
    fi
    fail "needs Python 3.11 to 3.14, found $found; install one, or set PYTHON"
}

state() { # what an installation depends on
    pwd -P
    .venv/bin/python --version 2>/dev/null | sed 's/\.[^.]*$//' || true # another Python looks for packages elsewhere
    cat pyproject.toml constraints.txt kaggle_mnist/__init__.py
}

extra_of() { # "$@": what kaggle-mnist gets; prints the extras that its command needs, as "[kaggle]" or "[cluster,search]"
    local argument before='' command='' extras=''
    for argument; do
        case "$argument" in
        --cluster | --cluster=*) extras=${extras:+$extras,}cluster ;;
        --log=tensorboard | --log=mlflow) extras=${extras:+$extras,}${argument#--log=} ;;
        tensorboard | mlflow) if [ "$before" = --log ]; then extras=${extras:+$extras,}$argument; fi ;;
        -*) ;; # before the command, none takes a value
        *) command=${command:-$argument} ;;
        esac
        before=$argument
    done
    case "$command" in
    download | upload) extras=kaggle ;;
    audit) extras=audit ;;
    export) extras=onnx ;;
    search) extras=${extras:+$extras,}search ;;
    esac
    if [ -n "$extras" ]; then echo "[$extras]"; fi
}

make_venv() { # only where there is none, or one of ours: .venv/home marks those, and names their repository once whole
    if [ -L .venv ]; then fail "$PWD/.venv is a symbolic link; remove it, and run.sh makes a .venv in its place"; fi
    if [ -e .venv ] && ! [ -f .venv/home ] && [ -n "$(ls -A .venv)" ]; then
        fail "$PWD/.venv was not made by run.sh; rename or remove it, and run.sh makes its own"
    fi
    find_python
    echo "run.sh: making .venv with $("$python" --version)" >&2
    mkdir -p .venv &&
        : >.venv/home && # before anything else, so that the next call can repair what an interrupted one leaves
        find .venv -mindepth 1 -maxdepth 1 ! -name home -exec rm -rf {} + &&
        "$python" -m venv .venv &&
        pwd -P >.venv/home || # a virtual environment does not survive being moved
        give_up "making .venv"
}

give_up() { # $1: what failed; venv does not say that the disk is full
    local free
    free=$(df -Ph . 2>/dev/null | sed -n '$s/.* \([^ ]*\) *[0-9]*% .*/ (free on this disk: \1)/p' || true)
    fail "$1 failed, see above$free; start again once its cause is gone"
}

install() { # $1: the extra, as "", "[dev]" or "[cluster,search]"
    local stamp=".venv/installed$1"
    if [ -f "$stamp" ] && state | cmp -s - "$stamp"; then return; fi
    if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null || ! grep -qsxF "$(pwd -P)" .venv/home; then
        make_venv
    fi
    install_cpu_torch
    .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e ".$1" ||
        give_up "the installation"
    state | tee "$stamp" >.venv/installed || give_up "the installation" # with extras or without, everything that a run needs
}

install_cpu_torch() { # by itself: an extra index that does not answer would stall every package
    local torch pip=(.venv/bin/python -m pip --disable-pip-version-check --timeout 10 --retries 0)
    torch=$(grep '^torch==' constraints.txt)
    if [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null; then return; fi
    if .venv/bin/python -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then return; fi
    if timeout 20 "${pip[@]}" index versions torch --index-url "$CPU_INDEX" >/dev/null 2>&1; then
        "${pip[@]}" install --no-deps --index-url "$CPU_INDEX" "$torch" || true
    fi
}

case "${1:-}" in
test)
    shift
    install "[dev]"
    exec .venv/bin/python -m pytest -n auto --dist worksteal "$@"
    ;;
bench)
    shift
    name=${1:-}
    if [ -f "benchmarks/$name.py" ]; then
        program=("benchmarks/$name.py")
    elif [ "$name" = faults ] || [ "$name" = fuzz ]; then
        program=(-m "tests.harness.$name")
    else
        fail "bench takes one of: $(cd benchmarks && ls -- *.py | sed 's/\.py$//' | tr '\n' ' ')faults fuzz"
    fi
    shift
    install "[bench]"
    exec .venv/bin/python "${program[@]}" "$@"
    ;;
"")
    install ""
    exec .venv/bin/kaggle-mnist train
    ;;
*)
    install "$(extra_of "$@")"
    exec .venv/bin/kaggle-mnist "$@"
    ;;
esac
