"""examples/ros2: what can be checked without ROS 2. The node itself is not built here; its class is (test_cpp.py)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from conftest import ROOT

from litemono import __version__

FOLDER = ROOT / "examples" / "ros2"


def test_the_package_declares_what_it_finds_and_includes():
    package = ElementTree.parse(FOLDER / "package.xml").getroot()
    declared = {node.text for node in package if node.tag.endswith("depend")}
    cmake = (FOLDER / "CMakeLists.txt").read_text()
    found = set(re.findall(r"find_package\((\w+) REQUIRED\)", cmake))
    assert found and found <= declared
    included = set(re.findall(r"#include <(\w+)/", (FOLDER / "src" / "depth_node.cpp").read_text()))
    assert included <= found
    assert package.findtext("name") == re.search(r"project\((\w+)", cmake)[1]  # type: ignore[index]
    assert package.findtext("version") == __version__ and package.findtext("license") == "MIT"


def test_the_class_that_it_links_is_that_of_the_cpp_example():
    assert (FOLDER / "../cpp/CMakeLists.txt").is_file() and "../cpp" in (FOLDER / "CMakeLists.txt").read_text()
    header = (FOLDER / "../cpp/include/litemono/depth_estimator.hpp").read_text()
    used = set(re.findall(r"estimator_\.(\w+)\(", (FOLDER / "src" / "depth_node.cpp").read_text()))
    assert used == {"about", "estimate"} and all(f"{name}(" in header for name in used)
