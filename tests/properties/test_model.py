"""test_model.py - a history against a dictionary: parts put, sent again, deleted, listed, paged, merged."""

import hypothesis.stateful as stateful
import numpy as np
from examples import examples
from hypothesis import strategies as st
from support import bits, safetensors, softmax_case

RUNS, STEPS, PARTS = ["a", "b/ü", "c d"], st.integers(0, 2), st.sampled_from(["0", "1", "x"])
CASES = [softmax_case(images=1 + seed % 3, spatial=(4, 5), seed=seed) for seed in range(6)]
SCORES = "dice,dice_loss,cross_entropy"


class History(stateful.RuleBasedStateMachine):
    server = None

    def __init__(self):
        super().__init__()
        self.runs = {}  # run -> step -> part -> number of a case
        for run in RUNS:
            self.server.request("DELETE", self.path(run))

    @staticmethod
    def path(run):
        return "/v1/runs/" + run.replace("/", "%2F").replace(" ", "%20")

    @stateful.rule(run=st.sampled_from(RUNS), step=STEPS, part=PARTS, case=st.integers(0, len(CASES) - 1), times=st.integers(1, 2))
    def put(self, run, step, part, case, times):
        """A part sent again, the same or another, replaces the one that was there."""
        probs, label = CASES[case]
        for _ in range(times):
            answer = self.server.post(safetensors({"pred": probs, "label": label}), run=run, step=str(step), part=part, scores=SCORES)
            assert answer.status_code == 200, answer.text
        self.runs.setdefault(run, {}).setdefault(step, {})[part] = case

    @stateful.rule(run=st.sampled_from(RUNS))
    def delete(self, run):
        answer = self.server.request("DELETE", self.path(run))
        assert answer.status_code == (204 if self.runs.pop(run, None) is not None else 404)

    @stateful.rule(run=st.sampled_from(RUNS), step=STEPS)
    def merged(self, run, step):
        """As if all parts had been one upload."""
        answer = self.server.get("/v1/evaluations", run=run, step=str(step))
        parts = self.runs.get(run, {}).get(step)
        assert answer.status_code == (404 if parts is None else 200)
        if parts:
            probs, label = (np.concatenate(list(arrays)) for arrays in zip(*(CASES[case] for case in parts.values())))
            assert bits(answer.json()) == bits(self.server.score(safetensors({"pred": probs, "label": label}), scores=SCORES))
            assert answer.json()["evaluation"]["parts_received"] == len(parts)

    def pages(self, path, key, limit):
        rows, cursor = [], {}
        while cursor is not None:
            document = self.server.get(path, limit=str(limit), **cursor).json()
            assert len(document[key]) <= limit
            rows += document[key]
            cursor = {"cursor": document["next"]} if document["next"] else None
        return rows

    @stateful.rule(limit=st.integers(1, 3))
    def listed(self, limit):
        rows = self.pages("/v1/runs", "runs", limit)
        expected = {run: (len(steps), min(steps), max(steps)) for run, steps in self.runs.items()}
        assert {row["run"]: (row["evaluations"], row["first_step"], row["last_step"]) for row in rows} == expected
        assert len(rows) == len(expected)

    @stateful.rule(run=st.sampled_from(RUNS), limit=st.integers(1, 3))
    def steps_listed(self, run, limit):
        if run not in self.runs:
            assert self.server.get(self.path(run) + "/evaluations").status_code == 404
            return
        rows = self.pages(self.path(run) + "/evaluations", "evaluations", limit)
        assert {row["step"]: row["parts_received"] for row in rows} == {s: len(p) for s, p in self.runs[run].items()}
        assert len(rows) == len(self.runs[run])


def test_history_is_what_a_dictionary_says(server):
    History.server = server
    stateful.run_state_machine_as_test(History, settings=examples(15, 500))
