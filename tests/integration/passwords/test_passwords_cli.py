"""The real command: what it prints, how it exits, and that no password stands in its arguments."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from backstay.cli.main import main
from backstay.cli.password import password as group

PROGRAM = "from backstay.cli.main import main; main(prog_name='backstay')"
COMMAND = [sys.executable, "-c", PROGRAM, "password"]
GOOD, BAD = "plover cranberry hinge saxophone", "P@ssw0rd2024!"


def spawn(*arguments, stdin="", code=0):
    """The command as a process of its own."""
    ran = subprocess.run(
        [*COMMAND, *arguments], input=stdin.encode(), capture_output=True, check=False, timeout=120
    )
    assert ran.returncode == code, ran.stderr.decode()
    assert b"Traceback" not in ran.stderr
    return ran.stdout.decode()


def run(*arguments, stdin="", code=0):
    """The same command in this process: as many as one likes."""
    result = CliRunner().invoke(main, ["password", *arguments], input=stdin)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout


def test_the_command_as_a_process():
    assert spawn("check", "--preset", "strong", stdin=GOOD + "\n").startswith("accepted")
    assert spawn("check", stdin=BAD + "\n", code=1).startswith("refused")
    stored = spawn("hash", stdin=GOOD + "\n").strip()
    assert spawn("verify", stdin=f"{GOOD}\n{stored}\n") == "right\n"
    spawn("verify", stdin=f"{GOOD}\nnonsense\n", code=3)


def test_check_says_yes_and_no_with_reasons_and_exit_codes():
    assert run("check", "--preset", "strong", stdin=GOOD + "\n").startswith("accepted")
    said = run("check", "--preset", "strong", stdin=BAD + "\n", code=1)
    assert said.startswith("refused")
    assert "common password" in said
    assert BAD not in said


def test_check_takes_the_user_the_service_and_the_language():
    assert json.loads(run("check", "--json", stdin="Strong@Pass1\r\n"))["valid"] is True
    about = [
        "--username",
        "zorblaxian",
        "--email",
        "qwimby@x.org",
        "--context",
        "vantablick",
        "--context",
        "glimmerfax",
    ]
    for own in ("Zorblaxian-77", "Qwimby-2024!", "Glimmerfax#2026"):
        answer = json.loads(run("check", "--json", "--locale", "de", *about, stdin=own, code=1))
        assert [error["code"] for error in answer["errors"]] == ["user_info"]
        assert "persönliche" in answer["errors"][0]["message"]


def test_hash_then_verify_then_rehash():
    stored = run("hash", stdin=GOOD + "\n").strip()
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert run("verify", stdin=f"{GOOD}\n{stored}\n") == "right\n"
    assert run("verify", stdin=f"another\n{stored}\n", code=1) == "wrong\n"
    old = "md5$salt$" + hashlib.md5(f"salt{GOOD}".encode()).hexdigest()
    answer = json.loads(run("verify", "--rehash", "--json", stdin=f"{GOOD}\n{old}\n"))
    assert (answer["ok"], answer["needs_rehash"]) == (True, True)
    said = run("verify", "--rehash", stdin=f"{GOOD}\n{old}\n").splitlines()
    assert said[0] == "right, but the hash is outdated"
    assert run("verify", stdin=f"{GOOD}\n{said[1]}\n") == "right\n"
    assert json.loads(run("hash", "--json", "--profile", "owasp-46-mib", stdin=GOOD))["hash"].startswith(
        "$argon2id$v=19$m=47104,t=1,"
    )


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (["verify"], f"{GOOD}\nnonsense\n", 3),
        (["verify"], f"{GOOD}\n$2b$31${'a' * 53}\n", 3),
        (["verify"], f"{GOOD}\n", 2),
        (["check"], "", 2),
        (["check"], b"\xff\xfe\n", 2),
        (["check", "--preset", "nonsense"], GOOD, 2),
        (["check", GOOD], GOOD, 2),  # a password is no argument
        (["hash"], "x" * 5000, 3),
        (["generate", "--bits", "12"], "", 3),
        (["generate", "--length", "12", "--words", "3"], "", 2),
        (["check", "--breach-db", "/nowhere/there.db"], GOOD, 3),
    ],
)
def test_what_cannot_be_done_has_an_exit_code_and_no_traceback(arguments, stdin, code):
    run(*arguments, stdin=stdin, code=code)


def test_generate_prints_what_the_policy_accepts():
    words = run("generate", "--words", "5", "--count", "3").splitlines()
    assert len(set(words)) == 3
    assert all(len(line.split("-")) == 5 for line in words)
    made = json.loads(run("generate", "--length", "20", "--json"))
    assert len(made["password"]) == 20
    assert made["bits"] == pytest.approx(20 * 6.1, abs=3)
    assert json.loads(run("generate", "--passphrase", "--bits", "72", "--json"))["bits"] == pytest.approx(
        72, abs=0.01
    )
    run("check", "--preset", "nist", stdin=words[0])


def test_policy_describes_every_preset():
    for name in ("classic", "strong", "nist", "nist-mfa", "asvs-1", "asvs-2", "asvs-3"):
        assert "At least" in run("policy", "--preset", name)
    answer = json.loads(run("policy", "--preset", "nist", "--context", "vantablick", "--json"))
    assert answer["html"]["minlength"] == "15"
    assert "vantablick" in answer["text"]


def test_calibrate_measures_the_profiles():
    rows = json.loads(run("calibrate", "--json", "--target", "0.05"))
    assert [row["profile"] for row in rows] == ["owasp", "owasp-46-mib", "rfc-9106", "fits the target"]
    assert all(row["seconds"] > 0 for row in rows)
    assert "owasp-46-mib" in run("calibrate", "--target", "0.001")
    assert rows[-1]["time_cost"] >= 2


@pytest.mark.slow
def test_a_breach_database_is_built_and_asked(tmp_path):
    digests = sorted(hashlib.sha1(text.encode()).hexdigest().upper() for text in ("hunter2", GOOD, "rare"))
    rare = hashlib.sha1(b"rare").hexdigest().upper()
    source, out = tmp_path / "all.txt", tmp_path / "breach.db"
    source.write_text("".join(f"{digest}:{1 if digest == rare else 9}\n" for digest in digests))
    built = json.loads(run("breach-db", "build", str(source), str(out), "--min-count", "2", "--json"))
    assert (built["entries"], built["bytes"]) == (2, out.stat().st_size)
    assert run("breach-db", "check", str(out), stdin="hunter2\n", code=1) == "breached\n"
    assert run("breach-db", "check", str(out), stdin="rare\n") == "not found\n"
    assert json.loads(run("breach-db", "check", str(out), "--json", stdin=GOOD, code=1)) == {"breached": True}
    assert "entries          2" in run("breach-db", "info", str(out), "--verify")
    answer = json.loads(run("check", "--preset", "nist", "--breach-db", str(out), "--json", stdin=GOOD, code=1))
    assert [error["code"] for error in answer["errors"]] == ["breached"]
    (tmp_path / "cut.db").write_bytes(out.read_bytes()[:-1])
    run("breach-db", "check", str(tmp_path / "cut.db"), stdin=GOOD, code=3)
    source.write_text("nonsense\n")
    run("breach-db", "build", str(source), str(tmp_path / "other.db"), code=3)


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown():
    controller, terminal = pty.openpty()
    seen = bytearray()

    def read():
        while True:
            try:
                chunk = os.read(controller, 1024)
            except OSError:
                return
            if not chunk:
                return
            seen.extend(chunk)
            if chunk.rstrip().endswith(b":"):
                os.write(controller, GOOD.encode() + b"\n")

    own = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    process = subprocess.Popen(
        [sys.executable, "-c", own + PROGRAM, "password", "hash"],
        stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    reader = threading.Thread(target=read)
    reader.start()
    stdout, _ = process.communicate(timeout=60)
    reader.join(30)
    os.close(controller)
    assert process.returncode == 0
    assert stdout.startswith(b"$argon2id$")
    assert b"Password:" in seen
    assert GOOD.encode() not in seen


def test_no_command_has_an_option_or_argument_for_a_password():
    def parameters(command, path=()):
        for parameter in command.params:
            yield (*path, parameter.name)
        for name, each in getattr(command, "commands", {}).items():
            yield from parameters(each, (*path, name))

    names = {path[-1] for path in parameters(group)}
    assert not {name for name in names if "pass" in name or "secret" in name or "hash" in name} - {
        "passphrase",
        "rehash",
    }


def test_the_group_is_loaded_when_it_is_asked_for():
    code = "import sys; import backstay.cli.main; print(any('backstay.passwords' in name for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
    assert "password" in main.list_commands(None)
