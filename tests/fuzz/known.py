# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lease monitor reads, as Kea and the monitor write it."""

from __future__ import annotations

HEADERS = {
    4: [
        b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context",
        b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,"
        b"pool_id",
    ],
    6: [
        b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
        b"hostname,hwaddr,state,user_context,hwtype,hwaddr_source",
        b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
        b"hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id",
    ],
}
ROWS = {
    4: [
        b"10.0.0.1,02:00:00:00:00:ab,01:02,3600,1700003600,1,0,0,a&#x2cb,0,{&#x22x&#x22: 1}",
        b"10.0.0.2,,ff:00,4294967295,5994967295,1024,1,1,,0,",
        b"10.0.0.3,,,86400,1700086400,7,0,0,,1,,3",
        b"10.0.0.4,02:00:00:00:00:ab,,0,1700003600,1,0,0,,3,,0",
    ],
    6: [
        b"2001:db8::1,00:01:00:01:ab,3600,1700003600,7,1800,0,4294967295,128,0,0,a,02:00:00:00:00:ab,0,,1,2",
        b"2001:db8:8000::,00:01:00:01:ab,86400,1700086400,7,1800,2,1,56,0,0,,02:00:00:00:00:ab,0,,1,8,0",
        b"2001:DB8:0::2,00:03:00:01:02,4294967295,5994967295,7,0,1,0,128,1,1,a&#x2cb,,0,{&#x22x&#x22: 1},,",
        b"2001:db8::3,00:00:00,86400,1700086400,7,0,0,9,128,0,0,,,1,,,,3",
        b"2001:db8::4,00:01:00:01:ab,0,1700003600,7,0,0,9,128,0,0,,,3,,1,1",
    ],
}
"""By family, as the reservations."""
HOSTS = {
    4: b'# mine\n{"hw-address": "02:ff:ff:ff:ff:ff", "ip-address": "10.0.0.9", "user-context": {"a": [1]}},\n'
    b"/* x */ {}\n",
    6: b'{"duid": "00:01:00:01:ab", "ip-addresses": ["2001:db8::1", "2001:db8::8"], "prefixes": ["2001:DB8:9::/56"],'
    b' "user-context": {"kea-lease-monitor": {"since": 1700000000, "name": "a", "ip-addresses": {"4294967295":'
    b' "2001:db8::1"}, "prefixes": {"1": "2001:db8:9::/56"}}}},\n'
    b'# mine\n{"hw-address": "02:00:00:00:00:ab", "ip-addresses": ["2001:db8::7"]},\n'
    b'{"duid": "00:03", "ip-addresses": ["2001:db8::9"], "hostname": "b"}\n',
}
POSITIONS = [
    b'["file", 1, 2049, 7, 120, 99]',
    b'["file", 2, 2049, 7, 120, 99, 5]',
    b'["file", 3, 2049, 7, 120, 99, 5, 1700000000.5]',
    b'["events", 3, "1/1", 1.5, "1:2:", "3:4:3", 5, 6, null, 0, "1:2:O"]',
    b'["events", 4, "1/1", 1.5, "1:2:", "3:4:3", 5, 6, null, 0, "1:2:O", 1700000000.5]',
    b'["poll", 1, "1/1", 1.5, "1:2:", null, -1, true]',
    b'["poll", 2, "1/1", 1.5, "1:2:", null, -1, true, "46", 1700000000.5]',
]
