"""Generators of PyTorch as sources. What needs no PyTorch is in test_formats.py."""

import numpy as np
import pytest

from evaluation import GeneratorOptions, InputError, evaluate, open_source
from evaluation.sources.sampler import to_uint8

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
DIM = 4
WEIGHTS = np.random.default_rng(0).standard_normal((DIM, 64)).astype(np.float32)
NCHW = GeneratorOptions(latent_dim=DIM, layout="NCHW")
TRUSTED = GeneratorOptions(latent_dim=DIM, layout="NCHW", trust=True)


class Generator(torch.nn.Module):
    """tanh(z W) as an image (n, 1, 8, 8), with a dropout that only training has."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.from_numpy(WEIGHTS.copy()))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.dropout(z @ self.weight)).reshape(-1, 1, 8, 8)


class Conditional(torch.nn.Module):
    """Gray of a tenth of the label's number."""

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        gray = label.to(torch.float32)[:, None, None, None] / 10 + 0 * z[:, :1, None, None]
        return gray.expand(-1, 1, 8, 8)


def expected(n):
    draws = np.random.default_rng([0, 0]).standard_normal((-(-n // 64) * 64, DIM))
    images = np.tanh(draws[:n].astype(np.float32).astype(float) @ WEIGHTS)
    return to_uint8(images.reshape(n, 8, 8, 1), (-1, 1), "x").astype(int)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The generator as TorchScript, scripted and traced, and of torch.export."""
    root = tmp_path_factory.mktemp("torch")
    model = Generator()
    torch.jit.script(model).save(str(root / "scripted.pt"))
    torch.jit.trace(model.eval(), torch.zeros(2, DIM)).save(str(root / "traced.ts"))
    rows = {"z": {0: torch.export.Dim("n", min=2, max=1024)}}
    exported = torch.export.export(model.eval(), (torch.zeros(2, DIM),), dynamic_shapes=rows)
    torch.export.save(exported, str(root / "exported.pt2"))
    torch.save(model.state_dict(), root / "weights.pt")
    return root


@pytest.mark.parametrize(
    ("name", "options"), [("scripted.pt", NCHW), ("traced.ts", NCHW), ("exported.pt2", TRUSTED)]
)
def test_it_draws_what_numpy_does(files, name, options):
    source = open_source(files / name, options=options)
    images = source.sample(100).images.astype(int)
    assert np.abs(images - expected(100)).max() <= 1
    assert (images == expected(100)).mean() > 0.999
    assert len(source.sha256) == 64


def test_it_is_scored_like_its_images(files, tf):
    scores = [
        evaluate(source, "digits", ["fid"], n=200, options=options)["fid"].value
        for source, options in ((files / "scripted.pt", NCHW), (expected(200).astype("u1"), None))
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)


def test_labels_follow_the_reference(tmp_path, tf):
    torch.jit.script(Conditional()).save(str(tmp_path / "c.pt"))
    options = GeneratorOptions(latent_dim=DIM, layout="NCHW", labels=4, value_range=(0, 1))
    images = open_source(tmp_path / "c.pt", options=options).sample(5).images
    assert np.unique(images).tolist() == [102]


def test_weights_alone_and_programs_without_trust_are_refused(files):
    with pytest.raises(InputError, match=r"weights or pickled modules are not read"):
        open_source(files / "weights.pt", options=NCHW).sample(2)
    with pytest.raises(InputError, match="--trust if you know its author"):
        open_source(files / "exported.pt2", options=NCHW)
    with pytest.raises(InputError, match="--latent-dim"):
        open_source(files / "scripted.pt").sample(2)
