# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes a file for each client, by default an Ansible inventory. The only module that imports Jinja2."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import jinja2
import jinja2.sandbox

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.batch import Delivery, Kept
from kea_lease_monitor.errors import ConfigurationError, RefusedError
from kea_lease_monitor.kea import machine
from kea_lease_monitor.kea.reservations import KINDS
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import names
from kea_lease_monitor.sinks.base import Sink, is_meant
from kea_lease_monitor.sinks.names import Name

DEFAULT_DIRECTORY = "/var/lib/kea/discovery"

TEMPLATE = """\
# Written by kea-lease-monitor from the client's lease; overwritten when that changes.
{{ group }}:
  hosts:
    {{ host }}:
      ansible_host: {{ lease.address | text }}
      bmc_mac: {{ lease.hwaddr | text }}
      bmc_client_id: {{ lease.client_id | text }}{% if lease.duid %}
      bmc_duid: {{ lease.duid | text }}{% endif %}
      bmc_hostname: {{ lease.hostname | text }}{% if machine.vendor %}
      bmc_vendor: {{ machine.vendor | text }}{% endif %}{% if machine.circuit_id %}
      kea_circuit_id: {{ machine.circuit_id | text }}{% endif %}{% if machine.remote_id %}
      kea_remote_id: {{ machine.remote_id | text }}{% endif %}
      kea_subnet_id: {{ lease.subnet_id }}{% if made %}
      kea_made_at: {{ made }}{% endif %}
"""

_MODE = 0o644
_PREFIX = 2
"""Lease::TYPE_PD: a delegated prefix is no address of a host."""
_SUBNET = re.compile(rb"^\s*kea_subnet_id: ([0-9]+)$", re.MULTILINE)
_MADE = re.compile(rb"^\s*kea_made_at: ([0-9]{1,12})$", re.MULTILINE)
_VALUE = re.compile(rb'^\s*(ansible_host|bmc_[a-z_]+): "([^"\\]*)"$', re.MULTILINE)
_ADDRESS = re.compile(rb"^\s*ansible_host: *[\"']?([0-9A-Fa-f.:]+)", re.MULTILINE)
"""Also as a site's template may write it. A file without such a line does not tell the address."""
_IAID = re.compile(rb"^    bmc-[0-9a-z-]+?v6([0-9a-f]+)(?:-s[0-9]+)?:$", re.MULTILINE)
_NO_HWADDR = re.compile(rb'^\s*bmc_mac: ""$', re.MULTILINE)
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')


@dataclass(frozen=True)
class Options:
    """The options of this sink."""

    directory: str
    group: str
    """Inventory group of the clients."""
    template: Optional[str]
    """Path of the template; None for the default one."""
    naming: str = "by kind"
    """How files are named. No key sets it. It is part of a subscription's digest, so that a release that names files in
    another way reads all leases."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.text("directory", DEFAULT_DIRECTORY),
            section.text("group", "bmc_targets"),
            section.optional_text("template"),
        )
        section.done()
        if not os.path.isabs(options.directory):
            raise section.error("directory", "an absolute path is needed")
        if not _GROUP.fullmatch(options.group):
            raise section.error("group", f"letters, digits and _ are needed, not {options.group!r}")
        return options


def text(value: object) -> str:
    """Return a YAML string that Ansible takes literally, so that no client can add structure or a template.

    It has the tag ``!unsafe`` only if a template could begin in it, because other readers of YAML do not know that tag.
    Python's escapes for characters beyond ASCII are also YAML's.
    """
    escaped = _SPECIAL.sub(lambda found: f"\\x{ord(found.group()):02x}", str(value))
    quoted = f'"{escaped.encode("ascii", "backslashreplace").decode("ascii")}"'
    return f"!unsafe {quoted}" if "{" in quoted else quoted


class _Entry(NamedTuple):
    """The file of a client in a subnet."""

    name: Name
    lease: Lease
    event: LeaseEvent
    made: Optional[int]
    """See batch.Kept."""


class DiscoverySink(Sink):
    """Writes a file for each client that gets a lease. The file outlives the lease, until the client is forgotten."""

    name = "discovery"

    def __init__(self, options: Options) -> None:
        """Load the template. Raises ConfigurationError if it cannot be used."""
        self._options = options
        environment = jinja2.sandbox.SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        environment.filters["text"] = text
        self._template = _compiled(environment, options.template)

    def check(self) -> None:
        files.check_directory(self._options.directory)
        # A killed run of this program may have left names that are not durable yet.
        files.sync_directory(self._options.directory)

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        if events and events[0].kind is EventKind.FORGOTTEN:
            return self._forget(events)
        last = _last(events)
        entries = self._entries(last)
        created, updated = self._write(
            {self._path(each.name): self._render(each.name, each.lease, each.made) for each in entries}
        )
        for entry in entries:
            self._remove_earlier(entry)
        delivery = Delivery(
            created=created,
            updated=updated,
            unchanged=len(last) - created - updated,
            skipped=len(events) - len(last),
            kept=tuple(Kept(each.event, each.made, False) for each in entries),
        )
        telemetry.sink_result(self.name, delivery)
        return delivery

    def made(self) -> List[Lease]:
        """Return what the files of the default template tell; other files are found by the leases of reservations."""
        contents = [files.read(path) or b"" for path in sorted(glob.glob(self._path(Name("", "*"))))]
        return [lease for lease in map(_told, contents) if lease]

    def _forget(self, events: Sequence[LeaseEvent]) -> Delivery:
        removed = 0
        for event in events:
            path = self._path(self._kept_name(event.lease))
            found = _ADDRESS.search(files.read(path) or b"")
            if found is None or is_meant(event, found[1].decode()):
                removed += files.remove(path)
        files.sync_directory(self._options.directory)
        delivery = Delivery(removed=removed, skipped=len(events) - removed)
        telemetry.sink_result(self.name, delivery)
        return delivery

    def _kept_name(self, lease: Lease) -> Name:
        """Return the name of the file that the client has for the subnet of this lease."""
        name = names.of(lease)
        second = name.in_subnet(lease.subnet_id)
        return second if os.path.exists(self._path(second)) or self._is_other(name, lease) else name

    def _entries(self, last: Dict[Tuple[Name, int], LeaseEvent]) -> List[_Entry]:
        """Choose the file of each lease: the first subnet in which a client is met has the plain name."""
        plain: Dict[Name, int] = {}
        entries: List[_Entry] = []
        for (name, subnet), event in last.items():
            lease = event.lease
            second = name.in_subnet(subnet)
            if plain.get(name, subnet) != subnet or os.path.exists(self._path(second)) or self._is_other(name, lease):
                chosen = second
            else:
                chosen, plain[name] = name, subnet
            made = self._made(chosen, lease)
            entries.append(_Entry(chosen, lease._replace(hostname=lease.hostname.rstrip(".")), event, made))
        return entries

    def _made(self, name: Name, lease: Lease) -> Optional[int]:
        """Return when the client's file was first written; None if it does not tell, as that of an earlier release."""
        content = files.read(self._path(name))
        earlier = names.earlier(lease)
        if content is None and earlier != name._replace(subnet=""):
            content = files.read(self._path(earlier))
        if content is None:
            return lease.cltt
        found = _MADE.search(content)
        return int(found[1]) if found else None

    def _is_other(self, name: Name, lease: Lease) -> bool:
        """Return whether the file tells of another lease in another subnet. A subnet may get another number."""
        content = files.read(self._path(name)) or b""
        found = _SUBNET.search(content)
        if found is None or found[1] == b"%d" % lease.subnet_id:
            return False
        return text(lease.address).encode() not in content

    def _remove_earlier(self, entry: _Entry) -> None:
        """Remove the file that an earlier release wrote for the same client, now that it has a new name."""
        earlier = names.earlier(entry.lease)
        if earlier == entry.name._replace(subnet=""):
            return
        content = files.read(self._path(earlier))
        if content is None:
            return
        identifier = text(entry.lease.client_id or entry.lease.duid).encode()
        if (_NO_HWADDR.search(content) and identifier in content) or content == self._render(
            earlier, entry.lease, None
        ):
            files.remove(self._path(earlier))
            telemetry.discovery_renamed(self._path(earlier), self._path(entry.name))

    def _path(self, name: Name) -> str:
        return os.path.join(self._options.directory, f"{name.file}.yml")

    def _write(self, contents: Dict[str, bytes]) -> Tuple[int, int]:
        """Write the files that differ. Return how many were created and how many updated."""
        present = {path: files.read(path) for path in contents}
        changed = {path: content for path, content in contents.items() if content != present[path]}
        if changed:
            files.replace_all(changed, _MODE)
            files.sync_directory(self._options.directory)
        for path in changed:
            telemetry.discovery_written(path)
        created = sum(present[path] is None for path in changed)
        return created, len(changed) - created

    def _render(self, name: Name, lease: Lease, made: Optional[int]) -> bytes:
        try:
            given = {"lease": lease, "machine": machine.of(lease), "host": name.host, "made": made}
            return self._template.render(given, group=self._options.group).encode()
        except Exception as error:  # The site wrote the template, and it may raise anything.
            raise RefusedError(f"the discovery template fails: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Do nothing: this sink keeps no file open."""


def _last(events: Sequence[LeaseEvent]) -> Dict[Tuple[Name, int], LeaseEvent]:
    """Return the last event of each client and subnet that asks for a file.

    A client whose address another one got within the batch gets none: it would be removed at once.
    """
    last: Dict[Tuple[Name, int], LeaseEvent] = {}
    holders: Dict[Tuple[str, int], Name] = {}
    for event in events:
        name = names.of(event.lease)
        if event.kind in KINDS and name.rest and event.lease.lease_type != _PREFIX:
            last[name, event.lease.subnet_id] = event
            holders[event.lease.address, event.lease.subnet_id] = name
    return {key: event for key, event in last.items() if holders[event.lease.address, key[1]] == key[0]}


def _told(content: bytes) -> Optional[Lease]:
    """Return the lease that a file of the default template tells of; None for any other file."""
    told = {key.decode(): value.decode() for key, value in _VALUE.findall(content)}
    subnet = _SUBNET.search(content)
    if not subnet or not {"ansible_host", "bmc_mac", "bmc_client_id"} <= told.keys():
        return None
    family = 6 if ":" in told["ansible_host"] else 4
    known = (told["bmc_mac"], told["bmc_client_id"], told.get("bmc_hostname", ""))
    lease = Lease(family, told["ansible_host"], int(subnet[1]), *known, 0, 0, None, LeaseState.DEFAULT, "")
    iaid = _IAID.search(content)
    return lease._replace(duid=told.get("bmc_duid", ""), iaid=int(iaid[1], 16) if iaid else 0)


def _compiled(environment: jinja2.Environment, path: Optional[str]) -> jinja2.Template:
    try:
        if path is None:
            return environment.from_string(TEMPLATE)
        with open(path, encoding="utf-8") as handle:
            return environment.from_string(handle.read())
    except (OSError, UnicodeDecodeError, jinja2.TemplateError) as error:
        raise ConfigurationError(f"the discovery template {path} cannot be used: {error}") from error
