#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists what a deployment creates on a host, as far as it exists.
ls -d /opt/baremetal /etc/kea-lease-monitor /var/lib/kea-lease-monitor /etc/systemd/system/kea-l* \
    /etc/systemd/system/kea-r* /etc/systemd/system/kea-dhcp4-server.service.d /usr/local/bin/kea-lease-monitor \
    /usr/local/share/bash-completion /usr/local/share/man/man1/kea-lease-monitor.1 \
    /var/lib/kea-lfc /var/lib/kea/discovery 2>/dev/null
getent passwd kea-lease-monitor
systemctl list-units --all --plain --no-legend 'kea-l*' 'kea-r*'
