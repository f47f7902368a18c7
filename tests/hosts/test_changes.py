# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run leaves a host alone on which nothing changed, and finds each kind of change. The tests run in their order."""

from __future__ import annotations

from typing import Any

import pytest
from changing import Site
from states import EVENTS

GIVEN = {"hw-address": "52:54:00:00:00:77", "ip-address": "10.77.16.77"}
FILES: dict[str, Any] = {}
DATABASE = {**EVENTS, "kea_reservations": [GIVEN]}
ALONE = "kea-changes-host: []"

ON_DISK = {
    "sed -i s/eth0/lo/ /etc/kea/kea-dhcp4.conf": "file:/etc/kea/kea-dhcp4.conf",
    "rm /etc/systemd/system/kea-dhcp4-server.service.d/*": "kea-dhcp4-server.service.d/baremetal-kea.conf",
    "echo '#' >>/etc/kea-lease-monitor/config.yml": "file:/etc/kea-lease-monitor/config.yml",
    "chmod 644 /etc/kea-lease-monitor/config.yml": "file:/etc/kea-lease-monitor/config.yml",
    "echo '#' >>/opt/baremetal/current/kea_lease_monitor.py": "tree:/opt/baremetal/releases",
    "rm /usr/local/bin/kea-lease-monitor": "file:/usr/local/bin/kea-lease-monitor",
    "chmod 700 /var/lib/kea/discovery": "tree:/var/lib/kea/discovery",
    "systemctl stop kea-lease-monitor": "unit:kea-lease-monitor.service",
    "systemctl disable kea-reservations": "unit:kea-reservations.service",
    "usermod --shell /bin/sh kea-lease-monitor": "accounts:/etc/passwd",
    "apt-mark auto python3-prometheus-client": "packages:all",
}
"""Commands that change a deployed host, each with what a run names then."""
IN_FILES = {
    "systemctl disable --now kea-lfc.timer": "unit:kea-lfc.timer",
    "echo '#' >>/etc/systemd/system/kea-lfc.service": "file:/etc/systemd/system/kea-lfc.service",
}
IN_DATABASE = {
    "DROP TRIGGER kea_lease_notify_trigger ON lease4": "database:5432/kea",
    "ALTER TABLE lease4 DISABLE TRIGGER kea_lease_notify_trigger_update": "database:5432/kea",
    'GRANT DELETE ON hosts TO "kea-lease-monitor"': "database:5432/kea",
    "GRANT CONNECT ON DATABASE kea TO PUBLIC": "database:5432/kea",
    'ALTER ROLE "kea-lease-monitor" CREATEDB': "database:5432/kea",
    "DELETE FROM hosts WHERE user_context LIKE '%baremetal.kea%'": "database:5432/kea",
    "DROP FUNCTION kea_forget_reservations": "database:5432/kea",
}
"""The same as statements."""


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    options = request.config.option
    return Site(options.host, options.address, options.bmcs)


def changed(site: Site) -> list[str]:
    """Return what changed on the host since its last deployment."""
    found = site.root_module("kea_info", gather=["changes"])["changes"]
    return [*found["changed"], *found["databases"]]


def is_left_alone(site: Site, **variables: Any) -> bool:
    found = changed(site)
    played = site.play("kea_deploy", **variables)
    assert (played.code, sum(played.changed)) == (0, 0), played.words[-3000:]
    print(found)
    return ALONE in played.words


def find_each(site: Site, drifts: dict[str, str], in_database: bool = False) -> None:
    """Change the host in each way. Each must be found; those that a run mends are mended afterwards by one."""
    for what, key in drifts.items():
        if in_database:
            site.sql(what)
        else:
            site.run("sh", "-ec", what)
        assert any(key in one for one in changed(site)), (what, changed(site))


def test_a_second_run_leaves_the_host_alone(site: Site) -> None:
    site.succeed("kea_deploy", **FILES)
    assert is_left_alone(site, **FILES)
    site.settled(**FILES)
    assert is_left_alone(site, **FILES)


def test_clients_change_nothing(site: Site) -> None:
    site.serves()
    assert is_left_alone(site, **FILES)


def test_changed_variables_are_found(site: Site) -> None:
    played = site.play("kea_deploy", "--check", **FILES, kea_monitor_log_level="WARNING")
    assert "the variables or the collection changed" in played.words
    assert is_left_alone(site, **FILES)


def test_each_change_of_the_host_is_found_and_mended(site: Site) -> None:
    before = site.everything()
    find_each(site, {**ON_DISK, **IN_FILES})
    # A person's edit of Kea's configuration is not in force, and so is refused unless it is allowed (E10).
    for words in ("--diff", "--check"):
        refused = site.play("kea_deploy", words, **FILES)
        assert refused.code != 0
        assert "kea-dhcp4.conf was edited since the last deployment" in refused.words, refused.words[-3000:]
    assert site.succeed("kea_deploy", **FILES, kea_allow_pending_edits=True) > 0
    assert site.everything() == before
    site.settled(**FILES)


def test_a_server_that_a_person_restarted_is_looked_at(site: Site) -> None:
    site.run("systemctl", "restart", "kea-dhcp4-server")
    assert not is_left_alone(site, **FILES)
    assert is_left_alone(site, **FILES)


def test_a_run_that_was_killed_is_followed_by_a_whole_one(site: Site) -> None:
    site.root_module("kea_manifest", state="intended")
    assert not is_left_alone(site, **FILES)
    assert is_left_alone(site, **FILES)


def test_the_mode_with_events_is_left_alone_too(site: Site) -> None:
    site.succeed("kea_deploy", **DATABASE)
    site.serves()
    assert is_left_alone(site, **DATABASE)
    site.settled(**DATABASE)


def test_each_change_in_the_database_is_found_and_mended(site: Site) -> None:
    find_each(site, IN_DATABASE, in_database=True)
    assert site.succeed("kea_deploy", **DATABASE) > 0
    assert is_left_alone(site, **DATABASE)
    site.settled(**DATABASE)
    assert site.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'kea-lease-monitor'") == ["f"]
    assert site.sql("SELECT count(*) FROM pg_trigger WHERE tgname ^@ 'kea_lease_notify' AND tgenabled = 'O'") != ["0"]
    assert site.sql("SELECT count(*) FROM hosts WHERE user_context LIKE '%baremetal.kea%'") == ["1"]


def test_a_database_that_cannot_be_read_counts_as_changed(site: Site) -> None:
    site.run("chmod", "000", "/usr/bin/psql")
    try:
        assert "database:5432/kea" in changed(site)
    finally:
        site.run("chmod", "755", "/usr/bin/psql")
    assert is_left_alone(site, **DATABASE)
