"""The commands of this folder, for a machine that has Python 3.11 and pip and nothing else yet.

    python3 run.py lab [jupyter lab's arguments]   opens your own copy of the course
    python3 run.py author [the same]               opens the course's notebooks themselves
    python3 run.py test [pytest's arguments]       checks and tests everything; with arguments, runs pytest alone
    python3 run.py check                           style and types only
    python3 run.py notebooks [notebook ...]        executes the notebooks (all of them) and stores their outputs
    python3 run.py docs [linkcheck]                builds docs/ and the lessons as pages; or asks the links outside
    python3 run.py bench                           prints the measured ratios
    python3 run.py endurance [name ...]            runs for minutes or hours: fuzz, machines, soak, autobahn, bends
    python3 run.py lock                            pins the newest versions that fit for `test`; needs a network
    python3 run.py audit                           asks which pinned versions have known holes; needs a network
    python3 run.py install                         only sets up what `test` needs

Each first makes the private environment ``.venv`` in this folder and installs what it needs there. That takes
a minute or two the first time and nothing afterwards, until pyproject.toml changes. Standard library only.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")

# What `test` installs, each version with its hashes. `lab` takes whatever fits, as pip and conda do.
LOCKED = "tests/requirements.txt"

# Biome formats and lints JavaScript and CSS; biome.jsonc tells it how. It is a Node package of its own.
BIOME = "tests/style/node_modules/@biomejs/biome/bin/biome"
CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "--strict", "wslab"],
    "biome": ["node", BIOME, "check", "--error-on-warnings"],
}
NEEDS_NODE = ["notebooks/09-javascript-and-other-peers.ipynb", "notebooks/09b-more.ipynb"]
NBVAL = ["pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=30", "-q", "notebooks"]
TESTS = {**CHECKS, "notebooks": NBVAL, "pytest": ["pytest", "--half=others"]}
# These run beside the others: a test of a browser waits most of its time.
TESTS_BESIDE = {
    # Again, with another order of sets and dicts of strings: no output may depend on it.
    "notebooks again": NBVAL,
    "pytest in browsers": ["pytest", "--half=browser"],
}
ENVIRONMENT = {"notebooks": {"PYTHONHASHSEED": "1"}, "notebooks again": {"PYTHONHASHSEED": "2"}}

# Where what pip, npm, Jupyter and IPython keep goes, below .venv: this folder is all that is written to.
KEPT = {
    "PIP_CACHE_DIR": "cache/pip",
    "npm_config_cache": "cache/npm",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "IPYTHONDIR": "jupyter/ipython",
    "MPLCONFIGDIR": "cache/matplotlib",
}

# What the tests use besides Python: the program, other names of it, Debian's packages.
PROGRAMS = [
    ("chromium", ("chromium-browser", "google-chrome", "google-chrome-stable"), ["chromium"]),
    ("tshark", (), ["tshark"]),
    ("dumpcap", (), ["tshark"]),
    ("node", (), ["nodejs"]),
    ("npm", (), ["npm"]),
]


def main(argv):
    """Run the command that ``argv`` names; the exit status."""
    commands = {
        "lab": lab,
        "author": author,
        "test": test,
        "check": check,
        "notebooks": notebooks,
        "docs": docs,
        "bench": bench,
        "endurance": endurance,
        "lock": lock,
        "audit": audit,
        "install": install_all,
    }
    if sys.version_info < (3, 11):
        return say("wslab needs Python 3.11 or newer; this is %s. Try: python3.11 run.py ..." % sys.version.split()[0])
    if not argv or argv[0] not in commands:
        print(__doc__)
        return 0 if argv and argv[0] in ("-h", "--help") else 2
    os.chdir(ROOT)
    for name, folder in KEPT.items():
        os.environ.setdefault(name, str(VENV / folder))
    return commands[argv[0]](argv[1:])


def author(arguments):
    """Open JupyterLab on the notebooks of this folder, with their outputs and solutions."""
    return lab(["--author", *arguments])


def lab(arguments):
    """Open JupyterLab on a student's copy of the course."""
    install("course")
    install_node_packages("wslab", needed=False)
    return run(["wslab", "lab", *arguments])


def test(arguments):
    """Check and test everything, or run pytest with the given arguments."""
    install_all([])
    if arguments:
        return run(["pytest", *arguments])
    left_out = [] if shutil.which("node") else ["--ignore=%s" % path for path in NEEDS_NODE]
    if left_out:
        say("%s need Node, and are not run" % " and ".join(NEEDS_NODE))
    steps, beside = (
        {name: [*command, *left_out] if command is NBVAL else command for name, command in steps.items()}
        for steps in (possible(TESTS), TESTS_BESIDE)
    )
    return run_all(steps, beside)


def install_all(arguments):
    """Set up everything that the tests need."""
    install("test")
    install_programs()
    install_node_packages("wslab", "tests")
    return 0


def check(arguments):
    """Check style and types."""
    install("test")
    install_node_packages("tests/style")
    return run_all(possible(CHECKS))


def notebooks(arguments):
    """Execute notebooks and store their outputs in place."""
    install("test")
    return run(["python", "tests/notebooks/execute.py", *arguments])


def docs(arguments):
    """Build the pages without a network, or with another of Sphinx's builders, such as linkcheck, which needs one."""
    install("docs")
    builder = arguments[0] if arguments else "html"
    target = "build/docs/%s" % builder
    options = ["-W", "--keep-going", "-q", "-b", builder, "-c", "docs", "-d", "build/docs/trees", *arguments[1:]]
    status = run(["sphinx-build", *options, ".", target])
    if not status and builder == "html":
        print("open %s" % (ROOT / target / "index.html"))
    return status


def bench(arguments):
    """Run every benchmark in turn."""
    install("test")
    return run_all({path.name: ["python", str(path), *arguments] for path in sorted(ROOT.glob("benchmarks/*.py"))})


def endurance(arguments):
    """Run one of the programs that take minutes or hours; without a name, tell which there are."""
    install("endurance")
    return run(["python", "tests/endurance", *arguments])


def lock(arguments):
    """Write the versions and hashes that the tests' environment takes, for every platform and Python."""
    install("supply")
    command = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version=3.11", "--extra=test"]
    # Also what builds wslab itself: hatchling, and what it needs for an editable install.
    command += ["--group=build", "--generate-hashes", "--no-header", "--no-annotate", "--upgrade", "--quiet"]
    return run([*command, "--output-file=%s" % LOCKED, *arguments])


def audit(arguments):
    """Ask PyPI's and npm's advisories about every pinned version."""
    install("supply")
    steps = {LOCKED: ["pip-audit", "--strict", "--disable-pip", "--requirement=%s" % LOCKED, *arguments]}
    for lock in node_locks("tests", "wslab"):
        folder = lock.parent.relative_to(ROOT).as_posix()
        steps[folder] = ["npm", "audit", "--prefix=%s" % folder]
    return run_all(steps)


def possible(steps):
    """The steps without Biome's where Node or npm is missing, unless nothing may be left out."""
    if (shutil.which("node") and (ROOT / BIOME).exists()) or os.environ.get("WSLAB_REQUIRE_ALL") == "1":
        return steps
    say("JavaScript and CSS are not checked: that needs Node and npm")
    return {name: command for name, command in steps.items() if name != "biome"}


def run_all(steps, beside=()):
    """Run every step, even when one fails, and those of ``beside`` at the same time; 1 if any did.

    What the steps of ``beside`` print is shown once the others are over.
    """
    failed = []

    def run_each(steps, output=None):
        for name in steps:
            print("== %s" % name, file=output, flush=True)
            if run(steps[name], output, **ENVIRONMENT.get(name, {})):
                failed.append(name)

    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        other = threading.Thread(target=run_each, args=(beside, printed))
        other.start()
        if beside:
            print("running at the same time, shown afterwards: %s" % ", ".join(beside), flush=True)
        run_each(steps)
        other.join()
        printed.seek(0)
        shutil.copyfileobj(printed, sys.stdout)
    sys.stdout.flush()
    return say("failed: " + ", ".join(failed)) if failed else 0


def run(command, output=None, **environment):
    """Run a command of the private environment, as if it were activated; its exit status.

    ``output`` is a file for what it prints; None leaves it on the screen.
    """
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    variables = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": path, **environment}
    variables.pop("PYTHONHOME", None)
    for folder in KEPT.values():  # IPython wants the folder above its own to be there
        (VENV / folder).mkdir(parents=True, exist_ok=True)
    program = shutil.which(command[0], path=path)
    if program is None:
        return say("%s is not on this machine" % command[0])
    process = subprocess.Popen([program, *command[1:]], env=variables, stdout=output, stderr=output)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C reached the program too; it decides what that means, JupyterLab asks first


def install(extra=""):
    """Make the private environment and install this folder there, unless that is done already."""
    wanted = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", LOCKED)) + str(VENV).encode()
    wanted = hashlib.sha256(wanted).hexdigest()
    # What the tests need holds all that these two do not.
    stamps = [VENV / ("installed-" + name) for name in ([] if extra in ("endurance", "supply") else ["test"]) + [extra]]
    works = PYTHON.exists() and subprocess.call([str(PYTHON), "-c", ""], stderr=subprocess.DEVNULL) == 0
    if works and any(stamp.exists() and stamp.read_text() == wanted for stamp in stamps):
        return
    if not works:
        print("making a private environment in .venv", flush=True)
        # Debian keeps ensurepip in a package of its own; the pip that is here can install there instead.
        own_pip = importlib.util.find_spec("ensurepip") is not None
        must([sys.executable, "-m", "venv", "--clear", *([] if own_pip else ["--without-pip"]), str(VENV)])
    pip = [str(PYTHON), "-m", "pip"]
    if subprocess.call([*pip, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    print("installing wslab and what it needs; the first time takes a minute or two", flush=True)
    pip += ["install", "-qq", "--disable-pip-version-check"]
    if extra == "test":
        must([*pip, "--require-hashes", "--requirement", LOCKED])
        must([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    else:
        must([*pip, "--editable", str(ROOT) + ("[%s]" % extra if extra else "")])
    stamps[-1].write_text(wanted)


def install_programs():
    """Install Chromium, tshark and Node where apt-get can; elsewhere say what to do. What is missing is skipped."""
    missing = missing_programs()
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    sudo = [] if root else ["sudo", "-n"]
    if missing and shutil.which("apt-get") and (root or may_sudo()):
        packages = sorted({package for _, _, packages in missing for package in packages})
        print("installing %s" % ", ".join(packages), flush=True)
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Acquire::Retries=3"]
        subprocess.call([*apt, "update"], stdout=subprocess.DEVNULL)
        install = [*apt, "install", "--yes", "--no-install-recommends", *packages]
        subprocess.call(install, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        missing = missing_programs()
    if missing:
        say("not on this machine: %s" % ", ".join(name for name, _, _ in missing))
        say("  Debian, Ubuntu: sudo apt-get install chromium tshark nodejs npm")
        say("  macOS:          brew install --cask chromium wireshark; brew install node")
        say("  elsewhere:      https://www.wireshark.org, https://nodejs.org, and any Chromium on PATH")
        say("Tests that need them are skipped; WSLAB_REQUIRE_ALL=1 makes that a failure.")


def missing_programs():
    """The rows of PROGRAMS that are not on PATH under any name."""
    return [row for row in PROGRAMS if not any(shutil.which(name) for name in (row[0], *row[1]))]


def may_sudo():
    """Whether sudo works without asking for a password."""
    quiet = subprocess.DEVNULL
    return bool(shutil.which("sudo")) and subprocess.call(["sudo", "-n", "true"], stdout=quiet, stderr=quiet) == 0


def node_locks(*folders):
    """Every package-lock.json in these folders."""
    locks = {lock for folder in folders for lock in ROOT.glob("%s/**/package-lock.json" % folder)}
    return sorted(lock for lock in locks if "node_modules" not in lock.parts)


def install_node_packages(*folders, needed=True):
    """Install what each package-lock.json in these folders names, unless that is done already."""
    npm = shutil.which("npm")
    for lock in node_locks(*folders):
        stamp = lock.parent / "node_modules" / ".installed"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if npm and not (stamp.exists() and stamp.read_text() == wanted):
            print("installing the Node packages of %s" % lock.parent.relative_to(ROOT).as_posix(), flush=True)
            command = [npm, "ci", "--silent", "--no-audit", "--no-fund"]
            if needed:
                must(command, cwd=str(lock.parent))
            elif subprocess.call(command, cwd=str(lock.parent), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                say("that failed; lesson 09 needs them, and says how to try again")
                continue
            stamp.write_text(wanted)


def must(command, **options):
    """Run a command that nothing can go on without."""
    status = subprocess.call(command, **options)
    if status:
        sys.exit(say("this failed with status %d, see above: %s" % (status, " ".join(command))))


def say(text):
    """Print ``text`` to stderr; 1."""
    print(text, file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
