#!/usr/bin/env bash
# Build the documentation site into .cache/docs/html. A warning fails it. Nothing is fetched: where this user may create a
# network namespace, Sphinx runs in one without a network.
#
#   docs/docsite/build.sh BIN TOOLS     directories: programs of the Python environment, packages of docs/requirements.txt
set -euo pipefail
bin=$1
tools=$(realpath "$2")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$root/.cache/docs
export PATH="$bin:$PATH" PYTHONPATH=$tools ANSIBLE_HOME=$root/.cache/ansible ANSIBLE_COLLECTIONS_PATH=$root/.collections
cd "$root"
echo "== documentation site"
rm -rf "$work/source"
mkdir -p "$work/source/reference"
antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .collections/ansible_collections/baremetal/kea
antsibull-docs --config-file docs/docsite/antsibull-docs.cfg collection --use-current --squash-hierarchy --fail-on-error \
    --dest-dir "$work/source/reference" baremetal.kea
"$bin/python" docs/docsite/sources.py "$work/source"
offline=()
unshare --net true 2>/dev/null && offline=(unshare --net)
"${offline[@]}" "$bin/python" -m sphinx -q -W --keep-going -b html "$work/source" "$work/html"
echo "The site is in .cache/docs/html/index.html."
