# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write Kea's configuration with other databases: configure_databases.py PATH ENTRY CHANGES (both as JSON).

The keys are in the file, as a site would set them.
"""

import glob
import json
import sys

path, entry, changes = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
with open("/run/recovery.json") as file:
    kea = json.load(file)["arguments"]
kea.pop("hash", None)
if entry:
    kea["Dhcp4"].update({"lease-database": entry, "hosts-databases": [dict(entry)]})
    hooks = glob.glob("/usr/lib/*/kea/hooks/libdhcp_mysql.so")
    kea["Dhcp4"]["hooks-libraries"] += [{"library": hook} for hook in hooks]
for database in (kea["Dhcp4"]["lease-database"], *kea["Dhcp4"]["hosts-databases"]):
    database.pop("retry-on-startup", None)
    database.update(changes)
with open(path, "r+") as file:
    file.truncate()
    json.dump(kea, file)
