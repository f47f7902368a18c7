#!/bin/sh
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Mounts a file system of one megabyte for a tablespace.
mkdir -p /var/lib/full
mountpoint -q /var/lib/full || mount -t tmpfs -o size=1m tmpfs /var/lib/full
chown postgres: /var/lib/full
