# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site can set: the variables of the playbooks and those of the pages are the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT
from support.programs import run

ROLES = ("kea_server_", "kea_database_", "kea_lease_monitor_", "kea_lfc_timer_", "kea_ddns_pack", "kea_ddns_families")
"""Beginnings of the variables of roles. Those of kea_ddns are set by a person, except what other variables say."""
OTHERS = ("inventory.md", "lfc.md", "monitoring.md", "eda.md")
"""Pages with tables of variables of inventory hosts, of rulebooks, and of metrics."""
GROUPS = frozenset(("kea_servers", "kea_database"))
NAME = r"kea_[a-z0-9]+(?:_[a-z0-9]+)*"


def of_the_playbooks() -> set[str]:
    """Return the variables that the playbooks read and set nowhere."""
    paths = [path for folder in ("", "vars", "tasks") for path in (ROOT / "playbooks" / folder).glob("*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    code = re.sub(r"(?m)(?:^|\s)#.*$|^\s*- name: .*$|baremetal\.kea\.\w+", "", text)
    found = set(re.findall(rf"(?<![\w./-]){NAME}(?![\w./-])", code))
    found -= set(re.findall(rf'(?m)^ +({NAME}): "', code))
    return {name for name in found if not name.startswith(ROLES) and name not in GROUPS}


def of_the_pages() -> set[str]:
    """Return the variables in the first column of a table."""
    found: set[str] = set()
    for path in (path for path in (ROOT / "docs").glob("*.md") if path.name not in OTHERS):
        for line in path.read_text(encoding="utf-8").splitlines():
            first = re.match(r"\| (`kea_[^|]*) \|", line)
            found.update(re.findall(rf"`({NAME})(?![\w.])", first[1]) if first else ())
    return found


def test_the_pages_have_every_variable_of_the_playbooks() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert {name for name in of_the_playbooks() if f"`{name}" not in text} == set()


def test_the_playbooks_have_every_variable_of_the_pages() -> None:
    assert of_the_pages() - of_the_playbooks() == set()


SITE = """
kea_servers:
  hosts:
    bare:
    both:
      kea_families: [4, 6]
      kea_dhcp4_interfaces: [eth0]
      kea_dhcp6_interfaces: [eth1]
      kea_ha_mode: hot-standby
      kea_ha_peers: [{name: both, url: "http://192.0.2.1:8001/"}, {name: bare}]
      kea_db_cert_file: CERTIFICATE
  vars:
    kea_db_enable_notify: true
    kea_db_host: db.example
"""
PLAY = """
- hosts: kea_servers
  gather_facts: false
  vars_files: [PLAYBOOKS/vars/names.yml, PLAYBOOKS/vars/preflight.yml]
  tasks:
    - ansible.builtin.set_fact:
        seen:
          preflight: "{{ kea__asked }}"
          server: "{{ kea__of_family }}"
          reservations: "{{ kea__reservations }}"
          others: "{{ OTHERS }}"
          tls: "{{ kea__tls }}"
    - ansible.builtin.copy: {dest: "DIRECTORY/{{ inventory_hostname }}.json", content: "{{ seen | to_json }}"}
      delegate_to: localhost
      connection: local
"""


def test_every_variable_of_the_preflight_can_be_read(tmp_path: Path) -> None:
    """A name in two files of variables, or one that needs itself, would stop each deployment."""
    certificate = tmp_path / "certificate.pem"
    certificate.write_text("of the site\n\n")
    (tmp_path / "site.yml").write_text(SITE.replace("CERTIFICATE", str(certificate)))
    play = tmp_path / "play.yml"
    names = re.findall(r"(?m)^(kea_\w+):", (ROOT / "playbooks/vars/names.yml").read_text(encoding="utf-8"))
    others = f"[{', '.join(names)}]"
    play.write_text(
        PLAY.replace("PLAYBOOKS", str(ROOT / "playbooks")).replace("DIRECTORY", str(tmp_path)).replace("OTHERS", others)
    )
    run("ansible-playbook", "--inventory", str(tmp_path / "site.yml"), str(play))
    bare, both = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("bare", "both"))
    assert (bare["server"]["interfaces"], bare["server"]["peers"], bare["preflight"]["families"]) == ([], [], [4])
    assert (both["server"]["interfaces"], both["preflight"]["server6"]["interfaces"]) == (["eth0"], ["eth1"])
    assert [one["url"] for one in both["preflight"]["pair"]["peers6"]] == ["http://192.0.2.1:8002/", ""]
    pair = both["preflight"]["pair"]
    assert (pair["shared_leases"], pair["leases"]["there"]) == (True, {"both": None, "bare": None})
    assert bare["preflight"]["pair"]["shared_leases"] is False
    assert both["tls"]["certificate"] == "of the site\n\n"
    assert bare["reservations"] == both["reservations"] == {"4": [], "6": []}


NO_INPUTS = (
    *("kea_serial", "kea_full_run", "kea_upgrade"),  # how a run goes on
    *("kea_verify_", "kea_rollback_", "kea_import_", "kea_inventory_"),  # other playbooks
)
DIGESTS = """
- hosts: all
  serial: "{{ {} | baremetal.kea.hosts_at_once('100%') }}"
  gather_facts: false
  vars_files: [PLAYBOOKS/vars/names.yml, PLAYBOOKS/vars/preflight.yml]
  tasks:
    - ansible.builtin.set_fact: {kea__plan: "{{ kea__plan }}"}
    - ansible.builtin.copy:
        content: "{{ kea__asked | baremetal.kea.deployment_inputs(kea__plan) }}"
        dest: "DIRECTORY/{{ inventory_hostname }}.digest"
      delegate_to: localhost
      connection: local
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)  # eighty hosts
def test_every_variable_is_among_the_inputs_of_a_deployment(tmp_path: Path) -> None:
    """One that is not would change nothing on a host that a run leaves alone."""
    names = sorted(name for name in of_the_playbooks() if not name.startswith(NO_INPUTS))
    # What the modes, the families or the pair decide is not read without them.
    both = {"kea_enable_database": True, "kea_ha_mode": "hot-standby", "kea_enable_ddns": True}
    values: dict[str, Any] = {"kea_families": [6], "kea_db_port": 1, "kea_monitor_source": "polling"}
    hosts = {name: {**both, name: values.get(name, "another")} for name in names}
    (tmp_path / "site.json").write_text(json.dumps({"all": {"hosts": {"none": both, **hosts}}}))
    play = tmp_path / "play.yml"
    play.write_text(DIGESTS.replace("PLAYBOOKS", str(ROOT / "playbooks")).replace("DIRECTORY", str(tmp_path)))
    run("ansible-playbook", "--forks", "4", "--inventory", str(tmp_path / "site.json"), str(play))
    found = {path.stem: path.read_text() for path in tmp_path.glob("*.digest")}
    assert {name for name in names if found[name] == found["none"]} == set()


AGAIN = """
- hosts: localhost
  gather_facts: false
  vars_files: [PLAYBOOKS/vars/names.yml]
  vars: {kea_enable_database: true, kea_db_host: first}
  tasks:
    - set_fact:
        kea__plan: "{{ kea__plan_asked }}"
        kea_database_host: "{{ kea__database_host_asked }}"
        kea__tls: "{{ kea__tls_asked }}"
        kea__is_kept: true
    - &tell
      debug: {msg: "{{ kea_database_host }} {{ kea__plan.lease_database }} {{ kea__tls.trust_anchor }}."}
- hosts: localhost
  gather_facts: false
  vars_files: [PLAYBOOKS/vars/names.yml]
  vars: {kea_enable_database: true, kea_db_enable_notify: true, kea_db_host: second, kea_db_trust_anchor: ANCHOR}
  tasks:
    - import_tasks: PLAYBOOKS/tasks/take_anew.yml
    - *tell
"""


def test_a_second_playbook_of_a_run_has_variables_of_its_own(tmp_path: Path) -> None:
    """As where a site imports kea_deploy twice: a fact would hide what the second one is asked for."""
    (tmp_path / "ca.pem").write_text("of the site")
    text = AGAIN.replace("PLAYBOOKS", str(ROOT / "playbooks")).replace("ANCHOR", str(tmp_path / "ca.pem"))
    (tmp_path / "play.yml").write_text(text)
    told = run("ansible-playbook", "--inventory", "localhost,", "--connection", "local", str(tmp_path / "play.yml"))
    assert re.findall(r"((?:first|second) .*\.)", told) == ["first memfile .", "second postgresql of the site."]


def test_no_fact_is_made_of_itself() -> None:
    """It would keep its first value for the whole run."""
    files = [*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").glob("**/*.yml")]
    own = re.compile(r"(?m)^ +(kea_\w+): .*\b\1\b.*$")
    assert [(path.name, found[0]) for path in files for found in own.finditer(path.read_text())] == []


def test_no_task_registers_its_result_as_a_variable_that_has_a_value() -> None:
    """The result would take the place of the variable in all later tasks, also for the other family."""
    files = [*(ROOT / "roles").glob("*/*/*.yml"), *(ROOT / "playbooks").glob("*/*.yml"), *ROOT.glob("playbooks/*.yml")]
    set_, registered = set(), set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        if path.parent.name in ("vars", "defaults"):
            set_.update(re.findall(r"(?m)^(kea_\w+):", text))
        registered.update(re.findall(r"(?m)^ +register: (\w+)", text))
    assert {"kea_server__profile", "kea_server__first_look"} <= set_ | registered
    assert set_ & registered == set()
