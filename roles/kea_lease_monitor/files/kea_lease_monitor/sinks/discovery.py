# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that writes a file for each machine, by default an Ansible inventory. Only this module imports Jinja2."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import jinja2
import jinja2.sandbox

from kea_lease_monitor import batch_files, files, telemetry
from kea_lease_monitor.batch import Delivery, Kept
from kea_lease_monitor.errors import ConfigurationError, RefusedError, TemporaryError
from kea_lease_monitor.kea.reservations import KINDS
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import leased, names
from kea_lease_monitor.sinks.base import Sink, is_meant
from kea_lease_monitor.sinks.host_files import HostFiles
from kea_lease_monitor.sinks.leased import Part
from kea_lease_monitor.sinks.names import Name

DEFAULT_DIRECTORY = "/var/lib/kea/discovery"

TEMPLATE = """\
# Written by kea-lease-monitor from the client's leases; overwritten when they change.
{% if apart %}# A host of its own: no relay and no frame told Kea the hardware address of this DHCPv6 client.
{% endif %}{{ group }}:
  hosts:
    {{ host }}:
      ansible_host: {{ lease.address | text }}
      bmc_mac: {{ lease.hwaddr | text }}
      bmc_client_id: {{ lease.client_id | text }}{% if lease.duid %}
      bmc_duid: {{ lease.duid | text }}{% endif %}
      bmc_hostname: {{ lease.hostname | text }}{% if machine.vendor %}
      bmc_vendor: {{ machine.vendor | text }}{% endif %}{% if machine.circuit_id %}
      kea_circuit_id: {{ machine.circuit_id | text }}{% endif %}{% if machine.remote_id %}
      kea_remote_id: {{ machine.remote_id | text }}{% endif %}{% if machine.vendor_class %}
      kea_vendor_class: {{ machine.vendor_class | text }}{% endif %}
      kea_subnet_id: {{ lease.subnet_id }}{% for family in (4, 6) %}
      kea_ipv{{ family }}_addresses: [{% for one in leases if one.family == family %}{{ one.address | text }}{{
        ", " if not loop.last }}{% endfor %}]{% for one in leases if one.family == family %}{% if loop.first %}
      kea_ipv{{ family }}_subnet_id: {{ one.subnet_id }}{% endif %}{% endfor %}{% endfor %}{% if made %}
      kea_made_at: {{ made }}{% endif %}
      kea_confirmed: {{ "true" if confirmed else "false" }}
"""

PREFERENCES = {"ipv4": 4, "ipv6": 6}
"""The option ``prefer``, and the family that it names."""

_MODE = 0o644
_ADDRESS = 0
"""Lease::TYPE_NA. A delegated prefix is no address of a host, and a temporary address must not last."""
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
    prefer: str = "ipv4"
    """Family of ``ansible_host``, if the machine has leases of both."""
    naming: str = "by machine"
    """How files are named. No key sets it. It is part of a subscription's digest, so that a release that names files in
    another way reads all leases."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.text("directory", DEFAULT_DIRECTORY),
            section.text("group", "bmc_targets"),
            section.optional_text("template"),
            section.choice("prefer", tuple(PREFERENCES), "ipv4"),
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


def told(directory: str) -> List[Lease]:
    """Return what the files of a directory tell. Raises TemporaryError.

    Those of a site's template that an earlier release wrote may tell nothing.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".yml") and not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TemporaryError(f"{directory} cannot be read: {error.strerror}") from error
    contents = (files.read(os.path.join(directory, name)) or b"" for name in names)
    return [part.lease for content in contents for part in leased.read(content)]


class DiscoverySink(Sink):
    """Writes a file for each machine that gets a lease. It tells of the machine's leases of both families.

    What it tells of a lease outlives the lease, until its client is forgotten.
    """

    name = "discovery"

    def __init__(self, options: Options) -> None:
        """Load the template. Raises ConfigurationError if it cannot be used."""
        self._options = options
        # What a site wrote is kept from Python's insides. That takes time, which the own template need not.
        kind = jinja2.sandbox.SandboxedEnvironment if options.template else jinja2.Environment
        environment = kind(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
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
        with self._files() as host_files:
            kept = tuple(Kept(event, host_files.put(event.lease), False) for event in last)
            created, updated = host_files.write(_MODE)
        delivery = Delivery(
            created=created,
            updated=updated,
            unchanged=len(last) - created - updated,
            skipped=len(events) - len(last),
            kept=kept,
        )
        telemetry.sink_result(self.name, delivery)
        return delivery

    def made(self) -> List[Lease]:
        return told(self._options.directory)

    @contextlib.contextmanager
    def _files(self) -> Iterator[HostFiles]:
        with batch_files.directory(self._options.directory) as directory:
            yield HostFiles(directory, self._render)

    def _forget(self, events: Sequence[LeaseEvent]) -> Delivery:
        own = [event for event in events if event.lease.lease_type == _ADDRESS]
        with self._files() as host_files:
            removed = sum(host_files.forget(event.lease, functools.partial(is_meant, event)) for event in own)
            host_files.write(_MODE)
        delivery = Delivery(removed=removed, skipped=len(events) - removed)
        telemetry.sink_result(self.name, delivery)
        return delivery

    def confirm(self, leases: Sequence[Lease]) -> None:
        own = [lease for lease in leases if lease.lease_type == _ADDRESS]
        try:
            self._confirm(own)
        except RefusedError:
            # The template fails for one of them. Its file stays as it is; the next event of its lease tells why.
            for lease in own:
                with contextlib.suppress(RefusedError):
                    self._confirm([lease])

    def _confirm(self, leases: Sequence[Lease]) -> None:
        with self._files() as host_files:
            for lease in leases:
                host_files.confirm(lease)
            host_files.write(_MODE)

    def _render(self, name: Name, parts: Sequence[Part]) -> bytes:
        told = leased.told(parts, PREFERENCES[self._options.prefer])
        try:
            content: str = self._template.render(told._asdict(), host=name.host, group=self._options.group)
        except Exception as error:  # The site wrote the template, and it may raise anything.
            raise RefusedError(f"the discovery template fails: {type(error).__name__}: {error}") from error
        return (content if content.endswith("\n") else f"{content}\n").encode() + leased.line(parts)

    def close(self) -> None:
        """Do nothing: this sink keeps no file open."""


def _last(events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
    """Return the last event of each client and subnet that asks for a file.

    A client whose address another one got within the batch gets none: it would be removed at once.
    """
    last: Dict[Tuple[object, ...], LeaseEvent] = {}
    holders: Dict[Tuple[str, int], Tuple[object, ...]] = {}
    for event in events:
        lease = event.lease
        client = (names.of(lease) if lease.family == 4 else names.by_duid(lease), lease.family, lease.subnet_id)
        if event.kind in KINDS and names.of(lease).rest and lease.lease_type == _ADDRESS:
            last[client] = event
            holders[lease.address, lease.subnet_id] = client
    return [event for key, event in last.items() if holders[event.lease.address, event.lease.subnet_id] == key]


def _compiled(environment: jinja2.Environment, path: Optional[str]) -> jinja2.Template:
    try:
        if path is None:
            return environment.from_string(TEMPLATE)
        with open(path, encoding="utf-8") as handle:
            return environment.from_string(handle.read())
    except (OSError, UnicodeDecodeError, jinja2.TemplateError) as error:
        raise ConfigurationError(f"the discovery template {path} cannot be used: {error}") from error
