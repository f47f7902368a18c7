# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: checks with this host's OpenSSL whether a trust anchor, a certificate and its key are usable.

It uses OpenSSL's program and no Python library, because PostgreSQL, MySQL and Kea use the same OpenSSL.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Optional, Sequence

from .._errors import KeaError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n?", re.DOTALL)
_VERDICT = re.compile(r"error (\d+) at (\d+) depth lookup: ?(.*)")
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, ..._LOCALLY, ..._VERIFY_LEAF_SIGNATURE
_NO_ISSUER = ("2", "20", "21")
SERVER, CLIENT = "sslserver", "sslclient"
"""Purposes of a certificate, as openssl-verify(1) names them. OpenSSL asks each side of a connection for its own."""
_SIDES = {SERVER: " as that of a server", CLIENT: " as that of a client", "": ""}


class Material(NamedTuple):
    """PEM texts; None for what was not given. The certificate is first in its text, followed by its chain."""

    trust_anchor: Optional[str]
    certificate: Optional[str]
    key: Optional[str]


class Named(NamedTuple):
    """What names a certificate to a person."""

    subject: str
    issuer: str
    fingerprint: str
    """SHA-256, as pairs of hexadecimal digits with colons."""


def certificates_in(text: str) -> List[str]:
    """Return each certificate in a PEM text, without what stands between them. Each ends with its line."""
    return [f"{one.strip()}\n" for one in _CERTIFICATE.findall(text.replace("\r\n", "\n"))]


class Judge:
    """Runs openssl on copies that only this user can read."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.openssl = module.get_bin_path("openssl", required=True)

    def check(self, material: Material, purposes: Sequence[str] = ()) -> None:
        """Raise KeaError for a text that is no PEM, a certificate that has expired, another key, or a missing chain.

        ``purposes`` are what the certificate must be fit for; without any, that is not looked at.
        """
        with self._directory() as directory:
            _Check(self, directory, material).run(purposes)

    def distrust(self, trust_anchor: str, certificate: str) -> str:
        """Return why a server with these trust anchors refuses a certificate of its partner; empty if it accepts it.

        Each of the two servers of a pair is also the client of the other one.
        """
        with self._directory() as directory:
            check = _Check(self, directory, Material(trust_anchor, certificate, None))
            return next(filter(None, map(check.distrust, (SERVER, CLIENT))), "")

    def names(self, text: str) -> List[Named]:
        """Return what names each certificate in a PEM text."""
        with self._directory() as directory:
            return [_Check(self, directory, Material(None, one, None)).named() for one in certificates_in(text)]

    @contextmanager
    def _directory(self) -> Iterator[str]:
        directory = tempfile.mkdtemp(dir=self.module.tmpdir)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)

    def run(self, *arguments: str) -> "Answer":
        """Run openssl with these arguments."""
        code, out, err = self.module.run_command([self.openssl, *arguments])
        return Answer(code, out, err)


class Answer(NamedTuple):
    """Exit code, output and errors of openssl."""

    code: int
    out: str
    err: str


class _Check:
    def __init__(self, judge: Judge, directory: str, material: Material) -> None:
        self.openssl = judge.run
        self.directory = directory
        self.material = material

    def run(self, purposes: Sequence[str]) -> None:
        if (self.material.certificate is None) != (self.material.key is None):
            raise KeaError("a certificate and its key are needed together")
        anchors = self._certificates("trust_anchor", self.material.trust_anchor)
        chain = self._certificates("certificate", self.material.certificate)
        if anchors:
            self._some_valid(anchors)
        if chain:
            self._belongs(chain[0])
            for purpose in purposes or [""]:
                self._complete(anchors, chain, purpose)

    def distrust(self, purpose: str) -> str:
        """Return why a server with only these trust anchors refuses the certificate for a purpose, or nothing."""
        chain = certificates_in(self.material.certificate or "")
        if not chain:
            return "it holds no certificate in PEM"
        answer = self._verify(certificates_in(self.material.trust_anchor or ""), chain, purpose)
        found = _VERDICT.search(answer.err + answer.out)
        return "" if answer.code == 0 else found.group(3) if found else answer.err.strip() or "openssl refuses it"

    def named(self) -> Named:
        """Return what names the certificate."""
        asked = ("-subject", "-issuer", "-fingerprint", "-sha256", "-nameopt", "RFC2253")
        answer = self.openssl("x509", "-noout", *asked, "-in", self._file("one", self.material.certificate or ""))
        lines = {name: value for name, _equals, value in (line.partition("=") for line in answer.out.splitlines())}
        fingerprint = next((value for name, value in lines.items() if name.lower().startswith("sha256")), "")
        return Named(lines.get("subject", "").strip(), lines.get("issuer", "").strip(), fingerprint)

    def _file(self, name: str, text: str) -> str:
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _certificates(self, name: str, text: Optional[str]) -> List[str]:
        """Return each certificate in the text. Raises KeaError if there is none."""
        found = certificates_in(text) if text else []
        if text is not None and not found:
            raise KeaError(f"{name} holds no certificate in PEM")
        return found

    def _some_valid(self, anchors: List[str]) -> None:
        """Raise KeaError if none is valid; a bundle may contain an expired one and its successor."""
        said = ""
        for number, anchor in enumerate(anchors):
            answer = self.openssl("x509", "-checkend", "0", "-noout", "-in", self._file(f"anchor{number}", anchor))
            if answer.code == 0:
                return
            said = answer.err.strip() or "it has expired"
        raise KeaError(f"trust_anchor cannot be used: {said}")

    def _belongs(self, leaf: str) -> None:
        """Raise KeaError for another key, or one with a passphrase: Kea would ask for it on a terminal."""
        key = self._file("key", self.material.key or "")
        public = self.openssl("pkey", "-pubout", "-passin", "pass:", "-in", key)
        if public.code != 0:
            raise KeaError("key is no private key in PEM without a passphrase")
        certified = self.openssl("x509", "-pubkey", "-noout", "-in", self._file("leaf", leaf))
        if certified.code != 0:
            raise KeaError(f"certificate cannot be read: {certified.err.strip()}")
        if public.out != certified.out:
            raise KeaError("certificate does not belong to key: their public keys differ")

    def _complete(self, anchors: List[str], chain: List[str], purpose: str) -> None:
        """Raise KeaError if the chain does not lead from the certificate to a root, or is not fit for the purpose.

        The root is an anchor or, for another authority, the last of the chain. Without an anchor, the end of the chain
        is unknown, and only its own certificates are checked.
        """
        roots = [text for text in chain[1:] if self._is_root(text)]
        answer = self._verify(anchors + roots if anchors else chain, chain, purpose, partial=not anchors)
        if answer.code == 0:
            return
        found = _VERDICT.search(answer.err + answer.out)
        if not found:
            raise KeaError(f"certificate cannot be verified: {answer.err.strip()}")
        if found.group(1) in _NO_ISSUER:
            raise KeaError(
                f"the chain of certificate is not complete: that of {self._issuer(chain[-1])} is missing; "
                "append it, or add it to trust_anchor"
            )
        which = "certificate" if found.group(2) == "0" else "the chain of certificate"
        raise KeaError(f"{which} cannot be used{_SIDES[purpose]}: {found.group(3)}")

    def _verify(self, trusted: List[str], chain: List[str], purpose: str, partial: bool = False) -> "Answer":
        """Return openssl's verdict on a certificate and its chain; with ``partial`` its end need be no root."""
        options = ["-partial_chain"] if partial else []
        options += ["-purpose", purpose] if purpose else []
        options += ["-untrusted", self._file("further", "".join(chain[1:]))] if chain[1:] else []
        anchors, leaf = self._file("trusted", "".join(trusted)), self._file("leaf", chain[0])
        return self.openssl("verify", "-no-CApath", "-no-CAstore", *options, "-CAfile", anchors, leaf)

    def _is_root(self, text: str) -> bool:
        answer = self.openssl("x509", "-noout", "-subject", "-issuer", "-in", self._file("one", text))
        subject, _newline, issuer = answer.out.strip().partition("\n")
        return subject.partition("=")[2] == issuer.partition("=")[2]

    def _issuer(self, text: str) -> str:
        answer = self.openssl("x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in", self._file("one", text))
        return answer.out.strip().partition("=")[2]
