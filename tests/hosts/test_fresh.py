# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that never had Kea: all that a deployment brought goes again, and what it served stays until it is named.

Each test brings the host into the state that it begins with.
"""

from __future__ import annotations

import pytest
from changing import Site
from states import BEFORE_DEPLOY, EVENTS, deployed

LEASES = "/var/lib/kea/kea-leases4.csv"


class Fresh(Site):
    def look(self) -> list[str]:
        """Its packages, its users but those that Debian's packages leave, and where deployments put things."""
        return self.script("look.sh", check=True).splitlines()

    def has(self, *paths: str) -> list[str]:
        return self.run("sh", "-c", f"ls -d {' '.join(paths)} 2>/dev/null", check=False).split()


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Fresh:
    options = request.config.option
    return Fresh(options.host, options.address, options.bmcs)


@pytest.fixture(scope="module")
def found(site: Fresh) -> list[str]:
    return site.look()


@pytest.fixture
def leases_left(site: Fresh, found: list[str]) -> None:
    """A deployment in file mode was rolled back, which leaves the leases."""
    if deployed(site) or not site.has(LEASES):
        site.succeed("kea_deploy")
        site.serves()
        site.succeed("kea_rollback", **BEFORE_DEPLOY)


@pytest.fixture
def events(site: Fresh, found: list[str]) -> None:
    """A deployment in events mode serves its clients."""
    if not deployed(site):
        site.succeed("kea_deploy", **EVENTS)
    site.serves()


def test_check_mode_tells_what_would_be_installed_without_package_lists(site: Fresh, found: list[str]) -> None:
    """The next test deploys from these empty lists."""
    site.run("sh", "-c", "rm -rf /var/lib/apt/lists/*")
    for mode in ({}, EVENTS):
        played = site.play("kea_deploy", "--check", "--diff", **mode)
        assert played.code == 0, played.words[-3000:]
        assert "the package lists of this host do not have kea-dhcp4-server" in played.words
        assert "and then installed: kea-dhcp4-server" in played.words
        shown = [task for task in played.changed_tasks if task.endswith("apt would install: PostgreSQL")]
        assert bool(shown) is bool(mode)
    assert site.look() == found


def test_a_deployment_that_is_refused_after_the_packages_is_undone(site: Fresh, found: list[str]) -> None:
    site.fail("kea_rollback", "nothing was ever deployed here", **BEFORE_DEPLOY)
    site.fail("kea_deploy", "Kea refuses the configuration", kea_dhcp4_settings={"valid-lifetime": "for ever"})
    assert "installed kea-dhcp4-server" in site.look()
    assert site.succeed("kea_rollback", **BEFORE_DEPLOY) > 0
    assert site.look() == found
    assert site.succeed("kea_rollback", **BEFORE_DEPLOY) == 0


def test_files_go_and_leases_and_reservations_stay(site: Fresh, found: list[str]) -> None:
    site.succeed("kea_deploy")
    site.serves()
    assert site.succeed("kea_deploy", kea_full_run=True) == 0
    plan = site.plan(**BEFORE_DEPLOY)
    assert "package kea-dhcp4-server: is removed" in plan
    assert f"leases {LEASES}: stays, because purge does not name leases" in plan
    assert site.succeed("kea_rollback", **BEFORE_DEPLOY) > 0
    assert (site.look(), site.ours()) == (found, "")
    assert site.has(LEASES, "/etc/kea/reservations.d") == ["/etc/kea/reservations.d", LEASES]
    assert site.succeed("kea_rollback", **BEFORE_DEPLOY) == 0


@pytest.mark.usefixtures("leases_left")
def test_a_later_deployment_finds_the_leases_that_stayed(site: Fresh) -> None:
    site.succeed("kea_deploy", **EVENTS)
    site.serves()


@pytest.mark.usefixtures("events")
def test_the_database_keeps_its_server_until_it_is_named(site: Fresh, found: list[str]) -> None:
    assert site.succeed("kea_rollback", **EVENTS, **BEFORE_DEPLOY) > 0
    left = set(site.look()) - set(found)
    assert "installed postgresql" in left
    assert [one for one in left if "kea" in one] == []
    assert int(site.sql("SELECT count(*) FROM hosts")[0]) >= len(site.known)
    purge = {"kea_rollback_purge": ["database", "leases", "reservations"]}
    assert site.succeed("kea_rollback", **EVENTS, **BEFORE_DEPLOY, **purge) > 0
    assert "installed postgresql" not in site.look()
    assert site.left(set(found)) == []
    assert "installed sudo" in site.look()
    assert site.ours() == ""
    assert site.has(f"{LEASES}*", "/etc/kea/reservations.d", "/var/lib/kea-reservations") == []
    assert site.succeed("kea_rollback", **EVENTS, **BEFORE_DEPLOY, **purge) == 0
