#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists the packages, the users and the units' directories that Debian's packages do not leave when they are removed, and
# where deployments put files. The package of D2 on Debian 12 links its unit into directories of the DHCP servers.
dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | grep ^installed
getent passwd | cut -d: -f1 | grep -Ev '^(_kea|postgres)$'
ls --ignore='kea-*.service.wants' /etc/systemd/system /usr/local/bin /opt
