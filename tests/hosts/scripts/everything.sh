#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists each file that a deployment could change, but no lease files and no backups.
find /etc /opt /usr/local /var/lib/kea* -not -name '*kea-leases4.csv*' -not -name '*.pyc' \
    -not -name '*~' -printf '%p %y %m %u %g %l\n' | sort
find /etc /opt -type f -not -name '*.pyc' -not -name '*~' -print0 | sort -z | xargs -0 sha256sum
