"""Every number equals scikit-learn's, and intervals behave."""

import numpy as np
import pytest
from sklearn import metrics as peer

from napari_visualccc.classify.calibration import fit_temperature, log_loss, softmax
from napari_visualccc.classify.quality import Answers, binary_curve, calibration_error, intervals_of, metrics_of


@pytest.fixture
def answers():
    rng = np.random.default_rng(1)
    targets = rng.choice(3, 120, p=[0.6, 0.3, 0.1])
    scores = rng.normal(0, 1, (120, 3)) + 1.5 * np.eye(3)[targets]
    scores = np.round(scores, 1)  # ties
    return Answers(targets, softmax(scores), rng.integers(0, 15, 120), ("a", "b", "c"))


def test_equal_to_scikit_learn(answers):
    found = metrics_of(answers)
    true, called, p = answers.targets, answers.called, answers.probabilities
    assert found["weighted_accuracy"] == pytest.approx(peer.recall_score(true, called, average="weighted"))
    assert found["weighted_accuracy"] == pytest.approx(peer.accuracy_score(true, called))
    assert found["balanced_accuracy"] == pytest.approx(peer.balanced_accuracy_score(true, called))
    assert found["weighted_f1"] == pytest.approx(peer.f1_score(true, called, average="weighted"))
    assert found["macro_f1"] == pytest.approx(peer.f1_score(true, called, average="macro"))
    assert found["roc_auc"] == pytest.approx(peer.roc_auc_score(true, p, multi_class="ovr"))
    each = peer.precision_recall_fscore_support(true, called)
    for number, name in enumerate(answers.names):
        one = found["per_class"][name]
        assert [one["precision"], one["recall"], one["f1"], one["n"]] == pytest.approx([e[number] for e in each])
        expected = peer.average_precision_score(true == number, p[:, number])
        assert one["average_precision"] == pytest.approx(expected)
    assert np.array_equal(found["confusion"], peer.confusion_matrix(true, called))


def test_weighted_curve_equals_repeated_planes(answers):
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, (2, 120)).astype(float)
    curve = binary_curve(answers.targets == 1, answers.probabilities[:, 1], weights)
    for row in (0, 1):
        repeated = np.repeat(np.arange(120), weights[row].astype(int))
        true, score = answers.targets[repeated] == 1, answers.probabilities[repeated, 1]
        assert curve.roc_auc[row] == pytest.approx(peer.roc_auc_score(true, score))
        assert curve.average_precision[row] == pytest.approx(peer.average_precision_score(true, score))
    x, y = binary_curve(answers.targets == 1, answers.probabilities[:, 1]).roc()
    assert peer.auc(x, y) == pytest.approx(peer.roc_auc_score(answers.targets == 1, answers.probabilities[:, 1]))


def test_calibration_error_by_hand():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.45, 0.55]])
    answers = Answers(np.array([0, 1, 1, 1]), p, np.arange(4), ("a", "b"))
    # bins (0.8, 0.9]: confidence 0.9, right 0.5; (0.5, 0.6]: confidence 0.575, right 1
    assert calibration_error(answers)[0] == pytest.approx(0.5 * 0.4 + 0.5 * 0.425)


def test_intervals_hold_the_value_and_widen_with_fewer_groups(answers):
    found = metrics_of(answers, resamples=400)
    for key in ("weighted_accuracy", "balanced_accuracy", "weighted_f1", "roc_auc"):
        low, high = found["intervals"][key]
        assert low < found[key] < high
    alone = Answers(answers.targets, answers.probabilities, np.arange(120), answers.names)
    few = Answers(answers.targets, answers.probabilities, np.arange(120) % 120 // 30, answers.names)
    assert intervals_of(alone, 50) == intervals_of(alone, 50)
    assert np.ptp(intervals_of(few, 400)["weighted_accuracy"]) > 0


def test_no_mistake_is_not_certainty():
    targets = np.array([0, 0, 1, 1])
    answers = Answers(targets, np.eye(2)[targets], np.arange(4), ("a", "b"))
    low, high = intervals_of(answers, 100)["weighted_accuracy"]
    assert (low, high) == (pytest.approx(0.025**0.25), 1.0)


def test_class_without_planes_is_left_out():
    targets = np.array([0, 1, 0, 1])
    p = softmax(np.array([[2.0, 0, 0], [0, 2.0, 0], [2.0, 0, 0], [2.0, 0, 0]]))
    found = metrics_of(Answers(targets, p, np.arange(4), ("a", "b", "c")), resamples=20)
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert np.isnan(found["per_class"]["c"]["recall"])


def test_temperature_recovers_an_overconfident_model():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (4000, 3))
    targets = np.array([rng.choice(3, p=row) for row in softmax(scores)])
    assert fit_temperature(scores * 3, targets) == pytest.approx(3, rel=0.1)
    assert log_loss(scores, targets) == pytest.approx(peer.log_loss(targets, softmax(scores)))
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, int)) == 1


def test_few_planes_called_right_do_not_make_certain():
    targets = np.arange(10) % 2
    scores = 50.0 * np.eye(2)[targets]
    surest = softmax(scores, fit_temperature(scores, targets)).max()
    assert 0.85 < surest < 0.95
