#!/usr/bin/env bash
# The collection as others get it: built, installed into an empty place, and run from there with nothing else around.
set -euo pipefail
bin=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$bin:$PATH" ANSIBLE_HOME=$work/home
echo "== build, install into an empty collections path, and run"
cd "$root"
ansible-galaxy collection build --output-path "$work" >/dev/null
ansible-galaxy collection install --no-deps --collections-path "$work/collections" "$work"/baremetal-kea-*.tar.gz >/dev/null
cd "$work"
found=$(ls collections/ansible_collections/baremetal/kea)
for needless in tests molecule demo Makefile .collections .git; do
    ! grep -qx -- "$needless" <<<"$found" || { echo "the built collection has $needless in it" >&2; exit 1; }
done
# Its own playbook, modules, action and roles are all found there, and nowhere else.
export ANSIBLE_COLLECTIONS_PATH=$work/collections
printf '[kea_servers]\n[kea_database]\n' >inventory
ansible-playbook -i inventory baremetal.kea.kea_deploy --syntax-check >/dev/null
ansible-doc --list --type module baremetal.kea | sort
for role in kea_database kea_lease_monitor kea_server; do
    ansible-doc --type role "baremetal.kea.$role" >/dev/null
done
