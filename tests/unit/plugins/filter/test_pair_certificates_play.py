# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight of kea_deploy.yml asks about the certificates of a pair, with Ansible, on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority, Certificate
from support.paths import ROOT
from support.programs import run

PLAY = """
- hosts: kea_servers
  gather_facts: false
  vars_files: [PLAYBOOKS/vars/names.yml, PLAYBOOKS/vars/preflight.yml]
  tasks:
    - ansible.builtin.set_fact:
        kea__found: {}
        kea__found6: {}
        kea__findings: {warnings: [kept], refusals: "{{ refused | default([]) }}"}
    - ansible.builtin.include_tasks: PLAYBOOKS/tasks/pair_certificates.yml
      when: kea__has_new_certificates | bool
    - ansible.builtin.copy: {dest: "DIRECTORY/{{ inventory_hostname }}.json", content: "{{ kea__findings | to_json }}"}
"""


LOCAL = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
Refusals = dict[str, list[list[str]]]


def findings(directory: Path, pairs: dict[str, list[dict[str, Any]]]) -> Refusals:
    """Return the refusals of both servers of each pair."""
    hosts = {}
    for name, both in pairs.items():
        # No server listens there.
        peers = [{"name": f"{name}-{number}", "url": "https://127.0.0.1:9/"} for number in (1, 2)]
        common = {"kea_ha_mode": "hot-standby", "kea_ha_peers": peers, "kea_families": [4, 6]}
        hosts.update({peer["name"]: {**LOCAL, **common, **own} for peer, own in zip(peers, both)})
    (directory / "site.json").write_text(json.dumps({"kea_servers": {"hosts": hosts}}))
    play = directory / "play.yml"
    play.write_text(PLAY.replace("PLAYBOOKS", str(ROOT / "playbooks")).replace("DIRECTORY", str(directory)))
    run("ansible-playbook", "--inventory", str(directory / "site.json"), str(play))
    told = {name: json.loads((directory / f"{name}.json").read_text()) for name in hosts}
    assert all(one["warnings"] == ["kept"] for one in told.values())
    return {name: [told[f"{name}-{number}"]["refusals"] for number in (1, 2)] for name in pairs}


def given(anchors: Path, certificate: Certificate, key: Certificate | None = None, **more: Any) -> dict[str, Any]:
    files = (anchors, certificate.path, (key or certificate).key)
    names = ("kea_ha_trust_anchor", "kea_ha_cert_file", "kea_ha_key_file")
    return {**dict(zip(names, map(str, files))), **more}


@pytest.mark.slow
@pytest.mark.timeout(1200)  # eighteen hosts
def test_the_preflight_looks_at_the_certificates_of_both(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old-ca"), Authority(tmp_path, "new-ca")
    one, two = (given(old.own.path, old.issue(f"of-{number}")) for number in (1, 2))
    foreign = given(new.own.path, new.issue("foreign"))
    both = tmp_path / "both.pem"
    both.write_text(old.own.pem + new.own.pem)
    bundle, remote = {"kea_ha_trust_anchor": str(both)}, {"kea_ha_tls_remote_src": True}
    pairs = {
        "same": [one, two],
        "remote": [{**one, **remote}, {**two, **remote}],
        # Both authorities may be in use, if each server trusts that of the other one.
        "bundle": [{**one, **bundle}, {**foreign, **bundle}],
        # Nothing is asked of these.
        "single": [{**each, "kea_ha_mode": ""} for each in (one, foreign)],
        "incomplete": [one, {**foreign, "kea_ha_key_file": ""}],
        "refused": [{**each, "refused": ["before"]} for each in (one, foreign)],
        "apart": [one, foreign],
        "remote-apart": [{**one, **remote}, {**foreign, **remote}],
        "key": [given(old.own.path, old.issue("late"), old.issue("other")), two],
    }
    found = findings(tmp_path, pairs)
    for name in ("same", "remote", "bundle", "single", "incomplete"):
        assert found[name] == [[], []], name
    assert found["refused"] == [["before"], ["before"]]
    for name in ("apart", "remote-apart"):
        (first,), (second,) = found[name]
        assert first.startswith(f"kea_ha_trust_anchor of {name}-1 (CN=old-ca, SHA-256 ")
        assert f"does not verify kea_ha_cert_file of {name}-2, CN=foreign by CN=new-ca, SHA-256 " in first
        assert second.startswith(f"kea_ha_trust_anchor of {name}-2 (CN=new-ca, SHA-256 ")
    (first,), nothing = found["key"]
    assert "kea_ha_cert_file and kea_ha_key_file cannot be used: certificate does not belong to key" in first
    assert nothing == []
