# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what kea_verify.yml gives to the module kea_verify, and the report of all hosts."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..module_utils._verify.finding import SEVERITIES
from ._subnet_check import reserved

NOT_ASKED = "not asked"


class Seen(NamedTuple):
    """Results of the tasks that looked at the database; each may be skipped or failed."""

    database: Mapping[str, Any]
    """As Kea."""
    monitor_database: Mapping[str, Any]
    """As the lease monitor."""
    probed: Mapping[str, Any]
    """Of a loop over the families, whose variable is ``kea__family``."""


def options(
    enable_database: bool, probe: bool, seen: Seen, subscriptions: Optional[List[Dict[str, Any]]], family: int
) -> Dict[str, Any]:
    """Return the options database, monitor_database, probe and subnets of kea_verify, without those to omit.

    A database that cannot be asked is a finding like others, so its error stands in the place of the answer.
    """
    chosen: Dict[str, Any] = {}
    if enable_database:
        chosen["database"] = _answer(seen.database, "database", NOT_ASKED)
    if not seen.monitor_database.get("skipped", False):
        chosen["monitor_database"] = _answer(seen.monitor_database, "database", NOT_ASKED)
    if probe:
        chosen["probe"] = _probe(enable_database, seen.probed, family)
    subnets = None if subscriptions is None else reserved(subscriptions, family)
    if subnets is not None:
        chosen["subnets"] = subnets
    return chosen


def report(verified: Mapping[str, Sequence[Mapping[str, Any]]]) -> Dict[str, Any]:
    """Return verdict and findings by host, from the results of kea_verify for its servers.

    A host without a result could not be reached, which is wrong.
    """
    found: Dict[str, Any] = {}
    for host, results in verified.items():
        asked = [one for one in results if not one.get("skipped", False)]
        verdicts = [one.get("verdict", "wrong") for one in asked] or ["wrong"]
        findings = sorted((each for one in asked for each in one.get("findings", [])), key=_severity)
        found[host] = {"verdict": min(verdicts, key=SEVERITIES.index), "findings": findings}
    return found


def _severity(finding: Mapping[str, Any]) -> int:
    return SEVERITIES.index(finding["verdict"])


def _probe(enable_database: bool, probed: Mapping[str, Any], family: int) -> Any:
    if not enable_database:
        return {"skipped": "without a database it would take one more reload of Kea"}
    sent = [one for one in probed.get("results", []) if str(one.get("kea__family")) == str(family)]
    result = sent[0] if sent else probed
    if result.get("skipped", False):
        return {"skipped": "not in check mode"}
    return _answer(result, "probe", "")


def _answer(result: Mapping[str, Any], name: str, error: str) -> Any:
    return result[name] if name in result else {"error": result.get("msg", error)}
