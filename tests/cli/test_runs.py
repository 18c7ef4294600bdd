"""The commands compare, blend, runs and label."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kaggle_mnist.data.digits import Digits
from kaggle_mnist.data.kaggle_csv import export_csv
from kaggle_mnist.runs.finding import list_runs
from kaggle_mnist.runs.labels import Labels, read_labels, write_labels
from tests.cli.invoke import invoke
from tests.cli.screens.screen import screen
from tests.conftest import reseal


def test_compare_fits_a_terminal_and_has_csv_and_json_for_machines(submissions: Path) -> None:
    shown = invoke("compare")
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.output.splitlines() if len(line) > 80] == []
    assert "A is better than C" in shown.output
    assert "B – C" not in shown.output
    assert "B – C" in invoke("compare", "--all-pairs").output
    assert "allow for all 3 pairs (Holm)" in shown.output
    table = invoke("compare", "--csv").stdout.splitlines()
    assert table[0].startswith("run,recipe,cv_accuracy")
    assert len(table) == 4
    everything = json.loads(invoke("compare", "--json").stdout)
    assert [run["letter"] for run in everything["runs"]] == ["A", "B", "C"]
    assert len(everything["pairs"]) == 3


def test_compare_refuses_a_plot_of_another_type_before_it_compares(submissions: Path) -> None:
    refused = invoke("compare", "--plot", "folds.txt")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "kaggle-mnist: folds.txt: must end in .png, .svg or .pdf\n"
    done = invoke("compare", "--plot", "folds.svg")
    assert "Plot         folds.svg" in done.stdout
    assert Path("folds.svg").is_file()


def test_blend_prints_weights_and_scores(submissions: Path) -> None:
    done = invoke("blend", *(path.name for path in list_runs(submissions)), "--weights", "fit")
    assert done.exit_code == 0, done.output
    assert "each fold with weights fitted on the others" in done.stdout
    assert "submission.csv" in done.stdout
    assert re.search(
        r"^Best parent  OOF accuracy 0\.\d{4}, 2026.*\n +log loss 0\.\d{4}, 2026", done.stdout, re.MULTILINE
    )
    assert re.search(r"^Gain +(mixed: |none, .*: )?(\d+ \w+ images?|as many images) right", done.stdout, re.MULTILINE)
    weights = [float(line.split()[0]) for line in done.stdout.splitlines() if line.startswith(" 0.")]
    assert sum(weights) == pytest.approx(1, abs=0.002)


@pytest.mark.slow
def test_runs_without_suspects_are_said_to_look_too_good(submissions: Path) -> None:
    first, second, third = (path.name for path in list_runs(submissions))
    record = json.loads((submissions / first / "run.json").read_text())
    (submissions / first / "run.json").write_text(json.dumps({**record, "dropped": [3, 8]}))
    reseal(submissions / first)
    note = "Note         runs without the images that `audit` suspected look slightly better than they are:\n"
    assert note in invoke("blend", first, second, "--name", "half").output
    assert note not in invoke("blend", third, second).output
    assert note in invoke("blend", "half", third, "--name", "quarter").output
    assert note in invoke("compare", "quarter", second, "--html", "compared.html").output
    assert "suspected look slightly better than they are" in Path("compared.html").read_text()
    assert "a blend and its own parent are less certain" in Path("compared.html").read_text()
    assert note not in invoke("compare", third, second, "--html", "compared.html").output
    assert "slightly better" not in Path("compared.html").read_text()
    assert note in invoke("compare", "--by", "recipe").output
    assert note not in invoke("compare", "--by", "recipe", third, second).output
    for run in (first, "half"):
        done = invoke("report", run)
        assert done.exit_code == 0, done.output
        page = next(submissions.glob(f"*{'blend' if run == 'half' else first}/report.html"))
        assert "scores are slightly optimistic" in page.read_text()


def test_blend_selects_from_all_runs(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)]
    (submissions / names[2] / "outputs.npz").unlink()
    done = invoke("blend", "--top", "5")
    assert done.exit_code == 0, done.output
    assert f"Skipped      submissions/{names[2]}/outputs.npz: is missing" in done.stdout
    assert "(each fold with runs selected on the others)" in done.stdout


def test_blend_says_that_no_blend_is_better_than_a_run(submissions: Path) -> None:
    done = invoke("blend", "b", "c", "--top", "2")
    assert (done.exit_code, done.stdout) == (2, "")
    why = "no blend is better than this run alone, by OOF log loss; nothing was written"
    assert done.stderr == f"kaggle-mnist: 20261124-200001-b: {why}\n"
    assert len(list_runs(submissions)) == 3


def test_what_runs_was_asked_for_is_shown_in_a_narrow_terminal(
    submissions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("label", "a", "--tag", "good", "--tag", "evening")
    for options, column in ((["--tag", "good"], "tags"), (["--sort", "Seconds"], "seconds"), (["-r", "a"], "recipe")):
        text = screen(monkeypatch, width=56, terminal=True)
        assert invoke("runs", *options).exit_code == 0
        assert column in text.getvalue().splitlines()[1].split()


def test_a_grouping_that_does_not_exist_gets_the_one_that_was_probably_meant() -> None:
    refused = invoke("compare", "--by", "recpe")
    assert refused.stderr == "kaggle-mnist: --by recpe: must be run or recipe (did you mean recipe?)\n"


def test_runs_lists_and_removes(submissions: Path) -> None:
    names = [path.name for path in list_runs(submissions)]
    listed = invoke("runs").stdout
    assert all(name in listed for name in names)
    assert "Total        3 runs, " in listed
    removed = invoke("runs", "--remove", names[0], "--remove", names[1])
    assert removed.stdout == f"Removed      submissions/{names[0]}\nRemoved      submissions/{names[1]}\n"
    assert [path.name for path in list_runs(submissions)] == names[2:]
    assert invoke("runs", "--output", "empty").stdout == "Runs         none in empty; `kaggle-mnist train` makes one\n"


def test_label_gives_a_run_a_name_that_other_commands_take(submissions: Path) -> None:
    done = invoke("label", "a", "--name", "first", "--note", "as in the article", "--tag", "good", "--tag", "slow")
    assert done.exit_code == 0, done.output
    assert read_labels(submissions / "20261124-200000-a") == Labels(
        name="first", note="as in the article", tags=("good", "slow")
    )
    assert invoke("label", "first", "--untag", "slow").stdout.splitlines() == [
        "Run          submissions/20261124-200000-a",
        "Name         first",
        "Note         as in the article",
        "Tags         good",
    ]
    assert [row.split(",")[0] for row in invoke("compare", "fir", "c", "--csv").stdout.splitlines()] == [
        "run",
        "20261124-200000-a",
        "20261124-200000-c",
    ]
    refused = invoke("label", "first", "--name", "a/b")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("kaggle-mnist: --name 'a/b': must be at most 60 letters")


def test_compare_takes_all_runs_of_a_name_and_other_commands_ask_for_one(submissions: Path) -> None:
    for run in ("a", "b"):
        noted = invoke("label", run, "--name", "steady").stdout
        assert ("another run is called steady, too" in noted) == (run == "b")
    both = json.loads(invoke("compare", "steady", "latest", "--json").stdout)
    assert [run["recipe"] for run in both["runs"]] == ["a", "b", "c"]
    refused = invoke("report", "steady")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "kaggle-mnist: steady: 2 runs match; name one: 20261124-200001-b, 20261124-200000-a\n",
    )


def test_train_and_blend_name_their_runs(few: Digits) -> None:
    export_csv(few.head(200, 40), Path("input"))
    quick = ["--folds", "2", "--epochs", "1", "--set", "hidden=[16]"]
    for seed in ("0", "1"):
        done = invoke("train", *quick, "--seed", seed, "--name", f"s{seed}", "--note", "a try", "--tag", "t")
        assert done.exit_code == 0, done.output
    [first] = Path("submissions").glob("*-s0")
    assert read_labels(first) == Labels(name="s0", note="a try", tags=("t",))
    assert invoke("blend", "s0", "s1", "--name", "both").exit_code == 0
    [blended] = Path("submissions").glob("*-blend")
    assert read_labels(blended) == Labels(name="both")
    assert invoke("blend", "s0", "s1", "--name", "a b").exit_code == 2
    assert len(list_runs(Path("submissions"))) == 3


def test_label_writes_nothing_into_a_folder_that_is_no_run(submissions: Path) -> None:
    for folder in (Path("input"), submissions / "tensorboard"):
        folder.mkdir()
    for name in ("input", ".", "submissions/tensorboard", "tensorboard"):
        refused = invoke("label", name, "--note", "hi")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert re.fullmatch(
            r"kaggle-mnist: \S+: this folder is no run; `kaggle-mnist runs` lists the runs\n", refused.stderr
        )
    assert list(Path().glob("**/labels.json")) == []


def test_label_says_that_a_page_shows_what_was_before(submissions: Path) -> None:
    run = submissions / "20261124-200000-a"
    assert "Page" not in invoke("label", "a", "--note", "no page yet").stdout
    (run / "report.html").write_text("a page")
    said = "Page         report.html shows what was before; `kaggle-mnist report 20261124-200000-a` writes it anew"
    assert invoke("label", "a", "--note", "wider").stdout.splitlines()[-1] == said
    assert "Page" not in invoke("label", "a", "--note", "wider").stdout  # nothing has changed


def test_blend_takes_all_runs_of_a_name(submissions: Path) -> None:
    names = ["20261124-200000-a", "20261124-200001-b"]
    for name in names:
        write_labels(submissions / name, Labels(name="pair"))
    for options in ([], ["--top", "2"]):
        done = invoke("blend", "pair", *options)
        assert done.exit_code == 0, done.output
        blended = list_runs(submissions)[-1]
        record = json.loads((blended / "run.json").read_text())
        assert {parent["run"] for parent in record["parents"]} == set(names)
    assert invoke("blend", "pair", names[0]).exit_code == 0
    refused = invoke("blend", "c", "c")
    assert refused.stderr == "kaggle-mnist: a blend needs two or more different runs\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("runs --csv --json", "--csv and --json: give one of them"),
        ("compare --csv --json", "--csv and --json: give one of them"),
        ("compare --by recipe --csv --json", "--csv and --json: give one of them"),
        ("runs --remove latest --sort cv", "--remove: lists no runs; leave out --sort"),
        ("runs --remove latest --csv --last 3", "--remove: lists no runs; leave out --last and --csv"),
        ("compare --by recipe --all-pairs", "--all-pairs: is for runs; --by recipe always shows all pairs of recipes"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(command: str, said: str, submissions: Path) -> None:
    refused = invoke(*command.split())
    assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", f"kaggle-mnist: {said}\n")
    assert len(list_runs(submissions)) == 3


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_missing_pictures_are_named_on_stderr_where_stdout_is_for_a_program(option: str, submissions: Path) -> None:
    done = invoke("compare", "--html", "page.html", option)
    assert done.exit_code == 0
    assert done.stdout == invoke("compare", option).stdout
    assert re.fullmatch(r"kaggle-mnist: page\.html: without pictures of digits: .+\n", done.stderr)


def test_runs_and_compare_give_a_blend_no_seconds(submissions: Path) -> None:
    invoke("blend", "a", "b")
    for command, of_blend in (("runs", "blend"), ("compare", "blend")):
        found = json.loads(invoke(command, "--json").stdout)["runs"]
        seconds = {run["recipe"]: run["seconds"] for run in found}
        assert seconds[of_blend] is None and seconds["a"] > 0


def test_the_help_of_every_run_is_the_same() -> None:
    shown = [
        " ".join(invoke(command, "--help", columns=200).stdout.split()) for command in ("export", "label", "report")
    ]
    assert all("Folder, name or recipe of a run, or how its name begins; or latest." in text for text in shown)
