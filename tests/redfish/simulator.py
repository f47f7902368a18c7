# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redfish service of one machine, by sushy-tools, whose fake machines have no BIOS attributes: those are added."""

from __future__ import annotations

import argparse
import tempfile

import bcrypt
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver


class Machine(fakedriver.FakeDriver):  # type: ignore[misc]
    """A machine whose BIOS keeps what it is told."""

    attributes = {"BootMode": "Bios", "ProcTurboMode": "Enabled"}

    def get_bios(self, identity: str) -> dict[str, str]:
        return self.attributes

    def set_bios(self, identity: str, attributes: dict[str, str]) -> None:
        self.attributes.update(attributes)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("address")
    options.add_argument("port", type=int)
    options.add_argument("certificate")
    options.add_argument("key")
    options.add_argument("password", help="of the user admin")
    chosen = options.parse_args()
    fakedriver.FakeDriver = Machine
    with tempfile.NamedTemporaryFile("w") as users:
        users.write(f"admin:{bcrypt.hashpw(chosen.password.encode(), bcrypt.gensalt()).decode()}\n")
        users.flush()
        emulator.app.configure(
            extra_config={"SUSHY_EMULATOR_FAKE_DRIVER": True, "SUSHY_EMULATOR_AUTH_FILE": users.name}
        )
        emulator.app.run(host=chosen.address, port=chosen.port, ssl_context=(chosen.certificate, chosen.key))


if __name__ == "__main__":
    main()
