"""The house keeps its own rules."""

import ast
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("transports/**/*.py")])
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
DISPATCHERS = {"apply": 150}  # a line or two for each effect there is
# Data, not code; a value type's fields; one value for each effect; one view of one store.
LONGER = {
    "published.py": 200,
    "view.py": 800,
    "sqlite.py": 640,
    "mailing.py": 530,
    "bundle.py": 560,
    "effects.py": 600,
    "memory.py": 520,
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_storeys_hold():
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_fits_the_house(path):
    source = path.read_text()
    tree = ast.parse(source)

    assert ast.get_docstring(tree), "every module says what it is for"
    assert source.count("\n") <= LONGER.get(path.name, LINES_MAX)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < DISPATCHERS.get(node.name, FUNCTION_LINES_MAX), node.name


@pytest.mark.parametrize("path", [each for each in MODULES if "store" in each.parts], ids=name)
def test_no_numbered_parameters_in_sql(path):
    """Python 3.14 refuses them with a sequence of values, and 3.12 warns."""
    assert not re.search(r"\?[0-9]", path.read_text())


def test_no_drawer_for_leftovers():
    drawers = {"utils", "helpers", "common", "core", "base", "manager", "service"}

    assert not [name(path) for path in MODULES if drawers & {path.stem, *path.parent.parts}]


def test_broad_walls_stand_only_where_they_must():
    """`except Exception` belongs where foreign code is called that may raise anything."""
    broad = {name(path) for path in MODULES if re.search(r"except Exception\b", path.read_text())}

    assert broad <= {
        "src/paquebot/registry.py",  # a stranger's module
        "src/paquebot/vault/pgpy_sealer.py",  # pgpy
        "transports/paquebot_drop/__init__.py",  # the house's own code, for whose failure a crate must not suffer
        "src/paquebot/testing/simulation.py",  # reports any failure with its seed
        "src/paquebot/testing/check.py",  # a stranger's transport
    }


def test_every_transport_we_ship_passes_the_contract():
    ours = {point.name for point in entry_points(group="paquebot.transports") if point.value.startswith("paquebot_")}
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests/conformance").glob("test_*.py")}

    assert ours <= tested


def test_help_is_quick_and_imports_nothing_heavy():
    heavy = {"cryptography", "pgpy", "sqlite3", "asyncio", "jsonschema_rs", "zstandard", "paquebot.node"}
    heavy |= {"aioimaplib", "aiosmtplib", "email", "ssl"}
    code = (
        "import sys; from paquebot.cli.main import group\n"
        "try: group.main(['--help'], standalone_mode=False)\n"
        "finally: print('\\n'.join(sys.modules), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "Commands:" in done.stdout
    assert not heavy & set(done.stderr.split())


def test_the_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()

    assert "make demo" in text
    assert "make test" in text
