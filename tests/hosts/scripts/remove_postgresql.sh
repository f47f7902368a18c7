#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Removes PostgreSQL. Debian keeps a server and its client, whatever installed them (01autoremove-postgresql).
DEBIAN_FRONTEND=noninteractive apt-get remove --yes --quiet=2 --auto-remove \
    $(dpkg-query --show --showformat='${Package}\n' 'postgresql-*[0-9][0-9]')
