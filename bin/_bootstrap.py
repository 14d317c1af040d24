"""Prepares the virtual environment .venv and goes on inside it.

Only the standard library, and no syntax newer than Python 3.6: this file must be able to say, on an old
Python, that it is too old.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

MINIMUM = (3, 11)
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(CHECKOUT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "rekindle-packages.json")
RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"
NEEDED_MEGABYTES = 900


def say(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def stop(sentence):
    say(sentence)
    raise SystemExit(1)


def find_newer_python():
    """Goes on in a newer Python where this one is too old and the machine has one."""
    if sys.version_info >= MINIMUM:
        return
    for minor in (13, 12, 11, 14):
        other = shutil.which("python3.%d" % minor)
        if other:
            os.execv(other, [other] + sys.argv)
    stop("Rekindle needs Python %d.%d or newer; this is %s." % (MINIMUM + (sys.version.split()[0],)))


def digest(lock):
    with open(os.path.join(CHECKOUT, lock), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_stamp():
    try:
        with open(STAMP) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def is_ready(lock):
    stamp = read_stamp()
    return (
        os.path.exists(PYTHON)
        and stamp.get("python") == sys.version
        and stamp.get("path") == VENV  # scripts in bin/ name their interpreter by its full path
        and stamp.get(lock) == digest(lock)
    )


def make_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = "%d.%d" % sys.version_info[:2]
        stop(
            "Python's venv module is missing: install it (on Debian and Ubuntu: apt install python%s-venv)."
            % version
        )
    stamp = read_stamp()
    is_other = stamp and (stamp.get("python") != sys.version or stamp.get("path") != VENV)
    if is_other or (os.path.isdir(VENV) and not os.path.exists(PYTHON)):
        shutil.rmtree(VENV)  # made by another Python, or at another place: cannot be mended
    if not os.path.exists(PYTHON):
        free = shutil.disk_usage(CHECKOUT).free // 1_000_000
        if free < NEEDED_MEGABYTES:
            stop(
                "Rekindle needs about %d MB of free disk space at %s; there are %d MB."
                % (NEEDED_MEGABYTES, CHECKOUT, free)
            )
        run_quietly([sys.executable, "-m", "venv", "--without-pip", VENV], "make the virtual environment")
    if subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) != 0:
        run_quietly([PYTHON, "-m", "ensurepip"], "put pip into the virtual environment")


def run_quietly(command, purpose):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False
    )
    if done.returncode != 0:
        explain(done.stdout, purpose)


def explain(output, purpose):
    """Ends with one sentence where the cause is a usual one, else with the tool's own words."""
    if "No space left on device" in output or "Errno 28" in output:
        stop("The disk is full: free about %d MB at %s and start again." % (NEEDED_MEGABYTES, CHECKOUT))
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if missing or re.search(r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError", output):
        name = " (%s)" % missing.group(1) if missing else ""
        stop("The Python packages could not be fetched%s: is there a network, and may pip use it?" % name)
    if "Permission denied" in output:
        stop("%s cannot be written by this user: run the command as its owner." % CHECKOUT)
    sys.stderr.write(output[-4000:])
    stop("Could not %s; the output above says why." % purpose)


def install(lock):
    with open(os.path.join(CHECKOUT, lock)) as file:
        total = len(re.findall(r"^[\w.-]+==", file.read(), re.MULTILINE))
    say("Setting up %d Python packages in .venv (the first time takes about a minute) ..." % total)
    command = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-deps"]  # the lock is complete: there is nothing to resolve
    command += ["--progress-bar", "off", "-r", os.path.join(CHECKOUT, lock)]
    shows = sys.stderr.isatty()
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    ) as pip:
        seen = 0
        for line in pip.stdout:
            lines.append(line)
            if line.startswith(("Collecting ", "Requirement already")):
                seen += 1
                progress = "  %d of %d fetched" % (min(seen, total), total)
            elif line.startswith("Installing collected"):
                progress = "  installing           "
            else:
                continue
            if shows:
                sys.stderr.write("\r" + progress)
                sys.stderr.flush()
    if shows:
        sys.stderr.write("\r" + " " * 40 + "\r")
    if pip.returncode != 0:
        explain("".join(lines), "install the Python packages")
    stamp = read_stamp()
    stamp.update({"python": sys.version, "path": VENV, lock: digest(lock)})
    if lock == DEVELOPMENT:
        stamp[RUNTIME] = digest(
            RUNTIME
        )  # the development lock holds every runtime package in the same version
    partial = STAMP + ".partial"
    with open(partial, "w") as file:
        json.dump(stamp, file)
    os.replace(partial, STAMP)


@contextlib.contextmanager
def one_at_a_time():
    """Two commands started at once must not both fill .venv."""
    directory = os.path.join(CHECKOUT, "var")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "setting-up.lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Waiting for another command that is setting up ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def enter(arguments, lock=RUNTIME):
    """Prepares .venv where needed, then becomes its Python with these arguments."""
    find_newer_python()
    try:
        if not is_ready(lock):
            with one_at_a_time():
                if not is_ready(lock):
                    make_venv()
                    install(lock)
    except PermissionError as fault:
        stop("%s cannot be written by this user: run the command as the checkout's owner." % fault.filename)
    except OSError as fault:
        stop("Setting up failed: %s." % fault)
    except KeyboardInterrupt:
        stop("Stopped.")
    os.environ["PYTHONPATH"] = CHECKOUT
    os.environ["VIRTUAL_ENV"] = VENV
    os.environ["PATH"] = os.path.join(VENV, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.execv(PYTHON, [PYTHON] + arguments)
