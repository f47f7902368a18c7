# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: turns the options of ``kea_lfc_timer`` into the release, the units and the strategy of the timer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from .._config.packagings import user_of
from .._config.servers import PROGRAMS, family_of, installed_version, top_of_path
from .._config.versions import capabilities
from .._errors import KeaError
from .._host.release import release_name, unpack
from .._kea import control, pairs
from .._server import config as server_config
from . import units as lfc_units
from .strategy import Choice, choose
from .timer import COMMAND, PACKAGE, Timer

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def deploy(module: AnsibleModule) -> Dict[str, Any]:
    """Bring the timer to the state that the options ask for, and return the module's result. Raises KeaError."""
    try:
        return _deploy(module)
    except OSError as error:
        raise KeaError(str(error)) from error


def _deploy(module: AnsibleModule) -> Dict[str, Any]:
    top = top_of_path(module.params["path"])
    timer = Timer(module, family_of(top))
    before = timer.state()
    result: Dict[str, Any] = {}
    if module.params["state"] == "absent":
        changed = timer.absent()
        after: Dict[str, Any] = {"release": None, "units": {}, "active": False, "enabled": False}
    else:
        # In check mode the leases are still in a database, even if this play is about to move them to a file.
        if module.check_mode and server_config.lease_file_of(module.params["path"]) is None:
            return {"changed": True, "timer": before, "diff": []}
        files = unpack(module.params["content"])
        name = release_name(files, PACKAGE, (COMMAND,))
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


def _settings(module: AnsibleModule, top: str, timer: Timer) -> Tuple[lfc_units.Settings, Choice]:
    """Return what the units contain, and the chosen strategy. Raises KeaError."""
    params = module.params
    config = server_config.read(params["path"])
    if config["error"]:
        raise KeaError(f"{params['path']}: {config['error']}")
    leases = server_config.lease_file_of(params["path"], config)
    if leases is None:
        raise KeaError("this Kea has no lease file, so there is nothing to clean up: use state absent")
    version = installed_version(module, top)
    if version is None:
        raise KeaError(f"{PROGRAMS[top]} is not installed")
    pair = pairs.is_configured(config["hooks_libraries"])
    choice = choose(params["strategy"], capabilities(version), timer.found().seconds, pair)
    settings = lfc_units.Settings(
        family=family_of(top),
        user=user_of(module),
        command=[os.path.join(lfc_units.ROOT, "current", COMMAND), *_words(module, config, leases, choice, timer)],
        lease_directory=os.path.dirname(leases),
        leases=params["leases"],
        metrics_directory=params["metrics_directory"],
        schedule=lfc_units.Schedule(
            params["on_calendar"], params["interval"], params["randomized_delay"], params["persistent"]
        ),
    )
    lfc_units.check(settings)
    _check_times(module, settings.schedule)
    return settings, choice


def _check_times(module: AnsibleModule, schedule: lfc_units.Schedule) -> None:
    """Raise KeaError for a time that systemd cannot read: in a unit it would ignore that time, with a warning only."""
    times = (
        ("on_calendar", "calendar", schedule.calendar),
        ("interval", "timespan", schedule.interval),
        ("randomized_delay", "timespan", schedule.delay),
    )
    for option, kind, text in times:
        if text is not None:
            code, _out, refused = module.run_command(["systemd-analyze", kind, "--", text])
            if code:
                raise KeaError(f"{option}: {refused.strip() or text}")


def _words(module: AnsibleModule, config: Dict[str, Any], leases: str, choice: Choice, timer: Timer) -> List[str]:
    """Return the options of the LFC program."""
    top = top_of_path(module.params["path"])
    sockets = control.unix_sockets(config["control_sockets"])
    if not sockets:
        raise KeaError(
            "Kea has no unix control socket for the commands to reload or to start an LFC run: set control-socket"
        )
    options = {
        "family": top[-1],
        "strategy": choice.strategy,
        "why": choice.why,
        "lease-file": leases,
        "control-socket": sockets[0],
        "kea-config": module.params["path"],
        "kea-program": module.get_bin_path(PROGRAMS[top], required=True),
        "kea-lfc": module.get_bin_path("kea-lfc", required=True),
        "state-directory": lfc_units.STATE_DIRECTORY,
    }
    if not choice.takes_over:
        options["lfc-interval"] = str(timer.found().seconds)
    return [word for name, value in options.items() for word in (f"--{name}", value)]
