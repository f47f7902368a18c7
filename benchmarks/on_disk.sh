#!/usr/bin/env bash
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# COMMAND...: run it with a new file system at /var/tmp, where the benchmarks have their servers and files: an ext4 with a
# journal, as Debian installs it. An old or large one can take 0.6 ms to create a file, and one without a journal needs a
# flush for each (docs/monitor.md).
set -euo pipefail
image=$(mktemp /var/cache/bench-XXXXXX)
truncate --size 8G "$image"
mkfs.ext4 -q "$image"
# shellcheck disable=SC2016 # for the inner shell
exec unshare --mount sh -ec 'mount -o loop "$1" /var/tmp; rm "$1"; chmod 1777 /var/tmp; shift; exec "$@"' sh "$image" "$@"
