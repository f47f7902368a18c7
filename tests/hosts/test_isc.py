# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea in the packages of ISC, which the test lab makes by renaming Debian's (tests/lab/isc_packages.py)."""

from __future__ import annotations

from typing import Any, Iterator

import pytest
from changing import Site
from states import BEFORE_DEPLOY, EVENTS, deployed

ISC: dict[str, Any] = {"kea_packaging": "isc"}
PURGE = {"kea_rollback_purge": ["database", "leases", "reservations"]}
UNIT = "isc-kea-dhcp4-server"
ZONE: dict[str, Any] = {"kea_firewalld_zone": "public", "kea_monitor_metrics_listen": "0.0.0.0:9560"}


class Isc(Site):
    def installed(self) -> set[str]:
        """Return which packages of Kea are installed, of whatever packaging."""
        shown = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", "*kea*", check=False)
        return {line.split()[1] for line in shown.splitlines() if line.startswith("ii")}

    def ports(self) -> list[set[str]]:
        """Return the ports of the zone public, permanently and at present."""
        listed = [self.run("firewall-cmd", *how, "--zone=public", "--list-ports") for how in (["--permanent"], [])]
        return [set(one.split()) for one in listed]

    def clear(self) -> None:
        """Leave neither a deployment nor a package of Kea."""
        if deployed(self):
            self.succeed("kea_rollback", **EVENTS, **BEFORE_DEPLOY, **PURGE)
        if self.installed():
            self.run("apt-get", "purge", "-qq", "-y", *self.installed())


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Isc:
    options = request.config.option
    return Isc(options.host, options.address, options.bmcs)


def test_a_bare_host_gets_the_packages_that_the_variable_names(site: Isc) -> None:
    site.clear()
    site.succeed("kea_deploy", **ISC)
    assert site.installed() >= {"isc-kea-dhcp4", "isc-kea-admin", "isc-kea-hooks"}
    assert not {name for name in site.installed() if not name.startswith("isc-")}
    assert site.run("systemctl", "is-active", UNIT).strip() == "active"
    site.serves()
    site.settled(**ISC)
    site.succeed("kea_verify", **ISC)


def test_its_packages_go_with_a_roll_back(site: Isc) -> None:
    if not deployed(site):
        site.succeed("kea_deploy", **ISC)
    site.succeed("kea_rollback", **ISC, **BEFORE_DEPLOY)
    assert site.installed() == set()


def test_a_server_of_isc_that_is_there_is_recognised(site: Isc) -> None:
    """No variable names the packaging; from files to events, and back to what was found."""
    site.clear()
    site.run("apt-get", "install", "-qq", "-y", "isc-kea-dhcp4")
    found = site.installed()
    site.succeed("kea_deploy")
    site.serves()
    site.succeed("kea_deploy", **EVENTS)
    site.serves()
    assert "isc-kea-pgsql" in site.installed()
    site.settled(**EVENTS)
    site.succeed("kea_verify", **EVENTS)
    site.succeed("kea_rollback", **EVENTS, **BEFORE_DEPLOY)
    assert site.installed() >= found
    assert not {name for name in site.installed() if not name.startswith("isc-")}


@pytest.fixture
def firewalld(site: Isc) -> Iterator[None]:
    """firewalld with a port of the site in its zone."""
    site.run("apt-get", "install", "-qq", "-y", "firewalld", "nftables")
    for how in (["--permanent"], []):
        site.run("firewall-cmd", *how, "--zone=public", "--add-port=9560/tcp")
    yield
    site.run("apt-get", "purge", "-qq", "-y", "--auto-remove", "firewalld")


@pytest.mark.usefixtures("firewalld")
def test_firewalld_admits_what_kea_needs_and_keeps_what_the_site_admitted(site: Isc) -> None:
    site.clear()
    checked = site.play("kea_deploy", "--check", **ISC)
    assert (checked.code, "firewalld admits in no zone udp port 67" in checked.words) == (0, True), checked.words
    assert "tcp port 9560" not in checked.words
    predicted = site.play("kea_deploy", "--check", **ISC, **ZONE).changed_tasks
    assert site.ports() == [{"9560/tcp"}] * 2
    site.succeed("kea_deploy", **ISC, **ZONE)
    assert "Admit the ports in the zone of firewalld" in predicted
    assert site.ports() == [{"67/udp", "9560/tcp"}] * 2
    site.settled(**ISC, **ZONE)
    site.run("firewall-cmd", "--zone=public", "--remove-port=67/udp")
    site.succeed("kea_deploy", **ISC, **ZONE)
    assert site.ports() == [{"67/udp", "9560/tcp"}] * 2
    site.succeed("kea_rollback", **ISC, **ZONE, **BEFORE_DEPLOY)
    assert site.ports() == [{"9560/tcp"}] * 2


@pytest.mark.usefixtures("firewalld")
def test_a_zone_that_firewalld_does_not_have_is_refused(site: Isc) -> None:
    site.fail("kea_deploy", "firewalld has no zone office, only block, dmz", **ISC, kea_firewalld_zone="office")
    site.run("systemctl", "stop", "firewalld")
    site.fail("kea_deploy", "firewalld does not run, so the zone public", **ISC, kea_firewalld_zone="public")
