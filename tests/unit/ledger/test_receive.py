import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from libs.ledger import Action
from libs.ledger.receipt import batch_id_of
from libs.models import Decision, Problem, Receipt, Rejected, Status
from libs.models.base import Identifier

OTHER = json.dumps(
    {
        "batch_id": "a",
        "uploader": "another",
        "intent": "simplify",
        "files": [{"path": "s3://landing-zone/c/d.csv", "type": "tabular", "format": "CSV"}],
    }
).encode()

MISSING = Problem(code="missing_file", where="files[0].path", message="It is not there.", remedy="Upload it.")


def codes(receipt: Receipt) -> list[str]:
    return [problem.code for problem in receipt.problems]


def test_a_new_manifest_is_recorded_and_to_be_processed(worker) -> None:
    received = worker.receive()
    assert received.action is Action.PROCESS
    assert worker.ledger.receipt(received.receipt.id) == received.receipt
    assert (received.receipt.uploader, received.receipt.key) == ("someone", "manifests/a.json")
    assert worker.ledger.batch("a").status is Status.QUEUED
    assert worker.receive() == received


def test_a_batch_that_nobody_heard_of_has_no_state(worker) -> None:
    worker.receive("ab")
    assert worker.ledger.batch("a") is None


def test_a_running_batch_is_left_alone(worker) -> None:
    worker.claim()
    assert worker.receive().action is Action.LEAVE
    assert worker.receive(upload="upload 2").action is Action.LEAVE
    assert worker.ledger.batch("a").status is Status.RUNNING


def test_after_success_the_same_upload_is_only_finished(worker) -> None:
    run = worker.claim()
    worker.decide(run, Decision.SUCCESS)
    received = worker.receive()
    assert (received.action, received.outcome.run_id) == (Action.FINISH, run.id)
    assert worker.ledger.batch("a").status is Status.SUCCESS


def test_after_success_the_same_manifest_delivered_again_is_another_attempt(worker) -> None:
    worker.decide(worker.claim(), Decision.SUCCESS)
    again = worker.claim(upload="upload 2")
    assert (again.id, worker.ledger.last_success(again).run_id) == ("a#2", "a#1")
    worker.decide(again, Decision.REJECTED)
    assert worker.receive(upload="upload 2").action is Action.FINISH
    other = worker.receive(upload="upload 3", content=OTHER)
    assert codes(other.receipt) == ["batch_done"], "the name stands for the manifest that succeeded, whatever came after"
    third = worker.claim(upload="upload 4")
    unchanged = worker.outcome(third, Decision.SUCCESS).model_copy(update={"unchanged_since": "a#1"})
    assert worker.ledger.decide(unchanged)
    assert worker.ledger.batch("a").made.run_id == "a#1"
    assert worker.ledger.last_success(worker.claim(upload="upload 5")).run_id == "a#1"


def test_who_was_about_to_claim_another_manifest_gets_nothing_after_a_success(worker) -> None:
    worker.decide(worker.claim(), Decision.FAILURE)
    late = worker.receive(upload="upload 2", content=OTHER)
    worker.decide(worker.claim(upload="upload 3"), Decision.SUCCESS)
    assert late.action is Action.PROCESS
    assert worker.ledger.claim(late, {}) is None


def test_a_manifest_whose_place_was_taken_before_it_was_processed_is_answered(worker) -> None:
    first = worker.receive()
    second = worker.receive(upload="upload 2", content=OTHER)
    assert second.replaced == (first.receipt,)
    (answer,) = worker.ledger.replace(second)
    assert (answer.manifest_id, codes(answer)) == (first.receipt.manifest_id, ["manifest_replaced"])
    assert worker.ledger.batch("a").receipt == second.receipt, "it says nothing about the batch"
    assert worker.ledger.batch("a", first.receipt.sha256).status is Status.REJECTED
    assert worker.receive(upload="upload 2", content=OTHER).replaced == (), "it is answered once"
    worker.ledger.claim(second, {})
    assert worker.receive(upload="upload 3").replaced == (), "one that is processed is not replaced"


def test_what_cannot_be_read_under_the_name_of_a_batch_that_succeeded_does_not_speak_for_it(worker) -> None:
    worker.decide(worker.claim(), Decision.SUCCESS)
    worker.ledger.refuse("manifests/a.json", MISSING)
    assert worker.ledger.batch("a").status is Status.SUCCESS
    worker.receive(upload="upload 2", check=lambda: [MISSING])
    assert worker.ledger.batch("a").status is Status.REJECTED, "the same manifest again does"


def test_a_batch_can_be_forced_again_and_a_lost_attempt_is_not_tried_by_itself(worker, clock) -> None:
    with pytest.raises(Rejected, match="never_processed"):
        worker.ledger.again("a")
    run = worker.claim()
    with pytest.raises(Rejected, match="batch_running"):
        worker.ledger.again("a")
    worker.decide(run, Decision.SUCCESS)
    forced = worker.ledger.claim(worker.ledger.again("a"), {})
    assert (forced.id, forced.receipt_id, forced.forced) == ("a#2", run.receipt_id, True)
    clock.advance(61)
    worker.ledger.give_up(forced)
    assert worker.ledger.batch("a").status is Status.FAILURE
    assert worker.receive().action is Action.FINISH, "the manifest that still lies there asks for nothing"
    assert worker.ledger.claim(worker.ledger.again("a"), {}).attempt == 3


@pytest.mark.parametrize("decision", [Decision.FAILURE, Decision.REJECTED, Decision.CANCELED])
def test_after_another_decision_only_another_upload_tries_again(worker, decision: Decision) -> None:
    run = worker.claim()
    worker.decide(run, decision)
    assert worker.receive().action is Action.FINISH
    assert worker.ledger.batch("a").status == decision
    second = worker.claim(upload="upload 2")
    assert (second.id, second.receipt_id) == ("a#2", run.receipt_id)
    worker.decide(second, Decision.SUCCESS)
    assert worker.receive(upload="upload 2").action is Action.FINISH


def test_another_manifest_may_not_take_the_id_of_a_running_batch(worker) -> None:
    run = worker.claim()
    received = worker.receive(upload="upload 2", content=OTHER)
    assert received.action is Action.REJECT
    assert codes(received.receipt) == ["batch_running"]
    assert worker.ledger.batch("a").status is Status.RUNNING
    worker.decide(run, Decision.FAILURE)
    assert worker.claim(upload="upload 3", content=OTHER).attempt == 2


def test_another_manifest_may_not_take_the_id_of_a_batch_that_succeeded(worker) -> None:
    worker.decide(worker.claim(), Decision.SUCCESS)
    received = worker.receive(upload="upload 2", content=OTHER)
    assert received.action is Action.REJECT
    assert codes(received.receipt) == ["batch_done"]
    assert worker.ledger.batch("a").status is Status.SUCCESS


def test_another_manifest_takes_over_a_queued_or_failed_batch(worker) -> None:
    worker.receive()
    queued = worker.receive(upload="upload 2", content=OTHER)
    assert queued.action is Action.PROCESS
    assert worker.ledger.batch("a").receipt == queued.receipt
    worker.decide(worker.ledger.claim(queued, {}), Decision.FAILURE)
    assert worker.claim(upload="upload 3").attempt == 2


def test_a_failed_batch_shows_the_manifest_that_came_after_it(worker) -> None:
    worker.decide(worker.claim(), Decision.FAILURE)
    worker.receive(upload="upload 2", content=OTHER)
    assert worker.ledger.batch("a").status is Status.QUEUED
    worker.receive(upload="upload 3", content=b"{}")
    assert worker.ledger.batch("a").status is Status.REJECTED


def test_everything_wrong_in_itself_and_in_its_surroundings_is_told_at_once(worker) -> None:
    broken = json.loads(OTHER) | {"batch_id": "b", "intent": ""}
    received = worker.receive(content=json.dumps(broken).encode(), check=lambda: [MISSING])
    assert received.action is Action.REJECT
    assert codes(received.receipt) == ["batch_id_mismatch", "empty", "missing_file"]  # in reading order
    assert worker.ledger.batch("a").status is Status.REJECTED


def test_a_verdict_changes_with_the_surroundings(worker) -> None:
    first = worker.receive(check=lambda: [MISSING])
    assert worker.receive(upload="upload 2", check=lambda: [MISSING]).receipt == first.receipt
    second = worker.receive(upload="upload 3")
    assert (first.action, second.action) == (Action.REJECT, Action.PROCESS)
    assert second.receipt.id == first.receipt.id + "~2"
    assert worker.ledger.batch("a").status is Status.QUEUED
    run = worker.ledger.claim(second, {})
    assert worker.receive(upload="upload 3").action is Action.LEAVE
    worker.decide(run, Decision.FAILURE)
    third = worker.receive(upload="upload 4", check=lambda: [MISSING])
    assert (third.action, third.receipt.revision) == (Action.REJECT, 3)
    assert worker.ledger.batch("a").status is Status.REJECTED


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"\0" * 10_000, b'{"a": 1, "a": 2}', b'{"a": 1e999}'])
def test_what_is_no_json_is_recorded_under_its_key(worker, content: bytes) -> None:
    received = worker.receive("my-upload", content=content, check=lambda: [MISSING])
    assert received.action is Action.REJECT
    assert codes(received.receipt) == ["manifest_not_json"]
    assert (received.receipt.batch_id, received.receipt.content) == ("my-upload", None)
    assert len(received.receipt.raw) <= 2000
    assert worker.ledger.receipt(received.receipt.id) == received.receipt
    assert received.receipt.sha256 == hashlib.sha256(content).hexdigest()


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=300))
def test_every_key_has_a_batch_and_different_keys_different_ones(name: str) -> None:
    batch_id = batch_id_of(f"manifests/{name}.json")
    assert TypeAdapter(Identifier).validate_python(batch_id) == batch_id
    if batch_id != name:
        assert batch_id != batch_id_of(f"manifests/{name}x.json")


def test_the_name_of_a_batch_is_that_of_its_file() -> None:
    assert batch_id_of("manifests/2026-01_a.b.json") == batch_id_of("manifests/2026-01_a.b.JSON") == "2026-01_a.b"
    assert batch_id_of("manifests/Straßen 2024.json").startswith("Stra-en-2024-")
    assert batch_id_of("manifests/a\n.json") != "a\n"
    assert batch_id_of("manifests/.json").startswith("manifest-")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # records of earlier examples do no harm
@given(content=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_arrives_gets_a_record(worker, content: bytes) -> None:
    received = worker.receive("x", content=content)
    assert received.action is Action.REJECT
    assert worker.ledger.receipt(received.receipt.id) == received.receipt
