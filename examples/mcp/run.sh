#!/bin/sh
# The default model answers a question that only the memory server can: nothing else in the folder
# says it. Works on a copy of `project`, with settings of its own, so that yours stay as they are.
# Needs Node; the first run fetches the two pinned servers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$here/project" "$scratch/project"
export XDG_CONFIG_HOME="$scratch/config" XDG_STATE_HOME="$scratch/state"
mkdir -p "$XDG_CONFIG_HOME/ingle"
# Nobody is there to be asked, so the rules say what may run: what only reads.
cat > "$XDG_CONFIG_HOME/ingle/config.toml" <<'END'
[permissions]
allow = ["memory__search_nodes", "memory__read_graph", "memory__open_nodes"]
END
cd "$scratch/project"
show() {
    echo "\$ $*"
    "$@"
}
show agent mcp list
show agent mcp approve --yes memory
show agent mcp approve --yes files
show agent do --ctx 8192 --max-turns 6 "@memory Who is on call for billing?"
