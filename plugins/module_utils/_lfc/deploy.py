# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: from the options of C(kea_lfc_timer) to the timer that they ask for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from .. import _info
from .._server import lfc_lock
from . import units as lfc_units
from .._config.file import (
    PROGRAMS,
    KeaConfigError,
    installed_version,
    top_of_path,
)
from .._server.service import KeaServiceError
from .._config.syntax import KeaJsonError
from .._config.versions import KeaVersionError, capabilities
from .proof import TimerError
from .strategy import Choice, StrategyError, choose
from .timer import COMMAND, PACKAGE, Timer
from .._manifest.document import ManifestError
from .._host.release import release_name, unpack

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

ERRORS = (
    *(TimerError, ManifestError, StrategyError, KeaServiceError, KeaConfigError, KeaJsonError, KeaVersionError),
    OSError,
)


def deploy(module: AnsibleModule) -> Dict[str, Any]:
    """Does what the options ask for and returns the module's result. Raises ERRORS."""
    top = top_of_path(module.params["path"])
    timer = Timer(module, int(top[-1]))
    before = timer.state()
    result: Dict[str, Any] = {}
    if module.params["state"] == "absent":
        changed = timer.absent()
        after: Dict[str, Any] = {"release": None, "units": {}, "active": False, "enabled": False}
    else:
        # Where leases are about to come back to a file, check mode finds them in a database still.
        if module.check_mode and lfc_lock.lease_file(_info.config(module.params["path"]), top) is None:
            return {"changed": True, "timer": before, "diff": []}
        files = unpack(module.params["content"])
        name = _name(files)
        settings, choice = _settings(module, top, timer)
        units = lfc_units.render(settings)
        changed = timer.present(name, files, units, choice.takes_over)
        after = {"release": name, "units": units, "active": True, "enabled": True}
        result = {"strategy": choice.strategy, "why": choice.why, "release": name}
    after = after if module.check_mode else timer.state()
    diff: List[Dict[str, Any]] = [{"before": before, "after": after}]
    if "diff" in timer.config_result:
        diff.append(timer.config_result["diff"])
    if "backup_file" in timer.config_result:
        result["backup_file"] = timer.config_result["backup_file"]
    return {"changed": changed, "timer": after, "diff": diff, **result}


def _name(files: Dict[str, bytes]) -> str:
    try:
        name: str = release_name(files, PACKAGE, (COMMAND,))
    except ValueError as error:
        raise TimerError(f"src: {error}") from error
    return name


def _settings(module: AnsibleModule, top: str, timer: Timer) -> Tuple[lfc_units.Settings, Choice]:
    params = module.params
    config = _info.config(params["path"])
    if config["error"]:
        raise TimerError(f"{params['path']}: {config['error']}")
    leases = lfc_lock.lease_file(config, top)
    if leases is None:
        raise TimerError("this Kea keeps its leases in no file, so there is nothing to clean up: use state absent")
    version = installed_version(module, top)
    if version is None:
        raise TimerError(f"{PROGRAMS[top]} is not installed")
    choice = choose(params["strategy"], capabilities(version), timer.found().seconds)
    settings = lfc_units.Settings(
        family=int(top[-1]),
        user=params["kea_user"],
        command=[os.path.join(lfc_units.ROOT, "current", COMMAND), *_words(module, top, config, choice, timer)],
        lease_directory=os.path.dirname(leases),
        leases=params["leases"],
        metrics_directory=params["metrics_directory"],
        schedule=lfc_units.Schedule(
            params["on_calendar"], params["interval"], params["randomized_delay"], params["persistent"]
        ),
    )
    try:
        lfc_units.check(settings)
    except ValueError as error:
        raise TimerError(str(error)) from error
    _ask_systemd(module, settings.schedule)
    return settings, choice


def _ask_systemd(module: AnsibleModule, schedule: lfc_units.Schedule) -> None:
    """A time that it cannot read is only warned of in a unit, and then left out."""
    times = (
        ("on_calendar", "calendar", schedule.calendar),
        ("interval", "timespan", schedule.interval),
        ("randomized_delay", "timespan", schedule.delay),
    )
    for option, kind, text in times:
        if text is not None:
            code, _out, refused = module.run_command(["systemd-analyze", kind, "--", text])
            if code:
                raise TimerError(f"{option}: {refused.strip() or text}")


def _words(module: AnsibleModule, top: str, config: Dict[str, Any], choice: Choice, timer: Timer) -> List[str]:
    sockets = _info.unix_sockets(config["control_sockets"])
    if not sockets:
        raise TimerError(
            "Kea has no unix control socket, by which it is asked to reload or to clean up: set control-socket"
        )
    options = {
        "family": top[-1],
        "strategy": choice.strategy,
        "why": choice.why,
        "lease-file": str(lfc_lock.lease_file(config, top)),
        "control-socket": sockets[0],
        "kea-config": module.params["path"],
        "kea-program": module.get_bin_path(PROGRAMS[top], required=True),
        "kea-lfc": module.get_bin_path("kea-lfc", required=True),
        "state-directory": lfc_units.STATE_DIRECTORY,
    }
    if not choice.takes_over:
        options["lfc-interval"] = str(timer.found().seconds)
    return [word for name, value in options.items() for word in (f"--{name}", value)]
