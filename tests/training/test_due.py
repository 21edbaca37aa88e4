"""What is due after each step."""

from lung_ssp.training.due import due_after
from lung_ssp.training.settings import CheckpointSettings, LogSettings

STEPS = range(1, 12)


def test_each_thing_is_due_every_n_steps_and_the_last_step_is_validated_and_saved() -> None:
    checkpoint, log = CheckpointSettings(every=3, validate_every=4), LogSettings(every=5, scalars_every=2)
    due = {step: due_after(step, STEPS[-1], checkpoint, log) for step in STEPS}
    assert [step for step in STEPS if due[step].scalars] == [2, 4, 6, 8, 10]
    assert [step for step in STEPS if due[step].log] == [5, 10]
    assert [step for step in STEPS if due[step].validation] == [4, 8, 11]
    assert [step for step in STEPS if due[step].checkpoint] == [3, 6, 9, 11]
    assert [step for step in STEPS if not due[step].anything] == [1, 7]
