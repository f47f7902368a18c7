#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Has unattended-upgrades take Kea's packages of Debian's backports: offer_backports.sh BACKPORTS.
# Prints what it would upgrade. With a second argument, undoes that.
export DEBIAN_FRONTEND=noninteractive
cd /etc/apt
if [ -n "${2:-}" ]; then
    rm -f sources.list.d/offered.list preferences.d/offered apt.conf.d/51offered apt.conf.d/52kea
    apt-get purge --quiet=2 --yes unattended-upgrades >/dev/null
    apt-get update --quiet=2
    exit
fi
awk "/ ${1%-backports} main/ {print \$1, \$2, \"$1 main\"}" sources.list >sources.list.d/offered.list
printf 'Package: kea-*\nPin: release n=%s\nPin-Priority: 500\n' "$1" >preferences.d/offered
printf 'Unattended-Upgrade::Origins-Pattern { "origin=Debian Backports"; };\n' >apt.conf.d/51offered
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends unattended-upgrades >/dev/null
unattended-upgrade --dry-run --debug 2>&1
