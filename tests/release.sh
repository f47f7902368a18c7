#!/usr/bin/env bash
# Release a version: changelog, versions, commit, tag and archive; then open the next minor version.
#
#   tests/release.sh BIN VERSION     BIN is the directory of the Python environment's programs
#
# Nothing is pushed. .cache/release has the archive, built from the tag.
set -euo pipefail
bin=$1
version=${2:-}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="$bin:$PATH"

fail() { echo "release: $*" >&2; exit 1; }
set_version() { # VERSION: write it where the version stands
    sed -i "s/^version: .*/version: $1/" galaxy.yml
    sed -i "s/^__version__ = .*/__version__ = \"$1\"/" roles/kea_lease_monitor/files/kea_lease_monitor/__init__.py \
        roles/kea_lfc_timer/files/kea_lfc_cleanup/__init__.py
}

[[ $version =~ ^([0-9]+)\.([0-9]+)\.[0-9]+$ ]] || fail "give a version, such as make release VERSION=1.2.0"
next=${BASH_REMATCH[1]}.$((BASH_REMATCH[2] + 1)).0
[ -z "$(git status --porcelain)" ] || fail "commit or remove what git status shows first"
! git rev-parse --quiet --verify "refs/tags/$version" >/dev/null || fail "the tag $version exists already"
! grep -q "^  $version:" changelogs/changelog.yaml || fail "changelogs/changelog.yaml has $version already"

echo "== release $version"
antsibull-changelog lint
set_version "$version"
antsibull-changelog release --version "$version"
git add --all changelogs CHANGELOG.rst galaxy.yml roles
git commit --quiet --message "Release $version"
git tag --annotate --message "Release $version" "$version"

echo "== build the archive from the tag"
rm -rf .cache/release
mkdir -p .cache/release/tree
git archive "$version" | tar -x -C .cache/release/tree
(cd .cache/release/tree && ANSIBLE_HOME=$root/.cache/ansible ansible-galaxy collection build --output-path .. >/dev/null)
rm -rf .cache/release/tree

set_version "$next"
git commit --quiet --message "Open $next" galaxy.yml roles
echo "Released $version: .cache/release/$(ls .cache/release). Publish it and the tag:"
echo "    git push origin HEAD $version"
echo "    ansible-galaxy collection publish .cache/release/$(ls .cache/release)"
