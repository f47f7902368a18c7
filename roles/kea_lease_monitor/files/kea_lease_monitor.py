# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lease monitor, from a release on a host or from a checkout."""

from __future__ import annotations

import os
import runpy
import sys

here = os.path.dirname(os.path.realpath(__file__))
library = os.path.join(here, "lib")
# A release carries a copy of _kea beside the monitor. In a checkout it is a part of the collection's module_utils.
checkout = [here, os.path.join(here, "..", "..", "..", "plugins", "module_utils")]
sys.path[:0] = [library] if os.path.isdir(library) else checkout
runpy.run_module("kea_lease_monitor", run_name="__main__")
