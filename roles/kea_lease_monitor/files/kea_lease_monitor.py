# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lease monitor from wherever this file really stands: a release on a host, or a checkout."""

from __future__ import annotations

import os
import runpy
import sys

here = os.path.dirname(os.path.realpath(__file__))
library = os.path.join(here, "lib")
sys.path.insert(0, library if os.path.isdir(library) else here)
runpy.run_module("kea_lease_monitor", run_name="__main__")
