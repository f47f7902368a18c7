# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All reservation files of the monitor, and which of their reservations Kea accepts."""

from __future__ import annotations

import os
from collections import Counter
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import hosts, lines, report
from kea_lease_monitor.kea.applier.confirming import Confirming, is_unconfirmed
from kea_lease_monitor.kea.applier.hosts import Host, Refusal
from kea_lease_monitor.kea.applier.included import Included, path_of
from kea_lease_monitor.kea.applier.report import Places, Refusals, Subnet
from kea_lease_monitor.kea.applier.sift import Sifted, sift
from kea_lease_monitor.kea.applier.tail import Tail
from kea_lease_monitor.kea.applier.trial import Trial


class Written(NamedTuple):
    """The reservation file of a subnet."""

    tail: Tail
    """The monitor's file."""
    hosts: List[Host]
    refused: List[Refusal]
    files: Included
    """What Kea includes."""
    former: bytes
    """Its text now."""
    included: List[Host]
    """Its hosts."""
    kept: int = 0
    """Hosts that stay as Kea includes them, because their text in the monitor's file is refused."""
    error: str = ""
    """Why the monitor's file cannot be read. The hosts are then those that Kea includes now."""


def read_all(places: Places, directory: str, confirming: Confirming) -> Dict[int, Written]:
    """Return what the monitor wrote, by subnet. Kea includes the files of ``directory``. Raises TemporaryError."""
    refused = report.read_refused(places.report).refused
    written = report.written(places.written)
    found = {subnet: _read(path, subnet, directory, refused) for subnet, path in written.items()}
    present = {(host.subnet, host.identifier): host for one in found.values() for host in one.included}
    confirming.take_news()
    every = [host for one in found.values() for host in one.hosts]
    unconfirmed: Dict[int, List[Refusal]] = {}
    for refusal in confirming.refusals(every, lambda host: present.get((host.subnet, host.identifier))):
        unconfirmed.setdefault(refusal.subnet, []).append(refusal)
    return {**found, **{subnet: _without(found[subnet], refusals) for subnet, refusals in unconfirmed.items()}}


def _without(one: Written, unconfirmed: Sequence[Refusal]) -> Written:
    """Return what the monitor wrote without the hosts that nothing confirms."""
    texts = {refusal.text for refusal in unconfirmed}
    confirmed = [host for host in one.hosts if host.text not in texts]
    kept = _kept(confirmed, unconfirmed, one.included)
    refused = [*one.refused, *unconfirmed]
    return one._replace(hosts=[*confirmed, *kept], refused=refused, kept=one.kept + len(kept))


def _read(path: str, subnet: int, directory: str, refused: Sequence[Refusal]) -> Written:
    own = Included(directory, subnet)
    former = own.read()
    further = former.further
    # Keys of a person stay known while Kea refuses their host.
    texts = [one.text.encode("utf-8", "surrogateescape") for one in refused if one.subnet == subnet and one.text]
    for text in texts:
        further = {**hosts.included(subnet, text)[1], **further}
    tail = Tail(path)
    try:
        parsed = hosts.read(subnet, tail.whole(), further)
    except (TemporaryError, ValueError) as error:
        return Written(tail, former.hosts, [], own, former.whole, former.hosts, error=f"{path}: {error}")
    present = {host.identifier: host for host in former.hosts}
    listed = [_settled(host, present.get(host.identifier)) for host in parsed.hosts]
    kept = _kept(listed, parsed.refused, former.hosts)
    return Written(tail, [*listed, *kept], parsed.refused, own, former.whole, former.hosts, len(kept))


def _settled(host: Host, included: Optional[Host]) -> Host:
    """Return what Kea includes if it does the same with the host: a change of a name must not cost a reload."""
    return included if included and included.is_same(host) else host


def _kept(others: Sequence[Host], refused: Sequence[Refusal], included: Sequence[Host]) -> List[Host]:
    """Return the hosts that Kea includes and whose new text is refused: a wrong edit takes no reservation away."""
    edited = {refusal.host for refusal in refused} - {host.identifier for host in others}
    return [host for host in included if host.identifier in edited]


def accepted(places: Places, written: Mapping[int, Written], trial: Trial) -> Sifted:
    """Return which hosts Kea accepts, and all refusals; record these. Raises TemporaryError."""
    known, configuration = report.read_refused(places.report), report.digest(trial.configuration)
    every = [host for one in written.values() for host in one.hosts]
    former = {_key(host) for one in written.values() for host in one.included}
    refused_before = {(one.subnet, one.text): one for one in known.refused if one.text and not is_unconfirmed(one)}
    present = set(map(_key, every))
    gone = [host for one in written.values() for host in one.included if _key(host) not in present]
    # Only a change of the configuration, or a reservation that goes or changes, can make room for a refused one.
    room = {(host.subnet, part) for host in gone for part in (host.identifier, *host.addresses)}
    still = {
        key: one
        for key, one in (refused_before if known.configuration == configuration else {}).items()
        if not room & {(one.subnet, part) for part in (one.host, *one.address.split(", "))}
    }
    settled = [refusal for one in written.values() for refusal in one.refused]
    settled += [still[_key(host)] for host in every if _key(host) in still]

    def record(found: Sequence[Refusal]) -> None:
        report.write_refused(places.report, Refusals(configuration, [*settled, *found]))

    candidates = [host for host in every if _key(host) not in still]
    candidates.sort(key=lambda host: _rank(host, former, set(refused_before)))
    found = sift(candidates, trial.test, record)
    record(found.refused)
    for refusal in [*settled, *found.refused]:
        if refusal not in known.refused:
            lines.reservation_refused(refusal.subnet, refusal.host, refusal.address, refusal.reason)
    return Sifted(found.accepted, [*settled, *found.refused])


def _key(host: Host) -> Tuple[int, str]:
    return host.subnet, host.text


def _rank(host: Host, former: Set[Tuple[int, str]], refused: Set[Tuple[int, str]]) -> int:
    """Return the rank of a host: what is in force comes first, and last what Kea refused before."""
    return 0 if _key(host) in former else 2 if _key(host) in refused else 1


def write(written: Mapping[int, Written], sifted: Sifted, with_parts: bool) -> str:
    """Write the files that Kea includes, where they change. Return the digest of all. Raises TemporaryError.

    ``with_parts`` says that later changes shall write little.
    """
    contents: List[bytes] = []
    by_subnet = sifted.by_subnet()
    for subnet, one in sorted(written.items()):
        listed = by_subnet.get(subnet, [])
        content = hosts.render(listed)
        if content != one.former or not os.path.exists(one.files.path):
            one.files.replace(listed, with_parts)
        contents += [b"%d" % subnet, content]
    return report.digest(*contents)


def changed_at(directory: str, subnets: Iterable[int]) -> float:
    """Return when the files of these subnets that Kea includes were last changed, in epoch seconds; 0 without any."""
    paths = filter(os.path.exists, (path_of(directory, subnet) for subnet in subnets))
    return max((os.stat(path).st_mtime for path in paths), default=0.0)


def not_loaded(counts: Mapping[int, Subnet], known: Mapping[int, int]) -> Dict[int, Subnet]:
    """Return the report of each subnet before Kea has loaded what it accepts; ``known`` is how many are in force."""
    return {subnet: one._replace(in_force=min(one.in_force, known.get(subnet, 0))) for subnet, one in counts.items()}


def digest_before(written: Mapping[int, Written]) -> str:
    """Return the digest that ``write`` would return for the files as they were."""
    return report.digest(*(part for subnet, one in sorted(written.items()) for part in (b"%d" % subnet, one.former)))


def counted(written: Mapping[int, Written], sifted: Sifted, included: Set[int]) -> Dict[int, Subnet]:
    """Return the report of each subnet after Kea loaded what it accepts."""
    found: Dict[int, Subnet] = {}
    by_subnet, refused = sifted.by_subnet(), Counter(refusal.subnet for refusal in sifted.refused)
    for subnet, one in written.items():
        in_force = len(by_subnet.get(subnet, [])) if subnet in included else 0
        missing = "" if subnet in included else f"Kea's configuration does not include the file of subnet {subnet}"
        total = len(one.hosts) + len(one.refused) - one.kept
        found[subnet] = Subnet(total, in_force, refused[subnet], one.tail.source, one.error or missing)
    return found
