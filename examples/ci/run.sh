#!/bin/sh
# What the workflow beside this file does, as a script: install the agent unless it is there, let it
# work on TASK until CHECK passes, and say with the exit code how it went (docs/headless.md).
#
#   TASK      what to do (needed)
#   CHECK     a command that has to pass
#   MODEL     a catalogue name, or a path to a .gguf; empty: the default one
#   SANDBOX   auto, read-only, workspace or off; empty: auto
#   BUDGET    wall time, such as 10m; empty: 15m
#   ARGS      more options of `agent do`, a word each line
#   OUTPUT    text, json or stream-json; empty: text
#
# Texts come in through variables only: nothing of them is ever part of a command line of the shell.
set -eu

: "${TASK:?set TASK to what has to be done}"

# A container's user may have no home; everything that is kept goes below one folder then.
if [ -z "${HOME:-}" ] || [ ! -d "${HOME:-}" ]; then
    HOME="${RUNNER_TEMP:-$(mktemp -d)}/ingle-home"
    export HOME
    mkdir -p "$HOME"
fi

if ! command -v agent >/dev/null 2>&1; then
    here=$(cd "$(dirname "$0")/../.." && pwd)
    python3 -m venv "$HOME/.ingle-venv"
    "$HOME/.ingle-venv/bin/pip" install --quiet --disable-pip-version-check \
        --require-hashes -r "$here/requirements.lock"
    "$HOME/.ingle-venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$here"
    PATH="$HOME/.ingle-venv/bin:$PATH"
fi

set -- --sandbox "${SANDBOX:-auto}" --max-time "${BUDGET:-15m}" --output "${OUTPUT:-text}"
[ -z "${MODEL:-}" ] || set -- "$@" --model "$MODEL"
[ -z "${CHECK:-}" ] || set -- "$@" --check "$CHECK"
if [ -n "${ARGS:-}" ]; then
    while IFS= read -r word; do
        [ -z "$word" ] || set -- "$@" "$word"
    done <<END_OF_ARGS
$ARGS
END_OF_ARGS
fi

# The task goes in through stdin: it may begin with a dash.
printf '%s' "$TASK" | exec agent do "$@" -
