import numpy as np
import pytest

from madis_lib import body as body_module


@pytest.fixture(scope="session")
def body():
    return body_module.load()


@pytest.fixture(scope="session")
def features():
    """Twelve frames of both arms, hands and head moving smoothly, as features [12, 133]."""
    rng = np.random.default_rng(0)
    start, end = rng.normal(0, 0.2, (2, 133))
    steps = np.linspace(0, 1, 12)[:, None]
    clip = (1 - steps) * start + steps * end
    clip[:, [14, 17]] += [-1.0, 1.0]  # lower both arms from the T-pose,
    clip[:, [19, 22]] += [-1.2, 1.2]  # bend the elbows forward
    return clip.astype(np.float32)
