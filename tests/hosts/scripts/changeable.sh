#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists the files and processes that a verification must leave alone.
find /etc /opt /usr/local /var/lib/kea /var/lib/baremetal-kea -type f -not -name '*.pyc' \
    -not -name 'kea-leases4.csv*' -print0 | sort -z | xargs -0 sha256sum
systemctl show --property=Id,MainPID,InvocationID kea-dhcp4-server kea-lease-monitor 'postgresql@*'
