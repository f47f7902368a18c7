# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a configuration includes; what counts as a directive is asked from Kea itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from _kea import includes, program
from lfc.world import need


@pytest.mark.parametrize(
    "directive", ['<?include "{}"?>', '<? include "{}" ?>', '<?include"{}"?>', '<?\tinclude\n  "{}"\n?>']
)
def test_kea_reads_the_file_that_is_found(tmp_path: Path, directive: str) -> None:
    path = tmp_path / "more.json"
    text = f'{{"Dhcp4": {{"interfaces-config": {directive.format(path)}}}}}'
    assert includes.included(text) == [str(path)]
    (tmp_path / "kea.conf").write_text(text)
    path.write_text('{"interfaces": []}')
    assert program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf")).code == 0
    path.write_text('{"oops": []}')
    assert "oops" in program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf")).last_line


@pytest.mark.parametrize("text", ["", '"include"', '<?exclude "/x"?>', "<?include /x?>", '<?include "/x\n"?>'])
def test_no_directive(text: str) -> None:
    assert includes.included(text) == []


def test_all_in_order() -> None:
    assert includes.included('[<?include "/b"?>, <?include "/a"?>]') == ["/b", "/a"]
