"""See to it that napari's windows can be opened for tests: a virtual display and the libraries Qt loads.

Run before the tests. On Debian or Ubuntu as root it installs what is missing; elsewhere it says in one line what to
install. On Windows and macOS there is nothing to do.
"""

import ctypes.util
import os
import shutil
import subprocess
import sys

# What Qt's xcb plugin and Mesa load at run time, by the name the linker knows and the Debian package that has it.
LIBRARIES = {
    "xcb-icccm": "libxcb-icccm4",
    "xcb-keysyms": "libxcb-keysyms1",
    "xcb-xinerama": "libxcb-xinerama0",
    "xcb-cursor": "libxcb-cursor0",
    "xkbcommon-x11": "libxkbcommon-x11-0",
    "xcb-image": "libxcb-image0",
    "xcb-render-util": "libxcb-render-util0",
    "dbus-1": "libdbus-1-3",
    "EGL": "libegl1",
    "GL": "libgl1",
}


def missing_packages() -> list[str]:
    """Debian packages that this machine lacks."""
    packages = [] if shutil.which("Xvfb") else ["xvfb"]
    return packages + [package for name, package in LIBRARIES.items() if ctypes.util.find_library(name) is None]


def main() -> int:
    """Install or name what is missing."""
    if not sys.platform.startswith("linux"):
        return 0
    packages = missing_packages()
    if not packages:
        return 0
    command = f"apt-get install -y {' '.join(packages)}"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        update = subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        if update.returncode == 0:
            subprocess.run(
                ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=quiet, check=False
            )
        if not missing_packages():
            return 0
    sys.stderr.write(f"The tests open real windows on a virtual display. Please install: sudo {command}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
