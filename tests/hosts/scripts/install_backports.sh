#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Upgrades Kea's packages of a Debian to those of its backports: install_backports.sh RELEASE BACKPORTS.
export DEBIAN_FRONTEND=noninteractive
cd /etc/apt
awk "/ $1 main/ {print \$1, \$2, \"$2 main\"}" sources.list >sources.list.d/backports.list
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends --target-release "$2" \
    --option Dpkg::Options::=--force-confold kea-dhcp4-server kea-dhcp6-server kea-admin
