# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From each state back, and from each failure: a site has a Kea that serves.

Each test brings the host into the state that it begins with. Earlier clients keep their addresses through all of it,
and others renew, 50 times a second.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Iterator

import pytest
from changing import Site, another_release
from host import Kea, wait
from states import CONFIG, EVENTS, TRIGGERS, deployed, require_database_left, require_events_mode

FOUND = """\
// The site's own.
{ "Dhcp4": {
  "interfaces-config": { "interfaces": [ "eth0" ] }, # the management network
  "control-socket": { "socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket" },
  "lease-database": { "type": "memfile", "lfc-interval": 1800 },
  "subnet4": [ { "id": 1, "subnet": "10.77.0.0/16", "pools": [ { "pool": "10.77.16.0 - 10.77.31.255" } ] } ]
} }
"""
LATER_SCHEMA = """
'''A table that the previous release does not know.'''
import sqlalchemy as sa
from alembic import op
revision, down_revision = "LATER", "NOW"
def upgrade() -> None:
    op.create_table("later", sa.Column("name", sa.Text, primary_key=True))
def downgrade() -> None:
    op.drop_table("later")
"""
NOT_RUNNING = {"dhcp-ddns": {"enable-updates": True, "sender-ip": "192.0.2.250"}}
"""Kea's test of a configuration does not look for the address that it is to send updates of DNS from."""
BACK_IN_FORCE = "former configuration is back in force, and Kea serves with it"


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    options = request.config.option
    site = Site(options.host, options.address, options.bmcs)
    if not deployed(site):
        site.run("sh", "-ec", f"cat >{CONFIG}; systemctl restart kea-dhcp4-server", stdin=FOUND)
    wait(lambda: site.run("systemctl", "is-active", "kea-dhcp4-server", check=False).strip() == "active", "Kea")
    with site.renewing():
        site.serves()
        yield site
        site.serves()


@pytest.fixture(autouse=True)
def noted(site: Site, request: pytest.FixtureRequest) -> None:
    site.tests.append((request.node.name, time.time()))


@pytest.fixture
def events(site: Site) -> None:
    """Kea serves from PostgreSQL, and the monitor reads events."""
    require_events_mode(site)


@pytest.fixture
def database_left(site: Site) -> None:
    """A deployment in events mode was rolled back, which leaves the database."""
    require_database_left(site)


def test_what_was_never_deployed_is_refused(site: Site) -> None:
    before = site.ours()
    for target in ("polling", "previous_release", "before_deploy"):
        site.fail("kea_rollback", "nothing was ever deployed here", kea_rollback_to=target)
    assert (site.ours(), site.config()) == (before, FOUND)
    site.serves()


def test_a_first_deployment_with_which_kea_does_not_run_leaves_nothing(site: Site) -> None:
    before = site.everything()
    site.fail("kea_deploy", BACK_IN_FORCE, kea_dhcp4_settings=NOT_RUNNING)
    assert site.everything() == before
    site.fail("kea_rollback", "nothing was ever deployed here", kea_rollback_to="before_deploy")
    site.serves()


@pytest.mark.parametrize("mode", [{}, EVENTS], ids=["file", "events"])
def test_a_first_deployment_that_is_refused_leaves_nothing(site: Site, mode: dict[str, bool]) -> None:
    """In events mode its database, of which the manifest knows."""
    before, kea = site.everything(), Kea(site)
    site.fail("kea_deploy", "Kea refuses the configuration", **mode, kea_dhcp4_settings={"valid-lifetime": "for ever"})
    assert kea.process() == kea.began
    if mode:
        assert site.config() == FOUND
        site.succeed("kea_rollback", **mode, kea_rollback_to="before_deploy")
    else:
        assert site.everything() == before
        site.fail("kea_rollback", "nothing was ever deployed here", kea_rollback_to="before_deploy")
    site.serves()


def test_a_deployment_that_failed_half_way_is_undone(site: Site) -> None:
    """Kea serves from PostgreSQL already when the monitor's configuration is refused."""
    broken = [{"name": "all", "sinks": [{"type": "nothing"}]}]
    site.fail("kea_deploy", "nothing", **EVENTS, kea_monitor_subscriptions=broken)
    assert "postgresql" in site.config()
    site.serves()
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="before_deploy") > 0
    assert (site.ours(), site.config()) == ("", FOUND)
    site.serves()
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="before_deploy") == 0


def test_a_database_that_goes_away_in_the_middle_changes_nothing(site: Site) -> None:
    """PostgreSQL is stopped when Kea's new configuration is written and not yet in force."""
    away = "until [ -e /etc/kea/kea-dhcp4.candidate.conf ]; do sleep 0.02; done; systemctl stop postgresql@*"
    site.run("systemd-run", "--unit=lab-away", "sh", "-c", away)
    site.fail("kea_deploy", "and Kea serves with it", **EVENTS)
    assert site.config() == FOUND
    site.serves()
    site.run("systemctl", "restart", "postgresql")
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="before_deploy") > 0
    assert site.config() == FOUND


def test_on_a_full_disk_nothing_is_begun(site: Site) -> None:
    site.run("sh", "-ec", """
        mkdir -p /var/lib/baremetal-kea
        mount -t tmpfs -o size=64k tmpfs /var/lib/baremetal-kea
        head -c 1M /dev/zero >/var/lib/baremetal-kea/rubbish || true
    """)  # fmt: skip
    try:
        before, kea = site.ours(), Kea(site)
        site.fail("kea_deploy", "No space left on device", **EVENTS)
        assert (site.ours(), site.config(), kea.process()) == (before, FOUND, kea.began)
    finally:
        site.run("umount", "/var/lib/baremetal-kea")
    site.serves()


def test_from_events_to_polling_and_again(site: Site) -> None:
    site.succeed("kea_deploy", **EVENTS)
    site.serves()
    assert len(site.sql(TRIGGERS)) > 0
    plan = site.plan(**EVENTS)
    assert "Kea serves from its lease file, to which all leases are moved" in plan
    assert "the constraint stays, because kea_rollback_constraint is not set" in plan
    assert "postgresql" in site.config()
    assert site.succeed("kea_rollback", **EVENTS) > 0
    assert site.sql(TRIGGERS) == []
    assert site.sql("SELECT conname FROM pg_constraint WHERE conname ^@ 'hosts_dhcp_identifier_subnet'") != []
    site.serves()
    new = [json.loads(line) for line in site.play_bmcs("--first", "7000", "--count", "3").splitlines()]
    site.await_followers(new)
    assert site.succeed("kea_rollback", **EVENTS) == 0


def test_from_events_to_polling_the_database(site: Site) -> None:
    site.succeed("kea_deploy", **EVENTS)
    kea = Kea(site)
    assert site.succeed("kea_rollback", **EVENTS, kea_monitor_source="polling") > 0
    assert (site.sql(TRIGGERS), kea.process()) == ([], kea.began)
    site.await_followers(kea.serve(3))
    assert site.succeed("kea_rollback", **EVENTS, kea_monitor_source="polling") == 0
    site.succeed("kea_deploy", **EVENTS)


@pytest.mark.usefixtures("events")
def test_undelivered_events_are_not_lost(site: Site) -> None:
    site.run("systemctl", "stop", "kea-lease-monitor")
    Kea(site).serve(1)
    said = site.fail("kea_rollback", "has not acted upon all events", **EVENTS)
    assert re.search(r"subscription all has not acted upon \d+ events", said)
    assert len(site.sql(TRIGGERS)) > 0
    site.run("systemctl", "start", "kea-lease-monitor")


@pytest.mark.usefixtures("events")
def test_a_configuration_that_does_not_run_is_taken_back(site: Site) -> None:
    before, began = site.config(), Kea(site)
    said = site.fail("kea_deploy", BACK_IN_FORCE, **EVENTS, kea_dhcp4_settings=NOT_RUNNING)
    assert "kea-dhcp4-server.service ends as soon as it is started" in said
    assert "Its last lines were:" in said
    assert site.config() == before
    assert began.process() != began.began
    site.serves()


@pytest.mark.usefixtures("events")
def test_a_monitor_that_does_not_start_is_taken_back(site: Site) -> None:
    drop_in = "/etc/systemd/system/kea-lease-monitor.service"
    before = site.run("sh", "-c", f"cat {drop_in} /etc/kea-lease-monitor/config.yml")
    site.fail("kea_deploy", "Its previous configuration is in force again and healthy", **EVENTS,
              kea_monitor_metrics_listen="192.0.2.1:19547")  # fmt: skip
    assert site.run("sh", "-c", f"cat {drop_in} /etc/kea-lease-monitor/config.yml") == before
    site.serves()


@pytest.mark.usefixtures("events")
def test_a_release_that_does_not_start_is_taken_back(site: Site, tmp_path: Path) -> None:
    release = site.run("readlink", "/opt/baremetal/current")
    program = another_release(tmp_path, "9.9.8") / "commands" / "run.py"
    broken = r"\1\n    raise SystemExit('it is broken')"
    program.write_text(re.sub(r"(?m)^(def execute\(.*:)$", broken, program.read_text()))
    with site.using(tmp_path):
        said = site.fail("kea_deploy", "Release .* is in force again and healthy", **EVENTS)
    assert "it is broken" in said
    assert site.run("readlink", "/opt/baremetal/current") == release
    site.await_followers(Kea(site).serve(1))
    site.serves()


@pytest.mark.usefixtures("events")
def test_on_a_full_disk_the_configuration_in_force_stays(site: Site) -> None:
    """There is no room beside it for another one."""
    site.run("sh", "-ec", """
        cp -a /etc/kea /run/kea-kept
        mount -t tmpfs -o size=1m,mode=755 tmpfs /etc/kea
        cp -a /run/kea-kept/. /etc/kea
        head -c 2M /dev/zero >/etc/kea/rubbish || true
    """)  # fmt: skip
    try:
        before, kea = site.config(), Kea(site)
        site.fail("kea_deploy", "No space left on device; nothing was changed", **EVENTS,
                  kea_dhcp4_settings={"valid-lifetime": 4321})  # fmt: skip
        assert (site.config(), kea.process()) == (before, kea.began)
    finally:
        site.run("sh", "-ec", "umount /etc/kea; rm -r /run/kea-kept")
    assert (site.config(), kea.process()) == (before, kea.began)
    site.serves()


@pytest.mark.usefixtures("events")
def test_options_with_which_postgresql_does_not_start_are_taken_back(site: Site) -> None:
    site.fail("kea_deploy", "PostgreSQL does not serve with its new options", **EVENTS,
              kea_db_settings={"shared_buffers": "1000TB"})  # fmt: skip
    wait(lambda: site.sql("SELECT 1"), "PostgreSQL")
    site.serves()


def test_the_previous_release_returns_with_its_configuration(site: Site, tmp_path: Path) -> None:
    site.succeed("kea_deploy", **EVENTS)
    site.fail("kea_rollback", "no earlier release", **EVENTS, kea_rollback_to="previous_release")
    config = "/etc/kea-lease-monitor/config.yml"
    release, before = (site.run(*words) for words in (("readlink", "/opt/baremetal/current"), ("cat", config)))
    package = another_release(tmp_path, "9.9.9")
    migrations = package / "state/migrations/versions"
    now = max(path.stem[1:] for path in migrations.glob("v*.py"))
    later = f"{int(now) + 1:04}"
    (migrations / f"v{later}.py").write_text(LATER_SCHEMA.replace("LATER", later).replace("NOW", now))
    with site.using(tmp_path):
        site.succeed("kea_deploy", **EVENTS, kea_monitor_log_level="INFO")
    assert "9.9.9" in site.run("readlink", "/opt/baremetal/current")
    assert site.run("kea-lease-monitor", "db", "version").strip() == f"schema {later}, this program needs {later}"
    plan = site.plan(**EVENTS, kea_rollback_to="previous_release")
    assert f"the release {release.strip().split('/')[-1]} of the lease monitor is in force" in plan
    assert "9.9.9" in site.run("readlink", "/opt/baremetal/current")
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="previous_release") > 0
    assert (site.run("readlink", "/opt/baremetal/current"), site.run("cat", config)) == (release, before)
    assert site.run("kea-lease-monitor", "db", "version").strip() == f"schema {now}, this program needs {now}"
    site.await_followers(Kea(site).serve(1))
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="previous_release") == 0


@pytest.mark.usefixtures("events")
def test_what_somebody_changed_is_shown_and_refused_unless_forced(site: Site) -> None:
    site.run("sed", "-i", "s/valid-lifetime/valid-lifetime/; 1i // by hand", CONFIG)
    said = site.fail("kea_rollback", f"have been changed since, so nothing was done: file:{CONFIG}", **EVENTS)
    assert '"differences"' in said or "differences:" in said
    assert len(site.sql(TRIGGERS)) > 0
    plan = site.plan(**EVENTS, kea_rollback_to="before_deploy", kea_rollback_force=True)
    assert f"file {CONFIG}: is put back as it was found" in plan
    assert "by hand" in site.config()
    wrong = {"kea_rollback_to": "before_deploy", "kea_rollback_force": True, "kea_rollback_purge": ["database"]}
    site.fail("kea_rollback", "the database holds leases and reservations", **EVENTS, **wrong)


@pytest.mark.usefixtures("events")
def test_from_events_to_what_was_found(site: Site) -> None:
    force = {"kea_rollback_to": "before_deploy", "kea_rollback_force": True}
    assert site.succeed("kea_rollback", **EVENTS, **force, kea_rollback_constraint=True) > 0
    assert (site.ours(), site.config()) == ("", FOUND)
    assert site.sql(TRIGGERS + " UNION ALL SELECT conname FROM pg_constraint WHERE conname ^@ 'hosts_dhcp_id'") == []
    assert int(site.sql("SELECT count(*) FROM hosts")[0]) > 0
    site.serves()
    assert site.succeed("kea_rollback", **EVENTS, kea_rollback_to="before_deploy") == 0


@pytest.mark.usefixtures("database_left")
def test_the_database_goes_when_it_is_named_with_all_that_it_holds(site: Site) -> None:
    words = {"kea_rollback_to": "before_deploy", "kea_rollback_purge": ["database", "leases", "reservations"]}
    assert site.succeed("kea_rollback", **EVENTS, **words) > 0
    names = "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles"
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtqc", names)
    assert {"kea", "_kea", "kea-lease-monitor"} & set(site.run(*psql).split()) == set()
    assert site.config() == FOUND
    site.serves()
