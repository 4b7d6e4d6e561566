from inbetween.metrics import TruthCache


def test_what_is_known_of_the_truth_is_computed_once_per_batch(make_batch):
    batch, other = make_batch(2), make_batch(2)
    cache, computed = TruthCache(), []

    def compute() -> int:
        computed.append(1)
        return len(computed)

    assert [cache(batch, "flow", row, compute) for row in (0, 1, 0, 1)] == [1, 2, 1, 2]
    assert cache(batch, "features", 0, compute) == 3
    assert cache(other, "flow", 0, compute) == 4
    assert cache(batch, "flow", 0, compute) == 5  # forgotten when the other one came
