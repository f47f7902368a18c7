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
found=$(ls -A "$ANSIBLE_COLLECTIONS_PATH/ansible_collections/baremetal/kea")
for needless in tests molecule demo Makefile .collections .git .config; do
    ! grep -qx -- "$needless" <<<"$found" || { echo "the built collection has $needless in it" >&2; exit 1; }
done
rm -r "$ANSIBLE_COLLECTIONS_PATH"/ansible_collections/baremetal/kea/docs
for role in kea_database kea_lease_monitor kea_lfc_timer kea_server; do
    ansible-doc --type role "baremetal.kea.$role" >/dev/null
done
listed=$(ansible-doc --list --type module baremetal.kea | wc -l)
[ "$listed" -eq "$(find "$root/plugins/modules" -name '*.py' | wc -l)" ] || { echo "$listed modules are found in the archive" >&2; exit 1; }
