# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop Kea and append live leases to its lease file, as many as the argument says, one half to the end of each pool."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
import time

FILE = "/var/lib/kea/kea-leases4.csv"
LAST = ("10.77.127.255", "10.77.191.255")
"""Address at the end of each pool, see tests/hosts/test_pair.py."""
LIFETIME = 86400

subprocess.run(["systemctl", "stop", "kea-dhcp4-server"], check=True)
with open(FILE, encoding="utf-8") as file:
    columns = file.readline().strip().split(",")
row = {**dict.fromkeys(columns, "0"), **dict.fromkeys(("client_id", "hostname", "user_context"), "")}
row.update({"valid_lifetime": str(LIFETIME), "expire": str(int(time.time()) + LIFETIME), "subnet_id": "1"})
with open(FILE, "a", encoding="utf-8") as file:
    for number in range(int(sys.argv[1])):
        row["address"] = str(ipaddress.ip_address(LAST[number % 2]) - number // 2)
        row["hwaddr"] = f"02:11:00:00:{number >> 8:02x}:{number & 255:02x}"
        file.write(",".join(row[column] for column in columns) + "\n")
