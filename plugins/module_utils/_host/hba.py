# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: rules of pg_hba.conf that let a role in more easily than the rules of this collection do.

They are a site's, so they are reported and never changed. PostgreSQL uses the first rule that matches.
"""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Sequence

from .._kea import tree

PATH = "/etc/postgresql/{version}/{name}/pg_hba.conf"
_FIELD = re.compile(r'(?:"[^"]*"|[^\s,"])+(?:,\s*(?:"[^"]*"|[^\s,"])+)*,?')
_NETMASK = re.compile(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*")
_WEAK = ("trust", "password", "ident", "md5")
"""Methods over the network that need no password, send it in clear, ask the client's host, or keep it as MD5."""


class Rule(NamedTuple):
    """A rule, without the options of its method, which may hold a password."""

    number: int
    """Line of the file."""
    kind: str
    """local, host, hostssl, hostnossl, hostgssenc or hostnogssenc."""
    databases: List[str]
    users: List[str]
    address: str
    """Empty for a unix socket."""
    method: str

    def __str__(self) -> str:
        words = (self.kind, ",".join(self.databases), ",".join(self.users), self.address, self.method)
        return f"line {self.number}: {' '.join(filter(None, words))}"

    def concerns(self, database: str, users: Sequence[str]) -> bool:
        """Return whether it may apply to one of the roles in the database."""
        named = {*users, "all"} & set(self.users) or any(user.startswith(("+", "/", "@")) for user in self.users)
        where = {database, "all", "sameuser", "samerole", "samegroup"} & set(self.databases)
        return bool(named) and bool(where or any(one.startswith(("/", "@")) for one in self.databases))


def rules(text: str) -> List[Rule]:
    """Return the rules of a file, in order. Lines of another form are left out, as PostgreSQL refuses them."""
    return [rule for number, line in enumerate(text.splitlines(), 1) for rule in _rule(number, line)]


def read(version: str, name: str) -> List[Rule]:
    """Return the rules of a cluster of Debian's; none if its file cannot be read."""
    try:
        return rules(tree.read(PATH.format(version=version, name=name)).decode("utf-8", "replace"))
    except OSError:
        return []


def looser(found: Sequence[Rule], users: Sequence[str], tls: bool) -> List[Rule]:
    """Return the rules that let one of the roles into their database more easily than this collection's rules.

    ``tls``: the roles are to use TLS over the network. The database is that of the rules that name the roles; without
    such a rule, the cluster is not theirs and the list is empty.
    """
    own = [rule for rule in found if set(users) <= set(rule.users)]
    databases = sorted({name for rule in own for name in rule.databases})
    return [rule for rule in found if any(_is_loose(rule, found, name, users, tls) for name in databases)]


def _is_loose(rule: Rule, found: Sequence[Rule], database: str, users: Sequence[str], tls: bool) -> bool:
    if not rule.concerns(database, users) or _is_hidden(rule, found, database, users):
        return False
    if rule.kind == "local":
        return rule.method == "trust"
    in_clear = tls and rule.kind not in ("hostssl", "hostgssenc") and rule.method != "reject"
    return rule.method in _WEAK or in_clear


def _is_hidden(rule: Rule, found: Sequence[Rule], database: str, users: Sequence[str]) -> bool:
    """Return whether an earlier rule that names the roles decides for each session that this rule would match."""
    network = rule.kind != "local"
    return any(
        earlier.number < rule.number
        and set(users) <= set(earlier.users)
        and database in earlier.databases
        and (earlier.kind, earlier.address) == (("host", "all") if network else ("local", ""))
        for earlier in found
    )


def _rule(number: int, line: str) -> Iterator[Rule]:
    fields = _FIELD.findall(_without_comment(line))
    local = fields[:1] == ["local"]
    if len(fields) < (4 if local else 5) or not re.fullmatch(r"local|host(?:no)?(?:ssl|gssenc)?", fields[0]):
        return
    kind, databases, users = fields[0], _names(fields[1]), _names(fields[2])
    rest = fields[3:]
    address = "" if local else rest.pop(0)
    if not local and len(rest) > 1 and _NETMASK.fullmatch(rest[0]):
        address += f" {rest.pop(0)}"
    yield Rule(number, kind, databases, users, address, rest[0])


def _without_comment(line: str) -> str:
    found = re.match(r'(?:"[^"]*"|[^"#])*', line)
    return found.group() if found else ""


def _names(field: str) -> List[str]:
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^",\s]+)', field)]
