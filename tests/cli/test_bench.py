"""`genverify bench`: the tables and pictures of a run of pytest-benchmark, made here, and what is refused."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import textwrap

import pytest

from genverify.cli import main
from genverify.cli.benchmark_results import read
from genverify.cli.benchmark_tables import duration

pytest.importorskip("pytest_benchmark", reason="the extra bench is not installed")

THEIRS = """
    import time, pytest

    @pytest.mark.parametrize("d", [2, 8])
    @pytest.mark.parametrize("check", ["cube|d", "square"])
    def test_cost(benchmark, check, d):
        benchmark.group = "cost against d"
        benchmark.extra_info.update(label=check, d=d, batch=4)
        benchmark.pedantic(time.sleep, args=(d / 4_000,), rounds=3)

    @pytest.mark.parametrize(("who", "nap"), [("torch", 0.002), ("reference", 0.02)])
    def test_pair(benchmark, who, nap):
        benchmark.group = "pairs"
        benchmark.extra_info.update(label=who, baseline="" if who == "torch" else "torch")
        benchmark.pedantic(time.sleep, args=(nap,), rounds=5)

    def test_alternating(benchmark):
        benchmark.group = "pairs"
        benchmark.extra_info.update(label="measured", baseline="torch", ratio=123.4)
        benchmark.pedantic(time.sleep, args=(0.002,))

    def test_alone(benchmark):
        benchmark.group = "pairs"
        benchmark.extra_info.update(label="lost", baseline="nobody", seconds=[1, 2])
        benchmark.pedantic(time.sleep, args=(0.002,))

    @pytest.mark.parametrize("kind", ["map", "formula"])
    def test_refuted(benchmark, kind):
        benchmark.group = "refuted"
        benchmark.extra_info.update(label=kind, mutants=4, p95=0.5, slowest="a name")
        benchmark.pedantic(time.sleep, args=(0.001,), rounds=4)

    def test_plain(benchmark):
        benchmark.pedantic(sorted, args=([3, 1],), rounds=2)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A real run, its machine described as `tox -e bench` describes it."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "test_theirs.py").write_text(textwrap.dedent(THEIRS))
    (folder / "pytest.ini").write_text("[pytest]\n")
    words = ["-p", "tests.benchmarks.conftest", "-p", "no:cacheprovider", "-q", f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *words, f"--benchmark-json={folder / 'run.json'}", str(folder)]
    # A run of its own: where this one is a worker of pytest-xdist, pytest-benchmark would not time anything.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "run.json").exists(), done.stdout + done.stderr
    return folder / "run.json"


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["bench", *(str(one) for one in arguments)])
    return ended.value.code


def lines(text, group):
    """Name → its other cells, of the table under that heading."""
    part = text.partition(f"# {group}\n")[2].partition("\n##")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in part.splitlines() if line.startswith("| ")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def seconds(cell):
    number, unit = cell.partition(" ±")[0].split()[0], cell.split()[-1]
    return float(number) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]


def test_costs_stand_across_the_sizes_and_their_growth_beside_them(results, capsys):
    assert run(results) == 0
    text = capsys.readouterr().out
    found = lines(text, "cost against d")
    assert found[""] == ["d = 2", "d = 8", "largest / smallest"]
    assert "At batch = 4." in text
    small, large, growth = found["`cube\\|d`"]
    assert 0.0005 <= seconds(small) <= seconds(large)
    assert float(growth) == pytest.approx(seconds(large) / seconds(small), rel=0.01)  # of three digits each
    assert set(found) == {"", "---", "`cube\\|d`", "`square`"}


def test_a_ratio_is_of_two_medians_of_one_run_unless_the_benchmark_measured_it(results, capsys):
    run(results)
    found = lines(capsys.readouterr().out, "pairs")
    rounds, median, ratio, to = found["`reference`"]
    assert rounds == "5"
    assert to == "`torch`"
    assert float(ratio) == pytest.approx(seconds(median) / seconds(found["`torch`"][1]), rel=0.01)
    assert found["`torch`"][2:] == ["", ""]
    assert found["`measured`"][2:] == ["123", "`torch`"]
    assert found["`lost`"][2:] == ["not run", "`nobody`"]


def test_rounds_that_are_another_thing_each_are_pooled(results, capsys):
    run(results)
    text = capsys.readouterr().out
    assert lines(text, "refuted")["`map`"][2:] == ["4", "500 ms", "a name"]
    assert re.search(r"Over all 8: median [\d.]+ ms, p95 [\d.]+ ms\.", text)
    assert lines(text, "Without a group")["`test_plain`"][0] == "2"


def test_the_machine_is_described_and_not_named(results, capsys):
    import torch

    run(results)
    text = capsys.readouterr().out
    machine = read(results).machine
    assert f"torch {torch.__version__}" in text
    assert machine.cpu in text
    assert machine.cores > 0
    for name in (platform.node(), platform.release(), str(results.parent)):
        assert name not in text
    assert json.loads(results.read_text())["machine_info"].keys().isdisjoint({"node", "release"})


def test_a_host_name_that_stands_in_the_results_does_not_reach_the_page(results, tmp_path, capsys):
    data = json.loads(results.read_text())
    data["machine_info"] |= {"node": "secret-host", "processor": "secret"}
    (tmp_path / "other.json").write_text(json.dumps(data))
    assert run(tmp_path / "other.json") == 0
    assert "secret" not in capsys.readouterr().out


def test_the_page_is_written_and_links_its_pictures(results, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    page = tmp_path / "times.md"
    assert run(results, "--out", page, "--picture", tmp_path / "made" / "pictures", "--note", "On a busy machine.") == 0
    assert capsys.readouterr().out == ""
    text = page.read_text(encoding="utf-8")
    (link,) = re.findall(r"!\[cost against d\]\(([^)]*)\)", text)
    assert "On a busy machine." in text
    drawn = (tmp_path / link).read_text(encoding="utf-8")
    assert link == "made/pictures/cost-against-d.svg"
    assert "cube|d" in drawn
    assert "d, the size of one event" in drawn
    assert platform.node() not in drawn.split()


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    for name in ("one", "two"):
        run(results, "--out", tmp_path / "times.md", "--picture", tmp_path / name)
    first, second = ((tmp_path / name / "cost-against-d.svg").read_bytes() for name in ("one", "two"))
    assert first == second


def test_without_matplotlib_the_tables_stand_alone_and_the_extra_is_named(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(results, "--picture", tmp_path / "pictures") == 0
    shown = capsys.readouterr()
    assert "## cost against d" in shown.out
    assert "![" not in shown.out
    assert "genverify[plot]" in shown.err
    assert not (tmp_path / "pictures").exists()


def test_two_runs_keep_their_ratios_apart(results, tmp_path, capsys):
    data = json.loads(results.read_text())
    data["machine_info"]["cpu"]["brand_raw"] = "Another"
    data["benchmarks"] = [one for one in data["benchmarks"] if one["extra_info"].get("label") == "reference"]
    (tmp_path / "other.json").write_text(json.dumps(data))
    assert run(results, tmp_path / "other.json") == 0
    first, second = capsys.readouterr().out.split("## Run 2 of 2\n")
    assert ": Another, " in second
    assert lines(first, "pairs")["`reference`"][2] != "not run"
    assert lines(second, "pairs")["`reference`"][2] == "not run"


def _odd(name, group, median=1e-3, **extra):
    stats = {"median": median, "q1": median, "q3": median, "rounds": 3}
    return {"name": name, "group": group, "stats": stats, "extra_info": extra}


ODD = {
    "dollars, bars and lines": ([_odd("a", "$x|\n^2_{$", label="$\\alpha_{", d=d) for d in (0, 2, 4)], "x-2.svg"),
    "no letter": ([_odd("a", "!!!", label="_a", d=d) for d in (1, 2)], "d.svg"),
    "letters of another script": ([_odd("a", "日本", label="日本", d=d) for d in (1, 1e30)], "d.svg"),
    "no time at all": ([_odd("a", "g", 0.0, label="a", d=d) for d in (1, 2)], ""),
    "a size in words": ([_odd("a", "g", label="a", d=d) for d in (1, "two")], ""),
    "no size": ([_odd("a", None, baseline="a", ratio=float("inf"), note=float("nan"), flag=True, p95="late")], ""),
    "twice": ([_odd("a", "g", label="a", d=d, baseline="a") for d in (1, 1)], ""),
}


@pytest.mark.parametrize(("benchmarks", "picture"), ODD.values(), ids=list(ODD))
def test_odd_names_sizes_and_times_are_shown(benchmarks, picture, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    data = {"machine_info": {"cpu": None, "torch": 3}, "benchmarks": benchmarks}
    (tmp_path / "odd.json").write_text(json.dumps(data))
    assert run(tmp_path / "odd.json", "--picture", tmp_path / "pictures") == 0
    text = capsys.readouterr().out
    assert len({line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ([picture] if picture else [])


BROKEN = {
    "of no benchmark": ({"machine_info": {}, "benchmarks": []}, "no benchmark"),
    "a list": ([], "without"),
    "a report of ours": ({"verdicts": []}, "without"),
    "a machine that is none": ({"machine_info": [], "benchmarks": [{}]}, "machine_info"),
    "a benchmark that is none": ({"machine_info": {}, "benchmarks": [3]}, "benchmark 0"),
    "no statistics": ({"machine_info": {}, "benchmarks": [{"name": "a", "stats": {}}]}, "'a'"),
    "a median that is no number": (
        {"machine_info": {}, "benchmarks": [
            {"name": "a", "stats": {"median": float("nan"), "q1": 1.0, "q3": 1.0, "rounds": 1}}
        ]},
        "'a'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "said"), BROKEN.values(), ids=list(BROKEN))
def test_json_of_others_is_refused(data, said, tmp_path, capsys):
    (tmp_path / "theirs.json").write_text(json.dumps(data))
    assert run(tmp_path / "theirs.json") == 2
    told = capsys.readouterr().err
    assert said in told
    assert "--benchmark-json" in told


@pytest.mark.parametrize(
    "text", [b"", b"| a |", b"\xff\xfe", b"[" * 100_000], ids=["empty", "no JSON", "bytes", "deep"]
)
def test_what_is_no_json_is_refused(text, tmp_path, capsys):
    (tmp_path / "theirs.json").write_bytes(text)
    assert run(tmp_path / "theirs.json") == 2
    assert "--benchmark-json" in capsys.readouterr().err


def test_a_file_that_is_not_there_and_a_place_that_cannot_be_written_are_refused(results, tmp_path, capsys):
    assert run(tmp_path / "none.json") == 2
    assert run(tmp_path) == 2
    assert run(results, "--out", tmp_path) == 2
    assert run(results, "--out", tmp_path / "no" / "times.md") == 2
    assert run(results, "--picture", results) == 2
    assert run() == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0, "0 s"), (0.9996, "1 s"), (0.9994, "999 ms"), (1e-9, "1 ns"), (3e-12, "0.003 ns"), (4_321.0, "4320 s")],
)
def test_durations_have_three_digits(number, shown):
    assert duration(number) == shown
