#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_pair_certificates
short_description: Check new certificates of half of a pair before they are installed
description:
  - The two servers of a pair (C(libdhcp_ha)) with https verify each other. If one of both refuses the other, each takes
    the other one for dead, and both serve the same clients. This module tells whether certificates would do that. It
    changes nothing.
  - It checks that the certificate belongs to the key, has not expired, was issued by an authority of O(trust_anchor),
    and is fit for a server and for a client. A server of a pair is both.
  - It then sends the command C(ha-heartbeat) with these certificates to the partner that serves now. A partner that
    does not answer the present certificates either is not judged.
  - Kea compares no name and no address with those in a certificate, and neither does this module.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.2.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  trust_anchor:
    description:
      - Certificates of the authorities that must have issued the partner's certificate.
      - Each of these three options is either the PEM text, or the path of a file on the target that holds it.
    type: str
    required: true
  certificate:
    description: The certificate, followed by those that lead to a root, unless O(trust_anchor) has them.
    type: str
    required: true
  key:
    description: The key of O(certificate), without a passphrase.
    type: str
    required: true
  servers:
    description: The servers of this host that are to use the certificates.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The configuration file of the server, which names its present partner and certificates.
        type: path
        required: true
      url:
        description: URL of the partner of a server whose configuration names none yet.
        type: str
        default: ""
  partner_certificate:
    description: PEM text of the certificate that the partner is to have, followed by those that lead to a root.
    type: str
requirements:
  - C(openssl) on the target
seealso:
  - module: baremetal.kea.kea_certificates
"""

EXAMPLES = r"""
- name: Check the certificates that both servers are to have
  baremetal.kea.kea_pair_certificates:
    trust_anchor: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    certificate: "{{ lookup('ansible.builtin.file', inventory_hostname ~ '.pem') }}"
    key: "{{ lookup('ansible.builtin.file', inventory_hostname ~ '.key') }}"
    servers:
      - path: /etc/kea/kea-dhcp4.conf
  register: certificates

- name: Refuse certificates with which the servers would not reach each other
  ansible.builtin.assert:
    that: certificates.error is none and certificates.refusals | length == 0
    fail_msg: "{{ certificates }}"
"""

RETURN = r"""
error:
  description: Why the certificates cannot be used at all; null if they can.
  returned: always
  type: str
  sample: certificate does not belong to key, their public keys differ
refusals:
  description: The servers that would not reach their partner.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The configuration file of the server.
      type: str
    url:
      description: URL of the partner.
      type: str
    by:
      description:
        - V(partner) if the partner refuses O(certificate), V(server) if O(trust_anchor) does not verify the certificate
          of the partner.
      type: str
    certificate:
      description: The partner's present certificate, as RV(certificate); null if it could not be read.
      type: dict
      sample: {subject: CN=two, issuer: CN=Former CA, fingerprint: "0A:1B:2C"}
    reason:
      description: The reason, as OpenSSL names it.
      type: str
      sample: unable to get local issuer certificate
untrusted:
  description: Why O(trust_anchor) does not verify O(partner_certificate); null if it does, or if none is given.
  returned: always
  type: str
anchors:
  description: The certificates of O(trust_anchor), each as RV(certificate).
  returned: when they can be read
  type: list
  elements: dict
  sample:
    - {subject: CN=Example CA, issuer: CN=Example CA, fingerprint: "3F:9A:00"}
certificate:
  description: C(subject) and C(issuer) of the certificate, and C(fingerprint), its SHA-256.
  returned: when it can be read
  type: dict
  sample: {subject: CN=one, issuer: CN=Example CA, fingerprint: "77:12:D0"}
partner_certificate:
  description: The same of O(partner_certificate); null if none is given.
  returned: when it can be read
  type: dict
  sample: {subject: CN=two, issuer: CN=Example CA, fingerprint: "5E:01:4B"}
text:
  description: PEM text of O(certificate), for the O(partner_certificate) of the other server. It has no key.
  returned: when it can be read
  type: str
"""

from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.certificate_store import given
from ansible_collections.baremetal.kea.plugins.module_utils._host.certificates import (
    CLIENT,
    SERVER,
    Judge,
    Material,
    certificates_in,
)
from ansible_collections.baremetal.kea.plugins.module_utils._server import kea_account, pair_tls


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "trust_anchor": {"type": "str", "required": True},
            "certificate": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "servers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "url": {"type": "str", "default": ""},
                },
            },
            "partner_certificate": {"type": "str"},
        },
        supports_check_mode=True,
    )
    found: Dict[str, Any] = {"error": None, "refusals": [], "untrusted": None}
    judge = Judge(module)
    try:
        material = Material(*(given(what, module.params[what]) for what in Material._fields))
        judge.check(material, (SERVER, CLIENT))
    except KeaError as error:
        module.exit_json(changed=False, **{**found, "error": str(error)})
    module.exit_json(changed=False, **{**found, **_compared(module, judge, material)})


def _compared(module: AnsibleModule, judge: Judge, material: Material) -> Dict[str, Any]:
    anchors, certificate = material.trust_anchor or "", material.certificate or ""
    later: Optional[str] = module.params["partner_certificate"]
    return {
        "refusals": [one for server in module.params["servers"] for one in _refusals(module, judge, server, material)],
        "untrusted": (judge.distrust(anchors, later) or None) if later else None,
        "anchors": [one._asdict() for one in judge.names(anchors)],
        "certificate": _name(judge, certificate),
        "partner_certificate": _name(judge, later or ""),
        "text": "".join(certificates_in(certificate)),
    }


def _refusals(module: AnsibleModule, judge: Judge, server: Dict[str, Any], material: Material) -> List[Dict[str, Any]]:
    path = server["path"]
    found = pair_tls.refusal(path, kea_account.of(module, path), server["url"], material)
    if found is None:
        return []
    by = "partner" if found.by_partner else "server"
    shown = {"by": by, "certificate": _name(judge, found.certificate), "reason": found.reason}
    return [{"path": path, "url": found.url, **shown}]


def _name(judge: Judge, text: str) -> Optional[Dict[str, str]]:
    """Return what names the first certificate in a text; None if there is none."""
    names = judge.names(text)
    return names[0]._asdict() if names else None


if __name__ == "__main__":
    main()
