# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What discovery files tell, for a command. Root has a child read them, as the owner and the group of their directory.

The monitor's user alone may not enter Kea's directory, in which they are by default: its unit has Kea's group for that.
"""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
from typing import Dict, Iterator, List, Optional

from kea_lease_monitor.commands import owner
from kea_lease_monitor.errors import MonitorError
from kea_lease_monitor.lease import Lease, LeaseState
from kea_lease_monitor.settings import Choice, MonitorSettings
from kea_lease_monitor.sinks import discovery

_CHILD = "from kea_lease_monitor.commands import entries; entries.answer()"


class Entries:
    """It must be made before this process becomes another user."""

    def __init__(self, settings: MonitorSettings) -> None:
        """Raises TemporaryError."""
        self._children: Dict[str, subprocess.Popen[bytes]] = {}
        self._told: Dict[str, List[Lease]] = {}
        for directory in set(_directories(settings)) if os.geteuid() == 0 else ():
            found = _directory(directory)
            if found:
                self._children[directory] = owner.started(os.path.join(directory, ""), _CHILD, found)

    def of(self, choice: Choice) -> Optional[List[Lease]]:
        """Return what the files of a sink tell; None if the sink reads them itself. Raises TemporaryError."""
        directory = _directory_of(choice)
        child = self._children.get(directory)
        if child is None:
            return None
        if directory not in self._told:
            output = json.loads(owner.asked(child, json.dumps(directory)))
            self._told[directory] = [Lease(**{**each, "state": LeaseState(each["state"])}) for each in output]
        return self._told[directory]

    def close(self) -> None:
        """End the children that were asked nothing."""
        owner.end(self._children.values())


def answer() -> None:
    """Print what the files of the directory tell that standard input names."""
    directory = owner.request()
    if directory is None:
        return
    try:
        found = discovery.told(directory)
    except MonitorError as error:
        sys.exit(str(error))
    print(json.dumps([lease._asdict() for lease in found]))


def _directories(settings: MonitorSettings) -> Iterator[str]:
    return (_directory_of(choice) for flow in settings.flows for choice in flow.sinks if _directory_of(choice))


def _directory_of(choice: Choice) -> str:
    return choice.options.directory if isinstance(choice.options, discovery.Options) else ""


def _directory(path: str) -> Optional[os.stat_result]:
    """Return what is known of a directory of another user than root to which not everybody comes.

    None of anything else, such as a link.
    """
    try:
        found = os.lstat(path)
        above = [os.stat(one).st_mode for one in pathlib.Path(path).absolute().parents]
    except OSError:
        return None
    is_closed = not all(mode & stat.S_IXOTH for mode in above)
    return found if is_closed and stat.S_ISDIR(found.st_mode) and found.st_uid else None
