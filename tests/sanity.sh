#!/usr/bin/env bash
# ansible-test sanity on what git has of this checkout, in the place where a collection has to be for it.
# The second argument is a directory with another ansible-core than that of the environment.
set -euo pipefail
bin=$1
core=${2:-$(echo "$bin"/../lib/python3*/site-packages)}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tree=$root/.cache/sanity/ansible_collections/baremetal/kea
echo "== ansible-test sanity of ansible-core $(PYTHONPATH=$core "$bin/python" -c 'from ansible.release import __version__ as found; print(found)')"
rm -rf "$tree/plugins" "$tree/roles" "$tree/tests"
mkdir -p "$tree"
git -C "$root" ls-files --cached --others --exclude-standard -z | grep -zv '^\.collections/' |
    rsync -a --ignore-missing-args --from0 --files-from=- "$root/" "$tree/"
cd "$tree"
git init -q . # ansible-test takes the files of a repository
# ansible-test would fetch a pip to install pip with, from where not every machine can reach; Python carries one.
pip=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$core"/ansible_test/_internal/python_requirements.py)
mkdir -p ~/.ansible/test/cache
printf 'import ensurepip\nensurepip.bootstrap(upgrade=True)\n' >~/.ansible/test/cache/"get_pip_${pip//./_}.py"
version=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Each release brings its own pycodestyle. What is style is judged with the environment's, and by ruff.
PYTHONPATH=${2:-} PATH="${2:+$2/bin:}$bin:$PATH" ansible-test sanity ${2:+--skip-test pep8} --local --requirements --python "$version" --color yes
