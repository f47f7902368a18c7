# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the codes of DHCP options, by which Kea tells them apart, and the names that it takes in their place.

The tables hold what config-get of Kea 2.2 answers for options that were set by code, and the names that came later: 121
and 162, and 144 of DHCPv6. Those of other spaces are what Kea 2.2 defines itself. A name that is missing here is
compared as a name.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional, Set, Tuple

_NAMES4 = """
    1 subnet-mask 2 time-offset 3 routers 4 time-servers 5 name-servers 6 domain-name-servers 7 log-servers 8
    cookie-servers 9 lpr-servers 10 impress-servers 11 resource-location-servers 12 host-name 13 boot-size 14
    merit-dump 15 domain-name 16 swap-server 17 root-path 18 extensions-path 19 ip-forwarding 20
    non-local-source-routing 21 policy-filter 22 max-dgram-reassembly 23 default-ip-ttl 24
    path-mtu-aging-timeout 25 path-mtu-plateau-table 26 interface-mtu 27 all-subnets-local 28 broadcast-address
    29 perform-mask-discovery 30 mask-supplier 31 router-discovery 32 router-solicitation-address 33
    static-routes 34 trailer-encapsulation 35 arp-cache-timeout 36 ieee802-3-encapsulation 37 default-tcp-ttl 38
    tcp-keepalive-interval 39 tcp-keepalive-garbage 40 nis-domain 41 nis-servers 42 ntp-servers 43
    vendor-encapsulated-options 44 netbios-name-servers 45 netbios-dd-server 46 netbios-node-type 47
    netbios-scope 48 font-servers 49 x-display-manager 50 dhcp-requested-address 51 dhcp-lease-time 52
    dhcp-option-overload 53 dhcp-message-type 54 dhcp-server-identifier 55 dhcp-parameter-request-list 56
    dhcp-message 57 dhcp-max-message-size 58 dhcp-renewal-time 59 dhcp-rebinding-time 60 vendor-class-identifier
    61 dhcp-client-identifier 62 nwip-domain-name 63 nwip-suboptions 64 nisplus-domain-name 65 nisplus-servers
    66 tftp-server-name 67 boot-file-name 68 mobile-ip-home-agent 69 smtp-server 70 pop-server 71 nntp-server 72
    www-server 73 finger-server 74 irc-server 75 streettalk-server 76 streettalk-directory-assistance-server 77
    user-class 78 slp-directory-agent 79 slp-service-scope 81 fqdn 82 dhcp-agent-options 85 nds-servers 86
    nds-tree-name 87 nds-context 88 bcms-controller-names 89 bcms-controller-address 90 authenticate 91
    client-last-transaction-time 92 associated-ip 93 client-system 94 client-ndi 97 uuid-guid 98 uap-servers 99
    geoconf-civic 100 pcode 101 tcode 108 v6-only-preferred 112 netinfo-server-address 113 netinfo-server-tag
    114 v4-captive-portal 116 auto-config 117 name-service-search 118 subnet-selection 119 domain-search 121
    classless-static-route 124 vivco-suboptions 125 vivso-suboptions 136 pana-agent 137 v4-lost 138 capwap-ac-v4
    141 sip-ua-cs-domains 146 rdnss-selection 159 v4-portparams 162 v4-dnr 212 option-6rd 213 v4-access-domain
"""
_NAMES6 = """
    1 clientid 2 serverid 4 ia-ta 6 oro 7 preference 8 elapsed-time 9 relay-msg 11 auth 12 unicast 13
    status-code 14 rapid-commit 15 user-class 16 vendor-class 17 vendor-opts 18 interface-id 19 reconf-msg 20
    reconf-accept 21 sip-server-dns 22 sip-server-addr 23 dns-servers 24 domain-search 27 nis-servers 28
    nisp-servers 29 nis-domain-name 30 nisp-domain-name 31 sntp-servers 32 information-refresh-time 33
    bcmcs-server-dns 34 bcmcs-server-addr 36 geoconf-civic 37 remote-id 38 subscriber-id 39 client-fqdn 40
    pana-agent 41 new-posix-timezone 42 new-tzdb-timezone 43 ero 46 clt-time 47 lq-relay-data 48 lq-client-link
    51 v6-lost 52 capwap-ac-v6 53 relay-id 57 v6-access-domain 58 sip-ua-cs-list 59 bootfile-url 60
    bootfile-param 61 client-arch-type 62 nii 64 aftr-name 65 erp-local-domain-name 66 rsoo 67 pd-exclude 74
    rdnss-selection 79 client-linklayer-addr 80 link-address 82 solmax-rt 83 inf-max-rt 87 dhcpv4-message 88
    dhcp4o6-server-addr 94 s46-cont-mape 95 s46-cont-mapt 96 s46-cont-lw 103 v6-captive-portal 135
    relay-source-port 143 ipv6-address-andsf 144 v6-dnr
"""
_OTHER4 = {"vendor-4491": "1 oro 2 tftp-servers"}
_OTHER6 = {
    "vendor-4491": """
        1 oro 2 device-type 10 vendor-type 32 tftp-servers 33 config-file 34 syslog-servers 36 device-id 37 time-servers
        38 time-offset 1026 cmts-cm-mac
    """,
    "vendor-2495": "60000 4o6-interface 60001 4o6-source-address 60002 4o6-source-port",
    "s46-cont-mape-options": "89 s46-rule 90 s46-br",
    "s46-cont-mapt-options": "89 s46-rule 91 s46-dmr",
    "s46-cont-lw-options": "90 s46-br 92 s46-v4v6bind",
    "s46-v4v6bind-options": "93 s46-portparams",
    "s46-rule-options": "93 s46-portparams",
}
_TABLES = {"Dhcp4": {"": _NAMES4, **_OTHER4}, "Dhcp6": {"": _NAMES6, **_OTHER6}}
_OWN_SPACES = (None, "dhcp4", "dhcp6")
"""Spaces of the protocol itself; the first one for none that is set."""

Key = Tuple[str, str, str]


class Options:
    """The options that one server knows."""

    def __init__(self, top: str, definitions: Iterable[Mapping[str, Any]] = ()) -> None:
        """``top`` is the map at the top of the configuration; ``definitions`` are elements of ``option-def``."""
        self._codes: Dict[Tuple[str, str], Set[str]] = {}
        for space, table in _TABLES.get(top, {}).items():
            words = table.split()
            self._codes.update({(space, name): {code} for code, name in zip(words[::2], words[1::2])})
        for one in definitions:
            if "name" in one and "code" in one:
                # A class can give a name of its own another code; such a name tells nothing.
                self._codes.setdefault((_space(one), str(one["name"])), set()).add(str(one["code"]))

    def key(self, option: Mapping[str, Any]) -> Optional[Key]:
        """Return what identifies an option or its definition: space and code, or the name if its code is not known."""
        space = _space(option)
        if "code" in option:
            return (space, "code", str(option["code"]))
        if "name" not in option:
            return None
        codes = self._codes.get((space, str(option["name"])), set())
        return (space, "code", next(iter(codes))) if len(codes) == 1 else (space, "name", str(option["name"]))

    def may_be_same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Return whether one has a name and the other a code that cannot be compared.

        In the spaces of the protocol all names are known but those of a later Kea.
        """
        keys = (self.key(one), self.key(other))
        if keys[0] is None or keys[1] is None or keys[0][0] != keys[1][0] or not keys[0][0]:
            return False
        return keys[0][1] != keys[1][1]


def _space(option: Mapping[str, Any]) -> str:
    space = option.get("space")
    return "" if space in _OWN_SPACES else str(space)
