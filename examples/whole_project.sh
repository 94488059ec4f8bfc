#!/bin/sh
# The default model builds a small project (package, command line, tests, README, pyproject) in an
# 8K window: planned first, then written file by file. About a minute and a half on 2 cores.
set -eu
folder=${1:-$(mktemp -d)}
cd "$folder"
agent do --ctx 8192 --max-time 5m "Build a small Python package tally that counts the words in text \
files: functions count_words(text), which gives a dict from each lower-case word to how often it \
occurs, and top(counts, n), which gives the n most frequent (word, count) pairs; a command line \
python -m tally FILE that prints the ten most frequent words, one a line; unit tests with unittest \
in the folder tests; README.md and pyproject.toml." \
    --check "python3 -m unittest discover -s tests -t . && python3 -m tally README.md"
