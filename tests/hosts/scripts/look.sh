#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists the packages, the users that Debian's packages do not leave, and where deployments put files.
dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | grep ^installed
getent passwd | cut -d: -f1 | grep -Ev '^(_kea|postgres)$'
ls /etc/systemd/system /usr/local/bin /opt
