#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_certificates
short_description: Install a trust anchor, a certificate and its key for Kea or its database
description:
  - Checks them before anything is changed. It refuses a certificate that has expired, that does not belong to its key
    or whose chain is incomplete, a key with a passphrase, and a key file that every user of the host can read.
  - Each set has its own directory below O(directory), named after its content. So a configuration that is reverted
    still finds its set.
  - The files belong to root and are open to O(group) only, which is what libpq, Kea and PostgreSQL accept.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
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
      - The certificates of the authorities that the other side must have its certificate from.
      - Each of these three options is either the PEM text, or the path of a file on the target that holds it.
    type: str
  certificate:
    description: The certificate, followed by those that lead to a root, unless O(trust_anchor) has them.
    type: str
  key:
    description: The key of O(certificate), without a passphrase.
    type: str
  directory:
    description: Directory of the sets. AppArmor lets Kea read only below C(/etc/kea).
    type: path
    default: /etc/kea/tls
  group:
    description: Group that may read the files. The default is that of Kea's installed packages.
    type: str
  exclusive:
    description:
      - Whether other sets below O(directory) are removed, except the newest of them.
      - Use it only once this set is in force. Until then, another one is.
    type: bool
    default: false
requirements:
  - C(openssl) on the target
seealso:
  - module: baremetal.kea.kea_database
"""

EXAMPLES = r"""
- name: Install Kea's certificate from files of the controller
  baremetal.kea.kea_certificates:
    trust_anchor: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'kea.pem') }}"
    key: "{{ lookup('ansible.builtin.file', 'kea.key') }}"
  register: certificates

- name: Use the certificate for the hosts database
  baremetal.kea.kea_database:
    purpose: hosts
    type: postgresql
    name: kea
    host: db.example.org
    user: kea
    password: "{{ vault_kea_password }}"
    trust_anchor: "{{ certificates.trust_anchor_file }}"
    cert_file: "{{ certificates.cert_file }}"
    key_file: "{{ certificates.key_file }}"
"""

RETURN = r"""
trust_anchor_file:
  description: Path of the trust anchor; null if none was given. The other two likewise.
  returned: always
  type: str
  sample: /etc/kea/tls/0f343b0931126a20/ca.pem
cert_file:
  description: Path of the certificate.
  returned: always
  type: str
  sample: /etc/kea/tls/0f343b0931126a20/cert.pem
key_file:
  description: Path of the key.
  returned: always
  type: str
  sample: /etc/kea/tls/0f343b0931126a20/key.pem
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._config.packagings import detected
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.certificate_store import Store, given, remove
from ansible_collections.baremetal.kea.plugins.module_utils._host.certificates import Judge, Material


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "trust_anchor": {"type": "str"},
            "certificate": {"type": "str"},
            "key": {"type": "str", "no_log": True},
            "directory": {"type": "path", "default": "/etc/kea/tls"},
            "group": {"type": "str"},
            "exclusive": {"type": "bool", "default": False},
        },
        required_together=[("certificate", "key")],
        required_one_of=[("trust_anchor", "certificate")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        store = Store(params["directory"], params["group"] or detected(module).user)
        material = Material(*(given(what, params[what]) for what in Material._fields))
        Judge(module).check(material)
        missing, needless = not store.holds(material), store.others(material) if params["exclusive"] else []
        if missing and not module.check_mode:
            store.put(material)
        for path in [] if module.check_mode else needless:
            remove(path)
    except KeaError as error:
        module.fail_json(msg=f"{error}. Nothing was changed.")
    paths = store.paths(material)
    module.exit_json(
        changed=missing or bool(needless),
        trust_anchor_file=paths["trust_anchor"],
        cert_file=paths["certificate"],
        key_file=paths["key"],
    )


if __name__ == "__main__":
    main()
