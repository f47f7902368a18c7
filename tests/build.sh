#!/usr/bin/env bash
# The collection as others get it: built, and installed into an empty place with nothing else around. Molecule runs it
# from there (.cache/collections), so that nothing outside meta/ plugins/ roles/ playbooks/ can be needed.
set -euo pipefail
bin=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$root/.cache/build
export PATH="$bin:$PATH" ANSIBLE_HOME=$work/home ANSIBLE_COLLECTIONS_PATH=$root/.cache/collections
echo "== build, and install into an empty collections path"
rm -rf "$work" "$ANSIBLE_COLLECTIONS_PATH"
mkdir -p "$work"
cd "$root"
ansible-galaxy collection build --output-path "$work" >/dev/null
cd "$work" # out of reach of this checkout's ansible.cfg
ansible-galaxy collection install --no-deps --collections-path "$ANSIBLE_COLLECTIONS_PATH" "$work"/baremetal-kea-*.tar.gz >/dev/null
# Exactly this is in the archive: what ansible-core reads, what Galaxy shows, and what a site copies from.
expected="ARCHITECTURE.md CHANGELOG.rst CODE_OF_CONDUCT.md CONTRIBUTING.md FILES.json LICENSE LICENSES MAINTAINERS.md MANIFEST.json
README.md REUSE.toml SECURITY.md changelogs docs examples extensions meta playbooks plugins roles"
found=$(ls -A "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/baremetal/kea")
# shellcheck disable=SC2086 # a list of words
if ! diff <(LC_ALL=C sort <<<"$found") <(printf '%s\n' $expected | LC_ALL=C sort); then
    echo "the archive has other files than these; see build_ignore in galaxy.yml, or tests/build.sh" >&2
    exit 1
fi
dead=$(cd "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/baremetal/kea" && find . -name '__pycache__' -o -name '*.pyc' -o -name '.*cache*' -o -path './changelogs/fragments' \
    -o -name '*.test.yml' -o -path './docs/docsite/*' ! -name extra-docs.yml ! -name links.yml)
[ -z "$dead" ] || { echo "the archive has these needless files: $dead" >&2; exit 1; }
rm -r "$ANSIBLE_COLLECTIONS_PATH"/ansible_collections/baremetal/kea/docs
for role in "$root"/roles/*/; do
    # For a role that is not found, ansible-doc succeeds and prints nothing.
    [ -n "$(ansible-doc --type role "baremetal.kea.$(basename "$role")")" ] || { echo "there is no documentation of $role" >&2; exit 1; }
done
listed=$(ansible-doc --list --type module baremetal.kea | wc -l)
[ "$listed" -eq "$(find "$root/plugins/modules" -name '*.py' | wc -l)" ] || { echo "$listed modules are found in the archive" >&2; exit 1; }
